"""A live feed: what becomes of ticks on their way to the bus, whoever brings them.

A `Source` pushes ticks by xtdata's own names. Here they become quotes with the day's price limits,
old and repeated ones are dropped, and somebody notices when no more come.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol

from loguru import logger
from msgspec.structs import replace

from qka.ashare.facts import disagreement
from qka.ashare.rules import TERMS
from qka.ashare.sessions import phase_at
from qka.clock import Clock, Timer
from qka.errors import ConfigError, QkaError, SymbolError
from qka.feeds.port import Report
from qka.feeds.xtdata_words import (
    action_from_xt,
    bar_from_xt,
    day_from_xt,
    limit_from_xt,
    quote_from_xt,
    state_from_xt,
    tidied,
)
from qka.model.actions import CorporateAction
from qka.model.events import Alert, InstrumentState, LinkState, Severity
from qka.model.market import Bar, Phase, Quote, Status
from qka.model.symbol import check_symbol
from qka.model.times import MINUTE, SECOND, at, day_of

MARKETS = ("SH", "SZ", "BJ")
Tick = dict[str, Any]
Push = Callable[[str, Any], None]  # ("quotes", {symbol: tick}), on the loop
_REFRESHED = "09:01"  # terminals refresh their instruments about 09:00
_AT_ONCE = 8  # questions under way
_SAMPLE = 5  # instruments of a whole market that tell what day it is there
_PATIENT = 10  # silences until a symbol that is merely quiet is looked at again


class Source(Protocol):
    """Where ticks come from. Every call raises BrokerUnavailable while it is away."""

    on_state: Callable[[bool, str], None]  # (up, why not), on the loop; set by whoever listens

    @property
    def up(self) -> bool:
        """Whether it is connected."""

    async def open(self, push: Push, *, wait: bool) -> None:
        """Connect, and stay connected; with `wait` raise when that fails the first time."""

    async def close(self) -> None:
        """Let go; calling it twice is fine."""

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Hear symbols or whole markets, from the last ticks on; also after a reconnect."""

    async def again(self, symbols: Iterable[str] = ()) -> None:
        """Subscribe anew to these, or to all."""

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The last ticks of symbols or whole markets."""

    async def instrument(self, symbol: str, complete: bool = False) -> dict[str, Any] | None:
        """Master data, None for a symbol that is not listed."""

    async def history(
        self, symbols: Sequence[str], period: str, count: int
    ) -> dict[str, list[list[float]]]:
        """Ended bars of symbols, oldest first, as `bar_from_xt` reads them."""

    async def factors(self, symbol: str, start: str, end: str) -> Mapping[str, Mapping[str, Any]]:
        """Ex-dates from start to end (`20260105`), as `action_from_xt` reads them."""


class Instrument(NamedTuple):
    """What is known of a symbol for one day."""

    day: date
    limit_up: float = 0.0  # 0.0: none, or not known
    limit_down: float = 0.0
    suspended: bool = False


class LiveFeed:
    """Live quotes of a source.

    `warm`: period -> bars to fetch when it opens, which is all the history there will be.
    `silence`: seconds in trading hours after which missing quotes are looked into.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        warm: Mapping[str, int] | None = None,
        silence: float = 30.0,
    ) -> None:
        self._source = source
        self._clock = clock
        self._warm = dict(warm or {})
        self._silence = int(silence * SECOND)
        self._asked: list[str] = []  # symbols or markets
        self._names: list[str] = []  # symbols asked for by name
        self._report: Report | None = None  # while it runs
        self._instruments: dict[str, Instrument] = {}
        self._past: dict[tuple[str, str], list[Bar]] = {}  # (symbol, period) -> bars
        self._last: dict[str, Quote] = {}  # symbol -> last quote
        self._heard: dict[str, int] = {}  # symbol -> ns of the clock when its last tick came
        self._heard_any = self._began = 0  # ns
        self._quiet_until: dict[str, int] = {}  # symbol -> not looked at before
        self._ask_after: dict[str, int] = {}  # symbol -> when its instrument may be asked for
        self._questions: asyncio.Queue[str] = asyncio.Queue()  # symbols to ask about
        self._alien: set[str] = set()  # names in ticks that are no symbols of ours
        self._states: dict[str, InstrumentState] = {}  # symbol -> what was told of it, without time
        self._differs: dict[str, str] = {}  # symbol -> how the rule book was found wrong
        self._bad: set[str] = set()  # symbols of which a tick was no quote
        self._up: bool | None = None  # as it was reported
        self._timers: dict[str, Timer] = {}  # what for -> when
        self._tasks: set[asyncio.Task[None]] = set()
        source.on_state = self._on_state

    # ------------------------------------------------------------ port

    @property
    def start(self) -> int:
        """0: it is live."""
        return 0

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Connect, and learn the limits and the past of these symbols (empty: all there are).

        Raises ConfigError for one that is not listed, BrokerUnavailable.
        """
        await self._source.open(self._on_push, wait=True)
        if symbols:
            self._names = self._asked = sorted(set(symbols))
            unknown = [name for name in self._names if not await self._learn(name)]
            if unknown:
                raise ConfigError(f"the terminal knows no {', '.join(unknown)}")
            names = self._names
        else:
            self._asked = list(MARKETS)
            names = sorted(filter(_exists, await self._source.ticks(MARKETS)))
            for name in names[:_SAMPLE]:
                await self._learn(name)
        for period, count in self._warm.items():
            if count > 0:
                rows = await self._source.history(names, period, count)
                for name in names:
                    bars = [bar_from_xt(name, period, row) for row in rows.get(name, ())]
                    self._past[name, period] = bars
        return names

    def provides(self) -> str:
        """Quotes."""
        return "quote"

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """The last bars that were fetched when it opened; see `warm`."""
        if count <= 0:
            return []
        bars = self._past.get((symbol, period), [])
        if len(bars) < count:
            logger.warning("{}: {} of {} bars of {}", symbol, len(bars), count, period)
        return bars[-count:]

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """Bonus shares and dividends, as the terminal knows them. Raises BrokerUnavailable."""
        start, end = since.strftime("%Y%m%d"), until.strftime("%Y%m%d")
        found: list[CorporateAction] = []
        for symbol in symbols:
            rows = await self._source.factors(symbol, start, end)
            known = (action_from_xt(symbol, row) for row in rows.values())
            found += [action for action in known if action and since <= action.day <= until]
        return found

    async def run(self, report: Report) -> None:
        """Report quotes, and how the link stands, until it is cancelled."""
        self._report = report
        self._heard_any = self._began = self._clock.now()
        self._say(self._source.up, "there is no connection")
        for state in self._states.values():
            report(replace(state, time=self._began))
        for words in self._differs.values():
            self._warn(words)
        self._clock.on_day(self._on_day)
        self._watch()
        for _ in range(_AT_ONCE):
            self._spawn(self._ask())
        try:
            await self._source.subscribe(self._asked)
            await asyncio.Event().wait()  # the source brings the quotes
        finally:
            self._report = None
            for timer in self._timers.values():
                timer.cancel()
            for task in self._tasks:
                task.cancel()

    def progress(self) -> float:
        """0: the end is open."""
        return 0.0

    async def close(self) -> None:
        """Let go of the source; calling it twice is fine."""
        await self._source.close()

    # ------------------------------------------------------------ quotes

    def _on_push(self, kind: str, ticks: dict[str, Tick]) -> None:
        report = self._report
        if report is None or kind != "quotes":
            return
        self._heard_any = now = self._clock.now()
        self._say(True)
        today = day_of(now)
        for symbol, tick in ticks.items():
            if symbol not in self._heard and not self._is_ours(symbol):
                continue
            self._heard[symbol] = now
            quote = self._quote(symbol, tick, today)
            if quote is not None:
                report(quote)

    def _quote(self, symbol: str, tick: Tick, today: date) -> Quote | None:
        """The tick as a quote; None when it is old, known already, or no quote."""
        known = self._instruments.get(symbol)
        if known is None or known.day != today:
            self._wonder(symbol)
            known = Instrument(today)
        try:
            quote = quote_from_xt(symbol, tidied(tick), known.limit_up, known.limit_down)
        except (KeyError, TypeError, ValueError) as error:
            if symbol not in self._bad:
                self._bad.add(symbol)
                logger.warning("{}: its ticks are no quotes ({!r}): left out", symbol, error)
            return None
        last = self._last.get(symbol)
        if last is not None and quote.time <= last.time:
            # the same with other limits is news, as long as it is of the day that these are of
            same = quote.time == last.time and quote != last and day_of(quote.time) == today
            if not same:
                return None
        self._last[symbol] = quote
        return quote

    def _is_ours(self, symbol: str) -> bool:
        """Whole markets have more in them than we know how to trade."""
        if symbol in self._alien:
            return False
        if not _exists(symbol):
            self._alien.add(symbol)
            return False
        return True

    # ------------------------------------------------------------ instruments

    def _on_day(self, day: date) -> None:
        """In the morning the limits are new: learn them before the first quote."""
        when = at(day, _REFRESHED) + 1  # a replay has no feed, and knows what is due by its moment
        if when > self._clock.now():
            self._timers["morning"] = self._clock.call_at(when, self._learn_all)

    def _learn_all(self) -> None:
        for name in self._names:
            self._wonder(name)

    def _wonder(self, symbol: str) -> None:
        """Ask for today's limits, at most once a minute: until 09:00 there are yesterday's."""
        now = self._clock.now()
        if now >= self._ask_after.get(symbol, 0):
            self._ask_after[symbol] = now + MINUTE
            self._questions.put_nowait(symbol)

    async def _ask(self) -> None:
        while True:
            symbol = await self._questions.get()
            try:
                await self._learn(symbol)
            except QkaError as error:
                logger.warning("{}: no price limits ({})", symbol, error)

    async def _learn(self, symbol: str) -> bool:
        """Whether there is such an instrument; what is known of it is kept with its day."""
        detail = await self._source.instrument(symbol)
        if not detail:
            return False
        known = self._instruments[symbol] = Instrument(
            day_from_xt(detail.get("TradingDay")) or date.min,
            limit_from_xt(detail.get("UpStopPrice")),
            limit_from_xt(detail.get("DownStopPrice")),
            (detail.get("InstrumentStatus") or 0) > 0,
        )
        self._compare(symbol, detail, known)
        self._tell(symbol, state_from_xt(symbol, detail))
        return True

    def _tell(self, symbol: str, state: InstrumentState | None) -> None:
        """Say what sets a symbol apart today, and that it is as usual again."""
        told = self._states.get(symbol)
        if state is None or state == told:
            return
        usual = state.status is Status.NORMAL and not state.suspended
        if usual and (told is None or told.day != state.day):
            return
        self._states[symbol] = state
        if self._report is not None:  # else it is told when it runs
            self._report(replace(state, time=self._clock.now()))

    def _compare(self, symbol: str, detail: Mapping[str, Any], known: Instrument) -> None:
        """The terminal's word holds; where the rule book says something else a human is told."""
        tick = limit_from_xt(detail.get("PriceTick"))
        if tick:
            TERMS.learn_tick(symbol, tick)
        limits = (known.limit_up, known.limit_down) if known.limit_up else None
        name, close = str(detail.get("InstrumentName") or ""), limit_from_xt(detail.get("PreClose"))
        day = day_of(self._clock.now()) if known.day == date.min else known.day
        words = disagreement(symbol, name, day, close, limits, tick)
        if words and symbol not in self._differs:
            words += ": the terminal's hold; correct the rule book in rules.file"
            self._differs[symbol] = words
            self._warn(words)

    def _warn(self, words: str) -> None:
        if self._report is not None:  # else it is told when it runs
            self._report(Alert(self._clock.now(), Severity.WARNING, "feed", words))

    # ------------------------------------------------------------ alive or not

    def _on_state(self, up: bool, reason: str) -> None:
        self._heard_any = self._clock.now()  # silence is counted from here
        self._say(up, reason)

    def _say(self, up: bool, reason: str = "") -> None:
        if up is not self._up and self._report is not None:
            self._up = up
            self._report(LinkState(self._clock.now(), "feed", up, "" if up else reason))

    def _watch(self) -> None:
        now = self._clock.now()
        if self._up and self._trading(now):
            if now - self._heard_any >= self._silence:
                words = f"no quote for {self._silence // SECOND} s in trading hours"
                self._say(False, f"{words}: subscribed again")
                self._spawn(self._again([]))
            elif quiet := [name for name in self._names if self._is_quiet(name, now)]:
                self._quiet_until.update(dict.fromkeys(quiet, now + _PATIENT * self._silence))
                self._spawn(self._look_at(quiet))
        self._timers["watch"] = self._clock.call_at(now + self._silence // 3, self._watch)

    def _trading(self, now: int) -> bool:
        """Whether quotes should have come all the while: the exchange's day, by its own word."""
        began, today = phase_at(now - self._silence), day_of(now)
        if not began is phase_at(now) is Phase.CONTINUOUS:
            return False
        return any(known.day == today for known in self._instruments.values())

    def _is_quiet(self, name: str, now: int) -> bool:
        known = self._instruments[name]
        silent = now - self._heard.get(name, self._began) >= self._silence
        return silent and not known.suspended and now >= self._quiet_until.get(name, 0)

    async def _look_at(self, quiet: list[str]) -> None:
        """A quiet symbol has no trades, or its subscription is lost: its last tick tells."""
        try:
            ticks = await self._source.ticks(quiet)
        except QkaError as error:
            logger.warning("the quotes of {} are silent ({})", ", ".join(quiet), error)
            return
        before = {name: self._last.get(name) for name in ticks}
        self._on_push("quotes", ticks)
        lost = [name for name in ticks if self._last.get(name) is not before[name]]
        if lost and self._report is not None:
            words = f"no quotes of {', '.join(lost)} came though there were: subscribed again"
            self._warn(words)
            await self._again(lost)

    async def _again(self, symbols: list[str]) -> None:
        try:
            await self._source.again(symbols)
        except QkaError as error:
            logger.warning("quotes could not be subscribed to again: {}", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _exists(symbol: str) -> bool:
    try:
        check_symbol(symbol)
    except SymbolError:
        return False
    return True
