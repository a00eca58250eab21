"""The paper broker: a simulated account that hears quotes like anyone and reports like anyone.

It keeps books of its own, refuses what a broker would refuse, and answers later: every request
takes `latency` to arrive. Orders trade against the displayed levels of quotes that are newer
than themselves; in a call auction only at the printed price, and only when strictly better.
"""

from collections.abc import Mapping

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import turnaround_same_day
from qka.ashare.sessions import cancels_taken, phase_at
from qka.brokers.matching import (
    PARTICIPATION,
    Trade,
    against_bar,
    against_levels,
    began,
    better,
)
from qka.brokers.port import Sink
from qka.clock import Clock
from qka.model.account import AccountIdentity, AccountSnapshot, Asset, Position
from qka.model.events import (
    CancelRefused,
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
from qka.model.money import cents, to_cents, yuan
from qka.model.order import FINAL, Approved, Order, OrderType, Side
from qka.model.times import SECOND, at, day_of

# what is displayed then is no order book
_VIRTUAL = frozenset({Phase.PRE_OPEN, Phase.OPENING_CALL, Phase.CLOSING_CALL, Phase.HALTED})


class _Working:
    """An order in the book."""

    __slots__ = ("arrived", "auctioned", "order", "resting")

    def __init__(self, order: Order, arrived: int) -> None:
        self.order = order
        self.arrived = arrived  # ns
        self.resting = False  # it has met a quote and stayed
        self.auctioned = False  # the opening print has been looked at


class _Shares:
    """What the simulated account holds of one symbol."""

    __slots__ = ("quantity", "today")

    def __init__(self, quantity: int = 0) -> None:
        self.quantity = quantity
        self.today = 0


class PaperBroker:
    """A simulated account. `latency` in seconds, `cash` in cents, `positions` in shares."""

    def __init__(
        self,
        clock: Clock,
        fees: FeeSchedule,
        account_id: str,
        cash: int,
        positions: Mapping[str, int] | None = None,
        *,
        latency: float = 0.05,
    ) -> None:
        self._clock = clock
        self._fees = fees
        self._account_id = account_id
        self._latency = int(latency * SECOND)
        self._cash = cash
        self._shares = {symbol: _Shares(held) for symbol, held in (positions or {}).items()}
        self._book: dict[str, dict[str, _Working]] = {}  # symbol -> order id -> working
        self._orders: dict[str, Order] = {}  # order id -> as the exchange has it
        self._quoted: dict[str, int] = {}  # symbol -> volume of its last quote
        self._spans: dict[str, int] = {}  # symbol -> ns of its shortest bars, the feed's own
        self._deals = 0
        self._report: Sink = lambda report: None

    # ------------------------------------------------------------ port

    async def connect(self, report: Sink) -> AccountIdentity:
        """Always there."""
        self.tell(report)
        return AccountIdentity(self._account_id)

    def tell(self, report: Sink) -> None:
        """Report there from now on: what connecting does, for whoever has no loop."""
        self._report = report

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
            Position(symbol, held.quantity, held.today, self._promised(symbol))
            for symbol, held in sorted(self._shares.items())
            if held.quantity
        )
        asset = Asset(yuan(self._cash), yuan(self._frozen()), yuan(0))
        return AccountSnapshot(asset, positions, tuple(self._orders.values()))

    async def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------ what it hears

    def on_quote(self, quote: Quote) -> None:
        """Match working orders of the symbol against a new snapshot."""
        before = self._quoted.get(quote.symbol, quote.volume)
        self._quoted[quote.symbol] = quote.volume
        working = self._book.get(quote.symbol)
        if not working or quote.phase in _VIRTUAL or not quote.last:
            return
        day, phase = day_of(quote.time), phase_at(quote.time)
        if phase in (Phase.POST_CLOSE, Phase.CLOSED):
            close = at(day, "15:00")
            there = [entry for entry in working.values() if entry.arrived < close]
            self._match_print(there, quote.last, quote.volume - before)
            return
        opening = at(day, "09:25")
        if quote.time >= opening:
            self._match_opening(quote, opening, list(working.values()))
        if phase is Phase.CONTINUOUS:
            self._match_levels(quote, list(working.values()))

    def on_bar(self, bar: Bar) -> None:
        """Match working orders of the symbol against a bar that began after them."""
        working = self._book.get(bar.symbol)
        if not working or bar.symbol in self._quoted:
            return
        span = bar.time - began(bar)
        if self._spans.setdefault(bar.symbol, span) < span:
            return  # made of the shorter bars that were matched already
        self._spans[bar.symbol] = span
        volume, start = int(bar.volume * PARTICIPATION), began(bar)
        for entry in list(working.values()):
            if entry.order.time <= start:
                trades = against_bar(entry.order, entry.order.remaining, bar, volume)
                volume -= sum(shares for _, shares in trades)
                self._trade(entry, trades)
                self._drop_rest(entry.order)

    def on_phase(self, event: SessionPhase) -> None:
        """Roll T+1 in the morning; expire at the end of the day what was there at its close."""
        if event.phase is Phase.PRE_OPEN:
            self._quoted.clear()
            for held in self._shares.values():
                held.today = 0
        elif event.phase is Phase.CLOSED:
            close = at(event.day, "15:00")
            for working in list(self._book.values()):
                for entry in list(working.values()):
                    if entry.order.time < close:
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
        number = str(len(self._orders))
        self._book.setdefault(order.symbol, {})[order.id] = _Working(order, now)
        self._settle(OrderSubmitted(now, order.id, number))
        self._settle(OrderAccepted(now, order.id, number))

    def _refusal(self, order: Order, now: int) -> str:
        if order.type is OrderType.MARKET and order.symbol in self._quoted:
            phase = phase_at(now)
            if phase is not Phase.CONTINUOUS:
                return f"market orders are taken in continuous trading only, now is {phase.name}"
        if order.side is Side.BUY:
            if self._reserved(order) > self._cash - self._frozen():
                return "not enough cash"
        else:
            held = self._shares.get(order.symbol, _Shares())
            if order.quantity > held.quantity - held.today - self._promised(order.symbol):
                return "not enough sellable shares (T+1)"
        return ""

    def _withdraw(self, order_id: str) -> None:
        now = self._clock.now()
        order = self._orders.get(order_id)
        if order is None:
            self._report(CancelRefused(now, order_id, "no such order"))
        elif order.status in FINAL:
            self._report(CancelRefused(now, order_id, f"the order is {order.status} already"))
        elif not cancels_taken(now):
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
        for entry in entries:
            if not entry.auctioned:
                entry.auctioned = True
                if entry.arrived < opening and quote.open:
                    self._match_print([entry], quote.open, quote.volume)

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
            fill = Fill(
                self._clock.now(),
                order.id,
                str(self._deals),
                order.symbol,
                order.side,
                price,
                shares,
                yuan(self._fees_of(order, cents(price, shares))),
            )
            self._move(fill)
            self._settle(fill)
            entry.order = self._orders[order.id]

    def _fees_of(self, order: Order, turnover: int) -> int:
        """Cents the order owes more because of this turnover."""
        day = day_of(self._clock.now())
        everything = to_cents(order.turnover) + turnover
        owed = self._fees.of_order(order.symbol, order.side, everything, day)
        return owed - to_cents(order.fees)

    # ------------------------------------------------------------ its own books

    def _settle(self, report: OrderReport | Fill) -> None:
        """Book the report here, then tell."""
        order = after(self._orders[report.order_id], report)
        self._orders[order.id] = order
        if order.status in FINAL:
            self._book.get(order.symbol, {}).pop(order.id, None)
        self._report(report)

    def _move(self, fill: Fill) -> None:
        turnover, fees = cents(fill.price, fill.quantity), to_cents(fill.fees)
        held = self._shares.setdefault(fill.symbol, _Shares())
        if fill.side is Side.BUY:
            self._cash -= turnover + fees
            held.quantity += fill.quantity
            if not turnaround_same_day(fill.symbol):
                held.today += fill.quantity
        else:
            self._cash += turnover - fees
            held.quantity -= fill.quantity

    def _reserved(self, order: Order) -> int:
        if order.side is Side.SELL:
            return 0
        rest = cents(order.price, order.remaining)
        return rest + max(0, self._fees_of(order, rest))

    def _frozen(self) -> int:
        """Cents reserved by working buys."""
        return sum(self._reserved(e.order) for book in self._book.values() for e in book.values())

    def _promised(self, symbol: str) -> int:
        """Shares promised to working sells."""
        book = self._book.get(symbol, {})
        return sum(e.order.remaining for e in book.values() if e.order.side is Side.SELL)
