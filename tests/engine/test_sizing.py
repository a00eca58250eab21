"""How many shares: what cash, lots, T+1 and working orders allow."""

from datetime import timedelta
from decimal import Decimal

import pytest
from builders import DAY, FEES, SYMBOL, a_fill, a_quote, an_order, moment
from hypothesis import example, given
from hypothesis import strategies as st

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import buyable, lots, tick_price
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.sizing import affordable, for_value, protection, to_target
from qka.model.order import OrderStatus, Side

STAR, FUND = "688981.SH", "510300.SH"
DEAR = FeeSchedule(Decimal("0.003"), Decimal(5))


def books(cash=1_000_000, held=0, fees=FEES):
    """A ledger with `cash` CNY and so many shares that cost 10 CNY each."""
    positions = {SYMBOL: (held, held * 1000)} if held else {}
    return Ledger(ManualClock(moment()), fees, cash * 100, positions)


def works(ledger, *args, **changes):
    ledger.open(an_order(*args, **{"status": OrderStatus.SUBMITTING, **changes}))


@pytest.mark.parametrize(
    ("cash", "price", "shares"),
    [
        pytest.param(10_006, 10.0, 1000, id="1,000 shares and their 5.10 CNY of fees"),
        pytest.param(10_005, 10.0, 900, id="fees do not fit any more"),
        pytest.param(1004, 10.0, 0, id="not even one lot"),
        pytest.param(0, 10.0, 0, id="no cash"),
        pytest.param(1000, 0.0, 0, id="no price"),
    ],
)
def test_what_the_cash_can_buy(cash, price, shares):
    assert affordable(books(cash), SYMBOL, price) == shares


def test_a_high_commission_does_not_cost_more_lots_than_its_fees():
    ledger = books(10_000_000, fees=DEAR)
    shares = affordable(ledger, SYMBOL, 1.0)
    assert ledger.claim(an_order(shares, 1.0))[1] <= ledger.available_cents
    assert ledger.claim(an_order(shares + 100, 1.0))[1] > ledger.available_cents


def test_cash_promised_to_a_working_buy_buys_nothing_more():
    ledger = books(20_000)
    works(ledger, 1000, 10.0)
    assert affordable(ledger, SYMBOL, 10.0) == 900


@given(
    st.sampled_from([SYMBOL, STAR, FUND]),
    st.integers(1, 1_000_000),
    st.integers(500, 200_000),
)
@example(FUND, 1_000_000, 505)
def test_it_fits_in_the_cash_and_one_step_more_would_not(symbol, cash, mills):
    ledger, price = books(cash), tick_price(symbol, mills / 1000)
    shares = affordable(ledger, symbol, price)
    least, step = lots(symbol)
    assert buyable(symbol, shares) == shares
    assert shares == 0 or ledger.claim(an_order(shares, price, symbol=symbol))[1] <= cash * 100
    more = shares + step if shares else least
    assert ledger.claim(an_order(more, price, symbol=symbol))[1] > cash * 100


@pytest.mark.parametrize(
    ("symbol", "value", "price", "shares"),
    [
        (SYMBOL, 10_000, 10.0, 1000),
        (SYMBOL, 9_999.99, 10.0, 999),
        (SYMBOL, 100, 0.0, 0),
        pytest.param(FUND, 100_000, 0.504, 198_412, id="a fund, to a tenth of a cent"),
    ],
)
def test_shares_of_a_value(symbol, value, price, shares):
    assert for_value(symbol, value, price) == shares


@pytest.mark.parametrize(
    ("held", "target", "order"),
    [
        pytest.param(0, 1000, (Side.BUY, 1000), id="from nothing"),
        pytest.param(300, 1000, (Side.BUY, 700), id="the difference"),
        pytest.param(0, 1050, (Side.BUY, 1000), id="in whole lots, not passing it"),
        pytest.param(1000, 300, (Side.SELL, 700), id="down to it"),
        pytest.param(1000, 350, (Side.SELL, 600), id="down in whole lots, not passing it"),
        pytest.param(1050, 0, (Side.SELL, 1050), id="all of it, odd lot included"),
    ],
)
def test_the_order_that_brings_a_position_to_its_target(held, target, order):
    assert to_target(books(held=held), SYMBOL, target, 10.0) == order


@pytest.mark.parametrize("held", [0, 1000])
def test_at_the_target_there_is_nothing_to_do(held):
    assert to_target(books(held=held), SYMBOL, held, 10.0)[1] == 0


def test_working_orders_count_as_done():
    ledger = books(held=1000)
    works(ledger, 500, id="a")
    assert to_target(ledger, SYMBOL, 1500, 10.0)[1] == 0
    assert to_target(ledger, SYMBOL, 2000, 10.0) == (Side.BUY, 500)
    works(ledger, 400, id="b", side=Side.SELL)
    assert to_target(ledger, SYMBOL, 1500, 10.0) == (Side.BUY, 400)
    assert to_target(ledger, SYMBOL, 0, 10.0) == (Side.SELL, 600)


def test_what_was_bought_today_stays_until_tomorrow():
    ledger = books(held=300)
    works(ledger, 1000)
    ledger.on_fill(a_fill(1000))
    assert to_target(ledger, SYMBOL, 0, 10.0) == (Side.SELL, 300)


def test_a_target_is_cut_to_the_cash():
    assert to_target(books(5_006), SYMBOL, 1000, 10.0) == (Side.BUY, 500)


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 40_000))
def test_an_order_never_passes_its_target(held, target, cash):
    side, shares = to_target(books(cash, held), SYMBOL, target, 10.0)
    after = held + shares if side is Side.BUY else held - shares
    assert shares >= 0
    assert min(held, target) <= after <= max(held, target)


@pytest.mark.parametrize(
    ("quote", "buy", "sell"),
    [
        pytest.param(a_quote(10.0), 11.0, 9.0, id="the day's limits"),
        pytest.param(a_quote(10.05, limit_up=0.0, limit_down=0.0), 11.0, 9.0, id="the rule book's"),
        pytest.param(
            a_quote(10.05, time=moment("15:00", DAY - timedelta(1))), 11.06, 9.05, id="yesterday's"
        ),
        pytest.param(None, 0.0, 0.0, id="nothing is known"),
    ],
)
def test_the_worst_price_of_a_market_order(quote, buy, sell):
    ledger = books()
    if quote:
        ledger.on_quote(quote)
    assert protection(ledger, SYMBOL, Side.BUY) == buy
    assert protection(ledger, SYMBOL, Side.SELL) == sell
