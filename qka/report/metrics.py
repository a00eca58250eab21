"""Return and risk over several days, by empyrical: `pip install "qka[report]"`.

It brings scipy, so it is not part of qka itself; without it a report has everything else.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from qka.report.figures import Day

YEAR = 243  # trading days, about what the exchanges have
LEAST = 2  # days, below which nothing can be said
FEW = 60  # days, below which little is


class Metrics(NamedTuple):
    """Of daily returns, the risk-free rate taken as zero; None where there is no such number."""

    days: int
    annual_return: float | None
    annual_volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    value_at_risk: float | None  # the loss that 95 of 100 days stay above
    best: float | None
    worst: float | None


def available() -> bool:
    """Whether the library is there."""
    try:
        import empyrical  # noqa: F401  # late, and asked for only when a report has several days
    except ImportError:
        return False
    return True


def metrics(days: Sequence[Day]) -> Metrics | None:
    """None for fewer days than `LEAST`. Raises ImportError without the library."""
    if len(days) < LEAST:
        return None
    import empyrical
    import pandas as pd

    rates = pd.Series([day.rate for day in days], index=pd.DatetimeIndex([d.day for d in days]))
    return Metrics(
        len(days),
        _real(empyrical.annual_return(rates, annualization=YEAR)),
        _real(empyrical.annual_volatility(rates, annualization=YEAR)),
        _real(empyrical.sharpe_ratio(rates, annualization=YEAR)),
        _real(empyrical.sortino_ratio(rates, annualization=YEAR)),
        _real(empyrical.calmar_ratio(rates, annualization=YEAR)),
        _real(empyrical.value_at_risk(rates)),
        _real(rates.max()),
        _real(rates.min()),
    )


def _real(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
