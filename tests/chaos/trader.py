"""The strategy of the crash suite: trades all the time, and keeps count of what it was told."""

from random import Random

import qka


class Restless(qka.Strategy):
    """Buys, sells and cancels by the dice; its state says how many fills it has heard of."""

    class Params(qka.Params):
        """`seed` of the dice."""

        seed: int = 0

    def on_start(self):
        self.dice = Random(f"{self.params.seed} {self.now()}")

    def on_quote(self, quote):
        if not quote.ask_prices[0] or not quote.bid_prices[0]:
            return
        dice, symbol = self.dice.random(), quote.symbol
        if dice < 0.25:
            price = quote.ask_prices[0] if dice < 0.15 else quote.bid_prices[1] or quote.last
            self.buy(symbol, 100 * self.dice.randint(1, 9), price)
        elif dice < 0.4 and self.position(symbol).sellable >= 100:
            self.sell(symbol, 100, quote.bid_prices[0])
        elif dice < 0.5:
            for order in self.orders(symbol):
                self.cancel(order)

    def on_fill(self, fill):
        self.state["fills"] = self.state.get("fills", 0) + 1
        self.state[fill.symbol] = self.state.get(fill.symbol, 0) + (
            fill.quantity if fill.side == "buy" else -fill.quantity
        )


class Calm(Restless):
    """The same one when it is over: cancels what works and waits."""

    def on_quote(self, quote):
        self.cancel_all(quote.symbol)
