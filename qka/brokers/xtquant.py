"""The broker behind a MiniQMT terminal on this machine.

What becomes of an order is `XtBroker`'s; here its words are put into the SDK's, and the link's
state is told. The engine's id travels whole as the order's remark.
"""

from typing import Any

from qka.ashare.fees import FeeSchedule
from qka.brokers.link import LinkStatus, TraderLink
from qka.brokers.port import Sink
from qka.brokers.records import REMARK_BYTES, XtCancelOrderResponse, XtOrderResponse
from qka.brokers.words import ACCOUNT_STATUS_OK, FIX_PRICE, account_status
from qka.brokers.xtbroker import XtBroker
from qka.clock import Clock
from qka.errors import NotSent
from qka.model.account import AccountIdentity


class _Carrier:
    """A `TraderLink` as `XtBroker` wants it: no answer is an empty list."""

    def __init__(self, link: TraderLink, *, protected: bool) -> None:
        self._link = link
        self._protected = protected

    async def order(self, **params: Any) -> XtOrderResponse:
        remark: str = params["order_remark"]
        if not remark.isascii() or not 0 < len(remark) <= REMARK_BYTES:
            raise NotSent(
                f"order id {remark!r} is not 1 to {REMARK_BYTES} ASCII characters: the terminal "
                "would cut it, and nobody could tell the order's reports apart"
            )
        if params["price_type"] != FIX_PRICE and not self._protected:
            params["price"] = 0.0
        return await self._link.order(**params)

    def recall(self, why: str) -> None:
        self._link.recall(why)

    async def cancel(self, order_id: int) -> XtCancelOrderResponse:
        return await self._link.cancel(order_id)

    async def query(self, method: str) -> Any:
        found = await self._link.query(method)
        return [] if found is None and method != "query_stock_asset" else found


class XtquantBroker(XtBroker):
    """An account at a MiniQMT terminal.

    Market orders go out as 最优五档即时成交剩余撤销 with price 0, as the vendor's manual has it;
    `protected` sends the order's worst price along, which some brokers want for STAR. (Accounts
    of a broker's own simulation refuse market orders.)
    """

    def __init__(
        self, link: TraderLink, clock: Clock, fees: FeeSchedule, *, protected: bool = False
    ) -> None:
        super().__init__(_Carrier(link, protected=protected), clock, fees)
        self._terminal = link
        self._joined = False
        link.on_push = self._on_push
        link.on_state = self._on_state

    async def connect(self, report: Sink) -> AccountIdentity:
        """Reach the terminal.

        Raises BrokerUnavailable with what to check, ConfigError for another account or where
        the SDK can't be loaded.
        """
        await self._terminal.open()
        self._joined = True
        self.start(report)
        self._on_state(self._terminal.status)
        return AccountIdentity(self._terminal.account_id, self._terminal.account_type)

    async def close(self) -> None:
        """Let go of the terminal; working orders stay as they are. Calling it twice is fine."""
        self._joined = False
        await self.stop()
        await self._terminal.close()

    def _on_push(self, kind: str, record: Any) -> None:
        if self._joined:
            self.push(kind, record)

    def _on_state(self, status: LinkStatus) -> None:
        if not self._joined:
            return
        if not status.ready:
            self.linked(False, status.reason or status.state)
        elif status.account_status != ACCOUNT_STATUS_OK:
            words = account_status(status.account_status)
            self.linked(False, f"account {self._terminal.account_id} can't trade: {words}")
        else:
            self.linked(True)
