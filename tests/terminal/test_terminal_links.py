"""Sessions of the simulated terminal: who may connect, and the many ways to lose a link."""

import threading

import pytest
from builders import a_quote, moment
from terminal_stage import ACCOUNT, Client, aside, eventually, order_of

from qka.errors import ConfigError
from qka.terminal.terminal import TerminalGone


class TestConnecting:
    def test_an_id_in_use_is_refused(self, connect, terminal):
        connect(1)
        with pytest.raises(TerminalGone, match="in use"):
            terminal.connect(1)
        connect(2)

    def test_an_id_let_go_is_refused_for_three_seconds(self, connect, terminal):
        client = connect(1)
        terminal.leave(client.session)
        terminal.advance(by=2.9)
        with pytest.raises(TerminalGone, match="3 seconds"):
            terminal.connect(1)
        terminal.advance(by=0.1)
        connect(1)

    def test_an_id_whose_link_broke_is_locked_until_its_client_stops(self, connect, terminal):
        client = connect(1)
        terminal.restart()
        terminal.advance(by=60)
        with pytest.raises(TerminalGone, match="another id"):
            terminal.connect(1)
        connect(2)
        terminal.leave(client.session)
        terminal.advance(by=3)
        connect(1)

    def test_a_terminal_that_is_closed_refuses_everyone(self, terminal):
        terminal.stop()
        with pytest.raises(TerminalGone, match="not running"):
            terminal.connect(1)
        with pytest.raises(TerminalGone, match="not running"):
            terminal.connect_data()
        terminal.start()
        terminal.connect(1)

    def test_answers_and_pushes_come_on_a_thread_of_each_session(self, connect, terminal):
        clients = connect(1), connect(2)
        clients[0].order()
        assert terminal.settle()
        (one,), (other,) = (client.threads for client in clients)
        assert one is not other
        assert threading.main_thread() not in (one, other)
        assert one.daemon

    def test_an_account_that_is_not_here_can_not_be_subscribed_to(self, connect):
        client = connect(subscribe=False)
        assert client.ask("subscribe", account="nobody") == -1
        assert client.ask("subscribe") == 0
        assert client.pushes[0][0] == "account_status"

    def test_unsubscribed_means_answers_and_no_pushes(self, connect):
        client = connect()
        assert client.ask("unsubscribe") == 0
        client.pushes.clear()
        assert client.order().order_id == 1
        assert client.pushes == []

    def test_a_call_nobody_knows_is_named(self, connect):
        with pytest.raises(ConfigError, match=r"no call 'transfer', only order, cancel"):
            connect().ask("transfer")


class TestALinkThatBreaks:
    def test_is_told_once_and_then_nothing_is_answered(self, connect, terminal):
        client = connect()
        terminal.restart()
        answered = len(client.answers)
        client.order()
        assert client.gone == 1
        assert len(client.answers) == answered
        assert terminal.books(ACCOUNT).orders == ()

    def test_may_be_silent(self, connect, terminal):
        client = connect()
        terminal.restart(silent=True)
        client.ask("orders")
        assert client.gone == 0

    def test_is_one_sessions_own(self, connect, terminal):
        one, other = connect(1), connect(2)
        terminal.disconnect(1)
        other.order()
        assert (one.gone, other.gone) == (1, 0)
        assert one.statuses() == []
        assert other.statuses() == [49, 50]

    def test_does_not_stop_the_exchange(self, connect, terminal):
        connect(1).order(volume=200, remark="mine")
        terminal.stop()
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        terminal.start()
        back = connect(2)
        (order,) = back.ask("orders")
        assert (order.order_remark, order.order_status) == ("mine", 56)
        assert len(back.ask("trades")) == 1
        assert back.told("order") == back.told("trade") == []

    def test_may_cost_the_remarks_of_earlier_orders(self, make_terminal):
        terminal = make_terminal(remarks_survive=False)
        Client(terminal, 1).order(remark="before")
        terminal.restart()
        client = Client(terminal, 2)
        client.order(remark="after")
        assert [o.order_remark for o in client.ask("orders")] == ["", "after"]
        assert [o.remark for o in terminal.books(ACCOUNT).orders] == ["before", "after"]


class TestATerminalThatHangs:
    def test_reads_nothing_and_pushes_nothing_until_it_goes_on(self, connect, terminal):
        client = connect()
        client.order()
        heard = len(client.heard)
        terminal.hang()
        client.order()
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        assert terminal.settle()
        assert len(client.heard) == heard
        assert len(terminal.books(ACCOUNT).orders) == 1
        terminal.resume()
        assert client.last().order_id == 2
        assert client.statuses(1) == [49, 50, 56]
        assert client.statuses(2) == [49, 50]

    def test_loses_nothing_when_it_hangs_once_more(self, connect, terminal):
        client = connect()
        terminal.hang()
        terminal.set_account_status(ACCOUNT, 2)
        terminal.hang()
        terminal.resume()
        assert [status.status for status in client.told("account_status")] == [0, 2]

    def test_may_hang_in_one_call_only(self, connect, terminal):
        client = connect()
        terminal.hang("orders")
        answered = len(client.answers)
        client.ask("orders")
        assert len(client.answers) == answered
        assert client.order().order_id == 1
        terminal.resume()
        assert client.last()[0].order_id == 1

    def test_forgets_what_it_had_not_read_when_it_restarts(self, connect, terminal):
        client = connect()
        terminal.hang()
        client.order()
        terminal.restart()
        terminal.resume()
        assert terminal.books(ACCOUNT).orders == ()
        assert client.order() == 0  # the answer to subscribing is still its last one
        assert client.gone == 1

    def test_blocks_who_connects(self, terminal):
        terminal.hang()
        connecting = aside(terminal.connect, 1)
        looking = aside(terminal.full_tick, ["SH"])
        assert terminal.instrument  # the lock is free meanwhile
        terminal.quote(a_quote(9.98, time=moment("10:00:06")))
        assert not connecting.done()
        terminal.resume()
        assert connecting.result(5).alive
        assert looking.result(5)["600000.SH"]["lastPrice"] == 9.98

    def test_lets_everybody_go_when_it_is_closed(self, terminal):
        terminal.hang()
        connecting = aside(terminal.connect, 1)
        terminal.close()
        assert isinstance(connecting.exception(5), TerminalGone)


def test_no_thread_is_left_when_a_terminal_is_closed(connect, terminal):
    before = set(threading.enumerate())
    connect(1)
    connect(2)
    terminal.connect_data()
    begun = set(threading.enumerate()) - before
    assert len(begun) == 3
    terminal.close()
    terminal.close()
    eventually(lambda: not begun & set(threading.enumerate()))


def test_what_a_callback_raises_ends_nothing(terminal):
    def broken(kind, record):
        raise ValueError("mine")

    session = terminal.connect(1, broken)
    answers = []
    terminal.ask(session, "subscribe", {"account": ACCOUNT}, answers.append)
    terminal.ask(session, "order", {"account": ACCOUNT, **order_of()}, answers.append)
    assert terminal.settle()
    assert [answers[0], answers[1].order_id] == [0, 1]
    assert [str(error) for error in session.delivery.errors] == ["mine"] * len(
        session.delivery.errors
    )
