"""A recording read again: which runs a day had, and their rows in order."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from qka.errors import DataError
from qka.model.times import day_of
from qka.recording.frames import read, read_before
from qka.recording.port import Row


def beside(journal: Path) -> Path:
    """Where the recording of a journal is."""
    return journal.with_suffix(".recording")


class Run(NamedTuple):
    """One run of an engine: the journal's last record before it, and its files in order."""

    number: int
    files: tuple[Path, ...]

    @property
    def days(self) -> list[date]:
        """The days it has files of, in order."""
        return [date.fromisoformat(path.parent.name) for path in self.files]

    def rows(self, damage: list[str]) -> Iterator[Row]:
        """Its rows in order, up to the first damage, which is put into `damage`.

        What lies behind a hole can't be replayed. Raises DataError for a file that can't be read.
        """
        for path in self.files:
            try:
                for piece in read(path):
                    if piece.damage:
                        damage.append(piece.damage)
                        return
                    yield from piece.rows
            except OSError as error:
                raise DataError(f"{path} can't be read ({error.strerror})") from None


def rows_before(folder: Path, seq: int, time: int) -> list[Row]:
    """What entered shortly before the journal had a record, made at `time` (ns); oldest first.

    Empty when nothing was recorded then. Raises DataError for a file that can't be read.
    """
    mine = [run for run in runs(folder) if run.number < seq]
    if not mine:
        return []
    files = [path for path in mine[-1].files if path.parent.name <= f"{day_of(time)}"]
    try:
        return read_before(files[-1], seq) if files else []
    except OSError as error:
        raise DataError(f"{files[-1]} can't be read ({error.strerror})") from None


def runs(folder: Path) -> list[Run]:
    """Every run there is a recording of, in order; none when there is no such folder."""
    found: dict[int, list[Path]] = {}
    for path in folder.glob("*-*-*/*-*.rec"):
        number = path.name.partition("-")[0]
        if number.isdecimal() and _is_day(path.parent.name):
            found.setdefault(int(number), []).append(path)
    return [
        Run(number, tuple(sorted(files, key=lambda path: path.name)))
        for number, files in sorted(found.items())
    ]


def days(folder: Path) -> list[date]:
    """The days there is a recording of, in order."""
    return sorted({day for run in runs(folder) for day in run.days})


def _is_day(name: str) -> bool:
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
