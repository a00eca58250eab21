"""Lots: which shares were bought when, by whom, for how much. First in, first out.

Every share has one owner: the strategy that bought it, or the account ("") that began with it or
was given it from outside. Who sells more than it owns takes the rest over from the others, the
account first. All money is in cents, and no split loses one.
"""

from collections import defaultdict, deque
from collections.abc import Iterator

import msgspec

from qka.model.actions import CorporateAction
from qka.model.money import cents, to_cents

ACCOUNT = ""  # the owner of what no strategy bought


class Lot(msgspec.Struct):
    """Shares bought by one order, as far as they are still there; below zero they are owed."""

    owner: str
    shares: int
    cost: int  # cents, fees included
    basis: int  # cents: their worth when the period began, their cost if they came later
    fees: int = 0  # cents, of buying
    order: str = ""  # "": held before, or given from outside
    time: int = 0  # ns; 0: not known

    def take(self, most: int) -> "Lot":
        """At most so many of its shares, as a lot of their own, with their part of everything."""
        shares = min(most, self.shares)
        cost, basis, fees = (
            part * shares // self.shares for part in (self.cost, self.basis, self.fees)
        )
        self.shares -= shares
        self.cost -= cost
        self.basis -= basis
        self.fees -= fees
        return Lot(self.owner, shares, cost, basis, fees, self.order, self.time)


class Trade(msgspec.Struct):
    """A round trip: shares that one order bought and another one sold."""

    symbol: str
    strategy: str  # that sold
    bought_by: str  # whose they were
    opened: int  # ns; 0: not known
    closed: int  # ns
    shares: int
    cost: int  # cents, fees of buying included
    proceeds: int  # cents, less the fees of selling
    fees: int  # cents, of both
    buy_order: str = ""
    sell_order: str = ""

    @property
    def profit(self) -> int:
        """Cents, after all fees."""
        return self.proceeds - self.cost


class Share(msgspec.Struct):
    """One owner's part in one symbol over the period; money in cents."""

    bought: int = 0  # turnover
    sold: int = 0  # turnover
    fees: int = 0
    fills: int = 0
    realised: int = 0  # of what was sold or taken away, against its cost
    gained: int = 0  # the same against its basis
    other: int = 0  # cash that came of no fill: a dividend, a correction


class Lots:
    """Every symbol's lots, the trades they ended in, and each owner's share of the period."""

    def __init__(self) -> None:
        self._lots: defaultdict[str, deque[Lot]] = defaultdict(deque)  # symbol -> oldest first
        self._trades: dict[tuple[str, str, str, str], Trade] = {}
        self.shares: defaultdict[tuple[str, str], Share] = defaultdict(Share)  # (owner, symbol)

    @property
    def trades(self) -> list[Trade]:
        """The period's round trips, in the order in which they ended."""
        return sorted(self._trades.values(), key=lambda trade: trade.closed)

    def begin(self, prices: dict[str, float]) -> None:
        """A period begins: what is held is its basis, at these prices."""
        self._trades.clear()
        self.shares.clear()
        for symbol in self.symbols():
            for lot, worth in self.worth(symbol, prices.get(symbol, 0.0)):
                lot.basis = worth

    def symbols(self) -> list[str]:
        """Those of which there are lots."""
        return sorted(symbol for symbol, lots in self._lots.items() if lots)

    def worth(self, symbol: str, price: float) -> Iterator[tuple[Lot, int]]:
        """Each lot with its part of what they are worth together, in cents; at cost without a
        price.
        """
        shares = value = 0
        for lot in self._lots[symbol]:
            if not price:
                yield lot, lot.cost
                continue
            shares += lot.shares
            whole = cents(price, shares)
            yield lot, whole - value
            value = whole

    def held(self, symbol: str) -> int:
        """Shares."""
        return sum(lot.shares for lot in self._lots[symbol])

    def receive(self, symbol: str, lot: Lot) -> None:
        """Shares came. What was owed of them is settled first."""
        lots = self._lots[symbol]
        while lot.shares and lots and lots[0].shares < 0:
            owed = lots[0]
            paid = lot.take(-owed.shares)
            cost, basis = (part * paid.shares // -owed.shares for part in (owed.cost, owed.basis))
            share = self.shares[owed.owner, symbol]
            share.realised -= paid.cost + cost
            share.gained -= paid.basis + basis
            owed.shares += paid.shares
            owed.cost -= cost
            owed.basis -= basis
            if not owed.shares:
                lots.popleft()
        if lot.shares:
            lots.append(lot)

    def sell(
        self, symbol: str, owner: str, shares: int, proceeds: int, fees: int, order: str, time: int
    ) -> None:
        """Shares went for `proceeds` less `fees` (cents)."""
        net, left, told, charged = proceeds - fees, shares, 0, 0
        for lot in self._taken(symbol, owner, shares):
            left -= lot.shares
            part = net * (shares - left) // shares - told
            fee = fees * (shares - left) // shares - charged
            told, charged = told + part, charged + fee
            share = self.shares[owner, symbol]
            share.realised += part - lot.cost
            share.gained += part - lot.basis
            self._trade(symbol, owner, lot, part, fee, order, time)
        if left:  # more than anybody is known to hold: owed until they come
            owed = told - net
            self._lots[symbol].appendleft(Lot(owner, -left, owed, owed, 0, order, time))

    def give(self, action: CorporateAction, shares: int, money: int) -> None:
        """What a company gave for all that is held: so many new shares and cents.

        Each owner is given for its own shares, as in the tally; what is over goes to the account.
        """
        symbol = action.symbol
        for owner in dict.fromkeys(lot.owner for lot in self._lots[symbol]):
            mine = [lot for lot in self._lots[symbol] if lot.owner == owner and lot.shares > 0]
            held = sum(lot.shares for lot in mine)
            new, cash = action.shares(held), to_cents(action.money(held))
            shares, money = shares - new, money - cash
            for lot in mine:  # each its part of what is left for those that come
                part, paid = new * lot.shares // held, cash * lot.shares // held
                held, new, cash = held - lot.shares, new - part, cash - paid
                lot.shares += part
                lot.cost -= paid
                lot.basis -= paid
        self.shares[ACCOUNT, symbol].other += money
        if shares > 0:
            self.receive(symbol, Lot(ACCOUNT, shares, 0, 0))

    def lose(self, symbol: str, shares: int, price: float, *, paid: bool) -> int:
        """Shares went without a sale; returns the cents that went with them.

        `paid`: what they were worth went to whoever took them, so nothing is lost.
        """
        worth = cents(price, shares)
        left, told = shares, 0
        for lot in self._taken(symbol, ACCOUNT, shares):
            left -= lot.shares
            part = (worth * (shares - left) // shares - told) if paid else 0
            told += part
            share = self.shares[lot.owner, symbol]
            share.realised += part - lot.cost
            share.gained += part - lot.basis
        if left:
            owed = told - worth if paid else 0
            self._lots[symbol].appendleft(Lot(ACCOUNT, -left, owed, owed))
        return worth if paid else 0

    def _taken(self, symbol: str, owner: str, shares: int) -> Iterator[Lot]:
        """So many shares in lots: the owner's first, then the account's, then the others'."""
        lots = self._lots[symbol]
        owners = dict.fromkeys((owner, ACCOUNT, *(lot.owner for lot in lots)))
        for whose in owners:
            for lot in lots:
                if shares and lot.owner == whose and lot.shares > 0:
                    taken = lot.take(shares)
                    shares -= taken.shares
                    yield taken
        self._lots[symbol] = deque(lot for lot in lots if lot.shares)

    def _trade(
        self, symbol: str, owner: str, lot: Lot, proceeds: int, fees: int, order: str, time: int
    ) -> None:
        key = symbol, lot.order, lot.owner, order
        trade = self._trades.get(key)
        if trade is None:
            trade = self._trades[key] = Trade(
                symbol, owner, lot.owner, lot.time, time, 0, 0, 0, 0, lot.order, order
            )
        trade.closed = time
        trade.shares += lot.shares
        trade.cost += lot.cost
        trade.proceeds += proceeds
        trade.fees += lot.fees + fees
