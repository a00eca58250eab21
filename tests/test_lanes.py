"""A lane runs calls in turn, and goes on when one of them does not return."""

import asyncio
import threading

import pytest
from qmt import eventually

from qka.lanes import Lane

FAR = 1e12  # a deadline that never comes


@pytest.fixture
async def lane():
    """A lane whose patience is over at once."""
    lane = Lane("test-lane", patience=0.01, spares=2)
    yield lane
    lane.close()


async def test_calls_run_in_the_order_they_came_on_one_thread(lane):
    seen = []

    def call(n):
        seen.append((n, threading.current_thread().name))
        return n

    jobs = [lane.submit(lambda n=n: call(n), FAR) for n in range(20)]
    assert [await job.future for job in jobs] == list(range(20))
    assert seen == [(n, "test-lane") for n in range(20)]


async def test_what_a_call_raises_its_caller_gets(lane):
    with pytest.raises(ZeroDivisionError):
        await lane.submit(lambda: 1 / 0, FAR).future
    assert await lane.submit(lambda: 1, FAR).future == 1


async def test_an_urgent_call_goes_before_those_that_wait(lane):
    gate, seen = threading.Event(), []
    first = lane.submit(gate.wait, FAR)
    await eventually(lambda: first.begun)
    later = lane.submit(lambda: seen.append("later"), FAR)
    urgent = lane.submit(lambda: seen.append("urgent"), FAR, urgent=True)
    gate.set()
    await asyncio.gather(first.future, later.future, urgent.future)
    assert seen == ["urgent", "later"]


async def test_a_call_that_hangs_is_left_behind_and_the_others_go_on(lane):
    gate = threading.Event()
    stuck = lane.submit(gate.wait, FAR)
    assert await lane.submit(lambda: "went on", FAR).future == "went on"
    assert lane.hung == 1
    assert not stuck.future.done()
    gate.set()
    assert await stuck.future is True
    await eventually(lambda: lane.hung == 0)
    assert await lane.submit(lambda: 2, FAR).future == 2


async def test_when_every_spare_hangs_too_the_rest_waits(lane):
    gate = threading.Event()
    stuck = [lane.submit(gate.wait, FAR) for _ in range(3)]
    waits = lane.submit(lambda: "late", FAR)
    await eventually(lambda: lane.hung == 2 and all(job.begun for job in stuck))
    assert not waits.begun
    gate.set()
    assert await waits.future == "late"


async def test_a_call_whose_deadline_has_passed_never_begins(lane):
    called = []
    job = lane.submit(lambda: called.append(1), deadline=0.0)
    with pytest.raises(asyncio.CancelledError):
        await job.future
    assert called == []
    assert job.withdraw()


async def test_a_withdrawn_call_never_begins_and_one_that_has_begun_is_not_withdrawn(lane):
    gate, called = threading.Event(), []
    first = lane.submit(gate.wait, FAR)
    second = lane.submit(lambda: called.append(1), FAR)
    await eventually(lambda: first.begun)
    assert second.withdraw()
    assert not first.withdraw()
    gate.set()
    await first.future
    await lane.submit(lambda: None, FAR).future
    assert called == []


async def test_a_closed_lane_begins_nothing(lane):
    gate = threading.Event()
    first = lane.submit(gate.wait, FAR)
    await eventually(lambda: first.begun)
    waits = lane.submit(lambda: None, FAR)
    lane.close()
    gate.set()
    await first.future
    assert not waits.begun
    assert waits.withdraw()


async def test_a_lanes_threads_do_not_keep_the_program_alive(lane):
    await lane.submit(lambda: None, FAR).future
    assert all(t.daemon for t in threading.enumerate() if t.name == "test-lane")
