"""Whoever comes to a run's port: strangers and nonsense change nothing, and hold up nobody."""

import asyncio
import gc
import json
import tracemalloc

import aiohttp
import pytest
from asked import Watcher, asked
from builders import SYMBOL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qmt import eventually
from stage import journalled
from yarl import URL

from qka.errors import OutcomeUnknown
from qka.model.events import OperatorCommand
from qka.monitor import client
from qka.monitor.http import MOST

HALT = {"command": "halt", "who": "li"}


class Stranger:
    """Sends what it likes, by default with everything right."""

    def __init__(self, there, session):
        self.there, self.session = there, session
        self.port = there.run.port
        self.url = f"http://127.0.0.1:{self.port}"

    async def send(self, verb="POST", path="/command", body=HALT, **headers):
        given = {
            "X-Token": self.there.run.token,
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = URL(self.url + path, encoded=True)
        async with self.session.request(
            verb, url, data=data, headers={n: v for n, v in given.items() if v is not None}
        ) as answer:
            return answer.status

    def untouched(self):
        """Nothing was done, and the owner is served."""
        assert self.there.engine.trading == "active"
        assert self.there.engine.records.head == self.before

    def __enter__(self):
        self.before = self.there.engine.records.head
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            self.untouched()


@pytest.fixture
async def stranger(tmp_path):
    async with asked(tmp_path, Watcher()) as there, aiohttp.ClientSession() as session:
        yield Stranger(there, session)


async def test_the_owner_is_let_in(stranger):
    assert await stranger.send() == 200
    assert stranger.there.engine.trading == "halted"
    bearer = f"Bearer {stranger.there.run.token}"
    assert await stranger.send("GET", "/status", X_Token=None, Authorization=bearer) == 200
    origin = f"http://127.0.0.1:{stranger.port}"  # a page of our own
    assert await stranger.send("GET", "/status", Origin=origin) == 200


@pytest.mark.parametrize("path", ["/command", "/status", "/limits", "/nothing"])
@pytest.mark.parametrize("token", [None, "", "x", "é", "A" * 5000, "Bearer x"])
async def test_without_the_token_every_path_answers_alike(stranger, path, token):
    with stranger:
        assert await stranger.send("POST", path, X_Token=token) == 401
        wrong = stranger.there.run.token[:-1]
        assert await stranger.send("POST", path, X_Token=wrong) == 401
        assert (
            await stranger.send("POST", f"{path}?token={stranger.there.run.token}", X_Token=token)
            == 401
        )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},  # a name that was made to mean this machine
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:{port}.evil.example"},
    ],
    ids=str,
)
async def test_what_another_page_sends_is_refused_even_with_the_token(stranger, headers):
    headers = {name: value.format(port=stranger.port) for name, value in headers.items()}
    with stranger:
        assert await stranger.send(**headers) == 403
        assert await stranger.send("OPTIONS", **headers) == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_form_of_a_page_is_no_command(stranger, kind):
    with stranger:
        assert await stranger.send(Content_Type=kind) == 415


DEEP = b'{"command":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
BODIES = [
    b"", b"{", b"}", b"\x00", b"\xff" * 100, b"[]", b"null", b"{}{}", DEEP,
    b'{"command":"halt"}', b'{"who":"li"}', b'{"command":"halt","who":""}',
    b'{"command":"halt","who":"li","more":1}', b'{"command":["halt"],"who":"li"}',
    b'{"command":"halt","who":"li","args":"x"}', b'{"command":"halt","who":"li\\nx"}',
    b'{"command":"halt","who":"\\ud800"}', b'{"command":"halt","who":"li","why":"a\\u0000b"}',
    json.dumps({**HALT, "args": ["x"] * 2000}).encode(),
    json.dumps({**HALT, "who": "x" * 200}).encode(),
    json.dumps({**HALT, "args": ["now"]}).encode(),
    json.dumps({**HALT, "command": "__class__"}).encode(),
    json.dumps({**HALT, "command": "buy", "args": ["../../etc", "1"]}).encode(),
    json.dumps({**HALT, "command": "buy", "args": [SYMBOL, "١٠٠"]}).encode(),
    json.dumps({**HALT, "command": "set", "args": ["run.dir=/etc"]}).encode(),
    json.dumps({**HALT, "command": "set", "args": ["risk.groups=" + "[" * 100]}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:60])
async def test_a_body_that_is_no_command_changes_nothing(stranger, body):
    with stranger:
        assert await stranger.send(body=body) in (400, 422)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(["buy", "sell", "set", "cancel-all", "halt", "strategy"]) | st.text()


@given(
    st.fixed_dictionaries(
        {"command": NAMES | ANYTHING, "who": st.just("li") | ANYTHING},
        optional={"args": st.lists(st.text(max_size=12)) | ANYTHING, "why": ANYTHING},
    )
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_commands_of_any_shape_are_done_or_refused(shaped, said):
    status = shaped(json.dumps(said).encode())
    assert status in (200, 400, 422)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory):
    """Sends a body to an engine that runs all the while."""
    with asyncio.Runner() as runner:
        stack, sessions = asked(tmp_path_factory.mktemp("shaped"), Watcher()), []

        async def begin():
            there = await stack.__aenter__()
            sessions.append(aiohttp.ClientSession())
            return Stranger(there, sessions[0])

        stranger = runner.run(begin())
        yield lambda body: runner.run(stranger.send(body=body))
        runner.run(sessions[0].close())
        runner.run(stack.__aexit__(None, None, None))


PATHS = [
    "/", "//", "//command", "/command/", "/command/..", "/status/../command", "/%63ommand",
    "/..%2f..%2fetc/passwd", "/control.json", "/../control.json", "/%00", "/" + "a" * 5000,
    "/command;x=1", "/COMMAND", "/%ff",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
async def test_there_is_nothing_at_any_other_path(stranger, path):
    with stranger:
        for verb in ("GET", "POST", "HEAD", "DELETE", "PUT"):
            assert await stranger.send(verb, path) == 404


async def test_a_verb_of_another_route_does_nothing(stranger):
    with stranger:
        for verb in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert await stranger.send(verb, "/command") == 405
        assert await stranger.send("POST", "/status") == 405


RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /status HTTP/1.0\r\nX-Token: TOKEN\r\n\r\n",  # names no host
    b"GET /status HTTP/1.1\r\nX-Token: a\r\n b\r\n\r\n",
    b"GET /status HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET /status HTTP/1.1\r\nX-Token: " + b"a" * 100_000 + b"\r\n\r\n",
    b"POST /command HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /command HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST /command HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\xff" * 1000,
]


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: raw[:40])
async def test_bytes_that_are_no_request(stranger, raw):
    with stranger:
        reader, writer = await asyncio.open_connection("127.0.0.1", stranger.port)
        writer.write(raw.replace(b"TOKEN", stranger.there.run.token.encode()))
        writer.write_eof()
        try:
            answer = await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            answer = b""
        assert not answer or int(answer.split()[1]) in (400, 401, 403, 413), answer[:200]
        writer.close()


async def test_a_body_too_large_or_too_slow_is_given_up(stranger, monkeypatch):
    monkeypatch.setattr("qka.web.BODY_SECONDS", 0.02)
    with stranger:
        assert await stranger.send(body=b" " * 70_000) == 413
        reader, writer = await asyncio.open_connection("127.0.0.1", stranger.port)
        head = (
            f"POST /command HTTP/1.1\r\nHost: 127.0.0.1:{stranger.port}\r\n"
            f"X-Token: {stranger.there.run.token}\r\nContent-Type: application/json\r\n"
        )
        writer.write((head + "Content-Length: 100\r\n\r\n{").encode())
        line = await asyncio.wait_for(reader.readline(), 10)
        assert line.startswith(b"HTTP/1.1 408 ")
        writer.close()


class Half(asyncio.Protocol):
    """Sends half a request, and waits."""

    def __init__(self, said):
        self.said, self.lost = said, False

    def connection_made(self, transport):
        transport.write(self.said)

    def connection_lost(self, error):
        self.lost = True


async def test_a_thousand_sockets_do_not_keep_the_owner_out(stranger):
    head = b"POST /command HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    loop, opened = asyncio.get_running_loop(), []
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1000):
            half = Half((b"", b"POST /comm", head)[number % 3])
            opened.append(
                await loop.create_connection(lambda half=half: half, "127.0.0.1", stranger.port)
            )
        await eventually(lambda: sum(not half.lost for _, half in opened) <= MOST)
        assert await asyncio.to_thread(stranger.there.run.ask, "POST", "/command", HALT)
        assert stranger.there.engine.trading == "halted"
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        for transport, _ in opened:
            transport.abort()
    assert grown < 20_000_000, grown  # both ends of a thousand sockets are in it


async def test_a_thousand_wrong_requests_leave_nothing_behind(stranger):
    async def round_of(times):
        for number in range(times):
            await stranger.send(X_Token=f"{number}")
            await stranger.send(body={**HALT, "command": f"no-{number}"})
            await stranger.send("GET", f"/{number}")
        gc.collect()

    with stranger:
        await round_of(30)
        tracemalloc.start()
        await round_of(20)
        before = tracemalloc.get_traced_memory()[0]
        await round_of(150)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert grown < 250_000, grown


async def test_an_answer_that_does_not_come_is_not_taken_for_a_no(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE", 0.05)
    async with asked(tmp_path, Watcher()) as there:
        with pytest.raises(OutcomeUnknown, match="press Ctrl-C twice"):
            there.run.ask("POST", "/command", HALT)  # on the loop itself, as a handler that blocks
        await there.quote()  # it goes on
        await there.quote()
    commands = [e for e in journalled(there.engine.records.path) if isinstance(e, OperatorCommand)]
    assert len(commands) <= 1  # and it was asked once
