"""Cancels: never too late, never too many, and no lease needed."""

from collections.abc import Iterator
from typing import Any

import msgspec

from qka.brokers.records import XtCancelOrderResponse
from qka.errors import NotSent, QkaError
from qka.server.backend import Backend
from qka.server.events import EventLog
from qka.server.failure import Failure, refused, unavailable
from qka.server.methods import Method
from qka.server.tasks import Tasks

_encoder = msgspec.json.Encoder()


class Cancels:
    """Asked for one by one; `seqs` are the numbers that `_async` methods answer with."""

    def __init__(
        self, backend: Backend, events: EventLog, tasks: Tasks, seqs: Iterator[int]
    ) -> None:
        self._backend = backend
        self._events = events
        self._tasks = tasks
        self._seqs = seqs

    async def cancel(self, method: Method, params: dict[str, Any]) -> bytes:
        """Ask for a cancel, of what the params name. Raises Failure."""
        if not self._backend.status.ready:
            raise unavailable(self._backend.status, method.name)
        if method.background:
            seq = next(self._seqs)
            self._tasks.start(self._told(method.name, params, seq))
            return b"%d" % seq
        response = await self._cancelled(method.name, params)
        if response.cancel_result != 0:
            raise refused(response.error_msg)
        return b"0"

    async def _cancelled(self, name: str, params: dict[str, Any]) -> XtCancelOrderResponse:
        try:
            return await self._backend.cancel(params)
        except NotSent as error:
            raise unavailable(self._backend.status, name, str(error)) from None
        except QkaError as error:
            raise Failure(
                "unknown",
                f"{name}: {error}. The cancel may have been made: look at the order",
                "unknown",
            ) from None

    async def _told(self, name: str, params: dict[str, Any], seq: int) -> None:
        try:
            response = msgspec.structs.replace(await self._cancelled(name, params), seq=seq)
        except Failure as failure:
            response = XtCancelOrderResponse(
                account_id=self._backend.account[0],
                cancel_result=-1,
                error_msg=failure.detail,
                seq=seq,
            )
        self._events.append("cancel_response", _encoder.encode(response))
