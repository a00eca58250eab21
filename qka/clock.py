"""Clocks: the only readers of wall time. Every room is handed one.

`WallClock` lives with the world; `ReplayClock` is moved by the events of a recorded or simulated
day, as fast as they can be worked or at a multiple of real time; `ManualClock` is moved by tests.
"""

import asyncio
import itertools
import time as _time
from collections import deque
from collections.abc import Callable
from datetime import date
from heapq import heappop, heappush
from typing import Protocol

import msgspec

from qka.model.times import DAY, SECOND, day_of, midnight, time_of_day

wall_time = _time.time_ns  # ns since the epoch, UTC: for those of whom nobody makes a replay
Callback = Callable[[], None]
Told = Callable[[int], None]
DayHook = Callable[[date], None]


def _nobody(when: int) -> None:
    """Is told of nothing."""


class Timer(msgspec.Struct, eq=False):
    """A callback due at a moment; `cancel()` forgets it."""

    when: int  # ns
    callback: Callback | None

    def cancel(self) -> None:
        """Never call it; calling this twice is fine."""
        self.callback = None


class Clock(Protocol):
    """What every room may ask of time."""

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC."""

    def call_at(self, when: int, callback: Callback) -> Timer:
        """Call back at `when` (ns), or as soon as the current event is done if that is past."""

    def on_day(self, hook: DayHook) -> None:
        """Call `hook(day)` when a calendar day begins, and for the day it is now."""

    def begin(self, when: int) -> None:
        """The first event is due at `when` (ns): a clock without a time of its own starts there."""

    def watch(self, told: Told) -> None:
        """Tell, just before a callback runs, for which moment (ns) it was due."""

    @property
    def waits(self) -> bool:
        """Whether time stands still while async handlers are busy, as simulated time does."""

    def hold(self, change: int) -> None:
        """An async handler became busy (+1) or idle (-1)."""


class SimulatedClock:
    """Time that moves only when told; due callbacks run in order of (when, registration)."""

    waits = True

    def __init__(self, start: int = 0) -> None:
        self.time = start
        self.due = 0  # until this moment nothing comes due and nobody needs to be waited for
        self.held = 0  # async handlers still busy: time must wait
        self._paced = False  # every step of time is waited for
        self._timers: list[tuple[int, int, Timer]] = []
        self._ties = itertools.count()
        self._hooks: list[DayHook] = []
        self._day_end = 0
        self._told: Told | None = None

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        return self.time

    def call_at(self, when: int, callback: Callback) -> Timer:
        """Call back at `when` (ns), or as soon as the current event is done if that is past."""
        timer = Timer(when, callback)
        heappush(self._timers, (when, next(self._ties), timer))
        if when < self.due:
            self.due = when
        return timer

    def on_day(self, hook: DayHook) -> None:
        """Call `hook(day)` when an event of a new day comes, and for the day that has begun."""
        self._hooks.append(hook)
        if self._day_end:
            hook(day_of(self.time))

    def begin(self, when: int) -> None:
        """Start at midnight of the first event's day, so that every phase of it is lived."""
        if when:
            self.time = max(self.time, midnight(day_of(when)))
            while self.fire(self.time):
                pass

    def watch(self, told: Told) -> None:
        """Tell, just before a callback runs, for which moment (ns) it was due."""
        self._told = told

    def hold(self, change: int) -> None:
        """An async handler became busy (+1) or idle (-1)."""
        self.held += change
        self.due = 0

    def reach(self, until: int) -> bool:
        """Move to `until` and run what is due; False where something has to be waited for first."""
        return not (self._paced or self.held or self.fire(until))

    def fire(self, until: int) -> bool:
        """Move to `until` and run what is due; True where there was something that is waited for.

        Then it was the next thing due and no more.
        """
        timers, told, paced = self._timers, self._told, self._paced
        last = min(until, self._day_end - 1)  # of the day that it is
        while True:
            if timers and (when := timers[0][0]) <= last:
                callback = heappop(timers)[2].callback
                if when > self.time:
                    self.time = when
                if callback is not None:
                    if told is not None:
                        told(when)
                    callback()
            elif last < until:
                day = day_of(until)
                begin = midnight(day)
                self._day_end = begin + DAY
                last = until
                if told is not None:
                    told(begin)
                for hook in self._hooks:
                    hook(day)
            else:
                break
            if paced or self.held:
                return True
        if until > self.time:
            self.time = until
        next_ = timers[0][0] if timers else self._day_end
        self.due = 0 if paced or self.held else min(next_, self._day_end)
        return False


class ManualClock(SimulatedClock):
    """A clock for tests: `advance` and everything due happens now."""

    def advance(self, *, to: int | None = None, by: float = 0.0) -> None:
        """Move to a moment (ns), or by seconds."""
        target = to if to is not None else self.time + int(by * SECOND)
        while self.fire(target):
            pass


class ReplayClock(SimulatedClock):
    """The clock of a recorded or simulated day.

    `speed` is a multiple of real time; None means as fast as the events can be worked. It holds
    from `paced_from` on, ns of a day: what comes before passes at once. Time never passes an event
    that an async handler is still working on.
    """

    def __init__(self, start: int = 0, speed: float | None = None, paced_from: int = 0) -> None:
        super().__init__(start)
        self.speed = speed
        self._paced = speed is not None
        self._paced_from = paced_from
        self._idle: asyncio.Event | None = None
        self._anchor: tuple[float, int] | None = None
        self._dawn = 0  # no event is to come before this moment (ns)

    async def advance(self, to: int) -> None:
        """Move to `to` (ns): wait for busy handlers, keep the pace, run what is due."""
        while True:
            while self.held:
                self._idle = asyncio.Event()
                await self._idle.wait()
            if self.speed is not None:
                await self._pace(to)
            if not self.fire(to):
                return

    def hold(self, change: int) -> None:
        """An async handler became busy (+1) or idle (-1)."""
        super().hold(change)
        if not self.held and self._idle is not None:
            self._idle.set()

    async def breathe(self) -> None:
        """Let the loop look at its other work: signals, the progress bar, a dashboard."""
        await asyncio.sleep(0)

    async def _pace(self, to: int) -> None:
        assert self.speed is not None
        # a night is not waited for, nor what comes due in it
        if to - self.time > 3600 * SECOND:
            self._dawn = to
        if self.time < self._dawn or time_of_day(self.time) < self._paced_from:
            self._anchor = None
            return
        step = min([to, *(when for when, _, _ in self._timers[:1])])
        wall = _time.monotonic()
        if self._anchor is None:
            self._anchor = (wall, self.time)
        began, origin = self._anchor
        late = began + (step - origin) / SECOND / self.speed - wall
        if late > 0:
            await asyncio.sleep(late)


class DrivenClock:
    """A clock that a recording drives: what came due, and when, comes from there.

    Its driver sets `time` and calls `fire`; nothing comes due by itself. `waits`: as the clock
    that was recorded.
    """

    def __init__(self, time: int = 0, *, waits: bool = False) -> None:
        self.time = time
        self.waits = waits
        self.held = 0  # async handlers still busy
        self._timers: dict[int, deque[Timer]] = {}  # when they are due -> in order
        self._hooks: list[DayHook] = []
        self._day = date.min  # that the hooks were called for

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        return self.time

    def call_at(self, when: int, callback: Callback) -> Timer:
        """Call back when the driver says that `when` (ns) has come."""
        timer = Timer(when, callback)
        self._timers.setdefault(when, deque()).append(timer)
        return timer

    def on_day(self, hook: DayHook) -> None:
        """Call `hook(day)` when the driver comes to a day's midnight, and for the day it is."""
        self._hooks.append(hook)
        if self.time:
            self._day = day_of(self.time)
            hook(self._day)

    def begin(self, when: int) -> None:
        """Nothing: the driver has begun."""

    def watch(self, told: Told) -> None:
        """Nothing: who drives knows."""

    def hold(self, change: int) -> None:
        """An async handler became busy (+1) or idle (-1)."""
        self.held += change

    def fire(self, when: int) -> None:
        """Call what is due at that moment (ns), one callback; nothing when there is none.

        A day begins with all its hooks, which are one.
        """
        day = day_of(when)
        if when == midnight(day) and day > self._day:
            self._day = day
            for hook in self._hooks:
                hook(day)
            return
        waiting = self._timers.get(when)
        while waiting:
            callback = waiting.popleft().callback
            if callback is not None:
                callback()
                return
        self._timers.pop(when, None)

    async def breathe(self) -> None:
        """Let the loop look at its other work: async handlers."""
        await asyncio.sleep(0)


class WallClock:
    """The world's time, on the running loop; or the time of a market elsewhere that `follow` names.

    A simulated terminal lives in a day of its own, at a speed of its own; whoever trades there
    lives in its time.

    Time stands still during one turn of the loop, from the first look on: all that is decided in
    a turn is decided at one moment, and a replay can have the same one. Outside a loop it passes.
    """

    waits = False

    def __init__(self) -> None:
        self._here = self._there = 0  # ns: when it was this here, it was that there
        self._speed = 1.0
        self._followed = False
        self._loop: asyncio.AbstractEventLoop | None = None  # whose turn it is
        self._turn = 0  # ns, its time; 0 until somebody looks
        self._told: Told = _nobody
        self._hooks: list[DayHook] = []
        self._day = date.min  # that they were called for
        self._timers: list[tuple[int, int, Timer]] = []  # what is to come, the next one first
        self._ties = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None  # of the loop, for the next one

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC; the same all through a turn of the loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop, or another thread
            return self._read()
        if not self._turn or loop is not self._loop:
            self._loop, self._turn = loop, self._read()
            loop.call_soon(self._over)
        return self._turn

    def _over(self) -> None:
        self._turn = 0

    def _read(self) -> int:
        if not self._followed:
            return _time.time_ns()
        return self._there + int((_time.monotonic_ns() - self._here) * self._speed)

    def follow(self, now: int, speed: float = 1.0) -> None:
        """From here on it is `now` (ns) there, and time passes `speed` times as fast."""
        self._here, self._there = _time.monotonic_ns(), now
        self._speed, self._followed, self._turn = speed, True, 0

    def call_at(self, when: int, callback: Callback) -> Timer:
        """Call back on the loop's thread at `when` (ns); equal ones in the order of asking."""
        timer = Timer(when, callback)
        heappush(self._timers, (when, next(self._ties), timer))
        if self._timers[0][2] is timer:
            self._arm()
        return timer

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        wait = max(0.0, (self._timers[0][0] - self._read()) / SECOND / self._speed)
        self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def on_day(self, hook: DayHook) -> None:
        """Call `hook(day)` for today and whenever midnight in Shanghai has passed.

        For all hooks that is one moment: a replay has one row for it.
        """
        self._hooks.append(hook)
        if self._day == date.min:
            self._day = day_of(self.now())
            self.call_at(midnight(self._day) + DAY, self._begin_day)
        hook(self._day)

    def _begin_day(self) -> None:
        day = day_of(self.now())
        self.call_at(midnight(day) + DAY, self._begin_day)
        if day > self._day:  # a clock that is set back does not live a day twice
            self._day = day
            for hook in self._hooks:
                hook(day)

    def begin(self, when: int) -> None:
        """Nothing: the world's time has begun."""

    def watch(self, told: Told) -> None:
        """Tell, just before a callback runs, for which moment (ns) it was due."""
        self._told = told

    def hold(self, change: int) -> None:
        """Nothing: the world does not wait."""

    def _ring(self) -> None:
        """Call back all that is due; what a callback asks for at once has the next turn."""
        now, timers = self.now(), self._timers
        last = next(self._ties)
        later: list[tuple[int, int, Timer]] = []
        self._alarm = None
        try:
            # a stepped wall clock or a coarse loop timer may wake us early: nothing is due then
            while timers and timers[0][0] <= now:
                when, tie, timer = heappop(timers)
                if tie > last:
                    later.append((when, tie, timer))
                elif timer.callback is not None:
                    self._told(when)
                    timer.callback()
        finally:
            for entry in later:
                heappush(timers, entry)
            if timers:
                self._arm()
