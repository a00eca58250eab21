"""The exchange day as events: `SessionPhase` at every boundary, timers inside the session."""

from collections.abc import Callable
from datetime import date
from functools import partial

from qka.ashare.rules import TERMS
from qka.ashare.sessions import phases_of
from qka.clock import Clock
from qka.errors import ConfigError
from qka.model.events import SessionPhase

Publish = Callable[[SessionPhase], None]


class Sessions:
    """Publishes the phases of every trading day the clock comes to."""

    def __init__(
        self,
        clock: Clock,
        publish: Publish,
        is_trading_day: Callable[[date], bool],
        on_fault: Callable[[str], None],
    ) -> None:
        """`on_fault`: a day that the calendar does not know has begun."""
        self._clock = clock
        self._publish = publish
        self._on_fault = on_fault
        self._is_trading_day = is_trading_day

    def start(self) -> None:
        """Begin with today's phase that runs now."""
        self._clock.on_day(self._open)

    def _open(self, day: date) -> None:
        TERMS.live(day)
        try:
            if not self._is_trading_day(day):
                return
        except ConfigError as error:
            self._on_fault(str(error))
            return
        now, call_at, publish = self._clock.now(), self._clock.call_at, self._publish
        for when, phase in reversed(phases_of(day)):  # those to come, and the one that runs
            call_at(when, partial(publish, SessionPhase(when, day, phase)))
            if when <= now:
                break
