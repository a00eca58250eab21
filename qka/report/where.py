"""What is meant by RUN, DAY or RANGE: which records of which journal."""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

from qka.errors import ConfigError, QkaError
from qka.journal import folder as runs
from qka.journal.records import Records, opened
from qka.model.times import DAY, day_of, midnight
from qka.report.gather import Period

_DAY = r"(\d{4})-?(\d\d)-?(\d\d)"


class Days(NamedTuple):
    """From one day to another, both within."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"


def days(text: str) -> Days | None:
    """The days that `20260105`, `2026-01-05` or `20260105..20260109` mean, None for what is none.

    Raises ConfigError for a day that does not exist, or days in the wrong order.
    """
    found = re.fullmatch(rf"{_DAY}(?:\.\.{_DAY})?", text.strip())
    if found is None:
        return None
    numbers = [int(part) for part in found.groups() if part is not None]
    try:
        first, *more = [date(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
    except ValueError:
        raise ConfigError(f"{text}: there is no such day") from None
    last = more[0] if more else first
    if last < first:
        raise ConfigError(f"{text}: the first day comes after the last one")
    return Days(first, last)


def newest(folder: Path) -> Path:
    """The folder of the newest run in there; raises ConfigError when there is none.

    A start that was killed before anything ran has a folder too, and nothing to tell.
    """
    found = runs.kept(folder)
    if not found:
        raise ConfigError(
            f"{folder}: no run is kept there; `qka run CONFIG` makes one, or name a run's folder, "
            "or a day and --journal"
        )
    return next((path for path in found if _lived(path)), found[0])


def _lived(folder: Path) -> bool:
    """Whether anything is written of the run; what is wrong with its journal is told by readers."""
    path, after = _begun(folder)
    try:
        with opened(path) as records:
            return records.last() > after
    except QkaError:
        return True


def run(name: str, folder: Path) -> Path:
    """A run's folder by its path, or by its name among the runs kept in a folder.

    Raises ConfigError.
    """
    for path in (Path(name), folder / name):
        if path.is_dir():
            return path
    raise ConfigError(
        f"{name} is no run and no day: name a run's folder (in {folder}), a day such as 20260105, "
        "or 20260105..20260109"
    )


def journal_of(folder: Path) -> Path:
    """The journal that a run is written in; raises ConfigError."""
    return _begun(folder)[0]


def _begun(folder: Path) -> tuple[Path, int]:
    begun = runs.begun(folder)
    if begun is None:
        raise ConfigError(f"{folder} is no run's folder: name one, or a day and --journal")
    return begun


def of_run(folder: Path) -> Period:
    """A run's records; raises ConfigError, JournalDamaged."""
    path, after = _begun(folder)
    with opened(path) as records:
        openings = [seq for seq, _ in records.openings() if seq > after]
        end = openings[1] - 1 if len(openings) > 1 else records.last()
        return Period(folder.name, path, after + 1, end)


def of_days(journal: Path, wanted: Days | None) -> Period:
    """The records of some days, of the last day there is without any; raises ConfigError,
    JournalDamaged.
    """
    with opened(journal) as records:
        if wanted is None:
            last = day_of(records.time(records.last()))
            wanted = Days(last, last)
        begin, end = midnight(wanted.first), midnight(wanted.last) + DAY
        first, last_seq = records.within(begin, end)
        if not first:
            raise ConfigError(f"{journal} has no records of {wanted}: {_has(records)}")
        return Period(str(wanted), journal, first, last_seq)


def only(folder: Path) -> Path | None:
    """The one journal of a folder, None when there is none; raises ConfigError for several."""
    found = sorted(folder.glob("*.db"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ConfigError(f"{folder} has {names}: name one with --journal or --config")
    return found[0] if found else None


def _has(records: Records) -> str:
    first, last = records.within(1, 1 << 62)
    if not first:
        return "it has none at all"
    return f"it begins on {day_of(records.time(first))} and ends on {day_of(records.time(last))}"
