"""A call auction of the simulated market: orders come near its price, and one price meets them."""

from collections.abc import Callable

from qka.ashare.auction import Clearing, clear
from qka.model.codes import Exchange

Levels = list[tuple[int, int]]  # (ticks, shares), best first
_AROUND = 6  # steps that an order is at most off the middle
_MOST = 60  # lots of an order
_FIRST = 10  # lots that meet from the beginning


class Call:
    """The book of a call; prices in ticks between `low` and `high`, on `step` of them."""

    def __init__(
        self, exchange: Exchange, reference: int, low: int, high: int, step: int, lot: int
    ) -> None:
        self._exchange = exchange
        self._reference = reference
        self._low, self._high, self._step, self._lot = low, high, step, lot
        self._buys: dict[int, int] = {}
        self._sells: dict[int, int] = {}

    def begin(self, middle: float, deep: int) -> None:
        """Some are there from the beginning, and at a limit so many lots that want to pass it."""
        price = self._near(middle, 0)
        self._buys[price] = self._sells[price] = _FIRST * self._lot
        if price == self._high:
            self._buys[price] += deep * self._lot
        elif price == self._low:
            self._sells[price] += deep * self._lot

    def come(self, middle: float, random: Callable[[], float]) -> Clearing:
        """A buyer and a seller come; what would trade now."""
        for side in (self._buys, self._sells):
            price = self._near(middle, int((random() + random() - 1) * (_AROUND + 1)))
            side[price] = side.get(price, 0) + (1 + int(random() * _MOST)) * self._lot
        cleared = clear(self._buys, self._sells, self._exchange, self._reference)
        assert cleared is not None  # some met from the beginning
        return cleared

    def left(self, cleared: Clearing) -> tuple[Levels, Levels]:
        """Asks and bids that the print leaves, the best five."""
        asks = sorted(self._sells.items())
        bids = sorted(self._buys.items(), reverse=True)
        return _after(asks, cleared.volume), _after(bids, cleared.volume)

    def _near(self, middle: float, steps: int) -> int:
        price = (int(middle / self._step + 0.5) + steps) * self._step
        return min(max(price, self._low), self._high)


def _after(levels: Levels, traded: int) -> Levels:
    """The best five levels, when so many shares of the best are gone."""
    left: Levels = []
    for price, shares in levels:
        gone = min(shares, traded)
        traded -= gone
        if shares > gone:
            left.append((price, shares - gone))
        if len(left) == 5:
            break
    return left
