"""The broker behind a server: one order stays one order, whatever the link does."""

import time
from collections import deque
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal

import pytest
from aiohttp import ClientConnectionResetError
from builders import NEXT_DAY, NO_COMMISSION, an_order, moment
from loguru import logger
from scripted import TOKEN, Fault, eventually, scripted

from qka.brokers.client import AsyncQMTClient
from qka.brokers.remote import RemoteBroker
from qka.brokers.words import FIX_PRICE, MARKET_SH_CONVERT_5_CANCEL, STOCK_BUY, STOCK_SELL
from qka.clock import ManualClock
from qka.errors import AccessDenied, BrokerUnavailable, CallRefused
from qka.model.account import AccountIdentity, Asset
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Fill,
    LinkState,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.life import after
from qka.model.order import Approved, OrderStatus, OrderType, Side

ASSET = {
    "cash": 990_000.0,
    "frozen_cash": 10_000.0,
    "market_value": 0.0,
    "total_asset": 1_000_000.0,
}
TEN = moment() // 1_000_000_000  # Unix seconds


def an_order_record(status: int = 50, **changes):
    """What the terminal says of the order `a`."""
    return {
        "account_type": 2, "account_id": "demo", "stock_code": "600000.SH", "order_id": 1001,
        "order_sysid": "S1", "order_time": TEN, "order_type": 23, "order_volume": 1000,
        "price_type": 50, "price": 10.0, "traded_volume": 0, "traded_price": 0.0,
        "order_status": status, "status_msg": "", "strategy_name": "", "order_remark": "a",
        **changes,
    }  # fmt: skip


def a_trade_record(traded_id: str = "t1", volume: int = 1000, **changes):
    """A deal of the order `a`."""
    return {
        "account_type": 2, "account_id": "demo", "stock_code": "600000.SH", "order_type": 23,
        "traded_id": traded_id, "traded_time": TEN, "traded_price": 10.0, "traded_volume": volume,
        "traded_amount": 10.0 * volume, "order_id": 1001, "order_sysid": "S1", "order_remark": "a",
        **changes,
    }  # fmt: skip


class Stage:
    """A broker on a scripted server, and everything it reported."""

    def __init__(self, server, client, broker, clock):
        self.server, self.client, self.broker, self.clock = server, client, broker, clock
        self.heard = []

    def submit(self, **changes):
        order = an_order(**changes)
        self.broker.submit(Approved(order))
        return order

    def of(self, kind, order_id="a"):
        return [e for e in self.heard if isinstance(e, kind) and e.order_id == order_id]

    def links(self):
        return [event.up for event in self.heard if isinstance(event, LinkState)]

    async def until(self, kind, order_id="a"):
        return await eventually(lambda: self.of(kind, order_id))

    @property
    def asked(self):
        return [frame["method"] for frame in self.server.frames if frame["op"] == "call"]


@asynccontextmanager
async def stage(*, within=10.0, connect=True, client=None, **attributes):
    answers = {
        "query_stock_asset": ASSET,
        "query_stock_positions": [],
        "query_stock_orders": [],
        "query_stock_trades": [],
        "cancel_order_stock": 0,
    }
    async with scripted(**{"answers": answers, **attributes}) as server:
        linked = AsyncQMTClient(server.url, TOKEN, **{"patience": 3.0, **(client or {})})
        clock = ManualClock(moment())
        broker = RemoteBroker(linked, clock, NO_COMMISSION, within=within)
        set_up = Stage(server, linked, broker, clock)
        try:
            if connect:
                await broker.connect(set_up.heard.append)
            yield set_up
        finally:
            await broker.close()
            assert not linked.up


# ------------------------------------------------------------------ a good day


async def test_it_names_the_account_and_says_that_the_link_is_up():
    async with stage(connect=False) as s:
        identity = await s.broker.connect(s.heard.append)
        assert identity == AccountIdentity("demo", "STOCK")
        assert s.links() == [True]


async def test_an_order_goes_out_in_xtquants_words_with_our_id_as_key_and_remark():
    async with stage() as s:
        s.submit(strategy="dual_ma")
        submitted = await s.until(OrderSubmitted)
        assert submitted[0].broker_id == "1001"
        call = s.server.frames[-1]
        assert call["key"] == "a"
        assert call["deadline"] > 0
        assert call["params"] == {
            "stock_code": "600000.SH", "order_type": STOCK_BUY, "order_volume": 1000,
            "price_type": FIX_PRICE, "price": 10.0, "strategy_name": "dual_ma", "order_remark": "a",
        }  # fmt: skip


async def test_a_market_sell_has_its_exchanges_price_type():
    async with stage() as s:
        s.submit(side=Side.SELL, type=OrderType.MARKET)
        await s.until(OrderSubmitted)
        params = s.server.frames[-1]["params"]
        assert params["order_type"] == STOCK_SELL
        assert params["price_type"] == MARKET_SH_CONVERT_5_CANCEL
        assert params["price"] == 0.0


async def test_orders_leave_in_the_order_they_were_submitted():
    async with stage() as s:
        for name in "abcde":
            s.submit(id=name)
        await s.until(OrderSubmitted, "e")
        assert [params["order_remark"] for params in s.server.orders] == list("abcde")


async def test_pushes_become_reports_and_fills():
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        await s.server.push("order", an_order_record(50))
        await s.server.push("trade", a_trade_record())
        await s.server.push("order", an_order_record(56, traded_volume=1000))
        fill = (await s.until(Fill))[0]
        assert (fill.quantity, fill.price, fill.deal_id) == (1000, 10.0, "t1")
        assert s.broker.reports.order_of("a").status is OrderStatus.FILLED


async def test_the_brokers_refusal_is_a_rejection_in_its_words():
    words = {"success": False, "data": -1, "detail": "可用资金不足", "code": "refused"}
    async with stage() as s:
        s.server.answers["order_stock"] = lambda params: words
        s.submit()
        assert (await s.until(OrderRejected))[0].reason == "可用资金不足"


async def test_the_snapshot_is_what_the_server_says_now():
    async with stage() as s:
        s.server.answers["query_stock_orders"] = [an_order_record(55, traded_volume=400)]
        s.server.answers["query_stock_trades"] = [a_trade_record(volume=400)]
        s.server.answers["query_stock_positions"] = [
            {"stock_code": "600000.SH", "volume": 400, "can_use_volume": 0, "avg_price": 10.0}
        ]
        snapshot = await s.broker.snapshot()
        assert snapshot.asset == Asset(Decimal("1000000.00"), Decimal("10000.00"), Decimal("0.00"))
        assert (snapshot.positions[0].quantity, snapshot.positions[0].today) == (400, 400)
        assert [(o.id, o.status, o.filled) for o in snapshot.orders] == [
            ("a", OrderStatus.PARTIALLY_FILLED, 400)
        ]


# ------------------------------------------------------------------ twice, late, out of order


async def test_pushes_that_come_twice_or_again_change_nothing():
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        await s.server.push("trade", a_trade_record(), twice=True)
        await s.server.push("trade", a_trade_record())
        await s.server.push("order", an_order_record(56, traded_volume=1000), twice=True)
        await s.server.push("order", an_order_record(50))
        await s.server.push(
            "trade", a_trade_record("t2", 1, order_id=9, order_sysid="S9", order_remark="z")
        )
        await eventually(lambda: s.broker.reports.order_of("a").is_final)
        assert len(s.of(Fill)) == 1


async def test_pushes_before_the_reply_find_their_order_by_its_remark():
    async with stage() as s:
        s.server.silent = True
        s.submit()
        await eventually(lambda: s.asked == ["order_stock"])
        await s.server.push("trade", a_trade_record())
        await s.server.push("order", an_order_record(56, traded_volume=1000))
        await s.until(Fill)
        s.server.silent = False
        number = s.server.frames[-1]["id"]
        await s.server.say({"op": "reply", "id": number, "success": True, "data": 1001})
        await s.server.push("asset", ASSET)
        await s.broker.snapshot()  # everything before it has been heard
        assert s.broker.reports.order_of("a").status is OrderStatus.FILLED
        assert s.of(OrderUnknown) == []


# ------------------------------------------------------------------ the link breaks


async def test_a_ping_that_can_not_be_answered_any_more_is_a_link_that_broke(monkeypatch):
    async with stage() as s:
        socket = s.client._channel._socket

        async def receive():
            raise ClientConnectionResetError("Cannot write to closing transport")

        monkeypatch.setattr(socket, "receive", receive)
        await s.server.push("asset", ASSET)  # it is heard, and then the next is waited for
        await eventually(lambda: s.links() == [True, False, True])
        (why,) = [
            event.reason for event in s.heard if isinstance(event, LinkState) and not event.up
        ]
        assert "the link broke (ClientConnectionResetError" in why


async def test_an_order_while_the_link_is_down_was_not_sent():
    async with stage() as s:
        await s.server.stop()
        await eventually(lambda: not s.client.up)
        s.submit()
        assert "not sent" in (await s.until(OrderRejected))[0].reason
        assert s.server.orders == []
        assert s.links() == [True, False]


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.HALF_REPLY])
async def test_an_order_whose_reply_is_lost_is_unknown_then_found_and_never_sent_again(fault):
    async with stage() as s:
        s.server.faults.append(fault)
        s.submit()
        await s.until(OrderUnknown)
        assert (await s.until(OrderSubmitted))[0].broker_id == "1001"
        assert len(s.server.orders) == 1
        assert s.asked.count("order_stock") == 1
        assert s.links() == [True, False, True]


async def test_an_order_that_the_server_never_saw_is_refused_only_after_its_deadline():
    async with stage(within=0.2) as s:
        s.server.faults.append(Fault.LOST_BEFORE)
        s.submit()
        await s.until(OrderUnknown)
        assert "never had it" in (await s.until(OrderRejected))[0].reason
        assert s.server.orders == []
        assert "order_stock" not in s.asked


async def test_an_order_that_a_server_with_another_memory_never_saw_stays_unknown():
    async with stage(within=0.05) as s:
        s.server.faults.append(Fault.LOST_BEFORE)
        s.server.epoch = "e2"
        s.submit()
        await s.until(OrderUnknown)
        await eventually(lambda: s.asked.count("outcome") >= 3)
        assert s.of(OrderRejected) == []


async def test_an_order_found_among_the_accounts_orders_needs_no_key():
    async with stage() as s:
        s.server.faults.append(Fault.UNKNOWN)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        s.submit()
        await s.until(OrderUnknown)
        await s.until(OrderAccepted)
        assert "outcome" not in s.asked


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ({"state": "executed", "order_id": 1001}, OrderSubmitted),
        ({"state": "refused", "order_id": None, "detail": "no cash"}, OrderRejected),
        ({"state": "not_executed", "detail": "it waited too long"}, OrderRejected),
    ],
    ids=["executed", "refused", "not executed"],
)
async def test_what_the_server_does_not_know_yet_is_asked_for_until_it_does(fate, told):
    async with stage() as s:
        s.server.faults.append(Fault.UNKNOWN)
        s.server.fates["a"] = {"state": "unknown"}
        s.submit()
        await s.until(OrderUnknown)
        await eventually(lambda: s.asked.count("outcome") >= 2)
        assert s.of(told) == []
        s.server.fates["a"] = fate
        await s.until(told)


async def test_orders_that_are_late_before_their_time_have_the_servers_clock_asked_for_anew():
    """A clock was set, or the hello was long on its way: else every order would be refused."""

    def taken(params):
        if s.server.frames[-1]["deadline"] > time.time():
            return {"success": True, "data": 1001}
        return {"success": False, "code": "deadline", "detail": "too late"}

    async with stage(connect=False) as s:
        s.server.answers["order_stock"] = taken
        s.server.hello["time"] = time.time() - 60
        await s.broker.connect(s.heard.append)
        s.server.hello.clear()
        s.submit(id="a")
        assert "too late" in (await s.until(OrderRejected))[0].reason
        await eventually(lambda: s.links() == [True, False, True])
        s.submit(id="b")
        await s.until(OrderSubmitted, "b")


async def test_an_order_that_is_late_in_its_time_is_refused_and_the_link_stays():
    async with stage(within=0.05) as s:
        late = {"success": False, "code": "deadline", "detail": "its turn did not come"}
        (number,) = await unanswered(s, "a")
        await eventually(lambda: s.server.frames[-1]["deadline"] < time.time())
        await reply(s, number, **late)
        await s.until(OrderRejected)
        s.server.silent = False
        await s.broker.snapshot()
        assert s.links() == [True]


async def test_a_terminal_that_is_away_means_not_sent():
    async with stage() as s:
        s.server.faults.append(Fault.NOT_READY)
        s.submit()
        assert "the terminal is away" in (await s.until(OrderRejected))[0].reason


async def test_a_server_that_says_nothing_leaves_the_order_unknown_until_it_speaks():
    async with stage(client={"timeout": 0.2}) as s:
        s.server.silent = True
        s.submit()
        await s.until(OrderUnknown)
        s.server.silent = False
        s.server.fates["a"] = {"state": "executed", "order_id": 1001}
        await s.until(OrderSubmitted)


async def test_what_was_pushed_while_the_link_was_down_comes_after_it_in_order():
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        await s.server.stop()
        await s.server.push("order", an_order_record(50))
        await s.server.push("trade", a_trade_record("t1", 400))
        await s.server.push("trade", a_trade_record("t2", 600))
        await s.server.push("order", an_order_record(56, traded_volume=1000))
        await s.server.start()
        await eventually(lambda: s.broker.reports.order_of("a").is_final)
        assert [fill.deal_id for fill in s.of(Fill)] == ["t1", "t2"]
        hellos = [frame for frame in s.server.frames if frame["op"] == "hello"]
        assert [hello["resume"] for hello in hellos] == [None, {"epoch": "e1", "seq": 0}]


@pytest.mark.parametrize(
    "change", [{"epoch": "e2"}, {"first_seq": 100}], ids=["new epoch", "pruned"]
)
async def test_when_events_can_not_be_resumed_the_account_is_asked(change):
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        await s.server.stop()
        for name, value in change.items():
            setattr(s.server, name, value)
        s.server.answers["query_stock_orders"] = [an_order_record(56, traded_volume=1000)]
        s.server.answers["query_stock_trades"] = [a_trade_record()]
        await s.server.start()
        await s.until(Fill)
        assert s.broker.reports.order_of("a").status is OrderStatus.FILLED


async def test_a_resync_of_the_server_itself_makes_us_ask_the_account():
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        s.server.answers["query_stock_orders"] = [an_order_record(54)]
        await s.server.push("resync", {"reason": "the terminal came back"})
        await s.until(OrderCancelled)


async def test_the_servers_own_link_is_part_of_ours():
    async with stage() as s:
        await s.server.push("link", {"state": "cooldown", "reason": "MiniQMT was closed"})
        await eventually(lambda: s.links() == [True, False])
        assert "MiniQMT was closed" in s.heard[-1].reason
        await s.server.push("link", {"state": "ready", "reason": ""})
        await eventually(lambda: s.links() == [True, False, True])
        await s.server.push("account_status", {"account_id": "demo", "status": 3})
        await eventually(lambda: s.links() == [True, False, True, False])
        assert "login failed" in s.heard[-1].reason


async def test_an_account_that_logged_in_while_the_terminal_was_away_can_trade_again():
    async with stage() as s:
        await s.server.push("account_status", {"account_id": "demo", "status": 2})
        await s.server.push("link", {"state": "connecting", "reason": "", "account_status": 2})
        await eventually(lambda: s.links() == [True, False])
        await s.server.push("link", {"state": "ready", "reason": "", "account_status": 0})
        await eventually(lambda: s.links() == [True, False, True])


async def test_what_comes_right_behind_the_hello_is_not_overheard():
    """The server's terminal becomes ready in the very moment in which we connect."""
    async with stage(connect=False) as s:
        s.server.hello = {"link": {"state": "connecting", "reason": "", "account_status": None}}
        ready = {"state": "ready", "reason": "", "account_status": 0, "retry_after": 0.0}
        s.server.behind_hello = {"kind": "link", "data": {**ready, "pad": "." * 100}}
        await s.broker.connect(s.heard.append)
        await eventually(lambda: s.links()[-1:] == [True])


# ------------------------------------------------------------------ taken back

RECALLED = "not sent: the trading was halted before its turn came"


def recalls(s):
    return [f["params"] for f in s.server.frames if f.get("method") == "recall"]


async def unanswered(s, *names):
    """Orders that the server has and says nothing of."""
    s.server.silent = True
    before = s.asked.count("order_stock")
    for name in names:
        s.submit(id=name)
    await eventually(lambda: s.asked.count("order_stock") == before + len(names))
    return [frame["id"] for frame in s.server.frames[-len(names) :]]


async def reply(s, number, **body):
    await s.server.say({"op": "reply", "id": number, **body})


async def test_a_recall_names_the_orders_that_the_server_has_not_answered():
    async with stage() as s:
        s.submit(id="a")
        await s.until(OrderSubmitted)
        first, second = await unanswered(s, "b", "c")
        s.broker.recall()
        s.submit(id="d")  # a later one leaves as ever
        await eventually(lambda: recalls(s))
        (asked,) = recalls(s)
        assert (sorted(asked["keys"]), asked["epoch"]) == (["b", "c"], "e1")
        words = {"success": False, "code": "recalled", "outcome": "not_executed"}
        await reply(s, first, **words, detail=asked["why"])
        await reply(s, second, success=True, data=1007)  # it had left
        assert (await s.until(OrderRejected, "b"))[0].reason == RECALLED
        assert (await s.until(OrderSubmitted, "c"))[0].broker_id == "1007"
        assert s.of(OrderRejected, "d") == []


async def test_what_did_not_leave_for_the_server_needs_no_recall_there():
    async with stage() as s:
        s.submit(id="a")
        s.broker.recall()
        assert (await s.until(OrderRejected))[0].reason == RECALLED
        s.submit(id="b")
        await s.until(OrderSubmitted, "b")
        assert (s.asked, recalls(s)) == (["order_stock"], [])


async def test_more_orders_than_one_recall_takes_are_named_in_several():
    async with stage() as s:
        names = [f"o{number}" for number in range(250)]
        await unanswered(s, *names)
        s.broker.recall()
        await eventually(lambda: len(recalls(s)) == 3)
        assert sorted(key for asked in recalls(s) for key in asked["keys"]) == sorted(names)


async def test_a_server_that_knows_of_no_recall_sends_what_it_has_and_that_is_said():
    async with stage() as s:
        s.server.fates["a"] = {"state": "pending"}
        await unanswered(s, "a")
        s.server.silent = False
        said = []
        handler = logger.add(said.append, format="{message}", level="WARNING")
        s.broker.recall()
        await eventually(lambda: said)
        logger.remove(handler)
        assert "there is no recall" in said[0]
        assert "each leaves before its deadline of 10 s or never" in said[0]
        s.server.drop()
        await s.until(OrderUnknown)
        s.server.fates["a"] = {"state": "executed", "order_id": 1001}
        await s.until(OrderSubmitted)


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ({"state": "not_executed", "detail": RECALLED[10:]}, OrderRejected),
        ({"state": "executed", "order_id": 1001}, OrderSubmitted),
    ],
    ids=["it waited there", "it had left"],
)
async def test_a_recall_while_the_link_is_down_is_made_when_it_is_back(fate, told):
    async with stage() as s:
        s.server.answers["recall"] = lambda params: s.server.fates.update(a=fate) or []
        s.server.fates["a"] = {"state": "pending"}
        await unanswered(s, "a")
        await s.server.stop()
        await s.until(OrderUnknown)
        s.broker.recall()
        s.server.silent = False
        await s.server.start()
        await s.until(told)
        assert [asked["keys"] for asked in recalls(s)] == [["a"]]
        assert told is OrderSubmitted or s.of(told)[0].reason == RECALLED


async def test_an_order_that_the_account_lists_meanwhile_is_not_recalled_any_more():
    async with stage() as s:
        await unanswered(s, "a", "b")
        s.server.fates["b"] = {"state": "pending"}
        s.server.answers["query_stock_orders"] = [an_order_record()]
        await s.server.stop()
        await s.until(OrderUnknown)
        s.server.silent = False
        await s.server.start()
        await s.until(OrderAccepted)
        s.server.answers["recall"] = ["b"]
        s.broker.recall()
        await eventually(lambda: recalls(s))
        assert [asked["keys"] for asked in recalls(s)] == [["b"]]


async def test_a_recall_that_is_lost_leaves_an_order_what_it_is():
    async with stage(client={"patience": 0.1}) as s:
        s.server.fates["a"] = {"state": "unknown"}
        await unanswered(s, "a")
        s.broker.recall()
        await eventually(lambda: recalls(s))
        await s.server.stop()
        await s.until(OrderUnknown)
        s.server.silent = False
        await s.server.start()
        await eventually(lambda: s.asked.count("outcome") >= 2)
        assert s.of(OrderRejected) == []
        s.server.fates["a"] = {"state": "executed", "order_id": 1001}
        await s.until(OrderSubmitted)


async def test_a_server_with_another_memory_is_told_so_or_asked_nothing():
    async with stage() as s:
        await unanswered(s, "a")
        await s.server.stop()
        await s.until(OrderUnknown)
        s.broker.recall()  # it waits for the link
        s.server.epoch, s.server.silent = "e2", False
        s.server.answers["recall"] = []
        await s.server.start()
        await eventually(lambda: recalls(s))
        assert recalls(s)[0]["epoch"] == "e1"
        s.broker.recall()
        await eventually(lambda: s.asked.count("outcome") >= 2)
        assert len(recalls(s)) == 1
        assert s.of(OrderRejected) == []


# ------------------------------------------------------------------ cancels


async def test_a_cancel_is_done_only_when_the_terminal_says_so():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        s.broker.cancel(order)
        await eventually(lambda: "cancel_order_stock" in s.asked)
        assert s.server.frames[-1]["params"] == {"order_id": 1001}
        assert s.of(OrderCancelled) == []
        await s.server.push("order", an_order_record(54))
        await s.until(OrderCancelled)


async def test_a_refused_cancel_is_told_in_the_brokers_words():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        await s.server.push("order", an_order_record(50))
        await s.until(OrderAccepted)
        s.server.failures["cancel_order_stock"] = deque(
            [{"data": -1, "code": "refused", "detail": "委托已成交"}]
        )
        s.broker.cancel(order)
        assert (await s.until(CancelRefused))[0].reason == "委托已成交"


async def test_a_cancel_of_an_order_without_a_number_waits_for_it():
    async with stage() as s:
        s.server.silent = True
        order = s.submit()
        s.broker.cancel(order)
        await eventually(lambda: s.asked == ["order_stock"])
        s.server.silent = False
        number = s.server.frames[-1]["id"]
        await s.server.say({"op": "reply", "id": number, "success": True, "data": 1001})
        await eventually(lambda: "cancel_order_stock" in s.asked)


async def test_a_cancel_that_waited_for_its_order_to_be_found_is_asked_for_again():
    """What the engine knows of the order is what it was told: unknown, then what became of it."""
    async with stage() as s:
        s.server.faults.append(Fault.LOST_AFTER)
        order = s.submit(status=OrderStatus.SUBMITTING)
        s.broker.cancel(order)
        left = after(order, CancelRequested(moment(), "a"))
        await eventually(lambda: "cancel_order_stock" in s.asked)
        for event in s.heard:
            left = left if isinstance(event, LinkState) else after(left, event)
        assert left.status is s.broker.reports.order_of("a").status is OrderStatus.PENDING_CANCEL


async def test_a_cancel_that_begins_while_the_account_is_looked_up_is_not_refused_by_that_list():
    async with stage() as s:
        s.server.faults.append(Fault.UNKNOWN)
        s.server.fates["a"] = {"state": "unknown"}
        order = s.submit()
        s.broker.cancel(order)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        await eventually(lambda: "cancel_order_stock" in s.asked)
        await s.server.push("order", an_order_record(54))
        await s.until(OrderCancelled)
        assert s.of(CancelRefused) == []


async def test_a_cancel_of_an_order_of_an_earlier_day_never_meets_todays_order_of_that_number():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        s.clock.advance(to=moment("10:00", NEXT_DAY))
        s.broker.cancel(order)
        assert not s.of(CancelRefused)  # never from within the call
        await s.until(CancelRefused)
        assert "earlier day" in s.of(CancelRefused)[0].reason
        assert "cancel_order_stock" not in s.asked


async def test_a_cancel_asked_for_again_while_a_refused_ones_call_is_open_is_sent():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        await s.server.push("order", an_order_record(50))
        await s.until(OrderAccepted)
        s.server.silent = True
        s.broker.cancel(order)
        await eventually(lambda: s.asked.count("cancel_order_stock") == 1)
        first = s.server.frames[-1]["id"]
        await s.server.push(
            "cancel_error", {"order_id": 1001, "error_id": 1, "error_msg": "busy", "market": 0}
        )
        await s.until(CancelRefused)
        s.broker.cancel(order)
        assert s.broker.reports.order_of("a").status is OrderStatus.PENDING_CANCEL
        s.server.silent = False
        await s.server.say({"op": "reply", "id": first, "success": True, "data": 0})
        await eventually(lambda: s.asked.count("cancel_order_stock") == 2)


async def test_a_cancel_waits_for_a_link_that_is_away_for_a_moment():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        await s.server.stop()
        await eventually(lambda: not s.client.up)
        s.broker.cancel(order)
        await s.server.start()
        await eventually(lambda: "cancel_order_stock" in s.asked)
        assert s.of(CancelRefused) == []


async def test_a_cancel_that_was_lost_is_looked_up():
    async with stage(client={"timeout": 0.2}) as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        s.server.silent = True
        s.broker.cancel(order)
        await eventually(lambda: "cancel_order_stock" in s.asked)
        s.server.answers["query_stock_orders"] = [an_order_record(54)]
        s.server.silent = False
        await s.until(OrderCancelled)


# ------------------------------------------------------------------ who may connect


async def test_a_wrong_token_is_told_at_once():
    async with stage(connect=False, token="another") as s:
        with pytest.raises(AccessDenied, match="refuses this token"):
            await s.broker.connect(s.heard.append)


async def test_a_server_of_another_account_is_refused():
    refusal = {"code": "other_account", "detail": "this server serves another account"}
    async with stage(connect=False, refuse_hello=refusal, client={"account": "mine"}) as s:
        with pytest.raises(CallRefused, match="another account"):
            await s.broker.connect(s.heard.append)
        assert s.server.frames[0]["account"] == "mine"


async def test_without_a_server_connecting_fails_when_patience_ends():
    client = AsyncQMTClient("http://127.0.0.1:1", TOKEN, patience=0.05)
    broker = RemoteBroker(client, ManualClock(moment()), NO_COMMISSION)
    with pytest.raises(BrokerUnavailable, match="no server answers"):
        await broker.connect(print)
    await broker.close()


async def test_https_where_a_server_speaks_http_is_named():
    async with stage() as s:
        url = s.server.url.replace("http://", "https://")
        for ask in (AsyncQMTClient.open, lambda client: client.api("query_stock_asset")):
            client = AsyncQMTClient(url, TOKEN, patience=0.05)
            with pytest.raises(BrokerUnavailable, match="speaks http, and not https"):
                await ask(client)
            await client.close()


async def test_a_server_of_another_protocol_is_refused():
    async with stage(connect=False, hello={"protocol": 2}) as s:
        with pytest.raises(CallRefused, match="update qka"):
            await s.broker.connect(s.heard.append)


async def test_one_that_was_replaced_does_not_fight_for_its_place():
    async with stage() as s:
        await s.server.say({"op": "error", "code": "replaced", "detail": "another engine came"})
        await eventually(lambda: s.links() == [True, False])
        assert "another engine came" in s.heard[-1].reason
        s.submit()
        await s.until(OrderRejected)
        assert len([frame for frame in s.server.frames if frame["op"] == "hello"]) == 1


async def test_one_that_was_welcome_and_is_refused_a_frame_comes_back_at_once():
    async with stage() as s:
        await s.server.say({"op": "error", "code": "protocol", "detail": "not understood"})
        await eventually(lambda: s.links() == [True, False, True])


async def test_frames_of_a_newer_server_are_passed_over():
    async with stage() as s:
        await s.server.say({"op": "weather", "data": {"sky": "blue"}})
        s.submit()
        await s.until(OrderSubmitted)
        assert s.links() == [True]


# ------------------------------------------------------------------ leases


async def test_a_lease_is_renewed_while_we_live_and_given_back_at_the_end():
    async with stage(client={"lease": 0.03, "client": "engine-1", "cancel_on_silence": True}) as s:
        hello = s.server.frames[0]
        assert (hello["client"], hello["lease"], hello["on_silence"]) == (
            "engine-1",
            0.03,
            "cancel",
        )
        await eventually(lambda: [f["op"] for f in s.server.frames].count("ping") >= 2)
    assert s.server.frames[-1]["op"] == "release"


async def test_a_lost_lease_refuses_the_order_and_is_taken_anew():
    lost = {"success": False, "code": "lease_lost", "detail": "the lease ran out"}
    async with stage(client={"lease": 30.0}) as s:
        s.server.answers["order_stock"] = lambda params: lost
        s.submit()
        assert "the lease ran out" in (await s.until(OrderRejected))[0].reason
        await eventually(lambda: s.links() == [True, False, True])


# ------------------------------------------------------------------ life


async def test_a_shared_client_stays_open_until_its_last_user_lets_go():
    async with stage() as s:
        await s.client.open()
        await s.broker.close()
        await s.broker.close()
        assert s.client.up
        await s.client.close()
        assert not s.client.up


async def test_the_end_of_the_day_expires_what_is_left_of_it():
    async with stage() as s:
        s.submit()
        await s.until(OrderSubmitted)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        s.clock.advance(to=moment("15:36"))
        expired = await eventually(
            lambda: s.heard[-1] if s.broker.reports.order_of("a").is_final else None
        )
        assert expired.reason == "the day ended"


async def test_an_evenings_order_lives_over_days_off_to_the_end_of_the_next_trading_day():
    friday = date(2026, 1, 9)
    async with stage() as s:
        s.broker.trades = lambda day: day.weekday() < 5
        s.clock.advance(to=moment("20:00", friday))
        s.submit(time=s.clock.now())
        await s.until(OrderSubmitted)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        for days in 1, 2:
            s.clock.advance(to=moment("15:36", friday + timedelta(days)))
            await looked(s)
            assert s.broker.reports.order_of("a").status is OrderStatus.ACCEPTED
        s.clock.advance(to=moment("15:36", friday + timedelta(3)))
        (expired,) = await s.until(OrderExpired)
        assert expired.reason == "the day ended"


async def test_a_list_that_was_asked_for_before_the_day_ended_is_not_the_ended_days():
    async with stage(within=0.05) as s:

        def before_the_end(params):
            s.server.answers["query_stock_orders"] = [an_order_record(54, order_remark="z")]
            s.clock.advance(to=moment("15:36"))
            return []

        s.server.answers["query_stock_orders"] = before_the_end
        s.server.epoch = "e2"
        s.server.faults.append(Fault.LOST_BEFORE)
        s.submit()
        expired = (await s.until(OrderExpired))[0]
        assert expired.reason == "never among the account's orders"


async def test_orders_of_the_snapshot_are_reported_on_from_there_whoever_placed_them():
    async with stage() as s:
        by_hand = {"order_id": 7, "order_sysid": "S7", "order_remark": ""}
        s.server.answers["query_stock_orders"] = [
            an_order_record(55, traded_volume=400),
            an_order_record(50, **by_hand),
        ]
        s.server.answers["query_stock_trades"] = [a_trade_record("t1", 400)]
        orders = (await s.broker.snapshot()).orders
        hand = orders[1].id
        assert [(order.id, order.filled) for order in orders] == [("a", 400), (hand, 0)]
        await s.server.push("trade", a_trade_record("t1", 400))
        await s.server.push("trade", a_trade_record("t2", 600))
        await s.server.push("trade", a_trade_record("t3", 500, **by_hand))
        await s.until(Fill, hand)
        assert [fill.deal_id for fill in s.of(Fill)] == ["t2"]
        s.broker.cancel(orders[1])
        await eventually(lambda: "cancel_order_stock" in s.asked)
        cancels = [f for f in s.server.frames if f.get("method") == "cancel_order_stock"]
        assert [frame["params"] for frame in cancels] == [{"order_id": 7}]


async def test_a_cancel_of_a_final_order_is_refused_without_asking():
    async with stage() as s:
        order = s.submit()
        await s.until(OrderSubmitted)
        await s.server.push("order", an_order_record(54))
        await s.until(OrderCancelled)
        s.broker.cancel(order)
        await s.until(CancelRefused)
        assert s.of(CancelRefused)[0].reason == "the order is cancelled already"
        assert "cancel_order_stock" not in s.asked


# ------------------------------------------------------------------ gone from the account's orders


async def looked(s):
    """The account's orders were asked for once more, and what came of it was heard."""
    before = s.asked.count("query_stock_trades")
    s.broker.missed()
    await eventually(lambda: s.asked.count("query_stock_trades") > before)
    await s.broker.snapshot()


@asynccontextmanager
async def taken(**attributes):
    """The broker has the order `a`, and lists it."""
    async with stage(**attributes) as s:
        s.submit()
        await s.until(OrderSubmitted)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        await looked(s)
        await s.until(OrderAccepted)
        yield s


async def passes(s, seconds):
    s.clock.advance(by=seconds)
    await looked(s)


async def vanishes(s):
    """The account's orders have it no more, for a minute."""
    s.server.answers["query_stock_orders"] = []
    await looked(s)
    await passes(s, 60)
    await s.until(OrderUnknown)


async def test_an_order_that_its_broker_lists_no_more_is_unknown_after_a_minute():
    async with taken() as s:
        s.server.answers["query_stock_orders"] = []
        await looked(s)
        await passes(s, 59)
        assert s.broker.reports.order_of("a").status is OrderStatus.ACCEPTED
        await passes(s, 1)
        (unknown,) = await s.until(OrderUnknown)
        assert "do not have it any more" in unknown.reason
        assert "outcome" not in s.asked  # that it was executed once says nothing now


async def test_a_list_that_has_it_again_in_time_is_as_if_it_had_never_been_away():
    async with taken() as s:
        s.server.answers["query_stock_orders"] = []
        await looked(s)
        await passes(s, 59)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        await passes(s, 10)
        s.server.answers["query_stock_orders"] = []
        await passes(s, 59)
        await passes(s, 59)
        assert s.of(OrderUnknown) == []


async def test_how_long_it_was_away_is_counted_anew_when_the_link_is_back():
    async with taken() as s:
        s.server.answers["query_stock_orders"] = []
        await looked(s)
        await passes(s, 59)
        s.server.drop()
        await eventually(lambda: s.links() == [True, False, True])
        await looked(s)
        await passes(s, 59)
        assert s.of(OrderUnknown) == []
        await passes(s, 1)
        await s.until(OrderUnknown)


async def test_an_order_that_is_listed_again_works_again_and_can_trade():
    async with taken() as s:
        await vanishes(s)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        await looked(s)
        assert s.broker.reports.order_of("a").status is OrderStatus.ACCEPTED
        await s.server.push("trade", a_trade_record())
        await s.server.push("order", an_order_record(56, traded_volume=1000))
        await eventually(lambda: s.broker.reports.order_of("a").is_final)
        assert s.broker.reports.order_of("a").status is OrderStatus.FILLED


async def test_at_the_days_end_one_that_is_not_listed_has_expired():
    async with taken() as s:
        s.server.answers["query_stock_orders"] = [
            an_order_record(56, order_id=7, order_sysid="S7", order_remark="b", traded_volume=1000)
        ]
        await looked(s)
        await passes(s, 60)
        await s.until(OrderUnknown)
        s.clock.advance(to=moment("15:36"))
        (expired,) = await s.until(OrderExpired)
        assert expired.reason == "no longer among the account's orders"


async def test_a_cancel_of_one_that_is_gone_is_asked_for_again_when_it_is_listed_again():
    async with taken() as s:
        await vanishes(s)
        no = {"data": -1, "code": "refused", "detail": "no such order today"}
        s.server.failures["cancel_order_stock"] = deque([no])
        s.broker.cancel(s.broker.reports.order_of("a"))
        await eventually(lambda: not s.server.failures["cancel_order_stock"])
        await looked(s)
        s.server.answers["query_stock_orders"] = [an_order_record(50)]
        await looked(s)
        await eventually(lambda: s.asked.count("cancel_order_stock") == 2)
        await s.server.push("order", an_order_record(54))
        await s.until(OrderCancelled)
