"""The print of a call auction: one price, and what of our orders trades at it.

All orders better than the print trade in full, so ours do, as far as there was volume. At the
print itself one side is left over, and is displayed at that price by the first book after it.
When it is the other side, all of ours at the print traded; when it is ours, we stood behind.
How much of that is believed is a rule on a shelf.
"""

from collections.abc import Callable, Iterable, Iterator

from qka.brokers.exchange.sight import mills
from qka.brokers.exchange.working import Working
from qka.model.market import Quote
from qka.model.order import BUY, Side

# (mills that an order is better than the print, shares that traded and are not given yet, shares
# of the other side left at the print) -> the most that the order may have
Sharing = Callable[[int, int, int], int]


def shared(better: int, volume: int, left_over: int) -> int:
    """Who is better than the print trades; who is at it shares what the other side left."""
    if better > 0:
        return volume
    return 0 if better else min(volume, left_over)


def better_only(better: int, volume: int, left_over: int) -> int:
    """Who is better than the print trades, nobody else."""
    return volume if better > 0 else 0


def nobody(better: int, volume: int, left_over: int) -> int:
    """No order of ours trades in a call: it goes on to what follows."""
    return 0


AUCTIONS: dict[str, Sharing] = {"shared": shared, "better": better_only, "never": nobody}


def at_print(
    entries: Iterable[Working], price: int, volume: int, left_over: int, sharing: Sharing
) -> Iterator[tuple[Working, int]]:
    """Shares of each order of a side that trade at a print of so many shares.

    `price` in mills as that side sees it; `left_over`: shares of the other side that the first
    book after it displays there, 0 when it was not seen. By price, then by time.
    """
    for entry in sorted(entries, key=lambda entry: -entry.limit):
        better = entry.limit - price
        shares = min(entry.order.remaining, sharing(better, volume, left_over))
        if shares > 0:
            volume -= shares
            left_over -= 0 if better else shares
            yield entry, shares


def resumed_at(before: Quote, now: Quote, side: Side, tick: int) -> int:
    """The price in mills of the call that ended a halt, or one that is worse for that side.

    The first snapshot after it tells of the print, and of what traded since. When all of its
    turnover was at its last price, that is the print; else the worst of the last price, the mean,
    and a new extreme of the day.
    """
    last = mills(now.last, side)
    was, worst = (mills(quote.high if side is BUY else quote.low, side) for quote in (before, now))
    price = max(last, worst) if worst > was else last
    if now.amount != before.amount:
        mean = (now.amount - before.amount) / (now.volume - before.volume)
        mean *= 1000 if side is BUY else -1000
        up = -int(-(mean - 0.001) // tick) * tick  # to the tick that is no better
        price = max(price, min(up, worst))
    return price
