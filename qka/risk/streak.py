"""Losing trades in a row: a trade is what lies between a position's opening and its close.

A symbol's money, fees included, is added up until nothing of it is held. A trade that made exactly
nothing is no loss. What the account held before we knew it counts from what it had cost.
"""

from collections.abc import Mapping

import msgspec

from qka.model.money import to_cents
from qka.model.order import BUY, Fill
from qka.risk.verdicts import Denial


class Run(msgspec.Struct, frozen=True):
    """What a streak knows."""

    losses: int  # in a row
    open: dict[str, int]  # symbol -> cents that came in less those that went out, of open trades


class Streak:
    """At most so many losing trades in a row, None for any number; another account's is its own."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.run = Run(0, {})

    def begin(self, costs: Mapping[str, int]) -> None:
        """Symbol -> cents that what is held has cost, where it was not bought before our eyes."""
        open_ = {symbol: self.run.open.get(symbol, -cost) for symbol, cost in costs.items()}
        self.run = Run(self.run.losses, open_)

    def earn(self, symbol: str, money: int) -> None:
        """So many cents came to the trade that is open in a symbol, without an order."""
        if symbol in self.run.open:
            made = self.run.open[symbol] + money
            self.run = Run(self.run.losses, {**self.run.open, symbol: made})

    def on_fill(self, fill: Fill, turnover: int, left: int) -> Denial | None:
        """None, or that there were too many: `turnover` cents moved, `left` shares are held."""
        money = (-turnover if fill.side is BUY else turnover) - to_cents(fill.fees)
        made = self.run.open.get(fill.symbol, 0) + money
        open_ = {s: cents for s, cents in self.run.open.items() if s != fill.symbol}
        if left:
            self.run = Run(self.run.losses, {**open_, fill.symbol: made})
            return None
        losses = self.run.losses + 1 if made < 0 else 0 if made else self.run.losses
        self.run = Run(losses, open_)
        if self.most is None or losses < self.most:
            return None
        self.run = Run(0, open_)  # who resumes begins anew
        words = f"{losses} losing trades in a row, {self.most} are the limit"
        return Denial("losing_trades", words, self.most, losses)
