"""The flattener: leaves positions by a human's word, and says what it could not sell and why.

What works on a symbol is cancelled first, whoever placed it; when that is over all that can be sold
is, at the market, by orders that pass the gate like any. It goes over each symbol once: an order
that waits in a queue works on, and what a late trade brings is not sold again.
"""

from collections.abc import Callable, Iterable
from typing import Any

from qka.ashare import rules as ashare
from qka.clock import Clock
from qka.engine.desk import Trade
from qka.engine.ledger import Ledger
from qka.model.market import Phase, Quote
from qka.model.order import FINAL, SELL, Order, OrderStatus, OrderType
from qka.model.times import same_day


class _Exit:
    """One symbol on its way out."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.waits: set[str] = set()  # ids of orders that are to go first
        self.asked: set[str] = set()  # ids of those whose cancel the broker was asked for
        self.orders: list[str] = []  # ids of its sells
        self.left: list[str] = []  # why shares stay, in words
        self.done = False  # its sells are placed, as far as they can be


class Flattener:
    """`trade` places an order, `withdraw` asks for a cancel, `tell` tells a human."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        trade: Trade,
        withdraw: Callable[[Order, str], Any],
        tell: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._trade = trade
        self._withdraw = withdraw
        self._tell = tell
        self._exits: dict[str, _Exit] = {}  # symbol -> its last one

    def symbols(self) -> list[str]:
        """All that is held or being bought."""
        held = {position.symbol for position in self._ledger.positions()}
        return sorted(held | {order.symbol for order in self._ledger.working()})

    def leave(self, symbols: Iterable[str], why: str) -> None:
        """Begin to leave these, anew where that was begun before."""
        self._exits.clear()
        for symbol in symbols:
            self._exits[symbol] = one = _Exit(why)
            for order in self._ledger.working(symbol):
                if order.status is not OrderStatus.UNKNOWN:
                    one.waits.add(order.id)
                    self._withdraw(order, why)
            self._go_on(symbol, one)

    def on_order(self, order: Order) -> None:
        """An order has changed."""
        one, status = self._exits.get(order.symbol), order.status
        if one is None:
            return
        if order.id in one.waits:
            if status is OrderStatus.PENDING_CANCEL:
                one.asked.add(order.id)
            elif status in FINAL or status is OrderStatus.UNKNOWN or order.id in one.asked:
                one.waits.discard(order.id)
                if status not in FINAL:
                    self._stays(order.symbol, one, f"its order {order.id} stays: it is {status}")
                self._go_on(order.symbol, one)
        elif status not in FINAL:
            return
        elif order.id in one.orders and order.remaining and order.status is not OrderStatus.DENIED:
            words = f"{order.remaining} of an exit of {order.quantity} were {order.status}"
            self._stays(order.symbol, one, f"{words} ({order.reason})" if order.reason else words)

    def rows(self) -> list[dict[str, Any]]:
        """How far each symbol is, as plain values."""
        return [
            {
                "symbol": symbol,
                "held": self._ledger.position(symbol).quantity,
                "selling": sum(self._open(name) for name in one.orders),
                "waits": sorted(one.waits),
                "done": one.done,
                "left": one.left,
            }
            for symbol, one in self._exits.items()
        ]

    def _open(self, name: str) -> int:
        order = self._ledger.order(name)
        return order.remaining if order is not None and order.status not in FINAL else 0

    def _go_on(self, symbol: str, one: _Exit) -> None:
        if one.waits or one.done:
            return
        one.done = True
        position, quote = self._ledger.position(symbol), self._today(symbol)
        if position.today:
            words = f"{position.today} were bought today: not before the next trading day (T+1)"
            self._stays(symbol, one, words)
        if position.frozen:
            words = f"{position.frozen} are promised to sells of which nobody knows the end"
            self._stays(symbol, one, words)
        free = position.sellable
        if free <= 0:
            return
        if quote is not None and quote.phase == Phase.HALTED:
            self._stays(symbol, one, f"{free}: trading in it is halted")
            return
        price = None
        if quote is not None and 0.0 < quote.last <= quote.limit_down:
            price = quote.limit_down
            words = (
                f"{free} wait in the queue at the limit down, {price:g}, and may not trade today"
            )
            self._stays(symbol, one, words)
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        while free > 0:
            shares = ashare.sellable(symbol, min(free, ashare.most(symbol, kind)), free)
            if not shares:
                self._stays(symbol, one, f"{free} are no legal quantity of a sell")
                return
            order = self._trade(symbol, SELL, shares, price, one.why)
            one.orders.append(order.id)
            if order.status is OrderStatus.DENIED:
                self._stays(symbol, one, f"{free} refused: {order.reason}")
                return
            free -= shares

    def _today(self, symbol: str) -> Quote | None:
        quote = self._ledger.quotes.get(symbol)
        return quote if quote is not None and same_day(quote.time, self._clock.now()) else None

    def _stays(self, symbol: str, one: _Exit, words: str) -> None:
        one.left.append(words)
        self._tell(f"{symbol} is not left whole: {words}")
