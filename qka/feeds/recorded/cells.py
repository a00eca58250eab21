"""What the cells of a column mean: symbols, moments, numbers, and which of them mean nothing.

A bare code that a share and an index have (`000001`) is the share; one that is not clear is none.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from qka.errors import SymbolError
from qka.feeds.recorded.damage import Fault, Wrong, fault
from qka.model.symbol import Board, board_of, lot_size
from qka.model.times import DAY, MILLISECOND, SECOND, SHANGHAI

SYMBOLS = ("symbol", "code", "stock_code")
TIMES = ("unixTime", "time", "datetime")
TEXTS = [*SYMBOLS, "exchange", "date", "period"]  # are not to be read as numbers
MOST = 1e15  # no real figure is greater; xtdata writes DBL_MAX where there is no price
_CLOSE = 15 * 3600 * SECOND
_ZONE = 8 * 3600 * SECOND
_MS = (630_000_000_000, 4_100_000_000_000)  # 1990 to 2100
_OTHER_UNITS = {1e-3: "seconds", 1e3: "microseconds", 1e6: "nanoseconds"}
_MOMENT = re.compile(
    r"\d{4}(?:\d{4}|[-/.]\d{1,2}[-/.]\d{1,2})"
    r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
# what others write for an exchange
_HOMES = {
    "SH": "SH", "SS": "SH", "SSE": "SH", "XSHG": "SH",
    "SZ": "SZ", "SZSE": "SZ", "XSHE": "SZ",
    "BJ": "BJ", "BSE": "BJ", "BJSE": "BJ",
    "NAN": "", "NONE": "", "": "",
}  # fmt: skip
_CODE = re.compile(r"(?:(SH|SZ|BJ)\.?)?(\d{1,6})(?:\.([A-Z]+))?")
_NAMED = re.compile(
    r"(?<![A-Z0-9])((?:SH|SZ|BJ)\.?\d{6}|\d{6}\.(?:XSHG|XSHE|SH|SS|SZ|BJ))(?![A-Z0-9])"
)


def symbols(raw: pd.DataFrame, column: str | None, symbol: str, wrong: Wrong) -> "pd.Series[Any]":
    """Each row's symbol in QMT form, "" where it is none; without a column all are `symbol`."""
    if column is None:
        return pd.Series([symbol] * len(raw), index=raw.index, dtype=object)
    codes = _texts(raw[column])
    where = _texts(raw["exchange"]) if "exchange" in raw else ""
    keys, found = pd.factorize(codes + "|" + where)
    names = np.array([symbol_of(*key.rsplit("|", 1)) for key in found], dtype=object)
    result = pd.Series(names[keys], index=raw.index, dtype=object)
    for row in raw.index[result == ""]:
        wrong.setdefault(int(row), fault(column, raw[column][row], "not a symbol"))
    return result


@lru_cache(maxsize=16384)
def symbol_of(code: str, exchange: str = "") -> str:
    """`sh.600000`, `600000.XSHG`, `510300`, `000001` of SZSE in QMT form; "" unless it is clear."""
    found = _CODE.fullmatch(code.strip().upper())
    if found is None:
        return ""
    marks = (found[1] or "", found[3] or "", exchange.strip().upper())
    homes = {_HOMES.get(mark, "?") for mark in marks} - {""}
    if len(homes) > 1:
        return ""
    number = found[2].zfill(6)  # a code read as a number lost its zeros
    boards: dict[str, Board] = {}
    for home in homes or {"SH", "SZ", "BJ"}:
        try:
            boards[f"{number}.{home}"] = board_of(f"{number}.{home}")
        except SymbolError:
            continue
    shares = [name for name, board in boards.items() if board is not Board.INDEX] or list(boards)
    return shares[0] if len(shares) == 1 else ""


def symbol_in(name: str) -> str:
    """The symbol that is part of a file's name, or ""."""
    found = _NAMED.search(name.upper())
    return symbol_of(found[1]) if found else ""


def lots(names: "pd.Series[Any]") -> "pd.Series[Any]":
    """Shares in a lot of each row's symbol."""
    keys, found = pd.factorize(names)
    sizes = np.array([lot_size(name) if name else 100 for name in found], dtype="int64")
    return pd.Series(sizes[keys], index=names.index)


def moments(raw: pd.DataFrame, wrong: Wrong, *, daily: bool = False) -> "pd.Series[Any]":
    """Each row's time in ns, 0 where it can't be read; a daily bar is known at the close."""
    name = next((name for name in TIMES if name in raw), "date")
    if daily and "date" in raw:
        name = "date"
    cells = raw[name]
    if name == "date" or not (numbers := pd.to_numeric(cells, errors="coerce")).notna().any():
        times = _parsed(cells, raw["date"] if name == "time" and "date" in raw else None)
    else:
        usable = (numbers > _MS[0]) & (numbers < _MS[1])
        times = numbers.where(usable, 0).astype("int64") * MILLISECOND
        if (texts := numbers.isna() & cells.notna()).any():
            times = times.where(~texts, _parsed(cells, None))
    if (times <= 0).any():
        for row in raw.index[times <= 0]:
            wrong.setdefault(int(row), fault(name, raw[name][row], _no_time(raw[name][row])))
        times = times.where(times > 0, 0)
    if daily:
        closes: pd.Series[Any] = days(times) * DAY - _ZONE + _CLOSE
        return closes.where(times > 0, 0)
    return times


def _no_time(cell: Any) -> str:
    number = pd.to_numeric(cell, errors="coerce")
    for scale, unit in _OTHER_UNITS.items():
        if _MS[0] < number / scale < _MS[1]:
            return f"in {unit}, not in ms"
    return "not a date or a time in ms"


def _parsed(cells: "pd.Series[Any]", dates: "pd.Series[Any] | None") -> "pd.Series[Any]":
    """Dates or moments of Shanghai, as text or of a date type, in ns; 0 where there is none.

    `dates` complete the cells that are times of day only.
    """
    if pd.api.types.is_datetime64_any_dtype(cells):
        return _nanoseconds(cells)
    texts = _texts(cells)
    if dates is not None:
        texts = texts.where(texts.str.len() > 8, _texts(dates) + " " + texts)
    keys, found = pd.factorize(texts)  # many symbols have the same times
    moments = _nanoseconds(_moments([str(text) for text in found]))
    return pd.Series(moments.to_numpy()[keys], index=cells.index)


def _moments(texts: list[str]) -> "pd.Series[Any]":
    # a date that was cut in the middle still looks like one to pandas
    whole = pd.Series([text if _MOMENT.fullmatch(text) else None for text in texts], dtype=object)
    parsed = pd.to_datetime(whole, errors="coerce", format="ISO8601")
    if (others := parsed.isna() & whole.notna()).any():
        again = pd.to_datetime(whole[others], errors="coerce", format="mixed")
        parsed = parsed.where(parsed.notna(), again.reindex(parsed.index))
    return parsed


def _nanoseconds(moments: "pd.Series[Any]") -> "pd.Series[Any]":
    if moments.dt.tz is None:
        moments = moments.dt.tz_localize(SHANGHAI)
    utc = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    usable = utc.between(pd.Timestamp(_MS[0], unit="ms"), pd.Timestamp(_MS[1], unit="ms"))
    result: pd.Series[Any] = utc.where(usable, pd.Timestamp(0)).astype("datetime64[ns]")
    return result.astype("int64")


def days(times: Any) -> Any:
    """The day numbers in Shanghai of moments in ns: of one, an array or a column."""
    return (times + _ZONE) // DAY


def numbers(raw: pd.DataFrame, name: str, wrong: Wrong) -> "pd.Series[Any]":
    """A column of numbers, 0 where there is none."""
    values = _numbers(raw[name])
    usable = np.abs(values.to_numpy(dtype=float, na_value=np.nan)) <= MOST
    if usable.all():
        return values
    for row in raw.index[~usable]:
        wrong.setdefault(int(row), fault(name, raw[name][row], "not a usable number"))
    return values.where(usable, 0)


def prices(raw: pd.DataFrame, name: str, wrong: Wrong) -> "pd.Series[Any]":
    """A column of prices, rounded to a thousandth."""
    return numbers(raw, name, wrong).astype(float).round(3)


def prices_if_any(raw: pd.DataFrame, name: str, wrong: Wrong) -> "pd.Series[Any]":
    """Prices that may be missing or DBL_MAX, then 0.0."""
    values = _numbers(raw[name]).astype(float)
    bad = (values.isna() & raw[name].notna()) | (values < 0)
    if bad.any():
        for row in raw.index[bad]:
            wrong.setdefault(int(row), fault(name, raw[name][row], "not a price"))
    return values.where((values > 0) & (values < MOST), 0.0).round(3)


def _texts(cells: "pd.Series[Any]") -> "pd.Series[str]":
    return cells.astype(str).fillna("")


def _numbers(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    if cells.dtype == bool:
        cells = cells.astype(str)  # True is not 1
    values: pd.Series[Any] = pd.to_numeric(cells, errors="coerce")
    return values


def halved(
    raw: pd.DataFrame,
    make: Callable[[pd.DataFrame], pd.DataFrame],
    fail: Callable[[int, Exception], None],
) -> pd.DataFrame:
    """What `make` gives; a cell that nobody thought of costs its row, for `fail`, and no other."""
    try:
        return make(raw)
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        if len(raw) > 1:
            half = len(raw) // 2
            parts = [halved(part, make, fail) for part in (raw[:half], raw[half:])]
            return pd.concat([part for part in parts if len(part)] or parts[:1])
        fail(int(raw.index[0]), error)
        return make(raw[:0])


def note(wrong: Wrong, frame: pd.DataFrame, findings: dict[str, Any]) -> None:
    """Note the rows where something is wrong: words -> whether they are true of each row."""
    for words, found in findings.items():
        if found.any():
            for row in frame.index[found]:
                wrong.setdefault(int(row), Fault(words))
