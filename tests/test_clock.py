"""Clocks: who is called when, and in which order."""

import asyncio
from datetime import date

import pytest
from builders import DAY, moment
from hypothesis import given
from hypothesis import strategies as st

from qka.clock import DrivenClock, ManualClock, ReplayClock, WallClock
from qka.model.times import DAY as A_DAY
from qka.model.times import MILLISECOND, SECOND, at, midnight, since_midnight

TEN = moment("10:00")


@given(st.lists(st.integers(0, 20), max_size=30))
def test_timers_come_by_time_and_equal_ones_by_registration(offsets):
    clock, called = ManualClock(TEN), []
    for n, offset in enumerate(offsets):
        when = TEN + offset * SECOND
        clock.call_at(when, lambda when=when, n=n: called.append((when, n, clock.now())))
    clock.advance(by=20)
    assert [(when, n) for when, n, _ in called] == sorted(
        (TEN + offset * SECOND, n) for n, offset in enumerate(offsets)
    )
    assert all(when == now for when, _, now in called)
    assert clock.now() == TEN + 20 * SECOND


def test_a_timer_is_called_at_its_moment_not_before_and_once():
    clock, called = ManualClock(TEN), []
    clock.call_at(TEN + SECOND, lambda: called.append(1))
    clock.advance(to=TEN + SECOND - 1)
    assert called == []
    clock.advance(to=TEN + SECOND)
    clock.advance(by=60)
    assert called == [1]


def test_a_timer_in_the_past_is_called_with_the_next_move_and_time_stays():
    clock, called = ManualClock(TEN), []
    clock.call_at(TEN - 5 * SECOND, lambda: called.append(clock.now()))
    assert called == []
    clock.advance(by=0)
    assert called == [TEN]


def test_a_timer_set_by_a_timer_has_its_turn_in_the_same_move():
    clock, called = ManualClock(TEN), []

    def again():
        called.append(clock.now())
        if len(called) < 3:
            clock.call_at(clock.now() + SECOND, again)

    clock.call_at(TEN, again)
    clock.advance(by=10)
    assert called == [TEN, TEN + SECOND, TEN + 2 * SECOND]


def test_a_cancelled_timer_is_never_called_and_may_be_cancelled_twice():
    clock, called = ManualClock(TEN), []
    timer = clock.call_at(TEN + SECOND, lambda: called.append(1))
    timer.cancel()
    timer.cancel()
    clock.advance(by=2)
    assert called == []


@given(st.lists(st.integers(-100, 100), max_size=20))
def test_time_never_runs_backwards(moves):
    clock, seen = ManualClock(TEN), [TEN]
    for move in moves:
        clock.advance(to=TEN + move * SECOND)
        seen.append(clock.now())
    assert seen == sorted(seen)


def test_a_day_hook_hears_of_each_day_that_comes_once_and_before_its_timers():
    clock, called = ManualClock(midnight(DAY)), []
    clock.on_day(lambda day: called.append(day))
    clock.call_at(midnight(DAY) + SECOND, lambda: called.append("timer"))
    clock.call_at(midnight(DAY) + A_DAY, lambda: called.append("next timer"))
    clock.advance(to=TEN)
    clock.advance(by=60)
    clock.advance(to=TEN + A_DAY)
    assert called == [DAY, "timer", date(2026, 1, 6), "next timer"]


def test_who_comes_in_the_middle_of_a_day_is_told_of_it():
    clock, days = ManualClock(TEN), []
    clock.advance(by=60)
    clock.on_day(days.append)
    clock.advance(to=TEN + A_DAY)
    assert days == [DAY, date(2026, 1, 6)]


def test_days_on_which_nothing_comes_are_passed_over():
    clock, days = ManualClock(), []
    clock.on_day(days.append)
    clock.begin(TEN)
    assert clock.now() == midnight(DAY)
    clock.advance(to=TEN + 3 * A_DAY)
    assert days == [DAY, date(2026, 1, 8)]


async def test_the_replay_clock_runs_the_same_timers_in_the_same_order():
    clock, called = ReplayClock(TEN), []
    for name, offset in (("c", 2), ("a", 1), ("b", 1)):
        clock.call_at(TEN + offset * SECOND, lambda name=name: called.append(name))
    await clock.advance(TEN + SECOND)
    assert called == ["a", "b"]
    await clock.advance(TEN + 5 * SECOND)
    assert called == ["a", "b", "c"]
    assert clock.now() == TEN + 5 * SECOND


async def test_replayed_time_waits_for_a_handler_that_is_still_busy():
    clock, called = ReplayClock(TEN), []
    clock.call_at(TEN + SECOND, lambda: called.append("timer"))
    clock.hold(+1)
    clock.hold(+1)
    move = asyncio.ensure_future(clock.advance(TEN + 2 * SECOND))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (called, clock.now()) == ([], TEN)
    clock.hold(-1)
    for _ in range(5):
        await asyncio.sleep(0)
    assert called == []
    clock.hold(-1)
    await asyncio.wait_for(move, 5)
    assert called == ["timer"]


async def test_a_timer_that_starts_slow_work_holds_the_next_timer():
    clock, called = ReplayClock(TEN), []

    async def slow():
        await asyncio.sleep(0)
        called.append(("done", clock.now()))
        clock.hold(-1)

    tasks = []

    def start():
        clock.hold(+1)
        tasks.append(asyncio.ensure_future(slow()))

    clock.call_at(TEN + SECOND, start)
    clock.call_at(TEN + 2 * SECOND, lambda: called.append(("next", clock.now())))
    await asyncio.wait_for(clock.advance(TEN + 3 * SECOND), 5)
    assert called == [("done", TEN + SECOND), ("next", TEN + 2 * SECOND)]


def test_what_needs_no_waiting_is_reached_in_place():
    clock, called = ReplayClock(), []
    clock.begin(moment("09:00"))
    for clock_time in ("10:00", "10:00", "11:00"):
        clock.call_at(moment(clock_time), lambda: called.append(clock.time))
    assert clock.reach(moment("10:30"))
    assert (called, clock.time) == ([moment("10:00")] * 2, moment("10:30"))


def test_what_is_busy_is_waited_for_before_time_goes_on():
    clock, called = ReplayClock(), []
    clock.begin(moment("09:00"))
    clock.call_at(moment("10:00"), lambda: clock.hold(1))
    clock.call_at(moment("10:10"), lambda: called.append("late"))
    assert not clock.reach(moment("10:30"))
    assert (called, clock.time) == ([], moment("10:00"))
    clock.hold(-1)
    assert clock.reach(moment("10:30"))
    assert called == ["late"]


def test_a_paced_clock_reaches_nothing_in_place():
    assert not ReplayClock(speed=60).reach(moment("10:30"))


async def test_a_paced_replay_comes_to_the_same_events():
    clock, called = ReplayClock(TEN, speed=1e9), []
    clock.call_at(TEN + SECOND, lambda: called.append(clock.now()))
    await clock.advance(TEN + 60 * SECOND)
    assert called == [TEN + SECOND]
    assert clock.now() == TEN + 60 * SECOND


async def test_a_paced_replay_waits_for_no_night_whatever_comes_due_in_it(monkeypatch):
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    clock, minutes = ReplayClock(midnight(DAY), speed=1), []

    def every_minute():
        minutes.append(clock.now())
        clock.call_at(clock.now() + 60 * SECOND, every_minute)

    every_minute()
    await clock.advance(TEN)
    assert len(minutes) == 601
    assert waits == []
    await clock.advance(TEN + 3 * SECOND)
    assert waits == [pytest.approx(3, abs=1)]


async def test_a_paced_day_waits_from_a_time_of_day_on_and_passes_the_auction_at_once(monkeypatch):
    waits = []

    async def wait(seconds):
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    clock = ReplayClock(at(DAY, "09:15"), speed=1, paced_from=since_midnight("09:30"))
    for time in ("09:15:03", "09:25", "09:30:01"):
        await clock.advance(at(DAY, time))
    assert waits == []
    await clock.advance(at(DAY, "09:30:04"))
    assert waits == [pytest.approx(3, abs=1)]


async def test_the_wall_clock_calls_in_order_and_never_early():
    clock, called = WallClock(), asyncio.Queue()
    start = clock.now()
    for name, wait in (("second", 4), ("first", 1)):
        clock.call_at(
            start + wait * MILLISECOND, lambda n=name: called.put_nowait((n, clock.now()))
        )
    first, second = [await asyncio.wait_for(called.get(), 5) for _ in range(2)]
    assert (first[0], second[0]) == ("first", "second")
    assert first[1] >= start + MILLISECOND
    assert second[1] >= start + 4 * MILLISECOND


async def test_a_cancelled_wall_timer_is_never_called():
    clock, called = WallClock(), []
    later = asyncio.Event()
    clock.call_at(clock.now(), lambda: called.append(1)).cancel()
    clock.call_at(clock.now() + MILLISECOND, later.set)
    await asyncio.wait_for(later.wait(), 5)
    assert called == []


async def test_the_wall_clock_names_today_at_once():
    days = []
    WallClock().on_day(days.append)
    assert len(days) == 1


@pytest.mark.parametrize("clock", [ManualClock(), ReplayClock()], ids=["manual", "replay"])
def test_a_simulated_clock_starts_at_midnight_of_its_first_events_day(clock):
    days = []
    clock.on_day(days.append)
    clock.begin(TEN)
    assert clock.now() == midnight(DAY)
    assert days == [DAY]


async def test_a_wall_clock_can_follow_the_time_of_a_market_elsewhere():
    clock, called = WallClock(), asyncio.Queue()
    clock.follow(TEN, speed=1000.0)
    assert TEN <= clock.now() < TEN + 3600 * SECOND
    clock.call_at(TEN + 20 * SECOND, lambda: called.put_nowait(clock.now()))
    assert await called.get() >= TEN + 20 * SECOND


async def test_a_wall_clock_that_is_set_back_over_midnight_does_not_live_a_day_twice():
    clock, days = WallClock(), []
    clock.follow(midnight(DAY) + A_DAY - 20 * MILLISECOND)

    def hook(day):
        days.append(day)
        if len(days) == 2:
            clock.follow(midnight(day) - 20 * MILLISECOND)
            heard.set()

    heard = asyncio.Event()
    clock.on_day(hook)
    await asyncio.wait_for(heard.wait(), 5)
    await asyncio.sleep(0.1)
    assert days == [DAY, date(2026, 1, 6)]


# ------------------------------------------------------------ the turns of the loop


async def test_the_worlds_time_stands_still_during_a_turn_and_goes_on_in_the_next():
    clock = WallClock()
    first = clock.now()
    for _ in range(10_000):
        assert clock.now() == first
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert clock.now() > first


async def test_whatever_is_ready_in_one_turn_has_one_time():
    clock, times = WallClock(), []
    for _ in range(3):
        asyncio.get_running_loop().call_soon(lambda: times.append(clock.now()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(set(times)) == 1


async def test_what_is_due_together_comes_in_the_order_of_its_moments_in_one_turn():
    clock, called = WallClock(), []
    now = clock.now()
    done = asyncio.get_running_loop().create_future()
    for when, name in [(now + 2, "late"), (now + 1, "one"), (now + 1, "two"), (now, "first")]:
        clock.call_at(when, lambda name=name: called.append((name, clock.now())))
    clock.call_at(now + 3, lambda: clock.call_at(now, lambda: done.set_result(clock.now())))
    later = await done
    assert [name for name, _ in called] == ["first", "one", "two", "late"]
    assert later > called[0][1]
    assert len({time for _, time in called}) == 1


async def test_a_callback_that_raises_does_not_keep_the_others():
    clock, loop = WallClock(), asyncio.get_running_loop()
    raised = []
    loop.set_exception_handler(lambda loop, told: raised.append(told["exception"]))
    done = loop.create_future()
    clock.call_at(clock.now(), lambda: 1 / 0)
    clock.call_at(clock.now(), lambda: done.set_result(True))
    assert await done
    assert isinstance(raised[0], ZeroDivisionError)


async def test_another_thread_sees_time_pass():
    clock = WallClock()
    here = clock.now()
    one, other = await asyncio.to_thread(lambda: (clock.now(), clock.now()))
    assert here < one <= other


def test_without_a_loop_time_passes_and_a_loop_before_it_is_forgotten():
    clock = WallClock()

    async def look():
        return clock.now()

    first = asyncio.run(look())
    assert first < asyncio.run(look()) < clock.now()


async def test_who_follows_another_market_has_its_time_at_once():
    clock = WallClock()
    clock.now()
    clock.follow(TEN)
    assert TEN <= clock.now() < TEN + SECOND


def test_a_watched_clock_tells_what_it_calls_back_and_nothing_that_was_cancelled():
    clock, told = ManualClock(TEN), []
    clock.watch(told.append)
    clock.on_day(lambda day: None)
    clock.call_at(TEN + SECOND, lambda: told.append("called"))
    clock.call_at(TEN + SECOND, lambda: told.append("not me")).cancel()
    clock.advance(by=5)
    assert told == [midnight(DAY), TEN + SECOND, "called"]


def test_a_driven_clock_calls_back_what_its_driver_says_and_nothing_by_itself():
    clock, called = DrivenClock(), []
    clock.time = TEN
    for name in ("one", "two"):
        clock.call_at(TEN + SECOND, lambda name=name: called.append(name))
    clock.call_at(TEN + SECOND, lambda: called.append("cancelled")).cancel()
    clock.fire(TEN)
    assert called == []
    clock.fire(TEN + SECOND)
    assert called == ["one"]
    for _ in range(3):
        clock.fire(TEN + SECOND)
    assert called == ["one", "two"]
    assert clock.now() == TEN


def test_a_driven_clock_tells_of_each_day_once():
    clock, days = DrivenClock(), []
    clock.on_day(days.append)
    assert days == []
    for _ in range(2):
        clock.fire(midnight(DAY))
    clock.on_day(days.append)
    clock.time = TEN
    clock.on_day(days.append)
    assert days == [DAY, DAY]
