"""An account lived through again, record by record: by the engine's own ledger, with its lots."""

from decimal import Decimal

import msgspec

from qka.ashare.fees import FeeSchedule
from qka.ashare.limits import after_action
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.reconciler import Settled
from qka.engine.recovery import Checkpoint
from qka.engine.worth import Worth
from qka.journal.port import Note, Record
from qka.model.account import Position
from qka.model.actions import CorporateAction
from qka.model.events import (
    REPORTS,
    Distributed,
    Event,
    OrderAdopted,
    OrderDenied,
    OrderRequested,
)
from qka.model.money import cents, to_cents, yuan
from qka.model.order import Fill, Order, Side
from qka.report.lots import ACCOUNT, Lot, Lots

_BOOKED = (*REPORTS, Distributed, Fill, OrderAdopted, OrderDenied, OrderRequested)
BOOKED = frozenset(kind.__name__ for kind in _BOOKED)  # records that move the books
_DECODE = msgspec.json.Decoder(Checkpoint).decode


class Account:
    """The books as they were after the last record that was told.

    `known` from the first checkpoint on: before it nobody can say what the account held. An old
    journal of a simulated run has none; what it began with is then not known.
    """

    def __init__(self) -> None:
        self._ledger = Ledger(ManualClock(), FeeSchedule(Decimal(0), Decimal(0)), 0)
        self._quiet = self._ledger.quietly()  # open for good: what it books is history
        self._book = self._quiet.__enter__()
        self.lots = Lots()
        self.known = False
        self.prices: dict[str, float] = {}  # symbol -> CNY a share, as last known
        self.moved = 0  # cents paid in, or below zero out, since the period began
        self._agreed = False  # an operator has taken over what differs

    def begin(self) -> None:
        """A period begins here."""
        self.moved = 0
        self.lots.begin(self.prices)

    @property
    def cash(self) -> int:
        """Cents."""
        return to_cents(self._ledger.asset.cash)

    def total(self) -> int:
        """Cents: cash, and shares at their last price."""
        return self.cash + sum(worth for _, worth in self.worth())

    def worth(self) -> list[tuple[tuple[str, Lot], int]]:
        """((symbol, lot), cents) of all that is held."""
        return [
            ((symbol, lot), worth)
            for symbol in self.lots.symbols()
            for lot, worth in self.lots.worth(symbol, self.prices.get(symbol, 0.0))
        ]

    def order(self, order_id: str) -> Order | None:
        """An order as it stands."""
        return self._ledger.order(order_id)

    def note(self, record: Record) -> None:
        """Take a note that says something of the books."""
        if record.kind == Note.WORTH:
            self.prices |= msgspec.json.decode(record.payload, type=Worth).prices
        elif record.kind == Note.RECONCILED:
            self._agreed = msgspec.json.decode(record.payload, type=Settled).accepted
        elif record.kind == Note.SNAPSHOT:
            self._checkpoint(_DECODE(record.payload))

    def book(self, event: Event) -> int | None:
        """Book an event; the cents that a fill moved, None for all else and for a repeated one."""
        self._book(event)
        if isinstance(event, Distributed):
            self._distributed(event.action)
        turnover = self._ledger.booked
        if not isinstance(event, Fill) or turnover is None:
            return None
        self._fill(event, turnover)
        return turnover

    # ------------------------------------------------------------ inside

    def _fill(self, fill: Fill, turnover: int) -> None:
        order = self._ledger.order(fill.order_id)
        owner = order.strategy if order is not None else ACCOUNT
        symbol, fees = fill.symbol, to_cents(fill.fees)
        share = self.lots.shares[owner, symbol]
        share.fills += 1
        share.fees += fees
        if fill.side is Side.BUY:
            share.bought += turnover
            paid = turnover + fees
            self.lots.receive(
                symbol, Lot(owner, fill.quantity, paid, paid, fees, fill.order_id, fill.time)
            )
        else:
            share.sold += turnover
            self.lots.sell(symbol, owner, fill.quantity, turnover, fees, fill.order_id, fill.time)
        self.prices[symbol] = fill.price

    def _distributed(self, action: CorporateAction) -> None:
        """What a company gave: the ledger has booked it."""
        symbol, held = action.symbol, self.lots.held(action.symbol)
        if held > 0:
            new = self._ledger.position(symbol).quantity - held
            self.lots.give(action, new, self._ledger.given or 0)
        if price := self.prices.get(symbol):
            self.prices[symbol] = after_action(action, price)

    def _checkpoint(self, found: Checkpoint) -> None:
        """The books as the engine had them: where ours differ, somebody moved cash or shares."""
        books = found.books
        self.prices |= books.prices
        if not self.known:
            self.known = True
            self._ledger.restore(books)
            self.lots = Lots()
            for symbol, (shares, _, cost) in books.positions.items():
                self._hold(symbol, shares, cost, found.owners.get(symbol, {}))
            return
        ours = {held.symbol: held.quantity for held in self._ledger.positions()}
        theirs = {symbol: shares for symbol, (shares, _, _) in books.positions.items() if shares}
        cash = books.cash - self.cash
        if ours == theirs and not cash:
            return
        for symbol in sorted(ours.keys() | theirs.keys()):
            self._shift(symbol, theirs.get(symbol, 0) - ours.get(symbol, 0))
        if self._agreed:
            self.moved += cash
        elif cash:
            share = self.lots.shares[ACCOUNT, ""]
            share.other += cash
        self._agreed = False
        self._ledger.settle(
            [Position(symbol, shares) for symbol, shares in theirs.items()],
            yuan(books.cash),
            (),
        )

    def _shift(self, symbol: str, change: int) -> None:
        """Shares came or went, and no fill says why: what an operator took over is a transfer."""
        price = self.prices.get(symbol, 0.0)
        if change > 0:
            worth = cents(price, change) if self._agreed else 0
            self.moved += worth
            self.lots.receive(symbol, Lot(ACCOUNT, change, worth, worth))
        elif change:
            self.moved -= self.lots.lose(symbol, -change, price, paid=self._agreed)

    def _hold(self, symbol: str, shares: int, cost: int, owners: dict[str, int]) -> None:
        """Shares from before, each owner's part of them at their average cost."""
        whole = Lot(ACCOUNT, shares, cost, cost)
        for owner, owned in owners.items():
            part = whole.take(owned)
            part.owner = owner
            self.lots.receive(symbol, part)
        if whole.shares:
            self.lots.receive(symbol, whole)
