"""One pass over a journal: everything before the period is booked, the period itself is told of."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec

from qka.engine.reconciler import Settled
from qka.engine.worth import Worth
from qka.errors import ConfigError
from qka.journal.port import Note, Record
from qka.journal.records import opened
from qka.model.events import (
    Alert,
    CancelRequested,
    EngineState,
    Event,
    Fill,
    OperatorCommand,
    OrderRequested,
    SessionPhase,
)
from qka.model.times import day_of
from qka.report.account import BOOKED, Account
from qka.report.figures import Day, Filled, Part, Point, Report, Run
from qka.report.lots import ACCOUNT, Share
from qka.report.orders import Orders
from qka.risk.meter import Meter

_NOTES = frozenset({Note.WORTH, Note.RECONCILED, Note.SNAPSHOT})


class Period(NamedTuple):
    """What a report is of: the records of a journal from one number to another."""

    title: str
    journal: Path
    first: int
    last: int


def gather(period: Period) -> Report:
    """The report of a period. Raises ConfigError, JournalDamaged."""
    with opened(period.journal) as records:
        walk = _Walk()
        for record in records.between(0, period.last):
            walk.record(record, inside=record.seq >= period.first)
        if not walk.first:
            raise ConfigError(f"{period.journal} has no records of {period.title}")
        return walk.report(period, records.account)


class _Walk:
    """Told every record up to the period's end."""

    def __init__(self) -> None:
        self.first = self.last = 0  # ns, of the period's records
        self._account = Account()
        self._orders = Orders()
        self._meter = Meter()
        self._begun = False
        self._opening = 0
        self._curve: list[Point] = []
        self._days: list[Day] = []
        self._day = date.min  # the last record's
        self._traded = False  # that day is a trading day
        self._closed = (0, 0)  # total and paid in, at the close of the last trading day
        self._fills: list[Filled] = []
        self._settled: list[tuple[int, Settled]] = []
        self._alerts: list[Alert] = []
        self._commands: list[OperatorCommand] = []
        self._states: list[EngineState] = []

    def record(self, record: Record, *, inside: bool) -> None:
        """The next one; `inside` the period."""
        if inside:
            self._enter(record)
        if record.kind in _NOTES:
            self._account.note(record)
            if inside:
                self._note(record)
        elif record.is_event and (inside or record.kind in BOOKED):
            event = record.event
            turnover = self._account.book(event) if record.kind in BOOKED else None
            if inside and not (isinstance(event, Fill) and turnover is None):
                self._event(record.ts, event, turnover or 0)

    def report(self, period: Period, account: str) -> Report:
        """All of it."""
        self._close_day()
        books, orders = self._account, self._orders
        for placed in orders.placed.values():
            placed.order = books.order(placed.order.id) or placed.order
        return Report(
            title=period.title,
            account=account,
            journal=str(period.journal),
            first=self.first,
            last=self.last,
            known=books.known,
            opening=self._opening,
            closing=books.total(),
            moved=books.moved,
            curve=self._curve,
            days=self._days,
            parts=self._parts(),
            trades=books.lots.trades if books.known else [],
            orders=list(orders.placed.values()),
            fills=self._fills,
            denied=orders.denied,
            signals=orders.signals,
            compliance=self._meter.report(self.last),
            settled=self._settled,
            alerts=self._alerts,
            commands=self._commands,
            states=self._states,
            runs=_runs(self._states),
        )

    # ------------------------------------------------------------ inside

    def _enter(self, record: Record) -> None:
        day = day_of(record.ts)
        if day != self._day:
            self._close_day()
            self._day, self._traded = day, False
        if not self.first:
            self._meter.begin(record.ts)
        self.first = self.first or record.ts
        self.last = max(self.last, record.ts)
        if not self._begun and self._account.known:
            self._begin(record.ts)

    def _begin(self, time: int) -> None:
        self._begun = True
        self._account.begin()
        self._opening = self._account.total()
        self._closed = self._opening, 0
        if time:
            self._point(time)

    def _point(self, time: int) -> None:
        self._curve.append(Point(time, self._account.total(), self._account.moved))

    def _close_day(self) -> None:
        """A trading day is over."""
        if not (self._traded and self._begun):
            return
        total, moved = self._account.total(), self._account.moved
        opening, before = self._closed
        self._days.append(Day(self._day, opening, total, moved - before))
        self._closed = total, moved

    def _note(self, record: Record) -> None:
        if record.kind == Note.RECONCILED:
            self._settled.append((record.ts, msgspec.json.decode(record.payload, type=Settled)))
            return
        if not self._begun and self._account.known:
            self._begin(record.ts)
        elif record.kind == Note.WORTH and self._begun:
            told = msgspec.json.decode(record.payload, type=Worth)
            self._curve.append(Point(record.ts, told.total, self._account.moved))
        elif record.ts and self._begun:
            self._point(record.ts)

    def _event(self, time: int, event: Event, turnover: int) -> None:
        self._orders.told(time, event)
        match event:
            case Fill():
                order = self._account.order(event.order_id)
                strategy = order.strategy if order is not None else ACCOUNT
                self._fills.append(Filled(event, strategy, turnover))
            case OrderRequested(order=order):
                self._meter.sent(order)
            case CancelRequested():
                order = self._account.order(event.order_id)
                whose, made = (order.strategy, order.time) if order else ("", 0)
                self._meter.cancelled(whose, made, event.time)
            case SessionPhase():
                self._traded = True
            case Alert():
                self._alerts.append(event)
            case OperatorCommand():
                self._commands.append(event)
            case EngineState():
                self._states.append(event)

    def _parts(self) -> list[Part]:
        held: dict[tuple[str, str], list[int]] = {}
        for (symbol, lot), worth in self._account.worth():
            sums = held.setdefault((lot.owner, symbol), [0, 0, 0, 0])
            for place, value in enumerate((lot.shares, worth, worth - lot.cost, worth - lot.basis)):
                sums[place] += value
        shares = self._account.lots.shares
        parts = []
        for owner, symbol in sorted(held.keys() | shares.keys()):
            did = shares.get((owner, symbol), Share())
            count, value, unrealised, risen = held.get((owner, symbol), (0, 0, 0, 0))
            part = Part(
                strategy=owner,
                symbol=symbol,
                fills=did.fills,
                bought=did.bought,
                sold=did.sold,
                fees=did.fees,
                realised=did.realised + did.other,
                profit=did.gained + did.other + risen,
                shares=count,
                value=value,
                unrealised=unrealised,
            )
            parts.append(part)
        return parts


def _runs(states: list[EngineState]) -> list[Run]:
    runs: list[Run] = []
    for event in states:
        if event.state == "opening":
            runs.append(Run(event.time, 0, str(event.trading)))
        elif runs:
            started, ended, _ = runs[-1]
            started = started or event.time  # a simulated clock begins after the opening
            ended = event.time if event.state == "stopped" else ended
            runs[-1] = Run(started, ended, str(event.trading))
    return runs
