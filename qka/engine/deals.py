"""The deals that are booked: each counts once, and proves what a human said of its order before.

A broker's numbers come again on later days, so a deal is told apart by its day as well.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import takewhile

from msgspec.structs import replace

from qka.model.order import BUY, Fill
from qka.model.times import day_of

SAID = "operator-"  # how the id of a deal begins that a human's word stands for


# of what is older nobody asks any more: a corporate action brings what it brings sooner
_KEPT = timedelta(days=60)


class Deals:
    """Of one account, of the days that somebody may still ask of."""

    def __init__(self) -> None:
        # day -> (order id, deal id) -> booked: a deal id is unique within its order and day
        self._days: dict[date, dict[tuple[str, str], Fill]] = {}
        self._said: dict[str, Fill] = {}  # order id -> a human's word, as far as nothing proved it

    def of(self, day: date) -> list[Fill]:
        """Those of a day."""
        return list(self._days.get(day, {}).values())

    def since(self, day: date) -> Iterator[Fill]:
        """Those from a day on."""
        days = [*takewhile(day.__le__, reversed(self._days))]
        return (deal for of in reversed(days) for deal in self._days[of].values())

    def moved(self, symbol: str, since: date) -> int:
        """Shares of a symbol that came by them from a day on; below zero: that went."""
        return sum(
            deal.quantity if deal.side is BUY else -deal.quantity
            for deal in self.since(since)
            if deal.symbol == symbol
        )

    def note(self, deal: Fill) -> bool:
        """Remember it; False when it was known."""
        day, key = day_of(deal.time), (deal.order_id, deal.deal_id)
        if day not in self._days:
            self._begin(day)
        of = self._days[day]
        if key in of:
            return False
        of[key] = deal
        if deal.deal_id.startswith(SAID):
            self._said[deal.order_id] = deal
        return True

    def proves(self, deal: Fill) -> bool:
        """Whether a human has said of these shares that they traded, before the broker did.

        The deal takes the place of so much of his word.
        """
        name, said = deal.order_id, self._said.get(deal.order_id)
        if said is None or said is deal or said.quantity < deal.quantity:
            return False
        left = replace(said, quantity=said.quantity - deal.quantity)
        of, key = self._days[day_of(said.time)], (name, said.deal_id)
        if left.quantity:
            of[key] = self._said[name] = left
        else:
            del of[key], self._said[name]
        return True

    def _begin(self, day: date) -> None:
        """The days stay in order, also when one of yesterday is told of late."""
        late = bool(self._days) and day < next(reversed(self._days))
        self._days[day] = {}
        if late:
            self._days = dict(sorted(self._days.items()))
        self._forget(day - _KEPT)

    def _forget(self, before: date) -> None:
        for day in [day for day in self._days if day < before]:
            del self._days[day]
        self._said = {o: deal for o, deal in self._said.items() if day_of(deal.time) >= before}

    def clear(self) -> None:
        """Forget all."""
        self._days.clear()
        self._said.clear()
