"""The executor: turns what strategies want into orders, sells before buys.

A batch is what belongs together: a target, a rebalance, or all signals emitted while one event is
worked. What works against its targets is cancelled, then it sells, and buys when those sells are
final, so that they can use the cash.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from qka.engine.ledger import Ledger
from qka.engine.sizing import Sizer, against
from qka.model.events import Rebalanced, SessionPhase, Shortfall, Signal
from qka.model.market import Phase
from qka.model.order import FINAL, SELL, Order, OrderStatus, Side

Place = Callable[[Signal, Side, int], Order]
_CLOSED = Phase.CLOSED
_STOPS = "the engine stops and the orders before them still work"
_SHOWN = 5  # symbols named in an alert


class BatchComplete(NamedTuple):
    """The executor's word to itself: what the strategy had to say has all been said."""

    strategy: str


class _Batch:
    """Signals that are worked together, and what came of them."""

    def __init__(self, strategy: str) -> None:
        self.strategy = strategy
        self.signals: list[Signal] = []  # that no order was placed for yet
        self.waits: set[str] = set()  # ids of orders to become final first
        self.asked: set[str] = set()  # ids of orders whose cancel was asked for
        self.stuck: set[str] = set()  # ids of orders in the way whose cancel is not to be had
        self.orders: list[Order] = []
        self.left: list[Shortfall] = []
        self.unsaid: Signal | None = None  # published when something comes of it
        self.told = True  # its end is told


class Executor:
    """`ratio`: share of total assets that a buy without a quantity asks for.

    `say` publishes a signal, `post` queues an event behind what is being worked;
    `alert(strategy, message)` tells a human; `failed(signal, error)` hears of a signal that can't
    be worked.
    """

    def __init__(
        self,
        ledger: Ledger,
        place: Place,
        cancel: Callable[[str, str], bool],
        ratio: float,
        *,
        say: Callable[[Signal], None],
        post: Callable[[Any], None],
        alert: Callable[[str, str], None],
        failed: Callable[[Signal, Exception], None],
    ) -> None:
        self._ledger = ledger
        self._place = place
        self._cancel = cancel
        self.sizer = Sizer(ledger, ratio)
        self._say = say
        self._post = post
        self._alert = alert
        self._failed = failed
        self._batches: dict[str, _Batch] = {}  # strategy -> what it has emitted
        self._waiting: list[_Batch] = []
        self._gone: set[str] = set()  # strategies that want nothing any more
        self._over = False  # nothing is waited for any more

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """Which events it works on, and with what."""
        return {Signal: self.on_signal, BatchComplete: self.work, SessionPhase: self.on_phase}

    # ------------------------------------------------------------ what strategies want

    def target(self, signal: Signal) -> Rebalanced:
        """Work a target now; the signal is published when something comes of it."""
        batch = _Batch(signal.strategy)
        batch.signals.append(signal)
        batch.unsaid, batch.told = signal, False
        return self._begin(batch)

    def rebalance(self, strategy: str, signals: Sequence[Signal]) -> Rebalanced:
        """Work targets together, now."""
        batch = _Batch(strategy)
        batch.signals.extend(signals)
        return self._begin(batch)

    def on_signal(self, signal: Signal) -> None:
        """Take a signal; the batch is worked after the others that were said with it."""
        if signal.placed or signal.strategy in self._gone:
            return
        batch = self._batches.get(signal.strategy)
        if batch is None:
            batch = self._batches[signal.strategy] = _Batch(signal.strategy)
            self._post(BatchComplete(signal.strategy))
        batch.signals.append(signal)

    def work(self, event: BatchComplete) -> None:
        """Work what a strategy has emitted."""
        batch = self._batches.pop(event.strategy, None)
        if batch is not None:
            self._begin(batch)

    def welcome(self, strategy: str) -> None:
        """A strategy that was dropped wants something again."""
        self._gone.discard(strategy)

    def drop(self, strategy: str) -> int:
        """Forget what a strategy wants, now and from now on; returns how many signals that were."""
        self._gone.add(strategy)
        emitted = self._batches.pop(strategy, None)
        mine = [batch for batch in self._waiting if batch.strategy == strategy]
        self._waiting = [batch for batch in self._waiting if batch.strategy != strategy]
        return sum(len(batch.signals) for batch in (*mine, *([emitted] if emitted else ())))

    # ------------------------------------------------------------ what is waited for

    def on_order(self, order: Order) -> None:
        """An order that a batch may be waiting for has changed."""
        for batch in [batch for batch in self._waiting if order.id in batch.waits]:
            if order.status is OrderStatus.UNKNOWN:
                words = f"its targets of {_names(batch)} wait for order {order.id}, which is "
                self._alert(batch.strategy, f"{words}UNKNOWN: look it up in the broker's terminal")
            elif order.status is OrderStatus.EXPIRED:
                self._end(batch, f"{order.side} {order.id} expired with the day")
            elif order.status in FINAL or (
                order.id in batch.asked and order.status is not OrderStatus.PENDING_CANCEL
            ):
                batch.waits.discard(order.id)
                self._go_on(batch)

    def on_phase(self, event: SessionPhase) -> None:
        """The day is over: what its sells would have paid for is not bought."""
        if event.phase is _CLOSED:
            self._end_all("the day is over and the orders before them still work")

    def close(self) -> None:
        """The engine stops: what still waits is not ordered, and from now on nothing waits."""
        self._over = True
        self._end_all(_STOPS)

    def _end_all(self, why: str) -> None:
        for batch in list(self._waiting):
            self._end(batch, why)

    def _end(self, batch: _Batch, why: str) -> Rebalanced:
        if batch.signals:
            self._alert(batch.strategy, f"its targets of {_names(batch)} are dropped: {why}")
        for signal in batch.signals:
            batch.left.append(self.sizer.whole(signal, "closed", why))
        batch.signals.clear()
        return self._go_on(batch)

    # ------------------------------------------------------------ a batch

    def _begin(self, batch: _Batch) -> Rebalanced:
        for signal in batch.signals:
            if signal.side is None:
                self._supersede(signal)
        self._waiting.append(batch)
        return self._go_on(batch)

    def _supersede(self, newer: Signal) -> None:
        """A target that still waits makes room for a newer one of the same symbol."""
        for batch in [one for one in self._waiting if one.strategy == newer.strategy]:
            old = [s for s in batch.signals if s.symbol == newer.symbol and s.side is None]
            for signal in old:
                batch.signals.remove(signal)
                batch.left.append(
                    self.sizer.whole(signal, "newer", "a newer target took its place")
                )
            if old and not batch.signals:
                self._go_on(batch)

    def _go_on(self, batch: _Batch) -> Rebalanced:
        """As far as it gets without what it waits for; says where that is."""
        self._each(batch, self._make_room)
        if not batch.waits:
            self._each(batch, self._order)
        if batch.signals and self._over and batch.strategy not in self._gone:
            return self._end(batch, _STOPS)
        found = self._found(batch)
        if batch.signals:
            batch.told = True  # who asked does not know the end yet
        elif batch in self._waiting:
            self._waiting.remove(batch)
            if batch.told:
                self._post(found)
        return found

    def _each(self, batch: _Batch, work: Callable[[_Batch, Signal], None]) -> None:
        for signal in list(batch.signals):
            if batch.strategy in self._gone:
                return
            try:
                work(batch, signal)
            except Exception as error:
                if signal in batch.signals:
                    batch.signals.remove(signal)
                self._failed(signal, error)

    def _make_room(self, batch: _Batch, signal: Signal) -> None:
        """Cancel what works against a target, and sell."""
        symbol, target = signal.symbol, self.sizer.target(signal)
        if target is not None and self._clears(batch, signal, target):
            return
        step = self.sizer.step(signal)
        if step.side is SELL:
            self._order(batch, signal)
            batch.waits |= {
                order.id
                for order in self._ledger.working(symbol)
                if order.side is SELL and order.strategy == batch.strategy
            }

    def _clears(self, batch: _Batch, signal: Signal, target: int) -> bool:
        """Whether a cancel is waited for; one that is not to be had is told."""
        waits = False
        for order in against(self._ledger, batch.strategy, signal.symbol, target):
            pending = order.status is OrderStatus.PENDING_CANCEL
            if not pending and order.id not in batch.asked:
                self._publish(batch, signal)
                pending = self._cancel(order.id, f"against the target of {target} shares")
            batch.asked.add(order.id)
            if pending:
                batch.waits.add(order.id)
                waits = True
            elif order.id not in batch.stuck:
                batch.stuck.add(order.id)
                words = f"{order.side} {order.id} of {order.remaining} at {order.price:g} works "
                words += "against it, and its cancel is not to be had now"
                batch.left.append(Shortfall(signal.symbol, order.side, 0, "working", words))
        return waits

    def _order(self, batch: _Batch, signal: Signal) -> None:
        """Place what a signal comes to, in as many orders as it needs."""
        batch.signals.remove(signal)
        while True:
            step = self.sizer.step(signal)
            if not step.shares:
                batch.left.extend(step.left)
                return
            self._publish(batch, signal)
            order = self._place(signal, step.side, step.shares)
            batch.orders.append(order)
            if order.status is OrderStatus.DENIED:
                batch.left.append(self.sizer.whole(signal, "denied", order.reason))
                return
            if signal.side is not None:
                batch.left.extend(step.left)
                return

    def _publish(self, batch: _Batch, signal: Signal) -> None:
        if batch.unsaid is signal:
            batch.unsaid = None
            self._say(signal)

    def _found(self, batch: _Batch) -> Rebalanced:
        ledger = self._ledger
        orders = tuple(ledger.order(order.id) or order for order in batch.orders)
        unsold = tuple(
            Shortfall(o.symbol, o.side, o.remaining, str(o.status), o.reason or f"{o.status}")
            for o in orders
            if o.side is SELL and o.status in FINAL and o.remaining
            and o.status is not OrderStatus.DENIED
        )  # fmt: skip
        waiting = tuple(dict.fromkeys(signal.symbol for signal in batch.signals))
        left = (*batch.left, *unsold)
        return Rebalanced(ledger.now(), batch.strategy, orders, left, waiting)


def _names(batch: _Batch) -> str:
    more = len(batch.signals) - _SHOWN
    names = ", ".join(signal.symbol for signal in batch.signals[:_SHOWN])
    return f"{names} and {more} more" if more > 0 else names
