"""The watchers: pages that look on, each by a WebSocket.

A few times a second, and only while somebody looks, the panels are made; what differs from the last
time is sent. What a slow page has not read yet is replaced by what is newer, so nothing piles up.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

import msgspec
from aiohttp import WSMsgType, web
from loguru import logger

from qka.monitor.curves import ACCOUNT, Curves, Point
from qka.monitor.guard import Refused, Right
from qka.monitor.panels import Panels
from qka.monitor.recent import Recent
from qka.wire import compact

EVERY = 0.25  # seconds between two pictures while somebody looks
LOOK = 1.0  # seconds between two looks for the curves while nobody does
MOST = 16  # pages
_LONGEST = 1024  # bytes of what a page says
_SLOW = 20.0  # seconds that a page may take to read what it was sent
_PING = 20.0  # seconds of silence until a page is asked whether it is there
_LEAVE = 0.5  # seconds for a goodbye


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page says: whose curve it shows."""

    chart: Annotated[str, msgspec.Meta(max_length=16)] = ""


class Watcher:
    """One page: what it is to show waits here until it has read what came before."""

    def __init__(self, socket: web.WebSocketResponse, curves: Curves, recent: Recent) -> None:
        self.fresh = True  # it has no picture yet
        self.chart = ACCOUNT  # the symbol whose curve it shows
        self._drawn: list[Point] | None = None  # the last point of it that was sent, if any was
        self._count = 0  # of points that were sent
        self._day = date.min  # that they belong to
        self._socket = socket
        self._curves = curves
        self._recent = recent
        self._last = False  # what waits is the last that it is given
        self._waiting: dict[str, bytes] = {}  # panel -> its JSON; a newer one replaces it
        self._more = asyncio.Event()

    def give(self, panels: Mapping[str, bytes], *, last: bool = False) -> None:
        """Panels to show, and perhaps more of its curve; never waits."""
        self._waiting.update(panels)
        self._last = last
        self._more.set()

    def show(self, symbol: str) -> None:
        """Another curve."""
        self.chart, self._drawn, self._count = symbol, None, 0
        self._more.set()

    async def send(self) -> None:
        """Send what waits, until the last; raises TimeoutError for a page that does not read."""
        while self._waiting or not self._last:
            await self._more.wait()
            self._more.clear()
            panels, self._waiting = self._waiting, {}
            piece = self._piece()
            if piece is not None:
                panels["chart"] = compact(piece)
            if panels:
                async with asyncio.timeout(_SLOW):
                    await self._socket.send_str(_object(panels))

    def _piece(self) -> dict[str, Any] | None:
        """What it has not of its curve, from the point on that may have moved since."""
        if self._day != self._curves.day:
            self._day, self._drawn, self._count = self._curves.day, None, 0
        start, whole = max(0, self._count - 1), not self._count
        points = self._curves.points(self.chart, start)
        if points == self._drawn:
            return None
        self._drawn, self._count = points[-1:], start + len(points)
        piece: dict[str, Any] = {"symbol": self.chart, "from": start, "points": points}
        if whole:
            piece["fills"] = self._recent.deals(self.chart)
        return piece


class Watchers:
    """All pages of one engine."""

    def __init__(self, panels: Panels, curves: Curves, recent: Recent) -> None:
        self._panels = panels
        self._curves = curves
        self._recent = recent
        self.sockets: set[asyncio.Transport] = set()  # of the pages
        self._open: set[Watcher] = set()
        self._told: dict[str, bytes] = {}  # panel -> its JSON, as it was made last
        self._beat: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed = False  # that it can't be drawn

    def open(self) -> None:
        """Begin to look, for the curves."""
        self._recent.begin()
        self._look()

    async def close(self, ended: Mapping[str, str] | None = None) -> None:
        """End every page's link; `ended`: how the run has, for the pages to say."""
        if self._beat is not None:
            self._beat.cancel()
        tasks = list(self._tasks)
        if ended and tasks:
            self._look_once()  # as it stands at the end
            for watcher in self._open:
                watcher.give({"ended": compact(ended)}, last=True)
            await asyncio.wait(tasks, timeout=_LEAVE)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LEAVE)

    def __len__(self) -> int:
        """How many look on."""
        return len(self._open)

    async def serve(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        """Be one page's link until it ends."""
        if len(self._open) >= MOST:
            raise Refused(429, "too_many", f"{MOST} pages look on already")
        socket = web.WebSocketResponse(
            heartbeat=_PING, max_msg_size=_LONGEST, timeout=_LEAVE, compress=False
        )
        if not socket.can_prepare(request):
            raise Refused(400, "invalid", "a WebSocket is asked for here")
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the page left")
        watcher = Watcher(socket, self._curves, self._recent)
        watcher.give({"right": compact(right.name.lower())})
        self._open.add(watcher)
        self.sockets.add(transport)
        try:
            await socket.prepare(request)
            self._soon()
            await self._both(watcher.send(), self._hear(socket, watcher))
        finally:
            self._open.discard(watcher)
            self.sockets.discard(transport)
            with suppress(ConnectionError, RuntimeError):
                await socket.close()
        return socket

    async def _both(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Until one of them ends, or all pages are told to."""
        tasks = {asyncio.ensure_future(part) for part in parts}
        self._tasks |= tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tasks -= tasks
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, socket: web.WebSocketResponse, watcher: Watcher) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return
            try:
                said = msgspec.json.decode(message.data, type=_Said)
            except (msgspec.DecodeError, ValueError, RecursionError):
                return
            watcher.show(said.chart if self._curves.want(said.chart) else ACCOUNT)

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(EVERY if self._open else LOOK, self._look)
        self._look_once()

    def _look_once(self) -> None:
        """Whoever looks on must not disturb."""
        try:
            self._draw()
        except Exception as error:
            if not self._failed:
                self._failed = True
                logger.exception("the dashboard can't be drawn: {}", error)

    def _draw(self) -> None:
        self._curves.look()
        if not self._open:
            self._told = {}
            return
        chosen = {watcher.chart for watcher in self._open if watcher.chart}
        made = {name: compact(panel) for name, panel in self._panels.now(chosen).items()}
        changed = {name: text for name, text in made.items() if self._told.get(name) != text}
        self._told = made
        for watcher in self._open:
            watcher.give(made if watcher.fresh else changed)
            watcher.fresh = False

    def _soon(self) -> None:
        """Somebody came: look now."""
        if self._beat is not None:
            self._beat.cancel()
        self._look()


def _object(fields: Mapping[str, bytes]) -> str:
    """One JSON object of fields that are JSON already."""
    return "{" + ",".join(f'"{name}":{text.decode()}' for name, text in fields.items()) + "}"
