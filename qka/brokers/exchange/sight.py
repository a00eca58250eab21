"""A snapshot as one side of the market sees it, so that each rule is written once.

Prices are whole mills (1/1000 CNY); a seller's are negative. So for either side the own levels go
down from the best, the other side's go up, and what trades at or below a limit is good for it.
"""

from qka.model.market import HALTS, Phase, Quote
from qka.model.order import BUY, Side
from qka.model.symbol import lot_size

Level = tuple[int, int]  # mills, shares
_NO_BOOK = frozenset({Phase.PRE_OPEN, Phase.CLOSING_CALL}) | HALTS


def mills(price: float, side: Side) -> int:
    """A price in CNY as that side counts it."""
    whole = int(price * 1000 + 0.5)
    return whole if side is BUY else -whole


def in_cny(price: int) -> float:
    """And back."""
    return abs(price) / 1000


def is_book(quote: Quote) -> bool:
    """Whether the levels are an order book.

    In a call auction they are the virtual price (bid 1 = ask 1), in a halt they are old. The
    snapshots of 09:25-09:30 keep the call's phase in some feeds, and have a book all the same.
    """
    if quote.phase in _NO_BOOK or not quote.last or not quote.volume:
        return False
    return not quote.ask1 or quote.ask1 != quote.bid1


class Sight:
    """What a side sees: its own levels, the other's, and what was traded so far today."""

    __slots__ = ("amount", "far", "last", "other", "own", "volume")

    def __init__(self, quote: Quote, side: Side) -> None:
        buying = side is BUY
        lot = lot_size(quote.symbol)
        bids = _levels(quote.bid_prices, quote.bid_lots, side, lot)
        asks = _levels(quote.ask_prices, quote.ask_lots, side, lot)
        self.own, self.other = (bids, asks) if buying else (asks, bids)
        self.last = mills(quote.last, side)
        self.far = mills(quote.low if buying else quote.high, side)  # the day's best for this side
        self.volume = quote.volume
        self.amount = quote.amount * (1000 if buying else -1000)  # mills times shares

    def shown(self, price: int) -> int | None:
        """Shares on the own side at a price; None when it is beyond what is displayed."""
        for level, shares in self.own:
            if level == price:
                return shares
            if level < price:
                return 0
        return None if len(self.own) >= 5 else 0

    def against(self, limit: int) -> list[Level]:
        """The other side's levels that an order with that limit could take."""
        return [level for level in self.other if level[0] <= limit]


def _levels(prices: list[float], lots: list[int], side: Side, lot: int) -> list[Level]:
    return [
        (mills(price, side), count * lot)
        for price, count in zip(prices, lots, strict=False)
        if price and count
    ]
