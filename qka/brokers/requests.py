"""Orders and cancels that were handed to the SDK, and the answers that come to them.

An answer is matched to its call by the SDK's number, or by what it names while that number is not
known yet. Everything is called on the loop.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from msgspec.structs import replace

from qka.brokers.records import XtCancelOrderResponse, XtOrderError, XtOrderResponse
from qka.errors import NotSent, OutcomeUnknown
from qka.lanes import Job, Lane

Push = Callable[[str, Any], None]  # (kind, record), on the loop

MANY_EARLY = 1000  # answers kept that no call has claimed
EXPLAINED_WITHIN = 0.5  # seconds that a refusal without a reason waits for its error


class _Request:
    """A call whose answer comes by a callback."""

    __slots__ = ("answer", "job", "key", "kind", "mark", "overdue", "seq")

    def __init__(
        self, kind: str, key: Any, job: Job, answer: asyncio.Future[Any], mark: object
    ) -> None:
        self.kind = kind  # order or cancel
        self.key = key  # remark of the order, or number of the order to cancel
        self.mark = mark  # what the caller knows it by
        self.job = job
        self.answer = answer
        self.seq = 0  # known once the SDK's call has returned
        self.overdue = False  # nobody waits for it any more

    def begun_without_seq(self, kind: str) -> bool:
        """Whether the SDK is still in this call."""
        return self.kind == kind and not self.seq and self.job.begun

    def fail(self, error: Exception) -> None:
        """Tell who waits, if anybody does."""
        if not self.overdue:
            settle(self.answer, None, error)

    def refusal(self, reason: str) -> XtOrderResponse | XtCancelOrderResponse:
        """An answer that says no."""
        if self.kind == "order":
            return XtOrderResponse(
                order_id=-1, order_remark=self.key, error_msg=reason, seq=self.seq
            )
        return XtCancelOrderResponse(
            cancel_result=-1, order_id=self.key, error_msg=reason, seq=self.seq
        )


class Requests:
    """Those of one trader, on its `lane`; `deadline` in seconds, how long one may take in all.

    `on_push` gets answers for which nobody waits any more; `suspect` is called when one did not
    come in time.
    """

    def __init__(
        self, lane: Lane, deadline: float, on_push: Push, suspect: Callable[[], None]
    ) -> None:
        self._lane = lane
        self._deadline = deadline
        self._on_push = on_push
        self._suspect = suspect
        self._loop = asyncio.get_running_loop()
        self._open: set[_Request] = set()  # not answered
        self._by_seq: dict[tuple[str, int], _Request] = {}
        self._early: dict[tuple[str, int], Any] = {}  # answers whose call has not returned yet
        self._unexplained: dict[int, tuple[_Request, XtOrderResponse]] = {}  # seq -> refused

    def end(self, reason: str) -> None:
        """The trader is left behind: what waits was not sent, what was sent is unknown."""
        for request in list(self._open):
            request.fail(self._given_up(request, reason))

    async def make(
        self,
        kind: str,
        key: Any,
        call: Callable[[], Any],
        before: float | None = None,
        mark: object = None,
    ) -> Any:
        """Hand a call (`order` or `cancel`) to the SDK in its turn and wait for its answer.

        Past `before` (the loop's time) it is not handed over any more; `recall` may know it by
        its `mark`. Raises NotSent when its turn never came, OutcomeUnknown when no answer did.
        """
        until = self._loop.time() + self._deadline
        until = until if before is None else min(until, before)
        job = self._lane.submit(call, until, urgent=kind == "cancel")
        request = _Request(kind, key, job, self._loop.create_future(), mark)
        self._open.add(request)
        job.future.add_done_callback(partial(self._returned, request))
        try:
            await asyncio.wait([request.answer], timeout=self._deadline)
            if not request.answer.done():
                self._suspect()
                raise self._given_up(request, f"no answer in {self._deadline:g} s")
            return request.answer.result()
        finally:
            request.overdue = True  # nobody waits for it any more
            if job.withdraw():
                self._open.discard(request)

    def recall(self, why: str, marks: Collection[object] | None = None) -> list[object]:
        """Orders whose turn has not come never get one, and whoever waits hears why.

        All of them, or those with one of some marks. Returns the marks of those taken back.
        """
        meant = [
            request
            for request in self._open
            if request.kind == "order" and (marks is None or request.mark in marks)
        ]
        taken = [request for request in meant if request.job.withdraw()]
        for request in taken:
            request.fail(NotSent(why))
        return [request.mark for request in taken]

    def _given_up(self, request: _Request, reason: str) -> Exception:
        if request.job.withdraw():
            return NotSent(f"{reason}, before its turn came")
        what = "the order" if request.kind == "order" else "the cancel"
        return OutcomeUnknown(
            f"{what} was handed to QMT, then: {reason}. It may have been executed: look it up "
            "among the account's orders, do not send it again"
        )

    def _returned(self, request: _Request, future: asyncio.Future[Any]) -> None:
        """The SDK's call has returned with its number, or raised."""
        if future.cancelled():
            request.fail(self._given_up(request, "its deadline has passed"))
            return
        error = future.exception()
        if error is not None:  # it may have been handed over all the same: an answer would tell
            request.fail(OutcomeUnknown(f"the SDK raised {error!r} when it was handed the call"))
            return
        seq = future.result()
        if not isinstance(seq, int) or seq <= 0:
            self._finish(request, request.refusal(f"the SDK took nothing (it gave {seq!r})"))
            return
        request.seq = seq
        if request in self._open:
            self._by_seq[request.kind, seq] = request
        early = self._early.pop((request.kind, seq), None)
        if early is not None:
            self.answered(request.kind, early)

    def answered(self, kind: str, response: Any) -> None:
        """An answer: to a call that has returned, to one that has not yet, or to none of ours."""
        request = self._by_seq.get((kind, response.seq)) or self._unreturned(kind, response)
        if request is None:
            self._early[kind, response.seq] = response
            while len(self._early) > MANY_EARLY:
                self._early.pop(next(iter(self._early)))
        elif kind == "order" and response.order_id <= 0 and not response.error_msg:
            # the reason comes by an error of its own, right behind
            self._unexplained[response.seq] = (request, response)
            self._loop.call_later(EXPLAINED_WITHIN, self._explain, response.seq, "")
        else:
            self._finish(request, response)

    def _unreturned(self, kind: str, response: Any) -> _Request | None:
        """The call the SDK is still in, when there is one only that the answer can be for."""
        key = response.order_remark if kind == "order" else response.order_id
        unnamed = [one for one in self._open if one.begun_without_seq(kind)]
        meant = [one for one in unnamed if one.key == key]
        return meant[0] if len(meant) == 1 and key else None

    def _explain(self, seq: int, reason: str) -> None:
        request, response = self._unexplained.pop(seq, (None, None))
        if request is not None and response is not None:
            self._finish(request, replace(response, error_msg=reason))

    def order_error(self, error: XtOrderError) -> None:
        """The refusal of an order by its number and remark; old errors come again, and match none.

        It is pushed as well, whoever waits.
        """
        if error.seq in self._unexplained:
            self._explain(error.seq, error.error_msg)
            return
        request = self._by_seq.get(("order", error.seq))
        if request is not None and error.order_remark in ("", request.key):
            self._finish(request, request.refusal(error.error_msg))

    def _finish(self, request: _Request, response: Any) -> None:
        self._open.discard(request)
        self._by_seq.pop((request.kind, request.seq), None)
        if request.overdue or request.answer.done():
            self._on_push(f"{request.kind}_response", response)
        else:
            request.answer.set_result(response)


def settle(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    """Give a waiting caller its value or error, if it still waits."""
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
        answer.exception()  # seen: perhaps nobody waits for it any more
