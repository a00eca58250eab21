"""The tally: what each strategy asked for and what came of it. It looks on and decides nothing.

Profit by strategy. Every share has one owner: the strategy that bought it, or the account, which
began with it or was given it from outside. Who sells more than it owns takes the rest over from
the others, the account first, and makes good what they paid for it. So the profits of all
strategies and the account's own add up to the profit of the account, to the cent.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qka.engine.ledger import Ledger
from qka.model.events import Alert, Distributed, Fill, OrderDenied, OrderRequested, Severity, Signal
from qka.model.money import cents, to_cents, yuan
from qka.model.order import BUY

_ACCOUNT = ""  # the owner of what no strategy bought


class _Lot:
    """What one owner holds of a symbol."""

    __slots__ = ("cost", "shares")

    def __init__(self, shares: int = 0, cost: int = 0) -> None:
        self.shares = shares
        self.cost = cost  # cents

    def give(self, most: int) -> tuple[int, int]:
        """Let go of at most so many shares: (how many, what they cost on average, in cents)."""
        shares = min(most, self.shares)
        if shares <= 0:
            return 0, 0
        cost = self.cost * shares // self.shares
        self.shares -= shares
        self.cost -= cost
        return shares, cost


class _Book:
    """One strategy's figures; money in cents."""

    def __init__(self) -> None:
        self.signals = 0
        self.orders = 0
        self.denied: Counter[str] = Counter()  # rule code -> denials
        self.fills = 0
        self.fees = 0
        self.turnover = 0
        self.errors = 0
        self.flow = 0  # money in less money out


class Tally:
    """Figures by strategy, and the sums."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._books: dict[str, _Book] = {}
        self._outside = _Book()  # of fills that no strategy asked for
        self._lots: dict[str, dict[str, _Lot]] = {}  # symbol -> owner -> what it holds
        self._start = 0  # cents, all the account began with
        self.signal = 0  # number of the last signal
        self.alerts: list[Alert] = []

    def begin(self) -> None:
        """The account's books are right: profit is counted from here.

        Shares keep their owners, at what they are worth now; those of nobody are the account's.
        """
        self._start = self._ledger.total_cents
        owners, self._lots = self.owners(), {}
        for book in self._books.values():
            book.flow = 0
        for position in self._ledger.positions():
            worth, left = self._ledger.worth(position.symbol), position.quantity
            lots = self._lots[position.symbol] = {}
            whole = _Lot(left, worth)
            for owner, shares in owners.get(position.symbol, {}).items():
                lots[owner] = lot = _Lot(*whole.give(shares))
                self.book(owner).flow -= lot.cost
            lots[_ACCOUNT] = whole

    def owners(self) -> dict[str, dict[str, int]]:
        """Symbol -> strategy -> shares it bought and did not sell."""
        return {
            symbol: owned
            for symbol, lots in self._lots.items()
            if (owned := {o: lot.shares for o, lot in lots.items() if o and lot.shares > 0})
        }

    def remember(self, owners: Mapping[str, Mapping[str, int]], signal: int) -> None:
        """Go on from what an earlier run knew."""
        self.signal = signal
        self._lots = {s: {o: _Lot(shares) for o, shares in of.items()} for s, of in owners.items()}

    def move(self, fill: Fill) -> None:
        """Shares of an earlier run's fill found another owner; its money is history."""
        if self._ledger.booked is not None:
            self._share(fill, self._owner(fill), 0, 0)

    def give(self, event: Distributed) -> None:
        """Each owner is given for its own shares; what is over goes to the account."""
        action = event.action
        lots = self._lots.get(action.symbol)
        if not lots:
            return
        for owner, lot in lots.items():
            money = to_cents(action.money(lot.shares))
            self.book(owner).flow += money
            lot.cost -= money
            lot.shares += action.shares(lot.shares)
        over = self._ledger.position(action.symbol).quantity - sum(
            lot.shares for lot in lots.values()
        )
        lots.setdefault(_ACCOUNT, _Lot()).shares += over

    def book(self, strategy: str) -> _Book:
        """The figures of a strategy, begun when first asked for."""
        if strategy == _ACCOUNT:
            return self._outside
        book = self._books.get(strategy)
        if book is None:
            book = self._books[strategy] = _Book()
        return book

    def handlers(self) -> dict[type, Any]:
        """Which events it counts, and with what."""
        return {
            Signal: self._on_signal,
            OrderRequested: self._on_requested,
            OrderDenied: self._on_denied,
            Fill: self._on_fill,
            Distributed: self.give,
            Alert: self._on_alert,
        }

    def on_strategy_error(self, strategy: str) -> None:
        """A handler of this strategy raised."""
        self.book(strategy).errors += 1

    def _on_signal(self, signal: Signal) -> None:
        self.signal = signal.id
        self.book(signal.strategy).signals += 1

    def _on_requested(self, event: OrderRequested) -> None:
        self.book(event.order.strategy).orders += 1

    def _on_denied(self, event: OrderDenied) -> None:
        self.book(event.order.strategy).denied[event.code] += 1

    def _on_alert(self, alert: Alert) -> None:
        if alert.severity is not Severity.INFO:
            self.alerts.append(alert)

    def _on_fill(self, fill: Fill) -> None:
        turnover, fees = self._ledger.booked, to_cents(fill.fees)
        if turnover is None:
            return  # heard before
        owner = self._owner(fill)
        book = self.book(owner)
        book.fills += 1
        book.fees += fees
        book.turnover += turnover
        self._share(fill, owner, turnover, fees)

    def _owner(self, fill: Fill) -> str:
        order = self._ledger.order(fill.order_id)
        return order.strategy if order is not None else _ACCOUNT

    def _share(self, fill: Fill, owner: str, turnover: int, fees: int) -> None:
        """Shares and money (cents) of a fill to and from their owners."""
        book = self.book(owner)
        lots = self._lots.setdefault(fill.symbol, {})
        mine = lots.setdefault(owner, _Lot())
        if fill.side is BUY:
            book.flow -= turnover + fees
            mine.shares += fill.quantity
            mine.cost += turnover + fees
            return
        book.flow += turnover - fees
        sold, _ = mine.give(fill.quantity)
        for other in sorted(lots, key=lambda name: name != _ACCOUNT):
            taken, cost = lots[other].give(fill.quantity - sold)
            sold += taken
            book.flow -= cost
            self.book(other).flow += cost

    def summary(self) -> dict[str, Any]:
        """Everything a run's `summary.json` says about trading; money in CNY."""
        ledger = self._ledger
        asset = ledger.asset
        worth = self._worth()
        profits = {name: book.flow + worth[name] for name, book in sorted(self._books.items())}
        profit = ledger.total_cents - self._start
        everyone = [*self._books.values(), self._outside]
        return {
            "signals": sum(book.signals for book in everyone),
            "orders": sum(book.orders for book in everyone),
            "fills": sum(book.fills for book in everyone),
            "denied": sum(book.denied.total() for book in everyone),
            "fees": yuan(sum(book.fees for book in everyone)),
            "account": {
                "start": yuan(self._start),
                "cash": asset.cash,
                "frozen": asset.frozen,
                "market_value": asset.market_value,
                "total": asset.total,
                "profit": yuan(profit),
                "own_profit": yuan(profit - sum(profits.values())),
                "positions": [
                    {
                        "symbol": p.symbol,
                        "quantity": p.quantity,
                        "sellable": p.sellable,
                        "cost": round(p.cost, 4),
                        "price": p.price,
                        "value": yuan(cents(p.price, p.quantity)),
                    }
                    for p in ledger.positions()
                ],
            },
            "strategies": {
                name: self._figures(self._books[name], made) for name, made in profits.items()
            },
            "working": [
                {"id": o.id, "symbol": o.symbol, "side": o.side, "status": o.status}
                for o in ledger.working()
            ],
            "alerts": [f"{alert.source}: {alert.message}" for alert in self.alerts],
        }

    def _worth(self) -> Counter[str]:
        """Owner -> cents its shares are worth now: a symbol's value shared out exactly."""
        worth: Counter[str] = Counter()
        for symbol, lots in self._lots.items():
            price, shares, value = self._ledger.position(symbol).price, 0, 0
            for owner, lot in lots.items():
                shares += lot.shares
                worth[owner] += cents(price, shares) - value
                value = cents(price, shares)
        return worth

    def _figures(self, book: _Book, profit: int) -> dict[str, Any]:
        return {
            "signals": book.signals,
            "orders": book.orders,
            "denied": dict(sorted(book.denied.items())),
            "fills": book.fills,
            "turnover": yuan(book.turnover),
            "fees": yuan(book.fees),
            "profit": yuan(profit),
            "errors": book.errors,
        }
