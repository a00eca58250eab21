"""Fees of an order by date, exact to the cent.

Each fee is rounded HALF_UP once an order, over all its fills; the least commission is an order's
too, so a fill is charged what the order owes more because of it. Exchange handling fee and CSRC
levy are inside the commission, as brokers quote it, unless it is net of them (净佣).
"""

from datetime import date
from decimal import Decimal
from functools import lru_cache

from qka.ashare import book
from qka.ashare.rules import fee_rates
from qka.model.order import SELL, Side
from qka.model.times import DAY, day_of, midnight

# a ratio as whole numbers (above, below, half of it): `(amount * above + half) // below` is
# that share of an amount, rounded HALF_UP to the cent
_Share = tuple[int, int, int]
_ANY = 1 << 62  # cents: more than any turnover


def _share(ratio: Decimal) -> _Share:
    """A rate in that form."""
    above, below = ratio.as_integer_ratio()
    return above, below, below // 2


@lru_cache(maxsize=65536)
def _due(symbol: str, side: Side, day: date, *, net: bool) -> list[_Share]:
    """What else than the commission is due."""
    return [_share(rate) for rate in fee_rates(symbol, side, day, net=net)]


book.on_change(_due.cache_clear)


def _most(share: _Share, amount: int) -> int:
    """The greatest turnover whose share is no more than an amount, both in cents."""
    above, below, half = share
    return ((amount + 1) * below - half - 1) // above if above else _ANY


class FeeSchedule:
    """A broker's contract: commission rate and its least amount in CNY an order.

    `net`: exchange handling fee and CSRC levy come on top of the commission.
    """

    def __init__(self, commission: Decimal, minimum: Decimal, *, net: bool = False) -> None:
        self._commission = _share(commission)
        self._least = int(minimum * 100)
        self._small = _most(self._commission, self._least)  # cents: so much owes the least
        self._net = net
        self._begin, self._end = 0, 0  # ns: the day whose rates are at hand
        self._since = date.min  # when they came into force
        self._buys: dict[str, list[_Share]] = {}  # symbol -> what else than the commission is due
        self._sells: dict[str, list[_Share]] = {}

    def of_order(self, symbol: str, side: Side, turnover: int, time: int) -> int:
        """Cents that an order owes for a turnover of so many cents, by the rates at `time` (ns).

        0 without a fill.
        """
        if not turnover:
            return 0
        fees = self._least
        if turnover > self._small:
            above, below, half = self._commission
            fees = (turnover * above + half) // below
        if not self._begin <= time < self._end:
            self._live(day_of(time))
        rates = self._sells if side is SELL else self._buys
        try:
            shares = rates[symbol]
        except KeyError:
            shares = rates[symbol] = _due(symbol, side, self._since, net=self._net)
        for above, below, half in shares:
            fees += (turnover * above + half) // below
        return fees

    def _live(self, day: date) -> None:
        """Another day, other rates."""
        begin = midnight(day)
        self._since, self._begin, self._end = book.since(day), begin, begin + DAY
        self._buys.clear()
        self._sells.clear()
