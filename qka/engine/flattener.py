"""The flattener: leaves positions by a human's word, and says what it could not sell and why.

What works on a symbol is cancelled first, whoever placed it; when that is over all that can be sold
is, at the market, by orders that pass the gate like any; while the exchange takes none, as at noon,
or the limits have no room for one more, it waits. It goes over each symbol once: an order that
waits in a queue works on, and what a late trade brings is not sold again. Who resumes the trading
ends it.
"""

from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

from qka.ashare.sessions import cancels_from, taken_from
from qka.clock import Clock
from qka.engine.desk import Trade
from qka.engine.exits import Exits
from qka.engine.ledger import Ledger
from qka.model.events import TradingState
from qka.model.market import HALTS
from qka.model.order import FINAL, SELL, Order, OrderStatus
from qka.model.times import SECOND, to_datetime
from qka.risk.gate import Gate


class _Leaving:
    """One symbol on its way out."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.waits: set[str] = set()  # ids of orders that are to go first
        self.asked: set[str] = set()  # ids of those whose cancel the broker was asked for
        self.orders: list[str] = []  # ids of its sells
        self.left: list[str] = []  # why shares stay, in words
        self.later = ""  # what its sells wait for, in words
        self.late = False  # a human was told that they wait
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
        gate: Gate,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._exits = Exits(clock, ledger, trade, gate)
        self._withdraw = withdraw
        self._tell = tell
        self._leaving: dict[str, _Leaving] = {}  # symbol -> how far it is

    def symbols(self) -> list[str]:
        """All that is held or being bought."""
        held = {position.symbol for position in self._ledger.positions()}
        return sorted(held | {order.symbol for order in self._ledger.working()})

    def leave(self, symbols: Iterable[str], why: str) -> None:
        """Begin to leave these, anew where that was begun before."""
        self._leaving.clear()
        for symbol in symbols:
            self._leaving[symbol] = one = _Leaving(why)
            for order in self._ledger.working(symbol):
                if order.status is OrderStatus.UNKNOWN:
                    continue
                if self._outlasts(order):
                    self._stays(symbol, one, f"its order {order.id} stays: it is {order.status}")
                else:
                    one.waits.add(order.id)
                    if order.status is OrderStatus.PENDING_CANCEL:
                        one.asked.add(order.id)
                self._withdraw(order, why)
            self._go_on(symbol, one)

    def on_order(self, order: Order) -> None:
        """An order has changed."""
        one, status = self._leaving.get(order.symbol), order.status
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

    def close(self) -> None:
        """The engine stops: what still waits is not sold."""
        for symbol, one in self._leaving.items():
            if not one.done:
                one.done = True
                self._stays(symbol, one, "the engine stops; flatten again after the next start")

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
            for symbol, one in self._leaving.items()
        ]

    def _open(self, name: str) -> int:
        order = self._ledger.order(name)
        return order.remaining if order is not None and order.status not in FINAL else 0

    def _outlasts(self, order: Order) -> bool:
        """Whether a sell works on until nothing can be sold any more: in the closing call."""
        now = self._clock.now()
        cancelled = cancels_from(order.symbol, now)
        over = taken_from(order.symbol, cancelled) is None
        return order.side is SELL and cancelled > now and over

    def _go_on(self, symbol: str, one: _Leaving) -> None:
        if one.waits or one.done or one.later:
            return
        position, when = self._ledger.position(symbol), self._exits.taken_from(symbol)
        if position.sellable > 0 and when > self._clock.now():
            words = f"{position.sellable} of it wait: the exchange takes such a sell from "
            self._later(symbol, one, when, f"{words}{to_datetime(when):%H:%M} on")
            return
        one.done = True
        if self._ledger.trading is TradingState.ACTIVE:
            self._stays(
                symbol, one, "the trading was resumed meanwhile: nothing more of it is sold"
            )
            return
        quote = self._exits.today(symbol)
        if position.sellable > 0 and quote is not None and quote.phase in HALTS:
            words = "of it stay: trading in it is halted; flatten again when it trades"
            self._stays(symbol, one, f"{position.sellable} {words}")
            return
        found = self._exits.leave(symbol, one.why)
        one.orders += [order.id for order in found.orders]
        for what, words in found.left:
            if what == "rate":
                one.done = False
                when = self._clock.now() + ceil(found.wait * SECOND)
                self._later(symbol, one, when, words)
            elif words not in one.left:
                self._stays(symbol, one, words)

    def _later(self, symbol: str, one: _Leaving, when: int, words: str) -> None:
        """Go on at that moment (ns). A human is told once, however often it is put off."""
        one.later = words
        if one.late:
            one.left.append(words)
        else:
            one.late = True
            self._stays(symbol, one, words)
        self._clock.call_at(when, lambda: self._taken(symbol, one))

    def _taken(self, symbol: str, one: _Leaving) -> None:
        """What it waited for has come."""
        if self._leaving.get(symbol) is one:
            one.left.remove(one.later)
            one.later = ""
            self._go_on(symbol, one)

    def _stays(self, symbol: str, one: _Leaving, words: str) -> None:
        one.left.append(words)
        self._tell(f"{symbol} is not left whole: {words}")
