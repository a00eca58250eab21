"""Exits: the sells that leave a position, as the exchange takes them now, and what can't be sold.

Shared by who leaves positions: stops, and a human who flattens.
"""

from typing import NamedTuple

from qka.ashare import rules as ashare
from qka.ashare.limits import cage_reference, holding_limits, price_cage
from qka.ashare.sessions import order_kinds, span_at, taken_from
from qka.clock import Clock
from qka.engine.desk import Trade
from qka.engine.ledger import Ledger
from qka.engine.sizing import protection
from qka.model.market import Phase, Quote
from qka.model.order import SELL, Order, OrderStatus, OrderType
from qka.model.times import day_of, same_day
from qka.risk.gate import Gate

_CALLS = (Phase.OPENING_CALL, Phase.CLOSING_CALL)


class Exit(NamedTuple):
    """What came of one: the sells, and why shares stay.

    That is by a word for it: today, unknown, sealed, rate, denied. `wait`: seconds until the limits
    have room for one more of the sells, 0.0 when they were not in the way.
    """

    orders: list[Order]
    left: list[tuple[str, str]]
    wait: float = 0.0


class Exits:
    """`trade` places an order; `gate` tells how many shares such a one may have, and when."""

    def __init__(self, clock: Clock, ledger: Ledger, trade: Trade, gate: Gate) -> None:
        self._clock = clock
        self._ledger = ledger
        self._trade = trade
        self._gate = gate

    def leave(self, symbol: str, why: str) -> Exit:
        """Sell all of a symbol that can be, at the market, in as many orders as it needs.

        At the limit down it waits in the queue there; where no market order is taken (bonds, some
        days, a call auction) it is a limit order that trades at any price.
        """
        position, done = self._ledger.position(symbol), Exit([], [])
        if position.today:
            words = (
                f"{position.today} of {position.quantity} {symbol} were bought today and can't be "
                "sold before the next trading day (T+1)"
            )
            done.left.append(("today", words))
        lost = [o for o in self._ledger.working(symbol) if o.status is OrderStatus.UNKNOWN]
        promised = sum(order.remaining for order in lost if order.side is SELL)
        if promised:
            words = f"{promised} are promised to sells of which nobody knows the end"
            done.left.append(("unknown", words))
        quote, free = self.today(symbol), position.sellable
        price = self._limit(symbol, quote)
        if quote is not None and 0.0 < quote.last <= quote.limit_down and free > 0:
            price = quote.limit_down
            words = (
                f"{symbol} is at its limit down, {price:g}: the exit of {free} waits in the queue "
                "there and may not fill today"
            )
            done.left.append(("sealed", words))
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        while free > 0:
            shares = self._size(symbol, free, price, kind)
            wait = self._gate.wait(self._order(symbol, shares, price, kind))
            if wait:
                words = f"{free} of it wait {wait:g} s: the limits have no room for an order now"
                done.left.append(("rate", words))
                return done._replace(wait=wait)
            order = self._trade(symbol, SELL, shares, price, why)
            done.orders.append(order)
            if order.status is OrderStatus.DENIED:
                done.left.append(("denied", f"the exit of {free} was refused: {order.reason}"))
                break
            free -= shares
        return done

    def _size(self, symbol: str, free: int, price: float | None, kind: OrderType) -> int:
        """Shares of the next order: what the exchange takes in one, and the limits let pass."""
        most = min(free, ashare.most(symbol, kind))
        largest = self._gate.largest(self._order(symbol, most, price, kind))
        fitting = ashare.sellable(symbol, min(most, largest), free)
        return fitting or ashare.sellable(symbol, most, free)  # too tight: the gate says so

    def _order(self, symbol: str, shares: int, price: float | None, kind: OrderType) -> Order:
        """What the limits are asked about."""
        worst = price or protection(self._ledger, symbol, SELL)
        return Order("", symbol, SELL, shares, worst, kind, time=self._clock.now())

    def taken_from(self, symbol: str) -> int:
        """From when (ns) the exchange takes an exit: now, later today; now too for not any more.

        Bars know no hours.
        """
        now = self._clock.now()
        if not self._ledger.quoted:
            return now
        market = self._limit(symbol, self.today(symbol)) is None
        when = taken_from(symbol, now, OrderType.MARKET if market else OrderType.LIMIT)
        return now if when is None else when

    def today(self, symbol: str) -> Quote | None:
        """The last quote, if it is of this day."""
        quote = self._ledger.quotes.get(symbol)
        return quote if quote is not None and same_day(quote.time, self._clock.now()) else None

    def _limit(self, symbol: str, quote: Quote | None) -> float | None:
        """None for a market order; where none is taken, the lowest price."""
        now = self._clock.now()
        day, state = day_of(now), self._ledger.instruments.get(symbol)
        row = order_kinds(symbol, day).get(OrderType.MARKET)
        unlimited = state is not None and state.day == day and state.unlimited
        if quote is not None:
            unlimited = holding_limits(quote, state) is None
        call = span_at(symbol, now).phase in _CALLS
        if row is not None and not call and (row.on_no_limit_days or not unlimited):
            return None
        edge = None
        if quote is not None and not call:
            market = cage_reference(SELL, quote.ask1, quote.bid1, quote.last, quote.prev_close)
            edge = price_cage(symbol, SELL, market, day)
        return max(edge or 0.0, protection(self._ledger, symbol, SELL))
