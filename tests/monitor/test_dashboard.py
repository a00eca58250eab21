"""The dashboard without a browser: who is let in, what is sent to pages, and what it costs."""

import asyncio
import json
import re
import stat
import sys
from pathlib import Path

import aiohttp
import pytest
from asked import Watcher, asked
from browsing import browser, expect, tab
from builders import SYMBOL, moment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qmt import eventually
from stage import journalled
from typer.testing import CliRunner
from yarl import URL

import qka
from qka.cli.main import app
from qka.model.events import OperatorCommand
from qka.model.times import DAY, SECOND, show
from qka.monitor import keys, monitor, watchers
from qka.monitor.phrasebook import phrasebook
from qka.monitor.recent import KEPT, Newest
from qka.monitor.site import FOLDER

PAGE = {"monitor": {"enabled": True, "dashboard": True}}
PANELS = {
    "right", "head", "commands", "links", "account", "positions", "orders", "strategies",
    "alerts", "quotes", "meters", "signals", "denials", "fills", "chart",
}  # fmt: skip


class Client:
    """A browser's part: keeps its cookies, says which page it is."""

    def __init__(self, there, session):
        self.there, self.session = there, session
        self.url = there.engine.monitor.url

    async def get(self, path, **headers):
        async with self.session.get(self.url + path, headers=headers) as answer:
            return answer, await answer.read()

    async def post(self, path, body, **headers):
        given = {"Origin": self.url, "Content-Type": "application/json", **headers}
        given = {name: value for name, value in given.items() if value is not None}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.url + path, data=data, headers=given) as answer:
            return answer, json.loads(await answer.read() or b"{}")

    async def login(self, token=None):
        answer, said = await self.post("/login", {"token": token or self.there.run.token})
        return answer.status, said

    def stream(self, **headers):
        return self.session.ws_connect(
            self.url + "/stream", headers={"Origin": self.url, **headers}, heartbeat=None
        )


@pytest.fixture
async def page(tmp_path):
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        asked(tmp_path, Watcher(), held={SYMBOL: 500}, **PAGE) as there,
        aiohttp.ClientSession(cookie_jar=jar) as session,
    ):
        yield Client(there, session)


async def picture(stream, *, within=5.0):
    """All panels of the next messages, once each of them came."""
    seen = {}
    async with asyncio.timeout(within):
        while PANELS - seen.keys():
            seen |= json.loads((await stream.receive()).data)
    return seen


# ------------------------------------------------------------ who is let in


async def test_the_page_is_there_for_everyone_and_shows_nothing_of_the_run(page):
    for path in ("/", "/page.js", "/words.js", "/page.css", "/charts.js", "/icon.svg"):
        answer, body = await page.get(path)
        assert answer.status == 200
        assert b"demo" not in body  # the account
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        again, _ = await page.get(path, **{"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
    for path in ("/status", "/session", "/stream", "/limits"):
        assert (await page.get(path))[0].status == 401


async def test_the_page_runs_in_a_browser(tmp_path):
    """The rest of it is in test_dashboard_page, which takes longer."""
    async with asked(tmp_path, Watcher(), **PAGE) as there, browser() as b, tab(b) as page:
        await page.goto(there.engine.monitor.page)
        await expect(page, "#account").to_have_text("demo")
        await expect(page, "#strategies tbody tr").to_have_count(1)


async def test_nothing_comes_from_elsewhere():
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        links = ("https://www.tradingview.com/", "http://www.w3.org/2000/svg")
        for known in links:
            text = text.replace(known, "")
        assert "://" not in text.replace("`${", ""), file.name
        assert "innerHTML" not in text, file.name


def test_every_code_of_a_denial_has_a_chinese_word():
    page = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")
    tables = [table for table in page.split("\n\n") if table.startswith("| code |")]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", "\n".join(tables), re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    words = json.loads(phrasebook())["words"]
    assert len(codes) > 30
    assert not {code for code in codes if words.get(code, code) == code}


async def test_a_page_logs_in_with_the_token(page):
    assert (await page.login("x" * 43))[0] == 401
    answer, said = await page.post("/login", {"token": page.there.run.token})
    assert (answer.status, said) == (200, {"right": "operate"})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page.there.run.token not in cookie
    assert (await page.get("/status"))[0].status == 200
    answer, _ = await page.post("/command", {"command": "halt", "who": "page"})
    assert answer.status == 200
    assert page.there.engine.trading == "halted"
    await page.post("/logout", {})
    assert (await page.get("/status"))[0].status == 401


async def test_a_code_is_good_once_and_for_an_hour(page):
    link = page.there.engine.monitor.page
    code = link.partition("#code=")[2]
    assert (await page.post("/login", {"code": code[:-1]}))[0].status == 401
    assert (await page.post("/login", {"code": code}))[0].status == 200
    assert (await page.post("/login", {"code": code}))[0].status == 401
    told = await page.there.ask("POST", "/code")
    assert (await page.post("/login", told))[0].status == 200


async def command(*words):
    """The command line, as another process."""
    return await asyncio.to_thread(CliRunner().invoke, app, [*map(str, words)])


async def test_the_command_line_prints_an_address_that_lets_in(page):
    done = await command("dashboard", "--run", page.there.engine.folder)
    assert done.exit_code == 0
    address, _, code = done.output.strip().partition("/#code=")
    assert address == page.url
    assert (await page.post("/login", {"code": code}))[0].status == 200


async def test_the_command_line_says_that_there_is_no_dashboard(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        done = await command("dashboard", "--run", there.engine.folder)
    assert isinstance(done.exception, qka.ConfigError)
    assert "start it with monitor.dashboard=true" in str(done.exception)


async def test_guessing_is_stopped(page):
    for _ in range(10):
        assert (await page.login("wrong"))[0] == 401
    answer, said = await page.post("/login", {"token": page.there.run.token})
    assert (answer.status, said["error"]) == (429, "locked_out")
    assert await page.there.status()  # the command line goes on


async def test_a_session_counts_only_where_our_page_says_so(page):
    await page.login()
    halt = {"command": "halt", "who": "page"}
    evil = "http://evil.example"
    for origin in (None, evil, "null", page.url + "0", page.url.replace("http", "https")):
        assert (await page.post("/command", halt, Origin=origin))[0].status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.stream(Origin=evil)
    assert refused.value.status == 403
    assert page.there.engine.trading == "active"


@pytest.mark.parametrize("cookie", ["", "2", "2.9999999999", "2.9999999999.", "é.é.é", "." * 99])
async def test_a_session_is_not_made_up(page, cookie):
    port = page.there.run.port
    headers = {"Cookie": f"qka-{port}={cookie}"}
    assert (await page.get("/session", **headers))[0].status == 401


async def test_a_session_has_an_end(page, monkeypatch):
    await page.login()
    assert (await page.get("/session"))[0].status == 200
    monkeypatch.setattr("qka.clock._time.time_ns", lambda: 8 * DAY + 2_000_000_000 * SECOND)
    assert (await page.get("/session"))[0].status == 401


async def test_the_viewers_token_may_look(page):
    file = page.there.engine.folder.parent / keys.FILE
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    viewer = json.loads(file.read_text())["viewer"]
    assert await page.login(viewer) == (200, {"right": "view"})
    assert (await page.get("/status"))[0].status == 200
    answer, said = await page.post("/command", {"command": "halt", "who": "page"})
    assert (answer.status, said["error"]) == (403, "read_only")
    assert (await page.post("/code", {}))[0].status == 403
    assert page.there.engine.trading == "active"


async def test_read_only_pages_may_look_whoever_logs_in(tmp_path):
    config = {"monitor": {**PAGE["monitor"], "read_only": True}}
    jar = aiohttp.CookieJar(unsafe=True)
    async with asked(tmp_path, Watcher(), **config) as there:
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            page = Client(there, session)
            assert await page.login() == (200, {"right": "view"})
            assert (await page.post("/command", {"command": "halt", "who": "x"}))[0].status == 403
        await there.command("halt")  # the owner at the command line is no page
        assert there.engine.trading == "halted"


async def test_a_session_lives_on_in_the_next_run_and_ends_with_the_keys(tmp_path):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with asked(tmp_path, Watcher(), **PAGE) as there:
            page = Client(there, session)
            await page.login()
            port = there.run.port
        same = {"monitor": {**PAGE["monitor"], "port": port}}
        async with asked(tmp_path, Watcher(), **same) as there:
            assert (await Client(there, session).get("/session"))[0].status == 200
        (there.engine.folder.parent / keys.FILE).write_text("{")
        async with asked(tmp_path, Watcher(), **same) as there:
            assert (await Client(there, session).get("/session"))[0].status == 401


async def test_without_a_dashboard_there_is_no_page(tmp_path):
    async with asked(tmp_path, Watcher()) as there, aiohttp.ClientSession() as session:
        page = Client(there, session)
        token = {"X-Token": there.run.token}
        for path in ("/", "/page.js", "/stream", "/login", "/metrics"):
            assert (await page.get(path, **token))[0].status == 404
        assert there.engine.monitor.page == ""


async def test_another_address_for_browsers_is_let_in_when_it_is_named(tmp_path):
    config = {"monitor": {**PAGE["monitor"], "origins": ["https://trade.home"]}}
    async with asked(tmp_path, Watcher(), **config) as there, aiohttp.ClientSession() as session:
        page = Client(there, session)
        from_there = {"Host": "trade.home", "Origin": "https://trade.home"}
        answer, _ = await page.post("/login", {"token": there.run.token}, **from_there)
        assert answer.status == 200
        assert "Secure" in answer.headers["Set-Cookie"]
        other = {**from_there, "Origin": "https://other.home"}
        assert (await page.post("/login", {"token": there.run.token}, **other))[0].status == 403


async def test_beyond_this_machine_it_is_known_by_numbers_alone(tmp_path):
    config = {"monitor": {**PAGE["monitor"], "host": "0.0.0.0"}}
    async with asked(tmp_path, Watcher(), **config) as there, aiohttp.ClientSession() as session:
        page, port = Client(there, session), there.run.port
        assert page.url == f"http://127.0.0.1:{port}"
        for host, status in {
            f"192.168.1.10:{port}": 200, f"[fe80::1]:{port}": 200, f"192.168.1.10:{port + 1}": 403,
            f"evil.example:{port}": 403, f"192.168.1.10.evil.example:{port}": 403,
        }.items():  # fmt: skip
            given = {"Host": host, "Origin": f"http://{host}"}
            answer, _ = await page.post("/login", {"token": there.run.token}, **given)
            assert answer.status == status, host


# ------------------------------------------------------------ what is sent


async def test_a_page_is_given_everything_and_then_what_changes(page):
    await page.login()
    async with page.stream() as stream:
        seen = await picture(stream)
        assert seen["right"] == "operate"
        assert seen["head"]["trading"]["state"] == "active"
        assert [row["symbol"] for row in seen["positions"]] == [SYMBOL]
        assert seen["positions"][0]["profit"] == 0
        await page.there.quote(10.5)
        changed = {}
        while "positions" not in changed:
            changed |= json.loads((await stream.receive()).data)
        assert changed["positions"][0]["profit"] == 250
        assert not {"orders", "fills", "strategies", "right"} & changed.keys()


async def test_the_last_message_is_how_it_stood_and_how_the_run_ended(page):
    await page.login()
    async with page.stream() as stream:
        await picture(stream)
        await page.there.quote(10.5)
        ending, told = asyncio.create_task(page.there.engine.stop()), {}
        async for message in stream:  # until it is closed
            told |= json.loads(message.data)
        await ending
        assert told["ended"] == {"how": "interrupted", "why": ""}
        assert told["head"]["running"] is False
        assert told["quotes"][0]["last"] == 10.5


async def test_signals_denials_and_fills_with_their_reasons(page):
    await page.login()
    await page.there.command("buy", SYMBOL, 100, 10.05, why="a test")
    await page.there.command("buy", SYMBOL, 90_000, 10.05)
    await page.there.quote(10.0)
    async with page.stream() as stream:
        seen = await picture(stream)
    first, _ = seen["signals"]
    assert (first["wants"], first["much"], first["side"]) == ("quantity", 100, "buy")
    assert "a test" in first["reason"]
    (denied,) = seen["denials"]
    assert (denied["code"], denied["quantity"]) == ("position_ratio", 90_000)
    assert "10.00%" in denied["reason"]
    (fill,) = seen["fills"]
    assert (fill["quantity"], fill["price"], fill["strategy"]) == (100, 10.01, "operator")
    assert fill["fees"] == 5.01  # the least commission, and the transfer fee


def test_a_row_is_made_once_when_somebody_looks_and_only_of_the_newest():
    made = []
    newest = Newest(lambda number: made.append(number) or {"id": number})
    for number in range(KEPT + 50):
        newest.add(number)
    assert made == []
    assert [row["id"] for row in newest.rows()] == made == list(range(50, KEPT + 50))
    newest.add(KEPT + 50)
    assert [row["id"] for row in newest.rows()] == list(range(51, KEPT + 51))
    assert made[KEPT:] == [KEPT + 50]


async def test_meters_tell_what_is_used_of_each_limit(tmp_path):
    risk = {
        "max_daily_loss": 0.02,
        "max_orders_per_minute": 5,
        "symbols": {SYMBOL: {"position_ratio": 0.05}},
    }
    async with asked(tmp_path, Watcher(), held={SYMBOL: 1000}, risk=risk, **PAGE) as there:
        for _ in range(3):
            await there.command("sell", SYMBOL, 100, 10.9)
        await there.quote(8.9)
        rows = there.engine.monitor._dashboard.watchers._panels.now()["meters"]
        used = {(row["name"], row["of"]): (row["used"], row["limit"]) for row in rows}
        assert used["rate_60s", ""] == (3, 5)
        assert used["position_ratio", SYMBOL][1] == 0.05
        assert used["position_ratio", SYMBOL][0] == pytest.approx(8900 / 1_008_900, abs=1e-6)
        assert used["max_daily_loss", ""] == (pytest.approx(1100 / 1_010_000, abs=1e-6), 0.02)
        assert used["programme_day", ""] == (3, 15_000)


async def test_the_curve_of_the_day_by_the_minute(page):
    await page.login()
    there = page.there
    async with page.stream() as stream:
        await stream.send_json({"chart": SYMBOL})
        for minute in range(3):
            there.seconds = 60 * minute
            await there.quote(10.0 + minute / 10, volume=1000 * (minute + 1), amount=10_000.0)
            await asyncio.sleep(watchers.EVERY * 1.5)
        points = []
        while len(points) < 3:
            piece = json.loads((await stream.receive()).data).get("chart")
            if piece and piece["symbol"] == SYMBOL:
                points[piece["from"] :] = piece["points"]
    start = moment("10:00:00") // SECOND
    assert [point[0] for point in points] == [start, start + 60, start + 120]
    assert [point[1] for point in points] == [10.0, 10.1, 10.2]
    assert points[2][3] == 3000


async def test_a_symbol_nobody_quotes_has_no_curve(page):
    await page.login()
    async with page.stream() as stream:
        await stream.send_json({"chart": "600999.SH"})
        seen = await picture(stream)
        assert seen["chart"]["symbol"] == ""


@pytest.mark.parametrize(
    "said",
    ["{", "[]", '{"chart":1}', '{"chart":"x","y":1}', "x" * 2000, '{"chart":"' + "6" * 40 + '"}'],
)
async def test_a_page_that_talks_nonsense_is_cut_off_alone(page, said):
    await page.login()
    async with page.stream() as other, page.stream() as stream:
        await stream.send_str(said)
        async with asyncio.timeout(5):
            while not stream.closed:
                await stream.receive()
        await picture(other)
    assert page.there.engine.trading == "active"


async def test_ten_thousand_quotes_are_a_few_messages(page):
    await page.login()
    async with page.stream() as stream:
        await picture(stream)
        loop, messages = asyncio.get_running_loop(), 0
        began = loop.time()
        for number in range(10_000):
            await page.there.quote(10.0 + number % 7 / 100)
        took = loop.time() - began
        last = page.there.engine.clock.now()
        time = ""
        while time != show(last):
            said = json.loads((await stream.receive()).data)
            messages += 1
            time = said.get("head", {}).get("time", time)
        assert messages <= took / watchers.EVERY + 3


async def test_nothing_is_made_while_nobody_looks(page):
    made = []
    looking = page.there.engine.monitor._dashboard.watchers
    panels = looking._panels.now
    looking._panels.now = lambda chosen: made.append(1) or panels(chosen)
    await asyncio.sleep(watchers.EVERY * 4)
    assert not made
    await page.login()
    async with page.stream() as stream:
        await picture(stream)
    assert made
    await eventually(lambda: not len(looking))
    made.clear()
    await asyncio.sleep(watchers.EVERY * 4)
    assert not made


async def test_a_page_that_does_not_read_holds_up_nobody_and_is_let_go(page, monkeypatch):
    monkeypatch.setattr(watchers, "_SLOW", 0.3)
    await page.login()
    cookies = page.session.cookie_jar.filter_cookies(URL(page.url))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    host = page.url.removeprefix("http://")
    _, writer = await asyncio.open_connection(*host.split(":"), limit=2**10)
    writer.write(
        f"GET /stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {page.url}\r\nCookie: {cookie}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    looking = page.there.engine.monitor._dashboard.watchers
    await eventually(lambda: len(looking) == 1)
    (watcher,) = looking._open
    big = {"alerts": b'"' + b"x" * 8_000_000 + b'"'}
    watcher.give(big)
    await asyncio.sleep(0.05)
    for _ in range(100):
        watcher.give(big)
    assert sum(map(len, watcher._waiting.values())) <= 8_000_010  # the newest, once
    async with page.stream() as stream:
        await picture(stream)
    await eventually(lambda: len(looking) == 0)
    writer.close()


async def test_too_many_pages_are_refused_and_the_others_stay(page, monkeypatch):
    await page.login()
    monkeypatch.setattr(watchers, "MOST", 3)
    streams = [await page.stream() for _ in range(3)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.stream()
    assert refused.value.status == 429
    for stream in streams:
        await picture(stream)
        await stream.close()
    await eventually(lambda: not len(page.there.engine.monitor._dashboard.watchers))
    async with page.stream() as stream:
        await picture(stream)


@pytest.fixture
def patient(monkeypatch):
    """Who waits for pages to leave by themselves waits for ever."""
    monkeypatch.setattr(monitor, "_LEAVE", 3600.0)


async def test_a_page_that_looks_on_does_not_hold_up_the_end_of_a_run(patient, page):
    await page.login()
    async with page.stream() as stream, asyncio.timeout(30):
        await picture(stream)
        closing = asyncio.ensure_future(page.there.engine.monitor.close())
        while not stream.closed:
            await stream.receive()
        await closing
    assert stream.close_code == aiohttp.WSCloseCode.OK


async def test_a_flood_of_sockets_does_not_close_a_page(page):
    await page.login()
    loop = asyncio.get_running_loop()
    async with page.stream() as stream:
        await picture(stream)
        opened = [
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", page.there.run.port)
            for _ in range(300)
        ]
        await page.there.quote(10.5)
        changed = {}
        async with asyncio.timeout(10):
            while "positions" not in changed:
                changed |= json.loads((await stream.receive()).data)
        assert await page.there.status()
        for transport, _ in opened:
            transport.abort()


async def test_the_stream_ends_with_the_run(tmp_path):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        async with asked(tmp_path, Watcher(), **PAGE) as there:
            page = Client(there, session)
            await page.login()
            stream = await page.stream()
            await picture(stream)
        async with asyncio.timeout(5):
            while not stream.closed:
                await stream.receive()


# ------------------------------------------------------------ strangers


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"token":1}',
    b'{"token":"x","more":1}',
    b"\xff",
    b"{" * 9999,
]


@pytest.mark.parametrize("body", BODIES, ids=repr)
async def test_a_login_that_is_none(page, body):
    assert (await page.post("/login", body))[0].status == 400


PATHS = [
    "/../http.py",
    "/..%2fhttp.py",
    "/web/page.js",
    "/page.js/",
    "/page.js%00",
    "/%2e%2e/keys.py",
    "//page.js",
    "/PAGE.JS",
]


@pytest.mark.parametrize("path", PATHS)
async def test_there_are_no_other_files(page, path):
    async with page.session.get(URL(page.url + path, encoded=True)) as answer:
        assert answer.status == 401
    await page.login()
    async with page.session.get(URL(page.url + path, encoded=True)) as answer:
        assert answer.status == 404


@given(
    path=st.sampled_from(
        ["/", "/login", "/logout", "/session", "/stream", "/command", "/code", "/metrics"]
    )
    | st.text("/.%2ef", max_size=9),
    verb=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
    body=st.binary(max_size=60) | st.sampled_from([b'{"token":""}', b'{"code":"x"}']),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "Origin",
                "Cookie",
                "X-Token",
                "Upgrade",
                "Connection",
                "If-None-Match",
                "Sec-WebSocket-Key",
                "Content-Type",
            ]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
        | st.sampled_from(["websocket", "application/json"]),
        max_size=4,
    ),
)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_sent_is_answered_and_changes_nothing(shaped, path, verb, body, headers):
    status, trading, commands = shaped(verb, path, body, headers)
    assert status < 500
    assert trading == "active"
    assert commands == 0


@pytest.fixture(scope="module")
def shaped(tmp_path_factory):
    """Sends raw requests to an engine that runs all the while."""
    with asyncio.Runner() as runner:
        stack = asked(tmp_path_factory.mktemp("shaped"), Watcher(), **PAGE)
        there = runner.run(stack.__aenter__())
        host = there.engine.monitor.url.removeprefix("http://")

        async def send(verb, path, body, headers):
            lines = [f"{verb} {path or '/'} HTTP/1.1", f"Host: {host}", "Connection: close"]
            lines += [f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items() if name != "Connection"]
            reader, writer = await asyncio.open_connection(*host.split(":"))
            writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
            async with asyncio.timeout(20):
                line = await reader.readline()
            writer.close()
            engine = there.engine
            told = [e for e in journalled(engine.records.path) if isinstance(e, OperatorCommand)]
            return int(line.split()[1]), engine.trading, len(told)

        yield lambda *said: runner.run(send(*said))
        runner.run(stack.__aexit__(None, None, None))
