"""Grid on quotes. Teaches: limit orders, on_quote, state.

网格：价格每跌一格买一份，每涨一格卖一份。示范限价单、行情回调、以及保存状态的 state。
"""

import qka


@qka.register("grid")
class Grid(qka.Strategy):
    """Buy a lot each step down, sell a lot each step up, around the price of the last trade."""

    class Params(qka.Params):
        step: float = 0.005  # distance of two lines, as a share of the price
        shares: int = 200  # traded at each line

    def on_quote(self, quote: qka.Quote) -> None:
        if quote.phase != qka.Phase.CONTINUOUS or not (quote.ask1 and quote.bid1):
            return
        middle = self.state.setdefault(quote.symbol, quote.last)
        if self.orders(quote.symbol):
            return  # one order at a time
        if quote.ask1 <= middle * (1 - self.params.step):
            self.state[quote.symbol] = quote.ask1
            self.buy(quote.symbol, self.params.shares, quote.ask1, reason="a line down")
        elif quote.bid1 >= middle * (1 + self.params.step):
            self.state[quote.symbol] = quote.bid1
            if self.position(quote.symbol).sellable >= self.params.shares:
                self.sell(quote.symbol, self.params.shares, quote.bid1, reason="a line up")
