"""Orders against bars, pure. The no-look-ahead rule of bars lives here: see `began`."""

from qka.ashare.limits import price_limits
from qka.model.market import Bar
from qka.model.order import BUY, Order
from qka.model.times import DAY, MINUTE, at, day_of

# period of a bar -> ns
SPANS = {
    **{f"{minutes}m": minutes * MINUTE for minutes in (1, 5, 15, 30, 60)},
    "1d": DAY,
}


def began(bar: Bar, *, first: bool) -> int:
    """When the bar's period began, in ns: nothing in it is older.

    It fills only orders that had arrived by then, since its open may have been printed at once.
    The `first` of a day holds the opening auction, whatever its label says.
    """
    if first:
        return at(day_of(bar.time), "09:15")
    return bar.time - SPANS[bar.period]


def against_bar(
    order: Order, limit: float, bar: Bar, volume: int, *, waits: bool
) -> tuple[float, int]:
    """At which price in CNY, and how much of the order trades in a bar that began after it arrived.

    At the open when that is within its `limit`, else, when it `waits`, at its limit when the bar
    went through it (touching is not enough). Never more than `volume` shares, nothing in a bar
    sealed at the limit against us.
    """
    quantity = min(order.remaining, volume)
    if quantity <= 0 or _sealed(order, bar):
        return 0.0, 0
    buying = order.side is BUY
    if bar.open <= limit if buying else bar.open >= limit:
        return bar.open, quantity
    through = bar.low < limit if buying else bar.high > limit
    return (limit, quantity) if waits and through else (0.0, 0)


def _sealed(order: Order, bar: Bar) -> bool:
    if bar.low < bar.high:
        return False  # it traded at more than one price
    limits = price_limits(bar.symbol, bar.prev_close, day_of(bar.time)) if bar.prev_close else None
    if limits is None:
        return False
    up, down = limits
    return bar.low >= up if order.side is BUY else bar.high <= down
