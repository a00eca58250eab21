"""Counters of the server for Prometheus, in a registry of their own."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What is counted. Labels come from fixed sets, so that no client can make them grow."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"qka_server_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"qka_server_{name}", words, registry=registry)

        self._calls = counter(
            "calls", "Calls by method, transport and result", "method", "via", "result"
        )
        self._seconds = Histogram(
            "qka_server_call_seconds",
            "Seconds from a call to its answer",
            ("method",),
            registry=registry,
            buckets=_LATENCIES,
        )
        self.refused_tokens = counter("refused_tokens", "Requests with a wrong token")
        self.lockouts = counter("lockouts", "Addresses locked out")
        self.events = counter("events", "Pushes numbered and sent on")
        self.slow_clients = counter("slow_clients", "Clients cut off because they did not read")
        self.lapsed_leases = counter("lapsed_leases", "Leases that ran out")
        self.clients = gauge("clients", "WebSocket clients now")
        self.seq = gauge("event_seq", "Number of the last event")
        self.ready = gauge("terminal_ready", "1 when the terminal can be asked")
        self.unknown = gauge("unknown_outcomes", "Orders of which nobody knows what became")
        self.in_flight = gauge("calls_in_flight", "Calls being worked on now")
        self.commits = gauge("store_commits", "Groups written to the disk")
        self.quote_age = gauge("quote_age_seconds", "Seconds since the last quote; -1 without any")
        self._call = lru_cache(maxsize=4096)(self._call_children)

    def called(self, method: str, via: str, result: str, seconds: float) -> None:
        """A call was answered. `result` is "done" or the failure's code."""
        count, timing = self._call(method, via, result)
        count.inc()
        timing.observe(seconds)

    def _call_children(self, method: str, via: str, result: str) -> tuple[Counter, Histogram]:
        return self._calls.labels(method, via, result), self._seconds.labels(method)

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self.registry)
