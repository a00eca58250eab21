"""What came of each order of a period: when, at what price, and what it cost to wait."""

from decimal import ROUND_HALF_UP, Decimal

import msgspec

from qka.model.events import (
    CancelRequested,
    Event,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderRequested,
    OrderSubmitted,
    Signal,
)
from qka.model.order import Order, Side

_TENTH = Decimal("0.0001")  # of a cent's hundredth: the middle between two ticks is exact in it


class Placed(msgspec.Struct):
    """An order that left, and what was heard of it. Moments are the engine's clock in ns, 0: none.

    `arrival`: CNY a share when its signal was made, 0 where nothing says.
    """

    order: Order  # as it stood last
    arrival: Decimal
    requested: int
    acknowledged: int = 0  # the first word of the broker: it took it, or the exchange has it
    first_fill: int = 0
    last_fill: int = 0
    cancel_requested: int = 0
    cancelled: int = 0

    @property
    def slippage(self) -> Decimal | None:
        """CNY that its fills cost more than at the arrival price; below zero they cost less."""
        if not self.arrival or not self.order.filled:
            return None
        worse = self.order.turnover - self.arrival * self.order.filled
        return worse if self.order.side is Side.BUY else -worse

    @property
    def arrived(self) -> Decimal:
        """CNY that its fills come to at the arrival price."""
        return self.arrival * self.order.filled


class Denied(msgspec.Struct, frozen=True):
    """An order that a rule refused."""

    time: int
    order: Order
    code: str  # of the rule
    rule: str  # as it was set; empty: it was no rule of the gate
    reason: str


class Orders:
    """Told the period's events in their order, each with the engine's time (ns)."""

    def __init__(self) -> None:
        self.placed: dict[str, Placed] = {}  # order id -> what came of it
        self.denied: list[Denied] = []
        self.signals: list[Signal] = []
        self._arrivals: dict[int, float] = {}  # signal -> CNY a share

    def told(self, time: int, event: Event) -> None:
        """Something happened."""
        match event:
            case Signal():
                self.signals.append(event)
                self._arrivals[event.id] = event.arrival
            case OrderRequested(order=order):
                arrival = exact(self._arrivals.get(order.signal, 0.0))
                self.placed[order.id] = Placed(order, arrival, time)
            case OrderDenied():
                self.denied.append(Denied(time, event.order, event.code, event.rule, event.reason))
            case _:
                placed = self.placed.get(getattr(event, "order_id", ""))
                if placed is not None:
                    _heard(placed, time, event)


def _heard(placed: Placed, time: int, event: Event) -> None:
    match event:
        case OrderSubmitted() | OrderAccepted():
            placed.acknowledged = placed.acknowledged or time
        case Fill():
            placed.acknowledged = placed.acknowledged or time
            placed.first_fill = placed.first_fill or time
            placed.last_fill = time
        case CancelRequested():
            placed.cancel_requested = placed.cancel_requested or time
        case OrderCancelled():
            placed.cancelled = placed.cancelled or time


def exact(price: float) -> Decimal:
    """A price between two ticks, without a float's noise."""
    return Decimal(repr(price)).quantize(_TENTH, ROUND_HALF_UP) if price else Decimal(0)
