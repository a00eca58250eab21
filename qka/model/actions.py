"""What a company does to its shares overnight."""

from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import msgspec

from qka.model.money import CENT


class CorporateAction(msgspec.Struct, frozen=True):
    """Who holds shares over the night before `day`, the ex-date, is given cash and new shares.

    Rights are offered, not given: who does not pay for them has the lower price and nothing else.
    """

    symbol: str
    day: date
    cash: Decimal = Decimal(0)  # CNY a share, before tax
    bonus: Decimal = Decimal(0)  # new shares for each one held
    rights: Decimal = Decimal(0)  # new shares offered for each one held
    rights_price: Decimal = Decimal(0)  # CNY that each of them costs
    tax: Decimal = Decimal(0)  # part of the cash that is withheld at once

    def shares(self, held: int) -> int:
        """New shares for so many held, whole ones only."""
        return int((self.bonus * held).to_integral_value(ROUND_DOWN))

    def money(self, held: int, tax: Decimal | None = None) -> Decimal:
        """CNY for so many shares held, to the cent; `tax`: another part that is withheld."""
        kept = 1 - (self.tax if tax is None else tax)
        return (self.cash * held * kept).quantize(CENT, ROUND_HALF_UP)
