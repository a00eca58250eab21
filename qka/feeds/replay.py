"""Recorded market data through the very same path: files merged by time, streaming.

Files are read in chunks. One that is not sorted by time as a whole (many symbols in blocks), and
files beyond `OPEN_FILES`, are first sorted into temporary runs, so that a day of any number of
symbols fits in bounded memory and in a usual limit of open files.
"""

import heapq
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import repeat
from operator import attrgetter
from pathlib import Path

import pandas as pd
from loguru import logger

from qka.clock import ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds import formats
from qka.feeds.formats import Source
from qka.feeds.port import BATCH, Report, play
from qka.model.events import MarketEvent
from qka.model.market import Bar, Quote
from qka.model.times import midnight

OPEN_FILES = 100  # read side by side
RUN = 500_000  # rows sorted in memory at a time
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_time = attrgetter("time")


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
        self._sources: list[Source] = []
        self._symbols: frozenset[str] = frozenset()
        self._folder: Path | None = None  # of temporary runs
        self._kind = "quote"
        self._first = 0
        self._span = (0, 1)  # first and last moment, as far as it is known
        self._past: dict[str, list[Bar]] = {}  # symbol -> bars before the start

    # ------------------------------------------------------------ port

    @property
    def start(self) -> int:
        """Moment (ns) of the first event."""
        return self._first

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Recognise the files; raises ConfigError or DataError that names the one at fault."""
        self._sources = [formats.open_source(path, self._strict) for path in self._files()]
        self._check_kinds()
        there = self._there(symbols)
        missing = sorted(set(symbols) - there)
        if missing:
            some = ", ".join(sorted(there)[:10])
            raise ConfigError(f"{self._path} has no {', '.join(missing)}; it has {some}")
        self._symbols = frozenset(symbols or there)
        self._sources = [
            s for s in self._sources if s.column is not None or s.symbol in self._symbols
        ]
        first = next(self._events(), None)
        if first is None:
            raise ConfigError(f"{self._path}: no rows between feed.start and feed.end")
        self._first = first.time
        for source in self._sources:
            source.damage.clear()  # it is told when the replay comes to it
        return sorted(self._symbols)

    def provides(self) -> str:
        """`quote`, or the period of the bars."""
        return self._kind

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """Bars of the data before `feed.start`; none without one, or of another period."""
        if count <= 0 or not self._from or period != self._kind:
            return []
        if not self._past:
            for source in self._sources:
                for frame in formats.read(source):
                    for event in _made(self._kind, frame[frame["time"] < self._from]):
                        if isinstance(event, Bar):
                            self._past.setdefault(event.symbol, []).append(event)
        return self._past.get(symbol, [])[-count:]

    async def run(self, report: Report) -> None:
        """Report every event in the order of time."""
        await play(self._batches(), self._clock, report)
        self._tell_damage()

    def progress(self) -> float:
        """Share of the recorded time that has passed."""
        first, last = self._span
        return min(1.0, max(0.0, (self._clock.time - first) / max(1, last - first)))

    async def close(self) -> None:
        """Remove the temporary runs."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # ------------------------------------------------------------ files

    def _files(self) -> list[Path]:
        if not self._path.exists():
            raise ConfigError(f"feed.path: there is no file or folder {self._path}")
        found = [self._path] if self._path.is_file() else sorted(self._path.rglob("*"))
        files = [path for path in found if path.name.endswith(_SUFFIXES) and path.is_file()]
        if not files:
            raise ConfigError(f"feed.path: {self._path} holds no {', '.join(_SUFFIXES)} file")
        return files

    def _check_kinds(self) -> None:
        first = self._sources[0]
        for source in self._sources:
            if source.kind != first.kind:
                raise ConfigError(
                    f"feed.path: {first.path} holds {first.kind}, {source.path} {source.kind}: "
                    "replay one kind at a time"
                )
        self._kind = first.kind

    def _there(self, wanted: Sequence[str]) -> set[str]:
        there: set[str] = set()
        for source in self._sources:
            if source.column is None or not there >= set(wanted) or not wanted:
                there |= formats.symbols_of(source)
        return there

    # ------------------------------------------------------------ events

    def _batches(self) -> Iterator[list[MarketEvent]]:
        batch: list[MarketEvent] = []
        events = self._events()
        try:
            for event in events:
                batch.append(event)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        except DataError:
            # what is good comes before what is not
            yield batch
            raise
        yield batch

    def _events(self) -> Iterator[MarketEvent]:
        streams = [self._stream(source) for source in self._ready()]
        if len(streams) == 1:
            yield from streams[0]
        else:
            yield from heapq.merge(*streams, key=_time)

    def _ready(self) -> list[Source]:
        """The sources, sorted: as they are, or through temporary runs."""
        if self._folder is not None:
            return self._sources
        if len(self._sources) <= OPEN_FILES and all(s.column is None for s in self._sources):
            return self._sources
        self._folder = Path(tempfile.mkdtemp(prefix="qka-replay-"))
        self._sources = list(self._runs(self._folder))
        return self._sources

    def _runs(self, folder: Path) -> Iterator[Source]:
        """Sort everything, a bounded number of rows at a time, into files of its own."""
        held: list[pd.DataFrame] = []
        rows = number = 0
        for source in self._sources:
            for frame in formats.read(source):
                held.append(frame)
                rows += len(frame)
                if rows >= RUN:
                    yield self._run(folder, number, held)
                    held, rows, number = [], 0, number + 1
        self._tell_damage()
        if held:
            yield self._run(folder, number, held)

    def _run(self, folder: Path, number: int, held: list[pd.DataFrame]) -> Source:
        frame = pd.concat(held, ignore_index=True).sort_values("time", kind="stable")
        path = folder / f"{number:06d}.parquet"
        frame.to_parquet(path, index=False)
        return Source(path, self._kind, "symbol", "", self._strict, unit=-1)

    def _stream(self, source: Source) -> Iterator[MarketEvent]:
        """The events of one sorted source, of the wanted symbols and days."""
        source.closes.clear()
        frames = _run_frames(source) if source.unit == -1 else formats.read(source)
        for frame in frames:
            mine = frame[(frame["time"] >= self._from) & (frame["time"] < self._to)]
            if source.column is not None:
                mine = mine[mine["symbol"].isin(self._symbols)]
            if len(mine):
                times = int(mine["time"].iloc[0]), int(mine["time"].iloc[-1])
                self._span = self._span[0] or times[0], max(self._span[1], times[1])
            yield from _made(self._kind, mine)

    def _tell_damage(self) -> None:
        for source in self._sources:
            for message in source.damage:
                self._on_damage(message)
            source.damage.clear()


def _run_frames(source: Source) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(source.path).iter_batches(formats.CHUNK):
        yield batch.to_pandas()


def _made(kind: str, frame: pd.DataFrame) -> Iterator[MarketEvent]:
    """Events of a frame, built column by column."""
    columns = {name: frame[name].tolist() for name in frame.columns if name != "period"}
    if kind != "quote":
        columns["period"] = list(repeat(kind, len(frame)))
        return map(Bar, *(columns[name] for name in formats.BAR))
    heads = [columns[name] for name in formats.QUOTE[:10]]
    levels = [
        map(list, zip(*(columns[f"{name}{i}"] for i in range(1, 6)), strict=True))
        for name in ("askPrice", "askVol", "bidPrice", "bidVol")
    ]
    return map(Quote, *heads, *levels, columns["limit_up"], columns["limit_down"])
