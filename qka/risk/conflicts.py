"""Against our own orders: the same one twice, and trades with ourselves."""

from collections.abc import Sequence
from typing import Any

from qka.ashare.rules import tick_size
from qka.model.money import on_tick
from qka.model.order import BUY, Order, Side
from qka.model.times import SECOND
from qka.model.view import View
from qka.risk.verdicts import Counter, Denial

_Same = tuple[str, Side, float, int]


class Duplicate(Counter):
    """No order of the same symbol, side, price and quantity again within so many seconds."""

    key = "duplicate"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._span = max(1, int(seconds * SECOND))
        self._last: dict[_Same, int] = {}  # -> ns, when it left, oldest first

    def __str__(self) -> str:
        return f"no duplicate in {self._seconds:g} s"

    def __call__(self, order: Order, view: View) -> Denial | None:
        """None, or why not."""
        when = self._before(order)
        if when is None:
            return None
        ago = (order.time - when) / SECOND
        words = f"the same order left {ago:g} s ago: {order.side} {order.quantity} {order.symbol} "
        words += f"at {order.price:g}; it would pass {self._seconds:g} s after that one"
        return Denial("duplicate", words, self._seconds, ago)

    def wait(self, order: Order) -> float:
        """Seconds until the same order may leave again."""
        when = self._before(order)
        return 0.0 if when is None else (when + self._span - order.time) / SECOND

    def _before(self, order: Order) -> int | None:
        """When (ns) the same order left, if that is not long enough ago."""
        when = self._last.get((order.symbol, order.side, order.price, order.quantity))
        return None if when is None or order.time - when >= self._span else when

    def sent(self, order: Order) -> None:
        """An order leaves."""
        last, now = self._last, order.time
        same = (order.symbol, order.side, order.price, order.quantity)
        last.pop(same, None)
        last[same] = now
        while last[oldest := next(iter(last))] <= now - self._span:
            del last[oldest]

    def kept(self) -> list[Any]:
        """The orders and when they left."""
        return [(*same, when) for same, when in self._last.items()]

    def remember(self, kept: Sequence[Any] | None) -> None:
        """Go on from those."""
        self._last = {
            (symbol, Side(side), float(price), quantity): when
            for symbol, side, price, quantity, when in kept or ()
        }


def self_trade(order: Order, view: View) -> Denial | None:
    """A buy stays below every sell of ours that works, a sell above every buy, of any strategy."""
    symbol, price = order.symbol, order.price
    if order.side is BUY:
        prices = [o.price for o in view.working(symbol) if o.side is not BUY]
        if not prices or price < min(prices):
            return None
        nearest, step, verb = min(prices), -1, "buy from"
    else:
        prices = [o.price for o in view.working(symbol) if o.side is BUY]
        if not prices or price > max(prices):
            return None
        nearest, step, verb = max(prices), 1, "sell to"
    tick = tick_size(symbol)
    would = on_tick(nearest + step * float(tick), tick)
    beyond = "or less" if step < 0 else "or more"
    words = f"{order.side} {symbol} at {price:g} could {verb} an order of our own at {nearest:g}; "
    return Denial("self_trade", f"{words}{would:g} {beyond} would pass", nearest, price)
