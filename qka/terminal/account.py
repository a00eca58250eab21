"""One account inside the simulated terminal: QMT's face of our own paper exchange.

It numbers orders, walks them through QMT's statuses and tells what happened as xtquant's
records. Not thread-safe: the terminal holds its lock around every call.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from qka.ashare.fees import FeeSchedule
from qka.brokers import words
from qka.brokers.paper import PaperBroker
from qka.brokers.records import (
    Record,
    XtAccountInfo,
    XtAccountStatus,
    XtAsset,
    XtCancelError,
    XtOrder,
    XtOrderError,
    XtPosition,
    XtTrade,
)
from qka.clock import SimulatedClock
from qka.model.actions import CorporateAction
from qka.model.events import (
    CancelRefused,
    Fill,
    LinkState,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderReport,
    SessionPhase,
)
from qka.model.market import Phase, Quote
from qka.model.money import cents, to_cents, turnover
from qka.model.order import ZERO, Approved, Order, Side
from qka.model.times import SECOND, day_of
from qka.terminal.books import Books, Deal, Gain, Opening, Placed
from qka.terminal.counter import (
    NOT_CANCELLABLE,
    NOT_LOGGED_IN,
    REFUSED,
    Counter,
    Refused,
    Request,
    check,
)
from qka.terminal.faults import Faults


class Tell(Protocol):
    """How what happened is told."""

    def __call__(self, kind: str, record: Record, only: int | None = None) -> None:
        """Push to everyone subscribed to the account, or to one session of them."""


class Taken:
    """An order the terminal has given an id."""

    __slots__ = (
        "day", "fees", "filled", "id", "message", "order_id", "remembered", "request", "status",
        "sysid", "time", "turnover",
    )  # fmt: skip

    def __init__(self, request: Request, order_id: int, now: int) -> None:
        self.request = request
        self.order_id = order_id
        self.time = now
        self.day = day_of(now)
        self.id = f"{self.day}/{order_id}"  # inside: the terminal's own ids come again
        self.status = words.ORDER_UNREPORTED
        self.message = self.sysid = ""
        self.filled = self.fees = 0  # shares, cents
        self.turnover = ZERO  # CNY, exact: the order is rounded to the cent, not each fill
        self.remembered = True  # its remark and strategy survived the terminal's restarts

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to it."""
        return self.status in words.FINAL_STATUSES


class Account:
    """An account, from its opening on. `latency` in seconds to the exchange, both ways."""

    def __init__(
        self,
        opening: Opening,
        clock: SimulatedClock,
        fees: FeeSchedule,
        faults: Faults,
        quotes: Mapping[str, Quote],
        tell: Tell,
        *,
        latency: float,
        tells_assets: bool,
        tells_expiry: bool,
    ) -> None:
        self.id = opening.account_id
        self.type = words.ACCOUNT_TYPE_CODES[opening.account_type.upper()]
        self.status = words.ACCOUNT_STATUS_OK
        self._opening = opening
        self._clock = clock
        self._faults = faults
        self._quotes = quotes
        self._tell = tell
        self._latency = int(latency * SECOND)
        self._tells_assets = tells_assets
        self._tells_expiry = tells_expiry
        self._exchange = PaperBroker(
            clock, fees, self.id, opening.cash, opening.positions, latency=latency
        )
        self._exchange.tell(self._on_report)
        self._counter = Counter(self._exchange, clock, quotes)
        self._all: dict[str, Taken] = {}  # id inside -> every order ever
        self._today: dict[int, Taken] = {}  # order id -> of today
        self._deals: list[Deal] = []
        self._trades: list[tuple[Taken, Deal]] = []  # of today
        self._gains: list[Gain] = []
        self._late: list[Gain] = []  # shares that come a session after the ex-date
        self._overnight = dict(opening.positions)
        self._costs = {  # symbol -> cents of all shares held
            symbol: cents(opening.costs.get(symbol, 0.0), shares)
            for symbol, shares in opening.positions.items()
        }

    # ------------------------------------------------------------ what is asked of it

    def take(self, request: Request, order_id: int) -> Taken:
        """Give the order its id; raises Refused for what never becomes an order."""
        if self.status != words.ACCOUNT_STATUS_OK:
            state = words.account_status(self.status)
            raise Refused(NOT_LOGGED_IN, f"account {self.id} is not logged in: {state}")
        check(request)
        taken = Taken(request, order_id, self._clock.now())
        self._all[taken.id] = self._today[order_id] = taken
        return taken

    def send(self, taken: Taken, junk: str = "") -> None:
        """Pass it on to the counter and the exchange; `junk` is a reason to refuse it there."""
        self._becomes(taken, words.ORDER_WAIT_REPORTING)
        verdict = junk or self._counter.weigh(taken.id, taken.request)
        if isinstance(verdict, Approved):
            self._exchange.submit(verdict)
        else:
            reason, when = verdict, self._clock.now() + self._latency
            self._clock.call_at(when, lambda: self._junk(taken, reason))

    def find(self, order_id: int = 0, sysid: str = "") -> Taken | None:
        """An order of today by either id."""
        if sysid:
            return next((t for t in self._today.values() if t.sysid == sysid), None)
        return self._today.get(order_id)

    def withdraw(self, taken: Taken) -> None:
        """Pass a cancel on; `check_cancel` has found nothing against it."""
        pending = words.ORDER_PARTSUCC_CANCEL if taken.filled else words.ORDER_REPORTED_CANCEL
        self._becomes(taken, pending)
        request = taken.request
        self._exchange.cancel(
            Order(taken.id, request.stock_code, request.side, request.volume, request.price)
        )

    def check_cancel(self, taken: Taken | None) -> Taken:
        """The order, when a cancel of it can be sent; raises Refused."""
        if taken is None:
            raise Refused(NOT_CANCELLABLE, "no such order today")
        if taken.is_final or taken.status in (
            words.ORDER_REPORTED_CANCEL,
            words.ORDER_PARTSUCC_CANCEL,
        ):
            state = words.status_words(taken.status)
            raise Refused(NOT_CANCELLABLE, f"the order is {state} already")
        return taken

    # ------------------------------------------------------------ what it answers

    def orders(self, cancelable_only: bool = False, order_id: int = 0) -> list[XtOrder]:
        """Orders of today, whoever placed them."""
        return [
            self.record(taken)
            for taken in self._today.values()
            if not (cancelable_only and taken.is_final)
            and not (order_id and taken.order_id != order_id)
        ]

    def trades(self) -> list[XtTrade]:
        """Deals of today."""
        return [self._trade_record(taken, deal) for taken, deal in self._trades]

    def positions(self, stock_code: str = "") -> list[XtPosition]:
        """Shares held, and what was held or traded today and is gone."""
        held = {p.symbol: p for p in self._exchange.books().positions}
        names = dict.fromkeys([*self._overnight, *held, *(d.symbol for _, d in self._trades)])
        made = []
        for symbol in names:
            if stock_code and symbol != stock_code:
                continue
            position, quote = held.get(symbol), self._quotes.get(symbol)
            volume = position.quantity if position else 0
            cost = self._costs.get(symbol, 0) / volume / 100 if volume else 0.0
            last = quote.price if quote else cost
            made.append(
                XtPosition(
                    account_type=self.type,
                    account_id=self.id,
                    stock_code=symbol,
                    volume=volume,
                    can_use_volume=position.sellable if position else 0,
                    frozen_volume=position.frozen if position else 0,
                    on_road_volume=position.today if position else 0,
                    yesterday_volume=self._overnight.get(symbol, 0),
                    open_price=cost,
                    avg_price=cost,
                    last_price=last,
                    market_value=cents(last, volume) / 100,
                    float_profit=(last - cost) * volume,
                    position_profit=(last - cost) * volume,
                    profit_rate=(last - cost) / cost if cost else 0.0,
                )
            )
        return made

    def asset(self) -> XtAsset:
        """Money; `cash` is what a new order may use."""
        money = self._exchange.books().asset
        value = sum(to_cents(position.market_value) for position in self.positions())
        available = float(money.available)
        return XtAsset(
            account_type=self.type,
            account_id=self.id,
            cash=available,
            frozen_cash=float(money.frozen),
            market_value=value / 100,
            total_asset=(to_cents(money.cash) + value) / 100,
            fetch_balance=available,
            current_balance=float(money.cash),
        )

    def status_record(self) -> XtAccountStatus:
        """Its login at the broker."""
        return XtAccountStatus(account_type=self.type, account_id=self.id, status=self.status)

    def info(self) -> XtAccountInfo:
        """What the terminal's list of accounts says."""
        return XtAccountInfo(
            account_type=self.type, account_id=self.id, broker_type=2, login_status=self.status
        )

    def record(self, taken: Taken) -> XtOrder:
        """The order as it stands, in xtquant's words."""
        request = taken.request
        limit = request.price_type in (words.FIX_PRICE, words.LATEST_PRICE)
        return XtOrder(
            account_type=self.type,
            account_id=self.id,
            stock_code=request.stock_code,
            order_id=taken.order_id,
            order_sysid=taken.sysid,
            order_time=taken.time // SECOND,
            order_type=request.order_type,
            order_volume=request.volume,
            price_type=words.BROKER_PRICE_LIMIT if limit else words.BROKER_PRICE_MARKET,
            price=request.price,
            traded_volume=taken.filled,
            traded_price=float(taken.turnover / taken.filled) if taken.filled else 0.0,
            order_status=taken.status,
            status_msg=taken.message,
            strategy_name=request.strategy if taken.remembered else "",
            order_remark=request.remark if taken.remembered else "",
            offset_flag=words.OFFSETS[request.side],
        )

    def books(self) -> Books:
        """The truth."""
        there = self._exchange.books()
        orders = tuple(
            Placed(
                taken.day,
                taken.order_id,
                taken.sysid,
                taken.request.session,
                taken.request.remark,
                taken.request.strategy,
                taken.request.stock_code,
                taken.request.side,
                taken.request.volume,
                taken.request.price,
                taken.status,
                taken.message,
                taken.filled,
                to_cents(taken.turnover),
                taken.fees,
            )
            for taken in self._all.values()
        )
        shares = {position.symbol: position.quantity for position in there.positions}
        cash = to_cents(there.asset.cash)
        return Books(self._opening, orders, tuple(self._deals), cash, shares, tuple(self._gains))

    # ------------------------------------------------------------ what happens to it

    def on_quote(self, quote: Quote) -> None:
        """Let the exchange match."""
        self._exchange.on_quote(quote)

    def on_actions(self, actions: Iterable[CorporateAction], late: bool) -> None:
        """On the morning of their ex-date, before the day begins; `late`: shares a session on."""
        day, due, self._late = day_of(self._clock.now()), self._late, []
        held = {position.symbol: position.quantity for position in self._exchange.books().positions}
        for action in actions:
            shares = held.get(action.symbol, 0)
            cash, bonus = to_cents(action.money(shares)), action.shares(shares)
            due.append(Gain(day, action.symbol, 0 if late else bonus, cash))
            if late:
                self._late.append(Gain(day, action.symbol, bonus, 0))
        for gain in due:
            if gain.shares or gain.cash:
                self._gains.append(gain)
                self._exchange.grant(gain.symbol, gain.shares, gain.cash)

    def on_phase(self, event: SessionPhase) -> None:
        """The exchange day goes on; in the morning yesterday's orders are gone."""
        if event.phase is Phase.PRE_OPEN:
            self._today.clear()
            self._trades.clear()
        self._exchange.on_phase(event)
        if event.phase is Phase.PRE_OPEN:
            self._overnight = {p.symbol: p.quantity for p in self._exchange.books().positions}

    def forget(self) -> None:
        """Lose the remarks of orders so far, as some brokers' terminals do when they restart."""
        for taken in self._today.values():
            taken.remembered = False

    def repush(self, tell: Callable[[str, Record], None]) -> None:
        """The whole day again."""
        for order in self.orders():
            tell("order", order)
        for trade in self.trades():
            tell("trade", trade)

    # ------------------------------------------------------------ inside

    def _becomes(self, taken: Taken, status: int, message: str = "") -> None:
        taken.status = status
        taken.message = message or taken.message
        self._tell("order", self.record(taken))

    def _junk(self, taken: Taken, reason: str) -> None:
        self._becomes(taken, words.ORDER_JUNK, f"[{REFUSED}] {reason}")
        if self._faults.strikes("junk_error"):
            error = self.order_error(taken.request, taken.order_id, Refused(REFUSED, reason))
            self._tell("order_error", error, taken.request.session or None)
        self._tell_money(taken.request.stock_code)

    def order_error(self, request: Request, order_id: int, why: Refused) -> XtOrderError:
        """A refusal, as it is pushed."""
        return XtOrderError(
            account_type=self.type,
            account_id=self.id,
            order_id=order_id,
            error_id=why.error_id,
            error_msg=why.reason,
            strategy_name=request.strategy,
            order_remark=request.remark,
            seq=request.seq,
        )

    def cancel_error(self, order_id: int, sysid: str, why: Refused) -> XtCancelError:
        """A cancel's refusal, as it is pushed."""
        taken = self.find(order_id, sysid)
        market = words.exchange_of(taken.request.stock_code) if taken else "SH"
        return XtCancelError(
            account_type=self.type,
            account_id=self.id,
            order_id=order_id or (taken.order_id if taken else 0),
            market=words.MARKETS[market],
            order_sysid=sysid or (taken.sysid if taken else ""),
            error_id=why.error_id,
            error_msg=why.reason,
        )

    def _on_report(self, report: OrderReport | OrderAdopted | Fill | LinkState) -> None:
        if isinstance(report, LinkState | OrderAdopted):
            return
        taken = self._all[report.order_id]
        match report:
            case OrderAccepted():
                taken.sysid = report.broker_id
                pending = taken.status == words.ORDER_REPORTED_CANCEL
                self._becomes(taken, taken.status if pending else words.ORDER_REPORTED)
                self._tell_money(taken.request.stock_code)
            case OrderRejected():
                self._junk(taken, report.reason)
            case Fill():
                self._filled(taken, report)
            case OrderCancelled() | OrderExpired():
                if isinstance(report, OrderExpired) and not self._tells_expiry:
                    return  # the counter says nothing: it is gone tomorrow
                done = words.ORDER_PART_CANCEL if taken.filled else words.ORDER_CANCELED
                self._becomes(taken, done, report.reason)
                self._tell_money(taken.request.stock_code)
            case CancelRefused():
                if not taken.is_final:
                    back = words.ORDER_PART_SUCC if taken.filled else words.ORDER_REPORTED
                    self._becomes(taken, back)
                why = Refused(NOT_CANCELLABLE, report.reason)
                self._tell("cancel_error", self.cancel_error(taken.order_id, "", why))

    def _filled(self, taken: Taken, fill: Fill) -> None:
        before, fees = to_cents(taken.turnover), to_cents(fill.fees)
        taken.filled += fill.quantity
        taken.turnover += turnover(fill.price, fill.quantity)
        taken.fees += fees
        self._book_cost(fill, to_cents(taken.turnover) - before + fees)
        deal = Deal(
            day_of(fill.time), fill.deal_id, taken.order_id, taken.request.remark, fill.symbol,
            fill.side, fill.price, fill.quantity, fees, fill.time,
        )  # fmt: skip
        self._deals.append(deal)
        self._trades.append((taken, deal))
        if taken.filled >= taken.request.volume:
            taken.status = words.ORDER_SUCCEEDED
        elif taken.status in (words.ORDER_REPORTED_CANCEL, words.ORDER_PARTSUCC_CANCEL):
            taken.status = words.ORDER_PARTSUCC_CANCEL
        else:
            taken.status = words.ORDER_PART_SUCC
        told: list[tuple[str, Record]] = [
            ("trade", self._trade_record(taken, deal)),
            ("order", self.record(taken)),
        ]
        if self._faults.strikes("order_first"):
            told.reverse()
        for kind, record in told:
            self._tell(kind, record)
        self._tell_money(fill.symbol)

    def _book_cost(self, fill: Fill, paid: int) -> None:
        """Called before the exchange's books are read again; they hold the fill already."""
        cost = self._costs.get(fill.symbol, 0)
        if fill.side is Side.BUY:
            self._costs[fill.symbol] = cost + paid
            return
        positions = self._exchange.books().positions
        left = next((p.quantity for p in positions if p.symbol == fill.symbol), 0)
        self._costs[fill.symbol] = cost * left // (left + fill.quantity)

    def _tell_money(self, symbol: str) -> None:
        if self._tells_assets:
            self._tell("asset", self.asset())
            for position in self.positions(symbol):
                self._tell("position", position)

    def _trade_record(self, taken: Taken, deal: Deal) -> XtTrade:
        return XtTrade(
            account_type=self.type,
            account_id=self.id,
            stock_code=deal.symbol,
            order_type=taken.request.order_type,
            traded_id=deal.traded_id,
            traded_time=deal.time // SECOND,
            traded_price=deal.price,
            traded_volume=deal.quantity,
            traded_amount=cents(deal.price, deal.quantity) / 100,
            order_id=taken.order_id,
            order_sysid=taken.sysid,
            strategy_name=taken.request.strategy if taken.remembered else "",
            order_remark=taken.request.remark if taken.remembered else "",
            offset_flag=words.OFFSETS[taken.request.side],
            commission=deal.fees / 100,
        )
