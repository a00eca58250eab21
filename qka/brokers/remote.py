"""The broker behind a QMTServer: the engine's orders over the client's WebSocket.

An order carries its id as key and as remark, and a deadline. When the link breaks before the
reply the order is UNKNOWN, and the server is asked under the key as soon as it is back: executed,
refused, or certainly not executed, which a server that never saw it says only after the deadline.
"""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
from loguru import logger

from qka.ashare.fees import FeeSchedule
from qka.brokers.calls import Fate, error_of
from qka.brokers.channel import Hello
from qka.brokers.client import AsyncQMTClient
from qka.brokers.port import Sink
from qka.brokers.records import (
    Record,
    XtAsset,
    XtCancelError,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderError,
    XtOrderResponse,
    XtPosition,
    XtTrade,
    copied,
)
from qka.brokers.words import FIX_PRICE, account_status
from qka.brokers.xtbroker import RECALLED, XtBroker
from qka.clock import Clock
from qka.errors import CallRefused, ConfigError, NotSent, OutcomeUnknown, QkaError
from qka.model.account import AccountIdentity, AccountSnapshot
from qka.model.order import FINAL, Order

_PUSHES: dict[str, type[Record]] = {
    "order": XtOrder,
    "trade": XtTrade,
    "order_error": XtOrderError,
    "cancel_error": XtCancelError,
}
_RECORDS: dict[str, type[Record]] = {
    "query_stock_orders": XtOrder,
    "query_stock_trades": XtTrade,
    "query_stock_positions": XtPosition,
}
_AT_ONCE = 100  # orders in one recall


class _Carrier:
    """The server as a link that carries orders. `within`: seconds an order may be on its way."""

    def __init__(
        self, client: AsyncQMTClient, within: float, *, protected: bool, only_simulated: bool
    ) -> None:
        self._client = client
        self._only_simulated = only_simulated
        self.within = within
        self._protected = protected
        # order id -> (memory of the server it went to, the loop's time when it is taken no more)
        self.lost: dict[str, tuple[str, float]] = {}
        self._asked: dict[str, str] = {}  # order id -> memory of the server that has not answered

    async def order(self, **params: Any) -> XtOrderResponse:
        key = params["order_remark"]
        if self.forbidden(self._client.hello):
            raise NotSent("the server has a real account behind it, a simulated one was asked for")
        if params["price_type"] != FIX_PRICE and not self._protected:
            params["price"] = 0.0
        hello, sent = self._client.hello, asyncio.get_running_loop().time()
        self._asked[key] = "" if hello is None else hello.epoch
        try:
            reply = await self._client.send("order_stock", params, key=key, within=self.within)
        except OutcomeUnknown:
            if hello is not None and hello.time is not None:  # else no deadline was stated
                self.lost[key] = hello.epoch, sent + 2 * self.within
            raise
        finally:
            del self._asked[key]
        if reply.success:
            return XtOrderResponse(order_id=reply.data, order_remark=key)
        if reply.refused:
            return XtOrderResponse(order_id=-1, order_remark=key, error_msg=str(reply.detail))
        if reply.code == "recalled":
            raise NotSent(str(reply.detail))
        raise error_of("order_stock", reply, key)

    def unanswered(self) -> tuple[str, list[str]]:
        """The memory of the server, and the orders that it may have and has not told of.

        Of those that went to another memory it can say nothing.
        """
        epoch = "" if self._client.hello is None else self._client.hello.epoch
        lost = {order_id: memory for order_id, (memory, _) in self.lost.items()}
        went = lost | self._asked
        return epoch, [order_id for order_id, memory in went.items() if memory == epoch]

    def forbidden(self, hello: Hello | None) -> bool:
        """Whether the server is one that no order may go to."""
        return self._only_simulated and hello is not None and not hello.simulated

    def recall(self, why: str) -> None:
        """Nothing waits here: what was asked for is at the server, which is told by the broker."""

    async def cancel(self, order_id: int) -> XtCancelOrderResponse:
        reply = await self._client.send("cancel_order_stock", {"order_id": order_id})
        if reply.success or reply.refused:
            words = "" if reply.success else str(reply.detail)
            result = 0 if reply.success else -1
            return XtCancelOrderResponse(cancel_result=result, order_id=order_id, error_msg=words)
        raise error_of("cancel_order_stock", reply)

    async def query(self, method: str) -> Any:
        data = await self._client.query(method)
        if method == "query_stock_asset":
            return _record(data, XtAsset) if data else None
        return [_record(row, _RECORDS[method]) for row in data or ()]

    async def fate(self, order_id: str) -> Fate:
        """What the server knows of an order by its key."""
        try:
            data = await self._client.query("outcome", {"key": order_id})
        except CallRefused as error:
            if error.code != "never_seen":
                raise
            return Fate(self._never_seen(order_id))
        return msgspec.convert(data, Fate)

    def _never_seen(self, order_id: str) -> str:
        """Never seen is proof when the same memory says so and the order is taken no more."""
        epoch, until = self.lost.get(order_id, ("", 0.0))
        hello = self._client.hello
        if not epoch or hello is None or hello.epoch != epoch:
            return "unknown"
        late = asyncio.get_running_loop().time() > until
        return "never_seen" if late else "pending"


class RemoteBroker(XtBroker):
    """An account behind a QMTServer, over a client that a feed may share.

    `within`: seconds after which the server refuses an order that is still on its way;
    `protected`: a market order's worst price is sent along, as for `XtquantBroker`;
    `only_simulated`: trade with no server that has real money behind it.
    """

    def __init__(
        self,
        client: AsyncQMTClient,
        clock: Clock,
        fees: FeeSchedule,
        *,
        within: float = 10.0,
        protected: bool = False,
        only_simulated: bool = False,
    ) -> None:
        self._client = client
        self._carrier = _Carrier(client, within, protected=protected, only_simulated=only_simulated)
        super().__init__(self._carrier, clock, fees)
        self._joined = False
        self._terminal: dict[str, Any] = {}  # how the server's own link stands
        self._login = 0  # status of the account's login, 0 is ok
        client.listen(event=self._on_event, link=self._on_link, hello=self._on_hello)

    async def connect(self, report: Sink) -> AccountIdentity:
        """Reach the server; raises BrokerUnavailable, AccessDenied or CallRefused."""
        hello = await self._client.open()
        self._joined = True
        if self._carrier.forbidden(hello):
            raise ConfigError(
                f"{self._client} has a real account behind it, and broker.simulated asks for a "
                "simulated one: nothing was sent; correct broker.url, or take simulated away and "
                "add --live"
            )
        if "trade" not in hello.scopes:
            logger.warning("the server's token may not trade: every order will be refused")
        if not self._terminal:  # the link was up before we listened
            self._on_hello(hello)
        self.start(report)
        self._on_link(self._client.up, "")
        return AccountIdentity(hello.account, hello.account_type)

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Go on from what an earlier run knew.

        What that run may have sent is taken no later than its deadline, which it had `within`.
        """
        super().resume(account, memories)
        until = asyncio.get_running_loop().time() + 2 * self._carrier.within
        for order in account.orders:
            memory = memories.get(order.id, "")
            if memory and not order.broker_id:
                self._carrier.lost[order.id] = memory, until

    def recall(self) -> None:
        """What did not leave never does; the server takes back what it has not handed on.

        It is told at once, or when the link is back: until then, and where it is too old to know
        of that, an order that waits there may leave before its deadline.
        """
        super().recall()
        for order_id in [name for name in self._carrier.lost if self._is_told(name)]:
            del self._carrier.lost[order_id]
        epoch, orders = self._carrier.unanswered()
        for first in range(0, len(orders), _AT_ONCE):
            self._spawn(self._take_back(orders[first : first + _AT_ONCE], epoch))

    def _is_told(self, order_id: str) -> bool:
        """Whether the account's own orders have told what became of a lost reply's order."""
        order = self.reports.order_of(order_id)
        return order is None or order.status in FINAL or bool(order.broker_id)

    async def close(self) -> None:
        """Let go of the link; working orders stay as they are. Calling it twice is fine."""
        await self.stop()
        if self._joined:
            self._joined = False
            await self._client.close()

    # ------------------------------------------------------------ what the server says

    def _on_hello(self, hello: Hello) -> None:
        self._terminal = hello.link
        self._login = hello.link.get("account_status") or 0

    def _on_terminal(self, link: dict[str, Any]) -> None:
        self._terminal = link
        if link.get("state") == "ready":
            self._login = link.get("account_status", self._login) or 0

    def _on_link(self, up: bool, reason: str) -> None:
        if not self._joined:
            return
        state = self._terminal.get("state", "ready")
        if not up:
            self.linked(False, reason)
        elif state != "ready":
            why = self._terminal.get("reason") or state
            self.linked(False, f"the server has no terminal: {why}")
        elif self._login:
            self.linked(False, f"the account is {account_status(self._login)}")
        else:
            hello = self._client.hello
            self.linked(True, "", "" if hello is None else hello.epoch)

    def _on_event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "link":
            self._on_terminal(data)
            self._on_link(self._client.up, "")
        elif kind == "account_status":
            self._login = data.get("status") or 0
            self._on_link(self._client.up, "")
        elif not self._joined:
            return
        elif kind in _PUSHES:
            self.push(kind, _record(data, _PUSHES[kind]))
        elif kind == "resync":
            self.missed()

    async def _take_back(self, orders: list[str], epoch: str) -> None:
        """Have the server take orders back; each of them is told by its own reply, or looked up."""
        for order_id in orders:
            self.wire(order_id, "recall goes", {"why": RECALLED})
        asked = {"keys": orders, "epoch": epoch, "why": RECALLED}
        try:
            taken = frozenset(await self._client.query("recall", asked))
        except QkaError as error:
            logger.warning(
                "orders that wait at {} were not taken back ({}): each leaves before its deadline "
                "of {:g} s or never; see whether it works, and cancel it",
                self._client,
                error,
                self._carrier.within,
            )
        else:
            for order_id in orders:
                told = {"taken_back": order_id in taken}
                self.wire(order_id, "the answer to recall comes", told)
            self.missed()  # those whose reply was lost

    async def _seek(self, order: Order) -> None:
        fate = await self._carrier.fate(order.id)
        match fate.state:
            case "executed" if fate.order_id:
                self.reports.answered(order.id, XtOrderResponse(order_id=fate.order_id))
            case "refused":
                answer = XtOrderResponse(order_id=-1, error_msg=fate.detail)
                self.reports.answered(order.id, answer)
            case "not_executed":
                self.reports.not_sent(order.id, f"not sent: {fate.detail}")
            case "never_seen":
                self.reports.not_sent(order.id, "not sent: the server never had it")
            case _:
                return
        self._carrier.lost.pop(order.id, None)


def _record(row: dict[str, Any], kind: type[Any]) -> Any:
    return copied(SimpleNamespace(**row), kind)
