"""The exchange's day on paper: calls, what it refuses, every order type, the close and after it."""

from datetime import date

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, a_bar, a_quote, an_order, moment
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_desk import Desk

from qka.brokers.exchange.auctions import AUCTIONS, at_print
from qka.brokers.exchange.latency import Latency
from qka.brokers.exchange.sight import mills
from qka.brokers.exchange.working import Working
from qka.model.events import (
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
)
from qka.model.market import HALTS, Phase
from qka.model.order import OrderStatus, OrderType, Side
from qka.model.times import SECOND, at

CHINEXT = "300059.SZ"
BSE = "920002.BJ"
NOBODY = {"ask_prices": [0.0] * 5, "ask_lots": [0] * 5}


def a_sell(quantity=1000, price=10.0, **changes):
    return an_order(quantity, price, side=Side.SELL, **changes)


# ------------------------------------------------------------------ call auctions

LEFT_SELLS = {"ask_prices": [10.0, 10.01, 10.02, 10.03, 10.04], "ask_lots": [3, 10, 10, 10, 10]}
LEFT_BUYS = {"bid_prices": [10.0, 9.99, 9.98, 9.97, 9.96], "bid_lots": [3, 10, 10, 10, 10]}


@pytest.mark.parametrize(
    ("limit", "left", "fills"),
    [
        pytest.param(10.01, {}, [(10.0, 1_000)], id="better than the print"),
        pytest.param(10.0, LEFT_SELLS, [(10.0, 300)], id="at it, sellers are left"),
        pytest.param(10.0, LEFT_BUYS, [], id="at it, buyers are left"),
        pytest.param(10.0, {}, [], id="at it, nobody is left"),
        pytest.param(9.99, LEFT_SELLS, [], id="worse than it"),
    ],
)
def test_what_a_buy_gets_at_the_opening_print(limit, left, fills):
    desk = Desk(start="09:20")
    desk.send(an_order(1_000, limit))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, **left)
    assert desk.fills == fills


def test_at_the_print_those_who_came_first_share_what_is_left():
    desk = Desk(start="09:20")
    for name in "ab":
        desk.send(an_order(200, 10.0, id=name))
    desk.send(an_order(100, 10.5, id="better"))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, **LEFT_SELLS)
    assert desk.taken == [("better", 100), ("a", 200), ("b", 100)]


def test_the_snapshot_of_the_very_moment_brings_the_print():
    desk = Desk(start="09:20")
    desk.send(an_order(1_000, 10.5))
    desk.quote(10.0, at_="09:25:00", phase=Phase.BREAK)
    assert desk.fills == [(10.0, 1_000)]


def test_the_print_is_known_before_its_open_is_told():
    desk = Desk(start="09:20")
    desk.send(an_order(1_000, 10.5))
    desk.quote(10.0, at_="09:25:01", phase=Phase.CONTINUOUS, open=0.0)
    assert desk.fills == [(10.0, 1_000)]


def test_a_call_without_a_print_leaves_its_orders_to_continuous_trading():
    desk = Desk(start="09:20")
    desk.send(an_order(1_000, 10.5))
    desk.quote(0.0, at_="09:25:03", phase=Phase.BREAK, volume=0, open=0.0)
    desk.quote(10.0, at_="09:31", volume=500, open=10.0)
    assert desk.fills == [(10.5, 1_000)]  # it waited: what is offered comes to its price


def test_what_the_call_left_waits_behind_what_is_displayed():
    desk = Desk(start="09:20", participation=1.0)
    desk.send(an_order(1_000, 9.99))
    desk.trade(phase=Phase.OPENING_CALL, last=0.0, volume=0)
    desk.to("09:30")
    desk.trade()
    desk.trade((9.99, 1_300), bid_lots=[0, 10, 10, 10, 10])
    assert desk.fills == [(9.99, 300)]


def test_the_closing_print_fills_at_the_price_what_sellers_left():
    desk = Desk(start="14:58")
    desk.quote(10.0, phase=Phase.CLOSING_CALL, volume=100_000)
    desk.send(an_order(1_000, 10.0))
    desk.quote(10.0, at_="15:00:03", phase=Phase.CLOSED, volume=100_600, **LEFT_SELLS)
    assert desk.fills == [(10.0, 300)]


def test_before_2018_shanghai_traded_on_until_the_close():
    day = date(2018, 8, 17)
    desk = Desk(start="09:00", day=day)
    desk.quote(10.0, at_="14:59:57", day=day)
    desk.to("14:59:58", day)
    desk.send(an_order(1_000, 10.02))
    desk.quote(10.0, at_="15:00:03", day=day, phase=Phase.CLOSED, volume=100_600)
    assert desk.fills == [(10.01, 1_000)]


def test_a_volume_after_the_close_is_no_print():
    desk = Desk(start="14:58")
    desk.quote(10.0, phase=Phase.CLOSING_CALL)
    desk.send(an_order(1_000, 10.5))
    desk.quote(10.0, at_="15:00:03", phase=Phase.CLOSED)
    desk.quote(10.0, at_="15:10", phase=Phase.POST_CLOSE, volume=200_000)
    assert desk.fills == []


def test_what_the_print_left_is_taken_once():
    """300 were left at the print and are displayed yet: they are ours already."""
    desk = Desk(start="09:20")
    desk.send(an_order(1_000, 10.0))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, **LEFT_SELLS)
    desk.quote(10.0, at_="09:30:03", **LEFT_SELLS)
    assert desk.fills == [(10.0, 300)]


def test_what_rests_of_a_market_type_is_a_limit_order_in_the_closing_call():
    desk = Desk(start="14:50")
    desk.quote(10.0)
    desk.send(an_order(1_500, 10.5, type=OrderType.PEER))
    desk.quote(10.0)
    assert desk.fills == [(10.01, 1_000)]  # the rest waits at 10.01
    desk.quote(10.0, at_="14:57:03", phase=Phase.CLOSING_CALL)
    desk.quote(10.0, at_="15:00:03", phase=Phase.CLOSED, volume=200_000)
    assert desk.fills[1:] == [(10.0, 500)]


@pytest.mark.parametrize(
    ("auction", "fills"),
    [
        ("shared", [("better", 100), ("at it", 200)]),
        ("better", [("better", 100)]),
        ("never", []),
    ],
)
def test_who_trades_at_a_print_is_chosen(auction, fills):
    desk = Desk(start="09:20", auction=auction)
    desk.send(an_order(200, 10.0, id="at it"))
    desk.send(an_order(100, 10.01, id="better"))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, **LEFT_SELLS)
    assert desk.taken == fills


@pytest.mark.parametrize("auction", sorted(AUCTIONS))
@given(
    limits=st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 50)), max_size=6),
    volume=st.integers(0, 100),
    left=st.integers(0, 30),
)
def test_a_print_gives_no_more_than_was_traded_and_left(auction, limits, volume, left):
    orders = [
        Working(an_order(lots * 100, 10 + ticks / 100, id=str(number)), number)
        for number, (ticks, lots) in enumerate(limits)
    ]
    print_ = mills(10.0, Side.BUY)
    given_ = list(at_print(orders, print_, volume * 100, left * 100, AUCTIONS[auction]))
    at_it = sum(shares for entry, shares in given_ if entry.limit == print_)
    assert sum(shares for _, shares in given_) <= volume * 100
    assert at_it <= left * 100
    assert all(entry.limit >= print_ for entry, _ in given_)
    assert all(shares <= entry.order.remaining for entry, shares in given_)


# ------------------------------------------------------------------ post-close trading


def after_close(desk, volume, clock_time, last=10.0, symbol=CHINEXT):
    desk.quote(last, at_=clock_time, phase=Phase.POST_CLOSE, volume=volume, symbol=symbol)


def fixed(quantity=1_000, price=10.0, **changes):
    return an_order(quantity, price, type=OrderType.FIXED, symbol=CHINEXT, **changes)


def test_a_fixed_price_order_has_its_share_of_what_trades_after_the_close():
    desk = Desk(start="14:30")
    desk.quote(10.0, symbol=CHINEXT)
    desk.send(fixed(2_000, 10.5))
    desk.quote(10.2, symbol=CHINEXT, volume=150_000)
    desk.quote(10.1, at_="15:00:03", phase=Phase.CLOSED, volume=200_000, symbol=CHINEXT)
    assert desk.fills == []
    after_close(desk, 204_000, "15:05:30", 10.1)
    after_close(desk, 205_000, "15:10", 10.1)
    assert desk.fills == [(10.1, 1_000), (10.1, 250)]
    desk.phase(Phase.CLOSED, "15:30")
    assert desk.kinds[-1] is OrderExpired


@pytest.mark.parametrize(
    ("order", "fills"),
    [
        (fixed(100, 10.0), [(10.0, 100)]),
        (fixed(100, 9.99), []),
        (fixed(100, 10.0, side=Side.SELL), [(10.0, 100)]),
        (fixed(100, 10.01, side=Side.SELL), []),
    ],
    ids=["buy at the close", "buy below it", "sell at it", "sell above it"],
)
def test_a_limit_worse_than_the_close_takes_no_part(order, fills):
    desk = Desk(start="15:02", held={CHINEXT: 1_000})
    desk.quote(10.0, symbol=CHINEXT, phase=Phase.CLOSED)
    desk.send(order)
    after_close(desk, 101_000, "15:05:30")
    after_close(desk, 102_000, "15:06")
    assert desk.fills == fills


def test_fixed_price_orders_are_taken_where_and_since_when_the_rules_say():
    for symbol, day, last in (
        (CHINEXT, DAY, OrderAccepted),
        (SYMBOL, DAY, OrderRejected),
        (SYMBOL, date(2026, 7, 6), OrderAccepted),
        (BSE, date(2026, 7, 6), OrderRejected),
    ):
        desk = Desk(start="09:00")
        desk.quote(10.0, at_="15:00:03", day=day, symbol=symbol, phase=Phase.CLOSED)
        desk.to("15:10", day)
        desk.send(replace(fixed(), symbol=symbol))
        assert desk.kinds[-1] is last, (symbol, day)


# ------------------------------------------------------------------ order types


def typed(kind, quantity=1_500, price=11.0, **changes):
    return an_order(quantity, price, type=kind, **changes)


T = OrderType


@pytest.mark.parametrize(
    ("kind", "changes", "fills", "status"),
    [
        pytest.param(T.MARKET, {}, [(10.01, 1_000), (10.02, 500)], "filled", id="market"),
        pytest.param(T.MARKET, NOBODY, [], "cancelled", id="market, nobody sells"),
        pytest.param(T.FILL_CANCEL, {}, [(10.01, 1_000), (10.02, 500)], "filled", id="fill"),
        pytest.param(T.FILL_CANCEL, NOBODY, [], "cancelled", id="fill, nobody sells"),
        pytest.param(T.ALL_OR_NONE, {}, [(10.01, 1_000), (10.02, 500)], "filled", id="all"),
        pytest.param(T.ALL_OR_NONE, {"ask_lots": [1, 1, 1, 1, 1]}, [], "cancelled", id="none"),
        pytest.param(T.BEST_5_LIMIT, {}, [(10.01, 1_000), (10.02, 500)], "filled", id="best five"),
        pytest.param(
            T.BEST_5_LIMIT, {"ask_lots": [1, 1, 1, 1, 1]},
            [(10.01, 100), (10.02, 100), (10.03, 100), (10.04, 100), (10.05, 100)],
            "partially_filled", id="best five, the rest stays",
        ),
        pytest.param(T.BEST_5_LIMIT, NOBODY, [], "accepted", id="best five, nobody sells"),
        pytest.param(T.PEER, {}, [(10.01, 1_000)], "partially_filled", id="peer"),
        pytest.param(T.PEER, NOBODY, [], "cancelled", id="peer, nobody sells"),
        pytest.param(T.OWN, {}, [], "accepted", id="own"),
        pytest.param(
            T.OWN, {"bid_prices": [0.0] * 5, "bid_lots": [0] * 5}, [], "cancelled",
            id="own, nobody buys",
        ),
    ],
)  # fmt: skip
def test_what_a_type_does_with_the_book(kind, changes, fills, status):
    sz = kind in (T.FILL_CANCEL, T.ALL_OR_NONE)
    symbol = "000001.SZ" if sz else SYMBOL
    desk = Desk()
    desk.quote(10.0, symbol=symbol)
    desk.send(typed(kind, symbol=symbol))
    desk.quote(10.0, symbol=symbol, **changes)
    assert desk.fills == fills
    assert desk.snapshot.orders[0].status == status


@pytest.mark.parametrize(("quantity", "status"), [(5_000, "filled"), (5_100, "cancelled")])
def test_all_or_none_takes_the_last_share_that_is_offered(quantity, status):
    desk = Desk()
    desk.quote(10.0, symbol="000001.SZ")
    desk.send(typed(T.ALL_OR_NONE, quantity, symbol="000001.SZ"))
    desk.quote(10.0, symbol="000001.SZ")
    assert desk.snapshot.orders[0].status == status


@pytest.mark.parametrize(
    ("kind", "rests_at"), [(T.BEST_5_LIMIT, 10.05), (T.PEER, 10.01), (T.OWN, 9.99)]
)
def test_the_rest_waits_at_the_price_it_was_given(kind, rests_at):
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    desk.send(typed(kind, 10_000))
    desk.quote(10.0)
    done = len(desk.fills)
    desk.trade((round(rests_at - 0.01, 2), 300), ask_prices=[10.2] * 5)
    assert {price for price, _ in desk.fills[done:]} == {rests_at}


def test_no_type_goes_beyond_its_protection():
    for kind in (T.MARKET, T.BEST_5_LIMIT, T.PEER):
        desk = Desk()
        desk.send(typed(kind, 5_000, 10.02))
        desk.quote(10.0)
        assert max(price for price, _ in desk.fills) <= 10.02, kind


def test_a_type_that_the_exchange_has_not_is_refused():
    desk = Desk()
    desk.quote(10.0)
    desk.send(typed(T.ALL_OR_NONE))
    assert desk.kinds == [OrderRejected]
    assert "all_or_none" in desk.reason


@pytest.mark.parametrize(
    ("kind", "bar", "fills", "status"),
    [
        (T.PEER, {"volume": 2_000}, [(10.0, 500)], "partially_filled"),
        (T.PEER, {"open": 11.5}, [], "cancelled"),
        (T.BEST_5_LIMIT, {"volume": 2_000}, [(10.0, 500)], "partially_filled"),
        (T.ALL_OR_NONE, {"volume": 2_000}, [], "cancelled"),
        (T.ALL_OR_NONE, {}, [(10.0, 1_500)], "filled"),
        (T.ALL_OR_NONE, {"volume": 6_000}, [(10.0, 1_500)], "filled"),  # just what it may have
        (T.FILL_CANCEL, {"volume": 2_000}, [(10.0, 500)], "cancelled"),
        (T.OWN, {"low": 9.99}, [], "accepted"),
        (T.OWN, {"low": 9.98}, [(9.99, 1_500)], "filled"),
        (T.FIXED, {}, [], "accepted"),
    ],
)
def test_what_a_type_does_with_a_bar(kind, bar, fills, status):
    desk = Desk(start="09:59:30")
    desk.broker.on_bar(a_bar(time=moment("09:59")))
    desk.send(typed(kind))
    desk.broker.on_bar(a_bar(**bar))
    assert desk.fills == fills
    assert desk.snapshot.orders[0].status == status


def test_the_rest_of_a_peer_order_waits_for_a_bar_that_goes_through_its_price():
    desk = Desk(start="09:59:30")
    desk.broker.on_bar(a_bar(time=moment("09:59")))
    desk.send(typed(T.PEER))
    desk.broker.on_bar(a_bar(volume=2_000))
    desk.broker.on_bar(a_bar(10.1, time=moment("10:02"), low=10.0))
    desk.broker.on_bar(a_bar(10.1, time=moment("10:03"), low=9.99))
    assert desk.fills == [(10.0, 500), (10.0, 1_000)]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("order", "words"),
    [
        pytest.param(an_order(150, 10.0), "no legal quantity", id="an odd lot"),
        pytest.param(a_sell(150, 10.0), "no legal quantity", id="an odd lot of a round holding"),
        pytest.param(an_order(1_000_100, 10.0), "maximum of 1000000", id="too large"),
        pytest.param(an_order(100, 10.001), "not on the tick", id="between two ticks"),
        pytest.param(an_order(100, 11.01), "outside the day's limits", id="above the upper limit"),
        pytest.param(a_sell(100, 8.99), "outside the day's limits", id="below the lower limit"),
        pytest.param(an_order(100, 10.22), "cage, which ends at 10.21", id="a buy beyond the cage"),
        pytest.param(a_sell(100, 9.78), "cage, which ends at 9.79", id="a sell beyond the cage"),
    ],
)
def test_what_the_exchange_refuses_whoever_let_it_pass(order, words):
    desk = Desk(cash=10**8, held={SYMBOL: 10_000})
    desk.quote(10.0)
    desk.send(order)
    assert desk.kinds == [OrderRejected]
    assert words in desk.reason
    assert desk.snapshot.asset.frozen == 0


@pytest.mark.parametrize(
    "order",
    [an_order(100, 10.21), a_sell(100, 9.79), an_order(1_000_000, 10.0), a_sell(50, 10.0)],
    ids=["at the cage", "a sell at the cage", "the largest", "a whole odd remainder"],
)
def test_what_is_just_inside_is_taken(order):
    desk = Desk(cash=10**8, held={SYMBOL: 10_050})
    desk.quote(10.0)
    desk.send(order)
    assert desk.kinds == [OrderSubmitted, OrderAccepted]


def test_a_call_has_no_cage_and_limits_all_the_same():
    desk = Desk(start="09:16")
    desk.quote(0.0, phase=Phase.OPENING_CALL, volume=0, open=0.0)
    desk.send(an_order(100, 11.0))
    desk.send(an_order(100, 11.01, id="b"))
    assert desk.kinds == [OrderSubmitted, OrderAccepted, OrderRejected]


def test_chinext_parked_until_2023_what_was_beyond_the_cage():
    day = date(2023, 4, 7)
    desk = Desk(start="09:00", day=day)
    desk.quote(10.0, at_="10:00", day=day, symbol=CHINEXT)
    desk.send(an_order(100, 10.5, symbol=CHINEXT))
    desk.quote(10.0, symbol=CHINEXT)
    assert desk.kinds == [OrderSubmitted, OrderAccepted]
    desk.quote(10.3, symbol=CHINEXT, volume=200_000)
    assert desk.fills == [(10.31, 100)]


def test_a_symbol_that_is_suspended_takes_no_orders():
    desk = Desk()
    desk.quote(0.0, phase=Phase.HALTED, volume=0)
    desk.send(an_order(100, 10.0))
    assert desk.kinds == [OrderRejected]
    assert "suspended" in desk.reason


def test_a_halt_keeps_orders_and_costs_them_their_place():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    desk.send(an_order(100, 9.99))
    desk.trade(bid_lots=[1, 10, 10, 10, 10])
    desk.trade(phase=Phase.HALTED)
    desk.trade((9.99, 5_000), bid_lots=[20, 10, 10, 10, 10])
    desk.trade((9.99, 2_000), bid_lots=[20, 10, 10, 10, 10])
    assert desk.fills == []
    desk.trade((9.99, 100), bid_lots=[20, 10, 10, 10, 10])
    assert desk.fills == [(9.99, 100)]


def halted(desk, phase=Phase.HALTED):
    """A snapshot of a halt: nothing traded, the levels are old."""
    desk.trade(phase=phase)


@pytest.mark.parametrize("phase", sorted(HALTS))
def test_the_call_that_ends_a_halt_fills_who_is_better_than_its_print(phase):
    desk = Desk(held={SYMBOL: 1_000})
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(300, 10.5, id="better"))
    desk.send(an_order(300, 10.2, id="at it"))
    desk.send(an_order(300, 10.1, id="worse"))
    desk.send(a_sell(400, 9.9, id="sell"))
    halted(desk, phase)
    assert desk.fills == []
    desk.trade((10.2, 5_000), **around(10.2))
    assert desk.taken == [("better", 300), ("sell", 400)]
    assert {price for price, _ in desk.fills} == {10.2}


def around(price):
    """Levels that leave nobody at a price."""
    steps = [round(0.01 * step, 2) for step in range(1, 6)]
    return {
        "ask_prices": [round(price + step, 2) for step in steps],
        "bid_prices": [round(price - step, 2) for step in steps],
    }


def test_at_the_print_that_ends_a_halt_orders_share_what_the_other_side_left():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(1_000, 10.0))
    halted(desk)
    desk.trade((10.0, 5_000), **LEFT_SELLS)
    desk.trade(**LEFT_SELLS)
    assert desk.fills == [(10.0, 300)]


def test_where_more_traded_than_the_print_the_price_is_the_worst_that_it_may_have_been():
    """5,000 at 10.20 and 5,000 at 10.00 since: the mean is 10.10, the print is not seen."""
    desk = Desk(held={SYMBOL: 1_000})
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(100, 10.5, id="buy"))
    desk.send(a_sell(100, 9.0, id="sell"))
    halted(desk)
    desk.trade((10.2, 5_000), (10.0, 5_000), **around(10.0))
    assert desk.fills == [(10.2, 100), (10.0, 100)]  # a new high; the last price
    desk = Desk()
    desk.high = 11.0
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(100, 10.5))
    halted(desk)
    desk.trade((10.2, 5_000), (10.0, 5_000), **around(10.0))
    assert desk.fills == [(10.1, 100)]


def test_a_turnover_that_is_not_told_leaves_the_last_price_of_a_resumption():
    desk = Desk(held={SYMBOL: 1_000})
    desk.quote(10.0)
    halted(desk)
    desk.send(a_sell(100, 9.0))
    halted(desk)
    desk.trade((10.0, 5_000), amount=desk.amount, **around(10.0))
    assert desk.fills == [(10.0, 100)]


def test_who_came_after_the_last_snapshot_of_a_halt_was_not_in_the_call():
    desk = Desk()
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(300, 10.0))
    desk.trade((9.9, 5_000), **around(10.0))
    assert desk.fills == []


def test_a_halt_without_a_print_leaves_its_orders_to_continuous_trading():
    desk = Desk()
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(300, 10.01))
    halted(desk)
    desk.trade()
    assert desk.fills == [(10.01, 300)]


def test_a_halt_that_ends_without_a_trade_has_no_print():
    desk = Desk()
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(300, 10.0))
    halted(desk)
    desk.trade(**around(9.9))  # nothing traded; the book has come down to it
    assert desk.fills == [(10.0, 300)]  # at its own price: it waited


def test_a_halt_takes_limit_orders_and_cancels_and_no_market_order():
    desk = Desk()
    desk.quote(10.0)
    halted(desk)
    order = desk.send(an_order(300, 10.5))  # no cage in a call
    desk.cancel(order)
    assert desk.kinds == [OrderSubmitted, OrderAccepted, OrderCancelled]
    desk.send(typed(T.MARKET, id="market"))
    assert desk.kinds[-1] is OrderRejected
    assert "halted" in desk.reason


def test_a_resumption_in_the_closing_call_fills_nobody_before_the_close():
    """A halt ends at 14:57 at the latest; its print is not told from the call that follows."""
    desk = Desk(start="14:50")
    desk.quote(10.0)
    halted(desk)
    desk.send(an_order(300, 10.5))
    desk.to("14:57")
    desk.trade((10.0, 1_000), phase=Phase.CLOSING_CALL)
    assert desk.fills == []
    desk.to("15:00")
    desk.trade((10.1, 1_000), phase=Phase.CLOSED)
    assert desk.fills == [(10.1, 300)]


# ------------------------------------------------------------------ over a restart


def test_after_a_restart_an_order_stands_behind_everything_displayed():
    desk = Desk(participation=1.0)
    desk.quote(10.0)
    desk.send(an_order(300, 9.99))
    desk.trade(bid_lots=[0, 10, 10, 10, 10])
    again = Desk(participation=1.0, start="10:01")
    again.broker.resume(desk.snapshot, {})
    again.trade(bid_lots=[5, 10, 10, 10, 10])
    again.trade((9.99, 500), bid_lots=[5, 10, 10, 10, 10])
    assert again.fills == []
    again.trade((9.99, 200), bid_lots=[5, 10, 10, 10, 10])
    assert again.fills == [(9.99, 200)]
    assert again.snapshot.asset.frozen < desk.snapshot.asset.frozen


def test_what_waited_through_a_restart_trades_at_its_own_price():
    desk = Desk()
    desk.send(an_order(300, 10.1))
    again = Desk(start="10:01")
    again.broker.resume(desk.snapshot, {})
    again.quote(10.0)
    assert again.fills == [(10.1, 300)]


@pytest.mark.parametrize(
    ("restart", "fills"),
    [
        pytest.param("09:24", [(10.0, 200_000)], id="before the print"),
        pytest.param("09:26", [], id="after it"),
    ],
)
def test_after_a_restart_nobody_gets_the_price_of_a_print_that_has_passed(restart, fills):
    desk = Desk(start="09:20", cash=10_000_000)
    desk.send(an_order(200_000, 10.5))
    if restart > "09:25":
        desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK)  # no more was traded than 100,000
        assert desk.fills == [(10.0, 100_000)]
    again = Desk(start=restart)
    again.broker.resume(desk.snapshot, {})
    if restart < "09:25":
        again.quote(10.0, at_="09:25:03", phase=Phase.BREAK, volume=500_000)
    again.quote(10.6, at_="10:00", open=10.0, volume=9_000_000, limit_up=11.0)
    assert again.fills == fills


def test_a_restart_cancels_what_had_its_price_from_the_book():
    desk = Desk(held={CHINEXT: 100})
    for kind in (T.OWN, T.BEST_5_LIMIT):
        desk.send(typed(kind, 600, id=kind))
    desk.send(fixed(100, side=Side.SELL, id="fixed"))
    desk.quote(10.0, ask_lots=[1] * 5)
    again = Desk(start="10:01")
    again.broker.resume(desk.snapshot, {})
    assert again.kinds == [OrderCancelled, OrderCancelled]
    assert again.snapshot.asset.frozen == 0
    assert [p.frozen for p in again.snapshot.positions if p.symbol == CHINEXT] == [100]


# ------------------------------------------------------------------ latency


def test_jitter_is_seeded_bounded_and_lets_nobody_overtake():
    def arrivals(seed):
        latency = Latency(0.1, 2.0, seed)
        return [latency.arrival(n * SECOND // 10) for n in range(200)]

    assert arrivals(1) == arrivals(1) != arrivals(2)
    assert arrivals(1) == sorted(arrivals(1))
    late = [arrival - n * SECOND // 10 for n, arrival in enumerate(arrivals(1))]
    assert min(late) >= SECOND // 10
    assert max(late) <= 2.1 * SECOND
    assert len(set(late)) > 10


def test_an_order_never_fills_before_its_own_cancel_could_have_overtaken_it():
    desk = Desk(jitter=5.0)
    order = desk.send(an_order(100, 9.5), arrives=False)
    desk.broker.cancel(order)
    desk.clock.advance(by=11)
    assert desk.kinds == [OrderSubmitted, OrderAccepted, OrderCancelled]


# ------------------------------------------------------------------ the night


def test_the_queue_of_yesterday_is_forgotten():
    desk = Desk()
    desk.quote(10.0)
    desk.send(an_order(100, 9.99))
    desk.phase(Phase.CLOSED, "15:30")
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.broker.on_quote(a_quote(9.0, time=at(NEXT_DAY, "10:00")))
    assert Fill not in desk.kinds
    assert desk.snapshot.orders == ()
    assert desk.snapshot.asset.frozen == 0


def test_orders_of_all_types_end_with_the_day():
    desk = Desk(held={SYMBOL: 100}, start="14:00")
    desk.quote(10.0)
    for n, kind in enumerate((T.LIMIT, T.OWN, T.BEST_5_LIMIT)):
        desk.send(an_order(100, 9.9, type=kind, id=f"{n}"))
    desk.quote(10.0)
    desk.phase(Phase.CLOSED, "15:30")
    assert {order.status for order in desk.snapshot.orders} == {OrderStatus.EXPIRED}


# ------------------------------------------------------------------ days without named limits


def unnamed(desk, last=10.0, symbol=SYMBOL, **changes):
    desk.quote(last, symbol=symbol, limit_up=0.0, limit_down=0.0, prev_close=10.0, **changes)


def test_limits_that_no_quote_names_are_computed_until_the_day_is_seen_beyond_them():
    desk = Desk(start="09:20")
    unnamed(desk)
    desk.send(an_order(100, 11.01))
    assert "outside the day's limits 9.0 to 11.0" in desk.reason
    unnamed(desk, high=11.5)
    desk.send(an_order(100, 11.01, id="b"))
    assert desk.kinds[-1] is OrderAccepted


@pytest.mark.parametrize(
    ("start", "phase", "price", "last"),
    [
        pytest.param("09:16", Phase.OPENING_CALL, 90.0, OrderAccepted, id="call, nine times"),
        pytest.param("09:16", Phase.OPENING_CALL, 90.01, OrderRejected, id="call, above that"),
        pytest.param("09:16", Phase.OPENING_CALL, 0.01, OrderAccepted, id="call, the least tick"),
        pytest.param("14:58", Phase.CLOSING_CALL, 13.2, OrderAccepted, id="later, a tenth above"),
        pytest.param("14:58", Phase.CLOSING_CALL, 13.21, OrderRejected, id="later, above that"),
        pytest.param("14:58", Phase.CLOSING_CALL, 10.8, OrderAccepted, id="later, a tenth below"),
        pytest.param("14:58", Phase.CLOSING_CALL, 10.79, OrderRejected, id="later, below that"),
    ],
)
def test_on_a_day_without_limits_shenzhen_takes_what_is_near(start, phase, price, last):
    desk = Desk(start=start)
    unnamed(desk, 12.0, symbol="000001.SZ", high=12.0, phase=phase)  # 20 % up: no limits today
    desk.send(an_order(100, price, symbol="000001.SZ"))
    assert desk.kinds[-1] is last
    assert last is OrderAccepted or "on a day without limits" in desk.reason


def test_shenzhen_takes_no_market_orders_on_a_day_without_limits():
    desk = Desk()
    for high, last in ((10.5, OrderAccepted), (12.0, OrderRejected)):
        unnamed(desk, symbol="000001.SZ", high=high)
        desk.send(typed(T.MARKET, 100, symbol="000001.SZ", id=f"{high}"))
        assert desk.kinds[-1] is last
    assert "without limits" in desk.reason
