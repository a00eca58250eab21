"""What the rows share: xtquant dicts, columns of bars, and engines around no-op edges."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice, repeat
from typing import Any

import numpy as np

from qka.ashare.fees import FeeSchedule
from qka.brokers.port import Sink
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.engine.strategy import Strategy
from qka.feeds.port import BATCH, Report, play
from qka.journal.port import Journal, NoJournal
from qka.model.account import AccountIdentity, AccountSnapshot, Asset
from qka.model.actions import CorporateAction
from qka.model.market import Bar
from qka.model.money import yuan
from qka.model.order import Approved, Order
from qka.model.times import MILLISECOND, MINUTE, at, midnight
from qka.risk.pace import RateLimit, SlidingWindow
from qka.risk.rules import (
    instrument,
    known,
    trading_state,
)
from qka.risk.sizes import PositionRatio
from qka.risk.verdicts import Rule

DAY = date(2026, 1, 5)
TEN = at(DAY, "10:00")
FEES = FeeSchedule(Decimal("0.00025"), Decimal(5))
CASH = 1_000_000_000_00  # cents


def symbols(count: int) -> list[str]:
    """So many symbols that can exist."""
    return [f"{600000 + i}.SH" if i < 4000 else f"{i - 4000:06d}.SZ" for i in range(count)]


def tick(number: int, step: int = 0) -> dict[str, Any]:
    """What xtdata pushes for one symbol: its own field names, lots, milliseconds."""
    last = round(10 + (number + step) % 50 / 100, 2)
    return {
        "time": (TEN + step * 3000 * MILLISECOND) // MILLISECOND,
        "timetag": "20260105 10:00:00",
        "lastPrice": last,
        "open": 10.0,
        "high": 10.6,
        "low": 9.9,
        "lastClose": 10.0,
        "amount": 123_456_789.0 + step,
        "volume": 123_456 + step,
        "pvolume": (123_456 + step) * 100,
        "stockStatus": 3,
        "openInt": 13,
        "transactionNum": 0,
        "lastSettlementPrice": 0.0,
        "settlementPrice": 0.0,
        "askPrice": [round(last + 0.01 * (level + 1), 2) for level in range(5)],
        "askVol": [10, 20, 30, 40, 50],
        "bidPrice": [round(last - 0.01 * level, 2) for level in range(5)],
        "bidVol": [50, 40, 30, 20, 10],
    }


# ------------------------------------------------------------------ bars from columns


@dataclass(frozen=True)
class Columns:
    """1-minute bars by time, then symbol, the way a Parquet file gives them."""

    names: list[str]
    time: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    amount: np.ndarray
    prev_close: np.ndarray

    @property
    def rows(self) -> int:
        """How many bars."""
        return len(self.time)

    def batches(self) -> Iterator[Sequence[Bar]]:
        """The bars, made when they are asked for."""
        count = len(self.names)
        cycle = self.names * (BATCH // count + 2)
        for i in range(0, self.rows, BATCH):
            part = slice(i, i + BATCH)
            yield list(
                map(
                    Bar,
                    islice(cycle, i % count, i % count + BATCH),
                    self.time[part].tolist(),
                    repeat("1m"),
                    self.open[part].tolist(),
                    self.high[part].tolist(),
                    self.low[part].tolist(),
                    self.close[part].tolist(),
                    self.volume[part].tolist(),
                    self.amount[part].tolist(),
                    self.prev_close[part].tolist(),
                )
            )


def columns(each: int, names: Sequence[str]) -> Columns:
    """`each` bars a symbol, a random walk pulled back to 10 CNY; the same on every call."""
    rng = np.random.default_rng(7)
    count = len(names)
    days = -(-each // 240)
    morning = np.arange(1, 121) + 570
    minutes = np.concatenate([morning, morning + 210]) * MINUTE
    starts = np.array([midnight(DAY + timedelta(days=i)) for i in range(days)], dtype=np.int64)
    time = (starts[:, None] + minutes[None, :]).ravel()[:each]
    # an hour's wave under the noise, so that averages cross now and then
    noise = rng.normal(0, 0.01, (each, count)).cumsum(axis=0)
    pulled = 10 + np.sin(noise) + 0.02 * rng.normal(0, 1, (each, count))
    close = np.round(pulled, 2)
    open_ = np.vstack([close[:1], close[:-1]])
    high = np.round(np.maximum(open_, close) + 0.01, 2)
    low = np.round(np.minimum(open_, close) - 0.01, 2)
    volume = rng.integers(1_000, 10_000, (each, count)) * 100
    ends = np.vstack([close[:1], close[239::240]])
    prev = np.repeat(ends, 240, axis=0)[:each]
    return Columns(
        list(names),
        np.repeat(time, count),
        *(a.ravel() for a in (open_, high, low, close, volume, volume * close, prev)),
    )


class ColumnFeed:
    """A feed over columns, as a replay feed would be without its files."""

    def __init__(self, clock: ReplayClock, source: Columns) -> None:
        self._clock = clock
        self._source = source
        self.start = int(source.time[0])

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """All there are."""
        return self._source.names

    def provides(self) -> str:
        """Minutes."""
        return "1m"

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """None."""
        return []

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """None."""
        return []

    async def run(self, report: Report) -> None:
        """Report every bar, with the clock in step."""
        await play(self._source.batches(), self._clock, report)

    def progress(self) -> float:
        """Not told."""
        return 0.0

    async def close(self) -> None:
        """Nothing."""


# ------------------------------------------------------------------ an engine held open


class StandingFeed:
    """Moves the clock to 10:00 and leaves the rest to the benchmark."""

    def __init__(self, clock: ReplayClock) -> None:
        self._clock = clock
        self.start = TEN
        self.standing = asyncio.Event()

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """Whatever is asked for."""
        return symbols

    def provides(self) -> str:
        """Quotes."""
        return "quote"

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """None."""
        return []

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """None."""
        return []

    async def run(self, report: Report) -> None:
        """Stand at 10:00 until cancelled."""
        await self._clock.advance(TEN)
        self.standing.set()
        await asyncio.Event().wait()

    def progress(self) -> float:
        """Not told."""
        return 0.0

    async def close(self) -> None:
        """Nothing."""


class NoBroker:
    """Keeps what it is sent and answers nothing; the benchmark rejects it outside the clock."""

    def __init__(self) -> None:
        self.sent: list[Approved] = []

    async def connect(self, report: Sink) -> AccountIdentity:
        """Always there."""
        return AccountIdentity("demo")

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Nothing."""

    def submit(self, approved: Approved) -> None:
        """Keep it."""
        self.sent.append(approved)

    def recall(self) -> None:
        """Nothing."""

    def cancel(self, order: Order) -> None:
        """Nothing."""

    async def snapshot(self) -> AccountSnapshot:
        """Cash and nothing else."""
        return AccountSnapshot(Asset(yuan(CASH), yuan(0), yuan(0)), (), ())

    async def close(self) -> None:
        """Nothing."""


def six_rules(money: Rule) -> list[Rule]:
    """Six real rules; `money` is `cash` for a buyer, `sellable` for a seller."""
    window = SlidingWindow(10**9, 60)
    return [trading_state, instrument, known, money, PositionRatio(0.5), RateLimit(window)]


def with_engine(
    body: Callable[[Engine, ReplayClock, Any], Awaitable[Any]],
    strategies: Sequence[Strategy],
    rules: Sequence[Rule] = (),
    journal: Journal | None = None,
    broker: NoBroker | None = None,
) -> Any:
    """Run `body` inside a started engine that stands at 10:00 of a trading day."""

    async def main() -> Any:
        clock = ReplayClock()
        feed, edge = StandingFeed(clock), broker or NoBroker()
        engine = Engine(
            clock=clock,
            feed=feed,
            broker=edge,
            journal=journal or NoJournal(),
            rules=rules,
            fees=FEES,
            cash=CASH,
            account_id="demo",
        )
        for strategy in strategies:
            engine.register(strategy)
        async with engine:
            await feed.standing.wait()
            return await body(engine, clock, edge)

    return asyncio.run(main())
