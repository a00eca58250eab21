"""The trading day of each product, span by span.

Real order feeds of both exchanges bear the main points out: no cancel in 09:20-09:25 and from
14:57, no order in 09:25-09:30 and at noon, cancels in 09:15-09:20.
"""

from datetime import date

from qka.ashare.data.words import (
    B_SHARES,
    BONDS,
    BSE,
    BSE_2026,
    CHINEXT,
    CHINEXT_RULES,
    ETFS,
    FUNDS,
    KNOWN,
    LOFS,
    MAIN,
    REPO,
    SSE_2026,
    STAR,
    STAR_RULES,
    SZSE_2026,
    D,
    M,
    V,
)  # fmt: skip
from qka.ashare.rows import Span, Taking, Timetable
from qka.model.codes import Exchange, Kind
from qka.model.dated import Confidence
from qka.model.market import Phase

_T, _Q, _R = Taking.TAKEN, Taking.QUEUED, Taking.REFUSED


def _day(*, closing_call: bool, fixed_from: str = "", end: str = "15:00") -> tuple[Span, ...]:
    """A day's spans; `fixed_from` is when fixed-price orders are first taken, "" for never."""
    early = _T if fixed_from == "09:15" else _R
    late = _T if fixed_from else _R
    spans = [
        Span("00:00", Phase.PRE_OPEN, limit=_Q, cancel=_Q),
        Span("09:15", Phase.OPENING_CALL, limit=_T, fixed=early, cancel=_T),
        Span("09:20", Phase.OPENING_CALL, limit=_T, fixed=early),
        Span("09:25", Phase.BREAK, limit=_Q, fixed=early, cancel=_Q),
        Span("09:30", Phase.CONTINUOUS, limit=_T, market=_T, fixed=late, cancel=_T),
        Span("11:30", Phase.BREAK, limit=_Q, cancel=_Q),
        Span("13:00", Phase.CONTINUOUS, limit=_T, market=_T, fixed=late, cancel=_T),
    ]
    if closing_call:
        spans.append(Span("14:57", Phase.CLOSING_CALL, limit=_T, fixed=late))
    if fixed_from:  # until 15:05 they wait
        spans.append(Span("15:00", Phase.POST_CLOSE, fixed=_T, cancel=_T))
        end = "15:30"
    return (*spans, Span(end, Phase.CLOSED))


PLAIN = _day(closing_call=False)
CALLED = _day(closing_call=True)
FIXED_SH = _day(closing_call=True, fixed_from="09:30")
FIXED_SZ = _day(closing_call=True, fixed_from="09:15")
_LONG = _day(closing_call=False, end="15:30")


def _table(
    exchange: Exchange, kinds: tuple[Kind, ...], spans: tuple[Span, ...], since: date,
    source: str, sure: Confidence,
) -> Timetable:  # fmt: skip
    return Timetable(kinds=kinds, exchange=exchange, spans=spans, effective_from=since,
                     source=source, confidence=sure)  # fmt: skip


DAYS = (
    _table("SH", (*MAIN, *B_SHARES), PLAIN, date(2006, 7, 1), "SSE rules before 2018-08-20", V),
    _table("SH", (*MAIN, *B_SHARES), CALLED, date(2018, 8, 20),
           "SSE rules of 2018-08-20; order feeds of 2023", D),
    _table("SH", MAIN, FIXED_SH, date(2026, 7, 6), SSE_2026, V),
    _table("SH", STAR, FIXED_SH, date(2019, 7, 22), STAR_RULES, V),
    _table("SH", FUNDS, PLAIN, date(2006, 7, 1), "SSE rules before 2026-07-06", V),
    _table("SH", LOFS, CALLED, date(2026, 7, 6), SSE_2026, V),
    _table("SH", ETFS, FIXED_SH, date(2026, 7, 6), SSE_2026, V),
    _table("SH", BONDS, PLAIN, date(2006, 7, 1), KNOWN, M),
    _table("SH", REPO, _LONG, date(2006, 7, 1), "XT MarketTime.ini", V),
    _table("SZ", (*MAIN, *CHINEXT, *FUNDS, *B_SHARES), CALLED, date(2006, 7, 1),
           "SZSE rules of 2006; snapshots of 2022", D),
    _table("SZ", CHINEXT, FIXED_SZ, date(2020, 8, 24), CHINEXT_RULES, V),
    _table("SZ", (*MAIN, *ETFS), FIXED_SZ, date(2026, 7, 6), SZSE_2026, V),
    _table("SZ", BONDS, CALLED, date(2006, 7, 1), KNOWN, M),
    _table("SZ", REPO, _LONG, date(2006, 7, 1), "XT MarketTime.ini", V),
    _table("BJ", BSE, CALLED, date(2021, 11, 15),
           f"{BSE_2026}; its post-close trading has not begun", V),
)  # fmt: skip
