"""The other side's displayed levels: what an order can take at once.

The market does not know of our orders, so shares that they took are displayed on. They are not
taken again until as many were traded by others.
"""

from qka.brokers.exchange.sight import Level, Sight


class Levels:
    """What one side of a symbol may still take of what is displayed against it."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[int, int] = {}  # mills -> shares that we took and are displayed yet

    def renew(self, sight: Sight, traded: int) -> None:
        """A new snapshot, and how many shares were traded before it."""
        if self._taken:
            shown = dict(sight.other)
            left = {
                price: min(shares - traded, shown.get(price, 0))
                for price, shares in self._taken.items()
            }
            self._taken = {price: shares for price, shares in left.items() if shares > 0}

    def take(self, sight: Sight, limit: int, shares: int) -> list[Level]:
        """Take up to so many shares at `limit` or better, the best first."""
        took: list[Level] = []
        for price, shown in sight.against(limit):
            free = min(shares, shown - self._taken.get(price, 0))
            if free > 0:
                took.append((price, free))
                self._taken[price] = self._taken.get(price, 0) + free
                shares -= free
        return took

    def offered(self, sight: Sight, limit: int) -> int:
        """Shares that could be taken at `limit` or better."""
        return sum(
            max(0, shown - self._taken.get(price, 0)) for price, shown in sight.against(limit)
        )
