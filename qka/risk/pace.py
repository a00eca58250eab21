"""How fast orders leave. Cancels are counted everywhere and refused nowhere."""

import math
from collections import deque
from collections.abc import Sequence

from qka.model.money import fraction
from qka.model.order import SELL, Order
from qka.model.times import MILLISECOND, SECOND
from qka.model.view import View
from qka.risk.meter import Meter
from qka.risk.verdicts import Caution, Counter, Denial


class SlidingWindow:
    """A true sliding window: at most `limit` in any `seconds`, the moments given in ns."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._span = max(1, int(seconds * SECOND))
        # ns, oldest first: all of the window, so that another limit can go on from them, and what
        # was not forgotten yet
        self.times: deque[int] = deque()

    def full(self, now: int) -> bool:
        """Whether one more would be too many."""
        return self.holds(self.limit, now)

    def holds(self, count: int, now: int) -> bool:
        """Whether it holds so many."""
        times = self.times
        return len(times) >= count and (count == 0 or times[-count] > now - self._span)

    def wait(self, now: int) -> float:
        """Seconds from `now` until it is not full."""
        return math.ceil((self.times[-self.limit] + self._span - now) / MILLISECOND) / 1000

    def held(self, now: int) -> int:
        """How many it holds, as far as it counts: to the limit."""
        return sum(1 for moment in self.times if moment > now - self._span)

    def add(self, now: int) -> None:
        """One more, now."""
        self.times.append(now)
        self.forget(now)

    def forget(self, now: int) -> None:
        """Keep nothing that has left it."""
        times, gone = self.times, now - self._span
        while times and times[0] <= gone:
            times.popleft()


class RateLimit(Counter):
    """At most so many orders (and cancels, which are counted but never refused) in a window."""

    def __init__(
        self,
        window: SlidingWindow,
        strategy: str | None = None,
        *,
        warn: int | None = None,
        code: str = "rate",
        note: str = "",
    ) -> None:
        """`strategy`: whose orders are counted, None for all; `note`: what the limit is for."""
        self.window = window
        self._times = window.times
        self.strategy = strategy
        self.key = f"{strategy or '*'} {window.seconds:g}s"  # what it is remembered by
        self.key += f" {code}" if code != "rate" else ""
        self._warn = window.limit if warn is None else min(warn, window.limit)
        self.code = code
        self._note = note

    def __str__(self) -> str:
        whose = f" of {self.strategy}" if self.strategy else ""
        return f"{self.code} {self.window.limit} in {self.window.seconds:g} s{whose}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        warn = self._warn
        if len(self._times) < warn or self.strategy not in (None, order.strategy):
            return None
        window = self.window
        window.forget(order.time)
        if not window.holds(warn, order.time):
            return None
        limit, span = window.limit, f"{window.seconds:g} s"
        if window.full(order.time):
            words = f"{limit} orders and cancels in {span} are reached{self._note}"
            words += f"; it would pass in {window.wait(order.time):g} s" if limit else ""
            return Denial(self.code, words, limit, limit + 1)
        words = f"{warn} orders and cancels in {span} are reached{self._note}"
        return Caution(self.code, words, limit, warn + 1)

    def wait(self, order: Order) -> float:
        """Seconds until the window has room for it."""
        bound = self.strategy in (None, order.strategy)
        full = bound and self.window.limit and self.window.full(order.time)
        return self.window.wait(order.time) if full else 0.0

    def sent(self, order: Order) -> None:
        """An order leaves."""
        if self.strategy is None or self.strategy == order.strategy:
            self._times.append(order.time)  # forgotten when so many are there that they matter

    def cancelled(self, strategy: str, made: int, now: int) -> None:
        """A cancel leaves."""
        if self.strategy is None or self.strategy == strategy:
            self.window.add(now)

    def kept(self) -> list[int]:
        """Moments in ns."""
        if self._times:
            self.window.forget(self._times[-1])
        return list(self._times)

    def remember(self, kept: Sequence[int] | None) -> None:
        """Go on from those moments."""
        self._times.clear()
        self._times.extend(kept or ())


class DayLimit:
    """At most so many orders and cancels a day."""

    def __init__(
        self,
        limit: int,
        meter: Meter,
        strategy: str | None = None,
        *,
        warn: int | None = None,
        code: str = "rate",
        note: str = "",
    ) -> None:
        """`strategy`: whose are counted, None for all; `note`: what the limit is for."""
        self._limit = limit
        self._warn = limit if warn is None else min(warn, limit)
        self._meter = meter
        self._strategy = strategy
        self._code = code
        self._note = note

    def __str__(self) -> str:
        whose = f" of {self._strategy}" if self._strategy else ""
        return f"{self._code} {self._limit} a day{whose}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        today, strategy = self._meter.today(order.time), self._strategy
        if strategy is None:
            sent = today.orders + today.cancels
        elif strategy == order.strategy:
            sent = today.by.get(strategy, 0)
        else:
            return None
        if sent < self._warn:
            return None
        over = sent >= self._limit
        reached = self._limit if over else self._warn
        words = f"{reached} orders and cancels today are reached{self._note}"
        words += "; it would pass tomorrow" if over else ""
        return (Denial if over else Caution)(self._code, words, self._limit, sent + 1)


class CancelRatio:
    """Of so many orders in a day and more, at most a share may be cancelled; it refuses buys."""

    def __init__(self, most: float, since: int, meter: Meter, warn: float = 1.0) -> None:
        """`since`: orders from which on the ratio says something."""
        self._most = most
        self._warn = most * warn
        self._since = since
        self._meter = meter

    def __str__(self) -> str:
        return f"cancel ratio {self._most:.2%}"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        today = self._meter.today(order.time)
        if today.orders < self._since or order.side is SELL or today.cancel_ratio <= self._warn:
            return None
        ratio, most = today.cancel_ratio, self._most
        words = f"{today.cancels} of {today.orders} orders of today were cancelled, {most:.0%} are "
        words += f"the limit; an order would pass at {_needed(today.cancels, most)} orders"
        return (Denial if ratio > most else Caution)("cancel_ratio", words, most, ratio)


def _needed(cancels: int, most: float) -> int:
    above, below = fraction(most)
    return -(-cancels * below // above)


class QuickCancels:
    """At most so many cancels a day within a second of their order; it refuses buys."""

    def __init__(self, most: int, meter: Meter, warn: float = 1.0) -> None:
        """`most` cancels."""
        self._most = most
        self._warn = int(most * warn)
        self._meter = meter

    def __str__(self) -> str:
        return f"at most {self._most} quick cancels"

    def __call__(self, order: Order, view: View) -> Denial | Caution | None:
        """None, or why not."""
        if order.side is SELL:
            return None
        quick, most = self._meter.today(order.time).quick, self._most
        if quick < self._warn:
            return None
        words = f"{quick} orders of today were cancelled within a second, {most} are the limit; "
        words += "buys would pass tomorrow"
        return (Denial if quick >= most else Caution)("quick_cancels", words, most, quick)
