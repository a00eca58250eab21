"""What happened last: signals, denials and fills, the newest ones, as plain values."""

from collections import deque
from typing import Any

from qka.engine.engine import Engine
from qka.model.events import Fill, OrderDenied, Signal
from qka.model.times import day_of, show

KEPT = 100  # of each kind
MARKED = 500  # fills on a chart

Rows = deque[dict[str, Any]]


class Recent:
    """Listens to one engine; made before it starts. The newest is the last."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.signals: Rows = deque(maxlen=KEPT)
        self.denials: Rows = deque(maxlen=KEPT)
        self.fills: Rows = deque(maxlen=KEPT)
        engine.listen(Signal, self._on_signal)
        engine.listen(OrderDenied, self._on_denied)
        engine.listen(Fill, self._on_fill)

    def begin(self) -> None:
        """The account's books are there: deals of the day from before this run."""
        deals = self._engine.ledger.deals(day_of(self._engine.clock.now()))
        self.fills.extend(map(self._row, sorted(deals, key=lambda deal: deal.time)))

    def deals(self, symbol: str) -> list[dict[str, Any]]:
        """Today's fills of a symbol, for its chart."""
        today = self._engine.ledger.deals(day_of(self._engine.clock.now()))
        return [self._row(deal) for deal in today if deal.symbol == symbol][-MARKED:]

    def _on_signal(self, signal: Signal) -> None:
        name, much = _wants(signal)
        self.signals.append(
            {
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
        )

    def _on_denied(self, event: OrderDenied) -> None:
        order = event.order
        self.denials.append(
            {
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
        )

    def _on_fill(self, fill: Fill) -> None:
        if self._engine.ledger.booked is not None:  # else it was heard before
            self.fills.append(self._row(fill))

    def _row(self, fill: Fill) -> dict[str, Any]:
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


def _wants(signal: Signal) -> tuple[str, float]:
    """In which terms, and how much; an executor decides when nothing is said."""
    for name in ("quantity", "target_shares", "target_value", "target_ratio"):
        much = getattr(signal, name)
        if much is not None:
            return name, much
    return "", 0
