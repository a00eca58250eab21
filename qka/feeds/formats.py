"""Recorded files recognised by their columns, read in chunks, checked row by row.

Whatever a file looks like, `read` yields frames of one shape: `QUOTE` or `BAR` columns, time in
ns, volume in shares, one row an event. Formats: xtdata level-1 ticks; intraday bars with a time
in ms (`time`, `unixTime`) labelled at the period's end; daily bars with a `date`.

Units: ticks carry shares in `pvolume`, else lots in `volume`. Bars say neither, so turnover
decides (`amount / (volume * close)` is near 1 for shares, near the lot for lots); without it
baostock's columns (`preclose`, `adjustflag`, `tradestatus`) mean shares and anything else lots.
A bare code that two exchanges know (`000001`) is the share, not the index.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qka.ashare.rules import price_limits
from qka.errors import DataError, SymbolError
from qka.model.symbol import check_symbol, lot_size
from qka.model.times import DAY, MILLISECOND, MINUTE, SECOND, SHANGHAI, day_of

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
_TIMES = ("unixTime", "time", "datetime")
_PREVIOUS = ("preclose", "preClose", "prev_close")
_NO_PRICE = 1e15  # xtdata writes DBL_MAX where there is none
_CLOSE = 15 * 3600 * SECOND
_ZONE = 8 * 3600 * SECOND
_PERIODS = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "60m"}
_NAME = re.compile(r"(\d{6}\.(?:SH|SZ|BJ))", re.IGNORECASE)


Bad = list[tuple[int, str]]  # row of the chunk, what is wrong with it


@dataclass
class Source:
    """One recorded file: what it holds, and how to read it."""

    path: Path
    kind: str  # "quote", or the period of its bars
    column: str | None  # that names the symbol; None: the file's name does
    symbol: str  # of the file's name
    strict: bool = True
    damage: list[tuple[int, str]] = field(default_factory=list)
    # what was left out when not strict: (last moment before it in ns, message)
    unit: int = 0  # shares in one of the file's units of volume; 0: not known yet
    share: float = 0.0  # of the file that has been read, 0 to 1
    closes: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    # symbol -> (day number, close before that day, last close)
    before: dict[str, tuple[int, float]] = field(default_factory=dict)
    # symbol -> (time, cumulative volume) of the last good row


class _Stream(io.RawIOBase):
    """A gzip whose end is missing simply ends; `broken` then says how."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self._size = max(1, path.stat().st_size)
        self._file: Any = gzip.GzipFile(fileobj=self._raw) if path.suffix == ".gz" else self._raw
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

    def share(self) -> float:
        """Share of the file's bytes that has been read."""
        return 1.0 if self._raw.closed else self._raw.tell() / self._size

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._raw.close()
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
    elif columns >= _OHLC and columns & set(_TIMES):
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


def scan(source: Source) -> tuple[set[str], bool]:
    """The symbols a file holds and whether its rows are sorted by time; reads only those columns.

    A file named by its symbol is not read: its rows are sorted or damaged.
    """
    if source.column is None:
        return {source.symbol}, True
    found: set[str] = set()
    last, ordered = 0, True
    columns = [source.column, "exchange", "date", *_TIMES]
    for raw in _chunks(replace(source, strict=False, damage=[]), CHUNK, columns):
        names = _symbols(source, raw, [])
        found |= set(names.unique())
        times = _moments(source, raw, []).to_numpy()
        times = np.concatenate([[last], times[times > 0]])
        ordered = ordered and not bool((np.diff(times) < 0).any())
        last = int(times[-1])
    return found - {""}, ordered


def read(source: Source, rows: int | None = None) -> Iterator[pd.DataFrame]:
    """The file's rows as QUOTE or BAR frames of at most `rows`, from the first one again.

    Good rows before a damaged one are yielded before its DataError; when the source is not
    strict it is left out and noted in `source.damage`.
    """
    source.closes.clear()
    source.before.clear()
    for raw in _chunks(source, rows or CHUNK):
        if raw.empty:
            continue
        frame, bad = _quotes(source, raw) if source.kind == "quote" else _bars(source, raw)
        wrong: dict[int, str] = {}  # row -> the first thing found wrong with it
        for row, words in bad:
            wrong.setdefault(row, words)
        wrong |= _orders(source, frame[~frame.index.isin(list(wrong))] if wrong else frame)
        if wrong and source.strict:
            row = min(wrong)
            yield _finished(source, frame.loc[frame.index < row])
            raise DataError(_message(source, row, wrong[row]))
        for row in sorted(wrong):
            place = _place(source, frame, row, list(wrong))
            source.damage.append((place, _message(source, row, wrong[row])))
        good = frame.loc[~frame.index.isin(list(wrong))] if wrong else frame
        _remember(source, good)
        yield _finished(source, good)


def _finished(source: Source, frame: pd.DataFrame) -> pd.DataFrame:
    if source.kind != "quote" and frame["prev_close"].isna().any():
        return frame.assign(prev_close=_previous(source, frame))
    return frame


def _message(source: Source, row: int, words: str) -> str:
    return (
        f"{source.path}: row {row + 2}: {words}; mend or delete the row, "
        "or leave such rows out with feed.strict=false"
    )


def _place(source: Source, frame: pd.DataFrame, row: int, wrong: list[int]) -> int:
    """The last moment that a replay may live before it meets this row."""
    symbol = frame["symbol"][row]
    mine = frame[(frame["symbol"] == symbol) & (frame.index < row) & ~frame.index.isin(wrong)]
    earlier = source.before.get(str(symbol), (0, 0.0))[0]
    return int(mine["time"].iloc[-1]) if len(mine) else earlier


# ---------------------------------------------------------------- reading


def _head(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            try:
                batch = next(file.iter_batches(500), None)
                return batch.to_pandas() if batch is not None else pd.DataFrame()
            finally:
                file.close()
        with _Stream(path) as stream:
            return pd.read_csv(
                io.BufferedReader(stream),
                nrows=500,
                encoding="utf-8-sig",
                dtype=_dtypes(),
                on_bad_lines="skip",
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: row 1: it can't be read: {error}; record it again") from None


def _dtypes() -> dict[str, Any]:
    return dict.fromkeys([*_SYMBOLS, "exchange", "date"], "str")


def _chunks(source: Source, rows: int, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
    """The file's rows; the index counts every row of the file, from 0 for the one under the head.

    With `columns` only those are read, and damage is not looked for.
    """
    source.share = 0.0
    if source.path.suffix == ".parquet":
        yield from _parquet(source, rows, columns)
    elif columns is not None:
        yield from _csv(source, rows, columns, [])
    else:
        yield from _mended(source, rows)
    source.share = 1.0


def _mended(source: Source, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a csv; one with too many cells ends pandas' reading, so read on without it."""
    over: list[int] = []
    done = -1
    while True:
        try:
            for frame in _csv(source, rows, None, over):
                rest = frame[frame.index > done]
                if source.strict and over:
                    rest = rest[rest.index < over[0] - 2]
                if len(rest):
                    done = int(rest.index[-1])
                    yield rest
                if source.strict and over and frame.index[-1] >= over[0] - 2:
                    break
            if source.strict and over:
                raise DataError(_message(source, over[0] - 2, "it has too many cells"))
            return
        except pd.errors.ParserError as error:
            found = re.search(r"in line (\d+)", str(error))
            if found is None or int(found.group(1)) in over:
                raise DataError(f"{source.path}: {str(error).strip()}; mend the file") from None
            over.append(int(found.group(1)))
            if not source.strict:
                words = _message(source, over[-1] - 2, "it has too many cells")
                source.damage.append((_latest(source), words))


def _csv(
    source: Source, rows: int, columns: list[str] | None, over: list[int]
) -> Iterator[pd.DataFrame]:
    """The rows of a csv but for the lines `over`; cut off where a gzip is."""
    held: pd.DataFrame | None = None  # the last one may end in the middle of a line
    count = 0
    with (
        _Stream(source.path) as stream,
        pd.read_csv(
            io.BufferedReader(stream, 1 << 18),
            chunksize=rows,
            encoding="utf-8-sig",
            encoding_errors="replace",
            dtype=_dtypes(),
            usecols=(lambda name: name in columns) if columns else None,
            skiprows=[line - 1 for line in over] or None,
            skip_blank_lines=False,
            on_bad_lines="skip" if columns else "error",
            low_memory=False,
        ) as reader,
    ):
        for frame in reader:
            numbers = np.arange(count, count + len(frame))
            count += len(frame)
            for line in sorted(over):
                numbers[numbers >= line - 2] += 1
            frame.index = pd.Index(numbers)
            if held is not None:
                yield _not_blank(held)
            held = frame
            source.share = stream.share()
        if held is None:
            return
        if not stream.broken:
            yield _not_blank(held)
            return
        # nobody can say where in its last line the file is cut
        yield _not_blank(held.iloc[:-1])
        words = f"{source.path}: row {int(held.index[-1]) + 2}: the file is cut off here"
        words = f"{words} ({stream.broken}); record or copy it again"
        if source.strict:
            raise DataError(words)
        source.damage.append((_latest(source), words))


def _not_blank(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.dropna(how="all") if frame.iloc[:, 0].isna().any() else frame


def _latest(source: Source) -> int:
    return max((time for time, _ in source.before.values()), default=0)


def _parquet(source: Source, rows: int, columns: list[str] | None) -> Iterator[pd.DataFrame]:
    done = 0
    try:
        with pq.ParquetFile(source.path) as file:
            there = [c for c in columns if c in file.schema_arrow.names] if columns else None
            for batch in file.iter_batches(rows, columns=there):
                frame = batch.to_pandas().reset_index(drop=True)
                frame.index = pd.RangeIndex(done, done + len(frame))
                yield frame
                done += len(frame)
                source.share = done / max(1, file.metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{source.path}: row {done + 2}: it can't be read: {error}; record it again"
        ) from None


# ---------------------------------------------------------------- one shape


def _symbols(source: Source, raw: pd.DataFrame, bad: Bad) -> "pd.Series[Any]":
    """Each row's symbol in QMT form, an empty one where there is none."""
    if source.column is None:
        return pd.Series([source.symbol] * len(raw), index=raw.index, dtype=object)
    codes = raw[source.column].astype(str)
    where = raw["exchange"].astype(str) if "exchange" in raw else ""
    keys, found = pd.factorize(codes + "|" + where)
    names = np.array([_symbol(*key.rsplit("|", 1)) for key in found], dtype=object)
    symbols = pd.Series(names[keys], index=raw.index, dtype=object)
    for row in raw.index[symbols == ""]:
        bad.append((int(row), f"{source.column} is {codes[row]!r}, not a symbol"))
    return symbols


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


def _number(raw: pd.DataFrame, name: str, bad: Bad, *, most: float = 9e18) -> "pd.Series[Any]":
    """A column of numbers, 0.0 where there is none; those above `most` are none."""
    values = pd.to_numeric(raw[name], errors="coerce")
    usable = np.abs(values.to_numpy(dtype=float, na_value=np.nan)) <= most
    if usable.all():
        return values
    for row in raw.index[~usable]:
        cell = raw[name][row]
        shown = repr(cell) if isinstance(cell, str) else str(cell)
        words = "is empty" if pd.isna(cell) else f"is {shown}, not a usable number"
        bad.append((int(row), f"{name} {words}"))
    return values.where(usable, 0)


def _maybe(raw: pd.DataFrame, name: str) -> "pd.Series[Any]":
    """A price that may be missing or DBL_MAX, then 0.0."""
    return _number(raw, name, [], most=_NO_PRICE).astype(float).round(3)


def _moments(source: Source, raw: pd.DataFrame, bad: Bad) -> "pd.Series[Any]":
    """Each row's time in ns, 0 where it can't be read."""
    name = next((name for name in _TIMES if name in raw), "date")
    if source.kind == "1d":
        name = "date" if "date" in raw else name
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
            bad.append((int(row), f"{name} {words}"))
        times = times.where(times > 0, 0)
    if source.kind == "1d":
        # a daily bar is known at the close
        days = (times + _ZONE) // DAY * DAY - _ZONE + _CLOSE
        return days.where(times > 0, 0)
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


def _quotes(source: Source, raw: pd.DataFrame) -> tuple[pd.DataFrame, Bad]:
    bad: Bad = []
    symbols = _symbols(source, raw, bad)
    out = {"symbol": symbols, "time": _moments(source, raw, bad)}
    for name, column in zip(
        QUOTE[2:7], ("lastPrice", "open", "high", "low", "lastClose"), strict=True
    ):
        out[name] = _number(raw, column, bad).astype(float).round(3)
    lot = _lots(symbols)
    volume = _number(raw, "pvolume" if "pvolume" in raw else "volume", bad)
    out["volume"] = (volume if "pvolume" in raw else volume * lot).astype("int64")
    out["amount"] = (_number(raw, "amount", bad) if "amount" in raw else volume * 0).astype(float)
    out["phase"] = _number(raw, "openInt", bad).astype("int64")
    for side in ("ask", "bid"):
        for what, kind in (("Price", float), ("Vol", "int64")):
            out |= _levels(raw, f"{side}{what}", kind, bad)
    for name, column in (("limit_up", "upStop"), ("limit_down", "downStop")):
        out[name] = _maybe(raw, column) if column in raw else volume * 0.0
    frame = pd.DataFrame(out)[QUOTE]
    prices = frame[["last", "open", "high", "low", "prev_close"]]
    for words, wrong in (
        ("high is below low", frame["high"] < frame["low"]),
        ("volume is negative", frame["volume"] < 0),
        ("a price is negative", (prices < 0).any(axis=1)),
    ):
        bad += [(int(row), words) for row in frame.index[wrong]]
    if "upStop" not in raw:
        _set_limits(frame[frame["symbol"] != ""], frame)
    return frame, bad


def _lots(symbols: "pd.Series[Any]") -> "pd.Series[Any]":
    keys, found = pd.factorize(symbols)
    sizes = np.array([lot_size(name) if name else 100 for name in found], dtype="int64")
    return pd.Series(sizes[keys], index=symbols.index)


def _levels(raw: pd.DataFrame, name: str, kind: Any, bad: Bad) -> dict[str, Any]:
    if f"{name}1" in raw:
        columns = {f"{name}{i}": _number(raw, f"{name}{i}", bad) for i in _FIVE}
    else:
        cells = raw[name]
        fives = [_five(cell) for cell in cells]
        lists = pd.DataFrame(fives, raw.index, [f"{name}{i}" for i in _FIVE], dtype=object)
        columns = {f"{name}{i}": _number(lists, f"{name}{i}", bad) for i in _FIVE}
    return {
        column: values.astype(float).round(3) if kind is float else values.astype(kind)
        for column, values in columns.items()
    }


def _five(cell: Any) -> list[Any]:
    """Five levels out of a list or its text; a cell that is neither is a bad first level."""
    if isinstance(cell, str):
        cell = cell.strip("[] ").split(",")
    levels = list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
    return (levels + [0] * 5)[:5]


def _set_limits(usable: pd.DataFrame, frame: pd.DataFrame) -> None:
    """The day's limits by the rule book, where the recording has none."""
    keys = pd.DataFrame(
        {"symbol": usable["symbol"], "ref": usable["prev_close"], "day": _day_numbers(usable)}
    )
    for key, rows in keys.groupby(["symbol", "ref", "day"]).groups.items():
        symbol, reference, number = np.asarray(key, dtype=object)
        limits = price_limits(str(symbol), float(reference), day_of(int(number) * DAY))
        if limits is not None:
            frame.loc[rows, ["limit_up", "limit_down"]] = limits


def _day_numbers(frame: pd.DataFrame) -> "pd.Series[Any]":
    return (frame["time"] + _ZONE) // DAY


def _bars(source: Source, raw: pd.DataFrame) -> tuple[pd.DataFrame, Bad]:
    if "tradestatus" in raw:
        raw = raw[pd.to_numeric(raw["tradestatus"], errors="coerce") != 0]
    bad: Bad = []
    symbols = _symbols(source, raw, bad)
    times = _moments(source, raw, bad)
    out: dict[str, Any] = {"symbol": symbols, "time": times, "period": source.kind}
    for name in ("open", "high", "low", "close"):
        out[name] = _number(raw, name, bad).astype(float).round(3)
    turnover = next((name for name in ("amount", "turnover") if name in raw), None)
    volume = _number(raw, "volume", bad).astype(float)
    amount = _number(raw, turnover, bad).astype(float) if turnover else None
    lot = _lots(symbols)
    if not source.unit:
        source.unit = _unit(raw, volume, amount, out["close"], lot)
    shares = volume if source.unit == 1 else volume * lot
    out["volume"] = shares.round().astype("int64")
    out["amount"] = amount if amount is not None else (shares * out["close"]).round(2)
    column = next((name for name in _PREVIOUS if name in raw), None)
    out["prev_close"] = _maybe(raw, column) if column else np.nan
    frame = pd.DataFrame(out)[BAR]
    for words, wrong in (
        ("high is below low", frame["high"] < frame["low"]),
        ("volume is negative", frame["volume"] < 0),
        ("a price is not above zero", (frame[["open", "high", "low", "close"]] <= 0).any(axis=1)),
    ):
        bad += [(int(row), words) for row in frame.index[wrong]]
    return frame, bad


def _unit(raw: pd.DataFrame, volume: Any, amount: Any, close: Any, lot: Any) -> int:
    if amount is not None:
        traded = (volume > 0) & (close > 0) & (amount > 0)
        if traded.any():
            ratio = float((amount[traded] / (volume[traded] * close[traded])).median())
            return 1 if ratio < float(lot.iloc[0]) ** 0.5 else int(lot.iloc[0])
    shares = {"preclose", "adjustflag", "tradestatus"} & set(raw.columns)
    return 1 if shares else int(lot.iloc[0]) if len(lot) else 0


def _grouped(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(symbols, positions grouped by symbol and else in file order, where each group begins)."""
    keys, found = pd.factorize(frame["symbol"])
    order = np.argsort(keys, kind="stable")
    heads = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return np.asarray(found, dtype=object), order, heads


def _previous(source: Source, frame: pd.DataFrame) -> np.ndarray:
    """Each bar's previous day's close of its symbol, 0.0 on the first day."""
    if frame.empty:
        return np.zeros(0)
    found, order, heads = _grouped(frame)
    days = _day_numbers(frame).to_numpy()[order]
    closes = frame["close"].to_numpy()[order]
    before = np.roll(closes, 1)
    fresh = np.diff(days, prepend=-1) != 0
    fresh[heads] = True
    for name, head in zip(found, heads, strict=True):
        day, earlier, last = source.closes.get(name, (int(days[head]), 0.0, 0.0))
        before[head] = earlier if day == days[head] else last
    # a day's first bar knows, the others take it from there
    before = before[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
    for name, tail in zip(found, [*(heads[1:] - 1), len(order) - 1], strict=True):
        source.closes[name] = (int(days[tail]), float(before[tail]), float(closes[tail]))
    result = np.empty(len(order))
    result[order] = before
    return result


def _orders(source: Source, frame: pd.DataFrame) -> dict[int, str]:
    """Rows whose time, or a day's cumulative volume, goes back within one symbol."""
    if frame.empty:
        return {}
    found, order, heads = _grouped(frame)
    times = frame["time"].to_numpy()[order]
    volumes = frame["volume"].to_numpy()[order]
    last_times, last_volumes = np.roll(times, 1), np.roll(volumes, 1)
    for name, head in zip(found, heads, strict=True):
        last_times[head], last_volumes[head] = source.before.get(name, (0, 0))
    back = times < last_times
    if source.kind == "quote":
        back |= (volumes < last_volumes) & ((times + _ZONE) // DAY == (last_times + _ZONE) // DAY)
    if not back.any():
        return {}
    return _walked(source, frame)


def _walked(source: Source, frame: pd.DataFrame) -> dict[int, str]:
    """The same row by row, against the last good one: where something is wrong."""
    wrong: dict[int, str] = {}
    before = dict(source.before)
    rows = zip(frame.index, frame["symbol"], frame["time"], frame["volume"], strict=True)
    for row, symbol, time, volume in rows:
        last_time, last_volume = before.get(symbol, (0, 0))
        same_day = (time + _ZONE) // DAY == (last_time + _ZONE) // DAY
        if time < last_time:
            wrong[int(row)] = "time goes back: the rows are not sorted"
        elif source.kind == "quote" and same_day and volume < last_volume:
            wrong[int(row)] = "the day's cumulative volume goes back"
        else:
            before[symbol] = (int(time), int(volume))
    return wrong


def _remember(source: Source, frame: pd.DataFrame) -> None:
    """What the next chunk's first row of each symbol is held against."""
    last = frame.drop_duplicates("symbol", keep="last")
    source.before.update(
        zip(last["symbol"], zip(last["time"], last["volume"], strict=True), strict=True)
    )


def _period(head: pd.DataFrame) -> str:
    if "period" in head:
        return str(head["period"].iloc[0])
    times = _moments(Source(Path(), "", None, ""), head, []).to_numpy()
    gaps = np.diff(times[times > 0])
    gaps, counts = np.unique(gaps[gaps > 0], return_counts=True)
    minutes = int(gaps[counts.argmax()]) // MINUTE if len(gaps) else 1
    return _PERIODS.get(minutes, "1d" if minutes >= 240 else "1m")
