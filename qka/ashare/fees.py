"""Fees of an order by date, exact to the cent.

Each fee is rounded HALF_UP once an order, over all its fills; the least commission is an order's
too, so a fill is charged what the order owes more because of it. Exchange handling fee and CSRC
levy are inside the commission, as brokers quote it.
"""

from datetime import date
from decimal import Decimal
from functools import lru_cache

from qka.model.order import Side
from qka.model.symbol import Board, board_of

_SCALE = 10**8

# effective from -> share of turnover, newest first
_STAMP_DUTY = (  # sells of shares; 财税公告2023年第39号 halved it
    (date(2023, 8, 28), Decimal("0.0005")),
    (date(2008, 9, 19), Decimal("0.001")),
)
_TRANSFER = (  # both sides, shares; ChinaClear 2022-04-29
    (date(2022, 4, 29), Decimal("0.00001")),
    (date(2015, 8, 1), Decimal("0.00002")),
)
_SHARES = frozenset({Board.MAIN, Board.STAR, Board.CHINEXT, Board.BSE})


@lru_cache(maxsize=4096)
def _statutory(day: date) -> tuple[int, int]:
    """(stamp duty, transfer fee) of a day, scaled."""
    duty, transfer = (
        next((rate for since, rate in rows if day >= since), rows[-1][1])
        for rows in (_STAMP_DUTY, _TRANSFER)
    )
    return int(duty * _SCALE), int(transfer * _SCALE)


def _share(amount: int, rate: int) -> int:
    return (amount * rate + _SCALE // 2) // _SCALE


class FeeSchedule:
    """A broker's contract: commission rate and its least amount in CNY an order."""

    def __init__(self, commission: Decimal, minimum: Decimal) -> None:
        self._rate = int(commission * _SCALE)
        self._least = int(minimum * 100)

    def of_order(self, symbol: str, side: Side, turnover: int, day: date) -> int:
        """Cents that an order owes for a turnover of so many cents; 0 without a fill."""
        if not turnover:
            return 0
        fees = max(_share(turnover, self._rate), self._least)
        if board_of(symbol) in _SHARES:
            duty, transfer = _statutory(day)
            fees += _share(turnover, transfer)
            if side is Side.SELL:
                fees += _share(turnover, duty)
        return fees
