"""A simulated day with everything that looks on, against the same day alone.

Two pages, which read all they are sent, a Prometheus that asks each second and the service that
takes alerts and heartbeats live in a process of their own, as they would; what is compared is the
time that the engine's process computes, its threads included. The day is over in seconds: it writes
the log of four hours meanwhile. What a day leaves to the garbage collector is swept before the next
one begins: else it is charged to the other side, whose turn is next.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from benchmarks.measure import Row
from benchmarks.world import symbols
from qka.app import Engine
from qka.engine.strategy import Strategy
from qka.model.market import Quote
from qka.settings import AlertSettings, from_mapping
from qka.settings.sections import HeartbeatSettings

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
    """The day alone and looked at, in turns: by pages and metrics, and with all that there is."""
    count = 40 if quick else 120
    with TemporaryDirectory() as folder, _lookers(Path(folder)) as port:
        lives = (None, _Looked(), _Looked(port))
        taken: list[list[float]] = [[], [], []]
        for number in range(5 if quick else 9):
            for which in (0, 1, 2) if number % 2 else (2, 1, 0):
                taken[which].append(_day(Path(folder), count, lives[which]))
    ratios = [median(b / a for a, b in zip(taken[0], one, strict=True)) for one in taken]
    alone, seen, all_on = (median(side) * 1e3 for side in taken)
    of = f"{count} symbols; {PAGES} pages, metrics each second, in another process"
    more = "as above, and each order on console and in JSON lines, alerts and heartbeat by HTTP"
    return [
        Row("a day looked at", seen, "ms", alone, ratios[1], TARGET, note=f"{of}; CPU time"),
        Row("a day with all on", all_on, "ms", alone, ratios[2], TARGET, note=more),
    ]


class _Looked(NamedTuple):
    """What looks on; `alerts`: the port of who takes alerts, and then everything is logged too."""

    alerts: int = 0


def _day(folder: Path, count: int, looked: _Looked | None) -> float:
    on = looked is not None
    config: dict[str, Any] = {
        "feed": {"kind": "simulated", "seed": 7, "speed": "max"},
        "monitor": {"enabled": on, "dashboard": on, "metrics": on},
        "run": {"dir": str(folder / "runs")},
        "log": {"level": "INFO" if looked and looked.alerts else "ERROR"},
    }
    chosen = from_mapping(config)
    if looked and looked.alerts:
        chosen = chosen.model_copy(update={"alerts": _alerts(looked.alerts)})
    engine = Engine.from_config(chosen)
    engine.register(Trader(symbols=symbols(count)))
    gc.collect()
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # a terminal's time is its own
        begin = process_time()
        asyncio.run(engine.run_async())
        return process_time() - begin


def _alerts(port: int) -> AlertSettings:
    """To one receiver what a config without rules sends it, and the day's figures; a heartbeat."""
    there = f"127.0.0.1:{port}"
    beat = HeartbeatSettings(url=SecretStr(f"http://{there}/beat"))
    phone = SecretStr(f"json://{there}/phone")
    return AlertSettings(send=True, targets={"phone": phone}, heartbeat=beat, digest=True)


@contextmanager
def _lookers(folder: Path) -> Iterator[int]:
    """Pages, a Prometheus and who takes alerts, for whatever runs there; the port of the last."""
    command = [sys.executable, "-m", "benchmarks.monitor", str(folder / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        try:
            yield int(started.stdout.readline())
        finally:
            started.kill()


async def _look(runs: Path) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    async with asyncio.TaskGroup() as group:
        for _ in range(PAGES):
            group.create_task(_page(runs))
        group.create_task(_prometheus(runs))


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({})


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
