"""Rows 8: orders and quotes through a QMTServer, against bare aiohttp doing next to nothing.

A side is a server and its client on one loop, and all sides take turns on one core. So what a
server does later (its audit, what it writes down) falls into its own slices and into nobody
else's. The terminal behind ours answers at once: the server is measured and not a broker. The
token is checked, rates are counted and the audit is written in all of it.

Where both ends share the core and nothing waits, the processor's time is the round trip's, and it
is counted instead of the clock's: what else runs on the machine then moves the ratio least.
"""

import asyncio
import json
import os
import sqlite3
import tempfile
from collections.abc import (
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from statistics import median
from time import get_clock_info, perf_counter, process_time
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from loguru import logger

from benchmarks.measure import Row, Timed, against, calibrate, timed
from benchmarks.world import symbols, tick
from qka.brokers.client import AsyncQMTClient, QMTClient
from qka.brokers.link import LinkStatus
from qka.brokers.records import XtAsset, XtCancelOrderResponse, XtOrder, XtOrderResponse
from qka.clock import wall_time
from qka.model.times import at
from qka.server.backend import OnState, Push, Tick
from qka.server.caller import Policy
from qka.server.outcomes import Row as Outcome
from qka.server.server import Server

ORDER: dict[str, Any] = {
    "stock_code": "600000.SH",
    "order_type": 23,
    "order_volume": 100,
    "price_type": 11,
    "price": 10.0,  # within the cage of every tick
    "strategy_name": "double_moving_average_10_60_main",
    "order_remark": "",  # of a WebSocket's order it would be the key
}
BODY = json.dumps(ORDER).encode()  # about 250 bytes with its method, number and key around it
REPLY = b'{"success":true,"data":1000001}'
TOKEN = "a-token-for-measuring-and-nothing-else"
HEADERS = {"X-Token": TOKEN, "Content-Type": "application/json"}
FAST = Policy(orders_per_second=1e9, calls_per_second=1e9)  # counted, and never too many
MARKET = symbols(5_400)
WATCHED = MARKET[:5_400:27]  # 200 of them
AT_ONCE = 64  # orders under way, pipelined
GOAL = 3_000  # of them a second, at least

# Windows counts the processor's time in steps of 16 ms, which are too long
BUSY = process_time if get_clock_info("process_time").resolution < 1e-5 else perf_counter

ECHO = "floor: aiohttp's echo"
AIM = "floor: the goal"
ALONE = "floor: one commit of SQLite's, alone"
PICKED = "floor: picked, encoded in one go, sent"

Body = Callable[[int], Coroutine[Any, Any, None]]
Clock = Callable[[], float]
Against = Callable[..., Row]


# ------------------------------------------------------------------ sides


class Side:
    """A loop with a server and its client on it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.session: aiohttp.ClientSession

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def timed(self, body: Body, clock: Clock = perf_counter) -> Timed:
        """What runs on the loop, as something that can be repeated and timed."""

        def run(times: int) -> float:
            begin = clock()
            self._runner.run(body(times))
            return clock() - begin

        return run

    async def _open(self) -> None:
        self.session = await self._stack.enter_async_context(aiohttp.ClientSession())
        await self.open(self._stack)

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the server and connect."""
        raise NotImplementedError

    def posting(self, url: str, headers: Callable[[], Mapping[str, str]], clock: Clock) -> Timed:
        """POST an order and read the answer, one after another."""

        async def body(times: int) -> None:
            post = self.session.post
            for _ in range(times):
                async with post(url, data=BODY, headers=headers()) as answer:
                    told = await answer.read()
            if not told.startswith(b'{"success":true'):
                raise AssertionError(told)

        return self.timed(body, clock)


class Bare(Side):
    """aiohttp alone: it reads what came and answers with what was made beforehand."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Start it."""
        app = web.Application()
        app.router.add_post("/api/{method}", self._post)
        app.router.add_get("/ws", self._ws)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.quotes = msgspec.json.Encoder()
        self.pushed: web.WebSocketResponse | None = None
        self.socket = await stack.enter_async_context(self.session.ws_connect(self.url + "/ws"))

    async def _post(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=REPLY, content_type="application/json")

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = self.pushed = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    def post(self, clock: Clock = perf_counter) -> Timed:
        """An order by POST."""
        return self.posting(self.url + "/api/order_stock", lambda: HEADERS, clock)

    def say(self, clock: Clock = perf_counter) -> Timed:
        """A frame of the same size, said and echoed."""
        return self.timed(talk(self.socket, frames("")), clock)

    def say_many(self, clock: Clock = perf_counter) -> Timed:
        """The same, many under way."""
        return self.timed(talk_many(self.socket, frames("")), clock)

    def push(self, ticks: Mapping[str, Tick], names: Sequence[str]) -> Timed:
        """The ticks somebody wants, picked, encoded in one go and sent."""

        async def body(times: int) -> None:
            assert self.pushed is not None
            for _ in range(times):
                mine = {symbol: ticks[symbol] for symbol in names}
                frame = self.quotes.encode({"op": "quotes", "data": mine})
                await self.pushed.send_frame(frame, WSMsgType.TEXT)
                await self.socket.receive()

        return self.timed(body)


class Ours(Side):
    """A QMTServer over a terminal that answers at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._numbers = count()

    async def open(self, stack: AsyncExitStack) -> None:
        """Start it."""
        self.backend = Instant()
        self.server = Server(
            self.backend, data_dir=self._folder, port=0, token=TOKEN, policy=FAST, patience=1.0
        )
        await stack.enter_async_context(self.server)
        self.url = self.server.url
        assert self.server.service is not None
        while self.server.service.events.pending:  # noqa: ASYNC110  # that the link is up
            await asyncio.sleep(0.001)
        self.socket = await stack.enter_async_context(
            self.session.ws_connect(self.url + "/ws", headers=HEADERS, max_msg_size=0)
        )
        await self.socket.send_str('{"op":"hello","protocol":1}')
        await self.socket.receive()
        self.client = AsyncQMTClient(self.url, TOKEN)
        await stack.enter_async_context(self.client)
        await self.client.open()
        self.patient = stack.enter_context(QMTClient(self.url, TOKEN))

    def key(self) -> str:
        """A new one."""
        return f"k{next(self._numbers):015}"

    def post(self, clock: Clock = perf_counter, *, durable: bool = False) -> Timed:
        """An order by POST."""

        def headers() -> dict[str, str]:
            return {**HEADERS, "Idempotency-Key": self.key()} if durable else HEADERS

        return self.posting(self.url + "/api/order_stock", headers, clock)

    def say(self, clock: Clock = perf_counter, *, durable: bool = False) -> Timed:
        """An order by WebSocket."""
        return self.timed(talk(self.socket, frames(self.key if durable else "")), clock)

    def say_many(self, clock: Clock = perf_counter, *, durable: bool = False) -> Timed:
        """Many of them under way."""
        return self.timed(talk_many(self.socket, frames(self.key if durable else "")), clock)

    def begin(self) -> Timed:
        """Only what has to be on the disk before an order may go out."""

        async def body(times: int) -> None:
            assert self.server.service is not None
            begin = self.server.service.outcomes.begin
            rows = [
                Outcome(
                    method="order_stock",
                    key=self.key(),
                    fingerprint=b"0123456789abcdef",
                    params=BODY,
                    remark="",
                    owner="default/",
                    begun=number,
                )
                for number in range(times)
            ]
            for row in rows:
                await begin(row)

        return self.timed(body)

    def api(self) -> Timed:
        """An order through AsyncQMTClient, by POST; it always has a key."""

        async def body(times: int) -> None:
            api = self.client.api
            for _ in range(times):
                result = await api("order_stock", **ORDER)
            if not result.success:
                raise AssertionError(result)

        return self.timed(body)

    def send(self) -> Timed:
        """An order through AsyncQMTClient, by WebSocket, without a key."""

        async def body(times: int) -> None:
            send = self.client.send
            for _ in range(times):
                reply = await send("order_stock", ORDER)
            if not reply.success:
                raise AssertionError(reply)

        return self.timed(body)

    def blocking(self, method: str, params: Mapping[str, Any]) -> Timed:
        """A call through QMTClient, which has a thread of its own; an order always has a key."""

        def work(times: int) -> None:
            for _ in range(times):
                self.patient.api(method, **params)

        async def body(times: int) -> None:
            await asyncio.to_thread(work, times)

        return self.timed(body)

    def push(self, ticks: Mapping[str, Tick], names: Iterable[str]) -> Timed:
        """The whole market pushed by the terminal, until the client has its part."""

        async def subscribe() -> None:
            await self.ask({"op": "unsubscribe", "id": 1, "symbols": [*MARKET, "SH", "SZ"]})
            await self.ask({"op": "subscribe", "id": 2, "symbols": list(names)})

        async def body(times: int) -> None:
            for _ in range(times):
                self.backend.push("quotes", ticks)
                self.heard = (await self.socket.receive()).data

        self._runner.run(subscribe())
        return self.timed(body)

    async def ask(self, frame: Mapping[str, Any]) -> None:
        """Say something and wait for its reply."""
        await self.socket.send_str(msgspec.json.encode(frame).decode())
        while b'"op":"reply"' not in (await self.socket.receive()).data.encode()[:32]:
            pass


class Instant:
    """A terminal that answers at once."""

    account = ("demo", "STOCK")
    simulated = False
    speed = 1.0
    status = LinkStatus("ready")

    def __init__(self) -> None:
        self._numbers = count(1_000_001)
        self._ahead = at(date(2026, 1, 5), "10:00") - wall_time()

    async def open(self, push: Push, state: OnState) -> None:
        """Be there."""
        self.push = push
        state(self.status)

    async def close(self) -> None:
        """Nothing."""

    async def order(
        self, params: Mapping[str, Any], before: float | None, mark: object = None
    ) -> XtOrderResponse:
        """Take it."""
        return XtOrderResponse(order_id=next(self._numbers))

    def recall(self, marks: Collection[object], why: str) -> list[object]:
        """None: all were taken."""
        return []

    async def cancel(self, params: Mapping[str, Any]) -> XtCancelOrderResponse:
        """Take it."""
        return XtCancelOrderResponse()

    async def query(self, method: str, params: Mapping[str, Any]) -> Any:
        """Always the same account."""
        return XtAsset(account_id="demo", cash=1e6, total_asset=1e6)

    async def find(self, remark: str) -> list[XtOrder]:
        """None."""
        return []

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Nothing: the benchmark pushes."""

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Nothing."""

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The same of all."""
        return {symbol: tick(0) for symbol in symbols}

    async def instrument(self, symbol: str, complete: bool) -> dict[str, Any] | None:
        """Of its day."""
        limits = {"UpStopPrice": 11.0, "DownStopPrice": 9.0, "PreClose": 10.0}
        return {"InstrumentName": "浦发银行", "TradingDay": "20260105", **limits}

    async def bars(
        self, symbol: str, period: str, count: int, end: int | None
    ) -> list[list[float]]:
        """None."""
        return []

    def now(self) -> int:
        """A morning in which orders are taken, whenever this runs."""
        return wall_time() + self._ahead


# ------------------------------------------------------------------ what is said


def frames(key: str | Callable[[], str]) -> Iterator[str]:
    """Orders as frames, numbered."""
    order = BODY.decode()
    for number in count(1):
        mine = key if isinstance(key, str) else key()
        keyed = f'"key": "{mine}", ' if mine else ""
        yield f'{{"op": "call", "id": {number}, "method": "order_stock", {keyed}"params": {order}}}'


def talk(socket: aiohttp.ClientWebSocketResponse, said: Iterator[str]) -> Body:
    """Say one, hear its answer, say the next."""

    async def body(times: int) -> None:
        for _ in range(times):
            await socket.send_str(next(said))
            heard = await socket.receive()
        check(heard)

    return body


def talk_many(socket: aiohttp.ClientWebSocketResponse, said: Iterator[str]) -> Body:
    """Say the next when an answer comes, so that many are under way; a batch a repetition."""

    async def body(times: int) -> None:
        for _ in range(AT_ONCE):
            await socket.send_str(next(said))
        for _ in range((times - 1) * AT_ONCE):
            await socket.receive()
            await socket.send_str(next(said))
        for _ in range(AT_ONCE):
            heard = await socket.receive()
        check(heard)

    return body


def check(heard: aiohttp.WSMessage) -> None:
    """The last answer is one: the order said again, or a yes."""
    if not any(word in str(heard.data) for word in ('"op": "call"', '"success":true')):
        raise AssertionError(heard)


# ------------------------------------------------------------------ the disk


class Disk:
    """SQLite alone: a row of the same size, on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for words in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {words}")
        self._connection.execute("CREATE TABLE t (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")
        self._keys = count()

    def commit(self) -> None:
        """Write one."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        execute("INSERT INTO t VALUES (?, ?)", (f"k{next(self._keys):015}", BODY))
        execute("COMMIT")

    def close(self) -> None:
        """Let go."""
        self._connection.close()


def apart(what: str, without: Timed, durable: Timed, floor: Timed) -> Row:
    """What durability adds to an order, against the commit it can't do without."""
    sides = [(run, calibrate(run, 0.05)) for run in (without, durable, floor)]
    taken = [[run(times) / times for run, times in sides] for _ in range(15)]
    added = [(keyed - plain, commit) for plain, keyed, commit in taken]
    ours, low = (median(side) * 1e6 for side in zip(*added, strict=True))
    return Row(what, ours, "us", low, median(a / b for a, b in added), note=ALONE)


# ------------------------------------------------------------------ the rows


@contextmanager
def one_core() -> Iterator[None]:
    """Server and client on the same core, where the system lets us choose."""
    choose = getattr(os, "sched_setaffinity", None)
    if choose is None:
        yield
        return
    mine = os.sched_getaffinity(0)
    choose(0, {max(mine)})
    try:
        yield
    finally:
        choose(0, mine)


def server(quick: bool) -> list[Row]:
    """Orders by POST and WebSocket, with a key and without; the whole market pushed."""
    rounds = 7 if quick else 25

    def row(what: str, floor: Timed, mine: Timed, target: float | None = None, **more: Any) -> Row:
        most = rounds if target is None else max(31, rounds)  # a verdict wants more of them
        options = {"rounds": most, "seconds": 0.05, "unit": "us", **more}
        return against(what, floor, mine, target, **options)

    logger.disable("qka")
    try:
        with tempfile.TemporaryDirectory() as folder, one_core(), ExitStack() as stack:
            bare = stack.enter_context(Bare())
            ours = stack.enter_context(Ours(Path(folder) / "server"))
            disk = Disk(Path(folder) / "floor.db")
            stack.callback(disk.close)
            return [  # first what uses the socket: a server cuts one off that is silent for long
                *by_websocket(bare, ours, timed(disk.commit), row),
                *pushes(bare, ours, row),
                *by_post(bare, ours, timed(disk.commit), row),
            ]
    finally:
        logger.enable("qka")


def by_websocket(bare: Bare, ours: Ours, commit: Timed, row: Against) -> list[Row]:
    """Orders by WebSocket, one after another and many at a time."""
    plain, keyed = ours.say(), ours.say(durable=True)
    rows = [
        row("order by WebSocket", bare.say(BUSY), ours.say(BUSY), 1.3, note=ECHO),
        row("order by WebSocket, with a key", bare.say(), keyed, note=f"{ECHO}, no disk"),
        apart("  what the key adds", plain, keyed, commit),
        row("order by AsyncQMTClient.send", plain, ours.send(), note="floor: raw WebSocket"),
    ]
    for keys, clock, durable in (("", BUSY, False), (", with keys", perf_counter, True)):
        what = f"orders/s, {AT_ONCE} under way{keys}"
        echo, mine = bare.say_many(clock), ours.say_many(clock, durable=durable)
        many = row(what, echo, mine, per=AT_ONCE)
        rate, echoes = 1e6 / many.ours, 1e6 / (many.floor or 1.0)
        rows.append(Row(what, rate, "1/s", echoes, rate / echoes, note=f"{ECHO}, no disk"))
        if not durable:
            goal = rate / GOAL
            rows.append(Row(what, rate, "1/s", GOAL, goal, 1.0, at_least=True, note=AIM))
    return rows


def pushes(bare: Bare, ours: Ours, row: Against) -> list[Row]:
    """A snapshot of the whole market to one who wants 200 symbols, and to one who wants all."""
    market = {symbol: tick(i) for i, symbol in enumerate(MARKET)}
    some, what = ours.push(market, WATCHED), "5,400 quotes pushed to one who wants"
    rows = [row(f"{what} 200", bare.push(market, WATCHED), some, note=PICKED)]
    some(1)
    told = ours.heard.encode()
    if set(msgspec.json.decode(told)["data"]) != set(WATCHED):
        raise AssertionError("not what was asked for")
    least = len(msgspec.json.encode({"op": "quotes", "data": {s: market[s] for s in WATCHED}}))
    rows.append(Row("  bytes sent", len(told), "B", least, len(told) / least, 1.05))
    all_of_it = ours.push(market, ["SH", "SZ"])
    rows.append(row(f"{what} all", bare.push(market, MARKET), all_of_it, unit="ms", note=PICKED))
    return rows


def by_post(bare: Bare, ours: Ours, commit: Timed, row: Against) -> list[Row]:
    """Orders by POST; what durability costs is shown apart."""
    plain, keyed = ours.post(), ours.post(durable=True)
    asset = ours.blocking("query_stock_asset", {})
    return [
        row("order by POST", bare.post(BUSY), ours.post(BUSY), 1.3, note="floor: aiohttp"),
        row("order by POST, with a key", bare.post(), keyed, note="floor: aiohttp, no disk"),
        apart("  what the key adds", plain, keyed, commit),
        row("  of it the commit before the order", commit, ours.begin(), note=ALONE),
        row("order by AsyncQMTClient.api, with a key", keyed, ours.api(), note="floor: raw POST"),
        row("order by QMTClient.api, with a key", keyed, ours.blocking("order_stock", ORDER)),
        row("query by QMTClient.api", bare.post(), asset, note="floor: aiohttp, one thread"),
    ]
