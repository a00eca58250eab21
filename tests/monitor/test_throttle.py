"""How much a human gets: so much of a kind, little at night, and a word on what was left out."""

import pytest
from builders import NEXT_DAY, moment

from qka.model.events import Severity
from qka.model.times import SECOND
from qka.monitor.messages import Message
from qka.monitor.throttle import Quiet, Throttle

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


def a_message(time, kind="link", severity=WARNING, asked=False):
    return Message(kind, severity, "title", "body", time, asked)


def summed_up(kind, held, count, loudest):
    return Message(kind, loudest, "summary", f"{count}: {len(held)} shown", 0)


def throttle(most=2, window=60.0, quiet=None):
    return Throttle(most, window, quiet, summed_up)


def test_so_many_of_a_kind_pass_in_a_window_and_the_rest_is_counted_afterwards():
    held = throttle()
    start = moment("10:00")
    assert [held.admit(a_message(start + n * SECOND)) for n in range(10)] == [True] * 2 + [
        False
    ] * 8
    assert list(held.due(start + 59 * SECOND)) == []
    (told,) = held.due(start + 60 * SECOND)
    assert (told.kind, told.severity, told.body) == ("link", WARNING, "8: 5 shown")
    assert not held.holds
    assert held.admit(a_message(start + 61 * SECOND))


def test_kinds_do_not_hold_each_other_up():
    held = throttle(most=1)
    assert held.admit(a_message(moment(), "link"))
    assert not held.admit(a_message(moment(), "link"))
    assert held.admit(a_message(moment(), "halt"))


def test_a_summary_is_as_loud_as_the_loudest_that_it_stands_for():
    held = throttle(most=1)
    for severity in (WARNING, ERROR, *[INFO] * 10):
        held.admit(a_message(moment(), "engine", severity))
    (told,) = held.rest()
    assert told.severity is ERROR


def test_what_is_held_at_the_end_is_told():
    held = throttle(most=1)
    for _ in range(3):
        held.admit(a_message(moment()))
    assert held.holds
    assert [told.body for told in held.rest()] == ["2: 2 shown"]
    assert list(held.rest()) == []


NIGHT = Quiet(22 * 60, 8 * 60)


@pytest.mark.parametrize(
    ("hours", "time", "quiet"),
    [
        (NIGHT, "21:59:59", False),
        (NIGHT, "22:00", True),
        (NIGHT, "00:00", True),
        (NIGHT, "07:59:59", True),
        (NIGHT, "08:00", False),
        (Quiet(11 * 60 + 30, 13 * 60), "11:29:59", False),
        (Quiet(11 * 60 + 30, 13 * 60), "11:30", True),
        (Quiet(11 * 60 + 30, 13 * 60), "12:59:59", True),
        (Quiet(11 * 60 + 30, 13 * 60), "13:00", False),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours, time, quiet):
    assert hours.covers(moment(time)) is quiet


@pytest.mark.parametrize(
    ("severity", "asked", "passes"),
    [(INFO, False, False), (WARNING, False, False), (ERROR, False, True), (INFO, True, True)],
)
def test_at_night_only_an_error_passes_and_what_was_asked_for(severity, asked, passes):
    held = throttle(quiet=NIGHT)
    assert held.admit(a_message(moment("23:00"), severity=severity, asked=asked)) is passes


def test_what_waited_through_the_night_is_told_in_the_morning_by_kind():
    held = throttle(quiet=NIGHT)
    for kind in ("link", "link", "rejected"):
        assert not held.admit(a_message(moment("23:00"), kind))
    assert list(held.due(moment("07:59", NEXT_DAY))) == []
    told = list(held.due(moment("08:00", NEXT_DAY)))
    assert [(each.kind, each.body) for each in told] == [
        ("link", "2: 2 shown"),
        ("rejected", "1: 1 shown"),
    ]
