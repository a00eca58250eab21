"""A recorded file recognised by its columns.

Formats: xtdata level-1 ticks; intraday bars with a time in ms (`time`, `unixTime`) labelled at
the period's end; daily bars with a `date`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qka.errors import DataError
from qka.feeds.recorded import cells, rows
from qka.model.times import MINUTE

_TICK = {"time", "lastPrice", "open", "high", "low", "lastClose", "volume", "openInt"}
_OHLC = {"open", "high", "low", "close", "volume"}
_PERIODS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "60m"}
_NAME = re.compile(r"(\d{6}\.(?:SH|SZ|BJ))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """One recorded file and what it holds."""

    path: Path
    kind: str  # "quote", or the period of its bars
    column: str | None  # that names the symbol; None: the file's name does
    symbol: str  # of the file's name


def recognise(path: Path) -> Source:
    """What a file is; raises DataError that names what it lacks."""
    head = rows.head(path)
    columns = set(head.columns)
    if head.empty:
        raise DataError(f"{path}: row 1: the file is empty; delete it or record it again")
    kind = _kind(path, head, columns)
    column = next((name for name in cells.SYMBOLS if name in columns), None)
    named = _NAME.search(path.name)
    if column is None and named is None:
        raise DataError(
            f"{path}: no symbol: name the file like 600000.SH.csv, or add a column `symbol`"
        )
    return Source(path, kind, column, named.group(1).upper() if named else "")


def scan(source: Source) -> tuple[set[str], bool]:
    """The symbols a file holds and whether its rows are sorted by time; reads only those columns.

    A file named by its symbol is not read: its rows are sorted or damaged.
    """
    if source.column is None:
        return {source.symbol}, True
    found: set[str] = set()
    last, ordered = 0, True
    columns = [source.column, "exchange", "date", *cells.TIMES]
    for raw in rows.Rows(source.path).chunks(rows.CHUNK, columns):
        found |= set(cells.symbols(raw, source.column, source.symbol, {}).unique())
        times = cells.moments(raw, {}, daily=source.kind == "1d").to_numpy()
        times = np.concatenate([[last], times[times > 0]])
        ordered = ordered and not bool((np.diff(times) < 0).any())
        last = int(times[-1])
    return found - {""}, ordered


def _kind(path: Path, head: pd.DataFrame, columns: set[str]) -> str:
    if columns >= _TICK:
        if {"askPrice1", "bidPrice1"} <= columns or {"askPrice", "bidPrice"} <= columns:
            return "quote"
        raise DataError(f"{path}: row 1: ticks without askPrice1..5 and bidPrice1..5 columns")
    if columns >= _OHLC and columns & set(cells.TIMES):
        return _period(head)
    if columns >= _OHLC and "date" in columns:
        return "1d"
    near, wanted = ("ticks", _TICK) if "lastPrice" in columns else ("bars", _OHLC)
    missing = ", ".join(sorted(wanted - columns)) or "time or date"
    raise DataError(f"{path}: row 1: nearest to {near}, but columns are missing: {missing}")


def _period(head: pd.DataFrame) -> str:
    """The period of bars: what they say, else their usual distance."""
    if "period" in head:
        return str(head["period"].iloc[0])
    times = cells.moments(head, {}).to_numpy()
    gaps = np.diff(times[times > 0])
    gaps, counts = np.unique(gaps[gaps > 0], return_counts=True)
    minutes = int(gaps[counts.argmax()]) // MINUTE if len(gaps) else 1
    return _PERIODS.get(minutes, "1d" if minutes >= 240 else "1m")
