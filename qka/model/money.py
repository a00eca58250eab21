"""The one helper where float prices and exact money meet.

Prices are floats on tick (at most three decimals); money is counted in whole cents (`int`)
inside the ledger and shown as `Decimal` quantised to 0.01 at its doors. Both are exact.
"""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def cents(price: float, quantity: int) -> int:
    """Turnover of `quantity` shares at `price` CNY, in cents, HALF_UP."""
    return (int(price * 1000 + 0.5) * quantity + 5) // 10


def yuan(amount: int) -> Decimal:
    """Cents as CNY."""
    return Decimal(amount).scaleb(-2)


def to_cents(amount: Decimal | int | float | str) -> int:
    """CNY as cents, HALF_UP; a float is read by its shortest decimal form."""
    exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    return int(exact.quantize(CENT, ROUND_HALF_UP).scaleb(2))


def on_tick(price: float | Decimal, tick: Decimal, rounding: str = ROUND_HALF_UP) -> float:
    """The price on its tick grid, rounded in decimal: HALF_UP unless told otherwise."""
    exact = price if isinstance(price, Decimal) else Decimal(repr(price))
    return float((exact / tick).quantize(Decimal(1), rounding) * tick)
