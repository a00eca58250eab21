"""The quote side of the simulated terminal: snapshots, instruments, sectors, subscriptions.

Everything is said in xtdata's own words. Not thread-safe: the terminal holds its lock around
every call; what is pushed comes on each client's own thread.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import msgspec

from qka.ashare.limits import price_limits
from qka.ashare.rules import tick_size
from qka.model.actions import CorporateAction
from qka.model.market import Phase, Quote
from qka.model.money import on_tick
from qka.model.symbol import Board, board_of, check_symbol, lot_size
from qka.model.times import MILLISECOND, day_of, midnight
from qka.terminal.delivery import Delivery
from qka.terminal.faults import Faults
from qka.terminal.history import History

Tick = dict[str, Any]
Rows = dict[str, Any]  # code -> tick, or code -> [row]
Heard = Callable[[Rows], None]

EXCHANGES = ("SH", "SZ", "BJ")
UNSET = 1.7976931348623157e308  # the SDK writes DBL_MAX where there is no number
_UNSET_INT = 2147483647
_NAMES = {
    "600000.SH": "浦发银行", "600519.SH": "贵州茅台", "000001.SZ": "平安银行",
    "000002.SZ": "万科A", "300750.SZ": "宁德时代", "688981.SH": "中芯国际",
    "601318.SH": "中国平安", "002594.SZ": "比亚迪", "510300.SH": "沪深300ETF",
    "300059.SZ": "东方财富", "600036.SH": "招商银行",
}  # fmt: skip
_A_SHARES = frozenset({Board.MAIN, Board.STAR, Board.CHINEXT, Board.BSE})
# sector -> (exchanges, boards)
SECTORS: dict[str, tuple[Collection[str], Collection[Board]]] = {
    "沪深A股": (("SH", "SZ"), _A_SHARES),
    "上证A股": (("SH",), _A_SHARES),
    "深证A股": (("SZ",), _A_SHARES),
    "京市A股": (("BJ",), _A_SHARES),
    "科创板": (("SH",), (Board.STAR,)),
    "创业板": (("SZ",), (Board.CHINEXT,)),
    "沪深ETF": (("SH", "SZ"), (Board.FUND,)),
    "沪深转债": (("SH", "SZ"), (Board.BOND,)),
}

# the rest of an instrument's master data, as unhelpful as it is on a real terminal
_MASTER: dict[str, Any] = {
    "ProductID": "", "ProductName": "", "ProductType": -1, "CreateDate": 0, "OpenDate": 19991110,
    "ExpireDate": 99999999, "FloatVolume": UNSET, "TotalVolume": UNSET, "LongMarginRatio": UNSET,
    "ShortMarginRatio": UNSET, "VolumeMultiple": 1, "MainContract": _UNSET_INT,
    "LastVolume": _UNSET_INT, "IsTrading": False, "IsRecent": False,
}  # fmt: skip
_MORE = {
    "OptionType": -1, "MaxLimitOrderVolume": 1000000, "MinLimitOrderVolume": 100,
    "MaxMarketOrderVolume": 1000000, "MinMarketOrderVolume": 100, "ProductTradeQuota": _UNSET_INT,
    "ContractTradeQuota": _UNSET_INT, "ProductOpenInterestQuota": _UNSET_INT,
    "ContractOpenInterestQuota": _UNSET_INT,
}  # fmt: skip


class Instrument(msgspec.Struct):
    """What the terminal knows of a symbol; refreshed about 09:00, as the real one does."""

    symbol: str
    name: str
    day: date  # whose limits these are
    prev_close: float = 0.0
    up: float = 0.0  # 0.0: no limit
    down: float = 0.0
    suspended: int = 0  # days; -1: resumed today


class Subscription:
    """What a client wants to hear."""

    __slots__ = ("codes", "heard", "period")

    def __init__(self, codes: Iterable[str], period: str, heard: Heard | None) -> None:
        self.codes = frozenset(codes)
        self.period = period  # of the rows; "" for whole quotes
        self.heard = heard

    def wants(self, code: str) -> bool:
        """Whether it is one of the symbols, or of an exchange, it asked for."""
        return code in self.codes or code[7:] in self.codes


class QuoteLink:
    """A data client: its subscriptions, and the thread their rows come on."""

    def __init__(self, delivery: Delivery, lost: Callable[[], None]) -> None:
        self.connected = True
        self.subscriptions: dict[int, Subscription] = {}
        self.delivery = delivery
        self._lost = lost
        self._numbers = count(1)

    def lose(self) -> None:
        """The connection breaks; every subscription is gone with it, and says nothing."""
        if self.connected:
            self.connected = False
            self.subscriptions.clear()
            self.delivery.put(self._lost)

    def add(self, subscription: Subscription) -> int:
        """Subscribe; the number to unsubscribe by."""
        number = next(self._numbers)
        self.subscriptions[number] = subscription
        return number

    def deliver(self, heard: Heard, rows: Rows) -> None:
        """Call back on the client's thread."""
        self.delivery.put(partial(heard, rows))


class QuoteBoard:
    """Snapshots, instruments and who hears of them."""

    def __init__(self, faults: Faults, history: History) -> None:
        self.history = history
        self.links: list[QuoteLink] = []
        self.silent = False  # pushes stop, and nobody says so
        self.quotes: dict[str, Quote] = {}  # symbol -> its last snapshot
        self.actions: list[CorporateAction] = []  # declared
        self._instruments: dict[str, Instrument] = {}
        self._downloaded: set[tuple[str, str]] = set()  # (symbol, period)
        self._faults = faults
        self._stale: dict[str, Tick] = {}  # symbol -> the snapshot that comes too late

    # ------------------------------------------------------------ what comes in

    def enlist(
        self, symbol: str, day: date, prev_close: float = 0.0, name: str = "",
        limits: tuple[float, float] | None = None, suspended: int = 0,
    ) -> None:  # fmt: skip
        """Make an instrument known; without limits they are computed. Raises SymbolError."""
        check_symbol(symbol)
        up, down = limits or price_limits(symbol, prev_close, day) or (0.0, 0.0)
        name = name or _NAMES.get(symbol, f"模拟{symbol[:6]}")
        self._instruments[symbol] = Instrument(symbol, name, day, prev_close, up, down, suspended)

    def apply(self, quote: Quote) -> None:
        """A new snapshot; its limits are the instrument's."""
        day = day_of(quote.time)
        instrument = self._instruments.get(quote.symbol)
        if instrument is None or instrument.day != day or not instrument.prev_close:
            limits = (quote.limit_up, quote.limit_down) if quote.limit_up else None
            self.enlist(quote.symbol, day, quote.prev_close, limits=limits)
        self.quotes[quote.symbol] = quote
        self.history.on_quote(quote)

    def on_morning(self, day: date) -> None:
        """About 09:00: yesterday's last price is the previous close, and the limits follow.

        On an ex-date it is what that price is worth without the cash and the new shares.
        """
        gone = {action.symbol: action for action in self.actions if action.day == day}
        for symbol, old in list(self._instruments.items()):
            quote = self.quotes.get(symbol)
            close = quote.price if quote and day_of(quote.time) < day else old.prev_close
            if symbol in gone:
                worth = (Decimal(repr(close)) - gone[symbol].cash) / (1 + gone[symbol].bonus)
                close = on_tick(worth, tick_size(symbol))
            if old.day < day:
                self.enlist(symbol, day, close, old.name)

    def publish(self, symbols: Iterable[str]) -> None:
        """Push what changed to whoever subscribed to it."""
        if self.silent or not any(link.subscriptions for link in self.links):
            return
        now: dict[str, Tick] = {}
        after: dict[str, Tick] = {}
        strikes = self._faults.strikes
        for symbol in symbols:
            tick = tick_of(self.quotes[symbol])
            if strikes("quote_lost", symbol):
                continue
            if symbol in self._stale:
                after[symbol] = self._stale.pop(symbol)
            elif strikes("quote_late", symbol):
                self._stale[symbol] = tick
                continue
            elif strikes("quote_twice", symbol):
                after[symbol] = tick
            now[symbol] = tick
        for link in self.links:
            for ticks in (now, after):
                for subscription in list(link.subscriptions.values()):
                    self._tell(link, subscription, ticks)

    def _tell(self, link: QuoteLink, subscription: Subscription, ticks: dict[str, Tick]) -> None:
        if subscription.heard is None:
            return
        wanted: Rows = {code: tick for code, tick in ticks.items() if subscription.wants(code)}
        if subscription.period == "tick":
            wanted = {code: [tick] for code, tick in wanted.items()}
        elif subscription.period:
            bars = {code: self.history.current(code, subscription.period) for code in wanted}
            wanted = {code: [bar] for code, bar in bars.items() if bar}
        if wanted:
            link.deliver(subscription.heard, wanted)

    # ------------------------------------------------------------ what is asked

    def subscribe(
        self, link: QuoteLink, codes: Sequence[str], heard: Heard | None, period: str = ""
    ) -> int:
        """Subscribe to symbols or whole exchanges, or to one symbol's rows of a period.

        A whole subscription hears at once what there is, then what changes.
        """
        subscription = Subscription(codes, period, heard)
        number = link.add(subscription)
        if not period and not self.silent:
            self._tell(link, subscription, self.ticks(codes))
        return number

    def ticks(self, codes: Sequence[str]) -> dict[str, Tick]:
        """Snapshots of symbols or whole exchanges; an unknown one is simply not there."""
        wanted = Subscription(codes, "", None)
        return {s: tick_of(quote) for s, quote in self.quotes.items() if wanted.wants(s)}

    def detail(self, symbol: str) -> dict[str, Any] | None:
        """An instrument's master data by xtdata's names, None for one that is not listed."""
        known = self._instruments.get(symbol)
        if known is None:
            return None
        quote = self.quotes.get(symbol)
        halted = quote is not None and quote.phase == Phase.HALTED
        return {
            **_MASTER,
            "ExchangeID": symbol[7:],
            "InstrumentID": symbol[:6],
            "InstrumentName": known.name,
            "ExchangeCode": symbol[:6],
            "UniCode": symbol[:6],
            "TradingDay": int(known.day.strftime("%Y%m%d")),
            "PreClose": known.prev_close,
            "SettlementPrice": known.prev_close,
            "UpStopPrice": known.up or UNSET,
            "DownStopPrice": known.down or UNSET,
            "PriceTick": float(tick_size(symbol)),
            "InstrumentStatus": known.suspended or int(halted),
            "ExtendInfo": dict(_MORE),
        }

    def factors(self, symbol: str, start: str = "", end: str = "") -> dict[str, dict[str, Any]]:
        """Ex-dates by xtdata's names, once daily bars were downloaded."""
        if (symbol, "1d") not in self._downloaded:
            return {}
        days = {a.day.strftime("%Y%m%d"): a for a in self.actions if a.symbol == symbol}
        return {
            day: {
                "time": float(midnight(action.day) // MILLISECOND),
                "interest": float(action.cash),
                "stockBonus": 0.0,
                "stockGift": float(action.bonus),
                "allotNum": float(action.rights),
                "allotPrice": float(action.rights_price),
                "gugai": 0.0,
                "dr": float(1 + action.bonus),
            }
            for day, action in sorted(days.items())
            if start <= day and (not end or day <= end)
        }

    def download(self, symbol: str, period: str) -> None:
        """From now on the past is there."""
        self._downloaded.add((symbol, _base(period)))

    def bars(
        self, symbol: str, period: str, start: str | int = "", end: str | int = "",
        count: int = -1, *, live: bool = True,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Bars as the real one gives them: the past once downloaded, today's when subscribed."""
        subscriptions = [s for link in self.links for s in link.subscriptions.values()]
        today = any(s.period and symbol in s.codes for s in subscriptions)
        past = (symbol, _base(period)) in self._downloaded
        return self.history.rows(symbol, period, start, end, count, past=past, today=live and today)

    def sector(self, name: str) -> list[str]:
        """Symbols of a sector, none for one nobody knows."""
        exchanges, boards = SECTORS.get(name, ((), ()))
        return [s for s in self._instruments if s[7:] in exchanges and board_of(s) in boards]


def tick_of(quote: Quote) -> Tick:
    """A snapshot by xtdata's own names, volumes in lots."""
    lots = quote.volume // lot_size(quote.symbol)
    return {
        "time": quote.time // MILLISECOND,
        "lastPrice": quote.last,
        "open": quote.open,
        "high": quote.high,
        "low": quote.low,
        "lastClose": quote.prev_close,
        "amount": quote.amount,
        "volume": lots,
        "pvolume": quote.volume,
        "stockStatus": 3 if quote.phase == Phase.CONTINUOUS else 5,
        "openInt": quote.phase,
        "transactionNum": lots,
        "lastSettlementPrice": quote.prev_close,
        "settlementPrice": 0.0,
        "pe": 0.0,
        "askPrice": list(quote.ask_prices),
        "bidPrice": list(quote.bid_prices),
        "askVol": list(quote.ask_lots),
        "bidVol": list(quote.bid_lots),
        "volRatio": 0.0,
        "speed1Min": 0.0,
        "speed5Min": 0.0,
    }


def _base(period: str) -> str:
    """What is downloaded: longer bars are made of these."""
    return {"1d": "1d", "1m": "1m"}.get(period, "5m")
