"""The monitor as a whole: listens on this machine alone, and tells its owner where.

`control.json` in the run's folder has the address and the token, for its owner's eyes only.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from qka.engine.engine import Engine
from qka.errors import ConfigError
from qka.model.events import Severity
from qka.monitor.client import FILE
from qka.monitor.control import Control
from qka.monitor.http import LONGEST, MOST, Http, MonitorServer
from qka.secrets import write_private
from qka.wire import pretty

HOST = "127.0.0.1"
_LEAVE = 0.5  # seconds that answers under way get when the run ends


class Monitor:
    """One run's. `limits` gives those in force; `port` None: any free one; `must`: a run that can't
    be reached does not start.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Callable[[], Mapping[str, Any]],
        *,
        port: int | None,
        must: bool,
    ) -> None:
        self._engine = engine
        self._control = Control(engine, limits)
        self._port = port or 0
        self._must = must
        self._token = secrets.token_urlsafe(32)
        self._socket: socket.socket | None = None
        self._file: Path | None = None
        self._stack = AsyncExitStack()

    def bind(self, folder: Path) -> None:
        """Take the port and write down where it is. Raises ConfigError where it must be there.

        Who connects from here on waits until `open`.
        """
        try:
            listening = socket.create_server((HOST, self._port), backlog=256)
        except OSError as error:
            where = f"{HOST}:{self._port}" if self._port else HOST
            self._fail(f"monitor.port: {where} can't be listened on ({error.strerror})")
            return
        self._stack.callback(listening.close)
        self._socket, port = listening, listening.getsockname()[1]
        told = {"url": f"http://{HOST}:{port}", "token": self._token, "pid": os.getpid()}
        file = folder / FILE
        try:
            write_private(file, pretty({**told, "account": self._engine.account_id}).decode())
        except ConfigError as error:
            self._fail(str(error))
        else:
            self._file = file

    async def open(self) -> None:
        """Answer."""
        if self._socket is None:
            return
        port = self._socket.getsockname()[1]
        server = MonitorServer(
            Http(self._control, self._token, port).answer, most=MOST, longest=LONGEST
        )
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_LEAVE)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, self._socket).start()

    async def close(self) -> None:
        """Nobody can ask any more; calling it twice is fine."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._file = None
        await self._stack.aclose()

    def _fail(self, what: str) -> None:
        if self._must:
            raise ConfigError(f"{what}: nothing was started or sent")
        self._engine.alert(
            Severity.WARNING,
            "monitor",
            f"{what}: `qka status`, `qka halt` and the like can't reach this run. Trading goes on",
        )
