"""The recorder's port: what the engine tells it, on a postcard; and the rows that come of it."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from qka.model.events import CancelRequested
from qka.model.market import Bar, Quote


class Head(msgspec.Struct, frozen=True, tag=True):
    """What a run began with: the first row of each."""

    run: int  # number of the journal's last record before it
    hash: str  # of that record
    symbols: tuple[str, ...]  # that the feed brings
    provides: str  # quote, or the period of its bars
    waits: bool  # whether time waited for async handlers
    history: Mapping[str, Sequence[Bar]]  # "symbol period" -> bars known before the first event


class Due(msgspec.Struct, frozen=True, tag=True):
    """A callback of the clock ran that was due at `when` (ns)."""

    when: int


class Turn(msgspec.Struct, frozen=True, tag=True):
    """An async handler of `name` began, or went on after something it had awaited."""

    name: str


class Said(msgspec.Struct, frozen=True, tag=True):
    """What was said while nothing else was worked is heard."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The feed has ended, the strategies are told to finish."""


# a cancel that the broker says again; our own are in the journal
Entry = Quote | Bar | Due | Turn | Said | Stop | Head | CancelRequested


class Row(NamedTuple):
    """Something entered the engine: at which time of its clock (ns), behind which record."""

    time: int
    seq: int
    entry: Any  # an Entry; what is none is not kept


class Recorder(Protocol):
    """Keeps what enters the engine from outside and is not in the journal.

    Every call returns at once and none of them raises: trading never waits for a recording.
    """

    def open(self, head: Head) -> None:
        """A run begins."""

    def enter(self, event: Any) -> None:
        """The feed reports an event."""

    def due(self, when: int) -> None:
        """The clock calls back what was due at `when` (ns)."""

    def turn(self, name: str) -> Awaitable[None] | None:
        """An async handler of `name` is about to begin or to go on; await what this gives."""

    def said(self) -> None:
        """What was said while nothing else was worked is about to be heard."""

    def stop(self) -> None:
        """The feed has ended, the strategies are about to finish."""

    def close(self) -> None:
        """The run is over; calling it twice is fine."""


class NoRecorder:
    """Keeps nothing."""

    def open(self, head: Head) -> None:
        """Nothing."""

    def enter(self, event: Any) -> None:
        """Nothing."""

    def due(self, when: int) -> None:
        """Nothing."""

    def turn(self, name: str) -> Awaitable[None] | None:
        """Nothing."""
        return None

    def said(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
