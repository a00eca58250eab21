"""A report's figures, as plain values: what `gather` finds out and everybody else tells.

Money is in whole cents unless it says CNY; moments are ns, durations too.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from qka.engine.reconciler import Settled
from qka.model.events import Alert, EngineState, OperatorCommand, Signal
from qka.model.order import FINAL, Fill
from qka.report.lots import Trade
from qka.report.orders import Denied, Placed


class Point(NamedTuple):
    """What the account was worth; `moved`: what had been paid in by then."""

    time: int
    total: int
    moved: int


class Day(NamedTuple):
    """A trading day."""

    day: date
    opening: int  # the close of the day before
    closing: int
    moved: int  # paid in, or below zero out

    @property
    def profit(self) -> int:
        """Cents."""
        return self.closing - self.opening - self.moved

    @property
    def rate(self) -> float:
        """Of what there was at its opening."""
        return self.profit / self.opening if self.opening > 0 else 0.0


class Part(NamedTuple):
    """What one strategy did in one symbol; the account's own has no strategy."""

    strategy: str
    symbol: str
    fills: int
    bought: int
    sold: int
    fees: int
    realised: int  # against what was paid, also before the period
    profit: int  # of the period: all parts add up to the account's
    shares: int  # still held
    value: int  # of these
    unrealised: int  # of these, against what was paid


class Filled(NamedTuple):
    """A fill, and the cents that it moved without its fees."""

    fill: Fill
    strategy: str
    turnover: int


class Run(NamedTuple):
    """An engine's run, as far as it lies in the period."""

    started: int
    ended: int  # 0: it goes on, or it was killed
    state: str  # trading state, as told last


class Spread(NamedTuple):
    """How long something took, in ns."""

    orders: int  # that took it
    median: int
    high: int  # 95 of 100 took no longer
    most: int


class Drawdown(NamedTuple):
    """The deepest fall from a peak."""

    money: int
    rate: float  # of the peak
    peak: int  # ns
    trough: int  # ns


class Report(msgspec.Struct):
    """All that a report tells.

    `known`: the journal says what the account held at first. Where it does not, what it was worth
    and every profit are without meaning, and there are no trades.
    """

    title: str  # the run, the day or the days
    account: str
    journal: str
    first: int
    last: int
    known: bool
    opening: int
    closing: int
    moved: int
    curve: list[Point]
    days: list[Day]
    parts: list[Part]
    trades: list[Trade]
    orders: list[Placed]
    fills: list[Filled]
    denied: list[Denied]
    signals: list[Signal]
    compliance: list[dict[str, Any]]
    settled: list[tuple[int, Settled]]
    alerts: list[Alert]
    commands: list[OperatorCommand]
    states: list[EngineState]
    runs: list[Run]

    @property
    def profit(self) -> int:
        """Of the period, less what was paid in."""
        return self.closing - self.opening - self.moved

    @property
    def rate(self) -> float | None:
        """The profit as a share of what there was at first, None where nobody knows that."""
        return self.profit / self.opening if self.known and self.opening > 0 else None

    @property
    def fees(self) -> int:
        """All fees."""
        return sum(part.fees for part in self.parts)

    @property
    def turnover(self) -> int:
        """Bought and sold."""
        return sum(part.bought + part.sold for part in self.parts)

    @property
    def fill_ratio(self) -> float | None:
        """Shares that traded of those ordered; None without an order."""
        ordered = sum(placed.order.quantity for placed in self.orders)
        return sum(p.order.filled for p in self.orders) / ordered if ordered else None

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of the orders, in words, each with how many."""
        counts: dict[str, int] = {}
        for placed in self.orders:
            order = placed.order
            some = 0 < order.filled < order.quantity and order.status in FINAL
            word = "partly_filled" if some else str(order.status)
            counts[word] = counts.get(word, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def denials(self) -> dict[str, int]:
        """Rule -> how often it refused, the busiest first."""
        counts: dict[str, int] = {}
        for denied in self.denied:
            counts[denied.code] = counts.get(denied.code, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def drawdown(self) -> Drawdown:
        """Over every point of the curve; what was paid in or out is no rise and no fall."""
        deepest = Drawdown(0, 0.0, 0, 0)
        peak: Point | None = None
        for point in self.curve:
            if peak is None or point.total - point.moved >= peak.total - peak.moved:
                peak = point
                continue
            top = peak.total - peak.moved + point.moved
            fall = top - point.total
            if fall > deepest.money:
                deepest = Drawdown(fall, fall / top if top > 0 else 0.0, peak.time, point.time)
        return deepest

    def by(self, *fields: str) -> list[Part]:
        """The parts added up by strategy, by symbol, or by both."""
        sums: dict[tuple[str, str], list[Part]] = {}
        for part in self.parts:
            strategy = part.strategy if "strategy" in fields else ""
            symbol = part.symbol if "symbol" in fields else ""
            sums.setdefault((strategy, symbol), []).append(part)
        return [added(parts, *key) for key, parts in sorted(sums.items())]

    @property
    def slippage(self) -> tuple[Decimal, float] | None:
        """(CNY, basis points) of all fills with an arrival price, None without one."""
        return slippage(self.orders)

    def spread(self, start: str, end: str) -> Spread | None:
        """How long orders took from one of their moments to another, None where none did."""
        moments = ((getattr(p, start), getattr(p, end)) for p in self.orders)
        took = sorted(there - here for here, there in moments if here and there)
        if not took:
            return None
        high = took[min(len(took) - 1, len(took) * 95 // 100)]
        return Spread(len(took), took[len(took) // 2], high, took[-1])


def added(parts: Sequence[Part], strategy: str = "", symbol: str = "") -> Part:
    """Parts added up."""
    columns = zip(*(part[2:] for part in parts), strict=True)
    return Part(strategy, symbol, *(sum(column) for column in columns))


def slippage(orders: Sequence[Placed]) -> tuple[Decimal, float] | None:
    """(CNY, basis points) that fills cost more than at the arrival price; None without one."""
    known = [(placed.slippage, placed.arrived) for placed in orders]
    costs = [(cost, arrived) for cost, arrived in known if cost is not None]
    if not costs:
        return None
    money = sum((cost for cost, _ in costs), Decimal(0))
    return money, float(money / sum(arrived for _, arrived in costs) * 10_000)
