"""What the account has of one symbol, and the symbol's last bar: parts of the ledger's books."""

from collections.abc import MutableSet

from qka.model.actions import CorporateAction
from qka.model.market import Bar
from qka.model.money import to_cents


class Holding:
    """Shares of one symbol and what they cost in all."""

    __slots__ = (
        "bonus",
        "coming",
        "cost",
        "frozen",
        "owed",
        "price",
        "quantity",
        "seen",
        "today",
        "value",
    )

    def __init__(self, quantity: int = 0, cost: int = 0) -> None:
        self.quantity = quantity
        self.today = 0
        self.frozen = 0  # what working and unknown sells could still take
        self.coming = 0  # cents that working and unknown buys could still cost, fees aside
        self.cost = cost  # cents
        self.price = 0.0  # CNY, what the broker said it is worth before a quote came
        self.seen = 0  # ns, when it was
        self.value = 0  # cents, as last weighed
        # what the shares have gone without and is to come: new shares, and cents
        self.bonus = self.owed = 0

    @property
    def shares(self) -> int:
        """Held and to come: the price of all of them has fallen, so they share the cost."""
        return self.quantity + self.bonus

    def sell(self, shares: int) -> None:
        """They take their part of the cost."""
        there = self.shares
        if there:
            self.cost -= self.cost * shares // there
        self.quantity -= shares

    def resize(self, quantity: int, bonus: int) -> None:
        """So many are held and to come, for reasons of others: those that left take their cost."""
        before, after = self.shares, quantity + bonus
        if after < before:
            self.cost = self.cost * max(0, after) // before
        self.quantity, self.bonus = quantity, bonus

    def go_ex(self, action: CorporateAction, held: int) -> None:
        """The cost falls by the dividend of `held` shares; what was sold since took its own.

        Their bonus is not in `bonus` yet. A cost that nobody knows stays so.
        """
        if not self.cost:
            return
        rest = min(held, self.quantity)
        self.cost -= to_cents(action.money(rest))
        whole, own = self.shares + action.shares(held), self.shares + action.shares(rest)
        self.cost = self.cost * whole // max(1, own)


class LastBar:
    """The last bar of a symbol; where there are quotes, they say more."""

    __slots__ = ("_moved", "_symbol", "_time", "bar", "weighed")

    def __init__(self, symbol: str, moved: MutableSet[str], *, weighed: bool) -> None:
        self.bar: Bar | None = None
        self.weighed = weighed  # shares of it were: the next bar is to tell `moved`
        self._time = 0  # ns, of the bar
        self._symbol = symbol
        self._moved = moved

    def hear(self, bar: Bar) -> None:
        """Remember it."""
        if bar.time < self._time:
            return  # a longer bar that is told after the shorter ones of the next period
        self.bar, self._time = bar, bar.time
        if self.weighed:
            self.weighed = False
            self._moved.add(self._symbol)
