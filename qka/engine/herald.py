"""The herald: tells strategies what became of what is theirs.

An order as it stands, a fill, what a rebalance came to, a timer: only the strategy whose it is
hears of it, after the books have it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qka.clock import Clock
from qka.engine.bus import Bus, Owner
from qka.engine.ledger import Ledger
from qka.engine.recovery import Past
from qka.engine.runner import Runner
from qka.model.events import (
    REPORTS,
    AssetChanged,
    Distributed,
    Fill,
    OrderDenied,
    OrderRequested,
    PositionChanged,
    Rebalanced,
    TimerFired,
    WentEx,
)
from qka.model.order import Order


class Herald:
    """`runners`: name of a strategy -> its place; `first`: who hears of an order before it.

    `hears`: whether anybody hears events of a class.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        past: Past,
        runners: Mapping[str, Runner],
        publish: Callable[[Any], None],
        hears: Callable[[type], bool],
        first: Sequence[Callable[[Order], None]],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._past = past
        self._runners = runners
        self._publish = publish
        self._hears = hears
        self._first = tuple(first)
        self.early = False  # strategies have not begun: fills are kept for them too

    def subscribe(self, bus: Bus, owner: Owner) -> None:
        """Hear of all that is somebody's."""
        bus.subscribe((OrderRequested, OrderDenied), self._on_own_order, owner)
        bus.subscribe(REPORTS, self._on_report, owner)
        bus.subscribe(Fill, self._on_fill, owner)
        bus.subscribe((Distributed, WentEx), self._on_action, owner)
        bus.subscribe(Rebalanced, self._on_rebalanced, owner)
        bus.subscribe(TimerFired, self._on_timer, owner)

    def fill(self, fill: Fill) -> None:
        """The order's own strategy hears of it."""
        order = self._ledger.order(fill.order_id)
        if order is not None:
            runner = self._runners.get(order.strategy)
            if runner is not None:
                runner.on_fill(fill)
            self._order(order)

    def _order(self, order: Order) -> None:
        for hear in self._first:
            hear(order)
        runner = self._runners.get(order.strategy)
        if runner is not None:
            runner.on_order(order)

    def _on_own_order(self, event: OrderRequested | OrderDenied) -> None:
        if self._past.memory and type(event) is OrderRequested:
            self._past.sent(event.order)
        self._order(event.order)

    def _on_report(self, event: Any) -> None:
        order = self._ledger.order(event.order_id)
        if order is not None:
            self._order(order)

    def _on_fill(self, fill: Fill) -> None:
        if self._ledger.booked is None:
            return  # heard before
        if self.early:
            self._past.unheard.append(fill)
        self.fill(fill)
        self._changed(fill.symbol)

    def _on_action(self, event: Distributed | WentEx) -> None:
        self._changed(event.action.symbol)

    def _changed(self, symbol: str) -> None:
        now = self._clock.now()
        if self._hears(PositionChanged):
            self._publish(PositionChanged(now, self._ledger.position(symbol)))
        if self._hears(AssetChanged):
            self._publish(AssetChanged(now, self._ledger.asset))

    def _on_rebalanced(self, event: Rebalanced) -> None:
        runner = self._runners.get(event.strategy)
        if runner is not None:
            runner.on_rebalance(event)

    def _on_timer(self, event: TimerFired) -> None:
        self._past.timers[f"{event.strategy} {event.name}"] = event.time
        runner = self._runners.get(event.strategy)
        if runner is not None:
            runner.on_timer(event)
