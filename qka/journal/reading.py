"""Reading a journal file: without touching it, and also when part of it is gone."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from qka.errors import ConfigError, JournalDamaged
from qka.journal import schema
from qka.journal.chain import Mark, Record
from qka.journal.words import FILE_ERRORS, broken, code, why

_LOWEST = -(1 << 63)  # number that a row can have, if somebody gave it one
_UNOPENED = {"SQLITE_CANTOPEN", "SQLITE_READONLY"}


def check_there(path: Path, mark: Mark | None) -> None:
    """Raise when there is no file, or nothing in it; `mark`: what its witness says."""
    there = path.is_file()
    if there and path.stat().st_size:
        return
    if mark is not None:
        what = "is empty" if there else "is gone"
        raise JournalDamaged(
            f"{path} {what}, but {path.name}.head says that it had {mark.seq} records: put it back "
            f"from a backup. To begin a new one, move {path.name}* away"
        )
    if path.exists() and not there:
        raise ConfigError(f"{path} is not a file: name the journal itself")
    if there:
        raise ConfigError(f"{path} is empty, so it is no journal; if it never was one, delete it")
    raise ConfigError(f"{path} is not there: name the journal of an account")


def check_about(path: Path, about: schema.About, mark: Mark | None) -> None:
    """Raise ConfigError for a database that is no journal, or one that a newer qka made."""
    if about.schema < 0 and mark is None:
        raise ConfigError(f"{path} is a database, but no journal of qka: name another file")
    if about.schema > schema.VERSION and about.sound:
        raise ConfigError(
            f"{path} was written by a newer qka (its schema is {about.schema}, this one knows "
            f"{schema.VERSION}): use that version, or a newer one. Nothing was changed"
        )


def damaged(path: Path, what: str, last_good: int) -> str:
    """A damaged journal in words, and what to do about it."""
    if not last_good:
        return (
            f"{path} is damaged: {what}; no record can be relied on. Restore it (with its -wal and "
            f".head files) from a backup. To begin a new one, move {path.name}* away"
        )
    return (
        f"{path} is damaged: {what}; up to record {last_good} it is whole. Restore it (with its "
        "-wal and .head files) from a backup, or take over what is whole: "
        f"qka verify {path} --salvage NEW"
    )


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and leaves nothing beside; raises sqlite3.Error."""
    address = path.resolve().as_uri()
    connection = _connect(f"{address}?mode={'rw' if _rests(path) else 'ro'}")
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except FILE_ERRORS as error:
        connection.close()
        if code(error) in _UNOPENED and not path.with_name(f"{path.name}-wal").exists():
            return _connect(f"{address}?immutable=1")  # a folder that can't be written
        raise
    return connection


@contextmanager
def readable(path: Path) -> Iterator[tuple[sqlite3.Connection, str]]:
    """A connection to all that can still be read, and what had to be got round for it.

    Where the file itself can't be read, a mended copy is. Raises sqlite3.Error.
    """
    try:
        connection, trouble = read_only(path), ""
    except FILE_ERRORS as error:
        if not broken(error) and code(error) not in _UNOPENED:
            raise
        trouble = why(error) if broken(error) else ""
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(_connect(_copy(path, Path(folder)).as_uri())) as connection,
        ):
            connection.execute("PRAGMA writable_schema=ON")  # what is damaged in it is passed over
            yield connection, trouble
        return
    with closing(connection):
        yield connection, trouble


def cut_off(path: Path) -> str:
    """In words, how much of the file is missing by its own count; empty when nothing is."""
    head, size = _header(path)
    pages, page = _pages(head)
    if len(head) < 32:
        return f"the file is cut off: it has {size} bytes"
    if size >= pages * page:
        return ""
    return f"the file is cut off: it has {size:,} bytes of {pages * page:,}"


def rows(connection: sqlite3.Connection, first: int = _LOWEST, limit: int = -1) -> Iterator[Record]:
    """The records from that number on, as they are, unchecked, all of one moment.

    Raises one of FILE_ERRORS.
    """
    statement = (
        f"SELECT {schema.columns(connection)} FROM records WHERE seq >= ? ORDER BY seq LIMIT ?"
    )
    return map(Record._make, connection.execute(statement, (first, limit)))


def row(connection: sqlite3.Connection, seq: int) -> Record | None:
    """One record as it is, unchecked."""
    statement = f"SELECT {schema.columns(connection)} FROM records WHERE seq = ?"
    found = connection.execute(statement, (seq,)).fetchone()
    return None if found is None else Record._make(found)


def last_seq(connection: sqlite3.Connection) -> int:
    """The number of the last record, 0 when there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()[0])


def unreadable(path: Path, error: BaseException) -> ConfigError:
    """Nothing is known to be damaged, and yet it can't be read."""
    return ConfigError(f"{path} can't be read: {why(error)}")


def _rests(path: Path) -> bool:
    """Whether all of it is in the file itself.

    Then a connection that may write has nothing to move into it, and takes the empty -wal and -shm
    away that any reader makes: one that may not write leaves them lying there.
    """
    return not any(_size(path.with_name(f"{path.name}{end}")) for end in ("-wal", "-journal"))


def _size(path: Path) -> int:
    """In bytes; 0 where there is none, also when an engine that ends has just taken it away."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=1.0)
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")  # damaged text is still that text


def _copy(path: Path, folder: Path) -> Path:
    """A copy as long as its header says, holes filled with nothing."""
    copy = folder / "journal"
    shutil.copyfile(path, copy)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        shutil.copyfile(log, copy.with_name("journal-wal"))
    head, size = _header(path)
    pages, page = _pages(head)
    if size < pages * page <= 4 * size + (1 << 20):  # a damaged count is not believed
        with copy.open("r+b") as file:
            file.truncate(pages * page)
    return copy


def _header(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(32), path.stat().st_size


def _pages(head: bytes) -> tuple[int, int]:
    """(pages, bytes of each) as the header counts them."""
    page = int.from_bytes(head[16:18], "big")
    return int.from_bytes(head[28:32], "big"), 65536 if page == 1 else page
