"""Who says what becomes of an order: the paper exchange, and the ways of peers.

Each is shown one order and the day's snapshots, and says which fills it would have reported, with
the moment it would have done so. Orders are judged one by one: none of ours stands before another.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from decimal import Decimal

from benchmarks.fills.market import Filled, Market, Resting, Snapshot, shown
from qka.ashare.fees import FeeSchedule
from qka.ashare.sessions import phases_of
from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.model.events import (
    Event,
    Fill,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    SessionPhase,
)
from qka.model.market import Phase, Quote
from qka.model.order import Approved, Order, Side
from qka.model.times import day_of

Model = Callable[[Resting, Market], list[Filled]]

_ENDED = (OrderCancelled, OrderExpired, OrderRejected)
_BEFORE = 20  # snapshots that are seen before the order is sent
_FEES = FeeSchedule(Decimal("0.00025"), Decimal(5))


def paper(order: Resting, market: Market) -> list[Filled]:
    """The paper exchange, shown what the market would be without the order.

    The order is in the snapshots, because it was real. In life they do not show an order that is
    ours on paper, so its shares are taken out of the levels again. Those that traded with it stay
    in the volume: whoever came would have come all the same. In a call auction nothing is taken
    out.
    """
    return _paper(order, market, _without)


def paper_shown_all(order: Resting, market: Market) -> list[Filled]:
    """The paper exchange, shown the snapshots as they are: it stands behind itself."""
    return _paper(order, market, lambda snapshot, order: snapshot.quote)


def _paper(
    order: Resting, market: Market, view: Callable[[Snapshot, Resting], Quote]
) -> list[Filled]:
    snapshots, times = market.snapshots, market.times
    first = max(0, bisect_left(times, order.arrived) - _BEFORE)
    clock = ManualClock(times[first] - 1)
    ours = Order("ours", market.symbol, order.side, order.shares, order.price / 100,
                 time=order.arrived)  # fmt: skip
    held = {market.symbol: order.shares} if order.side is Side.SELL else {}
    broker = PaperBroker(clock, _FEES, "judged", 10**14, held, latency=0.0)
    fills: list[Filled] = []
    over = False

    def hear(report: Event) -> None:
        nonlocal over
        if isinstance(report, Fill):
            fills.append(Filled(report.time, _cents(report.price), report.quantity, 0))
        over = isinstance(report, _ENDED) or sum(f.shares for f in fills) == order.shares

    broker.tell(hear)
    clock.call_at(order.arrived, lambda: broker.submit(Approved(ours)))
    if order.cancelled:
        clock.call_at(order.cancelled, lambda: broker.cancel(ours))
    day = day_of(order.arrived)
    for moment, phase in phases_of(day):
        event = SessionPhase(moment, day, phase)
        clock.call_at(max(moment, clock.time), lambda event=event: broker.on_phase(event))
    for snapshot in snapshots[first:]:
        clock.advance(to=snapshot.quote.time)
        broker.on_quote(view(snapshot, order))
        if over:
            break
    return fills


def _without(snapshot: Snapshot, order: Resting) -> Quote:
    """The snapshot as it would be without that order."""
    buying = order.side is Side.BUY
    levels = snapshot.bids if buying else snapshot.asks
    left = order.left(snapshot.heard)
    if not left or order.price not in (price for price, _ in levels):
        return snapshot.quote
    others = ((p, shares - left if p == order.price else shares) for p, shares in levels)
    prices, lots = shown([level for level in others if level[1] > 0])
    quote = snapshot.quote
    asks, bids = (quote.ask_prices, quote.ask_lots), (quote.bid_prices, quote.bid_lots)
    (ask_prices, ask_lots), (bid_prices, bid_lots) = (
        (asks, (prices, lots)) if buying else ((prices, lots), bids)
    )
    return Quote(
        quote.symbol, quote.time, quote.last, quote.open, quote.high, quote.low, quote.prev_close,
        quote.volume, quote.amount, quote.phase, ask_prices, ask_lots, bid_prices, bid_lots,
        quote.limit_up, quote.limit_down,
    )  # fmt: skip


def _cents(price: float) -> int:
    return int(price * 100 + 0.5)


# ---------------------------------------------------------------- peers


def touched(order: Resting, market: Market) -> list[Filled]:
    """All of it, as soon as a last price is at its limit or beyond."""
    price = order.price / 100
    for quote in _seen(order, market):
        if quote.last and (quote.last <= price if order.side is Side.BUY else quote.last >= price):
            return [Filled(quote.time, order.price, order.shares, 0)]
    return []


def opposite(order: Resting, market: Market) -> list[Filled]:
    """All of it, as soon as the other side's best price is at its limit or beyond."""
    price = order.price / 100
    for quote in _seen(order, market):
        other = quote.ask1 if order.side is Side.BUY else quote.bid1
        if other and (other <= price if order.side is Side.BUY else other >= price):
            return [Filled(quote.time, _cents(other), order.shares, 0)]
    return []


def own(order: Resting, market: Market) -> list[Filled]:
    """All of it, as soon as it stands at the best price of its own side."""
    price = order.price / 100
    for quote in _seen(order, market):
        best = quote.bid1 if order.side is Side.BUY else quote.ask1
        if best and (best <= price if order.side is Side.BUY else best >= price):
            return [Filled(quote.time, order.price, order.shares, 0)]
    return []


def at_once(order: Resting, market: Market) -> list[Filled]:
    """All of it, at the next last price, whatever its limit."""
    for quote in _seen(order, market):
        if quote.last:
            return [Filled(quote.time, _cents(quote.last), order.shares, 0)]
    return []


def _seen(order: Resting, market: Market) -> Iterator[Quote]:
    """The snapshots between its arrival and its cancel."""
    for snapshot in market.snapshots[bisect_left(market.times, order.arrived + 1) :]:
        quote = snapshot.quote
        if order.cancelled and quote.time > order.cancelled:
            return
        if quote.phase != Phase.PRE_OPEN:
            yield quote


# what the report calls each
MODELS: dict[str, Model] = {
    "paper": paper,
    "paper, shown itself too": paper_shown_all,
    "last touches the limit": touched,
    "other side's best reaches it": opposite,
    "own side's best": own,
    "at once, at the last price": at_once,
}
