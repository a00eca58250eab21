"""Rows 1 and 2: one event through the bus, and one Quote from an xtquant dict."""

import dataclasses
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.measure import Row, Timed, against, timed
from benchmarks.world import symbols, tick
from qka.engine.bus import Bus
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.events import TimerFired
from qka.model.times import MILLISECOND


class Heard:
    """A handler that does next to nothing."""

    def __init__(self) -> None:
        self.last: Any = None

    def on_event(self, event: Any) -> None:
        """Remember it."""
        self.last = event


class Owner:
    """Answers for handlers that neither raise nor return anything."""

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """Never."""
        raise error

    def returned(self, handler: Any, event: Any, result: Any) -> None:
        """Never."""


def bus(quick: bool) -> list[Row]:
    """publish() against a dict of handlers and a loop, nothing else."""
    plain = TimerFired(1, "demo", "every 3s")
    quote = quote_from_xt("600000.SH", tick(0))
    return [
        _publish("bus.publish, 1 handler", plain, 1, None, 1.5),
        _publish("bus.publish, Quote by symbol, 1 handler", quote, 1, symbols(50), 1.5),
        _publish("bus.publish, Quote by symbol, 10 handlers", quote, 10, symbols(50), 1.5),
    ]


def _publish(what: str, event: Any, count: int, keys: list[str] | None, target: float) -> Row:
    heard = [Heard() for _ in range(count)]
    ours = Bus()
    for one in heard:
        ours.subscribe(type(event), one.on_event, Owner(), keys)
    calls = tuple(one.on_event for one in heard)
    floor = _by_class(event, calls) if keys is None else _by_symbol(event, calls, keys)
    publish = ours.publish

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            publish(event)
        return perf_counter() - begin

    return against(what, floor, run, target)


def _by_class(event: Any, calls: tuple[Callable[[Any], None], ...]) -> Timed:
    routes = {type(event): calls}

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            for handler in routes[type(event)]:
                handler(event)
        return perf_counter() - begin

    return run


def _by_symbol(event: Any, calls: tuple[Callable[[Any], None], ...], keys: list[str]) -> Timed:
    routes = {type(event): dict.fromkeys(keys, calls)}

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            for handler in routes[type(event)][event.symbol]:
                handler(event)
        return perf_counter() - begin

    return run


@dataclasses.dataclass(slots=True)
class PlainQuote:
    """The Quote's fields in an ordinary slots dataclass."""

    symbol: str
    time: int
    last: float
    open: float
    high: float
    low: float
    prev_close: float
    volume: int
    amount: float
    phase: int
    ask_prices: list[float]
    ask_lots: list[int]
    bid_prices: list[float]
    bid_lots: list[int]
    limit_up: float = 0.0
    limit_down: float = 0.0


def plain_from_xt(symbol: str, t: dict[str, Any]) -> PlainQuote:
    """The same work as `quote_from_xt` at its least."""
    return PlainQuote(
        symbol,
        t["time"] * MILLISECOND,
        t["lastPrice"],
        t["open"],
        t["high"],
        t["low"],
        t["lastClose"],
        t["volume"] * 100,
        t["amount"],
        t["openInt"],
        t["askPrice"],
        t["askVol"],
        t["bidPrice"],
        t["bidVol"],
        0.0,
        0.0,
    )


def quote(quick: bool) -> list[Row]:
    """A Quote against a slots dataclass of the same fields, made and dropped, and kept."""
    pushes = [(symbol, tick(i)) for i, symbol in enumerate(symbols(200))]

    def dropped(make: Callable[[str, dict[str, Any]], object]) -> Callable[[], None]:
        def work() -> None:
            for symbol, push in pushes:
                make(symbol, push)

        return work

    def kept(make: Callable[[str, dict[str, Any]], object]) -> Callable[[], object]:
        return lambda: [[make(symbol, push) for symbol, push in pushes] for _ in range(20)]

    many = len(pushes)
    return [
        against(
            "Quote from an xtquant dict",
            timed(dropped(plain_from_xt)),
            timed(dropped(quote_from_xt)),
            0.7,
            per=many,
            note="floor: slots dataclass",
        ),
        against(
            "the same, 4,000 kept alive",
            timed(kept(plain_from_xt)),
            timed(kept(quote_from_xt)),
            0.7,
            per=many * 20,
            note="with the collector on",
        ),
    ]
