"""Every rule of every board through the years: on the day it changed, and the day before.

The values are written down here by hand, from the exchanges' texts, not read off the rows. A row
whose first day stands in no history fails the last test: none comes without its two sides.
"""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from builders import moment

from qka.ashare import book
from qka.ashare.limits import cage_parks, price_cage, price_limits, reach
from qka.ashare.rows import TABLES, Scoped
from qka.ashare.rules import daily_cap, fee_rates, terms_on
from qka.ashare.sessions import order_kinds, span_at, takes
from qka.model.market import Status
from qka.model.order import OrderType, Side
from qka.model.symbol import kind_of

MAIN_SH, MAIN_SZ = "600000.SH", "000001.SZ"
STAR, CHINEXT, BSE = "688981.SH", "300750.SZ", "920002.BJ"
MAIN = (MAIN_SH, MAIN_SZ)
A_SHARES = (*MAIN, STAR, CHINEXT, BSE)
WIDE = ("588000.SH", "159915.SZ")  # of STAR or ChiNext stocks
PLAIN_ETFS = ("510300.SH", "159919.SZ", *WIDE)
# cross-border, gold, bonds, money, commodities
T0_ETFS = ("513100.SH", "159920.SZ", "518880.SH", "159934.SZ", "511010.SH", "159972.SZ",
           "511880.SH", "159001.SZ", "159985.SZ")  # fmt: skip
ETFS = (*PLAIN_ETFS, *T0_ETFS)
LOFS, LOFS_ABROAD, REITS = (
    ("502023.SH", "161725.SZ"), ("501018.SH", "162411.SZ"), ("508000.SH", "180101.SZ")
)  # fmt: skip
FUNDS = (*ETFS, *LOFS, *LOFS_ABROAD, *REITS)
BONDS, REPO = ("113050.SH", "123219.SZ"), ("204001.SH", "131810.SZ")
B_SHARES = ("900901.SH", "200002.SZ")
BARRED = ("000300.SH", "399001.SZ", "899050.BJ", "110801.SH", "124001.SZ")
ALL = (*A_SHARES, *FUNDS, *BONDS, *REPO, *B_SHARES, *BARRED)


def of(exchange, *symbols):
    return [symbol for symbol in symbols if symbol.endswith(exchange)]


def without(left_out, symbols):
    return [symbol for symbol in symbols if symbol not in left_out]


# the minutes at which something can begin or end
MINUTES = ["00:00", "09:14", "09:15", "09:24", "09:25", "09:29", "09:30", "11:29", "11:30",
           "12:59", "13:00", "14:56", "14:57", "14:59", "15:00", "15:29", "15:30"]  # fmt: skip


# ---------------------------------------------------------------- what is asked of the book


def tick(symbol, day):
    return str(1 / Decimal(repr(terms_on(symbol, day).ticks)))


def lot(symbol, day):
    the = terms_on(symbol, day)
    return the.least, the.step, the.most, the.most_market


def limits_of_ten(symbol, day, **status):
    return price_limits(symbol, 10.0, day, **status)


def reach_of_ten(symbol, day):
    reaches = [reach(symbol, day, opening=opening, base=10.0) for opening in (True, False)]
    return tuple(reaches) if reaches[0] is not None else None


def cage_of_three(symbol, day):
    edges = [price_cage(symbol, side, 3.0, day) for side in Side]
    return (*edges, cage_parks(symbol, day)) if edges[0] is not None else None


def hours(symbol, day):
    """How it closes, when its limit orders end, and between which times post-close ones come."""
    limit, fixed = (
        [m for m in MINUTES if takes(symbol, moment(m, day), kind) == "taken"]
        for kind in (OrderType.LIMIT, OrderType.FIXED)
    )
    if not limit:
        return None
    closing = str(span_at(symbol, moment("14:58", day)).phase)
    return (closing, limit[0], limit[-1], *((fixed[0], fixed[-1]) if fixed else ()))


def order_types(symbol, day):
    return {str(name) for name in order_kinds(symbol, day)}


def same_day(symbol, day):
    return terms_on(symbol, day).same_day


def fees(symbol, day):
    """Millionths of the turnover of a buy and of a sell, all of them."""
    return tuple(
        int(sum(fee_rates(symbol, side, day, net=True), Decimal(0)) * 10_000_000)
        for side in (Side.BUY, Side.SELL)
    )


PLAIN, CALLED = ("continuous", "09:15", "14:59"), ("closing_call", "09:15", "14:59")
FIXED_SH, FIXED_SZ = (*CALLED, "09:30", "15:29"), (*CALLED, "09:15", "15:29")
SSE_TYPES = {"limit", "market", "best_5_limit", "peer", "own"}
SZSE_TYPES = {"limit", "market", "peer", "own", "fill_cancel", "all_or_none"}
TEN, TWENTY, THIRTY = (11.0, 9.0), (12.0, 8.0), (13.0, 7.0)

# table -> what is asked, what it says where there is no row, and each history: first day -> value
HISTORIES = {
    "ticks": (tick, "0.01", [
        (A_SHARES, {"1990-12-19": "0.01"}),
        (FUNDS, {"2003-03-03": "0.001"}),
        (of("SH", *BONDS), {"1990-12-19": "0.01", "2022-08-01": "0.001"}),
        (of("SZ", *BONDS), {"1990-12-19": "0.001", "2022-08-01": "0.001"}),
        (of("SH", *REPO), {"2006-05-08": "0.005"}),
        (of("SZ", *REPO), {"2006-12-01": "0.001"}),
        (of("SH", *B_SHARES), {"1992-02-21": "0.001"}),
        (of("SZ", *B_SHARES), {"1992-02-28": "0.01"}),
    ]),
    "lots": (lot, (100, 100, 1_000_000, 1_000_000), [
        (MAIN, {"1990-12-19": (100, 100, 1_000_000, 1_000_000)}),
        ([STAR], {"2019-07-22": (200, 1, 100_000, 50_000)}),
        ([CHINEXT], {"2009-10-30": (100, 100, 1_000_000, 1_000_000),
                     "2020-08-24": (100, 100, 300_000, 150_000)}),
        ([BSE], {"2021-11-15": (100, 1, 1_000_000, 1_000_000)}),
        (FUNDS, {"1998-04-07": (100, 100, 1_000_000, 1_000_000)}),
        (BONDS, {"1998-09-02": (10, 10, 1_000_000, 1_000_000)}),
        (REPO, {"2006-05-08": (10, 10, 1_000_000, 1_000_000)}),
        (B_SHARES, {"1992-02-21": (100, 100, 1_000_000, 1_000_000)}),
    ]),
    "limits": (limits_of_ten, None, [
        ((*MAIN, *B_SHARES, *without(WIDE, FUNDS)), {"1996-12-16": TEN}),
        (WIDE, {"1996-12-16": TEN, "2020-08-24": TWENTY}),
        ([STAR], {"2019-07-22": TWENTY}),
        ([CHINEXT], {"2009-10-30": TEN, "2020-08-24": TWENTY}),
        ([BSE], {"2021-11-15": THIRTY}),
        (BONDS, {"2022-08-01": TWENTY}),
    ]),
    # the opening call and later
    "reaches": (reach_of_ten, None, [
        ([MAIN_SZ, CHINEXT], {"2020-08-24": ((0.01, 90.0), (9.0, 11.0))}),
    ]),
    "cages": (cage_of_three, None, [
        (MAIN, {"2023-04-10": (3.1, 2.9, False)}),
        ([STAR], {"2019-07-22": (3.06, 2.94, False)}),
        ([CHINEXT], {"2020-08-24": (3.06, 2.94, True), "2023-04-10": (3.1, 2.9, False)}),
        ([BSE], {"2021-11-15": (3.15, 2.85, False)}),
    ]),
    "days": (hours, None, [
        ([MAIN_SH], {"2006-07-01": PLAIN, "2018-08-20": CALLED, "2026-07-06": FIXED_SH}),
        (of("SH", *B_SHARES), {"2006-07-01": PLAIN, "2018-08-20": CALLED}),
        ([STAR], {"2019-07-22": FIXED_SH}),
        (of("SH", *ETFS), {"2006-07-01": PLAIN, "2026-07-06": FIXED_SH}),
        (of("SH", *LOFS, *LOFS_ABROAD, *REITS), {"2006-07-01": PLAIN, "2026-07-06": CALLED}),
        (of("SH", *BONDS), {"2006-07-01": PLAIN}),
        ([MAIN_SZ, *of("SZ", *ETFS)], {"2006-07-01": CALLED, "2026-07-06": FIXED_SZ}),
        ([CHINEXT], {"2006-07-01": CALLED, "2020-08-24": FIXED_SZ}),
        (of("SZ", *LOFS, *LOFS_ABROAD, *REITS, *BONDS, *B_SHARES), {"2006-07-01": CALLED}),
        (REPO, {"2006-07-01": ("continuous", "09:15", "15:29")}),
        ([BSE], {"2021-11-15": CALLED}),
    ]),
    "order_types": (order_types, set(), [
        ([MAIN_SH, *of("SH", *ETFS)], {"1990-12-19": {"limit"}, "2006-07-01": SSE_TYPES,
                                       "2026-07-06": SSE_TYPES | {"fixed"}}),
        ([STAR], {"1990-12-19": {"limit"}, "2006-07-01": SSE_TYPES,
                  "2019-07-22": SSE_TYPES | {"fixed"}}),
        (of("SH", *LOFS, *LOFS_ABROAD, *REITS, *B_SHARES),
         {"1990-12-19": {"limit"}, "2006-07-01": SSE_TYPES}),
        ([MAIN_SZ, *of("SZ", *ETFS)], {"1990-12-19": {"limit"}, "2006-07-01": SZSE_TYPES,
                                       "2026-07-06": SZSE_TYPES | {"fixed"}}),
        ([CHINEXT], {"1990-12-19": {"limit"}, "2006-07-01": SZSE_TYPES,
                     "2020-08-24": SZSE_TYPES | {"fixed"}}),
        (of("SZ", *LOFS, *LOFS_ABROAD, *REITS, *B_SHARES),
         {"1990-12-19": {"limit"}, "2006-07-01": SZSE_TYPES}),
        ([BSE], {"1990-12-19": {"limit"}, "2021-11-15": SSE_TYPES}),
        ((*BONDS, *REPO), {"1990-12-19": {"limit"}}),
    ]),
    "turnaround": (same_day, False, [
        ((*A_SHARES, *PLAIN_ETFS, *LOFS, *REITS), {"1995-01-01": False}),
        ((*T0_ETFS, *LOFS_ABROAD), {"2015-01-19": True}),
        (BONDS, {"1998-09-02": True}),
        (REPO, {"2006-05-08": True}),
        (B_SHARES, {"2001-12-01": False}),
    ]),
    # ten-millionths of a buy and of a sell: stamp duty, levy, transfer fee, handling fee
    "fees": (fees, (0, 0), [
        (without([BSE], A_SHARES), {
            "2008-09-19": (0, 10_000), "2012-06-01": (200, 10_200), "2015-08-01": (887, 10_887),
            "2022-04-29": (787, 10_787), "2023-08-28": (641, 5_641),
        }),
        ([BSE], {
            "2008-09-19": (0, 10_000), "2012-06-01": (200, 10_200), "2015-08-01": (887, 10_887),
            "2022-04-29": (787, 10_787), "2023-08-28": (1_550, 6_550),
        }),
        ((*FUNDS, *BONDS), {"2023-08-28": (400, 400)}),
    ]),
    "daily_caps": (daily_cap, None, [
        ((*MAIN, STAR, CHINEXT), {"2012-07-27": 500_000}),
        ([BSE], {"2026-08-31": 200_000}),
    ]),
}  # fmt: skip

# a status sets a security apart: what is asked, what holds else, and the histories of those rows
STATUSES = {
    "st": ({"st": True}, [
        (MAIN, {"1998-04-22": (10.5, 9.5), "2026-07-06": TEN}),
        (B_SHARES, {"1998-04-22": (10.5, 9.5)}),
    ]),
    "new": ({"listed": 1}, [
        (MAIN, {"2014-01-01": (14.4, 6.4), "2023-04-10": None}),
        ([CHINEXT], {"2014-01-01": (14.4, 6.4), "2020-08-24": None}),
        ([STAR], {"2019-07-22": None}),
        ([BSE], {"2021-11-15": None}),
        (BONDS, {"2022-08-01": (15.73, 5.67)}),
        (REITS, {"2021-06-21": THIRTY}),
    ]),
    "delisting": ({"delisting": 1}, [(A_SHARES, {"2020-12-31": None})]),
}  # fmt: skip


def steps(history, before):
    """Each change: the day before it and what held then, its day and what holds since."""
    for day, value in history.items():
        first = date.fromisoformat(day)
        yield (first - timedelta(1), before), (first, value)
        before = value


CASES = [
    pytest.param(answer, symbol, *sides, id=f"{name} {symbol} {sides[1][0]}")
    for name, (answer, nothing, histories) in HISTORIES.items()
    for symbols, history in histories
    for symbol in symbols
    for sides in steps(history, nothing)
]


@pytest.mark.parametrize(("answer", "symbol", "before", "since"), CASES)
def test_what_held_the_day_before_and_what_holds_since(answer, symbol, before, since):
    assert (before[0], answer(symbol, before[0])) == before
    assert (since[0], answer(symbol, since[0])) == since


@pytest.mark.parametrize("name", HISTORIES)
def test_a_rule_says_nothing_of_what_it_is_not_for(name):
    answer, nothing, histories = HISTORIES[name]
    told = {symbol for symbols, _ in histories for symbol in symbols}
    for symbol in set(ALL) - told:
        assert answer(symbol, date(2026, 11, 24)) == nothing, symbol


@pytest.mark.parametrize("status", STATUSES)
def test_the_limits_of_a_status_on_both_sides_of_each_change(status):
    asked, histories = STATUSES[status]
    told = set()
    for symbols, history in histories:
        told |= set(symbols)
        for symbol in symbols:
            first = date.fromisoformat(next(iter(history))) - timedelta(1)
            before = limits_of_ten(symbol, first)  # as any other security, until there is a row
            for (day, then), (since, now) in steps(history, before):
                assert limits_of_ten(symbol, day, **asked) == then, (symbol, day)
                assert limits_of_ten(symbol, since, **asked) == now, (symbol, since)
    for symbol in set(ALL) - told:
        today = date(2026, 11, 24)
        assert limits_of_ten(symbol, today, **asked) == limits_of_ten(symbol, today), symbol


def test_no_row_begins_on_a_day_that_no_history_names():
    named = {
        (name, Status.NORMAL, symbol, date.fromisoformat(day))
        for name, (_, _, histories) in HISTORIES.items()
        for symbols, history in histories
        for symbol in symbols
        for day in history
    } | {
        ("limits", Status(status), symbol, date.fromisoformat(day))
        for status, (_, histories) in STATUSES.items()
        for symbols, history in histories
        for symbol in symbols
        for day in history
    }
    of_type = {row: name for name, row in TABLES.items()}
    begun = {
        (of_type[type(row)], getattr(row, "status", Status.NORMAL), symbol, row.effective_from)
        for row in book.everything()
        if isinstance(row, Scoped)
        for symbol in ALL
        if kind_of(symbol) in row.kinds and row.exchange in (None, symbol[-2:])
    }
    assert begun - named == set()
    assert named - begun == set()
    assert {kind for row in book.everything() if isinstance(row, Scoped) for kind in row.kinds} <= {
        kind_of(symbol) for symbol in ALL
    }
