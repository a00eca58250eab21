"""`qka verify`: one changed byte, one missing, moved or doubled record is found and named."""

import re
import shutil
import struct
from contextlib import closing
from sqlite3 import connect

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from journal_stage import (
    COLUMNS,
    Ticking,
    a_journal,
    files_of,
    fills,
    opened,
    put,
    records_of,
    tamper,
    written,
)
from typer.testing import CliRunner

from qka.cli.main import app
from qka.errors import ConfigError, JournalDamaged
from qka.journal import records, schema
from qka.journal.chain import Note, digest
from qka.journal.reading import readable
from qka.journal.salvage import salvage
from qka.journal.verify import verify

LAST = 25  # of `written`: the first record, 20 events, and after every fifth a note


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A journal that nobody touches."""
    path = written(tmp_path_factory.mktemp("whole"))
    assert verify(path).head.seq == LAST
    return path


@pytest.fixture
def journal(whole, tmp_path):
    """A copy, to be tampered with."""
    return put(tmp_path / "copy", files_of(whole))


def first_problem(path):
    return verify(path).problems[0]


def test_a_whole_journal_is_whole_and_untouched(journal):
    before = files_of(journal)
    report = verify(journal)
    assert report.problems == report.doubts == []
    assert report.records == report.last_good == LAST
    assert report.kinds == {"genesis": 1, "Fill": 20, "state": 4}
    assert report.head == records_of(journal)[-1].mark
    assert files_of(journal) == before


def judged(path):
    verify(path)


def read(path):
    with records.opened(path) as found:
        assert len(found.last_orders(10)) == 0


def refused_to_another(path):
    with pytest.raises(ConfigError, match="not of 1234"):
        a_journal(path.parent, path.name, account_id="1234").open()


@pytest.mark.parametrize("look", [judged, read, refused_to_another])
def test_who_only_reads_a_journal_leaves_nothing_beside_it(journal, look):
    before = journal.read_bytes(), journal.stat().st_mtime_ns
    beside = {file.name for file in journal.parent.iterdir()}
    look(journal)
    assert {file.name for file in journal.parent.iterdir()} - beside <= {f"{journal.name}.lock"}
    assert (journal.read_bytes(), journal.stat().st_mtime_ns) == before


def test_who_only_reads_a_journal_leaves_what_its_engine_needs(tmp_path):
    engine = opened(tmp_path)
    engine.append(fills(1)[0])
    engine.flush()
    beside = files_of(engine.path)
    for look in (judged, read):
        look(engine.path)
        assert files_of(engine.path) == beside
    assert engine.path.with_name(f"{engine.path.name}-shm").exists()
    engine.close()
    assert verify(engine.path).records == 2


# ------------------------------------------------------------------ one changed byte


def flipped(record, column, place, mask):
    """(the value with one byte changed, how SQL is to take it)."""
    value = getattr(record, column)
    if isinstance(value, int):
        raw = bytearray(struct.pack(">q", value))
        raw[place % 8] ^= mask
        return struct.unpack(">q", raw)[0], "?"
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[place % len(raw)] ^= mask
    return bytes(raw), "CAST(? AS TEXT)" if isinstance(value, str) else "?"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seq=st.integers(1, LAST),
    column=st.sampled_from(COLUMNS),
    place=st.integers(0, 1000),
    mask=st.integers(1, 255),
)
def test_one_changed_byte_in_any_column_of_any_record_is_found(
    whole, tmp_path, seq, column, place, mask
):
    path = put(tmp_path / "copy", files_of(whole))
    record = records_of(path)[seq - 1]
    assume(getattr(record, column) is not None)
    value, taken = flipped(record, column, place, mask)
    assume(column != "seq" or not 1 <= value <= LAST)  # a number that is taken can't be given
    tamper(path, (f"UPDATE records SET {column} = {taken} WHERE seq = ?", (value, seq)))
    report = verify(path)
    assert report.last_good == seq - 1
    assert seq in [problem.seq for problem in report.problems]
    assert f"record {seq} " in " ".join(problem.what for problem in report.problems)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("SET payload = '{}'", "its time, kind, key or payload"),
        ("SET ts = ts + 1", "its time, kind, key or payload"),
        ("SET ts = CAST(ts AS REAL)", "record 9 was changed"),
        ("SET payload = CAST(payload AS TEXT)", "its time, kind, key or payload"),
        ("SET key = ''", "its time, kind, key or payload"),
        ("SET prev_hash = zeroblob(32)", r"its link to the one before \(prev_hash\)"),
        ("SET hash = zeroblob(32)", "its hash"),
        ("SET hash = ''", "its hash"),
        ("SET payload = '{}', hash = zeroblob(32), prev_hash = zeroblob(32)", "was changed"),
        ("SET seq = 1000", "record 9 bears the number 1000"),
        ("SET seq = -4", "record 9 bears the number -4"),
    ],
)
def test_it_says_what_was_changed(journal, change, words):
    tamper(journal, f"UPDATE records {change} WHERE seq = 9")
    report = verify(journal)
    said = " / ".join(problem.what for problem in report.problems)
    assert re.search(words, said), said
    assert report.last_good == 8


def test_the_last_record_is_watched_as_well_as_any(journal):
    tamper(journal, f"UPDATE records SET ts = ts + 1 WHERE seq = {LAST}")
    assert first_problem(journal).seq == LAST


def test_a_record_made_anew_with_a_right_hash_breaks_the_link_after_it(journal):
    """Who computes the hash anew must do so for all that follow, and the head is another one."""
    record = records_of(journal)[8]
    own = digest(record.prev_hash, 9, record.ts, record.kind, record.key, b"{}")
    tamper(journal, ("UPDATE records SET payload = ?, hash = ? WHERE seq = 9", (b"{}", own)))
    assert first_problem(journal).seq == 10


def test_a_journal_written_anew_from_the_middle_no_longer_has_the_head_of_yesterday(tmp_path):
    path = written(tmp_path)
    yesterday = verify(path).head.hash
    assert verify(path, yesterday).contains is True
    files = files_of(written(tmp_path, name="c.journal", now=Ticking(0)))
    other = put(tmp_path / "other", files)
    report = verify(other, yesterday)
    assert report.problems == []
    assert report.contains is False


# ------------------------------------------------------------------ missing, moved, doubled


@pytest.mark.parametrize(
    ("taken", "seq", "words"),
    [
        ("seq = 1", 1, "record 1 is missing"),
        ("seq = 9", 9, "record 9 is missing"),
        ("seq BETWEEN 9 AND 12", 9, "records 9 to 12 are missing"),
        (f"seq = {LAST}", LAST, f"record {LAST} is missing at the end"),
        ("seq > 20", 21, f"records 21 to {LAST} are missing at the end"),
        ("1", 1, "no records"),
    ],
)
def test_a_missing_record_is_named(journal, taken, seq, words):
    tamper(journal, f"DELETE FROM records WHERE {taken}")
    report = verify(journal)
    assert words in report.problems[0].what
    assert report.problems[0].seq == seq
    assert report.last_good == seq - 1


def test_a_missing_record_behind_which_all_were_numbered_anew_is_found(journal):
    tamper(
        journal,
        "DELETE FROM records WHERE seq = 9",
        *(f"UPDATE records SET seq = {n - 1} WHERE seq = {n}" for n in range(10, LAST + 1)),
    )
    report = verify(journal)
    assert report.problems[0] == (
        9, "record 10 stands in the place of record 9, which is missing",
    )  # fmt: skip
    assert report.last_good == 8


@pytest.mark.parametrize(("one", "other"), [(9, 10), (2, LAST), (5, 15)])
def test_swapped_records_are_named(journal, one, other):
    tamper(
        journal,
        f"UPDATE records SET seq = 999 WHERE seq = {one}",
        f"UPDATE records SET seq = {one} WHERE seq = {other}",
        f"UPDATE records SET seq = {other} WHERE seq = 999",
    )
    problem = first_problem(journal)
    assert problem.seq == one
    words = f"record {one} bears the number {other}, record {other} stands in its place"
    assert problem.what == f"{words}: they were swapped"


def test_two_records_that_swapped_their_payloads_only_are_found(journal):
    one, other = records_of(journal)[8], records_of(journal)[14]
    change = "UPDATE records SET payload = ? WHERE seq = ?"
    tamper(journal, (change, (other.payload, 9)), (change, (one.payload, 15)))
    report = verify(journal)
    assert report.problems[0].seq == 9
    assert "1 more" in report.problems[1].what


def test_a_record_written_over_with_another_is_named(journal):
    parts = "ts, kind, payload, prev_hash, hash, key"
    tamper(
        journal,
        f"UPDATE records SET ({parts}) = (SELECT {parts} FROM records WHERE seq = 4) WHERE seq = 9",
    )
    assert (
        "record 4 stands in the place of record 9, which is missing" in first_problem(journal).what
    )


def test_a_record_added_once_more_at_the_end_is_found(journal):
    parts = "ts, kind, payload, prev_hash, hash, key"
    tamper(
        journal,
        f"INSERT INTO records (seq, {parts}) SELECT {LAST + 1}, {parts} FROM records "
        f"WHERE seq = {LAST}",
    )
    assert f"record {LAST} stands in the place of record {LAST + 1}" in first_problem(journal).what


# ------------------------------------------------------------------ around the records


@pytest.mark.parametrize("name", ["account", "account_type", "created", "qka", "schema", "seal"])
def test_what_it_says_of_itself_is_watched_too(journal, name):
    tamper(journal, f"UPDATE meta SET value = '0' WHERE name = '{name}'")
    problem = first_problem(journal)
    assert "what it says of itself" in problem.what
    with pytest.raises(JournalDamaged, match="what it says of itself"):
        opened(journal.parent, name=journal.name)


def test_a_journal_given_to_another_account_with_a_good_seal_is_found_by_its_first_record(journal):
    with readable(journal) as (connection, _):
        told = schema.about(connection).meta | {"account": "8880000001"}
    tamper(
        journal,
        f"UPDATE meta SET value = '{told['account']}' WHERE name = 'account'",
        f"UPDATE meta SET value = '{schema.seal(told)}' WHERE name = 'seal'",
    )
    assert "another account" in first_problem(journal).what
    with pytest.raises(JournalDamaged, match="another account"):
        opened(journal.parent, name=journal.name, account_id="8880000001")


@pytest.mark.parametrize("name", ["no_update", "no_delete", "next_only"])
def test_guards_that_were_taken_away_are_missed(journal, name):
    with closing(connect(journal)) as connection:
        connection.execute(f"DROP TRIGGER {name}")
    assert name in first_problem(journal).what


def test_without_its_witness_it_says_that_the_end_can_not_be_judged(journal):
    journal.with_name(f"{journal.name}.head").unlink()
    report = verify(journal)
    assert report.problems == []
    assert "missing at the end can't be said" in report.doubts[0]


@pytest.mark.parametrize("place", [0, 5, 30, 96, 100, 180])
def test_a_damaged_witness_is_no_damage_of_the_journal(journal, place):
    """It has two entries; with one damaged the other, which is older, is believed."""
    beside = journal.with_name(f"{journal.name}.head")
    raw = bytearray(beside.read_bytes())
    raw[place] ^= 1
    beside.write_bytes(raw)
    assert verify(journal).problems == []
    opened(journal.parent, name=journal.name).close()


def test_the_witness_of_another_journal_is_noticed(journal, tmp_path):
    other = written(tmp_path, 3, name="other", now=Ticking(0))
    shutil.copy(f"{other}.head", f"{journal}.head")
    assert "remembers" in first_problem(journal).what


# ------------------------------------------------------------------ salvage


def test_what_is_whole_is_taken_over_and_the_loss_is_written_down(journal):
    tamper(journal, "UPDATE records SET ts = ts + 1 WHERE seq = 9")
    damaged, before = files_of(journal), records_of(journal)
    new = journal.with_name("mended.journal")
    report, end = salvage(journal, new, 77)
    assert report.last_good == 8
    assert files_of(journal) == damaged
    assert records_of(new)[:8] == before[:8]
    told = records_of(new)[8]
    assert (told.kind, told.ts, told.mark) == ("recovered", 77, end)
    assert told.value["last_good"] == 8
    assert "record 9" in told.value["why"][0]
    assert verify(new).problems == verify(new).doubts == []
    mended = opened(new.parent, name=new.name)
    assert mended.latest(Note.RECOVERED) == told
    mended.append(fills(1)[0])
    mended.close()
    assert verify(new).problems == []


def test_there_is_nothing_to_salvage_in_a_whole_journal_nor_in_a_lost_one(journal):
    new = journal.with_name("new")
    with pytest.raises(ConfigError, match="is whole"):
        salvage(journal, new, 0)
    tamper(journal, "UPDATE records SET ts = 0 WHERE seq = 1")
    with pytest.raises(ConfigError, match="not even the first"):
        salvage(journal, new, 0)
    assert not new.exists()


def test_salvage_writes_over_nothing_and_leaves_a_journal_in_use_alone(journal):
    with pytest.raises(ConfigError, match="name a new file"):
        salvage(journal, journal, 0)
    busy = a_journal(journal.parent, name=journal.name)
    busy.open()
    with pytest.raises(ConfigError, match="in use"):
        salvage(journal, journal.with_name("new"), 0)
    busy.close()


# ------------------------------------------------------------------ at the command line


def command(*words):
    done = CliRunner().invoke(app, ["verify", *map(str, words)])
    return done.exit_code, done.output, done.exception


def test_the_command_prints_head_and_counts_and_ends_with_0(journal):
    head = verify(journal).head
    code, out, _ = command(journal)
    assert code == 0
    assert f"Head: record {LAST}, {head.hash.hex()}" in out
    assert "Fill                       20" in out
    assert "account 8880012345 (STOCK)" in out


def test_the_command_names_what_is_damaged_and_ends_with_1(journal):
    tamper(journal, "UPDATE records SET ts = ts + 1 WHERE seq = 9")
    code, out, _ = command(journal)
    assert code == 1
    assert "FAIL: record 9 was changed" in out
    assert "--salvage" in out


def test_the_command_salvages(journal):
    tamper(journal, "UPDATE records SET ts = ts + 1 WHERE seq = 9")
    new = journal.with_name("new.journal")
    code, out, _ = command(journal, "--salvage", new)
    assert code == 1
    assert "records 1 to 8 taken over" in out
    assert "put new.journal and new.journal.head in its place" in out
    assert command(new)[0] == 0


def test_the_command_compares_with_a_head_of_an_earlier_day(journal):
    known = records_of(journal)[11].hash.hex()
    assert command(journal, "--expect", known)[0] == 0
    code, out, _ = command(journal, "--expect", "0" * 64)
    assert code == 1
    assert "no record has it" in out


@pytest.mark.parametrize(
    "what", ["missing", "folder", "text", "database", "empty", "bad hash", "short hash"]
)
def test_what_is_no_journal_is_bad_input(tmp_path, what):
    path = tmp_path / "x"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text('{"seq":1}\n' * 500)
    elif what == "empty":
        path.touch()
    elif what == "database":
        with closing(connect(path)) as connection:
            connection.execute("CREATE TABLE records (seq, mine)")
            connection.commit()
    hashes = {"bad hash": "xyz", "short hash": "5d3c"}
    if what in hashes:
        path = written(tmp_path)
    _, _, error = command(path, *(["--expect", hashes[what]] if what in hashes else []))
    assert type(error) is ConfigError  # `main` makes exit code 2 of it
    assert hashes.get(what, str(path)) in str(error)
