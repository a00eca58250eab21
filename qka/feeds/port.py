"""The feed's port: where quotes come from, on a postcard."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Protocol

from qka.clock import ReplayClock
from qka.model.actions import CorporateAction
from qka.model.events import Alert, InstrumentState, LinkState, MarketEvent
from qka.model.market import Bar
from qka.model.times import DAY, day_of, midnight

# a live feed also says how its link stands, and what is wrong with its quotes
Report = Callable[[MarketEvent | InstrumentState | LinkState | Alert], None]
BATCH = 2048  # events worked between two looks at the loop


class Feed(Protocol):
    """A source of market events in the order of their time."""

    @property
    def start(self) -> int:
        """Moment (ns) of the first event, as far as it is known before it comes; else 0."""

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Make ready for these symbols (empty: all there are) and return them.

        Raises ConfigError for a symbol it can't give and DataError for damaged input.
        """

    def provides(self) -> str:
        """What comes: `quote`, or the period of its bars (`1m`, `1d`)."""

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """Up to `count` bars that ended before the first event, oldest first."""

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """Those with an ex-date from `since` to `until`, none where such things are not known.

        Raises QkaError when it can't be said, within a deadline of the feed's own.
        """

    async def run(self, report: Report) -> None:
        """Report every event; returns when there are no more, is cancelled to stop."""

    def progress(self) -> float:
        """Share of the whole that has been reported, 0 to 1; 0 when the end is open."""

    async def close(self) -> None:
        """Let go of files and links; calling it twice is fine."""


async def play(
    batches: Iterable[Sequence[MarketEvent | InstrumentState]], clock: ReplayClock, report: Report
) -> None:
    """Report recorded events with the clock in step, then live the last day to its end.

    Shared by every feed that has its own time.
    """
    for batch in batches:
        for event in batch:
            when = event.time
            if when > clock.time:
                if when < clock.due:
                    clock.time = when
                elif not clock.reach(when):
                    await clock.advance(when)
            report(event)
        await clock.breathe()
    if clock.time:
        await clock.advance(midnight(day_of(clock.time)) + DAY - 1)
