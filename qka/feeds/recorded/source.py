"""A recorded file recognised by its columns.

Formats: xtdata level-1 ticks; intraday bars with a time in ms (`time`, `unixTime`) labelled at
the period's end; daily bars with a `date`.

Nothing in a file of bars says whether its volume is in shares or in lots, so turnover decides,
once for the file: `amount / (volume * close)` is near 1 for shares, near the lot for lots. Without
turnover it is shares, unless the user says otherwise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from qka.errors import DataError
from qka.feeds.recorded import cells, rows
from qka.feeds.recorded.columns import FIVE, LEVELS
from qka.model.times import DAY, MINUTE

TURNOVER = ("amount", "turnover")
_TICK = {"time", "lastPrice", "open", "high", "low", "lastClose", "volume", "openInt"}
_TEN = [f"{name}{i}" for name in LEVELS for i in FIVE]  # else a list in each of LEVELS
_OHLC = {"open", "high", "low", "close", "volume"}
_PERIODS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "60m", DAY // MINUTE: "1d"}
_HEAD = 500  # rows that tell what a file is
_ENOUGH = 100  # bars with turnover that tell the unit of volume


@dataclass(frozen=True, slots=True)
class Source:
    """One recorded file and what it holds."""

    path: Path
    kind: str  # "quote", or the period of its bars
    column: str | None  # that names the symbol; None: the file's name does
    symbol: str  # of the file's name
    unit: str = ""  # of the volume of bars: lots or shares


def recognise(path: Path, volume: str = "auto") -> Source:
    """What a file is; raises DataError that names what it lacks.

    `volume`: the unit of bars, where the user knows it.
    """
    chunks = rows.Rows(path).chunks(_HEAD)
    head, wrong = next(chunks)
    if head.empty and not wrong:
        raise DataError(f"{path}: row 2: there are no rows; delete the file or record it again")
    kind = _kind(path, head, set(head.columns))
    column = next((name for name in cells.SYMBOLS if name in head), None)
    symbol = cells.symbol_in(path.name)
    if column is None and not symbol:
        raise DataError(
            f"{path}: no symbol: name the file like 600000.SH.csv, or add a column `symbol`"
        )
    unit = ""
    if kind != "quote":
        frames = chain([head], (raw for raw, _ in chunks))
        unit = volume if volume != "auto" else _unit(frames, column, symbol)
    return Source(path, kind, column, symbol, unit)


@dataclass(frozen=True, slots=True)
class Scan:
    """What the keys of a file's rows tell."""

    symbols: set[str]
    days: set[int]  # numbers of days
    ordered: bool  # by time, as a whole


def scan(source: Source) -> Scan:
    """A pass over a file that reads only symbols and times."""
    symbols: set[str] = set()
    found: set[int] = set()
    last, ordered = 0, True
    for names, moments in keys(source):
        symbols |= set(names.unique())
        times = moments.to_numpy()
        times = np.concatenate([[last], times[times > 0]])
        found |= set(np.unique(cells.days(times[1:])).tolist())
        ordered = ordered and not bool((np.diff(times) < 0).any())
        last = int(times[-1])
    return Scan(symbols - {""}, found, ordered)


def keys(source: Source) -> Iterator[tuple["pd.Series[str]", "pd.Series[int]"]]:
    """The symbols ("": none) and the times (0: none) of a file's rows."""

    def found(raw: pd.DataFrame) -> pd.DataFrame:
        names = cells.symbols(raw, source.column, source.symbol, {})
        times = cells.moments(raw, {}, daily=source.kind == "1d")
        return pd.DataFrame({"symbol": names, "time": times})

    columns = [source.column or "", "exchange", "date", *cells.TIMES]
    for raw, _ in rows.Rows(source.path).chunks(rows.CHUNK, columns):
        frame = cells.halved(raw, found, lambda row, error: None)
        yield frame["symbol"], frame["time"]


def _kind(path: Path, head: pd.DataFrame, columns: set[str]) -> str:
    if columns >= _TICK:
        lacking = sorted(set(_TEN) - columns)
        if columns >= set(LEVELS) or not lacking:
            return "quote"
        raise DataError(f"{path}: row 1: ticks whose columns are missing: {', '.join(lacking)}")
    if columns >= _OHLC and columns & set(cells.TIMES):
        return _period(path, head)
    if columns >= _OHLC and "date" in columns:
        return "1d"
    near, wanted = ("ticks", _TICK) if "lastPrice" in columns else ("bars", _OHLC)
    missing = ", ".join(sorted(wanted - columns)) or "time or date"
    raise DataError(f"{path}: row 1: nearest to {near}, but columns are missing: {missing}")


def _period(path: Path, head: pd.DataFrame) -> str:
    """The period of bars: what they say, else their usual distance."""
    there = ", ".join(_PERIODS.values())
    if "period" in head and len(head):
        said = str(head["period"].iloc[0])
        if said in _PERIODS.values():
            return said
        raise DataError(f"{path}: row 2: period is {said[:20]!r}; there are {there}")
    times = cells.moments(head, {}).to_numpy()
    gaps = np.diff(times[times > 0])
    gaps, counts = np.unique(gaps[gaps > 0], return_counts=True)
    usual = int(gaps[counts.argmax()]) if len(gaps) else MINUTE
    # a symbol that seldom trades lacks bars: then two neighbours that are there tell
    for gap in [usual, *gaps[counts > 1].tolist()]:
        if gap % DAY == 0:
            return "1d"
        if gap % MINUTE == 0 and gap // MINUTE in _PERIODS:
            return _PERIODS[gap // MINUTE]
    raise DataError(
        f"{path}: row 2: the bars are {usual / MINUTE:g} minutes apart; there are {there} (a "
        "column `period` says which one it is, where bars are missing)"
    )


def _unit(frames: Iterable[pd.DataFrame], column: str | None, symbol: str) -> str:
    """`lots` or `shares`, by the first bars with turnover; shares where it can't be told."""
    told = np.empty(0)
    for raw in frames:
        turnover = next((name for name in TURNOVER if name in raw), None)
        if turnover is None:
            break
        volume, close, amount = (
            pd.to_numeric(raw[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
            for name in ("volume", "close", turnover)
        )
        traded = (volume > 0) & (close > 0) & (amount > 0)
        traded &= (volume < cells.MOST) & (close < cells.MOST) & (amount < cells.MOST)
        lot = cells.lots(cells.symbols(raw, column, symbol, {})).to_numpy()[traded]
        ratio = amount[traded] / (volume[traded] * close[traded])
        told = np.concatenate([told, np.log(ratio) / np.log(lot)])  # 0: shares, 1: lots
        if len(told) >= _ENOUGH:
            break
    return "lots" if len(told) and np.median(told) > 0.5 else "shares"
