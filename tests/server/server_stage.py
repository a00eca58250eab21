"""A server on a loopback port, a client without manners, and a back end that does as it is told."""

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import msgspec
from qmt import eventually
from served import ACCOUNT, a_terminal

from qka.brokers.link import LinkStatus
from qka.brokers.records import XtCancelOrderResponse, XtOrder, XtOrderResponse
from qka.errors import NotSent
from qka.model.times import day_of
from qka.server.caller import Policy
from qka.server.methods import METHODS
from qka.server.server import Limits, Server
from qka.server.simulated import SimulatedBackend
from qka.server.tokens import add

ORDER = {
    "stock_code": "600000.SH",
    "order_type": 23,
    "order_volume": 100,
    "price_type": 11,
    "price": 9.9,  # rests: the market is at 10.00
}
# arguments that a method accepts
ARGUMENTS: dict[str, dict[str, Any]] = {
    "order_stock": ORDER,
    "order_stock_async": ORDER,
    "cancel_order_stock": {"order_id": 1},
    "cancel_order_stock_async": {"order_id": 1},
    "cancel_order_stock_sysid": {"market": 0, "sysid": "1"},
    "cancel_order_stock_sysid_async": {"market": "SH", "sysid": "1"},
    "query_stock_order": {"order_id": 1},
    "query_stock_position": {"stock_code": "600000.SH"},
    "get_full_tick": {"code_list": ["600000.SH"]},
    "get_instrument_detail": {"stock_code": "600000.SH"},
    "get_market_data": {"symbol": "600000.SH"},
    "get_divid_factors": {"stock_code": "600000.SH"},
    "fund_transfer": {"transfer_direction": 1, "price": 1.0},
    "secu_transfer": {
        "transfer_direction": 1, "stock_code": "SH600000", "volume": 100, "transfer_type": 1,
    },
    "bank_transfer_in": {"bank_no": "1", "bank_account": "2", "balance": 1.0, "bank_pwd": "s3cret"},
    "bank_transfer_out": {"bank_no": "1", "bank_account": "2", "balance": 1.0},
    "query_bank_amount": {"bank_no": "1", "bank_account": "2", "bank_pwd": "s3cret"},
    "query_bank_transfer_stream": {"start_date": "20260105", "end_date": "20260105"},
    "outcome": {"key": "a"},
    "release_lease": {"owner": "a"},
}  # fmt: skip


class ScriptedBackend:
    """Takes every order at once, unless a test says otherwise.

    `gate`: what calls of a kind wait for. `fail`: what the next call of a kind raises, or what it
    returns. `busy`: orders wait in `line` until `go`. Orders that were handed over are in `orders`,
    whatever was said about them.
    """

    def __init__(self, account=ACCOUNT):
        self.account = (account, "STOCK")
        self.simulated = False
        self.speed = 1.0
        self.status = LinkStatus("ready")
        self.orders = []  # params of those handed over
        self.cancels = []
        self.queries = []
        self.gate = {}  # "order", "cancel" or a query's name -> Event
        self.busy = False
        self.line = {}  # mark of an order whose turn has not come -> its turn
        self.fail = {}  # the same -> exception, or the answer
        self.found = None  # what `find` gives instead of the orders
        self.answers = {}  # query -> what it gives
        self.subscribed = set()
        self.ticks_now = {}
        self._numbers = count(1)

    async def open(self, push, state):
        self.push, self.state = push, state
        state(self.status)

    async def close(self):
        self.closed = True

    def become(self, state, reason="", retry_after=0.0, account_status=0):
        self.status = LinkStatus(state, reason, retry_after, account_status=account_status)
        self.state(self.status)

    async def _enter(self, name):
        gate = self.gate.get(name)
        if gate is not None:
            await gate.wait()
        planned = self.fail.pop(name, None)
        if isinstance(planned, BaseException):
            raise planned
        return planned

    async def order(self, params, before, mark=None):
        if self.busy:
            turn = self.line[mark] = asyncio.get_running_loop().create_future()
            await turn
        self.orders.append(dict(params))
        number = next(self._numbers)
        planned = await self._enter("order")
        return planned or XtOrderResponse(order_id=number, order_remark=params["order_remark"])

    def go(self):
        """Whoever waits in line has a turn now."""
        self.busy = False
        while self.line:
            self.line.popitem()[1].set_result(None)

    def recall(self, marks, why):
        taken = [mark for mark in marks if mark in self.line]
        for mark in taken:
            self.line.pop(mark).set_exception(NotSent(why))
        return taken

    async def cancel(self, params):
        self.cancels.append(dict(params))
        return await self._enter("cancel") or XtCancelOrderResponse(order_id=1)

    async def query(self, method, params):
        self.queries.append((method, dict(params)))
        await self._enter(method)
        return self.answers.get(method)

    async def find(self, remark):
        await self._enter("find")
        if self.found is not None:
            return [o for o in self.found if o.order_remark == remark]
        return [
            self.listed(number, params)
            for number, params in enumerate(self.orders, 1)
            if params["order_remark"] == remark
        ]

    def listed(self, number, params):
        kept = ("stock_code", "order_type", "order_volume", "price", "order_remark")
        return XtOrder(order_id=number, order_status=50, **{n: params[n] for n in kept})

    async def subscribe(self, symbols):
        await self._enter("subscribe")
        self.subscribed |= set(symbols)

    async def unsubscribe(self, symbols):
        self.subscribed -= set(symbols)

    async def ticks(self, symbols):
        await self._enter("ticks")
        wanted = set(symbols)
        return {s: t for s, t in self.ticks_now.items() if s in wanted or s[-2:] in wanted}

    async def instrument(self, symbol, complete):
        day = day_of(self.now()).strftime("%Y%m%d")
        unset = 1.7976931348623157e308  # no limits are known
        return {"InstrumentID": symbol[:6], "TradingDay": day, "UpStopPrice": unset}

    async def bars(self, symbol, period, count, end):
        return []

    async def factors(self, symbol, start, end):
        return {"20260106": {"time": 1767628800000.0, "interest": 0.25, "dr": float("nan")}}

    def now(self):
        return 1_767_578_400_000_000_000


class Stage:
    """A running server and a client of it."""

    def __init__(self, server, session):
        self.server = server
        self.session = session
        self.token = server.token

    @property
    def url(self):
        return self.server.url

    @property
    def service(self):
        return self.server.service

    @property
    def backend(self):
        return self.server.backend

    async def send(self, verb, path, *, token="", headers=None, **options):
        """(status, body) of a request; the server's own token unless told, None for none."""
        headers = dict(headers or {})
        if token is not None:
            headers["X-Token"] = token or self.token
        async with self.session.request(
            verb, self.url + path, headers=headers, **options
        ) as answer:
            text = await answer.text()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text

    async def call(self, method, headers=None, token="", **params):
        """(status, body) of a method."""
        return await self.send("POST", f"/api/{method}", token=token, headers=headers, json=params)

    async def order(self, key="", token="", **changes):
        """(status, body) of an order."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.call("order_stock", headers, token, **{**ORDER, **changes})

    async def outcome(self, key):
        return (await self.send("GET", f"/outcome/{key}"))[1]["data"]

    @asynccontextmanager
    async def ws(self, *, token="", **hello):
        """A WebSocket after its hello."""
        headers = {} if token is None else {"X-Token": token or self.token}
        async with self.session.ws_connect(
            self.url + "/ws", headers=headers, max_msg_size=0
        ) as socket:
            yield await Ws(socket).hello(**hello)

    def audit(self):
        """The lines of the audit."""
        files = sorted(self.server.data_dir.glob("audit-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


class Ws:
    """A client of the WebSocket. `greeting` is the server's answer to hello, or its error."""

    def __init__(self, socket):
        self.socket = socket
        self.events = []
        self.quotes = []
        self.replies = {}
        self.ids = count(1)

    async def hello(self, **fields):
        await self.say(op="hello", protocol=1, **fields)
        self.greeting = await self.frame()
        return self

    async def say(self, **frame):
        await self.socket.send_str(json.dumps(frame))

    async def frame(self):
        """The next frame, None when the server has closed."""
        async with asyncio.timeout(10):
            message = await self.socket.receive()
        return json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else None

    async def read(self):
        """The next frame, put where it belongs; its op."""
        frame = await self.frame()
        if frame is None:
            return None
        match frame["op"]:
            case "event":
                self.events.append(frame)
            case "quotes":
                self.quotes.append(frame["data"])
            case "reply":
                self.replies[frame["id"]] = frame
            case _:
                self.last = frame
        return frame["op"]

    async def reply(self, number):
        while number not in self.replies:
            assert await self.read() is not None, "the server closed the connection"
        return self.replies.pop(number)

    async def ask(self, op, **fields):
        """Say something and wait for its reply."""
        number = next(self.ids)
        await self.say(op=op, id=number, **fields)
        return await self.reply(number)

    async def call(self, method, key=None, deadline=None, **params):
        more = {"key": key} if key else {}
        if deadline is not None:
            more["deadline"] = deadline
        return await self.ask("call", method=method, params=params, **more)

    async def order(self, remark, **changes):
        return await self.call("order_stock", **{**ORDER, "order_remark": remark, **changes})

    async def heard(self, how_many):
        """The first so many events."""
        while len(self.events) < how_many:
            assert await self.read() is not None, "the server closed the connection"
        return self.events[:how_many]

    async def ending(self):
        """The last frame of any kind before the server closes."""
        self.last = None
        while await self.read() is not None:
            pass
        return self.last

    @property
    def resume(self):
        """Where it is."""
        seq = self.events[-1]["seq"] if self.events else self.greeting["seq"]
        return {"epoch": self.greeting["epoch"], "seq": seq}


@asynccontextmanager
async def running(folder, backend=None, *, policy=None, limits=None, **options):
    """A server over a scripted back end (or another), and a client of it."""
    server = Server(
        backend or ScriptedBackend(),
        data_dir=folder,
        port=options.pop("port", 0),
        policy=Policy(**(policy or {})),
        limits=Limits(**(limits or {})),
        **options,
    )
    async with server, aiohttp.ClientSession() as session:
        await eventually(lambda: server.backend.status.ready and not server.service.events.pending)
        yield Stage(server, session)


@asynccontextmanager
async def simulated(folder, *, deadline=0.5, terminal=None, **options):
    """A server over a simulated terminal; `stage.terminal` is it."""
    with terminal or a_terminal() as there:
        backend = SimulatedBackend(there, ACCOUNT, deadline=deadline, retry=0.02)
        async with running(folder, backend, **options) as stage:
            stage.terminal = there
            yield stage


def with_scopes(stage, *scopes, engine=False, name="other"):
    """Another token with these scopes only."""
    token = add(stage.server.data_dir, name, scopes, engine=engine)
    stage.server.check()
    return token


def routes():
    """Every route and method there is: (verb, path, body)."""
    for name in METHODS:
        yield "POST", f"/api/{name}", ARGUMENTS.get(name, {})
    for path in ("/outcome/a", "/metrics", "/openapi.json", "/ws"):
        yield "GET", path, None


def plain(record):
    return msgspec.structs.asdict(record)
