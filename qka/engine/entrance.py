"""Where events come in: the feed's, the broker's, and what is told from outside.

What enters is written down first where somebody records, so that a replay hears it in the same
place.
"""

from collections.abc import Callable, Container
from typing import Any, Protocol

from qka.engine.bus import Bus
from qka.engine.guest import named, words
from qka.model.events import CancelRequested
from qka.model.market import Bar, Quote
from qka.recording.port import NoRecorder, Recorder

_MARKET: frozenset[type] = frozenset({Quote, Bar})
Publish = Callable[[Any], None]


class Settler(Protocol):
    """What a bar fills is booked before anyone sees the bar: a paper broker's part."""

    @property
    def quiet(self) -> Container[str]:
        """Symbols whose bars change nothing for it now."""

    def on_bar(self, bar: Bar) -> None:
        """Report what it fills."""


class Entrance:
    """One way in for each of those outside.

    `tell` publishes what whoever is outside has to say, on the loop's thread.
    """

    def __init__(self, bus: Bus, recorder: Recorder | None) -> None:
        self._bus = bus
        self._publish = bus.publish
        self.records = recorder is not None
        self.recorder = recorder or NoRecorder()
        self.tell: Publish = self._told if self.records else bus.publish

    def feed(self, settler: Settler | None, fault: Callable[[str], None]) -> Callable[[Any], None]:
        """Where the feed's events come in.

        A bar is known when it has ended: what it filled, which the `settler` says where bars are
        all there is, is booked before anyone sees it; `fault` hears of one that it can't settle.
        """
        recorded, enter, publish = self._recorded(), self.recorder.enter, self._publish
        if settler is None:
            return recorded if self.records else publish
        settle, quiet = settler.on_bar, settler.quiet

        def let_in(event: Any) -> None:
            if event.__class__ is Bar and event.symbol not in quiet:
                try:
                    settle(event)
                except Exception as error:
                    fault(f"{named(settle)} failed: {words(error)}")
            publish(event)

        def written(event: Any) -> None:
            if event.__class__ is Bar:
                enter(event)  # before what it fills: a replay fills that itself
                let_in(event)
            else:
                recorded(event)

        return written if self.records else let_in

    def reports(self) -> Publish:
        """Where the broker's reports come in: all but one kind of them are journalled."""
        if not self.records:
            return self._publish
        enter, tell = self.recorder.enter, self._told

        def report(event: Any) -> None:
            if event.__class__ is CancelRequested:
                enter(event)
            tell(event)

        return report

    def hear(self) -> None:
        """What was said while nothing else was worked is heard, and that is written down."""
        self.recorder.said()
        self._bus.drain()

    def _recorded(self) -> Publish:
        enter, publish, tell = self.recorder.enter, self._publish, self._told

        def let_in(event: Any) -> None:
            if event.__class__ in _MARKET:
                enter(event)
                publish(event)
            else:
                tell(event)

        return let_in

    def _told(self, event: Any) -> None:
        """Publish what is told from outside; what waits to be heard is heard before."""
        if self._bus.depth() < 0:
            self.hear()
        self._publish(event)
