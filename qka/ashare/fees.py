"""Fees of an order by date, exact to the cent.

Each fee is rounded HALF_UP once an order, over all its fills; the least commission is an order's
too, so a fill is charged what the order owes more because of it. Exchange handling fee and CSRC
levy are inside the commission, as brokers quote it.
"""

from datetime import date
from decimal import Decimal
from functools import lru_cache

from qka.ashare.rules import TERMS
from qka.model.order import SELL, Side

# effective from -> share of turnover, newest first
_STAMP_DUTY = (  # sells of shares; 财税公告2023年第39号 halved it
    (date(2023, 8, 28), Decimal("0.0005")),
    (date(2008, 9, 19), Decimal("0.001")),
)
_TRANSFER = (  # both sides, shares; ChinaClear 2022-04-29
    (date(2022, 4, 29), Decimal("0.00001")),
    (date(2015, 8, 1), Decimal("0.00002")),
)


# a ratio as whole numbers (above, below, half of it): `(amount * above + half) // below` is
# that share of an amount, rounded HALF_UP to the cent
_Share = tuple[int, int, int]


def _share(ratio: Decimal) -> _Share:
    above, below = ratio.as_integer_ratio()
    return above, below, below // 2


@lru_cache(maxsize=4096)
def _statutory(day: date) -> tuple[_Share, _Share]:
    """(stamp duty, transfer fee) of a day."""
    duty, transfer = (
        next((rate for since, rate in rows if day >= since), rows[-1][1])
        for rows in (_STAMP_DUTY, _TRANSFER)
    )
    return _share(duty), _share(transfer)


class FeeSchedule:
    """A broker's contract: commission rate and its least amount in CNY an order."""

    def __init__(self, commission: Decimal, minimum: Decimal) -> None:
        self._commission = _share(commission)
        self._least = int(minimum * 100)
        self._day: date | None = None  # whose statutory rates are at hand
        self._duty = self._transfer = _share(Decimal(0))

    def of_order(self, symbol: str, side: Side, turnover: int, day: date) -> int:
        """Cents that an order owes for a turnover of so many cents; 0 without a fill."""
        if not turnover:
            return 0
        above, below, half = self._commission
        fees = (turnover * above + half) // below
        if fees < self._least:
            fees = self._least
        if TERMS[symbol].share:
            if day is not self._day:
                self._day = day
                self._duty, self._transfer = _statutory(day)
            above, below, half = self._transfer
            fees += (turnover * above + half) // below
            if side is SELL:
                above, below, half = self._duty
                fees += (turnover * above + half) // below
        return fees
