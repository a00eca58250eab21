"""The control: what can be asked of a running engine, by whoever was let in.

All of it runs on the engine's loop, between two events. A command is journalled before it acts.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any

import msgspec

from qka.engine.engine import Engine
from qka.model.events import REPORTS, OrderReport
from qka.model.order import Order, OrderStatus
from qka.monitor.status import Status, order_row

_Word = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
_MOST_WORDS = 1000
_SOON = 1.0  # seconds in which a broker mostly has said what it makes of an order
_OPEN = (OrderStatus.SUBMITTING, OrderStatus.SUBMITTED)  # it has not yet


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, by whom and why: `who` is what its sender says of himself."""

    command: _Name
    who: _Name
    args: Annotated[list[_Word], msgspec.Meta(max_length=_MOST_WORDS)] = []
    why: _Word = ""


class Control:
    """Asks one engine."""

    def __init__(self, engine: Engine, limits: Callable[[], Mapping[str, Any]]) -> None:
        """`limits` gives those in force."""
        self._engine = engine
        self.limits = limits
        self._status = Status(engine)
        self._news: dict[str, asyncio.Future[None]] = {}  # order id -> whoever waits for a report
        engine.listen(REPORTS, self._heard)

    def status(self) -> Mapping[str, Any]:
        """Everything there is to see."""
        return self._status.now()

    async def command(self, asked: Command) -> Any:
        """Carry out a command; returns what came of it, as plain values.

        Raises ConfigError for what makes no sense now, and then nothing was done or written.
        """
        answer = self._engine.operator.ask(asked.command, asked.args, who=asked.who, why=asked.why)
        if isinstance(answer, Order):
            answer = {"order": await self._answered(answer)}
        return _plain(answer)

    async def _answered(self, order: Order) -> Order:
        """The order once its broker has answered, if that is soon and time does not wait for us."""
        engine = self._engine
        with suppress(TimeoutError):
            async with asyncio.timeout(_SOON):
                while order.status in _OPEN and not engine.clock.waits:
                    news = self._news[order.id] = asyncio.get_running_loop().create_future()
                    await news
                    order = engine.ledger.order(order.id) or order
        self._news.pop(order.id, None)
        return order

    def _heard(self, event: OrderReport) -> None:
        news = self._news.pop(event.order_id, None)
        if news is not None and not news.done():
            news.set_result(None)


def _plain(value: Any) -> Any:
    """Orders in an answer as rows."""
    if isinstance(value, Order):
        return order_row(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
