"""What is wrong with a recorded row: in words, where it is and when it was, and how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONG = 32  # characters of a cell that are shown


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is no event."""

    words: str  # "low is 'oops', not a usable number"
    kind: str = ""  # the same for every such row: "low is not a usable number"; empty: the words
    cure: str = "mend or delete the row"


Wrong = dict[int, Fault]  # row, 0 for the first under the head -> the first thing wrong with it


def fault(column: str, cell: Any, what: str) -> Fault:
    """A cell that is not what its column holds; `what` says that with a "not" or an "in"."""
    if cell is None or cell != cell:
        return Fault(f"{column} is empty")
    return Fault(f"{column} is {shown(cell)}, {what}", f"{column} is {what}")


def shown(cell: Any) -> str:
    """A cell for a message of one line: text in quotes, numbers plain, nothing long."""
    if isinstance(cell, str):
        return repr(cell) if len(cell) <= _LONG else f"{cell[:_LONG]!r}…"
    return brief(cell)


def brief(thing: object) -> str:
    """The beginning of its first line."""
    text = next(iter(str(thing).splitlines()), "")
    return text if len(text) <= 2 * _LONG else f"{text[: 2 * _LONG]}…"


@dataclass(frozen=True, slots=True)
class Damage:
    """A fault, where it is, and between which moments (ns) its row belongs, both included."""

    path: Path
    row: int  # as an editor counts, the head is 1
    fault: Fault
    since: int
    until: int

    def __str__(self) -> str:
        return f"{self.what}; {self.fault.cure}, or leave such rows out with feed.strict=false"

    @property
    def what(self) -> str:
        """The fault and where it is, without a cure."""
        return f"{self.path}: row {self.row}: {self.fault.words}"

    def concerns(self, since: int, until: int) -> bool:
        """Whether it may belong to the time from `since` to before `until`."""
        return self.until >= since and self.since < until


class Tally:
    """Damage counted by file and kind, however much there is."""

    def __init__(self, some: "Iterable[Tally]" = ()) -> None:
        self.earliest: Damage | None = None
        self._counts: dict[tuple[Path, str], tuple[Damage, int]] = {}  # -> the first of them, count
        for tally in some:
            for damage, count in tally._counts.values():
                self._add(damage, count)

    def add(self, damage: Damage) -> None:
        """Count one."""
        self._add(damage, 1)

    def lines(self) -> list[str]:
        """A line for each file and kind."""
        return [_line(damage, count) for damage, count in self._counts.values()]

    def _add(self, damage: Damage, more: int) -> None:
        if self.earliest is None or damage.since < self.earliest.since:
            self.earliest = damage
        key = damage.path, damage.fault.kind or damage.fault.words
        first, count = self._counts.get(key, (damage, 0))
        self._counts[key] = first, count + more


def _line(damage: Damage, count: int) -> str:
    where = damage.what
    return f"{where}; left out" if count == 1 else f"{where}; left out, with {count - 1} more such"
