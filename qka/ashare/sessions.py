"""Phases of the exchange day in Shanghai time, and what each product takes in them."""

from bisect import bisect_right
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from qka.ashare import book
from qka.ashare.data.days import FIXED_SH
from qka.ashare.rows import OrderKind, Span, Taking, Timetable
from qka.model.market import Phase
from qka.model.order import OrderType
from qka.model.times import DAY, MINUTE, day_of, midnight, time_of_day

_CALLS = (Phase.OPENING_CALL, Phase.CLOSING_CALL)


def _minutes(hhmm: str) -> int:
    hours, minutes = hhmm.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE


# start of the phase (ns after midnight) -> phase: the boundaries of the engine's day, which every
# A share has in common
BOUNDARIES: tuple[tuple[int, Phase], ...] = tuple(
    (_minutes(span.start), span.phase)
    for before, span in pairwise((None, *FIXED_SH))
    if span is not None and (before is None or before.phase is not span.phase)
)
_STARTS = [start for start, _ in BOUNDARIES]


def phase_at(time: int) -> Phase:
    """The phase of a trading day at a moment (ns since the epoch)."""
    return BOUNDARIES[bisect_right(_STARTS, time_of_day(time)) - 1][1]


def phases_of(day: date) -> list[tuple[int, Phase]]:
    """Every phase of a trading day with the moment (ns) it begins."""
    start = midnight(day)
    return [(start + offset, phase) for offset, phase in BOUNDARIES]


# ---------------------------------------------------------------- by product


@lru_cache(maxsize=65536)
def _table(symbol: str, day: date) -> tuple[list[int], tuple[Span, ...]]:
    """Starts in ns after midnight, and the spans; none for what has no trading day."""
    row = book.row(Timetable, symbol, day)
    spans = row.spans if row else (Span("00:00", Phase.CLOSED),)
    return [_minutes(span.start) for span in spans], spans


book.on_change(_table.cache_clear)


def span_at(symbol: str, time: int) -> Span:
    """The part of a symbol's trading day at a moment (ns): its phase, and what is taken."""
    starts, spans = _table(symbol, day_of(time))
    return spans[bisect_right(starts, time_of_day(time)) - 1]


class Window(NamedTuple):
    """A span of a symbol's day with the moments (ns) it begins and is over."""

    start: int
    end: int
    span: Span


_windows: dict[str, Window] = {}  # symbol -> the last one that was asked for
book.on_change(_windows.clear)


def window_at(symbol: str, time: int) -> Window:
    """The part of a symbol's trading day at a moment (ns), and until when it lasts.

    Quick where moments near one another are asked for in turn.
    """
    window = _windows.get(symbol)
    if window is None or not window[0] <= time < window[1]:
        day = day_of(time)
        starts, spans = _table(symbol, day)
        at, begin = bisect_right(starts, time_of_day(time)) - 1, midnight(day)
        end = starts[at + 1] if at + 1 < len(starts) else DAY
        window = _windows[symbol] = Window(begin + starts[at], begin + end, spans[at])
    return window


def taking(span: Span, kind: OrderType) -> Taking:
    """What becomes of a new order of that type in a part of the day."""
    if kind is OrderType.LIMIT:
        return span.limit
    return span.fixed if kind is OrderType.FIXED else span.market


def taken_from(symbol: str, time: int, kind: OrderType = OrderType.LIMIT) -> int | None:
    """The first moment (ns) of the day, not before `time`, at which such an order is taken."""
    starts, spans = _table(symbol, day_of(time))
    begin = midnight(day_of(time))
    for at, span in enumerate(spans):
        end = begin + (starts[at + 1] if at + 1 < len(starts) else DAY)
        if end > time and taking(span, kind) is Taking.TAKEN:
            return max(time, begin + starts[at])
    return None


def takes(symbol: str, time: int, kind: OrderType = OrderType.LIMIT) -> Taking:
    """What becomes of a new order of that type at a moment (ns) of a trading day."""
    if kind not in order_kinds(symbol, day_of(time)):
        return Taking.REFUSED
    return taking(span_at(symbol, time), kind)


def order_kinds(symbol: str, day: date) -> dict[OrderType, OrderKind]:
    """The order types that a symbol takes on a day at all; empty for what can't be traded."""
    return _kinds(symbol, book.since(day))


@lru_cache(maxsize=65536)
def _kinds(symbol: str, day: date) -> dict[OrderType, OrderKind]:
    found = {name: book.row(OrderKind, symbol, day, name=name) for name in OrderType}
    return {name: row for name, row in found.items() if row is not None}


book.on_change(_kinds.cache_clear)


def cancels_from(symbol: str, time: int) -> int:
    """The moment (ns), `time` itself or a later one, from which a cancel does not come too early.

    While a call auction is decided the exchange takes none: in 09:20-09:25, and in 14:57-15:00
    where there is a closing call.
    """
    starts, spans = _table(symbol, day_of(time))
    at = bisect_right(starts, time_of_day(time)) - 1
    if spans[at].phase in _CALLS and spans[at].cancel is Taking.REFUSED:
        end = starts[at + 1] if at + 1 < len(starts) else DAY
        return midnight(day_of(time)) + end
    return time


def cancels_taken(symbol: str, time: int) -> bool:
    """Whether a cancel comes at a time when no call auction is being decided."""
    return cancels_from(symbol, time) == time
