"""The durable journal: an append, an intent on the disk against a bare commit, a start.

Where the goal is a time and no ratio, the time that is allowed stands in the place of the floor.
Everything is written to the disk of the system's folder for temporary files; the two that wait
for the disk take turns, since its speed changes by the second.
"""

import sqlite3
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.measure import Row, Timed, against
from qka.journal.chain import Note
from qka.journal.store import SqliteJournal
from qka.journal.verify import verify
from qka.model.events import Fill, OrderRequested
from qka.model.order import Order, OrderStatus, Side
from qka.wire import encode

NOW = 1767578400000000000
ORDER = Order(
    "q260105-a1b2-000001", "600000.SH", Side.BUY, 1000, 10.01, time=NOW,
    strategy="DualMA", status=OrderStatus.SUBMITTING,
)  # fmt: skip
INTENT = OrderRequested(NOW, ORDER)
FILL = Fill(NOW, ORDER.id, "1234567", "600000.SH", Side.BUY, 10.01, 1000, Decimal("5.10"))
APPEND, START = 25.0, 5.0  # us and s that are allowed
DAY = 5000  # records


def made(path: Path, durable: bool = True) -> SqliteJournal:
    """A journal, open."""
    made = SqliteJournal(path, "8880012345", "STOCK", now=lambda: NOW, durable=durable)
    made.open()
    return made


def journal(quick: bool) -> list[Row]:
    """All rows; the start with a million records only when there is time."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            _append(Path(folder) / "append", 5 if quick else 15),
            _ahead(Path(folder), 0.1 if quick else 0.5),
        ]
        return rows if quick else [*rows, *_start(Path(folder) / "start", 1_000_000)]


def _append(path: Path, rounds: int, times: int = 5000) -> Row:
    ours, taken = made(path), []
    for _ in range(rounds):
        begin = perf_counter()
        for _ in range(times):
            ours.append(FILL)
        ours.flush()
        taken.append((perf_counter() - begin) / times * 1e6)
    ours.close()
    spent = median(taken)
    note = "allowed: 25 us; its share of the commits is in it"
    return Row("journal append", spent, "us", APPEND, spent / APPEND, 1.0, note=note)


def _ahead(folder: Path, seconds: float) -> Row:
    ours, plain = made(folder / "ours"), _bare(folder / "bare")

    def ahead(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            ours.write_ahead(INTENT)
        return perf_counter() - begin

    note = "floor: BEGIN, INSERT, COMMIT of as many bytes"
    row = against("journal write_ahead", plain, ahead, 1.5, seconds=seconds, unit="us", note=note)
    ours.close()
    return row


def _bare(path: Path) -> Timed:
    """A table, a row of the same size, WAL and FULL, nothing else."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE plain (seq INTEGER PRIMARY KEY, ts INTEGER, kind TEXT, payload BLOB)"
    )
    row = (NOW, "OrderRequested", encode(INTENT) + bytes(64))  # as much as two hashes

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            connection.execute("BEGIN")
            connection.execute("INSERT INTO plain (ts, kind, payload) VALUES (?, ?, ?)", row)
            connection.execute("COMMIT")
        return perf_counter() - begin

    return run


def _start(path: Path, count: int) -> list[Row]:
    """Open, read the last snapshot of a view and the day after it."""
    ours = made(path, durable=False)
    for _ in range(count - DAY):
        ours.append(FILL)
    held = {f"60{n:04d}.SH": {"quantity": 100 * n, "cost": 1001 * n} for n in range(DAY)}
    ours.note(Note.SNAPSHOT, held, "ledger")
    for _ in range(DAY):
        ours.append(FILL)
    ours.close()
    taken = []
    for _ in range(5):
        begin = perf_counter()
        ours.open()
        snapshot = ours.latest(Note.SNAPSHOT, "ledger")
        if snapshot is None or len(snapshot.value) != DAY:
            raise AssertionError("the snapshot is not there")
        events = [record.event for record in ours.records(snapshot.seq)]
        taken.append(perf_counter() - begin)
        if len(events) != DAY:
            raise AssertionError(f"{len(events)} of {DAY} events")
        ours.close()
    begin = perf_counter()
    report = verify(path)
    spent = perf_counter() - begin
    if report.problems:
        raise AssertionError(report.problems)
    start = median(taken)
    what = f"start, {count:,} records"
    note = "allowed: 5 s; a snapshot and a day after it"
    return [
        Row(what, start * 1e3, "ms", START * 1e3, start / START, 1.0, note=note),
        Row(f"qka verify, {count:,} records", spent * 1e3, "ms"),
    ]
