"""Death at any moment of a request's life, of the server or of the engine, and life goes on.

The server's process is killed, and started again on the same folder. The engine dies between two
lines of its loop, and another one begins with what its journal had on the disk. When a test ends,
its world has checked that no order is lost, sent twice or taken for another, and the books.
"""

import asyncio

import pytest
from lives import journalled
from moments import OF_A_REQUEST, OF_AN_EVENT
from trading import EngineProcess
from worlds import RemoteWorld

from qka.model.events import OrderRequested
from qka.model.order import OrderStatus, Side

MOMENTS = [
    *(f"order {where}" for where in OF_A_REQUEST),
    *(f"cancel {where}" for where in OF_A_REQUEST),
    *(f"event {where}" for where in OF_AN_EVENT),
]


def behind_a_server(test):
    test.adapters = ("remote", pytest.param("remote-vendor", marks=pytest.mark.long))
    return test


async def dies(world, moment, kill):
    """An order goes its way, and a cancel if the moment is one of a cancel's."""
    world.submit(700, 9.99, side=Side.SELL)
    await world.is_status(OrderStatus.ACCEPTED)
    if moment.startswith("cancel"):
        world.submit(1500, 10.01)
        await world.is_status(OrderStatus.ACCEPTED, "o2")
    dead = asyncio.Event()
    world.moments.plan(moment, lambda: (kill(), dead.set()))
    if moment.startswith("cancel"):
        world.cancel("o2")
    else:
        world.submit(1500, 10.01)
    await world.until(dead.is_set)
    world.quote()  # the market does not wait for anybody


async def goes_on(world):
    """What comes after it is an ordinary day."""
    await world.works()
    world.quote()
    await world.is_true()
    await world.until(lambda: not world.cancel_all())


@behind_a_server
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_server_that_is_killed_at_any_moment_loses_nothing_and_sends_nothing_twice(
    make, moment
):
    async with make() as world:
        await dies(world, moment, world.kill_server)
        await world.revive_server()
        await goes_on(world)


@behind_a_server
@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_engine_that_dies_at_any_moment_finds_what_became_of_its_orders(make, moment):
    async with make() as world:
        await dies(world, moment, world.kill_engine_now)
        await world.kill_engine()
        await world.live()
        await goes_on(world)


@behind_a_server
@pytest.mark.parametrize("moment", ["order asked", "order answered", "event pushed"])
async def test_server_and_engine_may_die_at_the_same_moment(make, moment):
    async with make() as world:

        def both():
            world.kill_server()
            world.kill_engine_now()

        await dies(world, moment, both)
        await world.revive_server()
        await world.kill_engine()
        await world.live()
        await goes_on(world)


@behind_a_server
@pytest.mark.parametrize("dies_too", [False, True], ids=["the link breaks", "the engine dies"])
async def test_an_order_still_on_its_way_is_not_called_unsent(make, dies_too):
    """The server is asked for it, has never seen it, and then it comes."""
    async with make() as world:
        world.wire.next("late", "up", "order")
        if dies_too:
            world.moments.plan("order left", world.kill_engine_now)
        world.submit(500, 10.01)
        await world.until(lambda: world.late)
        if dies_too:
            await world.kill_engine()
            await world.live()
        await world.until(lambda: not world.late)  # which is when it was asked for
        assert world.moments.reached["outcome returned"]
        await world.is_status(OrderStatus.ACCEPTED)
        await goes_on(world)


@behind_a_server
@pytest.mark.parametrize("who", ["server", "engine"])
@pytest.mark.parametrize("where", ["leaves", "left", "returns", "returned"])
async def test_a_halt_is_true_whoever_dies_while_it_takes_orders_back(make, who, where):
    """What waited at the server is not placed, then or later; nobody takes one order for two."""
    async with make(deadline=10.0, within=10.0) as world:
        await world.works()
        _, *waiting = await world.jam(4)
        dead = asyncio.Event()
        kill = world.kill_server if who == "server" else world.kill_engine_now
        world.moments.plan(f"recall {where}", lambda: (kill(), dead.set()))
        world.broker.recall()
        await world.until(dead.is_set)
        if who == "server":
            await world.revive_server()
        else:
            await world.kill_engine()
            await world.live()
        world.bridge.jam(False)
        await goes_on(world)
        if where != "leaves":
            assert not {order.id for order in world.truth().orders} & set(waiting)


@pytest.mark.parametrize("skipped", [0, 3, 11])
@pytest.mark.parametrize("moment", ["order leaves", "order left", "order asked", "order returned"])
async def test_an_engine_whose_process_is_killed_has_written_down_whatever_it_sent(
    tmp_path, moment, skipped
):
    world = RemoteWorld(tmp_path)
    await world.open()
    await world.kill_engine()
    try:
        await world.wire_up()
        engine = EngineProcess(world.wire.url, tmp_path)
        for _ in range(skipped):
            world.moments.plan(moment, lambda: None)
        world.moments.plan(moment, engine.kill)
        while engine.lives:
            await world.until(lambda: not engine.lives or world.moments.reached["event returned"])
            world.moments.reached["event returned"] = 0
            world.quote()
        engine.bury()
        world.wire.die()
        sent = [e.order for e in journalled(tmp_path) if isinstance(e, OrderRequested)]
        assert len(sent) > skipped
        world.intents = {order.id: order for order in sent}
        await world.live()
        await goes_on(world)
        await world.is_true()
    finally:
        await world.close()
