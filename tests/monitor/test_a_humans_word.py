"""What nobody knows, and a human does: told to an engine while it runs."""

import pytest
from asked import Watcher, asked
from builders import SYMBOL, a_fill
from qmt import eventually
from stage import journalled

import qka
from qka.model.events import OrderUnknown, TradingState
from qka.model.order import OrderStatus as S


async def an_unknown_order(there, quantity=1000):
    order = (await there.command("buy", SYMBOL, quantity, 9.5))["order"]
    engine = there.engine
    engine.tell(OrderUnknown(engine.clock.now(), order["id"], "no answer came"))
    assert engine.ledger.order(order["id"]).status is S.UNKNOWN
    return order["id"]


async def test_an_unknown_order_gets_the_end_a_human_saw(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        lost = await an_unknown_order(there)
        frozen = (await there.status())["account"]["available"]
        done = await there.command("resolve", lost, "cancelled", 300, 9.4, why="the terminal says")
        assert (done["order"]["status"], done["order"]["filled"]) == ("cancelled", 300)
        seen = await there.status()
        assert seen["orders"] == []
        assert seen["account"]["available"] > frozen
        (held,) = seen["positions"]
        assert (held["symbol"], held["quantity"]) == (SYMBOL, 300)
    told = journalled(there.engine.records.path)
    kinds = [getattr(event, "command", type(event).__name__) for event in told]
    first = kinds.index("resolve")
    assert kinds[first : first + 3] == ["resolve", "Fill", "OrderCancelled"]


async def test_the_brokers_deals_that_prove_a_humans_word_are_not_booked_again(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        lost = await an_unknown_order(there)
        await there.command("resolve", lost, "cancelled", 300, 9.4)
        ledger, now = there.engine.ledger, there.engine.clock.now()
        cash = ledger.asset.cash
        for deal, shares in (("7", 200), ("8", 100), ("8", 100)):
            there.engine.tell(a_fill(shares, 9.4, order_id=lost, deal_id=deal, time=now))
        assert (ledger.position(SYMBOL).quantity, ledger.asset.cash) == (300, cash)
        assert ledger.order(lost).filled == 300
        told = [a for a in there.engine.summary()["alerts"] if "proves what a human said" in a]
        assert len(told) == 2
        there.engine.tell(a_fill(100, 9.4, order_id=lost, deal_id="9", time=now))
        assert ledger.position(SYMBOL).quantity == 400  # of this one he had not heard


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone"], "it is one of filled"),
        (["filled", 1001], "only 1000"),
        (["filled", 300], "say how the rest ended"),
        (["filled", 0, 9.6], "can't trade there"),
        (["filled", -1], "whole number"),
        ([], "how it ended"),
    ],
)
async def test_a_word_that_makes_no_sense_changes_nothing(tmp_path, words, said):
    async with asked(tmp_path, Watcher()) as there:
        lost = await an_unknown_order(there)
        with pytest.raises(qka.ConfigError) as refused:
            await there.command("resolve", lost, *words)
        assert said in str(refused.value)
        assert there.engine.ledger.order(lost).status is S.UNKNOWN


async def test_an_order_of_which_the_broker_will_speak_gets_no_word(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        order = (await there.command("buy", SYMBOL, 100, 9.5))["order"]
        with pytest.raises(qka.ConfigError, match="not unknown: the broker tells"):
            await there.command("resolve", order["id"], "rejected")


async def test_differences_are_accepted_while_it_runs_and_the_trading_goes_on(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        engine = there.engine
        with pytest.raises(qka.ConfigError, match="nothing differs"):
            await there.command("accept", "ffffff")
        engine.broker.grant(SYMBOL, 100, 0)
        for _ in range(2):
            await engine.reconciler.look()
        trading = (await there.status())["trading"]
        assert (trading["state"], trading["told"], trading["held"]) == ("halted", "active", True)
        with pytest.raises(qka.ConfigError, match="held: the account is not what the journal"):
            await there.command("resume")
        with pytest.raises(qka.ConfigError, match=engine.reconciler.told):
            await there.command("accept", "ffffff")
        mark = engine.reconciler.told
        assert f"qka accept CONFIG {mark}" in trading["why"]
        done = await there.command("accept", mark, why="bonus shares")
        assert "500 shares  600 shares  nothing" in done["table"]
        await eventually(lambda: not engine.switch.held)
        assert engine.ledger.trading is TradingState.ACTIVE
        assert engine.ledger.position(SYMBOL).quantity == 600


async def test_a_halt_that_was_told_while_it_is_held_outlives_the_hold(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        engine = there.engine
        engine.broker.grant(SYMBOL, 100, 0)
        for _ in range(2):
            await engine.reconciler.look()
        await there.command("halt", why="to be sure")
        await there.command("accept", engine.reconciler.told)
        await eventually(lambda: not engine.switch.held)
        assert engine.ledger.trading is TradingState.HALTED
        assert (await there.status())["trading"]["why"] == "li@desk: to be sure"
