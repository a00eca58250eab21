"""Damaged, cut off, missing, full, locked, read-only: a clear message, no loss in silence."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_fill
from journal_stage import (
    FRAME,
    Ticking,
    a_journal,
    files_of,
    fills,
    mid_day,
    opened,
    put,
    python,
    records_of,
    said,
    written,
)

from qka.errors import ConfigError, JournalDamaged, QkaError
from qka.journal import opening
from qka.journal.chain import Note
from qka.journal.verify import verify
from qka.model.times import SECOND

PAGE = 4096


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory):
    """The files of a journal that was closed."""
    return files_of(written(tmp_path_factory.mktemp("at_rest"), 40))


@pytest.fixture(scope="module")
def in_flight(tmp_path_factory):
    """The files of an engine that was killed in the middle of its day: 25 + 5 records."""
    return mid_day(tmp_path_factory.mktemp("in_flight"))


def look(path):
    """Verify and open: (last good record, None when whole; what was said)."""
    report = verify(path)
    if not report.problems:
        journal = opened(path.parent, name=path.name)
        assert journal.head == report.head
        journal.close()
        return None, ""
    with pytest.raises(JournalDamaged) as refused:
        opened(path.parent, name=path.name)
    assert refused.value.last_good == report.last_good
    return report.last_good, str(refused.value)


# ------------------------------------------------------------------ cut off


def cut(folder, files, suffix, size):
    path = put(folder, {**files, suffix: files[suffix][:size]})
    before = files_of(path)
    last_good, words = look(path)
    assert last_good is not None, f"{suffix} cut to {size} bytes was not noticed"
    assert f"up to record {last_good} it is whole" in words
    assert str(path) in words
    assert "salvage" in words
    assert files_of(path) == before, "the evidence was changed"
    return last_good, words


def check_file(folder, files, step):
    """Cut anywhere in its last page."""
    size = len(files[""])
    for left in range(size - PAGE, size, step):
        last_good, words = cut(folder, files, "", left)
        assert 0 < last_good < 49
        assert f"{left:,} bytes of {size:,}" in words


def check_log(folder, files, places):
    """Cut anywhere in the -wal: what was committed before that place is still there."""
    for left in places:
        last_good, words = cut(folder, files, "-wal", left)
        assert last_good == 25 + max(0, left - 32) // FRAME
        assert "missing at the end" in words


def test_a_file_cut_off_in_its_last_page_is_refused_with_the_last_good_record(tmp_path, at_rest):
    check_file(tmp_path / "cut", at_rest, 331)


def test_a_log_cut_off_anywhere_is_refused_with_the_last_good_record(tmp_path, in_flight):
    check_log(tmp_path / "cut", in_flight, range(0, len(in_flight["-wal"]), 1009))


@pytest.mark.long
def test_a_file_cut_off_at_every_byte_of_its_last_page(tmp_path, at_rest):
    check_file(tmp_path / "cut", at_rest, 1)


@pytest.mark.long
def test_a_log_cut_off_at_every_byte_of_its_last_page(tmp_path, in_flight):
    size = len(in_flight["-wal"])
    check_log(tmp_path / "cut", in_flight, range(size - FRAME, size))


@pytest.mark.parametrize("size", [1, 16, 99, 100, 512, 4096, 8192])
def test_a_file_of_which_little_is_left(tmp_path, at_rest, size):
    path = put(tmp_path / "cut", {**at_rest, "": at_rest[""][:size]})
    last_good, words = look(path)
    assert last_good == 0
    assert "cut off" in words
    assert "no record can be relied on" in words


# ------------------------------------------------------------------ one byte anywhere in the file


def changed(path, place):
    """Change one byte of a file and return what it was."""
    with path.open("r+b", buffering=0) as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ (0x80 if place % 2 else 0x01)]))
    return byte


def found(path, before):
    """Whether it is noticed; if not, it was a byte that holds nothing: every record is there."""
    try:
        if verify(path).problems:
            return True
    except QkaError:
        return True
    assert records_of(path) == before
    return False


def test_a_byte_changed_anywhere_in_the_file_is_found_or_held_nothing(tmp_path, at_rest):
    before = records_of(put(tmp_path / "bytes", at_rest))
    noticed = 0
    for place in range(0, len(at_rest[""]), 97):
        path = put(tmp_path / "bytes", at_rest)
        changed(path, place)
        noticed += found(path, before)
        try:  # refused or opened, never a traceback
            opened(path.parent, name=path.name, durable=False).close()
        except QkaError:
            pass
    assert noticed > len(at_rest[""]) // 97 // 4


@pytest.mark.long
def test_every_byte_of_the_file(tmp_path, at_rest):
    path = put(tmp_path / "bytes", at_rest)
    before, content = records_of(path), at_rest[""]
    for place in range(len(content)):
        changed(path, place)
        found(path, before)
        with path.open("r+b", buffering=0) as file:
            file.seek(place)
            file.write(content[place : place + 1])
    assert verify(path).problems == []


def test_a_byte_changed_in_the_log_loses_nothing_in_silence(tmp_path, in_flight):
    size = len(in_flight["-wal"])
    for place in range(0, size, 499):
        raw = bytearray(in_flight["-wal"])
        raw[place] ^= 0x10
        path = put(tmp_path / "bytes", {**in_flight, "-wal": bytes(raw)})
        last_good, words = look(path)
        assert last_good is None or "missing at the end" in words
        if last_good is None:
            assert verify(path).head.seq == 30


# ------------------------------------------------------------------ missing files


def test_a_log_that_was_left_behind_is_missed_and_the_loss_named(tmp_path, in_flight):
    """A copy of the journal without its -wal: what is there looks whole."""
    path = put(tmp_path / "copy", {"": in_flight[""], ".head": in_flight[".head"]})
    last_good, words = look(path)
    assert last_good == 25
    assert "records 26 to 30 are missing at the end (is the -wal file there" in words
    path = put(tmp_path / "copy", in_flight)  # put back
    assert look(path) == (None, "")


def test_without_log_and_witness_the_doubt_is_told(tmp_path, in_flight):
    path = put(tmp_path / "copy", {"": in_flight[""]})
    journal = opened(path.parent, name=path.name)
    assert "whether the newest records are missing can't be said" in journal.doubt
    journal.close()
    journal.open()
    assert journal.doubt == ""  # from now on there is a witness
    journal.close()


def test_a_stale_shm_file_does_no_harm(tmp_path, in_flight):
    path = put(tmp_path / "copy", {**in_flight, "-shm": b"\x5a" * 32768})
    assert look(path) == (None, "")


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ([".head"], "is gone, but b.journal.head says that it had 30 records"),
        (["-wal"], "is gone, but b.journal-wal is still there"),
        (["-wal", ".head"], "is gone"),
    ],
)
def test_a_journal_that_is_gone_is_not_begun_anew_beside_its_remains(
    tmp_path, in_flight, kept, words
):
    path = put(tmp_path / "copy", {suffix: in_flight[suffix] for suffix in kept})
    with pytest.raises(JournalDamaged, match=words):
        opened(path.parent, name=path.name)
    assert not path.exists()


def test_an_empty_file_is_no_journal_and_one_that_had_records_is_damage(tmp_path, in_flight):
    path = put(tmp_path / "copy", {"": b""})
    with pytest.raises(ConfigError, match="is empty"):
        opened(path.parent, name=path.name)
    path = put(tmp_path / "copy", {**in_flight, "": b""})
    with pytest.raises(JournalDamaged, match=r"is empty, but .* it had 30 records"):
        opened(path.parent, name=path.name)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"hello " * 2000, b'{"seq":1,"event":{}}\n', b"\0" * 9000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = put(tmp_path / "x", {"": content})
    with pytest.raises(ConfigError, match="no journal"):
        opened(path.parent, name=path.name)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.journal"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (name, value)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="no journal of qka"):
        opened(tmp_path)
    assert path.read_bytes() == before


def test_damage_that_is_met_while_reading_is_named(tmp_path):
    path = written(tmp_path, 300)
    raw = bytearray(path.read_bytes())
    at = raw.find(b'"d40"')  # far from the end, which is looked at when it is opened
    raw[at + 2] ^= 1
    path.write_bytes(raw)
    journal = opened(tmp_path)
    with pytest.raises(JournalDamaged, match=r"record .* was changed") as met:
        list(journal.records())
    journal.append(a_fill())
    journal.close()
    assert 40 < met.value.last_good < 60
    assert met.value.last_good == verify(path).last_good


# ------------------------------------------------------------------ it can't be written


def full(journal):
    """From now on the disk has no room for another page."""
    ask = journal._opened().execute
    ask(f"PRAGMA max_page_count = {ask('PRAGMA page_count').fetchone()[0]}")


def roomy(journal):
    journal._opened().execute("PRAGMA max_page_count = 1000000")


def read_only(journal):
    journal._opened().execute("PRAGMA query_only = ON")


def writable(journal):
    journal._opened().execute("PRAGMA query_only = OFF")


class Locker:
    """Another program that holds the file."""

    def __call__(self, journal):
        self.connection = sqlite3.connect(journal.path, isolation_level=None)
        self.connection.execute("BEGIN IMMEDIATE")

    def leave(self, journal):
        self.connection.close()


def hindrances():
    locker = Locker()
    return {
        "the disk is full": (full, roomy),
        "the file or its folder is read-only": (read_only, writable),
        "another program holds it": (locker, locker.leave),
    }


BIG = {"words": "x" * 5000}


@pytest.mark.parametrize("words", list(hindrances()))
def test_what_can_not_be_written_waits_in_order_and_an_intent_that_failed_is_forgotten(
    tmp_path, words
):
    hinder, help_ = hindrances()[words]
    clock = Ticking()
    journal = opened(tmp_path, now=clock)
    journal.write_ahead(fills(1)[0])
    safe = journal.safe
    hinder(journal)
    journal.note(Note.STATE, BIG, "s")  # only waits, as ever
    with pytest.raises(OSError, match=words) as first:
        journal.write_ahead(fills(1, 2)[0])
    assert words in journal.failing
    with pytest.raises(OSError, match=words) as second:
        journal.append(fills(1, 3)[0])
    assert str(first.value) == str(second.value)  # so that it is told once
    with pytest.raises(OSError, match=words):
        journal.flush()
    with pytest.raises(OSError, match=words):
        journal.note(Note.TRADING, "halted", ahead=True)
    assert journal.safe == safe
    assert journal.latest(Note.TRADING).value == "halted"
    assert [r.kind for r in journal.records(after=safe.seq)] == ["state", "Fill", "trading"]
    help_(journal)
    clock.time += SECOND
    journal.append(fills(1, 4)[0])
    assert journal.failing == ""
    assert journal.waiting == 0
    journal.write_ahead(fills(1, 5)[0])
    journal.close()
    report = verify(journal.path)
    assert report.problems == []
    told = [r.event for r in records_of(journal.path) if r.kind == "Fill"]
    assert told == [fills(1, n)[0] for n in (1, 3, 4, 5)]


def test_in_hard_times_the_disk_is_not_asked_for_every_record(tmp_path):
    clock = Ticking()
    journal = opened(tmp_path, now=clock)
    full(journal)
    with pytest.raises(OSError, match="full"):
        journal.note(Note.STATE, BIG, "s", ahead=True)
    roomy(journal)
    with pytest.raises(OSError, match="full"):
        journal.append(a_fill())  # a millisecond later
    clock.time += SECOND
    journal.append(a_fill())
    assert journal.waiting == 0
    journal.close()


def test_what_could_not_be_written_until_the_end_is_told(tmp_path):
    journal = opened(tmp_path)
    journal.write_ahead(a_fill())
    read_only(journal)
    journal.append(a_fill())
    journal.note(Note.STATE, 1, "s")
    with pytest.raises(OSError, match="read-only: records 3 to 4 are lost"):
        journal.close()
    journal.close()
    assert verify(journal.path).head.seq == 2
    opened(tmp_path).close()


FULL_DISK = """
import resource, signal
from pathlib import Path
from journal_stage import opened, fills
from qka.journal.chain import Note
journal = opened(Path(sys.argv[1]))
written = failed = 0
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
for fill in fills(30):
    try:
        journal.write_ahead(fill)
        written += 1
    except OSError as error:
        failed += 1
assert "disk" in journal.failing, journal.failing
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.write_ahead(fills(1)[0])
journal.close()
print(written, failed)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
@pytest.mark.parametrize("room", [10_000, 10_001, 30_000])
def test_a_disk_that_takes_half_a_write_loses_nothing_that_was_promised(tmp_path, room):
    written_, failed = map(int, said(python(FULL_DISK, tmp_path, room)))
    assert written_ + failed == 30
    assert failed > 0
    report = verify(tmp_path / "a.journal")
    assert report.problems == []
    assert report.records == 1 + written_ + 1
    opened(tmp_path).close()


# ------------------------------------------------------------------ it can't even be opened

# what is imported late is imported first: nobody may have no right to read the interpreter's folder
AS_NOBODY = """
import os, urllib.parse
from pathlib import Path
from journal_stage import a_journal
from qka.errors import QkaError
from qka.journal.verify import verify
path = Path(sys.argv[1])
if os.getuid() == 0: os.setuid(65534)
report = verify(path) if path.exists() else None
print("verified", report and report.last_good, report and report.problems, sep="|")
try:
    a_journal(path.parent, name=path.name).open()
except QkaError as error:
    print(type(error).__name__, error, sep="|")
"""


@pytest.fixture
def public():
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="qka-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def ask_nobody(path):
    process = python(AS_NOBODY, path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return [line.split("|") for line in out.splitlines()]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize("log", [False, True], ids=["closed", "killed"])
def test_a_folder_that_is_read_only_can_be_verified_and_no_engine_starts(public, log, in_flight):
    folder = public / "j"
    path = put(folder, in_flight, "a.journal") if log else written(folder)
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    verified, refused = ask_nobody(path)
    assert verified == ["verified", "30" if log else "25", "[]"]
    assert refused[0] == "ConfigError"
    assert "can't be made (Permission denied)" in refused[1]
    folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_file_that_is_read_only_starts_no_engine(public):
    folder = public / "j"
    path = written(folder)
    path.chmod(0o444)
    for file in (folder / "a.journal.lock", folder / "a.journal.head"):
        file.chmod(0o666)
    folder.chmod(0o777)
    _, refused = ask_nobody(path)
    assert refused[0] == "ConfigError"
    assert "read-only" in refused[1]


def test_a_folder_that_is_a_file_starts_no_engine(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be made"):
        opened(tmp_path / "file")


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_program_holds_starts_no_engine(tmp_path, mode):
    path = written(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as browser:
        browser.execute(f"BEGIN {mode}")
        with pytest.raises(ConfigError, match="another program holds it"):
            opened(tmp_path)
        browser.execute("ROLLBACK")
    opened(tmp_path).close()


def test_a_full_disk_at_the_first_start_leaves_nothing_behind(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(opening, "create", refuse)
    with pytest.raises(ConfigError, match=r"No space left on device.*no order may leave"):
        opened(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.journal.lock"]
    monkeypatch.undo()
    opened(tmp_path).close()


def test_a_witness_that_can_not_be_made_starts_no_engine(tmp_path):
    path = written(tmp_path)
    path.with_name("a.journal.head").unlink()
    path.with_name("a.journal.head").mkdir()
    with pytest.raises(ConfigError, match="can't be opened for writing: Is a directory"):
        opened(tmp_path)
    path.with_name("a.journal.head").rmdir()
    opened(tmp_path).close()


def test_a_witness_that_can_not_be_written_stops_nothing(tmp_path):
    journal = a_journal(tmp_path)
    journal.open()
    journal._witness._file.close()

    class Broken:
        def seek(self, place):
            raise OSError(28, "No space left on device")

        def fileno(self):
            raise OSError(9, "Bad file descriptor")

        def close(self):
            pass

    journal._witness._file = Broken()
    journal.write_ahead(a_fill())
    journal.close()
    assert verify(journal.path).problems == []
    opened(tmp_path).close()
