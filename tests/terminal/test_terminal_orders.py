"""Orders at the simulated terminal, as a client of its own API sees them."""

import re

import pytest
from builders import NEXT_DAY, SYMBOL, a_quote, moment
from terminal_stage import ACCOUNT, SELL, Client, order_of

from qka.clock import ManualClock
from qka.model.market import Phase
from qka.terminal.books import Opening
from qka.terminal.terminal import SimTerminal


def later(clock_time="10:00:06", last=10.0, **changes):
    return a_quote(last, time=moment(clock_time), **changes)


class TestAnOrder:
    def test_is_answered_with_an_id_before_anything_is_pushed(self, connect):
        client = connect()
        client.heard.clear()
        response = client.order(remark="mine")
        assert (response.order_id, response.order_remark, response.error_msg) == (1, "mine", "")
        assert client.heard[:3] == ["answer", "order", "order"]

    def test_goes_through_qmts_own_statuses_to_its_fill(self, connect, terminal):
        client = connect()
        client.order(volume=200)
        terminal.quote(later(last=9.98, ask_lots=[1, 0, 0, 0, 0]))
        terminal.quote(later("10:00:09", last=9.98))
        assert client.statuses() == [49, 50, 55, 56]

    def test_has_the_counters_id_once_it_is_accepted(self, connect):
        client = connect()
        client.order()
        assert [bool(order.order_sysid) for order in client.told("order")] == [False, True]

    def test_trades_at_a_known_price_with_a_deal_number(self, connect, terminal):
        client = connect()
        client.order(volume=200, remark="mine")
        terminal.quote(later(last=9.98))
        (trade,) = client.told("trade")
        assert trade.traded_id
        assert (trade.order_id, trade.order_remark, trade.traded_volume) == (1, "mine", 200)
        assert trade.traded_price == 10.0  # it waited: the price is its own
        assert trade.traded_amount == 2000.0
        assert trade.order_sysid == client.told("order")[-1].order_sysid
        assert client.told("order")[-1].traded_price == 10.0

    def test_is_accepted_only_after_the_latency(self, make_terminal):
        terminal = make_terminal(latency=0.5)
        client = Client(terminal)
        client.order()
        assert client.statuses() == [49]
        terminal.advance(by=0.5)
        assert client.statuses() == [49, 50]

    def test_keeps_24_bytes_of_its_remark_and_never_half_a_character(self, connect):
        response = connect().order(remark="策略甲" * 5)
        assert response.order_remark == "策略甲" * 2 + "策略"
        assert len(response.order_remark.encode()) == 24

    def test_comes_back_with_the_counters_price_type(self, connect):
        client = connect()
        client.order()
        client.order(price_type=42, price=0.0)
        assert [order.price_type for order in client.ask("orders")] == [50, 88]

    def test_by_hand_is_pushed_to_everyone_subscribed(self, connect, terminal):
        mine, other, stranger = connect(1), connect(2), connect(3, subscribe=False)
        assert terminal.order(ACCOUNT, *list(order_of().values())) == 1
        assert mine.statuses() == other.statuses() == [49, 50]
        assert stranger.pushes == []
        assert terminal.books(ACCOUNT).orders[0].session == 0

    def test_at_the_market_takes_five_levels_and_the_rest_is_cancelled(self, connect, terminal):
        client = connect()
        client.order(price_type=42, price=0.0, volume=6000)
        terminal.quote(later())
        assert client.statuses() == [49, 50, *[55] * 5, 53]
        assert client.told("order")[-1].traded_volume == 5000

    @pytest.mark.parametrize(("price_type", "limit"), [(5, 10.0), (45, 9.99)])
    def test_may_be_priced_by_the_quote_and_wait(self, connect, terminal, price_type, limit):
        client = connect()
        client.order(price_type=price_type, price=0.0)
        terminal.quote(later(ask_prices=[round(limit + 0.01, 2), 0, 0, 0, 0]))
        assert client.told("trade") == []
        below = {"bid_prices": [9.98, 0, 0, 0, 0], "ask_prices": [limit, 0, 0, 0, 0]}
        terminal.quote(later("10:00:09", **below))
        assert client.told("trade")[0].traded_price == limit

    @pytest.mark.parametrize("price_type", [43, 44])
    def test_may_take_what_is_there_and_wait_for_the_rest(self, connect, terminal, price_type):
        client = connect()
        client.order(price_type=price_type, price=0.0, volume=600)
        terminal.quote(later(ask_lots=[4, 0, 0, 0, 0]))
        assert [trade.traded_price for trade in client.told("trade")] == [10.01]
        assert client.statuses() == [49, 50, 55]


class TestARefusal:
    @pytest.mark.parametrize(
        "changes",
        [
            {"symbol": "6000009"},
            {"side": 27},
            {"price_type": 18},
            {"volume": 0},
        ],
    )
    def test_of_what_is_no_order_gives_no_id_and_an_error(self, connect, terminal, changes):
        client = connect()
        response = client.order(remark="mine", **changes)
        assert response.order_id == -1
        assert response.error_msg
        (error,) = client.told("order_error")
        assert (error.order_id, error.order_remark, error.seq) == (-1, "mine", response.seq)
        assert error.error_id
        assert error.error_msg == response.error_msg
        assert client.ask("orders") == []
        assert terminal.books(ACCOUNT).orders == ()

    def test_of_an_account_that_is_not_here(self, connect):
        client = connect()
        response = client.ask("order", account="nobody", **order_of())
        assert (response.order_id, "nobody" in response.error_msg) == (-1, True)
        response = client.ask("cancel", account="nobody", order_id=1)
        assert (response.cancel_result, "nobody" in response.error_msg) == (-1, True)
        assert client.ask("orders", account="nobody") == []

    def test_of_an_account_that_is_not_logged_in(self, connect, terminal):
        client = connect()
        terminal.set_account_status(ACCOUNT, 3)
        assert [status.status for status in client.told("account_status")] == [0, 3]
        assert client.order().order_id == -1
        assert terminal.account_status()[0].status == 3

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"volume": 1_000_000}, "cash"),
            ({"volume": 150}, "lot|steps"),
            ({"price": 10.005}, "tick"),
            ({"price": 11.01}, "limit up"),
            ({"price": 8.99}, "limit down"),
            ({"side": SELL}, "sellable"),
            ({"price_type": 47, "price": 0.0}, "price_type 47"),
            ({"symbol": "600001.SH", "price_type": 42, "price": 0.0}, "no quote"),
        ],
    )
    def test_by_the_counter_is_an_id_and_then_57_with_the_reason(self, connect, changes, reason):
        client = connect()
        response = client.order(**changes)
        assert response.order_id == 1
        assert client.statuses() == [49, 57]
        assert re.search(reason, client.told("order")[-1].status_msg)
        assert client.told("order_error") == []

    def test_of_everything_when_the_counter_is_closed(self, connect, terminal):
        client = connect()
        terminal.advance(to=moment("15:31"))
        client.order()
        assert client.statuses() == [49, 57]


class TestACancel:
    def test_is_pending_before_it_is_done(self, connect):
        client = connect()
        client.order()
        response = client.ask("cancel", order_id=1)
        assert (response.cancel_result, response.order_id) == (0, 1)
        assert client.statuses() == [49, 50, 51, 54]

    def test_of_a_part_filled_order_leaves_what_is_filled(self, connect, terminal):
        client = connect()
        client.order(volume=200)
        terminal.quote(later(last=9.98, ask_lots=[1, 0, 0, 0, 0]))
        client.ask("cancel", order_id=1)
        assert client.statuses() == [49, 50, 55, 52, 53]
        assert client.told("order")[-1].traded_volume == 100

    def test_may_name_the_counters_id(self, connect):
        client = connect()
        client.order()
        sysid = client.ask("orders")[0].order_sysid
        assert client.ask("cancel", order_sysid=sysid, market=0).cancel_result == 0
        assert client.statuses()[-1] == 54

    def test_can_be_too_late_because_the_order_filled_meanwhile(self, make_terminal):
        terminal = make_terminal(latency=4.0)
        client = Client(terminal)
        terminal.quote(a_quote())
        client.order()
        terminal.advance(by=5)
        client.ask("cancel", order_id=1)
        terminal.quote(later("10:00:08", last=9.98))
        terminal.advance(by=5)
        assert client.statuses() == [49, 50, 51, 56]
        (error,) = client.told("cancel_error")
        assert (error.order_id, error.error_id < 0) == (1, True)

    @pytest.mark.parametrize("order_id", [1, 99])
    def test_of_what_is_done_or_not_there_is_refused(self, connect, terminal, order_id):
        client = connect()
        client.order()
        terminal.quote(later(last=9.98))
        response = client.ask("cancel", order_id=order_id)
        assert response.cancel_result == -1
        (error,) = client.told("cancel_error")
        assert (error.order_id, error.error_msg) == (order_id, response.error_msg)

    def test_is_not_taken_when_the_exchange_takes_none(self, connect, terminal):
        client = connect()
        client.order()
        terminal.advance(to=moment("14:58"))
        assert client.ask("cancel", order_id=1).cancel_result == 0
        assert client.statuses() == [49, 50, 51, 50]
        assert len(client.told("cancel_error")) == 1


class TestPositions:
    def test_bought_today_can_be_sold_tomorrow(self, connect, terminal):
        client = connect()
        client.order(volume=200)
        terminal.quote(later(last=9.98))
        held = {p.stock_code: p for p in client.ask("positions")}[SYMBOL]
        assert (held.volume, held.can_use_volume, held.on_road_volume) == (200, 0, 200)
        assert held.yesterday_volume == 0
        terminal.advance(to=moment("09:31", NEXT_DAY))
        (held,) = client.ask("positions", stock_code=SYMBOL)
        assert (held.volume, held.can_use_volume, held.yesterday_volume) == (200, 200, 200)

    def test_in_an_open_sell_are_frozen(self, connect, terminal):
        client = connect()
        terminal.quote(later(symbol="000001.SZ"))
        client.order(symbol="000001.SZ", side=SELL, volume=300, price=10.5)
        (held,) = client.ask("positions", stock_code="000001.SZ")
        assert (held.volume, held.can_use_volume, held.frozen_volume) == (1000, 700, 300)
        assert held.avg_price == 11.0
        assert held.float_profit == -1000.0

    def test_sold_out_stay_listed_until_tomorrow(self, connect, terminal):
        client = connect()
        terminal.quote(later(symbol="000001.SZ"))
        client.order(symbol="000001.SZ", side=SELL, volume=1000, price=9.9)
        terminal.quote(later("10:00:09", symbol="000001.SZ"))
        (held,) = client.ask("positions")
        assert (held.volume, held.can_use_volume, held.yesterday_volume) == (0, 0, 1000)
        terminal.advance(to=moment("09:31", NEXT_DAY))
        assert client.ask("positions") == []


class TestMoney:
    def test_of_a_working_buy_is_frozen(self, connect):
        client = connect()
        client.order(volume=200)
        (asset,) = client.ask("asset")
        assert (asset.cash, asset.frozen_cash) == (97_994.98, 2005.02)
        assert client.told("asset")[-1] == asset

    def test_is_cash_and_positions_at_their_last_price(self, connect, terminal):
        client = connect()
        terminal.quote(later(symbol="000001.SZ"))
        client.order(volume=200)
        terminal.quote(later("10:00:09", last=9.98))
        (asset,) = client.ask("asset")
        assert asset.frozen_cash == 0
        assert asset.market_value == 10_000 + 200 * 9.98
        assert asset.total_asset == pytest.approx(asset.cash + asset.market_value)
        assert asset.cash == 100_000 - 2000 - 5.02

    def test_is_not_pushed_where_the_terminal_does_not(self, make_terminal):
        client = Client(make_terminal(tells_assets=False))
        client.order()
        assert client.told("asset") == client.told("position") == []


class TestTheNextDay:
    def test_ids_start_again_and_yesterdays_orders_are_gone(self, connect, terminal):
        client = connect()
        client.order(remark="monday")
        terminal.advance(to=moment("09:31", NEXT_DAY))
        assert client.ask("orders") == client.ask("trades") == []
        assert client.order(remark="tuesday").order_id == 1
        assert [o.order_remark for o in client.ask("orders")] == ["tuesday"]
        orders = terminal.books(ACCOUNT).orders
        assert [(o.order_id, o.remark) for o in orders] == [(1, "monday"), (1, "tuesday")]

    def test_what_did_not_fill_was_cancelled_at_the_close(self, connect, terminal):
        client = connect()
        client.order()
        terminal.advance(to=moment("15:31"))
        assert client.statuses() == [49, 50, 54]

    def test_or_nobody_said_anything(self, make_terminal):
        terminal = make_terminal(tells_expiry=False)
        client = Client(terminal)
        client.order()
        terminal.advance(to=moment("15:31"))
        assert client.statuses() == [49, 50]
        assert client.ask("asset")[0].frozen_cash == 0
        terminal.advance(to=moment("09:31", NEXT_DAY))
        assert client.ask("orders") == []

    def test_a_weekend_is_no_day(self, make_terminal):
        terminal = make_terminal(start=moment("10:00", NEXT_DAY.replace(day=9)))
        client = Client(terminal)
        client.order()
        terminal.advance(to=moment("10:00", NEXT_DAY.replace(day=10)))
        client.order()
        assert client.statuses(2) == [49, 57]


def test_an_auction_fills_what_waited_for_it(make_terminal):
    terminal = make_terminal(start=moment("09:16"))
    client = Client(terminal)
    client.order(price=10.5)
    opening = {"volume": 5000, "phase": int(Phase.CONTINUOUS)}
    terminal.quote(a_quote(10.0, time=moment("09:25"), **opening))
    assert client.statuses() == [49, 50, 56]
    assert client.told("trade")[0].traded_price == 10.0


def test_accounts_have_nothing_to_do_with_each_other():
    two = [Opening(account_id="a"), Opening(account_id="b", account_type="CREDIT")]
    with SimTerminal(ManualClock(moment()), two) as terminal:
        a, b = Client(terminal, 1, subscribe=False), Client(terminal, 2, subscribe=False)
        a.ask("subscribe", account="a")
        b.ask("subscribe", account="b")
        assert a.ask("order", account="a", **order_of()).order_id == 1
        assert b.ask("order", account="b", **order_of()).order_id == 2
        assert [len(client.told("order")) for client in (a, b)] == [2, 2]
        assert a.ask("orders", account="b")[0].account_type == 3
        assert [(i.account_id, i.account_type) for i in terminal.account_infos()] == [
            ("a", 2),
            ("b", 3),
        ]


def test_queries_by_hand_see_the_same(connect, terminal):
    client = connect()
    client.order()
    client.order(price=9.5)
    client.ask("cancel", order_id=1)
    assert terminal.orders(ACCOUNT) == client.ask("orders")
    assert [o.order_id for o in terminal.orders(ACCOUNT, cancelable_only=True)] == [2]
    assert [o.order_id for o in client.ask("orders", order_id=2)] == [2]
    assert terminal.cancel(ACCOUNT, 2) == 0
    assert terminal.cancel(ACCOUNT, 2) == -1
    assert terminal.trades(ACCOUNT) == []
    assert terminal.positions(ACCOUNT) == client.ask("positions")
    assert terminal.asset(ACCOUNT) == client.ask("asset")[0]
    assert terminal.asset("nobody") is None
