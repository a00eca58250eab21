"""The one WebSocket to a QMTServer: requests, pushes and quotes, and it comes back by itself.

After a break it resumes behind the last event it had; when the server no longer can, the
listeners hear `resync` and ask for what is true now. A request that was under way when the link
broke is lost, not refused: what became of it is asked for by its key.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from random import random
from typing import Any

import aiohttp
import msgspec
from loguru import logger

from qka.brokers.calls import (
    FIRST_WAIT,
    Line,
    Reply,
    Tries,
    error_of,
    packed,
    unanswered,
    unknown,
)
from qka.errors import AccessDenied, BrokerUnavailable, CallRefused, NotSent, QkaError

PROTOCOL = 1
_ANOTHER = "make one that has it there: `qka server add NAME --scope read --scope trade`"
_LONGEST_WAIT = 5.0  # seconds between two tries to come back
_REFUSED_WAIT = 30.0  # the same after a refusal, which only a human can mend
_LARGEST = 64 * 2**20  # bytes: the whole market in one frame


class Hello(msgspec.Struct, frozen=True, tag_field="op", tag="hello"):
    """Who answers: the account, the server, and where its sequence of events stands."""

    protocol: int = PROTOCOL
    account: str = ""
    account_type: str = "STOCK"
    server: str = ""  # of this process of the server
    epoch: str = ""  # of what it remembers: events and orders
    seq: int = 0
    resumed: bool = False
    expired: bool = False
    link: dict[str, Any] = msgspec.field(default_factory=dict)  # the terminal: state and reason
    now: int = 0  # ns: the market's time, which runs `speed` times as fast as the world's
    speed: float = 1.0
    simulated: bool = False
    scopes: tuple[str, ...] = ()
    lease: float | None = None  # seconds
    time: float | None = None  # the server's own clock, Unix seconds


class _Event(msgspec.Struct, frozen=True, tag_field="op", tag="event"):
    seq: int
    kind: str
    data: dict[str, Any]


class _Quotes(msgspec.Struct, frozen=True, tag_field="op", tag="quotes"):
    data: dict[str, dict[str, Any]]


class _Answer(Reply, frozen=True, kw_only=True, tag_field="op", tag="reply"):
    id: int


class _Error(msgspec.Struct, frozen=True, tag_field="op", tag="error"):
    code: str = ""
    detail: str = ""


_Frame = Hello | _Event | _Quotes | _Answer | _Error
_decoder: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)
_encoder = msgspec.json.Encoder()


class _Lost(Exception):
    """The request left and no reply came."""


class Channel:
    """The link. Handlers are called on the loop, in the order of what came.

    `account`: the only one to be served; `lease`: seconds of our silence after which the server
    takes no more orders from us, and with `cancel_on_silence` cancels what works; `heartbeat`:
    seconds of the other side's silence until it is asked whether it lives; `patience`: seconds
    the first connection and a query may take.
    """

    def __init__(
        self,
        line: Line,
        *,
        account: str = "",
        client: str = "",
        lease: float | None = None,
        cancel_on_silence: bool = False,
        patience: float = 10.0,
        heartbeat: float = 10.0,
    ) -> None:
        self.line = line
        self.hello: Hello | None = None  # of the newest connection
        self.on_hello: list[Callable[[Hello], None]] = []
        self.on_link: list[Callable[[bool, str], None]] = []
        self.on_event: list[Callable[[str, dict[str, Any]], None]] = []  # kind, data
        self.on_quotes: list[Callable[[dict[str, dict[str, Any]]], None]] = []  # symbol -> tick
        self._greeting = {
            "account": account or None,
            "client": client,
            "on_silence": "cancel" if cancel_on_silence else "leave",
        }
        self._lease = lease
        self._looks = False  # only: without the lease
        self._patience = patience
        self._heartbeat = heartbeat
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}  # request id -> its reply
        self._symbols: dict[str, None] = {}  # subscribed, on the next connection too
        self._epoch, self._seq = "", 0  # of the last event
        self._socket: aiohttp.ClientWebSocketResponse | None = None  # while it is up
        self._up = asyncio.Event()
        self._why = "it was never opened"
        self._wait = FIRST_WAIT
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # of this connection

    # ------------------------------------------------------------ life

    @property
    def up(self) -> bool:
        """Requests reach the server."""
        return self._socket is not None

    async def open(self) -> Hello:
        """Connect and stay connected; raises BrokerUnavailable, AccessDenied or CallRefused."""
        if self._keeper is None:
            first: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(first))
            try:
                return await first
            except BaseException:
                await self.close()
                raise
        await self._wait_up(self._patience)
        assert self.hello is not None
        return self.hello

    @property
    def _taken(self) -> float | None:
        """Seconds of the lease that a connection takes; None: it takes none."""
        return None if self._looks else self._lease

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Connections made meanwhile have no lease: who only looks takes it from nobody.

        One that would not be granted is refused all the same, by AccessDenied.
        """
        self._looks = True
        try:
            yield
        finally:
            self._looks = False

    async def close(self) -> None:
        """Hang up; what is under way counts as lost. Calling it twice is fine."""
        keeper, self._keeper = self._keeper, None
        self._symbols.clear()
        if self._taken and self._socket is not None:
            try:  # a clean goodbye: our working orders are left alone
                async with asyncio.timeout(1):
                    await self._request("release", {})
            except (_Lost, NotSent, TimeoutError):
                pass
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _keep(self, first: asyncio.Future[Hello]) -> None:
        """Connect again and again."""
        tries = Tries(self._patience)
        while True:
            before = self.hello
            try:
                await self._connection(first)
            except Exception as error:
                if not isinstance(error, QkaError):
                    logger.exception("the link to {} failed", self.line)
                # one that was refused after it had been welcome is worth another try at once
                refused = isinstance(error, CallRefused) and self.hello is before
                if not first.done() and (refused or tries.left <= self._wait):
                    first.set_exception(error)
                    return
                if isinstance(error, CallRefused) and error.code == "replaced":
                    self._keeper = None  # two that fight for one name would never rest
                    return
            wait = _REFUSED_WAIT if refused else self._wait
            await asyncio.sleep(wait * (0.5 + random() / 2))
            self._wait = min(self._wait * 2, _LONGEST_WAIT)

    async def _connection(self, first: asyncio.Future[Hello]) -> None:
        """One connection from end to end; raises QkaError when it is over."""
        socket = await self._dial()
        why = "it was closed"
        try:
            hello = await self._greet(socket)
            self._rise(socket, hello)
            if not first.done():
                first.set_result(hello)
            while True:
                self._hear(await self._frame(socket))
        except QkaError as error:
            why = str(error)
            raise
        finally:
            self._fall(why)
            try:
                async with asyncio.timeout(1):
                    await socket.close()
            except TimeoutError:
                pass

    async def _dial(self) -> aiohttp.ClientWebSocketResponse:
        line = self.line
        try:
            return await line.session.ws_connect(
                f"{line.base_url}/ws", heartbeat=self._heartbeat, max_msg_size=_LARGEST
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise AccessDenied(
                    f"{line} refuses this token: put the one that it printed when it started into "
                    ".env (QKA__BROKER__TOKEN, or QKA__FEED__TOKEN where the feed has its own), or "
                    "make a new one there with `qka server rotate`",
                    "unauthorized",
                ) from None
            if error.status == 403:
                raise AccessDenied(
                    f"{line} lets no program of this machine in: start `qka server` there with "
                    "--allow and this machine's address",
                    "forbidden",
                ) from None
            busy = error.status in (429, 503)
            words = "takes nobody now" if busy else "has no WebSocket at /ws: is it a QMTServer?"
            raise BrokerUnavailable(f"{line} {words} (HTTP {error.status})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BrokerUnavailable(unanswered(line, error)) from None

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> Hello:
        resume = {"epoch": self._epoch, "seq": self._seq} if self._epoch else None
        own = {"resume": resume, "lease": self._taken, **self._greeting}
        greeting = {"op": "hello", "protocol": PROTOCOL, **own}
        try:
            await socket.send_str(_encoder.encode(greeting).decode())
            async with asyncio.timeout(self.line.timeout):
                hello = await self._frame(socket)
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            raise BrokerUnavailable(
                f"{self.line} does not say hello ({error or type(error).__name__})"
            ) from None
        if isinstance(hello, _Error):
            raise _refusal(hello)
        if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
            raise CallRefused(f"{self.line} speaks another protocol: update qka on both sides")
        if self._looks and self._lease is not None and "trade" not in hello.scopes:
            words = f"{self.line}: the token has no scope 'trade'; {_ANOTHER}"
            raise AccessDenied(words, "forbidden")
        return hello

    def _rise(self, socket: aiohttp.ClientWebSocketResponse, hello: Hello) -> None:
        missed = self.hello is not None and not hello.resumed
        if not hello.resumed:
            self._epoch, self._seq = hello.epoch, hello.seq
        if hello.time:
            self.line.heard_at(hello.time)
        self.hello, self._socket, self._wait = hello, socket, FIRST_WAIT
        self._up.set()
        logger.info("connected to {}, account {}", self.line, hello.account)
        _tell(self.on_hello, hello)
        _tell(self.on_link, True, "")
        if missed:
            _tell(self.on_event, "resync", {"reason": "events were missed while the link was down"})
        if self._symbols:
            self._spawn(self._ask_quotes(list(self._symbols)))
        if self._taken:
            self._spawn(self._ping(self._taken / 3))

    def _fall(self, why: str) -> None:
        self._why = why
        if self._socket is None:
            return
        self._socket = None
        self._up.clear()
        for task in self._tasks:
            task.cancel()
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(_Lost(f"the link to {self.line} broke ({why})"))
        logger.log("INFO" if self._keeper is None else "WARNING", "lost {}: {}", self.line, why)
        _tell(self.on_link, False, why)

    # ------------------------------------------------------------ what comes

    async def _frame(self, socket: aiohttp.ClientWebSocketResponse) -> _Frame:
        """The next frame; raises BrokerUnavailable when there is none."""
        while True:
            try:
                message = await socket.receive()
            except (aiohttp.ClientError, ConnectionError) as error:  # it answers pings in there
                raise BrokerUnavailable(f"the link broke ({error!r})") from None
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                try:
                    return _decoder.decode(message.data)
                except msgspec.ValidationError as error:
                    # whole, and of no kind known here: a newer server has more to say
                    logger.warning("{} sent what is not understood here: {}", self.line, error)
                except msgspec.DecodeError as error:
                    raise BrokerUnavailable(f"a damaged frame came: {error}") from None
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise BrokerUnavailable(f"the link broke ({socket.exception()!r})")
            else:
                words = f"the server hung up ({socket.close_code} {message.extra or ''}".rstrip()
                raise BrokerUnavailable(words + ")")

    def _hear(self, frame: _Frame) -> None:
        if isinstance(frame, _Quotes):
            _tell(self.on_quotes, frame.data)
        elif isinstance(frame, _Answer):
            reply = self._waiting.get(frame.id)
            if reply is not None and not reply.done():
                reply.set_result(frame)
        elif isinstance(frame, _Event):
            if frame.seq > self._seq:  # else it was heard before
                self._seq = frame.seq
                _tell(self.on_event, frame.kind, frame.data)
        elif isinstance(frame, _Error):
            raise _refusal(frame)

    # ------------------------------------------------------------ what is asked

    async def send(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        key: str = "",
        deadline: float | None = None,
    ) -> Reply:
        """Send a call once and wait for its reply.

        Raises NotSent while the link is down, OutcomeUnknown when it breaks before the reply.
        """
        fields: dict[str, Any] = {"method": method, "params": msgspec.Raw(packed(method, params))}
        if key:
            fields["key"] = key
        if deadline:
            fields["deadline"] = deadline
        socket, loop = self._socket, asyncio.get_running_loop()
        sent, there = loop.time(), self.line.deadline(0.0)  # as the server's clock was understood
        try:
            reply = await self._request("call", fields)
        except _Lost as error:
            raise unknown(method, str(error), key) from None
        left = deadline - there if deadline and there else 0.0
        if reply.code == "deadline" and socket is not None and loop.time() - sent < left / 2:
            # long before its time: a clock was set, or the server's hello came late
            logger.warning("{} has another time than it told: connecting anew", self.line)
            self._spawn(self._renew(socket))
        return reply

    async def query(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The data of a query, asked again while the link or the terminal is away.

        Raises BrokerUnavailable when patience is at its end, CallRefused or AccessDenied.
        """
        fields = {"method": method, "params": msgspec.Raw(packed(method, params or {}))}
        tries = Tries(self._patience)
        while True:
            await self._wait_up(tries.left)
            pause = 0.0
            try:
                reply = await self._request("call", fields)
                if reply.success:
                    return reply.data
                problem = error_of(method, reply)
                if not reply.passing:
                    raise problem
                pause = reply.retry_after or 0.0
            except (_Lost, NotSent) as error:
                problem = BrokerUnavailable(f"{method}: {error}")
            if not await tries.another(pause):
                raise problem

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Ask for quotes of symbols, or of whole markets (`SH`); kept over reconnects.

        Raises CallRefused or AccessDenied; a link that is down subscribes when it is back.
        """
        asked = list(symbols)
        self._symbols.update(dict.fromkeys(asked))
        await self._quotes("subscribe", asked)

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Ask for no more quotes of them."""
        asked = list(symbols)
        for symbol in asked:
            self._symbols.pop(symbol, None)
        await self._quotes("unsubscribe", asked)

    async def _quotes(self, op: str, symbols: list[str]) -> None:
        try:
            reply = await self._request(op, {"symbols": symbols})
        except (_Lost, NotSent):
            return
        if not reply.success:
            raise error_of(op, reply)

    async def _ask_quotes(self, symbols: list[str]) -> None:
        try:
            await self._quotes("subscribe", symbols)
        except QkaError as error:
            logger.error("no more quotes: {}", error)

    async def _ping(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await self._request("ping", {})
            except (_Lost, NotSent):
                pass  # whether the link lives is the heartbeat's business

    async def _request(self, op: str, fields: Mapping[str, Any]) -> Reply:
        socket = self._socket
        if socket is None:
            raise NotSent(f"no link to {self.line} ({self._why}): nothing was sent")
        number = next(self._numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            async with asyncio.timeout(self.line.timeout):
                await socket.send_str(_encoder.encode({"op": op, "id": number, **fields}).decode())
                answer = await reply
        except TimeoutError:
            raise _Lost(f"no reply from {self.line} within {self.line.timeout:g} s") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise _Lost(f"the link to {self.line} broke ({error})") from None
        finally:
            del self._waiting[number]
        if answer.code == "lease_lost":
            self._spawn(self._renew(socket))
        return answer

    async def _renew(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """A lease that ran out is taken anew by a new connection, and so is the server's time."""
        await socket.close()

    async def _wait_up(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._up.wait()
        except TimeoutError:
            raise BrokerUnavailable(f"no link to {self.line}: {self._why}") from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _refusal(error: _Error) -> QkaError:
    words = f"the server ended the link: {error.detail or error.code}"
    if error.code == "replaced":
        words += (
            "; this one does not connect again: stop it, and give each engine a name of its own "
            "(`name` in the config)"
        )
    if error.code in ("stopping", "slow_client"):
        return BrokerUnavailable(words)
    if error.code == "forbidden":
        words += f"; {_ANOTHER}"
    kind = AccessDenied if error.code in ("unauthorized", "forbidden") else CallRefused
    return kind(words, error.code)


def _tell(handlers: Iterable[Callable[..., None]], *what: Any) -> None:
    """One that fails keeps the others from nothing."""
    for handler in handlers:
        try:
            handler(*what)
        except Exception:
            logger.exception("{} failed", getattr(handler, "__qualname__", handler))
