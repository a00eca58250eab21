"""Timers of strategies: once is once, whatever a wall clock does."""

from functools import partial

import pytest
from builders import DAY, NEXT_DAY, moment

from qka.ashare.sessions import phases_of
from qka.clock import ManualClock
from qka.engine.timers import Timers
from qka.errors import ConfigError
from qka.model.events import SessionPhase
from qka.model.market import Phase
from qka.model.times import MILLISECOND, show


class Late(ManualClock):
    """Calls back a little late, as the world's clock does."""

    def fire(self, until):
        before = self.time
        if not super().fire(until):
            return False
        if self.time > before:
            self.time += MILLISECOND
        return True


class Desk:
    """A strategy's timers through whole days of phases."""

    def __init__(self, clock=None, start="00:00"):
        self.clock = clock or ManualClock(moment(start))
        self.clock.time = moment(start)
        self.fired, self.missed = [], []
        self.timers = Timers(
            self.clock, lambda name: self.fired.append(show(self.clock.now())), self.missed.append
        )
        self.phase = None

    def live(self, *days):
        for day in days:
            for when, phase in phases_of(day):
                self.clock.call_at(when, partial(self.tell, SessionPhase(when, day, phase)))
        self.clock.advance(to=moment("23:59", days[-1]))

    def tell(self, phase):
        self.phase = phase
        self.timers.on_phase(phase)


CLOCKS = pytest.mark.parametrize("kind", [ManualClock, Late])


@CLOCKS
def test_a_daily_timer_fires_once_each_day(kind):
    desk = Desk(kind())
    desk.timers.at("14:50", print, None)
    desk.live(DAY, NEXT_DAY)
    assert desk.fired == ["2026-01-05 14:50:00", "2026-01-06 14:50:00"]


@CLOCKS
def test_a_regular_timer_fires_once_a_moment_of_both_sessions(kind):
    desk = Desk(kind())
    desk.timers.every("30m", print, None)
    desk.live(DAY)
    times = ["10:00:00", "10:30:00", "11:00:00", "13:30:00", "14:00:00", "14:30:00"]
    assert [moment[11:] for moment in desk.fired] == times


def test_one_that_begins_late_in_the_day_does_not_make_up_for_what_has_passed():
    desk = Desk(start="10:10")
    desk.timers.at("10:00", print, None)
    desk.timers.at("14:50", print, None)
    desk.timers.every("1h", print, None)
    desk.live(DAY, NEXT_DAY)
    assert [moment[11:16] for moment in desk.fired[:4]] == ["10:30", "14:00", "14:50", "10:00"]


def test_a_timer_set_for_now_in_its_own_handler_begins_tomorrow():
    desk = Desk()

    def again(name):
        desk.fired.append(show(desk.clock.now()))
        desk.timers.at("14:50", print, desk.phase)

    desk.timers._fire = again
    desk.timers.at("14:50", print, None)
    desk.live(DAY, NEXT_DAY)
    assert desk.fired == ["2026-01-05 14:50:00"] + ["2026-01-06 14:50:00"] * 2


def test_a_clock_that_is_set_back_fires_no_moment_twice():
    desk = Desk()

    def set_back(name):
        desk.fired.append(show(desk.clock.now()))
        if len(desk.fired) == 1:
            desk.clock.time -= 5 * 60_000 * MILLISECOND

    desk.timers._fire = set_back
    desk.timers.every("30m", print, None)
    desk.live(DAY)
    assert [moment[11:16] for moment in desk.fired] == [
        *["10:00", "10:30", "11:00", "13:30", "14:00", "14:30"]
    ]


def test_what_an_earlier_run_fired_is_not_fired_again_by_a_clock_that_was_set_back():
    desk = Desk(start="14:40")
    desk.timers.fired = {"print at 14:50": moment("14:50"), "print every 5m": moment("14:50")}
    phase = SessionPhase(moment("13:00"), DAY, Phase.CONTINUOUS)
    desk.timers.at("14:50", print, phase)
    desk.timers.every("5m", print, phase)
    desk.clock.advance(to=moment("15:30"))
    assert desk.fired == ["2026-01-05 14:55:00"]
    assert desk.missed == []


def test_what_was_due_while_no_engine_ran_is_said_and_not_made_up_for():
    desk = Desk(start="14:55")
    desk.timers.away = moment("14:45"), moment("14:55")
    phase = SessionPhase(moment("13:00"), DAY, Phase.CONTINUOUS)
    for clock_time in ("14:40", "14:50", "14:56"):
        desk.timers.at(clock_time, print, phase)
    desk.clock.advance(to=moment("15:30"))
    assert desk.missed == ["print at 14:50"]
    assert desk.fired == ["2026-01-05 14:56:00"]


@pytest.mark.parametrize("period", ["", "5x", 0, -1, float("nan"), float("inf"), 1e-12, None])
def test_a_period_that_is_none_is_refused(period):
    with pytest.raises(ConfigError, match="every"):
        Desk().timers.every(period, print, None)


def test_a_refused_period_is_told_what_one_looks_like():
    with pytest.raises(
        ConfigError, match=r"every\('5x'\): '5x' is no time span like 30s, 5m or 1h"
    ):
        Desk().timers.every("5x", print, None)


@pytest.mark.parametrize("clock_time", ["", "25:00", "noon", 9, None])
def test_a_time_that_is_none_is_refused(clock_time):
    with pytest.raises(ConfigError, match="at"):
        Desk().timers.at(clock_time, print, None)
