"""Strategies that never rest: plain and async, orders and targets, timers and cancels."""

import asyncio

import qka

A, B = "600000.SH", "000001.SZ"


class Counting(qka.Strategy):
    """Counts what it hears, over restarts."""

    symbols = [A, B]

    def count(self, what):
        self.state[what] = self.state.get(what, 0) + 1
        return self.state[what]


class Plain(Counting):
    def on_start(self):
        self.every("7s", self.tick)

    def tick(self):
        n = self.count("ticks")
        if n % 3 == 0:
            self.rebalance({A: 0.1 * (n % 5), B: 0.08 * ((n + 2) % 4)})
        elif n % 3 == 1:
            self.order_target_ratio(A, 0.05 * (n % 4))

    def on_quote(self, quote):
        n = self.count("quotes")
        if n % 5 == 0:
            self.buy(quote.symbol, 100 * (1 + n % 3), round(quote.last - 0.02, 2))
        if n % 7 == 0:
            self.sell(quote.symbol, 100, round(quote.last + 0.03, 2))
        if n % 11 == 0:
            for order in self.orders()[:2]:
                self.cancel(order.id)


class Async(Counting):
    async def on_quote(self, quote):
        n = self.count("quotes")
        await asyncio.sleep(0)
        if n % 4 == 0:
            self.buy(quote.symbol, 200)
        await asyncio.sleep(0)
        if n % 6 == 0:
            self.order_target_shares(quote.symbol, (n % 3) * 100)

    async def on_fill(self, fill):
        await asyncio.sleep(0)
        self.count("fills")


class Emits(Counting):
    def on_quote(self, quote):
        n = self.count("quotes")
        if n % 9 == 0:
            self.emit(qka.Signal(quote.symbol, side="buy"))
        if n % 13 == 0:
            self.emit(qka.Signal(quote.symbol, target_ratio=0.03))


class Bars(Counting):
    def on_bar(self, bar):
        n = self.count("bars")
        self.buy(bar.symbol, 100 * (1 + n % 3), bar.close)
        if n % 3 == 0:
            self.sell(bar.symbol, 100, bar.close)
