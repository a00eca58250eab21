"""A human steps in: what a command does, what it answers, and what the journal says of it."""

import asyncio
import random

import pytest
from asked import Eager, Watcher, asked
from builders import SYMBOL
from qmt import eventually
from stage import journalled

import qka
from qka.journal.port import Note
from qka.journal.reading import readable, rows
from qka.model.events import EngineState, OperatorCommand, OrderRequested, TradingState
from qka.model.order import OrderStatus as S

FREE = {
    "risk": {
        "max_orders_per_minute": None,
        "max_orders_per_second": None,
        "programme": {"per_second": None, "per_day": None},
    }
}


def commands(there):
    return [e for e in journalled(there.engine.records.path) if isinstance(e, OperatorCommand)]


async def test_halted_reduced_and_resumed_with_who_and_why(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        done = await there.command("halt", why="the market is mad")
        assert done == {"trading": "halted", "was": "active"}
        state = (await there.status())["trading"]
        assert (state["state"], state["why"]) == ("halted", "li@desk: the market is mad")
        await there.command("reduce")
        assert there.engine.ledger.trading is TradingState.REDUCING
        done = await there.command("resume", why="it is quiet")
        assert done == {"trading": "active", "was": "reducing", "why": "li@desk"}
        with pytest.raises(qka.ConfigError, match="active already"):
            await there.command("resume")
    told = [(c.command, c.who, c.why) for c in commands(there)]
    assert told == [
        ("halt", "li@desk", "the market is mad"),
        ("reduce", "li@desk", ""),
        ("resume", "li@desk", "it is quiet"),
    ]
    alerts = there.engine.summary()["alerts"]
    assert alerts[0] == "operator: HALTED by li@desk: the market is mad"


async def test_a_command_is_in_the_journal_before_what_it_does(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        await there.command("buy", SYMBOL, 100, 9.5, why="by hand")
        await there.command("halt")
    kinds = [type(event).__name__ for event in journalled(there.engine.records.path)]
    first = kinds.index("OperatorCommand")
    assert kinds[first : first + 3] == ["OperatorCommand", "Signal", "OrderRequested"]
    second = kinds.index("OperatorCommand", first + 1)
    assert "EngineState" in kinds[second:]


async def test_an_order_by_hand_passes_the_gate_and_is_the_operators(tmp_path):
    async with asked(tmp_path, Watcher(), risk={"position_ratio": 0.01}) as there:
        order = (await there.command("buy", SYMBOL, 100, 10.01, why="a test"))["order"]
        assert (order["strategy"], order["status"]) == ("operator", "submitting")
        await there.quote()
        assert there.engine.ledger.position(SYMBOL).quantity == 100
        order = (await there.command("buy", SYMBOL, 5000))["order"]
        assert order["status"] == "denied"
        assert "exceed 1.00% of" in order["reason"]
        order = (await there.command("sell", SYMBOL, 100))["order"]
        assert order["status"] == "denied"  # bought today
    book = there.engine.summary()["strategies"]["operator"]
    assert (book["orders"], book["fills"]) == (1, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["buy"], "SYMBOL QUANTITY"),
        (["buy", SYMBOL], "SYMBOL QUANTITY"),
        (["buy", "600000", 100], "600000"),
        (["buy", SYMBOL, 0], "above 0"),
        (["buy", SYMBOL, -100], "whole number"),
        (["buy", SYMBOL, "1e3"], "whole number"),
        (["buy", SYMBOL, "9" * 30], "whole number"),
        (["sell", SYMBOL, 100, "nan"], "above 0"),
        (["sell", SYMBOL, 100, "0"], "above 0"),
        (["sell", SYMBOL, 100, 10, 11], "SYMBOL QUANTITY PRICE"),
        (["halt", "now"], "nothing is to follow"),
        (["cancel-all", "600000.XX"], "600000.XX"),
        (["cancel"], "ORDER"),
        (["cancel", "nobodys"], "nobodys: no order that works"),
        (["explode"], "there is halt"),
        (["set", "risk.max_notional"], "KEY=VALUE"),
        (["set", "risk.max_notionl=1"], "did you mean max_notional?"),
    ],
)
async def test_words_without_sense_change_nothing_and_are_not_written(tmp_path, words, said):
    async with asked(tmp_path, Watcher()) as there:
        before = there.engine.records.head
        with pytest.raises(qka.ConfigError) as refused:
            await there.command(*words)
        assert said in str(refused.value)
        assert there.engine.records.head == before
        assert there.orders == []


async def test_everything_that_works_is_taken_back(tmp_path):
    async with asked(tmp_path, Eager(), **FREE) as there:
        await there.quote()
        await there.quote(symbol="000001.SZ")
        await there.command("buy", "000001.SZ", 100, 9.5)
        await there.quote(symbol="000001.SZ")
        assert [o.status for o in there.orders] == [S.ACCEPTED] * 3
        done = await there.command("cancel-all", "000001.SZ")
        assert len(done["orders"]) == 1
        done = await there.command("cancel-all", why="enough")
        assert [o["what"] for o in done["orders"]] == [
            "its cancel is asked for",
            "its cancel is asked for",
            "its cancel was asked for before",
        ]
        await there.command("halt")
        await there.quote()
        assert {o.status for o in there.orders if o.status is not S.DENIED} == {S.CANCELLED}
        assert (await there.command("cancel-all"))["orders"] == []


async def test_one_order_is_taken_back(tmp_path):
    async with asked(tmp_path, Eager(), **FREE) as there:
        await there.quote()
        await there.quote()
        first, second, *_ = there.orders
        done = await there.command("cancel", first.id, why="too high")
        assert done["orders"] == [{"id": first.id, "what": "its cancel is asked for"}]
        await there.quote()
        ledger = there.engine.ledger
        assert ledger.order(first.id).status is S.CANCELLED
        assert ledger.order(second.id).status is S.ACCEPTED
        with pytest.raises(qka.ConfigError, match="nothing was cancelled"):
            await there.command("cancel", second.id, first.id)
        await there.quote()
        assert ledger.order(second.id).status is S.ACCEPTED


async def test_a_limit_is_shown_and_changed(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        assert (await there.ask("GET", "/limits"))["max_notional"] is None
        assert await there.command("set", "risk.max_notional=500", why="thin") == {
            "set": "risk.max_notional",
            "value": "500",
        }
        assert (await there.ask("GET", "/limits"))["max_notional"] == "500"
        order = (await there.command("buy", SYMBOL, 100, 9.5))["order"]
        assert order["reason"].startswith("100 600000.SH come to 950.00 CNY")


async def test_no_order_leaves_once_a_halt_is_acknowledged(tmp_path):
    """At any moment: quotes come as they like while somebody halts and resumes."""
    seed = 20260105
    rng = random.Random(seed)
    async with asked(tmp_path, Eager(), **FREE) as there:
        going = True

        async def market():
            while going:
                await there.quote()
                for _ in range(rng.randrange(5)):
                    await asyncio.sleep(0)

        quotes = asyncio.create_task(market())
        for _ in range(40):
            await there.command("halt")
            sent = len([o for o in there.orders if o.status is not S.DENIED])
            await asyncio.gather(*(there.status() for _ in range(rng.randrange(1, 3))))
            assert len([o for o in there.orders if o.status is not S.DENIED]) == sent, seed
            await there.command("resume")
            await there.status()
        going = False
        await quotes
    halted, sent, refused = False, 0, 0
    for event in journalled(there.engine.records.path):
        if isinstance(event, EngineState):
            halted = event.trading is TradingState.HALTED
        elif isinstance(event, OrderRequested):
            assert not halted
            sent += 1
        refused += type(event).__name__ == "OrderDenied"
    assert sent > 40
    assert refused > 40


class Thinker(qka.Strategy):
    """Thinks for as long as it is let, then buys."""

    symbols = [SYMBOL]

    def on_start(self):
        self.thought = asyncio.Event()

    async def on_quote(self, quote):
        await self.thought.wait()
        self.buy(SYMBOL, 100, 9.9, reason="at last")


async def test_a_halt_comes_through_while_an_async_handler_is_slow(tmp_path):
    thinker = Thinker()
    async with asked(tmp_path, thinker) as there:
        await there.command("halt")
        thinker.thought.set()
        await eventually(lambda: there.orders)
        (order,) = there.orders
        assert (order.status, order.reason) == (S.DENIED, "trading is halted: only cancels pass")


async def test_a_halt_outlives_the_run(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        await there.command("halt", why="for the night")
    with readable(there.engine.records.path) as (connection, _):
        (last,) = [r for r in rows(connection) if r.kind == Note.TRADING]
    assert last.value == {"trading": "halted", "reason": "li@desk: for the night"}


async def test_a_run_that_has_ended_can_not_be_asked(tmp_path):
    async with asked(tmp_path, Watcher()) as there:
        file = there.engine.folder / "control.json"
        assert file.stat().st_mode & 0o077 == 0
    assert not file.exists()
    with pytest.raises(qka.ConfigError, match="has ended"):
        await there.status()


async def test_the_status_is_all_that_there_is_to_see(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        await there.command("sell", SYMBOL, 200, 10.5)
        await there.quote(10.2)
        seen = await there.status()
    assert seen["time"] == "2026-01-05 10:00:06"
    assert seen["running"] is True
    assert seen["phase"] == {"day": "2026-01-05", "phase": "continuous"}
    assert seen["account"]["cash"] == 1_000_000
    (held,) = seen["positions"]
    assert (held["quantity"], held["sellable"], held["value"]) == (500, 300, 5100.0)
    (order,) = seen["orders"]
    assert (order["side"], order["quantity"], order["status"]) == ("sell", 200, "accepted")
    names = {each["name"]: each["state"] for each in seen["strategies"]}
    assert names == {"Watcher": "running", "operator": ""}
