"""What happened, in one line each, for people."""

from decimal import Decimal
from typing import Any

from qka.journal.port import Record
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Distributed,
    EngineState,
    Fill,
    InstrumentState,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderRequested,
    OrderSubmitted,
    OrderUnknown,
    Rebalanced,
    SessionPhase,
    Signal,
    TimerFired,
)
from qka.model.market import Bar, Quote
from qka.model.order import Order, OrderType
from qka.model.times import to_datetime
from qka.recording.port import Due, Row, Said, Turn


def clock_time(ns: int) -> str:
    """`09:30:03.123456`, in Shanghai."""
    return f"{to_datetime(ns):%H:%M:%S.%f}"


def came(what: Row | Record) -> str:
    """A row or a record with its time."""
    if isinstance(what, Row):
        return f"{clock_time(what.time)}  {said(what.entry)}"
    return f"{clock_time(what.ts)}  {said(what.event)} (record {what.seq})"


def said(event: Any) -> str:
    """An event, or a row's entry, in a line."""
    match event:
        case Quote():
            return (
                f"quote {event.symbol} {event.last:g}, bid {event.bid1:g} ask {event.ask1:g}, "
                f"of {clock_time(event.time)}"
            )
        case Bar():
            return f"{event.period} bar {event.symbol} closes at {event.close:g}"
        case Due(when=when):
            return f"the clock: what was due at {clock_time(when)}"
        case Turn(name=name):
            return f"an async handler of {name} has its turn"
        case Said():
            return "what was said meanwhile is heard"
        case Signal():
            return f"signal {event.id} of {event.strategy}: {_wish(event)}{_why(event.reason)}"
        case Rebalanced():
            left = "; ".join(map(str, event.left)) or "nothing is left out"
            return f"{event.strategy} placed {len(event.orders)} orders for its targets; {left}"
        case OrderRequested(order=order):
            return f"order {order.id}: {_order(order)}, passed every rule"
        case OrderDenied(order=order):
            return f"order {order.id}: {_order(order)}, denied by {event.code}: {event.reason}"
        case OrderAdopted(order=order):
            return f"order {order.id}: {_order(order)}, placed by others"
        case Fill():
            return (
                f"order {event.order_id}: {event.quantity} shares traded at {event.price:g}, "
                f"fees {Decimal(event.fees)} CNY (deal {event.deal_id})"
            )
        case Distributed(action=action):
            return f"{action.symbol} goes ex: {action.cash} CNY and {action.bonus} shares a share"
        case SessionPhase():
            return f"the phase {event.phase} of {event.day}"
        case TimerFired():
            return f"timer {event.name} of {event.strategy}"
        case InstrumentState():
            return f"{event.symbol} {event.name} is {_state(event)} on {event.day}"
        case LinkState():
            return f"link to the {event.link} {'up' if event.up else 'down'}{_why(event.reason)}"
        case EngineState():
            return f"engine {event.state}, trading {event.trading}{_why(event.reason)}"
        case OperatorCommand():
            what = f"{event.command} {event.args}".rstrip()
            return f"{event.who or 'an operator'}: {what}{_why(event.why)}"
        case _:
            return _report(event)


_REPORTS = {
    OrderSubmitted: "the broker took it",
    OrderAccepted: "the exchange has it",
    OrderRejected: "rejected",
    CancelRequested: "a cancel is asked for",
    CancelRefused: "the cancel is refused",
    OrderCancelled: "cancelled",
    OrderExpired: "expired",
    OrderUnknown: "UNKNOWN",
}


def _report(event: Any) -> str:
    words = _REPORTS.get(type(event))
    if words is None:
        return type(event).__name__
    number = getattr(event, "broker_id", "")
    named = f" as {number}" if number else ""
    return f"order {event.order_id}: {words}{named}{_why(getattr(event, 'reason', ''))}"


def _state(event: InstrumentState) -> str:
    words = [str(event.status)]
    words += ["suspended"] * event.suspended + ["without price limits"] * event.unlimited
    return ", ".join(words)


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""


def _order(order: Order) -> str:
    kind = "" if order.type is OrderType.LIMIT else f"{order.type.replace('_', ' ')}, protected "
    return f"{order.side} {order.quantity} {order.symbol} {kind}at {order.price:g}"


def _wish(signal: Signal) -> str:
    price = "" if signal.price is None else f" at {signal.price:g}"
    if signal.side is not None:
        much = "" if signal.quantity is None else f"{signal.quantity} "
        return f"{signal.side} {much}{signal.symbol}{price}"
    if signal.target_shares is not None:
        return f"{signal.symbol} to {signal.target_shares} shares{price}"
    if signal.target_value is not None:
        return f"{signal.symbol} to {signal.target_value:,.2f} CNY{price}"
    return f"{signal.symbol} to {signal.target_ratio:.2%} of all{price}"
