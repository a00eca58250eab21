"""Recorded market data through the very same path: files merged by time, streaming."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
from loguru import logger

from qka.clock import ManualClock, ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds.bars import BarBuilder
from qka.feeds.port import BATCH, Report, play
from qka.feeds.recorded.actions import References
from qka.feeds.recorded.actions import read as read_actions
from qka.feeds.recorded.columns import Block, events
from qka.feeds.recorded.damage import Tally
from qka.feeds.recorded.playback import Playback
from qka.feeds.recorded.recording import Recording
from qka.language import mark, say
from qka.model.actions import CorporateAction
from qka.model.events import MarketEvent
from qka.model.market import Bar, Quote
from qka.model.times import DAY, day_of, midnight

_UNITS = {"lots": mark("lots"), "shares": mark("shares")}


class ReplayFeed:
    """Replays a file, or all files of a folder; `start` and `end` are the first and last day.

    `strict`: stop at a damaged row (after everything before it was replayed) with a DataError;
    else leave it out and say so at the end through `on_damage`, a line for each file and kind.
    `actions`: a file of corporate actions, see `recorded.actions`.
    `volume`: the unit of bars' volume, `lots` or `shares`, where turnover can't tell.
    """

    def __init__(
        self,
        path: Path,
        clock: ReplayClock,
        *,
        strict: bool = True,
        volume: str = "auto",
        start: date | None = None,
        end: date | None = None,
        actions: Path | None = None,
        on_damage: Callable[[str], None] = logger.warning,
    ) -> None:
        self._path = path
        self._clock = clock
        self._strict = strict
        self._from = midnight(start) if start else 0
        self._to = midnight(end + timedelta(days=1)) if end else 2**63 - 1
        self._on_damage = on_damage
        self._recording = Recording(path, volume)
        self._actions_of = actions
        self._actions: Sequence[CorporateAction] = ()
        self._first = 0
        self._playback: Playback | None = None  # of this run
        self._blocks: Generator[Block, None, None] | None = None  # of it, begun and not yet played
        self._met = Tally()  # damage met by it
        self._done = 0  # rows reported by this run
        self._past: dict[tuple[str, str], deque[Bar]] = {}  # (symbol, period) -> before the start
        self._kept: dict[str, int] = {}  # period -> the most bars of a symbol in there

    @property
    def start(self) -> int:
        """Moment (ns) of the first event."""
        return self._first

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Recognise the files, sort what is not sorted; returns the symbols, sorted.

        Raises ConfigError or DataError that names the file at fault.
        """
        self._actions = read_actions(self._actions_of) if self._actions_of else ()
        unusable = None if self._strict else self._on_damage
        self._recording.open(symbols, (self._from, self._to), unusable)
        self._forget()
        self._first = self._begin()
        return sorted(self._recording.symbols)

    def provides(self) -> str:
        """`quote`, or the period of the bars."""
        return self._recording.kind

    def describe(self) -> str:
        """What was found, in words: `1m bars, 24 symbols, volume in lots`."""
        found = self._recording
        words = say("{count} symbols") if len(found.symbols) > 1 else say("{count} symbol")
        count = words.format(count=len(found.symbols))
        if found.kind == "quote":
            return say("quotes, {count}").format(count=count)
        units = say(" and ").join(say(_UNITS[unit]) for unit in sorted(found.units))
        return say("{period} bars, {count}, volume in {units}").format(
            period=found.kind, count=count, units=units
        )

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """Bars of the data before `feed.start`, built of shorter ones where those were recorded.

        As many as there are; none without a start. They are kept until the replay begins.
        """
        if count <= 0 or not self._from:
            return []
        if count > self._kept.get(period, 0):
            self._kept[period] = count
            self._read_past(period, count)
        return list(self._past.get((symbol, period), ()))[-count:]

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """Those of the file."""
        return [a for a in self._actions if since <= a.day <= until and a.symbol in symbols]

    async def run(self, report: Report) -> None:
        """Report every event in the order of time.

        Raises DataError at a damaged row, after everything before it was reported.
        """
        self._forget()
        self._done = 0
        if self._blocks is None:
            self._begin()
        blocks, self._blocks = self._blocks, None
        assert blocks is not None
        try:
            await play(self._batches(blocks), self._clock, report)
        finally:
            blocks.close()
            if not self._strict:
                self._tell(self._recording.damage, self._met)

    def progress(self) -> float:
        """Share of the rows that has been reported, as far as files not yet read can be told."""
        playback = self._playback
        if playback is None or not playback.taken:
            return 0.0
        return min(1.0, self._done * playback.share / playback.taken)

    async def close(self) -> None:
        """Let go of the files, and remove the temporary runs."""
        if self._blocks is not None:
            self._blocks.close()
            self._blocks = None
        self._recording.close()

    def _begin(self) -> int:
        """Read as far as the first event; the moment (ns) of it."""
        self._met = Tally()
        self._playback = self._recording.playback(
            self._from, self._to, strict=self._strict, on_damage=self._met.add
        )
        blocks = self._playback.blocks()
        first = next(blocks, None)
        if first is None:
            if damage := self._met.earliest or self._recording.damage.earliest:
                raise DataError(f"{damage.what}; {damage.fault.cure}: there is no good row")
            raise ConfigError(f"{self._path}: no rows between feed.start and feed.end")
        self._blocks = _resumed(first, blocks)
        return int(first["time"][0])

    def _read_past(self, period: str, count: int) -> None:
        """Keep the last bars before the start; damage there stops nothing."""
        kept = {
            symbol: self._past.setdefault((symbol, period), deque(maxlen=count))
            for symbol in self._recording.symbols
        }
        met = Tally()
        playback = self._recording.playback(0, self._from, strict=False, on_damage=met.add)
        recorded = (
            event for block in playback.blocks() for event in events(self.provides(), block)
        )
        for bar in recorded if period == self.provides() else _built(recorded, kept, period):
            if isinstance(bar, Bar):
                kept[bar.symbol].append(bar)
        self._tell(self._recording.earlier, met)

    def _forget(self) -> None:
        self._past, self._kept = {}, {}

    def _tell(self, *tallies: Tally) -> None:
        for line in Tally(tallies).lines():
            self._on_damage(line)

    def _batches(self, blocks: Iterable[Block]) -> Iterator[list[MarketEvent]]:
        batch: list[MarketEvent] = []
        met = self._recording.damage.earliest if self._strict else None
        references = References(self._actions) if self._actions else None
        try:
            for block in blocks:
                times = block["time"]
                cut = int(np.searchsorted(times, met.since)) if met else len(times)
                made, left = iter(events(self.provides(), block)), cut
                if references is not None:
                    made = references.of(made)
                while left:
                    count = min(left, BATCH - len(batch))
                    batch.extend(islice(made, count))
                    left -= count
                    if len(batch) == BATCH:
                        yield self._counted(batch)
                        batch = []
                if cut < len(times):
                    break
        except DataError:
            # what is good comes before what is not
            yield self._counted(batch)
            raise
        yield self._counted(batch)
        if met:
            raise DataError(str(met))

    def _counted(self, batch: list[MarketEvent]) -> list[MarketEvent]:
        self._done += len(batch)
        return batch


def _resumed(first: Block, others: Generator[Block, None, None]) -> Generator[Block]:
    yield first
    yield from others


def _built(recorded: Iterable[MarketEvent], symbols: Iterable[str], period: str) -> Iterator[Bar]:
    """Longer bars out of what was recorded, as they end; none out of bars that can't be summed."""
    made: list[Bar] = []
    clock = ManualClock()
    builder = BarBuilder(clock, made.append)
    for symbol in symbols:
        builder.watch(symbol, period)
    for event in recorded:
        if event.time > clock.time:
            clock.advance(to=event.time)
        if isinstance(event, Quote):
            builder.on_quote(event)
        else:
            builder.on_bar(event)
        yield from made
        made.clear()
    if clock.time:
        clock.advance(to=midnight(day_of(clock.time)) + DAY - 1)
    yield from made
