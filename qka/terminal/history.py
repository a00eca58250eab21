"""Bars as xtdata hands them out: a past, and today's minutes as the quotes come.

A row has xtdata's own K-line fields: `time` in ms (of a day: its midnight), volume in lots.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from qka.errors import ConfigError
from qka.feeds.bars import PERIODS, label_of, slot_of
from qka.model.market import Bar, Quote
from qka.model.symbol import lot_size
from qka.model.times import MILLISECOND, day_of, midnight, to_datetime

Row = dict[str, Any]
Past = Callable[[str, str, int], Sequence[Bar]]  # (symbol, period, count) -> oldest first
# field -> the type of its column
FIELDS: dict[str, str] = {
    "time": "q", "open": "d", "high": "d", "low": "d", "close": "d", "volume": "q", "amount": "d",
    "settelementPrice": "d", "openInterest": "i", "preClose": "d", "suspendFlag": "i",
}  # fmt: skip
_DAYS = 20  # of minutes in the past
_DAILY = 500  # daily bars in the past
_KEPT = 2  # days whose minutes are remembered; of older ones there is the daily bar
_WIDTH = 7  # slot, open, high, low, close, volume, amount


class _Minutes:
    """The minutes of one symbol's day that had a quote, in one flat array."""

    __slots__ = ("amount", "cells", "day", "last", "volume")

    def __init__(self, day: date) -> None:
        self.day = day
        self.cells = array("d")
        self.volume, self.amount = 0, 0.0
        self.last: Quote | None = None

    def add(self, quote: Quote) -> None:
        """Count a snapshot."""
        slot = slot_of(quote.time)
        if slot < 0 or not quote.last:
            return
        self.last = quote
        volume, amount = quote.volume - self.volume, quote.amount - self.amount
        self.volume, self.amount = quote.volume, quote.amount
        cells = self.cells
        if not cells or cells[-_WIDTH] < slot:
            cells.extend((slot, *[quote.last] * 4, volume, amount))
            return
        cells[-5] = max(cells[-5], quote.last)
        cells[-4] = min(cells[-4], quote.last)
        cells[-3] = quote.last
        cells[-2] += volume
        cells[-1] += amount

    def rows(self, symbol: str, period: str) -> list[Row]:
        """Bars of a period, the last one as it stands; a minute without a quote is flat."""
        if self.last is None:
            return []
        if period == "1d":
            return [self._daily(symbol, self.last)]
        minutes, made = PERIODS[period], list[Row]()
        for slot, first, high, low, close, volume, amount in self._filled():
            index = slot if minutes == 1 else -(-max(slot, 1) // minutes)
            time = (midnight(self.day) + label_of(index * minutes)) // MILLISECOND
            if made and made[-1]["time"] == time:
                row = made[-1]
                row["high"], row["low"] = max(row["high"], high), min(row["low"], low)
                row["close"] = close
                row["volume"] += int(volume) // lot_size(symbol)
                row["amount"] += amount
            else:
                lots = int(volume) // lot_size(symbol)
                before = self.last.prev_close
                made.append(_row(time, first, high, low, close, lots, amount, before))
        return made

    def _filled(self) -> Iterator[tuple[int, float, float, float, float, float, float]]:
        cells, before = self.cells, -1
        close = 0.0
        for start in range(0, len(cells), _WIDTH):
            slot = int(cells[start])
            for empty in range(before + 1, slot if before >= 0 else 0):
                yield empty, close, close, close, close, 0.0, 0.0
            first, high, low, close, volume, amount = cells[start + 1 : start + _WIDTH]
            yield slot, first, high, low, close, volume, amount
            before = slot

    def _daily(self, symbol: str, quote: Quote) -> Row:
        return _row(
            midnight(self.day) // MILLISECOND, quote.open, quote.high, quote.low, quote.last,
            quote.volume // lot_size(symbol), quote.amount, quote.prev_close,
        )  # fmt: skip


class History:
    """What happened to prices; `past` makes up what was before the first quote."""

    def __init__(self, past: Past | None = None) -> None:
        self._past = past
        self._given: dict[tuple[str, str], list[Row]] = {}  # made up or put in by hand
        self._lived: dict[str, list[_Minutes]] = {}  # the days of each symbol, today's last

    def put(self, symbol: str, period: str, bars: Sequence[Bar]) -> None:
        """A past by hand, oldest first."""
        self._given[symbol, period] = [_of_bar(bar) for bar in bars]

    def on_quote(self, quote: Quote) -> None:
        """Count a snapshot."""
        day = day_of(quote.time)
        days = self._lived.setdefault(quote.symbol, [])
        if not days or days[-1].day != day:
            days.append(_Minutes(day))
            for old in days[:-_KEPT]:
                del old.cells[:]
        days[-1].add(quote)

    def current(self, symbol: str, period: str) -> Row | None:
        """Today's last bar as it stands."""
        days = self._lived.get(symbol)
        rows = days[-1].rows(symbol, _known(period)) if days else []
        return rows[-1] if rows else None

    def rows(
        self, symbol: str, period: str, start: str | int = "", end: str | int = "",
        count: int = -1, *, past: bool = True, today: bool = True,
    ) -> list[Row]:  # fmt: skip
        """Bars from start to end (`YYYYMMDD[HHMMSS]` or ms), the last `count` of them.

        Raises ConfigError for a period nobody knows.
        """
        period, first, last = _known(period), _stamp(start), _stamp(end)
        days = self._lived.get(symbol, [])
        found = self._before(symbol, period) if past else []
        for day in days:
            if today if day is days[-1] else past:
                found = [*found, *day.rows(symbol, period)]
        found = [row for row in found if first <= _at(row) and (not last or _at(row) <= last)]
        return found[-count:] if count > 0 else found

    def _before(self, symbol: str, period: str) -> list[Row]:
        given = self._given.get((symbol, period))
        if given is None and self._past is not None:
            minutes = PERIODS[period]
            a_day = 241 if minutes == 1 else 240 // minutes
            count = _DAILY if period == "1d" else a_day * _DAYS
            given = [_of_bar(bar) for bar in self._past(symbol, period, count)]
            self._given[symbol, period] = given
        return given or []


def trading_days(first: date, last: date) -> list[date]:
    """Weekdays, both ends included: the simulated market knows no holidays."""
    span = (last - first).days + 1
    days = (first + timedelta(days=n) for n in range(span))
    return [day for day in days if day.weekday() < 5]


def label(time: int, period: str) -> str:
    """A row's time (ms) as xtdata's index has it, in Shanghai."""
    shown = to_datetime(time * MILLISECOND)
    return shown.strftime("%Y%m%d" if period == "1d" else "%Y%m%d%H%M%S")


def _row(
    time: int, first: float, high: float, low: float, close: float, volume: int, amount: float,
    prev_close: float,
) -> Row:  # fmt: skip
    values = (time, first, high, low, close, volume, round(amount, 2), 0.0, 0, prev_close, 0)
    return dict(zip(FIELDS, values, strict=True))


def _of_bar(bar: Bar) -> Row:
    time = midnight(day_of(bar.time)) if bar.period == "1d" else bar.time
    return _row(
        time // MILLISECOND, bar.open, bar.high, bar.low, bar.close,
        bar.volume // lot_size(bar.symbol), bar.amount, bar.prev_close,
    )  # fmt: skip


def _known(period: str) -> str:
    period = "60m" if period == "1h" else period
    if period not in PERIODS:
        known = ", ".join(PERIODS)
        raise ConfigError(f"the simulated terminal has no bars of {period!r}, only {known}")
    return period


def _at(row: Row) -> int:
    """A row's moment as a number that reads like a stamp."""
    return int(to_datetime(row["time"] * MILLISECOND).strftime("%Y%m%d%H%M%S"))


def _stamp(moment: str | int) -> int:
    if not moment:
        return 0
    if isinstance(moment, int):
        return int(to_datetime(moment * MILLISECOND).strftime("%Y%m%d%H%M%S"))
    return int(moment.ljust(14, "0"))
