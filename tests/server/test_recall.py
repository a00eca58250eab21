"""What waits at the server can be taken back: it never leaves, and what has left is not touched."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest
from qmt import eventually
from server_stage import ORDER, ScriptedBackend, running, simulated, with_scopes

from qka.brokers.client import AsyncQMTClient
from qka.errors import AccessDenied, CallRefused
from qka.server import outcomes

WHY = "the trading was halted before its turn came"


def placing(stage, *keys, **changes):
    """Orders that are being asked for by POST, a task each."""
    return [asyncio.create_task(stage.order(key, **changes)) for key in keys]


async def take_back(stage, *keys, **more):
    status, told = await stage.call("recall", keys=list(keys), why=WHY, **more)
    assert status == 200
    return told["data"]


def never_left(answer):
    status, told = answer
    return (status, told["code"], told["outcome"], told["detail"]) == (
        409, "recalled", "not_executed", WHY,
    )  # fmt: skip


async def in_line(stage, how_many):
    await eventually(lambda: len(stage.backend.line) == how_many)


# ------------------------------------------------------------ wherever it waits


async def test_an_order_that_waits_for_its_turn_at_the_terminal_never_gets_one(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.busy = True
        one, other = placing(stage, "a", "b")
        await in_line(stage, 2)
        assert await take_back(stage, "a") == ["a"]
        assert never_left(await one)
        stage.backend.go()
        assert (await other)[1]["success"]
        assert [order["order_remark"] for order in stage.backend.orders] == ["b"]


async def test_an_order_that_waits_for_the_terminals_word_is_answered_at_once(tmp_path):
    async with running(tmp_path, Thinking()) as stage:
        orders = []
        for key in "abcde":
            orders += placing(stage, key)
            await eventually(lambda key=key: stage.service.orders.under_way(key))
        assert await take_back(stage, "b", "d") == ["b", "d"]
        assert never_left(await orders[1])
        assert never_left(await orders[3])
        assert not stage.backend.orders
        stage.backend.gate["instrument"].set()  # the others are judged as ever, in their order
        for order in orders[::2]:
            assert (await order)[1]["success"]
        assert [order["order_remark"] for order in stage.backend.orders] == ["a", "c", "e"]


async def test_the_days_first_order_on_a_symbol_may_be_recalled_and_the_next_one_still_waits(
    tmp_path,
):
    async with running(tmp_path, Thinking()) as stage:
        first, second = placing(stage, "a", "b")
        await eventually(lambda: stage.service.orders.under_way("b"))
        assert await take_back(stage, "a") == ["a"]
        assert never_left(await first)
        stage.backend.gate["instrument"].set()
        assert (await second)[1]["success"]
        assert [order["order_remark"] for order in stage.backend.orders] == ["b"]


class Thinking(ScriptedBackend):
    """Takes its time to say what a symbol is."""

    def __init__(self):
        super().__init__()
        self.gate["instrument"] = asyncio.Event()

    async def instrument(self, symbol, complete):
        await self._enter("instrument")
        return await super().instrument(symbol, complete)


async def test_an_order_that_is_being_written_down_goes_no_further(tmp_path, monkeypatch):
    async with running(tmp_path) as stage:
        await stage.order()  # of this symbol the terminal has told
        begin, written = stage.service.outcomes.begin, asyncio.Event()

        async def slowly(row):
            await written.wait()
            return await begin(row)

        monkeypatch.setattr(stage.service.outcomes, "begin", slowly)
        (order,) = placing(stage, "a")
        await eventually(lambda: stage.service.orders.under_way("a"))
        recall = asyncio.create_task(take_back(stage, "a"))
        await eventually(lambda: stage.service.orders._ways.named("a")[0].recalled)
        written.set()
        assert await recall == ["a"]
        assert never_left(await order)
        assert len(stage.backend.orders) == 1


@pytest.mark.parametrize("key", ["", "a"], ids=["without a key", "with a key"])
async def test_an_order_that_is_answered_with_a_number_is_told_of_by_an_event(tmp_path, key):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.busy = True
        reply = await engine.call("order_stock_async", key, **ORDER)
        assert reply["success"]
        await in_line(stage, 1)
        assert (await engine.call("recall", why=WHY))["data"] == [key][: len(key)]
        (event,) = await engine.heard(1)
        assert (event["kind"], event["data"]["error_msg"]) == ("order_error", WHY)
        assert event["data"]["seq"] == reply["data"]
        stage.backend.go()
        assert stage.backend.orders == []


# ------------------------------------------------------------ what is not taken back


async def test_what_was_handed_to_the_terminal_is_let_be_and_its_answer_comes(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        (order,) = placing(stage, "a")
        await eventually(lambda: stage.backend.orders)
        assert await take_back(stage, "a") == []
        assert (await stage.outcome("a"))["state"] == "pending"
        gate.set()
        assert (await order)[1] == {"success": True, "data": 1}
        assert await take_back(stage, "a") == []
        assert (await stage.outcome("a"))["state"] == "executed"


@pytest.mark.parametrize("busy", [True, False], ids=["at the terminal", "for its word"])
async def test_a_recall_without_a_reason_takes_back_all_the_same(tmp_path, busy):
    backend = ScriptedBackend() if busy else Thinking()
    async with running(tmp_path, backend) as stage:
        backend.busy = busy
        (order,) = placing(stage, "a")
        if busy:
            await in_line(stage, 1)
        else:
            await eventually(lambda: stage.service.orders.under_way("a"))
        recall = asyncio.create_task(stage.call("recall", keys=["a"], why=""))
        for _ in range(20):
            await asyncio.sleep(0)
        backend.go() if busy else backend.gate["instrument"].set()
        assert (await recall)[1]["data"] == ["a"]
        assert (await order)[1]["code"] == "recalled"
        assert backend.orders == []


async def test_later_orders_leave_as_ever(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.busy = True
        (order,) = placing(stage, "a")
        await in_line(stage, 1)
        assert await take_back(stage) == []
        status, told = await stage.call("recall", why=WHY)
        assert (status, told["data"]) == (200, ["a"])
        assert never_left(await order)
        stage.backend.go()
        assert (await stage.order("b"))[1]["success"]
        assert (await stage.order())[1]["success"]


async def test_without_keys_it_is_all_of_the_one_who_asks_and_nobody_elses(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.busy = True
        token = with_scopes(stage, "read", "trade")
        async with stage.ws(client="engine") as engine, stage.ws(client="other") as other:
            for number, remark in enumerate(("e1", "e2", "")):
                params = {**ORDER, "order_remark": remark}
                await engine.say(op="call", id=100 + number, method="order_stock", params=params)
            await other.say(
                op="call", id=100, method="order_stock", params={**ORDER, "order_remark": "o1"}
            )
            theirs = asyncio.create_task(stage.order("t1", token=token))
            await in_line(stage, 5)
            told = await engine.call("recall")
            assert sorted(told["data"]) == ["e1", "e2"]
            for number in range(3):
                reply = await engine.reply(100 + number)
                assert (reply["code"], reply["outcome"]) == ("recalled", "not_executed")
                assert reply["detail"] == "it was recalled before its turn came"
            stage.backend.go()
            assert (await other.reply(100))["success"]
            assert (await theirs)[1]["success"]
            assert sorted(o["order_remark"] for o in stage.backend.orders) == ["o1", "t1"]


# ------------------------------------------------------------ once and for ever


async def test_what_was_recalled_is_never_placed_whoever_asks_for_it_again(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        stage.backend.busy = True
        order, again = placing(stage, "a", "a")
        await in_line(stage, 1)
        assert await take_back(stage, "a") == ["a"]
        assert never_left(await order)
        assert never_left(await again)
        stage.backend.go()
        assert never_left(await stage.order("a"))
        assert (await engine.call("order_stock", key="a", **ORDER))["code"] == "recalled"
        assert (await stage.order("a", price=9.8))[1]["code"] == "key_reused"
        told = await stage.outcome("a")
        assert (told["state"], told["detail"]) == ("not_executed", WHY)
        assert await take_back(stage, "a") == ["a"]  # asked twice it says the same
    async with running(tmp_path) as stage:
        assert never_left(await stage.order("a"))
        assert stage.backend.orders == []


async def test_an_order_that_comes_after_its_recall_is_not_placed_either(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        assert await take_back(stage, "a", "b") == ["a", "b"]
        assert never_left(await stage.order("a"))
        assert (await engine.order("b"))["code"] == "recalled"
        assert (await stage.outcome("a"))["state"] == "not_executed"
    async with running(tmp_path) as stage:
        assert never_left(await stage.order("a", price=9.8))
        assert stage.backend.orders == []


async def test_of_what_another_memory_may_have_sent_nothing_is_said(tmp_path):
    async with running(tmp_path) as stage:
        assert await take_back(stage, "a", epoch="of another file") == []
        assert (await stage.send("GET", "/outcome/a"))[1]["code"] == "never_seen"
        stage.backend.busy = True
        (order,) = placing(stage, "b")
        await in_line(stage, 1)
        assert await take_back(stage, "b", epoch="of another file") == ["b"]  # it is here
        assert never_left(await order)
        epoch = stage.service.events.epoch
        assert await take_back(stage, "a", epoch=epoch) == ["a"]


async def test_a_server_that_dies_before_a_recall_is_written_down_never_sends_the_order(
    tmp_path, monkeypatch
):
    backend = ScriptedBackend()
    async with running(tmp_path, backend, patience=0.01) as stage:
        backend.busy = True
        (order,) = placing(stage, "a")
        await in_line(stage, 1)
        monkeypatch.setattr(stage.service.outcomes, "settle", lambda row: None)
        monkeypatch.setattr(outcomes, "_recall", lambda rows, unseen, connection: [])
        await take_back(stage, "a")
        await order
    monkeypatch.undo()
    with closing(sqlite3.connect(tmp_path / "server.db")) as file:
        assert file.execute("SELECT state FROM outcomes").fetchall() == [("pending",)]
    backend.go()
    async with running(tmp_path, backend) as stage:
        assert (await stage.order("a"))[1]["outcome"] == "unknown"
        assert await take_back(stage, "a") == []  # of what it does not know it says nothing
        assert (await stage.outcome("a"))["state"] == "unknown"
        assert backend.orders == []


async def test_what_can_not_be_written_down_was_taken_back_all_the_same(tmp_path, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("disk full")

    async with running(tmp_path) as stage:
        stage.backend.busy = True
        (order,) = placing(stage, "a")
        await in_line(stage, 1)
        monkeypatch.setattr(outcomes, "_recall", fails)
        status, told = await stage.call("recall", keys=["a"])
        assert (status, told["code"]) == (503, "unavailable")
        assert (await order)[1]["code"] == "recalled"
        stage.backend.go()
        assert stage.backend.orders == []


# ------------------------------------------------------------ who may, and when


async def test_it_needs_the_scope_to_trade(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "read")
        status, told = await stage.call("recall", token=token, keys=["a"])
        assert (status, told["code"]) == (403, "forbidden")
        async with AsyncQMTClient(stage.url, token) as client:
            with pytest.raises(AccessDenied):
                await client.api("recall")


@pytest.mark.parametrize("keys", [[""], ["x" * 129], ["a\tb"], ["k"] * 101, "a"])
async def test_what_are_no_keys_is_422(tmp_path, keys):
    async with running(tmp_path) as stage:
        assert (await stage.call("recall", keys=keys))[0] == 422


async def test_neither_a_terminal_that_is_away_nor_a_rate_nor_a_stopping_server_is_in_its_way(
    tmp_path,
):
    async with running(tmp_path, policy={"calls_per_second": 1.0}) as stage:
        stage.backend.busy = True
        (order,) = placing(stage, "a")
        await in_line(stage, 1)
        stage.backend.become("cooldown")
        stage.service.orders.stopping = True
        for _ in range(5):
            assert await take_back(stage, "a") == ["a"]
        assert never_left(await order)


async def test_it_is_in_the_audit(tmp_path):
    async with running(tmp_path) as stage:
        await take_back(stage, "a")
        await stage.order("a")
    lines = [(line["what"], line["outcome"], line.get("params")) for line in stage.audit()]
    assert lines[0][:2] == ("recall", "done")
    assert lines[0][2]["keys"] == ["a"]
    assert lines[1][:2] == ("order_stock", "recalled")


async def test_a_script_takes_back_what_waits_and_its_order_raises(tmp_path):
    async with running(tmp_path) as stage, AsyncQMTClient(stage.url, stage.token) as client:
        stage.backend.busy = True
        order = asyncio.create_task(client.api("order_stock", key="a", **ORDER))
        await in_line(stage, 1)
        assert await client.api("recall") == ["a"]
        with pytest.raises(CallRefused, match="recalled before its turn came") as told:
            await order
        assert told.value.code == "recalled"


# ------------------------------------------------------------ over a simulated terminal


async def test_behind_a_call_that_blocks_only_what_was_called_is_there_afterwards(
    tmp_path, monkeypatch
):
    async with simulated(tmp_path, deadline=5.0) as stage:
        await stage.order("first")
        ask, called, on = stage.terminal.ask, threading.Event(), threading.Event()

        def blocks(session, call, *rest):
            if call == "order":
                called.set()
                on.wait(5)
            ask(session, call, *rest)

        monkeypatch.setattr(stage.terminal, "ask", blocks)
        (there,) = placing(stage, "there")
        await eventually(called.is_set)
        keys = [f"w{number}" for number in range(5)]
        waiting = placing(stage, *keys)
        await eventually(lambda: len(stage.backend._marked) == 6)
        assert await take_back(stage, "there", *keys) == keys
        assert all(map(never_left, await asyncio.gather(*waiting)))
        on.set()
        assert (await there)[1]["success"]
        remarks = [order.remark for order in stage.terminal.books("demo").orders]
        assert remarks == ["first", "there"]
