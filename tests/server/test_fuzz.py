"""Whatever comes in: no 5xx but 503 and 504, nothing changed, and the next caller is served."""

import asyncio
import gc
import json
import tracemalloc
import zlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_stage import ORDER, routes, running
from yarl import URL

from qka.server.failure import Failure
from qka.server.methods import METHODS

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(st.sampled_from(sorted(METHODS)), st.dictionaries(st.text(max_size=12), ANYTHING), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_arguments_of_any_shape_are_read_or_refused_with_a_sentence(name, strange, data):
    method = METHODS[name]
    fields = {n: data.draw(ANYTHING) for n in method.names if data.draw(st.booleans())}
    body = json.dumps({**strange, **fields}).encode()
    read = read_or_refused(method, body)
    assert read is None or set(msgspec.structs.asdict(read)) == set(method.names)


def read_or_refused(method, body):
    try:
        return method.read(body, "demo")
    except Failure as failure:
        return check_refusal(method, failure)


def check_refusal(method, failure):
    assert failure.status in (409, 422)
    assert failure.detail.startswith(method.name)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_bytes_of_any_kind_are_read_or_refused(body):
    assert read_or_refused(METHODS["order_stock"], body) is None


DEEP = b'{"price":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
BODIES = [
    b"", b"{", b"}", b"\x00", b"\xff" * 100, b"[]" * 10, b"{}{}", DEEP, b'{"a":' * 20_000,
    b'{"price":1e999}', b'{"price":-0}', b'{"order_volume":1e308}', b'{"order_id":"1e999"}',
    b'{"account":' + DEEP + b"}", b'{"stock_code":"\\ud800"}', b'{"\\u0000":1}',
    json.dumps({f"x{n}": n for n in range(5000)}).encode(),
    json.dumps({**ORDER, "order_remark": "'; DROP TABLE outcomes --", "price": "x"}).encode(),
]  # fmt: skip


async def test_bodies_from_hell_on_every_route(tmp_path):
    async with running(tmp_path, policy={"calls_per_second": None}) as stage:
        headers = {"Content-Type": "application/json"}
        for verb, path, _ in routes():
            for body in BODIES:
                status, _ = await stage.send(verb, path, data=body, headers=headers)
                assert status in (200, 403, 404, 405, 409, 422), (path, body[:40], status)
        assert not stage.backend.orders
        assert not stage.backend.cancels
        assert (await stage.order())[0] == 200


PATHS = [
    "/", "//", "/api", "/api/", "/api//order_stock", "/api/../health", "/health/", "/health/x",
    "/metrics/x", "/outcome/", "/outcome/" + "k" * 5000, "/%00", "/api/%2e%2e/order_stock",
    "/api/order_stock/../connect", "/ws/", "/openapi.json/..", "/%ff", "/api/" + "a" * 5000,
    "/api/order_stock;x=1", "/outcome/%F0%9F%98%80",
]  # fmt: skip


@pytest.mark.parametrize("token", ["", None])
async def test_paths_from_hell(tmp_path, token):
    async with running(tmp_path) as stage:
        for path in PATHS:
            url = URL(stage.url + path, encoded=True)
            headers = {"X-Token": stage.token} if token is not None else {}
            for verb in ("GET", "POST", "HEAD", "DELETE"):
                async with stage.session.request(verb, url, headers=headers, json={}) as answer:
                    known = path in ("/health",)
                    assert answer.status in (401, 404, 405, 422) or known, (verb, path)
        assert not stage.backend.orders


RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nX-Token: a\r\n b\r\n\r\n",  # folded
    b"GET /metrics HTTP/1.1\r\nX-Token: a\x00b\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nX Token: a\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET /metrics HTTP/1.1\r\nX-Token: " + b"a" * 100_000 + b"\r\n\r\n",
    b"POST /api/order_stock HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/order_stock HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /api/order_stock HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0",
    b"POST /api/order_stock HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
    b"\xff" * 1000,
    b"GET /outcome/\xff\xfe HTTP/1.1\r\nHost: x\r\nX-Token: TOKEN\r\nConnection: close\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\nX-Token: TOKEN\r\nConnection: close\r\n\r\n",
]


async def test_requests_from_hell(tmp_path):
    async with running(tmp_path) as stage:
        for raw in RAW:
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            writer.write(raw.replace(b"TOKEN", stage.token.encode()))
            writer.write_eof()
            try:
                answer = await asyncio.wait_for(reader.read(), 10)
            except ConnectionError:
                answer = b""
            if answer:
                status = int(answer.split()[1])
                assert status in (400, 401, 404, 413, 422), (raw[:60], answer[:200])
            writer.close()
        assert not stage.backend.orders
        assert (await stage.order())[0] == 200


async def test_a_header_can_not_write_headers_or_audit_lines(tmp_path):
    async with running(tmp_path) as stage:
        head = (
            "POST /api/order_stock HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"X-Token: {stage.token}\r\nContent-Length: {{length}}\r\n"
            "Idempotency-Key: {key}\r\n\r\n"
        )
        body = json.dumps(ORDER).encode()
        for key in ('a","who":"admin', "a%0d%0aX-Token: b", "é\xfc"):
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            writer.write(head.format(length=len(body), key=key).encode("latin-1") + body)
            status = (await reader.readline()).split()[1]
            headers = await reader.readuntil(b"\r\n\r\n")
            assert status in (b"200", b"422")
            assert headers.lower().count(b"x-token") == 0
            writer.close()
    lines = stage.audit()  # every line is whole
    assert len(lines) == 3
    assert {line["who"] for line in lines} == {"default"}


async def test_half_requests_and_slow_senders_hold_up_nobody(tmp_path):
    async with running(tmp_path) as stage:
        head = f"POST /api/order_stock HTTP/1.1\r\nHost: x\r\nX-Token: {stage.token}\r\n"
        halves = [
            b"",
            b"POST /api/order",
            head.encode(),
            (head + "Content-Length: 100\r\n\r\n").encode() + b'{"stock_code":',
            (head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{").encode(),
        ]
        open_ones = []
        for half in halves * 10:
            _, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
            writer.write(half)
            open_ones.append(writer)
        assert (await stage.order())[0] == 200
        for writer in open_ones:
            writer.transport.abort()
        assert (await stage.order())[0] == 200
        assert len(stage.backend.orders) == 2


async def test_a_body_that_never_comes_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("qka.web.BODY_SECONDS", 0.02)
    monkeypatch.setattr("qka.web.LINGER_SECONDS", 0.02)
    async with running(tmp_path) as stage:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
        head = f"POST /api/order_stock HTTP/1.1\r\nHost: x\r\nX-Token: {stage.token}\r\n"
        writer.write((head + "Content-Length: 100\r\n\r\n{").encode())
        answer = await asyncio.wait_for(reader.read(), 10)  # and the connection is closed
        assert answer.startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_body_that_unpacks_to_a_huge_one_is_not_unpacked(tmp_path):
    async with running(tmp_path) as stage:
        bomb = zlib.compress(b" " * 10_000_000)
        headers = {"Content-Encoding": "deflate", "Content-Type": "application/json"}
        status, told = await stage.send("POST", "/api/order_stock", data=bomb, headers=headers)
        assert (status, told["code"]) == (422, "invalid")


async def test_a_client_that_waits_for_a_go_ahead_gets_it(tmp_path):
    async with running(tmp_path) as stage:
        headers = {"Expect": "100-continue"}
        assert (await stage.call("query_stock_asset", headers))[0] == 200


async def test_strange_frames_on_the_websocket(tmp_path):
    async with running(tmp_path) as stage:
        for text in ("{", "[]", "1", '"a"', "null", '{"op":"call"}', '{"op":null,"id":1}', "\x00"):
            async with stage.ws() as engine:
                await engine.socket.send_str(text)
                await engine.say(op="ping", id=9)
                op = await engine.read()
                assert op in ("error", "reply")
        assert not stage.backend.orders
        assert (await stage.order())[0] == 200


async def test_a_thousand_wrong_calls_leave_no_memory_behind(tmp_path):
    async with running(tmp_path, policy={"calls_per_second": None}) as stage:

        async def round_of(calls):
            for number in range(calls):
                await stage.call(f"no_such_{number}")
                await stage.order(**{f"x{number}": number})
                await stage.send("GET", f"/outcome/k{number}")
            gc.collect()

        await round_of(50)
        tracemalloc.start()
        await round_of(25)
        before = tracemalloc.get_traced_memory()[0]
        await round_of(150)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert grown < 250_000, grown
        assert not stage.backend.orders
