"""One strategy's timers: `at` once a trading day, `every` so often while the market trades."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from qka.clock import Clock
from qka.errors import ConfigError
from qka.model.events import SessionPhase
from qka.model.market import Phase
from qka.model.times import MILLISECOND, SECOND, at, seconds


@dataclass
class _Daily:
    """A timer of `at`."""

    name: str
    clock_time: str
    day: date | None = None  # the last one it was armed for, or came too late for


@dataclass
class _Regular:
    """A timer of `every`; `period` in ns."""

    name: str
    period: int
    due: int = 0  # the last moment it was armed for


class Timers:
    """Arms what a strategy asks for, by the phases of the day; `fire(name)` when one is due.

    `missed(name)`: a daily one was due while no engine ran.

    Each moment comes once, however late or often a wall clock tells of a phase.
    """

    def __init__(
        self, clock: Clock, fire: Callable[[str], None], missed: Callable[[str], None]
    ) -> None:
        self.handlers: dict[str, Callable[[], Any]] = {}  # name -> what it calls
        self.fired: Mapping[str, int] = {}  # name -> when an earlier run fired it last (ns)
        self.away = (0, 0)  # no engine ran from then to then (ns)
        self._clock = clock
        self._fire = fire
        self._missed = missed
        self._daily: list[_Daily] = []
        self._regular: list[_Regular] = []

    def every(
        self, period: str | float, handler: Callable[[], Any], phase: SessionPhase | None
    ) -> None:
        """Add a repeating timer in the phase that it is now; raises ConfigError for no period."""
        try:
            span = int(seconds(period) * SECOND)
        except (ValueError, TypeError, OverflowError, AttributeError) as error:
            raise ConfigError(f"every({period!r}): {error}") from None
        if span < MILLISECOND:
            raise ConfigError(f"every({period!r}): a millisecond is the least")
        timer = _Regular(self._name(handler, f"every {period}"), span)
        self._regular.append(timer)
        if phase is not None and phase.phase is Phase.CONTINUOUS:
            self._arm_regular(timer, phase)

    def at(self, clock_time: str, handler: Callable[[], Any], phase: SessionPhase | None) -> None:
        """Add a daily timer, from today on if its time is to come; raises ConfigError for none."""
        try:
            time.fromisoformat(clock_time)
        except (ValueError, TypeError):
            raise ConfigError(f"at({clock_time!r}): it is no time like 14:50") from None
        timer = _Daily(self._name(handler, f"at {clock_time}"), clock_time)
        self._daily.append(timer)
        if phase is not None:  # a time that is now begins tomorrow
            self._arm_daily(timer, phase.day, self._clock.now() + 1)

    def on_phase(self, event: SessionPhase) -> None:
        """The day goes on: arm what belongs to it."""
        for daily in self._daily:
            if daily.day != event.day:
                self._arm_daily(daily, event.day, self._clock.now())
        if event.phase is Phase.CONTINUOUS:
            for regular in self._regular:
                self._arm_regular(regular, event)

    def clear(self) -> None:
        """None of them is armed again."""
        self._daily.clear()
        self._regular.clear()

    def _name(self, handler: Callable[[], Any], when: str) -> str:
        name = f"{getattr(handler, '__name__', 'handler')} {when}"
        while name in self.handlers:
            name += "'"
        self.handlers[name] = handler
        return name

    def _arm_daily(self, timer: _Daily, day: date, earliest: int) -> None:
        timer.day = day
        when = at(day, timer.clock_time)
        if self.fired.get(timer.name, 0) >= when:
            return  # by an earlier run; this clock was set back
        if self.away[0] < when <= self.away[1]:
            self._missed(timer.name)
        elif when >= earliest:
            self._clock.call_at(when, lambda: self._fire(timer.name))

    def _arm_regular(self, timer: _Regular, session: SessionPhase) -> None:
        """The next moment of a session that began at `session.time`, if it still lies in it."""
        now = max(self._clock.now(), timer.due, self.fired.get(timer.name, 0))
        passed = max(0, now - session.time) // timer.period
        when = session.time + (passed + 1) * timer.period
        noon = at(session.day, "12:00")
        end = at(session.day, "11:30" if session.time < noon else "15:00")

        def fire() -> None:
            self._fire(timer.name)
            if timer.due == when and timer in self._regular:
                self._arm_regular(timer, session)

        if when < end:
            timer.due = when
            self._clock.call_at(when, fire)
