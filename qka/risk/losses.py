"""How much the account has lost, today and from its peak: kept across restarts, lifted by nobody.

Measured on the total, cash and shares at their last price. Money that is paid in or out is neither
profit nor loss: `shift` says so.
"""

from datetime import date

import msgspec

from qka.model.money import fraction, yuan
from qka.model.order import BUY, Order
from qka.model.view import View
from qka.risk.rules import Denial


class Marks(msgspec.Struct, frozen=True):
    """What losses are measured from; money in cents."""

    day: date
    opening: int  # the total when the day began
    peak: int  # the most it ever was


class Losses:
    """At most so much of the day's opening total in a day, and of the peak in all; shares of 1."""

    def __init__(self, daily: float | None, drawdown: float | None) -> None:
        self.marks = Marks(date.min, 0, 0)
        self._daily = None if daily is None else fraction(daily)
        self._drawdown = None if drawdown is None else fraction(drawdown)

    def begin(self, day: date, total: int) -> None:
        """A day begins with that total (cents); a day that has begun goes on."""
        if day != self.marks.day:
            self.marks = Marks(day, total, max(self.marks.peak, total))

    def shift(self, money: int) -> None:
        """So many cents came in, or below zero went out, that are neither profit nor loss."""
        marks = self.marks
        self.marks = Marks(marks.day, marks.opening + money, marks.peak + money)

    def look(self, total: int) -> Denial | None:
        """None, or which limit that total (cents) has passed."""
        marks = self.marks
        if total > marks.peak:
            self.marks = Marks(marks.day, marks.opening, total)
        for code, words, limit, start in (
            ("daily_loss", "today", self._daily, marks.opening),
            ("drawdown", "from the peak", self._drawdown, marks.peak),
        ):
            if limit is None:
                continue
            most, lost = start * limit[0] // limit[1], start - total
            if lost >= most > 0:
                reason = f"{yuan(lost)} CNY lost {words}, {yuan(most)} are the limit"
                return Denial(code, reason, most / 100, lost / 100)
        return None

    def __call__(self, order: Order, view: View) -> Denial | None:
        """As a rule: a buy that comes between two looks is refused too."""
        return self.look(view.total_cents) if order.side is BUY else None
