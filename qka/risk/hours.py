"""When an order may leave: on trading days, while the exchange takes it."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache

from qka.ashare import book
from qka.ashare.rows import Taking
from qka.ashare.sessions import taken_from, taking, window_at
from qka.errors import ConfigError
from qka.model.order import Order, OrderType
from qka.model.times import DAY, day_of, midnight, to_datetime
from qka.model.view import MarketView
from qka.risk.verdicts import Caution, Denial

_LIMIT, _TAKEN, _QUEUED = OrderType.LIMIT, Taking.TAKEN, Taking.QUEUED


class Hours:
    """An order leaves while its symbol's exchange takes orders of its type, and on trading days.

    What is not taken yet and brokers keep (limit orders before 09:15, in 09:25-09:30 and at noon)
    passes with a warning. Bars have no phases: what is ordered when one ends is for the next one,
    so nothing is said where a feed brings bars.
    """

    def __init__(self, trades: Callable[[date], bool] = lambda day: True) -> None:
        """`trades`: whether a day is a trading day; raises ConfigError for one nobody knows."""
        self._trades = trades
        self._from = self._to = 0  # ns, the day that `_closed` is of
        self._closed = ""  # why nothing is traded on it

    def __str__(self) -> str:
        return "hours of trading"

    def __call__(self, order: Order, view: MarketView) -> Denial | Caution | None:
        """None, or why not."""
        if not view.quoted:
            return None
        time, symbol = order.time, order.symbol
        if not self._from <= time < self._to:
            self._begin(day_of(time))
        if self._closed:
            return Denial("trading_day", self._closed)
        start, _, span = window_at(symbol, time)
        kind = order.type
        taken = span.limit if kind is _LIMIT else taking(span, kind)
        return None if taken is _TAKEN else _not_taken(symbol, kind, start)

    def _begin(self, day: date) -> None:
        self._from = midnight(day)
        self._to = self._from + DAY
        try:
            closed = f"{day} is no trading day; on the next one it would pass"
            self._closed = "" if self._trades(day) else closed
        except ConfigError as error:
            self._closed = str(error)


@lru_cache(maxsize=4096)  # it is the same for every order of that part of the day
def _not_taken(symbol: str, kind: OrderType, start: int) -> Denial | Caution:
    """What is said in the part of a symbol's day that begins then (ns) and takes no such order."""
    _, end, span = window_at(symbol, start)
    later = taken_from(symbol, start, kind)
    words = f"{symbol} takes no {kind} orders in {_clock(start)}-{_clock(end)} ({span.phase})"
    if taking(span, kind) is _QUEUED:
        when = _clock(later) if later is not None else "the next trading day"
        return Caution("phase", f"{words}: the broker keeps it until {when}")
    again = f"from {_clock(later)} on" if later is not None else "on the next trading day"
    return Denial("phase", f"{words}; {again} it would pass")


book.on_change(_not_taken.cache_clear)


def _clock(ns: int) -> str:
    return f"{to_datetime(ns):%H:%M}"
