"""Orders, transfers and cancels: refused, or handed to the terminal; with a key, once for ever.

What was not handed on yet can be taken back.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import msgspec
from loguru import logger

from qka.brokers.records import (
    Record,
    XtCancelOrderResponse,
    XtOrderError,
    XtOrderResponse,
)
from qka.clock import wall_time
from qka.errors import NotSent, QkaError
from qka.model.times import SECOND
from qka.server import outcomes as keys
from qka.server.audit import Call
from qka.server.backend import Backend
from qka.server.caller import Caller, Policy
from qka.server.events import EventLog
from qka.server.failure import Failure, refused, too_many, unavailable
from qka.server.leases import Lease, Leases
from qka.server.limits import Bucket, Buckets
from qka.server.lookups import Lookups
from qka.server.methods import Method
from qka.server.outcomes import Fate, Outcomes, Row
from qka.server.rules import UNJUDGED, Rules
from qka.server.tasks import Tasks
from qka.server.ways import Way, Ways

_encoder = msgspec.json.Encoder()
_RECALLED = "it was recalled before its turn came"


class _Unjudged(Failure):
    """A denial that is weighed again once the terminal has told of the order's symbol."""


class _Run:
    """A call with a key that is being worked on; `done` gets its row, or what it failed with."""

    __slots__ = ("done", "mark", "row")

    def __init__(self, mark: bytes, row: Row, done: "asyncio.Future[Row]") -> None:
        self.mark = mark
        self.row = row
        self.done = done


class Orders:
    """What changes something at the broker. `stopping`: no new orders; cancels go on."""

    def __init__(
        self,
        backend: Backend,
        outcomes: Outcomes,
        lookups: Lookups,
        events: EventLog,
        leases: Leases,
        policy: Policy,
        buckets: Buckets,
        tasks: Tasks,
        rules: Rules,
    ) -> None:
        self.stopping = False
        self._backend = backend
        self._outcomes = outcomes
        self._lookups = lookups
        self._events = events
        self._leases = leases
        self._policy = policy
        self._calls = buckets
        self._tasks = tasks
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._now = wall_time
        self._rate = Bucket(policy.orders_per_second)
        self._running: dict[str, _Run] = {}  # key -> the call under way
        self._ways = Ways(backend)
        self._held: dict[str, asyncio.Future[None]] = {}  # symbol -> the last held is through
        self._seq = 0  # of the _async methods

    def under_way(self, key: str) -> Row | None:
        """The row of a key that is being worked on now."""
        run = self._running.get(key)
        return None if run is None else run.row

    async def settled(self, owner: str) -> None:
        """Wait until nothing with a key of that owner is under way."""
        runs = [run.done for run in self._running.values() if run.row.owner == owner]
        if runs:
            await asyncio.wait(runs)

    # ------------------------------------------------------------ cancels

    async def cancel(self, method: Method, params: dict[str, Any]) -> bytes:
        """Ask for a cancel: never too late, never too many, no lease needed. Raises Failure."""
        if not self._backend.status.ready:
            raise unavailable(self._backend.status, method.name)
        if method.background:
            self._seq += 1
            self._tasks.start(self._tell_cancel(method.name, params, self._seq))
            return b"%d" % self._seq
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

    async def _tell_cancel(self, name: str, params: dict[str, Any], seq: int) -> None:
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

    # ------------------------------------------------------------ what has not left yet

    async def recall(self, caller: Caller, params: dict[str, Any]) -> bytes:
        """Take back what the terminal was not handed yet: by keys, or all of the caller's.

        Those never get there, nor do orders that come under one of the keys later. Answers with
        the keys of which that is certain, and on the disk. Raises Failure.
        """
        named, why = params["keys"], params["why"].strip() or _RECALLED
        for key in named or ():
            keys.check_key(key)
        ways = self._ways.of(caller.owner) if named is None else self._ways.named(named)
        taken = await self._ways.recall(ways, why)
        asked = [way.key for way in taken if way.key] if named is None else named
        # what another memory may have sent is not for this one to call unsent
        unseen = params["epoch"] in ("", self._events.epoch)
        now = self._now()
        rows = [keys.recalled(key, caller.owner, now, why) for key in asked]
        try:
            return _encoder.encode(await self._outcomes.recall(rows, unseen=unseen))
        except OSError as error:
            raise Failure("unavailable", f"recall: {error}", retry_after=5.0) from None

    async def take_back(self, owner: str, why: str) -> None:
        """All of an owner's that the terminal was not handed yet never get there."""
        await self._ways.recall(self._ways.of(owner), why)

    # ------------------------------------------------------------ orders, and transfers

    def place(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        note: Call,
    ) -> Awaitable[Fate]:
        """What becomes of an order, or a transfer, once this is awaited. Raises Failure."""
        key = note.key
        if not key and (caller.via == "ws" or caller.token.engine):
            key = note.key = params.get("order_remark", "")
        work: Coroutine[Any, Any, Fate]
        if key:
            keys.check_key(key)
            keys.check_remark(params.get("order_remark", ""))
            kept = _encoder.encode(note.params)
            work = self._keyed(caller, method, params, kept, key, deadline)
        else:  # nobody can ask for it again: two of them are two orders
            refusal = self._refusal(caller, method, params, deadline)
            if isinstance(refusal, _Unjudged):
                work = self._sent_later(caller, method, params, deadline)
            elif refusal is not None:
                raise refusal
            else:
                way = self._ways.begin("", caller.owner)
                work = self._sent(caller, method, params, deadline, way)
        if deadline is None or caller.via == "ws":  # a WebSocket client is told by its session
            return work
        return self._waited(method.name, self._tasks.start(work), self._patience(deadline))

    def _refusal(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        *,
        waited: bool = False,
    ) -> Failure | None:
        """Why a new order does not go out now; None when it may. `waited`: it was held back."""
        name, token, lease = method.name, caller.token, caller.lease
        if self.stopping:
            return Failure("unavailable", f"{name}: the server is stopping", retry_after=5.0)
        if lease.lost if lease else token.engine and self._leases.silent(token.name):
            return Failure(
                "lease_lost",
                f"{name}: this engine was silent for too long and its lease ran out; it connects "
                "again, compares its orders with the account's, and goes on",
            )
        if deadline is not None and self._now() / SECOND > deadline:
            return Failure("deadline", f"{name}: its deadline has passed: it was not sent")
        if not self._backend.status.ready:
            return unavailable(self._backend.status, name)
        if method.kind == "order":
            denial = self._rules.denial(params)
            if denial is not None:
                told = _Unjudged if denial.code == UNJUDGED else Failure
                return told("denied", f"{name}: {denial.code}: {denial.reason}")
            if self._held and params["stock_code"] in self._held and not waited:
                return _Unjudged("denied", f"{name}: an order before it waits")
        now = self._loop.time()
        wait = self._calls[token.name].take(now) or self._rate.take(now)
        return too_many("orders", wait) if wait else None

    def _before(self, deadline: float) -> float:
        """The deadline in the loop's time."""
        return self._loop.time() + deadline - self._now() / SECOND

    async def _held_back(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        way: Way,
    ) -> Failure | None:
        """The refusal, if any, once the terminal has told of the order's symbol.

        Orders that come meanwhile wait their turn behind it. One that is recalled waits no longer.
        """
        symbol = params["stock_code"]
        before = self._held.get(symbol)
        through = self._held[symbol] = self._loop.create_future()
        try:
            if before is not None:
                await way.wait(before)
            if not way.recalled:
                await way.wait(self._rules.learn(symbol))
            if way.recalled:
                return None  # it goes no further than to where that is written down
            return self._refusal(caller, method, params, deadline, waited=True)
        finally:
            if before is None or before.done():
                self._let_through(symbol, through)
            else:  # those behind it still have one before them
                before.add_done_callback(lambda _: self._let_through(symbol, through))

    def _let_through(self, symbol: str, through: "asyncio.Future[None]") -> None:
        through.set_result(None)
        # where the one behind was given up before us nothing is there any more
        if self._held.get(symbol) is through:
            del self._held[symbol]

    async def _sent_later(
        self, caller: Caller, method: Method, params: dict[str, Any], deadline: float | None
    ) -> Fate:
        """An order without a key that is held back first. Raises Failure."""
        way = self._ways.begin("", caller.owner)
        try:
            refusal = await self._held_back(caller, method, params, deadline, way)
            if refusal is not None:
                raise refusal
            return await self._sent(caller, method, params, deadline, way)
        finally:
            self._ways.end(way)

    def _sent(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        way: Way,
    ) -> Coroutine[Any, Any, Fate]:
        """An order without a key, on its way."""
        if method.background:
            return self._taken_on(method, params, deadline, way)
        work = self._handed(method, params, deadline, way)
        return work if caller.lease is None else _leased(caller.lease, work)

    async def _taken_on(
        self, method: Method, params: dict[str, Any], deadline: float | None, way: Way
    ) -> Fate:
        """An order without a key that is answered with its seq."""
        seq = self._seq = self._seq + 1
        rest = self._ways.onward(way)
        self._tasks.start(self._told(method, params, deadline, rest, seq, None))
        self._ways.end(way)
        return Fate(method.name, data=b"%d" % seq)

    async def _keyed(
        self,
        caller: Caller,
        method: Method,
        params: dict[str, Any],
        kept: bytes,
        key: str,
        deadline: float | None,
    ) -> Fate:
        """An order that is one, however many ask: the first works it, the others wait for it."""
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
        way = self._ways.begin(key, caller.owner)
        try:
            refusal = self._refusal(caller, method, params, deadline)
            if isinstance(refusal, _Unjudged):
                refusal = await self._held_back(caller, method, params, deadline, way)
            row = await self._once(method, row, params, deadline, way, refusal)
        except BaseException as error:
            told = error if isinstance(error, Failure) else _stopped(method.name)
            done.set_exception(told)
            raise
        else:
            done.set_result(row)
            return row
        finally:
            del self._running[key]
            self._ways.end(way)

    async def _once(
        self,
        method: Method,
        row: Row,
        params: dict[str, Any],
        deadline: float | None,
        way: Way,
        refusal: Failure | None,
    ) -> Row:
        """The row of a key as it ends: what is known already, or what comes of it now."""
        seq = 0
        if method.background:
            seq = self._seq = self._seq + 1
            row = msgspec.structs.replace(row, data=b"%d" % seq)
        known = await self._begun(row, refusal)
        if known is not None:
            self._ways.end(way)  # it was another call's
            if known.fingerprint not in (row.fingerprint, keys.NEVER_CAME):
                raise _key_reused(row.key)
            return known if known.settled else await self._lookups.resolve(known)
        if seq:
            rest = self._ways.onward(way)
            self._tasks.start(self._told(method, params, deadline, rest, seq, row))
            return row
        return self._settled(row, await self._handed(method, params, deadline, way))

    async def _begun(self, row: Row, refusal: Failure | None) -> Row | None:
        """Write the key down; the row that had it before, if any. Raises Failure."""
        try:
            if refusal is None:
                return await self._outcomes.begin(row)
        except OSError as error:
            refusal = Failure("unavailable", f"{row.method}: {error}", retry_after=5.0)
        # whatever is wrong now: what was done under this key before is what counts
        try:
            known = await self._outcomes.get(row.key)
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
        self._outcomes.settle(row)
        if row.state == "unknown":
            self._lookups.add(row)
        return row

    async def _handed(
        self, method: Method, params: dict[str, Any], deadline: float | None, way: Way
    ) -> Fate:
        """Hand it to the terminal, once, unless it was recalled; what came of it."""
        name = method.name
        try:
            if way.recalled:
                return _recalled(name, way)
            way.handed = True
            if method.kind == "transfer":
                return _transferred(name, await self._backend.query(name, params))
            before = None if deadline is None else self._before(deadline)
            response = await self._backend.order(params, before, way)
        except NotSent as error:
            if way.recalled:
                return _recalled(name, way)
            late = deadline is not None and self._now() / SECOND > deadline
            code = "deadline" if late else "unavailable"
            detail = f"{name}: {error}"
            return Fate(name, "not_executed", code=code, detail=detail)
        except (QkaError, OSError) as error:
            return Fate(name, "unknown", detail=str(error))
        except Exception as error:
            logger.exception("{}: {}", name, error)
            return Fate(name, "unknown", detail="the server itself failed")
        finally:
            self._ways.end(way)
        number = response.order_id
        if number > 0:
            return Fate(name, "executed", number, data=b"%d" % number)
        return Fate(name, "refused", number, detail=response.error_msg)

    async def _told(
        self,
        method: Method,
        params: dict[str, Any],
        deadline: float | None,
        way: Way,
        seq: int,
        row: Row | None,
    ) -> None:
        """An order that was answered with a seq: what came of it is an event."""
        fate = await self._handed(method, params, deadline, way)
        if row is not None:
            self._settled(row, fate)
        who = {
            "account_id": self._backend.account[0],
            "seq": seq,
            "order_remark": params["order_remark"],
        }
        event: Record
        if fate.state in ("executed", "refused"):
            event = XtOrderResponse(
                order_id=fate.order_id or -1,
                strategy_name=params["strategy_name"],
                error_msg=fate.detail,
                **who,
            )
            self._events.append("order_response", _encoder.encode(event))
        elif fate.state == "not_executed":
            event = XtOrderError(order_id=-1, error_msg=fate.detail, **who)
            self._events.append("order_error", _encoder.encode(event))
        # unknown: the terminal's own pushes, or a query, will tell

    async def _waited(self, name: str, task: "asyncio.Task[Fate]", seconds: float) -> Fate:
        """The result of work that goes on even when nobody waits for it any more."""
        await asyncio.wait((task,), timeout=seconds + self._policy.grace)
        if not task.done():
            raise overdue(name)
        return task.result()

    def _patience(self, deadline: float | None) -> float:
        return patience(self._policy, deadline, self._now())


async def _leased(lease: Lease, work: Awaitable[Fate]) -> Fate:
    """An order without a key, remembered for the day its engine falls silent."""
    fate = await work
    if fate.order_id:
        lease.orders.add(fate.order_id)
    return fate


def patience(policy: Policy, deadline: float | None, now: int) -> float:
    """Seconds that a client waits for its answer; `now` in ns."""
    if deadline is None:
        return policy.deadline
    return min(policy.deadline, max(0.0, deadline - now / SECOND))


def overdue(name: str) -> Failure:
    """Nobody has answered by the deadline; it is still being worked on."""
    return keys.unknown(name, "no answer by its deadline")


def _stopped(name: str) -> Failure:
    return keys.unknown(name, "the server stopped meanwhile")


def _recalled(name: str, way: Way) -> Fate:
    return Fate(name, "not_executed", code="recalled", detail=way.recalled)


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
        return Fate(name, "refused", detail=str(words))
    return Fate(name, "executed", data=_encoder.encode([True, str(words)]))
