"""One strategy is stopped, changed and started again while the others trade."""

import pytest
from asked import asked
from builders import SYMBOL
from qmt import a_terminal, eventually
from replays import Floor
from stage import journalled

import qka
from qka.model.events import Signal
from qka.model.order import OrderStatus as S


class Bidder(qka.Strategy):
    """Bids at each quote, so much below the market."""

    class Params(qka.Params):
        below: float = 0.1
        shares: int = 100

    symbols = [SYMBOL]

    def on_start(self):
        self.state["starts"] = self.state.get("starts", 0) + 1
        self.first = self.params.below

    def on_quote(self, quote):
        self.cancel_all()
        self.buy(SYMBOL, self.params.shares, round(quote.last - self.params.below, 2))


CONFIG = {
    "strategies": [
        {"use": f"{__file__}:Bidder", "name": "one", "params": {"below": 0.2}},
        {"use": f"{__file__}:Bidder", "name": "two two"},
    ]
}


def placed(there, name):
    return [order for order in there.orders if order.strategy == name]


async def test_a_stopped_strategy_hears_nothing_and_its_orders_are_cancelled(tmp_path):
    async with asked(tmp_path, **CONFIG) as there:
        await there.quote()
        done = await there.command("stop", "one", why="it is wrong")
        assert done == {"strategy": "one", "state": "stopped"}
        before = len(placed(there, "one"))
        await there.quote()
        await there.quote()
        assert len(placed(there, "one")) == before
        assert {order.status for order in placed(there, "one")} == {S.CANCELLED}
        assert len(placed(there, "two two")) == 4
        seen = {s["name"]: (s["state"], s["why"]) for s in (await there.status())["strategies"]}
        assert seen["one"] == ("stopped", "by li@desk: it is wrong")
        assert seen["two two"] == ("running", "")
        with pytest.raises(qka.ConfigError, match="stopped already"):
            await there.command("stop", "one")
    assert there.engine.faults == frozenset()


async def test_it_is_started_again_made_anew_with_its_state(tmp_path):
    async with asked(tmp_path, **CONFIG) as there:
        (old, _) = there.engine.strategies
        await there.command("stop", "one")
        await there.command("params", "one", "below=0.3")
        done = await there.command("start", "one")
        assert done == {"strategy": "one", "state": "running", "why": ""}
        (fresh, _) = there.engine.strategies
        assert fresh is not old
        assert fresh.state["starts"] == 2
        assert (fresh.params.below, fresh.first) == (0.3, 0.3)
        await there.quote()
        assert placed(there, "one")[-1].price == 9.7
        assert (
            placed(there, "one")[-1].status is S.ACCEPTED or not placed(there, "one")[-1].is_final
        )
        with pytest.raises(qka.ConfigError, match="runs already"):
            await there.command("start", "one")


async def test_parameters_change_from_the_next_event_on(tmp_path):
    async with asked(tmp_path, **CONFIG) as there:
        done = await there.command("params", "two two", "below=0.5", "shares=200")
        assert done["params"] == {"below": 0.5, "shares": 200}
        await there.quote()
        order = placed(there, "two two")[-1]
        assert (order.price, order.quantity) == (9.5, 200)
        assert there.engine.strategies[1].first == 0.1  # what on_start made of them


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stop", "three"], "there are one, two two"),
        (["stop"], "(missing)"),
        (["start", "one"], "runs already"),
        (["params", "one"], "KEY=VALUE"),
        (["params", "one", "below"], "KEY=VALUE"),
        (["params", "one", "below=low"], "parameter below"),
        (["params", "one", "bellow=1"], "did you mean below?"),
        (["params", "one", "__class__=1", "x"], "KEY=VALUE"),
    ],
)
async def test_what_can_not_be_is_refused_and_changes_nothing(tmp_path, words, said):
    async with asked(tmp_path, **CONFIG) as there:
        before = there.engine.records.head
        with pytest.raises(qka.ConfigError) as refused:
            await there.command(*words)
        assert said in str(refused.value)
        assert there.engine.records.head == before


class Lame(Bidder):
    """Starts once."""

    def on_start(self):
        super().on_start()
        if self.state["starts"] > 1:
            raise RuntimeError("not again")


async def test_one_that_fails_to_start_again_is_stopped(tmp_path):
    config = {"strategies": [{"use": f"{__file__}:Lame", "name": "lame"}]}
    async with asked(tmp_path, **config) as there:
        await there.command("stop", "lame")
        done = await there.command("start", "lame")
        assert done == {"strategy": "lame", "state": "stopped", "why": "it failed to start"}
        await there.quote()
        assert len(placed(there, "lame")) == 1


async def test_one_that_a_program_registered_can_not_be_made_anew(tmp_path):
    async with asked(tmp_path, Bidder()) as there:
        await there.command("stop", "Bidder")
        with pytest.raises(qka.ConfigError, match="registered by a program"):
            await there.command("start", "Bidder")


class Rebuilt(Floor):
    """Its strategies can be made anew, live and replayed."""

    def _with(self, kind, **edges):
        traders, self.traders = self.traders, ()
        engine = super()._with(kind, **edges)
        self.traders = traders
        for trader in traders:
            engine.register(trader(), build=lambda params, trader=trader: trader(**params))
        self.strategies = engine.strategies
        return engine


async def test_a_replay_stops_changes_and_starts_it_at_the_same_place(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        floor = Rebuilt(terminal, tmp_path, Bidder)
        async with floor.engine() as engine:

            def ask(*words):
                return engine.operator.ask(words[0], words[1:], who="li@desk")

            def signals():
                return engine.tally.book("Bidder").signals

            floor.quote(10.0)
            await eventually(lambda: signals() == 1)
            ask("params", "Bidder", "below=0.3")
            floor.quote(10.1)
            await eventually(lambda: signals() == 2)
            ask("stop", "Bidder")
            floor.quote(10.2)
            await eventually(lambda: engine.ledger.price(SYMBOL) == 10.2)
            ask("start", "Bidder")
            floor.quote(10.3)
            await eventually(lambda: signals() == 3)
            await eventually(lambda: all(o.broker_id for o in engine.ledger.working()))
        prices = [e.price for e in journalled(floor.path) if isinstance(e, Signal)]
        assert prices == [9.9, 9.8, 10.0]
        outcome = await floor.replay()
        assert outcome.divergence is None, outcome
        assert outcome.counts["OrderRequested"] == 3


@pytest.mark.parametrize("name", ["operator", "stops"])
def test_no_strategy_has_a_name_that_our_own_orders_have(tmp_path, name):
    config = {"strategies": [{"use": f"{__file__}:Bidder", "name": name}]}
    with pytest.raises(qka.ConfigError, match="give it another"):
        qka.Engine.from_config(config)
