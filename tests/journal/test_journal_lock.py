"""One engine per account and journal: the second start is refused and told whom to stop."""

import errno
import os
import sys
from types import SimpleNamespace

import pytest
from builders import a_fill, moment
from journal_stage import ACCOUNT, KIND, a_journal, opened, python

from qka.errors import ConfigError
from qka.journal import lock
from qka.journal.lock import FileLock, of_account

HOLDER = """
from pathlib import Path
from journal_stage import opened
journal = opened(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
"""


def test_a_second_start_is_refused_with_the_pid_of_the_first_until_that_one_dies(tmp_path):
    first = python(HOLDER, tmp_path, stdin=-1)
    try:
        assert first.stdout.readline() == "open\n"
        second = a_journal(tmp_path)
        with pytest.raises(ConfigError, match=f"pid {first.pid} .*started 20.*kill {first.pid}"):
            second.open()
        with pytest.raises(OSError, match="not open"):
            second.append(a_fill())
    finally:
        first.kill()
        first.communicate(timeout=60)
    second.open()
    second.close()


def test_in_one_process_too_a_journal_is_opened_once(tmp_path):
    journal = opened(tmp_path)
    with pytest.raises(ConfigError, match=str(os.getpid())):
        opened(tmp_path)
    with pytest.raises(OSError, match="open already"):
        journal.open()
    journal.write_ahead(a_fill())  # the first one did not suffer
    journal.close()
    opened(tmp_path).close()


def test_two_journals_of_one_account_are_refused_where_accounts_are_locked(tmp_path):
    locks = tmp_path / "locks"
    first = opened(tmp_path, name="a.journal", account_locks=locks)
    with pytest.raises(ConfigError, match=f"account {ACCOUNT}"):
        opened(tmp_path, name="b.journal", account_locks=locks)
    other = opened(tmp_path, name="c.journal", account_locks=locks, account_id="8880000001")
    other.close()
    first.close()
    opened(tmp_path, name="b.journal", account_locks=locks).close()


def test_a_journal_that_is_refused_lets_go_of_its_account(tmp_path):
    locks = tmp_path / "locks"
    opened(tmp_path, account_locks=locks).close()
    with pytest.raises(ConfigError, match="not of"):
        opened(tmp_path, account_id="1", account_locks=locks)
    of_account(locks, "1", KIND).take()


def test_a_lock_tells_who_and_since_when_and_forgets_it_when_released(tmp_path):
    path = tmp_path / "x.lock"
    first = FileLock(path, "the journal", moment)
    first.take()
    with pytest.raises(ConfigError, match=r"the journal is in use .* started 2026-01-05 10:00:00"):
        FileLock(path, "the journal").take()
    first.release()
    first.release()
    assert not first.held
    assert path.read_text().strip() == ""
    first.take()
    first.release()


@pytest.mark.parametrize("words", [b"", b"{}", b"\xff\x00", b'{"pid": 1, "started": 1e99}', b"[]"])
def test_a_holder_that_left_no_readable_words_is_refused_all_the_same(tmp_path, words):
    path = tmp_path / "x.lock"
    first = FileLock(path, "the journal")
    first.take()
    path.write_bytes(words)
    with pytest.raises(ConfigError, match="another engine"):
        FileLock(path, "the journal").take()
    first.release()


def test_where_no_lock_can_be_made_nothing_is_started(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="two engines could run"):
        FileLock(tmp_path / "file" / "x.lock", "the journal").take()


def test_a_disk_that_knows_no_locks_is_refused(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", refuse)
    with pytest.raises(ConfigError, match="disk of this machine"):
        FileLock(tmp_path / "x.lock", "the journal").take()


def test_on_windows_the_locked_byte_is_none_of_the_words(tmp_path, monkeypatch):
    """There, what is locked can't be read by others, and the refusal needs the words."""
    taken = {}

    def locking(descriptor, mode, count):
        key = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        assert (mode, count) == (2, 1)
        if key in taken:
            raise OSError(errno.EACCES, "Permission denied")
        taken[key] = descriptor

    monkeypatch.setattr(lock, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    path = tmp_path / "x.lock"
    first = FileLock(path, "the journal")
    first.take()
    ((_, position),) = taken
    assert position > path.stat().st_size
    with pytest.raises(ConfigError, match=f"taskkill /F /PID {os.getpid()}"):
        FileLock(path, "the journal").take()
    first.release()
