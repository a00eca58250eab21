"""Quotes of a QMTServer, over the connection that its broker uses too.

The client subscribes again by itself when the link is back, and the server sends the last ticks
first; what becomes of them is `live`'s business.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from qka.clock import Clock
from qka.errors import QkaError
from qka.feeds.live import LiveFeed, Push, Tick

_AT_ONCE = 8  # questions under way


class Server(Protocol):
    """`qka.brokers.client.AsyncQMTClient`, as far as a feed needs it."""

    @property
    def up(self) -> bool:
        """Whether it is connected."""

    async def open(self) -> Any:
        """Connect and stay connected."""

    async def close(self) -> None:
        """Let go."""

    async def query(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Plain data; raises QkaError."""

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Ask for quotes."""

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Ask for no more."""

    def listen(
        self,
        *,
        quotes: Callable[[dict[str, Tick]], None],
        link: Callable[[bool, str], None],
    ) -> None:
        """Hear quotes, and the link going up and down."""


class _Source:
    """A server as a source of ticks."""

    def __init__(self, server: Server) -> None:
        self.on_state: Callable[[bool, str], None] = lambda up, reason: None
        self._server = server
        self._push: Push | None = None  # while it is open
        self._wanted: dict[str, None] = {}  # symbols and markets
        server.listen(quotes=self._heard, link=self._linked)

    @property
    def up(self) -> bool:
        return self._server.up

    async def open(self, push: Push, *, wait: bool) -> None:
        if self._push is None:
            await self._server.open()
            self._push = push

    async def close(self) -> None:
        if self._push is None:
            return
        self._push = None
        wanted, self._wanted = list(self._wanted), {}
        try:
            async with asyncio.timeout(1):
                await self._server.unsubscribe(wanted)
        except (TimeoutError, QkaError):
            pass  # the server forgets it with the connection
        await self._server.close()

    async def subscribe(self, symbols: Iterable[str]) -> None:
        fresh = [name for name in symbols if name not in self._wanted]
        self._wanted.update(dict.fromkeys(fresh))
        await self._server.subscribe(fresh)

    async def again(self, symbols: Iterable[str] = ()) -> None:
        names = list(symbols) or list(self._wanted)
        await self._server.unsubscribe(names)
        await self._server.subscribe(names)

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        found = await self._server.query("get_full_tick", {"code_list": list(symbols)})
        return _readable(found or {})

    async def instrument(self, symbol: str, complete: bool = False) -> dict[str, Any] | None:
        params = {"stock_code": symbol, "iscomplete": complete}
        detail: dict[str, Any] | None = await self._server.query("get_instrument_detail", params)
        return detail

    async def history(
        self, symbols: Sequence[str], period: str, count: int
    ) -> dict[str, list[list[float]]]:
        places = asyncio.Semaphore(_AT_ONCE)

        async def bars(symbol: str) -> list[list[float]]:
            async with places:
                params = {"symbol": symbol, "period": period, "count": count}
                rows: list[list[float]] | None
                rows = await self._server.query("get_market_data", params)
                return rows or []

        asked = [asyncio.ensure_future(bars(symbol)) for symbol in symbols]
        try:
            return dict(zip(symbols, await asyncio.gather(*asked), strict=True))
        finally:
            for task in asked:
                task.cancel()

    async def factors(self, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
        params = {"stock_code": symbol, "start_time": start, "end_time": end}
        return await self._server.query("get_divid_factors", params) or {}

    def _heard(self, ticks: dict[str, Tick]) -> None:
        if self._push is not None:
            self._push("quotes", _readable(ticks))

    def _linked(self, up: bool, reason: str) -> None:
        if self._push is not None:
            self.on_state(up, reason)


def _readable(ticks: dict[str, Tick]) -> dict[str, Tick]:
    """NaN travels as null: there was no number."""
    return {
        symbol: {name: 0.0 if value is None else value for name, value in tick.items()}
        if None in tick.values()
        else tick
        for symbol, tick in ticks.items()
    }


class RemoteFeed(LiveFeed):
    """Live quotes of a QMTServer, over a client that a broker may share.

    `warm`: period -> bars to fetch when it opens, which is all the history there will be;
    `silence`: seconds in trading hours after which missing quotes are looked into.
    """

    def __init__(
        self,
        server: Server,
        clock: Clock,
        *,
        warm: Mapping[str, int] | None = None,
        silence: float = 30.0,
    ) -> None:
        super().__init__(_Source(server), clock, warm=warm, silence=silence)
