"""A simulated market: seeded, the same on every machine, whole days in 3-second snapshots.

Each symbol is a random walk in whole ticks between the day's limits, seeded by (seed, symbol,
day) alone, so it does not depend on what else is watched. Real enough that a strategy's bugs
show: call auctions with a book of their own, lunch, a symbol in ten that seals at its limit.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from math import sqrt
from random import Random
from typing import cast

from qka.ashare.auction import Clearing
from qka.ashare.limits import price_limits
from qka.ashare.rules import lots, tick_size, tradable
from qka.clock import ReplayClock
from qka.errors import ConfigError
from qka.feeds.bars import PERIODS, label_of
from qka.feeds.call import Call, Levels
from qka.feeds.port import Report, play
from qka.model.actions import CorporateAction
from qka.model.codes import Exchange
from qka.model.market import Bar, Phase, Quote
from qka.model.symbol import lot_size
from qka.model.times import MILLISECOND, SECOND, at, midnight

# symbol -> about what a share costs in CNY
PRICES = {
    "600000.SH": 10.2, "600519.SH": 1450.0, "000001.SZ": 11.5, "000002.SZ": 6.5,
    "300750.SZ": 260.0, "688981.SH": 95.0, "601318.SH": 55.0, "002594.SZ": 98.0,
    "920002.BJ": 21.0, "510300.SH": 4.1, "300059.SZ": 22.0, "600036.SH": 40.0,
}  # fmt: skip
SYMBOLS = tuple(PRICES)
STEP = 3  # seconds between two snapshots of a symbol
# (from, to) of each phase in which snapshots come every STEP
_PHASES = (
    ("09:15", "09:25", Phase.OPENING_CALL),
    ("09:30", "11:30", Phase.CONTINUOUS),
    ("13:00", "14:57", Phase.CONTINUOUS),
    ("14:57", "15:00", Phase.CLOSING_CALL),
)
# single snapshots between them: the opening print, the lunch break, the closing print
_SINGLE = (
    ("09:25:00", Phase.BREAK),
    ("09:25:03", Phase.BREAK),
    ("11:30:00", Phase.BREAK),
    ("15:00:00", Phase.CLOSED),
    ("15:00:03", Phase.CLOSED),
)
_NONE = [0.0] * 5
_NO_LOTS = [0] * 5
_DEEP = 5000  # lots that wait at a limit
# asks and their lots, bids and theirs
_Sides = tuple[list[float], list[int], list[float], list[int]]


def weekdays(first: date, count: int) -> list[date]:
    """`count` weekdays from `first` on."""
    days: list[date] = []
    while len(days) < count:
        if first.weekday() < 5:
            days.append(first)
        first += timedelta(days=1)
    return days


def default_symbols(count: int) -> list[str]:
    """The first `count` symbols of the simulated market; thousands are there."""
    made = (f"{code:06d}.SH" for code in range(601000, 605000))
    more = (f"{code:06d}.SZ" for code in range(300100, 302000))
    names = dict.fromkeys([*SYMBOLS, *made, *more])
    return list(names)[:count]


class _Stock:
    """One symbol's walk; prices in whole ticks inside."""

    def __init__(self, symbol: str, seed: int, day: date, close: int | None) -> None:
        self.symbol = symbol
        self.exchange = cast(Exchange, symbol[-2:])
        self.random: Callable[[], float] = Random(f"{seed}:{symbol}:{day}").random
        first = Random(f"{seed}:{symbol}").random
        self.scale = 1000 if str(tick_size(symbol)) == "0.001" else 100  # ticks in one CNY
        self.offset = int(first() * 2900) * MILLISECOND
        # products, not powers: those of the platform's library may differ in the last bit
        level = PRICES.get(symbol) or 5 + first() * first() * 120
        began = int(level * (0.95 + first() * 0.1) * self.scale)
        self.prev = close if close is not None else began
        self.step = lots(symbol)[1] if lots(symbol)[1] > 1 else 1
        limits = price_limits(symbol, self.prev / self.scale, day)
        if limits is None:  # this exchange has limits for everything: a tenth each way
            self.up, self.down = (self.prev * 11 + 5) // 10, (self.prev * 9 + 5) // 10
        else:
            self.up, self.down = (int(limit * self.scale + 0.5) for limit in limits)
        self.mid = float(self.prev) * (1 + (first() + self.random() - 1) * 0.01)
        self.sigma = max(0.4, self.prev * 0.001)
        self.last = self.open = self.high = self.low = 0
        self.volume = 0  # shares
        self.turnover = 0  # ticks times shares
        self.call: Call | None = None  # while there is one
        self.cleared = Clearing(0, 0, 0)  # what it comes to, so far
        self.left: _Sides | None = None  # what its print left, until trading goes on
        # a symbol in ten runs to a limit, stays there and may come back
        sealing = self.random() < 0.1
        self.sealed_from = 400 + int(self.random() * 2000) if sealing else 10**9
        self.sealed_to = self.sealed_from + (10**9 if self.random() < 0.5 else 1500)
        self.target = self.up if self.random() < 0.6 else self.down
        self.steps = 0

    def quote(self, time: int, phase: Phase) -> Quote:
        """The next snapshot."""
        if phase in (Phase.OPENING_CALL, Phase.CLOSING_CALL):
            return self._quote(time, phase, *self._call())
        if phase is Phase.CONTINUOUS:
            self._move()
            levels = self._levels()
            self._trade(levels[0][0], levels[2][0])
            self.left = None
            return self._quote(time, phase, *levels)
        if self.call is not None:
            self.left, self.call = self._print(self.call), None
        return self._quote(time, phase, *(self.left or self._levels()))

    def _quote(
        self, time: int, phase: Phase, asks: list[float], ask_lots: list[int],
        bids: list[float], bid_lots: list[int],
    ) -> Quote:  # fmt: skip
        scale = self.scale
        return Quote(
            self.symbol, time, self.last / scale, self.open / scale, self.high / scale,
            self.low / scale, self.prev / scale, self.volume, self.turnover / scale, int(phase),
            asks, ask_lots, bids, bid_lots, self.up / scale, self.down / scale,
        )  # fmt: skip

    def _call(self) -> _Sides:
        """Virtual price and what is matched there, what is left over on one side."""
        self._move()
        lot = lot_size(self.symbol)
        if self.call is None:
            self.call = Call(self.exchange, self.last or self.prev, self.down, self.up,
                             max(1, int(self.sigma / 2)), lot)  # fmt: skip
            self.call.begin(self.mid, _DEEP)
        price, volume, surplus = self.cleared = self.call.come(self.mid, self.random)
        prices = [price / self.scale, 0.0, 0.0, 0.0, 0.0]
        asks = [volume // lot, max(-surplus, 0) // lot, 0, 0, 0]
        bids = [volume // lot, max(surplus, 0) // lot, 0, 0, 0]
        return prices, asks, prices, bids

    def _print(self, call: Call) -> _Sides:
        """The auction trades; the levels that it leaves."""
        self._deal(self.cleared.price, self.cleared.volume)
        asks, bids = (self._shown(levels) for levels in call.left(self.cleared))
        return *asks, *bids

    def _shown(self, levels: Levels) -> tuple[list[float], list[int]]:
        lot, empty = lot_size(self.symbol), 5 - len(levels)
        prices = [price / self.scale for price, _ in levels] + [0.0] * empty
        return prices, [shares // lot for _, shares in levels] + [0] * empty

    def _move(self) -> None:
        self.steps += 1
        pull = (self.prev - self.mid) * 0.0002
        if self.sealed_from <= self.steps < self.sealed_to:
            pull = (self.target - self.prev) * 0.004
        self.mid += (self.random() + self.random() - 1) * self.sigma + pull
        self.mid = min(max(self.mid, float(self.down)), float(self.up))

    def _levels(self) -> _Sides:
        random, scale = self.random, self.scale
        bid = int(self.mid)
        ask = min(bid + 1 + int(random() * 2), self.up)
        asks, ask_lots, bids, bid_lots = _NONE, _NO_LOTS, _NONE, _NO_LOTS
        if bid >= self.up:
            bid, deep = self.up, _DEEP
        elif self.mid <= self.down:
            ask, bid, deep = self.down, self.down - 1, _DEEP
        else:
            deep = 0
        if bid < self.up:
            there = min(5, self.up - ask + 1)
            asks = [(ask + i) / scale if i < there else 0.0 for i in range(5)]
            ask_lots = [1 + int(random() * 300) + (0 if i else deep) for i in range(there)]
            ask_lots += [0] * (5 - there)
        if bid >= self.down:
            there = min(5, bid - self.down + 1)
            bids = [(bid - i) / scale if i < there else 0.0 for i in range(5)]
            bid_lots = [1 + int(random() * 300) + (0 if i else deep) for i in range(there)]
            bid_lots += [0] * (5 - there)
        return asks, ask_lots, bids, bid_lots

    def _trade(self, ask: float, bid: float) -> None:
        chance = self.random()
        if chance > 0.75:
            return
        price = ask if (chance < 0.375 and ask) or not bid else bid
        shares = (1 + int(self.random() * self.random() * self.random() * 120)) * lot_size(
            self.symbol
        )
        if self.step == 1:
            shares += int(self.random() * 100)
        self._deal(int(price * self.scale + 0.5), shares)

    def _deal(self, price: int, shares: int) -> None:
        self.last = price
        self.open = self.open or price
        self.high = max(self.high, price)
        self.low = min(self.low or price, price)
        self.volume += shares
        self.turnover += price * shares


class SimulatedFeed:
    """Weekdays from `day` on; `symbols` of them when the strategies name none."""

    def __init__(
        self,
        clock: ReplayClock,
        *,
        seed: int = 1,
        day: date = date(2026, 1, 5),
        days: int = 1,
        symbols: int = 12,
    ) -> None:
        if days < 1 or symbols < 1:
            raise ConfigError("feed.days and feed.symbols: at least 1")
        if day.weekday() > 4:
            raise ConfigError(
                f"feed.day: {day} is a {day:%A}: the simulated market trades weekdays"
            )
        self._clock = clock
        self._seed = seed
        self._days = weekdays(day, days)
        self._count = symbols
        self._symbols: list[str] = []
        self._done = 0.0

    @property
    def start(self) -> int:
        """09:15 of the first day."""
        return at(self._days[0], "09:15")

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Make ready for these symbols, or the default ones.

        Raises ConfigError for an index or a B share.
        """
        return self.choose(symbols)

    def choose(self, symbols: Sequence[str]) -> Sequence[str]:
        """`open` for a thread without a loop."""
        self._symbols = list(dict.fromkeys(symbols)) or default_symbols(self._count)
        for symbol in self._symbols:
            if not tradable(symbol):
                raise ConfigError(f"{symbol}: no index and no B share in the simulated market")
        return sorted(self._symbols)

    def provides(self) -> str:
        """Quotes."""
        return "quote"

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """A plausible past that ends at the first day's previous close."""
        if count <= 0:
            return []
        stock = _Stock(symbol, self._seed, self._days[0], None)
        random = Random(f"{self._seed}:{symbol}:{period}:past").random
        minutes = PERIODS[period]
        a_day = 241 if minutes == 1 else 240 // minutes
        close, day, bars = stock.prev, self._days[0], list[Bar]()
        spread = max(1, int(close * 0.0005 * sqrt(minutes)))
        while len(bars) < count:
            day -= timedelta(days=1)
            if day.weekday() >= 5:
                continue
            for index in range(a_day - 1, -1, -1):
                slot = index if minutes == 1 else (index + 1) * minutes
                begin = max(1, close + int((random() + random() - 1) * (spread + 1)))
                high = max(begin, close) + int(random() * spread / 2)
                low = max(1, min(begin, close) - int(random() * spread / 2))
                volume = (1 + int(random() * 2000)) * 100
                ticks = (begin, high, low, close)
                first, top, bottom, last = (price / stock.scale for price in ticks)
                amount = round(volume * last, 2)
                time = midnight(day) + label_of(slot)
                bars.append(Bar(symbol, time, period, first, top, bottom, last, volume, amount))
                close = begin
        return bars[:count][::-1]

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """None: this market has none."""
        return []

    async def run(self, report: Report) -> None:
        """Report every snapshot of every day."""
        await play(self.batches(), self._clock, report)
        self._done = 1.0

    def progress(self) -> float:
        """Share of the days' snapshots that have been reported."""
        return self._done

    async def close(self) -> None:
        """Nothing to let go of."""

    def batches(self) -> Iterator[list[Quote]]:
        """Every snapshot of every day in the order of time, a step's together."""
        closes: dict[str, int] = {}
        for number, day in enumerate(self._days):
            stocks = [_Stock(s, self._seed, day, closes.get(s)) for s in self._symbols]
            stocks.sort(key=lambda stock: stock.offset)
            moments = _moments(day)
            for i, (moment, phase) in enumerate(moments):
                yield [stock.quote(moment + stock.offset, phase) for stock in stocks]
                self._done = (number + i / len(moments)) / len(self._days)
            closes = {stock.symbol: stock.last or stock.prev for stock in stocks}


def _moments(day: date) -> list[tuple[int, Phase]]:
    """When snapshots come, in order; each symbol adds its own offset below STEP."""
    moments = [(at(day, moment), phase) for moment, phase in _SINGLE]
    for begin, end, phase in _PHASES:
        moments += [(t, phase) for t in range(at(day, begin), at(day, end), STEP * SECOND)]
    return sorted(moments)
