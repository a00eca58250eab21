"""The executor: sizes the signals that strategies only emit, and places their orders.

Signals that arrive together are one batch: sells go first, buys follow when those sells are
final, so that they can use the cash.
"""

from collections.abc import Callable

from qka.ashare import rules
from qka.clock import Clock
from qka.engine.ledger import Ledger
from qka.engine.sizing import affordable, for_value, protection, to_target
from qka.model.events import Signal
from qka.model.money import part, shares_for
from qka.model.order import FINAL, Order, OrderStatus, Side

Place = Callable[[Signal, Side, int], Order]


class Executor:
    """`ratio`: share of total assets that a buy without a quantity asks for."""

    def __init__(self, clock: Clock, ledger: Ledger, place: Place, ratio: float) -> None:
        self._clock = clock
        self._ledger = ledger
        self._place = place
        self._ratio = ratio
        self._batch: list[Signal] = []
        self._buys: list[tuple[set[str], list[Signal]]] = []  # (sells waited for, buys to place)

    def on_signal(self, signal: Signal) -> None:
        """Take a signal; the batch is worked when the event that brought it is done."""
        if signal.placed:
            return
        if not self._batch:
            self._clock.call_at(self._clock.now(), self._work)
        self._batch.append(signal)

    def on_order(self, order: Order) -> None:
        """A sell that buys may be waiting for has changed."""
        if order.status not in FINAL or not self._buys:
            return
        waiting, self._buys = self._buys, []
        for sells, buys in waiting:
            if order.id in sells and order.status is OrderStatus.EXPIRED:
                continue  # the day is over: what its sells would have paid for is not bought
            sells.discard(order.id)
            self._buy_after(sells, buys)

    def size(self, symbol: str, side: Side, price: float | None) -> int:
        """Shares for an order without a quantity: all that is sellable, or the ratio's worth."""
        if side is Side.SELL:
            free = self._ledger.sellable(symbol)
            return rules.sellable(symbol, free, free) if free > 0 else 0
        last = price or self._ledger.price(symbol)
        if not last:
            return 0
        budget = part(self._ledger.total_cents, self._ratio)
        room = affordable(self._ledger, symbol, price or protection(self._ledger, symbol, side))
        return rules.buyable(symbol, min(shares_for(budget, last), room))

    def resolve(self, signal: Signal) -> tuple[Side, int]:
        """Side and shares of the order that a signal asks for now; zero shares for none."""
        symbol, ledger = signal.symbol, self._ledger
        if signal.side is not None:
            quantity = signal.quantity
            if quantity is None:
                quantity = self.size(symbol, signal.side, signal.price)
            return signal.side, quantity
        last = signal.price or ledger.price(symbol)
        if signal.target_shares is not None:
            target = signal.target_shares
        else:
            value = signal.target_value
            if value is None:
                value = ledger.total_cents / 100 * (signal.target_ratio or 0.0)
            if not last and value:
                return Side.BUY, 0
            target = rules.buyable(symbol, for_value(symbol, value, last))
        price = signal.price or protection(ledger, symbol, Side.BUY)
        return to_target(ledger, symbol, target, price)

    def _work(self) -> None:
        batch, self._batch = self._batch, []
        buys: list[Signal] = []
        sells: set[str] = set()
        for signal in batch:
            side, quantity = self.resolve(signal)
            if side is Side.BUY:
                buys.append(signal)
            elif quantity:
                order = self._place(signal, side, quantity)
                if order.status not in FINAL:
                    sells.add(order.id)
        self._buy_after(sells, buys)

    def _buy_after(self, sells: set[str], buys: list[Signal]) -> None:
        if sells and buys:
            self._buys.append((sells, buys))
            return
        for signal in buys:
            side, quantity = self.resolve(signal)
            if side is Side.BUY and quantity:
                self._place(signal, side, quantity)
