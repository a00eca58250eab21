"""Where the work of async handlers waits: one ordered line, a bounded queue."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, Protocol

from qka.errors import StopNow
from qka.model.market import Quote

Turn = Callable[[str], Awaitable[None] | None]
LIMIT = 1000  # waiting events beyond which quotes of one symbol are conflated


class Worker(Protocol):
    """Whose work it is; see `qka.engine.guest`."""

    name: str

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """It raised."""

    def holds_time(self, handler: Any, waited: float, until: float | None) -> None:
        """It has kept a simulated clock waiting, or where nothing waits, its strategy's others."""

    def stop(self, why: str) -> None:
        """It must be stopped, and will `drop` its work."""

    def cut_off(self, why: str) -> None:
        """The same, at the end of all."""


class _InTurns:
    """An awaitable that asks for its turn at its beginning and after all that it awaited."""

    def __init__(self, awaitable: Any, turn: Callable[[], Awaitable[None] | None]) -> None:
        self._awaitable = awaitable
        self._turn = turn

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._awaitable.__await__()
        step = partial(next, inner)
        while True:
            turn = self._turn()
            if turn is not None:
                yield from turn.__await__()
            try:
                wanted = step()
            except StopIteration as end:
                return end.value
            try:
                given = yield wanted
            except BaseException as error:  # a cancel: the handler may have something to say to it
                step = partial(inner.throw, error)
            else:
                step = partial(inner.send, given)


class _Cell:
    """One event for one handler; `awaitable` is what the handler gave back."""

    __slots__ = ("awaitable", "event", "handler", "owner")

    def __init__(self, owner: Worker, handler: Any, event: Any, awaitable: Any) -> None:
        self.owner = owner
        self.handler = handler
        self.event = event
        self.awaitable = awaitable

    def discard(self) -> None:
        """It will not be awaited."""
        end = getattr(self.awaitable, "close", None) or getattr(self.awaitable, "cancel", None)
        with contextlib.suppress(Exception):
            if end is not None:
                end()


class Mailbox:
    """Runs async handlers strictly one after another, in the order of their events.

    When more than `limit` events wait, a new quote takes the place of the waiting one of its
    symbol; order, fill and engine events are never dropped. `hold(+1 / -1)` is told when the
    mailbox becomes busy and idle. With `patience`, a handler that takes longer than its first
    number of seconds is told that it holds time, and stopped after its second, if there is one.
    `turn(name)` is told whose handler is about to begin or to go on, and what it gives is awaited
    before.
    """

    def __init__(
        self,
        hold: Callable[[int], None] = lambda change: None,
        limit: int = LIMIT,
        *,
        turn: Turn | None = None,
    ) -> None:
        self.patience: tuple[float, float | None] | None = None
        self._hold = hold
        self._limit = limit
        self._turn = turn
        self._waiting: deque[_Cell] = deque()
        self._latest: dict[tuple[Any, str], _Cell] = {}  # (handler, symbol) -> its waiting quote
        self._running: _Cell | None = None
        self._task: asyncio.Task[None] | None = None  # the one that works; others were left behind
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def working_for(self) -> Worker | None:
        """Whose handler runs now."""
        return self._running.owner if self._running is not None else None

    def waiting(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    def put(self, owner: Worker, handler: Any, event: Any, awaitable: Any) -> None:
        """Let what `handler` gave back for the event be awaited in its turn."""
        cell = _Cell(owner, handler, event, awaitable)
        if isinstance(event, Quote):
            key = (handler, event.symbol)
            waiting = self._latest.get(key)
            if waiting is not None and len(self._waiting) >= self._limit:
                waiting.awaitable, cell.awaitable = cell.awaitable, waiting.awaitable
                waiting.event = event
                cell.discard()
                return
            self._latest[key] = cell
        self._waiting.append(cell)
        if self._task is None:
            self._hold(+1)
            self._idle.clear()
            self._task = asyncio.get_running_loop().create_task(self._work())

    def drop(self, owner: Worker) -> None:
        """Forget what waits of one owner, and stop what runs; time waits for it no more."""
        mine = [cell for cell in self._waiting if cell.owner is owner]
        self._waiting = deque(cell for cell in self._waiting if cell.owner is not owner)
        for cell in mine:
            self._taken(cell)
            cell.discard()
        if self.working_for is owner and self._task is not None:
            # a handler may take a cancel for something else and go on: nobody waits for it
            self._task.cancel()
            self._running = None
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def idle(self, within: float | None = None) -> bool:
        """Wait until nothing waits and nothing runs; False when that takes longer than `within`."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _work(self) -> None:
        me = asyncio.current_task()
        while self._waiting and self._task is me:
            cell = self._running = self._waiting.popleft()
            self._taken(cell)
            watch = self._watch(cell)
            error: BaseException | None = None
            try:
                if self._turn is None:
                    await cell.awaitable
                else:
                    await _InTurns(cell.awaitable, partial(self._turn, cell.owner.name))
            except StopNow:
                raise
            except asyncio.CancelledError as cancelled:
                # not by us: `drop` has another task in our place by now
                error = RuntimeError("what it awaited was cancelled")
                error.__traceback__ = cancelled.__traceback__
                while me is not None and me.cancelling():
                    me.uncancel()
            except BaseException as raised:
                error = raised
            finally:
                if watch is not None:
                    watch.cancel()
            if self._task is not me:
                return
            self._running = None
            if error is not None:
                cell.owner.failed(cell.handler, cell.event, error)
        if self._task is me:
            self._task = None
            self._idle.set()
            self._hold(-1)

    def _taken(self, cell: _Cell) -> None:
        """The cell waits no more, so no newer quote may take its place."""
        if isinstance(cell.event, Quote):
            key = (cell.handler, cell.event.symbol)
            if self._latest.get(key) is cell:
                del self._latest[key]

    def _watch(self, cell: _Cell) -> asyncio.TimerHandle | None:
        """See to it that nobody holds time for ever."""
        if self.patience is None:
            return None
        say, stop = self.patience

        def look(waited: float) -> None:
            if self._running is not cell:
                return
            if stop is not None and waited >= stop:
                cell.owner.stop(f"an async handler held up time for {waited:g} s")
                return
            cell.owner.holds_time(cell.handler, waited, stop)
            if stop is not None:
                loop.call_later(stop - say, look, stop)

        loop = asyncio.get_running_loop()
        return loop.call_later(say, look, say)
