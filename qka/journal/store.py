"""The journal of an account: one SQLite file, written before anything is sent.

What is appended waits in memory, already numbered and chained, until the next `write_ahead`,
`flush` or `close` commits all of it in one transaction. So a killed process loses only records
after the last of these: no intent that was sent, only what the broker tells again. A flush does
not wait for the disk: a power cut goes back to the last `write_ahead`, a kill does not.

When the disk can't be written, records go on waiting, in order, and are written as soon as it can:
the chain has no holes. Only an intent that could not be written is forgotten, since it was not
sent either.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loguru import logger

from qka.journal import schema, witness
from qka.journal.chain import BEGINNING, Mark, Note, Record, digest, whole
from qka.journal.lock import FileLock, of_account
from qka.journal.opening import Owner, open_for_writing, unopened
from qka.journal.reading import last_seq, row, rows
from qka.journal.verify import verify
from qka.journal.words import FILE_ERRORS, broken, why
from qka.model.times import SECOND
from qka.wire import canonical, encode, legible

_TOGETHER = 1000  # records that wait at most
_CHUNK = 1000  # records that are read at once
_QUIET_PAGES = 250  # of the -wal file: then its content is moved on, in a quiet moment


def _nothing() -> None:
    """Nobody is attached."""


class SqliteJournal:
    """The journal of one account; see `qka.journal.port.Journal`.

    `now`: the engine's clock. `durable=False` is for runs that can be repeated: nothing waits for
    the disk. `account_locks`: a folder, one for all journals, where the account itself is locked;
    without it only the journal is. `safe` is the last record in the file; `failing` says why
    nothing can be written, and is empty when all is well.
    """

    def __init__(
        self,
        path: Path,
        account_id: str,
        account_type: str,
        *,
        now: Callable[[], int],
        durable: bool = True,
        account_locks: Path | None = None,
    ) -> None:
        self.path = path
        self.owner = Owner(account_id, account_type)
        self.durable = durable
        self.safe = BEGINNING
        self.failing = ""
        self.doubt = ""  # what nobody could vouch for when it was opened
        self._now = now
        self._gather: Callable[[], None] = _nothing
        self._soon: Callable[[], None] = _nothing
        self._waiting: list[Record] = []
        self._syncing = True  # whether commits wait for the disk itself now
        self._retry = 0  # ns: not before
        self._pages = 0  # of the -wal file that wait to be moved on, about
        self._connection: sqlite3.Connection | None = None
        self._account_locks = account_locks
        self._witness: witness.Witness | None = None
        self._locks: list[FileLock] = []
        self._made = self._withdrawn = False

    # ------------------------------------------------------------ open and close

    def claim(self) -> None:
        """Take the account, and the journal if it is there: `open` does so else, and later.

        Raises ConfigError when another engine is at them; nothing was changed. For whoever reaches
        out before the journal is opened: a second engine must end before anybody hears of it.
        """
        try:
            self._lock_account()
            if self.path.exists():
                self._lock()
        except BaseException:
            self._let_go()
            raise

    def open(self) -> None:
        """Lock it, make it or look at what is there, and be ready to append.

        Raises ConfigError (in use, another account's, a newer qka's, no journal, can't be written)
        or JournalDamaged; nothing was changed then.
        """
        if self._connection is not None:
            raise OSError(f"{self.path} is open already")
        try:
            self._lock()
            self._connection, self.safe, self.doubt = open_for_writing(
                self.path, self.owner, self._now(), self.durable
            )
            self._waiting.clear()
            self._syncing, self.failing = True, ""
            self._made, self._withdrawn = self.safe.seq == 1, False
            self._witness = witness.Witness(witness.beside(self.path))
            self._witness.open(self.safe)
        except OSError as error:
            self._let_go()
            raise unopened(self.path, error) from None
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """Commit and let go of the file; calling it twice is fine.

        What can't be written even now is lost: raises OSError that says which records, and lets go
        all the same.
        """
        if self._connection is None:
            self._let_go()
            return
        try:
            self._commit()
        except OSError as error:
            first, last = self._waiting[0].seq, self._waiting[-1].seq
            raise OSError(f"{error}: records {first} to {last} are lost") from error
        finally:
            self._let_go()

    def withdraw(self) -> None:
        """The start that opened it never began: closing takes it away again, if that start made it.

        So a mistyped account leaves no journal. One with anything from before stays as it is.
        """
        self._withdrawn = self._made

    def attach(self, gather: Callable[[], None], soon: Callable[[], None]) -> None:
        """`gather` is called before a commit, to note what belongs with it; `soon` when there is
        something to flush. A journal that is not durable calls neither.
        """
        if self.durable:
            self._gather, self._soon = gather, soon

    # ------------------------------------------------------------ write

    def append(self, event: object) -> None:
        """Add a record; it waits for the next commit.

        Raises OSError when it can't be written: then it is kept in memory until it can.
        """
        self._add(type(event).__name__, None, encode(event))
        if self.failing or len(self._waiting) >= _TOGETHER:
            self._try()

    def write_ahead(self, event: object) -> None:
        """Add a record; it and all before it are on the disk when this returns.

        Raises OSError when that can't be: then there is no such record, and what it announces must
        not be done. A journal that is not durable only appends.
        """
        if not self.durable:
            self.append(event)
            return
        self._gather()
        self._add(type(event).__name__, None, encode(event))
        try:
            self._commit()
        except OSError:
            self._waiting.pop()
            raise

    def note(self, kind: Note, value: Any, key: str = "", *, ahead: bool = False) -> None:
        """Add a record of what the engine must know again; `ahead`: on the disk at once.

        `value` is plain: what JSON can say. Raises OSError as `append` does, TypeError for a value
        that is not plain.
        """
        self._add(Note(kind).value, legible(key), canonical(value))
        if ahead and self.durable:
            self._commit()
        elif self.failing or len(self._waiting) >= _TOGETHER:
            self._try()

    def flush(self) -> None:
        """Hand to the system what waits: when there is nothing else to do.

        It outlives this process then; a power cut, when the next intent has been written. Raises
        OSError when that can't be.
        """
        self._gather()
        self._commit(synced=False)
        if self._pages >= _QUIET_PAGES:
            self._pages = 0
            try:
                self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:  # it is safe where it is
                logger.warning("{}-wal can't be moved on: {}", self.path, why(error))

    @property
    def head(self) -> Mark:
        """The last record, wherever it is."""
        return self._waiting[-1].mark if self._waiting else self.safe

    @property
    def waiting(self) -> int:
        """How many records are in memory only."""
        return len(self._waiting)

    # ------------------------------------------------------------ read

    def latest(self, kind: Note, key: str = "") -> Record | None:
        """The last note of that kind and key, None when there is none.

        Raises JournalDamaged when it is not as it was written.
        """
        key = legible(key)
        for record in reversed(self._waiting):
            if record.key == key and record.kind == kind:
                return record
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT {schema.columns(connection)} FROM records WHERE kind = ? AND key = ? "
                "ORDER BY seq DESC LIMIT 1",
                (str(kind), key),
            ).fetchone()
            if found is None:
                return None
            last = Record._make(found)
            before = row(connection, last.seq - 1)
            if before is None or not whole(before.mark, last):
                raise verify(self.path).refusal()
        return last

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records after that number, in order, each checked against the one before.

        Raises JournalDamaged at the first that is not as it was written.
        """
        before = BEGINNING
        if 0 < after <= self.safe.seq:
            with self._reading() as connection:
                anchor = row(connection, after)
            if anchor is None:
                raise verify(self.path).refusal()
            before = anchor.mark
        while max(before.seq, after) < self.safe.seq:
            with self._reading() as connection:
                chunk = list(rows(connection, before.seq + 1, _CHUNK))
            for record in chunk:
                if not whole(before, record):
                    raise verify(self.path).refusal()
                before = record.mark
                yield record
            if not chunk:
                raise verify(self.path).refusal()
        yield from [record for record in self._waiting if record.seq > max(before.seq, after)]

    # ------------------------------------------------------------ inside

    def _lock(self) -> None:
        """The account first, where accounts are locked, then this journal."""
        self._lock_account()
        self._take(FileLock(self.path.with_name(f"{self.path.name}.lock"), str(self.path)))

    def _lock_account(self) -> None:
        if self._account_locks is not None:
            self._take(of_account(self._account_locks, *self.owner))

    def _take(self, lock: FileLock) -> None:
        """Take a lock, unless it was claimed already."""
        if all(held.path != lock.path for held in self._locks):
            lock.take()
            self._locks.append(lock)

    def _add(self, kind: str, key: str | None, payload: bytes) -> None:
        """Number and chain a record; it waits."""
        if self._connection is None:
            raise OSError(f"{self.path} is not open")
        before, prev_hash = self.head
        seq, ts = before + 1, self._now()
        own = digest(prev_hash, seq, ts, kind, key, payload)
        self._waiting.append(Record(seq, ts, kind, key, payload, prev_hash, own))
        if len(self._waiting) == 1:
            self._soon()

    def _try(self) -> None:
        """Commit, but in hard times not for every record."""
        if self.failing and self._now() < self._retry:
            raise self._unwritten()
        self._commit()

    def _commit(self, *, synced: bool = True) -> None:
        """Everything that waits, in one transaction; raises OSError, and all goes on waiting.

        `synced`: on the disk itself, with all before it.
        """
        waiting, connection = self._waiting, self._opened()
        if not waiting:
            return
        try:
            if self.durable and synced is not self._syncing:
                connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._syncing = synced
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(schema.INSERT, waiting)
            connection.execute("COMMIT")
            self._pages += 1 + len(waiting) // 8
            self.safe = waiting[-1].mark
            waiting.clear()
        except FILE_ERRORS as error:
            self._undo(connection)
            if not self.failing:
                logger.error("{} can't be written: {}", self.path, why(error))
            self.failing = why(error)
            self._retry = self._now() + SECOND
            raise self._unwritten() from error
        except BaseException:  # a second Ctrl-C comes at any point
            self._undo(connection)
            done = last_seq(connection)
            self.safe = next((r.mark for r in waiting if r.seq == done), self.safe)
            waiting[:] = [record for record in waiting if record.seq > done]
            raise
        if self._witness is not None and synced:
            self._witness.write(self.safe)
        if self.failing:
            self.failing = ""
            logger.info("{} can be written again, and nothing is missing in it", self.path)

    def _undo(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the error before it says more

    def _unwritten(self) -> OSError:
        return OSError(f"{self.path}: {self.failing}")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OSError(f"{self.path} is not open")
        return self._connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection; what is wrong with the file becomes JournalDamaged, all else OSError."""
        try:
            yield self._opened()
        except FILE_ERRORS as error:
            if broken(error):
                raise verify(self.path).refusal() from None
            raise OSError(f"{self.path} can't be read: {why(error)}") from error

    def _let_go(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
                if self._witness is not None:
                    self._witness.write(self.safe)
            except sqlite3.Error as error:
                logger.warning("{}: {}", self.path, why(error))
            self._connection = None
        if self._witness is not None:
            self._witness.close()
            self._witness = None
        if self._withdrawn:
            self._withdrawn = False
            # its witness first, which alone would say that a journal was lost, as a -wal would that
            # somebody who reads it meanwhile keeps; still under the lock
            beside = (self.path.with_name(f"{self.path.name}{end}") for end in ("-wal", "-shm"))
            for file in (witness.beside(self.path), *beside, self.path):
                with suppress(OSError):
                    file.unlink()
        while self._locks:
            self._locks.pop().release()
