"""The HTTP wire: what clients of the original QKA send and get, and what is better now."""

import asyncio
import json
import math
from types import SimpleNamespace

import pytest
from qmt import eventually
from server_stage import ARGUMENTS, ORDER, ScriptedBackend, running, simulated, with_scopes

from qka.brokers.link import LinkStatus
from qka.brokers.records import (
    XtAsset,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderResponse,
    XtPosition,
)
from qka.clock import WallClock
from qka.errors import BrokerUnavailable, NotSent, OutcomeUnknown
from qka.server.backend import Unsupported
from qka.server.methods import METHODS

# ------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (1082, 1082),
        ("text", "text"),
        (True, True),
        (None, None),
        ([], []),
        ((True, "done"), [True, "done"]),
        ({"SH": 1000}, {"SH": 1000}),
        ([float("nan"), math.inf, -math.inf, 1.5], [None, None, None, 1.5]),
        ({"a": [{"b": float("nan")}]}, {"a": [{"b": None}]}),
        (SimpleNamespace(m_nStatus=0, status=0, _hidden=1), {"status": 0}),
        ([SimpleNamespace(stock_code="600000.SH")], [{"stock_code": "600000.SH"}]),
    ],
)
async def test_what_the_sdk_returns_is_plain_json(tmp_path, answer, data):
    async with running(tmp_path) as stage:
        stage.backend.answers["query_ipo_data"] = answer
        assert await stage.call("query_ipo_data") == (200, {"success": True, "data": data})


async def test_records_have_xtquants_own_names(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.answers = {
            "query_stock_asset": XtAsset(account_id="demo", cash=1.5, total_asset=2.5),
            "query_stock_positions": [XtPosition(stock_code="600000.SH", can_use_volume=100)],
            "query_stock_order": XtOrder(order_id=7, price=math.nan),
        }
        _, asset = await stage.call("query_stock_asset")
        assert asset["data"]["total_asset"] == 2.5
        _, positions = await stage.call("query_stock_positions")
        assert positions["data"][0]["can_use_volume"] == 100
        _, order = await stage.call("query_stock_order", order_id=7)
        assert (order["data"]["order_id"], order["data"]["price"]) == (7, None)


async def test_an_order_answers_its_id_and_a_cancel_zero(tmp_path):
    async with running(tmp_path) as stage:
        assert await stage.order() == (200, {"success": True, "data": 1})
        answer = await stage.call("cancel_order_stock", order_id=1)
        assert answer == (200, {"success": True, "data": 0})
        assert stage.backend.orders[0] == {**ORDER, "strategy_name": "", "order_remark": ""}


async def test_a_refused_order_is_200_with_minus_one_and_the_brokers_words(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["order"] = XtOrderResponse(order_id=-1, error_msg="资金不足")
        status, told = await stage.order()
        assert status == 200
        assert told == {
            "success": False,
            "detail": "资金不足",
            "code": "refused",
            "outcome": "not_executed",
            "data": -1,
        }


async def test_a_refused_cancel_is_200_with_minus_one(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["cancel"] = XtCancelOrderResponse(cancel_result=-1, error_msg="已成")
        status, told = await stage.call("cancel_order_stock", order_id=1)
        assert (status, told["success"], told["data"], told["detail"]) == (200, False, -1, "已成")


async def test_money_and_positions_of_the_guide(tmp_path):
    async with simulated(tmp_path) as stage:
        _, assets = await stage.call("query_stock_asset")
        assert assets["data"]["total_asset"] > 1_000_000
        _, capital = await stage.call("query_account_status")
        assert capital["data"] == [{"account_type": 2, "account_id": "demo", "status": 0}]
        _, positions = await stage.call("query_stock_positions")
        assert [p["stock_code"] for p in positions["data"]] == ["000001.SZ"]
        _, none = await stage.call("query_stock_order", order_id=99)
        assert none == {"success": True, "data": None}
        _, detail = await stage.call("get_instrument_detail", stock_code="600000.SH")
        assert detail["data"]["UpStopPrice"] == 11.0
        assert detail["data"]["FloatVolume"] is None  # the SDK has DBL_MAX there
        _, ticks = await stage.call("get_full_tick", code_list=["600000.SH"])
        assert ticks["data"]["600000.SH"]["lastPrice"] == 10.0


async def test_a_day_is_eight_digits_and_a_number_that_is_none_is_null(tmp_path):
    async with running(tmp_path) as stage:
        asked = {"stock_code": "600000.SH", "start_time": "20260101", "end_time": "20260131"}
        _, told = await stage.call("get_divid_factors", **asked)
        assert told["data"] == {"20260106": {"time": 1767628800000.0, "interest": 0.25, "dr": None}}
        for day in ("2026-01-01", "2026010", "20260101\n", "x"):
            status, told = await stage.call("get_divid_factors", **{**asked, "start_time": day})
            assert (status, told["code"]) == (422, "invalid")


# ------------------------------------------------------------ arguments


async def test_digits_in_text_are_numbers(tmp_path):
    async with running(tmp_path) as stage:
        await stage.call("cancel_order_stock", order_id="1082")
        assert stage.backend.cancels == [{"order_id": 1082}]
        await stage.order(order_type="23", order_volume="100", price="9.9")
        assert stage.backend.orders[0]["order_volume"] == 100


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"order_volume": "many"}, ["order_volume"]),
        ({"order_volume": 0}, ["order_volume"]),
        ({"order_volume": 100.5}, ["order_volume"]),
        ({"order_volume": True}, ["order_volume"]),
        ({"order_volume": 2**31}, ["order_volume"]),
        ({"order_volume": 10**40}, ["order_volume"]),
        ({"price": "nan"}, ["price"]),
        ({"price": "inf"}, ["price"]),
        ({"price": -1}, ["price"]),
        ({"price": None}, ["price"]),
        ({"stock_code": 600000}, ["stock_code"]),
        ({"stock_code": ""}, ["stock_code"]),
        ({"stock_code": "600000.SH\n"}, ["stock_code"]),
        ({"stock_code": "6" * 100}, ["stock_code"]),
        ({"order_remark": "a\x00b"}, ["order_remark"]),
        ({"order_remark": "x" * 300}, ["order_remark"]),
        ({"order_remrak": "x"}, ["order_remrak"]),
        ({"price": {"a": [1]}, "order_type": "buy", "x": 1}, ["price", "order_type", "'x'"]),
    ],
)
async def test_wrong_arguments_are_named_and_nothing_is_sent(tmp_path, changes, named):
    async with running(tmp_path) as stage:
        status, told = await stage.order(**changes)
        assert (status, told["code"], told["outcome"]) == (422, "invalid", "not_executed")
        assert all(name in told["detail"] for name in named), told
        assert not stage.backend.orders


async def test_missing_arguments_are_all_named(tmp_path):
    async with running(tmp_path) as stage:
        status, told = await stage.call("order_stock", stock_code="600000.SH")
        assert status == 422
        for name in ("order_type", "order_volume", "price_type", "price"):
            assert f"{name} is missing" in told["detail"]


@pytest.mark.parametrize("account", ["demo", {"account_id": "demo"}, None])
async def test_our_own_account_may_be_named(tmp_path, account):
    async with running(tmp_path) as stage:
        assert (await stage.order(account=account))[0] == 200


@pytest.mark.parametrize("account", ["other", 7, {"account_id": "other"}, {}, [], "demo "])
async def test_another_account_is_refused(tmp_path, account):
    async with running(tmp_path) as stage:
        for name in ("account", "account_id"):
            status, told = await stage.order(**{name: account})
            assert (status, told["code"]) == (409, "other_account")
        assert not stage.backend.orders


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"nonsense", b'"text"', b"null", b"\xff\xfe", b'{"a":NaN}', b"1"]
)
async def test_a_body_that_is_no_json_object_is_422(tmp_path, body):
    async with running(tmp_path) as stage:
        status, told = await stage.send(
            "POST", "/api/order_stock", data=body, headers={"Content-Type": "application/json"}
        )
        assert (status, told["code"]) == (422, "invalid")


async def test_a_body_of_another_type_is_422(tmp_path):
    async with running(tmp_path) as stage:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            status, _ = await stage.send(
                "POST", "/api/query_stock_asset", data=b"{}", headers={"Content-Type": kind}
            )
            assert status == 422


@pytest.mark.parametrize(
    "name",
    ["start", "stop", "connect", "subscribe", "unsubscribe", "register_callback", "run_forever",
     "set_timeout", "export_data", "query_data", "sleep", "common_op_sync_with_seq",
     "query_com_position", "query_stock_asset_async", "__init__", "_decode", "", "a/b",
     "ctp_transfer_option_to_future", "order_stock%20"],
)  # fmt: skip
async def test_what_is_not_on_the_list_does_not_exist(tmp_path, name):
    async with running(tmp_path) as stage:
        status, told = await stage.send("POST", f"/api/{name}", json={})
        assert (status, told["code"]) == (404, "not_found")


async def test_other_verbs_are_405_and_a_trailing_slash_does_no_harm(tmp_path):
    async with running(tmp_path) as stage:
        for verb in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert (await stage.send(verb, "/api/order_stock"))[0] == 405
        assert (await stage.send("POST", "/metrics"))[0] == 405
        assert (await stage.send("POST", "/health", token=None))[0] == 405
        assert (await stage.send("POST", "/api/query_stock_asset/", json={}))[0] == 200


async def test_every_method_can_be_called(tmp_path):
    async with running(tmp_path, policy={"transfers": True}) as stage:
        token = with_scopes(stage, "read", "trade", "transfer", "admin")
        for name in METHODS:
            status, told = await stage.call(name, token=token, **ARGUMENTS.get(name, {}))
            assert status == (404 if name == "outcome" else 200), (name, told)


async def test_the_other_name_of_the_account_infos(tmp_path):
    async with running(tmp_path) as stage:
        await stage.call("query_account_info")
        assert stage.backend.queries == [("query_account_infos", {})]


# ------------------------------------------------------------ when it does not work


@pytest.mark.parametrize("method", ["order_stock", "cancel_order_stock", "query_stock_orders"])
async def test_a_terminal_that_is_not_there_is_503_with_a_time(tmp_path, method):
    async with running(tmp_path) as stage:
        stage.backend.become("cooldown", "MiniQMT is not running", 7.0)
        status, told = await stage.call(method, **ARGUMENTS.get(method, {}))
        assert status == 503
        assert (told["code"], told["outcome"]) == ("unavailable", "not_executed")
        assert told["retry_after"] == 7.0
        assert "MiniQMT is not running" in told["detail"]
        assert not stage.backend.orders


async def test_an_order_that_was_not_sent_says_so(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["order"] = NotSent("its turn did not come")
        status, told = await stage.order()
        assert (status, told["code"], told["outcome"]) == (503, "unavailable", "not_executed")


@pytest.mark.parametrize("error", [OutcomeUnknown("silence"), BrokerUnavailable("gone"), OSError()])
async def test_an_order_of_which_nobody_knows_is_504_unknown(tmp_path, error):
    async with running(tmp_path) as stage:
        stage.backend.fail["order"] = error
        status, told = await stage.order()
        assert (status, told["code"], told["outcome"]) == (504, "unknown", "unknown")


async def test_a_cancel_of_which_nobody_knows_is_504_unknown(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["cancel"] = OutcomeUnknown("silence")
        status, told = await stage.call("cancel_order_stock", order_id=1)
        assert (status, told["outcome"]) == (504, "unknown")


async def test_a_query_that_fails_is_503(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["query_stock_orders"] = BrokerUnavailable("no answer", 2.0)
        assert (await stage.call("query_stock_orders"))[0] == 503


async def test_a_method_that_this_terminal_does_not_have_is_404(tmp_path):
    async with running(tmp_path) as stage:
        stage.backend.fail["query_credit_detail"] = Unsupported("no")
        assert (await stage.call("query_credit_detail"))[0] == 404


async def test_a_query_has_a_deadline(tmp_path):
    async with running(tmp_path, policy={"deadline": 0.02}) as stage:
        stage.backend.gate["query_stock_orders"] = asyncio.Event()
        status, told = await stage.call("query_stock_orders")
        assert (status, told["code"]) == (504, "deadline")
        assert (await stage.call("query_stock_trades"))[0] == 200


async def test_one_call_that_hangs_slows_nobody_else(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        stage.backend.gate["query_stock_orders"] = gate
        hung = [
            asyncio.create_task(stage.order()),
            asyncio.create_task(stage.call("query_stock_orders")),
        ]
        await eventually(lambda: stage.backend.orders and stage.backend.queries)
        assert (await stage.call("query_stock_asset"))[0] == 200
        assert (await stage.call("cancel_order_stock", order_id=1))[0] == 200
        assert (await stage.send("GET", "/health", token=None))[0] == 200
        gate.set()
        assert [status for status, _ in await asyncio.gather(*hung)] == [200, 200]


async def test_so_many_hung_queries_and_further_ones_are_turned_away(tmp_path):
    async with running(tmp_path, policy={"queries_in_flight": 2}) as stage:
        gate = stage.backend.gate["query_stock_orders"] = asyncio.Event()
        hung = [asyncio.create_task(stage.call("query_stock_orders")) for _ in range(2)]
        await eventually(lambda: len(stage.backend.queries) == 2)
        status, told = await stage.call("query_stock_asset")
        assert (status, told["code"]) == (503, "unavailable")
        assert (await stage.order())[0] == 200
        gate.set()
        await asyncio.gather(*hung)


# ------------------------------------------------------------ deadlines


def _in(seconds):
    return f"{WallClock().now() / 1e9 + seconds:.3f}"


async def test_an_order_whose_deadline_has_passed_is_refused_and_a_cancel_never(tmp_path):
    async with running(tmp_path) as stage:
        late = {"X-Deadline": _in(-1)}
        status, told = await stage.call("order_stock", late, **ORDER)
        assert (status, told["code"], told["outcome"]) == (504, "deadline", "not_executed")
        assert not stage.backend.orders
        assert (await stage.call("cancel_order_stock", late, order_id=1))[0] == 200
        in_time = {"X-Deadline": _in(60)}
        assert (await stage.call("order_stock", in_time, **ORDER))[0] == 200


@pytest.mark.parametrize("text", ["soon", "", "nan", "1e400", "-5", "1767600000000"])
async def test_a_deadline_that_is_no_time_is_422(tmp_path, text):
    async with running(tmp_path) as stage:
        status, told = await stage.call("order_stock", {"X-Deadline": text}, **ORDER)
        assert (status, told["code"]) == (422, "invalid")
        assert not stage.backend.orders
        cancel = await stage.call("cancel_order_stock", {"X-Deadline": text}, order_id=1)
        assert cancel[0] == 200


# ------------------------------------------------------------ limits


async def test_a_body_that_is_too_large_is_413_before_it_is_read(tmp_path):
    async with running(tmp_path, limits={"request_bytes": 1000}) as stage:
        status, told = await stage.order(strategy_name="x" * 2000)
        assert (status, told["code"]) == (413, "too_large")

        async def drops():
            for _ in range(100):
                yield b" " * 100

        headers = {"Content-Type": "application/json"}
        status, _ = await stage.send("POST", "/api/order_stock", data=drops(), headers=headers)
        assert status == 413


async def test_orders_beyond_the_rate_are_429_and_cancels_never(tmp_path):
    async with running(tmp_path, policy={"orders_per_second": 3.0}) as stage:
        statuses = [(await stage.order())[0] for _ in range(6)]
        assert statuses[:3] == [200, 200, 200]
        assert statuses[-1] == 429
        _, told = await stage.order()
        assert (told["code"], told["outcome"]) == ("rate", "not_executed")
        assert 0 < told["retry_after"] < 1
        for _ in range(10):
            assert (await stage.call("cancel_order_stock", order_id=1))[0] == 200


async def test_calls_beyond_the_rate_are_429_for_that_token_only(tmp_path):
    async with running(tmp_path, policy={"calls_per_second": 2.0}) as stage:
        other = with_scopes(stage, "read")
        statuses = [(await stage.call("query_stock_asset"))[0] for _ in range(8)]
        assert statuses[:4] == [200] * 4
        assert statuses[-1] == 429
        assert (await stage.call("query_stock_asset", token=other))[0] == 200


# ------------------------------------------------------------ beside the calls


async def test_every_call_leaves_a_line_with_who_what_and_how_it_ended(tmp_path):
    backend = ScriptedBackend(account="8800123456")
    async with running(tmp_path, backend, policy={"transfers": True}) as stage:
        token = with_scopes(stage, "transfer", name="bank")
        await stage.order("my-key")
        await stage.call("order_stock", price="much")
        await stage.call("bank_transfer_in", token=token, **ARGUMENTS["bank_transfer_in"])
        secrets = (stage.token, token, "s3cret", "8800123456")
    placed, wrong, moved = stage.audit()
    assert placed["who"] == "default"
    assert placed["ip"] == "127.0.0.1"
    assert (placed["what"], placed["outcome"], placed["key"]) == ("order_stock", "done", "my-key")
    assert (placed["order_id"], placed["params"]["price"]) == (1, 9.9)
    assert placed["account"] == "88***56"
    assert placed["seconds"] > 0
    assert (wrong["outcome"], wrong["executed"]) == ("invalid", "not_executed")
    assert (moved["who"], moved["params"]["balance"]) == ("bank", 1.0)
    text = json.dumps(stage.audit())
    assert not any(secret in text for secret in secrets)


async def test_metrics_are_prometheus_text(tmp_path):
    async with running(tmp_path) as stage:
        await stage.order()
        await stage.call("no_such_method")
        status, text = await stage.send("GET", "/metrics")
        assert status == 200
        assert 'qka_server_calls_total{method="order_stock",result="done",via="http"} 1.0' in text
        assert 'method="unknown",result="not_found"' in text
        assert "no_such_method" not in text
        assert 'qka_server_call_seconds_bucket{le="+Inf",method="order_stock"} 1.0' in text
        assert "qka_server_terminal_ready 1.0" in text


async def test_openapi_describes_every_method(tmp_path):
    async with running(tmp_path) as stage:
        status, told = await stage.send("GET", "/openapi.json")
        assert status == 200
        assert {f"/api/{name}" for name in METHODS} <= set(told["paths"])
        order = told["components"]["schemas"]["order_stock"]
        assert set(order["required"]) == set(ORDER)


async def test_an_asynchronous_order_answers_a_number_at_once_and_an_event_follows(tmp_path):
    async with running(tmp_path) as stage, stage.ws() as engine:
        gate = stage.backend.gate["order"] = asyncio.Event()
        remark = {"order_remark": "a"}
        status, told = await stage.call("order_stock_async", **ORDER, **remark)
        assert (status, told["data"]) == (200, 1)
        gate.set()
        event = (await engine.heard(1))[0]
        assert event["kind"] == "order_response"
        assert (event["data"]["seq"], event["data"]["order_id"]) == (1, 1)
        stage.backend.fail["order"] = NotSent("no")
        _, told = await stage.call("order_stock_async", **ORDER, **remark)
        event = (await engine.heard(2))[1]
        assert (event["kind"], event["data"]["seq"]) == ("order_error", told["data"])
        _, told = await stage.call("cancel_order_stock_async", order_id=1)
        event = (await engine.heard(3))[2]
        assert (event["kind"], event["data"]["seq"]) == ("cancel_response", told["data"])


async def test_a_server_that_stops_finishes_what_is_under_way_and_takes_nothing_new(tmp_path):
    async with running(tmp_path) as stage:
        gate = stage.backend.gate["order"] = asyncio.Event()
        working = asyncio.create_task(stage.order("a"))
        await eventually(lambda: stage.backend.orders)
        stopping = asyncio.create_task(stage.server.close())
        await eventually(lambda: stage.service.stopping)
        status, told = await stage.order("b")
        assert (status, told["code"], told["outcome"]) == (503, "unavailable", "not_executed")
        assert (await stage.call("cancel_order_stock", order_id=1))[0] == 200
        gate.set()
        assert (await working)[0] == 200
        await stopping
        assert stage.backend.closed


async def test_a_call_that_the_stop_cuts_short_is_not_done_in_the_audit(tmp_path):
    async with running(tmp_path, patience=0.0) as stage:
        stage.backend.gate["order"] = asyncio.Event()
        working = asyncio.create_task(stage.order())
        await eventually(lambda: stage.backend.orders)
        await stage.server.close()
        await asyncio.wait((working,))
        (line,) = stage.audit()
        assert (line["what"], line["outcome"], line["executed"]) == (
            "order_stock",
            "stopped",
            "unknown",
        )


async def test_a_link_that_is_not_ready_at_the_start_is_waited_for(tmp_path):
    backend = ScriptedBackend()
    async with running(tmp_path, backend) as stage:
        backend.status = LinkStatus("connecting")
        assert (await stage.order())[0] == 503
        backend.become("ready")
        assert (await stage.order())[0] == 200
