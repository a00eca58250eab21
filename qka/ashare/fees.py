"""Fees of an order by date, exact to the cent.

Each fee is rounded HALF_UP once an order, over all its fills; the least commission is an order's
too, so a fill is charged what the order owes more because of it. Exchange handling fee and CSRC
levy are inside the commission, as brokers quote it, unless it is net of them (净佣).
"""

from datetime import date
from decimal import Decimal

from qka.ashare.rules import fee_rates
from qka.model.order import SELL, Side

# a ratio as whole numbers (above, below, half of it): `(amount * above + half) // below` is
# that share of an amount, rounded HALF_UP to the cent
_Share = tuple[int, int, int]


def _share(ratio: Decimal) -> _Share:
    """A rate in that form."""
    above, below = ratio.as_integer_ratio()
    return above, below, below // 2


class FeeSchedule:
    """A broker's contract: commission rate and its least amount in CNY an order.

    `net`: exchange handling fee and CSRC levy come on top of the commission.
    """

    def __init__(self, commission: Decimal, minimum: Decimal, *, net: bool = False) -> None:
        self._commission = _share(commission)
        self._least = int(minimum * 100)
        self._net = net
        self._day: date | None = None  # whose rates are at hand
        self._buys: dict[str, list[_Share]] = {}  # symbol -> what else than the commission is due
        self._sells: dict[str, list[_Share]] = {}

    def of_order(self, symbol: str, side: Side, turnover: int, day: date) -> int:
        """Cents that an order owes for a turnover of so many cents; 0 without a fill."""
        if not turnover:
            return 0
        above, below, half = self._commission
        fees = (turnover * above + half) // below
        if fees < self._least:
            fees = self._least
        if day is not self._day:
            self._day = day
            self._buys.clear()
            self._sells.clear()
        rates = self._sells if side is SELL else self._buys
        shares = rates.get(symbol)
        if shares is None:
            due = fee_rates(symbol, side, day, net=self._net)
            shares = rates[symbol] = [_share(rate) for rate in due]
        for above, below, half in shares:
            fees += (turnover * above + half) // below
        return fees
