"""A MiniQMT terminal on this machine as a back end, through `TraderLink`."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from qka.brokers.link import LinkStatus, TraderLink
from qka.brokers.records import XtCancelOrderResponse, XtOrder, XtOrderResponse
from qka.brokers.words import EXCHANGES
from qka.clock import wall_time
from qka.errors import BrokerUnavailable, CallRefused, NotSent
from qka.server.backend import OnState, Push, Quotes, Tick, Unsupported


class QuoteSource(Quotes, Protocol):
    """`qka.feeds.xtdata.Xtdata`, as far as the server needs it."""

    async def open(self, push: Push) -> None:
        """Connect; ticks are pushed as ("quotes", {symbol: tick}) on the loop."""

    async def close(self) -> None:
        """Let go."""


class LinkBackend:
    """One account of a MiniQMT. The link mends itself, and every call of it ends in time."""

    def __init__(self, link: TraderLink, quotes: QuoteSource) -> None:
        self._link = link
        self._quotes = quotes

    @property
    def account(self) -> tuple[str, str]:
        """Its id and type."""
        return self._link.account_id, self._link.account_type

    @property
    def simulated(self) -> bool:
        """Real money is behind it."""
        return False

    @property
    def status(self) -> LinkStatus:
        """How the link to the terminal stands."""
        return self._link.status

    @property
    def speed(self) -> float:
        """The world's own."""
        return 1.0

    def now(self) -> int:
        """The world's time, ns."""
        return wall_time()

    async def open(self, push: Push, state: OnState) -> None:
        """Begin to connect, and reconnect from then on."""
        self._link.on_push = push
        self._link.on_state = state
        await self._quotes.open(push)
        await self._link.open(wait=False)

    async def close(self) -> None:
        """Let go of the terminal."""
        await self._link.close()
        await self._quotes.close()

    async def order(
        self, params: Mapping[str, Any], before: float | None, mark: object = None
    ) -> XtOrderResponse:
        """Place an order once."""
        return await self._link.order(**params, before=before, mark=mark)

    def recall(self, marks: Collection[object], why: str) -> list[object]:
        """Take back orders whose turn has not come."""
        return self._link.recall(why, marks)

    async def cancel(self, params: Mapping[str, Any]) -> XtCancelOrderResponse:
        """Ask for a cancel; one by the counter's number is made one by the terminal's."""
        order_id = params.get("order_id")
        if order_id is None:
            order_id = await self._order_id(params["market"], params["sysid"])
            if order_id is None:
                return XtCancelOrderResponse(
                    account_id=self._link.account_id,
                    cancel_result=-1,
                    order_sysid=params["sysid"],
                    error_msg=f"there is no order {params['sysid']} today",
                )
        return await self._link.cancel(order_id)

    async def _order_id(self, market: int | str, sysid: str) -> int | None:
        name = str(market).upper()  # the SDK writes markets as numbers, and takes words as well
        name = EXCHANGES.get(int(name), "") if name.isdigit() else name
        try:
            orders: list[XtOrder] = await self._link.query("query_stock_orders") or []
        except BrokerUnavailable as error:
            raise NotSent(str(error), error.retry_after) from None
        for order in orders:
            if order.order_sysid == sysid and order.stock_code.endswith(f".{name}"):
                return order.order_id
        return None

    async def query(self, method: str, params: Mapping[str, Any]) -> Any:
        """Whatever else the SDK can do."""
        try:
            return await self._link.query(method, **params)
        except CallRefused as error:
            raise Unsupported(str(error)) from None

    async def find(self, remark: str) -> list[XtOrder]:
        """Today's orders with that remark."""
        orders = await self._link.query("query_stock_orders")
        return [order for order in orders or [] if order.order_remark == remark]

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Push quotes of symbols or whole markets."""
        await self._quotes.subscribe(symbols)

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Stop pushing them."""
        await self._quotes.unsubscribe(symbols)

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The last ticks."""
        return await self._quotes.ticks(symbols)

    async def instrument(self, symbol: str, complete: bool) -> dict[str, Any] | None:
        """Master data."""
        return await self._quotes.instrument(symbol, complete)

    async def bars(
        self, symbol: str, period: str, count: int, end: int | None
    ) -> list[list[float]]:
        """Ended bars, oldest first."""
        return await self._quotes.bars(symbol, period, count, end)

    async def factors(self, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
        """Ex-dates by xtdata's names."""
        return await self._quotes.factors(symbol, start, end)
