"""A sign of life that stays away when the loop hangs, and harms nobody when its service is away."""

import asyncio
import urllib.request

from loguru import logger
from qmt import eventually
from receivers import receiving

from qka.monitor.heartbeat import Heartbeat


def beats(receiver):
    return sum(got.path == "/ping/uuid" for got in receiver.got)


def url(receiver, path="/ping/uuid"):
    return f"http://127.0.0.1:{receiver.port}{path}"


async def test_it_beats_while_the_loop_turns_and_stops_when_it_is_told():
    with receiving() as receiver:
        heart = Heartbeat(url(receiver), 0.005)
        heart.start()
        await eventually(lambda: beats(receiver) >= 5)
        heart.stop()
        await asyncio.to_thread(heart._thread.join, 20)
        assert not heart._thread.is_alive()


async def test_a_loop_that_hangs_is_silent():
    with receiving() as receiver:
        heart = Heartbeat(url(receiver), 0.001)
        heart.start()
        await eventually(lambda: beats(receiver) >= 3)
        before = beats(receiver)
        for _ in range(100):  # the loop is busy with something else for a hundred requests
            with urllib.request.urlopen(url(receiver, "/other")):  # noqa: ASYNC210  # meant to hang
                pass
        assert beats(receiver) <= before + 2
        await eventually(lambda: beats(receiver) > before + 2)
        heart.stop()


async def test_a_service_that_is_away_is_told_once_and_again_when_it_is_back():
    lines = []
    sink = logger.add(lambda line: lines.append(line.record["message"]))
    with receiving() as receiver:
        receiver.answers.extend([500] * 5)
        heart = Heartbeat(url(receiver), 0.002)
        heart.start()
        await eventually(lambda: len(lines) == 2)
        heart.stop()
    logger.remove(sink)
    assert "500" in lines[0]
    assert lines[1] == "the heartbeat is taken again"


async def test_an_address_that_is_none_harms_nobody():
    assert "unknown url type" in Heartbeat("nonsense", 1.0).send()
