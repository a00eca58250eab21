"""A thread that does not come back is noticed while it does not, with the line."""

import asyncio
import threading

from qmt import eventually

from qka.engine.watchdog import Watchdog


class Watched:
    """A watchdog over the test's own thread, and what it told."""

    def __init__(self, homes=(__file__,)):
        self.said, self.back, self.heard = [], [], threading.Event()
        self.dog = Watchdog(lambda: homes, self._stuck, self.back.append, patience=0.02, beat=0.005)

    def _stuck(self, text):
        self.said.append(text)
        self.heard.set()

    async def block(self):
        """Hold the thread up until somebody noticed, and let it go on."""
        self.dog.start()
        try:
            await asyncio.sleep(0)
            self.on_quote()
            await eventually(lambda: self.back)
        finally:
            self.dog.stop()

    def on_quote(self):
        assert self.heard.wait(10)


async def test_a_handler_that_does_not_return_is_named_while_it_does_not():
    watched = Watched()
    await watched.block()
    (said,), (back,) = watched.said, watched.back
    assert "the engine stands still" in said
    assert f"{__file__}:" in said
    assert "(on_quote)" in said
    assert "the engine stood still" in back
    assert "(on_quote)" in back


async def test_what_hangs_outside_every_strategy_is_named_by_its_own_line():
    watched = Watched(homes=())
    await watched.block()
    assert "threading.py:" in watched.said[0]


async def test_a_thread_that_comes_back_in_time_is_not_told_of():
    watched = Watched()
    watched.dog = Watchdog(lambda: (), watched.said.append, watched.back.append)
    watched.dog.start()
    await asyncio.sleep(0)
    watched.dog.stop()
    watched.dog.stop()
    assert (watched.said, watched.back) == ([], [])


def test_one_that_was_never_started_can_be_stopped():
    Watchdog(lambda: (), print, print).stop()
