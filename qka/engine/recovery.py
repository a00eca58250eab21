"""What an earlier run left in the journal, brought back before anything trades.

A checkpoint says where the engine stood; the records after it are lived through again, in their
order, and tell nobody. So a start reads a day at most, however long the account has traded.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from qka.ashare.rows import Taking
from qka.ashare.sessions import span_at, taking
from qka.engine.dues import Due
from qka.engine.ledger import Books, Ledger
from qka.engine.tally import Tally
from qka.engine.unfinished import LASTING
from qka.errors import ConfigError
from qka.journal.port import Journal, Note
from qka.model.events import (
    CancelRequested,
    Distributed,
    EngineState,
    Fill,
    LinkState,
    OperatorCommand,
    OrderDenied,
    OrderRequested,
    Signal,
    TimerFired,
    TradingState,
)
from qka.model.market import Phase
from qka.model.order import Order
from qka.model.times import day_of
from qka.risk.gate import Gate


class Checkpoint(msgspec.Struct, frozen=True):
    """Where an engine stands: nothing before it need be read."""

    books: Books
    owners: dict[str, dict[str, int]]  # symbol -> strategy -> shares it bought
    signal: int  # the last one's number
    rates: dict[str, Any]  # counter of the gate -> what it remembers
    timers: dict[str, int]  # strategy and timer -> when it fired last (ns)
    memory: str = ""  # see `LinkState.memory`
    memories: dict[str, str] = {}  # order id -> the memory when it was sent, of open orders
    opening: bool = False  # strategies are not told of anything yet
    unheard: list[Fill] = []  # what they are to be told of
    dues: list[Due] = []  # of corporate actions
    asked: list[OperatorCommand] = []  # of this run by humans, of what takes its time
    since: date | None = None  # the feed has told of all corporate actions before that day


class Standing(msgspec.Struct, frozen=True):
    """The trading state as it was put down, and who is to lift it."""

    trading: TradingState
    reason: str


class Past:
    """What the journal knows of earlier runs. `known`: there was one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.known = False
        self.day = date.min  # of the last record
        self.since = date.min  # see `Checkpoint`: the deals since then are known
        self.dues: list[Due] = []  # of corporate actions, then
        self.away = (0, 0)  # no engine ran from then to then (ns)
        self.timers: dict[str, int] = {}
        self.memory = ""  # of the broker's link, see `LinkState.memory`
        self.memories: dict[str, str] = {}  # order id -> what it was when the order was sent
        self.unheard: list[Fill] = []  # of which no strategy has been told
        self.asked: list[OperatorCommand] = []  # by humans, of what takes its time

    def relive(self, ledger: Ledger, gate: Gate, tally: Tally) -> None:
        """Bring ledger, gate and owners to where they were; raises JournalDamaged."""
        last = self._journal.latest(Note.SNAPSHOT)
        if last is None:
            return
        self.known = True
        begin = msgspec.json.decode(last.payload, type=Checkpoint)
        ledger.restore(begin.books)
        gate.remember(begin.rates)
        tally.remember(begin.owners, begin.signal)
        self.timers = dict(begin.timers)
        self.day = day_of(last.ts)
        self.since = begin.since or self.day
        self.away, self.dues = (last.ts, last.ts), list(begin.dues)
        self.memory, self.memories = begin.memory, dict(begin.memories)
        opening, self.unheard = begin.opening, list(begin.unheard)
        self.asked = list(begin.asked)
        with ledger.quietly() as book:
            for record in self._journal.records(last.seq):
                self.day, self.away = max(self.day, day_of(record.ts)), (record.ts, record.ts)
                if not record.is_event:
                    continue
                event = record.event
                book(event)
                match event:
                    case OrderRequested():
                        gate.sent(event.order)
                        self.sent(event.order)
                    case OperatorCommand():
                        gate.meter.heard(event)
                        if event.command in LASTING:
                            self.asked.append(event)
                    case OrderDenied() | EngineState(state="trading"):
                        gate.meter.heard(event)
                    case LinkState():
                        self.linked(event)
                    case EngineState(state="opening"):
                        opening = True
                    case EngineState(state="running"):
                        opening = False
                        self.unheard.clear()
                    case CancelRequested():
                        order = ledger.order(event.order_id)
                        whose, made = (order.strategy, order.time) if order else ("", 0)
                        gate.cancelled(whose, made, event.time)
                    case Fill():
                        tally.move(event)
                        if opening:
                            self.unheard.append(event)
                    case Distributed():
                        tally.give(event)
                    case Signal():
                        tally.signal = max(tally.signal, event.id)
                    case TimerFired():
                        self.timers[f"{event.strategy} {event.name}"] = event.time

    def returned(self, now: int) -> None:
        """An engine runs again."""
        if self.known:
            self.away = self.away[0], now

    def sent(self, order: Order) -> None:
        """An order was sent: to a link with the memory it has now."""
        if self.memory:
            self.memories[order.id] = self.memory

    def linked(self, event: LinkState) -> None:
        """The broker's link says what it remembers keys in."""
        if event.link == "broker" and event.up:
            self.memory = event.memory

    def standing(self) -> Standing | None:
        """The trading state that a run before this one left."""
        last = self._journal.latest(Note.TRADING)
        return None if last is None else msgspec.json.decode(last.payload, type=Standing)

    def accepted(self) -> str:
        """The fingerprint of the differences that the operator takes over, "" for none.

        It counts once: not when the books were compared after it.
        """
        told = self._journal.latest(Note.ACCEPTED)
        compared = self._journal.latest(Note.RECONCILED)
        if told is None or (compared is not None and compared.seq > told.seq):
            return ""
        return str(told.value["fingerprint"])

    def state(self, strategy: str) -> Mapping[str, object] | None:
        """A strategy's `state` as it was left."""
        last = self._journal.latest(Note.STATE, strategy)
        return None if last is None else last.value


def left_over(ledger: Ledger, today: date, trades: Callable[[date], bool]) -> list[Order]:
    """Orders of an earlier day that nobody saw the end of: a day takes its orders with it.

    What a broker keeps in the evening is the next trading day's, and ends with that one. `trades`
    says which days those are; beyond the last one that it knows no evening's order is over.
    """
    return [o for o in ledger.working() if _is_over(o, today, trades)]


def _is_over(order: Order, today: date, trades: Callable[[date], bool]) -> bool:
    made = day_of(order.time)
    if made >= today or not _of_an_evening(order):
        return made < today
    try:
        return any(trades(made + timedelta(n)) for n in range(1, (today - made).days))
    except ConfigError:
        return False


def _of_an_evening(order: Order) -> bool:
    """By the rule book; one that others placed after the close is its broker's own proof."""
    span = span_at(order.symbol, order.time)
    kept = not order.signal or taking(span, order.type) is Taking.QUEUED
    return span.phase is Phase.CLOSED and kept
