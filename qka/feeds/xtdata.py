"""xtdata: quotes and data of a terminal on this machine.

The SDK reconnects by itself on the next call and forgets every subscription, and some of its
calls wait without an end. Here calls are made one after another on a thread of their own, with
deadlines, and history on another; the connection is watched, and what was subscribed to is
subscribed to again. A push costs its foreign thread one wake-up of the loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import random
from typing import Any

from loguru import logger

from qka import vendor
from qka.clock import Clock
from qka.errors import BrokerUnavailable, ConfigError, QkaError
from qka.feeds.bars import PERIODS
from qka.feeds.live import MARKETS, LiveFeed, Push, Tick
from qka.feeds.xtdata_words import known_numbers, label_from_xt
from qka.lanes import Job, Lane
from qka.model.times import day_of, midnight, to_datetime

MOST_SINGLE = 50  # symbols subscribed to one by one; the vendor's advice
_LONGEST_PAUSE = 30.0  # in first pauses
_FIELDS = ["time", "open", "high", "low", "close", "volume", "amount", "preClose"]
_DOWNLOADED = {"1m": "1m", "1d": "1d"}  # other bars are made of 5m


class Xtdata:
    """One connection to a terminal's data. Everything public is called on the loop.

    `port` of the terminal, found by itself unless told. Times in seconds: `deadline` of a call,
    `patience` with a download, `check` between two looks at the connection, `pause` before it is
    tried again, doubling up to thirty times as much. `now`: the market's time in ns.
    """

    def __init__(
        self,
        now: Callable[[], int],
        *,
        port: int | None = None,
        deadline: float = 10.0,
        patience: float = 120.0,
        check: float = 3.0,
        pause: float = 1.0,
    ) -> None:
        self.on_state: Callable[[bool, str], None] = lambda up, reason: None
        self._now = now
        self._port = port
        self._deadline = deadline
        self._patience = patience
        self._check = check
        self._pause = pause
        self._push: Push = lambda kind, ticks: None
        self._sdk: Any = None  # the module, once it is loaded
        self._client: Any = None  # the SDK's connection, as long as it stands
        self._lanes: _Lanes
        self._wanted: dict[str, int] = {}  # symbol or market -> number of its subscription, or 0
        self._turn = asyncio.Lock()  # subscriptions change one after another
        self._doubt = asyncio.Event()  # look at the connection now
        self._keeper: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ life

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self._client is not None

    async def open(self, push: Push, *, wait: bool = False) -> None:
        """Connect, and stay connected; `push("quotes", {symbol: tick})` is called on the loop.

        Without `wait` it returns at once and tries for ever; with it, raises BrokerUnavailable
        when the terminal is not there, ConfigError where the SDK can't be loaded.
        """
        self._push = push
        if self._keeper is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._lanes = _Lanes(self._deadline, self._patience)
        first: asyncio.Future[None] = self._loop.create_future()
        if not wait:
            first.set_result(None)
        self._keeper = self._loop.create_task(self._keep(first))
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; calling it twice is fine."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        self._wanted.clear()
        if self._client is not None:
            self._client = None
            with suppress(QkaError):
                job = self._submit(self._sdk.disconnect, self._lanes.calls)
                await self._within(job, "disconnecting", 2.0)
        self._lanes.close()

    # ------------------------------------------------------------ quotes

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Hear symbols or whole markets, from their last ticks on; also after a reconnect.

        While there is no connection it is only remembered. Raises BrokerUnavailable.
        """
        async with self._turn:
            fresh = [name for name in dict.fromkeys(symbols) if name not in self._wanted]
            self._wanted.update(dict.fromkeys(fresh, 0))
            if fresh and self._client is not None:
                await self._subscribe(fresh)

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Hear them no more; what is not subscribed to is ignored. Raises BrokerUnavailable."""
        async with self._turn:
            numbers = {self._wanted.pop(name) for name in set(symbols) & self._wanted.keys()}
            left = set(self._wanted.values())
            if self._client is None:
                return
            if numbers & left:  # one subscription for all: a smaller one in its place
                await self._subscribe(list(self._wanted))
            else:
                await self._forget(numbers)

    async def again(self, symbols: Iterable[str] = ()) -> None:
        """Subscribe anew to these, or to all. Raises BrokerUnavailable."""
        async with self._turn:
            names = [name for name in symbols if name in self._wanted] or list(self._wanted)
            if names:
                await self._subscribe(names)

    async def ticks(self, symbols: Iterable[str]) -> dict[str, Tick]:
        """The last ticks of symbols or whole markets. Raises BrokerUnavailable."""
        names = list(symbols)
        found: dict[str, Tick] = await self._call(
            "get_full_tick", lambda sdk: sdk.get_full_tick(names)
        )
        return found

    # ------------------------------------------------------------ data

    async def instrument(self, symbol: str, complete: bool = False) -> dict[str, Any] | None:
        """Master data by xtdata's names, None for an unknown symbol. Raises BrokerUnavailable.

        Where the SDK writes that there is no number, there is None.
        """
        detail = await self._call(
            "get_instrument_detail", lambda sdk: sdk.get_instrument_detail(symbol, complete)
        )
        return known_numbers(detail) if detail else None

    async def history(
        self, symbols: Sequence[str], period: str, count: int, end: int | None = None
    ) -> dict[str, list[list[float]]]:
        """The last `count` bars that ended before `end` (ns, now unless told), oldest first.

        Each is time in ms, open, high, low, close, lots, amount, previous close. They are
        downloaded first. Raises BrokerUnavailable, ConfigError for a period there is not.
        """
        if period not in PERIODS:
            raise ConfigError(f"there are no bars of {period!r}, only {', '.join(PERIODS)}")
        now = self._now()
        until = now if end is None else min(end, now)
        names = list(symbols)
        sdk = self._there()
        call = partial(_bars, sdk, names, period, count, until)
        found: dict[str, list[list[float]]] = await self._within(
            self._submit(call, self._lanes.downloads, self._patience),
            f"{period} bars of {len(names)} symbols",
            self._patience,
        )
        return found

    async def factors(self, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
        """Ex-dates from start to end (`20260105`, "" for no bound) by xtdata's names.

        The terminal learns them with daily bars, so these are downloaded first. Raises
        BrokerUnavailable.
        """
        call = partial(_factors, self._there(), symbol, start, end)
        job = self._submit(call, self._lanes.downloads)
        what = f"get_divid_factors of {symbol}"
        found: dict[str, dict[str, Any]] = await self._within(job, what, self._deadline)
        return found

    async def bars(
        self, symbol: str, period: str, count: int, end: int | None = None
    ) -> list[list[float]]:
        """The bars of one symbol, as `history` gives them."""
        return (await self.history([symbol], period, count, end)).get(symbol, [])

    # ------------------------------------------------------------ subscriptions

    async def _subscribe(self, names: list[str]) -> None:
        """Make subscriptions for these names, singly or for all wanted; then drop the old."""
        wanted = list(self._wanted)
        whole = len(wanted) > MOST_SINGLE or any(name in MARKETS for name in wanted)
        old = {self._wanted[name] for name in (wanted if whole else names)} - {0}
        if whole:
            number = await self._call(
                "subscribe_whole_quote",
                lambda sdk: _taken(sdk.subscribe_whole_quote(wanted, callback=self._heard)),
            )
            self._wanted = dict.fromkeys(wanted, number)
        else:
            numbers = await self._call(
                "subscribe_quote",
                lambda sdk: [
                    _taken(sdk.subscribe_quote(name, period="tick", callback=self._heard))
                    for name in names
                ],
            )
            self._wanted.update(zip(names, numbers, strict=True))
        # who shared the old subscription is in the new one, unless it has gone back to single ones
        await self._forget(old - set(self._wanted.values()))
        if not whole:  # these begin with the next tick, not with the last
            self._pushed(await self.ticks(names))

    async def _forget(self, numbers: set[int]) -> None:
        numbers.discard(0)
        if numbers:
            await self._call(
                "unsubscribe_quote",
                lambda sdk: [sdk.unsubscribe_quote(number) for number in sorted(numbers)],
            )

    def _heard(self, ticks: dict[str, Any]) -> None:
        """On a foreign thread: one wake-up of the loop."""
        try:
            self._loop.call_soon_threadsafe(self._pushed, ticks)
        except RuntimeError:
            pass  # the loop has closed: nobody is left to hear

    def _pushed(self, ticks: dict[str, Any]) -> None:
        """On the loop. A whole subscription brings a tick a symbol, a single one a list."""
        last: dict[str, Tick] = {}
        for symbol, rows in ticks.items():
            if isinstance(rows, list):
                for row in rows[:-1]:
                    self._push("quotes", {symbol: row})
                rows = rows[-1] if rows else None
            if rows:
                last[symbol] = rows
        if last:
            self._push("quotes", last)

    # ------------------------------------------------------------ the connection

    async def _keep(self, first: asyncio.Future[None]) -> None:
        """Connect, watch, and connect again, until closed."""
        failures = 0
        while True:
            try:
                await self._connect(first)
                failures = 0
                reason = await self._watch()
            except Exception as error:
                if not first.done():
                    first.set_exception(error)
                    return
                if not isinstance(error, QkaError):
                    logger.exception("xtdata: the connection failed")
                reason = str(error)
            self._client = None
            self._lanes.close()  # what hangs in there is left to hang
            self._lanes = _Lanes(self._deadline, self._patience)
            if not failures:
                logger.warning("xtdata: {}", reason)
                self.on_state(False, reason)
            longest = min(_LONGEST_PAUSE, 2.0 ** min(failures, 16))
            failures += 1
            await asyncio.sleep(self._pause * longest * (0.75 + random() / 2))

    async def _connect(self, first: asyncio.Future[None]) -> None:
        job = self._submit(self._reach, self._lanes.calls)
        try:
            self._client = await self._within(job, "connecting", self._deadline)
        except BrokerUnavailable:
            if first.done() and not job.future.done():
                # the SDK is stuck in it: another try would be stuck as well
                self._client = await job.future
            else:
                raise
        async with self._turn:
            self._wanted = dict.fromkeys(self._wanted, 0)
            if self._wanted:
                await self._subscribe(list(self._wanted))
        if not first.done():
            first.set_result(None)
        self.on_state(True, "")

    def _reach(self) -> Any:
        """On the lane: the SDK's connection."""
        sdk: Any = vendor.load("xtdata")
        self._sdk = sdk
        sdk.enable_hello = False  # it prints to the terminal
        sdk.watch_xtquant_status(self._status)
        try:
            return sdk.connect(port=self._port)
        except Exception as error:
            where = f"at port {self._port}" if self._port else "on this machine"
            raise BrokerUnavailable(
                f"no terminal gives quotes {where} ({error}): start MiniQMT and log in; with "
                "several terminals name the `port` of one"
            ) from error

    def _status(self, info: Mapping[str, Any]) -> None:
        """On a foreign thread: the SDK says that a connection came or went."""
        try:
            self._loop.call_soon_threadsafe(self._doubt.set)
        except RuntimeError:
            pass

    async def _watch(self) -> str:
        """Return why the connection is lost, once it is."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check):
                    await self._doubt.wait()
            self._doubt.clear()
            # never through the SDK's own getter, which connects anew and forgets subscriptions
            job = self._submit(self._client.is_connected, self._lanes.watch)
            if not await self._within(job, "asking for the connection", self._deadline):
                return "the terminal closed the connection to its quotes"

    # ------------------------------------------------------------ calls

    def _there(self) -> Any:
        if self._client is None:
            raise BrokerUnavailable("there is no connection to the terminal's quotes")
        return self._sdk

    async def _call(self, name: str, call: Callable[[Any], Any]) -> Any:
        sdk = self._there()
        job = self._submit(partial(call, sdk), self._lanes.calls)
        return await self._within(job, name, self._deadline)

    def _submit(self, call: Callable[[], Any], lane: Lane, within: float = 0.0) -> Job:
        return lane.submit(call, self._loop.time() + (within or self._deadline))

    async def _within(self, job: Job, what: str, seconds: float) -> Any:
        await asyncio.wait([job.future], timeout=seconds)
        if not job.future.done() or job.future.cancelled():
            job.withdraw()
            self._doubt.set()
            raise BrokerUnavailable(f"xtdata: {what} did not end in {seconds:g} s")
        error = job.future.exception()
        if error is None or isinstance(error, QkaError):
            return job.future.result()
        self._doubt.set()
        raise BrokerUnavailable(f"xtdata: {what} failed ({error})") from error


class _Lanes:
    """Where calls of one connection are made. Half a deadline is given to one before the next."""

    def __init__(self, deadline: float, patience: float) -> None:
        self.calls = Lane("qka-xtdata", patience=deadline / 2)
        self.downloads = Lane("qka-xtdata-history", patience=patience / 2)
        self.watch = Lane("qka-xtdata-watch", patience=deadline / 2)

    def close(self) -> None:
        """Begin nothing more."""
        for lane in (self.calls, self.downloads, self.watch):
            lane.close()


def _taken(number: int) -> int:
    if number is None or number <= 0:
        raise BrokerUnavailable("the terminal took no subscription")
    return number


def _bars(
    sdk: Any, symbols: list[str], period: str, count: int, until: int
) -> dict[str, list[list[float]]]:
    """On the lane of downloads: fetch, then read."""
    minutes = PERIODS[period]
    a_day = 241 if minutes == 1 else 240 // minutes
    days = 2 * (-(-count // a_day)) + 15  # calendar days that surely have so many trading days
    start = to_datetime(midnight(day_of(until))) - timedelta(days=days)
    begin = start.strftime("%Y%m%d")
    try:
        base = _DOWNLOADED.get(period, "5m")
        sdk.download_history_data2(symbols, base, begin, "", None, True)
    except Exception as error:
        logger.warning(
            "xtdata: the download of {} bars failed ({}): taking what is there", base, error
        )
    tables = sdk.get_market_data_ex(
        _FIELDS, symbols, period, begin, to_datetime(until), count + 2, "none", True
    )
    found: dict[str, list[list[float]]] = {}
    for symbol, table in tables.items():
        rows = table[_FIELDS].to_numpy().tolist()
        ended = [row for row in rows if label_from_xt(row[0], period) <= until]
        found[symbol] = ended[-count:]
    return found


def _factors(sdk: Any, symbol: str, start: str, end: str) -> dict[str, dict[str, Any]]:
    """On the lane of downloads: fetch, then read."""
    try:
        sdk.download_history_data2([symbol], "1d", start, "", None, True)
    except Exception as error:
        logger.warning("xtdata: the download of {} failed ({}): using what is there", symbol, error)
    rows: dict[str, dict[str, Any]] = sdk.get_divid_factors(symbol, start, end).to_dict("index")
    return {str(day): known_numbers(row) for day, row in rows.items()}


class XtdataFeed(LiveFeed):
    """Live quotes of a terminal on this machine; `port` only where there are several.

    `warm`: period -> bars to fetch when it opens. `silence`: seconds in trading hours after which
    missing quotes are looked into. `deadline` and `patience`: see `Xtdata`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        port: int | None = None,
        warm: Mapping[str, int] | None = None,
        silence: float = 30.0,
        deadline: float = 10.0,
        patience: float = 120.0,
        check: float = 3.0,
    ) -> None:
        source = Xtdata(clock.now, port=port, deadline=deadline, patience=patience, check=check)
        super().__init__(source, clock, warm=warm, silence=silence)
