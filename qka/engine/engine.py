"""The engine: feed → step → bus → strategy → desk → gate → broker, and reports back in.

The journal and the ledger are the bus's first two listeners, in this order, so that an event is
written down and booked before anyone acts on it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

from loguru import logger

from qka.ashare.fees import FeeSchedule
from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.bus import Bus
from qka.engine.desk import Desk, unwritable
from qka.engine.door import Door
from qka.engine.executor import Executor
from qka.engine.history import History
from qka.engine.journal import Journal
from qka.engine.ledger import Ledger
from qka.engine.runner import Policy, Runner, check_names
from qka.engine.sessions import Sessions
from qka.engine.strategy import Strategy
from qka.engine.tally import Tally
from qka.errors import ConfigError, EngineFault
from qka.feeds.bars import BarBuilder
from qka.feeds.port import Feed
from qka.model.events import (
    REPORTS,
    Alert,
    AssetChanged,
    CancelRefused,
    EngineState,
    Fill,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderRequested,
    OrderSubmitted,
    OrderUnknown,
    PositionChanged,
    SessionPhase,
    Severity,
    Signal,
    TimerFired,
    TradingState,
)
from qka.model.market import Bar, Quote
from qka.model.order import Order, Side
from qka.risk.gate import Gate
from qka.risk.rules import Rule

# what happens to us is journalled when it is published; what we decide, when it is decided
JOURNALLED = (
    SessionPhase,
    OrderSubmitted,
    OrderAccepted,
    OrderRejected,
    CancelRefused,
    OrderCancelled,
    OrderExpired,
    OrderUnknown,
    Fill,
    EngineState,
    LinkState,
    TimerFired,
    OperatorCommand,
    Alert,
)


class Engine:
    """Runs strategies over one feed, one broker and one clock.

    `cash` in cents; `positions`: symbol -> (shares, cents paid for them); `ratio`: share of total
    assets that an order without a quantity asks for; `history`: bars kept a symbol and period.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        feed: Feed,
        broker: Broker,
        journal: Journal,
        rules: Sequence[Rule],
        fees: FeeSchedule,
        cash: int,
        account_id: str,
        positions: Mapping[str, tuple[int, int]] | None = None,
        ratio: float = 0.05,
        history: int = 1000,
        is_trading_day: Callable[[date], bool] = lambda day: True,
    ) -> None:
        self.clock = clock
        self.feed = feed
        self.broker = broker
        self.journal = journal
        self.account_id = account_id
        self.bus = Bus(self._on_error, clock.hold)
        self.publish = self.bus.publish
        self.door = Door(self.publish)
        self.ledger = Ledger(clock, fees, cash, positions, publish=self.publish)
        self.gate = Gate(rules, self.ledger)
        self.desk = Desk(
            clock, self.gate, journal, self.ledger, broker, self.publish, self.decide, self.fault
        )
        self.executor = Executor(clock, self.ledger, self._place_signal, ratio)
        self.history = History(history)
        self.tally = Tally(self.ledger)
        self.phase: SessionPhase | None = None
        self.owners: dict[Callable[..., Any], Runner] = {}  # handler on the bus -> its strategy
        self._runners: dict[str, Runner] = {}
        self._sessions = Sessions(clock, self.publish, is_trading_day)
        self._faults: set[str] = set()  # messages told already
        self._feeding: asyncio.Task[None] | None = None
        self._state = "new"
        self._subscribe()

    # ------------------------------------------------------------ set-up

    def register(self, strategy: Strategy, policy: Policy | None = None) -> None:
        """Add a strategy; raises ConfigError once the engine has started, or for a name taken."""
        if self._state != "new":
            raise ConfigError("register strategies before the engine starts")
        runner = Runner(strategy, self, policy or Policy())
        check_names([*self._runners.values(), runner])
        self._runners[runner.name] = runner
        self.tally.book(runner.name)  # one that never acts is told of too

    @property
    def strategies(self) -> list[Strategy]:
        """The registered strategies."""
        return [runner.strategy for runner in self._runners.values()]

    def listen(self, kind: type, handler: Callable[[Any], Any]) -> None:
        """Let something beside the strategies hear events of a class: a broker, a monitor."""
        self.bus.subscribe(kind, handler)

    def _subscribe(self) -> None:
        """Journal first, ledger second, then those that must know before any strategy."""
        self.bus.subscribe(JOURNALLED, self.journal.append)
        for kind, handler in self.ledger.handlers().items():
            self.bus.subscribe(kind, handler)
        for kind, handler in self.tally.handlers().items():
            self.bus.subscribe(kind, handler)
        self.bus.subscribe(SessionPhase, self._on_phase)
        self.bus.subscribe(Signal, self.executor.on_signal)
        self.bus.subscribe((OrderRequested, OrderDenied), self._on_own_order)
        self.bus.subscribe(REPORTS, self._on_report)
        self.bus.subscribe(Fill, self._on_fill)
        self.bus.subscribe(TimerFired, self._on_timer)

    # ------------------------------------------------------------ run

    def run(self) -> dict[str, Any]:
        """Run until the feed ends and return the summary; blocks."""
        return asyncio.run(self.run_async())

    async def check(self) -> list[str]:
        """Try everything that can be tried without starting; returns the feed's symbols.

        Strategies, symbols and bars are checked and the feed is opened; nothing is connected,
        written or sent. Raises what `run` would raise.
        """
        self._check_strategies()
        try:
            symbols = list(await self.feed.open(self._wanted_symbols()))
            for runner in self._runners.values():
                self._check_period(runner, self.feed.provides())
            return symbols
        finally:
            await self.feed.close()

    async def run_async(self) -> dict[str, Any]:
        """Run until the feed ends or `request_stop`, and return the summary."""
        async with self:
            await self.wait()
        return self.summary()

    async def __aenter__(self) -> Self:
        """Connect, warm up, start the strategies and let the feed in.

        Raises ConfigError for an engine that has run already: build another one.
        """
        if self._state != "new":
            raise ConfigError("an engine runs once: build another one with Engine.from_config")
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the feed, let the strategies finish, close everything."""
        await self.stop()

    async def wait(self) -> None:
        """Return when the feed has ended or was stopped; raises what the feed raised."""
        if self._feeding is not None:
            await asyncio.wait([self._feeding])
            if not self._feeding.cancelled():
                self._feeding.result()

    def request_stop(self) -> None:
        """Stop letting events in; `wait` returns. Call it on the loop's thread."""
        if self._feeding is not None:
            self._feeding.cancel()

    async def stop(self) -> None:
        """Stop cleanly; working orders stay as they are. Calling it twice is fine."""
        if self._state != "started":
            return
        self._state = "stopped"
        self.request_stop()
        if self._feeding is not None:
            await asyncio.wait([self._feeding])
        for runner in self._runners.values():
            await runner.finish()
        self.publish(EngineState(self.clock.now(), "stopped", self.ledger.trading))
        await self._close()

    def summary(self) -> dict[str, Any]:
        """What each strategy did and what the account holds; money in CNY."""
        return self.tally.summary()

    async def _open(self) -> None:
        self._check_strategies()
        symbols = list(await self.feed.open(self._wanted_symbols()))
        self._wire_market_data(symbols)
        self._open_records()
        self.door.open()
        identity = await self.broker.connect(self.publish)
        if identity.account_id != self.account_id:
            raise EngineFault(
                f"the broker serves account {identity.account_id}, the config names "
                f"{self.account_id}: nothing was sent; correct account.id"
            )
        self.ledger.adopt(await self.broker.snapshot())
        self.tally.begin()
        self._state = "started"
        # in this order: the day's phases, then the strategies, then the first event
        self._sessions.start()
        self.clock.begin(self.feed.start)
        self.publish(EngineState(self.clock.now(), "started", self.ledger.trading))
        for runner in self._runners.values():
            await runner.start()
        self._feeding = asyncio.create_task(self.feed.run(self.publish))

    def _open_records(self) -> None:
        """Everything is known to be right: from here on the run leaves traces."""
        self.journal.open()

    async def _close(self) -> None:
        for runner in self._runners.values():
            await runner.mailbox.close()
        await self.feed.close()
        await self.broker.close()
        self.journal.close()

    def _check_strategies(self) -> None:
        if not self._runners:
            raise ConfigError("no strategy: name one under `strategies`, or engine.register(...)")

    def _wanted_symbols(self) -> list[str]:
        """Everything the strategies name; empty (all there is) when one names nothing."""
        if not all(runner.symbols for runner in self._runners.values()):
            return []
        named = [s for runner in self._runners.values() for s in runner.symbols]
        return list(dict.fromkeys(named))

    def _wire_market_data(self, symbols: Sequence[str]) -> None:
        """Decide who makes which bars, warm the history up, and let the strategies hear."""
        provided = self.feed.provides()
        builder = BarBuilder(self.clock, self.publish)
        built: set[str] = set()  # symbols whose bars are built here
        periods: set[str] = set()
        for runner in self._runners.values():
            self._check_period(runner, provided)
            for period in runner.periods:
                periods.add(period)
                for symbol in runner.symbols or symbols:
                    warm = self.feed.history(symbol, period, runner.strategy.warmup)
                    self.history.keep(symbol, period, warm)
                    if period != provided:
                        builder.watch(symbol, period)
                        built.add(symbol)
        if periods:
            self.bus.subscribe(Bar, self.history.on_bar)
        if built:
            if provided == "quote":
                self.bus.subscribe(Quote, builder.on_quote, sorted(built))
            else:
                self.bus.subscribe(Bar, builder.on_bar, sorted(built))
        kinds = periods | {provided} - {"quote"}
        only = next(iter(kinds)) if len(kinds) == 1 else None
        for runner in self._runners.values():
            runner.subscribe(self.bus, only)

    def _check_period(self, runner: Runner, provided: str) -> None:
        if provided == "quote":
            return
        for period in runner.periods:
            if period != provided and provided != "1m":
                raise ConfigError(
                    f"{runner.name} wants {period} bars, the feed brings {provided} bars: "
                    f"set its `bars: {provided}`"
                )
        if runner.defines("on_quote") and not runner.defines("on_bar"):
            raise ConfigError(
                f"{runner.name} listens to quotes only, the feed brings {provided} bars: "
                "nothing would ever reach it; define on_bar, or replay quotes"
            )

    # ------------------------------------------------------------ decide

    def decide(self, event: Any) -> None:
        """Journal a decision of ours when it is made, and publish it."""
        try:
            self.journal.append(event)
        except (OSError, ValueError) as error:
            self.fault(unwritable(error))
        self.publish(event)

    @property
    def faults(self) -> frozenset[str]:
        """What the engine itself was at fault with."""
        return frozenset(self._faults)

    def set_trading(self, state: TradingState, reason: str) -> None:
        """ACTIVE, REDUCING or HALTED from this moment on."""
        self.ledger.trading = state
        self.publish(EngineState(self.clock.now(), "trading", state, reason))

    def fault(self, message: str) -> None:
        """The engine itself is at fault: no new order leaves; cancels and reports go on."""
        if message in self._faults:
            return
        self._faults.add(message)
        if self.ledger.trading is not TradingState.HALTED:
            self.set_trading(TradingState.HALTED, message)
        logger.error("HALTED: {}", message)
        self.publish(Alert(self.clock.now(), Severity.ERROR, "engine", f"HALTED: {message}"))

    def _place_signal(self, signal: Signal, side: Side, quantity: int) -> Order:
        return self.desk.place(
            signal.strategy, signal.symbol, side, quantity, signal.price, signal.id
        )

    # ------------------------------------------------------------ route

    def _on_phase(self, event: SessionPhase) -> None:
        self.phase = event

    def _on_own_order(self, event: OrderRequested | OrderDenied) -> None:
        self._tell(event.order)

    def _on_report(self, event: Any) -> None:
        order = self.ledger.order(event.order_id)
        if order is not None:
            self._tell(order)

    def _on_fill(self, fill: Fill) -> None:
        if self.ledger.booked is None:
            return  # heard before
        order = self.ledger.order(fill.order_id)
        if order is not None:
            runner = self._runners.get(order.strategy)
            if runner is not None:
                runner.on_fill(fill)
            self._tell(order)
        now = self.clock.now()
        self.publish(PositionChanged(now, self.ledger.position(fill.symbol)))
        self.publish(AssetChanged(now, self.ledger.asset))

    def _tell(self, order: Order) -> None:
        """The executor and the order's own strategy hear of it as it stands now."""
        self.executor.on_order(order)
        runner = self._runners.get(order.strategy)
        if runner is not None:
            runner.on_order(order)

    def _on_timer(self, event: TimerFired) -> None:
        runner = self._runners.get(event.strategy)
        if runner is not None:
            runner.on_timer(event)

    def _on_error(self, handler: Callable[..., Any], event: Any, error: Exception) -> None:
        """A handler on the bus raised: a strategy's stays its own, ours fails closed."""
        runner = self.owners.get(handler)
        if runner is not None:
            runner.failed(handler, event, error)
            return
        if handler == self.journal.append:
            self.fault(unwritable(error))
            return
        name = getattr(handler, "__qualname__", repr(handler))
        logger.opt(exception=error).error("{} failed", name)
        self.fault(f"{name} failed on {type(event).__name__}: {error!r}")
