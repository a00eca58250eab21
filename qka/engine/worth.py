"""What the account is worth, written down every so often while the market is open.

Nobody decides by it: it is for those who look back. Shares and cash between two notes are in the
records of the fills; what is missing there is what the shares were worth.
"""

import msgspec

from qka.clock import Clock
from qka.engine.ledger import Ledger
from qka.journal.port import Journal, Note
from qka.model.events import Fill, SessionPhase
from qka.model.market import Phase
from qka.model.times import MINUTE

_PRE_OPEN, _CLOSED = Phase.PRE_OPEN, Phase.CLOSED
# there are prices; what else changes in between is noted when the next phase begins
_PRICED = frozenset(
    {Phase.OPENING_CALL, Phase.CONTINUOUS, Phase.HALTED, Phase.CLOSING_CALL, Phase.POST_CLOSE}
)
_QUOTES, _BARS = MINUTE, 30 * MINUTE  # ns from one note to the next
# days of bars; in a replay of more, of years perhaps, it is the days that are looked at
_DAYS = 20


class Worth(msgspec.Struct, frozen=True):
    """The account at one moment."""

    total: int  # cents, cash and shares
    prices: dict[str, float]  # symbol -> CNY a share of what is held


class Appraiser:
    """Notes the account's worth at the end of each minute in which it changed.

    Where bars come and no quotes it is half an hour, and after a month of them once a day, when it
    is closed.
    """

    def __init__(self, clock: Clock, ledger: Ledger, journal: Journal) -> None:
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._days = 0  # that have begun
        self._finely = True  # it is noted within a day, too
        self._open = False  # the market is
        self._looking = False  # a look is due
        self._told: int | None = None  # cents, the last note's

    def on_phase(self, event: SessionPhase) -> None:
        """Nights and breaks have no minutes to look at: a timer there would be most of them."""
        phase = event.phase
        if phase is _PRE_OPEN:
            self._days += 1
            self._finely = self._ledger.quoted or self._days <= _DAYS
        if self._finely:
            self._open = phase in _PRICED
            self._note()
            self._again()
        elif phase is _CLOSED:
            self._note()

    def on_fill(self, fill: Fill) -> None:
        """There may be something whose price moves."""
        self._again()

    def _again(self) -> None:
        if self._looking or not (self._finely and self._open and self._ledger.invested):
            return
        self._looking = True
        every = _QUOTES if self._ledger.quoted else _BARS
        # the last moment of a minute: what happens at a full one belongs to the next
        self._clock.call_at(((self._clock.now() + 1) // every + 1) * every - 1, self._look)

    def _look(self) -> None:
        self._looking = False
        self._note()
        self._again()  # not while nothing is held: what changes the account then is a fill

    def _note(self) -> None:
        total = self._ledger.total_cents
        if total == self._told:
            return
        self._told = total
        try:
            self._journal.note(Note.WORTH, Worth(total, self._ledger.prices()))
        except OSError:
            pass  # it waits, or is told by whoever must be sure
