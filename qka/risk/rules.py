"""The rules. Each is `(order, view) -> Denial | None`: None, or why not and what would pass.

Stance: a rule refuses what it can prove wrong. What it can't judge, because no quote has come,
is left to the next rule; a rule that raises refuses.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

from qka.ashare import rules as ashare
from qka.ashare.rules import TERMS
from qka.model.events import TradingState
from qka.model.market import Quote
from qka.model.money import cents, fraction, shares_for, yuan
from qka.model.order import BUY, SELL, Order, OrderType
from qka.model.times import SECOND, same_day
from qka.model.view import View


@final
class Denial(NamedTuple):
    """Why an order may not leave; `limit` and `value` in the rule's own unit."""

    code: str
    reason: str
    limit: float | None = None
    value: float | None = None


Rule = Callable[[Order, View], Denial | None]
_NOISE = 1e-4  # ticks: what a float on its tick may seem to be off it
_ACTIVE, _REDUCING, _LIMIT = TradingState.ACTIVE, TradingState.REDUCING, OrderType.LIMIT


def trading_state(order: Order, view: View) -> Denial | None:
    """HALTED lets nothing pass, REDUCING only sells."""
    state = view.trading
    if state is _ACTIVE or (state is _REDUCING and order.side is SELL):
        return None
    return Denial("trading_state", f"trading is {state}: only {_allowed(state)}")


def _allowed(state: TradingState) -> str:
    return "sells pass" if state is _REDUCING else "cancels pass"


def instrument(order: Order, view: View) -> Denial | None:
    """Tradable, whole lots, a price on its tick and inside the day's limits."""
    symbol, quantity, price = order.symbol, order.quantity, order.price
    the = TERMS[symbol]
    if the.barred:
        return Denial("instrument", f"{symbol} {the.barred}")
    if quantity <= 0:
        return Denial("lot", f"{quantity} shares: a quantity is above zero", 1, quantity)
    if order.side is BUY and (quantity < the.least or (quantity - the.least) % the.step):
        words = f"{symbol}: a buy is {the.least} shares or more in steps of {the.step}"
        legal = ashare.buyable(symbol, quantity) or the.least
        return Denial("lot", f"{quantity} of {words}; {legal} would pass", the.least, quantity)
    if not 0.0 < price < 1e7:
        return Denial("price", f"{symbol} at {price}: no price known yet, or not a price")
    if _NOISE < price * the.ticks % 1.0 < 1.0 - _NOISE:
        tick = 1 / the.ticks
        return Denial("tick", f"{price} is not on the tick {tick} of {symbol}", tick)
    quote = view.quotes.get(symbol)
    if quote is None:
        return None
    if price > quote.limit_up > 0.0:
        return _outside("above", "up", quote.limit_up, order, quote)
    if price < quote.limit_down:
        return _outside("below", "down", quote.limit_down, order, quote)
    return None


def _outside(side: str, name: str, limit: float, order: Order, quote: Quote) -> Denial | None:
    if not same_day(quote.time, order.time):
        return None  # limits of another day say nothing
    words = f"{order.price} is {side} today's limit {name} {limit} of {order.symbol}"
    return Denial("price_limit", words, limit, order.price)


def known(order: Order, view: View) -> Denial | None:
    """No new order on a symbol while one of its strategy is UNKNOWN there."""
    if view.unknowns and (order.symbol, order.strategy) in view.unknowns:
        words = f"an order of {order.strategy} on {order.symbol} is UNKNOWN: resolve it first"
        return Denial("unknown", words)
    return None


def sellable(order: Order, view: View) -> Denial | None:
    """Only shares that are held, not bought today (T+1) and not promised to another sell."""
    if order.side is BUY:
        return None
    free = view.sellable(order.symbol)
    if order.quantity > free:
        words = f"{order.quantity} shares of {order.symbol}, {free} sellable (T+1)"
        return Denial("sellable", words, free, order.quantity)
    legal = ashare.sellable(order.symbol, order.quantity, free)
    if legal != order.quantity:
        words = f"{order.quantity} of {free} sellable {order.symbol} breaks the lot rule"
        return Denial("lot", f"{words}; {legal or free} would pass", legal, order.quantity)
    return None


def cash(order: Order, view: View) -> Denial | None:
    """A buy at its price with all fees fits in what is not reserved."""
    if order.side is SELL:
        return None
    free, need = view.available_cents, view.claim(order)[1]
    if need > free:
        words = f"{order.quantity} {order.symbol} need {yuan(need)} CNY with fees"
        return Denial("cash", f"{words}, {yuan(free)} available", free / 100, need / 100)
    return None


class PositionRatio:
    """A buy may not lift the resulting position above a share of total assets.

    Resulting: shares held at their last price, working and unknown buys of every strategy at
    their own, plus this order at its own; a market order is weighed at the last price.
    """

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self._above, self._below = fraction(ratio)

    def __str__(self) -> str:
        return f"position ratio {self.ratio:.2%}"

    def __call__(self, order: Order, view: View) -> Denial | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        symbol, price = order.symbol, order.price
        there, total = view.exposure(symbol)
        if order.type is _LIMIT:
            value = there + view.claim(order)[0]
        else:
            price = view.price(symbol) or price
            value = there + cents(price, order.quantity)
        if value * self._below <= total * self._above:
            return None
        limit = total * self._above // self._below
        room = ashare.buyable(symbol, shares_for(max(0, limit - there), price))
        words = f"{order.quantity} more {symbol} exceed {self.ratio:.2%} of {yuan(total)} CNY"
        return Denial("position_ratio", f"{words}; {room} would pass", limit / 100, value / 100)


class SlidingWindow:
    """A true sliding window: at most `limit` in any `seconds`, the moments given in ns."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._span = int(seconds * SECOND)
        # ns, oldest first: the last `limit` moments tell whether the window is full
        self.times: deque[int] = deque(maxlen=limit)

    def full(self, now: int) -> bool:
        """Whether one more would be too many."""
        times = self.times
        return len(times) >= self.limit and (not times or times[0] > now - self._span)

    def add(self, now: int) -> None:
        """One more, now."""
        self.times.append(now)


class RateLimit:
    """At most so many orders (and cancels, which are counted but never refused) in a window."""

    def __init__(self, window: SlidingWindow, strategy: str | None = None) -> None:
        """`strategy`: whose orders are counted; None for the whole account's."""
        self.window = window
        self.strategy = strategy
        self.key = f"{strategy or '*'} {window.seconds:g}s"  # what it is remembered by

    def __str__(self) -> str:
        whose = f" of {self.strategy}" if self.strategy else ""
        return f"rate {self.window.limit} in {self.window.seconds:g} s{whose}"

    def __call__(self, order: Order, view: View) -> Denial | None:
        """None, or why not."""
        window = self.window
        if len(window.times) < window.limit or not window.full(order.time):
            return None
        if self.strategy not in (None, order.strategy):
            return None
        words = f"{window.limit} orders and cancels in {window.seconds:g} s are reached"
        return Denial("rate", words, window.limit, window.limit + 1)

    def record(self, strategy: str, now: int) -> None:
        """An order or a cancel left."""
        if self.strategy is None or self.strategy == strategy:
            self.window.times.append(now)


@dataclass(frozen=True)
class ForStrategy:
    """A rule that binds one strategy only."""

    strategy: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.rule} of {self.strategy}"

    def __call__(self, order: Order, view: View) -> Denial | None:
        """None, or why not."""
        return self.rule(order, view) if order.strategy == self.strategy else None
