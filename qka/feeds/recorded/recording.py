"""A recorded file, or all files of a folder, ready to be played in the order of time.

One that is not sorted by time as a whole (many symbols in blocks), and files beyond `OPEN_FILES`,
are first sorted into temporary runs, so that a day of any number of symbols fits in bounded
memory and in a usual limit of open files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from qka.errors import ConfigError, DataError
from qka.feeds.recorded import claims, rows, runs
from qka.feeds.recorded.claims import Taken
from qka.feeds.recorded.damage import Damage, Tally
from qka.feeds.recorded.playback import Playback
from qka.feeds.recorded.reading import ALWAYS, OnDamage, Reading, ignored
from qka.feeds.recorded.runs import Run, Runs
from qka.feeds.recorded.source import Source, recognise, scan

OPEN_FILES = 100  # read side by side
HELD = 600_000  # bars in memory while files are merged, all together; a quote is worth three


class Recording:
    """Made ready by `open`; `close` removes what that wrote."""

    def __init__(self, path: Path, volume: str = "auto") -> None:
        self._path = path
        self._volume = volume
        self._runs = Runs()
        self._parts: list[Source | Path] = []  # a path: a run in the place of files
        self._taken: dict[Source, Taken] = {}
        self.kind = "quote"  # or the period of its bars
        self.units: frozenset[str] = frozenset()  # that the volume of bars is taken in
        self.symbols: frozenset[str] = frozenset()
        self._span = ALWAYS
        self.damage = Tally()  # met while sorting
        self.earlier = Tally()  # the same before the span

    def open(
        self, symbols: Sequence[str], span: tuple[int, int], unusable: Callable[[str], None] | None
    ) -> None:
        """Recognise the files, and sort what is not sorted, as far as to the end of `span` (ns).

        Raises ConfigError or DataError that names the file at fault; with `unusable` that is
        told of a file that can't be used at all, as long as there is another one.
        """
        self.close()
        self._span, self.damage, self.earlier = span, Tally(), Tally()
        sources = self._recognised(unusable)
        self.kind = _one_kind(sources)
        scans = {source: scan(source) if source.column else None for source in sources}
        there = {symbol for found in scans.items() for symbol in claims.symbols(*found)}
        missing = sorted(set(symbols) - there)
        if missing:
            some = ", ".join(sorted(there)[:10]) + (", …" if len(there) > 10 else "")
            raise ConfigError(f"{self._path} has no {', '.join(missing)}; it has {some}")
        self.symbols = frozenset(symbols or there)
        wanted = [s for s in sources if s.column is not None or s.symbol in self.symbols]
        self.units = frozenset(source.unit for source in wanted)
        self._taken = claims.taken({source: scans[source] for source in wanted})
        unsorted = {source for source, found in scans.items() if found and not found.ordered}
        self._parts = self._sorted(wanted, unsorted)

    def playback(
        self,
        since: int,
        until: int,
        *,
        strict: bool,
        on_damage: OnDamage = ignored,
    ) -> Playback:
        """A pass over all rows from `since` to before `until` (ns)."""
        return self._side_by_side(self._parts, since, until, strict=strict, on_damage=on_damage)

    def close(self) -> None:
        """Remove the temporary runs."""
        self._runs.close()

    def _files(self) -> list[Path]:
        if not self._path.exists():
            raise ConfigError(f"feed.path: there is no file or folder {self._path}")
        found = [self._path] if self._path.is_file() else list(self._path.rglob("*"))
        files = [p for p in found if p.name.lower().endswith(rows.SUFFIXES) and p.is_file()]
        if not files:
            raise ConfigError(f"feed.path: {self._path} holds no {', '.join(rows.SUFFIXES)} file")
        # paths themselves are compared without case on Windows: ties would come otherwise there
        return sorted(files, key=lambda path: path.as_posix())

    def _recognised(self, unusable: Callable[[str], None] | None) -> list[Source]:
        sources: list[Source] = []
        errors: list[DataError] = []
        for path in self._files():
            try:
                sources.append(recognise(path, self._volume))
            except DataError as error:
                if unusable is None:
                    raise
                errors.append(error)
        if not sources:
            raise errors[0]
        for left_out in errors:
            assert unusable is not None
            unusable(f"{left_out}; the file is left out")
        return sources

    def _sorted(self, sources: Sequence[Source], unsorted: set[Source]) -> list[Source | Path]:
        """The sources with runs in the place of what can't be merged as it is."""
        parts: list[Source | Path] = []
        if len(sources) > OPEN_FILES:
            parts += self._runs.sorted(self._wanted(sources))
        else:
            for source in sources:
                whole = source not in unsorted
                parts += [source] if whole else self._runs.sorted(self._wanted([source]))
        size = max(2, OPEN_FILES)
        while len(parts) > size:
            parts = [self._joined(parts[i : i + size]) for i in range(0, len(parts), size)]
        return parts

    def _wanted(self, sources: Iterable[Source]) -> Iterator[pd.DataFrame]:
        """The wanted rows; damage is met in the order of time, not in the order of the files."""
        for source in sources:
            reading = Reading(source, self._taken.get(source), on_damage=self._note)
            for frame in reading.frames(min(runs.RUN, rows.CHUNK)):
                early = frame["time"] < self._span[1]
                yield frame[early & frame["symbol"].isin(self.symbols)]

    def _joined(self, parts: Sequence[Source | Path]) -> Path:
        """One run out of many parts."""
        playback = self._side_by_side(parts, 0, self._span[1], strict=False, on_damage=self._note)
        joined = self._runs.write(playback.blocks())
        for part in parts:
            if isinstance(part, Path):
                part.unlink(missing_ok=True)
        return joined

    def _note(self, damage: Damage) -> None:
        if damage.concerns(*self._span):
            self.damage.add(damage)
        elif damage.concerns(0, self._span[0]):
            self.earlier.add(damage)

    def _side_by_side(
        self,
        parts: Sequence[Source | Path],
        since: int,
        until: int,
        *,
        strict: bool,
        on_damage: OnDamage,
    ) -> Playback:
        passes = [
            Run(part)
            if isinstance(part, Path)
            else Reading(
                part,
                self._taken.get(part),
                strict=strict,
                span=(since, until),
                on_damage=on_damage,
            )
            for part in parts
        ]
        # a stream holds at most one and a half times that, its reading once more
        share = HELD // (6 if self.kind == "quote" else 2) // max(1, len(parts))
        return Playback(passes, self.symbols, since, until, max(1, min(rows.CHUNK, share)))


def _one_kind(sources: Sequence[Source]) -> str:
    first = sources[0]
    for source in sources:
        if source.kind != first.kind:
            raise ConfigError(
                f"feed.path: {first.path} holds {first.kind}, {source.path} {source.kind}: "
                "replay one kind at a time"
            )
    return first.kind
