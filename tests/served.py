"""A real QMTServer over the simulated terminal, for whoever talks to it."""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from builders import a_quote, moment
from scripted import looping

from qka import journals
from qka.clock import ManualClock
from qka.server.server import Server
from qka.server.simulated import SimulatedBackend
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.terminal import SimTerminal

ACCOUNT = "demo"


def a_terminal(at: str = "10:00", **options: Any) -> SimTerminal:
    """One account with 1,000,000 CNY and 1,000 shares of 000001.SZ; 600000.SH trades at 10.00."""
    opening = Opening(account_id=ACCOUNT, cash=100_000_000, positions={"000001.SZ": 1000})
    options.setdefault("faults", Faults(7))
    terminal = SimTerminal(ManualClock(moment(at)), [opening], **options)
    terminal.quote(a_quote(time=moment(at) + 1), a_quote(symbol="000001.SZ", time=moment(at) + 2))
    return terminal


class Served:
    """A server that can be stopped and started again on its port, over one terminal.

    `deadline`: seconds until a terminal that says nothing is left.
    """

    def __init__(
        self, folder: Path, terminal: SimTerminal, *, deadline: float = 5.0, **options: Any
    ) -> None:
        self.terminal = terminal
        self._make = lambda port: Server(
            SimulatedBackend(terminal, ACCOUNT, deadline=deadline, retry=0.05),
            data_dir=folder,
            port=port,
            **options,
        )
        self.server = self._make(0)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def token(self) -> str:
        return self.server.token or ""

    async def start(self) -> None:
        await self.server.open()
        backend = self.server.backend
        while not backend.status.ready:  # noqa: ASYNC110  # it becomes ready on its own
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        await self.server.close()
        self.server = self._make(self.server.port)


@asynccontextmanager
async def served(folder: Path, *, at: str = "10:00", terminal: Any = None, **options: Any):
    """On the test's own loop."""
    with a_terminal(at, **(terminal or {})) as simulated:
        server = Served(folder, simulated, **options)
        await server.start()
        try:
            yield server
        finally:
            await server.server.close()


_LOOKS = """
import qka
class S(qka.Strategy):
    symbols = ["600000.SH"]
    def on_quote(self, quote): pass
"""


@asynccontextmanager
async def remote_project(folder: Path, monkeypatch: Any, more: str = ""):
    """A server, and in `folder`, which is gone to, `live.yaml` of an engine that only looks.

    `more`: of its `broker`, as `, lease: 5`.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setattr(journals, "ACCOUNT_LOCKS", folder / "locks")
    (folder / "s.py").write_text(_LOOKS)
    async with served(folder / "server") as server:
        monkeypatch.setenv("QKA__BROKER__TOKEN", server.token)
        (folder / "live.yaml").write_text(
            f"name: ours\nbroker: {{kind: remote, url: '{server.url}'{more}}}\n"
            "feed: {kind: remote}\nstrategies: [{use: 's.py:S'}]\nmonitor: {enabled: false}\n"
        )
        yield server


@contextmanager
def served_thread(folder: Path, *, at: str = "10:00", terminal: Any = None, **options: Any):
    """On a thread of its own, for clients that block."""
    with looping() as run, a_terminal(at, **(terminal or {})) as simulated:
        server = Served(folder, simulated, **options)
        run(server.start())
        server.run = run
        try:
            yield server
        finally:
            run(server.server.close())
