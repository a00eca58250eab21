"""The clients of a QMTServer: `QMTClient` for scripts, `AsyncQMTClient` for what lives on a loop.

::

    client = QMTClient("http://localhost:8000", token="...")
    client.api("query_stock_asset")["总资产"]
    client.api("order_stock", stock_code="600000.SH", order_type=STOCK_BUY,
               order_volume=100, price_type=FIX_PRICE, price=10.5).get("success")

The constants are in `qka.brokers.words`, under xtconstant's own names. A refused order is an
answer; a link that is down, a bad token or a bad argument raises an error of `qka.errors`.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from qka.brokers.calls import Calls, Fate, Line, Reply
from qka.brokers.channel import Channel, Hello
from qka.errors import CallRefused

URL = "http://localhost:8000"
Result = TypeVar("Result")


def _token(token: str) -> str:
    if not token or not token.strip():
        raise ValueError("必须提供访问令牌(token)")
    return token


def _named(name: str, args: tuple[Any, ...]) -> None:
    if args:
        raise CallRefused(
            f"{name}: {', '.join(map(repr, args))} has no name; write "
            f"api({name!r}, stock_code='600000.SH', ...) with named arguments: nothing was sent",
            "invalid",
        )


class AsyncQMTClient:
    """A QMTServer over `await`: `api` by HTTP, and one WebSocket for orders, pushes and quotes.

    `account`: refuse a server of another one; `client`: our name in the server's log; `lease`:
    seconds of our silence after which the server takes no more orders from us, and with
    `cancel_on_silence` cancels what works; `timeout`: seconds one reply may take; `patience`:
    seconds that what can be tried again is tried for; `heartbeat`: seconds of silence until the
    other side is asked whether it lives. `verify` and `fingerprint` as for `QMTClient`. Raises
    ValueError without a token, ConfigError for a bad address.
    """

    def __init__(
        self,
        base_url: str = URL,
        token: str = "",
        *,
        account: str = "",
        client: str = "",
        lease: float | None = None,
        cancel_on_silence: bool = False,
        timeout: float = 15.0,
        patience: float = 10.0,
        heartbeat: float = 10.0,
        verify: bool | str = True,
        fingerprint: str = "",
    ) -> None:
        self._line = Line(
            base_url, _token(token), timeout=timeout, verify=verify, fingerprint=fingerprint
        )
        self._calls = Calls(self._line, patience=patience)
        self._channel = Channel(
            self._line,
            account=account,
            client=client,
            lease=lease,
            cancel_on_silence=cancel_on_silence,
            patience=patience,
            heartbeat=heartbeat,
        )
        self._holders = 0  # how many have opened the WebSocket and not closed it

    def __repr__(self) -> str:
        return f"AsyncQMTClient({self._line})"

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return self._line.base_url

    # ------------------------------------------------------------ HTTP

    async def api(
        self, name: str, *args: Any, key: str = "", deadline: float = 0.0, **params: Any
    ) -> Any:
        """Call a method of the server; see `QMTClient.api`."""
        _named(name, args)
        return await self._calls.call(name, params, key=key, deadline=deadline)

    async def outcome(self, key: str) -> Fate:
        """What became of the order with this key; see `QMTClient.outcome`."""
        return await self._calls.outcome(key)

    # ------------------------------------------------------------ WebSocket

    @property
    def up(self) -> bool:
        """Whether the WebSocket is connected."""
        return self._channel.up

    @property
    def hello(self) -> Hello | None:
        """What the server said of itself on the newest connection."""
        return self._channel.hello

    async def open(self) -> Hello:
        """Connect the WebSocket and keep it connected; whoever opens it closes it.

        Raises BrokerUnavailable, AccessDenied or CallRefused.
        """
        try:
            hello = await self._channel.open()
        except BaseException:
            if not self._holders:
                await self._line.close()  # nobody else will
            raise
        self._holders += 1
        return hello

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Connect without the lease meanwhile: an engine of the same name keeps its own."""
        with self._channel.looking():
            yield

    async def close(self) -> None:
        """Let go; the last one to do so hangs up. Calling it once more is fine."""
        self._holders = max(0, self._holders - 1)
        if not self._holders:
            await self._channel.close()
            await self._line.close()

    async def __aenter__(self) -> Self:
        """Nothing yet: the first call connects."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._holders = 0
        await self.close()

    def listen(
        self,
        *,
        event: Callable[[str, dict[str, Any]], None] | None = None,
        quotes: Callable[[dict[str, dict[str, Any]]], None] | None = None,
        link: Callable[[bool, str], None] | None = None,
        hello: Callable[[Hello], None] | None = None,
    ) -> None:
        """Hear what the WebSocket brings, on the loop, in order; register before `open`.

        `event(kind, data)`: order, trade, asset, position, order_error, cancel_error,
        account_status, link, and `resync` when some were missed and the account must be asked;
        `quotes({symbol: tick})`; `link(up, reason)`; `hello(hello)` on every connection.
        """
        channel = self._channel
        if event is not None:
            channel.on_event.append(event)
        if quotes is not None:
            channel.on_quotes.append(quotes)
        if link is not None:
            channel.on_link.append(link)
        if hello is not None:
            channel.on_hello.append(hello)

    async def send(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        key: str = "",
        within: float | None = None,
    ) -> Reply:
        """Send a call over the WebSocket, once, to be refused when it waits past `within` seconds.

        Raises NotSent or OutcomeUnknown; a server's no is in the reply.
        """
        deadline = None if within is None else self._line.deadline(within)
        return await self._channel.send(method, params, key=key, deadline=deadline)

    async def query(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Plain data over the WebSocket, asked again while the link is away.

        Raises BrokerUnavailable, CallRefused or AccessDenied.
        """
        return await self._channel.query(method, params)

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Ask for quotes of symbols, or of whole markets (`SH`); kept over reconnects."""
        await self._channel.subscribe(symbols)

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Ask for no more quotes of them."""
        await self._channel.unsubscribe(symbols)


class QMTClient:
    """A QMTServer for a plain script: every call waits for its answer.

    `timeout`: seconds one reply may take; `patience`: seconds that what can be tried again is
    tried for; `verify`: True, the path of a CA file, or False; `fingerprint`: SHA-256 of the
    server's certificate, which is then the only one trusted. It may be used from several threads.
    Raises ValueError without a token, ConfigError for a bad address.
    """

    def __init__(
        self,
        base_url: str = URL,
        token: str = "",
        *,
        timeout: float = 15.0,
        patience: float = 5.0,
        verify: bool | str = True,
        fingerprint: str = "",
    ) -> None:
        def client() -> AsyncQMTClient:
            return AsyncQMTClient(
                base_url,
                token,
                timeout=timeout,
                patience=patience,
                verify=verify,
                fingerprint=fingerprint,
            )

        self.base_url = client().base_url  # raises what is wrong, now
        self.token = token
        self._client = client
        self._lock = threading.Lock()
        self._backstage: _Backstage | None = None

    def __repr__(self) -> str:
        return f"QMTClient({self.base_url})"  # never the token

    def api(
        self, name: str, *args: Any, key: str = "", deadline: float = 0.0, **params: Any
    ) -> Any:
        """Call a method of the server with named arguments and return its answer.

        A record answers by xtquant's names and by the Chinese ones; an order's result is its
        number, -1 when the broker refused it, and has `success` and `detail`. The same `key`
        (at most 24 ASCII characters) never makes two orders; without one, every call is an order
        of its own, under a key made for it. An order without an `order_remark` is marked with its
        key. After `deadline` (Unix seconds) the server refuses an order.

        Raises AccessDenied, CallRefused, NotSent or BrokerUnavailable: nothing was executed; and
        OutcomeUnknown: an order may have been.
        """
        _named(name, args)
        return self._run(lambda c: c.api(name, key=key, deadline=deadline, **params))

    def outcome(self, key: str) -> Fate:
        """What became of the order with this key: `state`, `order_id`, `detail`."""
        return self._run(lambda client: client.outcome(key))

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._lock:
            backstage, self._backstage = self._backstage, None
        if backstage is not None:
            backstage.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self.close()

    def _run(self, work: Callable[[AsyncQMTClient], Coroutine[Any, Any, Result]]) -> Result:
        with self._lock:
            if self._backstage is not None and self._backstage.process != os.getpid():
                _inherited.append(self._backstage)
                self._backstage = None
            if self._backstage is None:
                self._backstage = _Backstage(self._client)
            backstage = self._backstage
        return backstage.run(work)


# a forked child must not even forget its parent's: their sockets share one epoll
_inherited: list["_Backstage"] = []


class _Backstage:
    """A loop on a thread of its own, where the async client does the work."""

    def __init__(self, client: Callable[[], AsyncQMTClient]) -> None:
        self.process = os.getpid()  # a forked child has the object but not the thread
        self._loop = asyncio.new_event_loop()
        self._client = client()
        threading.Thread(target=_live, args=(self._loop,), name="qka-client", daemon=True).start()
        self.close = weakref.finalize(self, _close, self._loop, self._client, self.process)

    def run(self, work: Callable[[AsyncQMTClient], Coroutine[Any, Any, Result]]) -> Result:
        """Do it there and wait for it here."""
        future = asyncio.run_coroutine_threadsafe(work(self._client), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C ends the wait and the call
            raise


def _live(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _close(loop: asyncio.AbstractEventLoop, client: AsyncQMTClient, process: int) -> None:
    """Close the connections, then the loop; at the end of the program too."""
    if process != os.getpid():
        return
    closing = asyncio.run_coroutine_threadsafe(client.close(), loop)
    try:
        closing.result(2)
    except Exception:
        pass  # the program ends, or the loop is stuck: the operating system closes the rest
    loop.call_soon_threadsafe(loop.stop)
