"""The one helper where float prices and exact money meet.

Prices are floats on tick (at most three decimals); money is counted in whole cents (`int`)
inside the ledger and shown as `Decimal` quantised to 0.01 at its doors. Both are exact.
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import floor

CENT = Decimal("0.01")


def cents(price: float, quantity: int) -> int:
    """Turnover of `quantity` shares at `price` CNY on its tick, in cents, HALF_UP.

    The exact turnover is a whole number of tenths of a cent, and below 10^11 CNY the product of
    floats is nearer to it than a hundredth: adding 0.51 rounds as adding 0.5 to it would.
    """
    return floor(price * quantity * 100.0 + 0.51)


def turnover(price: float, quantity: int) -> Decimal:
    """Turnover of `quantity` shares at `price` CNY, exact; the price by its shortest decimal form.

    An order's fills are added up like this. Money moves in whole cents, and it is the order that
    is rounded, not each fill: however it trades, it never costs a cent more than was set aside.
    """
    return Decimal(repr(float(price))) * quantity


def shares_for(amount: int, price: float) -> int:
    """Whole shares at `price` CNY that so many cents pay for, 0 without a price."""
    mills = int(price * 1000 + 0.5)
    return amount * 10 // mills if mills > 0 else 0


def part(amount: int, ratio: float) -> int:
    """A share of so many cents, rounded down; the ratio is read by its shortest decimal form."""
    above, below = fraction(ratio)
    return amount * above // below


@lru_cache(maxsize=1024)
def fraction(ratio: float) -> tuple[int, int]:
    """A ratio as two whole numbers, read by its shortest decimal form: 0.1 is (1, 10)."""
    return Decimal(repr(float(ratio))).as_integer_ratio()


def yuan(amount: int) -> Decimal:
    """Cents as CNY."""
    return Decimal(amount).scaleb(-2)


def to_cents(amount: Decimal | int | float | str) -> int:
    """CNY as cents, HALF_UP; a float is read by its shortest decimal form."""
    exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    return int(exact.quantize(CENT, ROUND_HALF_UP).scaleb(2))


def on_tick(price: float | Decimal, tick: Decimal, rounding: str = ROUND_HALF_UP) -> float:
    """The price on its tick grid, rounded in decimal: HALF_UP unless told otherwise."""
    exact = price if isinstance(price, Decimal) else Decimal(repr(float(price)))
    return float((exact / tick).quantize(Decimal(1), rounding) * tick)
