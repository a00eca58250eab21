"""Row 9: from the click to the acknowledged halt, while the whole market is pushed."""

import asyncio
import tempfile
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, sleep

from benchmarks.market import MARKET, WATCHED, Watcher
from benchmarks.measure import Row
from benchmarks.world import NoBroker, tick, with_engine
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.feeds.xtdata_words import quote_from_xt
from qka.monitor.client import Running, at
from qka.monitor.monitor import Monitor, Wanted

GOAL = 50.0  # ms


def halt(quick: bool) -> list[Row]:
    """A click by HTTP, as the command line and a page make it, against the goal of 50 ms.

    5,400 ticks at once to ten strategies of 50 symbols and one of all, ten times a second: a market
    pushes once in 3 s. Then without a pause, a push each turn of the loop. Connecting is in it.
    """
    clicks = 30 if quick else 100
    usual, slowest = _taken(clicks, 0.1)
    busy, longest = _taken(clicks // 3, 0.0)
    return [
        Row(
            "halt: click to acknowledged",
            usual,
            "ms",
            GOAL,
            usual / GOAL,
            1.0,
            note=f"floor: the goal; {clicks} clicks, the slowest {slowest:.0f} ms",
        ),
        Row(
            "halt: pushes without a pause",
            busy,
            "ms",
            note=f"{clicks // 3} clicks, the slowest {longest:.0f} ms",
        ),
    ]


def _taken(clicks: int, pause: float) -> tuple[float, float]:
    """The median and the most of so many clicks, ms."""
    strategies = [Watcher(symbols=w, name=f"w{i}") for i, w in enumerate(WATCHED)]
    strategies.append(Watcher(name="all"))
    taken = with_engine(lambda *edges: _clicks(*edges, clicks, pause), strategies)
    return median(taken) * 1e3, max(taken) * 1e3


async def _clicks(
    engine: Engine, clock: ReplayClock, broker: NoBroker, clicks: int, pause: float
) -> list[float]:
    rng = Random(9)
    whole = {symbol: tick(i) for i, symbol in enumerate(MARKET)}
    monitor = Monitor(engine, dict, Wanted(must=True))
    with tempfile.TemporaryDirectory() as folder:
        monitor.bind(Path(folder))
        await monitor.open()
        run = at(Path(folder))
        assert run is not None
        market = asyncio.create_task(_push(engine, whole, pause))
        try:
            rests = [rng.random() * max(pause, 0.01) * 2 for _ in range(clicks)]
            return [await asyncio.to_thread(_click, run, rest) for rest in rests]
        finally:
            market.cancel()
            await monitor.close()


async def _push(engine: Engine, whole: dict[str, dict[str, object]], pause: float) -> None:
    while True:
        for symbol, t in whole.items():
            engine.publish(quote_from_xt(symbol, t))
        await asyncio.sleep(pause)


def _click(run: Running, rest: float) -> float:
    """Seconds until it is acknowledged; what is halted is resumed.

    `rest` seconds pass before, so that a click comes at any moment of the market's.
    """
    sleep(rest)
    begin = perf_counter()
    run.ask("POST", "/command", {"command": "halt", "who": "a click"})
    took = perf_counter() - begin
    run.ask("POST", "/command", {"command": "resume", "who": "a click"})
    return took
