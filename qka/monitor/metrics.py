"""The metrics of a running engine for Prometheus, in a registry of their own.

What others count anyway is read when somebody asks. Labels come from the config and from fixed
sets, so that nothing makes them grow.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from qka.engine.engine import Engine
from qka.model.events import TradingState
from qka.model.order import OrderStatus
from qka.model.times import SECOND
from qka.monitor.guard import Right
from qka.monitor.latency import Latencies
from qka.monitor.meters import meters
from qka.monitor.route import Route
from qka.web import TEXT, response

_BEAT = 1.0  # seconds between two looks at how late the loop is

See = Callable[[], Mapping[str, Any]]


class Metrics(Collector):
    """Of one engine; made before it starts. `status` and `limits` give what their names say."""

    def __init__(self, engine: Engine, status: See, limits: See) -> None:
        self._engine = engine
        self._status = status
        self._limits = limits
        self._latencies = Latencies(engine)
        self._lag = 0.0  # seconds that the loop was late, at the last beat
        self._beat: asyncio.TimerHandle | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def open(self) -> None:
        """Begin to watch the loop."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _BEAT

        def beat() -> None:
            self._lag = max(0.0, loop.time() - due)
            self.open()

        self._beat = loop.call_at(due, beat)

    def close(self) -> None:
        """Watch no more."""
        if self._beat is not None:
            self._beat.cancel()

    def routes(self) -> dict[str, Route]:
        """What it answers."""
        return {"/metrics": Route("GET", self._answer, Right.VIEW)}

    async def _answer(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return response(generate_latest(self._registry), TEXT)

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the registry need not collect to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        status = self._status()
        yield from self._engine_itself(status)
        yield from self._market()
        yield from _account(status)
        yield from _by_strategy(status["strategies"])
        yield from self._orders()
        yield from self._meters()
        yield self._seconds()

    def _engine_itself(self, status: Mapping[str, Any]) -> Iterator[Metric]:
        engine, trading = self._engine, status["trading"]["state"]
        yield _gauge("running", "1 while strategies are heard", int(status["running"]))
        yield _gauge("clock_seconds", "The engine's time", engine.clock.now() / SECOND)
        yield _gauge("loop_lag_seconds", "Seconds that the engine's loop was late", self._lag)
        state = GaugeMetricFamily("qka_trading_state", "1 for the one it is", labels=("state",))
        for each in TradingState:
            state.add_metric((each,), int(each == trading))
        yield state
        links = GaugeMetricFamily("qka_link_up", "1 when a link is up", labels=("link",))
        for link in status["links"]:
            links.add_metric((link["link"],), int(link["up"]))
        yield links
        alerts = CounterMetricFamily("qka_alerts", "Warnings and errors", labels=("severity",))
        for severity in ("warning", "error"):
            told = sum(alert.severity == severity for alert in engine.tally.alerts)
            alerts.add_metric((severity,), told)
        yield alerts
        yield _counter("journal_records", "Records in the journal", engine.journal.head.seq)
        waiting = getattr(engine.journal, "waiting", 0)
        yield _gauge("journal_waiting", "Records not handed to the disk yet", waiting)

    def _market(self) -> Iterator[Metric]:
        engine = self._engine
        yield _counter("quotes", "Quotes heard", engine.ledger.heard)
        newest = max((quote.time for quote in engine.ledger.quotes.values()), default=0)
        age = (engine.clock.now() - newest) / SECOND if newest else -1.0
        yield _gauge("quote_age_seconds", "Age of the newest quote; -1 without any", age)

    def _orders(self) -> Iterator[Metric]:
        working = list(self._engine.ledger.working())
        unknown = sum(order.status is OrderStatus.UNKNOWN for order in working)
        yield _gauge("orders_working", "Orders that are not final", len(working))
        yield _gauge("orders_unknown", "Orders of which nobody knows what became", unknown)
        today = self._engine.gate.meter.today(self._engine.clock.now())
        yield _gauge("cancels_today", "Cancels asked for today", today.cancels)

    def _meters(self) -> Iterator[Metric]:
        labels = ("meter", "of")
        used = GaugeMetricFamily("qka_meter_used", "How much is used of a limit", labels=labels)
        limit = GaugeMetricFamily("qka_meter_limit", "The limit, where there is one", labels=labels)
        for row in meters(self._engine, self._limits()):
            names = (row["name"], row["of"])
            used.add_metric(names, row["used"])
            if row["limit"] is not None:
                limit.add_metric(names, row["limit"])
        yield used
        yield limit

    def _seconds(self) -> Metric:
        seconds = HistogramMetricFamily(
            "qka_order_seconds",
            "From a quote to its order, from an order to its answers and its first fill",
            labels=("stage",),
        )
        for name, histogram in self._latencies.stages.items():
            seconds.add_metric((name,), histogram.upto(), histogram.seconds)
        return seconds


def _account(status: Mapping[str, Any]) -> Iterator[Metric]:
    account = status["account"]
    for name in ("cash", "available", "market_value", "total", "profit", "fees"):
        yield _gauge(f"account_{name}_cny", f"The account: {name.replace('_', ' ')}", account[name])
    yield _gauge("positions", "Symbols held", len(status["positions"]))


def _by_strategy(strategies: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, words in (
        ("signals", "Signals"),
        ("orders", "Orders that left"),
        ("fills", "Fills"),
        ("errors", "Errors of a strategy's code"),
    ):
        family = CounterMetricFamily(f"qka_{name}", words, labels=("strategy",))
        for each in strategies:
            family.add_metric((each["name"],), each[name])
        yield family
    denials = CounterMetricFamily("qka_denials", "Orders refused", labels=("strategy", "code"))
    for each in strategies:
        for code, count in each["denied"].items():
            denials.add_metric((each["name"], code), count)
    yield denials
    for name, words in (("profit", "Profit"), ("turnover", "Turnover"), ("fees", "Fees")):
        gauge = GaugeMetricFamily(f"qka_strategy_{name}_cny", words, labels=("strategy",))
        for each in strategies:
            gauge.add_metric((each["name"],), float(each[name]))
        yield gauge


def _gauge(name: str, words: str, value: Any) -> Metric:
    return GaugeMetricFamily(f"qka_{name}", words, value=float(value))


def _counter(name: str, words: str, value: Any) -> Metric:
    return CounterMetricFamily(f"qka_{name}", words, value=float(value))
