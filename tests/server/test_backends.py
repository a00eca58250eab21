"""The two back ends over a terminal: the same calls, the same three outcomes, the same pushes.

`link` goes through TraderLink, Xtdata and the vendor's own Python; `simulated` asks the terminal
itself. Nothing above knows which.
"""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from builders import a_quote, moment
from qmt import ACCOUNT, PATH, a_terminal, eventually
from server_stage import ORDER, running

from qka.brokers.link import TraderLink
from qka.clock import WallClock
from qka.errors import BrokerUnavailable, NotSent, OutcomeUnknown
from qka.feeds.xtdata import Xtdata
from qka.server.backend import Unsupported
from qka.server.link import LinkBackend
from qka.server.simulated import SimulatedBackend
from qka.terminal.books import Opening
from qka.terminal.market import SimulatedMarket

BOTH = ["link", "simulated"]
PARAMS = {**ORDER, "strategy_name": "", "order_remark": "r1"}


def _link(terminal, deadline):
    link = TraderLink(PATH, ACCOUNT, deadline=deadline, sessions=range(1, 9))
    return LinkBackend(link, Xtdata(WallClock().now, deadline=deadline, check=0.05, pause=0.02))


def _simulated(terminal, deadline):
    return SimulatedBackend(terminal, ACCOUNT, deadline=deadline, retry=0.02)


class Heard:
    """What a back end said, and the back end."""

    def __init__(self, backend, terminal):
        self.backend = backend
        self.terminal = terminal
        self.pushes = []
        self.states = []

    async def open(self):
        await self.backend.open(lambda *push: self.pushes.append(push), self.states.append)
        await eventually(lambda: self.backend.status.ready)

    def of(self, kind):
        return [record for there, record in self.pushes if there == kind]


@asynccontextmanager
async def opened(kind, *, deadline=2.0, meanwhile=lambda terminal: asyncio.sleep(0), **options):
    with a_terminal(**options) as terminal:
        make = _link if kind == "link" else _simulated
        heard = Heard(make(terminal, deadline), terminal)
        await asyncio.gather(heard.open(), meanwhile(terminal))
        try:
            yield heard
        finally:
            terminal.resume()
            await heard.backend.close()


@pytest.mark.parametrize("kind", BOTH)
async def test_an_order_from_its_id_to_its_trade(kind):
    async with opened(kind) as heard:
        backend = heard.backend
        assert backend.account == (ACCOUNT, "STOCK")
        response = await backend.order({**PARAMS, "price": 10.01}, None)
        assert response.order_id == 1
        heard.terminal.advance(by=1)
        heard.terminal.quote(a_quote(time=moment("10:00:06")))
        await eventually(lambda: heard.of("trade"))
        assert heard.of("trade")[0].order_remark == "r1"
        assert [o.order_id for o in await backend.find("r1")] == [1]
        assert await backend.find("other") == []
        assert (await backend.query("query_stock_asset", {})).account_id == ACCOUNT
        order = await backend.query("query_stock_order", {"order_id": 1})
        assert order.traded_volume == 100
        assert await backend.query("query_stock_order", {"order_id": 9}) is None
        assert len(await backend.query("query_stock_orders", {"cancelable_only": False})) == 1
        assert not await backend.query("query_stock_orders", {"cancelable_only": True})
        held = await backend.query("query_stock_position", {"stock_code": "000001.SZ"})
        assert held.volume == 1000


@pytest.mark.parametrize("kind", BOTH)
async def test_a_refusal_has_the_terminals_words(kind):
    async with opened(kind) as heard:
        response = await heard.backend.order({**PARAMS, "price": 99.0}, None)
        heard.terminal.faults.next("refused")
        response = await heard.backend.order(PARAMS, None)
        assert response.order_id <= 0
        assert response.error_msg


@pytest.mark.parametrize("kind", BOTH)
async def test_cancels_by_either_number(kind):
    async with opened(kind) as heard:
        backend = heard.backend
        for remark in ("r1", "r2"):
            await backend.order({**PARAMS, "order_remark": remark}, None)
        heard.terminal.advance(by=1)
        first = await backend.cancel({"order_id": 1})
        assert first.cancel_result == 0
        sysid = (await backend.query("query_stock_order", {"order_id": 2})).order_sysid
        assert (await backend.cancel({"market": 0, "sysid": sysid})).cancel_result == 0
        heard.terminal.advance(by=1)
        orders = await backend.query("query_stock_orders", {})
        assert [order.order_status for order in orders] == [54, 54]
        again = await backend.cancel({"order_id": 1})
        assert again.cancel_result != 0
        assert (await backend.cancel({"market": "SZ", "sysid": sysid})).cancel_result != 0


@pytest.mark.parametrize("kind", BOTH)
async def test_a_lost_answer_is_unknown_and_the_link_mends_itself(kind):
    async with opened(kind, deadline=0.2) as heard:
        heard.terminal.faults.next("reply_lost", "order")
        with pytest.raises(OutcomeUnknown):
            await heard.backend.order(PARAMS, None)
        await eventually(lambda: heard.backend.status.ready)
        assert [o.order_id for o in await heard.backend.find("r1")] == [1]


@pytest.mark.parametrize("kind", BOTH)
async def test_an_order_past_its_time_is_not_sent(kind):
    async with opened(kind) as heard:
        with pytest.raises(NotSent):
            await heard.backend.order(PARAMS, asyncio.get_running_loop().time() - 1)
        assert not heard.terminal.books(ACCOUNT).orders


@pytest.mark.parametrize("kind", BOTH)
async def test_an_order_whose_turn_has_not_come_can_be_taken_back(kind, monkeypatch):
    async with opened(kind, deadline=5.0) as heard:
        ask, called, on = heard.terminal.ask, threading.Event(), threading.Event()

        def blocks(session, call, *rest):
            if call == "order":
                called.set()
                on.wait(5)
            ask(session, call, *rest)

        monkeypatch.setattr(heard.terminal, "ask", blocks)
        marks = [object() for _ in range(3)]
        first, second, third = (
            asyncio.create_task(heard.backend.order({**PARAMS, "order_remark": r}, None, mark))
            for r, mark in zip("abc", marks, strict=True)
        )
        await eventually(called.is_set)
        assert heard.backend.recall({*marks[:2], object()}, "no more") == [marks[1]]
        with pytest.raises(NotSent, match="no more"):
            await second
        on.set()
        assert [(await first).order_id, (await third).order_id] == [1, 2]
        assert heard.backend.recall(set(marks), "no more") == []


@pytest.mark.parametrize("kind", BOTH)
async def test_a_terminal_that_is_gone_takes_nothing_and_is_found_again(kind):
    async with opened(kind) as heard:
        heard.terminal.stop()
        await eventually(lambda: not heard.backend.status.ready)
        with pytest.raises(NotSent):
            await heard.backend.order(PARAMS, None)
        with pytest.raises(NotSent):
            await heard.backend.cancel({"order_id": 1})
        with pytest.raises(BrokerUnavailable):
            await heard.backend.query("query_stock_orders", {})
        heard.terminal.start()
        await eventually(lambda: heard.backend.status.ready)
        assert (await heard.backend.order(PARAMS, None)).order_id == 1
        assert [state.ready for state in heard.states].count(True) == 2


@pytest.mark.parametrize("kind", BOTH)
async def test_a_terminal_that_hangs_is_left_and_connected_anew(kind):
    async with opened(kind, deadline=0.2) as heard:
        heard.terminal.hang()
        with pytest.raises(BrokerUnavailable):
            await heard.backend.query("query_stock_orders", {})
        await eventually(lambda: not heard.backend.status.ready)
        heard.terminal.resume()
        await eventually(lambda: heard.backend.status.ready)
        assert await heard.backend.query("query_stock_asset", {})


@pytest.mark.parametrize("kind", BOTH)
async def test_a_login_while_the_link_is_being_made_is_not_overwritten_by_an_older_answer(kind):
    async def logs_in(terminal):
        terminal.set_account_status(ACCOUNT, 2)
        terminal.faults.next("reply_late", "account_status")
        await eventually(lambda: terminal.faults.struck["reply_late"])
        terminal.set_account_status(ACCOUNT, 0)
        terminal.flush()

    async with opened(kind, meanwhile=logs_in) as heard:
        assert [s.account_status for s in heard.states if s.ready] == [0]
        assert heard.backend.status.account_status == 0


@pytest.mark.parametrize("kind", BOTH)
async def test_quotes_instruments_and_bars(kind):
    async with opened(kind) as heard:
        backend = heard.backend
        await eventually(lambda: kind == "simulated" or backend._quotes.up)
        await backend.subscribe(["600000.SH"])
        heard.terminal.quote(a_quote(10.05, time=moment("10:00:06")))
        await eventually(
            lambda: any(q["600000.SH"]["lastPrice"] == 10.05 for q in heard.of("quotes"))
        )
        assert (await backend.ticks(["SH"]))["600000.SH"]["lastPrice"] == 10.05
        assert (await backend.instrument("600000.SH", False))["UpStopPrice"] == 11.0
        assert await backend.instrument("999999.SH", False) is None
        await backend.unsubscribe(["600000.SH"])
        assert isinstance(await backend.bars("600000.SH", "1d", 5, None), list)


@pytest.mark.parametrize("kind", BOTH)
async def test_quotes_come_again_after_their_connection_broke(kind):
    async with opened(kind) as heard:
        await eventually(lambda: kind == "simulated" or heard.backend._quotes.up)
        await heard.backend.subscribe(["SH"])
        heard.terminal.disconnect_data()
        seconds = 6

        def fresh():
            nonlocal seconds
            seconds += 1
            heard.pushes.clear()
            heard.terminal.quote(a_quote(time=moment("10:00:00") + seconds * 10**9))
            return seconds

        async with asyncio.timeout(10):
            while not heard.of("quotes"):
                fresh()
                await asyncio.sleep(0.02)  # the market's pace


@pytest.mark.parametrize("kind", BOTH)
async def test_a_method_there_is_not(kind):
    async with opened(kind) as heard:
        with pytest.raises(Unsupported):
            await heard.backend.query("query_com_position", {})


async def test_a_whole_server_over_the_vendors_own_python(tmp_path):
    with a_terminal() as terminal:
        backend = _link(terminal, 2.0)
        backend.now = terminal.now  # what the rules go by: it lives in another time
        async with running(tmp_path, backend) as stage, stage.ws() as engine:
            stage.backend.account  # noqa: B018  # the link's own
            assert (await engine.order("r1"))["data"] == 1
            assert (await stage.order("k"))[1]["data"] == 2
            terminal.advance(by=1)
            while not any(e["kind"] == "order" for e in engine.events):
                await engine.read()
            _, orders = await stage.call("query_stock_orders")
            assert [o["order_remark"] for o in orders["data"]] == ["r1", "k"]
            _, status = await stage.call("query_account_status")
            assert status["data"][0]["status"] == 0
            assert (await stage.call("cancel_order_stock", order_id="1"))[1]["data"] == 0
            assert (await stage.call("cancel_order_stock", order_id=99))[1]["data"] == -1
            assert (await stage.send("GET", "/health", token=None))[1]["status"] == "ok"


async def test_a_simulated_market_moves_by_itself(tmp_path):
    market = SimulatedMarket([Opening(account_id="demo")], speed=100.0)
    backend = SimulatedBackend(market, "demo")
    async with running(tmp_path, backend) as stage, stage.ws() as engine:
        assert engine.greeting["simulated"] is True
        assert engine.greeting["speed"] == 100.0
        await engine.ask("subscribe", symbols=["SH", "SZ"])
        while len(engine.quotes) < 3:
            await engine.read()
        _, bars = await stage.call("get_market_data", symbol="600000.SH", period="1m", count=5)
        times = [row[0] for row in bars["data"]]
        assert len(times) == 5
        assert times == sorted(times)
        assert times[-1] <= backend.now() / 1e6
