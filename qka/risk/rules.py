"""The rules that always hold. Each is `(order, view) -> Denial | None`: None, or why not.

Stance: a rule refuses what it can prove wrong. What it can't judge, because no quote has come,
is left to the next rule; a rule that raises refuses.
"""

from dataclasses import dataclass

from qka.ashare import rules as ashare
from qka.ashare.rules import TERMS
from qka.model.events import TradingState
from qka.model.money import yuan
from qka.model.order import BUY, SELL, Order, OrderType
from qka.model.view import MarketView, View
from qka.risk.sizes import affordable
from qka.risk.verdicts import Caution, Denial, Rule, Sized

_NOISE = 1e-4  # ticks: what a float on its tick may seem to be off it
_LIMIT = OrderType.LIMIT
_ACTIVE, _REDUCING = TradingState.ACTIVE, TradingState.REDUCING


def trading_state(order: Order, view: View) -> Denial | None:
    """HALTED lets nothing pass, REDUCING only sells of what no working sell is to take."""
    state = view.trading
    if state is _ACTIVE:
        return None
    if state is not _REDUCING or order.side is BUY:
        return Denial("trading_state", f"trading is {state}: only {_allowed(state)}")
    free = view.sellable(order.symbol)
    if order.quantity <= free:
        return None
    words = f"trading is {state}: only {_allowed(state)}; {max(0, free)} would pass"
    return Denial("trading_state", words, free, order.quantity)


def _allowed(state: TradingState) -> str:
    return "sells that shrink a position pass" if state is _REDUCING else "cancels pass"


def instrument(order: Order, view: MarketView) -> Denial | None:
    """Tradable, whole lots, not above the most of one order, a price on its tick."""
    symbol, quantity, price = order.symbol, order.quantity, order.price
    the = TERMS[symbol]
    if the.barred:
        return Denial("instrument", f"{symbol} {the.barred}; no order on it would pass")
    if quantity <= 0:
        words = f"{quantity} shares: a quantity is above zero; {the.least} would pass"
        return Denial("lot", words, 1, quantity)
    if order.side is BUY and (quantity < the.least or (quantity - the.least) % the.step):
        words = f"{symbol}: a buy is {the.least} shares or more in steps of {the.step}"
        legal = ashare.buyable(symbol, quantity) or the.least
        return Denial("lot", f"{quantity} of {words}; {legal} would pass", the.least, quantity)
    most = the.most if order.type is _LIMIT else ashare.most(symbol, order.type)
    if quantity > most:
        words = f"{quantity} {symbol}: one {order.type} order is {most} shares at most"
        legal = ashare.buyable(symbol, most)
        return Denial("order_size", f"{words}; {legal} would pass", most, quantity)
    if not 0.0 < price < 1e7:
        return not_a_price(symbol, price)
    if _NOISE < price * the.ticks % 1.0 < 1.0 - _NOISE:
        tick = 1 / the.ticks
        words = f"{price} is not on the tick {tick:g} of {symbol}"
        near = ashare.tick_price(symbol, price)
        return Denial("tick", f"{words}; {near:.10g} would pass", tick, price)
    return None


def not_a_price(symbol: str, price: float) -> Denial:
    """What is said of a price that is none."""
    words = f"{symbol} at {price}: no price known yet, or not a price; once it is quoted a "
    return Denial("price", f"{words}price on its tick would pass")


def known(order: Order, view: View) -> Denial | None:
    """No new order on a symbol while one of its strategy is UNKNOWN there."""
    if view.unknowns and (order.symbol, order.strategy) in view.unknowns:
        words = f"an order of {order.strategy} on {order.symbol} is UNKNOWN: resolve it first"
        return Denial("unknown", f"{words}; then it would pass")
    return None


def sellable(order: Order, view: View) -> Denial | None:
    """Only shares that are held, not bought today (T+1) and not promised to another sell."""
    if order.side is BUY:
        return None
    free = view.sellable(order.symbol)
    if order.quantity > free:
        words = f"{order.quantity} shares of {order.symbol}, {free} sellable (T+1)"
        return Denial("sellable", f"{words}; {max(0, free)} would pass", free, order.quantity)
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
        words += f", {yuan(free)} available; {affordable(order, view, free)} would pass"
        return Denial("cash", words, free / 100, need / 100)
    return None


@dataclass(frozen=True)
class ForStrategy:
    """A rule that binds one strategy only."""

    strategy: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.rule} of {self.strategy}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        return self.rule(order, view) if order.strategy == self.strategy else None

    def largest(self, order: Order) -> int | None:
        """Of the rule, if it says anything of the order."""
        rule: object = self.rule
        bound = order.strategy == self.strategy
        return rule.largest(order) if bound and isinstance(rule, Sized) else None


@dataclass(frozen=True)
class ForSymbol:
    """A rule that binds one symbol only."""

    symbol: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.rule} of {self.symbol}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        return self.rule(order, view) if order.symbol == self.symbol else None

    def largest(self, order: Order) -> int | None:
        """Of the rule, if it says anything of the order."""
        rule: object = self.rule
        bound = order.symbol == self.symbol
        return rule.largest(order) if bound and isinstance(rule, Sized) else None
