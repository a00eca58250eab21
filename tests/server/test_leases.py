"""Heartbeat leases: an engine that falls silent orders no more, and what it left is dealt with."""

import asyncio

import pytest
from builders import NEXT_DAY, a_quote, moment
from qmt import eventually
from server_stage import ORDER, running, simulated, with_scopes

from qka.errors import NotSent


def silence(stage, owner="default/engine"):
    """The lease's time runs out."""
    lease = stage.service.leases.current(owner)
    lease.until = 0.0
    stage.server.check()
    return lease


async def test_an_engine_whose_lease_ran_out_orders_no_more_and_may_still_cancel_and_ask(tmp_path):
    async with running(tmp_path) as stage, stage.ws(client="engine", lease=15) as engine:
        assert engine.greeting["lease"] == 15
        assert (await engine.order("a"))["success"]
        silence(stage)
        refused = await engine.order("b")
        assert (refused["code"], refused["outcome"]) == ("lease_lost", "not_executed")
        assert (await engine.order("a"))["data"] == 1  # what was done is still told
        assert (await engine.call("cancel_order_stock", order_id=1))["success"]
        assert (await engine.call("query_stock_orders"))["success"]
        assert len(stage.backend.orders) == 1


async def test_it_takes_up_again_with_a_new_hello(tmp_path):
    async with running(tmp_path) as stage, stage.ws(client="engine", lease=15) as engine:
        silence(stage)
        async with stage.ws(client="engine", lease=15) as again:
            assert (await again.order("a"))["success"]
            assert (await engine.ending())["code"] == "replaced"


async def test_every_frame_renews_it(tmp_path):
    async with running(tmp_path) as stage, stage.ws(client="engine", lease=15) as engine:
        lease = stage.service.leases.current("default/engine")
        for ask in (engine.ask("ping"), engine.call("query_stock_asset"), engine.order("a")):
            lease.until = 0.0
            await ask
            assert lease.until > 0
        stage.server.check()
        assert not lease.lost


async def test_a_lease_outlives_its_connection_and_runs_out_by_itself(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15):
            pass
        stage.server.check()
        assert not stage.service.leases.current("default/engine").lost
        assert silence(stage).lost


async def test_another_engine_is_not_touched(tmp_path):
    async with running(tmp_path) as stage, stage.ws(client="other", lease=15) as other:
        async with stage.ws(client="engine", lease=15):
            silence(stage)
            assert (await other.order("a"))["success"]
        assert (await stage.order())[0] == 200


async def test_over_http_too_when_the_token_is_an_engines(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "read", "trade", engine=True, name="bot")
        async with stage.ws(token=token, client="engine", lease=15) as engine:
            assert (await stage.order(token=token, order_remark="a"))[0] == 200
            silence(stage, "bot/engine")
            status, told = await stage.order(token=token, order_remark="b")
            assert (status, told["code"]) == (409, "lease_lost")
            assert (await stage.order())[0] == 200  # another token
            await engine.ask("ping")
        async with stage.ws(token=token, client="engine", lease=15):
            assert (await stage.order(token=token, order_remark="b"))[0] == 200


async def test_a_silent_engines_orders_are_cancelled_if_it_said_so(tmp_path):
    async with simulated(tmp_path) as stage:
        await stage.order("by-hand")
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.order("mine-1")
            await engine.call("order_stock", **ORDER)  # without a key
        silence(stage)
        await eventually(lambda: _statuses(stage).get("mine-1") != 50)
        stage.terminal.advance(by=1)
        await eventually(lambda: stage.service.leases.current("default/engine").lost)
        await eventually(lambda: sorted(_statuses(stage).values()) == [50, 54, 54])
        assert _statuses(stage)["by-hand"] == 50


async def test_a_number_of_an_earlier_day_is_another_ones_order_today(tmp_path):
    async with simulated(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.call("order_stock", **ORDER)  # without a key: number 1 of its day
            stage.terminal.advance(to=moment("10:00", NEXT_DAY))
            stage.terminal.quote(a_quote(time=moment("10:00:03", NEXT_DAY)))
            await stage.order("by-hand")
            await engine.call("order_stock", **ORDER)
        assert [order.order_id for order in stage.terminal.orders("demo")] == [1, 2]
        silence(stage)
        await eventually(lambda: _statuses(stage).get("2") == 54)
        assert _statuses(stage)["by-hand"] == 50


def _statuses(stage):
    stage.terminal.advance(by=1)
    return {
        order.order_remark or str(order.order_id): order.order_status
        for order in stage.terminal.orders("demo")
    }


async def test_they_are_left_alone_unless_it_said_so(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15) as engine:
            await engine.order("a")
        silence(stage)
        await stage.call("query_stock_asset")
        assert not stage.backend.cancels


async def test_an_order_under_way_when_it_ran_out_is_cancelled_too(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            params = {**ORDER, "order_remark": "a"}
            await engine.say(op="call", id=1, method="order_stock", params=params)
            await eventually(lambda: stage.backend.orders)
        silence(stage)
        await stage.call("query_stock_asset")
        assert not stage.backend.cancels
        stage.backend.answers["query_stock_orders"] = [stage.backend.listed(1, params)]
        gate.set()
        await eventually(lambda: stage.backend.cancels == [{"order_id": 1}])


async def test_an_order_without_a_key_that_is_placed_after_its_engine_came_back_is_still_its(
    tmp_path,
):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        nameless = {**ORDER, "order_remark": ""}
        stage.backend.answers["query_stock_orders"] = [stage.backend.listed(1, nameless)]
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.say(op="call", id=1, method="order_stock", params=ORDER)
            await eventually(lambda: stage.backend.orders)
            async with stage.ws(client="engine", lease=15, on_silence="cancel") as again:
                gate.set()
                await eventually(lambda: not len(stage.service._tasks))
                await again.ask("ping")
        silence(stage)
        await eventually(lambda: stage.backend.cancels == [{"order_id": 1}])


@pytest.mark.parametrize("on_silence", ["leave", "cancel"])
async def test_an_order_that_waits_when_it_ran_out_never_leaves(tmp_path, on_silence):
    async with running(tmp_path) as stage:
        stage.backend.busy = True
        async with stage.ws(client="engine", lease=15, on_silence=on_silence) as engine:
            params = {**ORDER, "order_remark": "a"}
            await engine.say(op="call", id=1, method="order_stock", params=params)
            await eventually(lambda: len(stage.backend.line) == 1)
        silence(stage)
        await eventually(lambda: not stage.service.orders.under_way("a"))
        stage.backend.go()
        await stage.call("query_stock_asset")
        assert not stage.backend.orders
        row = await stage.service.outcomes.get("a")
        assert (row.code, row.state) == ("recalled", "not_executed")
        assert "fell silent" in row.detail


async def test_an_engine_that_is_back_keeps_its_orders(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        params = {**ORDER, "order_remark": "a"}
        stage.backend.answers["query_stock_orders"] = [stage.backend.listed(1, params)]
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.say(op="call", id=1, method="order_stock", params=params)
            await eventually(lambda: stage.backend.orders)
        first = silence(stage)
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as again:
            gate.set()
            await again.order("a")
            await eventually(lambda: stage.service.leases.current("default/engine") is not first)
            await again.ask("ping")
            assert not stage.backend.cancels


@pytest.mark.parametrize("on_silence", ["leave", "cancel"])
async def test_an_engine_that_comes_back_meanwhile_has_a_lease_that_outlives_the_server(
    tmp_path, on_silence, monkeypatch
):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["query_stock_orders"] = asyncio.Event()
        take_back, at_it = stage.service.orders.take_back, asyncio.Event()

        async def slowly(owner, why):
            at_it.set()
            if on_silence == "leave":
                await gate.wait()
            await take_back(owner, why)

        monkeypatch.setattr(stage.service.orders, "take_back", slowly)
        async with stage.ws(client="engine", lease=15, on_silence=on_silence):
            pass
        silence(stage)
        await at_it.wait()
        async with stage.ws(client="engine", lease=15, on_silence=on_silence) as engine:
            gate.set()
            await eventually(lambda: not len(stage.service._chores))
            assert (await engine.order("a"))["success"]
    async with running(tmp_path) as stage:
        assert stage.service.leases.current("default/engine") is not None


async def test_what_waits_is_not_taken_back_from_an_engine_that_is_back(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.busy = True
        async with stage.ws(client="engine", lease=15) as engine:
            params = {**ORDER, "order_remark": "a"}
            await engine.say(op="call", id=1, method="order_stock", params=params)
            await eventually(lambda: len(stage.backend.line) == 1)
            silence(stage)
            stage.service.leases.take("default/engine", 15, "leave")  # before anything else is done
            await eventually(lambda: not len(stage.service._chores))
            stage.backend.go()
            assert (await engine.reply(1))["success"]


async def test_a_goodbye_is_no_silence(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.order("a")
            assert (await engine.ask("release"))["data"] is True
            assert (await engine.ask("release"))["data"] is False
        assert stage.service.leases.current("default/engine") is None
        stage.server.check()
        assert not stage.backend.cancels


async def test_an_operator_gives_a_lease_back(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "admin")
        async with stage.ws(client="engine", lease=15):
            params = {"owner": "default/engine"}
            assert (await stage.call("release_lease", token=token, **params))[1]["data"] is True
            assert (await stage.call("release_lease", token=token, **params))[1]["data"] is False


async def test_leases_outlive_the_server(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.order("a")
        await stage.call("outcome", key="x")  # what was posted before is on the disk
    async with running(tmp_path) as stage:
        params = {**ORDER, "order_remark": "a"}
        stage.backend.answers["query_stock_orders"] = [stage.backend.listed(1, params)]
        silence(stage)
        await eventually(lambda: stage.backend.cancels == [{"order_id": 1}])
        await stage.call("outcome", key="x")
    async with running(tmp_path) as stage:
        assert stage.service.leases.current("default/engine") is None


async def test_orders_wait_to_be_cancelled_until_the_terminal_is_there(tmp_path):
    async with running(tmp_path) as stage:
        async with stage.ws(client="engine", lease=15, on_silence="cancel") as engine:
            await engine.order("a")
        stage.backend.answers["query_stock_orders"] = [
            stage.backend.listed(1, {**ORDER, "order_remark": "a"})
        ]
        stage.backend.fail["cancel"] = NotSent("not now")
        silence(stage)
        await eventually(lambda: len(stage.backend.cancels) == 2)
