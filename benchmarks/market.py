"""Rows 6 and 7: a push of the whole market to ten strategies, and a simulated day end to end."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.measure import Row, Timed, against
from benchmarks.world import (
    CASH,
    FEES,
    NoBroker,
    six_rules,
    symbols,
    tick,
    with_engine,
)
from qka.brokers.paper import PaperBroker
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.engine.strategy import Strategy
from qka.feeds.xtdata_words import quote_from_xt
from qka.journal.port import NoJournal
from qka.model.events import SessionPhase
from qka.model.market import Bar, Quote
from qka.risk.rules import cash, sellable

MARKET = symbols(5_400)
WATCHED = [MARKET[i : i + 500 : 10] for i in range(10)]  # ten strategies, fifty symbols each
SUBSCRIBED = sorted(symbol for watched in WATCHED for symbol in watched)


class Watcher(Strategy):
    """Looks at the last price."""

    seen = 0.0

    def on_quote(self, quote: Quote) -> None:
        """Look."""
        self.seen = quote.last


class PlainWatcher:
    """The floor's strategy: looks into the dict itself."""

    seen = 0.0

    def on_tick(self, tick: dict[str, Any]) -> None:
        """Look."""
        self.seen = tick["lastPrice"]


def _routes() -> dict[str, tuple[Callable[[Any], None], ...]]:
    return {symbol: (PlainWatcher().on_tick,) for symbol in SUBSCRIBED}


def _floor_subscribed(push: dict[str, dict[str, Any]]) -> Timed:
    routes = _routes()

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            for symbol, handlers in routes.items():
                t = push.get(symbol)
                if t is not None and t["lastPrice"]:
                    for handler in handlers:
                        handler(t)
        return perf_counter() - begin

    return run


def _floor_pushed(push: dict[str, dict[str, Any]]) -> Timed:
    routes = _routes()

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            for symbol, t in push.items():
                if t["lastPrice"]:
                    for handler in routes.get(symbol, ()):
                        handler(t)
        return perf_counter() - begin

    return run


def _ours(push: dict[str, dict[str, Any]]) -> Timed:
    """As a feed does it: walk the smaller of subscribed and pushed, one Quote for all."""

    async def body(engine: Engine, clock: ReplayClock, broker: NoBroker, times: int) -> float:
        publish = engine.publish
        begin = perf_counter()
        for _ in range(times):
            for symbol in SUBSCRIBED:
                t = push.get(symbol)
                if t is not None:
                    publish(quote_from_xt(symbol, t))
        return perf_counter() - begin

    def run(times: int) -> float:
        watchers = [Watcher(symbols=w, name=f"w{i}") for i, w in enumerate(WATCHED)]
        return with_engine(
            lambda engine, clock, broker: body(engine, clock, broker, times), watchers
        )

    return run


def push(quick: bool) -> list[Row]:
    """One push of 5,400 dicts to ten strategies of 50 symbols each."""
    whole = {symbol: tick(i) for i, symbol in enumerate(MARKET)}
    what, rounds = "push of 5,400 to 10 x 50", 9 if quick else 15
    return [
        against(
            what,
            _floor_subscribed(whole),
            _ours(whole),
            None,
            rounds=rounds,
            unit="us",
            note="floor: no events, walks the 500 subscribed",
        ),
        against(
            what,
            _floor_pushed(whole),
            _ours(whole),
            2.0,
            rounds=rounds,
            unit="us",
            note="floor: no events, walks the 5,400 (perf.md)",
        ),
    ]


def day(quick: bool) -> list[Row]:
    """The simulated day through the paper set-up; no floor."""
    try:
        from qka.feeds.simulated import SimulatedFeed
    except ModuleNotFoundError:
        return []
    clock = ReplayClock()
    broker = PaperBroker(clock, FEES, "demo", CASH)
    engine = Engine(
        clock=clock,
        feed=SimulatedFeed(clock, seed=7),
        broker=broker,
        journal=NoJournal(),
        rules=[*six_rules(cash), sellable],
        fees=FEES,
        cash=CASH,
        account_id="demo",
    )
    engine.listen(Quote, broker.on_quote)
    engine.listen(Bar, broker.on_bar)
    engine.listen(SessionPhase, broker.on_phase)
    engine.register(Watcher())
    quotes = 0

    def count(quote: Quote) -> None:
        nonlocal quotes
        quotes += 1

    engine.listen(Quote, count)
    begin = perf_counter()
    asyncio.run(engine.run_async())
    took = perf_counter() - begin
    note = f"{quotes:,} quotes in {took:.2f} s, simulation included"
    return [Row("simulated day, quotes/s", quotes / took, "1/s", note=note)]
