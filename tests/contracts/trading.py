"""An engine as a process of its own, which can be killed: it sends orders as long as it lives."""

import asyncio
from pathlib import Path

from serving import Killable
from worlds import CASH, EngineWorld


class EngineProcess(Killable):
    """Sends order after order to the server at `url`; its journal is in `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(trade, url, folder)


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
