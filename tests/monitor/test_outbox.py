"""A queue that never grows and never makes anybody wait."""

from hypothesis import given
from hypothesis import strategies as st

from qka.monitor.outbox import Outbox


def emptied(outbox):
    outbox.close()
    return list(iter(outbox.take, None))


def test_the_oldest_that_is_not_urgent_makes_way():
    outbox = Outbox(3)
    for item, urgent in (("a!", True), ("b", False), ("c", False), ("d!", True), ("e", False)):
        outbox.put(item, urgent)
    assert outbox.lost() == 2
    assert emptied(outbox) == ["a!", "d!", "e"]


def test_of_errors_the_first_ones_stay():
    outbox = Outbox(2)
    for item in ("first", "second", "third"):
        outbox.put(item, True)
    assert outbox.lost() == 1
    assert outbox.lost() == 0
    assert emptied(outbox) == ["first", "second"]


def test_nothing_within_the_time_is_none():
    outbox = Outbox(1)
    assert outbox.take(0.001) is None
    assert not outbox.done
    outbox.close()
    assert outbox.take() is None
    assert outbox.done


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10))
def test_it_is_bounded_keeps_the_order_and_counts_what_it_lost(urgencies, room):
    outbox = Outbox(room)
    for number, urgent in enumerate(urgencies):
        outbox.put(number, urgent)
        assert len(outbox) <= room
    left = emptied(outbox)
    assert left == sorted(left)
    assert len(left) + outbox.lost() == len(urgencies)
    # an urgent one is lost only where nothing but urgent ones is kept
    lost_urgent = {n for n, urgent in enumerate(urgencies) if urgent} - set(left)
    assert not lost_urgent or sum(urgencies[n] for n in left) >= 1
