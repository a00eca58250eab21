"""Row 3: from an xtquant dict to an order at a no-op broker.

The clock runs from the dict in hand to the broker's `submit`, for each quote by itself, in the
floor and in ours alike. What follows (listeners of the signal and of the order) is in a row of
its own, without a target, since no floor does it.

An order that is never answered would keep its cash and make the next one slower, so orders go out
in batches of one a symbol, and between batches, outside the clock, the broker's silence is ended
by `OrderRejected`. Each engine lives for one slice of the measurement, so its books stay small.
"""

import itertools
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from benchmarks.measure import Row, Timed, against
from benchmarks.world import CASH, NoBroker, six_rules, symbols, tick, with_engine
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.engine.strategy import Strategy
from qka.feeds.xtdata_words import quote_from_xt
from qka.journal.port import Journal, NoJournal
from qka.journal.store import SqliteJournal
from qka.model.events import OrderRejected
from qka.model.market import Quote
from qka.model.order import Approved
from qka.model.times import MILLISECOND, SECOND
from qka.risk.rules import cash

NAMES = symbols(100)
PUSHES = [[(symbol, tick(i, step)) for i, symbol in enumerate(NAMES)] for step in range(10)]


class Watched(NoBroker):
    """A no-op broker that notes when an order reached it."""

    reached = 0.0

    def submit(self, approved: Approved) -> None:
        """Keep it, after a look at the watch."""
        self.reached = perf_counter()
        self.sent.append(approved)


class Buyer(Strategy):
    """Buys a lot at every quote."""

    def on_quote(self, quote: Quote) -> None:
        """Buy at the best ask."""
        self.buy(quote.symbol, 100, quote.ask_prices[0])


def ours(journal: Callable[[], Journal], *, whole: bool = False) -> Timed:
    """The corridor: convert, publish, decide, six rules, journal, reserve, submit.

    `whole`: until everyone else has heard of it too.
    """

    async def body(engine: Engine, clock: ReplayClock, broker: Watched, times: int) -> float:
        publish, taken = engine.publish, 0.0
        for number in range(times):
            batch = PUSHES[number % len(PUSHES)]
            for symbol, push in batch:
                begin = perf_counter()
                publish(quote_from_xt(symbol, push))
                taken += (perf_counter() if whole else broker.reached) - begin
            if len(broker.sent) != len(batch):
                raise AssertionError(f"{len(broker.sent)} of {len(batch)} orders left")
            clock.time += 3 * SECOND
            for approved in broker.sent:
                publish(OrderRejected(clock.time, approved.order.id, "no-op"))
            broker.sent.clear()
        return taken

    def run(times: int) -> float:
        return with_engine(
            lambda engine, clock, broker: body(engine, clock, broker, times),
            [Buyer(symbols=NAMES)],
            six_rules(cash),
            journal(),
            Watched(),
        )

    return run


# ------------------------------------------------------------------ the floor


class Tick(msgspec.Struct, frozen=True, gc=False):
    """The floor's event: 13 fields, the payload's lists shared."""

    symbol: str
    time: int
    last: float
    open: float
    high: float
    low: float
    prev_close: float
    volume: int
    amount: float
    ask_prices: list[float]
    ask_lots: list[int]
    bid_prices: list[float]
    bid_lots: list[int]


class PlainOrder(msgspec.Struct, frozen=True, gc=False):
    """The floor's order."""

    id: int
    symbol: str
    side: str
    quantity: int
    price: float
    strategy: str
    time: int


class Book:
    """What the floor's checks look at."""

    def __init__(self) -> None:
        self.active = True
        self.unknown: set[str] = set()
        self.free = float(CASH)
        self.held: dict[str, int] = {}
        self.total = float(CASH)
        self.times: deque[int] = deque()


def _active(order: PlainOrder, book: Book) -> bool:
    return book.active


def _legal(order: PlainOrder, book: Book) -> bool:
    return order.quantity > 0 and order.quantity % 100 == 0 and 0 < order.price < 1e7


def _not_unknown(order: PlainOrder, book: Book) -> bool:
    return order.symbol not in book.unknown


def _cash(order: PlainOrder, book: Book) -> bool:
    return order.price * order.quantity <= book.free


def _ratio(order: PlainOrder, book: Book) -> bool:
    held = book.held.get(order.symbol, 0)
    return (held + order.quantity) * order.price <= book.total * 0.5


def _rate(order: PlainOrder, book: Book) -> bool:
    times, oldest = book.times, order.time - 60 * SECOND
    while times and times[0] <= oldest:
        times.popleft()
    if len(times) >= 10**9:
        return False
    times.append(order.time)
    return True


class PlainBuyer:
    """The floor's strategy and corridor."""

    def __init__(self, book: Book, send: Callable[[PlainOrder], Any]) -> None:
        self.book = book
        self.checks = (_active, _legal, _not_unknown, _cash, _ratio, _rate)
        self.send = send
        self.count = 0

    def on_tick(self, tick: Tick) -> None:
        """Buy at the best ask."""
        self.place(tick.symbol, "buy", 100, tick.ask_prices[0], tick.time)

    def place(self, symbol: str, side: str, quantity: int, price: float, time: int) -> None:
        """Check and send."""
        self.count += 1
        order = PlainOrder(self.count, symbol, side, quantity, price, "Buyer", time)
        book = self.book
        for check in self.checks:
            if not check(order, book):
                return
        self.send(order)


def floor() -> Timed:
    """dict → struct → dict dispatch → strategy → order struct → six checks → list."""

    def run(times: int) -> float:
        sent: list[PlainOrder] = []
        reached = 0.0

        def send(order: PlainOrder) -> None:
            nonlocal reached
            reached = perf_counter()
            sent.append(order)

        buyer = PlainBuyer(Book(), send)
        routes = {Tick: [buyer.on_tick]}
        taken = 0.0
        for number in range(times):
            for symbol, t in PUSHES[number % len(PUSHES)]:
                begin = perf_counter()
                event = Tick(
                    symbol,
                    t["time"] * MILLISECOND,
                    t["lastPrice"],
                    t["open"],
                    t["high"],
                    t["low"],
                    t["lastClose"],
                    t["volume"],
                    t["amount"],
                    t["askPrice"],
                    t["askVol"],
                    t["bidPrice"],
                    t["bidVol"],
                )
                for handler in routes[type(event)]:
                    handler(event)
                taken += reached - begin
            if len(sent) != len(NAMES):
                raise AssertionError(f"{len(sent)} of {len(NAMES)} orders left")
            sent.clear()
        return taken

    return run


def order(quick: bool) -> list[Row]:
    """Quote to order; what a journal adds to it: two chained records, no disk (see `journal`)."""
    from benchmarks.corridor import in_one  # it is made of what is here

    many, rounds = len(NAMES), 9 if quick else 15
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def fresh() -> SqliteJournal:
            path = Path(folder) / f"journal-{next(numbers)}.db"
            return SqliteJournal(path, "demo", "STOCK", now=lambda: 0, durable=False)

        def row(what: str, low: Timed, mine: Timed, note: str, target: float | None) -> Row:
            return against(
                what,
                low,
                mine,
                target,
                rounds=rounds,
                seconds=0.05,
                per=many,
                unit="us",
                note=note,
            )

        plain = floor()
        return [
            row("quote to order, 6 rules, NoJournal", plain, ours(NoJournal), "", 2.5),
            row(
                "quote to order, and in one function",
                in_one,
                ours(NoJournal),
                "floor: all of its work, no rooms",
                None,
            ),
            row(
                "quote to order, a replay's journal",
                plain,
                ours(fresh),
                "floor: none",
                None,
            ),
            row(
                "quote to order and every listener",
                plain,
                ours(NoJournal, whole=True),
                "floor: no listeners",
                None,
            ),
        ]
