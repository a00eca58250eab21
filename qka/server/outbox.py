"""What a WebSocket client is still to be told, in order and bounded.

One task empties it. Quotes don't queue up: the latest of each symbol waits in its place. A
client that lets more than `most` bytes gather is cut off.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from struct import Struct

from aiohttp import WSMsgType, web

# how a WebSocket's frame begins: text in one piece, and its length in bytes
_TEXT = 0x81
_SHORT = [bytes((_TEXT, length)) for length in range(126)]
_LONGER = Struct("!BBH").pack
_LONGEST = 0xFFFF
_GONE = (ConnectionError, RuntimeError)  # what sending to a client that left raises


class Outbox:
    """Of one socket. `overflowed` is called, once, when the client does not read."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        most: int,
        overflowed: Callable[[], None],
    ) -> None:
        self.closing = False  # nothing more is taken in
        self._socket = socket
        self._transport = transport
        self._most = most
        self._overflowed = overflowed
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._quotes: dict[str, bytes] = {}  # symbol -> its latest tick, JSON
        self._last_words = b""
        # of the writer, while there is nothing to do and more may come
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None  # of whoever waits until all is sent
        self._cut = False

    def send(self, frame: bytes) -> None:
        """Tell it this, after what waits already."""
        if self.closing:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._most:
            self.cut()
            self._overflowed()
        else:
            self._stir()

    def say(self, frame: bytes) -> None:
        """Tell it this, at once if nothing waits, here or in the transport."""
        length, transport = len(frame), self._transport
        if self._wake is None or transport.get_write_buffer_size() or length > _LONGEST:
            self.send(frame)
        elif length < 126:
            transport.write(_SHORT[length] + frame)
        else:
            transport.write(_LONGER(_TEXT, 126, length) + frame)

    def quote(self, symbol: str, tick: bytes) -> None:
        """The latest tick of a symbol; goes out after `stir`, or with the next ones."""
        self._quotes[symbol] = tick

    def stir(self) -> None:
        """There are new quotes."""
        self._stir()

    def flush_quotes(self) -> None:
        """Put the quotes in line now, before what comes next."""
        quotes, self._quotes = self._quotes, {}
        if quotes:
            rows = b",".join([b'"%b":%b' % (s.encode(), tick) for s, tick in quotes.items()])
            self.send(b'{"op":"quotes","data":{%b}}' % rows)

    async def drained(self) -> None:
        """Wait until it is half empty at most."""
        if self._bytes > self._most // 2 and not self.closing:
            self._room = self._loop.create_future()
            await self._room

    def close(self, last_words: bytes = b"") -> None:
        """Send what waits, then this, and close."""
        if not self.closing:
            self.closing = True
            self._last_words = last_words
            self._stir()

    def cut(self) -> None:
        """Send nothing more, not even why."""
        self.closing = self._cut = True
        self._frames.clear()
        self._quotes.clear()
        self._stir()

    async def write(self) -> None:
        """Empty it for as long as the client is there, then close the socket."""
        try:
            await self._write()
        except _GONE:
            self.cut()
        self._make_room()
        if not self._cut:
            with suppress(*_GONE):
                await self._socket.close()

    async def _write(self) -> None:
        send, frames = self._socket.send_frame, self._frames
        while not self._cut:
            while frames:
                frame = frames.popleft()
                self._bytes -= len(frame)
                await send(frame, WSMsgType.TEXT)
            self._make_room()
            if self._quotes and not self.closing:
                self.flush_quotes()
                continue
            if self.closing:
                if self._last_words and not self._cut:
                    await send(self._last_words, WSMsgType.TEXT)
                return
            self._wake = self._loop.create_future()
            await self._wake

    def _stir(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
