"""What the terminal says of a symbol against what the book computes: the terminal is right.

Where they differ a human should know: a row is missing, or wrong.
"""

from datetime import date

from qka.ashare.limits import price_limits
from qka.ashare.rules import terms_on
from qka.model.market import Status


def status_of(name: str) -> Status:
    """What a security's name says of it: `*ST`, `N` and `C` before it, `退`."""
    if "退" in name:
        return Status.DELISTING
    if "ST" in name:
        return Status.ST
    return Status.NEW if name.startswith(("N", "C")) else Status.NORMAL


def disagreement(
    symbol: str,
    name: str,
    day: date,
    prev_close: float,
    limits: tuple[float, float] | None,
    tick: float = 0.0,
) -> str:
    """How the book differs from the terminal's limits and tick of a day, in words; "" when not.

    `name`: the security's, where ST, new listings and delisting are marked. Nothing is said of
    what the terminal does not know (None, 0.0), and of days on which there may be no limit.
    """
    if tick > 0 and abs(tick * terms_on(symbol, day).ticks - 1) > 1e-6:
        return f"the tick of {symbol} is {tick}, by the rule book {1 / terms_on(symbol, day).ticks}"
    status = status_of(name)
    if limits is None or prev_close <= 0 or status in (Status.NEW, Status.DELISTING):
        return ""
    computed = price_limits(symbol, prev_close, day, st=status is Status.ST)
    if computed is None or computed == limits:
        return ""
    (up, down), (by_up, by_down) = limits, computed
    words = f"the limits of {symbol} are {up} and {down}, by the rule book {by_up} and {by_down}"
    return f"{words}, for a reference of {prev_close}"
