"""What the server must not forget: one SQLite file, written by one thread, on disk when it says so.

Whatever is asked for while a commit is under way is committed together with the next one, so that
a hundred orders cost one flush to the disk and not a hundred. What nobody waits for may wait a
moment for company, for the same reason. Results come back on the loop, in the order in which they
were asked for.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar

from loguru import logger

from qka.errors import ConfigError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Done = Callable[[Any], None]  # gets the result, or the exception

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, method TEXT NOT NULL, params BLOB NOT NULL,
    remark TEXT NOT NULL, owner TEXT NOT NULL, begun INTEGER NOT NULL,
    state TEXT NOT NULL, order_id INTEGER, code TEXT NOT NULL, detail TEXT NOT NULL, data BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled ON outcomes (state) WHERE state IN ('pending', 'unknown');
CREATE INDEX IF NOT EXISTS owners ON outcomes (owner, begun);
CREATE TABLE IF NOT EXISTS leases (
    owner TEXT PRIMARY KEY, seconds REAL NOT NULL, on_silence TEXT NOT NULL
) WITHOUT ROWID;
"""
_AT_ONCE = 1000  # pieces of work in one transaction, at most
_NO_HURRY = 0.05  # seconds that work waits for company


class _Item(NamedTuple):
    """A piece of work."""

    work: Work
    done: Done | None
    hurry: bool


class Store:
    """The file of one account. `do` is for results, `post` for what nobody waits for.

    A piece of work gets the connection, inside a transaction. What fails leaves nothing on the
    disk and spoils nothing else; `failing` says why, until something is written again.
    """

    def __init__(self, path: Path, account_id: str) -> None:
        self.path = path
        self.epoch = ""  # of the file's life: a new file is a new epoch
        self.failing = ""
        self.commits = 0
        self._epoch_on_disk = ""
        self._account_id = account_id
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Open or make the file; raises ConfigError: another account's, in use, or no database."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="qka-store", daemon=True
        )
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Write what was asked for and let go of the file; calling it twice is fine."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            self._queue.put(None)
            await self._loop.run_in_executor(None, thread.join)

    def post(self, work: Work, done: Done | None = None, *, hurry: bool = True) -> None:
        """Have it written; `done` is called on the loop when it is on the disk, or with why not."""
        self._queue.put(_Item(work, done, hurry))

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have it written and wait until it is on the disk. Raises OSError when it can't be."""
        if self._loop is None or self._thread is None:
            raise OSError(f"{self.path} is not open")
        result: asyncio.Future[T] = self._loop.create_future()

        def done(value: Any) -> None:
            if result.done():
                return  # nobody waits any more
            if isinstance(value, BaseException):
                result.set_exception(OSError(f"{self.path} can't be written: {value}"))
            else:
                result.set_result(value)

        self._queue.put(_Item(work, done, True))
        return await result

    def renew_epoch(self) -> None:
        """Something numbered could not be written: what was numbered so far ends here."""
        if self.epoch == self._epoch_on_disk:
            self.epoch = token_hex(8)  # goes to the disk with whatever is written next

    # ------------------------------------------------------------ on the store's own thread

    def _run(self, opened: "asyncio.Future[None]") -> None:
        assert self._loop is not None
        try:
            connection = self._connect()
        except (sqlite3.Error, OSError, ConfigError) as error:
            told = error if isinstance(error, ConfigError) else ConfigError(self._trouble(error))
            self._loop.call_soon_threadsafe(opened.set_exception, told)
            return
        self._loop.call_soon_threadsafe(opened.set_result, None)
        try:
            while self._group(connection):
                pass
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.2)
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # two servers would order twice
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            self._check_account(connection)
            self.epoch = fact(connection, "epoch") or set_fact(connection, "epoch", token_hex(8))
            self._epoch_on_disk = self.epoch
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_account(self, connection: sqlite3.Connection) -> None:
        kept = fact(connection, "account") or set_fact(connection, "account", self._account_id)
        if kept != self._account_id:
            raise ConfigError(
                f"{self.path} is the file of another account: nothing was started. "
                "Give this account a data folder of its own"
            )

    def _trouble(self, error: Exception) -> str:
        if "locked" in str(error):
            return (
                f"{self.path} is in use: another QMTServer of this account is running. Stop it "
                "first; nothing was started here"
            )
        return f"{self.path} can't be opened ({error}): nothing was started"

    def _group(self, connection: sqlite3.Connection) -> bool:
        """Everything that waits, in one transaction; False when it is time to end."""
        assert self._loop is not None
        item = self._queue.get()
        group: list[_Item] = []
        hurry, until = False, self._loop.time() + _NO_HURRY
        while item is not None:
            group.append(item)
            if len(group) == _AT_ONCE:
                break
            hurry = hurry or item.hurry
            wait = 0.0 if hurry else max(0.0, until - self._loop.time())
            try:
                item = self._queue.get(timeout=wait)
            except Empty:
                break
        if group:
            self._commit(connection, group)
        return item is not None

    def _commit(self, connection: sqlite3.Connection, group: list[_Item]) -> None:
        results: list[Any]
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [item.work(connection) for item in group]
            epoch = self.epoch
            if epoch != self._epoch_on_disk:
                set_fact(connection, "epoch", epoch)
            connection.execute("COMMIT")
            self._epoch_on_disk = epoch
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(group) > 1:  # one may have spoilt it for all
                for item in group:
                    self._commit(connection, [item])
                return
            if not self.failing:
                logger.error("{} can't be written: {}", self.path, error)
            self.failing = str(error) or type(error).__name__
            results = [error]
        else:
            self.commits += 1
            if self.failing:
                logger.info("{} can be written again", self.path)
                self.failing = ""
        answers = [
            (item.done, result) for item, result in zip(group, results, strict=True) if item.done
        ]
        if answers and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_deliver, answers)
            except RuntimeError:
                pass  # the loop is gone; what was committed is on the disk


def _deliver(answers: list[tuple[Done, Any]]) -> None:
    for done, result in answers:
        done(result)


def fact(connection: sqlite3.Connection, name: str) -> str:
    """A single value kept by name; empty when there is none."""
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def set_fact(connection: sqlite3.Connection, name: str, value: str) -> str:
    """Keep a single value by name."""
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
    return value
