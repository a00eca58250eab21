"""Orders of which nobody knows what became: looked up by their remark, never sent again."""

import asyncio
from collections.abc import Callable

import msgspec
from loguru import logger

from qka.brokers.records import XtOrder, XtOrderResponse
from qka.brokers.words import moment_of
from qka.errors import QkaError
from qka.model.times import SECOND, day_of, midnight
from qka.server.backend import Backend
from qka.server.outcomes import Fate, Outcomes, Row, remark_for

_PAUSES = (1.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # seconds between two looks at one order
_DAY = 86_400 * SECOND  # the terminal shows today's orders only
_AT_ONCE = 8  # looks under way that nobody asked for
_PATIENCE = 10.0  # seconds for one look


class _Open:
    """A row that is looked for."""

    __slots__ = ("due", "row", "tries")

    def __init__(self, row: Row, due: float) -> None:
        self.row = row
        self.due = due
        self.tries = 0


class Lookups:
    """The rows that are `unknown`, or were `pending` when the server last died."""

    def __init__(
        self,
        backend: Backend,
        outcomes: Outcomes,
        now: Callable[[], int],
        time: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._outcomes = outcomes
        self._now = now  # ns
        self._time = time  # the loop's seconds
        self._open: dict[str, _Open] = {}  # key -> what is looked for
        self._looking: dict[str, asyncio.Task[Row]] = {}  # key -> the look under way

    def __len__(self) -> int:
        return len(self._open)

    def add(self, row: Row) -> None:
        """Look for it, from now on."""
        self._open[row.key] = _Open(row, self._time())

    def hurry(self) -> None:
        """The terminal is back: look for all of them now."""
        for item in self._open.values():
            item.due, item.tries = self._time(), 0

    def check(self) -> None:
        """Look for those that are due; call it every second or so."""
        if not self._backend.status.ready:
            return
        now = self._time()
        due = [item for item in self._open.values() if now >= item.due]
        due.sort(key=lambda item: item.due)
        for item in due[: max(0, _AT_ONCE - len(self._looking))]:
            if self._now() - item.row.begun > _DAY:
                del self._open[item.row.key]  # it stays unknown; it is looked up when asked for
                continue
            item.due = now + _PAUSES[min(item.tries, len(_PAUSES) - 1)]
            item.tries += 1
            self._look(item.row)

    def answered(self, response: XtOrderResponse) -> None:
        """An answer that came when nobody waited for it any more."""
        for item in list(self._open.values()):
            row = item.row
            # a remark that is the key's own belongs to no other order
            if response.order_remark == row.remark == remark_for(row.key):
                self._settle(row, response.order_id, response.error_msg)

    async def resolve(self, row: Row) -> Row:
        """The row as it turns out to be now; `unknown` when there is still no sign of the order.

        That it is not among the account's orders proves nothing, so it never becomes
        `not_executed` here.
        """
        if not self._backend.status.ready:
            return _unknown(row)
        return await asyncio.shield(self._look(row))

    def _look(self, row: Row) -> "asyncio.Task[Row]":
        task = self._looking.get(row.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._found(row))
            self._looking[row.key] = task
            task.add_done_callback(lambda _: self._looking.pop(row.key, None))
        return task

    async def _found(self, row: Row) -> Row:
        if not row.remark or not row.method.startswith("order_stock"):
            return _unknown(row)
        try:
            async with asyncio.timeout(_PATIENCE):
                orders = [o for o in await self._backend.find(row.remark) if self._fits(o, row)]
                if orders and row.remark != remark_for(row.key):  # others may have that remark too
                    ids = [order.order_id for order in orders]
                    morning = midnight(day_of(row.begun))  # numbers come again on later days
                    taken = await self._outcomes.claimed(ids, row.key, morning)
                    orders = [order for order in orders if order.order_id not in taken]
        except (QkaError, OSError, TimeoutError) as error:
            logger.warning("{}: could not be looked up: {}", row.key, error)
            return _unknown(row)
        if len(orders) != 1:
            return _unknown(row)
        return self._settle(row, orders[0].order_id)

    def _fits(self, order: XtOrder, row: Row) -> bool:
        """Whether the order can be the one that was sent: a remark alone may be used twice."""
        asked = msgspec.json.decode(row.params)
        placed = moment_of(order.order_time)
        if placed and not self._backend.simulated and day_of(placed) != day_of(row.begun):
            return False  # numbers and remarks come again on later days
        return (order.stock_code, order.order_type, order.order_volume) == (
            asked["stock_code"],
            asked["order_type"],
            asked["order_volume"],
        )

    def _settle(self, row: Row, order_id: int, refusal: str = "") -> Row:
        done = order_id > 0
        found = row.became(
            Fate(
                method=row.method,
                state="executed" if done else "refused",
                order_id=order_id,
                detail="" if done else refusal,
                data=b"%d" % order_id if done else None,
            )
        )
        self._outcomes.settle(found)
        self._open.pop(row.key, None)
        logger.info("{}: {} after all, order {}", row.key, found.state, order_id)
        return found


def _unknown(row: Row) -> Row:
    return row if row.state == "unknown" else msgspec.structs.replace(row, state="unknown")
