"""Quantities, order types, turnaround, and what of an ST security may be bought."""

from datetime import date

from qka.ashare.data.words import (
    B_SHARES,
    BONDS,
    BOTH_2026,
    BSE,
    BSE_2026,
    CHINEXT,
    CHINEXT_RULES,
    ETFS,
    FUNDS,
    KNOWN,
    MAIN,
    REPO,
    SHARES,
    SSE_2026,
    STAR,
    STAR_RULES,
    SZSE_2026,
    M,
    S,
    V,
)  # fmt: skip
from qka.ashare.rows import DailyCap, Lot, OrderKind, Turnaround
from qka.model.codes import Exchange, Kind
from qka.model.dated import Confidence
from qka.model.order import OrderType

_MILLION = 1_000_000


def _lot(
    kinds: tuple[Kind, ...], least: int, step: int, most: int, market: int, since: date,
    source: str, sure: Confidence,
) -> Lot:  # fmt: skip
    return Lot(kinds=kinds, least=least, step=step, most=most, most_market=market,
               effective_from=since, source=source, confidence=sure)  # fmt: skip


_LOTS = (
    _lot(MAIN, 100, 100, _MILLION, _MILLION, date(1990, 12, 19), f"{BOTH_2026}, 3.3.8", V),
    _lot(CHINEXT, 100, 100, _MILLION, _MILLION, date(2009, 10, 30), "SZSE rules, 3.3.8", V),
    _lot(CHINEXT, 100, 100, 300_000, 150_000, date(2020, 8, 24), f"{CHINEXT_RULES}, 2.8", V),
    _lot(STAR, 200, 1, 100_000, 50_000, date(2019, 7, 22), f"{STAR_RULES}, art. 20", V),
    _lot(BSE, 100, 1, _MILLION, _MILLION, date(2021, 11, 15), f"{BSE_2026}; maximum: {KNOWN}", M),
    _lot(FUNDS, 100, 100, _MILLION, _MILLION, date(1998, 4, 7), f"{BOTH_2026}, 3.3.8", V),
    _lot(BONDS, 10, 10, _MILLION, _MILLION, date(1998, 9, 2), "step disputed (10, 1)", M),
    _lot(REPO, 10, 10, _MILLION, _MILLION, date(2006, 5, 8), KNOWN, M),
    _lot(B_SHARES, 100, 100, _MILLION, _MILLION, date(1992, 2, 21), BOTH_2026, V),
)

_LISTED = (*SHARES, *FUNDS, *B_SHARES)
_XT = "xtconstant.py"


def _kind(
    exchange: Exchange | None, kinds: tuple[Kind, ...], name: OrderType, source: str = _XT,
    sure: Confidence = V, since: date = date(2006, 7, 1), *, protected: bool = False,
    rests: bool = False, no_limit_days: bool = True,
) -> OrderKind:  # fmt: skip
    return OrderKind(kinds=kinds, exchange=exchange, name=name, protected=protected,
                     rest="rests" if rests else "cancelled", on_no_limit_days=no_limit_days,
                     effective_from=since, source=source, confidence=sure)  # fmt: skip


_PROTECTED: tuple[tuple[Exchange, str, date], ...] = (
    ("SH", SSE_2026, date(2006, 7, 1)),
    ("BJ", BSE_2026, date(2021, 11, 15)),
)
_MARKETS: tuple[OrderKind, ...] = (
    *(
        _kind(exchange, _LISTED, name, f"{_XT}; {source}", protected=True, since=since,
              rests=name is not OrderType.MARKET)
        for exchange, source, since in _PROTECTED
        for name in (OrderType.MARKET, OrderType.BEST_5_LIMIT, OrderType.PEER,
                     OrderType.OWN)
    ),
    *(
        _kind("SZ", _LISTED, name, f"{_XT}; {SZSE_2026}", no_limit_days=False,
              rests=name in (OrderType.PEER, OrderType.OWN))
        for name in (OrderType.PEER, OrderType.OWN, OrderType.FILL_CANCEL,
                     OrderType.MARKET, OrderType.ALL_OR_NONE)
    ),
)  # fmt: skip

_ORDER_TYPES = (
    _kind(None, (*_LISTED, *BONDS, *REPO), OrderType.LIMIT, BOTH_2026, since=date(1990, 12, 19),
          rests=True),
    *_MARKETS,
    _kind("SH", STAR, OrderType.FIXED, STAR_RULES, since=date(2019, 7, 22), rests=True),
    _kind("SZ", CHINEXT, OrderType.FIXED, CHINEXT_RULES, since=date(2020, 8, 24), rests=True),
    _kind("SH", (*MAIN, *ETFS), OrderType.FIXED, SSE_2026, since=date(2026, 7, 6), rests=True),
    _kind("SZ", (*MAIN, *ETFS), OrderType.FIXED, SZSE_2026, since=date(2026, 7, 6), rests=True),
)  # fmt: skip


def _turn(
    kinds: tuple[Kind, ...], same_day: bool, since: date, source: str, sure: Confidence
) -> Turnaround:
    return Turnaround(kinds=kinds, same_day=same_day, effective_from=since, source=source,
                      confidence=sure)  # fmt: skip


_TURNAROUND = (
    _turn(SHARES, False, date(1995, 1, 1), BOTH_2026, V),
    _turn((Kind.ETF, Kind.ETF_20, Kind.LOF, Kind.REIT), False, date(1995, 1, 1), BOTH_2026, V),
    _turn(B_SHARES, False, date(2001, 12, 1), "the money settles T+3; one source says T+0", M),
    _turn((Kind.ETF_BOND, Kind.ETF_MONEY, Kind.ETF_GOLD, Kind.ETF_COMMODITY,
           Kind.ETF_CROSS_BORDER, Kind.LOF_CROSS_BORDER), True, date(2015, 1, 19), BOTH_2026, V),
    _turn(BONDS, True, date(1998, 9, 2), BOTH_2026, V),
    _turn(REPO, True, date(2006, 5, 8), "not sold again: it returns by itself", V),
)  # fmt: skip


def _cap(
    exchange: Exchange, kinds: tuple[Kind, ...], shares: int, since: date, source: str,
    sure: Confidence,
) -> DailyCap:  # fmt: skip
    return DailyCap(kinds=kinds, exchange=exchange, shares=shares, effective_from=since,
                    source=source, confidence=sure)  # fmt: skip


_CAPS = (
    _cap("SH", (*MAIN, *STAR), 500_000, date(2012, 7, 27), "risk-warning measures, art. 14", V),
    _cap("SZ", (*MAIN, *CHINEXT), 500_000, date(2012, 7, 27), KNOWN, M),
    _cap("BJ", BSE, 200_000, date(2026, 8, 31), "北证公告〔2026〕34号, 4.5.1-4.5.4", S),
)

ORDERS = (*_LOTS, *_ORDER_TYPES, *_TURNAROUND, *_CAPS)
