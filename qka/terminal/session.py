"""A trading client's connection: what it is subscribed to and the thread its answers come on."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qka.brokers.records import Record
from qka.clock import SimulatedClock
from qka.model.times import SECOND
from qka.terminal.delivery import Call, Delivery
from qka.terminal.faults import Faults

Push = Callable[[str, Record], None]  # (kind, record), on the session's thread
Gone = Callable[[], None]  # the link broke, on the session's thread


class Session:
    """Made by `SimTerminal.connect`; its methods are called under the terminal's lock.

    What is `late` waits for the market's time or for `flush`; what is swapped waits for the push
    that follows it. Nothing ever sleeps.
    """

    def __init__(
        self,
        number: int,
        delivery: Delivery,
        push: Push,
        gone: Gone,
        faults: Faults,
        clock: SimulatedClock,
    ) -> None:
        self.id = number
        self.alive = True
        self.shadowed = False  # connected, yet somebody else has the lock
        self.accounts: set[str] = set()  # ids of accounts it is subscribed to
        self.paused: list[Call] | None = None  # what waits for a hanging terminal
        self.delivery = delivery
        self._push, self._gone = push, gone
        self._faults = faults
        self._clock = clock
        self._late: list[Call] = []
        self._swapped: list[Call] = []

    def answer(self, about: str, call: Call) -> None:
        """Deliver an answer, if the faults let it through."""
        if not self.alive or self._faults.strikes("reply_lost", about):
            return
        if self._faults.strikes("reply_late", about):
            self._hold(call)
        else:
            self._deliver(call)

    def push(self, kind: str, record: Record) -> None:
        """Deliver a push, if the faults let it through."""
        strikes = self._faults.strikes
        if not self.alive or strikes("push_lost", kind):
            return
        for _ in range(2 if strikes("push_twice", kind) else 1):
            call = partial(self._push, kind, record)
            if strikes("push_late", kind):
                self._hold(call)
            elif strikes("push_swapped", kind):
                self._swapped.append(call)
            else:
                self._deliver(call)
                self._release(self._swapped)

    def lose(self, *, silent: bool = False) -> None:
        """The link breaks; what has not been delivered never will be."""
        if self.alive:
            self.alive = False
            self._late.clear()
            self._swapped.clear()
            if not silent:
                self.delivery.put(self._gone)

    def flush(self) -> None:
        """Deliver everything late or swapped now."""
        self._release(self._swapped)
        self._release(self._late)

    def pause(self) -> None:
        """Hold everything back until `resume`."""
        if self.paused is None:
            self.paused = []

    def resume(self) -> None:
        """Deliver what waited while the terminal hung."""
        paused, self.paused = self.paused, None
        self._release(paused or [])

    def _deliver(self, call: Call) -> None:
        if self.paused is not None:
            self.paused.append(call)
        else:
            self.delivery.put(call)

    def _release(self, held: list[Call]) -> None:
        calls = held[:]
        held.clear()
        for call in calls:
            self._deliver(call)

    def _hold(self, call: Call) -> None:
        self._late.append(call)
        when = self._clock.now() + int(self._faults.late_by * SECOND)
        self._clock.call_at(when, lambda: self._arrives(call))

    def _arrives(self, call: Call) -> None:
        if call in self._late:  # not flushed meanwhile
            self._late.remove(call)
            self._deliver(call)


def nothing(*_: Any) -> None:
    """Who listens to nothing."""
