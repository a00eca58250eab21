"""Who gets in: tokens, scopes, addresses, lock-out, and what a stranger learns."""

import asyncio

import aiohttp
import msgspec
import pytest
from qmt import eventually
from server_stage import ARGUMENTS, ORDER, ScriptedBackend, routes, running, with_scopes

from qka.brokers.records import XtAccountStatus
from qka.brokers.server import rotate
from qka.server.methods import METHODS
from qka.server.tokens import revoke


@pytest.mark.parametrize("headers", [{}, {"X-Token": ""}, {"Authorization": "Bearer "}])
async def test_every_route_without_a_token_answers_alike_and_does_nothing(tmp_path, headers):
    async with running(tmp_path) as stage:
        answers = set()
        strange = [("POST", "/api/connect", {}), ("GET", "/nothing", None), ("PUT", "/", None)]
        for verb, path, body in [*routes(), *strange]:
            status, told = await stage.send(verb, path, token=None, headers=headers, json=body)
            answers.add((status, told["code"], told["detail"], told["success"]))
        assert len(answers) == 1
        assert answers.pop()[:2] == (401, "unauthorized")
        assert not stage.backend.orders
        assert not stage.backend.queries


async def test_the_routes_of_the_door_are_the_routes_tried_here(tmp_path):
    async with running(tmp_path) as stage:
        tried = {path.split("/")[1] for _, path, _ in routes()}
        assert set(stage.server.http.routes) == tried
        needing = {n for n, m in METHODS.items() if any(f.required for f in _fields(m))}
        assert needing <= set(ARGUMENTS)


def _fields(method):
    return msgspec.structs.fields(method.params)


async def test_a_wrong_token_is_answered_as_none_is_and_never_in_the_log_or_audit(tmp_path):
    async with running(tmp_path) as stage:
        wrong = await stage.send("POST", "/api/query_stock_asset", token="not-the-token", json={})
        none = await stage.send("POST", "/api/query_stock_asset", token=None, json={})
        assert wrong == none
        await stage.call("query_stock_asset")
    lines = stage.audit()
    assert [line["outcome"] for line in lines] == ["unauthorized", "done"]
    text = "".join(map(str, lines))
    assert "not-the-token" not in text
    assert stage.token not in text


async def test_a_token_in_the_url_is_no_token(tmp_path):
    async with running(tmp_path) as stage:
        path = f"/api/query_stock_asset?token={stage.token}&X-Token={stage.token}"
        assert (await stage.send("POST", path, token=None, json={}))[0] == 401


async def test_a_bearer_token_is_taken_too(tmp_path):
    async with running(tmp_path) as stage:
        headers = {"Authorization": f"Bearer {stage.token}"}
        assert (await stage.send("GET", "/metrics", token=None, headers=headers))[0] == 200


async def test_a_token_that_is_no_text_is_a_wrong_token(tmp_path):
    async with running(tmp_path) as stage:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Token: \xff\xfe\x80\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_wrong_tokens_lock_their_address_out_whatever_it_shows_then(tmp_path):
    async with running(tmp_path, limits={"wrong_tokens": 3}) as stage:
        statuses = [(await stage.call("query_stock_asset", token=f"no{i}"))[0] for i in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        status, told = await stage.call("query_stock_asset")
        assert (status, told["code"]) == (429, "locked_out")
        assert 0 < told["retry_after"] <= 60
        assert (await stage.send("GET", "/health", token=None))[0] == 200


async def test_health_does_not_tell_a_guess_from_a_hit_without_end(tmp_path):
    async with running(tmp_path, limits={"wrong_tokens": 3}) as stage:
        for number in range(3):
            await stage.send("GET", "/health", token=f"guess{number}")
        assert (await stage.send("GET", "/metrics"))[0] == 429


async def test_asking_without_a_token_locks_nobody_out(tmp_path):
    async with running(tmp_path, limits={"wrong_tokens": 2}) as stage:
        for _ in range(5):
            await stage.call("query_stock_asset", token=None)
        assert (await stage.call("query_stock_asset"))[0] == 200


async def test_a_link_that_is_open_goes_on_through_a_lock_out(tmp_path):
    async with running(tmp_path, limits={"wrong_tokens": 1}) as stage, stage.ws() as engine:
        await stage.call("query_stock_asset", token="wrong")
        assert (await stage.call("query_stock_asset"))[0] == 429
        assert (await engine.order("a"))["success"]


async def test_ten_thousand_wrong_tokens_change_nothing_and_cost_no_memory(tmp_path):
    async with running(tmp_path) as stage:
        turn = asyncio.Semaphore(16)

        async def guess(number):
            async with turn:
                return (await stage.call("order_stock", token=f"guess{number}", **ORDER))[0]

        statuses = await asyncio.gather(*map(guess, range(10_000)))
        assert set(statuses) <= {401, 429}
        assert statuses.count(401) <= 10 + 16
        assert not stage.backend.orders
        guard = stage.server.http._guard
        assert len(guard._lockout._failed) + len(guard._lockout._locked) <= 2
    assert len(stage.audit()) < 50


async def test_only_addresses_on_the_list_get_in(tmp_path):
    async with running(tmp_path, allow=["10.0.0.0/8", "::1"]) as stage:
        for path in ("/metrics", "/health"):
            assert (await stage.send("GET", path))[0] == 403
    async with running(tmp_path, allow=["127.0.0.0/8"]) as stage:
        assert (await stage.send("GET", "/metrics"))[0] == 200


SCOPED = [
    ("query_stock_asset", "read"),
    ("order_stock", "trade"),
    ("cancel_order_stock", "trade"),
    ("fund_transfer", "transfer"),
    ("bank_transfer_out", "transfer"),
    ("release_lease", "admin"),
]


@pytest.mark.parametrize(("method", "scope"), SCOPED)
@pytest.mark.parametrize("held", ["read", "trade", "transfer", "admin"])
async def test_a_token_reaches_as_far_as_its_scopes(tmp_path, method, scope, held):
    async with running(tmp_path, policy={"transfers": True}) as stage:
        token = with_scopes(stage, held)
        status, told = await stage.call(method, token=token, **ARGUMENTS.get(method, {}))
        if held == scope:
            assert status == 200
        else:
            assert (status, told["code"], told["outcome"]) == (403, "forbidden", "not_executed")
            assert scope in told["detail"]


async def test_transfers_are_off_unless_the_server_was_told(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "transfer")
        for method in ("fund_transfer", "bank_transfer_in", "query_bank_info"):
            arguments = ARGUMENTS.get(method, {})
            assert (await stage.call(method, token=token, **arguments))[0] == 403
        assert not stage.backend.queries


async def test_a_read_only_server_takes_no_orders(tmp_path):
    async with running(tmp_path, policy={"read_only": True}) as stage:
        assert (await stage.order())[0] == 403
        assert (await stage.call("cancel_order_stock", order_id=1))[0] == 403
        assert (await stage.call("query_stock_orders"))[0] == 200


async def test_a_rotated_token_is_void_at_once_also_for_whoever_is_connected(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        fresh = rotate("demo", data_dir=tmp_path)
        stage.server.check()
        assert (await stage.call("query_stock_asset"))[0] == 401
        assert (await stage.call("query_stock_asset", token=fresh))[0] == 200
        assert (await engine.ending())["code"] == "unauthorized"


async def test_a_revoked_token_is_void(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "read")
        assert (await stage.call("query_stock_asset", token=token))[0] == 200
        revoke(tmp_path, "other")
        stage.server.check()
        assert (await stage.call("query_stock_asset", token=token))[0] == 401


async def test_health_is_open_and_tells_strangers_nothing_they_could_use(tmp_path):
    backend = ScriptedBackend(account="8800123456")
    async with running(tmp_path, backend) as stage:
        backend.become("cooldown", r"C:\Users\me\userdata_mini of 8800123456 is not there", 3.0)
        status, told = await stage.send("GET", "/health", token=None)
        assert status == 200
        assert told["status"] == "degraded"
        assert told["terminal"]["state"] == "cooldown"
        text = str(told)
        for secret in ("8800123456", "userdata", stage.token, str(tmp_path)):
            assert secret not in text
        _, full = await stage.send("GET", "/health")
        assert "userdata_mini" in full["terminal"]["reason"]


async def test_health_tells_its_four_parts_apart(tmp_path):
    async with running(tmp_path) as stage:
        _, told = await stage.send("GET", "/health", token=None)
        states = {part: told[part]["state"] for part in ("process", "terminal", "account", "data")}
        assert states == {"process": "ok", "terminal": "ok", "account": "ok", "data": "idle"}
        stage.backend.push("account_status", XtAccountStatus(account_id="demo", status=3))
        _, told = await stage.send("GET", "/health", token=None)
        assert (told["status"], told["account"]["state"]) == ("degraded", "down")
        assert told["terminal"]["state"] == "ok"


async def test_too_many_connections_are_turned_away_and_the_others_go_on(tmp_path):
    async with running(tmp_path, limits={"connections": 3}) as stage:
        assert (await stage.call("query_stock_asset"))[0] == 200  # ours is kept alive
        idle = [await asyncio.open_connection("127.0.0.1", stage.server.port) for _ in range(6)]
        reads = [asyncio.create_task(_last_byte(reader)) for reader, _ in idle]
        await eventually(lambda: sum(read.done() for read in reads) == 4)
        assert (await stage.call("query_stock_asset"))[0] == 200
        for (_, writer), read in zip(idle, reads, strict=True):
            writer.close()
            await read


async def _last_byte(reader):
    try:
        return await reader.read(1)
    except ConnectionError:
        return b""


async def test_the_websocket_takes_the_token_in_its_first_frame(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(token=None, token_in_hello=True) as stranger:
            assert stranger.greeting["code"] == "unauthorized"
        async with stage.session.ws_connect(stage.url + "/ws") as socket:
            await socket.send_json({"op": "hello", "protocol": 1, "token": stage.token})
            assert (await socket.receive_json())["op"] == "hello"


async def test_a_wrong_token_on_the_websocket_counts_too(tmp_path):
    async with running(tmp_path, limits={"wrong_tokens": 2}) as stage:
        for _ in range(2):
            async with stage.session.ws_connect(stage.url + "/ws") as socket:
                await socket.send_json({"op": "hello", "protocol": 1, "token": "wrong"})
                assert (await socket.receive_json())["code"] == "unauthorized"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stage.session.ws_connect(stage.url + "/ws")
        assert refused.value.status == 429


async def test_a_websocket_with_a_wrong_token_in_its_header_is_refused_before_it_is_one(tmp_path):
    async with running(tmp_path) as stage:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stage.session.ws_connect(stage.url + "/ws", headers={"X-Token": "wrong"})
        assert refused.value.status == 401
