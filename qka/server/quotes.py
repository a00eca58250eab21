"""Who wants which quotes: one subscription at the terminal, each client gets its own part."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from loguru import logger

from qka.errors import BrokerUnavailable
from qka.server.backend import Backend, Tick

MARKETS = frozenset({"SH", "SZ", "BJ"})

_encoder = msgspec.json.Encoder()


class Reader(Protocol):
    """A client that hears quotes."""

    def quote(self, symbol: str, tick: bytes) -> None:
        """A tick (JSON) of a symbol it asked for; a newer one replaces one not yet sent."""

    def quoted(self) -> None:
        """That was all of one push."""


class Wanted:
    """What one reader asked for."""

    __slots__ = ("markets", "symbols")

    def __init__(self) -> None:
        self.symbols: set[str] = set()
        self.markets: set[str] = set()

    def __len__(self) -> int:
        return len(self.symbols) + len(self.markets)


class Quotes:
    """Fans the terminal's quotes out. Each tick is written as JSON once, and only if wanted."""

    def __init__(self, backend: Backend, time: Callable[[], float]) -> None:
        self._backend = backend
        self._time = time  # the loop's seconds
        self._wanted: dict[Reader, Wanted] = {}
        self._users: Counter[str] = Counter()  # symbol or market -> readers
        self._turn = asyncio.Lock()  # what the terminal is told, it is told in order
        self._kept: set[str] = set()  # symbols that the server itself wants
        self._pushed: set[str] | None = None  # symbols, while last ticks are asked for
        self.last: float | None = None  # when the last push came, the loop's seconds

    @property
    def users(self) -> int:
        """How many symbols and markets somebody wants."""
        return len(self._users)

    def wanted(self, reader: Reader) -> Wanted:
        """What a reader asked for so far."""
        return self._wanted.get(reader) or Wanted()

    def push(self, ticks: Mapping[str, Tick]) -> None:
        """Quotes came from the terminal."""
        self.last = self._time()
        if self._pushed is not None:
            self._pushed.update(ticks)
        written: dict[str, bytes] = {}
        for reader, wanted in self._wanted.items():
            if wanted.markets:
                mine: Iterable[str] = (
                    s for s in ticks if s in wanted.symbols or s[-2:] in wanted.markets
                )
            elif len(wanted.symbols) < len(ticks):
                mine = (s for s in wanted.symbols if s in ticks)
            else:
                mine = (s for s in ticks if s in wanted.symbols)
            heard = False
            for symbol in mine:
                tick = written.get(symbol)
                if tick is None:
                    tick = written[symbol] = _encoder.encode(ticks[symbol])
                reader.quote(symbol, tick)
                heard = True
            if heard:
                reader.quoted()

    async def subscribe(self, reader: Reader, names: Iterable[str]) -> int:
        """Let a reader hear these too, their last ticks first; how many it hears now.

        Where the last ticks can't be had the subscription stands all the same. Raises
        BrokerUnavailable when the terminal took none; then nothing is changed.
        """
        wanted = self._wanted.setdefault(reader, Wanted())
        async with self._turn:
            fresh = set(names) - wanted.symbols - wanted.markets
            new = [name for name in fresh if not self._is_wanted(name)]
            if new:
                await self._backend.subscribe(new)
            if reader not in self._wanted:  # it went away meanwhile
                await self._dropped(new)
                return 0
            for name in fresh:
                self._users[name] += 1
                (wanted.markets if name in MARKETS else wanted.symbols).add(name)
            await self._last_ticks(reader, fresh)
        reader.quoted()
        return len(wanted)

    async def _last_ticks(self, reader: Reader, names: set[str]) -> None:
        self._pushed = set()
        try:
            ticks = await self._backend.ticks(names) if names else {}
            # what was pushed while we asked is newer than the answer
            for symbol in ticks.keys() - self._pushed:
                reader.quote(symbol, _encoder.encode(ticks[symbol]))
        except BrokerUnavailable as error:
            logger.warning("the last quotes can't be had: {}", error)
        finally:
            self._pushed = None

    async def unsubscribe(self, reader: Reader, names: Iterable[str]) -> int:
        """Let a reader hear these no more; how many it still hears. Raises BrokerUnavailable."""
        wanted = self._wanted.get(reader)
        if wanted is None:
            return 0
        gone = {n for n in names if n in wanted.symbols or n in wanted.markets}
        wanted.symbols -= gone
        wanted.markets -= gone
        async with self._turn:
            self._users.subtract(gone)
            self._users = +self._users
            await self._dropped(gone)
        return len(wanted)

    async def leave(self, reader: Reader) -> None:
        """A reader is gone."""
        wanted = self._wanted.pop(reader, None)
        if wanted is None:
            return
        async with self._turn:
            gone = wanted.symbols | wanted.markets
            self._users.subtract(gone)
            self._users = +self._users
            await self._dropped(gone)

    async def keep(self, symbol: str) -> Tick | None:
        """Have a symbol pushed from now on, whoever wants it; its last tick, None without one.

        Raises BrokerUnavailable.
        """
        async with self._turn:
            new = not self._is_wanted(symbol)
            self._kept.add(symbol)  # also if that fails: the terminal is told when it is back
            if new:
                await self._backend.subscribe([symbol])
        return (await self._backend.ticks([symbol])).get(symbol)

    def _is_wanted(self, name: str) -> bool:
        return name in self._kept or bool(self._users.get(name))

    async def again(self) -> None:
        """The terminal is back: tell it once more what is wanted. Raises BrokerUnavailable."""
        async with self._turn:
            if names := self._users.keys() | self._kept:
                await self._backend.subscribe(names)

    async def _dropped(self, names: Iterable[str]) -> None:
        unused = [name for name in names if not self._is_wanted(name)]
        if unused:
            await self._backend.unsubscribe(unused)
