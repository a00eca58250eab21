"""The same days for many parameters, on every core; the best at the top.

python examples/parameters.py
"""

from concurrent.futures import ProcessPoolExecutor
from itertools import product

import qka

DAYS = 1
SYMBOLS = ["600036.SH", "300750.SZ"]


class Grid(qka.Strategy):
    """Buy a step below the last trade of ours, sell a step above it."""

    class Params(qka.Params):
        """A step is a share of the price."""

        step: float = 0.005
        shares: int = 200

    def on_start(self) -> None:
        """No anchor yet."""
        self.anchor: dict[str, float] = {}

    def on_quote(self, quote: qka.Quote) -> None:
        """At most one order of a symbol works at a time."""
        symbol = quote.symbol
        if quote.phase != qka.Phase.CONTINUOUS or self.orders(symbol):
            return
        anchor = self.anchor.setdefault(symbol, quote.last)
        if quote.last <= anchor * (1 - self.params.step):
            self.buy(symbol, self.params.shares, quote.ask1 or quote.last)
        elif quote.last >= anchor * (1 + self.params.step) and (
            self.position(symbol).sellable >= self.params.shares
        ):
            self.sell(symbol, self.params.shares, quote.bid1 or quote.last)

    def on_fill(self, fill: qka.Fill) -> None:
        """The next step is measured from here."""
        self.anchor[fill.symbol] = fill.price


def profit(chosen: tuple[float, int]) -> tuple[float, int, str, int]:
    """One run; a seed is a market, so every run sees the same one."""
    step, shares = chosen
    engine = qka.Engine.from_config({"feed": {"seed": 11, "days": DAYS}, "log": {"level": "ERROR"}})
    engine.register(Grid(symbols=SYMBOLS, step=step, shares=shares))
    summary = engine.run()
    return step, shares, summary["account"]["profit"], summary["fills"]


def main() -> None:
    """Try every pair."""
    pairs = list(product((0.003, 0.006, 0.012), (200, 400)))
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(profit, pairs))
    print(f"{'step':>6} {'shares':>6} {'profit':>10} {'fills':>6}")
    for step, shares, earned, fills in sorted(results, key=lambda one: -float(one[2])):
        print(f"{step:6.3f} {shares:6d} {earned:>10} {fills:6d}")


if __name__ == "__main__":
    main()
