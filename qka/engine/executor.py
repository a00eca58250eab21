"""The executor: sizes the signals that strategies only emit, and places their orders.

What a strategy emits while one event is worked is one batch: sells go first, buys follow when
those sells are final, so that they can use the cash.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from qka.ashare import rules
from qka.engine.ledger import Ledger
from qka.engine.sizing import affordable, for_value, protection, to_target
from qka.model.events import SessionPhase, Signal
from qka.model.market import Phase
from qka.model.money import part, shares_for
from qka.model.order import FINAL, Order, OrderStatus, Side

Place = Callable[[Signal, Side, int], Order]
_SHOWN = 5  # symbols named in an alert


class BatchComplete(NamedTuple):
    """The executor's word to itself: what the strategy had to say has all been said."""

    strategy: str


class _Buys(NamedTuple):
    """Buys that wait until sells of their batch are final."""

    strategy: str
    sells: set[str]  # ids of the orders waited for
    signals: list[Signal]


class Executor:
    """`ratio`: share of total assets that a buy without a quantity asks for.

    `post` queues an event behind what is being worked; `alert(strategy, message)` tells a human;
    `failed(signal, error)` hears of a signal that can't be worked.
    """

    def __init__(
        self,
        ledger: Ledger,
        place: Place,
        ratio: float,
        *,
        post: Callable[[Any], None],
        alert: Callable[[str, str], None],
        failed: Callable[[Signal, Exception], None],
    ) -> None:
        self._ledger = ledger
        self._place = place
        self._ratio = ratio
        self._post = post
        self._alert = alert
        self._failed = failed
        self._batches: dict[str, deque[Signal]] = {}  # strategy -> signals not worked yet
        self._waiting: list[_Buys] = []
        self._gone: set[str] = set()  # strategies that want nothing any more

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """Which events it works on, and with what."""
        return {Signal: self.on_signal, BatchComplete: self.work, SessionPhase: self.on_phase}

    def on_signal(self, signal: Signal) -> None:
        """Take a signal; the batch is worked after the others that were said with it."""
        if signal.placed or signal.strategy in self._gone:
            return
        batch = self._batches.get(signal.strategy)
        if batch is None:
            batch = self._batches[signal.strategy] = deque()
            self._post(BatchComplete(signal.strategy))
        batch.append(signal)

    def work(self, event: BatchComplete) -> None:
        """Place the sells of a batch, and its buys behind them."""
        batch = self._batches.pop(event.strategy, deque())
        buys = _Buys(event.strategy, set(), [])
        while batch and event.strategy not in self._gone:
            signal = batch.popleft()
            try:
                side, quantity = self.resolve(signal)
                if side is Side.BUY:
                    buys.signals.append(signal)
                elif quantity:
                    order = self._place(signal, side, quantity)
                    if order.status not in FINAL:
                        buys.sells.add(order.id)
            except Exception as error:
                self._failed(signal, error)
        self._buy_after(buys)

    def on_order(self, order: Order) -> None:
        """A sell that buys may be waiting for has changed."""
        if not self._waiting or order.side is Side.BUY:
            return
        mine = [buys for buys in self._waiting if order.id in buys.sells]
        if order.status is OrderStatus.UNKNOWN:
            for buys in mine:
                words = f"its buys of {_names(buys)} wait for order {order.id}, which is UNKNOWN"
                self._alert(buys.strategy, f"{words}: look it up in the broker's terminal")
        elif order.status in FINAL:
            for buys in mine:
                self._waiting.remove(buys)
                if order.status is OrderStatus.EXPIRED:
                    self._tell_dropped(buys, f"sell {order.id} expired with the day")
                else:
                    buys.sells.discard(order.id)
                    self._buy_after(buys)

    def on_phase(self, event: SessionPhase) -> None:
        """The day is over: what its sells would have paid for is not bought."""
        if event.phase is Phase.CLOSED:
            waiting, self._waiting = self._waiting, []
            for buys in waiting:
                self._tell_dropped(buys, "the day is over and their sells are still open")

    def welcome(self, strategy: str) -> None:
        """A strategy that was dropped wants something again."""
        self._gone.discard(strategy)

    def drop(self, strategy: str) -> int:
        """Forget what a strategy wants, now and from now on; returns how many signals that were."""
        self._gone.add(strategy)
        dropped = len(self._batches.pop(strategy, ()))
        dropped += sum(len(buys.signals) for buys in self._waiting if buys.strategy == strategy)
        self._waiting = [buys for buys in self._waiting if buys.strategy != strategy]
        return dropped

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

    def _buy_after(self, buys: _Buys) -> None:
        """Place the buys once no sell is waited for."""
        if buys.sells:
            if buys.signals:
                self._waiting.append(buys)
            return
        for signal in buys.signals:
            if buys.strategy in self._gone:
                return
            try:
                side, quantity = self.resolve(signal)
                if side is Side.BUY and quantity:
                    self._place(signal, side, quantity)
            except Exception as error:
                self._failed(signal, error)

    def _tell_dropped(self, buys: _Buys, why: str) -> None:
        self._alert(buys.strategy, f"its buys of {_names(buys)} are dropped: {why}")


def _names(buys: _Buys) -> str:
    more = len(buys.signals) - _SHOWN
    names = ", ".join(signal.symbol for signal in buys.signals[:_SHOWN])
    return f"{names} and {more} more" if more > 0 else names
