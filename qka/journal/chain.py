"""A record and its hash: pure, and the same on every machine.

The hash of a record covers everything in it and the hash before it, so one changed byte breaks
the chain there, and one missing or moved record at its place.
"""

import enum
import struct
from hashlib import sha256
from typing import Any, NamedTuple

from qka.model.events import Event
from qka.wire import canonical, decode, plain

START = bytes(32)  # what the first record has for a hash before it

# before hash, seq, ts, bytes of kind, of key (-1: it has none), of payload; the three follow
_FRAME = struct.Struct(">32sqqIiI").pack


class Note(enum.StrEnum):
    """Kinds of records that are no event; a record of an event has its class for a kind.

    Notes are lower-case, events are not. Only the last note of a kind and key counts.
    """

    GENESIS = "genesis"  # the first record: whose journal this is
    RECOVERED = "recovered"  # what was before it came out of a damaged journal
    RECONCILED = "reconciled"  # what a comparison with the broker found
    ACCEPTED = "accepted"  # what of it the operator takes over
    TRADING = "trading"  # the trading state and why
    RISK = "risk"  # key: a counter: the day's loss, the peak equity
    STATE = "state"  # key: a strategy: its `state`
    RULES = "rules"  # the gate's, in the order they are asked
    WIRE = "wire"  # key: an order: what went to the broker and what came, each of them counts
    WORTH = "worth"  # what the account is worth, now and then: each of them counts
    SNAPSHOT = "snapshot"  # key: a view: all of it, so that nothing before is needed for it


class Mark(NamedTuple):
    """A place in a chain: the record with this number has this hash."""

    seq: int
    hash: bytes


BEGINNING = Mark(0, START)


class Record(NamedTuple):
    """One record as it is on disk; `ts` is the engine's clock in ns, `key` only notes have."""

    seq: int
    ts: int
    kind: str
    key: str | None
    payload: bytes
    prev_hash: bytes
    hash: bytes

    @property
    def mark(self) -> Mark:
        """Its place in the chain."""
        return Mark(self.seq, self.hash)

    @property
    def is_event(self) -> bool:
        """Whether it records an event, and not a note."""
        return self.key is None and self.kind[:1].isupper()

    @property
    def event(self) -> Event:
        """The event it records; raises msgspec.ValidationError for a note."""
        return decode(self.payload)

    @property
    def value(self) -> Any:
        """What it records, as plain values."""
        return plain(self.payload)


def digest(before: bytes, seq: int, ts: int, kind: str, key: str | None, payload: bytes) -> bytes:
    """The hash of a record that comes after the one whose hash is `before`."""
    # "surrogateescape": what a damaged file holds has a hash too, a wrong one
    word = kind.encode("utf-8", "surrogateescape")
    if key is None:
        frame = _FRAME(before, seq, ts, len(word), -1, len(payload))
        return sha256(b"".join((frame, word, payload))).digest()
    name = key.encode("utf-8", "surrogateescape")
    frame = _FRAME(before, seq, ts, len(word), len(name), len(payload))
    return sha256(b"".join((frame, word, name, payload))).digest()


def whole(before: Mark, record: Record) -> bool:
    """Whether it is the record that was written after that place, to the last byte."""
    seq, ts, kind, key, payload, prev_hash, own = record
    if seq != before.seq + 1 or prev_hash != before.hash:
        return False
    return matches(own, prev_hash, seq, ts, kind, key, payload)


def matches(own: object, *parts: Any) -> bool:
    """Whether that is the hash of these parts; parts of a wrong type have none."""
    try:
        return digest(*parts) == own
    except (struct.error, AttributeError, TypeError):
        return False


def genesis(account_id: str, account_type: str) -> bytes:
    """The payload of the first record: the chain belongs to this account from its first link."""
    return canonical({"account": account_id, "account_type": account_type, "chain": 1})
