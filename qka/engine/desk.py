"""The desk: places and cancels, in one corridor without a turn.

signal → order → gate → journal (write ahead) → ledger (reserve) → broker. A plain call: when it
returns the order is DENIED, or on its way with its cash or shares reserved; nothing else ran
meanwhile.
"""

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from qka.ashare.rules import tick_price
from qka.ashare.sessions import cancels_from
from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.guest import words
from qka.engine.ledger import Ledger
from qka.engine.sizing import protection
from qka.errors import StopNow
from qka.journal.port import Journal
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    OrderDenied,
    OrderRequested,
    OrderUnknown,
    Signal,
)
from qka.model.order import FINAL, Order, OrderStatus, OrderType, Side
from qka.model.symbol import board_of, check_symbol
from qka.model.times import MILLISECOND, time_of_day, to_datetime
from qka.risk.gate import Gate
from qka.risk.rules import Denial

_LIMIT, _MARKET, _SUBMITTING = OrderType.LIMIT, OrderType.MARKET, OrderStatus.SUBMITTING
_TAILS = tuple(f"{number:03d}" for number in range(1000))
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# beyond this a number is a mistake: shares, CNY, and CNY a share
_MOST_SHARES, _MOST_MONEY, _MOST_PRICE = 1e12, 1e15, 1e7
N = TypeVar("N", int, float)


class Desk:
    """Places and cancels orders for strategies, the executor and the operator alike.

    `post` publishes when whoever calls the desk has finished; `decide` journals first, at once;
    `on_trouble` tells a human, `on_fault` stops new orders too.
    """

    def __init__(
        self,
        clock: Clock,
        gate: Gate,
        journal: Journal,
        ledger: Ledger,
        broker: Broker,
        post: Callable[[Any], None],
        decide: Callable[[Any], None],
        on_trouble: Callable[[str], None],
        on_fault: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._now = clock.now
        self._gate = gate
        self._journal = journal
        self._ledger = ledger
        self._broker = broker
        self._post = post
        self._decide = decide
        self._on_trouble = on_trouble
        self._on_fault = on_fault
        self._signals = itertools.count(1)
        self._count = 0
        self._stem = ""  # of the ids made now: all but the last three digits

    def signal(self, strategy: str, wanted: Signal) -> Signal:
        """What a strategy wants as it can be published: checked, with name, time and number.

        Raises ValueError that names the field at fault.
        """
        aims = ("side", "target_shares", "target_value", "target_ratio")
        given = [name for name in aims if getattr(wanted, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a signal sets exactly one of {', '.join(aims)}; "
                f"this one on {wanted.symbol} sets {' and '.join(given) or 'none'}"
            )
        if wanted.quantity is not None and wanted.side is None:
            raise ValueError(f"quantity: it goes with a side, not with {given[0]}")
        if wanted.side not in (None, *Side):
            raise ValueError(f"side: {wanted.side!r} is neither 'buy' nor 'sell'")

        def number(field: str, kind: type[N], most: float) -> N | None:
            value = getattr(wanted, field)
            return None if value is None else _number(field, value, kind, most)

        price = number("price", float, _MOST_PRICE)
        if price is not None and price <= 0:
            raise ValueError(f"price: {wanted.price!r} is not above zero")
        return Signal(
            check_symbol(wanted.symbol),
            None if wanted.side is None else Side(wanted.side),
            # numbers out of numpy and pandas are plain ones from here on
            number("quantity", int, _MOST_SHARES),
            number("target_shares", int, _MOST_SHARES),
            number("target_value", float, _MOST_MONEY),
            number("target_ratio", float, _MOST_MONEY),
            price,
            str(wanted.reason),
            _number("confidence", wanted.confidence, float, _MOST_MONEY),
            wanted.placed,
            strategy,
            self._now(),
            next(self._signals),
        )

    def say(self, signal: Signal) -> None:
        """Publish what `signal` made."""
        self._decide(signal)

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
            quantity = _number("quantity", quantity, int, _MOST_SHARES)
        if price.__class__ is not float and price is not None:
            price = float(price)
        if reason.__class__ is not str:
            reason = str(reason)
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
        denial: Denial | None = None,
    ) -> Order:
        """Send an order if every rule lets it pass; returns it as it stands now.

        Without a price it is a market order, protected by the day's limit. A `denial` is one that
        is certain already. Raises SymbolError for a symbol that can't exist; all else that is
        wrong is a denial with its reason.
        """
        now, kind = self._now(), _LIMIT
        if price is None:
            kind, price = _MARKET, protection(self._ledger, symbol, side)
        elif 0 < price < _MOST_PRICE:  # the gate says what is wrong with anything else
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
        verdict = denial or self._gate.review(order)
        if type(verdict) is Denial:
            return self._deny(order, verdict)
        requested = OrderRequested(now, order)
        try:
            self._journal.write_ahead(requested)
        except OSError as error:
            self._on_fault(unwritable(error))
            return self._deny(order, Denial("journal", unwritable(error)))
        self._ledger.open(order)
        lost = ""
        try:
            self._broker.submit(verdict)
        except StopNow:
            raise
        except BaseException as error:
            lost = f"the broker failed to take it: {words(error)}"
        self._post(requested)
        if lost:
            self._on_trouble(f"order {order.id} of {strategy} is UNKNOWN: {lost}")
            self._post(OrderUnknown(now, order.id, lost))
        return order

    def cancel(self, order_id: str, reason: str = "", *, later: bool = False) -> bool:
        """Ask the broker to cancel; False when there is nothing to cancel or no cancel is taken.

        With `later` the wish is kept while the exchange takes no cancels, and asked for as soon
        as it does. Until `OrderCancelled` comes the order can still fill.
        """
        order = self._ledger.order(order_id)
        if order is None or order.status in FINAL or order.status is OrderStatus.PENDING_CANCEL:
            return False
        now = self._now()
        taken = cancels_from(now)
        if taken > now and later:

            def again() -> None:
                self.cancel(order_id, reason, later=True)

            self._clock.call_at(taken, again)
            return True
        if taken > now:
            why = "the exchange takes no cancels in 09:20-09:25 and 14:57-15:00; try again after"
            self._post(CancelRefused(now, order_id, why))
            return False
        self._gate.count(order.strategy, now)
        requested = CancelRequested(now, order_id, str(reason))
        self._ledger.apply(requested)  # at once: whoever asks again in this handler asks in vain
        self._decide(requested)
        try:
            self._broker.cancel(order)
        except StopNow:
            raise
        except BaseException as error:
            why = f"the broker failed to take the cancel: {words(error)}"
            self._on_trouble(f"order {order_id} of {order.strategy} works on: {why}")
            self._post(CancelRefused(now, order_id, why))
        return True

    def _deny(self, order: Order, denial: Denial) -> Order:
        denied = replace(order, status=OrderStatus.DENIED, reason=denial.reason)
        self._ledger.note(denied)
        self._decide(OrderDenied(order.time, denied, *denial))
        return denied

    def _next_id(self, now: int) -> str:
        """`q260105-0-000001`: day and time of the first order, then a counter."""
        if not self._count:
            start = _base36(time_of_day(now) // MILLISECOND)
            self._prefix = f"q{to_datetime(now):%y%m%d}-{start}-"
        self._count += 1
        thousands, rest = divmod(self._count, 1000)
        if not rest or not self._stem:
            self._stem = f"{self._prefix}{thousands:03d}"
        return self._stem + _TAILS[rest]


def unwritable(error: BaseException) -> str:
    """What a journal that can't be written means."""
    return f"the journal can't be written ({error}): no new order leaves, cancels and reports go on"


def _number(field: str, value: Any, kind: type[N], most: float) -> N:
    """The value as a plain number; raises ValueError for none, or one that makes no sense."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{field}: {value!r} is not a number") from None
    if not -most <= number <= most:
        raise ValueError(f"{field}: {value!r} makes no sense")
    return kind(number)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
