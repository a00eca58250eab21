"""Opening a journal for writing: making a new one, and looking at what is there before trusting it.

Nothing is written into a file before it is known to be this account's journal, and whole as far
as can be seen at once: its first record, its last ones, and its end, which the witness knows.
"""

import os
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from qka import __version__
from qka.errors import ConfigError, EngineFault, JournalDamaged
from qka.journal import schema, witness
from qka.journal.chain import BEGINNING, START, Mark, Note, digest, genesis, whole
from qka.journal.reading import check_about, check_there, last_seq, read_only, row, rows
from qka.journal.verify import Report, verify
from qka.journal.words import FILE_ERRORS, broken, why

_TAIL = 100  # records at the end that are looked at
_WAIT = 0.1  # s: how long another program may hold the file before a write fails
_LOG_PAGES = 1000  # of the -wal file: then its content is moved on, even in a busy moment
_PAGE = 4096  # bytes


class Owner(NamedTuple):
    """Whose journal it is."""

    account_id: str
    account_type: str


class _Suspect(Exception):
    """What was seen at once is not right: a closer look will tell."""


def open_for_writing(
    path: Path, owner: Owner, created: int, durable: bool
) -> tuple[sqlite3.Connection, Mark, str]:
    """(a connection, the last record, what can't be vouched for); the file is made if need be.

    Raises ConfigError or JournalDamaged; nothing was changed then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = witness.read(witness.beside(path))
        if not path.exists() and mark is None:
            _check_no_remains(path)
            _make(path, owner, created, durable)
        check_there(path, mark)
        return _open(path, owner, mark, durable)
    except (_Suspect, OSError, *FILE_ERRORS) as error:
        raise _refusal(path, error) from None


def unopened(path: Path, error: BaseException) -> ConfigError:
    """Nothing is known to be damaged, and yet it can't be opened."""
    return ConfigError(
        f"{path} can't be opened for writing: {why(error)}. Nothing was started; without a "
        "journal no order may leave"
    )


def create(path: Path, owner: Owner, created: int, durable: bool) -> sqlite3.Connection:
    """A new database with its first record, not yet in WAL mode; raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute("BEGIN IMMEDIATE")
        told = {
            "account": owner.account_id,
            "account_type": owner.account_type,
            "created": str(created),
            "qka": __version__,
        }
        schema.create(connection, told)
        payload = genesis(*owner)
        own = digest(START, 1, created, Note.GENESIS, None, payload)
        first = (1, created, Note.GENESIS.value, None, payload, START, own)
        connection.execute(schema.INSERT, first)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path, owner: Owner, created: int, durable: bool) -> None:
    """A new journal appears at once, or not at all."""
    draft = path.with_name(f"{path.name}.new")
    for name in (draft.name, f"{draft.name}-journal"):
        draft.with_name(name).unlink(missing_ok=True)  # of a start that was killed
    create(draft, owner, created, durable).close()
    draft.replace(path)
    if durable and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _check_no_remains(path: Path) -> None:
    remains = path.with_name(f"{path.name}-wal")
    if remains.exists() and remains.stat().st_size:
        raise JournalDamaged(
            f"{path} is gone, but {remains.name} is still there with its last records: put it back "
            f"from a backup. To begin a new one, move {path.name}* away"
        )


def _open(
    path: Path, owner: Owner, mark: Mark | None, durable: bool
) -> tuple[sqlite3.Connection, Mark, str]:
    # looked at by a connection of its own that changes nothing, not even when it is closed
    with closing(read_only(path)) as connection:
        about = schema.about(connection)
        check_about(path, about, mark)
        if not about.sound:
            raise _Suspect
        _check_owner(path, owner, Owner(about.meta["account"], about.meta["account_type"]))
        last = _check_records(connection, owner, mark)
    doubt = ""
    if mark is None and about.schema and last.seq > 1:
        doubt = (
            f"{witness.beside(path).name} is not there or unreadable: whether the newest records "
            "are missing can't be said"
        )
        logger.warning("{}: {}", path, doubt)
    connection = sqlite3.connect(path, isolation_level=None, timeout=_WAIT)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        if about.schema < schema.VERSION:
            schema.migrate(connection, about, __version__)
            logger.info("{}: schema {} is now {}", path, about.schema, schema.VERSION)
        _prepare_log(connection, _LOG_PAGES if durable else 0)
    except BaseException:
        connection.close()
        raise
    return connection, last, doubt


def _prepare_log(connection: sqlite3.Connection, pages: int) -> None:
    """Find out whether we may write, and give the -wal file its size at once.

    A commit to a file that need not grow takes half the time, and the room for it is certain.
    """
    connection.execute("PRAGMA cache_size=0")  # so that all of it reaches the file
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO meta VALUES ('room', zeroblob(?))", (pages * _PAGE,))
    connection.execute("ROLLBACK")
    connection.execute("PRAGMA cache_size=-2000")


def _check_owner(path: Path, owner: Owner, found: Owner) -> None:
    if found != owner:
        raise ConfigError(
            f"{path} is the journal of account {found.account_id} ({found.account_type}), not of "
            f"{owner.account_id} ({owner.account_type}): correct account.id, or name that "
            "account's own journal. Nothing was started or changed"
        )


def _check_records(connection: sqlite3.Connection, owner: Owner, mark: Mark | None) -> Mark:
    """The first record, the last ones, and what the witness remembers; returns the last."""
    first = row(connection, 1)
    if first is None or not whole(BEGINNING, first) or first.payload != genesis(*owner):
        raise _Suspect
    last = last_seq(connection)
    for earlier, later in pairwise(rows(connection, last - _TAIL)):
        if not whole(earlier.mark, later):
            raise _Suspect
    end = row(connection, last)
    if end is None:
        raise _Suspect
    if mark is not None:
        seen = row(connection, mark.seq)
        if seen is None or seen.mark != mark:
            raise _Suspect
    return end.mark


def _refusal(path: Path, error: BaseException) -> ConfigError | EngineFault:
    """What was raised, as something to tell the user; a damaged file is looked at closely."""
    if isinstance(error, _Suspect) or broken(error):
        report: Report = verify(path)  # says what is no journal at all
        return report.refusal()
    return unopened(path, error)
