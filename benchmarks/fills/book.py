"""The order book of the exchange, rebuilt from what it said."""

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass

from benchmarks.fills.feeds import Added, Message, Traded, Withdrawn
from qka.model.order import Side


@dataclass(slots=True)
class Entry:
    """An order in the book."""

    side: Side
    price: int  # cents
    shares: int


class Impossible(Exception):
    """The exchange can't have said that: the feed has a hole, or is misread."""


class Book:
    """Every order that rests, the shares at each price, and what was traded so far."""

    def __init__(self) -> None:
        self.orders: dict[int, Entry] = {}
        self.levels: dict[Side, Counter[int]] = {Side.BUY: Counter(), Side.SELL: Counter()}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}  # ascending
        self.volume = self.amount = 0  # shares, and cents
        self.open = self.high = self.low = self.last = 0  # cents

    def hear(self, message: Message) -> None:
        """Go on by one message; raises Impossible when it does not fit to those before."""
        if isinstance(message, Added):
            if message.order in self.orders or message.shares <= 0:
                raise Impossible(f"an order that is there already, or of nothing: {message}")
            self.orders[message.order] = Entry(message.side, message.price, message.shares)
            level = self.levels[message.side]
            if message.price not in level:
                insort(self._prices[message.side], message.price)
            level[message.price] += message.shares
        elif isinstance(message, Withdrawn):
            if message.order not in self.orders:
                raise Impossible(f"a cancel of what is not there: {message}")
            self._take(message.order, self.orders[message.order].shares)
        else:
            self._trade(message)

    def best(self, side: Side, count: int) -> list[tuple[int, int]]:
        """The best (price, shares) of a side, best first."""
        prices, level = self._prices[side], self.levels[side]
        best = reversed(prices[-count:]) if side is Side.BUY else prices[:count]
        return [(price, level[price]) for price in best]

    def better(self, side: Side, price: int) -> int:
        """How many better prices there are on a side."""
        prices = self._prices[side]
        if side is Side.BUY:
            return len(prices) - bisect_left(prices, price + 1)
        return bisect_left(prices, price)

    def _trade(self, trade: Traded) -> None:
        for order, side in ((trade.buy, Side.BUY), (trade.sell, Side.SELL)):
            if trade.aggressor is side:
                if order in self.orders:
                    raise Impossible(f"an order that rests goes to the other side: {trade}")
                continue  # only what is left of it will be told
            entry = self.orders.get(order)
            if entry is None or entry.side is not side or entry.shares < trade.shares:
                raise Impossible(f"a trade of what is not there: {trade}")
            if trade.aggressor is not None and entry.price != trade.price:
                raise Impossible(f"a trade at another price than the resting order's: {trade}")
            self._take(order, trade.shares)
        self.volume += trade.shares
        self.amount += trade.price * trade.shares
        self.last = trade.price
        self.open = self.open or trade.price
        self.high = max(self.high, trade.price)
        self.low = min(self.low or trade.price, trade.price)

    def _take(self, order: int, shares: int) -> None:
        entry = self.orders[order]
        entry.shares -= shares
        level = self.levels[entry.side]
        level[entry.price] -= shares
        if not level[entry.price]:
            del level[entry.price]
            prices = self._prices[entry.side]
            del prices[bisect_left(prices, entry.price)]
        if not entry.shares:
            del self.orders[order]
