"""What the exchange refuses: its own look at an order, whoever let it pass before."""

from qka.ashare.limits import cage_parks, cage_reference, holding_limits, price_cage, reach
from qka.ashare.rows import Taking
from qka.ashare.rules import TERMS, buyable, most, sellable, tick_price
from qka.ashare.sessions import order_kinds, span_at, takes
from qka.brokers.exchange.sight import is_book
from qka.model.events import InstrumentState
from qka.model.market import HALTS, Phase, Quote
from qka.model.order import BUY, Order, OrderType
from qka.model.times import day_of

_OVER = frozenset({Phase.POST_CLOSE, Phase.CLOSED})
_BEFORE = frozenset({Phase.PRE_OPEN, Phase.OPENING_CALL})
_PRICED = frozenset({OrderType.LIMIT, OrderType.FIXED})


def size(order: Order, held: int) -> str:
    """Why no order may have that quantity, "" for none; `held` are the shares a sell may use."""
    symbol, quantity = order.symbol, order.quantity
    if TERMS[symbol].barred:
        return f"{symbol} {TERMS[symbol].barred}"
    buying = order.side is BUY
    legal = buyable(symbol, quantity) if buying else sellable(symbol, quantity, held)
    if legal != quantity:
        return f"{quantity} shares are no legal quantity of {symbol}"
    largest = most(symbol, order.type)
    return f"{quantity} shares are above the maximum of {largest}" if quantity > largest else ""


def hours(order: Order, now: int) -> str:
    """Why no order of that type is taken at that moment (ns)."""
    if takes(order.symbol, now, order.type) is not Taking.REFUSED:
        return ""
    phase = span_at(order.symbol, now).phase
    if phase in _OVER and order.type is not OrderType.FIXED:
        return "the exchange is closed"
    return f"{order.type} orders of {order.symbol} are not taken now, in {phase.name}"


def price(order: Order, quote: Quote, state: InstrumentState | None, now: int) -> str:
    """Why an order may not have that price, by the newest snapshot of today.

    `state`: what the terminal said of the symbol last.
    """
    symbol, limit = order.symbol, order.price
    if quote.phase in HALTS and not quote.volume:
        return f"{symbol} is suspended"
    limits = holding_limits(quote, state)
    if order.type not in _PRICED:  # what it carries is its protection
        if quote.phase in HALTS:  # for a while: they wait for the call that ends it
            return f"{order.type} orders of {symbol} are not taken while it is halted"
        kind = order_kinds(symbol, day_of(now)).get(order.type)
        bound = kind is None or kind.on_no_limit_days or limits is not None
        return "" if bound else f"{order.type} orders are not taken on a day without limits"
    if tick_price(symbol, limit) != limit:
        return f"{limit} is not on the tick of {symbol}"
    if limits is not None and not limits[1] <= limit <= limits[0]:
        return f"{limit} is outside the day's limits {limits[1]} to {limits[0]}"
    if limits is None and quote.last:
        opening = span_at(symbol, now).phase in _BEFORE
        base = quote.prev_close if opening else quote.last
        near = reach(symbol, day_of(now), opening=opening, base=base)
        if near is not None and not near[0] <= limit <= near[1]:
            return f"{limit} is not taken on a day without limits: {near[0]} to {near[1]} are"
    edge = _cage(order, quote, now)
    if edge is not None and not cage_parks(symbol, day_of(now)):
        return f"{limit} is beyond the price cage, which ends at {edge}"
    return ""


def parked(order: Order, quote: Quote, now: int) -> bool:
    """Whether the order waits for the market to come near (ChiNext before 2023-04-10)."""
    return cage_parks(order.symbol, day_of(now)) and _cage(order, quote, now) is not None


def _cage(order: Order, quote: Quote, now: int) -> float | None:
    """The end of the price cage that the order is beyond; None when it is in it."""
    if order.type is not OrderType.LIMIT or not is_book(quote):
        return None
    if span_at(order.symbol, now).phase is not Phase.CONTINUOUS:
        return None
    reference = cage_reference(order.side, quote.ask1, quote.bid1, quote.last, quote.prev_close)
    edge = price_cage(order.symbol, order.side, reference, day_of(now))
    if edge is None:
        return None
    inside = order.price <= edge if order.side is BUY else order.price >= edge
    return None if inside else edge
