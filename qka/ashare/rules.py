"""Lots, ticks, price limits and turnaround of A shares: what an exchange would refuse.

Rows carry the day they became effective. Facts known at run time (the limits in a quote) win
over computed ones; what a code can't tell, like the limits of a fund, is not computed. Sources:
SSE and SZSE trading rules (2026 revision, effective 2026-07-06), STAR special rules art. 20,
ChiNext special rules 2.8, BSE trading rules (2026).
"""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec

from qka.model.money import on_tick
from qka.model.symbol import Board, board_of

_SHARES = frozenset({Board.MAIN, Board.STAR, Board.CHINEXT, Board.BSE})
_FINE = frozenset({Board.FUND, Board.BOND, Board.REPO})  # priced in steps of 0.001 CNY
_BARRED = {
    Board.INDEX: "is an index: it has quotes but takes no orders",
    Board.B_SHARE: "is a B share, traded in USD or HKD: the account is in CNY, it is not supported",
}
_CENT = Decimal("0.01")
_MILL = Decimal("0.001")

# board -> (least shares of a buy, step in shares)
_LOTS: dict[Board, tuple[int, int]] = {
    Board.MAIN: (100, 100),
    Board.CHINEXT: (100, 100),
    Board.STAR: (200, 1),
    Board.BSE: (100, 1),
    Board.FUND: (100, 100),
    Board.BOND: (10, 10),
    Board.REPO: (10, 10),
    Board.B_SHARE: (100, 100),
}

# board -> (effective from, share of the reference price), newest first; ST rows below
_LIMITS: dict[Board, tuple[tuple[date, Decimal], ...]] = {
    Board.MAIN: ((date(1996, 12, 16), Decimal("0.10")),),
    Board.STAR: ((date(2019, 7, 22), Decimal("0.20")),),
    Board.CHINEXT: (
        (date(2020, 8, 24), Decimal("0.20")),
        (date(2009, 10, 30), Decimal("0.10")),
    ),
    Board.BSE: ((date(2021, 11, 15), Decimal("0.30")),),
    Board.BOND: ((date(2022, 8, 1), Decimal("0.20")),),
    Board.B_SHARE: ((date(1996, 12, 16), Decimal("0.10")),),
}
_ST_MAIN = ((date(2026, 7, 6), Decimal("0.10")), (date(1998, 4, 22), Decimal("0.05")))


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What an order on a symbol must keep to, whatever the day."""

    barred: str  # why no order is taken, "" for what can be traded
    least: int  # shares of a buy
    step: int  # shares
    ticks: float  # in one CNY
    share: bool  # an A share: stamp duty and transfer fee are due


class _Terms(dict[str, Terms]):
    """symbol -> its terms, worked out when first asked for."""

    def __missing__(self, symbol: str) -> Terms:
        board = board_of(symbol)
        least, step = _LOTS.get(board, (100, 100))
        fine = board in _FINE or (board is Board.B_SHARE and symbol.endswith(".SH"))
        the = self[symbol] = Terms(
            _BARRED.get(board, ""), least, step, 1000.0 if fine else 100.0, board in _SHARES
        )
        return the


TERMS = _Terms()  # symbols are few; raises SymbolError for one that can't exist


def tradable(symbol: str) -> bool:
    """Whether orders are taken at all: not on an index, and B shares are not supported."""
    return not TERMS[symbol].barred


def tick_size(symbol: str) -> Decimal:
    """The least price step: 0.01 for shares, 0.001 for funds, bonds, repo and Shanghai's B."""
    return _MILL if TERMS[symbol].ticks == 1000 else _CENT


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


def turnaround_same_day(symbol: str) -> bool:
    """Whether shares bought today may be sold today (T+0): bonds; A shares are T+1.

    Funds with T+0 (bond, gold, money, cross-border) can't be told by their code and count as T+1.
    """
    return board_of(symbol) in (Board.BOND, Board.REPO)


@lru_cache(maxsize=65536)
def price_limits(
    symbol: str, reference: float, day: date, *, st: bool = False
) -> tuple[float, float] | None:
    """(limit up, limit down) for an ex-right reference price, or None when there is no limit.

    HALF_UP in decimal on the tick; never closer than one tick to the reference, never below one
    tick (SSE and SZSE trading rules). None for funds too: theirs are 10% or 20% by what they
    track. New listings and delisting periods are not known here.
    """
    board = board_of(symbol)
    rows = _ST_MAIN if st and board is Board.MAIN else _LIMITS.get(board, ())
    share = next((share for since, share in rows if day >= since), None)
    if share is None or reference <= 0:
        return None
    tick = tick_size(symbol)
    base = Decimal(repr(reference)).quantize(tick, ROUND_HALF_UP)
    up = max(Decimal(repr(on_tick(base * (1 + share), tick))), base + tick)
    down = max(min(Decimal(repr(on_tick(base * (1 - share), tick))), base - tick), tick)
    return float(up), float(down)
