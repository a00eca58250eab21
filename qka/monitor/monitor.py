"""The monitor as a whole: listens, on this machine alone unless told, and tells its owner where.

`control.json` in the run's folder has the address and the token, for its owner's eyes only.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from qka.engine.engine import Engine
from qka.errors import ConfigError
from qka.model.events import Severity
from qka.monitor import keys
from qka.monitor.client import FILE
from qka.monitor.control import Control
from qka.monitor.dashboard import Dashboard
from qka.monitor.guard import Guard
from qka.monitor.http import Http, MonitorServer
from qka.monitor.metrics import Metrics
from qka.monitor.route import Route
from qka.secrets import mask, write_private
from qka.web import unheard
from qka.wire import pretty

HOST = "127.0.0.1"
PORT = 8750  # of a dashboard, so that a page finds it again; taken: any free one
_LEAVE = 0.5  # seconds that answers under way get when the run ends


class Wanted(NamedTuple):
    """What a config asks for."""

    host: str = HOST
    port: int | None = None
    must: bool = False  # a run that can't be reached does not start
    dashboard: bool = False
    metrics: bool = False
    read_only: bool = False  # pages may look and nothing else
    origins: tuple[str, ...] = ()  # further addresses under which browsers reach it


class Monitor:
    """One run's; made before its engine starts. `limits` gives those in force."""

    def __init__(
        self, engine: Engine, limits: Callable[[], Mapping[str, Any]], wanted: Wanted
    ) -> None:
        self._engine = engine
        self._wanted = wanted
        self._control = control = Control(engine, limits)
        self._dashboard = Dashboard(engine, control.status, limits) if wanted.dashboard else None
        self._metrics = Metrics(engine, control.status, limits) if wanted.metrics else None
        self._token = secrets.token_urlsafe(32)
        self._socket: socket.socket | None = None
        self._file: Path | None = None
        self._unheard = ""  # why nobody can ask, until it is told
        self._guard: Guard
        self._stack = AsyncExitStack()

    def bind(self, folder: Path) -> None:
        """Take the port and write down where it is. Raises ConfigError where it must be there.

        Who connects from here on waits until `open`.
        """
        try:
            listening = self._listen()
        except OSError as error:
            port = f":{self._wanted.port}" if self._wanted.port else ""
            where = f"{self._wanted.host}{port}"
            self._fail(f"monitor.port: {where} can't be listened on ({unheard(error)})")
            return
        self._stack.callback(listening.close)
        self._socket = listening
        file = folder / FILE
        told = {"url": self.url, "token": self._token, "pid": os.getpid()}
        try:
            self._guard = self._guarded(folder.parent)
            write_private(file, pretty({**told, "account": self._engine.account_id}).decode())
        except ConfigError as error:
            self._fail(str(error))
        else:
            self._file = file

    @property
    def url(self) -> str:
        """Where it listens, empty when it does not."""
        if self._socket is None:
            return ""
        host, port = self._socket.getsockname()[:2]
        host = HOST if host in ("0.0.0.0", "::") else host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def page(self) -> str:
        """The dashboard, by an address that lets in once; empty without one."""
        if self._dashboard is None or self._file is None:
            return ""
        return f"{self.url}/#code={self._guard.code()}"

    async def open(self) -> None:
        """Answer, or tell why nobody will be: from here on the engine's time is the market's."""
        if self._unheard:
            self._engine.alert(Severity.WARNING, "monitor", self._unheard)
        if self._socket is None or self._file is None:
            return
        more: dict[str, Route] = {}
        if self._dashboard is not None:
            more |= self._dashboard.routes(self._guard)
        if self._metrics is not None:
            more |= self._metrics.routes()
        http = Http(self._control, self._guard, more)
        pages = () if self._dashboard is None else self._dashboard.watchers.sockets
        server = MonitorServer(http.answer, pages=pages)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_LEAVE)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        if self._dashboard is not None:
            self._dashboard.open()
            # before the runner, which would wait for pages that look on
            self._stack.push_async_callback(self._dashboard.close)
        if self._metrics is not None:
            self._metrics.open()
            self._stack.callback(self._metrics.close)
        site = web.SockSite(runner, self._socket)
        await site.start()
        self._stack.push_async_callback(site.stop)  # first of all: no page comes again

    async def close(self, how: str = "", why: str = "") -> None:
        """Nobody can ask any more; calling it twice is fine. Pages are told `how` the run ended."""
        if self._dashboard is not None and how:
            self._dashboard.ended = {"how": how, "why": mask(why)}
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # left behind it says where nobody listens any more
                file.unlink()
        await self._stack.aclose()

    def _listen(self) -> socket.socket:
        wanted = self._wanted
        usual = PORT if wanted.dashboard or wanted.metrics else 0
        try:
            return _server(wanted.host, wanted.port or usual)
        except OSError:
            if wanted.port or not usual:
                raise
        return _server(wanted.host, 0)

    def _guarded(self, runs: Path) -> Guard:
        assert self._socket is not None
        wanted = self._wanted
        return Guard(
            self._token,
            keys.kept(runs),
            self._socket.getsockname()[1],
            asyncio.get_running_loop().time,
            origins=wanted.origins,
            beyond=not _is_here(wanted.host),
            read_only=wanted.read_only,
        )

    def _fail(self, what: str) -> None:
        if self._wanted.must:
            raise ConfigError(f"{what}: nothing was started or sent")
        self._unheard = (
            f"{what}: `qka status`, `qka halt` and the like can't reach this run. Trading goes on"
        )


def _server(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=256)


def _is_here(host: str) -> bool:
    """Whether who listens there is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
