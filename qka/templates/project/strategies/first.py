"""Your first strategy: buy what rises, keep it overnight. / 你的第一个策略。

Run it:   qka run config/paper.yaml
Check it: qka check config/paper.yaml
"""

import qka


class First(qka.Strategy):
    """Buys a symbol once when it has risen enough from the previous close."""

    class Params(qka.Params):  # typed; set them in the config under `params`
        rise: float = 0.005  # from the previous close
        ratio: float = 0.05  # share of total assets for each symbol

    bars = "5m"  # on_bar hears these; several are fine: ["1m", "5m"]
    warmup = 20  # bars that self.history() holds before the first event

    def on_start(self) -> None:
        self.at("14:50", self.report)  # every trading day; self.every("30s", ...) repeats

    def on_bar(self, bar: qka.Bar) -> None:
        if not bar.prev_close or self.position(bar.symbol).quantity or self.orders(bar.symbol):
            return
        if bar.close / bar.prev_close - 1 >= self.params.rise:
            # T+1, lots, cash and the risk gate are looked after; what can't be done is in `left`
            found = self.order_target_ratio(bar.symbol, self.params.ratio, reason="it rises")
            for shortfall in found.left:
                self.log.warning("{}", shortfall)

    def report(self) -> None:
        self.log.info("total {:,} CNY, cash {:,}", self.account.total, self.account.cash)
