"""What a rule says of an order, and what a rule is."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

from qka.model.order import Order
from qka.model.view import View


@final
class Denial(NamedTuple):
    """Why an order may not leave; `limit` and `value` in the rule's own unit."""

    code: str
    reason: str
    limit: float | None = None
    value: float | None = None


@final
class Caution(NamedTuple):
    """It may leave, and someone should know; `limit` and `value` in the rule's own unit."""

    code: str
    reason: str
    limit: float | None = None
    value: float | None = None


Rule = Callable[[Order, View], Denial | Caution | None]


@runtime_checkable
class Sized(Protocol):
    """A rule that limits the size of one order by itself: what is larger can go in several."""

    def largest(self, order: Order) -> int | None:
        """The most shares that an order of that symbol, strategy and price may have."""


@runtime_checkable
class Paced(Protocol):
    """A rule that limits how many leave in a time: what it refuses now it lets pass in a while."""

    def wait(self, order: Order) -> float:
        """Seconds until it lets such an order pass, as far as it goes; 0.0 when it does now."""


class Counter:
    """Remembers what has left, across restarts: a rule, or what rules read."""

    key = ""  # what it is remembered by

    def sent(self, order: Order) -> None:
        """An order leaves."""

    def cancelled(self, strategy: str, made: int, now: int) -> None:
        """A cancel of an order that was made then leaves; both in ns."""

    def kept(self) -> Any:
        """What it remembers, as plain values."""
        raise NotImplementedError

    def remember(self, kept: Any) -> None:
        """Go on from what `kept` gave; None: nothing is known."""
        raise NotImplementedError
