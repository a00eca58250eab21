"""The WebSocket: hello, calls, numbered events, resume, quotes, and clients that misbehave."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
import pytest
from builders import a_quote, moment
from qmt import eventually
from server_stage import ORDER, ScriptedBackend, running, simulated, with_scopes

from qka.brokers.records import XtOrder, XtOrderResponse
from qka.errors import BrokerUnavailable, NotSent
from qka.model.times import SECOND


def push(stage, *numbers):
    """The terminal pushes orders with these numbers."""
    for number in numbers:
        stage.backend.push("order", XtOrder(order_id=number))


def pushed(events):
    return [event["data"]["order_id"] for event in events if event["kind"] == "order"]


# ------------------------------------------------------------ hello


async def test_hello_says_whose_server_it_is_and_where_its_events_are(tmp_path):
    async with running(tmp_path) as stage, stage.ws(client="engine", account="demo") as engine:
        told = engine.greeting
        assert told["op"] == "hello"
        assert (told["protocol"], told["account"], told["account_type"]) == (1, "demo", "STOCK")
        assert (told["resumed"], told["expired"]) == (False, False)
        assert told["seq"] == 2  # link, resync
        assert told["link"]["state"] == "ready"
        assert told["scopes"] == ["read", "trade"]
        assert told["simulated"] is False
        assert told["speed"] == 1.0
        assert told["lease"] is None
        now = datetime.now(UTC).timestamp()
        assert abs(told["time"] - now) < 60


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"op": "hello", "protocol": 2}, "protocol"),
        ({"op": "hello"}, "protocol"),
        ({"op": "hello", "protocol": 1, "account": "other"}, "other_account"),
        ({"op": "hello", "protocol": 1, "lease": 0}, "protocol"),
        ({"op": "hello", "protocol": 1, "lease": "15"}, "protocol"),
        ({"op": "hello", "protocol": 1, "resume": {"epoch": 1, "seq": 1}}, "protocol"),
        ({"op": "hello", "protocol": 1, "resume": {"epoch": "x", "seq": -1}}, "protocol"),
        ({"op": "call", "id": 1, "method": "order_stock", "params": ORDER}, "protocol"),
        ("nonsense", "protocol"),
        ([1, 2], "protocol"),
        ("[" * 5000, "protocol"),
    ],
)
async def test_a_wrong_hello_ends_it(tmp_path, frame, code):
    async with (
        running(tmp_path) as stage,
        stage.session.ws_connect(stage.url + "/ws", headers={"X-Token": stage.token}) as socket,
    ):
        await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
        told = await socket.receive_json()
        assert (told["op"], told["code"]) == ("error", code)
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert not stage.backend.orders


async def test_a_token_without_read_has_no_websocket(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "trade")
        async with stage.ws(token=token) as engine:
            assert engine.greeting["code"] == "forbidden"


async def test_hello_is_said_once(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.say(op="hello", protocol=1)
        assert (await engine.ending())["code"] == "protocol"


# ------------------------------------------------------------ calls


async def test_calls_are_answered_as_over_http(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        assert await engine.order("a") == {"op": "reply", "id": 1, "success": True, "data": 1}
        stage.backend.fail["order"] = XtOrderResponse(order_id=-1, error_msg="资金不足")
        refused = await engine.order("b")
        assert (refused["success"], refused["data"], refused["code"]) == (False, -1, "refused")
        stage.backend.fail["order"] = NotSent("no")
        assert (await engine.order("c"))["outcome"] == "not_executed"
        assert (await engine.call("cancel_order_stock", order_id="1"))["data"] == 0
        wrong = await engine.call("order_stock", price="x")
        assert (wrong["code"], wrong["outcome"]) == ("invalid", "not_executed")
        assert (await engine.call("connect"))["code"] == "not_found"
        assert (await engine.call("fund_transfer"))["code"] == "forbidden"
        assert (await engine.ask("ping"))["success"]


async def test_a_slow_call_holds_up_no_other(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        gate = stage.backend.gate["order"] = asyncio.Event()
        for number in range(10):
            params = {**ORDER, "order_remark": f"r{number}"}
            await engine.say(op="call", id=100 + number, method="order_stock", params=params)
        assert (await engine.call("cancel_order_stock", order_id=1))["data"] == 0
        assert (await engine.call("query_stock_asset"))["success"]
        gate.set()
        replies = [(await engine.reply(100 + number))["data"] for number in range(10)]
        assert replies == list(range(1, 11))  # handed over in the order they came in
        remarks = [order["order_remark"] for order in stage.backend.orders]
        assert remarks == [f"r{number}" for number in range(10)]


async def test_a_hundred_calls_at_once_are_all_answered(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        for number in range(100):
            params = {**ORDER, "order_remark": f"r{number}"}
            await engine.say(op="call", id=number, method="order_stock", params=params)
            await engine.say(op="ping", id=1000 + number)
        data = {(await engine.reply(number))["data"] for number in range(100)}
        assert data == set(range(1, 101))


@pytest.mark.parametrize("head", [0, 60, 70, 71, 72, 73, 74, 75, 76, 65_470])
async def test_answers_of_any_length_are_whole_and_in_order(tmp_path, head):
    # a frame's length is written in another way from 126 bytes on, and from 65,536 on
    async with running(tmp_path) as stage, stage.ws() as engine:
        texts = ["x" * (head + more) for more in range(20)]
        for number, text in enumerate(texts):
            stage.backend.answers["query_stock_positions"] = text
            assert (await engine.call("query_stock_positions"))["data"] == text
            push(stage, number)
        assert pushed(await engine.heard(len(texts))) == list(range(len(texts)))


async def test_a_client_is_told_when_its_deadline_is_over_though_the_call_goes_on(tmp_path):
    async with (
        running(tmp_path, policy={"deadline": 0.01, "grace": 0.01}) as stage,
        stage.ws() as engine,
    ):
        gate = stage.backend.gate["order"] = asyncio.Event()
        reply = await engine.call(
            "order_stock", key="k", deadline=engine.greeting["time"] + 60, **ORDER
        )
        assert (reply["code"], reply["outcome"]) == ("unknown", "unknown")
        gate.set()
        await eventually(lambda: not stage.service.orders._running)
        assert (await stage.outcome("k"))["state"] == "executed"
        late = await engine.call("order_stock", key="j", deadline=1.0, **ORDER)
        assert (late["code"], late["outcome"]) == ("deadline", "not_executed")
        assert (await engine.call("cancel_order_stock", deadline=1.0, order_id=1))["data"] == 0


async def test_an_order_of_a_client_that_left_is_finished(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        async with stage.ws() as engine:
            params = {**ORDER, "order_remark": "a"}
            await engine.say(op="call", id=1, method="order_stock", params=params)
            await eventually(lambda: stage.backend.orders)
        gate.set()
        await eventually(lambda: not stage.service.orders._running)
        assert (await stage.outcome("a"))["state"] == "executed"


@pytest.mark.parametrize(
    "frame",
    [
        {"op": "call", "id": 5, "method": 7},
        {"op": "call", "id": 5},
        {"op": "dance", "id": 5},
        {"op": "subscribe", "id": 5, "symbols": "600000.SH"},
        {"op": "subscribe", "id": 5, "symbols": [1]},
        {"op": "subscribe", "id": 5, "symbols": ["a b"]},
        {"op": "call", "id": 5, "method": "order_stock", "params": {}, "key": 3},
        {"op": "call", "id": 5, "method": "order_stock", "params": {}, "deadline": "soon"},
        {"id": 5},
    ],
)
async def test_a_frame_that_is_not_understood_is_answered_by_its_id(tmp_path, frame):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.say(**frame)
        assert (await engine.reply(5))["code"] == "invalid"
        assert (await engine.ask("ping"))["success"]


@pytest.mark.parametrize("text", ["nonsense", "{}", "[]", '{"op":"ping","id":"x"}', "{" * 2000, ""])
async def test_a_frame_that_does_not_even_say_which_it_is_ends_it(tmp_path, text):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.socket.send_str(text)
        assert (await engine.ending())["code"] == "protocol"


async def test_a_binary_frame_ends_it(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.socket.send_bytes(b"{}")
        assert (await engine.ending())["code"] == "protocol"


async def test_a_frame_that_is_too_large_ends_it(tmp_path):
    async with running(tmp_path, limits={"request_bytes": 1000}) as stage:
        async with stage.ws() as engine:
            await engine.say(op="ping", id=1, more="x" * 2000)
            await engine.ending()
        assert (await stage.call("query_stock_asset"))[0] == 200


async def test_params_that_are_no_object_are_invalid(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        for params in ([], 1, "x", None):
            reply = await engine.ask("call", method="query_stock_asset", params=params)
            assert reply["code"] == "invalid"


async def test_so_many_clients_and_no_more(tmp_path):
    async with running(tmp_path, limits={"clients": 1}) as stage, stage.ws() as engine:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with stage.ws():
                pass
        assert refused.value.status == 503
        assert (await engine.ask("ping"))["success"]


# ------------------------------------------------------------ events


async def test_every_client_hears_every_push_in_the_same_order(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as one, stage.ws() as two:
        push(stage, *range(1, 51))
        first, second = await one.heard(50), await two.heard(50)
        assert first == second
        assert [event["seq"] for event in first] == list(range(3, 53))
        assert pushed(first) == list(range(1, 51))
        assert first[0]["kind"] == "order"
        assert first[0]["data"]["order_status"] == 0


async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws() as engine:
            push(stage, 1, 2)
            seen = await engine.heard(2)
        push(stage, *range(3, 1203))  # more than is read from the disk at a time
        async with stage.ws(resume=engine.resume) as again:
            assert (again.greeting["resumed"], again.greeting["expired"]) == (True, False)
            push(stage, 1203)
            missed = await again.heard(1201)
        assert pushed(seen + missed) == list(range(1, 1204))
        assert [event["seq"] for event in seen + missed] == list(range(3, 1206))


async def test_pushes_while_it_catches_up_are_neither_lost_nor_repeated(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws() as engine:
            resume = engine.resume
        push(stage, *range(1, 2001))
        pushing = asyncio.create_task(_keep_pushing(stage, 2001, 3001))
        async with stage.ws(resume=resume) as again:
            assert pushed(await again.heard(3000)) == list(range(1, 3001))
        await pushing


async def _keep_pushing(stage, first, last):
    for number in range(first, last):
        push(stage, number)
        if number % 10 == 0:
            await asyncio.sleep(0)  # let the others have their turn


async def test_events_go_on_across_a_restart_of_the_server(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws() as engine:
            push(stage, 1, 2)
            seen = await engine.heard(2)
        push(stage, 3)
        await eventually(lambda: not stage.service.events.pending)
    async with running(tmp_path) as stage:
        push(stage, 4)
        async with stage.ws(resume=engine.resume) as again:
            assert again.greeting["epoch"] == engine.greeting["epoch"]
            assert again.greeting["server"] != engine.greeting["server"]
            assert again.greeting["resumed"]
            missed = await again.heard(4)
    kinds = [event["kind"] for event in missed]
    assert kinds == ["order", "link", "resync", "order"]  # pushes may have been missed: resync
    assert pushed(seen + missed) == [1, 2, 3, 4]
    assert [event["seq"] for event in seen + missed] == list(range(3, 9))


@pytest.mark.parametrize(
    "resume",
    [
        {"epoch": "another", "seq": 3},
        {"epoch": None, "seq": 99},  # from the future: the file was put back
        {"epoch": None, "seq": 0},  # long ago
    ],
)
async def test_what_can_not_be_resumed_is_expired_and_the_client_goes_on(tmp_path, resume):
    async with running(tmp_path, limits={"keep_events": 10}) as stage:
        push(stage, *range(1, 1100))  # old ones are forgotten now and then
        await eventually(lambda: stage.service.events.first > 1)
        resume = {**resume, "epoch": resume["epoch"] or stage.service.events.epoch}
        if resume["seq"] == 99:
            resume["seq"] = 99_999
        async with stage.ws(resume=resume) as engine:
            assert (engine.greeting["resumed"], engine.greeting["expired"]) == (False, True)
            push(stage, 7)
            event = (await engine.heard(1))[0]
            assert event["seq"] == engine.greeting["seq"] + 1


async def test_a_new_file_is_a_new_epoch(tmp_path):
    async with running(tmp_path / "a") as stage, stage.ws() as engine:
        first = engine.greeting["epoch"]
    async with running(tmp_path / "b") as stage, stage.ws(resume=engine.resume) as engine:
        assert engine.greeting["epoch"] != first
        assert engine.greeting["expired"]


async def test_the_link_is_told_and_after_it_came_back_a_resync(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.become("cooldown", "gone", 3.0)
        stage.backend.become("ready")
        events = await engine.heard(3)
        assert [event["kind"] for event in events] == ["link", "link", "resync"]
        assert events[0]["data"] == {
            "state": "cooldown", "reason": "gone", "retry_after": 3.0, "account_status": 0,
        }  # fmt: skip


async def test_the_accounts_own_status_is_told_with_the_link_and_in_the_hello(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.become("ready", account_status=2)  # noticed without a push
        stage.backend.become("ready", account_status=2)
        stage.backend.become("connecting")
        events = await engine.heard(2)
        told = [(e["kind"], e["data"]["state"], e["data"]["account_status"]) for e in events]
        assert told == [("link", "ready", 2), ("link", "connecting", 2)]
        async with stage.ws() as another:
            assert another.greeting["link"]["account_status"] == 2


async def test_events_that_could_not_be_written_end_the_epoch(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        push(stage, 1)
        await engine.heard(1)
        resume = engine.resume
        stage.backend.push("order", XtOrder(order_id=2))
        stage.service.events._written(99, "order", b"{}", OSError("disk full"))
        async with stage.ws(resume=resume) as again:
            assert again.greeting["expired"]
            epoch = again.greeting["epoch"]
        push(stage, 3)
        await eventually(lambda: not stage.service.events.pending)
    async with running(tmp_path) as stage, stage.ws() as engine:
        assert engine.greeting["epoch"] == epoch  # it is on the disk, and the old one is not


async def test_an_order_of_the_simulated_terminal_comes_with_its_pushes(tmp_path):
    async with simulated(tmp_path) as stage, stage.ws() as engine:
        reply = await engine.order("r1", price=10.01)
        stage.terminal.advance(by=1)
        stage.terminal.quote(a_quote(time=moment("10:00:06")))

        def filled():
            return any(e["kind"] == "trade" for e in engine.events)

        while not filled():
            await engine.read()
        orders = [e["data"] for e in engine.events if e["kind"] == "order"]
        assert {o["order_remark"] for o in orders} == {"r1"}
        assert orders[0]["order_id"] == reply["data"]
        trade = next(e["data"] for e in engine.events if e["kind"] == "trade")
        assert (trade["order_remark"], trade["traded_volume"]) == ("r1", 100)


# ------------------------------------------------------------ quotes


def tick(price=10.0):
    return {"time": 1, "lastPrice": price, "askPrice": [10.01], "pe": float("nan")}


MARKET = {f"{600000 + number}.SH": tick(number) for number in range(5400)}


async def test_a_client_hears_only_the_symbols_it_asked_for(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine, stage.ws() as other:
        mine = [f"{600000 + number}.SH" for number in range(0, 400, 2)]
        assert (await engine.ask("subscribe", symbols=mine))["data"] == 200
        assert (await other.ask("subscribe", symbols=["600001.SH"]))["data"] == 1
        stage.backend.push("quotes", MARKET)
        await engine.ask("ping")
        await other.ask("ping")
        while not engine.quotes:
            await engine.read()
        while not other.quotes:
            await other.read()
        assert len(engine.quotes) == 1
        assert engine.quotes[0].keys() == set(mine)
        assert other.quotes == [{"600001.SH": {**tick(1), "pe": None}}]
        assert stage.backend.subscribed == {*mine, "600001.SH"}


async def test_whole_markets(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.ask("subscribe", symbols=["SZ", "600000.SH"])
        ticks = {"000001.SZ": tick(), "600000.SH": tick(), "600001.SH": tick(), "920002.BJ": tick()}
        stage.backend.push("quotes", ticks)
        while not engine.quotes:
            await engine.read()
        assert engine.quotes[0].keys() == {"000001.SZ", "600000.SH"}


async def test_the_last_ticks_come_before_the_answer(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.ticks_now = {"600000.SH": tick(9.0), "600001.SH": tick(8.0)}
        await engine.ask("subscribe", symbols=["600000.SH"])
        assert engine.quotes == [{"600000.SH": {**tick(9.0), "pe": None}}]


async def test_a_push_while_last_ticks_are_asked_for_is_newer_than_they_are(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.ticks_now = {"600000.SH": tick(9.0)}
        gate = stage.backend.gate["ticks"] = asyncio.Event()
        asking = asyncio.create_task(engine.ask("subscribe", symbols=["600000.SH"]))
        await eventually(lambda: stage.backend.subscribed)
        stage.backend.push("quotes", {"600000.SH": tick(9.5)})
        gate.set()
        await asking
        assert engine.quotes[-1]["600000.SH"]["lastPrice"] == 9.5


async def test_unsubscribing_and_leaving_end_what_nobody_else_wants(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.ask("subscribe", symbols=["600000.SH", "600001.SH"])
        async with stage.ws() as other:
            await other.ask("subscribe", symbols=["600001.SH", "SZ"])
            reply = await engine.ask("unsubscribe", symbols=["600000.SH", "600001.SH", "600009.SH"])
            assert reply["data"] == 0
            assert stage.backend.subscribed == {"600001.SH", "SZ"}
        await eventually(lambda: not stage.backend.subscribed)


async def test_quotes_are_asked_for_again_when_the_terminal_is_back(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        await engine.ask("subscribe", symbols=["600000.SH"])
        stage.backend.subscribed.clear()
        stage.backend.become("connecting")
        stage.backend.become("ready")
        await eventually(lambda: stage.backend.subscribed == {"600000.SH"})


async def test_a_subscription_the_terminal_does_not_take_is_told(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.fail["subscribe"] = BrokerUnavailable("no quotes", 2.0)
        reply = await engine.ask("subscribe", symbols=["600000.SH"])
        assert (reply["code"], reply["retry_after"]) == ("unavailable", 2.0)
        assert (await engine.ask("subscribe", symbols=["600000.SH"]))["data"] == 1


async def test_without_last_ticks_a_subscription_stands(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.fail["ticks"] = BrokerUnavailable("not now")
        assert (await engine.ask("subscribe", symbols=["600000.SH"]))["data"] == 1
        stage.backend.push("quotes", {"600000.SH": tick()})
        while not engine.quotes:
            await engine.read()


async def test_quotes_of_the_simulated_terminal(tmp_path):
    async with simulated(tmp_path) as stage, stage.ws() as engine:
        reply = await engine.ask("subscribe", symbols=["600000.SH", "SZ"])
        assert reply["data"] == 2
        assert engine.quotes[0].keys() == {"600000.SH", "000001.SZ"}
        stage.terminal.quote(a_quote(10.05, time=moment("10:00:06")))
        while not any(q.get("600000.SH", {}).get("lastPrice") == 10.05 for q in engine.quotes):
            await engine.read()


# ------------------------------------------------------------ clients that do not read


async def test_a_client_that_does_not_read_is_cut_off_and_can_resume(tmp_path):
    async with running(tmp_path, limits={"outbox_bytes": 100_000}) as stage:
        async with stage.ws() as fast, stage.ws() as slow:
            resume = slow.resume
            slow.socket._reader._protocol.pause_reading()
            number = 0
            while len(stage.service.listeners) == 2:
                push(stage, *range(number + 1, number + 101))
                number += 100
                await fast.heard(number)
            push(stage, number + 1)
            assert pushed(await fast.heard(number + 1))[-1] == number + 1
            slow.socket._reader._protocol.resume_reading()
        assert b"slow_clients_total 1.0" in stage.service.measure()
        async with stage.ws(resume=resume) as again:
            assert pushed(await again.heard(number + 1)) == list(range(1, number + 2))


async def test_answers_that_nobody_reads_are_bounded_too(tmp_path):
    async with (
        running(tmp_path, limits={"outbox_bytes": 100_000}) as stage,
        stage.ws() as slow,
    ):
        stage.backend.answers["query_stock_positions"] = "x" * 50_000
        slow.socket._reader._protocol.pause_reading()
        with suppress(ConnectionError):
            while stage.service.listeners:
                await slow.say(op="call", id=1, method="query_stock_positions")
                await asyncio.sleep(0)
        assert b"slow_clients_total 1.0" in stage.service.measure()


async def test_quotes_of_a_client_that_does_not_read_do_not_pile_up(tmp_path):
    async with (
        running(tmp_path, limits={"outbox_bytes": 8_000_000}) as stage,
        stage.ws() as slow,
    ):
        await slow.ask("subscribe", symbols=["SH"])
        slow.socket._reader._protocol.pause_reading()
        for price in range(1, 301):  # more than fits into the sockets' own buffers
            stage.backend.push("quotes", {s: tick(price) for s in list(MARKET)[:1000]})
            await asyncio.sleep(0)
        session = next(iter(stage.server.http.sessions._open))
        assert len(session._outbox._quotes) == 1000
        slow.socket._reader._protocol.resume_reading()
        while not slow.quotes or slow.quotes[-1]["600000.SH"]["lastPrice"] != 300:
            await slow.read()
        assert len(slow.quotes) < 300


async def test_a_long_replay_fits_a_small_outbox(tmp_path):
    async with running(tmp_path, limits={"outbox_bytes": 2_000_000}) as stage:
        async with stage.ws() as engine:
            resume = engine.resume
        push(stage, *range(1, 6001))
        await eventually(lambda: not stage.service.events.pending)
        async with stage.ws(resume=resume) as again:
            assert pushed(await again.heard(6000)) == list(range(1, 6001))


async def test_a_client_that_is_not_there_is_pinged_and_then_let_go(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        sessions = stage.server.http.sessions._open
        assert len(sessions) == 2

        def silent_for(seconds):
            for session in sessions:
                session._heard_at -= seconds
            stage.server.check()

        silent_for(25)
        assert await reader.readexactly(2) == b"\x89\x00"  # a ping; the other one answers it
        before = next(s for s in sessions if s.caller)._heard_at
        await there.ask("ping")
        await eventually(lambda: next(s for s in sessions if s.caller)._heard_at > before)
        silent_for(20)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        assert (await there.ask("ping"))["success"]


async def test_a_client_that_left_with_pings_unanswered_is_let_go(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        for _ in range(200):
            await engine.socket.ping()
        engine.socket._response.connection.transport.abort()
        await eventually(lambda: not stage.server.http.sessions._open)
        assert not stage.service.listeners


# ------------------------------------------------------------ the end


async def test_clients_are_told_when_the_server_stops(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stopping = asyncio.create_task(stage.server.close())
        assert (await engine.ending())["code"] == "stopping"
        await stopping


async def test_scripted_time_is_what_hello_says(tmp_path):
    backend = ScriptedBackend()
    async with running(tmp_path, backend) as stage, stage.ws() as engine:
        assert engine.greeting["now"] == backend.now()
        assert engine.greeting["now"] // SECOND == 1_767_578_400
