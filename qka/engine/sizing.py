"""How many shares: pure functions over the books.

A target counts what is held, and as done what works towards it; what works against it counts as
not done. So no order passes a target, whatever becomes of the others.
"""

from decimal import Decimal
from typing import NamedTuple

from qka.ashare import rules
from qka.ashare.limits import holding_limits
from qka.model.events import Shortfall, Signal
from qka.model.market import Phase
from qka.model.money import on_tick, part, shares_for, to_cents, yuan
from qka.model.order import BUY, SELL, Order, OrderType, Side
from qka.model.times import same_day
from qka.model.view import View
from qka.risk import sizes

_LIMIT = OrderType.LIMIT
_AWAY = Decimal("0.1")  # from the last price, on a day without limits (SZSE takes no more then)


class Step(NamedTuple):
    """The next order towards a target, of `shares` legal ones; at zero `left` says why."""

    side: Side
    shares: int
    left: tuple[Shortfall, ...] = ()


def affordable(view: View, symbol: str, price: float) -> int:
    """The largest legal buy in shares that fits in the available cash, fees included."""
    order = Order("", symbol, BUY, 0, price, time=view.now())
    return sizes.affordable(order, view, view.available_cents)


def missing(view: View, symbol: str, target: int) -> tuple[Side, int]:
    """The side and the shares that a position still needs to `target`; zero shares for none."""
    held = view.position(symbol).quantity
    side = BUY if target > held else SELL
    under_way = sum(order.remaining for order in view.working(symbol) if order.side is side)
    return side, max(0, abs(target - held) - under_way)


def against(view: View, strategy: str, symbol: str, target: int) -> list[Order]:
    """The strategy's working orders that could carry the position past `target`, to be cancelled.

    All on the wrong side; of those on the right one the newest, until the others stay within.
    """
    held = view.position(symbol).quantity
    found: list[Order] = []
    for side in Side:
        ours = [order for order in view.working(symbol) if order.side is side]
        away = target - held if side is BUY else held - target  # shares it may take
        sum_ = sum(order.remaining for order in ours)
        for order in reversed(ours):
            if sum_ > max(0, away) and order.strategy == strategy:
                found.append(order)
                sum_ -= order.remaining
    return found


def to_target(view: View, symbol: str, target: int, price: float, kind: OrderType = _LIMIT) -> Step:
    """The legal order that brings the position nearest to `target` shares without passing it.

    A sell is bounded by what T+1 lets go, a buy by cash at `price`, both by what one order may
    have: what is more needs another one.
    """
    side, shares = missing(view, symbol, target)
    if not shares:
        return Step(side, 0)
    barred = unfillable(view, symbol, side) if kind is not _LIMIT else None
    if barred is not None:
        return Step(side, 0, (Shortfall(symbol, side, shares, *barred),))
    return (_buy if side is BUY else _sell)(view, symbol, shares, price, kind)


def unfillable(view: View, symbol: str, side: Side) -> tuple[str, str] | None:
    """Why an order without a price can't trade now, as code and words; None when it may."""
    quote = view.quotes.get(symbol)
    if quote is None or not same_day(quote.time, view.now()):
        return None
    if quote.phase == Phase.HALTED:
        return "halted", "its trading is halted: ask again when it goes on"
    if quote.phase != Phase.CONTINUOUS:
        return None
    if side is BUY and 0.0 < quote.limit_up <= quote.last and not quote.ask1:
        words = f"sealed at its limit up, {quote.limit_up:g}: nobody sells"
    elif side is SELL and 0.0 < quote.last <= quote.limit_down and not quote.bid1:
        words = f"sealed at its limit down, {quote.limit_down:g}: nobody buys"
    else:
        return None
    return "sealed", f"{words}; with that price it would wait in the queue"


def _buy(view: View, symbol: str, shares: int, price: float, kind: OrderType) -> Step:
    if not price:
        return Step(BUY, 0, (Shortfall(symbol, BUY, shares, "price", "no price is known"),))
    whole = rules.buyable(symbol, shares)
    bought = min(whole, rules.most(symbol, kind), affordable(view, symbol, price))
    bought = rules.buyable(symbol, bought)
    if bought:
        return Step(BUY, bought)
    left = []
    if whole:
        need = view.claim(Order("", symbol, BUY, whole, price, time=view.now()))[1]
        words = f"{yuan(need)} CNY with fees at {price:g}, {yuan(view.available_cents)} available"
        left.append(Shortfall(symbol, BUY, whole, "cash", words))
    if shares > whole:
        least, step = rules.lots(symbol)
        words = f"a buy is {least} shares or more in steps of {step}"
        left.append(Shortfall(symbol, BUY, shares - whole, "lot", words))
    return Step(BUY, 0, tuple(left))


def _sell(view: View, symbol: str, shares: int, price: float, kind: OrderType) -> Step:
    free = max(0, view.sellable(symbol))
    can = min(shares, free)
    sold = rules.sellable(symbol, min(can, rules.most(symbol, kind)), free)
    if sold > 0:
        return Step(SELL, sold)
    left = []
    if shares > can:
        words = "bought today, and sold on the next trading day at the earliest (T+1)"
        left.append(Shortfall(symbol, SELL, shares - can, "sellable", words))
    if can:
        least, _ = rules.lots(symbol)
        words = f"of {free} sellable shares fewer than {least} go only all at once"
        left.append(Shortfall(symbol, SELL, can, "lot", words))
    return Step(SELL, 0, tuple(left))


def protection(view: View, symbol: str, side: Side) -> float:
    """The worst price a market order may trade at: the day's limit, else 10% from the last.

    On a day without limits those of other days say nothing, however near they are.
    """
    quote, state = view.quotes.get(symbol), view.instruments.get(symbol)
    if quote is not None and same_day(quote.time, view.now()):  # yesterday's limits are no one's
        limits = holding_limits(quote, state)
        if limits is not None:
            return limits[0] if side is BUY else limits[1]
    share = _AWAY if side is BUY else -_AWAY
    return on_tick(Decimal(repr(float(view.price(symbol)))) * (1 + share), rules.tick_size(symbol))


class Sizer:
    """What signals come to as the books stand; `ratio`: of all, for a buy without a quantity."""

    def __init__(self, view: View, ratio: float) -> None:
        self._view = view
        self._ratio = ratio

    def size(self, symbol: str, side: Side, price: float | None) -> int:
        """Shares of one order without a quantity: all that is sellable, or the ratio's worth."""
        most = rules.most(symbol, _kind(price))
        if side is SELL:
            free = self._view.sellable(symbol)
            return rules.sellable(symbol, min(free, most), free) if free > 0 else 0
        last = price or self._view.price(symbol)
        if not last:
            return 0
        budget = part(self._view.total_cents, self._ratio)
        room = affordable(self._view, symbol, price or protection(self._view, symbol, side))
        return rules.buyable(symbol, min(shares_for(budget, last), room, most))

    def step(self, signal: Signal) -> Step:
        """The next order that a signal asks for now."""
        symbol, side, price = signal.symbol, signal.side, signal.price
        if side is not None:
            if signal.quantity is not None:
                return Step(side, signal.quantity)
            shares = self.size(symbol, side, price)
            return Step(side, shares, () if shares else (self._nothing(symbol, side, price),))
        target = self.target(signal)
        if target is None:
            return Step(BUY, 0, (Shortfall(symbol, BUY, 0, "price", "no price is known"),))
        worst = price or protection(self._view, symbol, BUY)
        step = to_target(self._view, symbol, target, worst, _kind(price))
        if not target and not step.shares and not step.left:
            return Step(step.side, 0, self._too_little(signal))
        return step

    def target(self, signal: Signal) -> int | None:
        """The shares that a target means now, in whole lots; None where that takes a price."""
        if signal.side is not None:
            return None
        if signal.target_shares is not None:
            return signal.target_shares
        last, money = signal.price or self._view.price(signal.symbol), self._budget(signal)
        if not last and money:
            return None
        return rules.buyable(signal.symbol, shares_for(money, last))

    def _budget(self, signal: Signal) -> int:
        """Cents that a target means."""
        if signal.target_value is not None:
            return to_cents(signal.target_value)
        return part(self._view.total_cents, signal.target_ratio or 0.0)

    def _too_little(self, signal: Signal) -> tuple[Shortfall, ...]:
        """That a target of money buys nothing, because it is worth less than the least quantity."""
        symbol, least = signal.symbol, rules.lots(signal.symbol)[0]
        money = 0 if signal.target_shares is not None else self._budget(signal)
        if not money or self._view.position(symbol).quantity:
            return ()
        last = signal.price or self._view.price(symbol)
        shares = shares_for(money, last)
        words = f"worth {shares} shares at {last:g}, and a buy is {least} or more"
        return (Shortfall(symbol, BUY, shares, "lot", words),)

    def _nothing(self, symbol: str, side: Side, price: float | None) -> Shortfall:
        """Why an order without a quantity comes to nothing."""
        view = self._view
        if side is SELL:
            position = view.position(symbol)
            words = f"{position.quantity} held, {position.today} of them bought today (T+1), "
            words += f"{position.frozen} promised to working sells"
            return Shortfall(symbol, side, 0, "sellable", words)
        if not (price or view.price(symbol)):
            return Shortfall(symbol, side, 0, "price", "no price is known")
        words = f"{self._ratio:g} of the total, or the cash, is less than the least buy"
        return Shortfall(symbol, side, 0, "lot", words)

    def whole(self, signal: Signal, code: str, words: str) -> Shortfall:
        """All that is still missing of a signal, for one reason."""
        target, side = self.target(signal), signal.side
        if side is not None:
            return Shortfall(signal.symbol, side, signal.quantity or 0, code, words)
        if target is None:
            return Shortfall(signal.symbol, BUY, 0, code, words)
        side, shares = missing(self._view, signal.symbol, target)
        return Shortfall(signal.symbol, side, shares, code, words)


def _kind(price: float | None) -> OrderType:
    return OrderType.MARKET if price is None else OrderType.LIMIT
