"""Quotes of a QMTServer, over the same connection as its broker.

The client subscribes again by itself when the link is back, and the server sends the last
snapshots first, so nothing is asked for twice here. Price limits come from the instruments'
particulars, learnt before the first quote of a named symbol, and again every day.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from loguru import logger

from qka.ashare.sessions import phase_at
from qka.clock import Clock, Timer
from qka.errors import CallRefused, ConfigError, QkaError, SymbolError
from qka.feeds.port import Report
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.events import LinkState
from qka.model.market import Bar, Phase, Quote
from qka.model.money import on_tick
from qka.model.symbol import check_symbol, lot_size
from qka.model.times import MILLISECOND, MINUTE, SECOND, at, day_of

MARKETS = ("SH", "SZ", "BJ")
_AT_ONCE = 8  # questions under way
_MILL = Decimal("0.001")
_NO_LIMIT = 1e6  # CNY; the SDK writes DBL_MAX or INT_MAX where there is no limit


class Server(Protocol):
    """`qka.brokers.client.AsyncQMTClient`, as far as a feed needs it."""

    @property
    def up(self) -> bool:
        """Whether it is connected."""

    async def open(self) -> Any:
        """Connect and stay connected."""

    async def close(self) -> None:
        """Let go."""

    async def query(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Plain data; raises QkaError."""

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Ask for quotes."""

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Ask for no more."""

    def listen(
        self,
        *,
        quotes: Callable[[dict[str, dict[str, Any]]], None],
        link: Callable[[bool, str], None],
    ) -> None:
        """Hear quotes, and the link going up and down."""


class _Limits(NamedTuple):
    """A symbol's price limits of one day, 0.0 where there is none."""

    day: date
    up: float
    down: float


class RemoteFeed:
    """Live quotes of a QMTServer.

    `warm`: period -> bars to fetch when it opens, which is all the history there will be;
    `silence`: seconds without any quote in trading hours until it asks for them again.
    """

    def __init__(
        self,
        server: Server,
        clock: Clock,
        *,
        warm: Mapping[str, int] | None = None,
        silence: float = 30.0,
    ) -> None:
        self._server = server
        self._clock = clock
        self._warm = dict(warm or {})
        self._silence = int(silence * SECOND)
        self._joined = False
        self._asked: list[str] = []  # symbols or markets
        self._report: Report | None = None  # while it runs
        self._limits: dict[str, _Limits] = {}
        self._past: dict[tuple[str, str], list[Bar]] = {}  # (symbol, period) -> bars
        self._last: dict[str, Quote] = {}  # symbol -> last quote
        self._bad: set[str] = set()  # symbols whose ticks are no quotes
        self._ask_after: dict[str, int] = {}  # symbol -> ns when its limits may be asked for again
        self._questions: asyncio.Queue[str] = asyncio.Queue()  # symbols without limits
        self._heard = 0  # ns of the clock when the last quotes came
        self._up: bool | None = None  # as it was reported
        self._timer: Timer | None = None
        self._again: asyncio.Task[None] | None = None
        server.listen(quotes=self._on_quotes, link=self._on_link)

    # ------------------------------------------------------------ port

    @property
    def start(self) -> int:
        """0: it is live."""
        return 0

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Connect, and learn the limits and the past of these symbols (empty: all there are).

        Raises ConfigError for one the server does not know, BrokerUnavailable, AccessDenied.
        """
        if not self._joined:
            await self._server.open()
            self._joined = True
        if symbols:
            self._asked = sorted(set(symbols))
            found, names = await _each(self._learn, self._asked), self._asked
            unknown = [name for name, there in zip(names, found, strict=True) if not there]
            if unknown:
                raise ConfigError(f"the server knows no {', '.join(unknown)}")
        else:
            self._asked = list(MARKETS)
            ticks = await self._server.query("get_full_tick", {"code_list": self._asked})
            names = sorted(filter(_exists, ticks))
        wanted = [(name, period) for name in names for period in self._warm]
        for key, bars in zip(wanted, await _each(self._fetch, wanted), strict=True):
            self._past[key] = bars
        return names

    def provides(self) -> str:
        """Quotes."""
        return "quote"

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """The last bars that were fetched when it opened; see `warm`."""
        if count <= 0:
            return []
        bars = self._past.get((symbol, period), [])
        if len(bars) < count and count > self._warm.get(period, 0):
            logger.warning(
                "{}: {} bars of {} were asked for, {} were fetched",
                symbol,
                count,
                period,
                len(bars),
            )
        return bars[-count:]

    async def run(self, report: Report) -> None:
        """Report quotes until it is cancelled."""
        self._report = report
        self._heard = self._clock.now()
        self._say(self._server.up, "the link is down")
        self._watch()
        learning = [asyncio.create_task(self._learning()) for _ in range(_AT_ONCE)]
        try:
            await self._server.subscribe(self._asked)
            await asyncio.Event().wait()  # the client's reader brings the quotes
        finally:
            self._report = None
            for task in (*learning, *([self._again] if self._again else [])):
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            try:
                async with asyncio.timeout(1):
                    await self._server.unsubscribe(self._asked)
            except (TimeoutError, QkaError):
                pass  # the server forgets it with the connection

    def progress(self) -> float:
        """0: the end is open."""
        return 0.0

    async def close(self) -> None:
        """Let go of the link; calling it twice is fine."""
        if self._joined:
            self._joined = False
            await self._server.close()

    # ------------------------------------------------------------ quotes

    def _on_quotes(self, ticks: dict[str, dict[str, Any]]) -> None:
        report = self._report
        if report is None:
            return
        self._heard = self._clock.now()
        self._say(True)
        today = day_of(self._heard)
        for symbol, tick in ticks.items():
            quote = self._quote(symbol, tick, today)
            if quote is not None:
                report(quote)

    def _quote(self, symbol: str, tick: dict[str, Any], today: date) -> Quote | None:
        """The tick as a quote; None when it is old, known already, or no quote."""
        limits = self._limits.get(symbol)
        if limits is None or limits.day != today:
            limits = _Limits(today, 0.0, 0.0)
            self._wonder(symbol)
        try:
            if None in tick.values():
                tick = {name: 0.0 if value is None else value for name, value in tick.items()}
            quote = quote_from_xt(symbol, tick, limits.up, limits.down)
        except (KeyError, TypeError, ValueError) as error:  # also a symbol that can't exist
            if symbol not in self._bad:
                self._bad.add(symbol)
                logger.warning("{}: its ticks are no quotes ({!r}): left out", symbol, error)
            return None
        last = self._last.get(symbol)
        if last is not None and (quote.time < last.time or quote == last):
            return None
        self._last[symbol] = quote
        return quote

    # ------------------------------------------------------------ limits and bars

    def _wonder(self, symbol: str) -> None:
        """Ask for today's limits, not more than once a minute: yesterday's stay until 09:00."""
        if self._heard >= self._ask_after.get(symbol, 0):
            self._ask_after[symbol] = self._heard + MINUTE
            self._questions.put_nowait(symbol)

    async def _learning(self) -> None:
        while True:
            symbol = await self._questions.get()
            try:
                await self._learn(symbol)
            except QkaError as error:
                logger.warning("{}: no price limits ({})", symbol, error)

    async def _learn(self, symbol: str) -> bool:
        """Whether there is such an instrument; its limits of the day are kept."""
        detail = await self._server.query("get_instrument_detail", {"stock_code": symbol})
        if not detail:
            return False
        self._limits[symbol] = _Limits(
            _trading_day(detail.get("TradingDay")) or day_of(self._clock.now()),
            _limit(detail.get("UpStopPrice")),
            _limit(detail.get("DownStopPrice")),
        )
        return True

    async def _fetch(self, wanted: tuple[str, str]) -> list[Bar]:
        symbol, period = wanted
        count = self._warm[period]
        if count <= 0:
            return []
        params = {"symbol": symbol, "period": period, "count": count}
        try:
            rows = await self._server.query("get_market_data", params)
        except CallRefused as error:
            raise ConfigError(f"{symbol}: no {period} bars ({error})") from None
        return [_bar(symbol, period, row) for row in rows or ()]

    # ------------------------------------------------------------ alive or not

    def _on_link(self, up: bool, reason: str) -> None:
        if self._report is not None:
            self._heard = self._clock.now()  # silence is counted from here
            self._say(up, reason)

    def _say(self, up: bool, reason: str = "") -> None:
        if up is not self._up and self._report is not None:
            self._up = up
            self._report(LinkState(self._clock.now(), "feed", up, "" if up else reason))

    def _watch(self) -> None:
        now = self._clock.now()
        if self._server.up and now - self._heard >= self._silence and self._trading(now):
            words = f"no quote for {self._silence // SECOND} s in trading hours: asked for again"
            self._say(False, words)
            self._again = asyncio.create_task(self._ask_again())
        self._timer = self._clock.call_at(now + self._silence, self._watch)

    def _trading(self, now: int) -> bool:
        """Whether quotes should have come all the while."""
        began = phase_at(now - self._silence)
        return day_of(now).weekday() < 5 and began is phase_at(now) is Phase.CONTINUOUS

    async def _ask_again(self) -> None:
        """A subscription that fell silent is made anew."""
        try:
            await self._server.unsubscribe(self._asked)
            await self._server.subscribe(self._asked)
        except QkaError as error:
            logger.warning("quotes could not be asked for again: {}", error)


async def _each(ask: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The answers in the order of the questions, some at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Any) -> Any:
        async with places:
            return await ask(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _exists(symbol: str) -> bool:
    try:
        check_symbol(symbol)
    except SymbolError:
        return False
    return True


def _trading_day(day: Any) -> date | None:
    try:
        return datetime.strptime(str(day), "%Y%m%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        return None


def _limit(price: Any) -> float:
    if isinstance(price, int | float) and 0 < price < _NO_LIMIT:
        return on_tick(price, _MILL)
    return 0.0


def _bar(symbol: str, period: str, row: Sequence[Any]) -> Bar:
    """Time in ms, open, high, low, close, lots, amount, previous close."""
    time, first, high, low, last, lots, amount, before = row
    label = int(time) * MILLISECOND
    if period == "1d":
        label = at(day_of(label), "15:00")  # there the label is the day's midnight
    shares = int(lots) * lot_size(symbol)
    return Bar(symbol, label, period, first, high, low, last, shares, amount, before)
