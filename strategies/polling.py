"""The polling shape. Teaches: SignalStrategy, sized orders.

轮询式策略：每分钟取一次数据、生成买卖信号，下单数量由引擎按配置计算。
"""

import qka


class Momentum(qka.SignalStrategy):
    """Buy what has risen from the previous close, sell what has fallen, once a minute."""

    class Params(qka.Params):
        threshold: float = 0.01  # change from the previous close

    interval = 60  # seconds

    def generate_signals(self, data: dict[str, qka.Quote]) -> dict[str, str]:
        signals = {}
        for symbol, quote in data.items():
            change = quote.last / quote.prev_close - 1 if quote.last else 0.0
            position = self.position(symbol)
            if change > self.params.threshold and not position.quantity:
                signals[symbol] = "buy"
            elif change < -self.params.threshold and position.sellable:
                signals[symbol] = "sell"
        return signals
