"""The simulated terminal as a back end: `qka server --simulate`, tests, rehearsals."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Any, TypeVar

from qka.brokers.link import LinkStatus
from qka.brokers.records import XtCancelOrderResponse, XtOrder, XtOrderResponse
from qka.errors import BrokerUnavailable, NotSent, OutcomeUnknown
from qka.lanes import Job, Lane
from qka.model.times import MILLISECOND, SECOND
from qka.server.backend import OnState, Push, Tick, Unsupported
from qka.terminal.market import SimulatedMarket
from qka.terminal.quotes import QuoteLink
from qka.terminal.session import Session
from qka.terminal.terminal import SimTerminal, TerminalGone

T = TypeVar("T")

# method -> (the terminal's call, whether one record is wanted and not a list)
_CALLS: dict[str, tuple[str, bool]] = {
    "query_stock_asset": ("asset", True),
    "query_stock_orders": ("orders", False),
    "query_stock_order": ("orders", True),
    "query_stock_trades": ("trades", False),
    "query_stock_positions": ("positions", False),
    "query_stock_position": ("positions", True),
    "query_account_infos": ("account_infos", False),
    "query_account_status": ("account_status", False),
}
_AFTER_CLOSE = (15 * 3600 + 31 * 60) * SECOND  # a day's bar is complete from then on


class SimulatedBackend:
    """One account of a `SimTerminal`, or of a `SimulatedMarket`, which is started and closed here.

    `deadline`: seconds for each call; a terminal that lets one pass is left and connected anew.
    `retry`: seconds between two tries to connect.
    """

    def __init__(
        self,
        source: SimTerminal | SimulatedMarket,
        account_id: str,
        account_type: str = "STOCK",
        *,
        deadline: float = 10.0,
        retry: float = 1.0,
    ) -> None:
        self._market = source if isinstance(source, SimulatedMarket) else None
        self._terminal = source.terminal if isinstance(source, SimulatedMarket) else source
        self._account = (account_id, account_type)
        self._deadline = deadline
        self._retry = retry
        self._ids = count(1)  # session ids; one that lost its link stays locked
        self._status = LinkStatus("closed", "not opened yet")
        self._state: OnState = _nobody
        self._push: Push = _nobody
        self._told: int | None = None  # the account's status that was pushed last
        self._session: Session | None = None
        self._lost: asyncio.Event | None = None  # of the session in use
        self._lanes: _Lanes | None = None  # of the session in use
        self._waiting: set[asyncio.Future[Any]] = set()  # answers of the session in use
        # mark -> an order that was not answered
        self._marked: dict[object, tuple[Job, asyncio.Future[Any]]] = {}
        self._supervisor: asyncio.Task[None] | None = None
        self._data: QuoteLink | None = None
        self._wanted: set[str] = set()  # symbols and markets
        self._groups: dict[int, set[str]] = {}  # number of a subscription -> names in it
        self._keeper: asyncio.Task[None] | None = None  # subscribes when quotes are back

    @property
    def account(self) -> tuple[str, str]:
        """Its id and type."""
        return self._account

    @property
    def simulated(self) -> bool:
        """No real money is behind it."""
        return True

    @property
    def status(self) -> LinkStatus:
        """How the link to the terminal stands."""
        return self._status

    @property
    def speed(self) -> float:
        """Seconds of the market in one of the world's."""
        return self._market.speed if self._market else 1.0

    def now(self) -> int:
        """The market's time, ns."""
        return self._terminal.now()

    # ------------------------------------------------------------ life

    async def open(self, push: Push, state: OnState) -> None:
        """Start the market, if it is ours, and begin to connect."""
        self._push, self._state = push, state
        if self._market is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._market.start)
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise())

    async def close(self) -> None:
        """Leave the terminal; close the market, if it is ours. Twice is fine."""
        supervisor, self._supervisor = self._supervisor, None
        tasks = [task for task in (supervisor, self._keeper) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._data is not None:
            self._terminal.leave_data(self._data)
            self._data = None
        if self._market is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._market.close)
        if self._status.state != "closed":
            self._become("closed", "the link was closed")

    async def _supervise(self) -> None:
        while True:
            try:
                await self._live()
            except (TerminalGone, BrokerUnavailable) as error:
                self._become("cooldown", str(error), retry_after=self._retry)
                await asyncio.sleep(self._retry)

    async def _live(self) -> None:
        """One session, until it is lost. Raises TerminalGone, BrokerUnavailable."""
        if self._status.state != "connecting":
            self._become("connecting", "connecting")
        loop = asyncio.get_running_loop()
        lost = asyncio.Event()

        def push(kind: str, record: Any) -> None:
            _post(loop, self._pushed, kind, record)

        def gone() -> None:
            _post(loop, self._lose, lost, "the terminal closed the connection")

        connect = partial(self._terminal.connect, next(self._ids), push, gone)
        session = await self._on_thread("connect", connect)
        try:
            self._session, self._lost, self._lanes = session, lost, _Lanes(self._deadline)
            await self._asked("subscribe", {}, BrokerUnavailable)
            self._become("ready", "", account_status=await self._login())
            await lost.wait()
        finally:
            if self._lanes is not None:
                self._lanes.close()
            self._session = self._lost = self._lanes = None
            waiting, self._waiting = self._waiting, set()
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(_Broken())
            threading.Thread(target=self._terminal.leave, args=(session,), daemon=True).start()

    async def _login(self) -> int:
        """How the account stands, -1 if it is not there."""
        while True:
            self._told = None
            known = await self._asked("account_status", {}, BrokerUnavailable)
            code = next((s.status for s in known if s.account_id == self._account[0]), -1)
            if self._told in (None, code):  # else it changed while we asked
                return code

    def _pushed(self, kind: str, record: Any) -> None:
        if kind == "account_status":
            self._told = record.status
        self._push(kind, record)

    def _lose(self, session: asyncio.Event, reason: str) -> None:
        """The session (known by its event) is of no use any more."""
        if session is self._lost and not session.is_set():
            session.set()
            self._session = None
            self._become("connecting", reason)

    def _become(self, state: str, reason: str, **changes: Any) -> None:
        since = asyncio.get_running_loop().time()
        self._status = LinkStatus(state, reason, since=since, **changes)
        self._state(self._status)

    # ------------------------------------------------------------ trading

    async def order(
        self, params: Mapping[str, Any], before: float | None, mark: object = None
    ) -> XtOrderResponse:
        """Place an order once."""
        answer: XtOrderResponse = await self._asked("order", params, OutcomeUnknown, before, mark)
        return answer

    def recall(self, marks: Collection[object], why: str) -> list[object]:
        """Take back orders whose turn has not come."""
        found = [(mark, *self._marked[mark]) for mark in marks if mark in self._marked]
        taken = [(mark, answer) for mark, job, answer in found if job.withdraw()]
        for _, answer in taken:
            _raised(answer, NotSent(why))
        return [mark for mark, _ in taken]

    async def cancel(self, params: Mapping[str, Any]) -> XtCancelOrderResponse:
        """Ask for a cancel."""
        if "sysid" in params:
            params = {"market": params["market"], "order_sysid": params["sysid"]}
        answer: XtCancelOrderResponse = await self._asked("cancel", params, OutcomeUnknown)
        return answer

    async def query(self, method: str, params: Mapping[str, Any]) -> Any:
        """What the simulated terminal can tell."""
        if method not in _CALLS:
            raise Unsupported(f"the simulated terminal has no {method}")
        call, single = _CALLS[method]
        found = await self._asked(call, params, BrokerUnavailable)
        if call in ("account_infos", "account_status"):
            return [record for record in found if record.account_id == self._account[0]]
        if not single:
            return found
        return found[0] if found else None

    async def find(self, remark: str) -> list[XtOrder]:
        """Today's orders with that remark."""
        orders = await self._asked("orders", {}, BrokerUnavailable)
        return [order for order in orders if order.order_remark == remark]

    async def _asked(
        self,
        call: str,
        params: Mapping[str, Any],
        silence: Callable[[str], Exception],
        before: float | None = None,
        mark: object = None,
    ) -> Any:
        """The terminal's answer; without one the session is given up, and `silence` is raised.

        Raises NotSent when it was not asked.
        """
        session, lost, lanes = self._session, self._lost, self._lanes
        if session is None or lost is None or lanes is None:
            raise NotSent(f"the link is {self._status.state}: nothing was sent", self._retry)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        until = loop.time() + self._deadline
        lane = lanes.orders if call in ("order", "cancel") else lanes.queries
        arrived = partial(_post, loop, _answered, answer)
        ask = partial(
            self._terminal.ask, session, call, {**params, "account": self._account[0]}, arrived
        )
        job = lane.submit(
            ask, until if before is None else min(until, before), urgent=call == "cancel"
        )
        job.future.add_done_callback(partial(_unasked, answer))
        self._waiting.add(answer)
        if mark is not None:
            self._marked[mark] = job, answer
        timer = loop.call_at(until, _raised, answer, _Broken(silent=True))
        try:
            return await answer
        except _Broken as broken:
            if job.withdraw():
                raise NotSent(f"{call}: its turn did not come in time") from None
            if broken.silent:
                self._lose(lost, f"the terminal did not answer {call}")
            raise silence(f"the terminal did not answer {call}") from None
        finally:
            timer.cancel()
            self._waiting.discard(answer)
            self._marked.pop(mark, None)

    async def _on_thread(self, what: str, work: Callable[[], T]) -> T:
        """Work that a hanging terminal blocks: on a thread that can be left behind."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                value = work()
            except Exception as error:
                _post(loop, _raised, result, error)
            else:
                _post(loop, _answered, result, value)

        threading.Thread(target=run, name=f"qka-sim-{what}", daemon=True).start()
        try:
            async with asyncio.timeout(self._deadline):
                return await result
        except TimeoutError:
            raise BrokerUnavailable(f"the terminal did not answer {what}") from None

    # ------------------------------------------------------------ quotes

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Push quotes of symbols or whole markets; while there are none it is remembered."""
        self._wanted.update(symbols)
        try:
            await self._subscribe()
        except BrokerUnavailable:
            self._subscribe_later()

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Stop pushing them, as far as nothing else was asked for together with them."""
        names = set(symbols)
        self._wanted -= names
        for number, group in list(self._groups.items()):
            group -= names
            if not group and self._data is not None:
                del self._groups[number]
                self._terminal.unsubscribe_quotes(self._data, number)

    async def _subscribe(self) -> None:
        """Ask for what is wanted and not subscribed to."""
        link = await self._data_link()
        missing = self._wanted.difference(*self._groups.values())
        if not missing:
            return
        heard = partial(_post, asyncio.get_running_loop(), self._push, "quotes")
        ask = partial(self._terminal.subscribe_quotes, link, sorted(missing), heard)
        number = await self._on_thread("subscribe_quotes", ask)
        if number < 0:
            raise BrokerUnavailable("the connection for quotes is gone")
        self._groups[number] = missing

    def _subscribe_later(self) -> None:
        if self._supervisor is not None and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.get_running_loop().create_task(self._insist())

    async def _insist(self) -> None:
        while True:
            await asyncio.sleep(self._retry)
            try:
                await self._subscribe()
                break
            except BrokerUnavailable:
                continue

    async def _data_link(self) -> QuoteLink:
        if self._data is None or not self._data.connected:
            loop = asyncio.get_running_loop()
            connect = partial(self._terminal.connect_data, partial(_post, loop, self._data_lost))
            try:
                self._data = await self._on_thread("connect_data", connect)
            except TerminalGone as error:
                raise BrokerUnavailable(str(error), self._retry) from None
        return self._data

    def _data_lost(self) -> None:
        self._groups.clear()
        self._data = None
        if self._wanted:
            self._subscribe_later()

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The last ticks."""
        return await self._on_thread("full_tick", partial(self._terminal.full_tick, list(symbols)))

    async def instrument(self, symbol: str, complete: bool) -> dict[str, Any] | None:
        """Master data."""
        return await self._on_thread("instrument", partial(self._terminal.instrument, symbol))

    async def bars(
        self, symbol: str, period: str, count: int, end: int | None
    ) -> list[list[float]]:
        """Ended bars, oldest first."""
        link = await self._data_link()

        def read() -> list[dict[str, Any]]:
            terminal = self._terminal
            terminal.download(symbol, period)
            number = terminal.subscribe_quotes(link, [symbol], None, period)  # today's are live
            try:
                return terminal.bars(symbol, period)
            finally:
                terminal.unsubscribe_quotes(link, number)

        rows = await self._on_thread("bars", read)
        return ended(rows, period, count, self.now() if end is None else min(end, self.now()))

    async def factors(self, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
        """Ex-dates by xtdata's names."""

        def read() -> dict[str, dict[str, Any]]:
            self._terminal.download(symbol, "1d")
            return self._terminal.factors(symbol, start, end)

        return await self._on_thread("factors", read)


def ended(
    rows: Iterable[Mapping[str, Any]], period: str, count: int, end: int
) -> list[list[float]]:
    """xtdata's K-line rows that were complete before a moment (ns), as plain lists."""
    last = _AFTER_CLOSE if period == "1d" else 1
    found = [
        [row[name] for name in _COLUMNS] for row in rows if row["time"] * MILLISECOND + last <= end
    ]
    return found[-count:]


_COLUMNS = ("time", "open", "high", "low", "close", "volume", "amount", "preClose")


class _Broken(Exception):
    """No answer will come. `silent`: not because the link broke, but because time is up."""

    def __init__(self, silent: bool = False) -> None:
        super().__init__()
        self.silent = silent


def _nobody(*_: Any) -> None:
    """Who listens to nothing."""


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *arguments: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        pass  # the loop has closed: nobody is left to hear


def _answered(answer: "asyncio.Future[Any]", value: Any) -> None:
    if not answer.done():
        answer.set_result(value)


def _raised(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _unasked(answer: "asyncio.Future[Any]", asked: "asyncio.Future[Any]") -> None:
    """The terminal was asked, or its turn never came, or asking failed."""
    if asked.cancelled():
        _raised(answer, _Broken())
    elif (error := asked.exception()) is not None:
        _raised(answer, error)


class _Lanes:
    """The threads on which one session asks: an order waits for no query, nor for the market."""

    def __init__(self, deadline: float) -> None:
        self.orders = Lane("qka-sim-orders", patience=deadline / 2)
        self.queries = Lane("qka-sim-queries", patience=deadline / 2)

    def close(self) -> None:
        """Begin nothing more."""
        self.orders.close()
        self.queries.close()
