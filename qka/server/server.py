"""The server as a whole: what is opened, in which order, and closed in the other."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from datetime import date
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
from aiohttp import web
from loguru import logger

from qka.ashare import book
from qka.ashare.calendar import EveryDay, exchange_calendar
from qka.errors import ConfigError
from qka.model.times import SECOND, day_of
from qka.server.audit import Audit
from qka.server.backend import Backend
from qka.server.caller import Policy
from qka.server.health import Health
from qka.server.http import Guard, Http
from qka.server.limits import Addresses, is_loopback
from qka.server.service import Service
from qka.server.store import Store
from qka.server.tokens import Tokens
from qka.server.ws import Sessions
from qka.settings.rulefile import RuleFile
from qka.web import Lockout, WebServer, unheard

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
_CHECKED_EVERY = 1.0  # seconds: tokens, leases, lookups


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what comes in."""

    connections: int = 256
    clients: int = 32  # WebSockets
    request_bytes: int = 262_144
    outbox_bytes: int = 8_388_608  # of a WebSocket client that does not read
    wrong_tokens: int = 10  # of one address, in `window` seconds, lock it out for `hold`
    window: float = 60.0
    hold: float = 60.0
    keep_events: int = 200_000
    keep_keys_days: int = 90


class Server:
    """One account behind HTTP and a WebSocket.

    `token`: instead of a random one. `token_file`: where the clear one is read from or written
    to. `allow`: networks that may connect, all when empty. `data_dir`: what must survive a
    restart; its `server.db` belongs to one account and to one running server. `rules`: a user's
    rows and trading days, laid over the shipped ones.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        data_dir: Path,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        token: str | None = None,
        token_file: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        allow: Iterable[str] = (),
        policy: Policy | None = None,
        limits: Limits | None = None,
        patience: float = 10.0,
        rules: RuleFile | None = None,
    ) -> None:
        self.backend = backend
        self.data_dir = data_dir
        self.host = host
        self.port = port  # the real one once it is open, if it was 0
        self.token: str | None = token  # in clear; None when only its hash is known
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.service: Service | None = None
        self.http: Http | None = None
        self.tokens = Tokens(data_dir, token_file)
        self._addresses = Addresses(allow)
        self._own = rules or RuleFile()
        self._tls = _tls(tls_cert, tls_key)
        self._patience = patience  # seconds that calls under way get when the server stops
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where it listens."""
        host = "127.0.0.1" if self.host in ("", "0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def open(self) -> None:
        """Listen. The terminal is reached in the background. Raises ConfigError, OSError."""
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        push = self._stack.push_async_callback
        limits = self.limits
        account_id, _ = self.backend.account
        # orders, account and audit are nobody else's business; Windows keeps the profile closed
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"data_dir: {self.data_dir} can't be made ({error.strerror}): nothing was started"
            ) from None
        self.token = self.tokens.open(self.token)

        store = Store(self.data_dir / "server.db", account_id)
        await store.open()
        push(store.close)
        audit = Audit(self.data_dir, account_id)
        audit.open()
        push(audit.close)
        service = self.service = Service(
            self.backend,
            store,
            audit,
            self.policy,
            self._calendar(),
            keep_keys=limits.keep_keys_days * 86_400 * SECOND,
            keep_events=limits.keep_events,
        )
        push(service.close)
        await service.open()

        lockout = Lockout(limits.wrong_tokens, limits.window, limits.hold, loop.time)
        guard = Guard(self.tokens, self._addresses, lockout, audit, service)
        sessions = Sessions(
            service,
            guard.admit,
            most=limits.clients,
            longest=limits.request_bytes,
            outbox=limits.outbox_bytes,
            server_id=token_hex(4),
        )
        health = Health(service, store, audit)
        self.http = Http(service, guard, health, sessions, limits.request_bytes)
        await self._listen(self.http)
        push(sessions.close)
        push(service.drain, self._patience)
        watch = loop.create_task(self._watch())
        push(_cancelled, watch)
        self._warn()

    def _calendar(self) -> Callable[[date], bool]:
        """Put the rules in force; which days trade. Those of a made-up market all do.

        Without a file of its own it takes what is in force in this process.
        """
        if self._own.rows:
            book.hold(self._own.rows)
            self._stack.callback(book.release)
        if self.backend.simulated:
            return EveryDay().is_trading_day
        calendar = exchange_calendar(self._own.calendar)
        if soon := calendar.notice(day_of(self.backend.now())):
            logger.warning("{}; {}", soon, calendar.mend)
        return calendar.is_trading_day

    async def _listen(self, http: Http) -> None:
        limits = self.limits
        web_server = WebServer(http.answer, most=limits.connections, longest=limits.request_bytes)
        # for what `drain` did not wait for; aiohttp takes 0 for no end
        leave = max(0.01, min(2.0, self._patience))
        runner = web.ServerRunner(web_server, handle_signals=False, shutdown_timeout=leave)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls, backlog=256)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"{self.host}:{self.port} can't be listened on ({unheard(error)}): is a server "
                "running there already?"
            ) from None
        self._stack.push_async_callback(site.stop)
        self.port = runner.addresses[0][1]

    async def close(self) -> None:
        """Stop: take no more orders, finish what is under way, say goodbye. Twice is fine."""
        await self._stack.aclose()

    async def __aenter__(self) -> "Server":
        await self.open()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    def check(self) -> None:
        """What is looked at every second: changed tokens, silent engines, unknown outcomes."""
        if self.service is not None and self.http is not None:
            self.tokens.refresh()
            self.http.sessions.check(self.tokens.valid)
            self.service.check()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECKED_EVERY)
            try:
                self.check()
            except Exception as error:
                logger.exception("the server's own check failed: {}", error)

    def _warn(self) -> None:
        logger.info("QMTServer listens on {}", self.url)
        if not is_loopback(self.host) and self._tls is None:
            logger.warning(
                "UNENCRYPTED beyond this machine: whoever sees the traffic on {} gets the token "
                "and can trade. Give tls_cert and tls_key, or stay on 127.0.0.1",
                self.host or "0.0.0.0",
            )


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise ConfigError("tls_key without tls_cert: give both, or neither")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls: {cert} and {key or cert} can't be used ({error})") from None
    return context
