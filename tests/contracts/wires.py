"""The wire between a client and its server: a proxy on loopback that does what real ones do.

It reads whole WebSocket frames, so that it can break off before one, within one or behind one, let
one come twice, or hold everything up. A break is a reset of both ends, as when either machine dies.
The worst of all is `late`: the client's end breaks, and what it had sent still gets there, later.
"""

import asyncio
import json
from collections import deque
from contextlib import suppress

from moments import Moments

# what can happen to the next frame of a kind; "up" is to the server, "down" is to the client
FAULTS = ("cut", "half", "twice", "after", "late")
_METHODS = {
    "order_stock": "order", "cancel_order_stock": "cancel", "outcome": "outcome",
    "recall": "recall",
}  # fmt: skip
_TOLD = {"order", "trade", "order_error", "cancel_error"}


class Wire:
    """One address for a server that may move. `port`: where it is now, None while it is away.

    `late`: frames on their way whose sender's end broke, perhaps for ever: [(to whom, frame)].
    """

    def __init__(self, moments: Moments, late: list) -> None:
        self.late = late
        self.passed = deque(maxlen=20)  # (up or down, the beginning of a frame), the last ones
        self.port: int | None = None
        self.url = ""
        self._moments = moments
        self._planned = {"up": deque(), "down": deque()}  # direction -> (fault, what)
        self._pairs = set()
        self._dead = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def open(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self):
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    # ------------------------------------------------------------ what goes wrong

    def cut(self):
        """Every connection breaks; new ones can be made."""
        for pair in list(self._pairs):
            pair.cut()

    def die(self):
        """Nothing gets through any more: the machine at the client's end is no more."""
        self.port, self._dead = None, True
        self.cut()

    def stall(self):
        """Nothing gets through, and nobody is told."""
        self._flowing.clear()

    def flow(self):
        """What waited goes on."""
        self._flowing.set()

    def next(self, fault: str, direction: str, what: str = "") -> None:
        """Let it happen to the next frame up or down; `what`: only to an order, a cancel …"""
        self._planned[direction].append((fault, what))

    def arrive(self):
        """What is late gets there now."""
        for writer, frame in self.late:
            writer.write(frame)
            writer.close()
        self.late.clear()

    def heal(self):
        """Nothing is planned any more, and everything flows; what is late stays so."""
        for planned in self._planned.values():
            planned.clear()
        self.flow()

    # ------------------------------------------------------------ what goes through

    async def _serve(self, reader, writer):
        if self.port is None or self._dead:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(self, (reader, writer), there)
        self._pairs.add(pair)
        try:
            await pair.run()
        except asyncio.CancelledError:
            pass  # the test ends
        finally:
            pair.cut()
            self._pairs.discard(pair)  # its end may linger in `late`

    def _fault(self, direction, what):
        for planned in self._planned[direction]:
            if planned[1] in ("", what):
                self._planned[direction].remove(planned)
                return planned[0]
        return ""


class _Pair:
    """A client's connection and its continuation to the server."""

    def __init__(self, wire, client, server):
        self.wire = wire
        self.client, self.server = client, server
        self.asked = {}  # id of a call -> order, cancel, recall or outcome
        self.broken = False

    def cut(self):
        self.broken = True
        lingering = [writer for writer, _ in self.wire.late]
        for _, writer in (self.client, self.server):
            if writer not in lingering:
                writer.transport.abort()

    async def run(self):
        up = asyncio.create_task(self._pump(self.client[0], self.server[1], "up"))
        down = asyncio.create_task(self._pump(self.server[0], self.client[1], "down"))
        done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        if up in done:  # the client hung up: what the server still says is of no use
            down.cancel()
        await asyncio.wait((up, down), timeout=1.0)
        for task in (up, down):
            task.cancel()

    async def _pump(self, reader, writer, direction):
        with suppress(asyncio.IncompleteReadError, ConnectionError, RuntimeError):
            head = await reader.readuntil(b"\r\n\r\n")
            await self.wire._flowing.wait()
            writer.write(head)
            while True:
                frame, payload = await _frame(reader)
                await self.wire._flowing.wait()
                what = self._what(payload, direction)
                self.wire.passed.append((direction, payload[:300]))
                await self._pass(frame, writer, direction, what)
                if self.broken:
                    return
        if not self.broken and not writer.transport.is_closing():
            writer.close()

    async def _pass(self, frame, writer, direction, what):
        before, after = ("leaves", "left") if direction == "up" else ("returns", "returned")
        if what:
            self.wire._moments.reach(f"{what} {before}")
        if self.broken:
            return
        fault = self.wire._fault(direction, what)
        if fault == "late":
            self.wire.late.append((writer, frame))
        if fault in ("cut", "late"):
            self.cut()
        if fault == "late" and what:
            self.wire._moments.reach(f"{what} {after}")
        if self.broken:
            return
        writer.write(frame[: len(frame) // 2] if fault == "half" else frame)
        if fault == "twice":
            writer.write(frame)
        await writer.drain()
        if fault == "half":
            writer.close()
            return
        if fault == "after":
            self.cut()
        if what:
            self.wire._moments.reach(f"{what} {after}")
        if (what, direction) == ("outcome", "down"):
            self.wire.arrive()  # of all moments the one in which it is missed least

    def _what(self, payload, direction):
        try:
            frame = json.loads(payload)
        except ValueError:
            return ""  # a ping, or a goodbye
        match frame:
            case {"op": "call", "method": method, "id": number} if method in _METHODS:
                self.asked[number] = _METHODS[method]
                return _METHODS[method]
            case {"op": "reply", "id": number}:
                return self.asked.pop(number, "")
            case {"op": "event", "kind": kind} if kind in _TOLD:
                return "event"
        return ""


async def _frame(reader):
    """A WebSocket frame as it is, and what is in it."""
    head = await reader.readexactly(2)
    length, masked = head[1] & 0x7F, head[1] & 0x80
    if length > 125:
        more = await reader.readexactly(2 if length == 126 else 8)
        head, length = head + more, int.from_bytes(more)
    body = await reader.readexactly(length + (4 if masked else 0))
    if not masked:
        return head + body, body
    mask = (body[:4] * (length // 4 + 1))[:length]
    plain = int.from_bytes(body[4:]) ^ int.from_bytes(mask)
    return head + body, plain.to_bytes(length)
