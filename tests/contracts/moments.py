"""Moments of a request's life that somebody watches over, and what is to happen in them.

A moment is `<what> <where>`. What: `order`, `cancel`, `recall`, or `event` for a push about an
order. Where, on the way there: it `leaves` the client, has `left` it, is `asked` of the terminal,
was `worked` there; on the way back: it was `answered` by the terminal (a push: `pushed`), `returns`
to the client, has `returned`. At `leaves`, `asked` and `returns` the bytes have not gone on yet.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable

ON_THE_WIRE = ("leaves", "left", "returns", "returned")
AT_THE_TERMINAL = ("asked", "worked", "answered")
OF_A_REQUEST = ("leaves", "left", "asked", "worked", "answered", "returns", "returned")
OF_AN_EVENT = ("pushed", "returns", "returned")


class Moments:
    """Calls what was planned for a moment when it is reached, once, in the order of planning."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self._planned: dict[str, deque[Callable[[], None]]] = defaultdict(deque)

    def plan(self, moment: str, action: Callable[[], None]) -> None:
        """Do it the next time that the moment comes."""
        self._planned[moment].append(action)

    def reach(self, moment: str) -> None:
        """It is now."""
        self.reached[moment] += 1
        if self._planned[moment]:
            self._planned[moment].popleft()()

    def forget(self) -> None:
        """Nothing is planned any more."""
        self._planned.clear()
