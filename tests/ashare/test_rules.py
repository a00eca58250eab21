"""What an exchange would refuse: lots, ticks, turnaround."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.ashare.rules import (
    TERMS,
    buyable,
    daily_cap,
    lots,
    most,
    sellable,
    terms_on,
    tick_price,
    tick_size,
    tradable,
    turnaround_same_day,
)
from qka.model.order import OrderType

TODAY = date(2026, 11, 24)

MAIN, STAR, CHINEXT, BSE = "600000.SH", "688981.SH", "300750.SZ", "920002.BJ"
FUND, BOND = "510300.SH", "123219.SZ"
TRADED = [MAIN, "000001.SZ", STAR, CHINEXT, BSE, FUND, BOND]


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


@pytest.mark.parametrize(
    ("symbol", "same_day"),
    [
        (MAIN, False),
        (STAR, False),
        (CHINEXT, False),
        (BSE, False),
        ("900901.SH", False),
        pytest.param(FUND, False, id="an ETF of domestic stocks"),
        pytest.param("588000.SH", False, id="an ETF of STAR stocks"),
        pytest.param("161725.SZ", False, id="a LOF"),
        pytest.param("513100.SH", True, id="a cross-border ETF, Shanghai"),
        pytest.param("159920.SZ", True, id="a cross-border ETF, Shenzhen"),
        pytest.param("162411.SZ", True, id="a cross-border LOF"),
        pytest.param("518880.SH", True, id="a gold ETF"),
        pytest.param("159985.SZ", True, id="a commodity ETF"),
        pytest.param("511010.SH", True, id="a bond ETF"),
        pytest.param("511880.SH", True, id="a money fund"),
        (BOND, True),
        pytest.param("204001.SH", True, id="repo"),
    ],
)
def test_what_may_be_sold_on_the_day_it_was_bought(symbol, same_day):
    assert turnaround_same_day(symbol, TODAY) is same_day


LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET


@pytest.mark.parametrize(
    ("symbol", "kind", "shares"),
    [
        (MAIN, LIMIT, 1_000_000),
        (MAIN, MARKET, 1_000_000),
        (CHINEXT, LIMIT, 300_000),
        (CHINEXT, MARKET, 150_000),
        (STAR, LIMIT, 100_000),
        (STAR, MARKET, 50_000),
        (BSE, LIMIT, 1_000_000),
        (FUND, LIMIT, 1_000_000),
        (BOND, LIMIT, 1_000_000),
    ],
)
def test_the_most_shares_of_one_order(symbol, kind, shares):
    assert most(symbol, kind) == shares


@pytest.mark.parametrize(
    ("day", "shares"), [(date(2020, 8, 21), 1_000_000), (date(2020, 8, 24), 300_000)]
)
def test_an_order_on_chinext_may_be_so_large_on_the_day_that_is_lived(day, shares):
    TERMS.live(TODAY)
    assert most(CHINEXT) == 300_000
    TERMS.live(day)
    assert most(CHINEXT) == shares == terms_on(CHINEXT, day).most


@pytest.mark.parametrize(
    ("symbol", "day", "shares"),
    [
        (MAIN, date(2012, 7, 26), None),
        (MAIN, date(2012, 7, 27), 500_000),
        ("000001.SZ", TODAY, 500_000),
        (BSE, date(2026, 8, 30), None),
        (BSE, date(2026, 8, 31), 200_000),
        (FUND, TODAY, None),
    ],
)
def test_what_may_be_bought_of_an_st_stock_in_a_day(symbol, day, shares):
    assert daily_cap(symbol, day) == shares


@pytest.mark.parametrize(
    ("symbol", "day", "tick"),
    [
        ("113050.SH", date(2022, 7, 31), "0.01"),
        ("113050.SH", date(2022, 8, 1), "0.001"),
        ("123219.SZ", date(2022, 7, 31), "0.001"),
        ("600000.SH", TODAY, "0.01"),
        ("204001.SH", TODAY, "0.005"),
    ],
)
def test_the_tick_of_a_day(symbol, day, tick):
    TERMS.live(day)
    assert tick_size(symbol) == Decimal(tick)


def test_the_terminals_tick_wins():
    TERMS.learn_tick("131810.SZ", 0.005)
    assert tick_size("131810.SZ") == Decimal("0.005")
    assert tick_price("131810.SZ", 1.2326) == 1.235


def test_an_index_a_b_share_and_a_directed_bond_take_no_orders():
    assert not tradable("110801.SH")
    assert not tradable("124001.SZ")
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
