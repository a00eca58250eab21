"""Recorded files recognised by their columns, read in chunks, checked row by row.

Whatever a file looks like, `read` yields frames of one shape: `QUOTE` or `BAR` columns, time in
ns, volume in shares, one row an event. Formats: xtdata level-1 ticks; intraday bars with a time
in ms (`time`, `unixTime`) labelled at the period's end; daily bars with a `date`.

Units: ticks carry shares in `pvolume`, else lots in `volume`. Bars say neither, so turnover
decides (`amount / (volume * close)` is near 1 for shares, near the lot for lots); without it
baostock's columns (`preclose`, `adjustflag`, `tradestatus`) mean shares and anything else lots.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qka.ashare.rules import price_limits
from qka.errors import DataError, SymbolError
from qka.model.symbol import check_symbol, lot_size
from qka.model.times import DAY, MILLISECOND, MINUTE, SECOND, day_of

CHUNK = 50_000  # rows read at a time
_FIVE = range(1, 6)
QUOTE = (
    ["symbol", "time", "last", "open", "high", "low", "prev_close", "volume", "amount", "phase"]
    + [f"{side}{what}{i}" for side in ("ask", "bid") for what in ("Price", "Vol") for i in _FIVE]
    + ["limit_up", "limit_down"]
)
BAR = ["symbol", "time", "period", "open", "high", "low", "close", "volume", "amount", "prev_close"]
_TICK = {"time", "lastPrice", "open", "high", "low", "lastClose", "volume", "openInt"}
_OHLC = {"open", "high", "low", "close", "volume"}
_SYMBOLS = ("symbol", "code", "stock_code")
_PERIODS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "60m"}
_NAME = re.compile(r"(\d{6}\.(?:SH|SZ|BJ))", re.IGNORECASE)


@dataclass
class Source:
    """One recorded file: what it holds, and how to read it."""

    path: Path
    kind: str  # "quote", or the period of its bars
    column: str | None  # that names the symbol; None: the file's name does
    symbol: str  # of the file's name
    strict: bool = True
    damage: list[str] = field(default_factory=list)  # what was left out, when not strict
    unit: int = 0  # shares in one of the file's units of volume; 0: not known yet
    closes: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    # symbol -> (day number, close before that day, last close)


class _Stream(io.RawIOBase):
    """A gzip whose end is missing simply ends; `broken` then says how."""

    def __init__(self, path: Path) -> None:
        opened = gzip.open if path.suffix == ".gz" else open
        self._file: Any = opened(path, "rb")
        self.broken = ""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as it goes."""
        try:
            # read1: what was whole before the cut is not lost with it
            data = self._file.read1(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            self.broken = str(error)
            return 0
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()


def open_source(path: Path, strict: bool) -> Source:
    """Recognise a file; raises DataError that names what it lacks."""
    head = _head(path)
    columns = set(head.columns)
    if head.empty:
        raise DataError(f"{path}: row 1: the file is empty; delete it or record it again")
    if columns >= _TICK:
        levels = {"askPrice1", "bidPrice1"} <= columns or {"askPrice", "bidPrice"} <= columns
        if not levels:
            raise DataError(f"{path}: row 1: ticks without askPrice1..5 and bidPrice1..5 columns")
        kind = "quote"
    elif columns >= _OHLC and columns & {"time", "unixTime"}:
        kind = _period(head)
    elif columns >= _OHLC and "date" in columns:
        kind = "1d"
    else:
        near, wanted = ("ticks", _TICK) if "lastPrice" in columns else ("bars", _OHLC)
        missing = ", ".join(sorted(wanted - columns)) or "time or date"
        raise DataError(f"{path}: row 1: nearest to {near}, but columns are missing: {missing}")
    column = next((name for name in _SYMBOLS if name in columns), None)
    named = _NAME.search(path.name)
    if column is None and named is None:
        raise DataError(
            f"{path}: no symbol: name the file like 600000.SH.csv, or add a column `symbol`"
        )
    return Source(path, kind, column, named.group(1).upper() if named else "", strict)


def symbols_of(source: Source) -> set[str]:
    """The symbols a file holds; reads only what that takes."""
    if source.column is None:
        return {source.symbol}
    found: set[str] = set()
    for _, frame in _chunks(source, columns=[source.column, "exchange"]):
        found |= set(_symbols(source, frame).unique())
    return found


def read(source: Source) -> Iterator[pd.DataFrame]:
    """The file's rows as QUOTE or BAR frames; raises DataError at the first damaged row.

    Good rows before a damaged one are yielded first.
    """
    before: dict[str, tuple[int, float]] = {}  # symbol -> (time, cumulative volume)
    for first, raw in _chunks(source):
        frame, bad = _quotes(source, raw) if source.kind == "quote" else _bars(source, raw)
        bad += _orders(source, frame, before)
        wrong: dict[int, str] = {}  # row -> the first thing found wrong with it
        for row, words in bad:
            wrong.setdefault(row, words)
        if wrong and source.strict:
            row = min(wrong)
            yield frame.loc[frame.index < row]
            raise DataError(_damage(source, first, row, wrong[row]))
        for row, words in sorted(wrong.items()):
            source.damage.append(_damage(source, first, row, words))
        yield frame.loc[~frame.index.isin(list(wrong))]


def _damage(source: Source, first: int, row: int, words: str) -> str:
    return (
        f"{source.path}: row {first + row}: {words}; mend or delete the row, "
        "or leave such rows out with feed.strict=false"
    )


# ---------------------------------------------------------------- reading


def _head(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            batch = next(pq.ParquetFile(path).iter_batches(500), None)
            return batch.to_pandas() if batch is not None else pd.DataFrame()
        with _Stream(path) as stream:
            return pd.read_csv(
                io.BufferedReader(stream), nrows=500, encoding="utf-8-sig", dtype=_dtypes()
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: it can't be read: {error}") from None


def _dtypes() -> dict[str, Any]:
    return dict.fromkeys([*_SYMBOLS, "exchange", "date"], "str")


def _chunks(source: Source, columns: list[str] | None = None) -> Iterator[tuple[int, pd.DataFrame]]:
    """(row of the file as an editor counts it, rows) with the index from 0."""
    if source.path.suffix == ".parquet":
        import pyarrow.parquet as pq

        first = 2
        file = pq.ParquetFile(source.path)
        there = [c for c in columns if c in file.schema_arrow.names] if columns else None
        for batch in file.iter_batches(CHUNK, columns=there):
            frame = batch.to_pandas()
            yield first, frame
            first += len(frame)
        return
    with _Stream(source.path) as stream:
        wanted = (lambda name: name in columns) if columns else None
        try:
            with pd.read_csv(
                io.BufferedReader(stream, 1 << 20),
                chunksize=CHUNK,
                encoding="utf-8-sig",
                dtype=_dtypes(),
                usecols=wanted,
                low_memory=False,
            ) as reader:
                yield from _numbered(source, stream, reader)
        except pd.errors.ParserError as error:
            raise DataError(f"{source.path}: {error}; mend the file") from None


def _numbered(source: Source, stream: _Stream, reader: Any) -> Iterator[tuple[int, pd.DataFrame]]:
    first = 2
    for frame in reader:
        frame = frame.reset_index(drop=True)
        if stream.broken:
            # the last line is cut somewhere, and nobody can say where
            yield first, frame.iloc[:-1]
            words = f"{source.path}: row {first + len(frame) - 1}: the file is cut off here"
            words = f"{words} ({stream.broken}); record or copy it again"
            if source.strict:
                raise DataError(words)
            source.damage.append(words)
            return
        yield first, frame
        first += len(frame)


# ---------------------------------------------------------------- one shape


def _symbols(source: Source, raw: pd.DataFrame) -> "pd.Series[Any]":
    if source.column is None:
        return pd.Series(source.symbol, index=raw.index)
    codes = raw[source.column].astype("str")
    exchanges = raw["exchange"].astype("str") if "exchange" in raw else pd.Series("", raw.index)
    pairs = pd.DataFrame({"code": codes, "exchange": exchanges})
    names = {key: _symbol(source, *key) for key in set(map(tuple, pairs.to_numpy()))}
    return pd.Series([names[c, e] for c, e in zip(codes, exchanges, strict=True)], raw.index)


def _symbol(source: Source, code: str, exchange: str) -> str:
    """`sh.600000`, `600000.SH`, `510300` or `000001` with exchange SZSE, in QMT form."""
    tail = {"SSE": "SH", "SZSE": "SZ", "BSE": "BJ", "XSHG": "SH", "XSHE": "SZ"}
    digits = re.search(r"\d{6}", code)
    marks = re.search(r"(?i)\b(sh|sz|bj)\b", code)
    where = marks.group(1).upper() if marks else tail.get(exchange.upper(), exchange.upper())
    if digits is None:
        raise DataError(f"{source.path}: {code!r} is not a symbol")
    for home in [where] if where in ("SH", "SZ", "BJ") else ["SH", "SZ", "BJ"]:
        symbol = f"{digits.group()}.{home}"
        try:
            # a bare 000001 is the share, not the index of the other exchange
            if where or not symbol.startswith("000") or home != "SH":
                return check_symbol(symbol)
        except SymbolError:
            continue
    raise DataError(f"{source.path}: {code!r}: no exchange has such a code")


def _number(raw: pd.DataFrame, name: str, bad: list[tuple[int, str]]) -> "pd.Series[Any]":
    values = pd.to_numeric(raw[name], errors="coerce")
    for row in raw.index[~np.isfinite(values.to_numpy(dtype=float, na_value=np.nan))]:
        cell = raw[name][row]
        words = "is empty" if pd.isna(cell) else f"is {cell!r}, not a number"
        bad.append((int(row), f"{name} {words}"))
    return values.fillna(0)


def _times(raw: pd.DataFrame, bad: list[tuple[int, str]]) -> "pd.Series[Any]":
    name = "unixTime" if "unixTime" in raw else "time"
    return _number(raw, name, bad).astype("int64") * MILLISECOND


def _quotes(source: Source, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    symbols = _symbols(source, raw)
    out = {"symbol": symbols, "time": _times(raw, bad)}
    for name, column in zip(
        QUOTE[2:7], ("lastPrice", "open", "high", "low", "lastClose"), strict=True
    ):
        out[name] = _number(raw, column, bad).astype(float).round(3)
    lot = symbols.map(lot_size)
    volume = _number(raw, "pvolume" if "pvolume" in raw else "volume", bad)
    out["volume"] = (volume if "pvolume" in raw else volume * lot).astype("int64")
    out["amount"] = (_number(raw, "amount", bad) if "amount" in raw else volume * 0).astype(float)
    out["phase"] = _number(raw, "openInt", bad).astype("int64")
    for side in ("ask", "bid"):
        for what, kind in (("Price", float), ("Vol", "int64")):
            out |= _levels(raw, f"{side}{what}", kind, bad)
    for name, column in (("limit_up", "upStop"), ("limit_down", "downStop")):
        out[name] = _number(raw, column, bad).astype(float) if column in raw else volume * 0.0
    frame = pd.DataFrame(out)[QUOTE]
    if "upStop" not in raw:
        _set_limits(frame)
    return frame, bad


def _levels(raw: pd.DataFrame, name: str, kind: Any, bad: list[tuple[int, str]]) -> dict[str, Any]:
    if f"{name}1" in raw:
        columns = {f"{name}{i}": _number(raw, f"{name}{i}", bad) for i in _FIVE}
    else:
        cells = raw[name]
        if len(cells) and isinstance(cells.iloc[0], str):
            cells = cells.str.strip("[] ").str.split(",")
        lists = pd.DataFrame([(list(c) + [0] * 5)[:5] for c in cells], index=raw.index)
        lists.columns = pd.Index([f"{name}{i}" for i in _FIVE])
        columns = {f"{name}{i}": _number(lists, f"{name}{i}", bad) for i in _FIVE}
    return {
        column: values.astype(float).round(3) if kind is float else values.astype(kind)
        for column, values in columns.items()
    }


def _set_limits(frame: pd.DataFrame) -> None:
    """The day's limits by the rule book, where the recording has none."""
    keys = pd.DataFrame(
        {"symbol": frame["symbol"], "ref": frame["prev_close"], "day": _day_numbers(frame)}
    )
    for key, rows in keys.groupby(["symbol", "ref", "day"]).groups.items():
        symbol, reference, number = np.asarray(key, dtype=object)
        limits = price_limits(str(symbol), float(reference), day_of(int(number) * DAY))
        if limits is not None:
            frame.loc[rows, ["limit_up", "limit_down"]] = limits


def _day_numbers(frame: pd.DataFrame) -> "pd.Series[Any]":
    return (frame["time"] + 8 * 3600 * SECOND) // DAY


def _bars(source: Source, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    if "tradestatus" in raw:
        raw = raw[raw["tradestatus"].astype(str) != "0"]
    bad: list[tuple[int, str]] = []
    symbols = _symbols(source, raw)
    if source.kind == "1d" and "date" in raw:
        dates = pd.to_datetime(raw["date"], errors="coerce", format="mixed")
        for row in raw.index[dates.isna()]:
            bad.append((int(row), f"date is {raw['date'][row]!r}, not a date"))
        # a daily bar is known at the close, 15:00 in Shanghai
        days = (dates.fillna(pd.Timestamp(0)) - pd.Timestamp(0)) // pd.Timedelta(days=1)
        times = days.astype("int64") * DAY + 7 * 3600 * SECOND
    else:
        times = _times(raw, bad)
    out: dict[str, Any] = {"symbol": symbols, "time": times, "period": source.kind}
    for name in ("open", "high", "low", "close"):
        out[name] = _number(raw, name, bad).astype(float).round(3)
    turnover = next((name for name in ("amount", "turnover") if name in raw), None)
    volume = _number(raw, "volume", bad).astype(float)
    amount = _number(raw, turnover, bad).astype(float) if turnover else None
    lot = symbols.map(lot_size)
    if not source.unit:
        source.unit = _unit(raw, volume, amount, out["close"], lot)
    shares = volume if source.unit == 1 else volume * lot
    out["volume"] = shares.round().astype("int64")
    out["amount"] = amount if amount is not None else (shares * out["close"]).round(2)
    column = next((name for name in ("preclose", "preClose", "prev_close") if name in raw), None)
    frame = pd.DataFrame({**out, "prev_close": 0.0})[BAR]
    frame["prev_close"] = (
        _number(raw, column, bad).astype(float).round(3) if column else _previous(source, frame)
    )
    for name, wrong in (
        ("high is below low", frame["high"] < frame["low"]),
        ("volume is negative", frame["volume"] < 0),
        ("a price is not above zero", (frame[["open", "high", "low", "close"]] <= 0).any(axis=1)),
    ):
        bad += [(int(row), name) for row in frame.index[wrong]]
    return frame, bad


def _unit(raw: pd.DataFrame, volume: Any, amount: Any, close: Any, lot: Any) -> int:
    if amount is not None:
        traded = volume > 0
        if traded.any():
            ratio = float((amount[traded] / (volume[traded] * close[traded])).median())
            return 1 if ratio < float(lot.iloc[0]) ** 0.5 else int(lot.iloc[0])
    shares = {"preclose", "adjustflag", "tradestatus"} & set(raw.columns)
    return 1 if shares else int(lot.iloc[0]) if len(lot) else 0


def _previous(source: Source, frame: pd.DataFrame) -> list[float]:
    """Each bar's previous day's close of its symbol, 0.0 on the first day."""
    previous: list[float] = []
    rows = zip(frame["symbol"], _day_numbers(frame), frame["close"], strict=True)
    for symbol, day, close in rows:
        known, before, last = source.closes.get(symbol, (day, 0.0, 0.0))
        if day != known:
            known, before = day, last
        source.closes[symbol] = (known, before, close)
        previous.append(before)
    return previous


def _orders(
    source: Source, frame: pd.DataFrame, before: dict[str, tuple[int, float]]
) -> list[tuple[int, str]]:
    """Rows whose time, or a day's cumulative volume, goes back within one symbol."""
    bad: list[tuple[int, str]] = []
    for name, rows in frame.groupby("symbol", sort=False):
        last_time, last_volume = before.get(str(name), (0, 0.0))
        times = np.concatenate([[last_time], rows["time"].to_numpy()])
        back = np.diff(times) < 0
        for row in rows.index[back]:
            bad.append((int(row), "time goes back: the rows are not sorted"))
        volumes = np.concatenate([[last_volume], rows["volume"].to_numpy()])
        if source.kind == "quote":
            fell = (np.diff(volumes) < 0) & ~back & (times[1:] // DAY == times[:-1] // DAY)
            for row in rows.index[fell]:
                bad.append((int(row), "the day's cumulative volume goes back"))
        before[str(name)] = (int(times[-1]), float(volumes[-1]))
    return bad


def _period(head: pd.DataFrame) -> str:
    if "period" in head:
        return str(head["period"].iloc[0])
    name = "unixTime" if "unixTime" in head else "time"
    times = pd.to_numeric(head[name], errors="coerce").dropna().to_numpy(dtype="int64")
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    minutes = int(np.median(gaps)) * MILLISECOND // MINUTE if len(gaps) else 1
    return _PERIODS.get(minutes, "1d" if minutes >= 240 else "1m")
