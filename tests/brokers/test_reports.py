"""What the broker said of our orders, whatever the link did to it on the way."""

from decimal import Decimal

import pytest
from builders import FEES, NEXT_DAY, SYMBOL, an_order, moment
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from qka.brokers.records import (
    XtAsset,
    XtCancelError,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderError,
    XtOrderResponse,
    XtTrade,
)
from qka.brokers.reports import Reports
from qka.brokers.snapshot import snapshot_of
from qka.clock import ManualClock
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.life import after
from qka.model.order import Order, OrderStatus
from qka.model.times import SECOND

NUMBER = 1082  # the terminal's
T0 = moment("10:00") // SECOND


def record(status: int, traded: int = 0, **changes) -> XtOrder:
    fields = {
        "stock_code": SYMBOL,
        "order_id": NUMBER,
        "order_sysid": "" if status in (48, 49) else "S1",
        "order_time": T0,
        "order_type": 23,
        "order_volume": 1000,
        "price_type": 50,
        "price": 10.0,
        "traded_volume": traded,
        "order_status": status,
        "order_remark": "a",
    }
    return XtOrder(**{**fields, **changes})


def deal(quantity: int = 1000, price: float = 10.0, **changes) -> XtTrade:
    fields = {
        "stock_code": SYMBOL,
        "order_type": 23,
        "traded_id": "T1",
        "traded_time": T0 + 3,
        "traded_price": price,
        "traded_volume": quantity,
        "order_id": NUMBER,
        "order_sysid": "S1",
        "order_remark": "a",
    }
    return XtTrade(**{**fields, **changes})


class Desk:
    """The engine's side: it knows of an order only what is reported."""

    def __init__(self, *orders: Order) -> None:
        self.clock = ManualClock(moment("10:00:05"))
        self.said, self.strangers, self.asked = [], [], []
        self.orders: dict[str, Order] = {}
        self.reports = Reports(
            self._hear,
            FEES,
            self.clock.now,
            unsettled=self.asked.append,
            external=self.strangers.append,
        )
        for order in orders or (an_order(),):
            self.orders[order.id] = replace(order, status=OrderStatus.SUBMITTING)
            self.reports.track(self.orders[order.id])

    def _hear(self, event) -> None:
        self.said.append(event)
        self.orders[event.order_id] = after(self.orders[event.order_id], event)

    def cancel(self, order_id: str = "a") -> None:
        asked = CancelRequested(self.clock.now(), order_id)
        self.orders[order_id] = after(self.orders[order_id], asked)
        self.reports.cancelling(order_id)

    def hear(self, *records) -> "Desk":
        for item in records:
            match item:
                case XtOrderResponse():
                    self.reports.answered(item.order_remark, item)
                case XtOrder():
                    self.reports.push("order", item)
                case XtTrade():
                    self.reports.push("trade", item)
                case XtOrderError():
                    self.reports.push("order_error", item)
                case XtCancelError():
                    self.reports.push("cancel_error", item)
        return self

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.said]

    @property
    def order(self) -> Order:
        return self.orders["a"]

    @property
    def fills(self) -> list[tuple[str, float, int]]:
        fills = [event for event in self.said if isinstance(event, Fill)]
        return [(fill.deal_id, fill.price, fill.quantity) for fill in fills]


ANSWER = XtOrderResponse(order_id=NUMBER, order_remark="a", seq=1)
REFUSAL = XtOrderResponse(order_id=-1, order_remark="a", error_msg="资金不足")

# ------------------------------------------------------------------ an order's life


def test_an_order_is_named_accepted_and_filled():
    desk = Desk().hear(ANSWER, record(49), record(50), deal(), record(56, 1000))
    assert desk.kinds == [OrderSubmitted, OrderAccepted, Fill]
    assert (desk.order.status, desk.order.broker_id) == (OrderStatus.FILLED, "1082")
    assert desk.reports.number_of("a") == NUMBER
    assert desk.strangers == []


def test_a_push_may_come_before_the_answer_that_names_the_order():
    desk = Desk().hear(record(50), deal(400), ANSWER)
    assert desk.kinds == [OrderAccepted, Fill]
    assert desk.order.status is OrderStatus.PARTIALLY_FILLED


def test_a_deal_alone_says_that_the_exchange_has_the_order():
    desk = Desk().hear(deal(400))
    assert desk.kinds == [OrderAccepted, Fill]
    assert desk.order.broker_id == "1082"


def test_the_day_pushed_again_says_nothing_new():
    day = [ANSWER, record(49), record(50), deal(400), record(55, 400), deal(600, traded_id="T2")]
    desk = Desk().hear(*day, *day, *day)
    assert desk.fills == [("T1", 10.0, 400), ("T2", 10.0, 600)]
    assert desk.kinds == [OrderSubmitted, OrderAccepted, Fill, Fill]


def test_the_dust_of_floats_is_wiped_off_prices():
    assert Desk().hear(deal(price=11.370000000000001)).fills == [("T1", 11.37, 1000)]


def test_fees_are_ours_by_the_orders_whole_turnover_and_never_the_terminals():
    desk = Desk().hear(deal(400, commission=99.0), deal(600, traded_id="T2"))
    fees = [event.fees for event in desk.said if isinstance(event, Fill)]
    assert fees == [Decimal("5.04"), Decimal("0.06")]
    assert desk.order.fees == Decimal("5.10")


def test_fees_are_of_the_exact_turnover_rounded_once_an_order():
    fund = "510300.SH"
    order = an_order(19_980, 1.003, symbol=fund)
    deals = (
        deal(9_975, 1.001, stock_code=fund),
        deal(10_005, 1.003, stock_code=fund, traded_id="T2"),
    )
    desk = Desk(order).hear(*deals)
    assert desk.order.turnover == Decimal("20019.990")  # cent by cent it would be 20,020.00
    assert desk.order.fees == Decimal("5.00")
    there = snapshot_of(
        XtAsset(),
        [],
        [record(56, 19_980, stock_code=fund, order_volume=19_980, price=1.003)],
        deals,
        FEES,
        desk.clock.now(),
    )
    assert sum(fill.fees for fill in there.deals) == Decimal("5.00")


def test_a_fill_is_of_the_moment_it_was_dealt_but_never_before_its_order():
    order = an_order(time=moment("10:00:02"))
    desk = Desk(order).hear(deal(400), deal(600, traded_id="T2", traded_time=T0 + 1))
    times = [event.time for event in desk.said if isinstance(event, Fill)]
    assert times == [moment("10:00:03"), moment("10:00:02")]


def test_withdrawals_among_the_deals_are_none():
    assert Desk().hear(deal(0), deal(-100)).fills == []


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([REFUSAL], id="by the answer"),
        pytest.param(
            [XtOrderError(order_id=-1, order_remark="a", error_msg="资金不足")], id="by the error"
        ),
        pytest.param([record(57, status_msg="资金不足")], id="by the order's status"),
        pytest.param([ANSWER, record(49), record(57, status_msg="资金不足")], id="late"),
    ],
)
def test_a_refused_order_is_rejected_with_the_brokers_words(records):
    desk = Desk().hear(*records, *records)
    assert desk.kinds[-1] is OrderRejected
    assert desk.kinds.count(OrderRejected) == 1
    assert (desk.order.status, desk.order.reason) == (OrderStatus.REJECTED, "资金不足")


def test_a_refusal_without_a_word_says_so():
    desk = Desk().hear(XtOrderResponse(order_id=-1, order_remark="a"))
    assert "no reason" in desk.order.reason


def test_an_old_error_that_comes_again_does_not_touch_the_next_order():
    """The SDK hands out the previous error once more when its order_id was -1."""
    desk = Desk(an_order(), an_order(id="b"))
    stale = XtOrderError(order_id=-1, order_remark="a", error_msg="资金不足", seq=1)
    desk.hear(stale, stale, replace(ANSWER, order_remark="b"))
    assert desk.order.status is OrderStatus.REJECTED
    assert desk.orders["b"].status is OrderStatus.SUBMITTED


def test_a_refusal_of_an_order_that_the_exchange_has_is_doubted_not_believed():
    desk = Desk().hear(record(50), REFUSAL)
    assert desk.order.status is OrderStatus.ACCEPTED
    assert desk.asked == ["a"]
    desk.reports.reconcile([record(50)], [])
    assert desk.reports.is_settled("a")


# ------------------------------------------------------------------ deals behind


def test_a_final_status_waits_for_its_deals():
    desk = Desk().hear(record(50), record(53, 400))
    assert OrderCancelled not in desk.kinds
    assert desk.asked
    assert desk.reports.open_orders()
    desk.hear(deal(400))
    assert desk.kinds[-2:] == [Fill, OrderCancelled]
    assert desk.reports.is_settled("a")


def test_a_filled_order_waits_for_its_deals():
    desk = Desk().hear(record(56, 1000))
    assert desk.order.status is OrderStatus.ACCEPTED
    assert not desk.reports.is_settled("a")
    desk.reports.reconcile([record(56, 1000)], [deal()])
    assert desk.order.status is OrderStatus.FILLED
    assert desk.reports.is_settled("a")


def test_an_order_ahead_of_its_deals_asks_for_them():
    desk = Desk().hear(record(55, 700), deal(400))
    assert not desk.reports.is_settled("a")
    desk.hear(deal(300, traded_id="T2"))
    assert desk.reports.is_settled("a")


def test_a_late_fill_of_a_cancelled_order_is_still_a_fill():
    desk = Desk().hear(record(50), record(54), deal(400))
    assert desk.order.status is OrderStatus.CANCELLED
    assert desk.order.filled == 400


def test_deals_without_an_id_are_told_apart_by_what_they_are():
    one, other = deal(400, traded_id=""), deal(600, traded_id="")
    desk = Desk().hear(one, one, other)
    assert [quantity for _, _, quantity in desk.fills] == [400, 600]
    assert len({deal_id for deal_id, _, _ in desk.fills}) == 2


def test_a_deal_without_an_id_that_a_snapshot_has_told_is_not_told_again():
    one, other = deal(400, traded_id=""), deal(600, traded_id="")
    desk = Desk(an_order(id="b"))
    snapshot = snapshot_of(XtAsset(), [], [record(55, 400)], [one], FEES, moment())
    desk.orders["a"] = snapshot.orders[0]
    desk.reports.adopt(snapshot)
    desk.hear(one, other)
    assert [quantity for _, _, quantity in desk.fills] == [600]
    assert desk.order.status is OrderStatus.FILLED


def test_an_order_of_an_earlier_run_goes_on_where_it_was_left():
    before = Desk().hear(ANSWER, record(50), deal(400))
    desk = Desk(an_order(id="b"))
    desk.orders["a"] = before.order
    desk.reports.track(before.order, [event for event in before.said if isinstance(event, Fill)])
    desk.hear(record(55, 400, order_remark=""), deal(400, order_remark=""))
    assert desk.said == []
    desk.hear(deal(100, traded_id="T2"), record(54, 500))
    assert [quantity for _, _, quantity in desk.fills] == [100]
    assert (desk.order.status, desk.order.filled) == (OrderStatus.CANCELLED, 500)


def test_an_order_that_was_to_be_cancelled_before_it_had_a_number_can_be_unknown():
    left = an_order(status=OrderStatus.PENDING_CANCEL)  # by an engine that died
    desk = Desk(an_order(id="b"))
    desk.orders["a"] = left
    desk.reports.track(left)
    desk.reports.unknown("a", "the engine died")
    assert desk.order.status is OrderStatus.UNKNOWN
    assert desk.asked == ["a"]
    desk.hear(record(50))
    assert (desk.order.status, desk.order.broker_id) == (OrderStatus.ACCEPTED, str(NUMBER))


def test_one_that_is_refused_then_was_refused():
    left = an_order(status=OrderStatus.PENDING_CANCEL)
    desk = Desk(an_order(id="b"))
    desk.orders["a"] = left
    desk.reports.track(left)
    desk.hear(REFUSAL)
    assert desk.order.status is OrderStatus.REJECTED


# ------------------------------------------------------------------ cancels


def test_a_cancel_pending_at_the_terminal_is_not_cancelled_and_can_fill():
    desk = Desk().hear(record(50), record(51))
    assert desk.order.status is OrderStatus.PENDING_CANCEL
    desk.hear(deal(1000), record(56, 1000))
    assert desk.order.status is OrderStatus.FILLED


def test_a_refused_cancel_leaves_the_order_working():
    desk = Desk().hear(record(50))
    desk.cancel()
    desk.hear(record(51), XtCancelError(order_id=NUMBER, error_msg="不可撤"))
    assert (desk.kinds[-1], desk.said[-1].reason) == (CancelRefused, "不可撤")
    assert desk.order.status is OrderStatus.ACCEPTED
    desk.hear(record(51))  # an old push
    assert desk.order.status is OrderStatus.ACCEPTED


def test_a_cancel_error_is_matched_by_the_counters_number_too():
    desk = Desk().hear(record(50))
    desk.cancel()
    desk.hear(XtCancelError(order_id=0, market=0, order_sysid="S1", error_msg="不可撤"))
    assert desk.order.status is OrderStatus.ACCEPTED


def test_a_cancel_that_the_terminal_refused_at_once():
    desk = Desk().hear(record(50))
    desk.cancel()
    desk.reports.cancel_answered("a", XtCancelOrderResponse(cancel_result=0))
    assert desk.order.status is OrderStatus.PENDING_CANCEL
    desk.reports.cancel_answered("a", XtCancelOrderResponse(cancel_result=-1, error_msg="不可撤"))
    assert desk.order.status is OrderStatus.ACCEPTED


def test_an_old_push_does_not_undo_a_pending_cancel_but_a_query_does():
    desk = Desk().hear(record(50))
    desk.cancel()
    desk.hear(record(50))
    assert desk.order.status is OrderStatus.PENDING_CANCEL
    desk.reports.reconcile([record(50)], [], cancelling=["a"])
    assert desk.order.status is OrderStatus.PENDING_CANCEL
    desk.reports.reconcile([record(50)], [])
    assert desk.order.status is OrderStatus.ACCEPTED


def test_a_cancel_without_an_answer_is_resolved_by_the_order():
    desk = Desk().hear(record(50))
    desk.cancel()
    desk.reports.cancel_unknown("a")
    assert desk.asked == ["a"]
    desk.reports.reconcile([record(54)], [])
    assert desk.order.status is OrderStatus.CANCELLED
    assert desk.reports.is_settled("a")


@pytest.mark.parametrize("listed", [record(49), record(51)], ids=["on its way", "being cancelled"])
def test_a_list_does_not_settle_what_became_doubtful_after_it_was_asked_for(listed):
    desk = Desk().hear(record(49))
    desk.cancel()
    desk.reports.cancel_unknown("a")
    since = desk.reports.news
    desk.hear(record(50))  # the cancel was lost, or this one is old
    desk.reports.reconcile([listed], [], since=since)
    assert not desk.reports.is_settled("a")
    desk.reports.reconcile([record(50)], [], since=desk.reports.news)
    assert desk.order.status is OrderStatus.ACCEPTED
    assert desk.reports.is_settled("a")


def test_a_list_from_before_a_cancel_by_hand_does_not_call_it_refused():
    desk = Desk().hear(record(50))
    since = desk.reports.news
    desk.hear(record(51))
    desk.reports.reconcile([record(50)], [], since=since)
    assert desk.order.status is OrderStatus.PENDING_CANCEL
    desk.hear(record(54))
    assert CancelRefused not in desk.kinds


# ------------------------------------------------------------------ unknown outcomes


def test_an_order_without_an_answer_is_unknown_until_its_remark_is_found():
    desk = Desk()
    desk.reports.unknown("a", "no answer in 10 s")
    assert desk.order.status is OrderStatus.UNKNOWN
    desk.reports.reconcile([record(50, order_remark="other", order_id=7)], [])
    assert desk.order.status is OrderStatus.UNKNOWN
    desk.reports.reconcile([record(50)], [])
    assert desk.order.status is OrderStatus.ACCEPTED


def test_no_answer_is_no_news_when_the_orders_records_came():
    desk = Desk().hear(record(50))
    desk.reports.unknown("a", "no answer in 10 s")
    assert desk.kinds == [OrderAccepted]


def test_a_late_answer_resolves_an_unknown_order():
    desk = Desk()
    desk.reports.unknown("a", "no answer in 10 s")
    desk.hear(REFUSAL)
    assert desk.order.status is OrderStatus.REJECTED


@pytest.mark.parametrize("code", [255, 77])
def test_a_status_nobody_knows_is_unknown_and_looked_up(code):
    desk = Desk().hear(record(50), record(code))
    assert desk.kinds == [OrderAccepted, OrderUnknown]
    assert desk.asked == ["a"]
    desk.reports.reconcile([record(54)], [])
    assert desk.order.status is OrderStatus.CANCELLED


def test_not_sent_is_rejected():
    desk = Desk()
    desk.reports.not_sent("a", "not sent: the link is down")
    assert desk.order.status is OrderStatus.REJECTED


# ------------------------------------------------------------------ others' orders, other days


def test_orders_of_others_are_told_once_and_never_raise():
    manual, dealt = record(50, order_remark="", order_id=5), deal(order_remark="", order_id=5)
    desk = Desk().hear(manual, manual, dealt, dealt, XtCancelError(order_id=5), XtOrderError())
    assert desk.said == []
    assert desk.strangers[:2] == [manual, dealt]
    assert len(desk.strangers) == 3


def test_a_record_that_lost_its_remark_is_known_by_its_number():
    desk = Desk().hear(ANSWER, record(50, order_remark=""), deal(order_remark=""))
    assert desk.order.status is OrderStatus.FILLED


def test_the_same_number_on_another_day_is_another_order():
    desk = Desk().hear(ANSWER, record(50))
    tomorrow = moment("10:00", NEXT_DAY) // SECOND
    desk.hear(deal(order_remark="", order_sysid="", traded_time=tomorrow))
    assert desk.fills == []
    assert len(desk.strangers) == 1


def test_an_answer_that_is_found_on_a_later_day_does_not_claim_todays_number():
    desk = Desk()
    desk.reports.unknown("a", "silence")
    desk.clock.advance(to=moment("10:00", NEXT_DAY))
    desk.hear(ANSWER)
    assert desk.order.status is OrderStatus.SUBMITTED
    assert desk.reports.number_of("a") == 0
    today = moment("10:00", NEXT_DAY) // SECOND
    desk.hear(record(56, 1000, order_time=today, order_remark=""))
    desk.hear(deal(traded_time=today, order_remark=""))
    assert (desk.order.status, desk.fills) == (OrderStatus.SUBMITTED, [])
    assert len(desk.strangers) == 2


def test_the_same_number_for_another_symbol_is_another_order():
    desk = Desk().hear(ANSWER, record(54, order_remark="", stock_code="000001.SZ"))
    assert desk.order.status is OrderStatus.SUBMITTED


def test_what_is_final_is_forgotten_after_its_day_and_what_works_is_not():
    desk = Desk(an_order(), an_order(id="b"))
    desk.hear(record(54), record(50, order_remark="b", order_id=NUMBER + 1))
    desk.reports.forget(NEXT_DAY)
    assert desk.reports.order_of("a") is None
    assert desk.reports.order_of("b") is not None


# ------------------------------------------------------------------ the end of the day


def test_the_end_of_the_day_takes_what_is_left():
    desk = Desk().hear(record(50), deal(400))
    desk.reports.expire(moment("15:00"), [record(50, 400)], "the day ended")
    assert desk.order.status is OrderStatus.EXPIRED


def test_the_end_of_the_day_leaves_what_is_not_settled_and_what_was_made_after_it():
    desk = Desk(an_order(), an_order(id="b", time=moment("15:01")))
    desk.hear(record(55, 400))
    desk.reports.expire(moment("15:00"), [record(55, 400)], "the day ended")
    assert desk.order.status is OrderStatus.ACCEPTED
    assert desk.orders["b"].status is OrderStatus.SUBMITTING


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        pytest.param([record(50, order_remark="other")], OrderStatus.EXPIRED, id="not listed"),
        pytest.param([record(50)], OrderStatus.UNKNOWN, id="listed"),
        pytest.param([], OrderStatus.UNKNOWN, id="an empty list may be a failed query"),
    ],
)
def test_an_unknown_order_ends_only_when_the_ended_days_list_lacks_it(listed, status):
    desk = Desk()
    desk.reports.unknown("a", "no answer")
    desk.reports.expire(moment("15:00"), listed, "the day ended")
    assert desk.order.status is status


# ------------------------------------------------------------------ any link at all

SHARES = 1000


@st.composite
def histories(draw):
    """What truly happens to an order: its records in order, and the last state of each kind."""
    trades, left = [], SHARES
    for n in range(draw(st.integers(0, 4))):
        shares = draw(st.integers(1, 4)) * 100
        if shares <= left:
            left -= shares
            price = draw(st.integers(990, 1000)) / 100
            trades.append(deal(shares, price, traded_id=f"T{n}", traded_time=T0 + 3 + n))
    end = draw(st.sampled_from(["filled", "cancelled", "working", "rejected"]))
    if end == "rejected":
        last = record(57, status_msg="资金不足")
        error = XtOrderError(order_id=NUMBER, order_remark="a", error_msg="资金不足")
        return [ANSWER, record(49), last, error], last, []
    if end == "filled" and left:
        trades.append(deal(left, 10.0, traded_id="T9", traded_time=T0 + 60))
        left = 0
    events = [ANSWER, record(48), record(49), record(50)]
    done = 0
    for trade in trades:
        done += trade.traded_volume
        status = record(56 if done == SHARES else 55, done)
        events += draw(st.permutations([trade, status]))
    if end == "cancelled" and left:
        events += [record(52 if done else 51, done), record(53 if done else 54, done)]
    orders = [event for event in events if isinstance(event, XtOrder)]
    return events, orders[-1], trades


@st.composite
def deliveries(draw):
    """A history as some link may deliver it, lost parts made good by a query at the end."""
    events, last, trades = draw(histories())
    sent = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=6))))
    kept = [event for event in sent if draw(st.booleans() | st.just(True))]
    return events, kept, last, trades


def what_matters(order: Order):
    return (order.status, order.filled, order.turnover, order.fees)


def truth(events, last, trades):
    desk = Desk().hear(*events)
    desk.reports.reconcile([last], trades)
    return desk


@settings(max_examples=400, deadline=None)
@given(deliveries(), st.integers(0, 12), st.booleans(), st.booleans())
def test_any_delivery_of_the_same_history_ends_the_same(delivery, at, timed_out, cancelled):
    events, kept, last, trades = delivery
    desk = Desk()
    for place, event in enumerate(kept):
        if place == at and cancelled:
            desk.cancel()
        if place == at and timed_out:
            desk.reports.unknown("a", "no answer")
        desk.hear(event)
        assert desk.order.filled == sum(quantity for _, _, quantity in desk.fills)
        assert desk.order.filled <= SHARES
    desk.reports.reconcile([last], trades)
    right = truth(events, last, trades)
    assert what_matters(desk.order) == what_matters(right.order)
    assert sorted(desk.fills) == sorted(right.fills)
    assert desk.reports.is_settled("a")
    assert replace(desk.reports.order_of("a"), reason="") == replace(desk.order, reason="")
    said = len(desk.said)
    desk.hear(*kept).reports.reconcile([last], trades)
    assert desk.order.status in (right.order.status, OrderStatus.PENDING_CANCEL)
    assert len([e for e in desk.said[said:] if not isinstance(e, CancelRequested)]) <= 1


@settings(max_examples=200, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_a_finished_history_needs_no_query_when_nothing_is_lost(history, random):
    events, last, trades = history
    if last.order_status not in (53, 54, 56, 57):
        return
    shuffled = events * 2
    random.shuffle(shuffled)
    desk = Desk().hear(*shuffled)
    assert what_matters(desk.order) == what_matters(truth(events, last, trades).order)
    assert desk.reports.is_settled("a")
    assert len(desk.fills) == len(trades)
