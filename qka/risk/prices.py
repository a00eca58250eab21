"""Where a price may be: inside the day's limits and the price cage.

What the exchange says itself, the limits in a quote, wins over what is computed. No quote of the
day, no word; nor of an order that a broker keeps in the evening, which is for another day.
"""

from qka.ashare.limits import cage_parks, cage_reference, price_limits, reach
from qka.ashare.limits import price_cage as edge_of_cage
from qka.ashare.sessions import window_at
from qka.model.market import Phase, Quote, Status
from qka.model.order import BUY, Order, OrderType
from qka.model.symbol import Board, board_of
from qka.model.times import day_of, same_day
from qka.model.view import MarketView
from qka.risk.verdicts import Caution, Denial

_LIMIT, _FIXED = OrderType.LIMIT, OrderType.FIXED
_BOOKS = frozenset({13, 14})  # phases of a quote whose levels are an order book: continuous, break
# whose board decides the limits; of a fund it is the index, which its code does not tell for sure
_SURE = frozenset({Board.MAIN, Board.STAR, Board.CHINEXT, Board.BSE, Board.BOND})


def price_limit(order: Order, view: MarketView) -> Denial | Caution | None:
    """Inside the day's limits: those of the quote, else computed from its reference price.

    A market order's is the worst price it may trade at. A computed limit refuses nothing that may
    be legal. Of a security's status what is not known is taken as the widest: ST is not. A day on
    which there were prices beyond it has other limits. On a fund it only warns, and where the
    terminal names no limits for the day there are none but those of `reach`.
    """
    quote = view.quotes.get(order.symbol)
    if quote is None or quote.limit_down <= order.price <= quote.limit_up:
        return None
    if not same_day(quote.time, order.time):
        return None  # limits of another day say nothing
    if window_at(order.symbol, order.time).span.phase is Phase.CLOSED:
        return None  # a broker keeps it for the next day, whose limits are others
    if not quote.limit_up and not quote.limit_down:
        return _computed(order, quote, view)
    up = quote.limit_up or order.price
    return _judged(order, quote.limit_down, up, ("today's limit up", "today's limit down"))


def _computed(order: Order, quote: Quote, view: MarketView) -> Denial | Caution | None:
    symbol, day, st = order.symbol, day_of(order.time), False
    state = view.instruments.get(symbol)
    if state is not None and state.day == day:
        if state.unlimited:
            return _within_reach(order, quote)
        if state.status in (Status.NEW, Status.DELISTING):
            return None
        st = state.status is Status.ST
    limits = price_limits(symbol, quote.prev_close, day, st=st)
    if limits is None:
        return None
    up, down = limits
    if down <= order.price <= up or _seen_beyond(quote, up, down):
        return None
    denial = _judged(order, down, up, ("the rule book's limit up", "the rule book's limit down"))
    if denial is None or board_of(symbol) in _SURE:
        return denial
    return Caution(*denial)


def _within_reach(order: Order, quote: Quote) -> Denial | None:
    """On a day without limits."""
    day, phase = day_of(order.time), window_at(order.symbol, order.time).span.phase
    opening = phase in (Phase.PRE_OPEN, Phase.OPENING_CALL)
    base = quote.prev_close if opening else quote.last
    found = reach(order.symbol, day, opening=opening, base=base)
    if found is None:
        return None
    words = "the highest price taken without limits", "the lowest price taken without limits"
    return _judged(order, *found, words, "price_reach")


def _seen_beyond(quote: Quote, up: float, down: float) -> bool:
    """Whether a price of the day shows that its limits are others."""
    seen = quote.high, quote.low, quote.open, quote.last, quote.ask1, quote.bid1
    return any(price and not down <= price <= up for price in seen)


def _judged(
    order: Order, low: float, high: float, names: tuple[str, str], code: str = "price_limit"
) -> Denial | None:
    """`names`: what the highest and the lowest price are called."""
    price = order.price
    if low <= price <= high:
        return None
    above = price > high
    limit, name = (high, names[0]) if above else (low, names[1])
    words = f"{price:.10g} is {'above' if above else 'below'} {limit:.10g}, {name} of "
    return Denial(code, f"{words}{order.symbol}; {limit:.10g} would pass", limit, price)


def price_cage(order: Order, view: MarketView) -> Denial | Caution | None:
    """In continuous trading a limit price goes no further beyond the market than its board lets.

    A price on the own side of the market never does.
    """
    quote = view.quotes.get(order.symbol)
    if quote is None or order.type is not _LIMIT or quote.phase not in _BOOKS:
        return None
    side, price = order.side, order.price
    asks, bids = quote.ask_prices, quote.bid_prices
    if side is BUY:
        if price <= (asks[0] or bids[0] or quote.last or quote.prev_close):
            return None
    elif price >= (bids[0] or asks[0] or quote.last or quote.prev_close):
        return None
    symbol = order.symbol
    if not same_day(quote.time, order.time):
        return None
    if window_at(symbol, order.time).span.phase is not Phase.CONTINUOUS:
        return None
    reference = cage_reference(side, asks[0], bids[0], quote.last, quote.prev_close)
    day = day_of(order.time)
    edge = edge_of_cage(symbol, side, reference, day)
    if edge is None or (price <= edge if side is BUY else price >= edge):
        return None
    words = f"{price:.10g} is beyond the price cage of {symbol}, {edge:.10g} for a market at "
    words += f"{reference:.10g}"
    if cage_parks(symbol, day):
        return Caution("price_cage", f"{words}: it waits until the market comes", edge, price)
    return Denial("price_cage", f"{words}; {edge:.10g} would pass", edge, price)


def closing_price(order: Order, view: MarketView) -> Denial | None:
    """After the close a fixed-price order must let the closing price pass: at it, or better."""
    if order.type is not _FIXED:
        return None
    quote = view.quotes.get(order.symbol)
    if quote is None or not quote.last or not same_day(quote.time, order.time):
        return None
    if window_at(order.symbol, order.time).span.phase is not Phase.POST_CLOSE:
        return None
    price, close = order.price, quote.last
    if price >= close if order.side is BUY else price <= close:
        return None
    words = f"{price:.10g} does not reach {close:.10g}, the closing price of {order.symbol}"
    return Denial("closing_price", f"{words}; {close:.10g} would pass", close, price)
