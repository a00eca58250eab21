"""Work that goes on whether or not somebody waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from loguru import logger

from qka.server.failure import Failure

T = TypeVar("T")


class Tasks:
    """A set of tasks; `ended` is called whenever one is over."""

    def __init__(self, ended: Callable[[], None] = lambda: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = ended
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin it."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def end(self, patience: float) -> None:
        """Wait so many seconds, then cancel what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        for task in self._tasks:
            task.cancel()

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._ended()
        if not task.cancelled():
            error = task.exception()  # looking at it: whoever waits gets it too
            if error is not None and not isinstance(error, Failure):
                logger.error("something ended badly: {!r}", error)
