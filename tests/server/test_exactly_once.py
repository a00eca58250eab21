"""One key, one order: whoever asks, however often, across a dying server and a silent terminal."""

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import msgspec
import pytest
from qmt import eventually
from server_stage import ORDER, ScriptedBackend, running, simulated, with_scopes

from qka.brokers.records import XtOrder, XtOrderResponse
from qka.errors import ConfigError, NotSent, OutcomeUnknown
from qka.model.times import DAY, day_of, midnight
from qka.server import outcomes

# ------------------------------------------------------------ repeats


async def test_the_same_key_and_body_is_one_order_with_one_answer(tmp_path):
    async with running(tmp_path) as stage:
        answers = [await stage.order("k") for _ in range(5)]
        assert answers == [(200, {"success": True, "data": 1})] * 5
        assert len(stage.backend.orders) == 1


async def test_without_a_key_two_identical_orders_are_two(tmp_path):
    async with running(tmp_path) as stage:
        first, second = await stage.order(), await stage.order()
        assert (first[1]["data"], second[1]["data"]) == (1, 2)
        same = {"order_remark": "grid"}  # over HTTP a remark is only a remark
        assert (await stage.order(**same))[1]["data"] == 3
        assert (await stage.order(**same))[1]["data"] == 4


async def test_repeats_at_the_same_time_share_one_outcome(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        asking = [asyncio.create_task(stage.order("k")) for _ in range(20)]
        await eventually(lambda: stage.backend.orders)
        gate.set()
        assert await asyncio.gather(*asking) == [(200, {"success": True, "data": 1})] * 20
        assert len(stage.backend.orders) == 1


@pytest.mark.parametrize(
    "changes", [{"order_volume": 200}, {"price": 9.8}, {"order_type": 24}, {"order_remark": "r"}]
)
async def test_the_same_key_with_another_body_is_409(tmp_path, changes):
    async with running(tmp_path) as stage:
        await stage.order("k")
        status, told = await stage.order("k", **changes)
        assert (status, told["code"], told["outcome"]) == (409, "key_reused", "not_executed")
        gate = stage.backend.gate["order"] = asyncio.Event()
        first = asyncio.create_task(stage.order("j"))
        await eventually(lambda: len(stage.backend.orders) == 2)
        assert (await stage.order("j", **changes))[0] == 409  # also while it is under way
        gate.set()
        assert (await first)[0] == 200
        assert len(stage.backend.orders) == 2


async def test_the_same_order_written_otherwise_is_the_same_order(tmp_path):
    async with running(tmp_path) as stage:
        await stage.order("k")
        again = await stage.order("k", order_volume="100", price="9.90", account="demo")
        assert again == (200, {"success": True, "data": 1})


async def test_another_method_with_the_same_key_is_another_order(tmp_path):
    async with running(tmp_path) as stage:
        await stage.order("k")
        status, told = await stage.call("order_stock_async", {"Idempotency-Key": "k"}, **ORDER)
        assert (status, told["code"]) == (409, "key_reused")


async def test_a_refusal_is_an_outcome_too(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["order"] = XtOrderResponse(order_id=-1, error_msg="资金不足")
        first = await stage.order("k")
        assert first[1]["data"] == -1
        assert await stage.order("k") == first
        assert len(stage.backend.orders) == 1
        told = await stage.outcome("k")
        assert (told["state"], told["order_id"], told["detail"]) == ("refused", -1, "资金不足")


@pytest.mark.parametrize("key", ["x" * 200, "a\tb"])
async def test_what_is_no_key_is_422(tmp_path, key):
    async with running(tmp_path) as stage:
        assert (await stage.order(key))[0] == 422
        assert not stage.backend.orders


async def test_with_a_key_a_remark_must_fit_what_the_terminal_keeps(tmp_path):
    async with running(tmp_path) as stage:
        assert (await stage.order("k", order_remark="x" * 25))[0] == 422
        assert (await stage.order("k", order_remark="网格" * 5))[0] == 422
        assert (await stage.order("k", order_remark="x" * 24))[0] == 200


async def test_an_order_without_a_remark_gets_one_from_its_key(tmp_path):
    async with running(tmp_path) as stage:
        await stage.order("short")
        await stage.order("a-key-that-is-longer-than-24-bytes")
        short, long = (order["order_remark"] for order in stage.backend.orders)
        assert short == "short"
        assert len(long) == 23
        assert (await stage.outcome("a-key-that-is-longer-than-24-bytes"))["remark"] == long


async def test_an_engines_token_makes_the_remark_the_key(tmp_path):
    async with running(tmp_path) as stage:
        token = with_scopes(stage, "read", "trade", engine=True)
        for _ in range(2):
            answer = await stage.order(token=token, order_remark="20260105-1")
            assert answer[1]["data"] == 1
        assert (await stage.order(token=token, order_remark="20260105-1", price=9.8))[0] == 409


async def test_both_transports_know_the_same_keys(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        assert (await engine.order("r1"))["data"] == 1
        assert (await stage.order("r1", order_remark="r1"))[1]["data"] == 1
        assert (await engine.call("order_stock", key="k2", **ORDER))["data"] == 2
        assert (await stage.order("k2"))[1]["data"] == 2
        reply = await engine.order("r1", price=9.8)
        assert (reply["code"], reply["outcome"]) == ("key_reused", "not_executed")
        told = await engine.ask("call", method="outcome", params={"key": "k2"})
        assert told["data"]["state"] == "executed"


# ------------------------------------------------------------ what is not known


async def test_what_was_not_executed_and_what_is_not_known_are_two_answers(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.found = []
        stage.backend.fail["order"] = NotSent("its turn did not come")
        status, told = await stage.order("a")
        assert (status, told["outcome"]) == (503, "not_executed")
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        status, told = await stage.order("b")
        assert (status, told["outcome"]) == (504, "unknown")
        assert (await stage.outcome("a"))["state"] == "not_executed"
        assert (await stage.outcome("b"))["state"] == "unknown"
        # and asking again gives the same, and sends nothing
        assert (await stage.order("a"))[1]["outcome"] == "not_executed"
        assert (await stage.order("b"))[1]["outcome"] == "unknown"
        assert len(stage.backend.orders) == 2


async def test_an_unknown_order_is_found_by_its_remark(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.found = []
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        assert (await stage.order("k"))[0] == 504
        stage.backend.found = None  # now the terminal lists it
        told = await stage.outcome("k")
        assert (told["state"], told["order_id"]) == ("executed", 1)
        assert await stage.order("k") == (200, {"success": True, "data": 1})
        assert len(stage.backend.orders) == 1


async def test_the_server_looks_by_itself_when_the_terminal_is_back(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.found = []
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        await stage.order("k")
        stage.backend.found = None
        stage.backend.become("connecting")
        stage.backend.become("ready")
        await eventually(lambda: not len(stage.service.lookups))
        assert (await stage.outcome("k"))["state"] == "executed"


async def test_a_late_answer_settles_it_without_a_look(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.found = []
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        await stage.order("k")
        late = XtOrderResponse(order_id=-1, order_remark="k", error_msg="价格超限")
        stage.backend.push("order_response", late)
        told = await stage.outcome("k")
        assert (told["state"], told["detail"]) == ("refused", "价格超限")


async def test_an_order_that_only_shares_the_remark_is_not_taken_for_it(tmp_path):
    async with running(tmp_path) as stage:
        other = {"stock_code": "000001.SZ", "order_type": 23, "order_volume": 100}
        stage.backend.found = [XtOrder(order_id=7, order_remark="grid", **other)]
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        await stage.order("k", order_remark="grid")
        assert (await stage.outcome("k"))["state"] == "unknown"


async def test_an_order_of_another_day_is_not_taken_for_it(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        stage.backend.found = []
        await stage.order("k", order_remark="grid")
        listed = stage.backend.listed(1, stage.backend.orders[0])
        stage.backend.found = [msgspec.structs.replace(listed, order_time=1_700_000_000)]
        assert (await stage.outcome("k"))["state"] == "unknown"


@pytest.mark.parametrize("remark", ["grid", "k"])
async def test_a_number_that_another_key_had_yesterday_says_nothing_today(tmp_path, remark):
    """The terminal counts its orders from 1 every morning."""
    async with running(tmp_path) as stage:
        service = stage.service
        yesterday = outcomes.Row(
            method="order_stock", key="old", fingerprint=b"", params=b"{}", remark=remark,
            owner="default/", begun=midnight(day_of(service._now())) - 1, state="executed",
            order_id=1,
        )  # fmt: skip
        assert await service.outcomes.begin(yesterday) is None
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        await stage.order("k", order_remark=remark)
        told = await stage.outcome("k")
        assert (told["state"], told["order_id"]) == ("executed", 1)


async def test_what_was_settled_long_ago_is_forgotten_on_each_day_that_the_server_runs(tmp_path):
    async with running(tmp_path) as stage:
        service = stage.service
        service.check()  # of today
        for key, state in ("done", "executed"), ("doubt", "unknown"):
            row = outcomes.Row(
                method="order_stock", key=key, fingerprint=b"", params=b"{}", remark=key,
                owner="default/", begun=1, state=state,
            )  # fmt: skip
            assert await service.outcomes.begin(row) is None
        service.check()
        assert await service.outcomes.get("done") is not None
        tomorrow = service._now() + DAY
        service._now = lambda: tomorrow
        service.check()
        assert await service.outcomes.get("done") is None
        assert await service.outcomes.get("doubt") is not None


async def test_an_order_of_another_key_with_the_same_remark_is_not_taken_for_it(tmp_path):
    async with running(tmp_path) as stage:
        assert (await stage.order("one", order_remark="grid"))[1]["data"] == 1
        stage.backend.fail["order"] = OutcomeUnknown("silence")
        stage.backend.found = [stage.backend.listed(1, stage.backend.orders[0])]
        await stage.order("two", order_remark="grid")
        assert (await stage.outcome("two"))["state"] == "unknown"
        stage.backend.found.append(stage.backend.listed(2, stage.backend.orders[1]))
        told = await stage.outcome("two")
        assert (told["state"], told["order_id"]) == ("executed", 2)


async def test_a_key_that_was_never_seen(tmp_path):
    async with running(tmp_path) as stage:
        status, told = await stage.send("GET", "/outcome/nothing")
        assert (status, told["code"], told["outcome"]) == (404, "never_seen", "not_executed")


async def test_an_order_under_way_is_pending(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        order = asyncio.create_task(stage.order("k"))
        await eventually(lambda: stage.backend.orders)
        assert (await stage.outcome("k"))["state"] == "pending"
        gate.set()
        await order
        assert (await stage.outcome("k"))["state"] == "executed"


async def test_a_client_that_hangs_up_does_not_stop_its_order(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        order = asyncio.create_task(stage.order("k"))
        await eventually(lambda: stage.backend.orders)
        order.cancel()
        await asyncio.wait((order,))
        gate.set()
        await eventually(lambda: not stage.service.orders._running)
        assert (await stage.outcome("k"))["state"] == "executed"


# ------------------------------------------------------------ a refusal is no lie about the past


@pytest.mark.parametrize("trouble", ["link", "deadline", "rate", "stopping"])
async def test_what_was_done_under_a_key_counts_whatever_is_wrong_now(tmp_path, trouble):
    async with running(tmp_path, policy={"orders_per_second": 1.0}) as stage:
        await stage.order("k")
        headers = {"Idempotency-Key": "k"}
        if trouble == "link":
            stage.backend.become("cooldown")
        elif trouble == "deadline":
            headers["X-Deadline"] = "1"
        elif trouble == "stopping":
            stage.service.orders.stopping = True
        answer = await stage.call("order_stock", headers, **ORDER)
        assert answer == (200, {"success": True, "data": 1})
        status, told = await stage.order("new")
        assert told["outcome"] == ("executed" if status == 200 else "not_executed")
        assert len(stage.backend.orders) == 1


async def test_a_refusal_before_the_key_was_written_leaves_no_trace(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.become("cooldown")
        assert (await stage.order("k"))[0] == 503
        assert (await stage.send("GET", "/outcome/k"))[1]["code"] == "never_seen"
        stage.backend.become("ready")
        assert (await stage.order("k"))[0] == 200


# ------------------------------------------------------------ across restarts


async def test_keys_outlive_the_server(tmp_path):
    async with running(tmp_path) as stage:
        assert (await stage.order("k"))[1]["data"] == 1
    async with running(tmp_path) as stage:
        assert (await stage.order("k"))[1]["data"] == 1
        assert (await stage.order("k", price=9.8))[0] == 409
        assert not stage.backend.orders
        assert (await stage.outcome("k"))["state"] == "executed"


async def test_a_server_that_died_with_an_order_under_way_looks_it_up_and_never_sends_it(tmp_path):
    backend = ScriptedBackend()
    async with running(tmp_path, backend, patience=0.01) as stage:
        gate = backend.gate["order"] = asyncio.Event()
        dying = asyncio.create_task(stage.order("k"))
        await eventually(lambda: backend.orders)
    await asyncio.wait((dying,))
    with closing(sqlite3.connect(tmp_path / "server.db")) as file:
        assert file.execute("SELECT state FROM outcomes").fetchall() == [("pending",)]

    backend.gate.clear()
    gate.set()
    backend.found = []
    async with running(tmp_path, backend) as stage:  # not listed: it stays unknown
        assert (await stage.order("k"))[1]["outcome"] == "unknown"
        backend.found = None
        assert (await stage.order("k"))[1] == {"success": True, "data": 1}
    assert len(backend.orders) == 1


_SERVER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {path!r}
from server_stage import ScriptedBackend
from qka.server.server import Server

async def main():
    backend = ScriptedBackend()
    backend.gate["order"] = asyncio.Event()  # the SDK never answers
    async with Server(backend, data_dir=Path(sys.argv[1]), port=0) as server:
        print(server.port, server.token, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
async def test_a_killed_server_has_the_key_on_disk_before_the_terminal_hears_of_it(tmp_path):
    here = str(Path(__file__).parent)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER.format(path=[here, str(Path(here).parent)]), str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    port, token = (await process.stdout.readline()).decode().split()
    headers = {"X-Token": token, "Idempotency-Key": "k"}
    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}"
        order = asyncio.create_task(
            client.post(url + "/api/order_stock", json=ORDER, headers=headers)
        )

        async def state():
            async with client.get(url + "/outcome/k", headers=headers) as answer:
                return (await answer.json()).get("data", {}).get("state")

        while await state() != "pending":
            pass
        # an answer to something asked later: what was asked before is on the disk
        async with client.get(url + "/outcome/later", headers=headers) as answer:
            assert answer.status == 404
        process.send_signal(signal.SIGKILL)
        await process.wait()
        with pytest.raises(aiohttp.ClientError):
            await order
    backend = ScriptedBackend()
    backend.orders.append({**ORDER, "order_remark": "k"})  # it had arrived
    async with running(tmp_path, backend) as stage:
        assert (await stage.order("k"))[1] == {"success": True, "data": 1}
        assert len(backend.orders) == 1


async def test_the_file_of_another_account_is_refused(tmp_path):
    async with running(tmp_path):
        pass
    with pytest.raises(ConfigError, match="another account"):
        async with running(tmp_path, ScriptedBackend(account="someone")):
            pass


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path):
    async with running(tmp_path):
        with pytest.raises(ConfigError, match="in use"):
            async with running(tmp_path):
                pass


async def test_a_disk_that_takes_nothing_stops_keyed_orders_and_no_cancels(tmp_path):
    async with running(tmp_path) as stage:
        await stage.order("before")

        def fails(connection):
            raise sqlite3.OperationalError("disk full")

        begin, outcomes._begin = outcomes._begin, lambda row, connection: fails(connection)
        try:
            status, told = await stage.order("k")
            assert (status, told["code"], told["outcome"]) == (503, "unavailable", "not_executed")
            assert (await stage.order("before"))[1]["data"] == 1  # it can still be read
            assert (await stage.call("cancel_order_stock", order_id=1))[0] == 200
            assert len(stage.backend.orders) == 1
        finally:
            outcomes._begin = begin
        assert (await stage.order("k"))[0] == 200


# ------------------------------------------------------------ over a simulated terminal


@pytest.mark.parametrize("fault", ["reply_lost", "disconnect_after"])
async def test_an_order_whose_answer_was_lost_is_found(tmp_path, fault):
    async with simulated(tmp_path, deadline=0.1) as stage:
        stage.terminal.faults.next(fault, "order")
        status, told = await stage.order("k")
        assert (status, told["outcome"]) == (504, "unknown")
        await eventually(lambda: stage.backend.status.ready and not len(stage.service.lookups))
        assert (await stage.order("k"))[1]["success"]
        assert len(stage.terminal.books("demo").orders) == 1


@pytest.mark.parametrize("fault", ["dropped", "disconnect_before"])
async def test_an_order_that_never_arrived_stays_unknown_and_is_not_sent_again(tmp_path, fault):
    async with simulated(tmp_path, deadline=0.1) as stage:
        stage.terminal.faults.next(fault, "order")
        assert (await stage.order("k"))[1]["outcome"] == "unknown"
        await eventually(lambda: stage.backend.status.ready)
        assert (await stage.order("k"))[1]["outcome"] == "unknown"
        assert not stage.terminal.books("demo").orders


async def test_a_storm_of_faults_places_each_key_once_at_most(tmp_path):
    async with simulated(tmp_path, deadline=0.1) as stage:
        stage.terminal.faults.set(
            reply_lost={"order": 0.1}, dropped={"order": 0.1}, disconnect_after={"order": 0.05},
            push_lost=0.2, push_twice=0.2, refused=0.1,
        )  # fmt: skip
        keys = [f"k{number}" for number in range(60)]

        async def insist(key):
            for _ in range(3):
                _, told = await stage.order(key)
                if told["success"] or told.get("data") == -1:
                    return key, told["data"]
                await eventually(lambda: stage.backend.status.ready)
            return key, None

        told = dict(await asyncio.gather(*map(insist, keys)))
        stage.terminal.faults.off()
        await eventually(lambda: stage.backend.status.ready)
        books = stage.terminal.books("demo")
        placed = [order.remark for order in books.orders]
        assert len(placed) == len(set(placed))
        assert not books.problems()
        by_remark = {order.remark: order.order_id for order in books.orders}
        for key, data in told.items():
            if data is not None and data > 0:
                assert by_remark[key] == data
