"""The one entrance from outside the loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Door:
    """Foreign threads push events here; they are published on the loop in the order they came."""

    def __init__(self, publish: Callable[[Any], None]) -> None:
        self._publish = publish
        self._waiting: deque[Any] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Let events in, to the running loop; what was pushed before comes first."""
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._let_in)

    def push(self, event: Any) -> None:
        """Hand in an event, from any thread; one wake-up of the loop and nothing else."""
        self._waiting.append(event)
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._let_in)
            except RuntimeError:
                pass  # the loop has closed: nobody is left to hear, and a feed's thread may be late

    def _let_in(self) -> None:
        while self._waiting:
            self._publish(self._waiting.popleft())
