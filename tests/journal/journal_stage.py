"""A small stage for the journal: builders, hands that tamper, and a journal as v0 made it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from builders import a_fill, moment

from qka.journal import schema
from qka.journal.chain import START, Note, Record, digest, genesis
from qka.journal.reading import readable, rows
from qka.journal.store import SqliteJournal
from qka.wire import encode

ROOT = Path(__file__).parents[2]
ACCOUNT, KIND = "8880012345", "STOCK"
FRAME = 4096 + 24  # bytes of a page in a -wal file
COLUMNS = ("seq", "ts", "kind", "key", "payload", "prev_hash", "hash")


class Ticking:
    """A clock for records: a millisecond later each time it is asked."""

    def __init__(self, time=None):
        self.time = moment() if time is None else time

    def __call__(self):
        self.time += 1_000_000
        return self.time


def a_journal(folder, name="a.journal", **changes):
    """A journal, not yet open."""
    given = {"now": Ticking(), "account_id": ACCOUNT, "account_type": KIND, **changes}
    return SqliteJournal(Path(folder) / name, **given)


def fills(count, first=1):
    return [a_fill(100 * n, deal_id=f"d{n}") for n in range(first, first + count)]


def written(folder, count=20, **changes):
    """A closed journal with events and, every fifth record, a note; returns its path."""
    journal = a_journal(folder, **changes)
    journal.open()
    for n, fill in enumerate(fills(count)):
        journal.append(fill)
        if n % 5 == 4:
            journal.note(Note.STATE, {"bars": [n, n + 0.5], "held": True}, f"strategy{n % 3}")
    journal.close()
    return journal.path


def opened(folder, **changes):
    journal = a_journal(folder, **changes)
    journal.open()
    return journal


def records_of(path):
    with readable(path) as (connection, _):
        return list(rows(connection))


def tamper(path, *statements):
    """Do what nobody may: each statement is SQL, or (SQL, values)."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'")
        triggers = triggers.fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(*([statement] if isinstance(statement, str) else statement))
        for _, made in triggers:  # who tampers well leaves no trace but the chain's
            connection.execute(made)


def files_of(path):
    """suffix -> bytes of the journal and what is beside it; the lock, an empty log left out."""
    return {
        file.name.removeprefix(path.name): file.read_bytes()
        for file in sorted(path.parent.iterdir())
        if file.name.startswith(path.name) and not file.name.endswith((".lock", "-shm"))
        if file.stat().st_size or not file.name.endswith("-wal")
    }


def put(folder, files, name="b.journal"):
    """Files as `files_of` gives them, in an empty folder; returns the journal's path."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for suffix, content in files.items():
        (folder / f"{name}{suffix}").write_bytes(content)
    return folder / name


def mid_day(folder, committed=5):
    """The files of an engine that was killed: the newest records are in the -wal alone.

    One page each; behind them the file is only made ready, and left out here.
    """
    path = written(folder)
    journal = opened(folder)
    for fill in fills(committed, 100):
        journal.write_ahead(fill)
    files = files_of(path)
    journal.close()
    files["-wal"] = files["-wal"][: 32 + committed * FRAME]
    return files


def python(code, *args, stdin=None):
    """A process of its own that runs the code, with its output as a pipe."""
    lines = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}, "
    lines += f"{str(Path(__file__).parent)!r}]\n"
    return subprocess.Popen(
        [sys.executable, "-c", lines + code, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=stdin,
        text=True,
    )


def said(process):
    """What it printed; fails with what it complained of."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.split()


def as_version_0(path, count=10):
    """A journal as schema 0 had it: no keys, no index, nothing that refuses a change."""
    connection = sqlite3.connect(path, isolation_level=None)
    with closing(connection):
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE records (\n"
            "    seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, kind TEXT NOT NULL, "
            "payload BLOB NOT NULL,\n"
            "    prev_hash BLOB NOT NULL, hash BLOB NOT NULL)"
        )
        told = {"schema": "0", "account": ACCOUNT, "account_type": KIND}
        told |= {"created": str(moment()), "qka": "0.0.9"}
        told["seal"] = schema.seal(told)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", told.items())
        before, payloads = START, [(Note.GENESIS.value, genesis(ACCOUNT, KIND))]
        payloads += [("Fill", encode(fill)) for fill in fills(count - 1)]
        for seq, (kind, payload) in enumerate(payloads, 1):
            own = digest(before, seq, moment() + seq, kind, None, payload)
            row = Record(seq, moment() + seq, kind, None, payload, before, own)
            connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", (*row[:3], *row[4:])
            )
            before = own
    return before
