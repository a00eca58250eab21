"""Where a price may be: the day's limits, by board, status and date, and the price cage."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from builders import a_quote
from hypothesis import given
from hypothesis import strategies as st

from qka.ashare.limits import (
    cage_parks,
    cage_reference,
    day_limits,
    ex_reference,
    price_cage,
    price_limits,
)
from qka.ashare.rules import tick_price, tick_size
from qka.model.order import Side

TODAY = date(2026, 11, 24)
MAIN, STAR, CHINEXT, BSE = "600000.SH", "688981.SH", "300750.SZ", "920002.BJ"
FUND, BOND = "510300.SH", "123219.SZ"
SHARES = [MAIN, "000001.SZ", STAR, CHINEXT, BSE]
TRADED = [*SHARES, FUND, BOND]


@pytest.mark.parametrize(
    ("symbol", "reference", "up", "down"),
    [
        ("000001.SZ", 10.45, 11.50, 9.41),
        ("123219.SZ", 122.828, 147.394, 98.262),
        ("000400.SZ", 19.38, 21.32, 17.44),
        ("300122.SZ", 87.28, 104.74, 69.82),
        ("300288.SZ", 9.75, 11.70, 7.80),
        ("688981.SH", 50.05, 60.06, 40.04),
        ("920002.BJ", 10.05, 13.07, 7.04),
        ("502023.SH", 1.502, 1.652, 1.352),
        ("000001.SZ", 11.02, 12.12, 9.92),
        ("002594.SZ", 382.5, 420.75, 344.25),
    ],
)
def test_limits_as_the_exchange_printed_them(symbol, reference, up, down):
    assert price_limits(symbol, reference, TODAY) == (up, down)


@pytest.mark.parametrize(
    ("symbol", "day", "st", "limits"),
    [
        pytest.param(MAIN, date(2026, 7, 3), True, (10.5, 9.5), id="last session of 5% for ST"),
        pytest.param(MAIN, date(2026, 7, 6), True, (11.0, 9.0), id="ST at 10% from 2026-07-06"),
        pytest.param(MAIN, date(2026, 7, 3), False, (11.0, 9.0), id="main at 10% all along"),
        pytest.param(CHINEXT, date(2020, 8, 21), False, (11.0, 9.0), id="ChiNext before reform"),
        pytest.param(CHINEXT, date(2020, 8, 24), False, (12.0, 8.0), id="ChiNext from 2020-08-24"),
        pytest.param(CHINEXT, TODAY, True, (12.0, 8.0), id="ST on ChiNext is 20% too"),
        pytest.param(STAR, TODAY, True, (12.0, 8.0), id="ST on STAR is 20% too"),
        pytest.param(BSE, TODAY, True, (13.0, 7.0), id="ST on BSE is 30% too"),
        pytest.param(BOND, date(2022, 7, 31), False, None, id="bonds had no limit"),
        pytest.param(BOND, date(2022, 8, 1), False, (12.0, 8.0), id="bonds at 20% from 2022-08-01"),
        pytest.param(BSE, date(2021, 11, 12), False, None, id="no BSE before 2021-11-15"),
        pytest.param("204001.SH", TODAY, False, None, id="repo has no limit"),
        pytest.param("000300.SH", TODAY, False, None, id="an index has no limit"),
    ],
)
def test_limits_of_a_reference_of_ten_by_date(symbol, day, st, limits):
    assert price_limits(symbol, 10.0, day, st=st) == limits


@pytest.mark.parametrize(
    ("symbol", "reference", "limits"),
    [
        pytest.param(MAIN, 0.04, (0.05, 0.03), id="never closer than one tick"),
        pytest.param(MAIN, 0.01, (0.02, 0.01), id="never below one tick"),
        pytest.param(BOND, 0.004, (0.005, 0.003), id="a bond by its own tick"),
    ],
)
def test_very_low_prices_keep_a_tick_of_room(symbol, reference, limits):
    assert price_limits(symbol, reference, TODAY) == limits


@pytest.mark.parametrize(
    ("fund", "up"),
    [
        ("510300.SH", 1.1),
        ("518880.SH", 1.1),
        ("513500.SH", 1.1),
        ("161725.SZ", 1.1),
        ("588000.SH", 1.2),
        ("589000.SH", 1.2),
        ("159915.SZ", 1.2),
        ("159949.SZ", 1.2),
    ],
)
def test_a_fund_of_star_or_chinext_stocks_has_a_fifth_and_others_a_tenth(fund, up):
    assert price_limits(fund, 1.0, TODAY) == (up, pytest.approx(2 - up))


def test_no_reference_no_limit():
    assert price_limits(MAIN, 0.0, TODAY) is None


@given(st.sampled_from(TRADED), st.integers(1, 5_000_000))
def test_limits_are_on_tick_and_around_the_reference(symbol, ticks):
    tick = tick_size(symbol)
    reference = float(ticks * tick)
    limits = price_limits(symbol, reference, TODAY)
    assert limits is not None
    up, down = limits
    assert Decimal(repr(up)) % tick == 0
    assert Decimal(repr(down)) % tick == 0
    assert down <= reference < up
    assert tick_price(symbol, up) == up


@pytest.mark.parametrize(
    ("symbol", "day", "session", "limits"),
    [
        pytest.param(MAIN, date(2023, 4, 7), 1, (14.4, 6.4), id="main, the last IPO day at 44%"),
        pytest.param(MAIN, date(2023, 4, 7), 2, (11.0, 9.0), id="main, second day before reform"),
        pytest.param(MAIN, date(2023, 4, 10), 2, (11.0, 9.0), id="main, listed just before it"),
        pytest.param(MAIN, date(2023, 4, 10), 1, None, id="main, first day since"),
        pytest.param(MAIN, date(2023, 4, 14), 5, None, id="main, fifth session"),
        pytest.param(MAIN, date(2023, 4, 17), 6, (11.0, 9.0), id="main, sixth session"),
        pytest.param(STAR, date(2020, 7, 22), 5, None, id="STAR, fifth session"),
        pytest.param(STAR, date(2020, 7, 23), 6, (12.0, 8.0), id="STAR, sixth session"),
        pytest.param(CHINEXT, date(2020, 8, 21), 1, (14.4, 6.4), id="ChiNext before the reform"),
        pytest.param(CHINEXT, date(2020, 8, 24), 1, None, id="ChiNext since"),
        pytest.param(CHINEXT, date(2022, 8, 4), 5, None, id="ChiNext, fifth session"),
        pytest.param(CHINEXT, date(2022, 8, 5), 6, (12.0, 8.0), id="ChiNext, sixth session"),
        pytest.param(BSE, TODAY, 1, None, id="BSE, first session"),
        pytest.param(BSE, TODAY, 2, (13.0, 7.0), id="BSE, second session"),
        pytest.param(BOND, TODAY, 1, (15.73, 5.67), id="a bond's first session"),
        pytest.param(BOND, TODAY, 2, (12.0, 8.0), id="a bond's second"),
        pytest.param(FUND, TODAY, 1, (11.0, 9.0), id="a fund is never new"),
    ],
)
def test_the_first_sessions_after_a_listing(symbol, day, session, limits):
    assert price_limits(symbol, 10.0, day, listed=session) == limits


@pytest.mark.parametrize(
    ("symbol", "session", "limits"),
    [
        (MAIN, 1, None),
        (MAIN, 2, (11.0, 9.0)),
        (STAR, 1, None),
        (STAR, 2, (12.0, 8.0)),
        (CHINEXT, 2, (12.0, 8.0)),
        (BSE, 2, (13.0, 7.0)),
    ],
)
def test_a_delisting_period_begins_without_limits_and_is_never_st(symbol, session, limits):
    before_the_change = date(2026, 7, 3)
    assert price_limits(symbol, 10.0, before_the_change, st=True, delisting=session) == limits


def test_the_exchanges_own_limits_win_over_computed_ones():
    assert day_limits(a_quote(10.0, limit_up=10.5, limit_down=9.5)) == (10.5, 9.5)
    assert day_limits(a_quote(10.0, limit_up=0.0, limit_down=0.0, prev_close=10.0)) == (11.0, 9.0)


def test_the_reference_after_a_distribution():
    # 300750 on 2023-04-26: 2.52 CNY and 0.8 shares for each
    assert ex_reference(Decimal("385.90"), Decimal("2.52"), Decimal("0.8")) == Decimal("212.99")
    rights = ex_reference(Decimal("10"), Decimal(0), rights=Decimal("0.3"), rights_price=Decimal(6))
    assert rights == Decimal("9.08")


# ---------------------------------------------------------------- the cage


@pytest.mark.parametrize(
    ("symbol", "reference", "buy", "sell"),
    [
        pytest.param(MAIN, 10.0, 10.2, 9.8, id="main, 2%"),
        pytest.param(MAIN, 4.99, 5.09, 4.89, id="main under 5 CNY: ten ticks"),
        pytest.param(MAIN, 5.01, 5.11, 4.91, id="main at 5 CNY: both arms meet"),
        pytest.param(MAIN, 10.75, 10.97, 10.54, id="half a cent goes up on both sides"),
        pytest.param("000001.SZ", 3.0, 3.1, 2.9, id="Shenzhen main"),
        pytest.param(CHINEXT, 3.0, 3.1, 2.9, id="ChiNext has the ten ticks too"),
        pytest.param(STAR, 3.0, 3.06, 2.94, id="STAR has no ten ticks"),
        pytest.param(BSE, 10.0, 10.5, 9.5, id="BSE, 5%"),
        pytest.param(BSE, 1.5, 1.6, 1.4, id="BSE under 2 CNY: ten ticks"),
        pytest.param(MAIN, 0.05, 0.15, 0.01, id="never below one tick"),
        pytest.param(FUND, 1.0, None, None, id="funds have none"),
        pytest.param(BOND, 100.0, None, None, id="bonds have none"),
        pytest.param(MAIN, 0.0, None, None, id="no reference"),
    ],
)
def test_the_cage_by_board(symbol, reference, buy, sell):
    assert price_cage(symbol, Side.BUY, reference, TODAY) == buy
    assert price_cage(symbol, Side.SELL, reference, TODAY) == sell


@pytest.mark.parametrize(
    ("symbol", "day", "edge", "parks"),
    [
        pytest.param(MAIN, date(2023, 4, 7), None, False, id="main had none"),
        pytest.param(MAIN, date(2023, 4, 10), 3.1, False, id="main since the reform"),
        pytest.param(CHINEXT, date(2020, 8, 21), None, False, id="ChiNext had none"),
        pytest.param(CHINEXT, date(2020, 8, 24), 3.06, True, id="ChiNext parked"),
        pytest.param(CHINEXT, date(2023, 4, 7), 3.06, True, id="ChiNext parked to the last"),
        pytest.param(CHINEXT, date(2023, 4, 10), 3.1, False, id="ChiNext refuses since"),
        pytest.param(STAR, date(2019, 7, 22), 3.06, False, id="STAR from its first day"),
    ],
)
def test_the_cage_by_date(symbol, day, edge, parks):
    assert price_cage(symbol, Side.BUY, 3.0, day) == edge
    assert cage_parks(symbol, day) is parks


def test_the_cage_is_measured_from_the_other_side_then_the_own_then_the_last_trade():
    assert cage_reference(Side.BUY, 10.01, 10.0, 9.9, 9.5) == 10.01
    assert cage_reference(Side.BUY, 0.0, 10.0, 9.9, 9.5) == 10.0  # sealed at the upper limit
    assert cage_reference(Side.SELL, 10.01, 10.0, 9.9, 9.5) == 10.0
    assert cage_reference(Side.SELL, 10.01, 0.0, 9.9, 9.5) == 10.01
    assert cage_reference(Side.SELL, 0.0, 0.0, 9.9, 9.5) == 9.9
    assert cage_reference(Side.BUY, 0.0, 0.0, 0.0, 9.5) == 9.5


references = st.integers(1, 500_000).map(lambda cents: cents / 100)
days = st.integers(0, 1200).map(lambda n: date(2023, 4, 10) + timedelta(n))


@given(st.sampled_from(SHARES), st.sampled_from(Side), references, days)
def test_the_cage_is_on_tick_and_always_has_room_for_the_reference(symbol, side, reference, day):
    edge = price_cage(symbol, side, reference, day)
    assert edge == tick_price(symbol, edge) > 0
    assert edge >= reference if side is Side.BUY else edge <= reference


@given(st.sampled_from(SHARES), st.sampled_from(Side), references, days, st.booleans())
def test_the_cage_of_a_market_at_its_reference_is_inside_the_limits(
    symbol, side, reference, day, st_warning
):
    """From where ten ticks are less than the limits leave: below that the limits are tighter."""
    up, down = price_limits(symbol, reference, day, st=st_warning)
    edge = price_cage(symbol, side, reference, day)
    if reference >= 2:
        assert down <= edge <= up
    assert (edge <= up if side is Side.BUY else edge >= down) or abs(edge - reference) < 0.101


@given(st.sampled_from(SHARES), st.sampled_from(Side), references, st.integers(-200, 200), days)
def test_a_price_is_taken_by_the_cage_exactly_as_its_text_says(symbol, side, market, ticks, day):
    """Read in whole cents: at most 2% (BSE 5%) beyond, half a cent up, or ten ticks (not STAR)."""
    price = max(1, round(market * 100) + ticks)
    market = Decimal(round(market * 100))
    share, tens = Decimal("0.05") if symbol == BSE else Decimal("0.02"), 0 if symbol == STAR else 10
    beyond = 1 if side is Side.BUY else -1
    by_share = (market * (1 + beyond * share)).quantize(Decimal(1), ROUND_HALF_UP)
    within = any((edge - price) * beyond >= 0 for edge in (by_share, market + beyond * tens))
    edge = price_cage(symbol, side, float(market) / 100, day)
    assert (edge >= price / 100 if side is Side.BUY else edge <= price / 100) is within


@given(st.sampled_from(TRADED), st.integers(1, 500_000), days)
def test_limits_grow_with_the_reference(symbol, ticks, day):
    tick = tick_size(symbol)
    one, next_one = (price_limits(symbol, float(n * tick), day) for n in (ticks, ticks + 1))
    assert one is not None
    assert one[0] <= next_one[0]
    assert one[1] <= next_one[1]
