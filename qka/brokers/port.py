"""The broker's port: where orders go, on a postcard.

A broker promises:

* `submit` and `cancel` are plain calls that return at once; they never block the loop.
* Every submitted order gets at least one report through `report`: `OrderSubmitted`,
  `OrderAccepted` or `OrderRejected` when the outcome is known, `OrderUnknown` when it is not.
  Silence is never taken for a refusal, and nothing is ever sent a second time.
* Reports may come late, twice or out of order, but never from within `submit`, `recall` or
  `cancel`; each names our own order id.
* Shares and cash change hands only by `Fill`.
* Orders that others place on the account are told of by `OrderAdopted`, then like any.

Why no `async def submit`: an outcome that comes both as a return value and as a report has two
orders of arrival; here there is one way in, the door, and one order.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Protocol, runtime_checkable

from qka.model.account import AccountIdentity, AccountSnapshot
from qka.model.events import Fill, LinkState, OrderAdopted, OrderReport
from qka.model.order import Approved, Order

Sink = Callable[[OrderReport | OrderAdopted | Fill | LinkState], None]
# (our order id, what was called or came, with what): what went over the wire, as it was
Wire = Callable[[str, str, Any], None]


def no_wire(order_id: str, what: str, data: Any) -> None:
    """Nobody keeps what goes over the wire."""


def every_day(day: date, /) -> bool:
    """A market that trades on all days."""
    return True


class Broker(Protocol):
    """Paper, xtquant or remote.

    Whoever has it may set `wire`, to be told what goes over it, and `trades`: whether the exchanges
    trade on a day. (It raises ConfigError for a day that nobody knows.)
    """

    wire: Wire
    trades: Callable[[date], bool]

    async def connect(self, report: Sink) -> AccountIdentity:
        """Reach the account; raises BrokerUnavailable. Reports go to `report`, on the loop."""

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Go on from what an earlier run knew; call it once, after connecting.

        `memories`: order id -> `LinkState.memory` as it was when the order was sent.

        What became of its orders since, and orders it did not know, are reported before the next
        `snapshot` returns; an order that the broker does not show is UNKNOWN then.
        """

    def submit(self, approved: Approved) -> None:
        """Take an order into the outbox. The outcome is reported."""

    def recall(self) -> None:
        """New orders are to leave no more: those that certainly have not left yet never do.

        Each of them is reported as rejected; what may have left goes on. A later order leaves as
        ever.
        """

    def cancel(self, order: Order) -> None:
        """Ask for a cancel. `OrderCancelled` or `CancelRefused` is reported."""

    async def snapshot(self) -> AccountSnapshot:
        """What is true now: asset, positions, today's orders and deals; raises BrokerUnavailable.

        The first one, where nothing was resumed, is where the account's books begin: what it lists
        is not reported, only what comes of it later.
        """

    async def close(self) -> None:
        """Let go of the link; working orders stay as they are. Calling it twice is fine."""


@runtime_checkable
class AtHand(Protocol):
    """A broker whose account is in this process: there is nobody to ask for it."""

    def books(self) -> AccountSnapshot:
        """What `snapshot` gives."""
