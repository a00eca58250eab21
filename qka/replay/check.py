"""What a replay decides, held against what the journal says, one after the other."""

from collections import Counter, deque
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from qka.journal.port import Record
from qka.model.events import (
    Alert,
    CancelRequested,
    EngineState,
    Event,
    OrderDenied,
    OrderRequested,
    Signal,
)
from qka.recording.port import Row
from qka.wire import decode, encode

DECISIONS = tuple(kind.__name__ for kind in (Signal, OrderRequested, OrderDenied, CancelRequested))


class Divergence(msgspec.Struct, frozen=True):
    """The first place where the replay went another way. None: there is nothing on that side."""

    then: Event | None  # as the journal has it
    now: Event | None  # as the replay had it
    seq: int  # of the journal's record, or of the last one before
    causes: list[Row | Record]  # what came in before it, the last one last


class Diverged(Exception):
    """The replay went another way."""


class Check:
    """`made` is told to it as it is made, the journal's records as they come."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # kind of decision -> how many were the same
        self.divergence: Divergence | None = None
        self._hash = sha256()
        self._made: deque[tuple[str, bytes]] = deque()
        self._causes: deque[Row | Record] = deque(maxlen=3)
        self._seq = 0

    @property
    def hash(self) -> str:
        """Of all decisions that were the same."""
        return self._hash.hexdigest()

    def heard(self, event: object) -> None:
        """The replay's engine writes down an event."""
        if not isinstance(event, Alert):
            self._made.append((type(event).__name__, encode(event)))

    def came(self, cause: Row | Record) -> None:
        """Something comes in; all that was made of what came before must have been met."""
        self.settled()
        self._causes.append(cause)

    def settled(self) -> None:
        """Nothing may be left that the journal does not have; raises Diverged."""
        if self._made:
            self._diverge(None)

    def met(self, record: Record) -> bool:
        """Whether the replay made that record too, just now."""
        self._seq = record.seq
        if not self._made or not _same(self._made[0], record):
            return False
        self._made.popleft()
        if record.kind in DECISIONS:
            self.counts[record.kind] += 1
            self._hash.update(record.kind.encode())
            self._hash.update(record.payload)
        return True

    def missed(self, record: Record) -> None:
        """The journal has a decision here and the replay has not made it: raises Diverged."""
        self._diverge(record)

    def _diverge(self, record: Record | None) -> None:
        now = decode(self._made[0][1]) if self._made else None
        then = record.event if record is not None else None
        if self.divergence is None:
            self.divergence = Divergence(then, now, self._seq, list(self._causes))
        raise Diverged


def _same(made: tuple[str, bytes], record: Record) -> bool:
    kind, payload = made
    if kind != record.kind:
        return False
    if kind == EngineState.__name__:  # a stop takes its time, another one
        return _state(decode(payload)) == _state(record.event)
    if kind == Signal.__name__ and b'"arrival"' not in record.payload:  # before it was kept
        return replace(_signal(decode(payload)), arrival=0.0) == record.event
    return payload == record.payload


def _signal(event: Event) -> Signal:
    assert isinstance(event, Signal)
    return event


def _state(event: Event) -> tuple[str, str]:
    assert isinstance(event, EngineState)
    return event.state, event.trading
