"""A day that was lived is lived again, decision by decision."""

import asyncio

import pytest
from qmt import a_terminal
from replays import SYMBOL, Floor, S

import qka


class Trader(qka.Strategy):
    """Buys when a price it has not seen comes, sells at 11; its memory goes with a restart."""

    symbols = [SYMBOL]

    def on_start(self):
        self.seen = []
        self.every("1s", self.look)

    def look(self):
        self.state["looks"] = self.state.get("looks", 0) + 1

    def on_quote(self, quote):
        new = quote.last not in self.seen
        self.seen.append(quote.last)
        if quote.last == 10.5:
            self.cancel_all(reason="it rose")
        elif quote.last > 10.8:
            self.sell(SYMBOL, 50, reason="it is dear")
        elif new:
            self.buy(SYMBOL, 100, quote.last - 0.05, reason=f"{quote.last} is new")

    def on_fill(self, fill):
        self.state["filled"] = self.state.get("filled", 0) + fill.quantity


@pytest.fixture
def floor(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Floor(terminal, tmp_path, Trader)


async def a_morning(floor):
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        await floor.heard(10.2)
        await floor.ends(engine, S.ACCEPTED, S.ACCEPTED)
        await floor.heard(10.01, ask_prices=[9.96, 9.97, 9.98, 9.99, 10.0])
    async with floor.engine() as engine:
        await floor.heard(10.2)
        await floor.heard(10.5)
        await floor.heard(11.0)


async def test_a_day_with_a_restart_is_the_same_again(floor):
    await a_morning(floor)
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.told == []
    assert outcome.runs == 2
    assert outcome.counts["OrderRequested"] >= 3
    assert outcome.counts["OrderDenied"] >= 1
    assert outcome.counts["CancelRequested"] >= 1
    again = await floor.replay()
    assert again.hash == outcome.hash


class Eager(Trader):
    """The same, and from the second price on it buys more."""

    def buy(self, symbol, quantity, price=None, **more):
        return super().buy(symbol, 200 if len(self.seen) > 1 else quantity, price, **more)


class Idle(Trader):
    """Has been taught to do nothing."""

    def on_quote(self, quote):
        pass


async def test_a_changed_strategy_is_told_where_it_first_went_another_way(floor):
    await a_morning(floor)
    outcome = await floor.replay(lambda: Eager(name="Trader"))
    found = outcome.divergence
    assert (found.then.quantity, found.now.quantity) == (100, 200)
    assert found.causes[-1].entry.last == 10.2
    assert outcome.counts == {"Signal": 1, "OrderRequested": 1}


async def test_a_decision_that_is_missing_is_told(floor):
    await a_morning(floor)
    found = (await floor.replay(lambda: Idle(name="Trader"))).divergence
    assert found.then.reason == "10.0 is new"
    assert found.now is None


class Patient(Trader):
    """Thinks for a turn of the loop before it decides, and starts slowly too."""

    async def on_start(self):
        await asyncio.sleep(0)
        super().on_start()

    async def on_quote(self, quote):
        await asyncio.sleep(0)
        super().on_quote(quote)


async def test_async_handlers_decide_at_their_own_turn(floor):
    floor.traders = (Patient,)
    await a_morning(floor)
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.counts["OrderRequested"] >= 3


async def test_story(floor):
    from qka.cli.why import _show
    from qka.replay.story import tell

    await a_morning(floor)
    from qka.replay.records import opened

    with opened(floor.path) as r:
        ids = [x.event.order.id for x in r.orders("")]
    for i in ids:
        _show(tell(floor.path, i))
