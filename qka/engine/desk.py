"""The desk: places and cancels, in one corridor without a turn.

signal → order → gate → journal (write ahead) → ledger (reserve) → broker. A plain call: when it
returns the order is DENIED, or on its way with its cash or shares reserved; nothing else ran
meanwhile.
"""

import itertools
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from qka.ashare.rules import tick_price
from qka.ashare.sessions import cancels_taken
from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.journal import Journal
from qka.engine.ledger import Ledger
from qka.engine.sizing import protection
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    OrderDenied,
    OrderRequested,
    Signal,
)
from qka.model.order import FINAL, Order, OrderStatus, OrderType, Side
from qka.model.symbol import board_of
from qka.model.times import DAY, MILLISECOND, time_of_day, to_datetime
from qka.risk.gate import Gate
from qka.risk.rules import Denial

_LIMIT, _MARKET, _SUBMITTING = OrderType.LIMIT, OrderType.MARKET, OrderStatus.SUBMITTING
_TAILS = tuple(f"{number:03d}" for number in range(1000))
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Desk:
    """Places and cancels orders for strategies, the executor and the operator alike."""

    def __init__(
        self,
        clock: Clock,
        gate: Gate,
        journal: Journal,
        ledger: Ledger,
        broker: Broker,
        publish: Callable[[Any], None],
        decide: Callable[[Any], None],
        on_fault: Callable[[str], None],
    ) -> None:
        self._now = clock.now
        self._gate = gate
        self._journal = journal
        self._ledger = ledger
        self._broker = broker
        self._publish = publish
        self._decide = decide  # journal a decision, then publish it
        self._on_fault = on_fault
        self._signals = itertools.count(1)
        self._count = 0
        self._stem = ""  # of the ids made now: all but the last three digits

    def signal(self, strategy: str, wanted: Signal) -> int:
        """Publish what a strategy wants with its name, time and number; returns the number."""
        number = next(self._signals)
        self._decide(
            Signal(
                wanted.symbol,
                wanted.side,
                # numbers out of numpy and pandas are plain ones from here on
                None if wanted.quantity is None else int(wanted.quantity),
                None if wanted.target_shares is None else int(wanted.target_shares),
                None if wanted.target_value is None else float(wanted.target_value),
                None if wanted.target_ratio is None else float(wanted.target_ratio),
                None if wanted.price is None else float(wanted.price),
                wanted.reason,
                float(wanted.confidence),
                wanted.placed,
                strategy,
                self._now(),
                number,
            )
        )
        return number

    def trade(
        self,
        strategy: str,
        symbol: str,
        side: Side,
        quantity: int,
        price: float | None = None,
        reason: str = "",
    ) -> Order:
        """Publish the signal to buy or sell so many shares, and place its order: see `place`."""
        board_of(symbol)
        if quantity.__class__ is not int:
            quantity = int(quantity)
        if price.__class__ is not float and price is not None:
            price = float(price)
        number = next(self._signals)
        signal = Signal(
            symbol, side, quantity, None, None, None, price, reason, 1.0, True, strategy,
            self._now(), number,
        )  # fmt: skip
        self._decide(signal)
        return self.place(strategy, symbol, side, quantity, price, number)

    def place(
        self,
        strategy: str,
        symbol: str,
        side: Side,
        quantity: int,
        price: float | None = None,
        signal: int = 0,
    ) -> Order:
        """Send an order if every rule lets it pass; returns it as it stands now.

        Without a price it is a market order, protected by the day's limit. Raises SymbolError
        for a symbol that can't exist; all else that is wrong is a denial with its reason.
        """
        now, kind = self._now(), _LIMIT
        if price is None:
            kind, price = _MARKET, protection(self._ledger, symbol, side)
        elif 0 < price < 1e7:  # the gate says what is wrong with anything else
            price = tick_price(symbol, price)
        order = Order(
            self._next_id(now),
            symbol,
            side,
            quantity,
            price,
            kind,
            strategy,
            signal,
            now,
            _SUBMITTING,
        )
        verdict = self._gate.review(order)
        if type(verdict) is Denial:
            return self._deny(order, verdict)
        requested = OrderRequested(now, order)
        try:
            self._journal.write_ahead(requested)
        except (OSError, ValueError) as error:
            self._on_fault(unwritable(error))
            return self._deny(order, Denial("journal", unwritable(error)))
        self._ledger.open(order)
        self._broker.submit(verdict)
        self._publish(requested)
        return order

    def cancel(self, order_id: str, reason: str = "") -> bool:
        """Ask the broker to cancel; False when there is nothing to cancel or no cancel is taken.

        Until `OrderCancelled` comes the order can still fill.
        """
        order = self._ledger.order(order_id)
        if order is None or order.status in FINAL or order.status is OrderStatus.PENDING_CANCEL:
            return False
        now = self._now()
        if not cancels_taken(now):
            words = "the exchange takes no cancels in 09:20-09:25 and 14:57-15:00; try again after"
            self._publish(CancelRefused(now, order_id, words))
            return False
        self._gate.count(order.strategy, now)
        self._decide(CancelRequested(now, order_id, reason))
        self._broker.cancel(order)
        return True

    def _deny(self, order: Order, denial: Denial) -> Order:
        denied = replace(order, status=OrderStatus.DENIED, reason=denial.reason)
        self._ledger.note(denied)
        self._decide(OrderDenied(order.time, denied, *denial))
        return denied

    def _next_id(self, now: int) -> str:
        """`q260105-0-000001`: day and time of the first order, then a counter."""
        if not self._count:
            start = _base36(time_of_day(now) % DAY // MILLISECOND)
            self._prefix = f"q{to_datetime(now):%y%m%d}-{start}-"
        self._count += 1
        thousands, rest = divmod(self._count, 1000)
        if not rest or not self._stem:
            self._stem = f"{self._prefix}{thousands:03d}"
        return self._stem + _TAILS[rest]


def unwritable(error: Exception) -> str:
    """What a journal that can't be written means."""
    return f"the journal can't be written ({error}): no new order leaves, cancels and reports go on"


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
