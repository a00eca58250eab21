"""What happens to the working orders of an engine that fell silent."""

import asyncio

from loguru import logger

from qka.clock import wall_time
from qka.errors import QkaError
from qka.model.times import SECOND, day_of
from qka.server.backend import Backend
from qka.server.leases import Lease, Leases
from qka.server.orders import Orders
from qka.server.outcomes import Outcomes

_DAY = 86_400 * SECOND
_PAUSE = 1.0  # seconds until a terminal that can't be asked is asked again


async def fell_silent(
    lease: Lease, leases: Leases, orders: Orders, outcomes: Outcomes, backend: Backend
) -> None:
    """What the terminal was not handed yet never gets there; what works is left, or cancelled.

    That goes on however long it takes, unless the engine comes back.
    """
    if leases.current(lease.owner) is not lease:
        return  # what waits may be of the engine that is back
    await orders.take_back(lease.owner, "its engine fell silent before its turn came")
    if lease.on_silence == "leave":
        leases.forget(lease)
        return
    while True:
        await orders.settled(lease.owner)
        if leases.current(lease.owner) is not lease:
            return
        try:
            await _cancel_each(lease, leases, outcomes, backend)
        except (QkaError, OSError) as error:
            logger.error("orders of {} could not be cancelled: {}", lease.owner, error)
            await asyncio.sleep(_PAUSE)
            continue
        leases.forget(lease)
        return


async def _cancel_each(lease: Lease, leases: Leases, outcomes: Outcomes, backend: Backend) -> None:
    today = day_of(backend.now())
    remarks = await outcomes.remarks_of(lease.owner, wall_time() - _DAY)
    found = await backend.query("query_stock_orders", {"cancelable_only": True})
    for order in found or ():
        if leases.current(lease.owner) is not lease:
            return  # it is back, and sees to its orders itself
        if order.order_remark in remarks or lease.placed(order.order_id, today):
            response = await backend.cancel({"order_id": order.order_id})
            logger.warning(
                "{}: order {} cancelled for it: {}",
                lease.owner,
                order.order_id,
                response.error_msg or "sent",
            )
