"""xtquant's records → reports and fills of our orders, whatever the link does to them.

Pushes, answers and query results all come in here; twice, late, out of order and not at all are
normal. An order is known by its remark, which is our own id; the terminal's numbers are learnt
and kept with their day, for they are used again. Shares come only from deals: a final status is
held back until the deals cover what the order says it traded.
"""

from collections.abc import Callable, Container, Iterable
from datetime import date
from typing import Any

from msgspec.structs import replace

from qka.ashare.fees import FeeSchedule
from qka.brokers.records import (
    Record,
    XtCancelError,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderError,
    XtOrderResponse,
    XtTrade,
)
from qka.brokers.snapshot import broker_id_of, deal_id, deal_key, fill_of, foreign_id, order_of
from qka.brokers.words import (
    EXCHANGES,
    ORDER_JUNK,
    ORDER_PART_SUCC,
    ORDER_PARTSUCC_CANCEL,
    ORDER_REPORTED,
    ORDER_REPORTED_CANCEL,
    ORDER_SUCCEEDED,
    ORDER_UNKNOWN,
    ORDER_UNREPORTED,
    ORDER_WAIT_REPORTING,
    STATUSES,
    moment_of,
    side_of,
    status_of,
    status_words,
)
from qka.model.account import AccountSnapshot
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Fill,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderReport,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.life import after
from qka.model.order import FINAL, Order, OrderStatus
from qka.model.times import day_of

_UNNAMED = frozenset({OrderStatus.NEW, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})
_PENDING = OrderStatus.PENDING_CANCEL


class _Tracked:
    """One of our orders, as the reports so far have left it."""

    __slots__ = (
        "cancel_failed", "deals", "doubted", "final", "foreign", "news", "order", "traded",
    )  # fmt: skip

    def __init__(self, order: Order, *, foreign: bool = False) -> None:
        self.order = order
        self.foreign = foreign  # placed by others: its remark may be that of many orders
        self.traded = 0  # the most shares its records have said it traded
        self.final: OrderReport | None = None  # held back until the deals cover `traded`
        self.deals: set[tuple[date, str]] = set()  # (day, deal id) reported
        self.cancel_failed = False  # a later "cancel pending" is an old one
        self.doubted = False  # what we were told does not fit together: look it up
        self.news = 0  # which news the last word of its cancel was

    @property
    def unnamed(self) -> bool:
        """Whether the terminal was never heard to have it; a cancel may have been wished for."""
        status = self.order.status
        return status in _UNNAMED or (status is _PENDING and not self.order.broker_id)

    @property
    def settled(self) -> bool:
        """Whether nothing about it needs to be looked up."""
        order = self.order
        if order.filled < self.traded:
            return False
        return order.status in FINAL or not (
            self.doubted or order.status is OrderStatus.UNKNOWN or self.final
        )


class Reports:
    """Keeps what the broker has said of our orders, and says only what is new.

    `report` gets reports and fills; `unsettled(order_id)` is called when the account's orders and
    deals must be queried to know more; `external` gets records of orders that are not known, each
    once. `now` is the market's time in ns.
    """

    def __init__(
        self,
        report: Callable[[OrderReport | OrderAdopted | Fill], None],
        fees: FeeSchedule,
        now: Callable[[], int],
        *,
        unsettled: Callable[[str], None] = lambda order_id: None,
        external: Callable[[Record], None] | None = None,
    ) -> None:
        self._report = report
        self._fees = fees
        self._now = now
        self._unsettled = unsettled
        self.external = external  # may be set later
        self.news = 0  # of cancels, so far: a list that was asked for earlier may not have them
        self._tracked: dict[str, _Tracked] = {}  # our id -> order
        self._numbers: dict[tuple[date, int], str] = {}  # (day, terminal's order id) -> our id
        self._contracts: dict[tuple[date, str, str], str] = {}  # (day, market, sysid) -> our id
        self._strangers: dict[tuple[Any, ...], Record] = {}  # what was told of others' orders

    # ------------------------------------------------------------ what we do

    def track(self, order: Order, told: Iterable[Fill] = (), *, foreign: bool = False) -> None:
        """Know an order as ours; before it is sent, or after a restart as it was left.

        `told`: what it has traded by then, which is not reported again; `foreign`: it was placed
        by others. A second call for the same order changes nothing.
        """
        if order.id not in self._tracked:
            tracked = self._tracked[order.id] = _Tracked(order, foreign=foreign)
            for fill in told:
                tracked.deals.add((day_of(fill.time), fill.deal_id))
            if order.broker_id or order.filled:
                self._resume(tracked)

    def adopt(self, snapshot: AccountSnapshot) -> None:
        """Know the orders of a snapshot, whoever placed them, as they stand there.

        What they traded counts as told; orders that are tracked already stay as they are.
        """
        fresh: dict[str, _Tracked] = {}
        for order in snapshot.orders:
            if order.id not in self._tracked:
                tracked = self._tracked[order.id] = fresh[order.id] = _Tracked(order, foreign=True)
                self._resume(tracked)
        for deal in snapshot.deals:
            if deal.order_id in fresh:
                fresh[deal.order_id].deals.add((day_of(deal.time), deal.deal_id))

    def take_in(self, record: XtOrder) -> None:
        """An order that others placed is one of the account's: known and reported from here on."""
        day = day_of(moment_of(record.order_time) or self._now())
        if side_of(record.order_type) is None or self._find(record, day) is not None:
            return
        found = order_of(record, foreign_id(record.order_id, day), self._now())
        order = replace(found, strategy="", status=OrderStatus.SUBMITTED, reason="")
        tracked = self._tracked[order.id] = _Tracked(order, foreign=True)
        self._resume(tracked)
        self._report(OrderAdopted(self._now(), order))
        self.order(record)

    def known_as(self, record: XtOrder) -> str:
        """The id of the order that the record is of, "" when it is none we know."""
        tracked = self._find(record, day_of(moment_of(record.order_time) or self._now()))
        return "" if tracked is None else tracked.order.id

    def named(self, record: Any) -> str:
        """The id of the order that any record of an order is of, "" for none we know."""
        if not hasattr(record, "order_id"):
            return ""
        tracked = self._find(record, day_of(self._now()))
        return "" if tracked is None else tracked.order.id

    def cancelling(self, order_id: str, *, late: bool = False) -> None:
        """We ask for a cancel. The engine has said so itself; a `late` one is said again.

        For in the meantime the engine may have heard that the order is unknown.
        """
        tracked = self._tracked.get(order_id)
        if tracked is None:
            return
        tracked.cancel_failed = False
        asked = CancelRequested(self._now(), order_id)
        if late:
            self._say(tracked, asked)
        else:
            tracked.order = after(tracked.order, asked)

    def forget(self, before: date) -> None:
        """Drop final orders made before a day, and numbers learnt before it."""
        self._tracked = {
            order_id: tracked
            for order_id, tracked in self._tracked.items()
            if tracked.order.status not in FINAL or day_of(tracked.order.time) >= before
        }
        self._numbers = {key: of for key, of in self._numbers.items() if key[0] >= before}
        self._contracts = {key: of for key, of in self._contracts.items() if key[0] >= before}
        self._strangers = {key: of for key, of in self._strangers.items() if key[1] >= before}

    # ------------------------------------------------------------ questions

    def order_of(self, order_id: str) -> Order | None:
        """One of our orders as the broker has it; None for one that is not tracked."""
        tracked = self._tracked.get(order_id)
        return None if tracked is None else tracked.order

    def number_of(self, order_id: str) -> int:
        """The terminal's number of our order, 0 while it is not known and on later days."""
        order = self.order_of(order_id)
        if order is None or not order.broker_id.isdigit() or self.is_past(order):
            return 0
        return int(order.broker_id)

    def is_past(self, order: Order) -> bool:
        """Whether it was made on an earlier day: its number may be another order's now."""
        return order.time > 0 and day_of(order.time) != day_of(self._now())

    def is_settled(self, order_id: str) -> bool:
        """Whether nothing about the order needs to be looked up."""
        tracked = self._tracked.get(order_id)
        return tracked is None or tracked.settled

    def open_orders(self) -> list[Order]:
        """Ours that are not final, or whose deals are not all here."""
        return [
            tracked.order
            for tracked in self._tracked.values()
            if tracked.order.status not in FINAL or not tracked.settled
        ]

    # ------------------------------------------------------------ answers to our own calls

    def answered(self, order_id: str, response: XtOrderResponse) -> None:
        """The terminal answered an order: named or refused."""
        tracked = self._tracked[order_id]
        if response.order_id > 0:
            if not self.is_past(tracked.order):
                self._learn(tracked, response.order_id, "", day_of(self._now()))
            self._say(tracked, OrderSubmitted(self._now(), order_id, str(response.order_id)))
            self._settle(tracked)
        else:
            self._refused(tracked, response.error_msg)

    def not_sent(self, order_id: str, reason: str) -> None:
        """The order certainly never reached the terminal."""
        self._say(self._tracked[order_id], OrderRejected(self._now(), order_id, reason))

    def unknown(self, order_id: str, reason: str) -> None:
        """The order was handed over and no answer came; no news if its records came already."""
        tracked = self._tracked[order_id]
        if tracked.unnamed:
            self._say(tracked, OrderUnknown(self._now(), order_id, reason))
            self._settle(tracked)

    def gone(self, order_id: str, reason: str) -> None:
        """The terminal had the order, and does not list it any more: nobody can say why."""
        tracked = self._tracked[order_id]
        if tracked.order.status not in FINAL:
            self._say(tracked, OrderUnknown(self._now(), order_id, reason))
            self._settle(tracked)

    def cancel_answered(self, order_id: str, response: XtCancelOrderResponse) -> None:
        """The terminal answered a cancel; 0 says only that it was sent on."""
        if response.cancel_result != 0:
            self.cancel_refused(order_id, response.error_msg or "the terminal refused the cancel")

    def cancel_refused(self, order_id: str, reason: str) -> None:
        """A cancel did not happen."""
        tracked = self._tracked.get(order_id)
        if tracked is None:
            self._report(CancelRefused(self._now(), order_id, reason))
            return
        tracked.cancel_failed = True
        self._say(tracked, CancelRefused(self._now(), order_id, reason))

    def cancel_unknown(self, order_id: str) -> None:
        """A cancel was handed over and no answer came: the order itself will tell."""
        tracked = self._tracked.get(order_id)
        if tracked is not None:
            self._doubt(tracked)
            self._settle(tracked)

    # ------------------------------------------------------------ pushes

    def push(self, kind: str, record: Any) -> None:
        """A push of the link; kinds that say nothing of orders are ignored."""
        match kind:
            case "order":
                self.order(record)
            case "trade":
                self.trade(record)
            case "order_error":
                self.order_error(record)
            case "cancel_error":
                self.cancel_error(record)
            case "order_response":  # to a call that was given up
                if record.order_remark in self._tracked:
                    self.answered(record.order_remark, record)
            case "cancel_response":
                tracked = self._find(record, day_of(self._now()))
                if tracked is not None:
                    self.cancel_answered(tracked.order.id, record)

    def order(self, record: XtOrder) -> None:
        """The state of an order."""
        day = day_of(moment_of(record.order_time) or self._now())
        tracked = self._find(record, day)
        if tracked is None:
            self._stranger(("order", day, record.order_id), record)
            return
        self._learn(tracked, record.order_id, record.order_sysid, day)
        code, number, now = record.order_status, broker_id_of(record.order_id), self._now()
        order_id, reason = tracked.order.id, record.status_msg
        traded = tracked.order.quantity if code == ORDER_SUCCEEDED else record.traded_volume
        tracked.traded = max(tracked.traded, min(traded, tracked.order.quantity))
        if code in (ORDER_UNREPORTED, ORDER_WAIT_REPORTING):
            self._say(tracked, OrderSubmitted(now, order_id, number))
        elif code == ORDER_UNKNOWN or code not in STATUSES:
            words = f"the terminal gives its status as {status_words(code)}"
            self._say(tracked, OrderUnknown(now, order_id, words))
        elif code == ORDER_JUNK:
            self._name(tracked, number)
            tracked.final = tracked.final or OrderRejected(now, order_id, reason)
        else:
            self._say(tracked, OrderAccepted(now, order_id, number))
            if code in (ORDER_REPORTED_CANCEL, ORDER_PARTSUCC_CANCEL):
                self._cancel_pending(tracked)
            elif code in (ORDER_REPORTED, ORDER_PART_SUCC):
                # an old push, or its cancel was refused without a word: only a query can tell
                if tracked.order.status is _PENDING:
                    self._doubt(tracked)
            elif code != ORDER_SUCCEEDED:
                tracked.final = tracked.final or OrderCancelled(now, order_id, reason)
        self._settle(tracked)

    def trade(self, record: XtTrade) -> None:
        """A deal: the only thing that moves shares and cash."""
        if record.traded_volume <= 0:
            return  # some counters list withdrawals among the deals
        moment = moment_of(record.traded_time)
        day = day_of(moment or self._now())
        tracked = self._find(record, day)
        if tracked is None:
            self._stranger(deal_key(record, day), record)
            return
        # within one order a deal id is unique a day
        deal = day, deal_id(record)
        if deal in tracked.deals:
            return
        tracked.deals.add(deal)
        self._learn(tracked, record.order_id, record.order_sysid, day)
        order, number = tracked.order, broker_id_of(record.order_id)
        if order.status not in FINAL:
            self._say(tracked, OrderAccepted(self._now(), order.id, number))
        made = max(moment or self._now(), order.time)
        fill = fill_of(record, tracked.order, self._fees, day, made)
        tracked.order = after(tracked.order, fill)
        self._report(fill)
        self._settle(tracked)

    def order_error(self, record: XtOrderError) -> None:
        """An order was refused; an old error that comes again finds its order final."""
        tracked = self._find(record, day_of(self._now()))
        if tracked is None:
            self._stranger(("error", day_of(self._now()), record.order_remark), record)
            return
        self._refused(tracked, record.error_msg)

    def cancel_error(self, record: XtCancelError) -> None:
        """A cancel was refused, ours or one made by hand."""
        tracked = self._find(record, day_of(self._now()))
        if tracked is not None:
            self.cancel_refused(tracked.order.id, record.error_msg)

    # ------------------------------------------------------------ queries

    def reconcile(
        self,
        orders: Iterable[XtOrder],
        trades: Iterable[XtTrade],
        cancelling: Container[str] = (),
        since: int | None = None,
    ) -> None:
        """What the account says makes good every push that was missed.

        `cancelling`: our ids whose cancel is under way, so that an order still there says nothing;
        one may begin while we report. `since`: `news` when the lists were asked for; what was told
        of a cancel later is not settled by them. An order of ours that is absent stays as it is:
        absence is no proof. (Where it lasts, the order is UNKNOWN: `gone`.)
        """
        since = self.news if since is None else since
        trades, known = list(trades), len(self._tracked)
        for trade in trades:  # first, so that a final status finds its deals
            self.trade(trade)
        for record in orders:
            tracked = self._find(record, day_of(moment_of(record.order_time) or self._now()))
            older = tracked is not None and tracked.news > since
            self.order(record)
            if tracked is None or older or tracked.order.id in cancelling:
                continue
            tracked.doubted = status_of(record.order_status) is OrderStatus.UNKNOWN
            working = record.order_status in (ORDER_REPORTED, ORDER_PART_SUCC)
            if working and tracked.order.status is _PENDING:
                words = f"the order is still {status_words(record.order_status)}"
                self.cancel_refused(tracked.order.id, words)
        if len(self._tracked) > known:  # orders were taken in: these are their deals
            for trade in trades:
                self.trade(trade)

    def expire(self, made_before: int, listed: Iterable[XtOrder], reason: str) -> None:
        """The day has ended: what was made before a moment (ns) and is not final is gone.

        `listed`: the account's complete orders of the ended day; an UNKNOWN order that is not
        among them never traded. One whose deals are not all here stays as it is.
        """
        remarks = {record.order_remark for record in listed}
        for tracked in list(self._tracked.values()):
            order = tracked.order
            lost = order.status is OrderStatus.UNKNOWN and bool(remarks - {order.id})
            absent = lost and order.id not in remarks and not tracked.traded
            if order.time < made_before and (tracked.settled or absent):
                had = "no longer" if order.broker_id else "never"
                words = f"{had} among the account's orders" if absent else reason
                self._say(tracked, OrderExpired(self._now(), order.id, words))

    # ------------------------------------------------------------ inside

    def _say(self, tracked: _Tracked, event: OrderReport) -> None:
        """Report it if it changes the order."""
        changed = after(tracked.order, event)
        if changed is not tracked.order:
            tracked.order = changed
            self._report(event)

    def _name(self, tracked: _Tracked, number: str) -> None:
        """The terminal's number, while there is a use for it."""
        if tracked.unnamed:
            self._say(tracked, OrderSubmitted(self._now(), tracked.order.id, number))

    def _settle(self, tracked: _Tracked) -> None:
        """Say the final status once its deals are here; ask for what is missing."""
        if tracked.final is not None and tracked.order.filled >= tracked.traded:
            final, tracked.final = tracked.final, None
            self._say(tracked, final)
        if not tracked.settled:
            self._unsettled(tracked.order.id)

    def _refused(self, tracked: _Tracked, reason: str) -> None:
        order = tracked.order
        if tracked.unnamed or order.status is OrderStatus.SUBMITTED:
            words = reason or "the terminal refused it and gave no reason"
            tracked.final = OrderRejected(self._now(), order.id, words)
        elif order.status not in FINAL:
            self._doubt(tracked)  # the exchange has it: its records decide
        self._settle(tracked)

    def _doubt(self, tracked: _Tracked) -> None:
        tracked.doubted = True
        self.news = tracked.news = self.news + 1

    def _cancel_pending(self, tracked: _Tracked) -> None:
        self.news = tracked.news = self.news + 1
        if not tracked.cancel_failed and tracked.final is None:
            words = "a cancel is pending at the terminal"
            self._say(tracked, CancelRequested(self._now(), tracked.order.id, words))

    def _resume(self, tracked: _Tracked) -> None:
        """An order that the terminal knows already."""
        order = tracked.order
        tracked.traded = order.filled
        number = int(order.broker_id) if order.broker_id.isdigit() else 0
        self._learn(tracked, number, "", day_of(order.time))

    def _learn(self, tracked: _Tracked, number: int, sysid: str, day: date) -> None:
        if number > 0:
            self._numbers[day, number] = tracked.order.id
        if sysid:
            self._contracts[day, tracked.order.symbol[-2:], sysid] = tracked.order.id

    def _find(
        self,
        record: XtOrder | XtTrade | XtOrderError | XtCancelError | XtCancelOrderResponse,
        day: date,
    ) -> _Tracked | None:
        """By remark, by the day's order number, by the counter's number; else not ours."""
        tracked = self._tracked.get(getattr(record, "order_remark", ""))
        if tracked is not None and tracked.foreign:
            tracked = None  # others may give all their orders one remark
        if tracked is None and record.order_id > 0:
            tracked = self._tracked.get(self._numbers.get((day, record.order_id), ""))
        sysid, symbol = getattr(record, "order_sysid", ""), getattr(record, "stock_code", "")
        if tracked is None and sysid:
            market = symbol[-2:] or EXCHANGES.get(getattr(record, "market", -1), "")
            tracked = self._tracked.get(self._contracts.get((day, market, sysid), ""))
        if tracked is not None and symbol and symbol != tracked.order.symbol:
            return None
        return tracked

    def _stranger(self, key: tuple[Any, ...], record: Record) -> None:
        if self.external is not None and self._strangers.get(key) != record:
            self._strangers[key] = record
            self.external(record)
