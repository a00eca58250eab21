"""Corporate actions out of a file: who gives what on which day.

A csv with the columns `symbol`, `ex_date`, `cash` (CNY a share, before tax), `bonus` (new shares
for each one held: 0.3 where a company gives 3 for 10), `rights` (new shares offered for each) and
`rights_price` (CNY for one of them). Columns that are left out are 0.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msgspec.structs import replace

from qka.ashare.limits import after_action
from qka.errors import ConfigError, DataError, SymbolError
from qka.feeds.recorded.damage import shown
from qka.model.actions import CorporateAction
from qka.model.events import MarketEvent
from qka.model.market import Bar
from qka.model.symbol import check_symbol
from qka.model.times import day_of

COLUMNS = ("symbol", "ex_date", "cash", "bonus", "rights", "rights_price")
_GIVEN = {"cash", "bonus", "rights"}
_MOST = Decimal(100_000)  # CNY or shares for one: beyond it is a mistake


def read(path: Path) -> list[CorporateAction]:
    """The actions of a file, by day and symbol; raises ConfigError or DataError with the row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return sorted(_rows(path, file), key=lambda action: (action.day, action.symbol))
    except OSError as error:
        raise ConfigError(f"feed.actions: {path} can't be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no csv in UTF-8 ({error})") from None


class References:
    """Previous closes of bars as their exchange has them: after what was given on an ex-date.

    A file that names them is right already; one that does not has yesterday's close there.
    """

    def __init__(self, actions: Iterable[CorporateAction]) -> None:
        self._actions: dict[str, list[CorporateAction]] = {}  # symbol -> by day
        for action in sorted(actions, key=lambda one: one.day):
            self._actions.setdefault(action.symbol, []).append(action)
        # symbol -> its last day, the close before that, its close so far
        self._seen: dict[str, tuple[date, float, float]] = {}
        self._since: dict[str, date] = {}  # symbol -> the day of the close before

    def of(self, made: Iterable[MarketEvent]) -> Iterator[MarketEvent]:
        """The same events, in the order of time."""
        for event in made:
            known = self._actions.get(event.symbol)
            yield event if known is None or type(event) is not Bar else self._right(event, known)

    def _right(self, bar: Bar, known: list[CorporateAction]) -> Bar:
        symbol, day = bar.symbol, day_of(bar.time)
        last, before, close = self._seen.get(symbol, (date.min, 0.0, 0.0))
        if last != day:
            before, self._since[symbol] = close, last
        self._seen[symbol] = day, before, bar.close
        if not before or bar.prev_close != before:
            return bar
        for action in known:
            if self._since[symbol] < action.day <= day:
                before = after_action(action, before)
        return bar if before == bar.prev_close else replace(bar, prev_close=before)


def _rows(path: Path, file: Iterator[str]) -> Iterator[CorporateAction]:
    table = csv.DictReader(file)
    names = table.fieldnames or ()
    if not {"symbol", "ex_date"} <= set(names) or not _GIVEN & set(names):
        raise DataError(f"{path}: its first line must name the columns {', '.join(COLUMNS)}")
    seen: dict[tuple[str, date], int] = {}
    for row in table:
        where = f"{path}, row {table.line_num}"
        try:
            action = CorporateAction(
                check_symbol((row["symbol"] or "").strip()),
                _day(row["ex_date"] or ""),
                *(_number(column, row.get(column)) for column in COLUMNS[2:]),
            )
        except (SymbolError, ValueError) as error:
            raise DataError(f"{where}: {error}") from None
        if not action.cash and not action.bonus and not action.rights:
            raise DataError(f"{where}: neither cash nor bonus nor rights")
        if bool(action.rights) is not bool(action.rights_price):
            raise DataError(f"{where}: rights need a rights_price, and it needs them")
        first = seen.setdefault((action.symbol, action.day), table.line_num)
        if first != table.line_num:
            raise DataError(f"{where}: {action.symbol} on {action.day} is in row {first} already")
        yield action


def _day(cell: str) -> date:
    try:
        return date.fromisoformat(cell.strip())
    except ValueError:
        raise ValueError(f"ex_date is {shown(cell)}, not a date like 2026-06-12") from None


def _number(column: str, cell: str | None) -> Decimal:
    text = (cell or "").strip() or "0"
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{column} is {shown(text)}, not a number") from None
    if not value.is_finite() or not 0 <= value <= _MOST:
        raise ValueError(f"{column} is {shown(text)}, not a usable number")
    return value
