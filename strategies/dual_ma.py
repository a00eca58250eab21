"""Dual moving average on bars. Teaches: parameters, warm-up, history, target orders.

双均线：短均线上穿长均线时建仓，下穿时清仓。示范参数、预热、历史K线与目标仓位下单。
"""

import qka


class DualMA(qka.Strategy):
    """Hold a fixed share of total assets while the fast average is above the slow one."""

    class Params(qka.Params):
        fast: int = 5  # bars
        slow: int = 20  # bars
        ratio: float = 0.05  # share of total assets for each symbol

    bars = "1m"
    warmup = 60

    def on_bar(self, bar: qka.Bar) -> None:
        closes = self.history(bar.symbol, bar.period, self.params.slow)["close"]
        fast, slow = closes.tail(self.params.fast).mean(), closes.mean()
        if fast > slow:
            if not self.position(bar.symbol).quantity and not self.orders(bar.symbol):
                self.order_target_ratio(bar.symbol, self.params.ratio, reason="fast above slow")
        elif self.position(bar.symbol).sellable:
            self.order_target_shares(bar.symbol, 0, reason="fast below slow")
