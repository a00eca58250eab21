"""The clients of a QMTServer: what they return, what they raise, and what they never send twice."""

import asyncio
import copy
import gc
import hashlib
import pickle
import shutil
import ssl
import subprocess
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from builders import a_quote, moment
from scripted import TOKEN, Fault, scripted, scripted_thread
from served import served_thread

from qka.brokers import words
from qka.brokers.answers import CancelResult, OrderResult
from qka.brokers.client import AsyncQMTClient, QMTClient
from qka.brokers.words import FIX_PRICE, STOCK_BUY
from qka.errors import (
    AccessDenied,
    BrokerUnavailable,
    CallRefused,
    ConfigError,
    NotSent,
    OutcomeUnknown,
)

BUY = {
    "stock_code": "600000.SH", "order_type": STOCK_BUY, "order_volume": 100,
    "price_type": FIX_PRICE, "price": 10.5,
}  # fmt: skip


GUIDE = {
    "查询账户信息": """
# 查询股票资产
assets = client.api("query_stock_asset")
print(assets)

# 查询资金信息
capital = client.api("query_account_status")
print(capital)

# 查询持仓
positions = client.api("query_stock_positions")
print(positions)
""",
    "下单交易": """
# 买入股票
result = client.api(
    "order_stock",
    stock_code='600000.SH',           # 股票代码
    order_type=xtconstant.STOCK_BUY,  # 买入
    order_volume=1000,                # 数量
    price_type=xtconstant.FIX_PRICE,  # 限价单
    price=10.5                        # 价格
)

# 卖出股票
result = client.api(
    "order_stock",
    stock_code='600000.SH',
    order_type=xtconstant.STOCK_SELL,  # 卖出
    order_volume=500,
    price_type=xtconstant.FIX_PRICE,
    price=11.0
)
""",
    "订单管理": """
# 查询委托
orders = client.api("query_stock_orders")
print(orders)

# 查询成交
trades = client.api("query_stock_trades")
print(trades)
""",
    "仓位管理": """
class RiskManagedTrader:
    def __init__(self, client, max_position_ratio=0.1):
        self.client = client
        self.max_position_ratio = max_position_ratio

    def calculate_position_size(self, symbol, price):
        \"\"\"计算合理的买入数量\"\"\"
        # 查询总资产
        assets = self.client.api("query_stock_asset")
        total_assets = assets['总资产']

        # 单股票仓位限制
        max_position_value = total_assets * self.max_position_ratio
        max_shares = int(max_position_value / price)

        return max_shares

print(RiskManagedTrader(client).calculate_position_size('600000.SH', 10.1))
""",
    "交易监控": """
class TradingMonitor:
    def __init__(self, client):
        self.client = client

    def monitor_positions(self):
        \"\"\"监控持仓\"\"\"
        positions = self.client.api("query_stock_positions")
        for position in positions:
            print(f"持仓: {position['证券代码']} {position['当前数量']}股")

    def monitor_orders(self):
        \"\"\"监控委托\"\"\"
        orders = self.client.api("query_stock_orders")
        for order in orders:
            print(f"委托: {order['证券代码']} {order['委托状态']}")

TradingMonitor(client).monitor_positions()
TradingMonitor(client).monitor_orders()
""",
    "错误处理": """
try:
    result = client.api("order_stock", ...)
    if not result.get('success'):
        print(f"交易失败: {result.get('detail')}")
except Exception as e:
    print(f"API调用失败: {e}")
    # 重试逻辑或报警
""",
}  # as the trading guide has it, word by word


@pytest.fixture
def served(tmp_path):
    with served_thread(tmp_path) as server:
        server.terminal.quote(a_quote(10.4, time=moment() + 2))  # the guide buys at 10.50
        yield server


@pytest.fixture
def trader(served):
    """A client of a real server."""
    with QMTClient(served.url, served.token) as client:
        yield client


@pytest.fixture
def server():
    """A server that does what it is told, for faults."""
    with scripted_thread(answers={"query_stock_asset": {"cash": 900_000.5}}) as server:
        yield server


@pytest.fixture
def client(server):
    with QMTClient(server.url, TOKEN) as client:
        yield client


# ------------------------------------------------------------------ what the guide promises


def test_a_client_without_a_token_is_refused_in_the_guides_words():
    with pytest.raises(ValueError, match=r"必须提供访问令牌\(token\)"):
        QMTClient(base_url="http://localhost:8000")


def test_every_snippet_of_the_guide_works_word_by_word(trader, served, capsys):
    said = {}
    for minute, (name, code) in enumerate(GUIDE.items(), 1):
        exec(code, {"client": trader, "xtconstant": words})
        # what was ordered trades
        served.terminal.quote(a_quote(10.4, time=moment(f"10:0{minute}")))
        said[name] = capsys.readouterr().out
    assert "总资产" in said["查询账户信息"]
    assert "正常" in said["查询账户信息"]
    assert "000001.SZ" in said["查询账户信息"]
    assert "已成" in said["订单管理"]
    assert said["仓位管理"] == "9999\n"
    assert said["交易监控"].splitlines()[0] == "持仓: 000001.SZ 1000股"
    assert "委托: 600000.SH 已成" in said["交易监控"]
    assert said["错误处理"].startswith("API调用失败: order_stock: Ellipsis has no name")


def test_an_order_is_its_number_and_answers_get(trader, served):
    result = trader.api("order_stock", **BUY)
    assert isinstance(result, int)
    assert result.get("success") is True
    assert result.get("detail") == ""
    assert (
        result["order_id"]
        == result.order_id
        == result
        == served.terminal.orders("demo")[0].order_id
    )


def test_a_refused_order_is_an_answer_with_the_brokers_words(trader, served):
    served.terminal.faults.next("refused")
    result = trader.api("order_stock", **BUY)
    assert result == -1
    assert result.get("success") is False
    assert result.get("detail")


def test_an_order_is_cancelled_by_its_number_as_text_or_by_its_own_result(trader, served):
    first, second = (trader.api("order_stock", **{**BUY, "price": 9.5}) for _ in "ab")
    assert trader.api("cancel_order_stock", order_id=first) == 0
    assert trader.api("cancel_order_stock", order_id=str(second)).get("success") is True
    assert [order["委托状态"] for order in trader.api("query_stock_orders")] == [54, 54]
    refused = trader.api("cancel_order_stock", order_id=first)
    assert (refused, refused.get("success")) == (-1, False)
    assert refused.get("detail")


def test_the_guides_placeholder_of_an_order_id_is_refused_by_name(trader):
    with pytest.raises(CallRefused, match="order_id"):
        trader.api("cancel_order_stock", order_id="订单ID")


def test_an_asset_answers_by_chinese_name_by_xtquants_name_and_as_attribute(trader):
    assets = trader.api("query_stock_asset")
    assert assets["总资产"] == assets["total_asset"] == assets.total_asset == 1_010_000.0
    assert assets.get("可用金额") == assets.m_dCash == 1_000_000.0
    assert "总资产" in assets
    assert "持仓" not in assets
    with pytest.raises(KeyError, match="no_such_field: there is account_type"):
        assets["no_such_field"]
    with pytest.raises(AttributeError, match="no_such_field"):
        assets.no_such_field  # noqa: B018  # looking is what raises


def test_a_status_is_its_code_and_shows_its_word(trader):
    trader.api("order_stock", **BUY)
    status = trader.api("query_stock_orders")[0]["委托状态"]
    assert status == 50
    assert str(status) == f"{status}" == "已报"
    assert pickle.loads(pickle.dumps(status)) == 50


def test_what_is_printed_reads_well(trader):
    trader.api("order_stock", **BUY)
    head, line = str(trader.api("query_stock_orders")).splitlines()
    assert head.split()[:3] == ["证券代码", "订单编号", "柜台合同编号"]
    assert "2026-01-05 10:00:00" in line
    assert "1,000,000" in str(trader.api("query_stock_asset"))
    ticks = str(trader.api("get_full_tick", code_list=["600000.SH", "000001.SZ"])).splitlines()
    assert ticks[0] == "600000.SH"
    assert ticks[1].startswith("  time")


def test_none_found_is_empty_whether_a_list_or_a_record(trader):
    assert trader.api("query_stock_trades") == []
    assert str(trader.api("query_stock_trades")) == "[]"
    assert not trader.api("query_stock_position", stock_code="600000.SH")


def test_records_become_data_frames(trader):
    frame = trader.api("query_stock_positions").to_frame()
    assert frame.loc[0, "volume"] == 1000
    assert trader.api("query_stock_asset").to_frame(chinese=True).loc[0, "总资产"] == 1_010_000
    ticks = trader.api("get_full_tick", code_list=["600000.SH", "000001.SZ"]).to_frame()
    assert ticks.loc["600000.SH", "lastPrice"] == 10.4


def test_the_same_key_is_one_order_also_after_the_server_was_restarted(trader, served):
    first = trader.api("order_stock", key="mine", **BUY)
    assert trader.api("order_stock", key="mine", **BUY) == first
    served_again = served.run
    served_again(served.stop())
    served_again(served.start())
    assert trader.api("order_stock", key="mine", **BUY) == first
    assert trader.api("order_stock", **BUY) != first
    assert len(served.terminal.orders("demo")) == 2
    with pytest.raises(CallRefused, match="belongs to another order"):
        trader.api("order_stock", key="mine", **{**BUY, "order_volume": 200})


def test_the_outcome_of_an_order_can_be_asked_for_later(trader):
    order = trader.api("order_stock", key="mine", **BUY)
    assert trader.outcome("mine").order_id == order
    assert trader.outcome("other").state == "never_seen"
    assert trader.api("outcome", key="mine").state == "executed"


def test_an_order_whose_answer_the_terminal_loses_is_found_by_its_remark(served):
    served.terminal.faults.next("disconnect_after", "order")
    with QMTClient(served.url, served.token) as trader:
        assert trader.api("order_stock", **BUY).get("success")
    assert len(served.terminal.orders("demo")) == 1


def test_an_order_past_its_deadline_is_refused_by_the_server(trader, served):
    with pytest.raises(NotSent):
        trader.api("order_stock", deadline=1.0, **BUY)
    assert served.terminal.orders("demo") == []


def test_a_bad_token_raises_with_the_servers_words_and_is_never_shown(served):
    with QMTClient(served.url, "服务器打印的token") as stranger:
        with pytest.raises(AccessDenied, match="无效的Token") as caught:
            stranger.api("query_stock_asset")
        assert "打印的token" not in str(caught.value)
        assert "打印的token" not in repr(stranger)


def test_a_method_the_server_has_not_is_refused_with_its_words(trader):
    with pytest.raises(CallRefused, match="query_everything") as caught:
        trader.api("query_everything")
    assert caught.value.code == "not_found"


def test_slashes_at_the_end_of_the_address_do_not_matter(served):
    with QMTClient(served.url + "/", served.token) as trader:
        assert trader.base_url == served.url
        assert trader.api("query_stock_asset")["cash"] == 1_000_000.0


def test_records_and_results_survive_pickling(trader):
    assets = trader.api("query_stock_asset")
    assert pickle.loads(pickle.dumps(assets)).cash == copy.deepcopy(assets)["可用金额"]
    assert pickle.loads(pickle.dumps(OrderResult(-1, "no"))).detail == "no"
    assert pickle.loads(pickle.dumps(CancelResult(0))).success


def test_an_original_servers_bare_refusal_is_one_too(client, server):
    server.answers["order_stock"] = lambda params: {"success": True, "data": -1}
    result = client.api("order_stock", **BUY)
    assert result.get("success") is False
    assert "no reason" in result.get("detail")


# ------------------------------------------------------------------ what is raised


@pytest.mark.parametrize("value", [..., object(), {1, object()}, b"\xff".decode("latin1").encode])
def test_an_argument_that_cannot_be_sent_is_named(client, server, value):
    with pytest.raises(CallRefused, match="price="):
        client.api("order_stock", price=value)
    assert server.requests == []


@pytest.mark.parametrize("name", ["", "../outcome/x", "order stock", None, 5])
def test_what_is_no_method_is_refused_here(client, server, name):
    with pytest.raises(CallRefused, match="no method"):
        client.api(name)
    assert server.requests == []


def test_numbers_of_numpy_and_decimals_are_numbers(client, server):
    client.api("order_stock", **{**BUY, "order_volume": np.int64(100), "price": np.float64(10.5)})
    client.api("order_stock", **{**BUY, "price": Decimal("10.50")})
    assert server.orders == [BUY, BUY]


def test_without_a_server_an_order_is_certainly_not_sent():
    with QMTClient("http://127.0.0.1:1", TOKEN, patience=0) as client:
        with pytest.raises(NotSent, match="nothing was sent"):
            client.api("order_stock", **BUY)
        with pytest.raises(BrokerUnavailable, match="no server answers"):
            client.api("query_stock_asset")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "http://u:p@host"])
def test_an_address_that_is_none_is_told_at_once(url):
    with pytest.raises(ConfigError, match="no server"):
        QMTClient(url, TOKEN)


# ------------------------------------------------------------------ never twice


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.HALF_REPLY])
def test_an_order_whose_reply_is_lost_is_found_by_its_key_not_sent_again(client, server, fault):
    server.faults.append(fault)
    assert client.api("order_stock", **BUY) == 1001
    assert server.orders == [BUY]
    assert [path for _, path, _, _ in server.requests] == ["order_stock", "outcome"]


def test_an_order_that_never_arrived_is_sent_again_under_the_same_key(client, server):
    server.faults.append(Fault.LOST_BEFORE)
    assert client.api("order_stock", **BUY) == 1001
    keys = [h["Idempotency-Key"] for _, path, _, h in server.requests if path == "order_stock"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert server.orders == [BUY]


def test_two_calls_are_two_orders_and_the_same_key_is_one(client, server):
    assert client.api("order_stock", **BUY) != client.api("order_stock", **BUY)
    assert client.api("order_stock", key="mine", **BUY) == client.api(
        "order_stock", key="mine", **BUY
    )
    assert len(server.orders) == 3


def test_what_stays_unknown_is_raised_with_the_key_to_ask_by(server):
    server.faults.append(Fault.UNKNOWN)
    server.fates["mine"] = {"state": "unknown", "detail": "the terminal is silent"}
    with (
        QMTClient(server.url, TOKEN, patience=0.05) as client,
        pytest.raises(OutcomeUnknown, match=r"did not answer.*its key: mine"),
    ):
        client.api("order_stock", key="mine", **BUY)
    assert [path for _, path, _, _ in server.requests].count("order_stock") == 1


def test_what_was_not_executed_in_the_end_is_told_so(client, server):
    server.faults.append(Fault.UNKNOWN)
    server.fates["mine"] = {"state": "not_executed", "detail": "it waited too long"}
    with pytest.raises(NotSent, match="it waited too long"):
        client.api("order_stock", key="mine", **BUY)


def test_an_original_server_without_outcomes_never_gets_an_order_twice(client, server):
    server.faults.append(Fault.LOST_AFTER)
    server.failures["outcome"] = deque([{"status": 404, "detail": "Not Found"}])
    with pytest.raises(OutcomeUnknown):
        client.api("order_stock", **BUY)
    assert len(server.orders) == 1


def test_an_order_is_not_tried_again_when_the_terminal_is_away_but_a_query_is(client, server):
    server.faults.append(Fault.NOT_READY)
    with pytest.raises(NotSent, match="the terminal is away"):
        client.api("order_stock", **BUY)
    away = {"status": 503, "code": "unavailable", "detail": "away", "retry_after": 0.01}
    server.failures["query_stock_asset"] = deque([dict(away), dict(away)])
    assert client.api("query_stock_asset").cash == 900_000.5


def test_once_the_servers_time_is_known_an_order_carries_a_deadline(client, server):
    client.api("query_stock_asset")
    client.api("order_stock", **BUY)
    client.api("order_stock", deadline=1767578400.0, **BUY)
    headers = [headers for _, path, _, headers in server.requests if path == "order_stock"]
    assert "X-Deadline" in headers[0]
    assert headers[1]["X-Deadline"] == "1767578400.000"


# ------------------------------------------------------------------ threads, life, TLS


def test_several_threads_may_share_a_client(client, server):
    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda n: client.api("order_stock", key=f"k{n % 10}", **BUY), range(40))
        )
    assert len(set(results)) == 10
    assert len(server.orders) == 10


def test_a_closed_client_connects_again_when_it_is_used(client):
    client.close()
    client.close()
    assert client.api("query_stock_asset").cash == 900_000.5


def test_it_can_be_used_where_a_loop_is_running(client):
    async def main():
        return client.api("query_stock_asset").cash

    assert asyncio.run(main()) == 900_000.5


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    return folder / "cert.pem", folder / "key.pem"


def test_https_is_verified_and_a_certificate_can_be_pinned(certificate):
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest().upper()
    pin = ":".join(digest[i : i + 2] for i in range(0, 64, 2))
    with scripted_thread(ssl=context, answers={"query_stock_asset": {"cash": 900_000.5}}) as server:

        def cash(**trust):
            with QMTClient(server.url, TOKEN, patience=0, **trust) as client:
                return client.api("query_stock_asset").cash

        assert cash(fingerprint=pin) == cash(verify=str(cert)) == cash(verify=False) == 900_000.5
        with pytest.raises(BrokerUnavailable, match="certificate"):
            cash()
        with pytest.raises(BrokerUnavailable, match="another certificate"):
            cash(fingerprint="ab" * 32)


def test_a_pin_that_would_never_be_checked_is_refused():
    with pytest.raises(ConfigError, match="https only"):
        QMTClient("http://localhost:8000", TOKEN, fingerprint="ab" * 32)
    with pytest.raises(ConfigError, match="64 hex digits"):
        QMTClient("https://localhost:8000", TOKEN, fingerprint="abc")


# ------------------------------------------------------------------ the same over await


async def test_the_async_client_is_the_same_over_await():
    async with scripted(answers={"query_stock_asset": {"cash": 900_000.5}}) as server:
        async with AsyncQMTClient(server.url, TOKEN) as client:
            assert (await client.api("query_stock_asset"))["可用金额"] == 900_000.5
            server.faults.append(Fault.LOST_AFTER)
            assert (await client.api("order_stock", key="mine", **BUY)).get("success")
            assert (await client.outcome("mine")).order_id == 1001
            with pytest.raises(CallRefused, match="named arguments"):
                await client.api("order_stock", ...)
        assert len(server.orders) == 1


async def test_a_client_that_was_not_let_in_leaves_no_connection_behind(recwarn):
    gc.collect()  # what others have left behind
    recwarn.clear()
    async with scripted() as server:
        client = AsyncQMTClient(server.url, "wrong", patience=0)
        with pytest.raises(AccessDenied):
            await client.open()
        del client
        gc.collect()
    assert not [warned for warned in recwarn if "Unclosed" in str(warned.message)]
