"""Orders and transfers: refused, or handed to the terminal; with a key, once for ever.

What was not handed on yet can be taken back.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any

import msgspec
from loguru import logger

from qka.brokers.records import (
    Record,
    XtOrderError,
    XtOrderResponse,
)
from qka.clock import wall_time
from qka.errors import NotSent, QkaError
from qka.model.times import SECOND, day_of
from qka.server import outcomes as keys
from qka.server.audit import Call
from qka.server.backend import Backend
from qka.server.caller import Caller, Policy
from qka.server.events import EventLog
from qka.server.failure import Failure, too_many, unavailable
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


class Request(msgspec.Struct, frozen=True):
    """An order or a transfer, as somebody asks for it."""

    caller: Caller
    method: Method
    params: dict[str, Any]
    deadline: float | None  # Unix seconds, after which it is not to be handed on


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
    """What is placed at the broker. `stopping`: no new orders.

    `seqs`: the numbers that `_async` methods answer with.
    """

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
        seqs: Iterator[int],
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
        self._seqs = seqs
        self._loop = asyncio.get_running_loop()
        self._now = wall_time
        self._rate = Bucket(policy.orders_per_second)
        self._running: dict[str, _Run] = {}  # key -> the call under way
        self._ways = Ways(backend)
        self._held: dict[str, asyncio.Future[None]] = {}  # symbol -> the last held is through

    def under_way(self, key: str) -> Row | None:
        """The row of a key that is being worked on now."""
        run = self._running.get(key)
        return None if run is None else run.row

    async def settled(self, owner: str) -> None:
        """Wait until nothing with a key of that owner is under way."""
        runs = [run.done for run in self._running.values() if run.row.owner == owner]
        if runs:
            await asyncio.wait(runs)

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

    def place(self, request: Request, note: Call) -> Awaitable[Fate]:
        """What becomes of an order, or a transfer, once this is awaited. Raises Failure."""
        caller, key = request.caller, note.key
        remark = request.params.get("order_remark", "")
        if not key and (caller.via == "ws" or caller.token.engine):
            key = note.key = remark
        work: Coroutine[Any, Any, Fate]
        if key:
            keys.check_key(key)
            keys.check_remark(remark)
            work = self._keyed(request, _encoder.encode(note.params), key)
        else:  # nobody can ask for it again: two of them are two orders
            refusal = self._refusal(request)
            if isinstance(refusal, _Unjudged):
                work = self._sent_later(request)
            elif refusal is not None:
                raise refusal
            else:
                work = self._sent(request, self._ways.begin("", caller.owner))
        if request.deadline is None or caller.via == "ws":  # its session tells a WebSocket client
            return work
        name, wait = request.method.name, patience(self._policy, request.deadline, self._now())
        return self._waited(name, self._tasks.start(work), wait)

    def _refusal(self, request: Request, *, waited: bool = False) -> Failure | None:
        """Why a new order does not go out now; None when it may. `waited`: it was held back."""
        name, token, lease = request.method.name, request.caller.token, request.caller.lease
        params = request.params
        if self.stopping:
            return Failure("unavailable", f"{name}: the server is stopping", retry_after=5.0)
        if lease.lost if lease else token.engine and self._leases.silent(token.name):
            return Failure(
                "lease_lost",
                f"{name}: this engine was silent for too long and its lease ran out; it connects "
                "again, compares its orders with the account's, and goes on",
            )
        if self._is_late(request):
            return Failure("deadline", f"{name}: its deadline has passed: it was not sent")
        if not self._backend.status.ready:
            return unavailable(self._backend.status, name)
        if request.method.kind == "order":
            denial = self._rules.denial(params)
            if denial is not None:
                told = _Unjudged if denial.code == UNJUDGED else Failure
                return told("denied", f"{name}: {denial.code}: {denial.reason}")
            if self._held and params["stock_code"] in self._held and not waited:
                return _Unjudged("denied", f"{name}: an order before it waits")
        now = self._loop.time()
        wait = self._calls[token.name].take(now) or self._rate.take(now)
        return too_many("orders", wait) if wait else None

    def _is_late(self, request: Request) -> bool:
        return request.deadline is not None and self._now() / SECOND > request.deadline

    async def _held_back(self, request: Request, way: Way) -> Failure | None:
        """The refusal, if any, once the terminal has told of the order's symbol.

        Orders that come meanwhile wait their turn behind it. One that is recalled waits no longer.
        """
        symbol = request.params["stock_code"]
        before = self._held.get(symbol)
        through = self._held[symbol] = self._loop.create_future()
        try:
            if before is not None:
                await way.wait(before)
            if not way.recalled:
                await way.wait(self._rules.learn(symbol))
            if way.recalled:
                return None  # it goes no further than to where that is written down
            return self._refusal(request, waited=True)
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

    async def _sent_later(self, request: Request) -> Fate:
        """An order without a key that is held back first. Raises Failure."""
        way = self._ways.begin("", request.caller.owner)
        try:
            refusal = await self._held_back(request, way)
            if refusal is not None:
                raise refusal
            return await self._sent(request, way)
        finally:
            self._ways.end(way)

    def _sent(self, request: Request, way: Way) -> Coroutine[Any, Any, Fate]:
        """An order without a key, on its way."""
        if request.method.background:
            return self._taken_on(request, way)
        work, lease = self._handed(request, way), request.caller.lease
        return work if lease is None else self._leased(lease, work)

    async def _leased(self, lease: Lease, work: Awaitable[Fate]) -> Fate:
        """An order without a key, remembered for the time when its engine falls silent."""
        fate = await work
        if fate.order_id:
            lease.note(fate.order_id, day_of(self._backend.now()))
        return fate

    async def _taken_on(self, request: Request, way: Way) -> Fate:
        """An order without a key that is answered with its seq."""
        seq = next(self._seqs)
        self._tasks.start(self._told(request, self._ways.onward(way), seq, None))
        self._ways.end(way)
        return Fate(request.method.name, data=b"%d" % seq)

    async def _keyed(self, request: Request, kept: bytes, key: str) -> Fate:
        """An order that is one, however many ask: the first works it, the others wait for it.

        `kept`: its params as they are written down, JSON.
        """
        name, owner, params = request.method.name, request.caller.owner, request.params
        mark = keys.fingerprint(name, kept)
        run = self._running.get(key)
        if run is not None:
            if run.mark != mark:
                raise _key_reused(key)
            return await asyncio.shield(run.done)
        remark = params.get("order_remark", "") or keys.remark_for(key)
        row = Row(
            method=name,
            key=key,
            fingerprint=mark,
            params=kept,
            remark=remark,
            owner=owner,
            begun=self._now(),
        )
        if "order_remark" in params:
            params = {**params, "order_remark": remark}
            request = msgspec.structs.replace(request, params=params)
        done = self._loop.create_future()
        done.add_done_callback(_looked_at)  # perhaps nobody waits for it
        self._running[key] = _Run(mark, row, done)
        way = self._ways.begin(key, owner)
        try:
            refusal = self._refusal(request)
            if isinstance(refusal, _Unjudged):
                refusal = await self._held_back(request, way)
            row = await self._once(request, row, way, refusal)
        except BaseException as error:
            told = error if isinstance(error, Failure) else _stopped(name)
            done.set_exception(told)
            raise
        else:
            done.set_result(row)
            return row
        finally:
            del self._running[key]
            self._ways.end(way)

    async def _once(self, request: Request, row: Row, way: Way, refusal: Failure | None) -> Row:
        """The row of a key as it ends: what is known already, or what comes of it now."""
        seq = 0
        if request.method.background:
            seq = next(self._seqs)
            row = msgspec.structs.replace(row, data=b"%d" % seq)
        known = await self._begun(row, refusal)
        if known is not None:
            self._ways.end(way)  # it was another call's
            if known.fingerprint not in (row.fingerprint, keys.NEVER_CAME):
                raise _key_reused(row.key)
            return known if known.settled else await self._lookups.resolve(known)
        if seq:
            self._tasks.start(self._told(request, self._ways.onward(way), seq, row))
            return row
        return self._settled(row, await self._handed(request, way))

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

    async def _handed(self, request: Request, way: Way) -> Fate:
        """Hand it to the terminal, once, unless it was recalled; what came of it."""
        name, params, deadline = request.method.name, request.params, request.deadline
        try:
            if way.recalled:
                return _recalled(name, way)
            way.handed = True
            if request.method.kind == "transfer":
                return _transferred(name, await self._backend.query(name, params))
            before = None  # in the loop's time
            if deadline is not None:
                before = self._loop.time() + deadline - self._now() / SECOND
            response = await self._backend.order(params, before, way)
        except NotSent as error:
            if way.recalled:
                return _recalled(name, way)
            code = "deadline" if self._is_late(request) else "unavailable"
            return Fate(name, "not_executed", code=code, detail=f"{name}: {error}")
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

    async def _told(self, request: Request, way: Way, seq: int, row: Row | None) -> None:
        """An order that was answered with a seq: what came of it is an event."""
        params, fate = request.params, await self._handed(request, way)
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
