"""A foreign thread, as the SDK's native one is to Python: it calls back, one thing at a time."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Call = Callable[[], None]


class Delivery:
    """Calls what is put in, in order, on a daemon thread of its own.

    What a call raises ends nothing: it is kept in `errors`, as a native thread would print it.
    Until `start` things wait; after `stop` what was put in before is still delivered.
    """

    def __init__(self, name: str) -> None:
        self.errors: list[BaseException] = []
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def put(self, call: Call) -> None:
        """Deliver this after everything put in before."""
        self._queue.put(call)

    def stop(self) -> None:
        """End the thread once everything put in before is delivered; returns at once."""
        self._queue.put(None)

    def settle(self, timeout: float) -> bool:
        """Wait (seconds) until everything put in so far is delivered; False if it is not."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return True
        reached = threading.Event()
        self.put(reached.set)
        while not reached.wait(min(timeout, 0.05)):
            timeout -= 0.05
            if timeout <= 0 or not self._thread.is_alive():
                return not self._thread.is_alive()
        return True

    def _run(self) -> None:
        while (call := self._queue.get()) is not None:
            try:
                call()
            except BaseException as error:
                self.errors.append(error)
