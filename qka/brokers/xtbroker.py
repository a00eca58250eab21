"""The broker's port over anything that speaks xtquant's records: a terminal here, or a server.

Submits and cancels are tasks that tell their outcome by report. While anything is in doubt the
account's orders and deals are looked up, again and again with longer pauses; so they are when the
link has come back. Nothing is ever sent a second time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Protocol

from loguru import logger

from qka.ashare.fees import FeeSchedule
from qka.brokers.port import Sink, Wire, every_day, no_wire
from qka.brokers.records import (
    Record,
    XtAsset,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderResponse,
    XtTrade,
)
from qka.brokers.reports import Reports
from qka.brokers.snapshot import snapshot_of
from qka.brokers.words import SIDE_CODES, price_type
from qka.clock import Clock
from qka.errors import BrokerUnavailable, ConfigError, NotSent, OutcomeUnknown, QkaError
from qka.model.account import AccountSnapshot
from qka.model.events import CancelRefused, Fill, LinkState, OrderAdopted, OrderReport
from qka.model.order import FINAL, Approved, Order, OrderStatus
from qka.model.times import SECOND, at, day_of

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # seconds between two look-ups of what is in doubt
_ROUTINE = 30.0  # seconds between two look-ups while orders work: a push may have been lost
_MISSED = 60.0  # seconds: a list may lag behind, or be empty for a while after a login
RECALLED = "the trading was halted before its turn came"
_GONE = (
    "the broker took it, and the account's orders do not have it any more: look for it in the "
    "broker's terminal"
)
_CANCEL_TRIES = 10  # of a cancel while the link is away, a second apart
_CANCEL_TAKES = 3.0  # seconds after which a cancel that was taken should show


class Link(Protocol):
    """What carries orders: each call has three outcomes.

    It returns the answer; raises NotSent (BrokerUnavailable for a query) when certainly nothing
    was executed; raises OutcomeUnknown when that can't be said.
    """

    async def order(self, **params: Any) -> XtOrderResponse:
        """`order_stock` by its own arguments; `order_id` <= 0 for a refusal."""

    def recall(self, why: str) -> None:
        """Orders that wait for their turn are not sent: their calls raise NotSent, which says why.

        Those that may have left are let be.
        """

    async def cancel(self, order_id: int) -> XtCancelOrderResponse:
        """`cancel_order_stock`."""

    async def query(self, method: str) -> Any:
        """A query without arguments: its record, or its records."""


class XtBroker:
    """An account behind a link. Its owner calls `push` and `linked`; all of it on the loop."""

    def __init__(self, link: Link, clock: Clock, fees: FeeSchedule) -> None:
        self._link = link
        self._clock = clock
        self._fees = fees
        self._sink: Sink = lambda report: None
        self.wire: Wire = no_wire
        self.trades: Callable[[date], bool] = every_day
        self.reports = Reports(self._told, fees, clock.now, unsettled=self._unsettled)
        self._up: bool | None = None  # as it was reported
        self._unsent: set[str] = set()  # orders whose task has not begun
        self._wishes: set[str] = set()  # cancels of orders without a number, or not listed
        self._cancelling: dict[str, asyncio.Event] = {}  # cancels under way -> asked for again
        self._doubted: set[str] = set()  # orders to look up
        self._absent: dict[str, int] = {}  # orders it had and does not list -> since when (ns)
        self._look = asyncio.Event()  # there is a new reason to look
        self._ended: date | None = None  # a day whose end has come and was not looked at yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: set[str] = set()  # orders resumed without the broker's word, not sought yet

    # ------------------------------------------------------------ port

    def start(self, report: Sink) -> None:
        """Begin to report; call it once, on the loop, before the link brings anything."""
        self._sink = report
        self._clock.on_day(self._on_day)
        self._spawn(self._looking())

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Go on from what an earlier run knew; the next snapshot reports what came of it."""
        told: defaultdict[str, list[Fill]] = defaultdict(list)
        for deal in account.deals:
            told[deal.order_id].append(deal)
        for order in account.orders:
            self.reports.track(order, told[order.id], foreign=not order.signal)
            named = order.broker_id or order.status is OrderStatus.UNKNOWN
            if order.status not in FINAL and not named:
                self._left.add(order.id)
        self.reports.external = self._external

    def submit(self, approved: Approved) -> None:
        """Send an order; the outcome is reported."""
        self.reports.track(approved.order)
        self._unsent.add(approved.order.id)
        self._spawn(self._submit(approved.order))

    def recall(self) -> None:
        """Orders that wait for their turn at the link are not sent, and reported as rejected."""
        self._unsent.clear()
        self._link.recall(RECALLED)

    def cancel(self, order: Order) -> None:
        """Send a cancel, at once or as soon as the order has a number; the outcome is reported."""
        self.reports.track(order)
        known = self.reports.order_of(order.id) or order
        if known.status in FINAL:
            self._refuse(order.id, f"the order is {known.status} already")
        elif self.reports.is_past(known):
            words = "it is an order of an earlier day: the terminal can't cancel it any more"
            self._refuse(order.id, words)
        elif self.reports.number_of(order.id):
            self._start_cancel(order.id)
        else:
            self._wishes.add(order.id)

    def _refuse(self, order_id: str, why: str) -> None:
        """Never from within a call: reports come in turns of their own."""
        event = CancelRefused(self._clock.now(), order_id, why)
        asyncio.get_running_loop().call_soon(self._sink, event)

    async def snapshot(self) -> AccountSnapshot:
        """The account as the broker has it now; raises BrokerUnavailable.

        Its orders are reported on from here on, whoever placed them; what came of those that are
        known is reported before this returns.
        """
        since = self.reports.news
        asset = await self._link.query("query_stock_asset")
        if not isinstance(asset, XtAsset):
            raise BrokerUnavailable("the terminal gives no asset: is the account logged in?")
        positions = await self._link.query("query_stock_positions")
        orders = await self._link.query("query_stock_orders")
        trades = await self._link.query("query_stock_trades")
        if self.reports.external is not None:
            self.reports.reconcile(orders, trades, self._cancelling, since)
        for order_id in self._left:
            self.reports.unknown(order_id, "the engine ended before the broker's answer came")
        self._left.clear()
        snapshot = snapshot_of(
            asset,
            positions,
            orders,
            trades,
            self._fees,
            self._clock.now(),
            self.reports.known_as,
        )
        self.reports.adopt(snapshot)
        self.reports.external = self._external
        self.missed()  # what was pushed of them while we asked
        return snapshot

    async def stop(self) -> None:
        """End what is under way; orders stay as they are. Calling it twice is fine."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------ what the link brings

    def push(self, kind: str, record: Any) -> None:
        """A push, by its kind: order, trade, order_error, cancel_error; others say nothing here."""
        name = self.reports.named(record)
        if name:
            self.wire(name, f"{kind} comes", record)
        self.reports.push(kind, record)

    def linked(self, up: bool, reason: str = "", memory: str = "") -> None:
        """The link went up or down; after it was down, what was missed is looked up."""
        if up is self._up:
            return
        if up and self._up is False:
            self._absent.clear()
            self.missed()
        self._up = up
        self._sink(LinkState(self._clock.now(), "broker", up, reason, memory))

    def missed(self) -> None:
        """Pushes may have been missed: look the account's orders and deals up."""
        self._look.set()

    # ------------------------------------------------------------ orders and cancels

    async def _submit(self, order: Order) -> None:
        if order.id not in self._unsent:
            self.reports.not_sent(order.id, f"not sent: {RECALLED}")
            return
        self._unsent.discard(order.id)
        try:
            priced = price_type(order.symbol, order.type)
        except ValueError as error:
            self.reports.not_sent(order.id, f"not sent: {error}")
            return
        asked = {
            "stock_code": order.symbol,
            "order_type": SIDE_CODES[order.side],
            "order_volume": order.quantity,
            "price_type": priced,
            "price": order.price,
            "strategy_name": order.strategy,
            "order_remark": order.id,
        }
        self.wire(order.id, "order_stock goes", asked)
        try:
            response = await self._link.order(**asked)
        except OutcomeUnknown as error:
            self.wire(order.id, "no answer to order_stock", {"error": str(error)})
            self.reports.unknown(order.id, str(error))
        except QkaError as error:
            self.wire(order.id, "order_stock failed", {"error": str(error)})
            self.reports.not_sent(order.id, f"not sent: {error}")
        except Exception as error:
            self.reports.unknown(order.id, f"{type(error).__name__}: {error}")
            raise  # ours to mend; meanwhile nobody can say what became of the order
        else:
            self.wire(order.id, "the answer to order_stock comes", response)
            self.reports.answered(order.id, response)

    def _start_cancel(self, order_id: str, *, late: bool = False) -> None:
        self._wishes.discard(order_id)
        again = self._cancelling.get(order_id)
        if again is not None:  # that one was refused meanwhile, but its call is not over yet
            self.reports.cancelling(order_id, late=late)
            again.set()
            return
        again = self._cancelling[order_id] = asyncio.Event()
        self.reports.cancelling(order_id, late=late)
        self._spawn(self._cancel(order_id, again))

    async def _cancel(self, order_id: str, again: asyncio.Event) -> None:
        number = self.reports.number_of(order_id)
        self.wire(order_id, "cancel_order_stock goes", {"order_id": number})
        try:
            response = await self._cancelled(number)
            self.wire(order_id, "the answer to cancel_order_stock comes", response)
            self.reports.cancel_answered(order_id, response)
            if response.cancel_result == 0:
                await self._shows(order_id, again)
        except OutcomeUnknown as error:
            self.wire(order_id, "no answer to cancel_order_stock", {"error": str(error)})
            self.reports.cancel_unknown(order_id)
        except QkaError as error:
            self.wire(order_id, "cancel_order_stock failed", {"error": str(error)})
            self.reports.cancel_refused(order_id, f"not sent: {error}")
        finally:
            del self._cancelling[order_id]
        order = self.reports.order_of(order_id)
        if order is None or order.status in FINAL:
            return
        if again.is_set():
            self._start_cancel(order_id, late=True)
        elif order.status is OrderStatus.UNKNOWN:
            self._wishes.add(order_id)  # a cancel of what is not listed says nothing: when it is

    async def _shows(self, order_id: str, again: asyncio.Event) -> None:
        """A cancel that was taken shows in a moment; if not, the order is looked up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_TAKES):
                await again.wait()
        order = self.reports.order_of(order_id)
        if order is not None and order.status is OrderStatus.PENDING_CANCEL:
            self._unsettled(order_id)

    async def _cancelled(self, number: int) -> XtCancelOrderResponse:
        """A cancel that certainly was not sent may be tried again; it is never too late."""
        tries = 0
        while True:
            try:
                return await self._link.cancel(number)
            except NotSent:
                tries += 1
                if tries > _CANCEL_TRIES:
                    raise
            await asyncio.sleep(1)

    def _external(self, record: Record) -> None:
        """Something of an order that we do not know: one that others placed."""
        if isinstance(record, XtOrder):
            self.reports.take_in(record)
        elif isinstance(record, XtTrade):
            self.missed()  # its order was not told of yet

    def _told(self, event: OrderReport | OrderAdopted | Fill) -> None:
        self._sink(event)
        if isinstance(event, OrderAdopted):
            return
        if event.order_id in self._wishes:
            order = self.reports.order_of(event.order_id)
            if order is None or order.status in FINAL:
                self._wishes.discard(event.order_id)
            elif self.reports.number_of(event.order_id):
                self._start_cancel(event.order_id, late=True)

    # ------------------------------------------------------------ looking up

    def _unsettled(self, order_id: str) -> None:
        if order_id not in self._doubted:
            self._doubted.add(order_id)
            self._look.set()

    async def _looking(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                async with asyncio.timeout(wait if self._doubted else _ROUTINE):
                    await self._look.wait()
                wait = _FIRST_WAIT
            except TimeoutError:
                if not self.reports.open_orders():
                    continue
                wait = min(wait * 2, _LONGEST_WAIT)
            self._look.clear()
            try:
                await self._look_up()
            except QkaError as error:
                logger.warning("the account's orders can't be looked up: {}", error)
            except Exception:
                logger.exception("looking up the account's orders failed")

    async def _look_up(self) -> None:
        ended = self._ended  # by now: what is listed from here on is the whole day
        since = self.reports.news
        named = [o.id for o in self.reports.open_orders() if self.reports.number_of(o.id)]
        orders: list[XtOrder] = await self._link.query("query_stock_orders")
        trades = await self._link.query("query_stock_trades")
        self.reports.reconcile(orders, trades, self._cancelling, since)
        self._miss(named, orders)
        listed = {record.order_remark for record in orders}
        for order in self.reports.open_orders():
            sought = order.status is OrderStatus.UNKNOWN and not self.reports.number_of(order.id)
            if sought and order.id not in listed:
                await self._seek(order)
        if ended is not None:
            self._ended = None
            if ended == day_of(self._clock.now()):  # later the terminal lists another day
                self.reports.expire(at(ended, "15:30"), orders, "the day ended")
        open_orders = self.reports.open_orders()
        self._doubted = {o.id for o in open_orders if not self.reports.is_settled(o.id)}

    def _miss(self, named: Iterable[str], orders: Iterable[XtOrder]) -> None:
        """Orders that the terminal numbered and does not list: after a while nobody knows.

        `named`: those that had a number before the list was asked for.
        """
        now, listed = self._clock.now(), {self.reports.known_as(record) for record in orders}
        self._absent = {name: self._absent.get(name, now) for name in named if name not in listed}
        for name, since in self._absent.items():
            if now - since >= _MISSED * SECOND:
                self.reports.gone(name, _GONE)

    async def _seek(self, order: Order) -> None:
        """Other evidence of an unknown order that is not among the account's: none here."""

    def _on_day(self, day: date) -> None:
        def end() -> None:
            self._ended = day if self._trades(day) else None
            self.reports.forget(day - timedelta(days=7))
            self._look.set()

        # a replay has no broker, and knows what is due by its moment: this one is nobody else's
        self._clock.call_at(at(day, "15:35") + 1, end)

    def _trades(self, day: date) -> bool:
        """Whether a day takes its orders with it: an evening's order lives over days off."""
        try:
            return self.trades(day)
        except ConfigError:
            return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.opt(exception=error).error("a task of the broker's failed")
