"""Counters of the server for Prometheus, in a registry of their own."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# seconds; the upper ends of the histogram's buckets
_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Series:
    """Calls of one method, by one transport, with one result."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_LATENCIES) + 1)  # calls in each
        self.seconds = 0.0  # their sum


class _Calls(Collector):
    """Calls and how long they took: counted on every one, so with the least that does it."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], _Series] = {}  # (method, via, result) -> calls

    def add(self, method: str, via: str, result: str, seconds: float) -> None:
        """A call was answered. `result` is "done" or the failure's code."""
        try:
            series = self._series[method, via, result]
        except KeyError:
            series = self._series[method, via, result] = _Series()
        series.buckets[bisect_left(_LATENCIES, seconds)] += 1
        series.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        calls = CounterMetricFamily(
            "qka_server_calls",
            "Calls by method, transport and result",
            labels=("method", "via", "result"),
        )
        methods: dict[str, list[_Series]] = {}
        for key, series in self._series.items():
            calls.add_metric(key, sum(series.buckets))
            methods.setdefault(key[0], []).append(series)
        yield calls
        seconds = HistogramMetricFamily(
            "qka_server_call_seconds", "Seconds from a call to its answer", labels=("method",)
        )
        ends = (*map(str, _LATENCIES), "+Inf")
        for method, found in methods.items():
            counts = map(sum, zip(*(series.buckets for series in found), strict=True))
            upto = list(zip(ends, accumulate(counts), strict=True))
            seconds.add_metric((method,), upto, sum(series.seconds for series in found))
        yield seconds


class Metrics:
    """What is counted. Labels come from fixed sets, so that no client can make them grow."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"qka_server_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"qka_server_{name}", words, registry=registry)

        self._calls = _Calls()
        registry.register(self._calls)
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
        self.called = self._calls.add

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self.registry)
