"""A real day as it was: what became of each order, and the snapshots that were seen of it.

Where the day's own snapshots are at hand they are the ones that are seen, and each of them is
found in the rebuilt book; elsewhere snapshots are made of it, every 3 seconds that changed
something, in the shape that Shanghai's have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.fills.book import Book, Impossible
from benchmarks.fills.feeds import Added, Message, RawDay, Withdrawn, rows
from qka.ashare.auction import clear
from qka.model.market import Phase, Quote
from qka.model.order import Side
from qka.model.times import MILLISECOND, SECOND, at

_DEPTH = 6  # levels kept: when our order is taken out of the five, the sixth comes up
_LOT = 100
_LATE = 3 * SECOND  # a snapshot holds no more than that happened after the time it bears


class Filled(NamedTuple):
    """Shares of an order that were traded."""

    time: int  # ns
    price: int  # cents
    shares: int
    heard: int  # how many messages had been told before


@dataclass(slots=True)
class Resting:
    """A real order that came to rest in the book, and what became of it."""

    side: Side
    price: int  # cents
    shares: int
    arrived: int  # ns
    heard: int  # how many messages had been told before
    behind: int  # better prices on its own side when it came
    fills: list[Filled] = field(default_factory=list)
    cancelled: int = 0  # ns, 0 for never

    @property
    def filled(self) -> int:
        """Shares that were traded in the end."""
        return sum(fill.shares for fill in self.fills)

    def left(self, heard: int) -> int:
        """Shares that are in the book after so many messages; a cancel is not looked at."""
        if heard <= self.heard:
            return 0
        return self.shares - sum(fill.shares for fill in self.fills if fill.heard < heard)


class Snapshot(NamedTuple):
    """What was seen, and how many messages had been told by then."""

    quote: Quote
    heard: int
    asks: list[tuple[int, int]]  # (cents, shares), none in a call auction
    bids: list[tuple[int, int]]


@dataclass(slots=True)
class Market:
    """One stock's day."""

    symbol: str
    orders: list[Resting]
    snapshots: list[Snapshot]
    times: list[int] = field(init=False)  # ns, of the snapshots

    def __post_init__(self) -> None:
        self.times = [snapshot.quote.time for snapshot in self.snapshots]


def market(raw: RawDay) -> Market:
    """The day rebuilt; raises Impossible when its files do not fit together."""
    messages = raw.messages()
    seen = _recorded(raw, messages) if raw.ticks.exists() else _made(raw, messages)
    return Market(raw.symbol, _orders(messages), list(seen))


def _orders(messages: list[Message]) -> list[Resting]:
    book, orders = Book(), dict[int, Resting]()
    for heard, message in enumerate(messages):
        if isinstance(message, Added):
            _, number, side, price, shares = message
            behind = book.better(side, price)
            orders[number] = Resting(side, price, shares, message.time, heard, behind)
        elif isinstance(message, Withdrawn):
            orders[message.order].cancelled = message.time
        else:
            for number, side in ((message.buy, Side.BUY), (message.sell, Side.SELL)):
                if message.aggressor is not side:
                    fill = Filled(message.time, message.price, message.shares, heard)
                    orders[number].fills.append(fill)
        book.hear(message)
    return list(orders.values())


# ---------------------------------------------------------------- snapshots


def _recorded(raw: RawDay, messages: list[Message]) -> Iterator[Snapshot]:
    """The day's own snapshots, each at its place among the messages."""
    book, heard = Book(), 0

    def more(until: int) -> bool:
        """Hear the next message, unless there is none until then."""
        nonlocal heard
        if heard == len(messages) or messages[heard].time > until:
            return False
        book.hear(messages[heard])
        heard += 1
        return True

    for quote in _quotes(raw.symbol, raw.ticks):
        if quote.phase != Phase.CONTINUOUS:
            while more(quote.time):
                pass
            yield Snapshot(quote, heard, [], [])
            continue
        while not _same(book, quote):
            if not more(quote.time + _LATE):
                raise Impossible(f"{raw.symbol}: the book was never as in the snapshot {quote}")
        yield Snapshot(quote, heard, book.best(Side.SELL, _DEPTH), book.best(Side.BUY, _DEPTH))


def _quotes(symbol: str, ticks: Path) -> Iterator[Quote]:
    five = range(1, 6)
    for row in rows(ticks):

        def column(name: str, row: dict[str, str] = row) -> list[float]:
            return [float(row[f"{name}{i}"]) for i in five]

        last, first, high, low, close = (
            float(row[name]) for name in ("lastPrice", "open", "high", "low", "lastClose")
        )
        yield Quote(
            symbol, int(row["time"]) * MILLISECOND, last, first, high, low, close,
            int(row["pvolume"]), float(row["amount"]), int(row["openInt"]),
            column("askPrice"), [int(lots) for lots in column("askVol")],
            column("bidPrice"), [int(lots) for lots in column("bidVol")],
            float(row["upStop"]), float(row["downStop"]),
        )  # fmt: skip


def _same(book: Book, quote: Quote) -> bool:
    if book.volume != quote.volume:
        return False
    for side, prices, lots in (
        (Side.SELL, quote.ask_prices, quote.ask_lots),
        (Side.BUY, quote.bid_prices, quote.bid_lots),
    ):
        if shown(book.best(side, 5)) != (prices, lots):
            return False
    return True


def shown(levels: list[tuple[int, int]]) -> tuple[list[float], list[int]]:
    """The five levels as a quote has them: prices in CNY, whole lots."""
    empty = 5 - len(levels)
    prices = [price / 100 for price, _ in levels[:5]] + [0.0] * empty
    return prices, [shares // _LOT for _, shares in levels[:5]] + [0] * empty


def _made(raw: RawDay, messages: list[Message]) -> Iterator[Snapshot]:
    """Snapshots of the book, every 3 seconds in which something was told."""
    book, heard = Book(), 0
    for moment, phase in _grid(raw):
        before = heard
        while heard < len(messages) and messages[heard].time <= moment:
            book.hear(messages[heard])
            heard += 1
        if heard == before:
            continue
        asks, bids = book.best(Side.SELL, _DEPTH), book.best(Side.BUY, _DEPTH)
        called = phase in (Phase.OPENING_CALL, Phase.CLOSING_CALL)
        levels = _virtual(book) if called else (*shown(asks), *shown(bids))
        prices = (cents / 100 for cents in (book.last, book.open, book.high, book.low))
        last, first, high, low = prices
        quote = Quote(raw.symbol, moment, last, first, high, low, 0.0, book.volume,
                      book.amount / 100, phase, *levels)  # fmt: skip
        yield Snapshot(quote, heard, [] if called else asks, [] if called else bids)


def _virtual(book: Book) -> tuple[list[float], list[int], list[float], list[int]]:
    """The four level lists in a call auction: what would trade now, and who would be left over."""
    cleared = clear(book.levels[Side.BUY], book.levels[Side.SELL], "SH", 0)
    price, volume, surplus = cleared or (0, 0, 0)
    prices = [price / 100, 0.0, 0.0, 0.0, 0.0]
    asks = [volume // _LOT, max(-surplus, 0) // _LOT, 0, 0, 0]
    bids = [volume // _LOT, max(surplus, 0) // _LOT, 0, 0, 0]
    return prices, asks, prices, bids


def _grid(raw: RawDay) -> Iterator[tuple[int, Phase]]:
    for begin, end, phase in (
        ("09:15:00", "09:25:00", Phase.OPENING_CALL),
        ("09:25:03", "09:25:03", Phase.CONTINUOUS),  # the print: Shanghai's call is over then
        ("09:30:00", "11:30:03", Phase.CONTINUOUS),
        ("13:00:00", "14:56:57", Phase.CONTINUOUS),
        ("14:57:00", "15:00:00", Phase.CLOSING_CALL),
        ("15:00:03", "15:00:03", Phase.CLOSED),
    ):
        for moment in range(at(raw.day, begin), at(raw.day, end) + 1, 3 * SECOND):
            yield moment, phase
