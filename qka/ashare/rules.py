"""Ticks, lots and turnaround: what an order on a symbol must keep to, whatever its price.

`TERMS` has it all at hand for the day that is lived; the engine tells it of each new one. A tick
that the terminal names wins over the book's.
"""

from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from qka.ashare import book
from qka.ashare.rows import DailyCap, Fee, FeeName, Lot, Tick, Turnaround
from qka.model.codes import Kind
from qka.model.money import on_tick
from qka.model.order import OrderType, Side
from qka.model.symbol import kind_of

_BARRED = {
    Kind.INDEX: "is an index: it has quotes but takes no orders",
    Kind.B_SHARE: "is a B share, traded in USD or HKD: the account is in CNY, it is not supported",
    Kind.DIRECTED_BOND: "is a bond placed privately: it does not trade by auction",
}


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What an order on a symbol must keep to on a day."""

    barred: str  # why no order is taken, "" for what can be traded
    least: int  # shares of a buy
    step: int  # shares
    ticks: float  # in one CNY
    most: int  # shares of a limit order
    most_market: int  # shares of a market order
    most_fixed: int  # shares of a post-close fixed-price order
    same_day: bool  # what was bought today may be sold today (T+0)


def terms_on(symbol: str, day: date) -> Terms:
    """The terms of a symbol on a day, by the book; raises SymbolError for one that can't exist."""
    tick = book.row(Tick, symbol, day)
    lot = book.row(Lot, symbol, day)
    turn = book.row(Turnaround, symbol, day)
    return Terms(
        _BARRED.get(kind_of(symbol), ""),
        lot.least if lot else 100,
        lot.step if lot else 100,
        float(1 / tick.tick) if tick else 100.0,
        lot.most if lot else 1_000_000,
        lot.most_market if lot else 1_000_000,
        lot.most_fixed if lot else 1_000_000,
        turn is not None and turn.same_day,
    )


class _Terms(dict[str, Terms]):
    """symbol -> its terms, worked out when first asked for; `day` is the one that is lived."""

    def __init__(self) -> None:
        super().__init__()
        self.day = date.max  # until someone lives one: the newest rows
        self._ticks: dict[str, float] = {}  # symbol -> ticks in one CNY, from the terminal

    def __missing__(self, symbol: str) -> Terms:
        the = terms_on(symbol, self.day)
        if symbol in self._ticks:
            the = replace(the, ticks=self._ticks[symbol])
        self[symbol] = the
        return the

    def live(self, day: date) -> None:
        """A new day is lived; when a rule begins or ends with it, all is worked out anew."""
        first, last = sorted((self.day, day))
        self.day = day
        if book.changes(first, last):
            self.clear()

    def learn_tick(self, symbol: str, tick: float) -> None:
        """The tick in CNY that the terminal names: it wins over the book's."""
        self._ticks[symbol] = float(round(1 / tick, 6))
        self.pop(symbol, None)

    def forget(self) -> None:
        """Other rows are in force."""
        self._ticks.clear()
        self.clear()


TERMS = _Terms()  # symbols are few; raises SymbolError for one that can't exist
book.on_change(TERMS.forget)


def tradable(symbol: str) -> bool:
    """Whether orders are taken at all: not on an index, and B shares are not supported."""
    return not TERMS[symbol].barred


def tick_size(symbol: str) -> Decimal:
    """The least price step: 0.01 for shares, 0.001 for funds, bonds and Shanghai's B shares."""
    return 1 / Decimal(repr(TERMS[symbol].ticks))


def tick_price(symbol: str, price: float) -> float:
    """The price on the symbol's tick, HALF_UP in decimal."""
    ticks = TERMS[symbol].ticks
    # whole by whole is rounded correctly: it is the float of that decimal
    near = (price * ticks + 0.5) // 1.0 / ticks
    return near if near == price else on_tick(price, tick_size(symbol))


def lots(symbol: str) -> tuple[int, int]:
    """(least shares of a buy, step in shares)."""
    the = TERMS[symbol]
    return the.least, the.step


def most(symbol: str, kind: OrderType = OrderType.LIMIT) -> int:
    """The most shares of one order; one that is larger is refused, not cut."""
    the = TERMS[symbol]
    if kind is OrderType.LIMIT:
        return the.most
    return the.most_fixed if kind is OrderType.FIXED else the.most_market


def buyable(symbol: str, shares: int) -> int:
    """The largest legal buy of at most `shares`, 0 when even the least is too much."""
    least, step = lots(symbol)
    return 0 if shares < least else shares - (shares - least) % step


def sellable(symbol: str, shares: int, held: int) -> int:
    """The largest legal sell of at most `shares` out of `held` sellable ones.

    A remainder below the least quantity is sold whole and in one order
    (SSE 3.3.8, SZSE 3.3.8, STAR art. 20).
    """
    shares = min(shares, held)
    least, step = lots(symbol)
    if step == 1:
        return shares if shares == held or shares >= least else 0
    if shares == held:
        return shares
    rest = held % step
    whole = shares - shares % step
    odd = whole + rest if whole + rest <= shares else whole - step + rest
    return max(whole, odd, 0)


def turnaround_same_day(symbol: str, day: date) -> bool:
    """Whether shares bought on a day may be sold on it (T+0): bonds, and funds of what trades so.

    Of any day: books are rebuilt of fills before one is lived.
    """
    if day == TERMS.day:
        return TERMS[symbol].same_day
    turn = book.row(Turnaround, symbol, day)
    return turn is not None and turn.same_day


def daily_cap(symbol: str, day: date) -> int | None:
    """The most shares of an ST security that one account may buy in a day; None: no such rule."""
    found = book.row(DailyCap, symbol, day)
    return found.shares if found else None


def fee_rates(symbol: str, side: Side, day: date, *, net: bool = False) -> list[Decimal]:
    """Shares of turnover that state and exchanges take of an order.

    `net`: with the handling fee and the levy, which a commission includes unless it is net.
    """
    names = FeeName if net else (FeeName.TRANSFER, FeeName.STAMP_DUTY)
    found = (book.row(Fee, symbol, day, name=name) for name in names)
    return [row.rate for row in found if row is not None and side in row.sides]
