"""Prices are floats, money is exact to the cent."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.model.money import CENT, cents, on_tick, to_cents, turnover, yuan

mills = st.integers(min_value=1, max_value=10_000_000)  # prices up to 10,000 CNY
shares = st.integers(min_value=0, max_value=1_000_000)


@given(mills, shares)
def test_turnover_is_the_decimal_product_rounded_half_up(mill, quantity):
    exact = Decimal(mill).scaleb(-3) * quantity
    assert yuan(cents(mill / 1000, quantity)) == exact.quantize(CENT, ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        pytest.param(0.29, 100, 2900, id="0.29 is not 0.28999"),
        pytest.param(1.005, 1, 101, id="half a cent goes up"),
        pytest.param(1.004, 1, 100, id="less than half goes down"),
        pytest.param(1799.99, 1_000_000, 179_999_000_000, id="a large order"),
        pytest.param(10.0, 0, 0, id="no shares cost nothing"),
    ],
)
def test_turnover_in_cents(price, quantity, expected):
    assert cents(price, quantity) == expected


@given(st.lists(st.tuples(mills, shares), max_size=20))
def test_turnovers_add_up_exactly(trades):
    exact = sum(mill * quantity for mill, quantity in trades)
    assert sum(turnover(mill / 1000, quantity) for mill, quantity in trades) * 1000 == exact


@given(mills, st.lists(st.integers(1, 999), max_size=20))
def test_an_order_rounded_once_costs_what_it_was_said_to_however_it_is_cut(mill, parts):
    price = mill / 1000
    in_parts = sum((turnover(price, part) for part in parts), Decimal(0))
    assert to_cents(in_parts) == cents(price, sum(parts))


@given(st.integers(-(10**15), 10**15))
def test_cents_to_yuan_and_back_is_exact(amount):
    assert to_cents(yuan(amount)) == amount
    assert yuan(amount).as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (Decimal("1.005"), 101),
        (Decimal("1.0049"), 100),
        (1.005, 101),
        (0.1 + 0.2, 30),
        (7, 700),
        ("12.34", 1234),
        (Decimal("-0.01"), -1),
    ],
)
def test_an_amount_in_any_form_becomes_the_nearest_cent(amount, expected):
    assert to_cents(amount) == expected


@given(st.decimals(0, 10_000, places=5), st.sampled_from(["0.01", "0.001", "0.005"]))
def test_a_price_on_its_tick_is_a_whole_number_of_ticks_and_the_nearest_one(price, tick):
    step = Decimal(tick)
    snapped = Decimal(repr(on_tick(price, step)))
    assert snapped % step == 0
    assert abs(snapped - price) <= step / 2
    assert on_tick(float(snapped), step) == float(snapped)


@pytest.mark.parametrize(
    ("price", "rounding", "expected"),
    [
        (10.005, ROUND_HALF_UP, 10.01),
        (1419.1000000000001, ROUND_HALF_UP, 1419.1),
        (10.009, ROUND_DOWN, 10.0),
    ],
)
def test_rounding_happens_in_decimal_not_in_binary(price, rounding, expected):
    assert on_tick(price, CENT, rounding) == expected
