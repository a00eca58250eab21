"""The loss breaker: looks at the account's losses while the market trades, and trips.

What losses are measured from is in the journal, so a restart forgets neither a bad morning nor the
peak; what has tripped is a trading state, which only an operator lifts.
"""

from collections.abc import Callable

import msgspec

from qka.clock import Clock
from qka.engine.ledger import Ledger
from qka.journal.port import Journal, Note
from qka.model.events import Fill, SessionPhase
from qka.model.market import Phase
from qka.model.times import SECOND, day_of
from qka.risk.losses import Losses, Marks

EVERY = 10  # seconds between two looks
KEY = "losses"  # of its note


class Breaker:
    """`trip` is called with the reason, at every look that finds a limit passed."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        losses: Losses,
        journal: Journal,
        trip: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._losses = losses
        self._journal = journal
        self._trip = trip
        self._trading = False  # the market is
        self._kept = losses.marks

    def begin(self) -> None:
        """The account's books are right: go on from what an earlier run knew."""
        last = self._journal.latest(Note.RISK, KEY)
        if last is not None and last.payload != b"null":
            self._kept = self._losses.marks = msgspec.json.decode(last.payload, type=Marks)
        self._losses.begin(day_of(self._clock.now()), self._ledger.total_cents)

    def keep(self) -> None:
        """Write down what losses are measured from, if that has changed; raises OSError."""
        if self._losses.marks is not self._kept:
            self._kept = self._losses.marks
            self._journal.note(Note.RISK, self._kept, KEY)

    def on_phase(self, event: SessionPhase) -> None:
        """A day begins before its first phase; looks are for when the market trades."""
        self._losses.begin(event.day, self._ledger.total_cents)
        before, self._trading = self._trading, event.phase is Phase.CONTINUOUS
        if self._trading and not before:
            self._again()

    def on_fill(self, fill: Fill) -> None:
        """A trade may have cost too much."""
        self.look()

    def look(self) -> None:
        """Trip if a limit is passed."""
        denial = self._losses.look(self._ledger.total_cents)
        if denial is not None:
            self._trip(denial.reason)

    def _again(self) -> None:
        def due() -> None:
            if self._trading:
                self.look()
                self._again()

        self._clock.call_at(self._clock.now() + EVERY * SECOND, due)
