"""The life of an order: `after(order, event)` for every state and every report, and no other way.

Reports may come twice, late or out of order. A stale one leaves the order as it is; a final
state never changes, but a fill that the broker proves is always counted.
"""

from msgspec.structs import replace

from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderReport,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.money import turnover
from qka.model.order import FINAL, Order, OrderStatus

# members at hand: see `BUY` and `SELL`
(
    NEW, DENIED, SUBMITTING, SUBMITTED, ACCEPTED, PARTIALLY_FILLED, PENDING_CANCEL, UNKNOWN,
    FILLED, CANCELLED, REJECTED, EXPIRED,
) = OrderStatus  # fmt: skip
_UNSEEN = frozenset({NEW, SUBMITTING, UNKNOWN})  # the broker has not named it yet


def _working(order: Order) -> OrderStatus:
    return PARTIALLY_FILLED if order.filled else ACCEPTED


def after(order: Order, event: OrderReport | Fill) -> Order:
    """The order once the report is known; the very same object when the report says nothing new."""
    if isinstance(event, Fill):
        return _filled(order, event)
    broker_id = getattr(event, "broker_id", "") or order.broker_id
    status = _status(order, event)
    if status is order.status and broker_id == order.broker_id:
        return order
    return replace(
        order,
        status=status,
        broker_id=broker_id,
        reason=getattr(event, "reason", "") or order.reason,
    )


def _filled(order: Order, fill: Fill) -> Order:
    filled = order.filled + fill.quantity
    if order.status in FINAL:
        status = order.status
    elif filled >= order.quantity:
        status = FILLED
    elif order.status is PENDING_CANCEL:
        status = PENDING_CANCEL
    else:
        status = PARTIALLY_FILLED
    return replace(
        order,
        status=status,
        filled=filled,
        turnover=order.turnover + turnover(fill.price, fill.quantity),
        fees=order.fees + fill.fees,
    )


def _status(order: Order, event: OrderReport) -> OrderStatus:
    now = order.status
    if now in FINAL:
        return now
    match event:
        case OrderSubmitted():
            if now not in _UNSEEN:
                return now
            return PARTIALLY_FILLED if order.filled else SUBMITTED
        case OrderAccepted():
            return _working(order) if now in _UNSEEN or now is SUBMITTED else now
        case OrderRejected():
            return REJECTED
        case CancelRequested():
            return now if now is UNKNOWN else PENDING_CANCEL
        case CancelRefused():
            return _working(order) if now is PENDING_CANCEL else now
        case OrderCancelled():
            return CANCELLED
        case OrderExpired():
            return EXPIRED
        case OrderUnknown():
            return UNKNOWN
