"""A journal's records, read without touching it; an engine may be writing it meanwhile."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qka.errors import JournalDamaged
from qka.journal import schema
from qka.journal.chain import whole
from qka.journal.port import Note, Record
from qka.journal.reading import (
    check_about,
    check_there,
    last_seq,
    read_only,
    row,
    rows,
    unreadable,
)
from qka.journal.verify import verify
from qka.journal.words import FILE_ERRORS, broken
from qka.model.events import EngineState, OrderAdopted, OrderDenied, OrderRequested, Signal

_CHUNK = 1000  # read at once


class Records:
    """The records of a journal file; `account` and `account_type` say whose they are."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        about = schema.about(connection)
        check_about(path, about, None)
        self.account = str(about.meta.get("account", ""))
        self.account_type = str(about.meta.get("account_type", "STOCK"))

    def between(self, after: int, last: int | None = None) -> Iterator[Record]:
        """Those behind the first number and not behind the second, each checked with its hash.

        Raises JournalDamaged.
        """
        before = row(self._connection, after) if after else None
        while last is None or after < last:
            chunk = list(rows(self._connection, after + 1, _CHUNK))
            for record in chunk:
                if last is not None and record.seq > last:
                    return
                if before is not None and not whole(before.mark, record):
                    raise self._damage()
                before, after = record, record.seq
                yield record
            if not chunk:
                return

    def last(self) -> int:
        """The number of the last record there is now, 0 when there is none."""
        return last_seq(self._connection)

    def time(self, number: int) -> int:
        """When a record was written (ns), 0 when there is none of that number."""
        found = row(self._connection, number)
        return found.ts if found is not None else 0

    def within(self, begin: int, end: int) -> tuple[int, int]:
        """(first, last) number of the records from one moment on and before another (ns); zeros
        when there is none.
        """
        found = self._connection.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM records "
            "WHERE ts >= ? AND ts < ?",
            (begin, end),
        ).fetchone()
        return int(found[0]), int(found[1])

    def hash(self, number: int) -> str:
        """Of the record of that number; empty when there is none."""
        found = row(self._connection, number)
        return found.hash.hex() if found is not None else ""

    def latest(self, kind: Note, key: str, last: int) -> Record | None:
        """The last note of that kind and key that is not behind that number."""
        found = self._connection.execute(
            f"SELECT {schema.columns(self._connection)} FROM records "
            "WHERE kind = ? AND key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
            (str(kind), key, last),
        ).fetchone()
        return None if found is None else Record._make(found)

    def openings(self) -> list[tuple[int, int]]:
        """(number, ns) of the record that each run began with, refused starts among them."""
        return self._states("opening")

    def starts(self) -> list[int]:
        """The number of the record with which each run that was not refused let strategies in."""
        return [seq for seq, _ in self._states("started")]

    def _states(self, state: str) -> list[tuple[int, int]]:
        found = self._connection.execute(
            "SELECT seq, ts FROM records WHERE kind = ? AND instr(payload, CAST(? AS BLOB)) "
            "ORDER BY seq",
            (EngineState.__name__, f'"state":"{state}"'),
        )
        return [(int(seq), int(ts)) for seq, ts in found]

    def orders(self, prefix: str) -> list[Record]:
        """The records that orders began with whose id begins so, oldest first."""
        kinds = (OrderRequested.__name__, OrderDenied.__name__, OrderAdopted.__name__)
        found = self._connection.execute(
            f"SELECT {schema.columns(self._connection)} FROM records "
            "WHERE kind IN (?, ?, ?) AND instr(payload, CAST(? AS BLOB)) ORDER BY seq",
            (*kinds, f'"id":"{prefix}'),
        )
        return [Record._make(each) for each in found]

    def about(self, order_id: str, since: int) -> list[Record]:
        """All records that name an order, from that number on."""
        found = self._connection.execute(
            f"SELECT {schema.columns(self._connection)} FROM records "
            "WHERE seq >= ? AND (key = ? OR instr(payload, CAST(? AS BLOB))) ORDER BY seq",
            (since, order_id, f'"{order_id}"'),
        )
        return [Record._make(each) for each in found]

    def signal(self, number: int, before: int) -> Record | None:
        """The signal of that number that came last before a record."""
        found = self._connection.execute(
            f"SELECT {schema.columns(self._connection)} FROM records "
            "WHERE seq < ? AND kind = ? ORDER BY seq DESC LIMIT 1000",
            (before, Signal.__name__),
        )
        for each in map(Record._make, found):
            event = each.event
            if isinstance(event, Signal) and event.id == number:
                return each
        return None

    def last_orders(self, count: int) -> list[Record]:
        """The records that the newest orders began with, newest first."""
        return self.orders("")[: -count - 1 : -1]

    def _damage(self) -> JournalDamaged:
        return verify(self.path).refusal()


@contextmanager
def opened(path: Path) -> Iterator[Records]:
    """The records of a journal; raises ConfigError or JournalDamaged."""
    check_there(path, None)
    try:
        connection = read_only(path)
        try:
            yield Records(path, connection)
        finally:
            connection.close()
    except FILE_ERRORS as error:
        if broken(error):
            raise verify(path).refusal() from None
        raise unreadable(path, error) from None
