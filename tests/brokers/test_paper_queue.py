"""A resting order on paper: who stands before it, and what has to trade until it is its turn."""

import pytest
from builders import SYMBOL, a_quote, an_order
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_desk import Desk

from qka.brokers.exchange.levels import Levels
from qka.brokers.exchange.queue import LEAVING, Place
from qka.brokers.exchange.sight import Sight, is_book, mills
from qka.brokers.exchange.tape import Tape
from qka.model.market import Phase
from qka.model.order import Side

TICK, LOT = 10, 100


def two(before, now, side=Side.BUY):
    """The tape between two snapshots, each (volume, amount and more)."""
    quotes = [replace(a_quote(10.0), **fields) for fields in (before, now)]
    return Tape(*(Sight(quote, side) for quote in quotes), TICK, LOT)


def traded(*deals, last=None, **changes):
    """The tape of deals (price, shares) between two quotes around 10.00 (bid 9.99, ask 10.01)."""
    volume = sum(shares for _, shares in deals)
    amount = sum(price * shares for price, shares in deals)
    low, high = (edge([price for price, _ in deals] + [10.0]) for edge in (min, max))
    was = {"volume": 100_000, "amount": 1_000_000.0, "low": 10.0, "high": 10.0}
    now = {"volume": 100_000 + volume, "amount": 1_000_000.0 + amount, "low": low, "high": high}
    return was, {**now, "last": deals[-1][0] if last is None else last, **changes}


# ------------------------------------------------------------------ the tape


@pytest.mark.parametrize(
    ("deals", "limit", "shares"),
    [
        pytest.param([(9.99, 700)], 9.99, 700, id="all at the limit"),
        pytest.param([(10.01, 700)], 9.99, 0, id="all at the other side's"),
        pytest.param([(9.99, 300), (10.01, 700)], 9.99, 300, id="some at each"),
        pytest.param([(9.98, 500)], 9.99, 500, id="all below the limit"),
        pytest.param([(10.01, 700), (9.99, 100)], 9.98, 0, id="none came so far"),
        pytest.param([(9.97, 100), (10.01, 9_900)], 9.99, 100, id="one deep trade"),
        pytest.param([(9.99, 50)], 9.99, 50, id="an odd lot is what it is"),
    ],
)  # fmt: skip
def test_what_traded_at_a_price_or_below_is_told_by_the_mean(deals, limit, shares):
    told = two(*traded(*deals)).until(mills(limit, Side.BUY))
    assert told == shares


def test_a_seller_sees_the_same_the_other_way_round():
    tape = two(*traded((10.01, 300), (9.99, 700)), side=Side.SELL)
    assert tape.until(mills(10.01, Side.SELL)) == 300
    assert tape.until(mills(10.02, Side.SELL)) == 0


@pytest.mark.parametrize(
    "changes", [{"last": 9.98}, {"last": 10.01, "low": 9.98}], ids=["last", "a new low"]
)
def test_a_price_that_surely_traded_counts_for_a_lot_at_least(changes):
    was, now = traded((10.01, 5_000))
    tape = two(was, {**now, **changes})
    assert tape.until(mills(9.98, Side.BUY)) == 100
    assert tape.until(mills(9.97, Side.BUY)) == 0


def test_what_stood_at_better_prices_traded_first():
    """600 bid above our price were taken before it: of 1,000 no more than 400 are left."""
    was, now = traded((9.98, 400), (9.99, 600))
    was |= {"bid_prices": [9.99, 9.98, 9.97, 9.96, 9.95], "bid_lots": [6, 50, 1, 1, 1]}
    assert two(was, now).until(mills(9.98, Side.BUY)) == 400
    was["bid_lots"] = [9, 50, 1, 1, 1]  # 300 of them were cancelled: the mean knows better
    assert two(was, now).until(mills(9.98, Side.BUY)) == 400


def test_a_turnover_that_is_not_told_or_makes_no_sense_is_not_believed():
    was, now = traded((10.01, 1_000))
    for amount in (was["amount"], was["amount"] + 1.0):
        assert two(was, {**now, "amount": amount}).until(mills(9.98, Side.BUY)) == 0


@given(
    st.lists(st.tuples(st.integers(998, 1003), st.integers(1, 50)), min_size=1, max_size=8),
    st.integers(996, 1004),
)
def test_less_is_never_told_at_a_better_price_nor_more_than_traded(deals, limit):
    deals = [(ticks / 100, lots * 100) for ticks, lots in deals]
    tape = two(*traded(*deals))
    told = [tape.until(mills(ticks / 100, Side.BUY)) for ticks in (limit, limit + 1)]
    assert 0 <= told[0] <= told[1] <= tape.volume
    if limit < min(price for price, _ in deals) * 100 - 0.5:
        assert told[0] == 0


# ------------------------------------------------------------------ the place


def placed(before, shown=None):
    place = Place()
    place.see(shown if shown is not None else before)
    place.before = before
    return place


def move(place, deals, shown, limit=9.99, queue="behind"):
    return place.move(mills(limit, Side.BUY), TICK, two(*traded(*deals)), shown, LEAVING[queue])


@pytest.mark.parametrize(
    ("deals", "shown", "reached", "before"),
    [
        pytest.param([(9.99, 400)], 600, 0, 600, id="less than stood before it"),
        pytest.param([(9.99, 1_000)], 0, 0, 0, id="just those that stood before it"),
        pytest.param([(9.99, 1_300)], 0, 300, 0, id="more than stood before it"),
        pytest.param([(9.98, 200)], 0, 200, 0, id="trades below it could not pass it"),
        pytest.param([(10.01, 900)], 1_000, 0, 1_000, id="trades elsewhere"),
        pytest.param([(10.01, 900)], 300, 0, 300, id="no more than is displayed"),
        pytest.param([(10.01, 900)], None, 0, 1_000, id="the price is out of sight"),
    ],
)
def test_a_place_moves_on_by_what_traded(deals, shown, reached, before):
    place = placed(1_000)
    assert move(place, deals, shown) == reached
    assert place.before == before


@pytest.mark.parametrize(
    ("queue", "shown", "before"),
    [
        ("behind", 1_200, 1_000),
        ("behind", 700, 700),
        ("anywhere", 1_200, 600),
        ("anywhere", 2_500, 1_000),
    ],
)
def test_cancellations_come_from_behind_or_from_anywhere(queue, shown, before):
    place = placed(1_000, shown=2_000)
    move(place, [(10.01, 100)], shown, queue=queue)
    assert place.before == before


def test_all_that_the_first_snapshot_after_its_arrival_displays_stands_before_it():
    place = Place()
    place.see(900)
    assert place.before == 900
    place.see(400)  # the others are gone, whoever they were
    assert place.before == 400
    place.see(1_200)  # who comes now comes behind it
    assert place.before == 400


def test_deeper_than_the_levels_only_what_trades_through_reaches_it():
    place = Place()
    place.see(None)
    assert move(place, [(9.90, 5_000)], None, limit=9.90) == 0
    assert move(place, [(9.89, 200), (9.90, 4_800)], None, limit=9.90) > 0


# ------------------------------------------------------------------ the levels


def test_displayed_shares_are_taken_once_until_as_many_were_traded():
    levels, sight = Levels(), Sight(a_quote(), Side.BUY)
    assert levels.take(sight, mills(10.02, Side.BUY), 1_500) == [(10_010, 1_000), (10_020, 500)]
    assert levels.take(sight, mills(10.02, Side.BUY), 1_500) == [(10_020, 500)]
    levels.renew(sight, 300)
    assert levels.offered(sight, mills(10.02, Side.BUY)) == 600
    levels.renew(sight, 10_000)
    assert levels.offered(sight, mills(10.02, Side.BUY)) == 2_000


def test_a_level_that_was_gone_is_new_when_it_comes_back():
    levels, sight = Levels(), Sight(a_quote(), Side.BUY)
    levels.take(sight, mills(10.01, Side.BUY), 1_000)
    levels.renew(Sight(a_quote(10.5), Side.BUY), 0)
    levels.renew(sight, 0)
    assert levels.offered(sight, mills(10.01, Side.BUY)) == 1_000


# ------------------------------------------------------------------ what is a book


@pytest.mark.parametrize(
    ("changes", "book"),
    [
        pytest.param({}, True, id="continuous"),
        pytest.param({"phase": Phase.BREAK}, True, id="at noon"),
        pytest.param({"phase": Phase.OPENING_CALL}, True, id="after the print, phase not changed"),
        pytest.param({"phase": Phase.OPENING_CALL, "last": 0.0, "volume": 0}, False, id="a call"),
        pytest.param({"ask_prices": [10.0] * 5, "bid_prices": [10.0] * 5}, False, id="bid = ask"),
        pytest.param({"phase": Phase.CLOSING_CALL}, False, id="the closing call"),
        pytest.param({"phase": Phase.HALTED}, False, id="a halt"),
        pytest.param({"phase": Phase.PRE_OPEN}, False, id="before the day"),
        pytest.param({"ask_prices": [0.0] * 5, "ask_lots": [0] * 5}, True, id="sealed"),
    ],
)
def test_levels_are_a_book_only_outside_calls_and_halts(changes, book):
    assert is_book(a_quote(**changes)) is book


# ------------------------------------------------------------------ on paper


def test_a_buy_waits_behind_what_is_displayed_and_fills_by_what_traded():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    desk.send(an_order(300, 9.99))
    desk.quote(10.0)
    desk.trade((9.99, 900))
    assert desk.fills == []
    desk.trade((9.99, 300), bid_lots=[2, 10, 10, 10, 10])
    assert desk.fills == [(9.99, 200)]  # 1,000 stood before it
    desk.trade((9.99, 400), bid_lots=[2, 10, 10, 10, 10])
    assert desk.fills == [(9.99, 200), (9.99, 100)]


def test_trades_through_its_price_fill_it_whatever_stood_before_it():
    desk = Desk()
    desk.quote(10.0)
    desk.send(an_order(100, 9.99))
    desk.quote(10.0)
    desk.trade((9.98, 1_000))
    assert desk.fills == [(9.99, 100)]


def test_it_has_its_share_of_what_trades_and_no_more():
    desk = Desk(participation=0.1)
    desk.quote(10.0)
    desk.send(an_order(5_000, 9.99))
    desk.quote(10.0)
    desk.trade((9.98, 4_000))
    desk.trade((9.98, 500))
    assert desk.fills == [(9.99, 400), (9.99, 100)]  # a lot at least


def test_its_share_is_whole_lots():
    desk = Desk(participation=0.25)
    desk.quote(10.0)
    desk.send(an_order(5_000, 9.99))
    desk.quote(10.0)
    desk.trade((9.98, 1_000))
    assert desk.fills == [(9.99, 200)]


def test_who_was_no_better_than_the_book_has_his_own_price_from_the_first_snapshot_on():
    desk = Desk()
    desk.quote(10.0)
    desk.send(an_order(300, 10.0))  # 10.01 is asked: it waits
    desk.quote(9.9)
    assert desk.fills == [(10.0, 300)]


def test_who_was_better_than_the_book_has_the_books_price():
    desk = Desk()
    desk.quote(10.0)
    desk.send(an_order(300, 10.01))
    desk.quote(9.9)
    assert desk.fills == [(9.91, 300)]


def test_what_came_to_one_of_our_orders_does_not_come_to_the_next():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    for name in "ab":
        desk.send(an_order(300, 9.99, id=name))
    desk.quote(10.0)
    desk.trade((9.98, 400))
    assert desk.taken == [("a", 300), ("b", 100)]


def test_orders_come_by_price_and_then_by_time():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    for name, price in (("late", 9.98), ("a", 9.99), ("b", 9.99)):
        desk.send(an_order(300, price, id=name))
    desk.quote(10.0)
    desk.trade((9.97, 700))
    assert desk.taken == [("a", 300), ("b", 300), ("late", 100)]


def test_what_traded_before_an_order_came_does_nothing_for_it():
    desk = Desk()
    desk.quote(10.0)
    desk.trade((9.90, 100_000))
    desk.send(an_order(100, 9.99))
    desk.quote(10.0)
    assert desk.fills == []


# ------------------------------------------------------------------ at the limit

SEALED = {"ask_prices": [0.0] * 5, "ask_lots": [0] * 5, "bid_lots": [50, 10, 10, 10, 10]}


def sealed(desk, *deals, bids=50, **changes):
    lots = [bids, 10, 10, 10, 10]
    prices = [11.0, 10.99, 10.98, 10.97, 10.96]
    shape = {**SEALED, "bid_prices": prices, "bid_lots": lots, **changes}
    desk.trade(*deals, last=11.0, **shape)


def test_a_sealed_limit_fills_no_buyer_at_the_back_of_the_queue():
    desk = Desk()
    sealed(desk)
    desk.send(an_order(1_000, 11.0))
    for _ in range(3):
        sealed(desk, (11.0, 1_000), bids=80)
    assert desk.fills == []


def test_a_buy_at_the_limit_fills_after_all_that_stood_before_it():
    desk = Desk(participation=1.0)
    sealed(desk)
    desk.send(an_order(1_000, 11.0))
    sealed(desk)
    sealed(desk, (11.0, 5_000), bids=80)
    assert desk.fills == []
    sealed(desk, (11.0, 700), bids=80)
    assert desk.fills == [(11.0, 700)]


def test_a_seal_that_breaks_lets_buyers_in():
    desk = Desk()
    sealed(desk)
    desk.send(an_order(400, 11.0))
    sealed(desk)
    desk.trade((11.0, 5_000), last=10.99, ask_prices=[11.0, 0.0, 0.0, 0.0, 0.0],
               ask_lots=[3, 0, 0, 0, 0])  # fmt: skip
    assert sum(shares for _, shares in desk.fills) == 400


def test_a_sell_into_a_sealed_limit_fills_at_once():
    desk = Desk(held={SYMBOL: 1_000})
    sealed(desk)
    desk.send(an_order(1_000, 11.0, side=Side.SELL))
    sealed(desk)
    assert desk.fills == [(11.0, 1_000)]
