"""An event in one line, for people: who asked for what, and what came of it.

`say` gives the language; `str` is the English of the code itself. A reason of the engine's own is
retold by `phrases`; one in the broker's words is shown as it came.
"""

from decimal import Decimal
from typing import Any

from qka.language import Say, mark, say
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
    Severity,
    Signal,
    TimerFired,
    WentEx,
)
from qka.model.market import Bar, Phase, Quote, Status
from qka.model.order import Order, OrderStatus, OrderType, Side
from qka.model.symbol import Board, board_of
from qka.model.times import to_datetime
from qka.phrases import retold


def clock_time(ns: int) -> str:
    """`09:30:03.123456`, in Shanghai."""
    return f"{to_datetime(ns):%H:%M:%S.%f}"


def severity(event: Any) -> Severity:
    """How loud an event is."""
    match event:
        case OrderUnknown():
            return Severity.ERROR
        case OrderRejected() | CancelRefused() | LinkState(up=False):
            return Severity.WARNING
        case EngineState(state="released") | EngineState(state="trading", trading="active"):
            return Severity.WARNING
        case EngineState(state="trading" | "held"):
            return Severity.ERROR
        case _:
            found = getattr(event, "severity", Severity.INFO)
            return found if isinstance(found, Severity) else Severity.INFO


def told(event: Any, order: Order | None = None, say: Say = say) -> str:
    """An event in a line; `order`: the one that it is about, where the reader may not know it."""
    match event:
        case Quote():
            return say("quote {symbol} {last:g}, bid {bid:g} ask {ask:g}, of {time}").format(
                symbol=event.symbol,
                last=event.last,
                bid=event.bid1,
                ask=event.ask1,
                time=clock_time(event.time),
            )
        case Bar():
            return say("{period} bar {symbol} closes at {close:g}").format(
                period=event.period, symbol=event.symbol, close=event.close
            )
        case Signal():
            return say("signal {id} of {strategy}: {wish}").format(
                id=event.id, strategy=event.strategy, wish=_wish(event, say)
            ) + _why(event.reason, say)
        case Rebalanced():
            lines = (retold(str(each), say) for each in event.left)
            left = say("; ").join(lines) or say("nothing is left out")
            return say("{strategy} placed {count} orders for its targets; {left}").format(
                strategy=event.strategy, count=len(event.orders), left=left
            )
        case OrderRequested(order=made):
            return say("order {id}: {order}, passed every rule").format(
                id=made.id, order=wished(made, say)
            )
        case OrderDenied(order=made):
            return say("order {id}: {order}, denied by {code}: {reason}").format(
                id=made.id,
                order=wished(made, say),
                code=say(event.code),
                reason=retold(event.reason, say),
            )
        case OrderAdopted(order=made):
            return say("order {id}: {order}, placed by others").format(
                id=made.id, order=wished(made, say)
            )
        case Fill():
            return _fill(event, say)
        case SessionPhase():
            return say("the phase {phase} of {day}").format(
                phase=say(PHASES.get(event.phase, str(event.phase))), day=event.day
            )
        case Distributed(action=action) | WentEx(action=action) if (
            action.rights and not action.cash and not action.bonus
        ):
            return say(
                "{symbol} goes ex-rights: {rights} shares a share at {price} CNY, not taken up"
            ).format(symbol=action.symbol, rights=action.rights, price=action.rights_price)
        case Distributed(action=action) | WentEx(action=action):
            return say("{symbol} goes ex: {cash} CNY and {bonus} shares a share").format(
                symbol=action.symbol, cash=action.cash, bonus=action.bonus
            )
        case InstrumentState():
            return say("{symbol} {name} is {state} on {day}").format(
                symbol=event.symbol, name=event.name, state=_state(event, say), day=event.day
            )
        case TimerFired():
            return say("timer {name} of {strategy}").format(
                name=event.name, strategy=event.strategy
            )
        case LinkState():
            words = say("link to the {link} up") if event.up else say("link to the {link} down")
            return words.format(link=say(LINKS.get(event.link, event.link))) + _why(
                event.reason, say
            )
        case EngineState(state="trading"):
            trading = say(TRADING.get(event.trading, event.trading))
            return say("trading {trading}").format(trading=trading) + _why(event.reason, say)
        case EngineState():
            return say("engine {state}, trading {trading}").format(
                state=say(STATES.get(event.state, event.state)),
                trading=say(TRADING.get(event.trading, event.trading)),
            ) + _why(event.reason, say)
        case OperatorCommand():
            who = event.who or say("an operator")
            what = f"{event.command} {event.args}".rstrip()
            return say("{who}: {what}").format(who=who, what=what) + _why(event.why, say)
        case _:
            return _report(event, order, say)


# what becomes of an order, and the words for it
REPORTS = {
    OrderSubmitted: mark("the broker took it"),
    OrderAccepted: mark("the exchange has it"),
    OrderRejected: mark("rejected"),
    CancelRequested: mark("a cancel is asked for"),
    CancelRefused: mark("the cancel is refused"),
    OrderCancelled: mark("cancelled"),
    OrderExpired: mark("expired"),
    OrderUnknown: mark("UNKNOWN"),
}
PHASES = {
    Phase.PRE_OPEN: mark("pre_open"),
    Phase.OPENING_CALL: mark("opening_call"),
    Phase.CONTINUOUS: mark("continuous"),
    Phase.BREAK: mark("break"),
    Phase.CLOSED: mark("closed"),
    Phase.HALTED: mark("halted"),
    Phase.CLOSING_CALL: mark("closing_call"),
    Phase.POST_CLOSE: mark("post_close"),
}
LINKS = {"broker": mark("broker"), "feed": mark("feed")}
STATES = {
    "opening": mark("opening"),
    "started": mark("started"),
    "running": mark("running"),
    "stopped": mark("stopped"),
    "held": mark("held"),
    "released": mark("released"),
}
STATUSES = {
    OrderStatus.NEW: mark("new"),
    OrderStatus.DENIED: mark("denied"),
    OrderStatus.SUBMITTING: mark("submitting"),
    OrderStatus.SUBMITTED: mark("submitted"),
    OrderStatus.ACCEPTED: mark("accepted"),
    OrderStatus.PARTIALLY_FILLED: mark("partially_filled"),
    OrderStatus.PENDING_CANCEL: mark("pending_cancel"),
    OrderStatus.UNKNOWN: mark("unknown"),
    OrderStatus.FILLED: mark("filled"),
    OrderStatus.CANCELLED: mark("cancelled"),
    OrderStatus.REJECTED: mark("rejected"),
    OrderStatus.EXPIRED: mark("expired"),
}
TYPES = {
    OrderType.LIMIT: mark("limit"),
    OrderType.MARKET: mark("market"),
    OrderType.BEST_5_LIMIT: mark("best 5 limit"),
    OrderType.PEER: mark("peer"),
    OrderType.OWN: mark("own"),
    OrderType.FILL_CANCEL: mark("fill cancel"),
    OrderType.ALL_OR_NONE: mark("all or none"),
    OrderType.FIXED: mark("fixed"),
}
STANDINGS = {
    Status.NORMAL: mark("normal"),
    Status.ST: mark("st"),
    Status.NEW: mark("new"),
    Status.DELISTING: mark("delisting"),
}
SIDES = {Side.BUY: mark("buy"), Side.SELL: mark("sell")}
TRADING = {"active": mark("active"), "reducing": mark("reducing"), "halted": mark("HALTED")}


def _report(event: Any, order: Order | None, say: Say) -> str:
    words = REPORTS.get(type(event))
    if words is None:
        return type(event).__name__
    number = getattr(event, "broker_id", "")
    outcome = say("{outcome} as {number}") if number else "{outcome}"
    what = say("order {id}: {order}, {outcome}") if order else say("order {id}: {outcome}")
    return what.format(
        id=event.order_id,
        order=wished(order, say) if order else "",
        outcome=outcome.format(outcome=say(words), number=number),
    ) + _why(getattr(event, "reason", ""), say)


def _fill(fill: Fill, say: Say) -> str:
    if fill.side is Side.BUY:
        words = say("order {id}: bought {quantity} {symbol} at {price:g}, fees {fees} CNY")
    else:
        words = say("order {id}: sold {quantity} {symbol} at {price:g}, fees {fees} CNY")
    return (words + say(" (deal {deal})")).format(
        id=fill.order_id,
        quantity=fill.quantity,
        symbol=fill.symbol,
        price=fill.price,
        fees=Decimal(fill.fees),
        deal=fill.deal_id,
        unit=_unit(fill.symbol, say),
    )


def _state(event: InstrumentState, say: Say) -> str:
    words = [say(STANDINGS[event.status])]
    words += [say("suspended")] * event.suspended
    words += [say("without price limits")] * event.unlimited
    return say(", ").join(words)


def _why(reason: str, say: Say) -> str:
    return say(": {reason}").format(reason=retold(reason, say)) if reason else ""


def wished(order: Order, say: Say = say) -> str:
    """What an order asks for: `buy 600 600000.SH market, protected at 12.21`."""
    return asked(order.side, order.quantity, order.symbol, order.type, order.price, say)


def asked(side: str, quantity: int, symbol: str, type_: str, price: float, say: Say = say) -> str:
    """The same for those who have an order's parts alone; the price in CNY a share."""
    if side == Side.BUY:
        words = say("buy {quantity} {symbol} {kind}at {price:g}")
    else:
        words = say("sell {quantity} {symbol} {kind}at {price:g}")
    kind = ""
    if type_ != OrderType.LIMIT:
        kind = say("{type}, protected ").format(type=say(TYPES[OrderType(type_)]))
    return words.format(
        quantity=quantity, symbol=symbol, kind=kind, price=price, unit=_unit(symbol, say)
    )


def _unit(symbol: str, say: Say) -> str:
    """What a quantity counts, which English does not say."""
    board = board_of(symbol)
    if board is Board.FUND:
        return say("units")
    return say("bonds") if board in (Board.BOND, Board.REPO) else say("shares")


def _wish(signal: Signal, say: Say) -> str:
    price = "" if signal.price is None else say(" at {price:g}").format(price=signal.price)
    symbol = signal.symbol
    if signal.side is not None:
        words = "{side} {symbol}"
        if signal.quantity is not None:
            words = say("{side} {quantity} {symbol}")
        side, unit = say(SIDES[signal.side]), _unit(symbol, say)
        words = words.format(side=side, quantity=signal.quantity, symbol=symbol, unit=unit)
        return words + price
    if signal.target_shares is not None:
        words = say("{symbol} to {shares} shares").format(
            symbol=symbol, shares=signal.target_shares
        )
    elif signal.target_value is not None:
        words = say("{symbol} to {value:,.2f} CNY").format(symbol=symbol, value=signal.target_value)
    else:
        words = say("{symbol} to {ratio:.2%} of all").format(
            symbol=symbol, ratio=signal.target_ratio
        )
    return words + price


# the codes of denials, which are said as they are in English
CODES = (
    mark("capital"),
    mark("cancel_ratio"),
    mark("cash"),
    mark("closing_price"),
    mark("daily_cap"),
    mark("daily_loss"),
    mark("daily_quantity"),
    mark("daily_notional"),
    mark("drawdown"),
    mark("duplicate"),
    mark("gross_exposure"),
    mark("group_ratio"),
    mark("holdings"),
    mark("instrument"),
    mark("journal"),
    mark("listed"),
    mark("losing_trades"),
    mark("lot"),
    mark("notional"),
    mark("order_size"),
    mark("order_type"),
    mark("phase"),
    mark("position_ratio"),
    mark("price"),
    mark("price_cage"),
    mark("price_distance"),
    mark("limit_distance"),
    mark("price_limit"),
    mark("price_reach"),
    mark("programme"),
    mark("quantity"),
    mark("quick_cancels"),
    mark("rate"),
    mark("rule_fault"),
    mark("self_trade"),
    mark("sellable"),
    mark("stale_quote"),
    mark("stopped"),
    mark("suspended"),
    mark("tick"),
    mark("trading_day"),
    mark("trading_state"),
    mark("unknown"),
)
