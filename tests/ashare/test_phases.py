"""The phases of the exchange day."""

from datetime import date

import pytest
from builders import DAY, moment

from qka.ashare.rows import Taking
from qka.ashare.sessions import (
    cancels_from,
    cancels_taken,
    order_kinds,
    phase_at,
    phases_of,
    span_at,
    takes,
)
from qka.brokers.words import LATEST_PRICE, PRICE_TYPES, price_type
from qka.model.market import Phase
from qka.model.order import OrderType
from qka.model.times import midnight

BOUNDARIES = [
    ("09:15", Phase.PRE_OPEN, Phase.OPENING_CALL),
    ("09:25", Phase.OPENING_CALL, Phase.BREAK),
    ("09:30", Phase.BREAK, Phase.CONTINUOUS),
    ("11:30", Phase.CONTINUOUS, Phase.BREAK),
    ("13:00", Phase.BREAK, Phase.CONTINUOUS),
    ("14:57", Phase.CONTINUOUS, Phase.CLOSING_CALL),
    ("15:00", Phase.CLOSING_CALL, Phase.POST_CLOSE),
    ("15:30", Phase.POST_CLOSE, Phase.CLOSED),
]


@pytest.mark.parametrize(("clock_time", "before", "after"), BOUNDARIES)
def test_a_phase_begins_at_its_boundary_and_not_a_nanosecond_before(clock_time, before, after):
    assert phase_at(moment(clock_time) - 1) is before
    assert phase_at(moment(clock_time)) is after


def test_a_day_begins_before_the_open_and_ends_closed():
    assert phase_at(midnight(DAY)) is Phase.PRE_OPEN
    assert phase_at(moment("23:59:59")) is Phase.CLOSED


def test_the_phases_of_a_day_come_in_order_each_at_its_moment():
    expected = [(midnight(DAY), Phase.PRE_OPEN)]
    expected += [(moment(clock_time), after) for clock_time, _, after in BOUNDARIES]
    assert phases_of(DAY) == expected


MAIN, STAR, CHINEXT, BSE = "600000.SH", "688981.SH", "300750.SZ", "920002.BJ"
SZ_MAIN, SH_ETF, SH_LOF, SZ_ETF = "000001.SZ", "510300.SH", "501018.SH", "159915.SZ"
SH_BOND, SZ_BOND, REPO, INDEX = "113050.SH", "123219.SZ", "204001.SH", "000300.SH"
BEFORE, TODAY = date(2026, 7, 3), date(2026, 7, 6)
TAKEN, QUEUED, REFUSED = Taking.TAKEN, Taking.QUEUED, Taking.REFUSED


@pytest.mark.parametrize(
    ("clock_time", "taken"),
    [
        ("09:19:59.999999", True),
        ("09:20", False),
        ("09:24:59.999999", False),
        ("09:25", True),
        ("10:00", True),
        ("14:56:59.999999", True),
        ("14:57", False),
        ("14:59:59.999999", False),
        ("15:00", True),
    ],
)
def test_cancels_rest_while_an_auction_is_decided(clock_time, taken):
    assert cancels_taken(MAIN, moment(clock_time)) is taken


def test_a_cancel_that_is_too_early_is_for_the_end_of_the_auction():
    assert cancels_from(MAIN, moment("09:22")) == moment("09:25")
    assert cancels_from(MAIN, moment("14:58")) == moment("15:00")
    assert cancels_from(REPO, moment("14:58")) == moment("14:58")


@pytest.mark.parametrize(
    ("clock_time", "limit", "market", "cancel"),
    [
        ("09:14:59", QUEUED, REFUSED, QUEUED),
        ("09:15", TAKEN, REFUSED, TAKEN),
        ("09:19:59", TAKEN, REFUSED, TAKEN),
        ("09:20", TAKEN, REFUSED, REFUSED),
        ("09:24:59", TAKEN, REFUSED, REFUSED),
        ("09:25", QUEUED, REFUSED, QUEUED),
        ("09:29:59", QUEUED, REFUSED, QUEUED),
        ("09:30", TAKEN, TAKEN, TAKEN),
        ("11:29:59", TAKEN, TAKEN, TAKEN),
        ("11:30", QUEUED, REFUSED, QUEUED),
        ("12:59:59", QUEUED, REFUSED, QUEUED),
        ("13:00", TAKEN, TAKEN, TAKEN),
        ("14:56:59", TAKEN, TAKEN, TAKEN),
        ("14:57", TAKEN, REFUSED, REFUSED),
        ("14:59:59", TAKEN, REFUSED, REFUSED),
        ("15:00", REFUSED, REFUSED, TAKEN),
        ("15:30", REFUSED, REFUSED, REFUSED),
    ],
)
@pytest.mark.parametrize("symbol", [MAIN, SZ_MAIN, STAR, CHINEXT, SH_ETF, SZ_ETF])
def test_what_is_taken_when(symbol, clock_time, limit, market, cancel):
    when = moment(clock_time, TODAY)
    assert takes(symbol, when) is limit
    assert takes(symbol, when, OrderType.MARKET) is market
    assert span_at(symbol, when).cancel is cancel


@pytest.mark.parametrize(
    ("symbol", "day", "phase"),
    [
        pytest.param(MAIN, date(2018, 8, 17), Phase.CONTINUOUS, id="SSE stocks before 2018-08-20"),
        pytest.param(MAIN, date(2018, 8, 20), Phase.CLOSING_CALL, id="SSE stocks since"),
        pytest.param(SZ_MAIN, date(2018, 8, 17), Phase.CLOSING_CALL, id="SZSE stocks all along"),
        pytest.param(STAR, date(2019, 7, 22), Phase.CLOSING_CALL, id="STAR"),
        pytest.param(BSE, TODAY, Phase.CLOSING_CALL, id="BSE"),
        pytest.param(SH_ETF, BEFORE, Phase.CONTINUOUS, id="SSE ETFs before 2026-07-06"),
        pytest.param(SH_ETF, TODAY, Phase.CLOSING_CALL, id="SSE ETFs since"),
        pytest.param(SH_LOF, BEFORE, Phase.CONTINUOUS, id="SSE LOFs before 2026-07-06"),
        pytest.param(SH_LOF, TODAY, Phase.CLOSING_CALL, id="SSE LOFs since"),
        pytest.param(SZ_ETF, BEFORE, Phase.CLOSING_CALL, id="SZSE funds all along"),
        pytest.param(SZ_BOND, TODAY, Phase.CLOSING_CALL, id="bonds in Shenzhen"),
        pytest.param(SH_BOND, TODAY, Phase.CONTINUOUS, id="bonds in Shanghai"),
        pytest.param(REPO, TODAY, Phase.CONTINUOUS, id="repo"),
        pytest.param(INDEX, TODAY, Phase.CLOSED, id="an index does not trade"),
    ],
)
def test_who_closes_by_auction(symbol, day, phase):
    assert span_at(symbol, moment("14:58", day)).phase is phase


@pytest.mark.parametrize(
    ("symbol", "day", "first"),
    [
        pytest.param(MAIN, BEFORE, None, id="SSE main before 2026-07-06"),
        pytest.param(MAIN, TODAY, "09:30", id="SSE main since"),
        pytest.param(SZ_MAIN, BEFORE, None, id="SZSE main before"),
        pytest.param(SZ_MAIN, TODAY, "09:15", id="SZSE main since"),
        pytest.param(SH_ETF, BEFORE, None, id="SSE ETF before"),
        pytest.param(SH_ETF, TODAY, "09:30", id="SSE ETF since"),
        pytest.param(SZ_ETF, BEFORE, None, id="SZSE ETF before"),
        pytest.param(SZ_ETF, TODAY, "09:15", id="SZSE ETF since"),
        pytest.param(STAR, date(2019, 7, 22), "09:30", id="STAR from its first day"),
        pytest.param(CHINEXT, date(2020, 8, 21), None, id="ChiNext before the reform"),
        pytest.param(CHINEXT, date(2020, 8, 24), "09:15", id="ChiNext since"),
        pytest.param(BSE, TODAY, None, id="BSE: written, not begun"),
        pytest.param(SH_LOF, TODAY, None, id="a LOF"),
        pytest.param(SH_BOND, TODAY, None, id="a bond"),
    ],
)
def test_when_orders_at_the_closing_price_are_taken(symbol, day, first):
    minutes = [f"{m // 60:02d}:{m % 60:02d}" for m in range(24 * 60)]
    fixed = [m for m in minutes if takes(symbol, moment(m, day), OrderType.FIXED) is TAKEN]
    if first is None:
        assert not fixed
    else:
        assert (fixed[0], fixed[-1]) == (first, "15:29")
    assert not any("11:30" <= m < "13:00" for m in fixed)


def test_repo_trades_until_half_past_three():
    assert takes(REPO, moment("15:29:59", TODAY)) is TAKEN
    assert takes(REPO, moment("15:30", TODAY)) is REFUSED
    assert takes(MAIN, moment("15:00", TODAY)) is REFUSED


MARKETS = {
    "SH": {"market", "best_5_limit", "peer", "own"},
    "SZ": {"peer", "own", "fill_cancel", "market", "all_or_none"},
    "BJ": {"market", "best_5_limit", "peer", "own"},
}


@pytest.mark.parametrize("symbol", [MAIN, STAR, SZ_MAIN, CHINEXT, BSE, SH_ETF, SZ_ETF])
def test_each_exchange_has_its_own_order_types(symbol):
    kinds = order_kinds(symbol, TODAY)
    assert set(kinds) - {"limit", "fixed"} == MARKETS[symbol[-2:]]
    market = [kinds[name] for name in MARKETS[symbol[-2:]]]
    shenzhen = symbol.endswith(".SZ")
    assert all(kind.protected is not shenzhen for kind in market)
    assert all(kind.on_no_limit_days is not shenzhen for kind in market)


def test_bonds_take_limit_orders_only_and_an_index_none():
    assert set(order_kinds(SH_BOND, TODAY)) == {OrderType.LIMIT}
    assert not order_kinds(INDEX, TODAY)


@pytest.mark.parametrize("symbol", [MAIN, SZ_MAIN, BSE])
def test_the_link_to_qmt_knows_the_same_order_types(symbol):
    ours = {price_type(symbol, kind) for kind in order_kinds(symbol, TODAY)}
    theirs = {code for code, where in PRICE_TYPES.items() if symbol[-2:] in where}
    assert ours == theirs - {LATEST_PRICE}  # which QMT makes a limit order
