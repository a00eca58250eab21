"""The paper broker: what a real account would have done, and nothing better."""

import asyncio
from collections import Counter, defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from builders import (
    DAY,
    FEES,
    NEXT_DAY,
    SYMBOL,
    a_bar,
    a_market_order,
    a_quote,
    an_order,
    moment,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_desk import LATENCY, Desk

from qka.ashare.fees import FeeSchedule
from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.model.account import AccountIdentity
from qka.model.events import (
    CancelRefused,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
    SessionPhase,
)
from qka.model.market import Phase
from qka.model.order import Approved, OrderStatus, Side
from qka.model.times import MILLISECOND, MINUTE, SECOND


def a_sell(quantity=1000, price=10.0, **changes):
    return an_order(quantity, price, side=Side.SELL, **changes)


def test_it_serves_the_account_it_was_made_for():
    broker = PaperBroker(ManualClock(), FEES, "demo", 0)
    assert asyncio.run(broker.connect(print)) == AccountIdentity("demo")


# ------------------------------------------------------------------ reports


def test_nothing_is_reported_before_the_order_has_arrived():
    desk = Desk()
    desk.send(an_order(), arrives=False)
    assert desk.reports == []
    desk.clock.advance(by=LATENCY)
    assert desk.kinds == [OrderSubmitted, OrderAccepted]


def test_an_order_is_submitted_then_accepted_then_filled():
    desk = Desk()
    desk.send(an_order(1500, 10.02))
    desk.quote(10.0)
    assert desk.kinds == [OrderSubmitted, OrderAccepted, Fill, Fill]
    assert {report.order_id for report in desk.reports} == {"a"}
    assert desk.reports[0].broker_id == desk.reports[1].broker_id != ""
    assert [r.deal_id for r in desk.reports[2:]] == ["1", "2"]


# ------------------------------------------------------------------ no look-ahead


@pytest.mark.parametrize(
    ("later", "filled"),
    [(-1, False), (0, False), (1, True)],
    ids=["older than its arrival", "as old as its arrival", "a nanosecond newer"],
)
def test_only_a_quote_newer_than_the_orders_arrival_can_fill_it(later, filled):
    desk = Desk()
    desk.send(an_order(100, 10.5))
    desk.broker.on_quote(a_quote(10.0, time=desk.clock.now() + later))
    assert bool(desk.fills) is filled


def test_a_quote_seen_while_the_order_travels_does_not_fill_it():
    desk = Desk()
    desk.send(an_order(100, 10.5), arrives=False)
    desk.broker.on_quote(a_quote(time=desk.clock.now() + 10 * MILLISECOND))
    desk.clock.advance(by=LATENCY)
    assert desk.fills == []


# ------------------------------------------------------------------ levels


@pytest.mark.parametrize(
    ("order", "fills"),
    [
        pytest.param(an_order(1000, 10.0), [], id="a limit below the ask waits"),
        pytest.param(an_order(1000, 10.01), [(10.01, 1000)], id="a limit at the ask fills"),
        pytest.param(
            an_order(2500, 10.5), [(10.01, 1000), (10.02, 1000), (10.03, 500)], id="walks the asks"
        ),
        pytest.param(an_order(2500, 10.02), [(10.01, 1000), (10.02, 1000)], id="up to its limit"),
        pytest.param(
            a_sell(1500, 9.9), [(9.99, 1000), (9.98, 500)], id="a sell walks the bids down"
        ),
        pytest.param(a_sell(1000, 10.0), [], id="a sell above the bid waits"),
        pytest.param(a_market_order(1500), [(10.01, 1000), (10.02, 500)], id="a market buy"),
        pytest.param(
            a_market_order(1500, 9.0, side=Side.SELL), [(9.99, 1000), (9.98, 500)], id="and sell"
        ),
    ],
)
def test_an_order_trades_against_the_displayed_levels(order, fills):
    desk = Desk(held={SYMBOL: 10_000})
    desk.send(order)
    desk.quote(10.0)
    assert desk.fills == fills


def test_a_market_order_takes_five_levels_and_the_rest_is_cancelled():
    desk = Desk()
    desk.send(a_market_order(8000))
    desk.quote(10.0)
    assert sum(shares for _, shares in desk.fills) == 5000
    assert desk.kinds[-1] is OrderCancelled
    assert desk.snapshot.orders[0].status is OrderStatus.CANCELLED
    assert desk.snapshot.asset.frozen == 0


def test_a_market_order_never_trades_beyond_its_protection():
    desk = Desk()
    desk.send(a_market_order(5000, 10.02))
    desk.quote(10.0)
    assert desk.fills == [(10.01, 1000), (10.02, 1000)]
    assert desk.kinds[-1] is OrderCancelled


def test_a_side_without_orders_fills_nobody():
    desk = Desk(held={SYMBOL: 1000})
    desk.send(an_order(1000, 11.0))
    desk.send(a_sell(1000, 9.0, id="b"))
    desk.quote(11.0, ask_prices=[0.0] * 5, ask_lots=[0] * 5, bid_prices=[0.0] * 5, bid_lots=[0] * 5)
    assert desk.fills == []


def test_what_one_order_takes_from_a_quote_the_next_one_does_not_get():
    desk = Desk()
    for name in "abc":
        desk.send(an_order(600, 10.01, id=name))
    desk.quote(10.0)
    taken = [(r.order_id, r.quantity) for r in desk.reports if isinstance(r, Fill)]
    assert taken == [("a", 600), ("b", 400)]


def test_a_resting_order_fills_at_its_own_price_when_the_market_comes_to_it():
    desk = Desk(held={SYMBOL: 1000})
    desk.send(an_order(1000, 9.95))
    desk.send(a_sell(1000, 10.05, id="b"))
    desk.quote(10.0)
    assert desk.fills == []
    desk.quote(9.90)
    desk.quote(10.10)
    assert desk.fills == [(9.95, 1000), (10.05, 1000)]


def test_a_partial_fill_keeps_working_for_the_rest():
    desk = Desk()
    desk.send(an_order(1500, 10.01))
    desk.quote(10.0)
    assert desk.snapshot.orders[0].status is OrderStatus.PARTIALLY_FILLED
    desk.quote(10.0, volume=101_000)
    assert desk.fills == [(10.01, 1000), (10.01, 500)]
    assert desk.snapshot.orders[0].status is OrderStatus.FILLED


def test_the_least_commission_is_paid_once_an_order():
    desk = Desk()
    desk.send(an_order(1500, 10.01))
    desk.quote(10.0)
    desk.quote(10.0, volume=101_000)
    fees = [report.fees for report in desk.reports if isinstance(report, Fill)]
    assert fees == [Decimal("5.10"), Decimal("0.05")]
    assert desk.snapshot.asset.cash == 1_000_000 - Decimal("15015.00") - sum(fees)


def test_the_levels_of_a_halted_symbol_fill_nobody():
    desk = Desk()
    desk.send(an_order(100, 10.5))
    desk.quote(10.0, phase=Phase.HALTED)
    assert desk.fills == []


def test_quotes_of_another_symbol_or_at_lunch_fill_nobody():
    desk = Desk()
    desk.send(an_order(100, 10.5))
    desk.quote(10.0, symbol="600036.SH")
    desk.quote(10.0, at_="12:00", phase=Phase.BREAK)
    assert desk.fills == []


# ------------------------------------------------------------------ auctions


@pytest.mark.parametrize(
    ("clock_time", "phase"), [("09:20", Phase.OPENING_CALL), ("14:58", Phase.CLOSING_CALL)]
)
def test_the_virtual_price_of_an_auction_fills_nobody(clock_time, phase):
    desk = Desk(held={SYMBOL: 1000}, start=clock_time)
    desk.send(an_order(100, 10.5))
    desk.send(a_sell(100, 9.5, id="b"))
    desk.quote(10.0, phase=phase, ask_prices=[10.0] * 5, bid_prices=[10.0] * 5)
    assert desk.fills == []


@pytest.mark.parametrize(
    ("limit", "fills"),
    [(10.01, [(10.0, 1000)]), (10.0, []), (9.99, [])],
    ids=["better than the print", "at the print", "worse than the print"],
)
def test_the_opening_print_fills_only_what_is_strictly_better(limit, fills):
    desk = Desk(start="09:20")
    desk.send(an_order(1000, limit))
    desk.quote(10.0, phase=Phase.OPENING_CALL, open=0.0)
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK)
    assert desk.fills == fills


def test_a_sell_better_than_the_opening_print_gets_the_print():
    desk = Desk(held={SYMBOL: 1000}, start="09:20")
    desk.send(a_sell(1000, 9.5))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK)
    assert desk.fills == [(10.0, 1000)]


def test_the_first_continuous_quote_still_brings_the_opening_print():
    desk = Desk(start="09:20")
    desk.send(an_order(1000, 10.5))
    desk.quote(10.2, at_="09:30:03", open=10.0)
    assert desk.fills == [(10.0, 1000)]


def test_a_market_order_does_not_trade_at_an_auctions_print():
    desk = Desk(start="09:20")
    desk.send(a_market_order(100))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK)
    assert desk.fills == []


def test_the_opening_print_has_no_more_shares_than_were_traded():
    desk = Desk(start="09:20")
    desk.send(an_order(1000, 10.5))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, volume=300)
    assert desk.fills == [(10.0, 300)]


def test_orders_share_what_the_opening_print_traded():
    desk = Desk(start="09:20")
    for name in "ab":
        desk.send(an_order(1000, 10.5, id=name))
    desk.quote(10.0, at_="09:25:03", phase=Phase.BREAK, volume=1300)
    assert desk.fills == [(10.0, 1000), (10.0, 300)]


def test_an_order_after_the_opening_auction_does_not_get_its_price():
    desk = Desk(start="09:26")
    desk.send(an_order(1000, 10.5))
    desk.quote(10.2, at_="09:27", phase=Phase.BREAK, open=9.0)
    assert desk.fills == []
    desk.quote(10.2, at_="09:30:03", open=9.0)
    assert desk.fills == [(10.21, 1000)]


def test_the_closing_print_fills_what_waited_in_the_closing_auction():
    desk = Desk(start="14:58")
    desk.send(an_order(1000, 10.5))
    desk.send(an_order(1000, 10.0, id="b"))
    desk.quote(10.0, phase=Phase.CLOSING_CALL, volume=100_000)
    desk.quote(10.0, at_="15:00:03", phase=Phase.CLOSED, volume=100_600)
    assert desk.fills == [(10.0, 600)]


def test_an_order_after_the_close_does_not_get_the_closing_print():
    desk = Desk(start="14:50")
    desk.send(an_order(100, 9.0, id="waits all along"))
    desk.quote(10.0, at_="14:55", volume=1000)
    desk.to("15:00:01")
    desk.send(an_order(1000, 10.5))
    desk.quote(10.0, at_="15:00:03", phase=Phase.CLOSED, volume=100_000)
    assert desk.fills == []


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("clock_time", "phase"), [("09:20", Phase.OPENING_CALL), ("14:58", Phase.CLOSING_CALL)]
)
def test_an_auction_takes_no_market_order_not_even_the_first_of_the_day(clock_time, phase):
    desk = Desk(start=clock_time)
    desk.quote(10.0, phase=phase)
    desk.send(a_market_order(100))
    assert desk.kinds == [OrderRejected]
    assert phase.name in desk.reason


def test_shares_bought_today_are_refused_today_and_sold_tomorrow():
    desk = Desk()
    desk.send(an_order(1000, 10.01))
    desk.quote(10.0)
    desk.send(a_sell(100, id="b"))
    assert desk.kinds[-1] is OrderRejected
    assert "T+1" in desk.reason
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.to("10:00", NEXT_DAY)
    desk.send(a_sell(100, id="c"))
    assert desk.kinds[-1] is OrderAccepted


def test_shares_promised_to_one_sell_are_refused_to_the_next():
    desk = Desk(held={SYMBOL: 1000})
    desk.send(a_sell(600))
    desk.send(a_sell(500, id="b"))
    assert desk.kinds[-1] is OrderRejected
    (position,) = desk.snapshot.positions
    assert (position.frozen, position.sellable) == (600, 400)


@pytest.mark.parametrize(
    ("cash", "last_report"),
    [(Decimal("10005.10"), OrderAccepted), (Decimal("10005.09"), OrderRejected)],
    ids=["to the cent", "a cent less"],
)
def test_a_buy_needs_its_turnover_and_fees(cash, last_report):
    desk = Desk(cash=cash)
    desk.send(an_order(1000, 10.0))
    assert desk.kinds[-1] is last_report


def test_cash_promised_to_one_buy_is_refused_to_the_next():
    desk = Desk(cash=15_000)
    desk.send(an_order(1000, 10.0))
    desk.send(an_order(1000, 10.0, id="b"))
    assert desk.kinds == [OrderSubmitted, OrderAccepted, OrderRejected]
    assert "cash" in desk.reason
    assert desk.snapshot.asset.available == Decimal("4994.90")


class Counted(FeeSchedule):
    """How often fees are worked out."""

    asked = 0

    def of_order(self, *args):
        self.asked += 1
        return super().of_order(*args)


def test_the_thousandth_order_takes_no_more_work_than_the_first():
    desk = Desk(cash=10**8, held={SYMBOL: 1_000_000})
    desk.broker._books.fees = fees = Counted(Decimal(0), Decimal(0))
    work = []
    for n in range(500):
        before = fees.asked
        desk.send(an_order(100, 9.5, id=f"b{n}"))
        desk.send(a_sell(100, 10.5, id=f"s{n}"))
        work.append(fees.asked - before)
    assert set(work) == {work[0]}
    assert desk.snapshot.asset.frozen == 500 * Decimal("950.01")
    assert desk.snapshot.positions[0].frozen == 50_000


# ------------------------------------------------------------------ cancels


def test_a_cancelled_order_gives_its_cash_back_and_never_fills():
    desk = Desk()
    order = desk.send(an_order(1000, 9.5))
    desk.cancel(order)
    assert desk.kinds[-1] is OrderCancelled
    desk.quote(9.0)
    assert desk.fills == []
    assert desk.snapshot.asset.frozen == 0


def test_an_order_may_fill_while_its_cancel_travels():
    desk = Desk()
    order = desk.send(an_order(1000, 10.01))
    desk.broker.cancel(order)
    desk.broker.on_quote(a_quote(time=desk.clock.now() + MILLISECOND))
    desk.clock.advance(by=LATENCY)
    assert desk.kinds[-2:] == [Fill, CancelRefused]
    assert "filled" in desk.reason


@pytest.mark.parametrize("clock_time", ["09:21", "14:58"])
def test_the_exchange_takes_no_cancel_while_an_auction_is_decided(clock_time):
    desk = Desk(start=clock_time)
    order = desk.send(an_order(1000, 9.5))
    desk.cancel(order)
    assert desk.kinds[-1] is CancelRefused
    assert desk.snapshot.orders[0].status is OrderStatus.ACCEPTED


def test_a_cancel_of_an_order_nobody_knows_is_refused():
    desk = Desk()
    desk.cancel(an_order(id="never sent"))
    assert desk.kinds == [CancelRefused]


# ------------------------------------------------------------------ the end of the day


def test_what_is_left_at_the_end_of_the_day_expires():
    desk = Desk()
    desk.send(an_order(1500, 10.01))
    desk.quote(10.0)
    desk.phase(Phase.CLOSED, "15:30")
    assert desk.kinds[-1] is OrderExpired
    assert desk.snapshot.orders[0].filled == 1000
    assert desk.snapshot.asset.frozen == 0
    desk.quote(9.0, at_="10:00", day=NEXT_DAY)
    assert len(desk.fills) == 1


@pytest.mark.parametrize("clock_time", ["14:59:59.99", "15:20", "20:00"])
def test_an_order_that_arrives_after_the_close_is_refused(clock_time):
    desk = Desk(start="14:56")
    desk.quote(10.0, symbol="000001.SZ")
    desk.to(clock_time)
    desk.send(an_order(1000, 10.5))
    assert desk.kinds == [OrderRejected]
    assert "closed" in desk.reason


def test_of_bars_too_what_was_sent_before_the_close_is_over_with_its_day():
    desk = Desk(start="14:59")
    desk.to("14:59:59.99")
    desk.send(an_order(1000, 10.5))
    desk.to("15:00:01")
    desk.phase(Phase.CLOSED, "15:30")
    assert desk.kinds[-1] is OrderExpired


def resumed(desk, **changes):
    """The same account in a run of its own, with its orders as the engine's books have them."""
    account, again = desk.snapshot, Desk(start="10:01")
    orders = tuple(replace(order, **changes) for order in account.orders)
    again.broker.resume(replace(account, orders=orders), {})
    return again


def test_a_cancel_that_was_on_its_way_when_the_run_ended_may_be_asked_for_again():
    desk = Desk()
    desk.send(an_order(1000, 9.5))
    desk = resumed(desk, status=OrderStatus.PENDING_CANCEL)
    (report,) = desk.reports
    assert isinstance(report, CancelRefused)
    assert report.reason == "the run ended before its cancel reached the exchange"
    (order,) = desk.snapshot.orders
    assert order.status is OrderStatus.ACCEPTED
    desk.cancel(order)
    assert desk.kinds[-1] is OrderCancelled


def test_numbers_of_orders_are_not_given_again_after_a_restart_of_another_day():
    desk = Desk()
    for name in "abc":
        desk.send(an_order(1000, 9.5, id=name))
    desk.phase(Phase.CLOSED, "15:30")
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.to("09:31", NEXT_DAY)
    desk.send(an_order(1000, 9.5, id="d"))
    desk = resumed(desk)
    desk.send(an_order(1000, 9.5, id="e"))
    numbers = {order.id: order.broker_id for order in desk.snapshot.orders}
    assert numbers == {"d": "4", "e": "5"}


def test_before_the_opening_orders_are_taken_again():
    desk = Desk(start="14:56")
    desk.quote(10.0)
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.to("08:30", NEXT_DAY)
    desk.send(an_order(1000, 10.5))
    desk.quote(9.8, at_="09:25:03", day=NEXT_DAY, phase=Phase.BREAK)
    assert desk.fills == [(9.8, 1000)]


def test_an_order_of_yesterday_evening_meets_no_quote_of_today():
    desk = Desk(start="15:01")  # nobody knows yet that quotes will come
    desk.send(an_order(1000, 10.5))
    desk.phase(Phase.CLOSED, "15:30")
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.quote(9.8, at_="09:25:03", day=NEXT_DAY, phase=Phase.BREAK)
    desk.quote(10.0, at_="09:30:03", day=NEXT_DAY)
    assert desk.fills == []
    desk.phase(Phase.CLOSED, "15:30", NEXT_DAY)
    assert desk.kinds[-1] is OrderExpired


def test_between_two_days_of_bars_an_order_lives_to_the_next_close_and_no_longer():
    desk = Desk(start="15:00")
    desk.broker.on_bar(a_bar(10.0, period="1d", time=moment("15:00")))
    desk.send(an_order(1000, 9.5))
    desk.phase(Phase.CLOSED, "15:30")
    assert OrderExpired not in desk.kinds
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.phase(Phase.CLOSED, "15:30", NEXT_DAY)
    assert desk.kinds[-1] is OrderExpired


# ------------------------------------------------------------------ bars


def minute(n, **changes):
    """The bar of the n-th minute after 10:00."""
    return a_bar(time=moment("10:00") + n * 60 * SECOND, **changes)


def in_bars(start="09:59:30", **fields):
    """A paper account in the middle of a day of one-minute bars."""
    desk = Desk(start=start, **fields)
    desk.broker.on_bar(minute(-1))
    return desk


def test_the_bar_in_which_an_order_was_made_does_not_fill_it_and_the_next_does_at_its_open():
    desk = in_bars("10:00:30")
    desk.send(an_order(1000, 10.5))
    desk.broker.on_bar(minute(1, open=9.0, low=8.0))
    assert desk.fills == []
    desk.broker.on_bar(minute(2, open=10.2))
    assert desk.fills == [(10.2, 1000)]


def test_a_fill_off_any_tick_costs_the_account_its_turnover_rounded_half_up():
    desk = in_bars()  # prices as a user's own adjusted bars have them
    desk.send(an_order(1000, 10.5))
    desk.broker.on_bar(minute(2, open=10.00049495))
    (fill,) = (report for report in desk.reports if isinstance(report, Fill))
    assert (fill.price, fill.quantity) == (10.00049495, 1000)
    assert desk.snapshot.asset.cash == Decimal("1000000") - Decimal("10000.49") - fill.fees


def test_an_order_that_travels_into_a_bar_does_not_get_its_open():
    desk = in_bars()
    desk.to("10:01")
    desk.broker.on_bar(minute(1))
    desk.send(a_market_order(1000))  # arrives 50 ms into the second minute
    desk.broker.on_bar(minute(2, open=9.0, low=8.0))
    assert desk.fills == []
    desk.broker.on_bar(minute(3, open=10.2))
    assert desk.fills == [(10.2, 1000)]


def test_without_latency_an_order_made_when_a_bar_ends_is_filled_by_the_bar_that_begins():
    desk = in_bars(latency=0)
    desk.to("10:01")
    desk.broker.on_bar(minute(1))
    desk.send(a_market_order(1000))
    desk.broker.on_bar(minute(2, open=10.2))
    assert desk.fills == [(10.2, 1000)]


@pytest.mark.parametrize(
    ("period", "labels", "made", "at_open_of"),
    [
        pytest.param("1m", ["09:30", "09:31"], "09:10", "09:30", id="before the call"),
        pytest.param("1m", ["09:30", "09:31"], "09:20", "09:31", id="in the call"),
        pytest.param("1m", ["09:30", "09:31"], "09:26", "09:31", id="after the print"),
        pytest.param("1m", ["09:31", "09:32"], "09:26", "09:32", id="the print is in 09:31"),
        pytest.param("5m", ["09:35", "09:40"], "09:28", "09:40", id="the print is in 09:35"),
        pytest.param("60m", ["10:30", "11:30"], "09:30", "11:30", id="the print is in 10:30"),
        pytest.param("60m", ["10:30", "11:30", "14:00"], "12:00", "14:00", id="at lunch"),
    ],
)
def test_the_opening_print_in_a_days_first_bar_is_out_of_reach(period, labels, made, at_open_of):
    desk = Desk(start=made)
    desk.send(a_market_order(1000, 99.0))
    for number, label in enumerate(labels):
        if moment(label) > desk.clock.now():
            desk.to(label)
        desk.broker.on_bar(a_bar(period=period, time=moment(label), open=10.0 + number))
    assert desk.fills == [(10.0 + labels.index(at_open_of), 1000)]


def test_every_day_has_a_first_bar():
    desk = Desk(start="15:01")
    desk.broker.on_bar(a_bar(time=moment("15:00")))
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.to("09:26", NEXT_DAY)
    desk.send(a_market_order(1000))
    desk.broker.on_bar(a_bar(9.0, time=moment("09:31", NEXT_DAY)))
    assert desk.fills == []
    desk.broker.on_bar(a_bar(10.2, time=moment("09:32", NEXT_DAY)))
    assert desk.fills == [(10.2, 1000)]


def sent_at(label, *, period):
    """An order that the day's one bar left behind, and what became of it."""
    desk = Desk(start="09:00")
    desk.to(label)
    desk.send(an_order(1000, 11.0))
    desk.broker.on_bar(a_bar(period=period, time=moment("15:00")))
    desk.phase(Phase.CLOSED, "15:30")
    return desk


def test_an_order_within_a_daily_bar_is_told_why_it_expired():
    assert "order in on_bar" in sent_at("09:31", period="1d").reason
    assert sent_at("14:59:30", period="1m").reason == "the day ended"


def test_an_order_before_a_daily_bar_trades_in_it():
    assert sent_at("09:10", period="1d").kinds[-1] is Fill


def test_longer_bars_made_of_the_shorter_ones_fill_nobody():
    desk = in_bars()
    desk.send(an_order(1000, 9.9))
    desk.broker.on_bar(minute(1))
    desk.broker.on_bar(minute(15, period="5m", low=9.0))
    assert desk.fills == []


@pytest.mark.parametrize(
    ("order", "bar", "fills"),
    [
        pytest.param(an_order(100, 9.9), {"low": 9.89}, [(9.9, 100)], id="traded through"),
        pytest.param(an_order(100, 9.9), {"low": 9.9}, [], id="touched only"),
        pytest.param(an_order(100, 9.9), {"low": 9.95}, [], id="not reached"),
        pytest.param(an_order(100, 10.1), {"open": 10.0}, [(10.0, 100)], id="open is better"),
        pytest.param(a_sell(100, 10.2), {"high": 10.21}, [(10.2, 100)], id="sell, through"),
        pytest.param(a_sell(100, 10.2), {"high": 10.2}, [], id="sell, touched only"),
        pytest.param(
            an_order(1000, 10.5), {"volume": 2000}, [(10.0, 500)], id="a quarter of the volume"
        ),
        pytest.param(an_order(1000, 10.5), {"volume": 0}, [], id="a bar without trades"),
        pytest.param(
            an_order(100, 11.0),
            {"open": 11.0, "high": 11.0, "low": 11.0, "close": 11.0, "prev_close": 10.0},
            [],
            id="a buy in a bar sealed at limit up",
        ),
        pytest.param(
            a_sell(100, 11.0),
            {"open": 11.0, "high": 11.0, "low": 11.0, "close": 11.0, "prev_close": 10.0},
            [(11.0, 100)],
            id="a sell in a bar sealed at limit up",
        ),
        pytest.param(
            a_sell(100, 9.0),
            {"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0, "prev_close": 10.0},
            [],
            id="a sell in a bar sealed at limit down",
        ),
        pytest.param(
            an_order(100, 11.0),
            {"open": 11.0, "high": 11.0, "low": 10.9, "close": 11.0, "prev_close": 10.0},
            [(11.0, 100)],
            id="a buy at limit up in a bar that opened the seal",
        ),
        pytest.param(
            a_market_order(100, 10.2), {"open": 10.2}, [(10.2, 100)], id="market, at its protection"
        ),
        pytest.param(
            a_market_order(100, 10.2),
            {"open": 10.5, "low": 10.0},
            [],
            id="market, opened beyond its protection",
        ),
    ],
)
def test_a_later_bar_fills_at_its_open_or_at_a_limit_it_went_through(order, bar, fills):
    desk = in_bars(held={SYMBOL: 10_000})
    desk.send(order)
    desk.broker.on_bar(minute(1, **bar))
    assert desk.fills == fills


def test_what_a_bar_does_not_give_a_market_order_is_cancelled():
    desk = in_bars()
    desk.send(a_market_order(1000))
    desk.broker.on_bar(minute(1, volume=400))
    assert desk.fills == [(10.0, 100)]
    assert desk.snapshot.orders[0].status is OrderStatus.CANCELLED
    assert desk.snapshot.asset.frozen == 0


def test_orders_share_what_a_bar_lets_go():
    desk = in_bars()
    for name in "ab":
        desk.send(an_order(400, 10.5, id=name))
    desk.broker.on_bar(minute(1, volume=2000))
    assert desk.fills == [(10.0, 400), (10.0, 100)]


def test_a_day_bar_fills_orders_made_before_its_day_began():
    desk = Desk(start="15:00")
    desk.broker.on_bar(a_bar(9.0, period="1d", time=moment("15:00")))
    desk.send(an_order(1000, 10.5))
    desk.phase(Phase.CLOSED, "15:30")
    assert desk.fills == []
    desk.phase(Phase.PRE_OPEN, "00:00", NEXT_DAY)
    desk.broker.on_bar(a_bar(10.2, period="1d", time=moment("15:00", NEXT_DAY)))
    assert desk.fills == [(10.2, 1000)]


# ------------------------------------------------------------------ any day at all

SYMBOLS = (SYMBOL, "000001.SZ")
FUND = "510300.SH"  # its prices have three decimals, its bars let go of any number of shares
placed = st.tuples(
    st.just("order"),
    st.sampled_from([*SYMBOLS, FUND]),
    st.sampled_from(Side),
    st.integers(1, 40),  # lots
    st.integers(970, 1030),  # price in ticks
    st.booleans(),  # at market
)
quoted = st.tuples(
    st.just("quote"),
    st.sampled_from(SYMBOLS),
    st.integers(980, 1020),
    st.lists(st.integers(0, 20), min_size=5, max_size=5),
)
lived = st.tuples(st.just("bar"), st.integers(985, 1015), st.integers(0, 9_999))
cancelled = st.tuples(st.just("cancel"), st.integers(0, 20))
slept = st.just(("night",))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(placed, quoted, quoted, lived, cancelled, slept), max_size=60))
def test_a_ledger_fed_by_the_reports_equals_the_brokers_own_books(actions):
    desk = Desk(cash=100_000, held={SYMBOL: 3000}, start="09:31")
    ledger = Ledger(desk.clock, FEES, 10_000_000, {SYMBOL: (3000, 3_000_000)})
    book, orders, days = ledger.handlers(), [], 0
    desk.broker._report = lambda report: (desk.reports.append(report), book[type(report)](report))
    for action in actions:
        match action:
            case ("order", symbol, side, lots, price, market):
                make = a_market_order if market else an_order
                order = make(
                    lots * 100,
                    price / (1000 if symbol == FUND else 100),
                    id=f"q{len(orders)}",
                    symbol=symbol,
                    side=side,
                    time=desk.clock.now(),
                )
                orders.append(order)
                ledger.open(replace(order, status=OrderStatus.SUBMITTING))
                desk.broker.submit(Approved(order))
                desk.clock.advance(by=0.5)
            case ("quote", symbol, last, lots):
                desk.quote(last / 100, symbol=symbol, ask_lots=lots, bid_lots=lots[::-1])
            case ("bar", mills, volume):
                minute = (desk.clock.now() // MINUTE + 2) * MINUTE
                desk.clock.advance(to=minute)
                low = (mills - 5) / 1000
                desk.broker.on_bar(
                    a_bar(mills / 1000, symbol=FUND, time=minute, low=low, volume=volume)
                )
            case ("cancel", n) if n < len(orders):
                desk.cancel(orders[n])
            case ("night",):
                day = date.fromordinal(DAY.toordinal() + days)
                after = date.fromordinal(day.toordinal() + 1)
                days += 1
                for phase, time, when in (
                    (Phase.CLOSED, "15:30", day),
                    (Phase.PRE_OPEN, "00:00", after),
                ):
                    desk.phase(phase, time, when)
                    ledger.on_phase(SessionPhase(desk.clock.now(), when, phase))
                desk.to("09:31", after)
        same_books(desk, ledger, orders)


def cash_flow(reports):
    """Order id -> what its fills brought in all, to the cent."""
    turnover, fees = defaultdict(Decimal), Counter()
    for fill in (report for report in reports if isinstance(report, Fill)):
        sign = -1 if fill.side is Side.BUY else 1
        turnover[fill.order_id] += sign * Decimal(str(fill.price)) * fill.quantity
        fees[fill.order_id] += fill.fees
    return {
        order: exact.quantize(Decimal("0.01"), ROUND_HALF_UP) - fees[order]
        for order, exact in turnover.items()
    }


def same_books(desk, ledger, orders):
    theirs, ours = desk.snapshot, ledger.asset
    assert (theirs.asset.cash, theirs.asset.frozen) == (ours.cash, ours.frozen)
    assert ours.available >= 0
    shares = [(p.symbol, p.quantity, p.today, p.frozen) for p in theirs.positions]
    assert shares == [(p.symbol, p.quantity, p.today, p.frozen) for p in ledger.positions()]
    assert all(p.quantity >= 0 and p.sellable >= 0 for p in theirs.positions)
    assert ours.cash == 100_000 + sum(cash_flow(desk.reports).values())
    fills = [report for report in desk.reports if isinstance(report, Fill)]
    assert len({fill.deal_id for fill in fills}) == len(fills)
    for theirs in desk.snapshot.orders:
        order = next(o for o in orders if o.id == theirs.id)
        mine = ledger.order(order.id)
        done = [fill for fill in fills if fill.order_id == order.id]
        assert mine.filled == theirs.filled == sum(fill.quantity for fill in done)
        assert (mine.status, mine.fees) == (theirs.status, theirs.fees)
        assert mine.filled <= mine.quantity
        for fill in done:
            good = fill.price <= order.price
            assert good if order.side is Side.BUY else fill.price >= order.price


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([FUND, SYMBOL]),
    st.integers(101, 9_999),  # limit in ticks
    st.integers(1, 30),  # lots
    st.lists(st.tuples(st.integers(1, 900), st.integers(0, 2)), max_size=40),
)
def test_the_last_cent_pays_for_an_order_however_it_is_filled(symbol, ticks, lots, bars):
    unit = 1000 if symbol == FUND else 100
    order = an_order(lots * 100, ticks / unit, symbol=symbol, time=moment("10:00"))
    need = Ledger(ManualClock(), FEES, 0).claim(order)[1]
    desk = in_bars("10:00", cash=Decimal(need) / 100, latency=0)
    ledger = Ledger(desk.clock, FEES, need)
    book = ledger.handlers()
    desk.broker._report = lambda report: (desk.reports.append(report), book[type(report)](report))
    desk.broker.on_bar(minute(0, symbol=symbol))
    ledger.open(replace(order, status=OrderStatus.SUBMITTING))
    desk.send(order)
    assert desk.kinds == [OrderSubmitted, OrderAccepted]
    for n, (shares, cheaper) in enumerate(bars):
        price = max(1, ticks - cheaper) / unit
        desk.broker.on_bar(minute(1 + n, symbol=symbol, close=price, volume=shares * 4))
        cash, frozen = desk.snapshot.asset.cash, desk.snapshot.asset.frozen
        assert (cash, frozen) == (ledger.asset.cash, ledger.asset.frozen)
        assert cash >= frozen >= 0
