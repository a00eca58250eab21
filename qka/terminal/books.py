"""The truth about a simulated account: what was taken, traded and is held. For invariants."""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

import msgspec

from qka.model.money import to_cents, turnover
from qka.model.order import Side


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it begins: shares were held before today, so they can be sold."""

    account_id: str
    account_type: str = "STOCK"
    cash: int = 100_000_000  # cents
    positions: dict[str, int] = {}  # symbol -> shares
    costs: dict[str, float] = {}  # symbol -> CNY a share cost; else the previous close


class Placed(msgspec.Struct, frozen=True):
    """An order the terminal took, as it stands."""

    day: date
    order_id: int  # the terminal's, used again on later days
    sysid: str
    session: int  # who placed it; 0: by hand, in the terminal itself
    remark: str
    strategy: str
    symbol: str
    side: Side
    quantity: int
    price: float  # CNY, as sent
    status: int  # QMT's code
    message: str
    filled: int
    turnover: int  # cents
    fees: int  # cents


class Deal(msgspec.Struct, frozen=True):
    """Shares that changed hands."""

    day: date
    traded_id: str
    order_id: int
    remark: str
    symbol: str
    side: Side
    price: float
    quantity: int
    fees: int  # cents
    time: int  # ns


class Gain(msgspec.Struct, frozen=True):
    """What a corporate action brought."""

    day: date
    symbol: str
    shares: int
    cash: int  # cents


class Books(msgspec.Struct, frozen=True):
    """All of it, since the account was opened; money in cents."""

    opening: Opening
    orders: tuple[Placed, ...]
    deals: tuple[Deal, ...]
    cash: int
    shares: dict[str, int]
    gains: tuple[Gain, ...] = ()

    def problems(self) -> list[str]:
        """What does not add up, in words: cash, shares and orders against the deals and gains."""
        cash, shares = self.opening.cash, Counter(self.opening.positions)
        for gain in self.gains:
            cash += gain.cash
            shares[gain.symbol] += gain.shares
        filled: Counter[tuple[date, int]] = Counter()
        paid: defaultdict[tuple[date, int], Decimal] = defaultdict(Decimal)  # CNY, exact
        for deal in self.deals:
            sign = 1 if deal.side is Side.BUY else -1
            cash -= deal.fees
            shares[deal.symbol] += sign * deal.quantity
            filled[deal.day, deal.order_id] += deal.quantity
            paid[deal.day, deal.order_id] += sign * turnover(deal.price, deal.quantity)
        cash -= sum(map(to_cents, paid.values()))  # an order is rounded, not each of its deals
        found = []
        if cash != self.cash:
            found.append(f"cash is {self.cash} cents, the deals say {cash}")
        for symbol in shares.keys() | self.shares.keys():
            if shares[symbol] != self.shares.get(symbol, 0):
                there = self.shares.get(symbol, 0)
                found.append(f"{there} shares of {symbol}, the deals say {shares[symbol]}")
            if shares[symbol] < 0:
                found.append(f"{shares[symbol]} shares of {symbol}: sold what was not there")
        for order in self.orders:
            name = f"order {order.order_id} of {order.day}"
            if order.filled != filled[order.day, order.order_id]:
                there = filled[order.day, order.order_id]
                found.append(f"{name}: {order.filled} filled, the deals say {there}")
            if order.filled > order.quantity:
                found.append(f"{name}: {order.filled} filled of {order.quantity}")
        return found
