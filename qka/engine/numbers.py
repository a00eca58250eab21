"""Numbers that strategies hand over: plain ones from here on, or a ValueError that names the field.

They come out of numpy, pandas and Decimal too. Beyond the bounds a number is a mistake.
"""

from typing import Any, TypeVar

MOST_SHARES, MOST_MONEY, MOST_PRICE = 10**12, 1e15, 1e7  # shares, CNY, CNY a share
_ANSWERS = ("bool", "bool_")  # what their types are called
N = TypeVar("N", int, float)


def plain(field: str, value: Any) -> float:
    """The value as a float, which may be infinite or NaN; raises ValueError for no number.

    True is none, Python's or numpy's: it is an answer, in the place of a number.
    """
    try:
        if type(value).__name__ in _ANSWERS:
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{field}: {value!r} is not a number") from None


def number(field: str, value: Any, kind: type[N], most: float) -> N:
    """The value as an int or a float of at most `most`; raises ValueError.

    A fraction is no int: nobody knows whether 100.7 shares are 100 or 101.
    """
    exact = plain(field, value)
    if not -most <= exact <= most:
        raise ValueError(f"{field}: {value!r} makes no sense")
    made = kind(exact)
    if made != exact:
        raise ValueError(f"{field}: {value!r} is not a whole number")
    return made


def limit_price(value: Any) -> float:
    """A price in CNY above zero, not yet on its tick; raises ValueError."""
    price = number("price", value, float, MOST_PRICE)
    if price <= 0:
        raise ValueError(f"price: {value!r} is not above zero")
    return price
