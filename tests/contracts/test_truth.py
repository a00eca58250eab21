"""The judge of all the others is no fool: what it must not overlook, done on purpose."""

import pytest
from campaign import play_all
from schedules import Schedule, Step
from serving import ACCOUNT
from worlds import BOUGHT, RemoteWorld

from qka.brokers.words import FIX_PRICE, STOCK_BUY
from qka.model.events import Fill, OrderAccepted, OrderRejected
from qka.model.order import OrderStatus


@pytest.fixture
async def world(tmp_path):
    """One order of ours is filled, another one works."""
    world = RemoteWorld(tmp_path)
    try:
        await world.open()
        world.submit(500, 10.01)
        world.submit(300, 9.5)
        await world.is_status(OrderStatus.ACCEPTED, "o2")
        world.quote()
        await world.is_status(OrderStatus.FILLED)
        await world.is_true()
        yield world
    finally:
        await world.close()


def places(world, remark, quantity=100):
    """An order at the terminal that no broker of ours has sent."""
    world.terminal.order(ACCOUNT, BOUGHT, STOCK_BUY, quantity, FIX_PRICE, 9.5, "", remark)


def found(world, words):
    return any(words in problem for problem in world.problems())


async def test_an_order_that_is_there_twice(world):
    places(world, "o1", 500)
    assert found(world, "o1 was sent twice")


async def test_an_order_that_nobody_sent(world):
    places(world, "o9")
    assert found(world, "'o9' is there and nobody sent it")


async def test_an_order_that_is_another_one(world):
    world.intents["o2"] = world.intents["o1"]
    assert found(world, "is not what was sent")


async def test_an_order_that_is_there_and_was_called_refused(world):
    world.life.hear(OrderRejected(world.clock.now(), "o2", "a lie"))
    assert found(world, "o2 is accepted, the ledger has rejected")


async def test_an_order_that_is_not_there_and_is_called_accepted(world):
    world.wire.stall()
    lost = world.submit()
    world.life.hear(OrderAccepted(world.clock.now(), lost, "7"))
    assert found(world, f"{lost} is accepted and is not there")


async def test_an_order_under_a_wrong_number(world):
    world.life.hear(OrderAccepted(world.clock.now(), "o2", "1"))
    assert found(world, "o2 is number 2, not 1")


async def test_an_order_that_the_engine_forgot(world):
    del world.ledger.orders["o1"]
    assert found(world, "the engine forgot {'o1'}")


async def test_a_fill_that_was_not_told(world):
    hear = world.life.hear
    world.life.hear = lambda event: None
    world.broker._sink = lambda event: None if type(event) is Fill else hear(event)
    world.quote(9.48)
    await world.until(lambda: world.truth().deals.total() == 2)
    assert found(world, "deals: missing {('o2', 9.5, 300): 1}")
    assert found(world, "cash is")
    assert found(world, "shares are")


@pytest.mark.parametrize("again", [{}, {"deal_id": "another"}], ids=["as it was", "renamed"])
async def test_a_fill_that_was_told_twice(world, again):
    fields = {name: getattr(world.life.of(Fill, "o1")[0], name) for name in Fill.__struct_fields__}
    world.life.hear(Fill(**{**fields, **again}))
    assert found(world, "told twice" if not again else "too many")


async def test_a_fill_at_a_wrong_price_costs_its_cents(world):
    fill = world.life.of(Fill, "o1")[0]
    world.life.fills["o1", fill.deal_id] = type(fill)(
        fill.time, "o1", fill.deal_id, fill.symbol, fill.side, 10.0, fill.quantity, fill.fees
    )
    assert found(world, "too many {('o1', 10.0, 500): 1}")


async def test_a_schedule_that_fails_says_where_and_how_to_play_it_again():
    (told,) = await play_all([Schedule("paper", 7, {}, {}, [Step("misspelt", {"nth": 1})])])
    assert "at misspelt(nth=1), lives 1" in told
    assert "pytest tests/contracts/test_campaign.py --schedule paper:7" in told
