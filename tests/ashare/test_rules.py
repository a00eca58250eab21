"""What an exchange would refuse: lots, ticks, limits, turnaround."""

import csv
import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.ashare.limits import price_limits
from qka.ashare.rules import (
    buyable,
    lots,
    sellable,
    tick_price,
    tick_size,
    tradable,
    turnaround_same_day,
)

TODAY = date(2026, 11, 24)
DAILY = (
    Path(__file__).parents[2].parent / "shared/data/daily/stock_daily_unadjusted_baostock.csv.gz"
)

MAIN, STAR, CHINEXT, BSE = "600000.SH", "688981.SH", "300750.SZ", "920002.BJ"
FUND, BOND = "510300.SH", "123219.SZ"
TRADED = [MAIN, "000001.SZ", STAR, CHINEXT, BSE, FUND, BOND]


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


@pytest.mark.parametrize("fund", ["510300.SH", "588000.SH", "159915.SZ", "159949.SZ"])
def test_the_limit_of_a_fund_is_not_guessed_from_its_code(fund):
    assert price_limits(fund, 1.0, TODAY) is None  # 10% or 20%, by what it tracks


def test_no_reference_no_limit():
    assert price_limits(MAIN, 0.0, TODAY) is None


@given(st.sampled_from([s for s in TRADED if s != FUND]), st.integers(1, 5_000_000))
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


def legal_sell(symbol, shares, held):
    """Whether a sell of exactly so many out of `held` is what it would be cut to."""
    return shares > 0 and sellable(symbol, shares, held) == shares


@pytest.mark.parametrize(
    ("symbol", "asked", "legal"),
    [
        (MAIN, 99, 0),
        (MAIN, 100, 100),
        (MAIN, 250, 200),
        (CHINEXT, 199, 100),
        (STAR, 199, 0),
        (STAR, 200, 200),
        (STAR, 201, 201),
        (BSE, 99, 0),
        (BSE, 101, 101),
        (FUND, 150, 100),
        (BOND, 9, 0),
        (BOND, 25, 20),
        (MAIN, 0, 0),
        (MAIN, -100, 0),
    ],
)
def test_a_buy_is_cut_to_whole_steps_from_the_least_on(symbol, asked, legal):
    assert buyable(symbol, asked) == legal


@pytest.mark.parametrize(
    ("symbol", "held", "legal", "illegal"),
    [
        pytest.param(MAIN, 150, [50, 100, 150], [37, 1, 149, 200], id="main, 150 held"),
        pytest.param(MAIN, 5000, [100, 5000], [150, 50], id="main, 5,000 held"),
        pytest.param(MAIN, 250, [50, 100, 150, 200, 250], [25, 130], id="main, 250 held"),
        pytest.param(MAIN, 50, [50], [49, 100], id="main, less than a lot held"),
        pytest.param(STAR, 150, [150], [50, 100, 149], id="STAR, less than 200 held"),
        pytest.param(STAR, 350, [200, 201, 350], [150, 199], id="STAR, 350 held"),
        pytest.param(BSE, 50, [50], [49], id="BSE, less than 100 held"),
        pytest.param(BSE, 250, [100, 101, 250], [50, 99], id="BSE, 250 held"),
        pytest.param(FUND, 133, [33, 100, 133], [34], id="fund, 133 held"),
        pytest.param(BOND, 25, [5, 10, 15, 20, 25], [1, 12], id="bond, 25 held"),
    ],
)
def test_an_odd_remainder_is_sold_whole_or_not_at_all(symbol, held, legal, illegal):
    assert [q for q in (*legal, *illegal) if legal_sell(symbol, q, held)] == legal
    assert not legal_sell(symbol, 0, held)
    assert not legal_sell(symbol, -100, held)


@given(st.sampled_from(TRADED), st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_cut_sell_is_legal_and_never_more_than_asked_or_held(symbol, held, asked):
    cut = sellable(symbol, asked, held)
    assert 0 <= cut <= min(asked, held)
    assert cut == 0 or legal_sell(symbol, cut, held)
    assert legal_sell(symbol, held, held)  # the whole remainder can always go


@given(st.sampled_from(TRADED), st.integers(0, 3000), st.integers(0, 3000))
def test_no_legal_sell_lies_between_the_cut_one_and_the_asked_one(symbol, held, asked):
    cut = sellable(symbol, asked, held)
    assert not any(legal_sell(symbol, q, held) for q in range(cut + 1, min(asked, held) + 1))


@given(st.sampled_from(TRADED), st.integers(-10, 100_000))
def test_a_cut_buy_is_the_largest_legal_one(symbol, asked):
    cut = buyable(symbol, asked)
    least, step = lots(symbol)
    assert buyable(symbol, cut) == cut
    assert cut == 0 or least <= cut <= asked < cut + step
    assert cut > 0 or asked < least


def test_bonds_turn_the_same_day_and_shares_the_next():
    same_day = [s for s in (*TRADED, "900901.SH", "204001.SH") if turnaround_same_day(s)]
    assert same_day == [BOND, "204001.SH"]


def test_an_index_and_a_b_share_take_no_orders():
    assert not tradable("000300.SH")
    assert not tradable("900901.SH")
    assert not tradable("200002.SZ")
    assert all(tradable(symbol) for symbol in TRADED)


@pytest.mark.parametrize(
    ("symbol", "price", "snapped"),
    [
        (MAIN, 10.005, 10.01),
        (MAIN, 10, 10.0),
        (FUND, 1.0005, 1.001),
        (BOND, 122.8284, 122.828),
        pytest.param("900901.SH", 0.4235, 0.424, id="Shanghai's B shares in mills of a dollar"),
        pytest.param("200002.SZ", 4.235, 4.24, id="Shenzhen's in cents of a Hong Kong dollar"),
    ],
)
def test_a_price_goes_to_the_symbols_tick(symbol, price, snapped):
    assert tick_price(symbol, price) == snapped


# Days on which other limits applied: IPO days, and ones the daily data shows without a limit.
EXCEPTIONS = {
    ("605499.SH", "2021-05-27"),
    ("688981.SH", "2020-07-16"),
    ("301269.SZ", "2022-07-29"),
    ("301269.SZ", "2022-08-03"),
}


@pytest.mark.skipif(not DAILY.exists(), reason=f"the recorded daily bars are not here: {DAILY}")
def test_five_years_of_real_highs_and_lows_lie_within_the_limits():
    broken, at_up = set(), 0
    with gzip.open(DAILY, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["tradestatus"] != "1" or not float(row["preclose"] or 0):
                continue
            market, code = row["code"].split(".")
            symbol, day = f"{code}.{market.upper()}", date.fromisoformat(row["date"])
            limits = price_limits(symbol, float(row["preclose"]), day, st=row["isST"] == "1")
            if limits is None:  # an index among them
                continue
            high, low = float(row["high"]), float(row["low"])
            if high > limits[0] or low < limits[1]:
                broken.add((symbol, row["date"]))
            at_up += high == limits[0]
    assert broken == EXCEPTIONS
    assert at_up > 100  # the limit is reached to the cent, so it is not merely too wide
