"""A QMTServer as a process of its own, which can be killed; its terminal lives elsewhere.

Where the system can do that it is forked from a process that has the server's modules loaded: a
killed server is back in a few hundredths of a second.
"""

import asyncio
import multiprocessing
from pathlib import Path

from bridge import RemoteTerminal

ACCOUNT = "demo"
TOKEN = "a-token-for-the-contracts-only"
PATH = "C:/QMT/userdata_mini"
_MODULES = ["qka.brokers.server", "qka.server.simulated", "qka.server.link", "sqlite3", "pytest"]


def context():
    """How processes are started here."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_MODULES)
    return made


class Killable:
    """A process that can be killed at any moment."""

    def __init__(self, target, *arguments) -> None:
        self._process = context().Process(target=target, args=arguments, daemon=True)
        self._process.start()

    @property
    def lives(self) -> bool:
        return self._process.is_alive()

    def kill(self):
        """At once, without a word: SIGKILL, or what the system has."""
        self._process.kill()

    def bury(self):
        """Wait until it is gone."""
        self._process.join(5)
        assert not self._process.is_alive(), "it was not killed"


class ServerProcess(Killable):
    """One life of a server. `vendor`: its terminal is reached through the vendor's own trader."""

    def __init__(
        self, address, folder: Path, *, vendor: bool, number: int, deadline: float
    ) -> None:
        super().__init__(serve, address, folder, vendor, number, deadline)


def serve(address, folder, vendor, number, deadline):
    """What runs in the process, until it is killed."""
    from loguru import logger

    logger.remove()
    logger.add(folder / f"server-{number}.log", level="DEBUG")
    try:
        asyncio.run(_serve(RemoteTerminal(address), folder, vendor, number, deadline))
    except Exception:
        logger.exception("the server ended")
        raise


async def _serve(terminal, folder, vendor, number, deadline):
    from qka.brokers.server import QMTServer

    made = _over_the_vendor(terminal, folder, deadline) if vendor else None
    backend = made or _simulated(terminal, deadline)
    server = QMTServer(ACCOUNT, port=0, token=TOKEN, data_dir=folder, backend=backend)
    async with server:
        terminal.report({"serving": server.port, "number": number})
        await asyncio.Event().wait()


def _simulated(terminal, deadline):
    from qka.server.simulated import SimulatedBackend

    return SimulatedBackend(terminal, ACCOUNT, deadline=deadline, retry=0.02)


def _over_the_vendor(terminal, folder, deadline):
    from qka.brokers.link import TraderLink
    from qka.server.link import LinkBackend
    from qka.terminal.install import install

    install(terminal, PATH)
    link = TraderLink(
        PATH, ACCOUNT, deadline=deadline, probe=0.2, pause=0.01,
        patience=0.02 if deadline < 1 else deadline / 2,  # a patient one sits a hang out
        sessions=range(1, 500),
    )  # fmt: skip
    link._pool._folder = folder
    backend = LinkBackend(link, _NoQuotes(terminal))
    backend.now = terminal.now  # the world's time may be a night
    return backend


class _NoQuotes:
    """Quotes are another contract; what is asked of a symbol before its first order is told."""

    def __init__(self, terminal):
        self._terminal = terminal

    async def instrument(self, symbol, complete):
        return self._terminal.instrument(symbol)

    async def open(self, push):
        pass

    async def close(self):
        pass

    async def subscribe(self, symbols):
        pass

    async def unsubscribe(self, symbols):
        pass
