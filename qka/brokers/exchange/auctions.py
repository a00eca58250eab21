"""The print of a call auction: one price, and what of our orders trades at it.

All orders better than the print trade in full, so ours do, as far as there was volume. At the
print itself one side is left over, and is displayed at that price by the first book after it.
When it is the other side, all of ours at the print traded; when it is ours, we stood behind.
"""

from collections.abc import Iterable, Iterator

from qka.brokers.exchange.sight import Sight
from qka.brokers.exchange.working import Working


def at_print(
    entries: Iterable[Working], price: int, volume: int, after: Sight | None
) -> Iterator[tuple[Working, int]]:
    """Shares of each order of a side that trade at a print of so many shares.

    `price` in mills as that side sees it; `after` is the first book after it, None when it was
    not seen. By price, then by time.
    """
    left_over = sum(shares for level, shares in after.other if level == price) if after else 0
    for entry in sorted(entries, key=lambda entry: -entry.limit):
        better = entry.limit > price
        most = volume if better else min(volume, left_over) if entry.limit == price else 0
        shares = min(entry.order.remaining, most)
        if shares > 0:
            volume -= shares
            left_over -= 0 if better else shares
            yield entry, shares
