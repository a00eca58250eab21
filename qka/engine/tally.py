"""The tally: what each strategy asked for and what came of it. It looks on and decides nothing."""

from collections import Counter
from typing import Any

from qka.engine.ledger import Ledger
from qka.model.events import Alert, Fill, OrderDenied, OrderRequested, Severity, Signal
from qka.model.money import cents, to_cents, yuan
from qka.model.order import Side


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
        self.shares: Counter[str] = Counter()  # bought by this strategy and not sold by it


class Tally:
    """Figures by strategy, and the sums."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._books: dict[str, _Book] = {}
        self._owner: dict[str, str] = {}  # order id -> strategy
        self._costs: dict[str, float] = {}  # CNY a share of what the account began with
        self._start = 0  # cents, all the account began with
        self.alerts: list[Alert] = []

    def begin(self) -> None:
        """The account's books are right: profit is counted from here."""
        self._costs = {p.symbol: p.cost for p in self._ledger.positions()}
        self._start = self._ledger.total_cents

    def book(self, strategy: str) -> _Book:
        """The figures of a strategy, begun when first asked for."""
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
            Alert: self._on_alert,
        }

    def on_strategy_error(self, strategy: str) -> None:
        """A handler of this strategy raised."""
        self.book(strategy).errors += 1

    def _on_signal(self, signal: Signal) -> None:
        self.book(signal.strategy).signals += 1

    def _on_requested(self, event: OrderRequested) -> None:
        self._owner[event.order.id] = event.order.strategy
        self.book(event.order.strategy).orders += 1

    def _on_denied(self, event: OrderDenied) -> None:
        self.book(event.order.strategy).denied[event.code] += 1

    def _on_alert(self, alert: Alert) -> None:
        if alert.severity is not Severity.INFO:
            self.alerts.append(alert)

    def _on_fill(self, fill: Fill) -> None:
        book = self.book(self._owner.get(fill.order_id, ""))
        turnover, fees = cents(fill.price, fill.quantity), to_cents(fill.fees)
        book.fills += 1
        book.fees += fees
        book.turnover += turnover
        if fill.side is Side.BUY:
            book.flow -= turnover + fees
            book.shares[fill.symbol] += fill.quantity
            return
        book.flow += turnover - fees
        own = min(book.shares[fill.symbol], fill.quantity)
        book.shares[fill.symbol] -= own
        # the rest came out of what the account began with, or another strategy bought
        book.flow -= cents(self._costs.get(fill.symbol, 0.0), fill.quantity - own)

    def summary(self) -> dict[str, Any]:
        """Everything a run's `summary.json` says about trading; money in CNY."""
        ledger = self._ledger
        asset = ledger.asset
        books = {name: self._figures(book) for name, book in sorted(self._books.items())}
        return {
            **{
                key: sum(figures[key] for figures in books.values())
                for key in ("signals", "orders", "fills")
            },
            "denied": sum(book.denied.total() for book in self._books.values()),
            "fees": yuan(sum(book.fees for book in self._books.values())),
            "account": {
                "start": yuan(self._start),
                "cash": asset.cash,
                "frozen": asset.frozen,
                "market_value": asset.market_value,
                "total": asset.total,
                "profit": yuan(ledger.total_cents - self._start),
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
            "strategies": books,
            "working": [
                {"id": o.id, "symbol": o.symbol, "side": o.side, "status": o.status}
                for o in ledger.working()
            ],
            "alerts": [f"{alert.source}: {alert.message}" for alert in self.alerts],
        }

    def _figures(self, book: _Book) -> dict[str, Any]:
        held = sum(cents(self._ledger.price(s), shares) for s, shares in book.shares.items())
        return {
            "signals": book.signals,
            "orders": book.orders,
            "denied": dict(sorted(book.denied.items())),
            "fills": book.fills,
            "turnover": yuan(book.turnover),
            "fees": yuan(book.fees),
            "profit": yuan(book.flow + held),
            "errors": book.errors,
        }
