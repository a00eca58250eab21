"""One trader of the SDK, from its construction until it is left behind.

Calls go out in lanes, answers and pushes come back on the SDK's threads, are copied there and
handed to the loop; everything else happens on the loop. No asyncio state is shared with the SDK,
which sets event loops of its own.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from qka import vendor
from qka.brokers.records import (
    Record,
    XtAccountInfo,
    XtAccountStatus,
    XtAsset,
    XtCancelError,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderError,
    XtOrderResponse,
    XtPosition,
    XtTrade,
    copied,
    plain,
)
from qka.brokers.requests import Push, Requests, settle
from qka.brokers.words import ACCOUNT_STATUS_OK, ACCOUNT_TYPES
from qka.errors import (
    BrokerUnavailable,
    CallRefused,
    ConfigError,
    NotSent,
    OutcomeUnknown,
    QkaError,
)
from qka.lanes import Job, Lane
from qka.secrets import shown

Factory = Callable[[str, int, Any], Any]  # (path, session id, callback) -> the SDK's trader

MANY_HUNG = 3  # calls that do not return before the trader is given up


class Account(msgspec.Struct, frozen=True):
    """What the SDK needs to know of an account: StockAccount without its traps."""

    account_id: str
    account_type: int


def vendor_trader(path: str, session: int, callback: Any) -> Any:
    """The SDK's own trader, that leaves the event loops of others alone."""
    module = vendor.load("xttrader")

    class Trader(module.XtQuantTrader):  # type: ignore[misc,name-defined]  # the SDK has no types
        def __del__(self) -> None:
            """Nothing: the vendor's sets the main thread's event loop."""

    return Trader(path, session, callback)


# ------------------------------------------------------------------ what can be asked

# method -> (kind of its records, whether it takes the account)
_BRIDGED: dict[str, tuple[type[Record] | None, bool]] = {
    "query_stock_asset": (XtAsset, True),
    "query_stock_orders": (XtOrder, True),
    "query_stock_trades": (XtTrade, True),
    "query_stock_positions": (XtPosition, True),
    "query_account_infos": (XtAccountInfo, False),
    "query_account_status": (XtAccountStatus, False),
    "query_credit_detail": (None, True),
    "query_stk_compacts": (None, True),
    "query_credit_subjects": (None, True),
    "query_credit_slo_code": (None, True),
    "query_credit_assure": (None, True),
}
# method -> (the list it is picked from, the field that its argument names)
_PICKED: dict[str, tuple[str, str]] = {
    "query_stock_order": ("query_stock_orders", "order_id"),
    "query_stock_position": ("query_stock_positions", "stock_code"),
}
_ALIASES = {"query_account_info": "query_account_infos"}
_WITHOUT_ACCOUNT = frozenset({"query_ipo_data"})  # blocking ones
_NEVER_ANSWERS = frozenset({"query_com_position", "smt_appointment_cancel_async", "sleep"})
# the link's own business, or that of `order` and `cancel`
_NOT_FOR_CALLERS = (
    "_", "common_", "on_", "order_", "cancel_", "register_", "set_", "run_", "start", "stop",
    "connect", "subscribe", "unsubscribe",
)  # fmt: skip
_READS = ("query_", "get_", "smt_query_")


def _read(kind: type[Record] | None, native: Any) -> Any:
    """An answer as values of ours: a record, a list of them, None, or plain data."""
    if native is None or kind is None:
        return plain(native)
    if isinstance(native, list | tuple):
        return [copied(item, kind) for item in native]
    return copied(native, kind)


class Trader:
    """The SDK's trader behind lanes and deadlines. All state is the loop's.

    `deadline` and `patience` in seconds: how long a call may take in all, and how long a thread
    may be stuck in one before another thread goes on with those that wait.
    """

    def __init__(
        self,
        path: str,
        account: Account,
        number: int,
        factory: Factory,
        *,
        deadline: float,
        patience: float,
        on_push: Push,
        on_account_status: Callable[[int], None],
    ) -> None:
        self.sdk: Any = None  # once it is built
        self._path = path
        self._account = account
        self._number = number  # the session id
        self._factory = factory
        self._deadline = deadline
        self._on_push = on_push
        self._on_account_status = on_account_status
        self._loop = asyncio.get_running_loop()
        self._orders = Lane(f"qka-orders-{number}", patience=patience)
        self._queries = Lane(f"qka-queries-{number}", patience=patience)
        self._blocking = Lane(f"qka-blocking-{number}", patience=patience)
        self._heard = self._loop.time()  # the last sign of life
        self._told: int | None = None  # the account's status that was pushed last
        self._suspected = asyncio.Event()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._left = False  # behind
        self._stopped = asyncio.Event()
        self.requests = Requests(self._orders, deadline, on_push, self._suspected.set)
        self._asked: set[asyncio.Future[Any]] = set()  # queries not answered

    # ------------------------------------------------------------ connecting

    async def connect(self) -> int:
        """Construct, start, connect, subscribe, and look at the account; returns its status.

        Raises BrokerUnavailable, and ConfigError for another account or a missing SDK.
        """
        await self._step(self._build, "building the trader")
        code = await self._step(self.sdk.connect, "connect()")
        if code != 0:
            raise BrokerUnavailable(await self._checks(f"connect() gave {code}"))
        code = await self._step(partial(self.sdk.subscribe, self._account), "subscribe()")
        known = await self.query("query_account_infos", {}) or []
        ids = sorted({info.account_id for info in known})
        mine = self._account.account_id
        if ids and mine not in ids:
            raise ConfigError(
                f"QMT is logged in with account {', '.join(map(shown, ids))}, not with "
                f"{shown(mine)}: nothing was sent; correct account.id, or log in to the "
                "other account"
            )
        if code != 0:
            kind = ACCOUNT_TYPES[self._account.account_type]
            raise BrokerUnavailable(
                f"{kind} account {mine} can't be subscribed to (subscribe() gave {code}): "
                "log in to it in QMT"
            )
        return await self._status()

    async def _step(self, call: Callable[[], Any], name: str) -> Any:
        """A call on the orders thread that has to return."""
        job = self._orders.submit(call, self._loop.time() + self._deadline)
        await asyncio.wait([job.future], timeout=self._deadline)
        if not job.future.done() or job.future.cancelled():
            words = f"{name} did not return in {self._deadline:g} s"
            raise BrokerUnavailable(await self._checks(words))
        try:
            return job.future.result()
        except ConfigError:
            raise
        except Exception as error:
            raise BrokerUnavailable(await self._checks(f"{name} failed: {error!r}")) from error

    def _build(self) -> None:
        """On the orders thread, which is not the one the SDK knows as MainThread."""
        callback = _Callback(self)
        try:
            self.sdk = self._factory(self._path, self._number, callback)
        finally:
            asyncio.set_event_loop(None)  # the constructor has set a loop that nobody runs
        self.sdk.register_callback(callback)
        self.sdk.start()
        if self._left:  # it took so long that nobody waits for it
            self._stop()

    async def _checks(self, what: str) -> str:
        """What went wrong, and what to look at, in this order."""
        found = await asyncio.to_thread(_look_at, self._path)
        return (
            f"MiniQMT can't be reached ({what}). Check: 1. MiniQMT is running and was logged in "
            f"with 极简模式 or 独立交易 ticked. 2. The path is its userdata_mini folder: {found}. "
            "3. This program may write there; QMT under Program Files needs administrator rights. "
            f"4. No other program uses session id {self._number}. 5. With MiniQMT up, that folder "
            "has a file up_queue_xtquant; if not, the broker has not opened this account for "
            "programs"
        )

    async def _status(self) -> int:
        """The account's status; ok where the terminal lists none."""
        while True:
            self._told = None
            known = await self.query("query_account_status", {}) or []
            code = next((one.status for one in known if self._concerns(one)), ACCOUNT_STATUS_OK)
            if self._told in (None, code):  # else it changed while we asked
                return code

    def _concerns(self, record: Record) -> bool:
        """Whether a record is our account's: 沪港通 and 深港通 accounts share their ids with it."""
        if record.account_id not in ("", self._account.account_id):
            return False
        if isinstance(record, XtAccountStatus):
            return record.account_type == self._account.account_type
        return True

    # ------------------------------------------------------------ the watch

    async def watch(self, probe: float) -> str:
        """Return why the trader is lost, once it is; asked whether it lives after a silence."""
        while not self._lost.done():
            await self._first(self._suspected.wait(), probe)
            silent = self._loop.time() - self._heard >= probe
            if silent or self._suspected.is_set():
                self._suspected.clear()
                await self._first(self._probe(), None)
        return self._lost.result()

    async def _first(self, work: Coroutine[Any, Any, Any], within: float | None) -> None:
        """Do it until it is done, the trader is lost, or so many seconds are over."""
        task: asyncio.Future[Any] = self._loop.create_task(work)
        either = [task, self._lost]
        try:
            await asyncio.wait(either, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()

    async def _probe(self) -> None:
        """Ask the terminal whether it is there; its silence ends the trader."""
        if self._orders.hung >= MANY_HUNG:
            self.lose(f"{self._orders.hung} calls of the SDK do not return")
            return
        try:
            self._on_account_status(await self._status())
        except BrokerUnavailable:
            self.lose(f"QMT does not answer (asked for {self._deadline:g} s)")

    def lose(self, reason: str) -> None:
        """The trader is of no use any more."""
        if not self._lost.done():
            self._lost.set_result(reason)

    def end(self, reason: str) -> None:
        """Leave it behind: what waits was not sent, what was sent is unknown."""
        self._left = True
        self.lose(reason)
        for lane in (self._orders, self._queries, self._blocking):
            lane.close()
        self.requests.end(reason)
        for asked in self._asked:
            settle(asked, None, BrokerUnavailable(f"the link to QMT is lost: {reason}"))
        if self.sdk is None:
            self._stopped.set()
        else:
            name = f"qka-stop-{self._number}"
            threading.Thread(target=self._stop, name=name, daemon=True).start()

    async def stopped(self, within: float) -> bool:
        """Whether the SDK has let go, after at most so many seconds; a hung one never does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._stopped.wait()
        return self._stopped.is_set()

    def _stop(self) -> None:
        """On a thread of its own."""
        try:
            self.sdk.stop()
            loop = getattr(self.sdk, "loop", None)
            if loop is not None:
                loop.close()  # the constructor made it, nobody ever ran it
        except Exception as error:
            logger.debug("stopping the trader: {!r}", error)
        self.post(self._stopped.set)

    # ------------------------------------------------------------ queries

    async def query(self, method: str, arguments: dict[str, Any]) -> Any:
        """The answer of a query, as values of ours."""
        method = _ALIASES.get(method, method)
        if method in _NEVER_ANSWERS:
            raise CallRefused(f"{method} never answers in this SDK", "unsupported")
        if method in _PICKED:
            return await self._pick(method, arguments)
        if method in _BRIDGED:
            kind, with_account = _BRIDGED[method]
            return await self._bridge(method, kind, with_account, arguments)
        return await self._block(method, arguments)

    async def _pick(self, method: str, arguments: dict[str, Any]) -> Any:
        """One of a list: the SDK has no asynchronous form of these."""
        listed, field = _PICKED[method]
        wanted = arguments.get(field)
        wanted = int(wanted or 0) if field == "order_id" else wanted
        records = await self.query(listed, {}) or []
        return next((record for record in records if getattr(record, field) == wanted), None)

    async def _bridge(
        self, method: str, kind: type[Record] | None, with_account: bool, arguments: dict[str, Any]
    ) -> Any:
        answer: asyncio.Future[Any] = self._loop.create_future()

        def on_answer(native: Any) -> None:  # on the SDK's thread
            try:
                value: Any = _read(kind, native)
            except Exception as error:
                self.post(settle, answer, None, error)
            else:
                self.post(self._hear, answer, value)

        account = (self._account,) if with_account else ()
        call = partial(getattr(self.sdk, f"{method}_async"), *account, on_answer, **arguments)
        job = self._queries.submit(call, self._loop.time() + self._deadline)
        job.future.add_done_callback(partial(_fails, answer))
        return await self._within(method, job, answer)

    async def _block(self, method: str, arguments: dict[str, Any]) -> Any:
        """A method without an asynchronous form, on a thread that may hang without harm."""
        function = getattr(self.sdk, method, None)
        if not callable(function) or method.startswith(_NOT_FOR_CALLERS):
            raise CallRefused(f"the SDK has no method {method}", "no such method")
        account = () if method in _WITHOUT_ACCOUNT else (self._account,)

        def call() -> Any:
            return plain(function(*account, **arguments))

        job = self._blocking.submit(call, self._loop.time() + self._deadline)
        return await self._within(method, job, job.future)

    async def _within(self, method: str, job: Job, answer: asyncio.Future[Any]) -> Any:
        self._asked.add(answer)
        try:
            await asyncio.wait([answer], timeout=self._deadline)
            if answer.done() and not answer.cancelled():
                error = answer.exception()
                if isinstance(error, Exception) and not isinstance(error, QkaError):
                    raise BrokerUnavailable(f"{method}: the SDK raised {error!r}") from error
                return answer.result()
            if answer.cancelled() or job.withdraw():
                raise NotSent(f"the turn of {method} did not come in time")
            self._suspected.set()
            words = f"{method}: no answer in {self._deadline:g} s"
            if method.startswith(_READS):
                raise BrokerUnavailable(words)
            raise OutcomeUnknown(f"{words}; it may have been executed, do not call it again")
        finally:
            self._asked.discard(answer)
            job.withdraw()

    def _hear(self, answer: asyncio.Future[Any], value: Any) -> None:
        self._heard = self._loop.time()
        settle(answer, value, None)

    # ------------------------------------------------------------ what the SDK's threads hand in

    def post(self, call: Callable[..., Any], *arguments: Any) -> None:
        """One wake-up of the loop, from any thread."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            pass  # the loop has closed: nobody is left to hear

    def pushed(self, kind: str, record: Any) -> None:
        """A push, on the loop. Of a trader left behind only the fate of its own calls counts."""
        self._heard = self._loop.time()
        match kind:
            case "disconnected":
                self.lose("QMT closed the connection")
            case "order_response":
                self.requests.answered("order", record)
            case "cancel_response":
                self.requests.answered("cancel", record)
            case "order_error":
                self.requests.order_error(record)
                self._on_push(kind, record)
            case _ if self._left or not self._concerns(record):
                pass
            case "account_status":
                self._told = record.status
                self._on_account_status(record.status)
                self._on_push(kind, record)
            case _:
                self._on_push(kind, record)


class _Callback:
    """Called by the SDK on its push thread: copy, hand over, return. Never raises."""

    def __init__(self, trader: Trader) -> None:
        self._trader = trader

    def _hand(self, kind: str, native: Any, to: type[Record]) -> None:
        try:
            record = copied(native, to)
        except Exception as error:  # the SDK would swallow it
            logger.opt(exception=error).error("a push of kind {} can't be read", kind)
            return
        self._trader.post(self._trader.pushed, kind, record)

    def on_connected(self) -> None:
        """Never called by the SDK."""

    def on_disconnected(self) -> None:
        """The terminal closed the connection."""
        self._trader.post(self._trader.pushed, "disconnected", None)

    def on_account_status(self, status: Any) -> None:
        """The account's login changed."""
        self._hand("account_status", status, XtAccountStatus)

    def on_stock_asset(self, asset: Any) -> None:
        """Money changed."""
        self._hand("asset", asset, XtAsset)

    def on_stock_order(self, order: Any) -> None:
        """An order changed."""
        self._hand("order", order, XtOrder)

    def on_stock_trade(self, trade: Any) -> None:
        """A deal."""
        self._hand("trade", trade, XtTrade)

    def on_stock_position(self, position: Any) -> None:
        """A position changed."""
        self._hand("position", position, XtPosition)

    def on_order_error(self, error: Any) -> None:
        """An order was refused."""
        self._hand("order_error", error, XtOrderError)

    def on_cancel_error(self, error: Any) -> None:
        """A cancel was refused."""
        self._hand("cancel_error", error, XtCancelError)

    def on_order_stock_async_response(self, response: Any) -> None:
        """An order was answered."""
        self._hand("order_response", response, XtOrderResponse)

    def on_cancel_order_stock_async_response(self, response: Any) -> None:
        """A cancel was answered."""
        self._hand("cancel_response", response, XtCancelOrderResponse)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Callbacks that are of no use here."""
        if name.startswith("on_"):
            return lambda *arguments: None
        raise AttributeError(name)


def _fails(answer: asyncio.Future[Any], job: asyncio.Future[Any]) -> None:
    """The SDK's call of a query raised, or its turn never came; else its callback answers."""
    if job.cancelled():
        answer.cancel()
    elif job.exception() is not None and not answer.done():
        answer.set_exception(job.exception() or RuntimeError("no reason"))


def _look_at(path: str) -> str:
    """What can be seen of the terminal's folder."""
    folder = Path(path)
    try:
        if not folder.is_dir():
            return f"{path} is not there"
        found = "there" if (folder / "up_queue_xtquant").exists() else "missing"
    except OSError as error:
        return f"{path} can't be read ({error})"
    return f"{path} is there, up_queue_xtquant is {found}"
