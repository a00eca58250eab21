"""Ticks, daily limits and the price cage."""

from datetime import date
from decimal import Decimal

from qka.ashare.data.words import (
    B_SHARES,
    BOND_RULES,
    BONDS,
    BOTH_2026,
    BSE,
    BSE_2026,
    CHINEXT,
    CHINEXT_RULES,
    FUNDS,
    KNOWN,
    MAIN,
    REPO,
    SHARES,
    SSE_2026,
    STAR,
    STAR_RULES,
    SZSE_2026,
    D,
    M,
    S,
    V,
)  # fmt: skip
from qka.ashare.rows import Cage, Limit, Reach, Tick
from qka.model.codes import Exchange, Kind
from qka.model.dated import Confidence
from qka.model.market import Status


def _tick(
    kinds: tuple[Kind, ...], tick: str, since: date, source: str, sure: Confidence,
    exchange: Exchange | None = None,
) -> Tick:  # fmt: skip
    return Tick(kinds=kinds, exchange=exchange, tick=Decimal(tick), effective_from=since,
                source=source, confidence=sure)  # fmt: skip


def _limit(
    kinds: tuple[Kind, ...], up: str | None, since: date, source: str, sure: Confidence,
    *, down: str | None = None, status: Status = Status.NORMAL, sessions: int = 0,
) -> Limit:  # fmt: skip
    share = None if up is None else Decimal(up)
    return Limit(kinds=kinds, up=share, down=share if down is None else Decimal(down),
                 status=status, sessions=sessions, effective_from=since, source=source,
                 confidence=sure)  # fmt: skip


def _cage(
    kinds: tuple[Kind, ...], share: str, ticks: int, since: date, source: str, sure: Confidence,
    *, parked: bool = False,
) -> Cage:  # fmt: skip
    return Cage(kinds=kinds, share=Decimal(share), ticks=ticks, effective_from=since,
                beyond="parked" if parked else "refused", source=source,
                confidence=sure)  # fmt: skip


_TICKS = (
    _tick(SHARES, "0.01", date(1990, 12, 19), f"{BOTH_2026}; {BSE_2026}", V),
    _tick(FUNDS, "0.001", date(2003, 3, 3), BOTH_2026, V),
    _tick(BONDS, "0.01", date(1990, 12, 19), "SSE rules before 2022", S, "SH"),
    _tick(BONDS, "0.001", date(1990, 12, 19), "SZSE rules before 2022", S, "SZ"),
    _tick(BONDS, "0.001", date(2022, 8, 1), f"{BOND_RULES}, art. 6", V),
    _tick(REPO, "0.005", date(2006, 5, 8), "one source; read PriceTick", S, "SH"),
    _tick(REPO, "0.001", date(2006, 12, 1), "sources disagree (0.001, 0.01); read PriceTick", M,
          "SZ"),
    _tick(B_SHARES, "0.001", date(1992, 2, 21), "SSE Trading Rules, in USD", S, "SH"),
    _tick(B_SHARES, "0.01", date(1992, 2, 28), "SZSE Trading Rules, in HKD", S, "SZ"),
)  # fmt: skip

_IPO = "IPO reform, first stocks listed 2023-04-10"
_LIMITS = (
    _limit(MAIN, "0.10", date(1996, 12, 16), f"{BOTH_2026}; 71,300 real stock-days", V),
    _limit(MAIN, "0.05", date(1998, 4, 22), "SSE and SZSE rules before 2026-07-06", V,
           status=Status.ST),
    _limit(MAIN, "0.10", date(2026, 7, 6), f"{SSE_2026}; {SZSE_2026}, 3.3.13", V,
           status=Status.ST),
    _limit(MAIN, "0.44", date(2014, 1, 1), "rules before registration; 605499, 605117", D,
           down="0.36", status=Status.NEW, sessions=1),
    _limit(MAIN, None, date(2023, 4, 10), _IPO, V, status=Status.NEW, sessions=5),
    _limit(STAR, "0.20", date(2019, 7, 22), STAR_RULES, V),
    _limit(STAR, None, date(2019, 7, 22), STAR_RULES, V, status=Status.NEW, sessions=5),
    _limit(CHINEXT, "0.10", date(2009, 10, 30), "SZSE rules before the reform", V),
    _limit(CHINEXT, "0.20", date(2020, 8, 24), CHINEXT_RULES, V),
    _limit(CHINEXT, "0.44", date(2014, 1, 1), "SZSE rules before the reform", M, down="0.36",
           status=Status.NEW, sessions=1),
    _limit(CHINEXT, None, date(2020, 8, 24), CHINEXT_RULES, V, status=Status.NEW, sessions=5),
    _limit(BSE, "0.30", date(2021, 11, 15), BSE_2026, V),
    _limit(BSE, None, date(2021, 11, 15), BSE_2026, V, status=Status.NEW, sessions=1),
    _limit(SHARES, None, date(2020, 12, 31), "delisting rules: the first day of the period", S,
           status=Status.DELISTING, sessions=1),
    _limit(FUNDS, "0.10", date(1996, 12, 16), f"{BOTH_2026}; bars of 518880, 513500", D),
    _limit((Kind.ETF_BOND, Kind.ETF_MONEY), "0.10", date(1996, 12, 16),
           f"{BOTH_2026}; sources disagree (0.10, none): read UpStopPrice", M),
    _limit((Kind.ETF_20,), "0.20", date(2020, 8, 24), "the exchanges' lists; bars of 588000, "
           "159949", D),
    _limit((Kind.REIT,), "0.30", date(2021, 6, 21), KNOWN, M, status=Status.NEW, sessions=1),
    _limit(BONDS, "0.20", date(2022, 8, 1), BOND_RULES, V),
    _limit(BONDS, "0.573", date(2022, 8, 1), f"{BOND_RULES}, of the issue price", V,
           down="0.433", status=Status.NEW, sessions=1),
    _limit(B_SHARES, "0.10", date(1996, 12, 16), KNOWN, M),
    _limit(B_SHARES, "0.05", date(1998, 4, 22), f"{KNOWN}; 2026 change unclear", M,
           status=Status.ST),
)  # fmt: skip

_REFORM = "registration reform, both exchanges"
_CAGES = (
    _cage(MAIN, "0.02", 10, date(2023, 4, 10), _REFORM, V),
    _cage(CHINEXT, "0.02", 0, date(2020, 8, 24), "ChiNext special rules before 2023", S,
          parked=True),
    _cage(CHINEXT, "0.02", 10, date(2023, 4, 10), _REFORM, V),
    _cage(STAR, "0.02", 0, date(2019, 7, 22), f"{STAR_RULES}; one source adds 10 ticks", S),
    _cage(BSE, "0.05", 10, date(2021, 11, 15), f"{BSE_2026}; one source has none", S),
)  # fmt: skip

_REACHES = (
    Reach(kinds=(*MAIN, *CHINEXT), exchange="SZ", opening=Decimal(9), share=Decimal("0.10"),
          effective_from=date(2020, 8, 24), source=SZSE_2026, confidence=S),
)  # fmt: skip

PRICES = (*_TICKS, *_LIMITS, *_REACHES, *_CAGES)
