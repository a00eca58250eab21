"""A market in wall time around a simulated terminal: `qka server --simulate` in a few lines.

A day of the simulated feed is played on a thread. The market's time is a straight line: it is
`begin` of `day` when the market starts and goes on at `speed`, through lunch and nights, so a
client that knows `now()` and `speed` once stays right.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from types import TracebackType
from typing import Any

from qka.clock import ReplayClock, SimulatedClock, WallClock
from qka.errors import ConfigError
from qka.feeds.simulated import SimulatedFeed, weekdays
from qka.model.market import Quote
from qka.model.times import SECOND, at, day_of, midnight
from qka.terminal.books import Opening
from qka.terminal.terminal import SimTerminal

_DAYS = 250  # weekdays until the quotes end
_BATCH = 5000  # quotes worked while others wait
_WALL = WallClock()


class SimulatedMarket:
    """A terminal with quotes that come by themselves.

    `begin`: time of day in Shanghai when the market starts; what the day brought before is there
    already. `day`: today (or the next weekday) unless told. `symbols`: which, or how many.
    `latency` in seconds of the market's time. `wall` gives the wall's time in ns. Other options are
    `SimTerminal`'s.
    """

    def __init__(
        self,
        accounts: Sequence[Opening],
        *,
        seed: int = 1,
        day: date | None = None,
        begin: str = "09:30",
        speed: float = 1.0,
        symbols: Sequence[str] | int = 12,
        latency: float = 0.05,
        wall: Callable[[], int] = _WALL.now,
        **options: Any,
    ) -> None:
        if speed <= 0:
            raise ConfigError(f"speed {speed}: above zero")
        self.speed = speed
        self._wall = wall
        self._day = weekdays(day or day_of(self._wall()), 1)[0]
        self._origin = at(self._day, begin)
        self._anchor: int | None = None  # the wall's time (ns) at `begin`
        how_many = symbols if isinstance(symbols, int) else 1
        feed = SimulatedFeed(ReplayClock(), seed=seed, day=self._day, days=_DAYS, symbols=how_many)
        self.symbols = tuple(feed.choose([] if isinstance(symbols, int) else symbols))
        self._wake = threading.Event()
        self.terminal = SimTerminal(
            SimulatedClock(midnight(self._day)),
            accounts,
            latency=latency,
            past=feed.history,
            time=self.now,
            woken=self._wake.set,
            **options,
        )
        self._quotes: Iterator[Quote] = (q for batch in feed.batches() for q in batch)
        self._next = next(self._quotes, None)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="qka-market", daemon=True)

    def now(self) -> int:
        """The market's time in ns; `begin` until it starts."""
        if self._anchor is None:
            return self._origin
        return self._origin + int((self._wall() - self._anchor) * self.speed)

    def start(self) -> None:
        """Live through what was before `begin` at once, then go on in wall time."""
        self._live(self._origin)
        self._anchor = self._wall()
        self._thread.start()

    def close(self) -> None:
        """Stop the quotes and close the terminal; twice is fine."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.terminal.close()

    def __enter__(self) -> "SimulatedMarket":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def _run(self) -> None:
        while not self._stopped:
            self._live(self.now())
            self._wake.wait(self._pause())
            self._wake.clear()

    def _live(self, until: int) -> None:
        due: list[Quote] = []
        while self._next is not None and self._next.time <= until:
            due.append(self._next)
            self._next = next(self._quotes, None)
            if len(due) >= _BATCH:
                self.terminal.quote(*due)
                due.clear()
        if due:
            self.terminal.quote(*due)
        self.terminal.advance(to=until)

    def _pause(self) -> float:
        """Seconds of the wall until something is due."""
        due = self.terminal.due
        if self._next is not None:
            due = min(due, self._next.time)
        return min(max(0.0, (due - self.now()) / SECOND / self.speed), 1.0)
