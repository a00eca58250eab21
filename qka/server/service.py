"""The calls of all clients: who may what, and one way to the terminal and back.

Both transports come through `call`, so a rule that holds on one holds on the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from itertools import count
from typing import Any

import msgspec
from loguru import logger
from msgspec.structs import asdict

from qka.brokers.link import LinkStatus
from qka.brokers.records import Record, XtAccountStatus, plain
from qka.clock import wall_time
from qka.errors import BrokerUnavailable, OutcomeUnknown, QkaError
from qka.model.times import day_of
from qka.server import outcomes as keys
from qka.server.audit import Audit, Call
from qka.server.backend import Backend, Unsupported
from qka.server.caller import Caller, Policy
from qka.server.cancels import Cancels
from qka.server.events import EventLog
from qka.server.failure import Failure, too_many, unavailable
from qka.server.leases import Lease, Leases
from qka.server.limits import Buckets
from qka.server.lookups import Lookups
from qka.server.methods import METHODS, Method, Scope
from qka.server.metrics import Metrics
from qka.server.orders import Orders, Request, patience
from qka.server.outcomes import Fate, Outcomes, Row
from qka.server.quotes import Quotes
from qka.server.rules import Rules
from qka.server.silence import fell_silent
from qka.server.store import Store
from qka.server.tasks import Tasks

_LATE = 1e11  # a deadline beyond this is not in seconds


class Service:
    """One account's calls and pushes. Everything public is called on the loop."""

    def __init__(
        self,
        backend: Backend,
        store: Store,
        audit: Audit,
        policy: Policy,
        trades: Callable[[date], bool],
        *,
        keep_keys: int,  # ns
        keep_events: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.backend = backend
        self.policy = policy
        self.metrics = Metrics()
        self.account_id, self.account_type = backend.account
        self.account_status: int | None = None  # xt's code; None: not heard of yet
        self.outcomes = Outcomes(store, wall_time, keep=keep_keys)
        self.lookups = Lookups(backend, self.outcomes, wall_time, loop.time)
        self.leases = Leases(store, loop.time, self._lapsed)
        self.quotes = Quotes(backend, loop.time)
        self.events = EventLog(store, wall_time, self._numbered, keep=keep_events)
        self.listeners: list[Any] = []  # sessions: heard(seq, frame)
        self._store = store
        self._audit = audit
        self._loop = loop
        self._now = wall_time
        self._tasks = Tasks(self._settle_down)  # somebody's calls
        self._chores = Tasks()  # the server's own work
        self._pruned = date.min  # the day on which old outcomes were forgotten last
        self._link = ("", "")  # how the link stood, and why
        self._in_flight = 0
        self._idle: asyncio.Future[None] | None = None  # of `drain`
        self._queries = 0
        self._calls = Buckets(policy.calls_per_second)
        self._rules = Rules(
            backend.now, backend.instrument, self.quotes.keep, self._chores.start, trades
        )
        seqs = count(1)
        self._cancels = Cancels(backend, self.events, self._tasks, seqs)
        self.orders = Orders(
            backend,
            self.outcomes,
            self.lookups,
            self.events,
            self.leases,
            policy,
            self._calls,
            self._tasks,
            self._rules,
            seqs,
        )
        self._barred = _barred(policy)
        self._local = {"outcome": self._outcome, "release_lease": self._release_lease}

    @property
    def stopping(self) -> bool:
        """No new orders are taken."""
        return self.orders.stopping

    # ------------------------------------------------------------ life

    async def open(self) -> None:
        """Take up what the last run left, then begin to connect to the terminal."""
        await self.events.open()
        await self.leases.open()
        for row in await self.outcomes.unsettled():
            self.lookups.add(row)
        await self.backend.open(self.push, self.state_changed)

    async def drain(self, patience: float) -> None:
        """Take no more orders; wait for what is under way, so many seconds at most."""
        self.orders.stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._in_flight or self._tasks:
                    self._idle = self._loop.create_future()
                    await self._idle

    async def close(self) -> None:
        """Let go of the terminal. What is still under way ends unknown, and is on disk as such."""
        self.orders.stopping = True
        await self.backend.close()
        await self._tasks.end(1.0)
        await self._chores.end(0.0)

    def check(self) -> None:
        """What has to be looked at every second or so."""
        self.leases.check()
        self.lookups.check()
        if (today := day_of(self._now())) != self._pruned:
            self._pruned = today
            self.outcomes.prune()

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
            self._rules.push(record)
            self.quotes.push(record)
            return
        if isinstance(record, XtAccountStatus):
            self.account_status = record.status
        elif kind == "order_response":
            self.lookups.answered(record)
        self.events.append(kind, _encoder.encode(record))

    def state_changed(self, status: LinkStatus) -> None:
        """The link to the terminal changed."""
        was, self._link = self._link, (status.state, status.reason)
        login = self.account_status
        if status.ready:
            self.account_status = status.account_status
        if was == self._link and login == self.account_status:
            return
        told = {
            "state": status.state,
            "reason": status.reason,
            "retry_after": status.retry_after,
            "account_status": self.account_status,
        }
        self.events.append("link", _encoder.encode(told))
        if status.ready and was != self._link:
            # pushes may have been missed: clients compare their orders with the account's
            self.events.append("resync", b"{}")
            self.lookups.hurry()
            self.lookups.check()
            self._chores.start(self._subscribe_again())

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
        method = METHODS.get(name)
        via, token, what = caller.via, caller.token.name, method.name if method else name[:64]
        note = Call(0, token, caller.ip, via, what, "done", 0.0, caller.client, key)
        try:
            answer = await self._answer(caller, method, body, deadline, note)
            if isinstance(answer, bytes):
                return answer
            note.order_id = answer.order_id or 0
            return answer.answer()
        except Failure as error:
            note.failed(error)
            raise
        except asyncio.CancelledError:  # the server stops
            note.outcome, note.executed = "stopped", "unknown"
            raise
        except Exception as error:
            logger.exception("{}: {}", name, error)
            harmless = method is not None and method.kind in ("query", "local")
            failure = Failure(
                "failed",
                f"{name}: the server itself failed; its log says more",
                "not_executed" if harmless else "unknown",
            )
            note.failed(failure)
            raise failure from None
        finally:
            self._in_flight -= 1
            if self._idle is not None:
                self._settle_down()
            note.at = self._now()
            seconds = note.seconds = self._loop.time() - started
            self.metrics.called(what if method else "unknown", via, note.outcome, seconds)
            self._audit.note(note)

    def note(self, caller: Caller, what: str, outcome: str) -> None:
        """Write something down that is no call: a client came, a client went."""
        call = Call(self._now(), caller.token.name, caller.ip, caller.via, what, outcome)
        call.client = caller.client
        self._audit.note(call)

    def _answer(
        self,
        caller: Caller,
        method: Method | None,
        body: bytes | msgspec.Raw,
        deadline: float | None,
        note: Call,
    ) -> Awaitable[bytes | Fate]:
        """What answers a call, or becomes of an order, once it is awaited. Raises Failure."""
        if method is None:
            raise Failure("not_found", f"{note.what!r} is no method of this server")
        scope, kind = method.scope, method.kind
        if scope in self._barred or scope not in caller.token.scopes:
            raise self._forbidden(caller, method)
        if kind in ("query", "local"):
            wait = self._calls[caller.token.name].take(self._loop.time())
            if wait:
                raise too_many("calls", wait)
        given = method.read(body, self.account_id)
        params = asdict(given)
        if kind != "cancel" and deadline is not None and not 0 < deadline < _LATE:
            raise Failure("invalid", "the deadline is no time in Unix seconds, as 1767600000.5")
        if kind == "order" or kind == "transfer":
            note.params = method.public(given) if method.secret else given
            return self.orders.place(Request(caller, method, params, deadline), note)
        if kind == "cancel":
            note.params = given
            return self._cancels.cancel(method, params)
        if kind == "recall":
            note.params = given
            return self.orders.recall(caller, params)
        if kind == "query":
            return self._query(method, params, deadline)
        return self._local[method.name](params)

    def _forbidden(self, caller: Caller, method: Method) -> Failure:
        if method.scope in caller.token.scopes:
            return Failure("forbidden", f"{method.name}: {self._barred[method.scope]}")
        return Failure(
            "forbidden",
            f"{method.name} needs the scope {method.scope!r}, and the token "
            f"{caller.token.name!r} has only {', '.join(caller.token.scopes)}",
        )

    # ------------------------------------------------------------ queries

    async def _query(self, method: Method, params: dict[str, Any], deadline: float | None) -> bytes:
        if self._queries >= self.policy.queries_in_flight:
            raise Failure("unavailable", f"{method.name}: the server is too busy", retry_after=0.5)
        self._queries += 1
        try:
            async with asyncio.timeout(patience(self.policy, deadline, self._now())):
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
            raise unavailable(self.backend.status, method.name, str(error)) from None
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
            case "get_divid_factors":
                return _encoder.encode(plain(await backend.factors(*params.values())))
            case "query_account_info":
                name = "query_account_infos"  # xtquant's other name for it
        if not backend.status.ready:
            raise unavailable(self.backend.status, name)
        return _written(await backend.query(name, params))

    def _settle_down(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    # ------------------------------------------------------------ outcomes and leases

    async def _outcome(self, params: dict[str, Any]) -> bytes:
        return (await self.outcome(params["key"])).told()

    async def outcome(self, key: str) -> Row:
        """What is known of a key, looked up if need be. Raises Failure."""
        keys.check_key(key)
        row = self.orders.under_way(key)
        if row is not None:
            return row
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
        self._chores.start(
            fell_silent(lease, self.leases, self.orders, self.outcomes, self.backend)
        )


def _barred(policy: Policy) -> dict[Scope, str]:
    """The scopes that are of no use here, and why."""
    barred: dict[Scope, str] = {}
    if not policy.transfers:
        barred["transfer"] = "this server moves no money or shares between accounts"
    if policy.read_only:
        barred["trade"] = barred["transfer"] = "this server is read-only"
    return barred


def _written(value: Any) -> bytes:
    """An answer of the SDK's as JSON; NaN and infinity are null."""
    if isinstance(value, Record):
        return _encoder.encode(value)
    if isinstance(value, list) and all(isinstance(item, Record) for item in value):
        return _encoder.encode(value)
    return _encoder.encode(plain(value))


_encoder = msgspec.json.Encoder()
