"""Against the last quote: is it fresh, and is the price anywhere near it?"""

from qka.ashare.limits import holding_limits
from qka.ashare.rules import tick_size
from qka.model.money import on_tick
from qka.model.order import SELL, Order, OrderType
from qka.model.times import SECOND, same_day
from qka.model.view import View
from qka.risk.verdicts import Caution, Denial

_LIMIT = OrderType.LIMIT


class FreshQuote:
    """The symbol's last quote is at most so many seconds old, by the exchange's time.

    Where a feed brings quotes, a symbol that had none is refused: nothing is older.
    """

    def __init__(self, seconds: float, warn: float = 1.0) -> None:
        """`warn`: the share of the limit from which on a warning is given; 1: never."""
        self._seconds = seconds
        self._most = int(seconds * SECOND)
        self._warn = int(seconds * warn * SECOND)

    def __str__(self) -> str:
        return f"quote at most {self._seconds:g} s old"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        quote = view.quotes.get(order.symbol)
        if quote is None:
            if not view.quoted:
                return None
            words = f"no quote of {order.symbol} has come; it would pass after the next quote"
            return Denial("stale_quote", words, self._seconds)
        age = order.time - quote.time
        if age <= self._warn:
            return None
        seconds = age / SECOND
        words = f"the last quote of {order.symbol} is {seconds:g} s old, {self._seconds:g} s are "
        words += "the limit; it would pass after the next quote"
        verdict = Denial if age > self._most else Caution
        return verdict("stale_quote", words, self._seconds, seconds)


class PriceDistance:
    """A limit price is at most such a share of the last price away from it, on either side."""

    def __init__(self, share: float, warn: float = 1.0) -> None:
        """`warn` as in `FreshQuote`."""
        self._share = share
        self._warn = share * warn

    def __str__(self) -> str:
        return f"price within {self._share:.2%} of the last"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        last = view.price(order.symbol)
        if not last or order.type is not _LIMIT:
            return None
        away = abs(order.price - last)
        if away <= last * self._warn + _NOISE:
            return None
        tick = tick_size(order.symbol)
        low = on_tick(last * (1 - self._share), tick, "ROUND_CEILING")
        high = on_tick(last * (1 + self._share), tick, "ROUND_FLOOR")
        words = f"{order.price:g} is {away / last:.2%} away from {last:g}, the last price of "
        words += f"{order.symbol}; {low:g} to {high:g} would pass"
        verdict = Denial if away > last * self._share + _NOISE else Caution
        return verdict("price_distance", words, self._share, away / last)


class LimitDistance:
    """A buy is at least such a share of the day's limit up below it; sells always pass.

    What is bought there may be sealed tomorrow on the other side. A market order is weighed at
    the last price. On a day without limits there is nothing to be near to.
    """

    def __init__(self, share: float, warn: float = 1.0) -> None:
        """`warn`: the share from which on a warning is given is so much wider; 1: never."""
        self._share = share
        self._warn = share / warn

    def __str__(self) -> str:
        return f"price at least {self._share:.2%} below the limit up"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        symbol = order.symbol
        quote = view.quotes.get(symbol)
        if quote is None or order.side is SELL or not same_day(quote.time, order.time):
            return None
        limits = holding_limits(quote, view.instruments.get(symbol))
        price = order.price if order.type is _LIMIT else quote.last
        if limits is None or not price:
            return None
        up = limits[0]
        away = (up - price) / up
        if up - price >= up * self._warn - _NOISE:
            return None
        most = on_tick(up * (1 - self._share), tick_size(symbol), "ROUND_FLOOR")
        words = f"{price:g} is {away:.2%} below {up:g}, the limit up of {symbol}"
        words += f"; {most:g} would pass"
        near = up - price < up * self._share - _NOISE
        return (Denial if near else Caution)("limit_distance", words, self._share, away)


_NOISE = 1e-6  # CNY: what floats make of a price that is exactly at the limit
