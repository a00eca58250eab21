"""What a company does to its shares overnight."""

from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import msgspec

from qka.model.money import CENT


class CorporateAction(msgspec.Struct, frozen=True):
    """Who holds shares over the night before `day`, the ex-date, is given cash and new shares."""

    symbol: str
    day: date
    cash: Decimal = Decimal(0)  # CNY a share, before tax
    bonus: Decimal = Decimal(0)  # new shares for each one held

    def shares(self, held: int) -> int:
        """New shares for so many held, whole ones only."""
        return int((self.bonus * held).to_integral_value(ROUND_DOWN))

    def money(self, held: int, tax: Decimal = Decimal(0)) -> Decimal:
        """CNY for so many shares held, to the cent; `tax` is the part of it that is withheld."""
        return (self.cash * held * (1 - tax)).quantize(CENT, ROUND_HALF_UP)
