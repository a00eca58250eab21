"""The calls of all clients: may it, is it new, then one way to the terminal and back.

Both transports come through `call`, so a rule that holds on one holds on the other.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
from loguru import logger

from qka.brokers.link import LinkStatus
from qka.brokers.records import (
    Record,
    XtAccountStatus,
    XtCancelOrderResponse,
    XtOrderError,
    XtOrderResponse,
    plain,
)
from qka.clock import WallClock
from qka.errors import BrokerUnavailable, NotSent, OutcomeUnknown, QkaError
from qka.model.times import SECOND
from qka.server import outcomes as keys
from qka.server.audit import Audit, Call
from qka.server.backend import Backend, Unsupported
from qka.server.events import EventLog
from qka.server.failure import Failure, refused
from qka.server.leases import Lease, Leases
from qka.server.limits import Bucket
from qka.server.lookups import Lookups
from qka.server.methods import METHODS, Method
from qka.server.metrics import Metrics
from qka.server.outcomes import Fate, Outcomes, Row
from qka.server.quotes import Quotes
from qka.server.store import Store
from qka.server.tokens import Token

T = TypeVar("T")

_DAY = 86_400 * SECOND
_LATE = 1e11  # a deadline beyond this is not in seconds


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets its clients do. A rate of None is no limit."""

    read_only: bool = False
    transfers: bool = False
    orders_per_second: float | None = 300.0  # of the account
    calls_per_second: float | None = 2000.0  # of a token; cancels are never held back
    deadline: float = 30.0  # seconds that a client waits for the terminal at most
    grace: float = 1.0  # seconds that an order's answer may take beyond its deadline
    queries_in_flight: int = 256


class Caller:
    """Who is asking."""

    __slots__ = ("client", "ip", "lease", "token", "via")

    def __init__(self, token: Token, ip: str, via: str, client: str = "") -> None:
        self.token = token
        self.ip = ip
        self.via = via  # http or ws
        self.client = client  # what it calls itself
        self.lease: Lease | None = None

    @property
    def owner(self) -> str:
        """Whose orders these are."""
        return f"{self.token.name}/{self.client}"


class _Run:
    """A call with a key that is being worked on; `done` gets its row, or what it failed with."""

    __slots__ = ("done", "mark", "row")

    def __init__(self, mark: bytes, row: Row, done: "asyncio.Future[Row]") -> None:
        self.mark = mark
        self.row = row
        self.done = done


class _Note:
    """What the audit will say beside the caller and the method."""

    __slots__ = ("key", "order_id", "params")

    def __init__(self) -> None:
        self.key = ""
        self.order_id = 0
        self.params: dict[str, Any] | None = None


class Service:
    """One account's calls and pushes. Everything public is called on the loop."""

    def __init__(
        self,
        backend: Backend,
        store: Store,
        audit: Audit,
        policy: Policy,
        *,
        keep_keys: int,  # ns
        keep_events: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        clock = WallClock()
        self.backend = backend
        self.policy = policy
        self.metrics = Metrics()
        self.account_id, self.account_type = backend.account
        self.stopping = False
        self.account_status: int | None = None  # xt's code; None: not heard of yet
        self.outcomes = Outcomes(store, clock.now, keep=keep_keys)
        self.lookups = Lookups(backend, self.outcomes, clock.now, loop.time)
        self.leases = Leases(store, loop.time, self._lapsed)
        self.quotes = Quotes(backend, loop.time)
        self.events = EventLog(store, clock.now, self._numbered, keep=keep_events)
        self.listeners: list[Any] = []  # sessions: heard(seq, frame)
        self._store = store
        self._audit = audit
        self._loop = loop
        self._now = clock.now
        self._running: dict[str, _Run] = {}  # key -> the call under way
        self._tasks: set[asyncio.Task[Any]] = set()  # somebody's calls
        self._chores: set[asyncio.Task[Any]] = set()  # the server's own work
        self._in_flight = 0
        self._idle: asyncio.Future[None] | None = None  # of `drain`
        self._queries = 0
        self._seq = 0  # of the _async methods
        self._orders = Bucket(policy.orders_per_second, loop.time)
        self._buckets: dict[str, Bucket] = {}  # token -> calls
        self._local = {"outcome": self._outcome, "release_lease": self._release_lease}

    # ------------------------------------------------------------ life

    async def open(self) -> None:
        """Take up what the last run left, then begin to connect to the terminal."""
        await self.events.open()
        await self.leases.open()
        for row in await self.outcomes.unsettled():
            self.lookups.add(row)
        self.outcomes.prune()
        await self.backend.open(self.push, self.state_changed)

    async def drain(self, patience: float) -> None:
        """Take no more orders; wait for what is under way, so many seconds at most."""
        self.stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._in_flight or self._tasks:
                    self._idle = self._loop.create_future()
                    await self._idle

    async def close(self) -> None:
        """Let go of the terminal. What is still under way ends unknown, and is on disk as such."""
        self.stopping = True
        await self.backend.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        for task in (*self._tasks, *self._chores):
            task.cancel()

    def check(self) -> None:
        """What has to be looked at every second or so."""
        self.leases.check()
        self.lookups.check()

    def measure(self) -> bytes:
        """The metrics, as of now."""
        m = self.metrics
        m.ready.set(self.backend.status.ready)
        m.seq.set(self.events.seq)
        m.unknown.set(len(self.lookups))
        m.in_flight.set(self._in_flight)
        m.commits.set(self._store.commits)
        m.clients.set(len(self.listeners))
        last = self.quotes.last
        m.quote_age.set(-1 if last is None else self._loop.time() - last)
        return m.text()

    # ------------------------------------------------------------ pushes

    def push(self, kind: str, record: Any) -> None:
        """The terminal pushed something."""
        if kind == "quotes":
            self.quotes.push(record)
            return
        if isinstance(record, XtAccountStatus):
            self.account_status = record.status
        elif kind == "order_response":
            self.lookups.answered(record)
        self.events.append(kind, _encoder.encode(record))

    def state_changed(self, status: LinkStatus) -> None:
        """The link to the terminal changed."""
        told = {"state": status.state, "reason": status.reason, "retry_after": status.retry_after}
        self.events.append("link", _encoder.encode(told))
        if status.ready:
            self.account_status = status.account_status
            # pushes may have been missed: clients compare their orders with the account's
            self.events.append("resync", b"{}")
            self.lookups.hurry()
            self.lookups.check()
            self._spawn(self._subscribe_again(), self._chores)

    async def _subscribe_again(self) -> None:
        try:
            await self.quotes.again()
        except QkaError as error:
            logger.warning("quotes could not be subscribed again: {}", error)

    def _numbered(self, seq: int, frame: bytes) -> None:
        self.metrics.events.inc()
        for listener in self.listeners:
            listener.heard(seq, frame)

    # ------------------------------------------------------------ calls

    async def call(
        self,
        caller: Caller,
        name: str,
        body: bytes | msgspec.Raw,
        key: str = "",
        deadline: float | None = None,
    ) -> bytes:
        """Answer a call: its data as JSON. Raises Failure. `deadline`: Unix seconds."""
        started = self._loop.time()
        self._in_flight += 1
        note = _Note()
        note.key = key
        failure: Failure | None = None
        try:
            return await self._call(caller, name, body, key, deadline, note)
        except Failure as error:
            failure = error
            raise
        except Exception as error:
            logger.exception("{}: {}", name, error)
            harmless = name in METHODS and METHODS[name].kind in ("query", "local")
            failure = Failure(
                "failed",
                f"{name}: the server itself failed; its log says more",
                "not_executed" if harmless else "unknown",
            )
            raise failure from None
        finally:
            self._in_flight -= 1
            self._settle_down()
            self._record(caller, name, note, failure, self._loop.time() - started)

    def note(self, caller: Caller, what: str, outcome: str) -> None:
        """Write something down that is no call: a client came, a client went."""
        call = Call(self._now(), caller.token.name, caller.ip, caller.via, what, outcome)
        call.client = caller.client
        self._audit.note(call)

    def _record(
        self, caller: Caller, name: str, note: _Note, failure: Failure | None, seconds: float
    ) -> None:
        result = failure.code if failure else "done"
        known = name if name in METHODS else "unknown"
        self.metrics.called(known, caller.via, result, seconds)
        self._audit.note(
            Call(
                self._now(),
                caller.token.name,
                caller.ip,
                caller.via,
                name[:64],
                result,
                seconds,
                caller.client,
                note.key,
                note.order_id,
                note.params,
                failure.detail if failure else "",
                failure.outcome if failure else "",
            )
        )

    async def _call(
        self,
        caller: Caller,
        name: str,
        body: bytes | msgspec.Raw,
        key: str,
        deadline: float | None,
        note: _Note,
    ) -> bytes:
        method = METHODS.get(name)
        if method is None:
            raise Failure("not_found", f"{name[:64]!r} is no method of this server")
        self._check_scope(caller, method)
        if method.kind in ("query", "local"):
            wait = self._bucket(caller.token).take()
            if wait:
                raise _rate("calls", wait)
        params = method.read(body, self.account_id)
        if deadline is not None and not 0 < deadline < _LATE:
            raise Failure("invalid", "the deadline is no time in Unix seconds")
        match method.kind:
            case "query":
                return await self._query(method, params, deadline)
            case "local":
                return await self._local[name](params)
            case "cancel":
                note.params = params
                return await self._cancel(method, params)
            case _:
                note.params = method.public(params)
                return await self._order(caller, method, params, key, deadline, note)

    def _check_scope(self, caller: Caller, method: Method) -> None:
        if method.scope not in caller.token.scopes:
            raise Failure(
                "forbidden",
                f"{method.name} needs the scope {method.scope!r}, and the token "
                f"{caller.token.name!r} has only {', '.join(caller.token.scopes)}",
            )
        if method.scope in ("trade", "transfer") and self.policy.read_only:
            raise Failure("forbidden", f"{method.name}: this server is read-only")
        if method.scope == "transfer" and not self.policy.transfers:
            raise Failure(
                "forbidden", f"{method.name}: this server moves no money or shares between accounts"
            )

    def _bucket(self, token: Token) -> Bucket:
        bucket = self._buckets.get(token.name)
        if bucket is None:
            rate = self.policy.calls_per_second
            bucket = self._buckets[token.name] = Bucket(
                rate, self._loop.time, None if rate is None else 2 * rate
            )
        return bucket

    # ------------------------------------------------------------ queries

    async def _query(self, method: Method, params: dict[str, Any], deadline: float | None) -> bytes:
        if self._queries >= self.policy.queries_in_flight:
            raise Failure("unavailable", f"{method.name}: the server is too busy", retry_after=0.5)
        self._queries += 1
        try:
            async with asyncio.timeout(self._patience(deadline)):
                return await self._asked(method.name, params)
        except TimeoutError:
            raise Failure(
                "deadline", f"{method.name}: the terminal did not answer in time"
            ) from None
        except Unsupported:
            raise Failure(
                "not_found", f"{method.name}: the terminal behind this server does not offer it"
            ) from None
        except (BrokerUnavailable, OutcomeUnknown) as error:
            raise self._unavailable(method.name, str(error)) from None
        finally:
            self._queries -= 1

    async def _asked(self, name: str, params: dict[str, Any]) -> bytes:
        backend = self.backend
        match name:
            case "get_full_tick":
                return _encoder.encode(await backend.ticks(params["code_list"]))
            case "get_instrument_detail":
                found = await backend.instrument(params["stock_code"], params["iscomplete"])
                return _encoder.encode(plain(found))
            case "get_market_data":
                return _encoder.encode(await backend.bars(**params))
            case "query_account_info":
                name = "query_account_infos"  # xtquant's other name for it
        if not backend.status.ready:
            raise self._unavailable(name)
        return _written(await backend.query(name, params))

    def _patience(self, deadline: float | None) -> float:
        """Seconds that a client waits for its answer."""
        if deadline is None:
            return self.policy.deadline
        return min(self.policy.deadline, max(0.0, deadline - self._now() / SECOND))

    def _unavailable(self, name: str, why: str = "") -> Failure:
        status = self.backend.status
        reason = why or status.reason or f"the link to the terminal is {status.state}"
        return Failure("unavailable", f"{name}: {reason}", retry_after=status.retry_after or 1.0)

    # ------------------------------------------------------------ cancels

    async def _cancel(self, method: Method, params: dict[str, Any]) -> bytes:
        if not self.backend.status.ready:
            raise self._unavailable(method.name)
        if method.background:
            self._seq += 1
            self._spawn(self._tell_cancel(method.name, params, self._seq))
            return b"%d" % self._seq
        response = await self._cancelled(method.name, params)
        if response.cancel_result != 0:
            raise refused(response.error_msg)
        return b"0"

    async def _cancelled(self, name: str, params: dict[str, Any]) -> XtCancelOrderResponse:
        try:
            return await self.backend.cancel(params)
        except NotSent as error:
            raise self._unavailable(name, str(error)) from None
        except QkaError as error:
            raise Failure(
                "unknown",
                f"{name}: {error}. The cancel may have been made: look at the order",
                "unknown",
            ) from None

    async def _tell_cancel(self, name: str, params: dict[str, Any], seq: int) -> None:
        try:
            response = msgspec.structs.replace(await self._cancelled(name, params), seq=seq)
        except Failure as failure:
            response = XtCancelOrderResponse(
                account_id=self.account_id, cancel_result=-1, error_msg=failure.detail, seq=seq
            )
        self.events.append("cancel_response", _encoder.encode(response))

    # ------------------------------------------------------------ orders, and transfers

    async def _order(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        key: str,
        deadline: float | None,
        note: _Note,
    ) -> bytes:
        remark = params.get("order_remark", "")
        if not key and (caller.via == "ws" or caller.token.engine):
            key = remark
        if key:
            keys.check_key(key)
            keys.check_remark(remark)
            note.key = key
            work = self._keyed(caller, method, params, key, deadline)
        else:
            work = self._unkeyed(caller, method, params, deadline)
        if deadline is None or caller.via == "ws":  # a WebSocket client is told by its session
            fate = await work
        else:
            fate = await self._waited(method.name, self._spawn(work), self._patience(deadline))
        note.order_id = fate.order_id or 0
        return fate.answer()

    def _refusal(self, caller: Caller, method: Method, deadline: float | None) -> Failure | None:
        """Why a new order does not go out now; None when it may."""
        name = method.name
        if self.stopping:
            return Failure("unavailable", f"{name}: the server is stopping", retry_after=5.0)
        lease = caller.lease
        if lease.lost if lease else caller.token.engine and self.leases.silent(caller.token.name):
            return Failure(
                "lease_lost",
                f"{name}: this engine was silent for too long and its lease ran out; it connects "
                "again, compares its orders with the account's, and goes on",
            )
        if deadline is not None and self._now() / SECOND > deadline:
            return Failure("deadline", f"{name}: its deadline has passed: it was not sent")
        if not self.backend.status.ready:
            return self._unavailable(name)
        wait = self._bucket(caller.token).take() or self._orders.take()
        return _rate("orders", wait) if wait else None

    def _before(self, deadline: float | None) -> float | None:
        """The deadline in the loop's time."""
        if deadline is None:
            return None
        return self._loop.time() + deadline - self._now() / SECOND

    async def _unkeyed(
        self, caller: Caller, method: Method, params: dict[str, Any], deadline: float | None
    ) -> Fate:
        """An order that nobody can ask for again: two of them are two orders."""
        refusal = self._refusal(caller, method, deadline)
        if refusal is not None:
            raise refusal
        if method.background:
            seq = self._seq = self._seq + 1
            self._spawn(self._told(method, params, deadline, seq, None))
            return Fate(method=method.name, data=b"%d" % seq)
        fate = await self._handed(method, params, deadline)
        if caller.lease is not None and fate.order_id:
            caller.lease.orders.add(fate.order_id)
        return fate

    async def _keyed(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        key: str,
        deadline: float | None,
    ) -> Fate:
        """An order that is one, however many ask: the first works it, the others wait for it."""
        kept = _encoder.encode(method.public(params))
        mark = keys.fingerprint(method.name, kept)
        run = self._running.get(key)
        if run is not None:
            if run.mark != mark:
                raise _key_reused(key)
            return await asyncio.shield(run.done)
        remark = params.get("order_remark", "") or keys.remark_for(key)
        row = Row(
            method=method.name,
            key=key,
            fingerprint=mark,
            params=kept,
            remark=remark,
            owner=caller.owner,
            begun=self._now(),
        )
        if "order_remark" in params:
            params = {**params, "order_remark": remark}
        done = self._loop.create_future()
        done.add_done_callback(_looked_at)  # perhaps nobody waits for it
        self._running[key] = _Run(mark, row, done)
        try:
            refusal = self._refusal(caller, method, deadline)
            row = await self._once(method, row, params, deadline, refusal)
        except BaseException as error:
            told = error if isinstance(error, Failure) else _stopped(method.name)
            done.set_exception(told)
            raise
        else:
            done.set_result(row)
            return row
        finally:
            del self._running[key]

    async def _once(
        self,
        method: Method,
        row: Row,
        params: dict[str, Any],
        deadline: float | None,
        refusal: Failure | None,
    ) -> Row:
        """The row of a key as it ends: what is known already, or what comes of it now."""
        seq = 0
        if method.background:
            seq = self._seq = self._seq + 1
            row = msgspec.structs.replace(row, data=b"%d" % seq)
        known = await self._begun(row, refusal)
        if known is not None:
            if known.fingerprint != row.fingerprint:
                raise _key_reused(row.key)
            return known if known.settled else await self.lookups.resolve(known)
        if seq:
            self._spawn(self._told(method, params, deadline, seq, row))
            return row
        return self._settled(row, await self._handed(method, params, deadline))

    async def _begun(self, row: Row, refusal: Failure | None) -> Row | None:
        """Write the key down; the row that had it before, if any. Raises Failure."""
        try:
            if refusal is None:
                return await self.outcomes.begin(row)
        except OSError as error:
            refusal = Failure("unavailable", f"{row.method}: {error}", retry_after=5.0)
        # whatever is wrong now: what was done under this key before is what counts
        try:
            known = await self.outcomes.get(row.key)
        except OSError as error:
            raise keys.unknown(
                row.method, f"the server can't read what it wrote ({error})"
            ) from None
        if known is None:
            raise refusal
        return known

    def _settled(self, row: Row, fate: Fate) -> Row:
        """The row with its fate, being written down."""
        row = row.became(fate)
        self.outcomes.settle(row)
        if row.state == "unknown":
            self.lookups.add(row)
        return row

    async def _handed(self, method: Method, params: dict[str, Any], deadline: float | None) -> Fate:
        """Hand it to the terminal, once; what came of it."""
        name = method.name
        try:
            if method.kind == "transfer":
                return _transferred(name, await self.backend.query(name, params))
            response = await self.backend.order(params, self._before(deadline))
        except NotSent as error:
            late = deadline is not None and self._now() / SECOND > deadline
            code = "deadline" if late else "unavailable"
            detail = f"{name}: {error}"
            return Fate(method=name, state="not_executed", code=code, detail=detail)
        except (QkaError, OSError) as error:
            return Fate(method=name, state="unknown", detail=str(error))
        except Exception as error:
            logger.exception("{}: {}", name, error)
            return Fate(method=name, state="unknown", detail="the server itself failed")
        number = response.order_id
        if number > 0:
            return Fate(method=name, state="executed", order_id=number, data=b"%d" % number)
        return Fate(method=name, state="refused", order_id=number, detail=response.error_msg)

    async def _told(
        self,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        seq: int,
        row: Row | None,
    ) -> None:
        """An order that was answered with a seq: what came of it is an event."""
        fate = await self._handed(method, params, deadline)
        if row is not None:
            self._settled(row, fate)
        who = {"account_id": self.account_id, "seq": seq, "order_remark": params["order_remark"]}
        event: Record
        if fate.state in ("executed", "refused"):
            event = XtOrderResponse(
                order_id=fate.order_id or -1,
                strategy_name=params["strategy_name"],
                error_msg=fate.detail,
                **who,
            )
            self.events.append("order_response", _encoder.encode(event))
        elif fate.state == "not_executed":
            event = XtOrderError(order_id=-1, error_msg=fate.detail, **who)
            self.events.append("order_error", _encoder.encode(event))
        # unknown: the terminal's own pushes, or a query, will tell

    async def _waited(self, name: str, task: "asyncio.Task[Fate]", seconds: float) -> Fate:
        """The result of work that goes on even when nobody waits for it any more."""
        await asyncio.wait((task,), timeout=seconds + self.policy.grace)
        if not task.done():
            raise overdue(name)
        return task.result()

    def _spawn(
        self, work: Coroutine[Any, Any, T], among: set[asyncio.Task[Any]] | None = None
    ) -> "asyncio.Task[T]":
        tasks = self._tasks if among is None else among
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(partial(self._ended, tasks))
        return task

    def _ended(self, tasks: set[asyncio.Task[Any]], task: "asyncio.Task[Any]") -> None:
        tasks.discard(task)
        self._settle_down()
        if not task.cancelled():
            error = task.exception()  # looking at it: whoever waits gets it too
            if error is not None and not isinstance(error, Failure):
                logger.error("a call ended badly: {!r}", error)

    def _settle_down(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # ------------------------------------------------------------ outcomes and leases

    async def _outcome(self, params: dict[str, Any]) -> bytes:
        return (await self.outcome(params["key"])).told()

    async def outcome(self, key: str) -> Row:
        """What is known of a key, looked up if need be. Raises Failure."""
        keys.check_key(key)
        run = self._running.get(key)
        if run is not None:
            return run.row
        try:
            row = await self.outcomes.get(key)
        except OSError as error:
            raise Failure("unavailable", str(error), retry_after=5.0) from None
        if row is None:
            raise Failure("never_seen", "no order came under this key: nothing was executed")
        return row if row.settled else await self.lookups.resolve(row)

    async def _release_lease(self, params: dict[str, Any]) -> bytes:
        return b"true" if self.leases.release(params["owner"]) else b"false"

    def _lapsed(self, lease: Lease) -> None:
        self.metrics.lapsed_leases.inc()
        logger.warning(
            "{} was silent for {:g} s: no more orders are taken from it; its working orders: {}",
            lease.owner,
            lease.seconds,
            lease.on_silence,
        )
        self._audit.note(
            Call(self._now(), lease.owner, "", "", "lease", "lapsed", detail=lease.on_silence)
        )
        if lease.on_silence == "cancel":
            self._spawn(self._cancel_working(lease), self._chores)
        else:
            self.leases.forget(lease.owner)

    async def _cancel_working(self, lease: Lease) -> None:
        """Cancel what a silent engine has working, unless it comes back first."""
        while True:
            under_way = [r.done for r in self._running.values() if r.row.owner == lease.owner]
            if under_way:
                await asyncio.wait(under_way)
            if self.leases.current(lease.owner) is not lease:
                return
            try:
                await self._cancel_orders(lease)
            except (QkaError, OSError) as error:
                logger.error("orders of {} could not be cancelled: {}", lease.owner, error)
                await asyncio.sleep(1.0)
                continue
            self.leases.forget(lease.owner)
            return

    async def _cancel_orders(self, lease: Lease) -> None:
        remarks = await self.outcomes.remarks_of(lease.owner, self._now() - _DAY)
        found = await self.backend.query("query_stock_orders", {"cancelable_only": True})
        for order in found or ():
            if self.leases.current(lease.owner) is not lease:
                return  # it is back, and sees to its orders itself
            if order.order_remark in remarks or order.order_id in lease.orders:
                response = await self.backend.cancel({"order_id": order.order_id})
                logger.warning(
                    "{}: order {} cancelled for it: {}",
                    lease.owner,
                    order.order_id,
                    response.error_msg or "sent",
                )


def _rate(what: str, wait: float) -> Failure:
    return Failure("rate", f"too many {what}: not sent", retry_after=wait)


def overdue(name: str) -> Failure:
    """Nobody has answered by the deadline; it is still being worked on."""
    return keys.unknown(name, "no answer by its deadline")


def _stopped(name: str) -> Failure:
    return keys.unknown(name, "the server stopped meanwhile")


def _looked_at(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()


def _key_reused(key: str) -> Failure:
    return Failure(
        "key_reused",
        f"the key {key!r} belongs to another order: this one was not sent; give it its own key",
    )


def _transferred(name: str, result: Any) -> Fate:
    """What the SDK says of a transfer: (done, words)."""
    done, words = result if isinstance(result, list | tuple) and len(result) == 2 else (result, "")
    if not done:
        return Fate(method=name, state="refused", detail=str(words))
    return Fate(method=name, state="executed", data=_encoder.encode([True, str(words)]))


def _written(value: Any) -> bytes:
    """An answer of the SDK's as JSON; NaN and infinity are null."""
    if isinstance(value, Record):
        return _encoder.encode(value)
    if isinstance(value, list) and all(isinstance(item, Record) for item in value):
        return _encoder.encode(value)
    return _encoder.encode(plain(value))


_encoder = msgspec.json.Encoder()
