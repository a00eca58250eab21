"""The broker behind a real server over a simulated terminal: their books and its reports agree."""

import threading
from contextlib import asynccontextmanager
from random import Random

import pytest
from builders import NO_COMMISSION, a_quote, an_order
from scripted import eventually
from served import served

from qka.brokers.client import AsyncQMTClient
from qka.brokers.remote import RemoteBroker
from qka.clock import WallClock
from qka.model.events import (
    CancelRefused,
    Fill,
    LinkState,
    OrderAccepted,
)
from qka.model.life import after
from qka.model.order import Approved, OrderStatus, OrderType
from qka.model.times import SECOND
from qka.server.tokens import rotate
from qka.terminal.faults import Faults

RECALLED = "not sent: the trading was halted before its turn came"


class Trading:
    """A broker on a real server over a simulated terminal; its ledger is what it reported."""

    def __init__(self, served, client, broker):
        self.served, self.client, self.broker = served, client, broker
        self.terminal = served.terminal
        self.heard = []
        self.orders = {}  # order id -> as its reports leave it

    def hear(self, event):
        self.heard.append(event)
        if not isinstance(event, LinkState):
            self.orders[event.order_id] = after(self.orders[event.order_id], event)

    def submit(self, order_id, **changes):
        order = an_order(id=order_id, quantity=100, status=OrderStatus.SUBMITTING, **changes)
        self.orders[order_id] = order
        self.broker.submit(Approved(order))
        return order

    async def until(self, order_id, *statuses):
        return await eventually(lambda: self.orders[order_id].status in statuses)

    @property
    def up(self):
        return [event.up for event in self.heard if isinstance(event, LinkState)][-1]

    def under_way(self):
        return [o for o in self.orders.values() if o.status is OrderStatus.SUBMITTING]

    def cut(self):
        """The link breaks at the server's end."""
        for session in list(self.served.server.http.sessions._open):
            session._transport.abort()

    def moves(self):
        """A second passes and everything may trade."""
        now = self.terminal.now() + SECOND
        self.terminal.quote(a_quote(time=now))


@asynccontextmanager
async def trading(folder, *, faults=None, client=None, **options):
    async with served(folder, terminal={"faults": faults or Faults(7)}, **options) as server:
        clock = WallClock()
        clock.follow(server.terminal.now(), 1e-9)
        linked = AsyncQMTClient(
            server.url,
            server.token,
            account="demo",
            client="engine",
            **{"patience": 5.0, **(client or {})},
        )
        broker = RemoteBroker(linked, clock, NO_COMMISSION, within=2.0)
        set_up = Trading(server, linked, broker)
        try:
            await broker.connect(set_up.hear)
            yield set_up
        finally:
            await broker.close()


async def test_an_order_lives_from_submission_to_its_fill(tmp_path):
    async with trading(tmp_path) as t:
        t.submit("a", price=10.01)
        await t.until("a", OrderStatus.ACCEPTED)
        t.moves()
        await t.until("a", OrderStatus.FILLED)
        told = [event for event in t.heard if isinstance(event, OrderAccepted | Fill)]
        assert [type(event) for event in told] == [OrderAccepted, Fill]
        assert t.terminal.books("demo").orders[0].remark == "a"


async def test_a_market_order_trades_at_what_is_offered(tmp_path):
    async with trading(tmp_path) as t:
        t.submit("a", price=11.0, type=OrderType.MARKET)
        await t.until("a", OrderStatus.ACCEPTED)
        t.moves()
        await t.until("a", OrderStatus.FILLED)
        assert t.orders["a"].average_price == 10.01


async def test_a_cancel_ends_in_cancelled_or_in_a_refusal(tmp_path):
    async with trading(tmp_path) as t:
        order = t.submit("a", price=9.9)
        t.broker.cancel(order)  # it has no number yet
        await t.until("a", OrderStatus.CANCELLED)
        t.submit("b", price=10.01)
        await t.until("b", OrderStatus.ACCEPTED)
        t.terminal.faults.next("cancel_refused")
        t.broker.cancel(t.orders["b"])
        await eventually(lambda: any(isinstance(event, CancelRefused) for event in t.heard))
        assert t.orders["b"].status is OrderStatus.ACCEPTED


async def test_a_restart_of_the_server_loses_no_fill_and_makes_no_order_twice(tmp_path):
    async with trading(tmp_path) as t:
        t.submit("a", price=10.01)
        await t.until("a", OrderStatus.ACCEPTED)
        await t.served.stop()
        await eventually(lambda: not t.client.up)
        t.moves()  # it fills while nobody listens
        t.submit("b")
        await t.until("b", OrderStatus.REJECTED)
        await t.served.start()
        await t.until("a", OrderStatus.FILLED)
        assert [order.remark for order in t.terminal.books("demo").orders] == ["a"]


async def test_a_server_that_forgot_everything_makes_us_ask_the_account(tmp_path):
    async with trading(tmp_path) as t:
        t.submit("a", price=10.01)
        await t.until("a", OrderStatus.ACCEPTED)
        await t.served.stop()
        for file in tmp_path.glob("server.db*"):
            file.unlink()
        t.moves()
        await t.served.start()
        await t.until("a", OrderStatus.FILLED)


@pytest.mark.parametrize("fault", ["disconnect_after", "reply_lost", "restart"])
async def test_an_order_the_terminal_took_without_a_word_is_found(tmp_path, fault):
    async with trading(tmp_path, client={"timeout": 0.5}, deadline=0.5) as t:
        t.terminal.faults.next(fault, "order")
        t.submit("a", price=10.01)
        await t.until("a", OrderStatus.ACCEPTED, OrderStatus.SUBMITTED)
        t.moves()
        await t.until("a", OrderStatus.FILLED)
        assert len(t.terminal.books("demo").orders) == 1


async def test_a_terminal_that_goes_away_is_told_and_comes_back(tmp_path):
    async with trading(tmp_path) as t:
        t.submit("a", price=10.01)
        await t.until("a", OrderStatus.ACCEPTED)
        t.terminal.stop()
        await eventually(lambda: not t.up)
        t.submit("b")
        await t.until("b", OrderStatus.REJECTED)
        t.terminal.start()
        await eventually(lambda: t.up)
        t.moves()
        await t.until("a", OrderStatus.FILLED)


async def test_a_second_engine_of_the_same_name_takes_the_lease_over_and_the_first_rests(tmp_path):
    lease = {"lease": 5.0}
    async with trading(tmp_path, client=lease) as t:
        second = AsyncQMTClient(t.served.url, t.served.token, client="engine", **lease)
        await second.open()
        await eventually(lambda: not t.up)
        assert "took its lease over; this one does not connect again" in t.heard[-1].reason
        t.submit("a")
        await t.until("a", OrderStatus.REJECTED)
        assert second.up
        await second.close()


async def test_a_token_that_is_taken_away_ends_the_link_and_says_so(tmp_path):
    async with trading(tmp_path) as t:
        rotate(tmp_path)
        t.served.server.check()
        await eventually(lambda: not t.up)
        assert "token" in t.heard[-1].reason
        t.submit("a")
        await t.until("a", OrderStatus.REJECTED)
        assert t.terminal.books("demo").orders == ()


async def test_a_halt_takes_back_what_waits_at_the_server_and_nothing_that_has_left(
    tmp_path, monkeypatch
):
    async with trading(tmp_path) as t:
        t.submit("a", price=9.9)
        await t.until("a", OrderStatus.ACCEPTED)
        ask, called, on = t.terminal.ask, threading.Event(), threading.Event()

        def blocks(session, call, *rest):  # as the SDK's own call may
            if call == "order":
                called.set()
                on.wait(5)
            ask(session, call, *rest)

        monkeypatch.setattr(t.terminal, "ask", blocks)
        t.submit("b", price=9.9)
        await eventually(called.is_set)
        for name in "cde":
            t.submit(name, price=9.9)
        await eventually(lambda: len(t.served.server.backend._marked) == 4)
        wired = []
        t.broker.wire = lambda order_id, what, data: wired.append((order_id, what, data))
        t.broker.recall()
        for name in "cde":
            await t.until(name, OrderStatus.REJECTED)
            assert t.orders[name].reason == RECALLED
        await eventually(
            lambda: ("b", "the answer to recall comes", {"taken_back": False}) in wired
        )
        assert ("c", "the answer to recall comes", {"taken_back": True}) in wired
        t.submit("f", price=9.9)
        on.set()
        for name in "bf":
            await t.until(name, OrderStatus.ACCEPTED)
        assert [order.remark for order in t.terminal.books("demo").orders] == ["a", "b", "f"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_links_do_every_order_is_one_and_its_fills_are_the_terminals(
    tmp_path, seed
):
    """Orders, cancels and quotes while replies and pushes are lost, late, twice and out of order,
    the terminal's link breaks and ours does too: in the end both sides' books are the same."""
    chance = Random(seed)
    faults = Faults(
        seed, push_lost=0.1, push_twice=0.2, push_swapped=0.2, reply_late=0.2, reply_lost=0.05,
        refused=0.05, junked=0.05, cancel_refused=0.2, disconnect_push=0.02, order_first=0.3,
    )  # fmt: skip
    options = {"timeout": 0.5, "heartbeat": 0.5}
    async with trading(tmp_path, faults=faults, client=options, deadline=0.5) as t:
        for number in range(25):
            order_id = f"o{number}"
            if chance.random() < 0.7:
                await eventually(lambda: t.up)
            t.submit(order_id, price=chance.choice([9.9, 10.01, 10.05]))
            if chance.random() < 0.7:  # else the next one is on its way at the same time
                await eventually(lambda: not t.under_way())
            if chance.random() < 0.3:
                t.broker.cancel(t.orders[chance.choice(list(t.orders))])
            if chance.random() < 0.1:
                t.cut()
            t.moves()
        await eventually(lambda: not t.under_way())
        t.terminal.faults.off()
        t.terminal.flush()
        t.broker.missed()

        def settled():
            theirs = {order.remark: order.filled for order in t.terminal.books("demo").orders}
            ours = {order.id: order.filled for order in t.orders.values() if order.id in theirs}
            return ours == theirs and all(
                order.status is not OrderStatus.UNKNOWN or order.id not in theirs
                for order in t.orders.values()
            )

        await eventually(settled)
        remarks = [order.remark for order in t.terminal.books("demo").orders]
        assert len(remarks) == len(set(remarks))
        deals = [(e.order_id, e.deal_id) for e in t.heard if isinstance(e, Fill)]
        assert len(deals) == len(set(deals))
