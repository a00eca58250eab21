"""What every broker promises, shown for each of them. A new adapter passes this or is not one.

When a test ends, its world also checks that each order is there once and as it was sent, that each
fill was told once, and that the ledger's cash and shares are the truth's to the cent.
"""

from decimal import Decimal

import pytest
from serving import ACCOUNT
from worlds import BOUGHT, HELD, WITH_SERVER, WITH_TERMINAL

from qka.errors import BrokerUnavailable
from qka.model.account import AccountIdentity
from qka.model.events import (
    CancelRefused,
    Fill,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderSubmitted,
    OrderUnknown,
)
from qka.model.money import to_cents
from qka.model.order import FINAL, Approved, Order, OrderStatus, OrderType, Side
from qka.model.times import day_of

NOT_LISTED = {"orders": 1.0}  # lost replies: a look-up for another reason finds nothing either


def at_a_terminal(test):
    """Only where others may be at the terminal too, and there is a link that can fail."""
    test.adapters = WITH_TERMINAL
    return test


def behind_a_server(test):
    """Only where there is a server, at which an order may wait."""
    test.adapters = WITH_SERVER
    return test


# ------------------------------------------------------------------ connecting


async def test_connecting_tells_whose_account_it_is(make, tmp_path):
    async with make() as world:
        assert await world.broker.connect(world.life.hear) == AccountIdentity(ACCOUNT, "STOCK")


@at_a_terminal
async def test_connecting_tells_that_the_link_is_up(world):
    assert world.life.links[-1] is True


async def test_letting_go_twice_is_fine_and_nothing_is_told_afterwards(make):
    async with make() as world:
        world.submit(price=9.5)
        await world.is_status(OrderStatus.ACCEPTED)
        await world.broker.close()
        await world.broker.close()
        heard = len(world.life.heard)
        world.quote(symbol=HELD)
        world.breathe()
        assert len(world.life.heard) == heard
        assert world.truth().orders[0].status is OrderStatus.ACCEPTED


# ------------------------------------------------------------------ an order's life


async def test_submitting_returns_at_once_and_tells_nothing_before_it_has(world):
    world.submit()
    assert world.life.kinds("o1") == []
    await world.is_status(OrderStatus.ACCEPTED)


async def test_an_order_is_named_accepted_and_filled_and_pays_its_fees(world):
    world.submit(500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    order = await world.is_status(OrderStatus.FILLED)
    assert world.life.kinds("o1") == [OrderSubmitted, OrderAccepted, Fill]
    assert order.broker_id
    assert (order.average_price, order.fees) == (10.01, Decimal("5.05"))
    assert world.ledger.asset.frozen == 0


async def test_an_order_trades_in_parts_and_each_is_told_once(world):
    world.submit(1500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    world.quote(10.5, HELD)
    world.quote()
    await world.is_status(OrderStatus.FILLED)
    assert [fill.quantity for fill in world.life.of(Fill, "o1")] == [1000, 500]


async def test_a_sell_brings_cash_and_pays_stamp_duty(world):
    world.submit(1000, 9.99, side=Side.SELL)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    order = await world.is_status(OrderStatus.FILLED)
    assert order.fees == Decimal("5.00") + Decimal("5.00") + Decimal("0.10")


async def test_a_market_order_takes_what_is_offered_and_the_rest_is_cancelled(world):
    world.submit(6000, 11.0, type=OrderType.MARKET)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    order = await world.is_status(OrderStatus.CANCELLED)
    assert (order.filled, order.average_price) == (5000, 10.03)


async def test_many_orders_at_once_are_each_one(world):
    names = [world.submit(100 * (1 + n % 5), (9.9, 10.01, 10.02)[n % 3]) for n in range(60)]
    for name in names:
        await world.is_status(OrderStatus.ACCEPTED, name)
    world.quote(ask_lots=[1000] * 5)
    for name in names:
        priced = world.order(name).price
        wanted = OrderStatus.ACCEPTED if priced == 9.9 else OrderStatus.FILLED
        await world.is_status(wanted, name)
    assert len({world.order(name).broker_id for name in names}) == 60


async def test_what_is_recalled_either_never_left_or_works_on_and_later_orders_leave(world):
    names = [world.submit(price=9.9) for _ in range(5)]
    world.broker.recall()
    later = world.submit(price=9.9)
    await world.is_status(OrderStatus.ACCEPTED, later)
    at_the_broker = {order.id for order in world.truth().orders}
    for name in names:
        left = name in at_the_broker
        await world.is_status(OrderStatus.ACCEPTED if left else OrderStatus.REJECTED, name)
    assert later in at_the_broker


@behind_a_server
async def test_what_waits_at_the_server_is_recalled_and_what_the_terminal_was_handed_is_not(make):
    async with make(deadline=10.0, within=10.0) as world:
        await world.works()
        first, *waiting = await world.jam(4)
        world.broker.recall()
        for name in waiting:
            order = await world.is_status(OrderStatus.REJECTED, name)
            assert order.reason == "not sent: the trading was halted before its turn came"
        world.bridge.jam(False)
        later = world.submit(price=9.9)
        for name in (first, later):
            await world.is_status(OrderStatus.ACCEPTED, name)
        assert not {order.id for order in world.truth().orders} & set(waiting)


@behind_a_server
async def test_an_order_that_reaches_the_server_after_its_recall_is_not_placed(make):
    async with make() as world:
        world.wire.next("late", "up", "order")
        name = world.submit(price=9.9)
        await world.until(lambda: world.late)
        world.broker.recall()
        await world.until(lambda: world.moments.reached["recall returned"])
        world.wire.arrive()
        order = await world.is_status(OrderStatus.REJECTED, name)
        assert order.reason == "not sent: the trading was halted before its turn came"
        await world.works()  # whatever came before it has been worked
        assert name not in {order.id for order in world.truth().orders}


# ------------------------------------------------------------------ cancels


async def test_a_cancel_is_confirmed_and_what_it_held_is_free_again(world):
    world.submit(price=9.9)
    await world.is_status(OrderStatus.ACCEPTED)
    assert world.ledger.asset.frozen
    assert world.cancel()
    assert world.order().status is OrderStatus.PENDING_CANCEL
    await world.is_status(OrderStatus.CANCELLED)
    assert world.life.kinds("o1")[-1] is OrderCancelled
    assert world.ledger.asset.frozen == 0


async def test_a_cancel_at_once_behind_its_order_finds_it(world):
    world.submit(price=9.9)
    world.cancel()
    await world.is_status(OrderStatus.CANCELLED)


async def test_what_was_traded_before_the_cancel_stays_traded(world):
    world.submit(1500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    world.cancel()
    order = await world.is_status(OrderStatus.CANCELLED)
    assert order.filled == 1000


async def test_a_cancel_that_comes_too_late_leaves_the_fill(make):
    async with make(latency=1.0) as world:
        world.submit(500, 10.01)
        await world.is_answered()
        world.pass_time(2.0)
        await world.is_status(OrderStatus.ACCEPTED)
        world.cancel()
        world.quote()
        world.pass_time(2.0)
        await world.until(lambda: world.order().status in FINAL)
        assert world.order().status in (OrderStatus.FILLED, OrderStatus.CANCELLED)


async def test_a_cancel_of_a_final_order_is_refused_and_changes_nothing(world):
    world.submit(500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    order = await world.is_status(OrderStatus.FILLED)
    world.broker.cancel(order)
    (refused,) = await world.is_kind(CancelRefused)
    assert refused.reason
    assert world.order() == order


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "wish",
    [
        {"quantity": 100, "price": 9.99, "side": Side.SELL, "symbol": BOUGHT},
        {"quantity": 20_000, "price": 9.99, "side": Side.SELL},
        {"quantity": 1_000_000, "price": 10.0},
    ],
    ids=["shares that are not held", "more than is held", "more than there is cash for"],
)
async def test_what_the_account_has_not_is_refused_with_a_reason(world, wish):
    world.submit(**wish)
    order = await world.is_status(OrderStatus.REJECTED)
    assert order.reason
    assert world.ledger.asset.frozen == 0
    assert world.ledger.sellable(HELD) == 10_000


@at_a_terminal
@pytest.mark.parametrize("fault", ["refused", "junked"])
async def test_what_the_counter_does_not_like_is_refused_in_its_words(world, fault):
    world.faults.next(fault)
    world.submit()
    order = await world.is_status(OrderStatus.REJECTED)
    assert "the counter" in order.reason


async def test_shares_bought_today_are_sold_tomorrow_and_not_before(world):
    world.submit(500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.FILLED)
    assert world.ledger.sellable(BOUGHT) == 0
    early = world.submit(500, 9.99, side=Side.SELL, symbol=BOUGHT)
    await world.is_status(OrderStatus.REJECTED, early)
    world.next_day()
    assert world.ledger.sellable(BOUGHT) == 500
    late = world.submit(500, 9.99, side=Side.SELL, symbol=BOUGHT)
    await world.is_status(OrderStatus.ACCEPTED, late)
    world.quote()
    await world.is_status(OrderStatus.FILLED, late)


async def test_what_is_left_of_the_day_ends_with_it(world):
    world.submit(1500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    world.next_day()
    order = await world.until(lambda: world.order().is_final and world.order())
    assert order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    assert order.filled == 1000
    assert world.ledger.asset.frozen == 0


# ------------------------------------------------------------------ the account


async def test_the_snapshot_is_the_truth(world):
    world.submit(1500, 10.01)
    world.submit(700, 11.0, side=Side.SELL)
    for name in ("o1", "o2"):
        await world.is_status(OrderStatus.ACCEPTED, name)
    world.quote()
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    snapshot = await world.snapshot()
    truth = world.truth()
    there = {position.symbol: position for position in snapshot.positions}
    assert {symbol: p.quantity for symbol, p in there.items()} == truth.shares
    assert (there[BOUGHT].today, there[BOUGHT].sellable) == (1000, 0)
    assert (there[HELD].frozen, there[HELD].sellable) == (700, 9300)
    assert to_cents(snapshot.asset.cash) == truth.cash
    assert snapshot.asset.frozen == world.ledger.asset.frozen
    told = [(o.id, o.symbol, o.side, o.quantity, o.status, o.filled) for o in snapshot.orders]
    assert told == [
        ("o1", BOUGHT, Side.BUY, 1500, OrderStatus.PARTIALLY_FILLED, 1000),
        ("o2", HELD, Side.SELL, 700, OrderStatus.ACCEPTED, 0),
    ]


@at_a_terminal
async def test_an_engine_that_knows_nothing_begins_with_the_snapshot_and_goes_on_from_there(world):
    world.submit(1500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    fills = world.life.fills
    await world.kill_engine()
    for journal in world.folder.glob("journal-*"):
        journal.unlink()
    await world.live()
    assert world.order().filled == 1000
    assert not world.life.of(Fill, "o1")
    world.life.fills = fills
    world.quote()
    await world.is_status(OrderStatus.FILLED)
    assert [fill.quantity for fill in world.life.of(Fill, "o1")] == [500]


@at_a_terminal
async def test_an_order_by_hand_is_told_of_and_booked_like_any(world):
    order_id = world.by_hand(1500, 10.01)
    world.submit(price=9.5)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.until(lambda: world.life.of(Fill, order_id))
    assert world.order(order_id).status is OrderStatus.PARTIALLY_FILLED
    assert [e.order.id for e in world.life.heard if type(e) is OrderAdopted] == [order_id]
    world.cancel(order_id)
    await world.is_status(OrderStatus.CANCELLED, order_id)


@at_a_terminal
async def test_an_order_by_hand_while_nobody_looked_is_found_by_the_next_engine(world):
    world.submit(1500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    await world.kill_engine()
    order_id = world.by_hand(300, 10.02)
    world.quote()
    await world.live()
    await world.is_status(OrderStatus.FILLED, order_id)
    await world.is_status(OrderStatus.PARTIALLY_FILLED)
    assert [e.order.id for e in world.life.heard if type(e) is OrderAdopted] == [order_id]


# ------------------------------------------------------------------ the link


@at_a_terminal
async def test_what_happened_while_the_link_was_down_is_made_good(world):
    filled, cancelled = world.submit(2000, 10.02), world.submit(price=9.5)
    for name in (filled, cancelled):
        await world.is_status(OrderStatus.ACCEPTED, name)
    world.terminal.stop()
    await world.until(lambda: not world.life.up)
    while_down = world.submit()
    order = await world.is_status(OrderStatus.REJECTED, while_down)
    assert "not sent" in order.reason
    world.quote()
    world.terminal.cancel(ACCOUNT, int(world.order(cancelled).broker_id))
    world.terminal.start()
    await world.is_up()
    await world.is_status(OrderStatus.FILLED, filled)
    await world.is_status(OrderStatus.CANCELLED, cancelled)
    assert [(f.price, f.quantity) for f in world.life.of(Fill, filled)] == [
        (10.01, 1000), (10.02, 1000),
    ]  # fmt: skip
    assert world.life.links[-3:] == [True, False, True]


@at_a_terminal
async def test_a_snapshot_while_the_link_is_down_says_that_there_is_none(make):
    async with make(patience=1.0) as world:
        world.terminal.stop()
        await world.until(lambda: not world.life.up)
        with pytest.raises(BrokerUnavailable):
            await world.broker.snapshot()


@at_a_terminal
@pytest.mark.parametrize("fault", ["reply_lost", "disconnect_after", "restart"])
async def test_an_order_without_an_answer_is_unknown_until_it_is_found(world, fault):
    world.faults.set(push_lost=1.0, reply_lost=NOT_LISTED)
    world.faults.next(fault, "" if fault == "restart" else "order")
    world.faults.next("reply_lost", "order")
    world.submit(500, 10.01)
    await world.is_kind(OrderUnknown)
    world.faults.set(reply_lost=0.0)
    await world.is_status(OrderStatus.ACCEPTED)
    world.faults.off()
    world.quote()
    await world.is_status(OrderStatus.FILLED)


@at_a_terminal
@pytest.mark.parametrize("fault", ["dropped", "disconnect_before"])
async def test_an_order_that_never_arrived_is_unknown_and_is_not_sent_again(world, fault):
    world.faults.next(fault, "order")
    lost = world.submit()
    await world.is_kind(OrderUnknown)
    after = await world.works()
    assert world.order(lost).status is OrderStatus.UNKNOWN
    assert world.ledger.asset.frozen  # its cash is still promised
    assert [placed.id for placed in world.truth().orders] == [after]


@at_a_terminal
@pytest.mark.parametrize(
    "faults",
    [{"push_twice": 1.0}, {"push_swapped": 0.5}, {"push_late": 0.7}, {"push_lost": 0.6},
     {"order_first": 1.0}, {"reply_late": 1.0}],
    ids=lambda faults: " ".join(faults),
)  # fmt: skip
async def test_however_the_pushes_come_the_books_are_the_truth(make, faults):
    async with make() as world:
        world.faults.set(**faults)
        for n in range(12):
            world.submit(100 * (1 + n), (10.01, 9.5, 10.03)[n % 3])
            world.quote()
        await world.is_answered()
        for n in range(1, 13, 3):
            world.cancel(f"o{n + 1}")
        world.quote()
        world.faults.off()
        world.terminal.flush()
        world.broker.missed()


@at_a_terminal
async def test_the_whole_day_pushed_again_changes_nothing(world):
    world.submit(500, 10.01)
    world.submit(price=9.5)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.FILLED)
    await world.is_status(OrderStatus.ACCEPTED, "o2")
    heard, links = len(world.life.heard), len(world.life.links)
    world.faults.next("repushed")
    world.terminal.restart()
    await world.is_back(links)
    await world.works()
    told = {getattr(event, "order_id", "") for event in world.life.heard[heard:]}
    assert not told & {"o1", "o2"}


@at_a_terminal
async def test_a_number_that_comes_again_on_another_day_is_another_order(world):
    """The terminal counts its orders from 1 every morning."""
    world.submit(500, 10.01)
    await world.is_status(OrderStatus.ACCEPTED)
    world.quote()
    await world.is_status(OrderStatus.FILLED)
    world.next_day()
    assert day_of(world.clock.now()) != day_of(world.intents["o1"].time)
    world.faults.set(push_lost=1.0, reply_lost=NOT_LISTED)
    world.faults.next("reply_lost", "order")
    second = world.submit(700, 10.01)
    await world.is_kind(OrderUnknown, second)
    world.faults.set(reply_lost=0.0)
    await world.is_status(OrderStatus.ACCEPTED, second)
    assert world.order(second).broker_id == world.order("o1").broker_id
    world.faults.off()
    world.quote()
    await world.is_status(OrderStatus.FILLED, second)


@at_a_terminal
async def test_an_order_whose_remark_the_terminal_forgot_is_known_by_its_number(make):
    async with make() as world:
        world.terminal._remarks_survive = False
        world.submit(1500, 10.01)
        await world.is_status(OrderStatus.ACCEPTED)
        world.quote()
        await world.is_status(OrderStatus.PARTIALLY_FILLED)
        links = len(world.life.links)
        world.terminal.restart()
        await world.is_back(links)
        world.quote()
        await world.is_status(OrderStatus.FILLED)


def test_only_the_type_that_the_gate_makes_can_be_sent():
    assert Approved.__annotations__ == {"order": Order}
