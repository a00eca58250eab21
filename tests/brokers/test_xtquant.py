"""The broker over the vendor's own Python and a simulated terminal: from order to fill and back."""

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from builders import FEES, SYMBOL, a_market_order, a_quote, an_order, moment
from msgspec.structs import replace
from qmt import ACCOUNT, PATH, a_terminal, eventually

from qka.brokers.link import TraderLink
from qka.brokers.xtquant import XtquantBroker
from qka.clock import ManualClock
from qka.errors import BrokerUnavailable, ConfigError
from qka.model.account import AccountIdentity
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    Fill,
    LinkState,
    OrderAccepted,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.life import after
from qka.model.money import to_cents
from qka.model.order import FINAL, Approved, Order, OrderStatus, Side
from qka.terminal.faults import Faults

OTHER = "000001.SZ"


class Desk:
    """The engine's side of the port: it knows of its orders what is reported."""

    def __init__(self, tmp_path, **options):
        self.clock = ManualClock(moment("10:00:05"))
        quick = {"deadline": 2.0, "probe": 1.0, "pause": 0.01, "patience": 0.02}
        quick |= {"sessions": range(1, 500)}
        protected = options.pop("protected", False)
        self.link = TraderLink(PATH, options.pop("account", ACCOUNT), **{**quick, **options})
        self.link._pool._folder = tmp_path
        self.broker = XtquantBroker(self.link, self.clock, FEES, protected=protected)
        self.orders: dict[str, Order] = {}
        self.said, self.links = [], []

    def hear(self, event):
        if isinstance(event, LinkState):
            self.links.append((event.up, event.reason))
            return
        self.said.append(event)
        if event.order_id in self.orders:
            self.orders[event.order_id] = after(self.orders[event.order_id], event)

    def send(self, order: Order) -> str:
        self.orders[order.id] = replace(order, status=OrderStatus.SUBMITTING)
        self.broker.submit(Approved(self.orders[order.id]))
        return order.id

    def cancel(self, order_id="a"):
        asked = CancelRequested(self.clock.now(), order_id)
        self.orders[order_id] = after(self.orders[order_id], asked)
        self.broker.cancel(self.orders[order_id])

    async def until(self, status, order_id="a"):
        await eventually(lambda: self.orders[order_id].status is status)
        return self.orders[order_id]

    def kinds(self, order_id="a"):
        return [type(event) for event in self.said if event.order_id == order_id]

    def fills(self, order_id="a"):
        fills = [e for e in self.said if isinstance(e, Fill) and e.order_id == order_id]
        return [(fill.price, fill.quantity) for fill in fills]


@pytest.fixture
def trading(tmp_path):
    """A desk whose broker is connected to the simulated terminal."""

    @asynccontextmanager
    async def trading(**options):
        desk = Desk(tmp_path, **options)
        await desk.broker.connect(desk.hear)
        try:
            yield desk
        finally:
            await desk.broker.close()

    return trading


@pytest.fixture
def terminal():
    with a_terminal(id_cooldown=0.0) as terminal:
        yield terminal


def quote(terminal, last=10.0, second=6, **changes):
    terminal.quote(a_quote(last, time=moment(f"10:00:{second:02d}"), **changes))


# ------------------------------------------------------------------ connecting


async def test_connecting_tells_whose_account_it_is_and_that_the_link_is_up(terminal, trading):
    async with trading() as desk:
        assert desk.links == [(True, "")]
        assert desk.link.status.ready
    await desk.broker.close()


async def test_the_identity_is_the_accounts(terminal, tmp_path):
    desk = Desk(tmp_path)
    assert await desk.broker.connect(desk.hear) == AccountIdentity(ACCOUNT, "STOCK")
    await desk.broker.close()


async def test_another_account_is_refused(terminal, tmp_path):
    with pytest.raises(ConfigError, match="account demo, not with other"):
        await Desk(tmp_path, account="other").broker.connect(lambda event: None)


async def test_no_terminal_is_unavailable_with_what_to_check(terminal, tmp_path):
    terminal.stop()
    with pytest.raises(BrokerUnavailable, match="极简模式"):
        await Desk(tmp_path).broker.connect(lambda event: None)


# ------------------------------------------------------------------ an order's life


async def test_a_limit_order_is_named_accepted_filled_and_pays_its_fees(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(500, 10.01))
        await desk.until(OrderStatus.ACCEPTED)
        quote(terminal)
        order = await desk.until(OrderStatus.FILLED)
        assert desk.fills() == [(10.01, 500)]
        assert order.fees == Decimal("5.05")
        assert order.broker_id == "1"
        assert desk.kinds() == [OrderSubmitted, OrderAccepted, Fill]
        (truth,) = terminal.books(ACCOUNT).orders
        assert (truth.remark, truth.turnover) == ("a", to_cents(order.turnover))
        assert truth.fees == to_cents(order.fees)


async def test_submitting_returns_at_once_and_a_refusal_is_a_report(terminal, trading):
    terminal.faults.next("refused")
    async with trading() as desk:
        desk.send(an_order())
        assert desk.kinds() == []
        order = await desk.until(OrderStatus.REJECTED)
        assert order.reason == "the counter refused it"


async def test_what_was_recalled_before_it_left_is_rejected_and_the_next_order_leaves(
    terminal, trading
):
    async with trading() as desk:
        desk.send(an_order(id="a"))
        desk.broker.recall()
        order = await desk.until(OrderStatus.REJECTED)
        assert order.reason == "not sent: the trading was halted before its turn came"
        desk.send(an_order(id="b"))
        await desk.until(OrderStatus.ACCEPTED, "b")
        assert [o.order_remark for o in await desk.link.query("query_stock_orders")] == ["b"]


async def test_what_the_counter_throws_out_is_rejected_with_its_words(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(100, 12.0))
        order = await desk.until(OrderStatus.REJECTED)
        assert "[-61]" in order.reason


async def test_a_cancel_is_confirmed_by_the_order_not_by_its_answer(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(100, 9.5))
        await desk.until(OrderStatus.ACCEPTED)
        desk.cancel()
        await desk.until(OrderStatus.CANCELLED)
        assert desk.fills() == []


async def test_a_cancel_that_is_too_late_is_refused_and_the_fill_stands(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(500, 10.01))
        await desk.until(OrderStatus.ACCEPTED)
        quote(terminal)
        desk.cancel()
        await desk.until(OrderStatus.FILLED)
        assert desk.fills() == [(10.01, 500)]


async def test_a_refused_cancel_leaves_the_order_working(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(100, 9.5))
        await desk.until(OrderStatus.ACCEPTED)
        terminal.faults.next("cancel_refused")
        desk.cancel()
        await eventually(lambda: CancelRefused in desk.kinds())
        assert desk.orders["a"].status is OrderStatus.ACCEPTED


@pytest.mark.parametrize(("symbol", "price_type"), [(SYMBOL, 42), (OTHER, 47)])
@pytest.mark.parametrize(("protected", "price"), [(False, 0.0), (True, 11.0)])
async def test_a_market_order_is_best_five_at_no_price_unless_protected(
    terminal, trading, symbol, price_type, protected, price
):
    terminal.quote(a_quote(symbol=symbol, time=moment("10:00:04")))
    sent = []
    async with trading(protected=protected) as desk:
        order = desk.link._trader.sdk.order_stock_async
        desk.link._trader.sdk.order_stock_async = lambda *a: sent.append(a[1:]) or order(*a)
        desk.send(a_market_order(100, 11.0, symbol=symbol))
        await desk.until(OrderStatus.ACCEPTED)
        terminal.quote(a_quote(symbol=symbol, time=moment("10:00:07")))
        await desk.until(OrderStatus.FILLED)
    assert sent == [(symbol, 23, 100, price_type, price, "", "a")]


@pytest.mark.parametrize("order_id", ["x" * 25, "编号", ""])
async def test_an_id_the_terminal_would_cut_is_never_sent(terminal, trading, order_id):
    async with trading() as desk:
        desk.send(an_order(id=order_id))
        order = await desk.until(OrderStatus.REJECTED, order_id)
        assert "not sent" in order.reason
        assert terminal.books(ACCOUNT).orders == ()


async def test_an_account_that_is_not_logged_in_takes_no_order_and_the_link_says_why(
    terminal, trading
):
    async with trading() as desk:
        terminal.set_account_status(ACCOUNT, 2)
        await eventually(lambda: desk.links[-1][0] is False)
        assert "登陆中" in desk.links[-1][1]
        desk.send(an_order())
        order = await desk.until(OrderStatus.REJECTED)
        assert "登陆中" in order.reason
        assert terminal.books(ACCOUNT).orders == ()
        terminal.set_account_status(ACCOUNT, 0)
        await eventually(lambda: desk.links[-1][0])
        desk.send(an_order(id="b"))
        await desk.until(OrderStatus.ACCEPTED, "b")


# ------------------------------------------------------------------ when the link fails


@pytest.mark.parametrize("fault", ["disconnect_after", "reply_lost", "restart"])
async def test_an_order_without_an_answer_is_unknown_until_its_remark_is_found(
    terminal, trading, fault
):
    async with trading(deadline=0.3) as desk:
        terminal.faults.set(push_lost=1.0)
        terminal.faults.next(fault, "order" if fault != "restart" else "")
        if fault == "restart":
            terminal.faults.next("reply_lost", "order")
        desk.send(an_order(500, 10.01))
        await eventually(lambda: OrderUnknown in desk.kinds())
        await desk.until(OrderStatus.ACCEPTED)
        assert len(terminal.books(ACCOUNT).orders) == 1


async def test_an_order_that_never_arrived_stays_unknown_and_is_not_sent_again(terminal, trading):
    async with trading(deadline=0.3) as desk:
        terminal.faults.next("disconnect_before", "order")
        desk.send(an_order())
        await eventually(lambda: OrderUnknown in desk.kinds())
        await eventually(lambda: desk.link.status.ready)
        desk.send(an_order(id="b"))
        await desk.until(OrderStatus.ACCEPTED, "b")
        await desk.broker._look_up()
        assert desk.orders["a"].status is OrderStatus.UNKNOWN
        assert [order.remark for order in terminal.books(ACCOUNT).orders] == ["b"]


async def test_a_late_answer_resolves_an_unknown_order(terminal, trading):
    async with trading(deadline=0.3) as desk:
        terminal.hang("order")
        desk.send(an_order())
        await eventually(lambda: OrderUnknown in desk.kinds())
        terminal.resume()
        await desk.until(OrderStatus.ACCEPTED)


async def test_an_order_while_the_link_is_down_is_refused_at_once_as_not_sent(terminal, trading):
    async with trading() as desk:
        terminal.stop()
        await eventually(lambda: desk.links[-1][0] is False)
        desk.send(an_order())
        order = await desk.until(OrderStatus.REJECTED)
        assert order.reason.startswith("not sent: ")


async def test_fills_missed_while_the_link_was_down_are_made_good(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(2000, 10.02))
        desk.send(an_order(300, 9.5, id="b"))
        for order_id in "ab":
            await desk.until(OrderStatus.ACCEPTED, order_id)
        terminal.stop()
        await eventually(lambda: desk.links[-1][0] is False)
        quote(terminal)
        terminal.cancel(ACCOUNT, 2)
        terminal.start()
        await desk.until(OrderStatus.FILLED)
        await desk.until(OrderStatus.CANCELLED, "b")
        assert desk.fills() == [(10.01, 1000), (10.02, 1000)]
        assert [up for up, _ in desk.links] == [True, False, True]


async def test_the_whole_day_pushed_again_changes_nothing(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(500, 10.01))
        await desk.until(OrderStatus.ACCEPTED)
        quote(terminal)
        await desk.until(OrderStatus.FILLED)
        said = len(desk.said)
        terminal.faults.next("repushed")
        terminal.restart()
        await eventually(lambda: [up for up, _ in desk.links] == [True, False, True])
        desk.send(an_order(100, 9.5, id="b"))
        await desk.until(OrderStatus.ACCEPTED, "b")
        assert [e.order_id for e in desk.said[said:]].count("a") == 0


async def test_a_lost_trade_is_queried_when_the_order_is_ahead_of_it(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(500, 10.01))
        await desk.until(OrderStatus.ACCEPTED)
        terminal.faults.next("push_lost", "trade")
        quote(terminal)
        await desk.until(OrderStatus.FILLED)
        assert desk.fills() == [(10.01, 500)]


async def test_orders_made_by_hand_are_told_apart(terminal, trading):
    async with trading() as desk:
        strangers = []
        desk.broker.reports.external = strangers.append
        number = terminal.order(ACCOUNT, SYMBOL, 23, 100, 11, 9.9)
        await eventually(lambda: any(o.order_id == number for o in strangers))
        assert desk.said == []


# ------------------------------------------------------------------ the account


async def test_a_snapshot_is_what_the_terminal_has(terminal, trading):
    async with trading() as desk:
        desk.send(an_order(500, 10.01))
        desk.send(an_order(300, 11.0, id="b", side=Side.SELL, symbol=OTHER))
        for order_id in "ab":
            await desk.until(OrderStatus.ACCEPTED, order_id)
        quote(terminal)
        await desk.until(OrderStatus.FILLED)
        snapshot = await desk.broker.snapshot()
        there = {position.symbol: position for position in snapshot.positions}
        bought, held = there[SYMBOL], there[OTHER]
        assert (bought.quantity, bought.today, bought.sellable) == (500, 500, 0)
        assert (held.quantity, held.frozen, held.sellable) == (1000, 300, 700)
        assert bought.cost == pytest.approx(10.0201)
        assert snapshot.asset.cash == Decimal("100000.00") - Decimal("5005.00") - Decimal("5.05")
        assert [(o.id, o.status) for o in snapshot.orders] == [
            ("a", OrderStatus.FILLED), ("b", OrderStatus.ACCEPTED),
        ]  # fmt: skip
        assert [(d.order_id, d.quantity, d.fees) for d in snapshot.deals] == [
            ("a", 500, Decimal("5.05"))
        ]


async def test_a_snapshot_without_a_terminal_is_unavailable(terminal, trading):
    async with trading() as desk:
        terminal.stop()
        await eventually(lambda: desk.links[-1][0] is False)
        with pytest.raises(BrokerUnavailable):
            await desk.broker.snapshot()


# ------------------------------------------------------------------ anything at all


ANYTHING = {
    "push_lost": 0.1, "push_twice": 0.3, "push_swapped": 0.2, "order_first": 0.5,
    "reply_lost": 0.1, "dropped": {"order": 0.05, "cancel": 0.1}, "refused": 0.05,
    "disconnect_after": {"order": 0.05, "cancel": 0.05}, "disconnect_before": {"order": 0.03},
    "junked": 0.05, "junk_error": 0.5, "cancel_refused": 0.1, "repushed": 0.3,
    "session_in_use": 0.1, "disconnect_push": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_link_does_the_engine_ends_with_the_terminals_truth(tmp_path, seed):
    """No order twice, no fill lost or doubled, no status but the true one."""
    faults = Faults(seed)
    with a_terminal(faults=faults, id_cooldown=0.0) as terminal:
        desk = Desk(tmp_path, deadline=0.2, probe=0.2)
        await desk.broker.connect(desk.hear)
        faults.set(**ANYTHING)
        for n in range(30):
            await eventually(lambda: desk.link.status.ready)
            price = (9.9, 10.01, 10.03)[n % 3]
            order_id = desk.send(an_order(100 * (1 + n % 7), price, id=f"q{n}"))
            await eventually(lambda o=order_id: desk.kinds(o))
            if n % 4 == 0 and desk.orders[order_id].status not in FINAL:
                desk.cancel(order_id)
            quote(terminal, second=10 + n)
        faults.off()
        terminal.flush()
        there = {order.remark: order for order in terminal.books(ACCOUNT).orders}
        assert not terminal.books(ACCOUNT).problems()

        def agreed():
            open_orders = desk.broker.reports.open_orders()
            return all(
                order.id not in there if order.status is OrderStatus.UNKNOWN else settled(order)
                for order in open_orders
            )

        def settled(order):
            truth = {o.remark: o for o in terminal.books(ACCOUNT).orders}[order.id]
            return desk.broker.reports.is_settled(order.id) and truth.filled == order.filled

        desk.broker.missed()
        await eventually(agreed)
        await desk.broker.close()
        deals = terminal.books(ACCOUNT).deals
        filled = sorted((d.remark, d.price, d.quantity) for d in deals)
        booked = sorted((o, p, q) for o in desk.orders for p, q in desk.fills(o))
        assert booked == filled
        assert len(there) == len(terminal.books(ACCOUNT).orders)
        for order in desk.orders.values():
            truth = there.get(order.id)
            if order.status in (OrderStatus.REJECTED, OrderStatus.UNKNOWN):
                assert truth is None or truth.status == 57
            else:
                assert truth is not None
                assert (order.filled, to_cents(order.turnover)) == (truth.filled, truth.turnover)
                assert to_cents(order.fees) == truth.fees
