"""A simulated day with everything that looks on, against the same day alone.

Two pages, which read all they are sent, and a Prometheus that asks each second live in a process of
their own, as they would; what is compared is the time that the engine's process computes.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import aiohttp

from benchmarks.measure import Row
from benchmarks.world import symbols
from qka.app import Engine
from qka.engine.strategy import Strategy
from qka.model.market import Quote

PAGES = 2
_AGAIN = 0.05  # seconds until a page looks for the next run
TARGET = 1.05


class Trader(Strategy):
    """Buys now and then, so that there is something to see."""

    seen = 0

    def on_quote(self, quote: Quote) -> None:
        """Every thousandth quote is a reason."""
        self.seen += 1
        if self.seen % 1000 == 0 and quote.ask1:
            self.buy(quote.symbol, 100 if quote.symbol < "688" else 200)


def monitor(quick: bool) -> list[Row]:
    """The day alone and looked at, in turns."""
    count = 40 if quick else 120
    ratios: list[float] = []
    taken: tuple[list[float], list[float]] = ([], [])
    with TemporaryDirectory() as folder, _lookers(Path(folder)):
        for number in range(5 if quick else 9):
            for which in (0, 1) if number % 2 else (1, 0):
                taken[which].append(_day(Path(folder), count, looked_at=bool(which)))
            ratios.append(taken[1][-1] / taken[0][-1])
    alone, ours = (median(side) * 1e3 for side in taken)
    note = f"{count} symbols; {PAGES} pages, metrics each second, in another process; CPU time"
    return [Row("a day looked at", ours, "ms", alone, median(ratios), TARGET, note=note)]


def _day(folder: Path, count: int, *, looked_at: bool) -> float:
    config: dict[str, Any] = {
        "feed": {"kind": "simulated", "seed": 7, "speed": "max"},
        "monitor": {"enabled": looked_at, "dashboard": looked_at, "metrics": looked_at},
        "run": {"dir": str(folder / "runs")},
        "log": {"level": "ERROR"},
    }
    engine = Engine.from_config(config)
    engine.register(Trader(symbols=symbols(count)))
    begin = process_time()
    asyncio.run(engine.run_async())
    return process_time() - begin


@contextmanager
def _lookers(folder: Path) -> Iterator[None]:
    """Pages and a Prometheus for whatever runs there."""
    command = [sys.executable, "-m", "benchmarks.monitor", str(folder / "runs")]
    started = subprocess.Popen(command)
    try:
        yield
    finally:
        started.kill()
        started.wait()


async def _look(runs: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(PAGES):
            group.create_task(_page(runs))
        group.create_task(_prometheus(runs))


def _newest(runs: Path) -> tuple[str, dict[str, str]] | None:
    for file in sorted(runs.glob("*/control.json"), reverse=True):
        try:
            told = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        return told["url"], {"X-Token": told["token"]}
    return None


async def _page(runs: Path) -> None:
    while True:
        found = _newest(runs)
        if found is not None:
            url, headers = found
            try:
                async with (
                    aiohttp.ClientSession(headers=headers) as session,
                    session.ws_connect(f"{url}/stream") as stream,
                ):
                    async for message in stream:
                        json.loads(message.data)
            except aiohttp.ClientError:
                pass
        await asyncio.sleep(_AGAIN)


async def _prometheus(runs: Path) -> None:
    while True:
        found = _newest(runs)
        if found is not None:
            url, headers = found
            try:
                async with (
                    aiohttp.ClientSession(headers=headers) as session,
                    session.get(f"{url}/metrics") as answer,
                ):
                    await answer.read()
            except aiohttp.ClientError:
                pass
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    asyncio.run(_look(Path(sys.argv[1])))
