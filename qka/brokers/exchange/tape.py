"""What traded between two snapshots, as far as volume and turnover tell.

A level-1 feed says how many shares traded and for how much in all, not at which prices. What
traded at or below a limit is estimated from the mean: as few shares as explain it, when they
traded as low as they may have, and all others at the other side's best price; and no more than
what was displayed at better prices leaves of the volume, since that trades first. What surely
traded there (the last price, a new extreme of the day, a mean below it) counts for one lot at
least.
"""

from qka.brokers.exchange.sight import Sight


class Tape:
    """The trades after one snapshot and until the next, as one side sees them."""

    __slots__ = ("_edge", "_floor", "_lot", "_lowest", "_mean", "_own", "_tick", "volume")

    def __init__(self, before: Sight, now: Sight, tick: int, lot: int) -> None:
        self.volume = max(0, now.volume - before.volume)  # shares
        self._own = before.own
        self._tick = tick  # mills
        self._lot = lot
        self._mean = float(now.last)
        if self.volume and now.amount != before.amount:
            # no mean is below the day's lowest price: a turnover that says so is wrong
            self._mean = max((now.amount - before.amount) / self.volume, float(now.far))
        # the lowest price that is known to have traded
        fresh = now.far if now.far < before.far else now.last
        self._lowest = min(now.last, fresh)
        best = [before.own[0][0]] if before.own else []
        other = [sight.other[0][0] for sight in (before, now) if sight.other]
        self._floor = min(self._mean, self._lowest, *best)
        self._edge = max(other, default=now.last)  # the other side's best, the farther of both

    def until(self, limit: int) -> int:
        """Shares that traded at `limit` mills or below it; whole lots, rather too few."""
        after = limit + self._tick  # the next price that does not count
        if not self.volume or (self._mean >= after - 0.001 and self._lowest > limit):
            return 0
        if self._floor > limit:
            return self._lot
        shares = self._below(max(after, self._edge, self._mean))
        first = sum(shown for price, shown in self._own if price > limit)
        shares = max(min(shares, self.volume - first), self._below(after))
        return min(self.volume, max(self._lot, shares - shares % self._lot))

    def _below(self, elsewhere: int | float) -> int:
        """Shares that traded as low as they may have, if all others did `elsewhere`."""
        share = (elsewhere - self._mean) / (elsewhere - self._floor)
        return int(self.volume * min(1.0, max(0.0, share)) + 0.001)
