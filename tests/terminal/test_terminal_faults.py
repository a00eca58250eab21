"""Every fault of the simulated terminal does what it says."""

from collections import Counter
from pathlib import Path

import pytest
from builders import a_quote, moment
from terminal_stage import ACCOUNT, Client

from qka.errors import ConfigError
from qka.terminal.faults import KNOWN, Faults
from qka.terminal.terminal import TerminalGone


@pytest.fixture
def faults(terminal):
    return terminal.faults


@pytest.fixture
def client(connect):
    return connect()


def orders(terminal):
    return terminal.books(ACCOUNT).orders


class TestChance:
    def test_is_the_same_for_one_seed_and_of_its_own_for_each_fault(self):
        def drawn(seed, **others):
            faults = Faults(seed, push_lost=0.5, **others)
            for _ in range(20 if others else 0):
                faults.strikes("push_twice")
            return [faults.strikes("push_lost") for _ in range(100)]

        assert drawn(1) == drawn(1) == drawn(1, push_twice=0.5)
        assert drawn(1) != drawn(2)
        assert 30 < sum(drawn(1)) < 70

    def test_may_be_about_one_thing_only(self):
        faults = Faults(1, push_lost={"trade": 1.0})
        assert not faults.strikes("push_lost", "order")
        assert faults.strikes("push_lost", "trade")

    def test_can_be_planned_and_is_counted(self):
        faults = Faults()
        faults.next("push_lost", "trade", times=2)
        faults.next("hang")
        struck = [faults.strikes("push_lost", about) for about in ("order", "trade", "trade")]
        assert struck == [False, True, True]
        assert faults.strikes("hang", "orders")
        assert not faults.strikes("push_lost", "trade")
        assert faults.struck == {"push_lost": 2, "hang": 1}

    def test_can_be_switched_off(self):
        faults = Faults(1, push_lost=1.0)
        faults.next("hang")
        faults.off()
        assert not faults.strikes("push_lost")
        assert not faults.strikes("hang")
        faults.set(push_lost=1.0)
        assert faults.strikes("push_lost")

    def test_of_an_unknown_name_is_refused(self):
        for use in (lambda: Faults(nonsense=1.0), lambda: Faults().next("nonsense")):
            with pytest.raises(ConfigError, match="no fault 'nonsense'; known are"):
                use()

    def test_every_fault_is_shown_below(self):
        here = Path(__file__).read_text(encoding="utf-8")
        assert [name for name in KNOWN if name not in here] == []


class TestAConnection:
    def test_session_in_use(self, faults, connect, terminal):
        faults.next("session_in_use")
        with pytest.raises(TerminalGone, match="in use"):
            terminal.connect(1)
        connect(1)

    def test_shadowed(self, faults, connect, terminal):
        faults.next("shadowed")
        client = connect(1)
        client.order()
        assert client.heard == []
        assert orders(terminal) == ()

    def test_repushed(self, client, faults, connect, terminal):
        client.order(volume=200)
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        faults.next("repushed")
        again = connect(2)
        assert [o.order_status for o in again.told("order")] == [56]
        assert again.told("trade") == client.told("trade")


class TestARequest:
    def test_hang(self, client, faults, terminal):
        faults.next("hang", "order")
        client.order()
        assert orders(terminal) == ()
        assert client.ask("orders") == []
        terminal.resume()
        assert client.last().order_id == 1

    def test_dropped(self, client, faults, terminal):
        faults.next("dropped", "order")
        client.order()
        assert client.heard == ["answer", "account_status"]
        terminal.resume()
        assert orders(terminal) == ()

    def test_disconnect_before(self, client, faults, terminal):
        faults.next("disconnect_before", "order")
        client.order()
        assert client.heard[-1] == "gone"
        assert orders(terminal) == ()

    def test_disconnect_after(self, client, faults, terminal):
        faults.next("disconnect_after", "order")
        client.order(remark="mine")
        assert client.heard == ["answer", "account_status", "gone"]
        assert [(o.remark, o.status) for o in orders(terminal)] == [("mine", 50)]

    def test_reply_lost(self, client, faults, terminal):
        faults.next("reply_lost", "order")
        client.order(remark="mine")
        assert client.heard[:4] == ["answer", "account_status", "order", "order"]
        assert client.statuses() == [49, 50]
        assert [o.remark for o in orders(terminal)] == ["mine"]

    def test_reply_late(self, client, faults, terminal):
        faults.next("reply_late", "order")
        client.order()
        assert "answer" not in client.heard[2:]
        assert client.statuses() == [49, 50]
        terminal.advance(by=1)
        assert client.last().order_id == 1
        assert client.heard[-1] == "answer"


class TestAnOrder:
    def test_refused(self, client, faults, terminal):
        faults.next("refused")
        assert client.order(remark="mine").order_id == -1
        assert client.told("order_error")[0].order_remark == "mine"
        assert orders(terminal) == ()
        assert client.order().order_id == 1

    def test_junked(self, client, faults, terminal):
        faults.next("junked")
        assert client.order().order_id == 1
        assert client.statuses() == [49, 57]
        assert client.told("order")[-1].status_msg
        assert orders(terminal)[0].status == 57
        assert client.ask("asset")[0].frozen_cash == 0

    def test_junk_error(self, client, faults):
        faults.next("junk_error")
        client.order(volume=150, remark="mine")
        assert client.statuses() == [49, 57]
        (error,) = client.told("order_error")
        assert (error.order_id, error.order_remark) == (1, "mine")

    def test_restart(self, client, faults, connect, terminal):
        faults.next("restart")
        client.order(remark="mine")
        assert client.heard == ["answer", "account_status", "gone"]
        (order,) = connect(2).ask("orders")
        assert (order.order_remark, order.order_status) == ("mine", 50)

    def test_order_first(self, client, faults, terminal):
        faults.next("order_first")
        client.order(volume=200)
        terminal.quote(a_quote(9.98, time=moment("10:00:06"), ask_lots=[1, 0, 0, 0, 0]))
        terminal.quote(a_quote(9.98, time=moment("10:00:09")))
        assert client.told("trade")
        told = [kind for kind in client.heard if kind in ("order", "trade")]
        assert told == ["order", "order", "order", "trade", "trade", "order"]


class TestACancel:
    def test_cancel_refused(self, client, faults):
        client.order()
        faults.next("cancel_refused")
        assert client.ask("cancel", order_id=1).cancel_result == -1
        assert client.told("cancel_error")[0].order_id == 1
        assert client.statuses() == [49, 50]
        assert client.ask("cancel", order_id=1).cancel_result == 0


class TestAPush:
    def test_push_lost(self, client, faults):
        faults.next("push_lost", "order")
        client.order()
        assert client.statuses() == [50]

    def test_push_twice(self, client, faults, terminal):
        client.order()
        faults.next("push_twice", "trade")
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        first, again = client.told("trade")
        assert first == again
        assert len(terminal.books(ACCOUNT).deals) == 1

    def test_push_late_by_the_clock(self, client, faults, terminal):
        faults.next("push_late", "order")
        client.order()
        assert client.statuses() == [50]
        terminal.advance(by=0.999)
        assert client.statuses() == [50]
        terminal.advance(by=0.001)
        assert client.statuses() == [50, 49]

    def test_push_late_until_it_is_flushed(self, client, faults, terminal):
        faults.next("push_late", "order")
        client.order()
        terminal.flush()
        assert client.statuses() == [50, 49]
        terminal.advance(by=2)
        assert client.statuses() == [50, 49]

    def test_push_swapped(self, client, faults, terminal):
        faults.next("push_swapped", "order")
        client.order()
        assert client.statuses() == [50, 49]

    def test_push_swapped_with_nothing_behind_it(self, client, faults, terminal):
        client.order()
        faults.next("push_swapped", "account_status")
        terminal.set_account_status(ACCOUNT, 5)
        assert len(client.told("account_status")) == 1
        terminal.flush()
        assert len(client.told("account_status")) == 2

    def test_disconnect_push(self, client, faults, terminal):
        client.order(volume=200)
        faults.next("disconnect_push", "trade")
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        assert client.told("trade")
        assert client.heard[-2:] == ["trade", "gone"]
        assert client.statuses() == [49, 50]
        assert orders(terminal)[0].status == 56

    def test_late_ones_die_with_their_link(self, client, faults, terminal):
        faults.set(push_late=1.0)
        client.order()
        terminal.restart()
        terminal.advance(by=5)
        assert client.statuses() == []


class TestAQuote:
    @pytest.fixture
    def prices(self, terminal):
        """Last prices as a whole subscription hears them."""
        heard = []
        link = terminal.connect_data()
        terminal.subscribe_quotes(
            link, ["SH"], lambda ticks: heard.extend(t["lastPrice"] for t in ticks.values())
        )

        def quote(*lasts):
            for last in lasts:
                time = terminal.now() + 3_000_000_000
                terminal.quote(a_quote(last, time=time))
            assert terminal.settle()
            return heard[1:]

        return quote

    def test_quote_lost(self, faults, prices, terminal):
        faults.next("quote_lost")
        assert prices(10.1, 10.2) == [10.2]
        assert terminal.full_tick(["SH"])["600000.SH"]["lastPrice"] == 10.2

    def test_quote_twice(self, faults, prices):
        faults.next("quote_twice", "600000.SH")
        assert prices(10.1, 10.2) == [10.1, 10.1, 10.2]

    def test_quote_late(self, faults, prices):
        faults.next("quote_late")
        assert prices(10.1, 10.2, 10.3) == [10.2, 10.1, 10.3]


def test_a_bad_day_is_the_same_bad_day_again(make_terminal):
    def day():
        rates = dict.fromkeys(("push_lost", "push_twice", "push_late", "push_swapped"), 0.2)
        terminal = make_terminal(Faults(3, junked=0.2, reply_lost=0.2, **rates))
        client = Client(terminal)
        for number in range(20):
            client.order(price=9.98)
            terminal.quote(a_quote(9.97, time=terminal.now() + 3_000_000_000))
            if number % 3 == 0:
                client.ask("cancel", order_id=number)
        terminal.flush()
        assert terminal.settle()
        return client.pushes, client.answers, Counter(terminal.faults.struck)

    assert day() == day()
