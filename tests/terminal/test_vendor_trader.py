"""The vendor's own, unmodified xttrader.py over the simulated terminal."""

import pickle

import pytest
from builders import SYMBOL, a_quote, moment
from terminal_stage import ACCOUNT, SELL, VendorTrader, aside, eventually

from qka.brokers.records import (
    XtAsset,
    XtCancelError,
    XtOrder,
    XtOrderError,
    XtPosition,
    XtTrade,
    copied,
)


def later(clock_time="10:00:06", last=9.98, **changes):
    return a_quote(last, time=moment(clock_time), **changes)


def statuses(trader):
    return [order.order_status for order in trader.heard("on_stock_order")]


class TestConnecting:
    def test_to_a_terminal_gives_0_and_the_accounts_status(self, trader):
        (status,) = trader().wait("on_account_status")
        assert (status.account_id, status.account_type, status.status) == (ACCOUNT, 2, 0)

    def test_finds_the_folder_however_it_is_written(self, trader):
        trader(path="c:\\qmt\\USERDATA_MINI\\")

    @pytest.mark.parametrize("path", ["C:/QMT/userdata", "C:/elsewhere/userdata_mini"])
    def test_to_another_folder_gives_minus_1(self, trader, path):
        assert trader(path=path, connect=False).code == -1

    def test_with_an_id_in_use_gives_minus_1(self, trader):
        trader(1)
        assert trader(1, connect=False).code == -1

    def test_to_a_terminal_that_is_down_gives_minus_1(self, trader, terminal):
        terminal.stop()
        assert trader(connect=False).code == -1

    def test_an_unknown_account_can_not_be_subscribed_to(self, trader):
        client = trader()
        client.account.account_id = "nobody"
        assert client.call("subscribe", client.account) == -1

    def test_stopping_lets_the_id_go(self, trader, terminal):
        first = trader(1)
        first.call("stop")
        assert trader(1, connect=False).code == -1
        terminal.advance(by=3)
        assert trader(1).code == 0


class TestAnOrder:
    def test_sent_synchronously_returns_its_id(self, trader):
        client = trader()
        assert client.order(remark="mine") == 1
        first, second = client.wait("on_stock_order", 2)
        assert (first.order_status, second.order_status) == (49, 50)
        assert (first.order_sysid, bool(second.order_sysid)) == ("", True)
        assert second.order_remark == "mine"

    def test_sent_asynchronously_is_answered_first(self, trader):
        client = trader()
        seq = client.order(asynchronous=True, remark="mine")
        client.wait("on_stock_order", 2)
        (response,) = client.heard("on_order_stock_async_response")
        assert (response.order_id, response.seq, response.order_remark) == (1, seq, "mine")
        names = [name for name, _ in client.events]
        assert names.index("on_order_stock_async_response") < names.index("on_stock_order")

    def test_fills(self, trader, terminal):
        client = trader()
        client.order(volume=200, remark="mine")
        terminal.quote(later(ask_lots=[1, 0, 0, 0, 0]))
        terminal.quote(later("10:00:09"))
        first, second = client.wait("on_stock_trade", 2)
        assert first.traded_id != second.traded_id
        assert (first.order_remark, first.traded_volume) == ("mine", 100)
        eventually(lambda: statuses(client) == [49, 50, 55, 56])
        (asset,) = [client.call("query_stock_asset", client.account)]
        assert client.heard("on_stock_asset")[-1].cash == asset.cash
        assert client.heard("on_stock_position")[-1].volume == 200

    def test_is_cancelled_by_its_id(self, trader):
        client = trader()
        client.order()
        assert client.call("cancel_order_stock", client.account, 1) == 0
        eventually(lambda: statuses(client) == [49, 50, 51, 54])

    def test_is_cancelled_by_the_counters_id(self, trader):
        client = trader()
        client.order()
        sysid = client.wait("on_stock_order", 2)[-1].order_sysid
        seq = client.call("cancel_order_stock_sysid_async", client.account, "SH", sysid)
        (response,) = client.wait("on_cancel_order_stock_async_response")
        assert (response.cancel_result, response.seq) == (0, seq)
        eventually(lambda: statuses(client)[-1] == 54)


class TestARefusal:
    def test_of_a_synchronous_order_is_minus_1_and_an_error(self, trader):
        client = trader()
        assert client.order(symbol="6000009", remark="mine") == -1
        (error,) = client.wait("on_order_error")
        assert (error.order_id, error.order_remark, error.error_id) == (-1, "mine", -2)
        assert "6000009" in error.error_msg

    def test_of_an_asynchronous_order_is_a_response_and_then_an_error(self, trader):
        client = trader()
        seq = client.order(asynchronous=True, price_type=18, remark="mine")
        (error,) = client.wait("on_order_error")
        (response,) = client.heard("on_order_stock_async_response")
        assert (response.order_id, response.seq) == (-1, seq)
        assert response.error_msg == error.error_msg
        assert error.seq == seq

    def test_that_comes_before_its_response_is_held_back(self, trader, terminal):
        client = trader()
        terminal.faults.next("reply_late", "order")
        client.order(asynchronous=True, price_type=18)
        terminal.settle()
        assert client.heard("on_order_error") == []
        terminal.flush()
        client.wait("on_order_error")
        names = [name for name, _ in client.events[-2:]]
        assert names == ["on_order_stock_async_response", "on_order_error"]

    def test_by_the_counter_is_an_id_and_57(self, trader):
        client = trader()
        assert client.order(side=SELL) == 1
        eventually(lambda: statuses(client) == [49, 57])
        assert "sellable" in client.heard("on_stock_order")[-1].status_msg

    def test_of_a_cancel_is_minus_1_and_an_error(self, trader):
        client = trader()
        assert client.call("cancel_order_stock", client.account, 9) == -1
        (error,) = client.wait("on_cancel_error")
        assert (error.order_id, error.error_id) == (9, -62)
        client.call("cancel_order_stock_async", client.account, 9)
        (response,) = client.wait("on_cancel_order_stock_async_response")
        assert (response.cancel_result, response.order_id) == (-1, 9)
        assert len(client.wait("on_cancel_error", 2)) == 2


class TestQueries:
    def test_are_answered(self, trader, terminal):
        client = trader()
        client.order(volume=200)
        client.order(price=9.0)
        terminal.quote(later())
        account = client.account
        orders = client.call("query_stock_orders", account)
        assert [order.order_status for order in orders] == [56, 50]
        assert [o.order_id for o in client.call("query_stock_orders", account, True)] == [2]
        assert client.call("query_stock_order", account, 2).price == 9.0
        assert client.call("query_stock_order", account, 3) is None
        (trade,) = client.call("query_stock_trades", account)
        assert trade.traded_amount == 2000.0
        positions = client.call("query_stock_positions", account)
        assert [position.stock_code for position in positions] == ["000001.SZ", SYMBOL]
        assert client.call("query_stock_position", account, SYMBOL).can_use_volume == 0
        assert client.call("query_stock_asset", account).frozen_cash == 905.01
        assert client.call("query_account_status")[0].m_nStatus == 0
        assert client.call("query_account_infos")[0].account_id == ACCOUNT

    def test_can_be_asynchronous(self, trader):
        client, answers = trader(), []
        client.order()
        client.call("query_stock_orders_async", client.account, answers.append)
        client.call("query_stock_asset_async", client.account, answers.append)
        client.call("query_stock_positions_async", client.account, answers.append)
        client.call("query_stock_trades_async", client.account, answers.append)
        client.call("query_account_status_async", answers.append)
        eventually(lambda: len(answers) == 5)
        assert answers[0][0].order_id == 1
        assert answers[1].cash > 0
        assert [len(rows) for rows in answers[2:]] == [1, 0, 1]

    def test_of_what_a_stock_account_has_not_are_empty(self, trader):
        client = trader()
        assert client.call("query_credit_detail", client.account) == []
        assert client.call("query_ipo_data") == {}

    def test_of_what_this_terminal_has_not_are_refused_in_words(self, trader):
        client = trader()
        with pytest.raises(NotImplementedError, match="no queryBankInfoWithSeq"):
            client.call("query_bank_info", client.account)


class TestRecords:
    def test_are_native_ones_with_two_names_for_everything(self, trader):
        client = trader()
        client.order(remark="mine")
        order = client.wait("on_stock_order")[0]
        assert order.m_nOrderID == order.order_id == 1
        assert order.m_strOrderRemark == order.order_remark == "mine"
        assert order.m_dPrice == order.price
        with pytest.raises(AttributeError):
            order.order_status = 56
        with pytest.raises(AttributeError):
            order.mine = 1
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(order)

    def test_copy_into_ours_without_loss(self, trader, terminal):
        client = trader()
        client.order(volume=200)
        client.order(symbol="6000009")
        client.call("cancel_order_stock", client.account, 9)
        terminal.quote(later())
        client.wait("on_stock_position")
        kinds = {
            "on_stock_order": XtOrder,
            "on_stock_trade": XtTrade,
            "on_stock_asset": XtAsset,
            "on_stock_position": XtPosition,
            "on_order_error": XtOrderError,
            "on_cancel_error": XtCancelError,
        }
        for name, kind in kinds.items():
            assert copied(client.wait(name)[-1], kind).account_id == ACCOUNT
        ours = [copied(order, XtOrder) for order in client.heard("on_stock_order")]
        eventually(lambda: len(client.heard("on_stock_order")) == 3)
        ours = [copied(order, XtOrder) for order in client.heard("on_stock_order")]
        assert ours[-1] == terminal.orders(ACCOUNT)[0]


class TestALinkThatBreaks:
    def test_is_told_and_a_new_session_finds_everything(self, trader, terminal):
        client = trader(1)
        client.order(remark="mine")
        terminal.restart()
        client.wait("on_disconnected")
        back = trader(2)
        (order,) = back.call("query_stock_orders", back.account)
        assert (order.order_remark, order.order_status) == ("mine", 50)
        terminal.quote(later())
        assert back.wait("on_stock_trade")
        assert client.heard("on_stock_trade") == []

    def test_leaves_synchronous_calls_blocked_and_asynchronous_ones_unanswered(
        self, trader, terminal
    ):
        client = trader()
        terminal.restart(silent=True)
        blocked = client.later("query_stock_orders", client.account)
        assert client.order(asynchronous=True) > 0
        assert terminal.settle()
        assert not blocked.done()
        assert client.heard("on_disconnected") == []
        assert terminal.books(ACCOUNT).orders == ()

    def test_after_the_order_was_taken_leaves_the_caller_not_knowing(self, trader, terminal):
        client = trader()
        terminal.faults.next("disconnect_after", "order")
        blocked = client.later(
            "order_stock", client.account, SYMBOL, 23, 100, 11, 10.0, "s", "mine"
        )
        client.wait("on_disconnected")
        assert not blocked.done()
        assert [order.remark for order in terminal.books(ACCOUNT).orders] == ["mine"]

    def test_what_still_blocks_is_let_go_when_the_stand_ins_go(self, trader, terminal, vendor):
        client = trader()
        terminal.hang()
        calls = [
            client.later("query_stock_orders", client.account),
            client.later("order_stock", client.account, SYMBOL, 23, 100, 11, 10.0),
            client.later("cancel_order_stock", client.account, 1),
            client.later("subscribe", client.account),
        ]
        eventually(lambda: len(client.trader.cbs) == 4)
        vendor.uninstall()
        assert [call.result(5) for call in calls] == [[], -1, -1, -1]
        assert terminal.books(ACCOUNT).orders == ()


class TestATerminalThatHangs:
    def test_answers_when_it_goes_on(self, trader, terminal):
        client = trader()
        terminal.hang("orders")
        blocked = client.later("query_stock_orders", client.account)
        assert client.order() == 1
        assert not blocked.done()
        terminal.resume()
        assert [order.order_id for order in blocked.result(5)] == [1]

    def test_blocks_connecting(self, trader, terminal, vendor):
        terminal.hang("connect")
        connecting = aside(VendorTrader, 5)
        assert trader
        terminal.resume()
        connecting.result(5).close()


def test_pushes_come_before_the_answer_when_it_is_late(trader, terminal):
    client = trader()
    terminal.faults.next("reply_late", "order")
    blocked = client.later("order_stock", client.account, SYMBOL, 23, 100, 11, 10.0, "s", "mine")
    client.wait("on_stock_order", 2)
    assert not blocked.done()
    terminal.advance(by=1)
    assert blocked.result(5) == 1


def test_a_callback_that_was_never_registered_is_the_vendors_own_trouble(trader):
    client = trader(callback=False)
    with pytest.raises(AttributeError):
        client.order(asynchronous=True)


def test_two_sessions_hear_the_same_pushes(trader):
    one, other = trader(1), trader(2)
    one.order(remark="mine")
    for client in (one, other):
        assert [o.order_remark for o in client.wait("on_stock_order", 2)] == ["mine", "mine"]
    assert other.heard("on_order_stock_async_response") == []
