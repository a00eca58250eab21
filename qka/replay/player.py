"""Plays a run to an engine: sets the time, lets in what came in, and asks the check about the rest.

What the engine makes itself (phases, timers, its own decisions) is not let in a second time: a
record is let in only when the engine has not just made the same.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import Any

import msgspec

from qka.clock import DrivenClock
from qka.engine.reconciler import Settled
from qka.engine.recovery import Checkpoint
from qka.journal.port import Note, Record
from qka.model.events import Alert, EngineState
from qka.recording.port import Due, Head, NoRecorder, Row, Said, Stop, Turn
from qka.replay.check import DECISIONS, Check, Diverged
from qka.replay.script import Item, Script

_YIELDS = 100  # turns of the loop that an async handler may take without the outside
_BREATH = 1000  # rows between two looks at the loop


class Player(NoRecorder):
    """The recorder of a replayed engine too: it gives async handlers their turns."""

    def __init__(self, script: Script, clock: DrivenClock, check: Check) -> None:
        self.script = script
        self.check = check
        self._clock = clock
        self._items: Iterator[Item] = iter(script)
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # async handlers, by owner
        self._playing = False  # between the engine's start and its stop
        self.ended = False  # the strategies are told to finish
        self._found: Settled | None = None  # the last comparison, if the broker's books were taken
        # of the engine
        self.report: Callable[[Any], None] = lambda event: None
        self.drain: Callable[[], None] = lambda: None
        self.take_over: Callable[[Checkpoint, Settled | None], None] = lambda books, found: None

    # ------------------------------------------------------------ the start

    def until(self, reached: Callable[[Item], bool]) -> Item | None:
        """Play up to the item that is asked for, and set its time; None when there is none."""
        for item in self._items:
            if reached(item):
                self._items = chain([item], self._items)
                self._clock.time = item.time if not isinstance(item, Record) else item.ts
                return item
            self._play(item)
        return None

    # ------------------------------------------------------------ the run

    async def play(self, enter: Callable[[Any], None]) -> None:
        """Play to where the run was stopped, or its recording ends; raises Diverged."""
        self._playing = True
        for number, item in enumerate(self._items):
            match item:
                case (time, _, Stop()):
                    self.check.came(item)
                    self._clock.time = time
                    self._playing = False
                    return
                case (_, _, Turn(name=name)):
                    await self._give_turn(item, name)
                case _:
                    self._play(item, enter)
            if not number % _BREATH and not self._clock.held:
                await self._clock.breathe()

    def end(self) -> None:
        """The engine has ended: nothing may be left on either side; raises Diverged."""
        for item in self._items:
            if not isinstance(item, Record) or not item.is_event or self.check.met(item):
                continue
            if item.kind in DECISIONS:
                self.check.missed(item)
        self.check.settled()

    def _play(self, item: Item, enter: Callable[[Any], None] | None = None) -> None:
        if isinstance(item, Record):
            self._record(item)
            return
        entry = item.entry
        if isinstance(entry, Head | Turn | Stop):
            return
        if isinstance(entry, Said):  # also in the middle of what the clock called back
            self._clock.time = item.time
            self.drain()
            return
        self.check.came(item)
        self._clock.time = item.time
        if isinstance(entry, Due):
            self._clock.fire(entry.when)
        else:
            (enter or self.report)(entry)

    def _record(self, record: Record) -> None:
        if not record.is_event:
            self._note(record)
            return
        if record.kind == Alert.__name__ or self.check.met(record):
            return
        if record.kind in DECISIONS:
            self.check.missed(record)
        self.check.came(record)
        self._clock.time = record.ts
        self.report(record.event)
        if not self.check.met(record) and record.kind != EngineState.__name__:
            self.check.missed(record)

    def _note(self, record: Record) -> None:
        """Where the engine went on from the broker's books, the replay does too."""
        if record.kind == Note.RECONCILED:
            found = msgspec.json.decode(record.payload, type=Settled)
            taken = bool(found.differences) and (found.clean or found.accepted)
            self._found = found if taken else None
        elif record.kind == Note.SNAPSHOT:
            self.take_over(msgspec.json.decode(record.payload, type=Checkpoint), self._found)
            self._found = None

    async def _give_turn(self, row: Any, name: str) -> None:
        """The handler that waits runs, as far as it gets without the outside."""
        waiting = self._waiting.setdefault(name, deque())
        for _ in range(_YIELDS):
            if waiting:
                break
            await self._clock.breathe()
        else:
            return  # whoever it was is not here: a monitor, or a handler that waits for the world
        self.check.came(row)
        self._clock.time = row.time
        waiting.popleft().set_result(None)
        await self._clock.breathe()  # it runs, to its end or to what it awaits next

    # ------------------------------------------------------------ as a recorder

    def turn(self, name: str) -> Awaitable[None] | None:
        """An async handler waits for its turn; at start and end it is the next to have it."""
        if not self._playing:
            try:
                if self.until(lambda item: isinstance(item, Row) and item.entry == Turn(name)):
                    next(self._items)
            except Diverged:
                pass  # it is remembered, and met again
            return None
        gate = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(gate)
        return gate

    def stop(self) -> None:
        """The strategies are about to finish."""
        self.ended = True
