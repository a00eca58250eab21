"""The link to a MiniQMT terminal, supervised: one account, one trader at a time.

The SDK waits without an end and says nothing when the terminal is gone. Here every call has a
deadline; a trader that hangs is left behind and a new one is built with the next session id,
with growing pauses, while callers are refused at once. What was handed over and not answered is
unknown, and is never sent again.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from random import random
from typing import Any

import msgspec
from loguru import logger
from msgspec.structs import replace

from qka.brokers.records import XtCancelOrderResponse, XtOrderResponse
from qka.brokers.requests import Push
from qka.brokers.sessions import SessionPool, default_sessions
from qka.brokers.trader import Account, Factory, Trader, vendor_trader
from qka.brokers.words import ACCOUNT_STATUS_OK, ACCOUNT_TYPE_CODES, account_status
from qka.errors import ConfigError, NotSent, QkaError

LONGEST_PAUSE = 30.0  # in first pauses
STOPS_WITHIN = 2.0  # seconds that a trader is given to say goodbye
STEADY = 10.0  # first pauses that a link must have lived for the next loss to be a first one


class LinkStatus(msgspec.Struct, frozen=True):
    """How the link to a terminal stands."""

    state: str = "connecting"  # connecting, ready, cooldown or closed
    reason: str = ""  # why it is not ready, in words
    retry_after: float = 0.0  # seconds until it may be worth asking again
    session: int = 0  # the session id in use
    since: float = 0.0  # when the state began, in the loop's own seconds
    account_status: int = 0  # xt's code, 0 is ok (words.account_status)

    @property
    def ready(self) -> bool:
        """Requests reach the terminal."""
        return self.state == "ready"


class TraderLink:
    """States: connecting, ready, cooldown, closed. Everything public is called on the loop.

    Times in seconds. `deadline`: for each call of the SDK. `probe`: of silence, before the terminal
    is asked whether it is there. `patience`: after which a call that does not return no longer
    holds up the others. `pause`: before a new trader is tried, doubling up to thirty times as many.
    `sessions`: session ids it may use, ten fixed ones for the account by default.

    `on_push(kind, record)` is called on the loop: order, trade, asset, position, order_error,
    cancel_error, account_status; order_response and cancel_response for answers that came after
    their call had been given up.
    """

    def __init__(
        self,
        path: str,
        account_id: str,
        account_type: str = "STOCK",
        *,
        sessions: Sequence[int] | None = None,
        deadline: float = 10.0,
        probe: float = 5.0,
        patience: float = 1.0,
        pause: float = 1.0,
        on_push: Push = lambda kind, record: None,
        on_state: Callable[[LinkStatus], None] = lambda status: None,
        factory: Factory = vendor_trader,
    ) -> None:
        code = ACCOUNT_TYPE_CODES.get(account_type.upper())
        if code is None:
            words = ", ".join(ACCOUNT_TYPE_CODES)
            raise ConfigError(f"account type {account_type!r}: it is one of {words}")
        self.path = path
        self.account_id = account_id
        self.account_type = account_type.upper()
        self.account = Account(account_id, code)
        self.deadline = deadline
        self.probe = probe
        self.patience = patience
        self.pause = pause
        self.on_push = on_push
        self.on_state = on_state
        self.factory = factory
        self._pool = SessionPool(sessions or default_sessions(path, account_id))
        self._trader: Trader | None = None
        self._status = LinkStatus("closed")
        self._until = 0.0  # loop's time at which the next try begins
        self._supervisor: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ life

    @property
    def status(self) -> LinkStatus:
        """How the link stands; `retry_after` counts down."""
        if self._status.state != "cooldown":
            return self._status
        left = max(0.0, self._until - asyncio.get_running_loop().time())
        return replace(self._status, retry_after=left)

    async def open(self, *, wait: bool = True) -> None:
        """Connect; from then on the link mends itself.

        Raises BrokerUnavailable, with what to check, when the terminal can't be reached, and
        ConfigError for another account or a missing SDK; the link is closed then. With
        `wait=False` it returns at once and tries for ever.
        """
        if self._supervisor is not None and not self._supervisor.done():
            return
        self._status = LinkStatus("connecting")
        first = asyncio.get_running_loop().create_future()
        if not wait:
            first.set_result(None)
        self._supervisor = asyncio.create_task(self._supervise(first))
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the terminal. Waiting calls are not sent, answers no longer come.

        Working orders stay as they are. Calling it twice is fine.
        """
        trader, supervisor, self._supervisor = self._trader, self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await supervisor
        if trader is not None:
            await trader.stopped(STOPS_WITHIN)
        if self._status.state != "closed":
            self._become("closed", "closed")

    # ------------------------------------------------------------ requests

    async def order(
        self,
        *,
        stock_code: str,
        order_type: int,
        order_volume: int,
        price_type: int,
        price: float,
        strategy_name: str = "",
        order_remark: str = "",
        before: float | None = None,
        mark: object = None,
    ) -> XtOrderResponse:
        """Send an order; an answer with `order_id` <= 0 is a refusal, `error_msg` says why.

        `before`: the loop's time after which it must not be handed to the SDK any more; `mark`:
        what `recall` may know it by. Raises NotSent when it certainly never reached the SDK,
        OutcomeUnknown when it was handed over and no answer came: look it up by its remark then.
        """
        trader = self._ready(trading=True)
        try:
            arguments = (
                str(stock_code),
                int(order_type),
                int(order_volume),
                int(price_type),
                float(price),
                str(strategy_name),
                str(order_remark),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise NotSent(f"it is no order: {error}") from error
        call = partial(trader.sdk.order_stock_async, self.account, *arguments)
        answer: XtOrderResponse = await trader.requests.make(
            "order", arguments[-1], call, before, mark
        )
        return answer

    async def cancel(self, order_id: int) -> XtCancelOrderResponse:
        """Ask for a cancel; `cancel_result` 0 says that it was sent on, not that it is done.

        A cancel goes before orders that still wait for their turn. Raises as `order` does.
        """
        trader = self._ready(trading=False)
        call = partial(trader.sdk.cancel_order_stock_async, self.account, int(order_id))
        answer: XtCancelOrderResponse = await trader.requests.make("cancel", int(order_id), call)
        return answer

    async def query(self, method: str, **kwargs: Any) -> Any:
        """Ask what the account has; the account argument is filled in.

        Returns records (`XtAsset`, lists of `XtOrder` ...), plain data for methods without a
        record of ours, None where the terminal has none. Raises BrokerUnavailable. A method that
        is no query raises OutcomeUnknown when it was called and did not return in time.
        """
        return await self._ready(trading=False).query(method, kwargs)

    def recall(self, why: str, marks: Collection[object] | None = None) -> list[object]:
        """Orders whose turn has not come are not sent any more: their calls raise NotSent.

        All of them, or those with one of some marks. Returns the marks of those taken back.
        """
        return [] if self._trader is None else self._trader.requests.recall(why, marks)

    def _ready(self, *, trading: bool) -> Trader:
        trader, status = self._trader, self.status
        if trader is None or not status.ready:
            words = f"the link to QMT is {status.state}"
            reason = f": {status.reason}" if status.reason else ""
            raise NotSent(f"{words}{reason}", status.retry_after)
        if trading and status.account_status != ACCOUNT_STATUS_OK:
            words = account_status(status.account_status)
            raise NotSent(
                f"account {self.account_id} can't trade now, it is {words}; log in to it in QMT, "
                "or wait until it has settled",
                self.probe,
            )
        return trader

    # ------------------------------------------------------------ supervision

    async def _supervise(self, first: asyncio.Future[None]) -> None:
        """Keep one trader alive for as long as the link is open."""
        loop = asyncio.get_running_loop()
        failures = 0
        try:
            while True:
                try:
                    lived = await self._live(first)
                    failures = 1 if lived >= STEADY * self.pause else failures + 1
                except Exception as error:
                    failures += 1
                    # one session id may be taken: two are tried before it is called a failure
                    if not first.done() and (failures > 1 or isinstance(error, ConfigError)):
                        first.set_exception(error)
                        return
                    odd = None if isinstance(error, QkaError) else error  # a fault of ours
                    level = "WARNING" if failures == 1 or odd else "DEBUG"  # once is enough
                    logger.opt(exception=odd).log(level, "{}", error)
                    self._status = replace(self._status, reason=str(error) or repr(error))
                if first.done():
                    wait = _pause(self.pause, failures)
                    self._until = loop.time() + wait
                    self._become("cooldown", self._status.reason, retry_after=wait)
                    await asyncio.sleep(wait)
        finally:
            self._pool.release(loop.time())
            if not first.done():
                first.cancel()

    async def _live(self, first: asyncio.Future[None]) -> float:
        """One trader until it is lost; returns the seconds it was ready."""
        loop = asyncio.get_running_loop()
        number, wait = self._pool.take(loop.time())
        self._become("connecting", self._status.reason, session=number)
        await asyncio.sleep(wait)
        trader = Trader(
            self.path,
            self.account,
            number,
            self.factory,
            deadline=self.deadline,
            patience=self.patience,
            on_push=lambda kind, record: self.on_push(kind, record),
            on_account_status=self._account_status,
        )
        reason = "the link was closed"
        try:
            code = await trader.connect()
            self._trader = trader
            began = loop.time()
            self._become("ready", "", session=number, account_status=code)
            if not first.done():
                first.set_result(None)
            reason = await trader.watch(self.probe)
            logger.warning("the link to QMT is lost: {}", reason)
            self._become("connecting", reason)
            return loop.time() - began
        finally:
            self._trader = None
            trader.end(reason)

    def _become(self, state: str, reason: str, **changes: Any) -> None:
        since = asyncio.get_running_loop().time()
        self._status = LinkStatus(state, reason, since=since, **changes)
        self.on_state(self.status)

    def _account_status(self, code: int) -> None:
        """The terminal says how the account stands."""
        if code != self._status.account_status:
            self._status = replace(self._status, account_status=code)
            self.on_state(self.status)


def _pause(first: float, failures: int) -> float:
    """Seconds before the next try: doubling, bounded, never in step with others."""
    return first * min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 16)) * (0.75 + random() / 2)
