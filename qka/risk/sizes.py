"""How much: of an order, of a symbol, of a group, of everything.

Stance: an order that is too large by itself is refused whichever side it is on. What is measured
on the position that would result refuses buys only, so that no limit ever locks a position in.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from qka.ashare import rules as ashare
from qka.model.money import cents, fraction, shares_for, to_cents, yuan
from qka.model.order import BUY, SELL, Order, OrderType
from qka.model.view import View
from qka.risk.meter import Meter
from qka.risk.verdicts import Caution, Denial

_LIMIT = OrderType.LIMIT
_ALL = 1 << 62  # cents: more than any account holds


def _judged(limit: float, value: float, code: str, words: str, over: bool) -> Denial | Caution:
    """Refused when it is over the limit, else a warning."""
    return Denial(code, words, limit, value) if over else Caution(code, words, limit, value)


def _most(symbol: str, amount: int, price: float) -> int:
    """The largest legal buy that so many cents pay for, fees aside."""
    return ashare.buyable(symbol, shares_for(max(0, amount), price))


def _would(order: Order, view: View, shares: int) -> int:
    """The largest legal order of this kind of at most so many shares."""
    if order.side is BUY:
        return ashare.buyable(order.symbol, shares)
    return ashare.sellable(order.symbol, shares, max(0, view.sellable(order.symbol)))


def affordable(order: Order, view: View, amount: int) -> int:
    """The largest legal buy of this kind that so many cents pay for, fees included."""
    symbol, price = order.symbol, order.price
    shares = _most(symbol, amount, price)
    step = ashare.lots(symbol)[1]
    while shares and (over := view.claim(replace(order, quantity=shares))[1] - amount) > 0:
        # never too far: fewer shares owe less fees too
        shares = ashare.buyable(symbol, shares - max(step, shares_for(over * 9 // 10, price)))
    return shares


class MaxQuantity:
    """At most so many shares an order."""

    def __init__(self, most: int, warn: float = 1.0) -> None:
        """`warn`: the share of a limit from which on a warning is given; 1: never."""
        self._most = most
        self._warn = int(most * Decimal(repr(warn)))

    def __str__(self) -> str:
        return f"at most {self._most} shares"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        quantity, most = order.quantity, self._most
        if quantity <= self._warn:
            return None
        would = _would(order, view, most)
        words = f"{quantity} {order.symbol}, {most} shares an order are the limit"
        words += f"; {would} would pass"
        return _judged(most, quantity, "quantity", words, quantity > most)

    def largest(self, order: Order) -> int:
        """Shares of one order."""
        return self._most


class MaxNotional:
    """At most so many CNY an order, at its price."""

    def __init__(self, most: Decimal, warn: float = 1.0) -> None:
        """`most` in CNY."""
        self._most = to_cents(most)
        self._warn = int(self._most * Decimal(repr(warn)))

    def __str__(self) -> str:
        return f"at most {yuan(self._most)} CNY"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        value = cents(order.price, order.quantity)
        if value <= self._warn:
            return None
        most = self._most
        would = _would(order, view, shares_for(most, order.price))
        words = f"{order.quantity} {order.symbol} come to {yuan(value)} CNY, {yuan(most)} an order "
        words += f"are the limit; {would} would pass"
        return _judged(most / 100, value / 100, "notional", words, value > most)

    def largest(self, order: Order) -> int:
        """Shares of one order at its price."""
        return shares_for(self._most, order.price)


class DailyQuantity:
    """Orders of a symbol have at most so many shares a day, both sides; it is buys it refuses.

    An order counts whole when it leaves, whatever becomes of it.
    """

    def __init__(self, most: int, meter: Meter, warn: float = 1.0) -> None:
        """`most` in shares."""
        self._most = most
        self._warn = int(most * Decimal(repr(warn)))
        self._meter = meter

    def __str__(self) -> str:
        return f"at most {self._most} shares a day"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        symbol, most = order.symbol, self._most
        sent = self._meter.today(order.time).shares.get(symbol, 0)
        value = sent + order.quantity
        if value <= self._warn:
            return None
        would = ashare.buyable(symbol, max(0, most - sent))
        words = f"{value} {symbol} today with this order, {most} shares a day are the limit"
        words += f"; {would} would pass"
        return _judged(most, value, "daily_quantity", words, value > most)


class DailyNotional:
    """Orders of a symbol come to at most so many CNY a day, both sides; it is buys it refuses.

    An order counts at its price when it leaves, whatever becomes of it.
    """

    def __init__(self, most: Decimal, meter: Meter, warn: float = 1.0) -> None:
        """`most` in CNY."""
        self._most = to_cents(most)
        self._warn = int(self._most * Decimal(repr(warn)))
        self._meter = meter

    def __str__(self) -> str:
        return f"at most {yuan(self._most)} CNY a day"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        symbol = order.symbol
        sent = self._meter.today(order.time).ordered.get(symbol, 0)
        value = sent + cents(order.price, order.quantity)
        if value <= self._warn:
            return None
        most = self._most
        would = _most(symbol, most - sent, order.price)
        words = f"{yuan(value)} CNY of {symbol} today with this order, {yuan(most)} a day are the "
        words += f"limit; {would} would pass"
        return _judged(most / 100, value / 100, "daily_notional", words, value > most)


class _OnTotal:
    """A share of the total assets, which count as at most `capital`."""

    def __init__(self, ratio: float, capital: int | None = None, warn: float = 1.0) -> None:
        """`capital` in cents; None: the total counts as it is."""
        self.ratio = ratio
        self._above, self._below = fraction(ratio)
        self._soft_above, self._soft_below = (
            Decimal(repr(float(ratio))) * Decimal(repr(warn))
        ).as_integer_ratio()
        self._capital = _ALL if capital is None else capital

    def _verdict(
        self,
        order: Order,
        view: View,
        value: int,
        total: int,
        code: str,
        what: str,
        *,
        fees: bool = False,
    ) -> Denial | Caution:
        """What there is to say of a `value` (cents) above the softer share; `fees` are in it."""
        limit = total * self._above // self._below
        over = value * self._below > total * self._above
        if fees:
            would = affordable(order, view, limit - value + view.claim(order)[1])
        else:
            price = _price(order, view)
            would = _most(order.symbol, limit - value + cents(price, order.quantity), price)
        words = f"{order.quantity} more {what} {'exceed' if over else 'come near'} "
        words += f"{self.ratio:.2%} of {yuan(total)} CNY; {would} would pass"
        return _judged(limit / 100, value / 100, code, words, over)


class PositionRatio(_OnTotal):
    """A buy may not lift the resulting position above a share of total assets.

    Resulting: shares held at their last price, working and unknown buys of every strategy at
    their own, plus this order at its own; a market order is weighed at the last price.
    """

    def __str__(self) -> str:
        return f"position ratio {self.ratio:.2%}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        if order.type is _LIMIT:
            value, total = view.resulting(order)
        else:
            value, total = view.exposure(order.symbol)
            value += cents(_price(order, view), order.quantity)
        if total > self._capital:
            total = self._capital
        if value * self._soft_below <= total * self._soft_above:
            return None
        return self._verdict(order, view, value, total, "position_ratio", order.symbol)


class GroupRatio(_OnTotal):
    """Some symbols together: at most a share of total assets, measured like a position."""

    def __init__(
        self,
        name: str,
        symbols: Iterable[str],
        ratio: float,
        capital: int | None = None,
        warn: float = 1.0,
    ) -> None:
        """`name`: what the group is called."""
        super().__init__(ratio, capital, warn)
        self._name = name
        self._symbols = frozenset(symbols)

    def __str__(self) -> str:
        return f"group {self._name} {self.ratio:.2%}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL or order.symbol not in self._symbols:
            return None
        value = cents(_price(order, view), order.quantity)
        for symbol in self._symbols & view.invested:
            value += view.exposure(symbol)[0]
        total = min(view.total_cents, self._capital)
        if value * self._soft_below <= total * self._soft_above:
            return None
        what = f"{order.symbol} in group {self._name}"
        return self._verdict(order, view, value, total, "group_ratio", what)


class GrossExposure(_OnTotal):
    """All that is held or being bought, fees of working buys included: a share of total assets."""

    def __str__(self) -> str:
        return f"gross exposure {self.ratio:.2%}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        total = view.total_cents
        value = total - view.available_cents + view.claim(order)[1]
        total = min(total, self._capital)
        if value * self._soft_below <= total * self._soft_above:
            return None
        what = f"{order.symbol} and all else"
        return self._verdict(order, view, value, total, "gross_exposure", what, fees=True)


class Capital:
    """The account behaves as if it had at most so much: what is held and bought stays within."""

    def __init__(self, capital: int, warn: float = 1.0) -> None:
        """`capital` in cents."""
        self._most = capital
        self._warn = int(capital * Decimal(repr(warn)))

    def __str__(self) -> str:
        return f"capital {yuan(self._most)} CNY"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        value = view.total_cents - view.available_cents + view.claim(order)[1]
        if value <= self._warn:
            return None
        most = self._most
        would = affordable(order, view, most - value + view.claim(order)[1])
        words = f"{order.quantity} more {order.symbol} and all else come to {yuan(value)} CNY, "
        words += f"{yuan(most)} are the capital; {would} would pass"
        return _judged(most / 100, value / 100, "capital", words, value > most)


class MaxHoldings:
    """At most so many symbols held or being bought."""

    def __init__(self, most: int, warn: float = 1.0) -> None:
        """`most` symbols."""
        self._most = most
        self._warn = int(most * Decimal(repr(warn)))

    def __str__(self) -> str:
        return f"at most {self._most} holdings"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL or order.symbol in view.invested:
            return None
        value, most = len(view.invested) + 1, self._most
        if value <= self._warn:
            return None
        words = f"{order.symbol} would be holding number {value}, {most} are the limit; "
        words += "more of what is held would pass"
        return _judged(most, value, "holdings", words, value > most)


def _price(order: Order, view: View) -> float:
    """CNY a share that an order is weighed at: a market order's is the last price."""
    return order.price if order.type is _LIMIT else view.price(order.symbol) or order.price
