"""What outlives the engine: a market that moves by itself, a server, and a cable to cut."""

import asyncio
from contextlib import contextmanager, suppress
from datetime import date

from scripted import looping

from qka.server.server import Server
from qka.server.simulated import SimulatedBackend
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.market import SimulatedMarket

ACCOUNT = "8880012345"
SYMBOLS = ("600000.SH", "000001.SZ", "300750.SZ")
DAY = date(2026, 1, 5)
SPEED = 120.0  # seconds of the market in one of ours


class Cable:
    """A proxy on loopback. `cut`: every connection is reset, as when a router dies."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        self._server.close()
        await self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            self._writers |= {writer, back}
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)


class Exchange:
    """One account at a simulated exchange, behind a QMTServer."""

    def __init__(self, market, server, cable, run) -> None:
        self.market, self.server, self.cable, self._run = market, server, cable, run

    @property
    def token(self) -> str:
        return self.server.token

    def books(self):
        """The exchange's own."""
        return self.market.terminal.books(ACCOUNT)

    def cut(self) -> None:
        """The cable breaks; the next one is there at once."""
        self._run(self.cable.cut())

    def restart_terminal(self) -> None:
        """The terminal closes and is back at once."""
        self.market.terminal.restart(silent=True)


@contextmanager
def exchange(folder, seed: int):
    """An exchange that trades from 09:45 on, by the seed."""
    opening = Opening(account_id=ACCOUNT, cash=200_000_000, positions=dict.fromkeys(SYMBOLS, 5000))
    market = SimulatedMarket(
        [opening], seed=seed, day=DAY, begin="09:45", speed=SPEED, symbols=SYMBOLS,
        faults=Faults(seed),
    )  # fmt: skip
    server = Server(
        SimulatedBackend(market, ACCOUNT, deadline=1.0, retry=0.05), data_dir=folder, port=0
    )
    with looping() as run:

        async def begin() -> Cable:
            await server.open()
            while not server.backend.status.ready:  # noqa: ASYNC110  # it becomes ready by itself
                await asyncio.sleep(0.005)
            cable = Cable(server.port)
            await cable.open()
            return cable

        cable = run(begin())
        try:
            yield Exchange(market, server, cable, run)
        finally:
            run(cable.close())
            run(server.close())
