"""The paper broker: a simulated account that hears quotes like anyone and reports like anyone.

It answers later: every request takes its `latency` to arrive at the exchange, and only what is
newer than its arrival can fill an order. How it fills is the exchange's matter (`exchange`), what
it costs the books'; this room takes requests and says what became of them, in QMT's own sequence:
submitted, accepted, fills, and an end.
"""

from collections.abc import Callable, Mapping
from datetime import date

from qka.ashare.fees import FeeSchedule
from qka.ashare.sessions import cancels_taken
from qka.brokers.books import Books
from qka.brokers.exchange.exchange import PARTICIPATION, Exchange
from qka.brokers.exchange.latency import Latency
from qka.brokers.port import Sink, Wire, every_day, no_wire
from qka.clock import Clock
from qka.model.account import AccountIdentity, AccountSnapshot
from qka.model.events import (
    CancelRefused,
    Distributed,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderReport,
    OrderSubmitted,
    SessionPhase,
)
from qka.model.life import after
from qka.model.market import Phase
from qka.model.money import to_cents, yuan
from qka.model.order import FINAL, Approved, Order, OrderStatus, OrderType
from qka.model.times import same_day

_PRE_OPEN, _CLOSED = Phase.PRE_OPEN, Phase.CLOSED
_KEPT = frozenset({OrderType.LIMIT, OrderType.FIXED})  # whose price is their own
_ON_ITS_WAY = frozenset({OrderStatus.NEW, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class PaperBroker:
    """A simulated account. `cash` in cents, `positions` in shares.

    `latency`: seconds from here to the exchange. None is 0.05 with quotes and nothing with bars:
    an order made when a bar ends is there when the next one begins. `jitter`: up to so many seconds
    more, at random by `seed`. `participation`, `queue` and `auction`: see
    `Exchange`.
    """

    def __init__(
        self,
        clock: Clock,
        fees: FeeSchedule,
        account_id: str,
        cash: int,
        positions: Mapping[str, int] | None = None,
        *,
        latency: float | None = None,
        jitter: float = 0.0,
        seed: int = 1,
        participation: float = PARTICIPATION,
        queue: str = "behind",
        auction: str = "shared",
    ) -> None:
        self._clock = clock
        self._account_id = account_id
        self._latency = Latency(0.05 if latency is None else latency, jitter, seed)
        self._books = Books(clock, fees, cash, positions or {})
        self._exchange = Exchange(
            self._trade,
            self._drop,
            participation=participation,
            queue=queue,
            auction=auction,
            late_for_bars=latency is not None,
        )
        # every quote and bar comes by here: nothing stands between
        self.on_quote = self._exchange.on_quote
        self.on_bar = self._exchange.on_bar
        self.on_instrument = self._exchange.on_instrument
        self.quiet = self._exchange.quiet
        self._orders: dict[str, Order] = {}  # order id -> as the exchange has it
        self._deals = self._numbers = 0  # given so far
        self._fills: list[Fill] = []  # of today
        self._report: Sink = lambda report: None
        self.wire: Wire = no_wire  # there is none
        self.trades: Callable[[date], bool] = every_day  # its days are the phases that it hears of

    # ------------------------------------------------------------ port

    async def connect(self, report: Sink) -> AccountIdentity:
        """Always there."""
        self.tell(report)
        return AccountIdentity(self._account_id)

    def tell(self, report: Sink) -> None:
        """Report there from now on: what connecting does, for whoever has no loop."""
        self._report = report

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Go on with the books of an earlier run; what was on its way then never arrived.

        A cancel is refused then, and may be asked for again. What works on has lost its place: it
        stands behind everything that is displayed. Market orders have lost the price that the book
        had given them, and are cancelled.
        """
        self._books.restore(account)
        now = self._clock.now()
        numbers = [int(deal.deal_id) for deal in account.deals if deal.deal_id.isdigit()]
        self._deals = max(numbers, default=0)
        self._fills = [deal for deal in account.deals if same_day(deal.time, now)]
        self._exchange.clear()
        self._orders = {
            order.id: order
            for order in account.orders
            if order.status not in FINAL or same_day(order.time, now)
        }
        named = [int(o.broker_id) for o in account.orders if o.broker_id.isdigit()]
        self._numbers = max(named, default=0)
        for order in account.orders:
            if order.status in _ON_ITS_WAY:
                words = "the run ended before it reached the exchange"
                self._settle(OrderRejected(now, order.id, words))
            elif order.status in FINAL:
                continue
            elif order.type in _KEPT:
                self._exchange.back(order, now)
                self._books.hold(order)
                if order.status is OrderStatus.PENDING_CANCEL:
                    words = "the run ended before its cancel reached the exchange"
                    self._settle(CancelRefused(now, order.id, words))
            else:
                self._settle(OrderCancelled(now, order.id, "its price was lost with the run"))

    def submit(self, approved: Approved) -> None:
        """Take the order; it reaches the exchange after the latency."""
        order = approved.order
        self._clock.call_at(self._latency.arrival(self._clock.now()), lambda: self._arrive(order))

    def recall(self) -> None:
        """Nothing waits here: what was submitted is on its way to the exchange."""

    def cancel(self, order: Order) -> None:
        """Ask the exchange to cancel; it hears of it after the latency."""
        when = self._latency.arrival(self._clock.now())
        self._clock.call_at(when, lambda: self._withdraw(order.id))

    async def snapshot(self) -> AccountSnapshot:
        """The simulated account's own books; positions carry no prices."""
        return self.books()

    def books(self) -> AccountSnapshot:
        """The snapshot, for whoever can't wait: the exchange of a simulated terminal."""
        books = self._books
        orders, fills = tuple(self._orders.values()), tuple(self._fills)
        return AccountSnapshot(books.asset(), books.positions(), orders, fills)

    def grant(self, symbol: str, shares: int, money: int) -> None:
        """Shares and cents that come without an order: a bonus, a dividend."""
        self._books.grant(symbol, shares, money)

    def on_distributed(self, event: Distributed) -> None:
        """Give for the shares held over the night what their company gave."""
        action, held = event.action, self.books().positions
        for shares in [p.quantity for p in held if p.symbol == action.symbol]:
            self.grant(action.symbol, action.shares(shares), to_cents(action.money(shares)))

    async def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------ what it hears

    def on_phase(self, event: SessionPhase) -> None:
        """Roll T+1 in the morning; expire at the end of the day what was there at its close."""
        if event.phase is _PRE_OPEN:
            self._exchange.new_day()
            self._fills.clear()
            self._orders = {o.id: o for o in self._orders.values() if o.status not in FINAL}
            self._books.new_day()
        elif event.phase is _CLOSED:
            for order, why in self._exchange.left(event.day):
                self._settle(OrderExpired(self._clock.now(), order.id, why))

    # ------------------------------------------------------------ requests arriving

    def _arrive(self, order: Order) -> None:
        now = self._clock.now()
        self._orders[order.id] = order
        held = self._books.sellable(order.symbol)
        refusal = self._books.shortage(order) or self._exchange.refusal(order, held, now)
        if refusal:
            self._settle(OrderRejected(now, order.id, refusal))
            return
        self._numbers += 1
        number = str(self._numbers)
        self._exchange.enter(order, now)
        self._books.hold(order)
        self._settle(OrderSubmitted(now, order.id, number))
        self._settle(OrderAccepted(now, order.id, number))

    def _withdraw(self, order_id: str) -> None:
        now = self._clock.now()
        order = self._orders.get(order_id)
        if order is None:
            self._report(CancelRefused(now, order_id, "no such order"))
        elif order.status in FINAL:
            self._report(CancelRefused(now, order_id, f"the order is {order.status} already"))
        elif not cancels_taken(order.symbol, now):
            self._report(CancelRefused(now, order_id, "the exchange takes no cancels now"))
        else:
            self._settle(OrderCancelled(now, order_id, order.reason))

    # ------------------------------------------------------------ what the exchange says

    def _trade(self, order: Order, price: float, shares: int) -> None:
        self._deals += 1
        paid, fees = self._books.due(order, price, shares)
        fill = Fill(
            self._clock.now(),
            order.id,
            str(self._deals),
            order.symbol,
            order.side,
            price,
            shares,
            yuan(fees),
        )
        self._fills.append(fill)
        self._books.book(fill, paid, fees)
        self._settle(fill)

    def _drop(self, order: Order, why: str) -> None:
        self._settle(OrderCancelled(self._clock.now(), order.id, why))

    def _settle(self, report: OrderReport | Fill) -> None:
        """Book the report here, then tell."""
        before = self._orders[report.order_id]
        order = after(before, report)
        self._orders[order.id] = order
        self._exchange.update(order)
        if order.filled != before.filled or order.status in FINAL:
            self._books.hold(order)
        self._report(report)
