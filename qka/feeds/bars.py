"""Bars from quotes, with QMT's own labels.

A bar's label, its `time`, is the end of its period. The opening auction is the 09:30 bar of one
minute and lies in the first bar of longer periods; the closing auction is in the 15:00 bar: 241
one-minute bars a day. A minute without a trade is a flat bar, at the previous close until the
first one. The volumes and amounts of a day's bars sum exactly to the quotes' cumulative ones, so
the bars labelled 15:00 are complete only when nothing more can trade: at 15:31 if the exchange
has said that the symbol is closed, else when the day ends. All others are `GRACE` after their
label, or when a quote of a later one comes; a quote that comes later still is counted into the
bar that follows.
"""

from collections.abc import Callable
from datetime import date

from qka.clock import Clock
from qka.model.market import Bar, Phase, Quote
from qka.model.times import DAY, MINUTE, SECOND, at, day_of, midnight, time_of_day

PERIODS = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "60m": 60, "1d": 240}  # minutes
GRACE = 3 * SECOND
_LAST = 240  # the slot that ends at 15:00; slot 0 is the opening auction
_AUCTION, _OPEN, _NOON, _AFTERNOON = 565, 570, 690, 780  # minutes after midnight


def slot_of(time: int) -> int:
    """The minute of the trading day a moment lies in, 1 to 240; 0 the auction, -1 before it."""
    minute = time_of_day(time) // MINUTE
    if minute < _OPEN:
        return 0 if minute >= _AUCTION else -1
    if minute < _NOON:
        return minute - _OPEN + 1
    if minute < _AFTERNOON:
        return _LAST // 2
    return min(minute - _AFTERNOON + _LAST // 2 + 1, _LAST)


def label_of(slot: int) -> int:
    """When a slot ends, in ns after midnight."""
    half = _LAST // 2
    return (_OPEN + slot if slot <= half else _AFTERNOON + slot - half) * MINUTE


class _Building:
    """The bar being built of one symbol and period."""

    __slots__ = (
        "amount", "close", "emit", "high", "index", "low", "minutes", "open", "open_bar",
        "period", "prev_close", "start", "symbol", "volume",
    )  # fmt: skip

    def __init__(self, symbol: str, period: str, emit: Callable[[Bar], None]) -> None:
        self.symbol, self.period, self.emit = symbol, period, emit
        self.minutes = PERIODS[period]
        self.begin(0)

    def begin(self, start: int) -> None:
        """A new day that began at midnight `start`."""
        self.start = start
        self.index = self.index_of(0) - 1  # of the bar being built, or of the last one emitted
        self.open_bar = False
        self.open = self.high = self.low = self.close = self.prev_close = 0.0
        self.volume = 0
        self.amount = 0  # mills: thousandths of a CNY, the finest that amounts come in

    def index_of(self, slot: int) -> int:
        """Which bar of the day a slot belongs to."""
        return slot if self.minutes == 1 else -(-max(slot, 1) // self.minutes)

    def add(
        self, slot: int, first: float, high: float, low: float, last: float, volume: int,
        amount: int,
    ) -> None:  # fmt: skip
        """Count something that happened in a slot; late things go into the bar that follows."""
        index = self.index_of(slot)
        if not self.open_bar and index <= self.index:
            if not (volume or amount):
                return
            index = self.index + 1
        if self.open_bar and index <= self.index:
            self.high, self.low = max(self.high, high), min(self.low, low)
            self.close = last
            self.volume += volume
            self.amount += amount
            return
        self.close_through(index - 1)
        self.index, self.open_bar = index, True
        self.open, self.high, self.low, self.close = first, max(first, high), min(first, low), last
        self.volume, self.amount = volume, amount

    def wait(self, slot: int, price: float) -> None:
        """Nothing has traded up to a slot: until something does, it is worth the previous close."""
        self.prev_close = price
        self.close = self.close or price
        self.close_through(self.index_of(slot) - 1)

    def close_through(self, index: int) -> None:
        """Emit what is complete up to a bar of the day, flat bars for those without a trade."""
        if self.open_bar and self.index <= index:
            self.open_bar = False
            self._emit()
        while self.close and self.index < index and not self.open_bar:
            self.index += 1
            self.open = self.high = self.low = self.close
            self.volume = self.amount = 0
            self._emit()

    def _emit(self) -> None:
        label = self.start + label_of(min(self.index * self.minutes, _LAST))
        self.emit(
            Bar(
                self.symbol, label, self.period, self.open, self.high, self.low, self.close,
                self.volume, self.amount / 1000, self.prev_close,
            )
        )  # fmt: skip


class _Watched:
    """The cumulative figures of one symbol's day, and its bars."""

    __slots__ = ("amount", "bars", "closed", "end", "high", "low", "volume")

    def __init__(self) -> None:
        self.bars: list[_Building] = []
        self.end = 0  # ns, when the day is over
        self.begin(0)

    def begin(self, time: int) -> None:
        """A new day."""
        start = midnight(day_of(time)) if time else 0
        self.end = start + DAY if time else 0
        self.closed = False  # the exchange said so
        self.volume = self.amount = 0  # shares, mills
        self.high, self.low = 0.0, float("inf")
        for bar in self.bars:
            bar.begin(start)


class BarBuilder:
    """Builds the bars of watched symbols and hands them to `emit`."""

    def __init__(self, clock: Clock, emit: Callable[[Bar], None]) -> None:
        self._clock = clock
        self._emit = emit
        self._watched: dict[str, _Watched] = {}
        self._day: date | None = None  # whose closings are armed

    def watch(self, symbol: str, period: str) -> None:
        """Build this period's bars too; a second call changes nothing."""
        watched = self._watched.setdefault(symbol, _Watched())
        if all(bar.period != period for bar in watched.bars):
            bar = _Building(symbol, period, self._emit)
            if watched.end:
                bar.begin(watched.end - DAY)
            watched.bars.append(bar)
            watched.bars.sort(key=lambda bar: bar.minutes)

    def on_quote(self, quote: Quote) -> None:
        """Count a snapshot of a watched symbol."""
        slot = slot_of(quote.time)
        if slot < 0 and quote.last:
            return  # yesterday's last snapshot, or the virtual price of the call
        day = self._watched[quote.symbol]
        if quote.time >= day.end:
            self._next_day(day, quote.time, slot)
        day.closed = quote.phase == Phase.CLOSED
        if not quote.last:
            for bar in day.bars:
                bar.wait(slot, quote.prev_close)
            return
        mills = round(quote.amount * 1000)
        volume, amount = quote.volume - day.volume, mills - day.amount
        high = quote.high if quote.high > day.high else quote.last
        low = quote.low if 0 < quote.low < day.low else quote.last
        first = quote.last if day.high else (quote.open or quote.last)
        day.volume, day.amount = quote.volume, mills
        day.high, day.low = max(day.high, quote.high), min(day.low, quote.low or day.low)
        for bar in day.bars:
            bar.prev_close = quote.prev_close
            bar.add(slot, first, high, low, quote.last, volume, amount)

    def on_bar(self, bar: Bar) -> None:
        """Count a one-minute bar of a watched symbol into the longer periods."""
        if bar.period != "1m":
            return
        day = self._watched[bar.symbol]
        if bar.time >= day.end:
            # only the end of the day is left to the clock: the bars themselves tell the rest
            self._next_day(day, bar.time, _LAST)
            day.closed = True  # at 15:31 no more bars come
        # the label is the end of the minute: step back into it
        slot, amount = slot_of(bar.time - 1), round(bar.amount * 1000)
        for longer in day.bars:
            if longer.minutes > 1:
                longer.prev_close = bar.prev_close
                longer.add(slot, bar.open, bar.high, bar.low, bar.close, bar.volume, amount)
                if slot and slot % longer.minutes == 0:
                    longer.close_through(longer.index_of(slot))

    def _next_day(self, day: _Watched, time: int, slot: int) -> None:
        self._close(day, _LAST)
        day.begin(time)
        today = day_of(time)
        if self._day != today:
            self._day = today
            self._arm(today, slot)

    def _arm(self, today: date, slot: int) -> None:
        """Close the slot when its label and the grace have passed, then arm the next."""
        begin, call_at = midnight(today), self._clock.call_at
        end = begin + DAY

        def close() -> None:
            self._close_all(end, slot)
            self._arm(today, slot + 1)

        if slot < _LAST:
            call_at(begin + label_of(slot) + GRACE, close)
        else:
            call_at(at(today, "15:31"), lambda: self._close_all(end, _LAST, only_closed=True))
            call_at(end - SECOND, lambda: self._close_all(end, _LAST))

    def _close_all(self, end: int, slot: int, *, only_closed: bool = False) -> None:
        for day in self._watched.values():
            if day.end == end and (day.closed or not only_closed):
                self._close(day, slot)

    def _close(self, day: _Watched, slot: int) -> None:
        for bar in day.bars:
            if slot == 0 and bar.minutes > 1:
                continue
            complete = slot if bar.minutes == 1 else slot // bar.minutes
            bar.close_through(complete)
