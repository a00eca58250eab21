"""An engine as a process of its own, which can be killed: it sends orders as long as it lives."""

import asyncio
from pathlib import Path

from serving import context
from worlds import CASH, EngineWorld


class EngineProcess:
    """Sends order after order to the server at `url`; its journal is in `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._process = context().Process(target=trade, args=(url, folder), daemon=True)
        self._process.start()

    @property
    def lives(self) -> bool:
        return self._process.is_alive()

    def kill(self):
        """At once, without a word."""
        self._process.kill()

    def bury(self):
        """Wait until it is gone."""
        self._process.join(5)
        assert not self._process.is_alive(), "it was not killed"


def trade(url, folder):
    """What runs in the process, until it is killed."""
    from loguru import logger

    logger.remove()
    logger.add(folder / "engine.log", level="DEBUG")
    asyncio.run(_trade(EngineWorld(folder, url, cash=CASH)))


async def _trade(world):
    await world.open()
    for number in range(1_000_000):
        name = world.submit(100 * (1 + number % 7), (10.01, 9.5)[number % 2])
        await world.is_answered()
        if number % 5 == 4:
            world.cancel(name)
        if number % 2:  # else two are on their way at a time
            await world.is_settled(name)
