"""What stands behind the server: a terminal, real or simulated. Nothing above knows which.

Calls and pushes happen on the loop. No call may block it, and every call ends by itself within
the back end's own deadline; the server does not wait for one longer than that.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from qka.brokers.link import LinkStatus
from qka.brokers.records import XtCancelOrderResponse, XtOrder, XtOrderResponse
from qka.errors import QkaError

Tick = dict[str, Any]  # xtdata's own fields
# (kind, record): "order", "trade", "asset", "position", "order_error", "cancel_error",
# "account_status" with one of ours; "quotes" with {symbol: tick}
Push = Callable[[str, Any], None]
OnState = Callable[[LinkStatus], None]


class Unsupported(QkaError):
    """This back end has no such method."""


class Quotes(Protocol):
    """Quotes and history of a terminal."""

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Push quotes of symbols or of whole markets (SH, SZ, BJ), also after a reconnect.

        While there are none to be had it is only remembered. Raises BrokerUnavailable.
        """

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Stop pushing them; what is not subscribed is ignored."""

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The last ticks of symbols or whole markets. Raises BrokerUnavailable."""

    async def instrument(self, symbol: str, complete: bool) -> dict[str, Any] | None:
        """An instrument's particulars by xtdata's names; None for an unknown one."""

    async def bars(
        self, symbol: str, period: str, count: int, end: int | None
    ) -> list[list[float]]:
        """Ended bars, oldest first: time in ms, open, high, low, close, lots, amount, last close.

        `end` (ns, exclusive) None means now.
        """

    async def factors(self, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
        """Ex-dates from start to end (`20260105`, "" for no bound) by xtdata's names."""


class Backend(Quotes, Protocol):
    """One account at one terminal."""

    @property
    def account(self) -> tuple[str, str]:
        """Its id, and its type as the SDK writes it: STOCK, CREDIT."""

    @property
    def simulated(self) -> bool:
        """Whether no real money is behind it."""

    @property
    def status(self) -> LinkStatus:
        """How the link to the terminal stands."""

    async def open(self, push: Push, state: OnState) -> None:
        """Begin to connect, and reconnect from then on; does not wait for the terminal.

        `state` hears of every change; "ready" means that pushes may have been missed before.
        """

    async def close(self) -> None:
        """Let go of the terminal; orders stay as they are. Calling it twice is fine."""

    async def order(
        self, params: Mapping[str, Any], before: float | None, mark: object = None
    ) -> XtOrderResponse:
        """Place an order once; `before` is the loop's time after which it must not be handed on.

        An order_id <= 0 is a refusal. Raises NotSent (certainly not executed) or OutcomeUnknown.
        `mark`: what `recall` knows it by, from the call on.
        """

    def recall(self, marks: Collection[object], why: str) -> list[object]:
        """Take back orders whose turn has not come: their calls raise NotSent, which says why.

        Returns the marks of those. Whatever else was asked for may have been handed on.
        """

    async def cancel(self, params: Mapping[str, Any]) -> XtCancelOrderResponse:
        """Ask for a cancel, by `order_id` or by `market` and `sysid`. Raises as `order` does."""

    async def query(self, method: str, params: Mapping[str, Any]) -> Any:
        """Whatever else the SDK can do. Raises BrokerUnavailable, Unsupported."""

    async def find(self, remark: str) -> list[XtOrder]:
        """Today's orders with that remark. Raises BrokerUnavailable."""

    def now(self) -> int:
        """The market's time, ns: the world's, or the simulated market's own."""

    @property
    def speed(self) -> float:
        """How many seconds of the market pass in one of the world's."""
