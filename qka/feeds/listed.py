"""A feed over events you already have: for tests of your own strategies."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec
import numpy as np

from qka.clock import ReplayClock
from qka.errors import ConfigError
from qka.feeds.port import BATCH, Report, play
from qka.model.actions import CorporateAction
from qka.model.events import InstrumentState, MarketEvent
from qka.model.market import Bar, Quote

E = TypeVar("E", bound=msgspec.Struct)


class ListFeed:
    """Reports the given quotes or bars in the order of their time; `past` is for warm-up.

    An `InstrumentState` among them is what a terminal says of a symbol.
    """

    def __init__(
        self,
        clock: ReplayClock,
        events: Iterable[MarketEvent | InstrumentState],
        past: Iterable[Bar] = (),
    ) -> None:
        self._clock = clock
        self._events = sorted(map(_plain, events), key=lambda event: event.time)
        self._past = list(map(_plain, past))
        self._symbols: frozenset[str] = frozenset()

    @property
    def start(self) -> int:
        """Moment (ns) of the first event, 0 without one."""
        return self._events[0].time if self._events else 0

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Make ready for these symbols (empty: all); raises ConfigError for one not there."""
        there = sorted({event.symbol for event in self._events})
        missing = sorted(set(symbols) - set(there))
        if missing:
            raise ConfigError(f"no events of {', '.join(missing)}; there are {', '.join(there)}")
        self._symbols = frozenset(symbols or there)
        return sorted(self._symbols)

    def provides(self) -> str:
        """`quote`, or the period of the bars."""
        first = next((one for one in self._events if isinstance(one, Quote | Bar)), None)
        return "quote" if first is None or isinstance(first, Quote) else first.period

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """The last `count` of the past bars."""
        bars = [bar for bar in self._past if (bar.symbol, bar.period) == (symbol, period)]
        return bars[-count:] if count > 0 else []

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """None: they are not among the events."""
        return []

    async def run(self, report: Report) -> None:
        """Report every event."""
        mine = [event for event in self._events if event.symbol in self._symbols]
        batches = (mine[i : i + BATCH] for i in range(0, len(mine), BATCH))
        await play(batches, self._clock, report)

    def progress(self) -> float:
        """Share of the time that has passed."""
        if not self._events or self._events[-1].time == self.start:
            return 1.0
        span = self._events[-1].time - self.start
        return min(1.0, max(0.0, (self._clock.time - self.start) / span))

    async def close(self) -> None:
        """Nothing to let go of."""


def _plain(event: E) -> E:
    """With numbers of Python's own: a DataFrame brings numpy's, which no journal can hold."""
    return type(event)(*map(_number, msgspec.structs.astuple(event)))


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_number, value))
    return value.item() if isinstance(value, np.generic) else value
