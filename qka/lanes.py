"""Calls of a blocking SDK, in turn, on a thread that can be left behind when it hangs."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class Job:
    """One call waiting for its turn. `future` has what it returned, or what it raised."""

    __slots__ = ("_lock", "_state", "call", "deadline", "future")

    def __init__(
        self, call: Callable[[], Any], deadline: float, future: asyncio.Future[Any]
    ) -> None:
        self.call = call
        self.deadline = deadline  # in the loop's seconds; past it the call is never begun
        self.future = future
        self._state = "waiting"
        self._lock = threading.Lock()

    @property
    def begun(self) -> bool:
        """The SDK was called; whether it returned is another question."""
        return self._state == "begun"

    def begin(self, now: float) -> bool:
        """Claim it for running; False when it was withdrawn or its deadline has passed."""
        with self._lock:
            if self._state != "waiting" or now >= self.deadline:
                self._state = "withdrawn" if self._state == "waiting" else self._state
                return False
            self._state = "begun"
            return True

    def withdraw(self) -> bool:
        """True when it has not begun: then it certainly never will."""
        with self._lock:
            if self._state == "waiting":
                self._state = "withdrawn"
            return self._state == "withdrawn"


class Lane:
    """Runs jobs one after another on a daemon thread.

    When a call takes longer than `patience` seconds while others wait, a spare thread takes the
    lane over and the first is left to its call, at most `spares` times. `hung` counts the calls
    that are left and have not returned.
    """

    def __init__(self, name: str, *, patience: float = 1.0, spares: int = 3) -> None:
        self._name = name
        self._patience = patience
        self._spares = spares
        self._loop = asyncio.get_running_loop()
        self._ready = threading.Condition()
        self._urgent: deque[Job] = deque()
        self._waiting: deque[Job] = deque()
        self._owner: threading.Thread | None = None  # the thread whose lane it is
        self._since = 0.0  # when the owner began its call, 0 while it waits
        self._left: set[threading.Thread] = set()
        self._closed = False
        self._watching = False

    @property
    def hung(self) -> int:
        """Calls that were left behind and have not returned."""
        return len(self._left)

    @property
    def waiting(self) -> int:
        """Jobs that have not begun."""
        return len(self._urgent) + len(self._waiting)

    def submit(self, call: Callable[[], Any], deadline: float, *, urgent: bool = False) -> Job:
        """Put a call in line; an urgent one goes before those that are not. On the loop."""
        job = Job(call, deadline, self._loop.create_future())
        with self._ready:
            (self._urgent if urgent else self._waiting).append(job)
            if self._owner is None and not self._closed:
                self._take_over()
            self._ready.notify()
        self._watch()
        return job

    def close(self) -> None:
        """Begin nothing more; a thread that hangs is left to hang."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    # ------------------------------------------------------------ the watch, on the loop

    def _watch(self) -> None:
        if not self._watching and not self._closed:
            self._watching = True
            self._loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        self._watching = False
        with self._ready:
            if self._closed or not (self._urgent or self._waiting):
                return
            busy = self._loop.time() - self._since if self._since else 0.0
            if busy >= self._patience and self.hung < self._spares and self._owner is not None:
                self._left.add(self._owner)
                self._take_over()
        self._watch()

    def _take_over(self) -> None:
        self._since = 0.0
        self._owner = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._owner.start()

    # ------------------------------------------------------------ the work, on its thread

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._ready:
                while self._owner is me and not self._closed and not self.waiting:
                    self._ready.wait()
                if self._owner is not me or self._closed:
                    self._left.discard(me)
                    return
                job = (self._urgent or self._waiting).popleft()
                self._since = self._loop.time()
            self._run(job)
            with self._ready:
                if self._owner is me:
                    self._since = 0.0

    def _run(self, job: Job) -> None:
        if not job.begin(self._loop.time()):
            self._post(job.future.cancel)
            return
        try:
            value = job.call()
        except BaseException as error:
            self._post(_settle, job.future, None, error)
        else:
            self._post(_settle, job.future, value, None)

    def _post(self, call: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            pass  # the loop has closed: nobody is left to hear


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        future.exception()  # seen: not everybody waits for it
