"""The desk: places and cancels, in one corridor without a turn.

signal → order → gate → journal (write ahead) → ledger (reserve) → broker. A plain call: when it
returns the order is DENIED, or on its way with its cash or shares reserved; nothing else ran
meanwhile.
"""

import itertools
from collections.abc import Callable, Container, Iterator
from math import isfinite
from typing import Any, Protocol

from msgspec.structs import replace

from qka.ashare.rules import TERMS, tick_price
from qka.ashare.sessions import cancels_from, order_kinds
from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.guest import words
from qka.engine.ledger import Ledger
from qka.engine.numbers import MOST_MONEY, MOST_PRICE, MOST_SHARES, N, limit_price, number, plain
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
from qka.model.symbol import check_symbol
from qka.model.times import MILLISECOND, day_of, time_of_day, to_datetime
from qka.risk.gate import Gate
from qka.risk.rules import not_a_price
from qka.risk.verdicts import Denial
from qka.secrets import mask

_LIMIT, _MARKET, _SUBMITTING = OrderType.LIMIT, OrderType.MARKET, OrderStatus.SUBMITTING
_TAILS = tuple(f"{tail:03d}" for tail in range(1000))
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Trade(Protocol):
    """Buys or sells for a strategy."""

    def __call__(
        self,
        symbol: str,
        side: Side,
        quantity: int,
        price: float | None = None,
        reason: str = "",
        type: OrderType | None = None,
    ) -> Order:
        """Publish the signal and place its order: see `Desk.place`."""


class Desk:
    """Places and cancels orders for strategies, the executor and the operator alike.

    `post` publishes when whoever calls the desk has finished; `on_trouble` tells a human,
    `on_fault` stops new orders too.
    """

    def __init__(
        self,
        clock: Clock,
        gate: Gate,
        journal: Journal,
        ledger: Ledger,
        broker: Broker,
        post: Callable[[Any], None],
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
        self._on_trouble = on_trouble
        self._on_fault = on_fault
        self._signals = itertools.count(1)
        self._wished: set[str] = set()  # UNKNOWN orders whose cancel was asked for
        self._later: dict[str, None] = {}  # ids of orders whose cancel the exchange takes later
        self._ids = _ids(clock, ledger.orders)

    def go_on(self, signal: int) -> None:
        """Number signals after that one, which an earlier run gave."""
        self._signals = itertools.count(signal + 1)

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

        def made(field: str, kind: type[N], most: float) -> N | None:
            value = getattr(wanted, field)
            if value is None:
                return None
            plain_ = number(field, value, kind, most)
            if plain_ < 0 and field != "quantity":
                raise ValueError(f"{field}: {value!r} is below zero: nothing is sold short")
            return plain_

        return Signal(
            check_symbol(wanted.symbol),
            None if wanted.side is None else Side(wanted.side),
            made("quantity", int, MOST_SHARES),
            made("target_shares", int, MOST_SHARES),
            made("target_value", float, MOST_MONEY),
            made("target_ratio", float, MOST_MONEY),
            None if wanted.price is None else limit_price(wanted.price),
            mask(str(wanted.reason)),
            number("confidence", wanted.confidence, float, MOST_MONEY),
            wanted.placed,
            strategy,
            self._now(),
            next(self._signals),
            self._ledger.arrival(wanted.symbol),
        )

    def say(self, decision: Signal | OrderDenied | CancelRequested) -> None:
        """Journal a decision of ours when it is made, and publish it when its maker is done."""
        try:
            self._journal.append(decision)
        except OSError as error:
            self._on_fault(unwritable(error))
        self._post(decision)

    def trader(self, strategy: str) -> Trade:
        """`trade(symbol, side, quantity, price, reason, type)` of a strategy, all at hand.

        It publishes the signal to buy or sell so many shares and places its order: see `place`.
        What has a price goes straight to the gate: that is the engine's hottest path.
        """
        now, arrival, ids = self._now, self._ledger.arrival, self._ids
        say, place, send = self.say, self.place, self._send

        def trade(
            symbol: str,
            side: Side,
            quantity: int,
            price: float | None = None,
            reason: str = "",
            type: OrderType | None = None,
        ) -> Order:
            TERMS[symbol]  # before anything is said of a symbol that can't exist
            if quantity.__class__ is not int or not 0 <= quantity <= MOST_SHARES:
                quantity = number("quantity", quantity, int, MOST_SHARES)
            if price.__class__ is not float and price is not None:
                price = plain("price", price)
            reason = mask(str(reason)) if reason else ""
            moment = now()
            signal = Signal(
                symbol, side, quantity, None, None, None, price, reason, 1.0, True, strategy,
                moment, next(self._signals), arrival(symbol),
            )  # fmt: skip
            say(signal)
            if price is None or not 0.0 < price < MOST_PRICE:
                return place(signal, side, quantity, type)
            price = tick_price(symbol, price)
            order = Order(
                next(ids), symbol, side, quantity, price, type or _LIMIT, strategy, signal.id,
                moment, _SUBMITTING,
            )  # fmt: skip
            return send(order)

        return trade

    def place(
        self,
        signal: Signal,
        side: Side,
        quantity: int,
        kind: OrderType | None = None,
        denial: Denial | None = None,
    ) -> Order:
        """Send the order that a signal comes to, if every rule lets it pass; returns it as it is.

        Unless its `kind` is said it is a limit order with a price and a market order without, where
        the exchange takes any; what has no price of its own is protected by the day's limit. A
        `denial` is one that is certain already. Raises SymbolError for a symbol that can't exist;
        all else that is wrong is a denial with its reason.
        """
        symbol, price = signal.symbol, signal.price
        now = self._now()
        if price is None:
            if kind is None and _MARKET in order_kinds(symbol, day_of(now)):
                kind = _MARKET
            price = protection(self._ledger, symbol, side)
        elif 0.0 < price < MOST_PRICE:  # the gate says what is wrong with anything else
            price = tick_price(symbol, price)
        elif not isfinite(price):  # no journal has a number for it
            denial, price = denial or not_a_price(symbol, price), 0.0
        order = Order(
            next(self._ids),
            symbol,
            side,
            quantity,
            price,
            kind or _LIMIT,
            signal.strategy,
            signal.id,
            now,
            _SUBMITTING,
        )
        return self._send(order, denial)

    def _send(self, order: Order, denial: Denial | None = None) -> Order:
        """Gate, journal, ledger, broker: returns the order as it is then."""
        verdict = denial or self._gate.review(order)
        if type(verdict) is Denial:
            return self._deny(order, verdict, "" if denial else self._gate.refusing)
        requested = OrderRequested(order.time, order)
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
            self._on_trouble(f"order {order.id} of {order.strategy} is UNKNOWN: {lost}")
            self._post(OrderUnknown(order.time, order.id, lost))
        return order

    def cancel(self, order_id: str, reason: str = "", *, later: bool = False) -> bool:
        """Ask the broker to cancel; False when there is nothing to cancel or no cancel is taken.

        With `later` the wish is kept while the exchange takes no cancels, and asked for as soon
        as it does. Until `OrderCancelled` comes the order can still fill.
        """
        order = self._ledger.order(order_id)
        if order is None or order.status in FINAL or order.status is OrderStatus.PENDING_CANCEL:
            return False
        if order.status is OrderStatus.UNKNOWN and order_id in self._wished:
            return True  # the broker keeps the wish until the order shows
        now = self._now()
        taken = cancels_from(order.symbol, now)
        if taken > now and later:
            if order_id not in self._later:
                self._later[order_id] = None
                self._clock.call_at(taken, lambda: self._again(order_id, reason))
            return True
        if taken > now:
            why = "the exchange takes no cancels in 09:20-09:25 and 14:57-15:00; try again after"
            self._post(CancelRefused(now, order_id, why))
            return False
        if order.status is OrderStatus.UNKNOWN:
            self._wished.add(order_id)
        self._gate.cancelled(order.strategy, order.time, now)
        requested = CancelRequested(now, order_id, mask(str(reason)))
        self._ledger.apply(requested)  # at once: whoever asks again in this handler asks in vain
        self.say(requested)
        try:
            self._broker.cancel(order)
        except StopNow:
            raise
        except BaseException as error:
            why = f"the broker failed to take the cancel: {words(error)}"
            self._on_trouble(f"order {order_id} of {order.strategy} works on: {why}")
            self._post(CancelRefused(now, order_id, why))
        return True

    @property
    def waiting(self) -> list[str]:
        """Ids of working orders whose cancel waits until the exchange takes one."""
        found = map(self._ledger.order, self._later)
        return [order.id for order in found if order is not None and order.status not in FINAL]

    def _again(self, order_id: str, reason: str) -> None:
        del self._later[order_id]
        self.cancel(order_id, reason, later=True)

    def _deny(self, order: Order, denial: Denial, rule: str = "") -> Order:
        denied = replace(order, status=OrderStatus.DENIED, reason=denial.reason)
        self._ledger.note(denied)
        self.say(OrderDenied(order.time, denied, *denial, rule))
        return denied


def unwritable(error: BaseException) -> str:
    """What a journal that can't be written means."""
    return f"the journal can't be written ({error}): no new order leaves, cancels and reports go on"


def _ids(clock: Clock, known: Container[str]) -> Iterator[str]:
    """`q260105-0-000001`: day and time of the first order, then a counter.

    A clock that was set back may come to a moment that an earlier run began at: `known` tells.
    """
    now = clock.now()
    day, moment = f"{to_datetime(now):%y%m%d}", time_of_day(now) // MILLISECOND
    while f"q{day}-{_base36(moment)}-000001" in known:
        moment += 1
    start = f"q{day}-{_base36(moment)}-"
    for thousands in itertools.count():
        stem = f"{start}{thousands:03d}"
        for tail in _TAILS if thousands else _TAILS[1:]:
            yield stem + tail


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
