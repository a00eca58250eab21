"""How many shares: pure functions over the books."""

from qka.ashare import rules
from qka.ashare.limits import day_limits
from qka.model.money import shares_for, to_cents
from qka.model.order import Order, Side
from qka.model.times import same_day
from qka.model.view import View


def affordable(view: View, symbol: str, price: float) -> int:
    """The largest legal buy in shares that fits in the available cash, fees included."""
    shares = rules.buyable(symbol, shares_for(max(0, view.available_cents), price))
    _, step = rules.lots(symbol)
    while shares > 0:
        _, need = view.claim(Order("", symbol, Side.BUY, shares, price, time=view.now()))
        over = need - view.available_cents
        if over <= 0:
            break
        shares = rules.buyable(symbol, shares - max(step, shares_for(over, price)))
    return shares


def for_value(symbol: str, value: float, price: float) -> int:
    """Shares that `value` CNY buy at `price`, not yet in lots."""
    return shares_for(to_cents(value), price)


def to_target(view: View, symbol: str, target: int, price: float) -> tuple[Side, int]:
    """The legal order that brings the position nearest to `target` shares without passing it.

    Working orders count as done; a sell is bounded by what T+1 lets go, a buy by cash at `price`.
    Zero shares when nothing can or need be done.
    """
    expected = view.position(symbol).quantity
    for order in view.working(symbol):
        expected += order.remaining if order.side is Side.BUY else -order.remaining
    missing = target - expected
    if missing > 0:
        shares = min(rules.buyable(symbol, missing), affordable(view, symbol, price))
        return Side.BUY, rules.buyable(symbol, shares)
    free = view.sellable(symbol)
    return Side.SELL, rules.sellable(symbol, -missing, free) if free > 0 and missing else 0


def protection(view: View, symbol: str, side: Side) -> float:
    """The worst price a market order may trade at: the day's limit, else 10% from the last."""
    quote = view.quotes.get(symbol)
    if quote is not None and same_day(quote.time, view.now()):  # yesterday's limits are no one's
        limits = day_limits(quote)
        if limits is not None:
            return limits[0] if side is Side.BUY else limits[1]
    last = view.price(symbol) * (1.1 if side is Side.BUY else 0.9)
    return rules.tick_price(symbol, last)
