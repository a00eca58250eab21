"""Work that goes on whether or not somebody waits for it, and work that may be done at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine
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


def begun(work: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Do `work` until it has to wait: the rest, to be awaited, or None when all of it is done."""
    try:
        awaited = work.send(None)
    except StopIteration:
        return None
    return _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    try:
        while True:
            try:
                yield awaited
            except BaseException as error:
                awaited = work.throw(error)
            else:
                awaited = work.send(None)
    except StopIteration:
        pass
