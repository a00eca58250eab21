"""Days by the dice, with all that a human can ask for in between: lived again they are the same."""

from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random

import pytest
from asked import HandFeed
from builders import DAY, a_quote, moment
from busy import A, B

import qka
from qka import settings
from qka.ashare.sessions import phase_at
from qka.model.market import Phase
from qka.model.times import SECOND, at
from qka.replay.config import builder
from qka.replay.day import replay

BUSY = Path(__file__).with_name("busy.py")
NAMES = "Plain", "Async", "Emits"
BEGIN = "09:16:00", "09:23:30", "10:00:00", "11:28:00", "14:52:00"


def a_config(dice, folder):
    risk = {
        "position_ratio": dice.choice([0.1, 0.3, 1.0]),
        "stop_loss": dice.choice([None, 0.01, 0.03]),
        "trailing_stop": dice.choice([None, 0.02]),
        "max_losing_trades": dice.choice([None, 2]),
        "max_daily_loss": dice.choice([None, 0.002, 0.05]),
        "max_orders_per_minute": dice.choice([5, 60, 600]),
    }
    held = {A: {"quantity": 5000, "cost": 10.0}, B: {"quantity": 3000, "cost": 9.9}}
    return {
        "strategies": [{"use": f"{BUSY}:{name}", "name": name} for name in NAMES],
        "journal": {"record": True},
        "account": {"cash": 1_000_000, "positions": held},
        "risk": risk,
        "run": {"dir": str(folder / "runs")},
    }


def a_command(dice):
    ratio, loss, name = dice.choice([0.05, 0.9]), dice.choice(["null", 0.005]), dice.choice(NAMES)
    return dice.choice(
        [
            ["halt"], ["reduce"], ["resume"], ["resume"], ["flatten"], ["flatten", A],
            ["cancel-all"], ["buy", A, "300"], ["sell", B, "100", "9.95"],
            ["stop", name], ["start", name], ["start", name],
            ["set", f"risk.position_ratio={ratio}"], ["set", f"risk.stop_loss={loss}"],
            ["set", "risk.max_orders_per_minute=100"], ["set", "risk.take_profit=0.004"],
        ]
    )  # fmt: skip


class Market:
    """Two symbols that wander about; its snapshots come when the dice say."""

    def __init__(self, dice):
        self.dice = dice
        self.time, self.gap = moment(dice.choice(BEGIN)), dice.choice([3, 20, 60])
        self.books = {s: [price, 100_000, 1e6, price, price] for s, price in ((A, 10.0), (B, 9.9))}

    def quote(self):
        dice = self.dice
        self.time += dice.choice([1, 3, self.gap, self.gap, 9]) * SECOND
        symbol = dice.choice([A, B])
        last, volume, amount, high, low = self.books[symbol]
        last = round(min(10.9, max(9.1, last + dice.choice([-0.02, -0.01, 0, 0.01, 0.02]))), 2)
        traded = dice.choice([0, 100, 5000, 20_000])
        volume, amount = volume + traded, amount + traded * last
        self.books[symbol] = [last, volume, amount, max(high, last), min(low, last)]
        phase = Phase.HALTED if dice.random() < 0.03 else phase_at(self.time)
        return a_quote(
            last, symbol=symbol, time=self.time, phase=int(phase), volume=volume, amount=amount,
            high=max(high, last), low=min(low, last),
        )  # fmt: skip


@pytest.mark.parametrize(
    "seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 60))]
)
async def test_a_day_of_orders_and_commands_by_the_dice_is_the_same_again(tmp_path, seed):
    dice = Random(seed)
    config, market = a_config(dice, tmp_path), Market(dice)
    engine = qka.Engine.from_config(config)
    engine.feed = HandFeed(engine.clock)
    async with engine:
        for _ in range(120):
            await engine.feed.push(market.quote())
            if dice.random() < 0.15:
                command, *words = a_command(dice)
                with suppress(qka.ConfigError):  # it makes no sense just now
                    engine.operator.ask(command, words, who="the dice")
        theirs, ours = engine.broker.books(), engine.ledger
        held = [(p.symbol, p.quantity, p.today) for p in theirs.positions]
    assert engine.faults == frozenset()
    assert held == [(p.symbol, p.quantity, p.today) for p in ours.positions()]
    assert theirs.asset.cash == ours.asset.cash
    build = builder(settings.from_mapping(config), tmp_path / "config.yaml")
    outcome = await replay(DAY, engine.records.path, build)
    assert outcome.divergence is None, outcome
    assert outcome.counts["Signal"] > 20


@pytest.mark.parametrize("period", ["1m", "1d"])
async def test_recorded_bars_fill_again_what_they_filled(tmp_path, period):
    days = [*range(5, 10), *range(12, 17)]
    times = [moment(f"10:{m:02d}") for m in range(60)]
    if period == "1d":
        times = [at(date(2026, 1, day), "15:00") for day in days]
    head = "time,open,high,low,close,volume,amount"
    rows = [f"{t // 1_000_000},10.0,10.05,9.95,10.0,50,50000" for t in times]
    for symbol in (A, B):
        (tmp_path / f"{symbol}.csv").write_text("\n".join([head, *rows]) + "\n")
    config = {
        "feed": {"kind": "replay", "path": str(tmp_path)},
        "strategies": [{"use": f"{BUSY}:Bars", "name": "Bars", "bars": period}],
        "journal": {"record": True},
        "account": {"cash": 1_000_000},
        "run": {"dir": str(tmp_path / "runs")},
    }
    engine = qka.Engine.from_config(config)
    await engine.run_async()
    build = builder(settings.from_mapping(config), tmp_path / "config.yaml")
    outcome = await replay(DAY, engine.records.path, build)
    assert outcome.divergence is None, outcome
    held = [engine.ledger.deals.of(date(2026, 1, day)) for day in days]
    assert sum(map(len, held)) > 3
