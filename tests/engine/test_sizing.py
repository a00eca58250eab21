"""How many shares: what cash, lots, T+1 and working orders allow."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from builders import DAY, FEES, SYMBOL, a_fill, a_quote, an_order, moment
from hypothesis import example, given
from hypothesis import strategies as st

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import buyable, lots, most, tick_price
from qka.ashare.sessions import order_kinds
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.sizing import affordable, against, missing, protection, to_target
from qka.model.market import Phase
from qka.model.order import Approved, OrderStatus, OrderType, Side
from qka.risk.gate import Gate
from qka.risk.market import daily_cap, market
from qka.risk.rules import cash, known, sellable

STAR, CHINEXT, FUND = "688981.SH", "300750.SZ", "510300.SH"
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
    assert to_target(books(held=held), SYMBOL, target, 10.0)[:2] == order


@pytest.mark.parametrize("held", [0, 1000])
def test_at_the_target_there_is_nothing_to_do(held):
    assert to_target(books(held=held), SYMBOL, held, 10.0)[1] == 0


def test_working_orders_count_as_done():
    ledger = books(held=1000)
    works(ledger, 500, id="a")
    assert to_target(ledger, SYMBOL, 1500, 10.0) == (Side.BUY, 0, ())
    assert to_target(ledger, SYMBOL, 2000, 10.0)[:2] == (Side.BUY, 500)
    works(ledger, 400, id="b", side=Side.SELL)
    assert to_target(ledger, SYMBOL, 0, 10.0)[:2] == (Side.SELL, 600)


def test_what_works_against_a_target_is_not_counted_on():
    ledger = books(held=1000)
    works(ledger, 400, side=Side.SELL)
    assert to_target(ledger, SYMBOL, 1500, 10.0)[:2] == (Side.BUY, 500)
    assert to_target(ledger, SYMBOL, 1000, 10.0)[1] == 0


@pytest.mark.parametrize(
    ("held", "target", "found"),
    [
        pytest.param(1000, 0, ["buy 2", "buy 1"], id="all buys, when it sells"),
        pytest.param(0, 1000, ["buy 2", "sell"], id="the newest of too many buys, and all sells"),
        pytest.param(0, 500, ["buy 2", "buy 1", "sell"], id="both buys when one is too many"),
        pytest.param(0, 1500, ["sell"], id="no buy that the target has room for"),
        pytest.param(1000, 1000, ["buy 2", "buy 1", "sell"], id="everything, at the target"),
        pytest.param(1000, 900, ["buy 2", "buy 1", "sell"], id="a sell of more than is to go"),
    ],
)
def test_own_orders_that_could_carry_a_position_past_its_target(held, target, found):
    ledger = books(held=held)
    works(ledger, 700, id="buy 1", strategy="mine")
    works(ledger, 800, id="buy 2", strategy="mine")
    works(ledger, 200, id="sell", side=Side.SELL, strategy="mine")
    assert [order.id for order in against(ledger, "mine", SYMBOL, target)] == found
    assert against(ledger, "other", SYMBOL, target) == []


def test_what_was_bought_today_stays_until_tomorrow():
    ledger = books(held=300)
    works(ledger, 1000)
    ledger.on_fill(a_fill(1000))
    assert to_target(ledger, SYMBOL, 0, 10.0)[:2] == (Side.SELL, 300)
    works(ledger, 300, id="b", side=Side.SELL)
    step = to_target(ledger, SYMBOL, 0, 10.0)
    assert [(left.shares, left.code) for left in step.left] == [(1000, "sellable")]
    assert "T+1" in step.left[0].reason


def test_a_target_is_cut_to_the_cash_and_says_what_is_missing():
    ledger = books(5_006)
    assert to_target(ledger, SYMBOL, 1000, 10.0)[:2] == (Side.BUY, 500)
    works(ledger, 500, 10.0)
    (left,) = to_target(ledger, SYMBOL, 1000, 10.0).left
    assert (left.shares, left.code) == (500, "cash")
    assert left.reason == "5005.05 CNY with fees at 10, 0.95 available"
    assert str(left) == f"{SYMBOL}: buy of 500 left out: {left.reason}"


@pytest.mark.parametrize(
    ("held", "target", "code", "words"),
    [
        (0, 50, "lot", "a buy is 100 shares or more in steps of 100"),
        (1000, 950, "lot", "fewer than 100 go only all at once"),
    ],
)
def test_what_is_less_than_a_lot_is_left_and_said(held, target, code, words):
    step = to_target(books(held=held), SYMBOL, target, 10.0)
    assert (step.shares, step.left[0].shares, step.left[0].code) == (0, 50, code)
    assert words in step.left[0].reason


@pytest.mark.parametrize(
    ("symbol", "kind", "most"),
    [
        (SYMBOL, OrderType.LIMIT, 1_000_000),
        (CHINEXT, OrderType.LIMIT, 300_000),
        (CHINEXT, OrderType.MARKET, 150_000),
        (STAR, OrderType.MARKET, 50_000),
    ],
)
def test_one_order_is_never_larger_than_the_exchange_takes(symbol, kind, most):
    rich = Ledger(ManualClock(moment()), FEES, 10**12, {symbol: (2_000_100, 0)})
    assert to_target(rich, symbol, 5_000_000, 1.0, kind)[:2] == (Side.BUY, most)
    assert to_target(rich, symbol, 0, 1.0, kind)[:2] == (Side.SELL, most)


@pytest.mark.parametrize(
    ("side", "changes", "code"),
    [
        ("buy", {"last": 11.0, "ask_prices": [0.0] * 5}, "sealed"),
        ("sell", {"last": 9.0, "bid_prices": [0.0] * 5}, "sealed"),
        ("buy", {"phase": Phase.HALTED}, "halted"),
        ("buy", {"last": 11.0}, None),
        ("sell", {"last": 11.0, "ask_prices": [0.0] * 5}, None),
        ("buy", {"last": 11.0, "ask_prices": [0.0] * 5, "phase": Phase.OPENING_CALL}, None),
        ("buy", {"limit_up": 0.0, "ask_prices": [0.0] * 5}, None),
        ("buy", {"phase": Phase.HALTED, "time": moment("10:00", DAY - timedelta(1))}, None),
    ],
)
def test_an_order_without_a_price_is_not_made_where_nobody_could_take_it(side, changes, code):
    ledger = books(held=1000)
    ledger.on_quote(a_quote(**{"last": 10.0, **changes}))
    target = 2000 if side == "buy" else 0
    step = to_target(ledger, SYMBOL, target, 11.0, OrderType.MARKET)
    assert step.shares == (0 if code else 1000)
    assert [(left.code, left.shares) for left in step.left] == ([(code, 1000)] if code else [])
    assert to_target(ledger, SYMBOL, target, 9.0)[1] == 1000  # with a price it waits in the queue


# ------------------------------------------------------------------ whatever the books hold

BOARDS = st.sampled_from([SYMBOL, STAR, CHINEXT, FUND, "123219.SZ", "920002.BJ"])


@st.composite
def any_books(draw):
    """(ledger, symbol): shares of before and of today, and orders that work on them."""
    symbol = draw(BOARDS)
    held = draw(st.integers(0, 700_000))
    ledger = Ledger(ManualClock(moment()), FEES, draw(st.integers(0, 10**9)), {symbol: (held, 0)})
    for number, (side, shares, traded) in enumerate(
        draw(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 3000), st.booleans())))
    ):
        shares = min(shares, ledger.sellable(symbol)) if side is Side.SELL else shares
        cost = ledger.claim(an_order(max(1, shares), 10.0, symbol=symbol))[1]
        if shares and (side is Side.SELL or cost <= ledger.available_cents):
            name = f"{number}"
            works(ledger, shares, 10.0, id=name, symbol=symbol, side=side, strategy="other")
            if traded:
                part = max(1, shares // 2)
                ledger.on_fill(a_fill(part, order_id=name, deal_id=name, side=side, symbol=symbol))
    return ledger, symbol


@given(any_books(), st.integers(0, 1_000_000), st.sampled_from([None, 7.77, 10.0]))
def test_what_is_ordered_and_what_is_left_is_what_was_asked_and_every_order_is_legal(
    books_, target, price
):
    ledger, symbol = books_
    takes = OrderType.MARKET in order_kinds(symbol, DAY)  # bonds take none
    kind = OrderType.MARKET if price is None and takes else OrderType.LIMIT
    gate = Gate([*market(lambda day: True), daily_cap, known, sellable, cash], ledger)
    held = ledger.position(symbol).quantity
    side, asked = missing(ledger, symbol, target)
    ordered = 0
    for number in range(1000):
        step = to_target(ledger, symbol, target, price or 11.0, kind)
        if not step.shares:
            break
        assert step.side is side
        assert step.shares <= most(symbol, kind)
        order = an_order(
            step.shares, price or 11.0, id=f"new {number}", symbol=symbol, side=side, type=kind
        )
        assert isinstance(gate.review(order), Approved)
        ledger.open(order)
        ordered += step.shares
    assert ordered + sum(left.shares for left in step.left) == asked
    working = sum(o.remaining for o in ledger.working(symbol) if o.side is side)
    # had it all traded, and nothing on the other side, it would still not be past the target
    if ordered and side is Side.BUY:
        assert held + working <= target
    elif ordered:
        assert held - working >= target


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 40_000))
def test_an_order_never_passes_its_target(held, target, cash):
    side, shares, _ = to_target(books(cash, held), SYMBOL, target, 10.0)
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
        pytest.param(
            a_quote(np.float64(10.05), time=moment("15:00", DAY - timedelta(1))), 11.06, 9.05,
            id="yesterday's, out of numpy",
        ),
        pytest.param(None, 0.0, 0.0, id="nothing is known"),
    ],
)  # fmt: skip
def test_the_worst_price_of_a_market_order(quote, buy, sell):
    ledger = books()
    if quote:
        ledger.on_quote(quote)
    assert protection(ledger, SYMBOL, Side.BUY) == buy
    assert protection(ledger, SYMBOL, Side.SELL) == sell
