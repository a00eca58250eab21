"""Days on which much goes wrong, by seeds: whatever happened, the day is the same again."""

import asyncio
from random import Random

import pytest
from builders import a_quote, moment
from qmt import a_terminal
from replays import SYMBOL, Floor

import qka
from qka.terminal.faults import Faults

SEEDS = range(6)
RATES = {
    "push_lost": 0.05,
    "push_twice": 0.2,
    "push_swapped": 0.2,
    "reply_late": 0.3,
    "reply_lost": {"order": 0.05, "cancel": 0.05},
    "dropped": {"order": 0.05},
    "refused": 0.05,
    "junked": 0.05,
    "cancel_refused": 0.2,
    "disconnect_after": {"order": 0.02},
    "quote_lost": 0.1,
    "quote_twice": 0.1,
}


class Moody(qka.Strategy):
    """Decides by what it hears, in every way there is; its memory is in itself."""

    symbols = [SYMBOL]

    def on_start(self):
        self.heard = 0
        self.every("1s", self.act)

    def act(self):
        self.heard += 1
        self.order_target_ratio(SYMBOL, 0.01 * (self.heard % 5), reason=f"{self.heard} heard")

    def on_quote(self, quote):
        self.heard += 1
        if self.heard % 7 == 0:
            self.cancel_all(reason="a seventh")
        elif self.heard % 2:
            self.buy(SYMBOL, 100, round(quote.last - 0.02 * (self.heard % 3), 2))
        else:
            self.sell(SYMBOL, 100, quote.last)

    def on_order(self, order):
        self.heard += 1
        if order.is_final and self.heard % 5 == 0:
            self.buy(SYMBOL, 200, order.price, reason=f"after {order.status}")

    def on_fill(self, fill):
        self.heard += 3

    def on_stop(self):
        self.cancel_all(reason="the end")


class Thoughtful(Moody):
    """The same, but it thinks before it answers, and before it starts and stops."""

    async def on_start(self):
        await asyncio.sleep(0)
        super().on_start()
        self.buy(SYMBOL, 100, 9.5, reason="a beginning")

    async def on_stop(self):
        await asyncio.sleep(0)
        self.buy(SYMBOL, 100, 9.5, reason="an end")

    async def on_quote(self, quote):
        await asyncio.sleep(0)
        super().on_quote(quote)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_day_of_faults_is_the_same_again(tmp_path, seed):
    random, faults = Random(seed), Faults(seed)
    with a_terminal(id_cooldown=0.0, faults=faults) as terminal:
        floor = Floor(terminal, tmp_path, Moody, Thoughtful)
        floor.speed = 20.0
        second = 3
        for _ in range(2):
            async with floor.engine():
                faults.set(**RATES)
                for _ in range(60):
                    second += 1
                    price = round(10 + random.gauss(0, 0.05), 2)
                    time = moment(f"10:{second // 60:02d}:{second % 60:02d}")
                    terminal.quote(a_quote(price, time=time))
                    await asyncio.sleep(random.choice([0, 0.001, 0.005]))
                faults.off()
        outcome = await floor.replay()
    assert outcome.divergence is None, outcome.divergence
    assert outcome.told == []
    assert outcome.runs == 2
    assert outcome.counts["OrderRequested"] > 0
