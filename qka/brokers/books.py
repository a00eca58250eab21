"""What the simulated account has: cash in cents, shares, and what of both is promised.

Its sums are kept, never counted again, and it shares none with the ledger: two independent books
that agree are a check.
"""

from collections.abc import Mapping

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import turnaround_same_day
from qka.clock import Clock
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.money import cents, to_cents, turnover, yuan
from qka.model.order import BUY, FINAL, ZERO, Fill, Order
from qka.model.times import day_of


class _Shares:
    """What the account holds of one symbol."""

    __slots__ = ("promised", "quantity", "today")

    def __init__(self, quantity: int = 0, today: int = 0) -> None:
        self.quantity = quantity
        self.today = today  # bought today, and not to be sold before tomorrow
        self.promised = 0  # to working sells


class Books:
    """Money and shares of one account."""

    def __init__(
        self, clock: Clock, fees: FeeSchedule, cash: int, positions: Mapping[str, int]
    ) -> None:
        self._clock = clock
        self.fees = fees
        self.cash = cash  # cents
        self.frozen = 0  # cents of it, held back for working buys
        self.shares = {symbol: _Shares(held) for symbol, held in positions.items()}
        self._held: dict[str, int] = {}  # order id -> cents of a buy, shares of a sell

    def restore(self, account: AccountSnapshot) -> None:
        """Go on with the books of an earlier run; nothing is promised yet."""
        self.cash, self.frozen = to_cents(account.asset.cash), 0
        self._held.clear()
        self.shares = {p.symbol: _Shares(p.quantity, p.today) for p in account.positions}

    def asset(self) -> Asset:
        """Money; positions have no value here."""
        return Asset(yuan(self.cash), yuan(self.frozen), ZERO)

    def positions(self) -> tuple[Position, ...]:
        """Shares held; they carry no prices."""
        return tuple(
            Position(symbol, held.quantity, held.today, held.promised)
            for symbol, held in sorted(self.shares.items())
            if held.quantity
        )

    def sellable(self, symbol: str) -> int:
        """Shares that a new sell may use."""
        held = self.shares.get(symbol)
        return held.quantity - held.today - held.promised if held else 0

    def grant(self, symbol: str, shares: int, money: int) -> None:
        """Shares and cents that come without an order."""
        self.cash += money
        self.shares.setdefault(symbol, _Shares()).quantity += shares

    def new_day(self) -> None:
        """What was bought yesterday can be sold."""
        for held in self.shares.values():
            held.today = 0

    def shortage(self, order: Order) -> str:
        """Why the account can't afford the order, "" when it can."""
        if order.side is BUY:
            return "not enough cash" if self._claim(order) > self.cash - self.frozen else ""
        short = order.quantity > self.sellable(order.symbol)
        return "not enough sellable shares (T+1)" if short else ""

    def hold(self, order: Order) -> None:
        """Hold back for the order what the rest of it may take, no more and no less."""
        before = self._held.pop(order.id, 0)
        held = 0
        if order.status not in FINAL:
            held = self._claim(order) if order.side is BUY else order.remaining
            self._held[order.id] = held
        if order.side is BUY:
            self.frozen += held - before
        elif held != before:
            self.shares[order.symbol].promised += held - before

    def due(self, order: Order, price: float, shares: int) -> tuple[int, int]:
        """Cents of turnover and of fees that the order comes to more by trading these shares."""
        of, now = self.fees.of_order, self._clock.now()
        if not order.filled and round(price, 3) == price:  # bars of one's own may be off any tick
            paid = cents(price, shares)
            return paid, of(order.symbol, order.side, paid, now)
        before = to_cents(order.turnover)
        after = to_cents(order.turnover + turnover(price, shares))
        return after - before, of(order.symbol, order.side, after, now) - to_cents(order.fees)

    def book(self, fill: Fill, paid: int, fees: int) -> None:
        """Move the shares of a fill, and the cents that `due` said."""
        held = self.shares.setdefault(fill.symbol, _Shares())
        if fill.side is BUY:
            self.cash -= paid + fees
            held.quantity += fill.quantity
            if not turnaround_same_day(fill.symbol, day_of(fill.time)):
                held.today += fill.quantity
        else:
            self.cash += paid - fees
            held.quantity -= fill.quantity

    def _claim(self, order: Order) -> int:
        """Cents that the rest of a buy can still cost, fees included."""
        paid, fees = self.due(order, order.price, order.remaining)
        return paid + max(0, fees)
