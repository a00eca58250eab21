"""What the cells of a column mean: symbols, moments, numbers, and which of them mean nothing.

A bare code that two exchanges know (`000001`) is the share, not the index.
"""

import re
from typing import Any

import numpy as np
import pandas as pd

from qka.errors import SymbolError
from qka.model.symbol import check_symbol, lot_size
from qka.model.times import DAY, MILLISECOND, SECOND, SHANGHAI

SYMBOLS = ("symbol", "code", "stock_code")
TIMES = ("unixTime", "time", "datetime")
TEXTS = [*SYMBOLS, "exchange", "date"]  # are not to be read as numbers
_NO_PRICE = 1e15  # xtdata writes DBL_MAX where there is none
_CLOSE = 15 * 3600 * SECOND
_ZONE = 8 * 3600 * SECOND

Wrong = dict[int, str]  # row -> the first thing found wrong with it


def symbols(raw: pd.DataFrame, column: str | None, symbol: str, wrong: Wrong) -> "pd.Series[Any]":
    """Each row's symbol in QMT form, "" where it is none; without a column all are `symbol`."""
    if column is None:
        return pd.Series([symbol] * len(raw), index=raw.index, dtype=object)
    codes = raw[column].astype(str)
    where = raw["exchange"].astype(str) if "exchange" in raw else ""
    keys, found = pd.factorize(codes + "|" + where)
    names = np.array([_symbol(*key.rsplit("|", 1)) for key in found], dtype=object)
    result = pd.Series(names[keys], index=raw.index, dtype=object)
    for row in raw.index[result == ""]:
        wrong.setdefault(int(row), f"{column} is {codes[row]!r}, not a symbol")
    return result


def _symbol(code: str, exchange: str) -> str:
    """`sh.600000`, `600000.SH`, `510300` or `000001` with exchange SZSE, in QMT form, or ""."""
    tail = {"SSE": "SH", "SZSE": "SZ", "BSE": "BJ", "XSHG": "SH", "XSHE": "SZ", "NAN": ""}
    digits = re.search(r"\d+", code)
    marks = re.search(r"(?i)(sh|sz|bj)", code)
    if digits is None:
        return ""
    number = digits.group().zfill(6)  # a code read as a number lost its zeros
    where = marks.group(1).upper() if marks else tail.get(exchange.upper(), exchange.upper())
    # the share first: a bare 000001 is not the index of the other exchange
    for home in [where] if where in ("SH", "SZ", "BJ") else ["SZ", "SH", "BJ"]:
        try:
            return check_symbol(f"{number}.{home}")
        except SymbolError:
            continue
    return ""


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
        if name == "time" and "date" in raw and (cells.astype(str).str.len() <= 8).all():
            cells = raw["date"].astype(str) + " " + cells.astype(str)
        times = _parsed(cells)
    else:
        # 1990 to 2100: anything else is not in ms
        usable = (numbers > 6.3e11) & (numbers < 4.1e12)
        times = numbers.where(usable, 0).astype("int64") * MILLISECOND
    if (times <= 0).any():
        for row in raw.index[times <= 0]:
            cell = raw[name][row]
            words = "is empty" if pd.isna(cell) else f"is {cell!r}, not a date or a time in ms"
            wrong.setdefault(int(row), f"{name} {words}")
        times = times.where(times > 0, 0)
    if daily:
        closes: pd.Series[Any] = days(times) * DAY - _ZONE + _CLOSE
        return closes.where(times > 0, 0)
    return times


def _parsed(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Dates or moments of Shanghai, as text or of a date type, in ns; 0 where there is none."""
    if not pd.api.types.is_datetime64_any_dtype(cells):
        cells = cells.astype(str)
    parsed = pd.to_datetime(cells, errors="coerce", format="ISO8601")
    if parsed.isna().any():
        others = pd.to_datetime(cells[parsed.isna()], errors="coerce", format="mixed")
        parsed = parsed.where(parsed.notna(), others.reindex(parsed.index))
    if parsed.dt.tz is None:
        parsed = parsed.dt.tz_localize(SHANGHAI)
    utc = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    whole = utc.fillna(pd.Timestamp(0)).astype("datetime64[ns]")
    return whole.astype("int64")


def days(times: Any) -> Any:
    """The day numbers in Shanghai of moments in ns: of one, an array or a column."""
    return (times + _ZONE) // DAY


def numbers(raw: pd.DataFrame, name: str, wrong: Wrong, *, most: float = 9e18) -> "pd.Series[Any]":
    """A column of numbers, 0 where there is none; those above `most` are none."""
    values = pd.to_numeric(raw[name], errors="coerce")
    usable = np.abs(values.to_numpy(dtype=float, na_value=np.nan)) <= most
    if usable.all():
        return values
    for row in raw.index[~usable]:
        cell = raw[name][row]
        shown = repr(cell) if isinstance(cell, str) else str(cell)
        words = "is empty" if pd.isna(cell) else f"is {shown}, not a usable number"
        wrong.setdefault(int(row), f"{name} {words}")
    return values.where(usable, 0)


def prices(raw: pd.DataFrame, name: str, wrong: Wrong) -> "pd.Series[Any]":
    """A column of prices, rounded to a thousandth."""
    return numbers(raw, name, wrong).astype(float).round(3)


def prices_if_any(raw: pd.DataFrame, name: str) -> "pd.Series[Any]":
    """Prices that may be missing or DBL_MAX, then 0.0."""
    return numbers(raw, name, {}, most=_NO_PRICE).astype(float).round(3)


def note(wrong: Wrong, findings: "dict[str, pd.Series[Any]]") -> None:
    """Note the rows where something is wrong: words -> whether they are true of a row."""
    for words, found in findings.items():
        for row in found.index[found]:
            wrong.setdefault(int(row), words)
