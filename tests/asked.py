"""A real engine on paper whose quotes a test hands in one by one, with its monitor open."""

import asyncio
from contextlib import asynccontextmanager, suppress
from random import sample
from socket import create_server

from builders import DAY, SYMBOL, a_quote, moment

import qka
from qka.model.times import SECOND, at
from qka.monitor import client


def a_port():
    """One that is free and can be had again by an engine after the first.

    None of those that the system gives to whoever connects, or somebody had it in between.
    """
    for port in sample(range(20_000, 30_000), 100):
        with suppress(OSError):
            create_server(("127.0.0.1", port)).close()
            return port
    raise AssertionError("a hundred ports, and none is free")


class Watcher(qka.Strategy):
    """Looks, and does nothing."""

    symbols = [SYMBOL]

    def on_quote(self, quote):
        pass


class Eager(qka.Strategy):
    """Buys at every quote, far below the market, so that all of it rests."""

    symbols = [SYMBOL]

    def on_quote(self, quote):
        self.buy(SYMBOL, 100, 9.01)


class HandFeed:
    """Brings what `push` is given; time stands still between."""

    start = at(DAY, "09:15")

    def __init__(self, clock):
        self._clock = clock
        self._report = asyncio.get_running_loop().create_future()

    async def open(self, symbols):
        return symbols or [SYMBOL]

    def provides(self):
        return "quote"

    def history(self, symbol, period, count):
        return []

    async def actions(self, symbols, since, until):
        return []

    async def run(self, report):
        self._report.set_result(report)
        await asyncio.Event().wait()

    async def push(self, *events):
        report = await self._report
        for event in events:
            await self._clock.advance(max(event.time, self._clock.now()))
            report(event)

    def progress(self):
        return 0.0

    async def close(self):
        pass


class Asked:
    """An engine, and who asks it by HTTP as the command line does."""

    def __init__(self, engine):
        self.engine = engine
        self.run = client.at(engine.folder)
        self.seconds = 0.0

    async def ask(self, verb, path, body=None):
        """On a thread, as another process would."""
        return await asyncio.to_thread(self.run.ask, verb, path, body)

    async def status(self):
        return await self.ask("GET", "/status")

    async def command(self, name, *words, who="li@desk", why=""):
        body = {"command": name, "args": list(map(str, words)), "who": who, "why": why}
        return await self.ask("POST", "/command", body)

    async def quote(self, last=10.0, *, symbol=SYMBOL, phase=13, **changes):
        """The next snapshot, three seconds on; what was sent before has reached the market."""
        self.seconds += 3
        time = moment("10:00:00") + int(self.seconds * SECOND)
        await self.engine.feed.push(a_quote(last, symbol=symbol, time=time, phase=phase, **changes))

    @property
    def orders(self):
        return list(self.engine.ledger.orders.values())


@asynccontextmanager
async def asked(folder, *strategies, held=None, **config):
    """An engine that stands at 10:00 with one quote of 600000.SH at 10.00."""
    positions = {s: {"quantity": shares, "cost": 10.0} for s, shares in (held or {}).items()}
    engine = qka.Engine.from_config(
        {
            "account": {"cash": 1_000_000, "positions": positions},
            "monitor": {"enabled": True},
            "run": {"dir": str(folder / "runs")},
            **config,
        }
    )
    engine.feed = HandFeed(engine.clock)
    for strategy in strategies:
        engine.register(strategy)
    async with engine:
        there = Asked(engine)
        await there.quote()
        yield there
