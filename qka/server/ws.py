"""The WebSocket side: calls and their replies, numbered events, quotes; one session a client.

What a session has to say waits in its outbox, which one task empties. The outbox is bounded: a
client that does not read is cut off, and takes up with `resume` where it was. Quotes don't
queue up: the latest of each symbol waits in its place.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from aiohttp import WSMsgType, web
from loguru import logger
from msgspec import Meta

from qka.clock import WallClock
from qka.errors import BrokerUnavailable
from qka.model.times import SECOND
from qka.server.failure import Failure
from qka.server.leases import OnSilence
from qka.server.methods import METHODS
from qka.server.service import GRACE, Caller, Service, overdue
from qka.server.tokens import Token

PROTOCOL = 1
_HELLO_SECONDS = 10.0  # for the first frame
_HEARTBEAT = 20.0  # seconds between two pings of the WebSocket's own
_GREATEST_TASKS = 4096  # calls of one client at a time
_GREATEST_WANTED = 12_000  # symbols of one client

Name = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Symbol = Annotated[str, Meta(min_length=2, max_length=16, pattern=r"^[0-9A-Za-z.]+\Z")]
Symbols = Annotated[list[Symbol], Meta(max_length=_GREATEST_WANTED)]


class Resume(msgspec.Struct):
    """Where a client was."""

    epoch: str
    seq: Annotated[int, Meta(ge=0)]


class Hello(msgspec.Struct, tag_field="op", tag="hello"):
    """The first frame."""

    protocol: int
    token: str | None = None
    account: str | None = None
    client: Name = ""
    resume: Resume | None = None
    lease: Annotated[float, Meta(ge=1, le=3600)] | None = None
    on_silence: OnSilence = "leave"


Id = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class CallFrame(msgspec.Struct, tag_field="op", tag="call"):
    """A method to call."""

    id: Id
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    key: str | None = None
    deadline: float | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    """Quotes to hear."""

    id: Id
    symbols: Symbols


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe"):
    """Quotes to hear no more."""

    id: Id
    symbols: Symbols


class Ping(msgspec.Struct, tag_field="op", tag="ping"):
    """A sign of life."""

    id: Id = 0


class Release(msgspec.Struct, tag_field="op", tag="release"):
    """Goodbye: the lease is given back, and nothing is done about working orders."""

    id: Id = 0


Frame = Hello | CallFrame | Subscribe | Unsubscribe | Ping | Release

_frames: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_hellos: msgspec.json.Decoder[Hello] = msgspec.json.Decoder(Hello)
_head = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()

Admit = Callable[[str, str | None, str], Token]


class _Timer:
    """Of a call with a deadline; it rings when the client is told that nobody knows."""

    __slots__ = ("handle", "rang")

    handle: asyncio.TimerHandle

    def __init__(self) -> None:
        self.rang = False


class _Goodbye(Exception):
    """The session ends; the client is told why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Sessions:
    """All WebSocket clients of a server. Limits: clients, bytes of a frame, bytes of an outbox."""

    def __init__(
        self, service: Service, admit: Admit, *, most: int, longest: int, outbox: int
    ) -> None:
        self.service = service
        self.admit = admit
        self.longest = longest
        self.outbox = outbox
        self.server_id = ""
        self._most = most
        self._open: set[Session] = set()

    async def serve(
        self, request: web.BaseRequest, ip: str, token: Token | None
    ) -> web.StreamResponse:
        """Be one client's session until it ends. Without a token the first frame must bring it."""
        if len(self._open) >= self._most:
            raise Failure("unavailable", "too many clients", retry_after=5.0)
        if self.service.stopping:
            raise Failure("unavailable", "the server is stopping", retry_after=5.0)
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT, compress=False, max_msg_size=self.longest, timeout=2.0
        )
        await socket.prepare(request)
        session = Session(self, socket, request, ip)
        self._open.add(session)
        try:
            await session.run(token)
        finally:
            self._open.discard(session)
        return socket

    def check(self, valid: Callable[[Token], bool]) -> None:
        """End the sessions whose token is no longer good."""
        for session in list(self._open):
            if session.caller is not None and not valid(session.caller.token):
                session.end("unauthorized", "the token was changed or taken away")

    def replace(self, owner: str, by: "Session") -> None:
        """A newer session of the same client took the lease over."""
        for session in list(self._open):
            caller = session.caller
            if session is not by and caller and caller.lease and caller.owner == owner:
                session.end("replaced", "the same client connected again and took its lease over")

    async def close(self) -> None:
        """Tell every client and let it go."""
        for session in list(self._open):
            session.end("stopping", "the server is stopping")
        ends = [session.ended.wait() for session in self._open]
        if ends:
            with suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await asyncio.gather(*ends)


class Session:
    """One client."""

    def __init__(
        self,
        all_of_them: Sessions,
        socket: web.WebSocketResponse,
        request: web.BaseRequest,
        ip: str,
    ) -> None:
        self.caller: Caller | None = None
        self.ended = asyncio.Event()
        self._all = all_of_them
        self._service = all_of_them.service
        self._socket = socket
        self._request = request
        self._ip = ip
        self._outbox: deque[bytes] = deque()
        self._bytes = 0  # in the outbox
        self._quotes: dict[str, bytes] = {}  # symbol -> its latest tick, not sent yet
        self._quoted = False
        self._wake: asyncio.Future[None] | None = None  # of the writer, while it waits
        self._room: asyncio.Future[None] | None = None  # of whoever waits for room in the outbox
        self._last_words: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._saying = False  # a reply is being sent past the outbox
        self._subscribing = asyncio.Lock()
        self._now = WallClock().now
        self._loop = asyncio.get_running_loop()
        self._cut = False

    # ------------------------------------------------------------ life

    async def run(self, token: Token | None) -> None:
        """From the first frame to the last."""
        writer = self._loop.create_task(self._write())
        try:
            await self._listen(token)
        except _Goodbye as goodbye:
            self.end(goodbye.code, goodbye.detail)
        except Failure as failure:
            self.end(failure.code, failure.detail)
        finally:
            if self in self._service.listeners:
                self._service.listeners.remove(self)
            if self._last_words is None:
                self._last_words = b""
            self._stir()
            with suppress(Exception):
                await writer
            if not self._cut:
                with suppress(Exception):
                    await self._socket.close()
            self.ended.set()
            await self._service.quotes.leave(self)

    def end(self, code: str, detail: str) -> None:
        """Say why and close."""
        if self._last_words is None:
            told = {"op": "error", "code": code, "detail": detail}
            self._last_words = _encoder.encode(told)
            self._stir()

    async def _listen(self, token: Token | None) -> None:
        await self._greet(await self._first(), token)
        assert self.caller is not None
        lease = self.caller.lease
        renew = self._service.leases.renew
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                self._check_end(message)
                return
            if lease is not None and not lease.lost:
                renew(lease)
            self._handle(message.data)

    def _check_end(self, message: Any) -> None:
        if message.type is WSMsgType.BINARY:
            raise _Goodbye("protocol", "frames are JSON in text")
        if message.type is WSMsgType.ERROR:
            raise _Goodbye("too_large", f"a frame has {self._all.longest} bytes at most, in UTF-8")

    async def _first(self) -> Hello:
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                message = await self._socket.receive()
        except TimeoutError:
            raise _Goodbye("protocol", "no hello came") from None
        if message.type is not WSMsgType.TEXT:
            self._check_end(message)
            raise _Goodbye("protocol", "no hello came")
        try:
            return _hellos.decode(message.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Goodbye("protocol", f"the first frame is hello: {error}") from None

    async def _greet(self, hello: Hello, token: Token | None) -> None:
        service = self._service
        if token is None:
            token = self._all.admit(self._ip, hello.token or "", "/ws")
        if hello.protocol != PROTOCOL:
            raise _Goodbye("protocol", f"this server speaks protocol {PROTOCOL}")
        if "read" not in token.scopes:
            raise Failure("forbidden", f"the token {token.name!r} has no scope 'read'")
        if hello.account not in (None, service.account_id):
            raise Failure(
                "other_account", "this server serves another account than the one you name"
            )
        caller = self.caller = Caller(token, self._ip, "ws", hello.client)
        if hello.lease is not None:
            if "trade" not in token.scopes:
                raise Failure("forbidden", f"the token {token.name!r} has no scope 'trade'")
            caller.lease = service.leases.take(caller.owner, hello.lease, hello.on_silence, self)
            self._all.replace(caller.owner, self)
        log, resume = service.events, hello.resume
        resumed = resume is not None and log.resumable(resume.epoch, resume.seq)
        self._send(self._hello(hello, resumed, expired=resume is not None and not resumed))
        if resume is not None and resumed:
            await self._replay(resume.seq)
        service.listeners.append(self)  # nothing was awaited since the last event was seen

    def _hello(self, hello: Hello, resumed: bool, *, expired: bool) -> bytes:
        service = self._service
        assert self.caller is not None
        status = service.backend.status
        return _encoder.encode(
            {
                "op": "hello",
                "protocol": PROTOCOL,
                "account": service.account_id,
                "account_type": service.account_type,
                "server": self._all.server_id,
                "epoch": service.events.epoch,
                "seq": service.events.seq,
                "resumed": resumed,
                "expired": expired,
                "link": {"state": status.state, "reason": status.reason},
                "time": WallClock().now() / SECOND,
                "now": service.backend.now(),
                "speed": service.backend.speed,
                "simulated": service.backend.simulated,
                "scopes": self.caller.token.scopes,
                "lease": hello.lease,
            }
        )

    async def _replay(self, seq: int) -> None:
        """Send what was missed, some at a time, until nothing is missing."""
        log = self._service.events
        while seq < log.seq:
            try:
                events = await log.after(seq)
            except OSError as error:
                raise _Goodbye("stopping", str(error)) from None
            if not events:
                return
            for event in events:
                self._send(event.frame)
            seq = events[-1].seq
            await self._drained()

    # ------------------------------------------------------------ frames

    def _handle(self, data: str) -> None:
        try:
            frame = _frames.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            self._misread(data, str(error))
            return
        match frame:
            case CallFrame():
                self._call(frame)
            case Ping():
                self._reply(frame.id, b"null")
            case Subscribe() | Unsubscribe():
                self._start(self._subscribe(frame))
            case Release():
                self._release(frame.id)
            case Hello():
                raise _Goodbye("protocol", "hello is said once")

    def _misread(self, data: str, why: str) -> None:
        """A frame that can't be understood: answer it if it says which it is, else give up."""
        try:
            call = msgspec.json.decode(_head.decode(data)["id"], type=Id)
        except (msgspec.DecodeError, KeyError, RecursionError):
            raise _Goodbye("protocol", f"the frame is not understood: {why}") from None
        self._fail(call, Failure("invalid", f"the frame is not understood: {why}"))

    def _call(self, frame: CallFrame) -> None:
        method = METHODS.get(frame.method)
        urgent = method is not None and method.kind == "cancel"  # those are never held back
        if len(self._tasks) >= _GREATEST_TASKS and not urgent:
            busy = Failure("unavailable", "too many calls at a time", retry_after=0.1)
            self._fail(frame.id, busy)
            return
        self._start(self._answer(frame))

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, frame: CallFrame) -> None:
        assert self.caller is not None
        timer = None
        if frame.deadline is not None:
            wait = frame.deadline - self._now() / SECOND + GRACE
            timer = _Timer()
            timer.handle = self._loop.call_later(max(GRACE, wait), self._overdue, frame, timer)
        try:
            data = await self._service.call(
                self.caller, frame.method, frame.params, frame.key or "", frame.deadline
            )
        except Failure as failure:
            reply = failure.frame("reply", frame.id)
        else:
            reply = b'{"op":"reply","id":%d,"success":true,"data":%b}' % (frame.id, data)
        if timer is not None:
            if timer.rang:
                return  # it was told already that nobody knows
            timer.handle.cancel()
        if self._wake is not None and not self._saying and self._last_words is None:
            await self._say(reply)
        else:
            self._send(reply)

    def _overdue(self, frame: CallFrame, timer: "_Timer") -> None:
        timer.rang = True
        self._fail(frame.id, overdue(frame.method))

    async def _subscribe(self, frame: Subscribe | Unsubscribe) -> None:
        quotes = self._service.quotes
        try:
            async with self._subscribing, asyncio.timeout(self._service.policy.deadline):
                if isinstance(frame, Unsubscribe):
                    count = await quotes.unsubscribe(self, frame.symbols)
                elif len(quotes.wanted(self)) + len(frame.symbols) > _GREATEST_WANTED:
                    most = f"{_GREATEST_WANTED} symbols at most"
                    return self._fail(frame.id, Failure("invalid", most))
                else:
                    count = await quotes.subscribe(self, frame.symbols)
        except BrokerUnavailable as error:
            failure = Failure("unavailable", f"quotes: {error}", retry_after=error.retry_after or 1)
            self._fail(frame.id, failure)
        except TimeoutError:
            self._fail(frame.id, Failure("deadline", "quotes: the terminal did not answer in time"))
        except Exception as error:
            logger.exception("subscribe: {}", error)
            self._fail(frame.id, Failure("failed", "quotes: the server itself failed"))
        else:
            self._send_quotes()  # before the reply: the snapshot is there when it comes
            self._reply(frame.id, b"%d" % count)

    def _release(self, call: int) -> None:
        assert self.caller is not None
        lease, self.caller.lease = self.caller.lease, None
        held = lease is not None and self._service.leases.current(lease.owner) is lease
        if held and lease is not None:
            self._service.leases.release(lease.owner)
        self._reply(call, b"true" if held else b"false")

    # ------------------------------------------------------------ what is heard

    def heard(self, seq: int, frame: bytes) -> None:
        """An event."""
        self._send(frame)

    def quote(self, symbol: str, tick: bytes) -> None:
        """A tick it asked for."""
        self._quotes[symbol] = tick

    def quoted(self) -> None:
        """Ticks came."""
        self._quoted = True
        self._stir()

    # ------------------------------------------------------------ what is said

    def _reply(self, call: int, data: bytes) -> None:
        self._send(b'{"op":"reply","id":%d,"success":true,"data":%b}' % (call, data))

    def _fail(self, call: int, failure: Failure) -> None:
        self._send(failure.frame("reply", call))

    def _send(self, frame: bytes) -> None:
        if self._last_words is not None:
            return
        self._outbox.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._all.outbox:
            self._cut_off()
        elif self._wake is not None:
            self._stir()

    async def _say(self, frame: bytes) -> None:
        """Send at once: the outbox is empty and the writer has nothing to do."""
        self._saying = True
        try:
            await self._socket.send_frame(frame, WSMsgType.TEXT)
        except (ConnectionError, RuntimeError):
            pass  # the client is gone; `_listen` notices
        finally:
            self._saying = False

    def _send_quotes(self) -> None:
        quotes, self._quotes = self._quotes, {}
        self._quoted = False
        if quotes:
            rows = b",".join([b'"%b":%b' % (s.encode(), t) for s, t in quotes.items()])
            self._send(b'{"op":"quotes","data":{%b}}' % rows)

    def _cut_off(self) -> None:
        """It does not read: nothing more can be said to it, not even why."""
        if not self._cut:
            self._cut = True
            self._service.metrics.slow_clients.inc()
            logger.warning(
                "{} does not read what it is sent and is cut off",
                self.caller.owner if self.caller else self._ip,
            )
            self._last_words = b""
            self._outbox.clear()
            self._quotes.clear()
            if self._request.transport is not None:
                self._request.transport.abort()
            self._stir()

    def _stir(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def _drained(self) -> None:
        """Wait until the outbox is half empty, so that a long replay does not fill it."""
        if self._bytes > self._all.outbox // 2 and self._last_words is None:
            self._room = self._loop.create_future()
            await self._room

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    async def _write(self) -> None:
        """Empty the outbox, in order, for as long as the session lasts."""
        send = self._socket.send_frame
        outbox = self._outbox
        try:
            while True:
                while outbox:
                    frame = outbox.popleft()
                    self._bytes -= len(frame)
                    await send(frame, WSMsgType.TEXT)
                self._make_room()
                if self._quoted:
                    self._send_quotes()
                    continue
                if self._last_words is not None:
                    if self._last_words:
                        await send(self._last_words, WSMsgType.TEXT)
                    break
                self._wake = self._loop.create_future()
                await self._wake
        except (ConnectionError, RuntimeError):
            self._cut = True  # the client is gone
            self._last_words = b""
        self._make_room()
        if not self._cut:
            # the peer gets two seconds to say goodbye; `receive` ends with it
            await self._socket.close()
