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
    WentEx,
)
from qka.model.order import Order


class Watched(Protocol):
    """What is asked of an engine."""

    ledger: Any

    def listen(self, kind: Any, handler: Any) -> None:
        """Let a handler hear events of these classes."""


_ENGINE = "engine"  # whose line it is that is no strategy's
_STEPS = (OrderSubmitted, OrderAccepted, CancelRequested)  # on an order's way
_ENDS = tuple(kind for kind in REPORTS if kind not in _STEPS)  # what else becomes of one
# alerts are logged where they are made
_OTHERS = (SessionPhase, EngineState, LinkState, OperatorCommand, Distributed, WentEx)


class Lines:
    """Logs the events of one engine."""

    def __init__(self, engine: Watched) -> None:
        self._order = engine.ledger.order
        engine.listen((OrderRequested, OrderDenied), self.on_order)
        engine.listen(_STEPS, self.on_step)
        engine.listen(_ENDS, self.on_end)
        engine.listen(Fill, self.on_fill)
        engine.listen(_OTHERS, self.on_other)

    def on_order(self, event: OrderRequested | OrderDenied) -> None:
        """An order left, or was refused: the event has all of it."""
        logs.event(event.order.strategy or _ENGINE, event)

    def on_step(self, event: OrderSubmitted | OrderAccepted | CancelRequested) -> None:
        """It goes its way, which only who searches wants to read."""
        logs.event(self._whose(event.order_id), event, aside=True)

    def on_fill(self, event: Fill) -> None:
        """Shares moved."""
        logs.event(self._whose(event.order_id), event)

    def on_end(self, event: Any) -> None:
        """What came of it: told with the order that it is about."""
        logs.event(self._whose(event.order_id), event, self._order(event.order_id))

    def on_other(self, event: Any) -> None:
        """The day's phases, the engine, its links, an operator's words."""
        logs.event(_ENGINE, event, aside=getattr(event, "state", "") in ("opening", "started"))

    def _whose(self, order_id: str) -> str:
        order: Order | None = self._order(order_id)
        return order.strategy or _ENGINE if order is not None else _ENGINE
