"""Market data: the level-1 snapshot and the bar."""

import enum

import msgspec

from qka.model.symbol import lot_size


class Phase(enum.IntEnum):
    """Phase of the exchange day; the values are xtdata's own status codes."""

    UNKNOWN = 0
    PRE_OPEN = 11
    OPENING_CALL = 12
    CONTINUOUS = 13
    BREAK = 14  # 09:25-09:30 and lunch
    CLOSED = 15
    HALTED = 17
    CLOSING_CALL = 18
    POST_CLOSE = 22

    def __str__(self) -> str:
        return self.name.lower()


# xtdata's codes of a symbol that is halted: by its volatility, for a while, in the call that ends
# it, until the close
HALTS = frozenset({16, 17, 19, 20})


class Status(enum.StrEnum):
    """What sets a security apart for a while."""

    NORMAL = "normal"
    ST = "st"  # risk warning, *ST too
    NEW = "new"  # its first sessions
    DELISTING = "delisting"  # the first sessions of its delisting period; never also ST


class Quote(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A level-1 snapshot with five levels.

    Prices are CNY on tick, 0.0 where there is none. The four level lists are the feed's own
    (shared, never copied, never to be changed). Level sizes stay in lots (手) as the exchange
    sends them; `ask_volumes` and `bid_volumes` give shares. During a call auction the first
    level is the virtual price (bid1 = ask1), not an order book.
    """

    symbol: str
    time: int  # ns since the epoch
    last: float
    open: float
    high: float
    low: float
    prev_close: float  # ex-right reference price
    volume: int  # shares since the day began
    amount: float  # CNY since the day began
    phase: int  # a Phase code of this symbol
    ask_prices: list[float]
    ask_lots: list[int]
    bid_prices: list[float]
    bid_lots: list[int]
    limit_up: float = 0.0  # 0.0: no limit today, or not known
    limit_down: float = 0.0

    @property
    def ask1(self) -> float:
        """Best ask price, 0.0 when nobody sells."""
        return self.ask_prices[0]

    @property
    def bid1(self) -> float:
        """Best bid price, 0.0 when nobody buys."""
        return self.bid_prices[0]

    @property
    def ask_volumes(self) -> list[int]:
        """Shares at the five ask levels."""
        lot = lot_size(self.symbol)
        return [lots * lot for lots in self.ask_lots]

    @property
    def bid_volumes(self) -> list[int]:
        """Shares at the five bid levels."""
        lot = lot_size(self.symbol)
        return [lots * lot for lots in self.bid_lots]

    @property
    def price(self) -> float:
        """What one share is worth now: the last trade, before the first one the previous close."""
        return self.last or self.prev_close


class Bar(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Open, high, low, close of a period, known when the period has ended.

    `time` is the end of the period and QMT's own label: 09:30 is the opening auction, 15:00 holds
    the closing auction; a daily bar ends at 15:00. Volume in shares, amount in CNY.
    """

    symbol: str
    time: int
    period: str  # 1m 5m 15m 30m 60m 1d
    open: float
    high: float
    low: float
    close: float
    volume: int
    amount: float
    prev_close: float = 0.0  # of the previous trading day, 0.0 when not known

    @property
    def price(self) -> float:
        """What one share is worth now."""
        return self.close
