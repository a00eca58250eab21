"""Session ids are few, taken in turn, and never used twice at once."""

import subprocess
import sys

import pytest

from qka.brokers.sessions import GAP, SessionPool, default_sessions
from qka.errors import BrokerUnavailable

HOLD = """
import sys, pathlib
from qka.brokers.sessions import SessionPool
pool = SessionPool([7], pathlib.Path(sys.argv[1]))
print(pool.take(0.0)[0], flush=True)
sys.stdin.read()
"""


def test_an_account_always_has_the_same_ten_ids_and_another_has_others():
    ids = default_sessions("C:/QMT/userdata_mini", "demo")
    assert ids == default_sessions("C:/QMT/userdata_mini", "demo")
    assert len(set(ids)) == 10
    assert all(0 < number < 2**31 for number in ids)
    assert not set(ids) & set(default_sessions("C:/QMT/userdata_mini", "other"))


def test_ids_are_taken_in_turn_and_a_used_one_waits(tmp_path):
    pool = SessionPool([1, 2], tmp_path)
    assert pool.take(100.0) == (1, 0.0)
    assert pool.take(101.0) == (2, 0.0)
    number, wait = pool.take(102.0)
    assert number == 1
    assert wait == pytest.approx(GAP - 1.0)
    assert pool.take(200.0) == (2, 0.0)


def test_an_id_that_another_process_holds_is_passed_over(tmp_path):
    run = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "7\n"
        assert SessionPool([7, 8], tmp_path).take(0.0)[0] == 8
        with pytest.raises(BrokerUnavailable, match="in use by other processes"):
            SessionPool([7], tmp_path).take(0.0)
        other.stdin.close()
        other.wait(10)
    assert SessionPool([7], tmp_path).take(0.0)[0] == 7


def test_an_id_let_go_is_free_for_others(tmp_path):
    one, other = SessionPool([7], tmp_path), SessionPool([7], tmp_path)
    one.take(0.0)
    with pytest.raises(BrokerUnavailable):
        other.take(0.0)
    one.release(1.0)
    assert other.take(1.0)[0] == 7
    other.release(1.0)
    other.release(1.0)


def test_without_a_place_for_locks_ids_are_taken_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    assert SessionPool([7], tmp_path / "file" / "below").take(0.0) == (7, 0.0)


@pytest.mark.parametrize("numbers", [[], [0], [2**31], [-1]])
def test_ids_are_numbers_the_terminal_can_hold(numbers):
    with pytest.raises(ValueError, match="whole numbers"):
        SessionPool(numbers)
