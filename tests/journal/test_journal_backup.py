"""A copy of a journal, taken while its engine writes on, is a journal (docs/operations.md)."""

import shutil
import sqlite3
import subprocess
import sys

from builders import an_order
from journal_stage import a_journal, fills, opened

from qka.journal.verify import verify
from qka.model.events import OrderRequested

# as the page has it: Python comes with it, on every system
COPY = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', (sys.argv[2],))"


def copied(journal, to):
    """By another process, as a backup is made."""
    subprocess.run([sys.executable, "-c", COPY, str(journal.path), str(to)], check=True)
    return to


def test_a_copy_of_a_running_journal_is_whole_and_opens(tmp_path):
    journal = opened(tmp_path)
    for fill in fills(30):
        journal.append(fill)
    journal.flush()
    (tmp_path / "backup").mkdir()
    copy = copied(journal, tmp_path / "backup" / "a.journal")
    journal.write_ahead(OrderRequested(1, an_order()))  # it goes on as if nothing had been
    journal.close()
    found = verify(copy)
    assert not found.problems
    assert found.records == 31
    again = a_journal(tmp_path / "backup")
    again.open()
    again.append(fills(1, first=99)[0])
    again.close()
    assert verify(copy).records == 32
    assert verify(journal.path).records == 32


def test_an_intent_that_was_on_the_disk_is_in_the_copy(tmp_path):
    journal = opened(tmp_path)
    journal.write_ahead(OrderRequested(1, an_order()))
    copy = copied(journal, tmp_path / "copy.db")
    journal.close()
    (row,) = sqlite3.connect(copy).execute("SELECT count(*) FROM records WHERE kind LIKE 'Order%'")
    assert row == (1,)


def test_a_running_journal_is_not_overwritten_by_its_own_copy(tmp_path):
    journal = opened(tmp_path)
    journal.append(fills(1)[0])
    journal.flush()
    there = tmp_path / "copy.db"
    copied(journal, there)
    done = subprocess.run(
        [sys.executable, "-c", COPY, str(journal.path), str(there)], capture_output=True
    )
    assert done.returncode
    assert b"already exists" in done.stderr
    journal.close()
    assert not verify(there).problems


def test_the_files_of_a_stopped_engine_can_be_copied_as_they_are(tmp_path):
    journal = opened(tmp_path)
    journal.append(fills(1)[0])
    journal.close()
    (tmp_path / "backup").mkdir()
    for file in tmp_path.glob("a.journal*"):
        shutil.copy(file, tmp_path / "backup")
    found = verify(tmp_path / "backup" / "a.journal")
    assert not found.problems
    assert not found.doubts
