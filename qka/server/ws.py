"""The WebSocket side: calls and their replies, numbered events, quotes; one session a client."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web
from loguru import logger

from qka.clock import wall_time
from qka.errors import BrokerUnavailable
from qka.model.times import SECOND
from qka.server import frames
from qka.server.caller import Caller
from qka.server.failure import Failure
from qka.server.methods import METHODS
from qka.server.orders import overdue
from qka.server.outbox import Outbox
from qka.server.service import Service
from qka.server.tasks import begun
from qka.server.tokens import Token

_HELLO_SECONDS = 10.0  # for the first frame
_HEARTBEAT = 20.0  # seconds of silence until a client is pinged; twice as many end it
_CLOSE_SECONDS = 2.0  # for the client's goodbye
_MOST_CALLS = 4096  # of one client at a time
_SPARE = 4  # workers that wait for something to do

Admit = Callable[[str, str | None, str], Token]  # (ip, token, what) -> who it is

_REPLY = b'{"op":"reply","id":%d,"success":true,"data":%b}'

_encoder = msgspec.json.Encoder()


class _Goodbye(Exception):
    """The session ends; the client is told why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Sessions:
    """All WebSocket clients of a server. Bounds: clients, bytes of a frame, bytes of an outbox."""

    def __init__(
        self,
        service: Service,
        admit: Admit,
        *,
        most: int,
        longest: int,
        outbox: int,
        server_id: str,
    ) -> None:
        self.service = service
        self.admit = admit
        self.longest = longest
        self.outbox = outbox
        self.server_id = server_id
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
            autoping=False, compress=False, max_msg_size=self.longest, timeout=_CLOSE_SECONDS
        )
        if request.transport is None:
            raise ConnectionResetError("the client left")
        session = Session(self, socket, request.transport, ip)
        self._open.add(session)
        try:
            await socket.prepare(request)
            await session.run(token)
        finally:
            self._open.discard(session)
            session.ended.set()
        return socket

    def check(self, valid: Callable[[Token], bool]) -> None:
        """End the sessions whose token is no longer good, or whose client is not there."""
        for session in list(self._open):
            if session.caller is not None and not valid(session.caller.token):
                session.end("unauthorized", "the token was changed or taken away")
            else:
                session.check()

    def replace(self, owner: str, by: "Session") -> None:
        """A newer session of the same client took the lease over."""
        for session in list(self._open):
            caller = session.caller
            if session is not by and caller and caller.lease and caller.owner == owner:
                session.end("replaced", "another of the same token and name took its lease over")

    async def close(self) -> None:
        """Tell every client and let it go."""
        for session in list(self._open):
            session.end("stopping", "the server is stopping")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS + 1.0):
                for session in list(self._open):
                    await session.ended.wait()


class _Timer:
    """Of a call with a deadline; it rings when the client is told that nobody knows."""

    __slots__ = ("handle", "rang")

    handle: asyncio.TimerHandle

    def __init__(self) -> None:
        self.rang = False


class Session:
    """One client."""

    def __init__(
        self,
        sessions: Sessions,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        ip: str,
    ) -> None:
        self.caller: Caller | None = None
        self.ended = asyncio.Event()
        self._sessions = sessions
        self._service = sessions.service
        self._socket = socket
        self._transport = transport
        self._ip = ip
        self._loop = asyncio.get_running_loop()
        self._now = wall_time
        self._outbox = Outbox(socket, transport, sessions.outbox, self._overflowed)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []  # workers without work
        self._subscribing = asyncio.Lock()
        self._heard_at = self._loop.time()

    # ------------------------------------------------------------ life

    async def run(self, token: Token | None) -> None:
        """From the first frame to the last."""
        writer = self._loop.create_task(self._outbox.write())
        try:
            caller = self.caller = self._caller(await self._first(), token)
            self._service.note(caller, "hello", "done")
            await self._greet()
            self._start(self._work())
            await self._over
        except (_Goodbye, Failure) as error:
            self.end(error.code, error.detail)
        finally:
            if self in self._service.listeners:
                self._service.listeners.remove(self)
            self._outbox.close()
            for turn in self._idle:
                turn.cancel()
            await writer
            if self.caller is not None:
                self._service.note(self.caller, "goodbye", "done")
            await self._service.quotes.leave(self)
            # what was called goes on: an order is not half made because its client left

    def end(self, code: str, detail: str) -> None:
        """Say why and close."""
        self._outbox.close(_encoder.encode({"op": "error", "code": code, "detail": detail}))

    def check(self) -> None:
        """Ping a client that says nothing; cut off one that does not even answer that."""
        silent = self._loop.time() - self._heard_at
        if silent > 2 * _HEARTBEAT:
            self._outbox.cut()
            self._transport.abort()
        elif silent > _HEARTBEAT:
            self._start(self._beat(self._socket.ping()))

    async def _beat(self, beat: Coroutine[Any, Any, None]) -> None:
        with suppress(ConnectionError, RuntimeError):
            await beat

    async def _first(self) -> frames.Hello:
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                message = await self._socket.receive()
                while message.type is not WSMsgType.TEXT and await self._there(message):
                    message = await self._socket.receive()
            return frames.read_hello.decode(message.data or "")
        except TimeoutError:
            raise _Goodbye("protocol", "no hello came") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Goodbye("protocol", f"the first frame is no hello: {error}") from None

    def _caller(self, hello: frames.Hello, token: Token | None) -> Caller:
        self._hello = hello
        if token is None:
            token = self._sessions.admit(self._ip, hello.token or "", "/ws")
        if hello.protocol != frames.PROTOCOL:
            raise _Goodbye("protocol", f"this server speaks protocol {frames.PROTOCOL}")
        for scope in ("read",) if hello.lease is None else ("read", "trade"):
            if scope not in token.scopes:
                raise Failure("forbidden", f"the token {token.name!r} has no scope {scope!r}")
        if hello.account not in (None, self._service.account_id):
            raise _Goodbye(
                "other_account",
                "this server serves another account than the one you name; set account.id to "
                "the server's",
            )
        return Caller(token, self._ip, "ws", hello.client)

    async def _greet(self) -> None:
        service, caller, hello = self._service, self.caller, self._hello
        assert caller is not None
        if hello.lease is not None:
            caller.lease = service.leases.take(caller.owner, hello.lease, hello.on_silence)
            self._sessions.replace(caller.owner, self)
        log, resume = service.events, hello.resume
        resumed = resume is not None and log.resumable(resume.epoch, resume.seq)
        self._outbox.send(self._greeting(caller, resumed, expired=bool(resume) and not resumed))
        if resume is not None and resumed:
            await self._replay(resume.seq)
        service.listeners.append(self)  # nothing was awaited since the last event was seen

    def _greeting(self, caller: Caller, resumed: bool, *, expired: bool) -> bytes:
        service, backend = self._service, self._service.backend
        return _encoder.encode(
            {
                "op": "hello",
                "protocol": frames.PROTOCOL,
                "account": service.account_id,
                "account_type": service.account_type,
                "server": self._sessions.server_id,
                "epoch": service.events.epoch,
                "seq": service.events.seq,
                "resumed": resumed,
                "expired": expired,
                "link": {
                    "state": backend.status.state,
                    "reason": backend.status.reason,
                    "account_status": service.account_status,
                },
                "time": self._now() / SECOND,
                "now": backend.now(),
                "speed": backend.speed,
                "simulated": backend.simulated,
                "scopes": caller.token.scopes,
                "lease": self._hello.lease,
            }
        )

    async def _replay(self, seq: int) -> None:
        """Send what was missed, some at a time, until nothing is missing."""
        log = self._service.events
        while seq < log.seq:
            try:
                events = await log.after(seq)
            except OSError as error:
                raise _Goodbye("storage", str(error)) from None
            if not events:
                return
            for event in events:
                self._outbox.send(event.frame)
                await self._outbox.drained()
            seq = events[-1].seq

    # ------------------------------------------------------------ frames

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        worker = self._loop.create_task(work)
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        """Hear a frame and answer it; while that takes time, another worker hears the next.

        So what can be answered at once is answered without a detour over the loop, and what
        takes long holds up nobody.
        """
        try:
            while True:
                message = await self._socket.receive()
                self._heard_at = self._loop.time()
                if message.type is not WSMsgType.TEXT:
                    if await self._there(message):
                        continue
                    break
                frame = self._read(message.data)
                if frame is None:
                    continue
                if isinstance(frame, frames.Call):
                    answer = self._call(frame)
                else:
                    answer = self._answer(frame)
                rest = begun(answer)
                if rest is None:
                    continue
                self._pass_on()
                await rest
                if len(self._idle) >= _SPARE or self._over.done():
                    return
                turn = self._loop.create_future()
                self._idle.append(turn)
                await turn
        except _Goodbye as goodbye:
            self.end(goodbye.code, goodbye.detail)
        except Exception as error:
            logger.exception("a frame could not be answered: {}", error)
            self.end("failed", "the server itself failed; its log says more")
        if not self._over.done():
            self._over.set_result(None)

    def _pass_on(self) -> None:
        """The worker that heard a frame is still at it: another one listens now."""
        while self._idle:
            turn = self._idle.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._start(self._work())

    def _read(self, text: str) -> frames.Frame | None:
        """The frame; None when it makes no sense, which is answered. Raises _Goodbye."""
        assert self.caller is not None
        lease = self.caller.lease
        if lease is not None and not lease.lost:
            self._service.leases.renew(lease)
        try:
            return frames.read.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            call = frames.id_of(text)
            if call is None:
                raise _Goodbye("protocol", f"the frame is not understood: {error}") from None
            failure = Failure("invalid", f"the frame is not understood: {error}")
            self._outbox.send(failure.frame("reply", call))
            return None

    async def _there(self, message: WSMessage) -> bool:
        """Whether the client is there, by a message that is no text; raises _Goodbye."""
        match message.type:
            case WSMsgType.PING:
                await self._beat(self._socket.pong(message.data))
            case WSMsgType.PONG:
                pass
            case WSMsgType.BINARY:
                raise _Goodbye("protocol", "frames are JSON in text")
            case WSMsgType.ERROR:
                most = self._sessions.longest
                raise _Goodbye("too_large", f"a frame has {most} bytes at most, in UTF-8")
            case _:
                return False
        return True

    async def _answer(self, frame: frames.Frame) -> None:
        say = self._outbox.say
        try:
            match frame:
                case frames.Ping():
                    say(_REPLY % (frame.id, b"null"))
                case frames.Subscribe() | frames.Unsubscribe():
                    say(_REPLY % (frame.id, b"%d" % await self._subscribe(frame)))
                case frames.Release():
                    say(_REPLY % (frame.id, b"true" if self._release() else b"false"))
                case frames.Hello():
                    self.end("protocol", "hello is said once")
        except Failure as failure:
            say(failure.frame("reply", frame.id if not isinstance(frame, frames.Hello) else 0))

    async def _call(self, frame: frames.Call) -> None:
        assert self.caller is not None
        deadline = frame.deadline
        timer = None if deadline is None else self._timer(frame, deadline)
        try:
            if len(self._workers) > _MOST_CALLS and not _urgent(frame):
                raise Failure("unavailable", "too many calls at a time", retry_after=0.1)
            data = await self._service.call(
                self.caller, frame.method, frame.params, frame.key or "", deadline
            )
        except Failure as failure:
            reply = failure.frame("reply", frame.id)
        else:
            reply = _REPLY % (frame.id, data)
        if timer is not None:
            timer.handle.cancel()
            if timer.rang:
                return  # it was told already that nobody knows
        self._outbox.say(reply)

    def _timer(self, frame: frames.Call, deadline: float) -> _Timer:
        timer = _Timer()
        policy = self._service.policy
        left = min(deadline - self._now() / SECOND, policy.deadline)
        timer.handle = self._loop.call_later(
            max(0.0, left) + policy.grace, self._ring, frame, timer
        )
        return timer

    def _ring(self, frame: frames.Call, timer: _Timer) -> None:
        timer.rang = True
        self._outbox.send(overdue(frame.method).frame("reply", frame.id))

    async def _subscribe(self, frame: frames.Subscribe | frames.Unsubscribe) -> int:
        quotes = self._service.quotes
        try:
            async with self._subscribing, asyncio.timeout(self._service.policy.deadline):
                if isinstance(frame, frames.Unsubscribe):
                    return await quotes.unsubscribe(self, frame.symbols)
                if len(quotes.wanted(self)) + len(frame.symbols) > frames.MOST_SYMBOLS:
                    raise Failure("invalid", f"quotes: {frames.MOST_SYMBOLS} symbols at most")
                count = await quotes.subscribe(self, frame.symbols)
                self._outbox.flush_quotes()  # the last ticks are there before the reply is
                return count
        except BrokerUnavailable as error:
            wait = error.retry_after or 1.0
            raise Failure("unavailable", f"quotes: {error}", retry_after=wait) from None
        except TimeoutError:
            raise Failure("deadline", "quotes: the terminal did not answer in time") from None

    def _release(self) -> bool:
        assert self.caller is not None
        lease, self.caller.lease = self.caller.lease, None
        leases = self._service.leases
        held = lease is not None and leases.current(lease.owner) is lease
        return held and lease is not None and leases.release(lease.owner)

    # ------------------------------------------------------------ what is heard

    def heard(self, seq: int, frame: bytes) -> None:
        """An event."""
        self._outbox.send(frame)

    def quote(self, symbol: str, tick: bytes) -> None:
        """A tick it asked for."""
        self._outbox.quote(symbol, tick)

    def quoted(self) -> None:
        """Ticks came."""
        self._outbox.stir()

    def _overflowed(self) -> None:
        self._service.metrics.slow_clients.inc()
        who = self.caller.owner if self.caller else self._ip
        logger.warning("{} does not read what it is sent and is cut off", who)
        self._transport.abort()


def _urgent(frame: frames.Call) -> bool:
    """A cancel is never held back, nor is a recall."""
    method = METHODS.get(frame.method)
    return method is not None and method.kind in ("cancel", "recall")
