"""The breaker: looks at the account's losses while the market trades, and trips.

What losses are measured from, and how many trades in a row were lost, is in the journal, so a
restart forgets neither a bad morning nor the peak; what has tripped is a trading state, which only
an operator lifts.
"""

from collections.abc import Callable
from datetime import date

import msgspec

from qka.clock import Clock
from qka.engine.ledger import Ledger
from qka.journal.port import Journal, Note
from qka.model.events import Distributed, Fill, SessionPhase, WentEx
from qka.model.market import Phase
from qka.model.times import SECOND, day_of
from qka.risk.losses import Losses, Marks
from qka.risk.streak import Run, Streak
from qka.risk.verdicts import Denial

_CONTINUOUS = Phase.CONTINUOUS
EVERY = 10  # seconds between two looks
KEY, STREAK = "losses", "streak"  # of its notes


class Breaker:
    """`trip` is called with the reason, at every look that finds a limit passed.

    A limit that nobody set costs nothing: there is no look for it and no note of it.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        losses: Losses,
        streak: Streak,
        journal: Journal,
        trip: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self.losses = losses
        self.streak = streak
        self._journal = journal
        self._trip = trip
        self._trading = False  # the market is
        self._looking = False  # a look is due
        self._kept = losses.marks
        self._kept_run = streak.run

    def remember(self) -> None:
        """Go on from what an earlier run knew: before the first fill."""
        last = self._journal.latest(Note.RISK, KEY)
        if last is not None and last.payload != b"null":
            self._kept = self.losses.marks = msgspec.json.decode(last.payload, type=Marks)
        last = self._journal.latest(Note.RISK, STREAK)
        if last is not None and last.payload != b"null":
            self._kept_run = self.streak.run = msgspec.json.decode(last.payload, type=Run)

    def begin(self) -> None:
        """The account's books are right."""
        self.losses.begin(day_of(self._clock.now()), self._ledger.total_cents)
        if self.streak.most is not None:
            self.streak.begin(self._ledger.costs())

    def anew(self) -> None:
        """A human has lifted what tripped: losses are measured from here."""
        self.losses.marks, self.streak.run = Marks(date.min, 0, 0), Run(0, {})
        self.begin()

    def limit(
        self,
        daily: float | None,
        drawdown: float | None,
        trades: int | None,
        warn: tuple[float, float],
    ) -> None:
        """From now on these limits, see `Losses` and `Streak`."""
        if self.streak.most is None and trades is not None:
            self.streak.begin(self._ledger.costs())
        self.streak.most = trades
        self.losses.limit(daily, drawdown, warn)
        self._again()

    def keep(self) -> None:
        """Write down what losses are measured from, if that has changed; raises OSError."""
        if self.losses.limited and self.losses.marks is not self._kept:
            self._kept = self.losses.marks
            self._journal.note(Note.RISK, self._kept, KEY)
        if self.streak.run is not self._kept_run:
            self._kept_run = self.streak.run
            self._journal.note(Note.RISK, self._kept_run, STREAK)

    def on_phase(self, event: SessionPhase) -> None:
        """A day begins before its first phase; looks are for when the market trades."""
        if event.day != self.losses.marks.day:  # what all is worth is asked once a day
            self.losses.begin(event.day, self._ledger.total_cents)
        self._trading = event.phase is _CONTINUOUS
        if self._trading:
            self._again()

    def on_fill(self, fill: Fill) -> None:
        """A trade may have cost too much, or have been one too many."""
        turnover = self._ledger.booked
        if self.streak.most is not None and turnover is not None:
            left = self._ledger.position(fill.symbol).quantity
            denial = self.streak.on_fill(fill, turnover, left)
            if denial is not None:
                self._trip(denial.reason)
        if self.losses.limited:
            self.look()

    def on_action(self, event: Distributed | WentEx) -> None:
        """What a company gives belongs to the trade that holds its shares."""
        if self.streak.most is not None and self._ledger.given is not None:
            self.streak.earn(event.action.symbol, self._ledger.given)

    def look(self) -> None:
        """Trip if a limit is passed."""
        verdict = self.losses.look(self._ledger.total_cents)
        if type(verdict) is Denial:
            self._trip(verdict.reason)

    def _again(self) -> None:
        if self._looking or not (self._trading and self.losses.limited):
            return

        def due() -> None:
            self._looking = False
            if self._trading:
                self.look()
                self._again()

        self._looking = True
        self._clock.call_at(self._clock.now() + EVERY * SECOND, due)
