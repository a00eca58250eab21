"""Target weights at 14:50, sells before buys. Teaches: timers, rebalance, the account.

尾盘调仓：每天 14:50 把各标的调到目标权重，先卖后买。示范定时器与组合调仓。
"""

import qka


class Rebalance(qka.Strategy):
    """Hold the day's strongest symbols in equal weights and nothing else."""

    class Params(qka.Params):
        hold: int = 3  # symbols held
        ratio: float = 0.3  # share of total assets in all of them together

    def on_start(self) -> None:
        self.at("14:50", self.trade)

    def trade(self) -> None:
        known = [quote for symbol in self.symbols if (quote := self.quote(symbol))]
        ranked = sorted(known, key=lambda quote: quote.last / quote.prev_close, reverse=True)
        chosen = {quote.symbol for quote in ranked[: self.params.hold]}
        each = self.params.ratio / max(1, len(chosen))
        self.rebalance(
            {quote.symbol: each if quote.symbol in chosen else 0.0 for quote in known},
            reason="strongest of the day",
        )
        names = ", ".join(sorted(chosen))
        self.log.info("{} of {:,} CNY in {}", self.params.ratio, self.account.total, names)

    def on_rebalance(self, rebalanced: qka.Rebalanced) -> None:
        for shortfall in rebalanced.left:
            self.log.warning("{}", shortfall)
