"""What happened last: signals, denials and fills, the newest ones, as plain values."""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qka.engine.engine import Engine
from qka.model.events import Fill, OrderDenied, Signal
from qka.model.times import day_of, show

KEPT = 100  # of each kind
MARKED = 500  # fills on a chart

Row = dict[str, Any]
Event = TypeVar("Event")


class Newest(Generic[Event]):
    """The newest of one kind. A row is made of one when somebody looks, once, and not before."""

    def __init__(self, row: Callable[[Event], Row]) -> None:
        self._row = row
        self._fresh: deque[Event] = deque(maxlen=KEPT)  # nobody has looked since
        self._rows: deque[Row] = deque(maxlen=KEPT)

    def add(self, event: Event) -> None:
        """One more."""
        self._fresh.append(event)

    def rows(self) -> list[Row]:
        """Oldest first."""
        while self._fresh:
            self._rows.append(self._row(self._fresh.popleft()))
        return list(self._rows)


class Recent:
    """Listens to one engine; made before it starts. The newest is the last."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.signals = Newest(_signal)
        self.denials = Newest(_denial)
        self.fills = Newest(self._fill)
        engine.listen(Signal, self.signals.add)
        engine.listen(OrderDenied, self.denials.add)
        engine.listen(Fill, self._on_fill)

    def begin(self) -> None:
        """The account's books are there: deals of the day from before this run."""
        deals = self._engine.ledger.deals.of(day_of(self._engine.clock.now()))
        for deal in sorted(deals, key=lambda deal: deal.time):
            self.fills.add(deal)

    def deals(self, symbol: str) -> list[Row]:
        """Today's fills of a symbol, for its chart."""
        today = self._engine.ledger.deals.of(day_of(self._engine.clock.now()))
        return [self._fill(deal) for deal in today if deal.symbol == symbol][-MARKED:]

    def _on_fill(self, fill: Fill) -> None:
        if self._engine.ledger.booked is not None:  # else it was heard before
            self.fills.add(fill)

    def _fill(self, fill: Fill) -> Row:
        order = self._engine.ledger.order(fill.order_id)
        return {
            "id": f"{fill.order_id}/{fill.deal_id}",
            "time": show(fill.time),
            "strategy": order.strategy if order else "",
            "symbol": fill.symbol,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "fees": fill.fees,
        }


def _signal(signal: Signal) -> Row:
    name, much = _wants(signal)
    return {
        "id": signal.id,
        "time": show(signal.time),
        "strategy": signal.strategy,
        "symbol": signal.symbol,
        "side": signal.side,
        "wants": name,
        "much": much,
        "price": signal.price,
        "reason": signal.reason,
    }


def _denial(event: OrderDenied) -> Row:
    order = event.order
    return {
        "id": order.id,
        "time": show(event.time),
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "price": order.price,
        "code": event.code,
        "reason": event.reason,
    }


def _wants(signal: Signal) -> tuple[str, float]:
    """In which terms, and how much; an executor decides when nothing is said."""
    for name in ("quantity", "target_shares", "target_value", "target_ratio"):
        much = getattr(signal, name)
        if much is not None:
            return name, much
    return "", 0
