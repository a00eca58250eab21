"""How much the account has lost, today and from its peak: kept across restarts, lifted by nobody.

Measured on the total, cash and shares at their last price. Money that is paid in or out is neither
profit nor loss: `shift` says so.
"""

from datetime import date
from decimal import Decimal

import msgspec

from qka.model.money import fraction, yuan
from qka.model.order import SELL, Order
from qka.model.view import View
from qka.risk.verdicts import Caution, Denial


class Marks(msgspec.Struct, frozen=True):
    """What losses are measured from; money in cents."""

    day: date
    opening: int  # the total when the day began
    peak: int  # the most it ever was


class Losses:
    """At most so much of the day's opening total in a day, and of the peak in all; shares of 1."""

    def __init__(
        self, daily: float | None, drawdown: float | None, warn: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        """`warn`: the shares of the two from which on a warning is given; 1: never."""
        self.marks = Marks(date.min, 0, 0)
        self.limit(daily, drawdown, warn)

    def limit(
        self, daily: float | None, drawdown: float | None, warn: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        """From now on these limits."""
        self.limited = (daily, drawdown) != (None, None)
        self._limits = tuple(
            (code, words, *fraction(limit), Decimal(repr(near)))
            for code, words, limit, near in (
                ("daily_loss", "today", daily, warn[0]),
                ("drawdown", "from the peak", drawdown, warn[1]),
            )
            if limit is not None
        )

    def begin(self, day: date, total: int) -> None:
        """A day begins with that total (cents); a day that has begun goes on."""
        if day != self.marks.day:
            self.marks = Marks(day, total, max(self.marks.peak, total))

    def shift(self, money: int) -> None:
        """So many cents came in, or below zero went out, that are neither profit nor loss."""
        marks = self.marks
        self.marks = Marks(marks.day, marks.opening + money, marks.peak + money)

    def look(self, total: int) -> Denial | Caution | None:
        """None, or which limit that total (cents) has passed or come near."""
        marks = self.marks
        if total > marks.peak:
            self.marks = marks = Marks(marks.day, marks.opening, total)
        near = None
        for code, words, above, below, warn in self._limits:
            start = marks.peak if code == "drawdown" else marks.opening
            if start <= 0:
                continue
            most, lost = max(1, start * above // below), start - total
            if lost < most * warn:
                continue
            reason = f"{yuan(lost)} CNY lost {words}, {yuan(most)} are the limit"
            if lost >= most:
                return Denial(code, reason, most / 100, lost / 100)
            near = near or Caution(code, reason, most / 100, lost / 100)
        return near

    def __str__(self) -> str:
        return "losses"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """As a rule: a buy that comes between two looks is refused too."""
        if order.side is SELL:
            return None
        verdict = self.look(view.total_cents)
        if type(verdict) is Denial:
            return verdict._replace(reason=f"{verdict.reason}; a sell would pass")
        return verdict
