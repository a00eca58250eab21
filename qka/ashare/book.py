"""The rule book in force: the rows that are shipped, and a user's own after them.

It is the process's: what an exchange refuses is no matter of who asks. `use` is for the
composition root, before anything trades; functions remember their answers and ask anew after it.
Whoever trades by it holds it meanwhile, and then nobody puts other rows in force.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, TypeVar, cast

from qka.ashare.data import ROWS
from qka.ashare.rows import Scoped
from qka.errors import ConfigError
from qka.model.codes import Code
from qka.model.dated import Row
from qka.model.symbol import codes, kind_of, learn

R = TypeVar("R", bound=Scoped)

_forget: list[Callable[[], None]] = []
_tables: dict[type[Scoped], list[Scoped]] = {}
_changes: list[date] = []
# what was looked up; between two changes the answer is the same for a kind and its exchange
_found: dict[tuple[object, ...], Scoped | None] = {}
_own: tuple[Row, ...] = ()  # a user's, in force
_holders = 0


def use(own: Iterable[Row] = ()) -> None:
    """Put a user's rows after the shipped ones; none: the shipped ones alone.

    Raises ConfigError where somebody holds it and these are others.
    """
    global _own
    own = tuple(own)
    if _holders and own == _own:
        return  # whoever trades by them has learned of the terminal meanwhile
    if _holders:
        raise ConfigError(
            "rules.file: something else in this process trades by other rules now: run this one in "
            "a process of its own, or with the same file"
        )
    _own = own
    learn(row for row in own if isinstance(row, Code))
    _tables.clear()
    for row in (*ROWS, *(row for row in own if isinstance(row, Scoped))):
        _tables.setdefault(type(row), []).append(row)
    # sorting keeps the order of equals: a user's row stays behind the shipped one it corrects
    for table in _tables.values():
        table.sort(key=lambda row: row.effective_from)
    _found.clear()
    _changes[:] = sorted({row.effective_from for table in _tables.values() for row in table})
    for forget in _forget:
        forget()


def hold(own: Iterable[Row] = ()) -> None:
    """Put them in force until `release`; raises ConfigError as `use` does."""
    global _holders
    own = tuple(own)
    if own != _own:
        use(own)
    _holders += 1


def release() -> None:
    """One of those who hold it trades no more."""
    global _holders
    _holders -= 1


def on_change(forget: Callable[[], None]) -> None:
    """Call it when other rows are in force: whoever remembers answers has to ask anew."""
    _forget.append(forget)


def everything() -> list[Row]:
    """All rows in force."""
    return [*codes(), *(row for table in _tables.values() for row in table)]


def row(table: type[R], symbol: str, day: date, **fields: Any) -> R | None:
    """The row that holds for a symbol on a day, None when no rule says anything.

    `fields`: what must stand in it besides. Raises SymbolError for what can't exist.
    """
    kind, exchange = kind_of(symbol), symbol[-2:]
    key = (table, kind, exchange, bisect_right(_changes, day), *fields.items())
    if key not in _found:
        _found[key] = next(
            (
                one
                for one in reversed(_tables.get(table, []))
                if one.effective_from <= day
                and kind in one.kinds
                and one.exchange in (None, exchange)
                and all(getattr(one, name) == value for name, value in fields.items())
            ),
            None,
        )
    return cast("R | None", _found[key])


def since(day: date) -> date:
    """The last day up to that one on which any rule began: what held then holds now."""
    number = bisect_right(_changes, day)
    return _changes[number - 1] if number else date.min


def changes(after: date, until: date) -> bool:
    """Whether a rule begins on a day after the first and not after the second."""
    return bisect_right(_changes, after) < bisect_right(_changes, until)


use()
