"""The page in a real browser, as its user sees it. Pictures of all of it are in `shots/`."""

import asyncio
from functools import partial

import pytest
from asked import Eager, Watcher, a_port, asked
from browsing import browser, expect, shot, tab
from builders import SYMBOL
from qmt import eventually
from stage import journalled

import qka
from qka.model.events import OperatorCommand
from qka.model.times import show
from qka.monitor import keys
from qka.monitor.watchers import Watchers

pytestmark = pytest.mark.long

PAGE = {"monitor": {"enabled": True, "dashboard": True}}
CANCEL = "#orders tbody button"


@pytest.fixture
async def chromium():
    async with browser() as started:
        yield started


async def logged_in(page, there):
    await page.goto(there.engine.monitor.page)
    await page.wait_for_selector("#money div")


async def text(page, selector):
    return await page.inner_text(selector)


async def test_a_wrong_token_is_refused_and_the_right_one_remembered(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await page.goto(there.engine.monitor.url)
        await page.fill("#token", "x" * 43)
        await page.click("#login button")
        await page.wait_for_selector("text=The token is wrong.")
        assert await page.is_hidden("#page")
        await shot(page, "login-wrong-en")
        await page.fill("#token", there.run.token)
        await page.click("#login button")
        await page.wait_for_selector("#money div")
        assert await page.is_hidden("#login")
        await page.reload()
        await page.wait_for_selector("#money div")
        await page.click("#logout")
        await page.wait_for_selector("#token")


async def test_a_link_lets_in_once(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there:
        link = there.engine.monitor.page
        async with tab(chromium) as page:
            await page.goto(link)
            await page.wait_for_selector("#money div")
            assert page.url == f"{there.engine.monitor.url}/"  # nothing secret stays in the address
        async with tab(chromium) as page:
            await page.goto(link)
            await page.wait_for_selector("text=The link was used before")


async def test_a_fill_arrives(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        assert await text(page, "#fills tbody") == ""
        await there.command("buy", SYMBOL, 300, 10.05, why="a test")
        await page.wait_for_selector("#orders tbody tr")
        await there.quote(10.0)
        await page.wait_for_selector("#fills tbody tr")
        fill = await text(page, "#fills tbody tr")
        assert fill.split("\t")[1:5] == [SYMBOL, "buy", "300", "10.01"]
        position = (await text(page, "#positions tbody tr")).split("\t")
        assert position[:4] == [SYMBOL, "300", "0", "300"]  # bought today: nothing can be sold
        assert await text(page, "#orders tbody") == ""
        await page.select_option("#symbol", SYMBOL)
        await page.wait_for_timeout(300)
        await shot(page, "a-fill-en")


async def test_an_order_is_cancelled(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        for price in (9.51, 9.52):
            await there.command("buy", SYMBOL, 100, price)
        await there.quote()
        await page.click(f"{CANCEL} >> nth=0")
        await page.wait_for_selector("text=The cancel is on its way.")
        await there.quote()
        await expect(page, "#orders tbody tr").to_have_count(1)
        assert [order.status for order in there.orders] == ["cancelled", "accepted"]
        await page.click("[data-ask=cancel-all]")
        await page.fill("#ask-why", "all of it")
        await shot(page, "ask-cancel-all-en")
        await page.click("#ask button[value=yes]")
        await page.wait_for_selector("text=Cancels of 1 orders are on their way.")
        await there.quote()
        await page.wait_for_selector("#orders.empty")
    told = [e for e in journalled(there.engine.records.path) if isinstance(e, OperatorCommand)]
    assert [(c.command, c.who, c.why) for c in told[2:]] == [
        ("cancel", "dashboard", ""),
        ("cancel-all", "dashboard", "all of it"),
    ]


async def test_what_flatten_can_not_sell_is_said(chromium, tmp_path):
    held = {"000001.SZ": 500}
    async with asked(tmp_path, Watcher(), held=held, **PAGE) as there, tab(chromium) as page:
        await there.quote(symbol="000001.SZ")
        await there.command("buy", SYMBOL, 300, 10.05)
        await there.quote()
        await logged_in(page, there)
        await page.click("[data-ask=flatten]")
        await page.click("#ask button[value=yes]")
        await page.wait_for_selector("text=Acknowledged: positions are being left")
        await page.wait_for_selector(f"#notes .bad:has-text('{SYMBOL}')")  # bought today
        await shot(page, "flatten-en")
        await there.quote(symbol="000001.SZ")
        await there.quote()
        await expect(page, "#positions tbody tr").to_have_count(1)
        assert there.engine.ledger.position(SYMBOL).quantity == 300
        assert there.engine.trading == "reducing"


async def test_halt_is_acknowledged_and_nothing_leaves_after_it(chromium, tmp_path):
    async with asked(tmp_path, Eager(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        before = len(there.orders)
        assert before
        await page.click("#halt")
        await page.wait_for_selector("text=Acknowledged: HALTED")
        for _ in range(5):
            await there.quote()
        assert {order.status for order in there.orders[before:]} == {"denied"}
        await expect(page, "#state").to_have_text("HALTED")
        await shot(page, "halted-en")
        await page.click("#resume")
        await page.click("#ask button[value=no]")
        assert there.engine.trading == "halted"
        await page.click("#resume")
        await page.click("#ask button[value=yes]")
        await page.wait_for_selector("text=Acknowledged: trading is active.")
        assert there.engine.trading == "active"


async def test_a_strategy_is_stopped(chromium, tmp_path):
    async with asked(tmp_path, Eager(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        await page.click("#strategies button")
        await page.fill("#ask-why", "enough")
        await page.click("#ask button[value=yes]")
        await page.wait_for_selector("text=The strategy is stopped.")
        await expect(page, "#strategies tbody tr td:nth-child(2)").to_have_text("stopped")
        before = len(there.orders)
        await there.quote()
        assert len(there.orders) == before


async def test_a_run_that_was_stopped_says_so_and_is_not_missed(chromium, tmp_path):
    async with tab(chromium) as page:
        async with asked(tmp_path, Watcher(), **PAGE) as there:
            await logged_in(page, there)
            await there.quote(10.2)
        await page.wait_for_selector("text=The run was stopped.")
        banner, last = await text(page, "#banner"), await text(page, "#clock")
        assert last in banner
        assert "No connection" not in banner
        assert await text(page, "#state") == "ended"
        await expect(page, "#quotes tbody td:nth-child(3)").to_have_text("+2.00%")
        await page.click("#language")
        await expect(page, "#state").to_have_text("已结束")
        await shot(page, "ended-zh")


async def test_a_run_that_broke_off_says_why(chromium, tmp_path, monkeypatch):
    async with tab(chromium) as page:
        async with asked(tmp_path, Watcher(), **PAGE) as there:
            await logged_in(page, there)
            close = there.engine.monitor.close
            broke = partial(close, "failed", "the feed was cancelled")
            monkeypatch.setattr(there.engine.monitor, "close", lambda how, why: broke())
        await page.wait_for_selector("text=The run broke off: the feed was cancelled.")


async def test_the_engine_is_restarted_behind_the_page(chromium, tmp_path, monkeypatch):
    """A killed one says no word of its end."""
    config = {"monitor": {**PAGE["monitor"], "port": a_port()}}
    close = Watchers.close
    monkeypatch.setattr(Watchers, "close", lambda watchers, ended=None: close(watchers))
    async with tab(chromium) as page:
        async with asked(tmp_path, Watcher(), **config) as there:
            await logged_in(page, there)
            last = await text(page, "#clock")
        await page.wait_for_selector("#banner:not([hidden])")
        banner = await text(page, "#banner")
        assert "No connection to the engine" in banner
        assert last in banner
        assert await page.eval_on_selector("main", "e => getComputedStyle(e).opacity") == "0.42"
        await shot(page, "away-en")
        await page.click("#halt")  # it says so where it can't be done
        await page.wait_for_selector("text=The engine did not answer")
        async with asked(tmp_path, Watcher(), **config):
            await page.wait_for_selector("#banner", state="hidden")
            assert await page.eval_on_selector("main", "e => getComputedStyle(e).opacity") == "1"


async def test_a_page_that_may_only_look(chromium, tmp_path):
    config = {"monitor": {**PAGE["monitor"], "read_only": True}}
    async with asked(tmp_path, Eager(), **config) as there, tab(chromium) as page:
        await logged_in(page, there)
        await page.wait_for_selector("#orders tbody tr")
        assert await text(page, "#right") == "read-only"
        for button in ("#halt", "#reduce", CANCEL, "[data-ask=flatten]", "[data-ask=cancel-all]"):
            assert await page.is_hidden(button)
        status = await page.evaluate(
            """async () => (await fetch("command", {method: "POST", headers: {"Content-Type":
            "application/json"}, body: '{"command":"halt","who":"me"}'})).status"""
        )
        assert status == 403
        assert there.engine.trading == "active"
        await shot(page, "read-only-en")


async def test_a_denial_gives_its_reason_in_the_language_of_the_page(chromium, tmp_path):
    class Greedy(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.buy(SYMBOL, 2_000_000, 9.0)

    async with (
        asked(tmp_path, Greedy(), **PAGE) as there,
        tab(chromium, language="zh-CN") as page,
    ):
        await logged_in(page, there)
        await there.quote()
        words = "600000.SH 2000000 股：一笔限价委托最多 1000000 股；1000000 可以通过"
        await page.wait_for_selector(f"#denials td:has-text('{words}')")
        await page.click("#language")
        words = "2000000 600000.SH: one limit order is 1000000 shares at most; 1000000 would pass"
        await page.wait_for_selector(f"#denials td:has-text('{words}')")


HOSTILE = '<img src=x onerror="document.title=1">'


async def test_what_the_engine_says_is_text(chromium, tmp_path):
    class Hostile(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.buy(SYMBOL, 100_000_000, 9.0, reason=HOSTILE)

    async with (
        asked(tmp_path, Hostile(name="<b>Hostile</b>"), **PAGE) as there,
        tab(chromium) as page,
    ):
        await logged_in(page, there)
        await page.wait_for_selector("#signals tbody tr")
        assert HOSTILE in await text(page, "#signals tbody")
        assert "<b>Hostile</b>" in await text(page, "#strategies tbody")
        assert await page.locator("td img, td b").count() == 0
        assert await page.title() == "qka"


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["desk", "phone"])
async def test_every_panel_in_both_languages_and_colours(
    chromium, tmp_path, language, scheme, size
):
    held = {SYMBOL: 5000, "000001.SZ": 2000}
    looks = {"language": language, "scheme": scheme, "size": size}
    async with (
        asked(tmp_path, Eager(), held=held, **PAGE) as there,
        tab(chromium, **looks) as page,
    ):
        await logged_in(page, there)
        await there.command("sell", SYMBOL, 500, 9.9)
        for last in (10.02, 10.04, 9.98):
            await there.quote(last)
            await asyncio.sleep(0.3)
        await page.wait_for_selector("#fills tbody tr")
        words = await page.evaluate(
            """() => [...document.querySelectorAll("[data-word]")].filter(e =>
            e.textContent === e.dataset.word && e.dataset.word.includes("_"))
            .map(e => e.outerHTML)"""
        )
        assert not words
        wide = "document.documentElement.scrollWidth > window.innerWidth"
        assert not await page.evaluate(wide)  # nothing sticks out sideways
        assert await page.is_visible("#halt")
        await shot(page, f"{'desk' if size[0] > 500 else 'phone'}-{scheme}-{language[:2]}")


async def test_language_theme_and_the_colour_of_gains_can_be_chosen(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        assert await text(page, "#halt") == "HALT"
        await page.click("#language")
        assert await text(page, "#halt") == "暂停交易"
        up = "getComputedStyle(document.body).getPropertyValue('--up')"
        red = await page.evaluate(up)
        await page.click("#colours")
        assert await page.evaluate(up) != red
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(ground)
        for _ in range(2):
            await page.click("#theme")
        assert await page.evaluate(ground) != light
        await page.reload()
        await page.wait_for_selector("#money div")
        assert await text(page, "#halt") == "暂停交易"
        assert await page.evaluate(ground) != light


async def test_both_languages_have_the_same_words(chromium, tmp_path):
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await page.goto(there.engine.monitor.url)
        zh, en = await page.evaluate(
            """async () => { const {WORDS} = await import("/words.js");
            const names = (words) => Object.entries(words).flatMap(([name, word]) =>
              typeof word === "string" ? [name]
              : Object.keys(word).map((each) => `${name}.${each}`)).sort();
            return [names(WORDS.zh), names(WORDS.en)]; }"""
        )
        assert zh == en
        assert len(zh) > 100


async def test_a_session_ends_with_the_keys(chromium, tmp_path):
    config = {"monitor": {**PAGE["monitor"], "port": a_port()}}
    async with tab(chromium) as page:
        async with asked(tmp_path, Watcher(), **config) as there:
            await logged_in(page, there)
        (there.engine.folder.parent / keys.FILE).unlink()
        async with asked(tmp_path, Watcher(), **config):
            await page.wait_for_selector("#token")


async def test_a_push_of_quotes_does_not_slow_the_page(chromium, tmp_path):
    """Ten thousand quotes behind it are a few pictures to the page."""
    async with asked(tmp_path, Watcher(), **PAGE) as there, tab(chromium) as page:
        await logged_in(page, there)
        await page.evaluate(
            """() => { window.told = 0; const before = WebSocket.prototype;
            const slot = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data");
            Object.defineProperty(MessageEvent.prototype, "data", {get() {
              window.told++; return slot.get.call(this); }}); }"""
        )
        began = asyncio.get_running_loop().time()
        for number in range(10_000):
            await there.quote(10.0 + number % 7 / 100)
        took = asyncio.get_running_loop().time() - began
        await eventually(lambda: there.engine.ledger.heard >= 10_000)
        await expect(page, "#clock").to_have_text(show(there.engine.clock.now()))
        assert await page.evaluate("window.told") <= took * 4 + 8
