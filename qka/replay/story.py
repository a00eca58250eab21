"""The story of one order: its quote, its signal, the rules it passed, and what became of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qka.brokers.words import STATUS_WORDS
from qka.errors import ConfigError
from qka.journal.port import Note, Record
from qka.journal.records import Records, opened
from qka.language import say
from qka.model.events import (
    REPORTS,
    Alert,
    Fill,
    OrderAdopted,
    OrderDenied,
    OrderRequested,
)
from qka.model.life import after
from qka.model.market import Bar, Quote
from qka.model.order import Order
from qka.phrases import retold
from qka.recording.port import Due, Row
from qka.recording.reading import beside, rows_before
from qka.replay.words import said
from qka.titles import named

_SHOWN = 10  # orders that are named when none fits


class Line(NamedTuple):
    """Something that happened, with the engine's time (ns; 0: not known)."""

    time: int
    kind: str  # quote, signal, rules, order, wire, alert
    words: str


class Story(NamedTuple):
    """An order as it stands, and how it came to that."""

    order: Order
    lines: list[Line]


def tell(journal: Path, prefix: str) -> Story:
    """The story of the order whose id begins so.

    Raises ConfigError when there is none or more than one, JournalDamaged, DataError.
    """
    with opened(journal) as records:
        begun = _found(records, prefix)
        order = _order(begun)
        lines = [*_reasons(records, journal, begun, order)]
        seen: dict[str, Any] = {}  # fields of the wire, as they were told last
        for record in records.about(order.id, begun.seq):
            event = record.event if record.is_event else None
            if isinstance(event, (*REPORTS, Fill)):
                order = after(order, event)  # type: ignore[arg-type]  # REPORTS says the same
            lines += _line(record, event, order.id, seen)
        return Story(order, lines)


def _found(records: Records, prefix: str) -> Record:
    found = {_order(record).id: record for record in records.orders(prefix)}
    if prefix in found:
        return found[prefix]
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        some = ", ".join(list(found)[-_SHOWN:])
        raise ConfigError(f"{len(found)} orders begin with {prefix}: {some}; give more of one")
    newest = ", ".join(_order(record).id for record in records.last_orders(_SHOWN)) or "none"
    raise ConfigError(f"{records.path} has no order {prefix}; its newest are {newest}")


def _order(record: Record) -> Order:
    event = record.event
    assert isinstance(event, OrderRequested | OrderDenied | OrderAdopted)
    return event.order


def _reasons(records: Records, journal: Path, begun: Record, order: Order) -> Iterator[Line]:
    """What came before the order: the market, the signal, the rules."""
    signal = records.signal(order.signal, begun.seq) if order.signal else None
    first = signal or begun
    rows = rows_before(beside(journal), first.seq, first.ts)
    yield from _market(rows, order.symbol)
    if signal is not None:
        yield Line(signal.ts, "signal", said(signal.event))
    if not isinstance(begun.event, OrderAdopted):
        rules = records.latest(Note.RULES, "", begun.seq)
        yield from _verdicts(begun, rules.value if rules is not None else [])


def _market(rows: list[Row], symbol: str) -> Iterator[Line]:
    """The symbol's last quote or bar, and what else may have moved the strategy after it."""
    if not rows:
        yield Line(0, "quote", say("nothing was recorded then, so the quote is not known"))
    for place in range(len(rows) - 1, -1, -1):
        entry = rows[place].entry
        if isinstance(entry, Quote | Bar) and entry.symbol == symbol:
            yield Line(rows[place].time, "quote", said(entry))
            break
    if rows and isinstance(rows[-1].entry, Due):
        yield Line(rows[-1].time, "quote", said(rows[-1].entry))


def _verdicts(begun: Record, rules: list[str]) -> Iterator[Line]:
    event = begun.event
    refusing = event.rule if isinstance(event, OrderDenied) else ""
    asked = isinstance(event, OrderRequested) or _unwritten(event)  # all of them were
    passed = rules if asked else rules[: rules.index(refusing)] if refusing in rules else []
    if passed:
        names = say(", ").join(map(named, passed))
        yield Line(begun.ts, "rules", say("passed {rules}").format(rules=names))
    if isinstance(event, OrderDenied):
        refused = say("refused by {rule}: {reason}")
        rule = named(refusing) if refusing else say(event.code)
        words = refused.format(rule=rule, reason=retold(event.reason))
        yield Line(begun.ts, "rules", words)


def _unwritten(event: Any) -> bool:
    """It had passed every rule, and then the intent could not be written down."""
    return isinstance(event, OrderDenied) and event.code == "journal"


def _line(record: Record, event: Any, order_id: str, seen: dict[str, Any]) -> Iterator[Line]:
    if record.kind == Note.WIRE:
        yield Line(record.ts, "wire", _wire(record.value, seen))
    elif isinstance(event, Alert):
        yield Line(record.ts, "alert", retold(event.message))
    elif event is not None:
        yield Line(record.ts, "order", _of(order_id, said(event)))


def _of(order_id: str, words: str) -> str:
    """An event's line without the id, which stands at the head of the story."""
    short = words.removeprefix(f"order {order_id}: ")
    return short if short != words else words.replace(f" {order_id}", "", 1)


def _wire(told: Any, seen: dict[str, Any]) -> str:
    """What went or came, without the fields that were told before and are still the same."""
    data, what = told["data"], told["what"]
    new = {n: v for n, v in data.items() if seen.get(n) != v or what.endswith("goes")}
    seen.update(data)
    if "order_status" in new:
        status = new["order_status"]
        new["order_status"] = f"{status} {STATUS_WORDS.get(status, '')}".strip()
    fields = "  ".join(f"{name}={value}" for name, value in new.items())
    return f"{what}  {fields}" if fields else f"{what}  " + say("(nothing new)")
