"""A line of the log for each event that somebody may want to read of."""

from typing import Any, Protocol

from qka import logs
from qka.model.events import (
    REPORTS,
    CancelRequested,
    Distributed,
    EngineState,
    Fill,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderDenied,
    OrderRequested,
    OrderSubmitted,
    SessionPhase,
)
from qka.model.order import Order

# alerts are logged where they are made
_TOLD = (
    OrderRequested, OrderDenied, *REPORTS, Fill, SessionPhase, EngineState, LinkState,
    OperatorCommand, Distributed,
)  # fmt: skip
_STEPS = (OrderSubmitted, OrderAccepted, CancelRequested)  # on an order's way


class Watched(Protocol):
    """What is asked of an engine."""

    ledger: Any

    def listen(self, kind: Any, handler: Any) -> None:
        """Let a handler hear events of these classes."""


class Lines:
    """Logs the events of one engine."""

    def __init__(self, engine: Watched) -> None:
        self._engine = engine
        engine.listen(_TOLD, self.on_event)

    def on_event(self, event: Any) -> None:
        """Log it, with the order that it is about."""
        order: Order | None = getattr(event, "order", None)
        if order is None and hasattr(event, "order_id"):
            order = self._engine.ledger.order(event.order_id)
        source = order.strategy if order is not None else ""
        own = isinstance(event, (OrderRequested, OrderDenied, Fill, *_STEPS))
        step = isinstance(event, _STEPS) or getattr(event, "state", "") in ("opening", "started")
        logs.event(source or "engine", event, None if own else order, aside=step)
