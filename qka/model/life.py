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

S = OrderStatus
_UNSEEN = frozenset({S.NEW, S.SUBMITTING, S.UNKNOWN})  # the broker has not named it yet


def _working(order: Order) -> OrderStatus:
    return S.PARTIALLY_FILLED if order.filled else S.ACCEPTED


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
        status = S.FILLED
    elif order.status is S.PENDING_CANCEL:
        status = S.PENDING_CANCEL
    else:
        status = S.PARTIALLY_FILLED
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
            return S.PARTIALLY_FILLED if order.filled else S.SUBMITTED
        case OrderAccepted():
            return _working(order) if now in _UNSEEN or now is S.SUBMITTED else now
        case OrderRejected():
            return S.REJECTED
        case CancelRequested():
            return now if now is S.UNKNOWN else S.PENDING_CANCEL
        case CancelRefused():
            return _working(order) if now is S.PENDING_CANCEL else now
        case OrderCancelled():
            return S.CANCELLED
        case OrderExpired():
            return S.EXPIRED
        case OrderUnknown():
            return S.UNKNOWN
