"""Recorded market data through the very same path: files merged by time, streaming."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
from loguru import logger

from qka.clock import ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds.port import BATCH, Report, play
from qka.feeds.recorded.columns import events
from qka.feeds.recorded.playback import Playback
from qka.feeds.recorded.recording import Recording
from qka.model.events import MarketEvent
from qka.model.market import Bar
from qka.model.times import midnight

KEPT = 512  # bars of history kept a symbol, unless more are asked for


class ReplayFeed:
    """Replays a file, or all files of a folder; `start` and `end` are the first and last day.

    `strict`: stop at a damaged row (after everything before it was replayed) with a DataError;
    else leave it out and say so through `on_damage`.
    """

    def __init__(
        self,
        path: Path,
        clock: ReplayClock,
        *,
        strict: bool = True,
        start: date | None = None,
        end: date | None = None,
        on_damage: Callable[[str], None] = logger.warning,
    ) -> None:
        self._path = path
        self._clock = clock
        self._strict = strict
        self._from = midnight(start) if start else 0
        self._to = midnight(end + timedelta(days=1)) if end else 2**63 - 1
        self._on_damage = on_damage
        self._recording = Recording(path)
        self._first = 0
        self._playback: Playback | None = None  # of this run
        self._done = 0  # rows reported by this run
        self._past: dict[str, deque[Bar]] = {}  # symbol -> bars before the start
        self._kept = 0  # the most bars of a symbol in there

    @property
    def start(self) -> int:
        """Moment (ns) of the first event."""
        return self._first

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Recognise the files, sort what is not sorted; returns the symbols, sorted.

        Raises ConfigError or DataError that names the file at fault.
        """
        self._recording.open(symbols, self._to)
        self._past, self._kept = {}, 0
        self._first = self._peek()
        return sorted(self._recording.symbols)

    def provides(self) -> str:
        """`quote`, or the period of the bars."""
        return self._recording.kind

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """Bars of the data before `feed.start`; none without one, or of another period."""
        if count <= 0 or not self._from or period != self.provides():
            return []
        if count > self._kept:
            self._kept = max(count, KEPT)
            self._past = {}
            before = self._recording.playback(0, self._from, strict=self._strict)
            for block in before.blocks():
                for bar in events(period, block):
                    if isinstance(bar, Bar):
                        self._past.setdefault(bar.symbol, deque(maxlen=self._kept)).append(bar)
        return list(self._past.get(symbol, ()))[-count:]

    async def run(self, report: Report) -> None:
        """Report every event in the order of time.

        Raises DataError at a damaged row, after everything before it was reported.
        """
        self._done = 0
        self._playback = self._recording.playback(
            self._from,
            self._to,
            strict=self._strict,
            on_damage=lambda _, words: self._on_damage(words),
        )
        await play(self._batches(self._playback), self._clock, report)

    def progress(self) -> float:
        """Share of the rows that has been reported, as far as files not yet read can be told."""
        playback = self._playback
        if playback is None or not playback.taken:
            return 0.0
        return min(1.0, self._done * playback.share / playback.taken)

    async def close(self) -> None:
        """Remove the temporary runs."""
        self._recording.close()

    def _peek(self) -> int:
        for block in self._recording.playback(self._from, self._to, strict=self._strict).blocks():
            return int(block["time"][0])
        raise ConfigError(f"{self._path}: no rows between feed.start and feed.end")

    def _batches(self, playback: Playback) -> Iterator[list[MarketEvent]]:
        batch: list[MarketEvent] = []
        met = sorted(self._recording.damage)
        try:
            for block in playback.blocks():
                times = block["time"]
                cut = len(times)
                if met and self._strict:
                    cut = int(np.searchsorted(times, met[0][0], side="right"))
                made, left = events(self.provides(), block), cut
                while left:
                    count = min(left, BATCH - len(batch))
                    batch.extend(islice(made, count))
                    left -= count
                    if len(batch) == BATCH:
                        yield self._counted(batch)
                        batch = []
                if cut < len(times):
                    break
                while met and not self._strict and met[0][0] <= times[-1]:
                    self._on_damage(met.pop(0)[1])
        except DataError:
            # what is good comes before what is not
            yield self._counted(batch)
            raise
        yield self._counted(batch)
        for _, message in met:
            if self._strict:
                raise DataError(message)
            self._on_damage(message)

    def _counted(self, batch: list[MarketEvent]) -> list[MarketEvent]:
        self._done += len(batch)
        return batch
