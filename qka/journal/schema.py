"""The tables around the chain, and how older ones become today's.

A record, once written, never changes: a migration changes what is around the records, and their
hashes are the same after it.
"""

import sqlite3
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from qka.journal.words import HELD, code

VERSION = 1
APPLICATION = 0x716B616A  # PRAGMA application_id: "qkaj"

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
_RECORDS = """CREATE TABLE records (
    seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL,
    prev_hash BLOB NOT NULL, hash BLOB NOT NULL, key TEXT)"""
_AROUND = [  # only notes have a key, so that an event costs no entry in the index
    "CREATE INDEX notes ON records (kind, key) WHERE key IS NOT NULL",
    "CREATE TRIGGER no_update BEFORE UPDATE ON records "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER no_delete BEFORE DELETE ON records "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER next_only BEFORE INSERT ON records "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM records) "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
]
INSERT = (
    "INSERT INTO records (seq, ts, kind, key, payload, prev_hash, hash) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class About(NamedTuple):
    """What a database says of itself. `schema` is -1 when it is no journal of ours."""

    schema: int
    meta: dict[str, str]  # schema, account, account_type, created, qka (which made it), seal
    sound: bool  # whether that is as it was written


def create(connection: sqlite3.Connection, told: dict[str, str]) -> None:
    """Make the tables of this version in an empty database, inside a transaction."""
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    for statement in (_META, _RECORDS, *_AROUND):
        connection.execute(statement)
    _tell(connection, told)


def about(connection: sqlite3.Connection) -> About:
    """Whose journal it is and what made it; raises sqlite3.Error when it can't be read."""
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
    try:
        told = dict(connection.execute("SELECT name, value FROM meta"))
    except sqlite3.OperationalError as error:
        if ours or code(error) in HELD:
            raise
        return About(-1, {}, False)
    sound = told.get("seal") == seal(told)  # every version seals in the same way
    if not (ours or sound):
        return About(-1, {}, False)
    number = str(told.get("schema"))
    return About(int(number) if number.isdecimal() else VERSION, told, ours and sound)


def seal(told: Mapping[str, object]) -> str:
    """What `meta` must have for a seal, so that a changed byte in it is found too."""
    lines = sorted(f"{name}={value}" for name, value in told.items() if name != "seal")
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def columns(connection: sqlite3.Connection) -> str:
    """A record's columns in the order of `Record`, whatever the version."""
    names = {name for _, name, *_ in connection.execute("PRAGMA table_info(records)")}
    return f"seq, ts, kind, {'key' if 'key' in names else 'NULL'}, payload, prev_hash, hash"


def differences(connection: sqlite3.Connection) -> list[str]:
    """Names of tables, indexes and triggers that are not as this version makes them."""
    with_us = sqlite3.connect(":memory:", isolation_level=None)
    try:
        create(with_us, {})
        ours, theirs = _objects(with_us), _objects(connection)
    finally:
        with_us.close()
    return sorted({name for name, _ in ours ^ theirs})


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    return {(str(name), f"{kind} {table} {sql}") for kind, name, table, sql in rows}


# ------------------------------------------------------------------ from older to newer


def migrate(connection: sqlite3.Connection, found: About, made_by: str) -> None:
    """Bring an older journal to this version: all of it or nothing. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[found.schema :]:
            step(connection)
        _tell(connection, found.meta | {"qka": made_by})
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _tell(connection: sqlite3.Connection, told: dict[str, str]) -> None:
    told = told | {"schema": str(VERSION)}
    told["seal"] = seal(told)
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", told.items())


def _notes(connection: sqlite3.Connection) -> None:
    """0 to 1: notes with keys; records that nobody can change or take away."""
    connection.execute("ALTER TABLE records ADD COLUMN key TEXT")
    for statement in _AROUND:
        connection.execute(statement)


# the step at n leads from version n to n + 1
_STEPS: list[Callable[[sqlite3.Connection], None]] = [_notes]
