"""What a human asked of a run that ended before it came about is told by the next one."""

import pytest
from builders import FEES, SYMBOL, an_order, moment

from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.unfinished import unfinished
from qka.model.events import CancelRequested, OperatorCommand, OrderAccepted, OrderCancelled

OTHER = "000001.SZ"
ASKED = "li@desk asked for {} at 2026-01-05 10:01:00, and the engine ended: "
STILL_WORK = " still work; `qka cancel` takes them back"


def asked(command, args="", clock_time="10:01:00"):
    return OperatorCommand(moment(clock_time), command, args, "li@desk")


@pytest.fixture
def ledger():
    """300 shares held, and two orders that work: `a` on the same symbol, `b` on another."""
    ledger = Ledger(ManualClock(moment()), FEES, 10_000_000, {SYMBOL: (300, 300_000)})
    for order in (an_order(id="a"), an_order(id="b", symbol=OTHER)):
        ledger.open(order)
        ledger.apply(OrderAccepted(moment(), order.id))
    return ledger


@pytest.mark.parametrize(
    ("command", "args", "left"),
    [
        ("cancel", "b", "b (000001.SZ)"),
        ("cancel", "a b", "a (600000.SH), b (000001.SZ)"),
        ("cancel-all", "", "a (600000.SH), b (000001.SZ)"),
        ("cancel-all", SYMBOL, "a (600000.SH)"),
    ],
)
def test_a_cancel_that_never_left_is_told(ledger, command, args, left):
    told = unfinished([asked(command, args)], ledger)
    assert told == [ASKED.format(command) + left + STILL_WORK]


def test_one_that_left_or_has_nothing_to_do_any_more_is_not(ledger):
    ledger.apply(CancelRequested(moment(), "a"))
    ledger.apply(CancelRequested(moment(), "b"))
    ledger.apply(OrderCancelled(moment(), "b", ""))
    assert unfinished([asked("cancel-all"), asked("cancel", "a b c")], ledger) == []


def test_an_order_that_came_after_all_were_to_be_cancelled_is_not_meant(ledger):
    ledger.open(an_order(id="c", time=moment("10:02")))
    assert "c (" not in unfinished([asked("cancel-all")], ledger)[0]


def test_what_was_asked_for_twice_is_told_once(ledger):
    again = asked("cancel", "a", "10:02:00")
    told = unfinished([asked("cancel-all"), again], ledger)
    assert [line.split(", ")[0] for line in told] == [
        "li@desk asked for cancel at 2026-01-05 10:02:00",
        "li@desk asked for cancel-all at 2026-01-05 10:01:00",
    ]


def test_shares_that_were_to_be_sold_are_told_with_the_orders_on_them(ledger):
    orders, shares = unfinished([asked("flatten", SYMBOL)], ledger)
    assert orders == ASKED.format("flatten") + "a (600000.SH)" + STILL_WORK
    assert shares == ASKED.format("flatten") + (
        "300 600000.SH are still held, and nothing of them is sold by itself; "
        "`qka flatten` begins anew"
    )


def test_the_sells_of_a_flatten_are_not_what_it_was_to_cancel(ledger):
    """They are made at the very moment of the command, and are what was asked for."""
    ledger.apply(OrderCancelled(moment(), "a", ""))
    ledger.apply(OrderCancelled(moment(), "b", ""))
    ledger.open(an_order(id="s", side="sell", quantity=300, time=moment("10:01")))
    (told,) = unfinished([asked("flatten")], ledger)
    assert "300 600000.SH are still held" in told


def test_who_resumed_the_trading_has_ended_that(ledger):
    told = unfinished([asked("flatten"), asked("cancel-all"), asked("resume")], ledger)
    assert [line.split(" at ")[0] for line in told] == ["li@desk asked for cancel-all"]


def test_nothing_was_asked(ledger):
    assert unfinished([], ledger) == []
