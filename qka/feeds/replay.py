"""Recorded market data through the very same path: files merged by time, streaming.

Files are read in chunks and merged column by column. One that is not sorted by time as a whole
(many symbols in blocks), and files beyond `OPEN_FILES`, are first sorted into temporary runs, so
that a day of any number of symbols fits in bounded memory and in a usual limit of open files.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
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
RUN = 250_000  # rows sorted in memory at a time
HELD = 600_000  # bars in memory while files are merged, all together; a quote is worth three
KEPT = 512  # bars of history kept a symbol, unless more are asked for
PIECE = 16_384  # rows turned into events at a time
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_RUN = "run"  # the column name of a temporary run's symbols: it is read as it is

Block = dict[str, Any]  # column -> array, rows sorted by time


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
        self._runs_made = 0
        self._kind = "quote"
        self._first = 0
        self._damage: list[tuple[int, str]] = []  # met while sorting: (moment, message)
        self._read = 0  # rows taken from the sources by this run
        self._done = 0  # rows reported by this run
        self._past: dict[str, deque[Bar]] = {}  # symbol -> bars before the start
        self._kept = 0  # the most bars of a symbol in there

    # ------------------------------------------------------------ port

    @property
    def start(self) -> int:
        """Moment (ns) of the first event."""
        return self._first

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Recognise the files, sort what is not sorted; returns the symbols, sorted.

        Raises ConfigError or DataError that names the file at fault.
        """
        await self.close()
        self._sources = [formats.open_source(path, self._strict) for path in self._files()]
        self._check_kinds()
        there, unsorted = self._scan()
        missing = sorted(set(symbols) - there)
        if missing:
            some = ", ".join(sorted(there)[:10])
            raise ConfigError(f"{self._path} has no {', '.join(missing)}; it has {some}")
        self._symbols = frozenset(symbols or there)
        self._past, self._kept, self._damage = {}, 0, []
        self._sources = [
            s for s in self._sources if s.column is not None or s.symbol in self._symbols
        ]
        self._sort(unsorted)
        self._first = self._peek()
        return sorted(self._symbols)

    def provides(self) -> str:
        """`quote`, or the period of the bars."""
        return self._kind

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """Bars of the data before `feed.start`; none without one, or of another period."""
        if count <= 0 or not self._from or period != self._kind:
            return []
        if count > self._kept:
            self._kept = max(count, KEPT)
            self._past = {}
            for block in self._blocks(0, self._from, quiet=True):
                for bar in _made(self._kind, block):
                    if isinstance(bar, Bar):
                        self._past.setdefault(bar.symbol, deque(maxlen=self._kept)).append(bar)
        return list(self._past.get(symbol, ()))[-count:]

    async def run(self, report: Report) -> None:
        """Report every event in the order of time.

        Raises DataError at a damaged row, after everything before it was reported.
        """
        self._read = self._done = 0
        await play(self._batches(), self._clock, report)

    def progress(self) -> float:
        """Share of the rows that has been reported, as far as files not yet read can be told."""
        share = sum(s.share for s in self._sources) / max(1, len(self._sources))
        return min(1.0, self._done * share / self._read) if self._read else 0.0

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

    def _scan(self) -> tuple[set[str], set[Path]]:
        """The symbols there are, and the files that are not sorted by time."""
        there: set[str] = set()
        unsorted: set[Path] = set()
        for source in self._sources:
            found, ordered = formats.scan(source)
            there |= found
            if not ordered:
                unsorted.add(source.path)
        return there, unsorted

    def _peek(self) -> int:
        for block in self._blocks(self._from, self._to, quiet=True):
            return int(block["time"][0])
        raise ConfigError(f"{self._path}: no rows between feed.start and feed.end")

    # ------------------------------------------------------------ sorting

    def _sort(self, unsorted: set[Path]) -> None:
        """Put temporary runs in the place of what can't be merged as it is."""
        if len(self._sources) > OPEN_FILES:
            self._sources = list(self._runs(self._sources))
        elif unsorted:
            groups = [
                list(self._runs([source])) if source.path in unsorted else [source]
                for source in self._sources
            ]
            self._sources = [source for group in groups for source in group]
        size = max(2, OPEN_FILES)
        while len(self._sources) > size:
            self._sources = [
                self._joined(self._sources[i : i + size])
                for i in range(0, len(self._sources), size)
            ]

    def _runs(self, sources: Sequence[Source]) -> Iterator[Source]:
        """Sort files, a bounded number of rows at a time, into runs."""
        held: list[pd.DataFrame] = []
        rows = 0
        for source in sources:
            # damage is met in the order of time, not in the order of the file
            reading = replace(source, strict=False, damage=[], closes={}, before={})
            for frame in self._readable(reading):
                mine = frame[(frame["time"] < self._to) & frame["symbol"].isin(self._symbols)]
                held.append(mine)
                rows += len(mine)
                if rows >= RUN:
                    yield self._sorted_run(held)
                    held, rows = [], 0
            self._damage += reading.damage
        if rows:
            yield self._sorted_run(held)

    def _readable(self, source: Source) -> Iterator[pd.DataFrame]:
        """The file's frames; one that can't be read on is damage at its last moment."""
        try:
            yield from formats.read(source, min(RUN, formats.CHUNK))
        except DataError as error:
            last = max((time for time, _ in source.before.values()), default=0)
            self._damage.append((last, str(error)))

    def _sorted_run(self, held: Sequence[pd.DataFrame]) -> Source:
        frame = pd.concat(held, ignore_index=True).sort_values("time", kind="stable")
        return self._written(iter([_columns(frame)]))

    def _joined(self, group: Sequence[Source]) -> Source:
        """One run out of many files."""
        joined = self._written(self._merged(group, 0, self._to, quiet=True))
        for source in group:
            if source.column == _RUN:
                source.path.unlink(missing_ok=True)
        return joined

    def _written(self, blocks: Iterator[Block]) -> Source:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="qka-replay-"))
        path = self._folder / f"{self._runs_made:06d}.parquet"
        self._runs_made += 1
        writer: pq.ParquetWriter | None = None
        try:
            for block in blocks:
                table = pa.table(block)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table, row_group_size=8192)
        finally:
            if writer is not None:
                writer.close()
        return Source(path, self._kind, _RUN, "", self._strict)

    # ------------------------------------------------------------ events

    def _batches(self) -> Iterator[list[MarketEvent]]:
        batch: list[MarketEvent] = []
        met = sorted(self._damage)
        try:
            for block in self._blocks(self._from, self._to):
                times = block["time"]
                cut = len(times)
                if met and self._strict:
                    cut = int(np.searchsorted(times, met[0][0], side="right"))
                events, left = _made(self._kind, block), cut
                while left:
                    count = min(left, BATCH - len(batch))
                    batch.extend(islice(events, count))
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

    def _blocks(self, since: int, until: int, *, quiet: bool = False) -> Iterator[Block]:
        """All rows from `since` to before `until` (ns); quiet: tells no damage, counts nothing."""
        return self._merged(self._sources, since, until, quiet)

    def _merged(
        self, sources: Sequence[Source], since: int, until: int, quiet: bool
    ) -> Iterator[Block]:
        # a stream holds at most one and a half times that, read-ahead included
        share = HELD // (6 if self._kind == "quote" else 2) // max(1, len(sources))
        rows = max(1, min(formats.CHUNK, share))
        return _merge(
            [_Stream(self._rows(source, rows, since, until, quiet), rows) for source in sources]
        )

    def _rows(
        self, source: Source, rows: int, since: int, until: int, quiet: bool
    ) -> Iterator[Block]:
        """The rows of one sorted source, of the wanted symbols and days."""
        reading = replace(source, damage=[], closes={}, before={})
        mixed = source.column is not None and source.column != _RUN
        frames = formats.read(reading, rows) if source.column != _RUN else _run(reading, rows)
        for frame in frames:
            self._follow(source, reading, quiet)
            wanted = (frame["time"] >= since) & (frame["time"] < until)
            if mixed:
                wanted &= frame["symbol"].isin(self._symbols)
            mine = frame if wanted.all() else frame[wanted]
            if len(mine):
                self._read += 0 if quiet else len(mine)
                yield _columns(mine)
            elif len(frame) and frame["time"].iloc[0] >= until:
                break  # it is sorted: nothing more of these days
        reading.share = 1.0
        self._follow(source, reading, quiet)

    def _follow(self, source: Source, reading: Source, quiet: bool) -> None:
        if quiet:
            return
        source.share = reading.share
        for _, message in reading.damage:
            self._on_damage(message)
        reading.damage.clear()


# ---------------------------------------------------------------- merging


class _Stream:
    """The rows of one source that were read and not yet taken."""

    def __init__(self, blocks: Iterator[Block], rows: int) -> None:
        self._blocks = blocks
        self._low = rows // 2
        self._held: Block = {}
        self.times: Any = np.empty(0, dtype="int64")
        self.more = True  # there may be rows after these
        self.error: DataError | None = None  # comes after these

    def fill(self) -> None:
        """Read on when little is left; an error waits until everything before it is taken."""
        while self.more and self.error is None and len(self.times) <= self._low:
            try:
                block = next(self._blocks, None)
            except DataError as error:
                self.error = error
                return
            if block is None:
                self.more = False
                return
            self._held = _joined([self._held, block]) if len(self.times) else block
            self.times = self._held["time"]

    def take(self, until: int, *, whole: bool) -> Block:
        """Rows before `until` (ns), or with those at that very moment."""
        cut = int(np.searchsorted(self.times, until, side="right" if whole else "left"))
        taken = {name: column[:cut] for name, column in self._held.items()}
        self._held = {name: column[cut:] for name, column in self._held.items()}
        self.times = self.times[cut:]
        return taken if cut else {}


def _merge(streams: Sequence[_Stream]) -> Iterator[Block]:
    """Blocks in the order of time; at the same time, in the order of the streams."""
    live = list(streams)
    while True:
        for stream in live:
            stream.fill()
            if stream.error is not None and not len(stream.times):
                raise stream.error
        live = [stream for stream in live if len(stream.times)]
        if not live:
            return
        # what is read later of a stream can't come before its last row that is here
        ends = [(int(s.times[-1]), i) for i, s in enumerate(live) if s.more]
        until, at = min(ends, default=(2**63 - 1, len(live)))
        parts = [s.take(until, whole=i <= at) for i, s in enumerate(live)]
        block = _sorted(_joined([part for part in parts if part]))
        for i in range(0, len(block["time"]), PIECE):
            yield {name: column[i : i + PIECE] for name, column in block.items()}


def _joined(parts: Sequence[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sorted(block: Block) -> Block:
    times = block["time"]
    if (times[1:] >= times[:-1]).all():
        return block
    order = np.argsort(times, kind="stable")
    return {name: column[order] for name, column in block.items()}


def _columns(frame: pd.DataFrame) -> Block:
    """A frame as arrays, but for the period, which is the same everywhere."""
    return {name: frame[name].to_numpy() for name in frame.columns if name != "period"}


def _run(source: Source, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a temporary run."""
    done = 0
    with pq.ParquetFile(source.path, read_dictionary=["symbol"]) as file:
        for batch in file.iter_batches(rows):
            frame = batch.to_pandas()
            done += len(frame)
            source.share = done / file.metadata.num_rows
            names = np.asarray(frame["symbol"].cat.categories, dtype=object)
            symbols = pd.Series(names[frame["symbol"].cat.codes], frame.index, dtype=object)
            yield frame.assign(symbol=symbols)


def _made(kind: str, block: Block) -> Iterator[MarketEvent]:
    """Events of a block, built column by column."""
    columns = {name: column.tolist() for name, column in block.items()}
    if kind != "quote":
        columns["period"] = repeat(kind)
        return map(Bar, *(columns[name] for name in formats.BAR))
    heads = [columns[name] for name in formats.QUOTE[:10]]
    levels = [
        map(list, zip(*(columns[f"{name}{i}"] for i in range(1, 6)), strict=True))
        for name in ("askPrice", "askVol", "bidPrice", "bidVol")
    ]
    return map(Quote, *heads, *levels, columns["limit_up"], columns["limit_down"])
