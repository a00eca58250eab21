"""A day on which a human stepped in is the same again: his word is an input like any other."""

import pytest
from asked import asked
from builders import DAY
from qmt import a_terminal, eventually
from replays import SYMBOL, Floor, S

import qka
from qka import settings
from qka.limits import InForce
from qka.model.events import TradingState
from qka.replay.config import builder
from qka.replay.day import replay


class Buyer(qka.Strategy):
    """Buys at every quote, below the market."""

    symbols = [SYMBOL]

    def on_start(self):
        self.seen = []

    def on_quote(self, quote):
        self.seen.append(quote.last)
        self.buy(SYMBOL, 100, quote.last - 0.05)


class Limited(Floor):
    """With the limits of a config."""

    def _with(self, kind, **edges):
        engine = super()._with(kind, **edges)
        InForce(engine, settings.from_mapping({"risk": {"position_ratio": None}}), [])
        return engine


@pytest.fixture
def floor(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Limited(terminal, tmp_path, Buyer)


async def test_a_limit_that_was_set_today_holds_over_a_restart_and_in_its_replay(floor):
    async with floor.engine() as engine:
        await floor.heard(10.0)
        engine.operator.ask("set", ["risk.max_notional=500"], who="li@desk", why="thin market")
        assert engine.journal.waiting == 0  # it was on the disk before it was answered
        await floor.heard(10.1)
        await floor.ends(engine, S.ACCEPTED, S.DENIED)
    async with floor.engine() as engine:
        assert "at most 500.00 CNY" in engine.gate.names
        await floor.heard(10.2)
        await floor.ends(engine, S.ACCEPTED, S.DENIED)  # the denied one of before is history
        assert any("risk.max_notional=500" in alert for alert in engine.summary()["alerts"])
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert (outcome.runs, outcome.counts["OrderDenied"]) == (2, 2)


async def test_what_a_human_asked_for_is_done_again_at_its_place(floor):
    async with floor.engine() as engine:
        ask = engine.operator.ask
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)  # else the halt may take it back
        ask("halt", who="li@desk", why="a doubt")
        await floor.heard(10.1)
        with pytest.raises(qka.ConfigError):
            ask("explode", who="li@desk")
        ask("resume", who="li@desk", why="no doubt")
        assert engine.journal.waiting == 0  # what is answered is not lost in a crash
        ask("buy", [SYMBOL, "200", "9.9"], who="li@desk", why="by hand")
        await floor.heard(10.2)
        await floor.ends(engine, S.ACCEPTED, S.DENIED, S.ACCEPTED, S.ACCEPTED)
        ask("set", ["risk.max_notional=500"], who="wang@home", why="it is late")
        await floor.heard(10.3)
        ask("cancel-all", who="li@desk")
        await floor.ends(engine, S.CANCELLED, S.DENIED, S.CANCELLED, S.CANCELLED, S.DENIED)
        ask("set", ["risk.max_notional=null"], who="wang@home")
        await floor.heard(10.4)
        await floor.ends(engine, *[o.status for o in engine.ledger.orders.values()][:5], S.ACCEPTED)
        ask("flatten", who="li@desk", why="the end")
        await eventually(lambda: not engine.operator.flattener.rows()[1]["waits"])
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.counts == {
        "Signal": 7,
        "OrderRequested": 4,
        "OrderDenied": 3,
        "CancelRequested": 4,
    }


def halted(engine):
    engine.operator.ask("halt", who="li@desk")


def at_fault(engine):
    engine.fault("something is wrong")


def held(engine):
    engine.switch.hold("the books differ")


@pytest.mark.parametrize("stops", [halted, at_fault, held])
async def test_an_order_that_has_not_left_when_the_trading_is_halted_never_does(floor, stops):
    async with floor.engine() as engine:
        sent = engine.operator.ask("buy", [SYMBOL, "200", "9.9"], who="li@desk")
        stops(engine)
        await eventually(lambda: engine.ledger.order(sent.id).status is S.REJECTED)
        order = engine.ledger.order(sent.id)
        assert order.reason == "not sent: the trading was halted before its turn came"


async def test_a_loss_that_trips_while_the_account_is_held_does_not_lift_the_hold(floor):
    async with floor.engine() as engine:
        engine.switch.hold("the books differ")
        engine.switch.trip("too much was lost")
        engine.operator.ask("reduce", who="li@desk")
        await floor.heard(10.0)
        with pytest.raises(qka.ConfigError, match="held: the books differ"):
            engine.operator.ask("resume", who="li@desk")
        assert engine.trading is TradingState.REDUCING
        assert engine.ledger.trading is TradingState.HALTED
        engine.switch.release()
        assert engine.ledger.trading is TradingState.REDUCING
        await floor.heard(10.1)
    assert {order.status for order in engine.ledger.orders.values()} == {S.DENIED}


async def test_a_run_by_a_config_with_every_kind_of_command_is_the_same_again(tmp_path):
    config = {
        "strategies": [{"use": f"{__file__}:Buyer", "name": "buyer"}],
        "journal": {"record": True},
        "account": {"positions": {SYMBOL: {"quantity": 500, "cost": 10.0}}},
    }
    async with asked(tmp_path, **config) as there:
        for command in (
            ["halt"], ["resume"], ["buy", SYMBOL, 200, 10.01], ["stop", "buyer"],
            ["start", "buyer"], ["set", "risk.max_quantity=300"], ["cancel-all"], ["flatten"],
        ):  # fmt: skip
            await there.command(*command, why="to be had again")
            await there.quote()
    chosen = settings.from_mapping({**config, "monitor": {"enabled": True}})
    build = builder(chosen, tmp_path / "config.yaml")
    outcome = await replay(DAY, there.engine.records.path, build)
    assert outcome.divergence is None, outcome
    assert outcome.told == []
    assert outcome.counts["OrderRequested"] >= 4
    assert outcome.counts["CancelRequested"] >= 2
