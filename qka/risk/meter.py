"""What an account has sent today: the figures that programme trading is watched by.

What leaves is put on a list, which costs an order next to nothing, and is counted when a rule or
a summary asks. Orders count when they leave, cancels when they are asked for.
"""

from collections import deque
from datetime import date
from typing import Any

import msgspec

from qka.model.events import EngineState, OperatorCommand, OrderDenied
from qka.model.money import cents, yuan
from qka.model.order import Order
from qka.model.times import DAY, SECOND, day_of, midnight, to_datetime
from qka.risk.verdicts import Counter

QUICK = SECOND  # an order cancelled before it is older has lived for an instant
# orders and cancels that make an account a high-frequency one (rules of 2025-07-07, art. 33)
MOST_A_SECOND, MOST_A_DAY = 300, 20_000
_MANY = 10_000  # waiting to be counted


class Figures(msgspec.Struct):
    """One day's; money in cents."""

    day: date
    orders: int = 0
    cancels: int = 0
    quick: int = 0  # cancels within a second of their order
    peak: int = 0  # most orders and cancels in any second
    by: dict[str, int] = {}  # strategy -> orders and cancels
    ordered: dict[str, int] = {}  # symbol -> cents of its orders, at their price
    shares: dict[str, int] = {}  # symbol -> shares of its orders
    denied: dict[str, int] = {}  # code of a rule -> orders it refused
    changes: list[str] = []  # of limits and of the trading state: when, who, what

    def __bool__(self) -> bool:
        """Whether there is anything to tell of the day."""
        return bool(self.orders or self.cancels or self.denied or self.changes)

    @property
    def sent(self) -> int:
        """Orders and cancels."""
        return self.orders + self.cancels

    @property
    def cancel_ratio(self) -> float:
        """Cancels for each order, 0.0 without an order."""
        return self.cancels / self.orders if self.orders else 0.0


class Meter(Counter):
    """Counts orders and cancels; `days` are the ones that are over and had any."""

    key = "day"

    def __init__(self) -> None:
        self.days: list[Figures] = []
        self._today = Figures(date.min)
        self._ends = 0  # ns, when the day is over
        self._second: deque[int] = deque()  # ns, what left in the last second
        self._waiting: list[Order | tuple[str, int, int]] = []
        # as quick as can be: it is on the way of every order
        self.sent = self._waiting.append  # type: ignore[method-assign, assignment]  # no frame of ours

    def cancelled(self, strategy: str, made: int, now: int) -> None:
        """A cancel leaves."""
        self._waiting.append((strategy, made, now))
        if len(self._waiting) > _MANY:
            self._count()

    def heard(self, event: OrderDenied | OperatorCommand | EngineState) -> None:
        """Count a denial, and keep what was changed, for the day's report."""
        today = self.today(event.time)
        if isinstance(event, OrderDenied):
            today.denied[event.code] = today.denied.get(event.code, 0) + 1
            return
        if isinstance(event, OperatorCommand):
            words = f"{event.who or 'an operator'}: {event.command} {event.args}".rstrip()
            words += f" ({event.why})" if event.why else ""
        elif event.state == "trading":
            words = f"trading {event.trading}: {event.reason}"
        else:
            return
        today.changes.append(f"{to_datetime(event.time):%H:%M:%S} {words}")

    def begin(self, now: int) -> None:
        """A run begins: days before are of other runs."""
        self.today(now)
        self.days.clear()

    def today(self, now: int) -> Figures:
        """The figures of the day at `now` (ns), as they stand."""
        if self._waiting:
            self._count()
        if now >= self._ends:
            self._begin(now)
        return self._today

    def report(self, now: int) -> list[dict[str, Any]]:
        """Every day that there is anything to tell of, in plain values."""
        return [compliance(day) for day in self.told(now)]

    def told(self, now: int) -> list[Figures]:
        """Those days, today the last."""
        today = self.today(now)
        return [*self.days, today] if today else list(self.days)

    def kept(self) -> tuple[Figures, list[int]]:
        """Today's figures, and the moments of the last second."""
        self._count()
        return self._today, list(self._second)

    def remember(self, kept: Any) -> None:
        """Go on from what `kept` gave."""
        self._waiting.clear()
        self._today, second = msgspec.convert(
            kept or (Figures(date.min), ()), tuple[Figures, list[int]]
        )
        self._second = deque(second)
        self._ends = midnight(self._today.day) + DAY if kept else 0

    def _count(self) -> None:
        for left in self._waiting:
            if left.__class__ is Order:
                strategy, now = left.strategy, left.time
                figures = self._on(now)
                figures.orders += 1
                symbol, ordered, shares = left.symbol, figures.ordered, figures.shares
                ordered[symbol] = ordered.get(symbol, 0) + cents(left.price, left.quantity)
                shares[symbol] = shares.get(symbol, 0) + left.quantity
            else:
                strategy, made, now = left  # type: ignore[misc]  # the other of the two
                figures = self._on(now)
                figures.cancels += 1
                figures.quick += now - made < QUICK
            figures.by[strategy] = figures.by.get(strategy, 0) + 1
            second = self._second
            second.append(now)
            while second[0] <= now - SECOND:
                second.popleft()
            if len(second) > figures.peak:
                figures.peak = len(second)
        self._waiting.clear()

    def _on(self, now: int) -> Figures:
        if now >= self._ends:
            self._begin(now)
        return self._today

    def _begin(self, now: int) -> None:
        """A day begins."""
        if self._today:
            self.days.append(self._today)
        day = day_of(now)
        self._today, self._ends = Figures(day), midnight(day) + DAY


def compliance(figures: Figures) -> dict[str, Any]:
    """A day's figures as a report tells them; the ratio is of cancels to orders."""
    return {
        "day": figures.day.isoformat(),
        "orders": figures.orders,
        "cancels": figures.cancels,
        "peak_per_second": figures.peak,
        "cancel_ratio": round(figures.cancel_ratio, 4),
        "quick_cancels": figures.quick,
    }


def full_report(figures: Figures) -> dict[str, Any]:
    """A day's figures with all that is known of it; notional is in CNY, at the orders' prices."""
    return {
        **compliance(figures),
        "high_frequency": figures.peak >= MOST_A_SECOND or figures.sent >= MOST_A_DAY,
        "by_strategy": dict(sorted(figures.by.items())),
        "notional": {symbol: yuan(money) for symbol, money in sorted(figures.ordered.items())},
        "shares": dict(sorted(figures.shares.items())),
        "denied": dict(sorted(figures.denied.items())),
        "changes": figures.changes,
    }
