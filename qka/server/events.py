"""What the terminal pushed, numbered and on disk before any client sees it.

Numbers go up by one, also across restarts of the server, as long as the file lives; a new file is
a new epoch. So a client that names the epoch and the last number it saw gets exactly the rest.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from qka.server.store import Store

Listener = Callable[[int, bytes], None]  # (seq, frame), on the loop, in order

_CHUNK = 500  # events read from the disk at a time
_PRUNED_EVERY = 1000


class Event(NamedTuple):
    """An event as it is kept."""

    seq: int
    frame: bytes  # the whole frame of the WebSocket


class EventLog:
    """The numbered log. `keep`: how many events a client may have missed and still resume."""

    def __init__(
        self, store: Store, now: Callable[[], int], listener: Listener, *, keep: int = 200_000
    ) -> None:
        self.seq = 0  # the last event on the disk, and the last that clients were sent
        self.first = 1  # the oldest that is kept
        self._store = store
        self._now = now
        self._listener = listener
        self._keep = keep
        self._next = 1

    @property
    def epoch(self) -> str:
        """The life of the file: numbers of another epoch mean nothing here."""
        return self._store.epoch

    @property
    def pending(self) -> int:
        """How many are on their way to the disk."""
        return self._next - 1 - self.seq

    async def open(self) -> None:
        """Go on where the file ends."""
        first, last = await self._store.do(_bounds)
        self.first, self.seq, self._next = first, last, last + 1

    def append(self, kind: str, data: bytes) -> None:
        """Number an event (`data` is JSON), write it down, then tell the listener."""
        seq, self._next = self._next, self._next + 1
        write = partial(_insert, (seq, self._now(), kind, data))
        self._store.post(write, partial(self._written, seq, kind, data))
        if seq % _PRUNED_EVERY == 0:
            self._store.post(partial(_prune, seq - self._keep), self._pruned)

    def _written(self, seq: int, kind: str, data: bytes, result: Any) -> None:
        if isinstance(result, BaseException):
            # clients must hear of it all the same, but nobody can resume across the hole
            self._store.renew_epoch()
        self.seq = seq
        self._listener(seq, frame(seq, kind, data))

    def _pruned(self, first: Any) -> None:
        if isinstance(first, int):
            self.first = max(self.first, first)

    def resumable(self, epoch: str, seq: int) -> bool:
        """Whether everything after `seq` of `epoch` is still here."""
        return epoch == self.epoch and self.first - 1 <= seq <= self.seq

    async def after(self, seq: int) -> list[Event]:
        """The next events after `seq`, some at a time; raises OSError.

        Whoever has all up to `self.seq`, and does not wait before it listens, misses none.
        """
        rows = await self._store.do(partial(_after, seq))
        return [Event(row[0], frame(*row)) for row in rows]


def frame(seq: int, kind: str, data: bytes) -> bytes:
    """An event as clients get it."""
    return b'{"op":"event","seq":%d,"kind":"%b","data":%b}' % (seq, kind.encode(), data)


def _bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    first, last = connection.execute("SELECT min(seq), max(seq) FROM events").fetchone()
    return (first or 1, last or 0)


def _insert(row: tuple[int, int, str, bytes], connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)


def _prune(upto: int, connection: sqlite3.Connection) -> int:
    connection.execute("DELETE FROM events WHERE seq <= ?", (upto,))
    return upto + 1


def _after(seq: int, connection: sqlite3.Connection) -> list[tuple[int, str, bytes]]:
    return connection.execute(
        "SELECT seq, kind, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _CHUNK)
    ).fetchall()
