"""Who stands before a resting order, by price and time.

All that the first snapshot after its arrival displays at its price: some of it came later, but
orders come in bursts, and nobody sees which. What stands before it grows less by what trades at
its price, and by cancellations: nobody sees whose they are, so a rule on a shelf says it. Never
more stands before it than is displayed.
"""

from collections.abc import Callable

from qka.brokers.exchange.tape import Tape

# (shares before us, shares displayed, shares of them cancelled) -> of those, from before us
Leaving = Callable[[int, int, int], int]


def from_behind(before: int, shown: int, gone: int) -> int:
    """Those behind us cancel first."""
    return max(0, gone - (shown - before))


def from_anywhere(before: int, shown: int, gone: int) -> int:
    """Each share displayed is as likely to be cancelled as any other."""
    return gone * before // shown if shown else 0


LEAVING: dict[str, Leaving] = {"behind": from_behind, "anywhere": from_anywhere}


class Place:
    """Where an order stands at its price. `before` None: deeper than what is displayed."""

    __slots__ = ("_shown", "before")

    def __init__(self) -> None:
        self.before: int | None = None  # shares that trade before it
        self._shown: int | None = None  # shares at its price, last seen

    def move(self, limit: int, tick: int, tape: Tape, shown: int | None, leaving: Leaving) -> int:
        """Go on to the next snapshot; the shares of the tape that came as far as the order."""
        through = tape.until(limit - tick)  # they could trade there only after the order
        there = tape.until(limit)
        reached = through
        if self.before is not None:
            reached = max(through, there - self.before)
            left = max(0, self.before - there)
            if self._shown and shown is not None:
                gone = max(0, self._shown - there - shown)
                left -= leaving(left, max(left, self._shown - there), gone)
            self.before = 0 if through else max(0, left)
        elif through:
            self.before = 0
        self.see(shown)
        return reached

    def see(self, shown: int | None) -> None:
        """What is displayed at its price bounds what stands before it."""
        self._shown = shown
        if shown is not None:
            self.before = shown if self.before is None else min(self.before, shown)

    def lead(self) -> None:
        """The other side came to its price: nobody stands before it."""
        self.before = 0

    def lose(self) -> None:
        """Trading was interrupted: behind everything that is displayed next."""
        self.before = self._shown = None
