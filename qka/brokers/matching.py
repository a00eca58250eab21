"""Orders against market data, pure. The no-look-ahead rule of bars lives here: see `began`."""

from collections.abc import Sequence

from qka.ashare.limits import price_limits
from qka.model.market import Bar
from qka.model.order import Order, OrderType, Side
from qka.model.times import DAY, MINUTE, at, day_of

Trade = tuple[float, int]  # price in CNY, shares
PARTICIPATION = 0.25  # share of a bar's volume that our orders may take
# period of a bar -> ns
SPANS = {
    **{f"{minutes}m": minutes * MINUTE for minutes in (1, 5, 15, 30, 60)},
    "1d": DAY,
}


def within(order: Order, price: float) -> bool:
    """Whether the order may trade at that price."""
    return price <= order.price if order.side is Side.BUY else price >= order.price


def better(order: Order, price: float) -> bool:
    """Whether the order's limit is strictly better than that price."""
    return price < order.price if order.side is Side.BUY else price > order.price


def against_levels(
    order: Order, quantity: int, prices: Sequence[float], volumes: list[int], *, resting: bool
) -> list[Trade]:
    """Trades of `quantity` shares against the opposite levels; `volumes` loses what is taken.

    An order that waited in the book trades at its own price, one that comes in at theirs.
    """
    trades: list[Trade] = []
    for level, price in enumerate(prices):
        if not quantity or not price or not within(order, price):
            break
        taken = min(quantity, volumes[level])
        if taken:
            trades.append((order.price if resting else price, taken))
            volumes[level] -= taken
            quantity -= taken
    return trades


def began(bar: Bar, *, first: bool) -> int:
    """When the bar's period began, in ns: nothing in it is older.

    It fills only orders that had arrived by then, since its open may have been printed at once.
    The `first` of a day holds the opening auction, whatever its label says.
    """
    if first:
        return at(day_of(bar.time), "09:15")
    return bar.time - SPANS[bar.period]


def against_bar(order: Order, quantity: int, bar: Bar, volume: int) -> list[Trade]:
    """Trades of `quantity` shares in a bar that began after the order had arrived.

    At the open when the order may trade there, else at its limit when the bar went through it
    (touching is not enough); a market order at the open, inside its protection price, or not at
    all. Never more than `volume` shares, nothing in a bar sealed at the limit against us.
    """
    quantity = min(quantity, volume)
    if quantity <= 0 or _sealed(order, bar):
        return []
    if within(order, bar.open):
        return [(bar.open, quantity)]
    if order.type is OrderType.MARKET:
        return []
    extreme = bar.low if order.side is Side.BUY else bar.high
    return [(order.price, quantity)] if better(order, extreme) else []


def _sealed(order: Order, bar: Bar) -> bool:
    limits = price_limits(bar.symbol, bar.prev_close, day_of(bar.time)) if bar.prev_close else None
    if limits is None:
        return False
    up, down = limits
    return bar.low >= up if order.side is Side.BUY else bar.high <= down
