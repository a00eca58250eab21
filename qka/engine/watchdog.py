"""Notices that the engine's thread does not come back, while it does not.

A plain handler that blocks holds up everything: no quote is heard, no order leaves, nothing can be
halted. Nobody inside can say so; a thread of its own can, and names the line.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Collection

BEAT = 1.0  # seconds between two signs of life, and between two looks at them
PATIENCE = 5.0  # seconds without one after which the thread is stuck


class Watchdog:
    """Watches the thread on which it is started.

    `homes`: gives the files of strategies, whose lines are named first. `stuck` is called on
    another thread, once each time, with what to tell; `back` on the loop, when it is over.
    """

    def __init__(
        self,
        homes: Callable[[], Collection[str]],
        stuck: Callable[[str], None],
        back: Callable[[str], None],
        *,
        patience: float = PATIENCE,
        beat: float = BEAT,
    ) -> None:
        self._homes = homes
        self._stuck = stuck
        self._back = back
        self._patience = patience
        self._every = beat
        self._over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None
        self._beaten = 0.0  # when the thread was heard of last
        self._place = ""  # where it was found stuck, until it is back
        self._thread = 0

    def start(self) -> None:
        """Begin, on the loop's thread."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._beat()
        threading.Thread(target=self._watch, name="qka-watchdog", daemon=True).start()

    def stop(self) -> None:
        """End; calling it twice is fine, and so is calling it without a start."""
        self._over.set()
        if self._next is not None:
            self._next.cancel()

    def _beat(self) -> None:
        assert self._loop is not None
        now, before = self._loop.time(), self._beaten
        self._beaten = now
        self._next = self._loop.call_later(self._every, self._beat)
        place, self._place = self._place, ""
        if place:
            self._back(
                f"the engine stood still for {now - before:.0f} s at {place}: no quote was heard, "
                "no order or cancel left and nothing could be halted meanwhile. A plain handler "
                "must return at once; what takes long belongs into an `async def`, in a thread "
                "(asyncio.to_thread)"
            )

    def _watch(self) -> None:
        assert self._loop is not None
        every, looked = min(self._every, self._patience), self._loop.time()
        while not self._over.wait(every):
            before, looked = looked, self._loop.time()
            if looked - before > every + BEAT:
                continue  # the whole process stood still: asleep, or stopped from outside
            late = looked - self._beaten
            if late >= self._patience and not self._place:
                self._place = self._where()
                self._stuck(
                    f"the engine stands still since {late:.0f} s at {self._place}: no quote is "
                    "heard, no order or cancel leaves and nothing can be halted until it returns; "
                    "orders that work go on. If it does not: Ctrl-C twice here, and see to them in "
                    "the broker's terminal"
                )

    def _where(self) -> str:
        """`file.py:12 (on_quote)`: the innermost line of a strategy's, else of anything."""
        homes = self._homes()
        # the one way to see what a thread does that hangs
        frame = innermost = sys._current_frames().get(self._thread)
        while frame is not None and frame.f_code.co_filename not in homes:
            frame = frame.f_back
        found = frame or innermost
        if found is None:
            return "an unknown place"
        code = found.f_code
        return f"{code.co_filename}:{found.f_lineno} ({code.co_name})"
