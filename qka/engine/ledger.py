"""The ledger: the only writer of orders, positions and cash.

Two pens. `open` is the desk's: it reserves cash or shares at once, so that two buys in one
handler can't both see the same cash. `apply` is the bus's: it books reports (a cancel of ours the
desk has booked at once, so that it is asked for once). Shares and cash change hands only by
`Fill`. Money is counted in whole cents inside, shown as Decimal outside.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from operator import itemgetter
from typing import Any

import msgspec

from qka.ashare.fees import FeeSchedule
from qka.ashare.limits import after_action
from qka.ashare.rules import turnaround_same_day
from qka.clock import Clock
from qka.engine.deals import Deals
from qka.engine.dues import OPENING, Due
from qka.engine.holding import Holding, LastBar
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.actions import CorporateAction
from qka.model.events import (
    REPORTS,
    Alert,
    Distributed,
    Fill,
    InstrumentState,
    OrderAdopted,
    OrderDenied,
    OrderReport,
    OrderRequested,
    SessionPhase,
    Severity,
    TradingState,
    WentEx,
)
from qka.model.life import after
from qka.model.market import Bar, Phase, Quote
from qka.model.money import cents, to_cents, turnover, yuan
from qka.model.order import BUY, FINAL, SELL, Order, OrderStatus
from qka.model.times import at, day_of, midnight

# cents an order may still cost: at its price, and that with all fees
Claim = tuple[int, int]
_PRE_OPEN = Phase.PRE_OPEN
_NO_CLAIM: Claim = (0, 0)


def _open_shares(order: Order) -> int:
    """Shares that may still trade: none of a final order."""
    return 0 if order.status in FINAL else max(0, order.quantity - order.filled)


def _matters(order: Order, begin: int) -> bool:
    """Whether a broker may still speak of it, on the day that begins then."""
    return order.status not in FINAL or (
        order.time >= begin and order.status is not OrderStatus.DENIED
    )


def _nobody(event: Any) -> None:
    """Hears everything and tells nobody."""


class Books(msgspec.Struct, frozen=True):
    """All that the ledger knows of an account, as plain values: enough to go on from."""

    day: date  # that `today` of the positions belongs to
    cash: int  # cents
    positions: dict[str, tuple[int, int, int]]  # symbol -> shares, bought today, cents paid
    # of the day, of the last one before it that had any (a terminal may show that one yet), and
    # older ones that are not final
    orders: list[Order]
    deals: list[Fill]  # of these days
    prices: dict[str, float] = {}  # symbol -> CNY a share of what is held, as last known
    dues: list[Due] = []  # of what went ex
    begun: date = date.min  # the account was taken over on that day: no ex-date up to it counts
    seen: dict[str, int] = {}  # symbol -> ns, when it had the price that it has here


class Ledger:
    """The account's books; itself the read-only `View` that rules and strategies are given."""

    def __init__(
        self,
        clock: Clock,
        fees: FeeSchedule,
        cash: int,
        positions: Mapping[str, tuple[int, int]] | None = None,
        *,
        publish: Callable[[Any], None] = _nobody,
    ) -> None:
        """`cash` in cents; `positions`: symbol -> (shares, cents paid for all of them)."""
        self._clock = clock
        self.fees = fees
        self._publish = publish
        self.trading = TradingState.ACTIVE  # the engine's to set, at once
        self.orders: dict[str, Order] = {}  # our order id -> the order as it stands
        self._lately: dict[str, None] = {}  # ids of those that a day's books may name
        self.unknowns: set[tuple[str, str]] = set()  # (symbol, strategy) with an UNKNOWN order
        self.quoted = True  # quotes come, not bars
        self.quotes: dict[str, Quote] = {}  # symbol -> last snapshot
        self.instruments: dict[str, InstrumentState] = {}  # symbol -> what was said of it last
        self.heard = 0  # quotes
        # symbol -> order id -> what an order that is not final claims, see `claim`
        self._working: defaultdict[str, dict[str, Claim]] = defaultdict(dict)
        # the last order that was asked about: the rules are first, then it is booked
        self._asked: Order | None = None
        self._claim = _NO_CLAIM
        self._cash = cash
        self.available_cents = cash  # less what buys claim with their fees
        self._holdings = {s: Holding(*held) for s, held in (positions or {}).items()}
        self._value = 0  # cents, of all holdings as last weighed
        self.invested = set(self._holdings)  # symbols with shares, or with buys that work
        self._moved = set(self._holdings)  # symbols to weigh again: their price or shares changed
        self._weighed: set[str] = set()  # symbols with shares whose next price is to be weighed
        self._bars: dict[str, LastBar] = {}  # of symbols that had one
        # symbol -> CNY a share on its ex-date, until it is quoted
        self._references: dict[str, float] = {}
        self.deals = Deals()
        # cents of shares that the last `Fill` moved; None: it was heard before and moved nothing
        self.booked: int | None = None
        self._lived = date.min  # the day that `today` of the holdings belongs to
        # cents that the last `Distributed` brought, or `WentEx` is to bring; None: that was heard
        # before and moved nothing
        self.given: int | None = None
        self.begun = date.min  # see `Books`
        self.dues: list[Due] = []  # of what went ex, also when all has come

    def adopt(self, snapshot: AccountSnapshot) -> None:
        """Begin with what the broker says is true: cash, shares, today's orders and deals.

        What the broker does not say, the cost of shares on paper, stays as the config has it.
        """
        self._earn(to_cents(snapshot.asset.cash) - self._cash)
        known, self._holdings = self._holdings, {}
        for position in snapshot.positions:
            cost = to_cents(Decimal(repr(position.cost)) * position.quantity)
            before = known.get(position.symbol)
            if not cost and before is not None and before.quantity == position.quantity:
                cost = before.cost
            held = self._holdings[position.symbol] = Holding(position.quantity, cost)
            held.today, held.price = position.today, position.price
            held.seen = self._clock.now()
        self.begun = day_of(self._clock.now())
        self.dues.clear()
        self._value_anew()
        for deal in snapshot.deals:
            self.deals.note(deal)
        for order in snapshot.orders:
            self._store(order)

    def books(self, day: date, since: date | None = None) -> Books:
        """What there is to go on from, as it stands on that day.

        `since`: what went ex from then on is yet to be told, and wants the deals since then.
        """
        begin, orders = midnight(day), [self.orders[name] for name in self._lately]
        before = [order.time for order in orders if order.time < begin]
        if before:  # the last day that had any
            begin = midnight(day_of(max(before)))
        orders = [order for order in orders if _matters(order, begin)]
        self._lately = {order.id: None for order in orders}  # others are not asked for again
        positions = {s: (held.quantity, held.today, held.cost) for s, held in self._held()}
        seen = {symbol: self._seen(symbol) for symbol in positions} if since else {}
        first = day_of(begin)
        deals = list(self.deals.since(min(since, first) if since else first))
        dues = list(self.dues)
        return Books(
            day, self._cash, positions, orders, deals, self.prices(), dues, self.begun, seen
        )

    def prices(self) -> dict[str, float]:
        """Symbol -> CNY a share of what is held, as last known."""
        return {
            symbol: price
            for symbol, held in self._held()
            if (price := self.price(symbol) or held.price)
        }

    def _held(self) -> list[tuple[str, Holding]]:
        """By symbol, what is held or to come."""
        there = [item for item in self._holdings.items() if item[1].quantity or item[1].bonus]
        return sorted(there, key=itemgetter(0))

    def held_before(self, symbol: str, day: date) -> int:
        """Shares held over the night before a day, where the deals since then are known."""
        held = self._holdings.get(symbol)
        return (held.quantity if held else 0) - self.deals.moved(symbol, day)

    def restore(self, books: Books) -> None:
        """Go on from there: all that was known before is forgotten."""
        self._cash = self.available_cents = books.cash
        self._holdings = {}
        self._lived, self.begun = books.day, books.begun
        for symbol, (quantity, today, cost) in books.positions.items():
            held = self._holdings[symbol] = Holding(quantity, cost)
            held.today, held.price = today, books.prices.get(symbol, 0.0)
            held.seen = books.seen.get(symbol, 0)
        self.dues = list(books.dues)
        for symbol in {due.action.symbol for due in self.dues}:
            held = self._holdings.setdefault(symbol, Holding())
            held.bonus, held.owed = self._to_come(symbol)
        self._value_anew()
        self.orders.clear()
        self._lately.clear()
        self._working.clear()
        self.unknowns.clear()
        self._asked, self._claim = None, _NO_CLAIM
        self.deals.clear()
        for deal in books.deals:
            self.deals.note(deal)
        for order in books.orders:
            self._store(order)

    def settle(self, positions: Iterable[Position], cash: Decimal, dues: Iterable[Due]) -> None:
        """Take over what the broker says is held, where a human or a reason stands for it.

        Shares that were there keep what they cost; orders and their claims stay as they are.
        `dues`: what is to come after that, see `owe`.
        """
        self._earn(to_cents(cash) - self._cash)
        self._keep_dues(dues)
        told = {position.symbol: position for position in positions}
        owing = {symbol for symbol, held in self._holdings.items() if held.bonus or held.owed}
        for symbol in sorted(told.keys() | self.shares().keys() | owing):
            held = self._holdings.setdefault(symbol, Holding())
            position = told.get(symbol, Position(symbol))
            bonus, held.owed = self._to_come(symbol)
            if position.quantity and not held.quantity and not held.bonus:
                held.cost = to_cents(Decimal(repr(position.cost)) * position.quantity)
                held.quantity, held.bonus = position.quantity, bonus
            else:
                held.resize(position.quantity, bonus)
            held.today = position.today
            if position.price:
                held.price, held.seen = position.price, self._clock.now()
            self._note_held(symbol, held)
            self._moved.add(symbol)

    def owe(self, dues: Iterable[Due]) -> None:
        """What is still to come, of what went ex; the rest has come, or comes no more."""
        before = {due.action.symbol for due in self.dues}
        self._keep_dues(dues)
        for symbol in before:
            held = self._holdings[symbol]
            bonus, held.owed = self._to_come(symbol)
            held.resize(held.quantity, bonus)
            self._moved.add(symbol)

    def _keep_dues(self, dues: Iterable[Due]) -> None:
        told = {due.key for due in self.dues}
        self.dues = [due for due in dues if due.key in told]

    def _to_come(self, symbol: str) -> tuple[int, int]:
        """New shares, and cents."""
        mine = [due for due in self.dues if due.action.symbol == symbol]
        return sum(due.bonus for due in mine), sum(to_cents(due.money()) for due in mine)

    @contextmanager
    def quietly(self) -> Iterator[Callable[[Any], None]]:
        """Books again what was journalled, in its order, with what is given; nobody is told."""
        handlers: dict[type, Callable[[Any], None]] = {
            **self.handlers(),
            OrderRequested: self._on_requested,
            OrderDenied: self._on_denied,
        }

        def book(event: Any) -> None:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

        publish, self._publish = self._publish, _nobody
        try:
            yield book
        finally:
            self._publish = publish

    def new_day(self) -> None:
        """What was bought before it may be sold."""
        for holding in self._holdings.values():
            holding.today = 0
        self._lived = day_of(self._clock.now())

    # ------------------------------------------------------------ the two pens

    def open(self, order: Order) -> None:
        """Book an order that passed the gate, reserving its cash or shares at once."""
        symbol, name = order.symbol, order.id
        self.orders[name] = order
        self._lately[name] = None
        held = self._holdings.get(symbol)
        if held is None:
            held = self._holdings[symbol] = Holding()
        if order.side is SELL:
            held.frozen += order.quantity
            self._working[symbol][name] = _NO_CLAIM
            return
        claim = self._claim if order is self._asked else self.claim(order)
        self._working[symbol][name] = claim
        rest, whole = claim
        held.coming += rest
        self.invested.add(symbol)
        self.available_cents -= whole

    def note(self, order: Order) -> None:
        """Remember a denied order, so that its strategy can look it up."""
        self.orders[order.id] = order

    def apply(self, event: OrderReport) -> None:
        """Book a report on an order; one that says nothing new changes nothing."""
        order = self.orders.get(event.order_id)
        if order is None:
            self._stranger(event.order_id, type(event).__name__)
            return
        changed = after(order, event)
        if changed is not order:
            self._store(changed)

    def on_fill(self, fill: Fill) -> None:
        """Move shares and cash; a deal already booked is ignored, also by a human's word.

        `booked` says which of the two it was, for whoever hears the same fill after us.
        """
        self.booked = None
        if not self.deals.note(fill):
            return
        if self.deals.proves(fill):
            words = f"deal {fill.deal_id} proves what a human said of order {fill.order_id}: its "
            self._warn(f"{words}{fill.quantity} {fill.symbol} are booked already; compare the cash")
            return
        order = self.orders.get(fill.order_id)
        if order is None:
            self._move(fill, cents(fill.price, fill.quantity))
            self._stranger(fill.order_id, f"a fill of {fill.quantity} {fill.symbol}, booked")
            return
        if order.status in FINAL:
            self._warn(f"late fill: order {order.id} was {order.status}, {fill.quantity} booked")
        changed = after(order, fill)
        self._move(fill, to_cents(changed.turnover) - to_cents(order.turnover))
        if changed.filled > changed.quantity:
            self._warn(f"overfill: order {order.id} of {order.quantity} filled {changed.filled}")
        self._store(changed)

    def on_distributed(self, event: Distributed) -> None:
        """Book new shares and cash of what is held, and the price that they leave it at.

        What came lowers the cost: profit is the same before and after.
        """
        action = event.action
        held, self.given = self._holdings.get(action.symbol), None
        if held is None or held.quantity <= 0:
            return
        self.given = money = to_cents(action.money(held.quantity))
        held.quantity += action.shares(held.quantity)
        held.cost -= money
        self._earn(money)
        self._refer(held, action)

    def on_ex(self, event: WentEx) -> None:
        """What is held has a lower price and cost, and is worth what is to come besides.

        So what all is worth stays as it is, also when that comes.
        """
        action, symbol, self.given = event.action, event.action.symbol, None
        due = Due(action, event.held)
        if any(known.key == due.key for known in self.dues):
            return
        held = self._holdings.setdefault(symbol, Holding())
        self.given = to_cents(due.money())
        held.go_ex(action, event.held)
        self.dues.append(due)
        held.bonus, held.owed = self._to_come(symbol)
        if self._seen(symbol) < at(action.day, OPENING):
            self._refer(held, action)
        self._moved.add(symbol)

    def _seen(self, symbol: str) -> int:
        """When a symbol had the price that it has (ns), as if all of a day's quotes were traded.

        Before the first auction they have the reference of the day.
        """
        quote, last = self.quotes.get(symbol), self._bars.get(symbol)
        if quote is not None:
            return max(quote.time, at(day_of(quote.time), OPENING))
        return last.bar.time if last is not None and last.bar else self._holdings[symbol].seen

    def _refer(self, held: Holding, action: CorporateAction) -> None:
        """What was quoted before says nothing any more: a reference does until there is a quote."""
        symbol = action.symbol
        before = self.price(symbol) or held.price
        self.quotes.pop(symbol, None)
        if symbol in self._bars:
            self._bars[symbol].bar = None
        if before:
            held.price = self._references[symbol] = after_action(action, before)
        self._moved.add(symbol)

    def on_quote(self, quote: Quote) -> None:
        """Remember the last snapshot of a symbol."""
        symbol = quote.symbol
        self.quotes[symbol] = quote
        self.heard += 1
        if symbol in self._weighed:
            self._weighed.discard(symbol)
            self._moved.add(symbol)

    def bars_of(self, symbol: str) -> Callable[[Bar], None]:
        """What remembers a symbol's last bar."""
        weighed = symbol in self._weighed
        return self._bars.setdefault(symbol, LastBar(symbol, self._moved, weighed=weighed)).hear

    def on_instrument(self, event: InstrumentState) -> None:
        """Remember what the terminal says of a symbol."""
        self.instruments[event.symbol] = event

    def on_phase(self, event: SessionPhase) -> None:
        """A new day: what was bought before it may be sold."""
        if event.phase is _PRE_OPEN:
            self.new_day()
        self._lived = event.day  # of a day that is lived through again it is not the clock's

    def on_adopted(self, event: OrderAdopted) -> None:
        """Book an order that is not ours; what comes of it follows."""
        if event.order.id not in self.orders:
            self._store(event.order)

    def _on_requested(self, event: OrderRequested) -> None:
        self.open(event.order)

    def _on_denied(self, event: OrderDenied) -> None:
        self.note(event.order)

    # class -> handler, what the engine subscribes for us
    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """Which events the ledger books, and with what; bars beside, see `bars_of`."""
        return {
            Quote: self.on_quote,
            SessionPhase: self.on_phase,
            InstrumentState: self.on_instrument,
            Fill: self.on_fill,
            Distributed: self.on_distributed,
            WentEx: self.on_ex,
            OrderAdopted: self.on_adopted,
            **dict.fromkeys(REPORTS, self.apply),
        }

    # ------------------------------------------------------------ View

    def now(self) -> int:
        """The clock's time in ns."""
        return self._clock.now()

    @property
    def total_cents(self) -> int:
        """Cash and positions at their last price, in cents."""
        if self._moved:
            self._weigh()
        return self._cash + self._value

    @property
    def asset(self) -> Asset:
        """The account's money."""
        self._weigh()
        frozen = self._cash - self.available_cents
        return Asset(yuan(self._cash), yuan(frozen), yuan(self._value))

    def position(self, symbol: str) -> Position:
        """The account's position, an empty one when nothing is held."""
        held = self._holdings.get(symbol)
        if held is None:
            return Position(symbol, price=self.price(symbol))
        cost = held.cost / held.shares / 100 if held.quantity else 0.0
        price = self.price(symbol) or held.price or cost
        return Position(symbol, held.quantity, held.today, held.frozen, cost, price)

    @property
    def cash(self) -> Decimal:
        """CNY, of which working buys may claim some."""
        return yuan(self._cash)

    def costs(self) -> dict[str, int]:
        """Symbol -> cents that what is held has cost."""
        return {symbol: held.cost for symbol, held in self._holdings.items() if held.quantity}

    def shares(self) -> dict[str, int]:
        """symbol -> shares held, where there are any."""
        return {symbol: held.quantity for symbol, held in self._holdings.items() if held.quantity}

    def positions(self) -> list[Position]:
        """Every position that is not empty, by symbol."""
        return [self.position(s) for s, held in sorted(self._holdings.items()) if held.quantity]

    def sellable(self, symbol: str) -> int:
        """Shares a new sell may use."""
        held = self._holdings.get(symbol)
        return held.quantity - held.today - held.frozen if held else 0

    def exposure(self, symbol: str) -> tuple[int, int]:
        """(cents in a symbol, `total_cents`): held at the last price, working buys at their own."""
        if self._moved:
            self._weigh()
        held = self._holdings.get(symbol)
        there = held.value + held.coming if held is not None else 0
        return there, self._cash + self._value

    def resulting(self, order: Order) -> tuple[int, int]:
        """What `exposure` says when a buy works too, at its own price."""
        if self._moved:
            self._weigh()
        there = (self._claim if order is self._asked else self.claim(order))[0]
        held = self._holdings.get(order.symbol)
        if held is not None:
            there += held.value + held.coming
        return there, self._cash + self._value

    def worth(self, symbol: str) -> int:
        """Cents that the shares held are worth at their last price."""
        held = self._holdings.get(symbol)
        if held is None or not held.quantity:
            return 0
        price = self.price(symbol) or held.price
        return cents(price, held.quantity) if price else held.cost

    def order(self, order_id: str) -> Order | None:
        """The order as it stands now."""
        return self.orders.get(order_id)

    def working(self, symbol: str | None = None) -> Iterable[Order]:
        """Orders that are not final."""
        symbols = list(self._working) if symbol is None else [symbol]
        return [self.orders[name] for s in symbols for name in self._working.get(s, ())]

    def latest(self, symbols: Iterable[str] = ()) -> dict[str, Quote | Bar]:
        """symbol → its last snapshot, else its last bar; of all there are when none is named."""
        quotes, bars = self.quotes, self._bars
        found: dict[str, Quote | Bar] = {}
        for symbol in symbols or {**bars, **quotes}:
            last = quotes.get(symbol) or (bars[symbol].bar if symbol in bars else None)
            if last is not None:
                found[symbol] = last
        return found

    def price(self, symbol: str) -> float:
        """What one share is worth now in CNY, 0.0 when nothing is known."""
        quote = self.quotes.get(symbol)
        if quote is not None:
            return quote.last or quote.prev_close
        last = self._bars.get(symbol)
        if last is not None and last.bar is not None:
            return last.bar.close
        return self._references.get(symbol, 0.0)

    def arrival(self, symbol: str) -> float:
        """CNY a share between the best bid and ask, `price` where one of them is missing."""
        try:
            quote = self.quotes[symbol]
        except KeyError:
            return self.price(symbol)
        bid, ask = quote.bid_prices[0], quote.ask_prices[0]
        if bid > 0.0 and ask > 0.0:
            return (bid + ask) * 0.5
        return quote.last or quote.prev_close

    def claim(self, order: Order) -> Claim:
        """Cents that what is left of an order comes to: at its price, and that with all fees."""
        if order is self._asked:
            return self._claim
        if not order.filled:
            rest = cents(order.price, order.quantity)
            fees = self.fees.of_order(order.symbol, order.side, rest, order.time)
        else:
            everything = to_cents(order.turnover + turnover(order.price, order.remaining))
            rest = everything - to_cents(order.turnover)
            owed = self.fees.of_order(order.symbol, order.side, everything, order.time)
            fees = max(0, owed - to_cents(order.fees))
        self._asked = order
        self._claim = claim = (rest, rest + fees)
        return claim

    # ------------------------------------------------------------ inside

    def _store(self, order: Order) -> None:
        """Keep the order and make its reservation fit what is left of it."""
        symbol, name = order.symbol, order.id
        before = self.orders.get(name)
        self.orders[name] = order
        self._lately[name] = None
        if order.status is not (before and before.status):
            self._note_unknown(order, before)
        final = order.status in FINAL
        if before and before.filled == order.filled and not (final or before.status in FINAL):
            return  # it claims what it claimed
        held = self._holdings.get(symbol)
        if held is None:
            held = self._holdings[symbol] = Holding()
        mine = self._working[symbol]
        was, claim = mine.get(name, _NO_CLAIM), _NO_CLAIM
        if order.side is SELL:
            held.frozen += _open_shares(order) - (_open_shares(before) if before else 0)
        elif not final:
            claim = self.claim(order)
        held.coming += claim[0] - was[0]
        self.available_cents -= claim[1] - was[1]
        if not final:
            mine[name] = claim
        else:
            mine.pop(name, None)
        self._note_held(symbol, held)

    def _note_unknown(self, order: Order, before: Order | None) -> None:
        key = (order.symbol, order.strategy)
        if order.status is OrderStatus.UNKNOWN:
            self.unknowns.add(key)
        elif before is not None and before.status is OrderStatus.UNKNOWN:
            others = self.working(order.symbol)
            if not any(
                o.status is OrderStatus.UNKNOWN and o.strategy == order.strategy for o in others
            ):
                self.unknowns.discard(key)

    def _move(self, fill: Fill, paid: int) -> None:
        """Shares one way, `paid` cents and the fees the other."""
        fees = to_cents(fill.fees)
        self.booked = paid
        held = self._holdings.setdefault(fill.symbol, Holding())
        self._moved.add(fill.symbol)
        if fill.side is BUY:
            self._earn(-paid - fees)
            held.quantity += fill.quantity
            held.cost += paid + fees
            day = day_of(fill.time)  # one of yesterday may be told of today
            if day >= self._lived and not turnaround_same_day(fill.symbol, day):
                held.today += fill.quantity
        else:
            self._earn(paid - fees)
            held.sell(fill.quantity)
        self._note_held(fill.symbol, held)

    def _note_held(self, symbol: str, held: Holding) -> None:
        """Whether there are shares of a symbol, or shares to come."""
        there = held.quantity or held.coming
        (self.invested.add if there else self.invested.discard)(symbol)

    def _earn(self, money: int) -> None:
        """Cash came in or, below zero, went out."""
        self._cash += money
        self.available_cents += money

    def _value_anew(self) -> None:
        """All holdings are others: nothing was weighed."""
        self._value = 0
        self.invested = {s for s, held in self._holdings.items() if held.quantity or held.coming}
        self._moved.clear()
        self._moved.update(self._holdings)
        self._weighed.clear()
        for last in self._bars.values():
            last.weighed = False

    def _weigh(self) -> None:
        """Value again, at their last price, the holdings that have moved."""
        moved, bars = self._moved, self._bars
        while moved:
            symbol = moved.pop()
            held = self._holdings[symbol]
            shares, value = held.quantity + held.bonus, held.owed
            if shares:
                self._weighed.add(symbol)
                if symbol in bars:
                    bars[symbol].weighed = True
                price = self.price(symbol) or held.price
                value += cents(price, shares) if price else held.cost
            self._value += value - held.value
            held.value = value

    def _stranger(self, order_id: str, what: str) -> None:
        self._warn(f"{what}: order {order_id} is not ours; check it in the broker's terminal")

    def _warn(self, message: str) -> None:
        self._publish(Alert(self._clock.now(), Severity.WARNING, "ledger", message))
