"""A QMTServer whose link does what a test tells it to: for faults that a good server never shows.

It takes orders once a key, numbers its events and resumes, over both transports. `faults` is a
queue of what happens to the next orders: see `Fault`.
"""

import asyncio
import enum
import json
import threading
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import WSMsgType, web

TOKEN = "a-good-token"


class Fault(enum.Enum):
    """What goes wrong with an order."""

    LOST_BEFORE = enum.auto()  # the link breaks, the order was never read
    LOST_AFTER = enum.auto()  # the order is taken, the link breaks before the reply
    HALF_REPLY = enum.auto()  # the order is taken, the link breaks within the reply
    UNKNOWN = enum.auto()  # the server does not know what became of it
    NOT_READY = enum.auto()  # 503: the terminal is away


class ScriptedServer:
    def __init__(self, account: str = "demo") -> None:
        self.account = account
        self.token = TOKEN
        self.epoch = "e1"
        self.events: list[dict[str, Any]] = []  # frames
        self.first_seq = 1  # the oldest event that can still be resumed
        self.faults: deque[Fault] = deque()
        self.answers: dict[str, Any] = {}  # method -> data, or a function of its params
        self.failures: dict[str, deque[dict[str, Any]]] = {}  # method -> failures that come first
        self.orders: list[dict[str, Any]] = []  # params of every order taken
        self.taken: dict[str, int] = {}  # key -> order id
        self.fates: dict[str, dict[str, Any]] = {}  # key -> what `outcome` says instead
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []  # verb, path, body, headers
        self.frames: list[dict[str, Any]] = []  # what came by WebSocket
        self.sockets: list[web.WebSocketResponse] = []
        self.silent = False  # takes WebSocket calls and says nothing
        self.hello: dict[str, Any] = {}  # overrides
        self.refuse_hello: dict[str, Any] | None = None
        self.behind_hello: dict[str, Any] = {}  # an event that comes in the same packet
        self.ssl: Any = None
        self.url = ""
        self._port = 0
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/{method}", self._post)
        app.router.add_get("/outcome/{key}", self._get_outcome)
        app.router.add_get("/ws", self._ws)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self.ssl)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"{'https' if self.ssl else 'http'}://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        self.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    def drop(self) -> None:
        """Break every WebSocket without a word."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    # ------------------------------------------------------------ what it says by itself

    async def push(self, kind: str, data: dict[str, Any], *, twice: bool = False) -> None:
        frame = {"op": "event", "seq": len(self.events) + 1, "kind": kind, "data": data}
        self.events.append(frame)
        await self.say(frame)
        if twice:
            await self.say(frame)

    async def say(self, frame: dict[str, Any] | str) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        for socket in self.sockets:
            await socket.send_str(text)

    # ------------------------------------------------------------ HTTP

    async def _post(self, request: web.Request) -> web.StreamResponse:
        raw = await request.text()
        params = json.loads(raw)
        method = request.match_info["method"]
        self.requests.append(("POST", method, params, dict(request.headers)))
        if request.headers.get("X-Token") != self.token:
            return self._failure(401, "unauthorized", "无效的Token")
        if method not in ("order_stock",):
            status, body = self._plain(method, params)
            return web.json_response(body, status=status)
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.LOST_BEFORE:
            return self._abort(request)
        if fault is Fault.NOT_READY:
            return self._failure(503, "unavailable", "the terminal is away", retry_after=0.01)
        if fault is Fault.UNKNOWN:
            return self._failure(504, "unknown", "the terminal did not answer", "unknown")
        body = self._order(params, request.headers.get("Idempotency-Key", ""))
        if fault is Fault.LOST_AFTER:
            return self._abort(request)
        if fault is Fault.HALF_REPLY:
            half = web.StreamResponse(headers={"Content-Length": "1000"})
            await half.prepare(request)
            await half.write(b'{"success": tr')
            return self._abort(request)
        return web.json_response(body)

    async def _get_outcome(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        self.requests.append(("GET", "outcome", key, dict(request.headers)))
        status, body = self._plain("outcome", {"key": key})
        return web.json_response(body, status=status)

    def _plain(self, method: str, params: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        waiting = self.failures.get(method)
        if waiting:
            failure = waiting.popleft()
            return failure.pop("status", 500), {"success": False, **failure}
        if method == "outcome":
            key = params["key"]
            if key in self.fates:
                return 200, {"success": True, "data": {"key": key, **self.fates[key]}}
            if key in self.taken:
                data = {"key": key, "state": "executed", "order_id": self.taken[key]}
                return 200, {"success": True, "data": data}
            detail = f"{key} was never seen"
            return 404, {"success": False, "code": "never_seen", "detail": detail}
        if method not in self.answers:
            words = {"success": False, "code": "not_found", "detail": f"there is no {method}"}
            return 404, words
        found = self.answers[method]
        return 200, {"success": True, "data": found(params) if callable(found) else found}

    def _order(self, params: dict[str, Any], key: str) -> dict[str, Any]:
        if "order_stock" in self.answers:
            return self.answers["order_stock"](params)
        if key not in self.taken or not key:
            self.orders.append(params)
            self.taken[key] = 1000 + len(self.orders)
        return {"success": True, "data": self.taken[key]}

    @staticmethod
    def _failure(
        status: int, code: str, detail: str, outcome: str = "not_executed", **more: Any
    ) -> web.Response:
        told = {"success": False, "code": code, "detail": detail, "outcome": outcome, **more}
        return web.json_response(told, status=status)

    @staticmethod
    def _abort(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    # ------------------------------------------------------------ WebSocket

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-Token") != self.token:
            return self._failure(401, "unauthorized", "无效的Token")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        greeting = json.loads((await socket.receive()).data)
        self.frames.append(greeting)
        if self.refuse_hello is not None:
            await socket.send_json({"op": "error", **self.refuse_hello})
            await socket.close()
            return socket
        resume = greeting.get("resume")
        can = bool(resume) and resume["epoch"] == self.epoch and resume["seq"] >= self.first_seq - 1
        hello = {
            "op": "hello", "protocol": 1, "account": self.account, "account_type": "STOCK",
            "server": "s1", "epoch": self.epoch, "seq": len(self.events), "resumed": can,
            "expired": bool(resume) and not can, "link": {"state": "ready", "reason": ""},
            "now": 1_767_576_600_000_000_000, "speed": 1.0, "simulated": False,
            "scopes": ["read", "trade"], "time": time.time(), **self.hello,
        }  # fmt: skip
        if self.behind_hello:
            event = {"op": "event", "seq": len(self.events) + 1, **self.behind_hello}
            request.transport.write(_framed(hello) + _framed(event))
        else:
            await socket.send_json(hello)
        if can:
            for event in self.events[resume["seq"] :]:
                await socket.send_json(event)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._frame(request, socket, json.loads(message.data))
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def _frame(
        self, request: web.Request, socket: web.WebSocketResponse, frame: dict[str, Any]
    ) -> None:
        fault = None
        if frame.get("method") == "order_stock" and self.faults:
            fault = self.faults.popleft()
        if fault is Fault.LOST_BEFORE:
            self._abort(request)
            return
        self.frames.append(frame)
        if self.silent:
            return
        if fault is Fault.NOT_READY:
            body: dict[str, Any] = {
                "success": False, "code": "unavailable", "detail": "the terminal is away",
                "outcome": "not_executed",
            }  # fmt: skip
        elif fault is Fault.UNKNOWN:
            body = {
                "success": False,
                "code": "unknown",
                "detail": "no answer",
                "outcome": "unknown",
            }
        elif frame["op"] != "call":
            body = {"success": True, "data": None}
        elif frame["method"] == "order_stock":
            body = self._order(frame["params"], frame.get("key", ""))
        else:
            _, body = self._plain(frame["method"], frame["params"])
        if fault is Fault.LOST_AFTER:
            self._abort(request)
            return
        text = json.dumps({"op": "reply", "id": frame["id"], **body})
        if fault is Fault.HALF_REPLY:
            await socket.send_str(text[: len(text) // 2])
            return
        await socket.send_str(text)


def _framed(frame: dict[str, Any]) -> bytes:
    """A text frame of a server's, as bytes."""
    data = json.dumps(frame).encode()
    return b"\x81\x7e" + len(data).to_bytes(2) + data


@asynccontextmanager
async def scripted(**attributes: Any):
    """On the test's own loop."""
    server = ScriptedServer()
    for name, value in attributes.items():
        setattr(server, name, value)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def scripted_thread(**attributes: Any):
    """On a thread of its own, for clients that block."""
    with looping() as run:
        server = ScriptedServer()
        for name, value in attributes.items():
            setattr(server, name, value)
        run(server.start())
        server.run = run
        try:
            yield server
        finally:
            run(server.stop())


@contextmanager
def looping():
    """A loop on a thread: call what this yields with a coroutine and get its result."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        yield run
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def eventually(condition, within: float = 10.0):
    """Wait until the condition holds and return what it gave."""
    async with asyncio.timeout(within):
        while not (found := condition()):  # noqa: ASYNC110  # a condition has no event
            await asyncio.sleep(0.005)
        return found
