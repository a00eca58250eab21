"""The paper broker: a simulated account that hears quotes like anyone and reports like anyone.

It keeps books of its own, refuses what a broker would refuse, and answers later: every request
takes `latency` to arrive, and only what is newer than its arrival can fill an order: the
displayed levels of quotes, or bars; in a call auction the printed price, and only when the order
is strictly better. Its sums are kept, never counted again, and it shares none with the ledger:
two independent books that agree are a check.
"""

from collections.abc import Mapping

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import turnaround_same_day
from qka.ashare.sessions import cancels_taken, phase_at
from qka.brokers.matching import (
    PARTICIPATION,
    SPANS,
    Trade,
    against_bar,
    against_levels,
    began,
    better,
)
from qka.brokers.port import Sink, Wire, no_wire
from qka.clock import Clock
from qka.model.account import AccountIdentity, AccountSnapshot, Asset, Position
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
from qka.model.market import Bar, Phase, Quote
from qka.model.money import to_cents, turnover, yuan
from qka.model.order import FINAL, Approved, Order, OrderStatus, OrderType, Side
from qka.model.times import SECOND, at, day_of, same_day

# what is displayed then is no order book
_VIRTUAL = frozenset({Phase.PRE_OPEN, Phase.OPENING_CALL, Phase.CLOSING_CALL, Phase.HALTED})
_OVER = frozenset({Phase.POST_CLOSE, Phase.CLOSED})
_KNOWN = frozenset({OrderType.LIMIT, OrderType.MARKET})
_ON_ITS_WAY = frozenset({OrderStatus.NEW, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class _Working:
    """An order in the book."""

    __slots__ = ("arrived", "auctioned", "held", "order", "resting")

    def __init__(self, order: Order, arrived: int) -> None:
        self.order = order
        self.arrived = arrived  # ns
        self.held = 0  # held back for it: cents for a buy, shares for a sell
        self.resting = False  # it has met a quote and stayed
        self.auctioned = False  # the opening print has been looked at


class _Shares:
    """What the simulated account holds of one symbol."""

    __slots__ = ("promised", "quantity", "today")

    def __init__(self, quantity: int = 0) -> None:
        self.quantity = quantity
        self.today = 0
        self.promised = 0  # to working sells


_NOBODY: dict[str, _Working] = {}


class PaperBroker:
    """A simulated account. `cash` in cents, `positions` in shares.

    `latency`: seconds from here to the exchange. None is 0.05 with quotes and nothing with bars:
    an order made when a bar ends is there when the next one begins.
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
    ) -> None:
        self._clock = clock
        self._fees = fees
        self._account_id = account_id
        self._latency = int((0.05 if latency is None else latency) * SECOND)
        self._late_for_bars = latency is not None
        self._cash = cash
        self._frozen = 0  # cents of it, held back for working buys
        self._shares = {symbol: _Shares(held) for symbol, held in (positions or {}).items()}
        self._book: dict[str, dict[str, _Working]] = {}  # symbol -> order id -> working
        self._orders: dict[str, Order] = {}  # order id -> as the exchange has it
        self._quoted: dict[str, int] = {}  # symbol -> volume of its last quote of today
        self._spans: dict[str, int] = {}  # symbol -> ns of today's first bar, the feed's own
        self._deals = self._numbers = 0  # given so far
        self._fills: list[Fill] = []  # of today
        self._report: Sink = lambda report: None
        self.wire: Wire = no_wire  # there is none

    # ------------------------------------------------------------ port

    async def connect(self, report: Sink) -> AccountIdentity:
        """Always there."""
        self.tell(report)
        return AccountIdentity(self._account_id)

    def tell(self, report: Sink) -> None:
        """Report there from now on: what connecting does, for whoever has no loop."""
        self._report = report

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Go on with the books of an earlier run; what was on its way then never arrived."""
        self._cash, self._frozen = to_cents(account.asset.cash), 0
        self._shares.clear()
        for position in account.positions:
            held = self._shares[position.symbol] = _Shares(position.quantity)
            held.today = position.today
        numbers = [int(deal.deal_id) for deal in account.deals if deal.deal_id.isdigit()]
        self._deals, self._fills = max(numbers, default=0), list(account.deals)
        self._book.clear()
        self._orders = {order.id: order for order in account.orders}
        self._numbers = len(self._orders)
        now = self._clock.now()
        for order in account.orders:
            if order.status in _ON_ITS_WAY:
                words = "the run ended before it reached the exchange"
                self._settle(OrderRejected(now, order.id, words))
            elif order.status not in FINAL:
                entry = _Working(order, order.time)
                self._book.setdefault(order.symbol, {})[order.id] = entry
                self._hold(entry)

    def submit(self, approved: Approved) -> None:
        """Take the order; it reaches the exchange after the latency."""
        order = approved.order
        self._clock.call_at(self._clock.now() + self._latency, lambda: self._arrive(order))

    def cancel(self, order: Order) -> None:
        """Ask the exchange to cancel; it hears of it after the latency."""
        self._clock.call_at(self._clock.now() + self._latency, lambda: self._withdraw(order.id))

    async def snapshot(self) -> AccountSnapshot:
        """The simulated account's own books; positions carry no prices."""
        return self.books()

    def books(self) -> AccountSnapshot:
        """The snapshot, for whoever can't wait: the exchange of a simulated terminal."""
        positions = tuple(
            Position(symbol, held.quantity, held.today, held.promised)
            for symbol, held in sorted(self._shares.items())
            if held.quantity
        )
        asset = Asset(yuan(self._cash), yuan(self._frozen), yuan(0))
        return AccountSnapshot(asset, positions, tuple(self._orders.values()), tuple(self._fills))

    def grant(self, symbol: str, shares: int, money: int) -> None:
        """Shares and cents that come without an order: a bonus, a dividend."""
        self._cash += money
        self._shares.setdefault(symbol, _Shares()).quantity += shares

    def on_distributed(self, event: Distributed) -> None:
        """Give for the shares held over the night what their company gave."""
        action, held = event.action, self.books().positions
        for shares in [p.quantity for p in held if p.symbol == action.symbol]:
            self.grant(action.symbol, action.shares(shares), to_cents(action.money(shares)))

    async def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------ what it hears

    def on_quote(self, quote: Quote) -> None:
        """Match the day's working orders of the symbol against a new snapshot."""
        before = self._quoted.get(quote.symbol, quote.volume)
        self._quoted[quote.symbol] = quote.volume
        working = self._book.get(quote.symbol)
        if not working or quote.phase in _VIRTUAL or not quote.last:
            return
        there = [entry for entry in working.values() if same_day(entry.arrived, quote.time)]
        day, phase = day_of(quote.time), phase_at(quote.time)
        if phase in _OVER:
            close = at(day, "15:00")
            there = [entry for entry in there if entry.arrived < close]
            self._match_print(there, quote.last, quote.volume - before)
            return
        opening = at(day, "09:25")
        if quote.time >= opening:
            self._match_opening(quote, opening, there)
        if phase is Phase.CONTINUOUS:
            self._match_levels(quote, there)

    def on_bar(self, bar: Bar) -> None:
        """Match working orders of the symbol against a bar that began after their arrival."""
        symbol, spans = bar.symbol, self._spans
        first = symbol not in spans
        if first:
            spans[symbol] = SPANS[bar.period]
        working = self._book.get(symbol)
        if not working or symbol in self._quoted:
            return
        if SPANS[bar.period] > spans[symbol]:
            return  # made of the shorter bars that were matched already
        volume, start = int(bar.volume * PARTICIPATION), began(bar, first=first)
        for entry in list(working.values()):
            if (entry.arrived if self._late_for_bars else entry.order.time) <= start:
                trades = against_bar(entry.order, entry.order.remaining, bar, volume)
                volume -= sum(shares for _, shares in trades)
                self._trade(entry, trades)
                self._drop_rest(entry.order)

    def on_phase(self, event: SessionPhase) -> None:
        """Roll T+1 in the morning; expire at the end of the day what was there at its close."""
        if event.phase is Phase.PRE_OPEN:
            self._quoted.clear()
            self._spans.clear()
            self._fills.clear()
            self._orders = {o.id: o for o in self._orders.values() if o.status not in FINAL}
            for held in self._shares.values():
                held.today = 0
        elif event.phase is Phase.CLOSED:
            close = at(event.day, "15:00")
            for working in list(self._book.values()):
                for entry in list(working.values()):
                    if entry.arrived < close:
                        now = self._clock.now()
                        self._settle(OrderExpired(now, entry.order.id, "the day ended"))

    # ------------------------------------------------------------ requests arriving

    def _arrive(self, order: Order) -> None:
        now = self._clock.now()
        self._orders[order.id] = order
        refusal = self._refusal(order, now)
        if refusal:
            self._settle(OrderRejected(now, order.id, refusal))
            return
        self._numbers += 1
        number = str(self._numbers)
        entry = self._book.setdefault(order.symbol, {})[order.id] = _Working(order, now)
        self._hold(entry)
        self._settle(OrderSubmitted(now, order.id, number))
        self._settle(OrderAccepted(now, order.id, number))

    def _refusal(self, order: Order, now: int) -> str:
        if order.type not in _KNOWN:
            return f"this simulated exchange takes no {order.type} orders"
        if self._quoted and phase_at(now) in _OVER:
            return "the exchange is closed"
        if order.type is OrderType.MARKET and order.symbol in self._quoted:
            phase = phase_at(now)
            if phase is not Phase.CONTINUOUS:
                return f"market orders are taken in continuous trading only, now is {phase.name}"
        if order.side is Side.BUY:
            if self._claim(order) > self._cash - self._frozen:
                return "not enough cash"
        else:
            held = self._shares.get(order.symbol, _Shares())
            if order.quantity > held.quantity - held.today - held.promised:
                return "not enough sellable shares (T+1)"
        return ""

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

    # ------------------------------------------------------------ matching

    def _match_levels(self, quote: Quote, entries: list[_Working]) -> None:
        asks, bids = quote.ask_volumes, quote.bid_volumes
        for entry in entries:
            order = entry.order
            if quote.time <= entry.arrived:
                continue
            buying = order.side is Side.BUY
            prices, volumes = (quote.ask_prices, asks) if buying else (quote.bid_prices, bids)
            trades = against_levels(order, order.remaining, prices, volumes, resting=entry.resting)
            entry.resting = True
            self._trade(entry, trades)
            self._drop_rest(order)

    def _drop_rest(self, order: Order) -> None:
        """What a market order did not trade at once is cancelled."""
        if order.type is OrderType.MARKET and order.id in self._book[order.symbol]:
            words = "the rest of a market order is cancelled"
            self._settle(OrderCancelled(self._clock.now(), order.id, words))

    def _match_opening(self, quote: Quote, opening: int, entries: list[_Working]) -> None:
        """Let what waited in the opening call trade at its print, once."""
        waited = [e for e in entries if e.arrived < opening and not e.auctioned]
        for entry in waited:
            entry.auctioned = True
        if waited and quote.open:
            self._match_print(waited, quote.open, quote.volume)

    def _match_print(self, entries: list[_Working], price: float, volume: int) -> None:
        for entry in entries:
            shares = min(entry.order.remaining, volume)
            limited = entry.order.type is OrderType.LIMIT
            if shares > 0 and limited and better(entry.order, price):
                volume -= shares
                self._trade(entry, [(price, shares)])

    def _trade(self, entry: _Working, trades: list[Trade]) -> None:
        for price, shares in trades:
            order = entry.order
            self._deals += 1
            paid, fees = self._due(order, price, shares)
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
            self._move(fill, paid, fees)
            self._settle(fill)

    def _due(self, order: Order, price: float, shares: int) -> tuple[int, int]:
        """Cents of turnover and of fees that the order comes to more by trading these shares."""
        before = to_cents(order.turnover)
        after = to_cents(order.turnover + turnover(price, shares))
        day = day_of(self._clock.now())
        owed = self._fees.of_order(order.symbol, order.side, after, day)
        return after - before, owed - to_cents(order.fees)

    # ------------------------------------------------------------ its own books

    def _settle(self, report: OrderReport | Fill) -> None:
        """Book the report here, then tell."""
        order = after(self._orders[report.order_id], report)
        self._orders[order.id] = order
        over = order.status in FINAL
        book = self._book.get(order.symbol, _NOBODY)
        entry = book.pop(order.id, None) if over else book.get(order.id)
        if entry is not None:
            changed = over or order.filled != entry.order.filled
            entry.order = order
            if changed:
                self._hold(entry)
        self._report(report)

    def _hold(self, entry: _Working) -> None:
        """Hold back for the order what the rest of it may take, no more and no less."""
        order = entry.order
        over = order.status in FINAL
        if order.side is Side.BUY:
            held = 0 if over else self._claim(order)
            self._frozen += held - entry.held
        else:
            held = 0 if over else order.remaining
            self._shares[order.symbol].promised += held - entry.held
        entry.held = held

    def _move(self, fill: Fill, paid: int, fees: int) -> None:
        held = self._shares.setdefault(fill.symbol, _Shares())
        if fill.side is Side.BUY:
            self._cash -= paid + fees
            held.quantity += fill.quantity
            if not turnaround_same_day(fill.symbol):
                held.today += fill.quantity
        else:
            self._cash += paid - fees
            held.quantity -= fill.quantity

    def _claim(self, order: Order) -> int:
        """Cents that the rest of a buy can still cost, fees included."""
        paid, fees = self._due(order, order.price, order.remaining)
        return paid + max(0, fees)
