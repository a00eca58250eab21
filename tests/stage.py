"""A small stage for journeys: a real engine over a list of quotes and the real paper broker."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from qka.app import overnight
from qka.ashare.fees import FeeSchedule
from qka.brokers.paper import PaperBroker
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.engine.runner import Policy
from qka.engine.strategy import Strategy
from qka.feeds.listed import ListFeed
from qka.journal.port import Journal, NoJournal
from qka.journal.reading import readable, rows
from qka.journal.store import SqliteJournal
from qka.model.events import Distributed, InstrumentState, SessionPhase
from qka.model.market import Bar, Quote
from qka.model.times import SECOND, at
from qka.risk.losses import Losses
from qka.risk.market import daily_cap, market
from qka.risk.meter import Meter
from qka.risk.pace import RateLimit, SlidingWindow
from qka.risk.rules import (
    cash,
    known,
    sellable,
    trading_state,
)
from qka.risk.sizes import PositionRatio
from qka.risk.streak import Streak
from qka.risk.verdicts import Rule

DAY = date(2026, 1, 5)
SYMBOL = "600000.SH"
FEES = FeeSchedule(Decimal("0.00025"), Decimal(5))


def quotes(
    prices: Sequence[float],
    *,
    symbol: str = SYMBOL,
    start: str = "09:30:03",
    every: float = 3,
    day: date = DAY,
    lots: int = 100,
) -> list[Quote]:
    """One continuous-trading snapshot a price, the spread a cent on both sides."""
    begin = at(day, start)
    made = []
    for i, price in enumerate(prices):
        volume = (i + 1) * 1000
        asks = [round(price + 0.01 * level, 2) for level in range(1, 6)]
        bids = [round(price - 0.01 * level, 2) for level in range(1, 6)]
        made.append(
            Quote(
                symbol,
                begin + int(i * every * SECOND),
                price,
                prices[0],
                max(prices[: i + 1]),
                min(prices[: i + 1]),
                10.0,
                volume,
                sum(prices[: i + 1]) * 1000,
                13,
                asks,
                [lots] * 5,
                bids,
                [lots] * 5,
                11.0,
                9.0,
            )
        )
    return made


def rules(ratio: float = 0.5, a_minute: int = 1000) -> list[Rule]:
    """The gate as the app builds it, generous unless told."""
    window = SlidingWindow(a_minute, 60)
    exchange = market(lambda day: True)
    head: list[Rule] = [trading_state, *exchange, daily_cap, known, sellable, cash]
    return [*head, PositionRatio(ratio), RateLimit(window)]


def engine(
    events: Iterable[Quote | Bar],
    *strategies: Strategy,
    cash: int = 1_000_000,
    held: dict[str, int] | None = None,
    journal: Journal | Path | None = None,
    gate: Sequence[Rule] | None = None,
    policy: Policy | None = None,
    latency: float | None = None,
    speed: float | None = None,
    losses: Losses | None = None,
    streak: Streak | None = None,
    meter: Meter | None = None,
    past: Iterable[Bar] = (),
    tax: Decimal = Decimal(0),
) -> Engine:
    """A real engine; `cash` in CNY, `held` in shares that cost 10 CNY each.

    `past`: bars of before the first event.
    """
    clock = ReplayClock(speed=speed)
    held = held or {}
    if isinstance(journal, Path):
        journal = SqliteJournal(journal, "demo", "STOCK", now=clock.now, durable=False)
    broker = PaperBroker(clock, FEES, "demo", cash * 100, held, latency=latency)
    built = Engine(
        clock=clock,
        feed=ListFeed(clock, events, past),
        broker=broker,
        journal=journal or NoJournal(),
        rules=rules() if gate is None else gate,
        fees=FEES,
        cash=cash * 100,
        account_id="demo",
        losses=losses,
        streak=streak,
        meter=meter,
        positions={symbol: (shares, shares * 1000) for symbol, shares in held.items()},
    )
    built.listen(Quote, broker.on_quote)
    built.before_bar = broker
    built.listen(SessionPhase, broker.on_phase)
    built.listen(InstrumentState, broker.on_instrument)
    built.listen(Distributed, broker.on_distributed)
    built.listen(SessionPhase, overnight(built, tax).on_phase)
    for strategy in strategies:
        built.register(strategy, policy)
    return built


def journalled(path: Path) -> list[Any]:
    """The events of a closed journal, in their order."""
    with readable(path) as (connection, _):
        return [record.event for record in rows(connection) if record.is_event]


class Recorder(Strategy):
    """Remembers everything it hears, with the engine's time."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "Strategy":
        self = super().__new__(cls)
        self.heard = []
        return self

    def on_quote(self, quote):
        self.heard.append(quote)

    def on_order(self, order):
        self.heard.append(order)

    def on_fill(self, fill):
        self.heard.append(fill)
