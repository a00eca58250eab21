"""The journal of an account: what is appended is there again, in order, and nothing else is."""

import sqlite3
from contextlib import closing

import pytest
from builders import a_fill, an_order
from journal_stage import (
    ACCOUNT,
    KIND,
    Ticking,
    a_journal,
    as_version_0,
    fills,
    opened,
    python,
    records_of,
    said,
    tamper,
    written,
)

from qka import __version__
from qka.errors import ConfigError, EngineFault, JournalDamaged
from qka.journal import schema
from qka.journal.chain import Note
from qka.journal.reading import readable
from qka.journal.verify import verify
from qka.model.events import OrderRequested


def kinds(journal):
    return [record.kind for record in journal.records()]


# ------------------------------------------------------------------ written and read back


def test_what_is_appended_is_read_back_in_order_also_after_a_restart(tmp_path):
    events = [OrderRequested(1, an_order(reason="金叉\n二")), *fills(50)]
    journal = opened(tmp_path / "deep" / "er")
    for event in events:
        journal.append(event)
    assert [record.event for record in journal.records(after=1)] == events
    head = journal.head
    journal.close()
    journal.open()
    assert journal.head == journal.safe == head
    assert [record.event for record in journal.records(after=1)] == events
    assert [record.seq for record in journal.records(after=48)] == [49, 50, 51, 52]
    assert list(journal.records(after=52)) == list(journal.records(after=99)) == []
    assert next(journal.records()).value == {"account": ACCOUNT, "account_type": KIND, "chain": 1}
    journal.close()


def test_a_record_has_the_time_of_the_engines_clock(tmp_path):
    journal = opened(tmp_path, now=iter(range(1000, 2000)).__next__)
    journal.append(a_fill())
    journal.note(Note.TRADING, "halted")
    assert [record.ts for record in journal.records()] == [1000, 1001, 1002]
    journal.close()


def test_what_is_written_ahead_is_on_the_disk_with_all_before_it(tmp_path):
    journal = opened(tmp_path)
    for fill in fills(3):
        journal.append(fill)
    assert len(records_of(journal.path)) == 1
    assert journal.waiting == 3
    journal.write_ahead(a_fill())
    assert [record.mark for record in records_of(journal.path)][-1] == journal.head == journal.safe
    journal.append(a_fill())
    journal.flush()
    assert len(records_of(journal.path)) == 6
    assert journal.waiting == 0
    journal.flush()
    journal.close()


def test_many_records_are_written_without_being_asked(tmp_path):
    journal = opened(tmp_path)
    for fill in fills(2500):
        journal.append(fill)
    assert journal.waiting < 1000 < len(records_of(journal.path))
    assert [record.event for record in journal.records(1)] == fills(2500)
    journal.close()


def test_records_may_be_appended_while_they_are_read(tmp_path):
    journal = opened(tmp_path)
    for fill in fills(1500):
        journal.append(fill)
    seen = []
    for record in journal.records():
        seen.append(record.seq)
        if record.seq in (500, 1499):
            journal.write_ahead(a_fill())
    assert seen[:1502] == list(range(1, 1503))
    journal.close()


def test_a_run_that_can_be_repeated_waits_for_no_disk_and_is_whole_in_the_end(tmp_path):
    journal = opened(tmp_path, durable=False)
    journal.write_ahead(a_fill())
    assert journal.waiting == 1
    journal.close()
    assert len(records_of(journal.path)) == 2
    assert verify(journal.path).problems == []


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 0)])
def test_a_durable_journal_is_synced_at_every_commit(tmp_path, durable, level):
    journal = opened(tmp_path, durable=durable)
    ask = journal._opened().execute
    assert ask("PRAGMA synchronous").fetchone() == (level,)
    assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_in_a_quiet_moment_the_log_is_moved_into_the_file(tmp_path):
    journal = opened(tmp_path)
    size = journal.path.stat().st_size
    for fill in fills(600):
        journal.write_ahead(fill)
    assert journal.path.stat().st_size == size
    journal.flush()
    assert journal.path.stat().st_size > size
    journal.close()


def test_closed_it_takes_nothing_in_silence_and_may_be_closed_twice(tmp_path):
    journal = a_journal(tmp_path)
    journal.close()
    asked = [
        lambda: journal.append(a_fill()),
        lambda: journal.write_ahead(a_fill()),
        lambda: journal.note(Note.RISK, 1),
        journal.flush,
        lambda: journal.latest(Note.RISK),
        lambda: list(journal.records()),
    ]
    for ask in asked[:4]:
        with pytest.raises(OSError, match="not open"):
            ask()
    journal.open()
    journal.close()
    journal.close()
    for ask in asked[:5]:
        with pytest.raises(OSError, match="not open"):
            ask()
    assert len(records_of(journal.path)) == 1


# ------------------------------------------------------------------ notes


def test_the_latest_note_of_a_kind_and_key_is_found_wherever_it_is(tmp_path):
    journal = opened(tmp_path)
    assert journal.latest(Note.STATE, "a") is None
    journal.note(Note.STATE, {"n": 1}, "a")
    journal.note(Note.STATE, {"n": 2}, "b")
    assert journal.latest(Note.STATE, "a").value == {"n": 1}
    journal.flush()
    journal.note(Note.STATE, {"n": 3}, "a")
    assert journal.latest(Note.STATE, "a").value == {"n": 3}
    journal.close()
    journal.open()
    assert journal.latest(Note.STATE, "a").value == {"n": 3}
    assert journal.latest(Note.STATE, "b").value == {"n": 2}
    assert journal.latest(Note.STATE) is None
    assert journal.latest(Note.RISK, "a") is None
    journal.close()


def test_a_note_can_be_on_the_disk_at_once(tmp_path):
    journal = opened(tmp_path)
    journal.note(Note.TRADING, {"state": "halted"}, ahead=True)
    assert records_of(journal.path)[-1].value == {"state": "halted"}
    journal.close()


def test_a_snapshot_spares_what_is_before_it(tmp_path):
    journal = opened(tmp_path)
    for fill in fills(30):
        journal.append(fill)
    journal.note(Note.SNAPSHOT, {"cash": 5}, "ledger")
    for fill in fills(3):
        journal.append(fill)
    snapshot = journal.latest(Note.SNAPSHOT, "ledger")
    assert [record.event for record in journal.records(snapshot.seq)] == fills(3)
    journal.close()


def test_a_word_that_is_no_kind_of_note_and_a_value_that_is_not_plain_leave_nothing(tmp_path):
    journal = opened(tmp_path)
    with pytest.raises(ValueError, match="stat"):
        journal.note("stat", 1)
    with pytest.raises(TypeError):
        journal.note(Note.STATE, object(), "a")
    assert journal.head.seq == 1
    journal.close()


def test_a_name_that_is_no_text_in_utf_8_is_a_key_like_any_other(tmp_path):
    journal = opened(tmp_path)
    journal.note(Note.STATE, {"path": "b\udce4r"}, "a\udce4")
    journal.append(a_fill(deal_id="d\udce4"))
    for _ in range(2):
        assert journal.latest(Note.STATE, "a\udce4").value == {"path": "b\\udce4r"}
        journal.flush()
    journal.close()
    assert verify(journal.path).problems == []


# ------------------------------------------------------------------ append-only


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET ts = 1 WHERE seq = 3",
        "DELETE FROM records WHERE seq = 3",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records SELECT seq, 1, kind, payload, prev_hash, hash, key "
        "FROM records WHERE seq = 3",
        "INSERT INTO records SELECT seq + 100, 1, kind, payload, prev_hash, hash, key "
        "FROM records WHERE seq = 3",
    ],
)
def test_a_record_can_neither_be_changed_nor_taken_out_nor_written_over(tmp_path, statement):
    path = written(tmp_path)
    before = records_of(path)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    assert records_of(path) == before


# ------------------------------------------------------------------ whose it is, and of which age


@pytest.mark.parametrize("changes", [{"account_id": "8880099999"}, {"account_type": "CREDIT"}])
def test_another_account_is_refused_and_both_are_named(tmp_path, changes):
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConfigError) as refused:
        opened(tmp_path, **changes)
    for word in (ACCOUNT, KIND, *changes.values()):
        assert word in str(refused.value)
    assert path.read_bytes() == before
    opened(tmp_path).close()  # nobody holds it


def test_it_says_whose_it_is_and_what_made_it(tmp_path):
    report = verify(written(tmp_path))
    told = report.about.meta
    assert (told["account"], told["account_type"], told["qka"]) == (ACCOUNT, KIND, __version__)
    assert told["schema"] == str(schema.VERSION)
    assert int(told["created"]) == records_of(report.path)[0].ts


def test_an_older_journal_is_migrated_and_its_records_stay_what_they_were(tmp_path):
    path = tmp_path / "a.journal"
    head = as_version_0(path)
    before = records_of(path)
    assert verify(path).problems == []
    assert verify(path).about.schema == 0
    journal = opened(tmp_path)
    assert journal.head.hash == head
    assert list(journal.records()) == before
    journal.note(Note.STATE, {"n": 1}, "new")
    journal.close()
    report = verify(path)
    assert report.problems == report.doubts == []
    assert report.about.meta["qka"] == __version__
    with closing(sqlite3.connect(path)) as connection:
        assert schema.differences(connection) == []  # as if it had been made today
    opened(tmp_path).close()


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "a.journal"
    as_version_0(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (taken)")
    before = records_of(path)
    with pytest.raises((ConfigError, EngineFault)):
        opened(tmp_path)
    with readable(path) as (connection, _):
        assert schema.about(connection).schema == 0
    assert records_of(path) == before


def test_a_damaged_older_journal_is_not_migrated(tmp_path):
    path = tmp_path / "a.journal"
    as_version_0(path)
    tamper(path, "UPDATE records SET ts = ts + 1 WHERE seq = 7")
    with pytest.raises(JournalDamaged, match="record 7") as refused:
        opened(tmp_path)
    assert refused.value.last_good == 6
    with readable(path) as (connection, _):
        assert schema.about(connection).schema == 0


def test_a_newer_journal_is_refused_and_left_alone(tmp_path):
    path = written(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        told = dict(connection.execute("SELECT name, value FROM meta")) | {"schema": "2"}
        told["seal"] = schema.seal(told)
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", told.items())
    before = path.read_bytes()
    for look in (lambda: opened(tmp_path), lambda: verify(path)):
        with pytest.raises(ConfigError, match="newer qka"):
            look()
    assert path.read_bytes() == before


# ------------------------------------------------------------------ the same everywhere


def test_equal_events_at_equal_times_give_an_equal_head_on_every_machine(tmp_path):
    journal = opened(tmp_path, now=Ticking(1767578400000000000))
    journal.append(a_fill())
    journal.note(Note.STATE, {"z": 1, "a": [0.1, None, "双"]}, "双均线")
    journal.write_ahead(a_fill(200))
    head = journal.head.hash.hex()
    journal.close()
    assert head == "aea2832c496106e7c81632c783a60e65855bb8607c27bdf1916a58ee25294c83"


def test_how_often_it_was_committed_does_not_show(tmp_path):
    heads = set()
    for name, step in (("a", 1), ("b", 7), ("c", 1000)):
        journal = opened(tmp_path, name=name, durable=name != "c")
        for n, fill in enumerate(fills(20)):
            journal.append(fill)
            if n % step == 0:
                journal.flush()
        journal.close()
        heads.add(verify(journal.path).head)
    assert len(heads) == 1


# ------------------------------------------------------------------ killed

KILLED = """
import os, signal
from pathlib import Path
from journal_stage import opened, fills
journal = opened(Path(sys.argv[1]))
for fill in fills(10): journal.append(fill)
journal.write_ahead(fills(1, 11)[0])
for fill in fills(5, 12): journal.append(fill)
if sys.argv[2] == "idle": journal.flush()
print(journal.head.seq, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "kept"), [("busy", 12), ("idle", 17)])
def test_after_a_kill_all_that_was_written_ahead_or_flushed_is_there(tmp_path, when, kept):
    process = python(KILLED, tmp_path, when)
    out, err = process.communicate(timeout=60)
    assert out.split() == ["17"], err
    assert process.returncode < 0
    journal = opened(tmp_path)  # the lock is free again
    assert journal.head.seq == kept
    assert [record.event for record in journal.records(1)] == fills(kept - 1)
    journal.append(a_fill())
    journal.close()
    assert verify(journal.path).problems == []


def test_a_start_that_was_killed_while_the_file_was_made_is_made_again(tmp_path):
    path = written(tmp_path)
    half = path.with_name("a.journal.new")
    half.write_bytes(path.read_bytes()[:5000])
    for file in tmp_path.iterdir():
        if file != half:
            file.unlink()
    opened(tmp_path).close()
    assert verify(path).records == 1
    assert not half.exists()


def test_another_process_reads_what_is_committed_while_the_engine_writes(tmp_path):
    journal = opened(tmp_path)
    journal.write_ahead(a_fill())
    code = """
from pathlib import Path
from qka.journal.verify import verify
report = verify(Path(sys.argv[1]))
print(report.records, len(report.problems))
"""
    assert said(python(code, journal.path)) == ["2", "0"]
    journal.write_ahead(a_fill())
    journal.close()


class Interrupted:
    """A connection on which a second Ctrl-C comes, before or after a statement is done."""

    def __init__(self, connection, statement, done):
        self.connection, self.statement, self.done = connection, statement, done

    def execute(self, statement, *values):
        if statement == self.statement:
            self.statement = None
            if self.done:
                self.connection.execute(statement, *values)
            raise KeyboardInterrupt
        return self.connection.execute(statement, *values)

    def executemany(self, *given):
        return self.connection.executemany(*given)

    @property
    def in_transaction(self):
        return self.connection.in_transaction


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "COMMIT"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("ahead", [False, True], ids=["append", "ahead"])
def test_an_interrupt_at_any_point_of_a_commit_loses_nothing_and_doubles_nothing(
    tmp_path, statement, done, ahead
):
    journal = opened(tmp_path)
    journal.append(a_fill())
    connection = journal._connection
    journal._connection = Interrupted(connection, statement, done)
    with pytest.raises(KeyboardInterrupt):
        journal.write_ahead(a_fill(200)) if ahead else journal.flush()
    journal._connection = connection
    journal.write_ahead(a_fill(300))
    journal.close()
    assert verify(journal.path).problems == []
    told = [record.event.quantity for record in records_of(journal.path)[1:]]
    assert told == ([1000, 200, 300] if ahead else [1000, 300])


def test_a_withdrawn_journal_leaves_nothing_that_stops_the_next_though_somebody_reads_it(tmp_path):
    journal = opened(tmp_path)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        journal.withdraw()
        journal.close()
        assert [file.name for file in tmp_path.iterdir()] == [f"{journal.path.name}.lock"]
        again = opened(tmp_path)
    again.append(a_fill())  # whoever read the former one takes nothing of this one along
    again.close()
    assert verify(again.path).records == 2
