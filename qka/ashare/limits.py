"""Where a price may be: the day's limits and the price cage.

All in decimal and HALF_UP on the tick. Limits that the exchange itself names, as in a quote, win
over computed ones: see `day_limits`.
"""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from qka.ashare import book
from qka.ashare.rows import Cage, Limit, Reach, Tick
from qka.model.actions import CorporateAction
from qka.model.events import InstrumentState
from qka.model.market import Quote, Status
from qka.model.money import on_tick
from qka.model.order import Side
from qka.model.times import day_of

_CENT = Decimal("0.01")


def _row(symbol: str, day: date, status: Status, session: int) -> Limit | None:
    """The row of a security in that status; `session` of it counts from 1."""
    found = None
    if status in (Status.NEW, Status.DELISTING):
        # what held when it began holds on: its first session was at least so many days ago
        found = book.row(Limit, symbol, day - timedelta(session - 1), status=status)
        if found is not None and session > found.sessions:
            found = None
    elif status is Status.ST:
        found = book.row(Limit, symbol, day, status=status)
    return found or book.row(Limit, symbol, day, status=Status.NORMAL)


@lru_cache(maxsize=65536)
def price_limits(
    symbol: str,
    reference: float,
    day: date,
    *,
    st: bool = False,
    listed: int = 0,
    delisting: int = 0,
) -> tuple[float, float] | None:
    """(limit up, limit down) for an ex-right reference price, None on a day without limits.

    Never closer than one tick to the reference, never below one tick (SSE and SZSE trading
    rules). `listed` and `delisting`: which session since the listing, or of the delisting period,
    the day is, counted from 1; 0 is long ago, or not known. A new bond's reference is its issue
    price.
    """
    if listed or delisting:
        status = Status.NEW if listed else Status.DELISTING
    else:
        status = Status.ST if st else Status.NORMAL
    row = _row(symbol, day, status, listed or delisting)
    if row is None or row.up is None or row.down is None or reference <= 0:
        return None
    tick = _tick(symbol, day)
    base = Decimal(repr(float(reference))).quantize(tick, ROUND_HALF_UP)
    up = max(Decimal(repr(on_tick(base * (1 + row.up), tick))), base + tick)
    down = max(min(Decimal(repr(on_tick(base * (1 - row.down), tick))), base - tick), tick)
    return float(up), float(down)


book.on_change(price_limits.cache_clear)


def day_limits(quote: Quote, *, st: bool = False) -> tuple[float, float] | None:
    """The limits of a quote's day: its own when it has them, else computed from its reference."""
    if quote.limit_up and quote.limit_down:
        return quote.limit_up, quote.limit_down
    return price_limits(quote.symbol, quote.prev_close, day_of(quote.time), st=st)


def holding_limits(
    quote: Quote, state: InstrumentState | None = None
) -> tuple[float, float] | None:
    """The same, but none where the day is known to have other ones than those computed.

    By what the terminal said of the day (`state`), or because it has gone beyond them.
    """
    limits = day_limits(quote)
    if limits is None or quote.limit_up:
        return limits
    if state is not None and state.unlimited and state.day == day_of(quote.time):
        return None
    seen = [price for price in (quote.high, quote.low, quote.last) if price]
    return limits if all(limits[1] <= price <= limits[0] for price in seen) else None


def reach(symbol: str, day: date, *, opening: bool, base: float) -> tuple[float, float] | None:
    """(lowest, highest) price taken on a day without limits; None where no rule says anything.

    `base`: in the `opening` call the previous close, later the last price.
    """
    row = book.row(Reach, symbol, day)
    if row is None or base <= 0:
        return None
    tick, middle = _tick(symbol, day), Decimal(repr(float(base)))
    if opening:
        return float(tick), on_tick(middle * row.opening, tick)
    return on_tick(middle * (1 - row.share), tick), on_tick(middle * (1 + row.share), tick)


def ex_reference(
    close: Decimal,
    cash: Decimal,
    bonus: Decimal = Decimal(0),
    rights: Decimal = Decimal(0),
    rights_price: Decimal = Decimal(0),
    tick: Decimal = _CENT,
) -> Decimal:
    """The reference price after a distribution; all is for one share, money in CNY.

    (SSE 4.3.2, SZSE 4.4.2.)
    """
    price = (close - cash + rights_price * rights) / (1 + bonus + rights)
    return price.quantize(tick, ROUND_HALF_UP)


def after_action(action: CorporateAction, price: float) -> float:
    """A price of before the ex-date as it is on it, in CNY on tick: see `ex_reference`."""
    close, tick = Decimal(repr(price)), _tick(action.symbol, action.day)
    given = action.cash, action.bonus, action.rights, action.rights_price
    return max(0.0, float(ex_reference(close, *given, tick=tick)))


def cage_reference(side: Side, ask: float, bid: float, last: float, prev_close: float) -> float:
    """What the cage is measured from; 0.0 for what there is not.

    A buy: the best ask, without one the best bid, the last trade, the previous close; a sell the
    other way round. A stock sealed at its upper limit has no ask: its reference is the best bid.
    """
    own = (ask or bid) if side is Side.BUY else (bid or ask)
    return own or last or prev_close


@lru_cache(maxsize=65536)
def price_cage(symbol: str, side: Side, reference: float, day: date) -> float | None:
    """The highest price of a buy, the lowest of a sell, in continuous trading; None for no cage.

    On tick, HALF_UP, never below one tick. The day's limits hold too: the tighter wins. Neither
    call auctions nor post-close trading have one, and market orders have a protection price.
    """
    row = _cage(symbol, day)
    if row is None or reference <= 0:
        return None
    tick = _tick(symbol, day)
    base, sign = Decimal(repr(float(reference))), 1 if side is Side.BUY else -1
    share, ticks = base * (1 + sign * row.share), base + sign * row.ticks * tick
    edge = max(share, ticks) if side is Side.BUY else min(share, ticks)
    return on_tick(max(edge, tick), tick)


book.on_change(price_cage.cache_clear)


def cage_parks(symbol: str, day: date) -> bool:
    """Whether an order beyond the cage waits for the market instead of being refused."""
    row = _cage(symbol, day)
    return row is not None and row.beyond == "parked"


def _cage(symbol: str, day: date) -> Cage | None:
    return book.row(Cage, symbol, day)


def _tick(symbol: str, day: date) -> Decimal:
    row = book.row(Tick, symbol, day)
    return row.tick if row else _CENT
