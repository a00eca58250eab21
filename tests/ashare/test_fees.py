"""Fees of an order, by date and to the cent."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.ashare.fees import FeeSchedule
from qka.model.order import Side
from qka.model.times import at

TODAY = at(date(2026, 1, 5), "10:00")
STOCK, FUND, BOND = "600000.SH", "510300.SH", "123219.SZ"
TYPICAL = FeeSchedule(Decimal("0.00025"), Decimal(5))
NO_COMMISSION = FeeSchedule(Decimal(0), Decimal(0))
CENT = Decimal("0.01")


@pytest.mark.parametrize(
    ("symbol", "side", "turnover", "fees"),
    [
        pytest.param(STOCK, Side.BUY, "100000.00", "26.00", id="a buy: commission, transfer"),
        pytest.param(STOCK, Side.SELL, "100000.00", "76.00", id="a sell: stamp duty too"),
        pytest.param(STOCK, Side.BUY, "1000.00", "5.01", id="a small buy: the least commission"),
        pytest.param(STOCK, Side.SELL, "1000.00", "5.51", id="a small sell"),
        pytest.param("920002.BJ", Side.SELL, "100000.00", "76.00", id="BSE like the others"),
        pytest.param(FUND, Side.SELL, "100000.00", "25.00", id="a fund: commission only"),
        pytest.param(BOND, Side.SELL, "100000.00", "25.00", id="a bond: commission only"),
        pytest.param(STOCK, Side.SELL, "0.00", "0.00", id="nothing traded, nothing owed"),
    ],
)
def test_what_an_order_owes(symbol, side, turnover, fees):
    owed = TYPICAL.of_order(symbol, side, int(Decimal(turnover) * 100), TODAY)
    assert Decimal(owed).scaleb(-2) == Decimal(fees)


@pytest.mark.parametrize(
    ("day", "side", "fees"),
    [
        pytest.param(date(2023, 8, 27), Side.SELL, "101.00", id="stamp duty was 0.001"),
        pytest.param(date(2023, 8, 28), Side.SELL, "51.00", id="and is 0.0005 from 2023-08-28"),
        pytest.param(date(2023, 8, 27), Side.BUY, "1.00", id="never on buys"),
        pytest.param(date(2022, 4, 28), Side.BUY, "2.00", id="transfer fee was 0.00002"),
        pytest.param(date(2022, 4, 29), Side.BUY, "1.00", id="and is 0.00001 from 2022-04-29"),
    ],
)
def test_statutory_fees_of_100_000_cny_by_date(day, side, fees):
    owed = NO_COMMISSION.of_order(STOCK, side, 10_000_000, at(day, "15:00"))
    assert Decimal(owed).scaleb(-2) == Decimal(fees)


def test_half_a_cent_goes_up():
    assert NO_COMMISSION.of_order(STOCK, Side.BUY, 50_000, TODAY) == 1  # 0.005 CNY of transfer
    assert NO_COMMISSION.of_order(STOCK, Side.BUY, 49_999, TODAY) == 0


turnovers = st.integers(1, 10**12)
rates = st.decimals(Decimal(0), Decimal("0.003"), places=6)
minima = st.sampled_from([Decimal(0), Decimal("0.1"), Decimal(5)])
sides = st.sampled_from(Side)


def rounded(exact: Decimal) -> Decimal:
    return exact.quantize(CENT, ROUND_HALF_UP)


@given(turnovers, sides, rates, minima, st.sampled_from([STOCK, FUND]))
def test_every_part_is_rounded_half_up_in_decimal(turnover, side, rate, minimum, symbol):
    exact = Decimal(turnover).scaleb(-2)
    expected = max(rounded(exact * rate), minimum)
    if symbol == STOCK:
        expected += rounded(exact * Decimal("0.00001"))
        if side is Side.SELL:
            expected += rounded(exact * Decimal("0.0005"))
    owed = FeeSchedule(rate, minimum).of_order(symbol, side, turnover, TODAY)
    assert Decimal(owed).scaleb(-2) == expected


@given(sides, rates.filter(bool), minima, st.integers(-3, 3))
def test_the_least_commission_ends_at_the_very_cent(side, rate, minimum, beyond):
    turnover = max(1, int((minimum * 100 + Decimal("0.5")) / rate) + beyond)
    expected = max(rounded(Decimal(turnover).scaleb(-2) * rate), minimum)
    owed = FeeSchedule(rate, minimum).of_order(FUND, side, turnover, TODAY)
    assert Decimal(owed).scaleb(-2) == expected


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=20), sides, rates, minima)
def test_what_the_fills_add_is_never_negative_and_sums_to_the_orders_fee(parts, side, rate, least):
    fees = FeeSchedule(rate, least)
    paid, done, steps = 0, 0, []
    for part in parts:
        done += part
        step = fees.of_order(STOCK, side, done, TODAY) - paid
        steps.append(step)
        paid += step
    assert min(steps) >= 0
    assert sum(steps) == fees.of_order(STOCK, side, sum(parts), TODAY)


def test_the_least_commission_is_the_orders_not_the_fills():
    fees = FeeSchedule(Decimal("0.00025"), Decimal(5))
    first = fees.of_order(FUND, Side.BUY, 100_000, TODAY)
    both = fees.of_order(FUND, Side.BUY, 200_000, TODAY)
    assert (first, both) == (500, 500)
