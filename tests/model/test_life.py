"""The life of an order: every report in every state, and any storm of reports."""

from decimal import Decimal

import pytest
from builders import a_fill, an_order
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from qka.model.events import (
    REPORTS,
    CancelRefused,
    CancelRequested,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.life import after
from qka.model.money import cents, yuan
from qka.model.order import FINAL, OrderStatus

S = OrderStatus
PART, WHOLE = "a part fills", "all fills"

# state -> what each report makes of it; a report that is not named leaves the state as it is
ENDS = {
    OrderRejected: S.REJECTED,
    OrderCancelled: S.CANCELLED,
    OrderExpired: S.EXPIRED,
    WHOLE: S.FILLED,
}
ANYWHERE = {
    **ENDS,
    CancelRequested: S.PENDING_CANCEL,
    OrderUnknown: S.UNKNOWN,
    PART: S.PARTIALLY_FILLED,
}
NAMED = {OrderSubmitted: S.SUBMITTED, OrderAccepted: S.ACCEPTED}
OUTCOMES = {
    S.NEW: {**ANYWHERE, **NAMED},
    S.SUBMITTING: {**ANYWHERE, **NAMED},
    S.SUBMITTED: {**ANYWHERE, OrderAccepted: S.ACCEPTED},
    S.ACCEPTED: ANYWHERE,
    S.PARTIALLY_FILLED: ANYWHERE,
    # 51 and 52 can still fill, and stay what they are
    S.PENDING_CANCEL: {
        **ANYWHERE,
        CancelRefused: S.ACCEPTED,
        PART: S.PENDING_CANCEL,
    },
    # only the broker's evidence leads out: our own wish to cancel is none
    S.UNKNOWN: {**ENDS, **NAMED, PART: S.PARTIALLY_FILLED},
    **{state: {} for state in FINAL},
}


def report(kind, time=1, **fields):
    return kind(time, "a", **fields)


@pytest.mark.parametrize("state", list(S), ids=str)
@pytest.mark.parametrize(
    "kind", [*REPORTS, PART, WHOLE], ids=lambda kind: getattr(kind, "__name__", kind)
)
def test_every_report_in_every_state_has_one_decided_outcome(state, kind):
    order = an_order(1000, status=state)
    if kind == PART:
        event = a_fill(400)
    elif kind == WHOLE:
        event = a_fill(1000)
    else:
        event = report(kind)
    changed = after(order, event)
    assert changed.status is OUTCOMES[state].get(kind, state)
    assert changed.filled == {PART: 400, WHOLE: 1000}.get(kind, 0)


def test_a_refused_cancel_of_a_partly_filled_order_is_partly_filled_again():
    order = an_order(1000, status=S.PENDING_CANCEL, filled=300)
    assert after(order, report(CancelRefused)).status is S.PARTIALLY_FILLED


def test_an_acceptance_that_comes_after_a_fill_does_not_hide_the_fill():
    order = after(after(an_order(1000, status=S.SUBMITTING), a_fill(300)), report(OrderAccepted))
    assert order.status is S.PARTIALLY_FILLED
    assert order.filled == 300


@pytest.mark.parametrize("kind", [OrderSubmitted, OrderAccepted])
def test_a_partly_filled_order_found_again_is_still_partly_filled(kind):
    order = after(an_order(1000, status=S.UNKNOWN, filled=300), report(kind, broker_id="7"))
    assert order.status is S.PARTIALLY_FILLED
    assert (order.filled, order.broker_id) == (300, "7")


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_late_fill_is_counted_and_the_final_state_stays(state):
    order = after(an_order(1000, status=state, filled=200), a_fill(300, 10.0))
    assert order.status is state
    assert order.filled == 500
    assert order.turnover == Decimal("3000.00")


def test_a_report_that_says_nothing_new_gives_back_the_very_same_order():
    order = an_order(1000, status=S.ACCEPTED, broker_id="7")
    for stale in (
        report(OrderSubmitted, broker_id="7"),
        report(OrderAccepted, broker_id="7"),
        report(CancelRefused),
    ):
        assert after(order, stale) is order


def test_the_brokers_number_and_reason_are_kept():
    order = after(an_order(status=S.SUBMITTING), report(OrderSubmitted, broker_id="1082"))
    order = after(order, report(OrderAccepted))
    assert order.broker_id == "1082"
    assert after(order, report(OrderRejected, reason="no such price")).reason == "no such price"


def test_the_number_may_come_after_the_end():
    order = after(an_order(status=S.CANCELLED), report(OrderSubmitted, broker_id="1082"))
    assert (order.status, order.broker_id) == (S.CANCELLED, "1082")


storm = st.lists(
    st.one_of(
        st.sampled_from(REPORTS),
        st.tuples(st.integers(1, 8), st.integers(1, 500), st.integers(900, 1100)),
    ),
    max_size=30,
)


@given(storm)
def test_whatever_comes_in_whatever_order_fills_add_up_and_a_final_state_stays(events):
    order = an_order(1000, status=S.SUBMITTING)
    filled, turnover, ended = 0, 0, None
    for n, event in enumerate(events):
        if isinstance(event, tuple):
            _, shares, price = event
            event = a_fill(shares, price / 100, deal_id=str(n), fees=Decimal("0.01"))
            filled += shares
            turnover += cents(event.price, shares)
        else:
            event = report(event)
        before = order
        order = after(order, event)
        assert (order.filled, order.turnover) == (filled, yuan(turnover))
        if ended is not None:
            assert order.status is ended
        elif order.status in FINAL:
            ended = order.status
        if before.status is S.UNKNOWN and order.status is not S.UNKNOWN:
            evidence = (OrderSubmitted, OrderAccepted, OrderRejected, OrderCancelled, OrderExpired)
            assert isinstance(event, (Fill, *evidence))
        if order.status is S.FILLED:
            assert order.filled >= order.quantity
        if order.status not in FINAL:
            assert order.filled < order.quantity


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_the_reports_of_one_life_in_any_order_end_in_the_same_books(order_of, repeats):
    fills = [a_fill(250, 10.0, deal_id=str(n)) for n in range(4)]
    reports = [report(OrderSubmitted, broker_id="9"), report(OrderAccepted, broker_id="9"), *fills]
    order = an_order(1000, status=S.SUBMITTING)
    for n in order_of:
        order = after(order, reports[n])
        if n < 2:
            for _ in range(repeats.count(n)):  # pushed again and again
                order = after(order, reports[n])
    assert order.status is S.FILLED
    assert order.filled == 1000
    assert order.turnover == Decimal("10000.00")
    assert order.broker_id == "9"


def test_a_turnover_is_exact_to_a_tenth_of_a_cent():
    order = an_order(300, 1.005)
    for shares in (33, 67):
        order = after(order, a_fill(shares, 1.005))
    assert order.turnover == Decimal("100.5")
    assert after(order, a_fill(1, 1.005)).turnover == Decimal("101.505")


def test_the_average_price_is_that_of_the_fills():
    order = an_order(300)
    assert order.average_price == 0.0
    for shares, price in ((100, 10.0), (200, 10.3)):
        order = after(order, a_fill(shares, price))
    assert order.average_price == pytest.approx(10.2)
    assert order.remaining == 0
    assert order.is_final
    assert not replace(order, status=S.UNKNOWN).is_final
