"""A recorded file, or all files of a folder, ready to be played in the order of time.

One that is not sorted by time as a whole (many symbols in blocks), and files beyond `OPEN_FILES`,
are first sorted into temporary runs, so that a day of any number of symbols fits in bounded
memory and in a usual limit of open files.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from qka.errors import ConfigError, DataError
from qka.feeds.recorded import rows, runs
from qka.feeds.recorded.playback import Playback
from qka.feeds.recorded.reading import OnDamage, Reading, ignored
from qka.feeds.recorded.runs import Run, Runs
from qka.feeds.recorded.source import Source, recognise, scan

OPEN_FILES = 100  # read side by side
HELD = 600_000  # bars in memory while files are merged, all together; a quote is worth three


class Recording:
    """Made ready by `open`; `close` removes what that wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs = Runs()
        self._parts: list[Source | Path] = []  # a path: a run in the place of files
        self.kind = "quote"  # or the period of its bars
        self.symbols: frozenset[str] = frozenset()
        self.damage: list[tuple[int, str]] = []  # met while sorting: (last moment before it, words)

    def open(self, symbols: Sequence[str], until: int) -> None:
        """Recognise the files, and sort what is not sorted, as far as before `until` (ns).

        Raises ConfigError or DataError that names the file at fault.
        """
        self.close()
        self.damage = []
        sources = [recognise(path) for path in self._files()]
        self.kind = _one_kind(sources)
        there: set[str] = set()
        unsorted: set[Source] = set()
        for source in sources:
            found, ordered = scan(source)
            there |= found
            if not ordered:
                unsorted.add(source)
        missing = sorted(set(symbols) - there)
        if missing:
            some = ", ".join(sorted(there)[:10])
            raise ConfigError(f"{self._path} has no {', '.join(missing)}; it has {some}")
        self.symbols = frozenset(symbols or there)
        wanted = [s for s in sources if s.column is not None or s.symbol in self.symbols]
        self._parts = self._sorted(wanted, unsorted, until)

    def playback(
        self, since: int, until: int, *, strict: bool, on_damage: OnDamage = ignored
    ) -> Playback:
        """A pass over all rows from `since` to before `until` (ns)."""
        return self._side_by_side(self._parts, since, until, strict=strict, on_damage=on_damage)

    def close(self) -> None:
        """Remove the temporary runs."""
        self._runs.close()

    def _files(self) -> list[Path]:
        if not self._path.exists():
            raise ConfigError(f"feed.path: there is no file or folder {self._path}")
        found = [self._path] if self._path.is_file() else sorted(self._path.rglob("*"))
        files = [path for path in found if path.name.endswith(rows.SUFFIXES) and path.is_file()]
        if not files:
            raise ConfigError(f"feed.path: {self._path} holds no {', '.join(rows.SUFFIXES)} file")
        return files

    def _sorted(
        self, sources: Sequence[Source], unsorted: set[Source], until: int
    ) -> list[Source | Path]:
        """The sources with runs in the place of what can't be merged as it is."""
        parts: list[Source | Path] = []
        if len(sources) > OPEN_FILES:
            parts += self._runs.sorted(self._wanted(sources, until))
        else:
            for source in sources:
                whole = source not in unsorted
                parts += [source] if whole else self._runs.sorted(self._wanted([source], until))
        size = max(2, OPEN_FILES)
        while len(parts) > size:
            parts = [self._joined(parts[i : i + size], until) for i in range(0, len(parts), size)]
        return parts

    def _wanted(self, sources: Iterable[Source], until: int) -> Iterator[pd.DataFrame]:
        """The wanted rows; a file that can't be read on is damage at its last moment."""
        for source in sources:
            reading = Reading(source, on_damage=self._note)
            try:
                for frame in reading.frames(min(runs.RUN, rows.CHUNK)):
                    yield frame[(frame["time"] < until) & frame["symbol"].isin(self.symbols)]
            except DataError as error:
                self._note(reading.latest, str(error))

    def _joined(self, parts: Sequence[Source | Path], until: int) -> Path:
        """One run out of many parts."""
        playback = self._side_by_side(parts, 0, until, strict=False, on_damage=self._note)
        joined = self._runs.write(playback.blocks())
        for part in parts:
            if isinstance(part, Path):
                part.unlink(missing_ok=True)
        return joined

    def _note(self, moment: int, words: str) -> None:
        """Damage is met in the order of time, not in the order of the files."""
        self.damage.append((moment, words))

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
            else Reading(part, strict=strict, on_damage=on_damage)
            for part in parts
        ]
        # a stream holds at most one and a half times that, read-ahead included
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
