"""A bounded queue into a thread: whoever puts something in never waits."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """At most `room` items; when it is full the oldest one that is not urgent makes way.

    Where all that waits is urgent the newcomer is lost: what came first tells the cause.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._urgent: deque[tuple[int, Item]] = deque()
        self._plain: deque[tuple[int, Item]] = deque()
        self._turn = 0  # number of the next item
        self._lost = 0
        self._closed = False
        self._change = threading.Condition()

    def put(self, item: Item, urgent: bool) -> None:
        """Add an item, from any thread."""
        with self._change:
            self._turn += 1
            if len(self._urgent) + len(self._plain) >= self._room:
                self._lost += 1
                if not self._plain:
                    return
                self._plain.popleft()
            (self._urgent if urgent else self._plain).append((self._turn, item))
            self._change.notify()

    def take(self, timeout: float | None = None) -> Item | None:
        """The oldest item; None when `timeout` seconds have passed, or it is closed and empty."""
        with self._change:
            self._change.wait_for(lambda: self._closed or len(self) > 0, timeout)
            queues = [queue for queue in (self._urgent, self._plain) if queue]
            return min(queues, key=lambda queue: queue[0][0]).popleft()[1] if queues else None

    def lost(self) -> int:
        """How many made way since this was asked last."""
        with self._change:
            lost, self._lost = self._lost, 0
            return lost

    def close(self) -> None:
        """Nothing more is put in; what is there can be taken."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    @property
    def done(self) -> bool:
        """Whether it is closed and empty."""
        return self._closed and not len(self)

    def __len__(self) -> int:
        return len(self._urgent) + len(self._plain)
