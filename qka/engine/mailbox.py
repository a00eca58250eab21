"""Where the events of `async def` handlers wait: one ordered task, a bounded queue."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from qka.model.market import Quote

AsyncHandler = Callable[[Any], Coroutine[Any, Any, Any]]
LIMIT = 1000  # waiting events beyond which quotes of one symbol are conflated


class Mailbox:
    """Runs async handlers strictly one after another.

    When more than `limit` events wait, a new quote takes the place of the waiting one of its
    symbol; order, fill and engine events are never dropped.
    """

    def __init__(
        self,
        on_error: Callable[[Any, Any, Exception], None],
        hold: Callable[[int], None] | None = None,
        limit: int = LIMIT,
    ) -> None:
        self._on_error = on_error
        self._hold = hold or (lambda change: None)
        self._limit = limit
        self._waiting: deque[list[Any]] = deque()  # cells [handler, event]
        self._latest: dict[tuple[int, str], list[Any]] = {}  # (handler, symbol) -> waiting quote
        self._task: asyncio.Task[None] | None = None

    def entrance(self, handler: AsyncHandler) -> Callable[[Any], None]:
        """A plain function that puts an event for `handler` into the box."""
        return lambda event: self.put(handler, event)

    def put(self, handler: AsyncHandler, event: Any) -> None:
        """Let `handler` have the event in its turn."""
        key = None
        if isinstance(event, Quote):
            key = (id(handler), event.symbol)
            waiting = self._latest.get(key)
            if waiting is not None and len(self._waiting) >= self._limit:
                waiting[1] = event
                return
        cell = [handler, event]
        self._waiting.append(cell)
        if key:
            self._latest[key] = cell
        if self._task is None:
            self._hold(+1)
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def idle(self) -> None:
        """Return when nothing waits and nothing runs."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Forget what waits and stop what runs."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if self._task is not None:  # it was cancelled before its first step
                self._done()

    async def _work(self) -> None:
        try:
            while self._waiting:
                cell = self._waiting.popleft()
                handler, event = cell
                if (
                    isinstance(event, Quote)
                    and self._latest.get((id(handler), event.symbol)) is cell
                ):
                    del self._latest[id(handler), event.symbol]
                try:
                    await handler(event)
                except asyncio.CancelledError:
                    if self._task is None or self._task.cancelling():
                        raise
                    self._on_error(handler, event, RuntimeError("what it awaited was cancelled"))
                except Exception as error:
                    self._on_error(handler, event, error)
        finally:
            self._done()

    def _done(self) -> None:
        self._task = None
        self._hold(-1)
