"""The engine: feed → step → bus → strategy → desk → gate → broker, and reports back in.

The journal and the ledger are the bus's first two listeners, in this order, so that an event is
written down and booked before anyone acts on it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

from loguru import logger

from qka.ashare.fees import FeeSchedule
from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.breaker import Breaker
from qka.engine.bus import Bus
from qka.engine.desk import Desk, unwritable
from qka.engine.door import Door
from qka.engine.entrance import Entrance, Settler
from qka.engine.executor import Executor
from qka.engine.guest import Guest, named, words
from qka.engine.herald import Herald
from qka.engine.history import History
from qka.engine.keeper import Keeper
from qka.engine.leaver import NAME as LEAVER
from qka.engine.leaver import Leaver
from qka.engine.ledger import Ledger
from qka.engine.mailbox import Mailbox
from qka.engine.operator import NAME as OPERATOR
from qka.engine.operator import Operator
from qka.engine.reconciler import Reconciler
from qka.engine.recovery import Past
from qka.engine.runner import Build, Policy, Runner, check_names
from qka.engine.sessions import Sessions
from qka.engine.strategy import Strategy
from qka.engine.supply import Supply
from qka.engine.switch import Switch
from qka.engine.tally import Tally
from qka.engine.watchdog import Watchdog
from qka.engine.worth import Appraiser
from qka.errors import ConfigError, EngineFault
from qka.feeds.port import Feed
from qka.journal.port import Journal
from qka.model.account import AccountSnapshot
from qka.model.events import (
    Alert,
    CancelRefused,
    Distributed,
    EngineState,
    Fill,
    InstrumentState,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    Rebalanced,
    SessionPhase,
    Severity,
    Signal,
    TimerFired,
    TradingState,
    WentEx,
)
from qka.model.market import Bar, Quote
from qka.model.order import Order
from qka.model.times import day_of, show
from qka.recording.port import Head, Recorder
from qka.risk.gate import Gate
from qka.risk.losses import Losses
from qka.risk.meter import Meter, compliance
from qka.risk.stops import NO_STOPS, Stops
from qka.risk.streak import Streak
from qka.risk.verdicts import Caution, Rule
from qka.secrets import mask, shown

# what happens to us is journalled when it is published; what we decide, when it is decided
JOURNALLED = (
    SessionPhase,
    Rebalanced,
    OrderAdopted,
    OrderSubmitted,
    OrderAccepted,
    OrderRejected,
    CancelRefused,
    OrderCancelled,
    OrderExpired,
    OrderUnknown,
    Fill,
    Distributed,
    WentEx,
    EngineState,
    LinkState,
    InstrumentState,
    TimerFired,
    OperatorCommand,
    Alert,
)
# seconds an async handler may hold up a simulated clock before it is told, and stopped
PATIENCE = (10.0, 60.0)
LIVE_PATIENCE = (60.0, None)  # where nothing waits for them, they are named and go on
GRACE = 3.0  # seconds that async handlers and the feed have to end when a stop was asked for


class Engine:
    """Runs strategies over one feed, one broker and one clock.

    `cash` in cents; `positions`: symbol -> (shares, cents paid for them); `ratio`: share of total
    assets that an order without a quantity asks for; `history`: bars kept a symbol and period;
    `on_loss`: the trading state when `losses` are too great or a `streak` too long; `meter`: what
    the rules read, when they do.
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
        losses: Losses | None = None,
        streak: Streak | None = None,
        meter: Meter | None = None,
        on_loss: TradingState = TradingState.REDUCING,
        recorder: Recorder | None = None,
    ) -> None:
        self.clock = clock
        self.feed = feed
        self.broker = broker
        self.journal = journal
        self.account_id = account_id
        self.is_trading_day = is_trading_day
        self.bus = Bus(self._soon)
        self.publish = self.bus.publish
        self.entrance = Entrance(self.bus, recorder)
        self.recorder = self.entrance.recorder
        self.tell = self.entrance.tell
        self.door = Door(self.tell)
        self.ledger = Ledger(clock, fees, cash, positions, publish=self._ledger_says)
        self.gate = Gate(rules, self.ledger, meter, self._near)
        self.desk = Desk(
            clock,
            self.gate,
            journal,
            self.ledger,
            broker,
            post=self.bus.post,
            on_trouble=lambda message: self.alert(Severity.ERROR, "desk", message),
            on_fault=self.fault,
        )
        self.executor = Executor(
            self.ledger,
            self.desk.place,
            self.desk.cancel,
            ratio,
            say=self.desk.say,
            post=self.bus.post,
            alert=lambda strategy, message: self.alert(Severity.WARNING, strategy, message),
            failed=self._signal_failed,
        )
        self.history = History(history)
        self.supply = Supply(self.bus, clock, self.history)
        self.tally = Tally(self.ledger)
        self.appraiser = Appraiser(clock, self.ledger, journal)
        self.before_bar: Settler | None = None
        self.opened: Callable[[], None] | None = None  # the journal can be read
        self.phase: SessionPhase | None = None
        self._boxes: list[Mailbox] = []
        self._patience: tuple[float, float | None] | None = None  # of theirs, from the start on
        self._guests: list[Guest] = []  # listeners that are no strategy
        self._runners: dict[str, Runner] = {}
        self._watchdog = Watchdog(
            lambda: {runner.home for runner in tuple(self._runners.values())},  # on its own thread
            lambda text: logger.bind(strategy="engine").error("{}", mask(text)),
            lambda text: self.alert(Severity.ERROR, "engine", text),
        )
        self._sessions = Sessions(clock, self.publish, is_trading_day, self.fault)
        self.past = Past(journal)
        self.switch = Switch(
            clock, self.ledger, broker, journal, on_loss, self.bus.post, self.alert
        )
        self.set_trading = self.switch.set
        self.keeper = Keeper(self)
        self.reconciler = Reconciler(
            clock,
            self.ledger,
            broker,
            journal,
            self.switch,
            publish=self.publish,
            alert=lambda severity, message: self.alert(severity, "account", message),
            checkpoint=self.keeper.checkpoint,
            trades=is_trading_day,
            actions=feed.actions,
            figures=lambda: compliance(self.gate.meter.today(clock.now())),
            shifted=lambda money: self.breaker.losses.shift(money),
        )
        self.breaker = Breaker(
            clock,
            self.ledger,
            losses or Losses(None, None),
            streak or Streak(None),
            journal,
            self.switch.trip,
        )
        self.leaver = Leaver(
            clock,
            self.ledger,
            journal,
            self.desk.trader(LEAVER),
            self.desk.cancel,
            lambda message: self.alert(Severity.WARNING, LEAVER, message),
            self.gate,
        )
        self.operator = Operator(self)
        self.herald = Herald(
            clock,
            self.ledger,
            self.past,
            self._runners,
            self.publish,
            self.bus.hears,
            first=(self.executor.on_order, self.operator.flattener.on_order),
        )
        self._opening: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._state = "new"  # then opening, started, stopped, closed
        self._asked = False  # to stop
        self._at_once = False
        self._subscribe()

    # ------------------------------------------------------------ set-up

    def register(
        self, strategy: Strategy, policy: Policy | None = None, build: Build | None = None
    ) -> None:
        """Add a strategy; raises ConfigError once the engine has started, or for a name taken.

        `build` makes it anew: without it a strategy that was stopped can't be started again.
        """
        if self._state != "new":
            raise ConfigError("register strategies before the engine starts")
        if isinstance(strategy, type):
            raise ConfigError(f"register an instance, {strategy.__name__}(...), not the class")
        runner = Runner(strategy, self, policy or Policy(), build)
        check_names([*self._runners.values(), runner], (LEAVER, OPERATOR))
        self._runners[runner.name] = runner
        self.tally.book(runner.name)  # one that never acts is told of too

    @property
    def strategies(self) -> list[Strategy]:
        """The registered strategies."""
        return [runner.strategy for runner in self._runners.values()]

    @property
    def runners(self) -> Mapping[str, Runner]:
        """Name of a strategy -> its place here."""
        return self._runners

    def listen(self, kind: type | tuple[type, ...], handler: Callable[[Any], Any]) -> None:
        """Let something beside the strategies hear events of a class: a broker, a monitor.

        What it raises is an alert and stays with it.
        """
        guest = Guest(named(handler), self)
        self._guests.append(guest)
        self.bus.subscribe(kind, handler, guest)

    def mailbox(self) -> Mailbox:
        """Where the async handlers of a guest run.

        While time waits for them they all stand in one line, so that every run is the same; in
        the world's time each guest has its own.
        """
        if not self._boxes or not self.clock.waits:
            turn = self.recorder.turn if self.entrance.records else None
            self._boxes.append(Mailbox(self.clock.hold, turn=turn))
            self._boxes[-1].patience = self._patience  # of a strategy that is started again
        return self._boxes[-1]

    def _subscribe(self) -> None:
        """Journal first, ledger second, then those that must know before any strategy."""
        self.bus.subscribe(JOURNALLED, self.journal.append, self)
        for room in (self.ledger, self.tally, self.executor):
            for kind, handler in room.handlers().items():
                self.bus.subscribe(kind, handler, self)
        self.bus.subscribe_each(Bar, self.ledger.bars_of, self)
        self.bus.subscribe(SessionPhase, self._on_phase, self)
        self.bus.subscribe(SessionPhase, self.reconciler.on_phase, self)
        if self.reconciler.asks:
            self.bus.subscribe(SessionPhase, self.reconciler.on_morning, self)
        self.bus.subscribe(LinkState, self.past.linked, self)
        self.bus.subscribe(LinkState, self.reconciler.on_link, self)
        for kind in (OrderDenied, OperatorCommand, EngineState):
            self.bus.subscribe(kind, self.gate.meter.heard, self)
        self.bus.subscribe(SessionPhase, self.breaker.on_phase, self)
        self.bus.subscribe(Fill, self.breaker.on_fill, self)
        self.bus.subscribe(SessionPhase, self.appraiser.on_phase, self)
        self.bus.subscribe(Fill, self.appraiser.on_fill, self)
        self.bus.subscribe((Distributed, WentEx), self.breaker.on_action, self)
        self.bus.subscribe((Distributed, WentEx), self.leaver.on_action, self)
        self.bus.subscribe(WentEx, self._on_ex, self)
        self.bus.subscribe(OrderAdopted, self._on_adopted, self)
        self.herald.subscribe(self.bus, self)
        self.bus.subscribe(OperatorCommand, self.operator.on_command, self)

    # ------------------------------------------------------------ run

    def run(self) -> dict[str, Any]:
        """Run until the feed ends and return the summary; blocks.

        Raises ConfigError where a loop runs already, as in a notebook: `await engine.run_async()`.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.run_async())
        raise ConfigError("a loop runs here already: use `await engine.run_async()` instead")

    async def check(self) -> list[str]:
        """Try everything that can be tried without starting; returns the feed's symbols.

        Strategies, symbols and bars are checked and the feed is opened; nothing is connected,
        written or sent. Raises what `run` would raise.
        """
        self._check_strategies()
        try:
            await self.supply.open(self.feed, self._runners.values())
            for runner in self._runners.values():
                self.supply.check(runner)
            return self.supply.symbols
        finally:
            await self.feed.close()

    async def run_async(self) -> dict[str, Any]:
        """Run until the feed ends or `request_stop`, and return the summary."""
        async with self:
            await self.wait()
        return self.summary()

    async def __aenter__(self) -> Self:
        """Connect, warm up, start the strategies and let the feed in.

        Raises ConfigError for an engine that was started before, with success or without.
        """
        if self._state != "new":
            raise ConfigError("an engine runs once: build another one with Engine.from_config")
        self._state = "opening"
        self._opening = asyncio.create_task(self._open())
        try:
            await self._opening
        except BaseException as error:
            if self._state == "opening":
                await self._close()
            if not self._was_asked(error):
                await self.__aexit__(type(error), error, None)
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the feed, let the strategies finish, close everything; at once when cancelled."""
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._at_once = True
        await self.stop()

    async def wait(self) -> None:
        """Return when the feed has ended or was stopped; raises what the feed raised.

        Raises EngineFault when the feed was cancelled and nobody asked for that.
        """
        if self._feeding is None:
            return
        await asyncio.wait([self._feeding])
        if not self._feeding.cancelled():
            self._feeding.result()
        elif not self._asked:
            raise EngineFault("the feed was cancelled by something inside; nobody asked for it")

    def request_stop(self) -> None:
        """Stop letting events in; `wait` returns. Call it on the loop's thread, at any time."""
        self._asked = True
        for task in (self._opening, self._feeding):
            if task is not None:
                task.cancel()

    async def stop(self) -> None:
        """Stop cleanly; working orders stay as they are. Calling it twice is fine.

        Async handlers have some time to end, a few seconds when the stop was asked for.
        """
        if self._state != "started":
            return
        self._state = "stopped"
        grace = 0.0 if self._at_once else GRACE if self._asked else PATIENCE[1]
        self.request_stop()
        try:
            if self._feeding is not None:
                await asyncio.wait([self._feeding], timeout=GRACE)
            await self._quiet(grace)
            self.recorder.stop()
            self.executor.close()
            self.operator.close()
            for runner in self._runners.values():
                runner.call(runner.strategy.on_stop)
            await self._quiet(grace)
        finally:
            for runner in self._runners.values():
                runner.leave()
            await self.reconciler.close()
            self.publish(EngineState(self.clock.now(), "stopped", self.ledger.trading))
            with contextlib.suppress(OSError):  # the journal says so when it is closed
                self.keeper.keep()
                if not self.switch.held:
                    self.keeper.checkpoint()
            await self._close()

    async def _quiet(self, grace: float) -> None:
        """Wait until async handlers have ended; one that does not in time is left behind."""

        async def end(box: Mailbox) -> None:
            while not await box.idle(grace):
                guest = box.working_for
                if guest is not None:
                    guest.cut_off(f"it did not end within {grace:g} s of the end of the run")

        await asyncio.gather(*(end(box) for box in self._boxes))

    def _was_asked(self, error: BaseException) -> bool:
        """Whether the start ended because somebody asked for a stop, and not us to be cancelled."""
        me = asyncio.current_task()
        cancelled = isinstance(error, asyncio.CancelledError)
        return cancelled and self._asked and not (me is not None and me.cancelling())

    def summary(self) -> dict[str, Any]:
        """What each strategy did and what the account holds; money in CNY."""
        days = self.gate.meter.report(self.clock.now())
        return {**self.tally.summary(), "compliance": days}

    async def _open(self) -> None:
        self._check_strategies()
        await self.supply.open(self.feed, self._runners.values())
        self.ledger.quoted = self.feed.provides() == "quote"
        self.supply.wire(self._runners.values(), self)
        self._open_records()
        self._record()
        if self.opened is not None:
            self.opened()
        self.past.relive(self.ledger, self.gate, self.tally)
        self.breaker.remember()
        self.leaver.remember()
        self.gate.meter.begin(self.clock.now())
        self.past.returned(self.clock.now())
        self.desk.go_on(self.tally.signal)
        self.switch.begin(self.past.standing())
        self.publish(EngineState(self.clock.now(), "opening", self.ledger.trading))
        self.herald.early = True
        for fill in self.past.unheard:
            self.herald.fill(fill)
        self.door.open()
        self.broker.wire = self.keeper.wired
        self.broker.trades = self.is_trading_day
        identity = await self.broker.connect(self.entrance.reports())
        if identity.account_id != self.account_id:
            raise ConfigError(
                f"the broker serves account {shown(identity.account_id)}, the config names "
                f"{shown(self.account_id)}: nothing was sent; correct account.id"
            )
        await self._begin_books()
        self.operator.remind(self.past.asked)
        self.keeper.rules()
        self.breaker.begin()
        self.tally.begin()
        self._state = "started"
        # in this order: the day's phases, then the strategies, then the first event
        self._sessions.start()
        self.clock.begin(self.feed.start)
        self.publish(EngineState(self.clock.now(), "started", self.ledger.trading))
        for runner in self._runners.values():
            kept = self.past.state(runner.name)
            await runner.start(kept, self.past.timers, self.past.away)
        self.herald.early = False
        self.past.unheard.clear()
        self.publish(EngineState(self.clock.now(), "running", self.ledger.trading))
        self.keeper.begin()
        self.reconciler.start()
        self._keep_watch()
        for runner, missing in self.supply.cold(self._runners.values()):
            self.alert(Severity.WARNING, runner.name, missing)
        if not self._asked:
            # where quotes come a paper broker settles by them: it listens like everyone else
            settler = None if self.feed.provides() == "quote" else self.before_bar
            events = self.entrance.feed(settler, self.fault)
            self._feeding = asyncio.create_task(self.feed.run(events))

    def _keep_watch(self) -> None:
        """See to it that no handler, async or not, takes too long unseen."""
        self._patience = PATIENCE if self.clock.waits else LIVE_PATIENCE
        for box in self._boxes:
            box.patience = self._patience
        if not self.clock.waits:
            self._watchdog.start()

    async def _begin_books(self) -> None:
        """The account's books: the broker's own at first, then the journal's, held against it."""
        if not self.past.known:
            self.ledger.adopt(await self.broker.snapshot())
            self.keeper.checkpoint()
            return
        today = day_of(self.clock.now())
        if self.past.day < today:
            self.ledger.new_day()
        books = self.ledger.books(today)
        self.broker.resume(
            AccountSnapshot(
                self.ledger.asset,
                tuple(self.ledger.positions()),
                tuple(books.orders),
                tuple(books.deals),
            ),
            self.past.memories,
        )
        if self.ledger.trading is TradingState.HALTED:
            # what the last run left on its way is no more welcome than a new one
            self.switch.recall()
        past = self.past
        await self.reconciler.begin(past.accepted(), past.since, past.dues)
        logger.info(
            "account {} goes on from its journal, last written {}: cash {} CNY, {} positions, {} "
            "orders open",
            self.account_id,
            show(past.away[0]),
            self.ledger.asset.cash,
            len(self.ledger.positions()),
            len(list(self.ledger.working())),
        )

    def _near(self, order: Order, caution: Caution) -> None:
        """A limit is near, or something else is to be known of an order that passed."""
        code, words, limit, value = caution
        if limit is not None and value is not None:
            code = f"{code} is near its limit, {value:,g} of {limit:,g}"
        self.alert(
            Severity.WARNING,
            "risk",
            f"{code}: {words} (an order of {order.strategy}, which passed; told once a day)",
        )

    def _record(self) -> None:
        """From here on all that enters is kept, if anybody keeps it."""
        if self.entrance.records:
            last = self.journal.head
            self.recorder.open(
                Head(
                    last.seq,
                    last.hash.hex(),
                    tuple(self.supply.symbols),
                    self.feed.provides(),
                    self.clock.waits,
                    self.history.kept(),
                )
            )
            self.clock.watch(self.recorder.due)

    def _open_records(self) -> None:
        """Everything is known to be right: from here on the run leaves traces."""
        self.journal.open()

    async def _close(self) -> None:
        """Let go of everything, whatever one of them says to that."""
        self._watchdog.stop()
        try:
            for name, close in (("feed", self.feed.close), ("broker", self.broker.close)):
                try:
                    await close()
                except Exception as error:
                    self.alert(Severity.ERROR, name, f"it could not be closed: {words(error)}")
        finally:
            self.bus.drain()
            self._state = "closed"
            self.recorder.close()
            try:
                self.journal.close()
            except OSError as error:
                message = f"the last records could not be written: {words(error)}"
                self.alert(Severity.ERROR, "journal", message)
                self.bus.drain()
            for guest in self._guests:
                guest.leave()

    def _check_strategies(self) -> None:
        if not self._runners:
            raise ConfigError("no strategy: name one under `strategies`, or engine.register(...)")

    # ------------------------------------------------------------ decide

    @property
    def running(self) -> bool:
        """Whether the strategies have begun and are not told to finish yet."""
        return self._state == "started" and not self.herald.early

    @property
    def trading(self) -> TradingState:
        """As told; while `switch.held` no new order leaves, whatever was told."""
        return self.switch.trading

    @property
    def faults(self) -> frozenset[str]:
        """What the engine itself was at fault with."""
        return frozenset(self.switch.faults)

    def use(self, rules: Sequence[Rule]) -> None:
        """From the next order on the gate asks these."""
        self.gate.use(rules)
        with contextlib.suppress(OSError):  # what can't be written halts anyway
            self.keeper.rules()

    def stop_at(self, stops: Stops) -> None:
        """From now on positions are left at these."""
        if self.leaver.stops is NO_STOPS and stops != NO_STOPS:
            self.bus.subscribe((Quote, Bar), self.leaver.on_price, self)
        self.leaver.stops = stops if stops != NO_STOPS else NO_STOPS

    def stop_strategy(self, name: str, why: str) -> None:
        """Stop one strategy alone; nothing for one that does not run."""
        runner = self._runners.get(name)
        if runner is not None:
            runner.stop(why)

    def start_again(self, stopped: Runner, strategy: Strategy) -> Runner:
        """Let a strategy made anew take the place of a stopped one, and its state."""
        runner = Runner(strategy, self, stopped.policy, stopped.build)
        self._runners[runner.name] = runner
        self.executor.welcome(runner.name)
        runner.subscribe(self.bus, self.supply.only_period)
        runner.begin(stopped.strategy.state)
        return runner

    def alert(self, severity: Severity, source: str, message: str, *, log: bool = True) -> None:
        """Tell a human; no secret is told."""
        message = mask(message)
        if log:
            with contextlib.suppress(Exception):  # a sink of the log may raise
                logger.bind(strategy=source).log(severity.name, "{}", message)
        self.bus.post(Alert(self.clock.now(), severity, source, message))

    def _ledger_says(self, alert: Alert) -> None:
        self.alert(alert.severity, alert.source, alert.message)

    def fault(self, message: str) -> None:
        """The engine itself is at fault: no new order leaves; cancels and reports go on."""
        if self._state != "closed":  # who is late finds the journal closed, which is no fault
            self.switch.fault(message)

    def _signal_failed(self, signal: Signal, error: Exception) -> None:
        runner = self._runners.get(signal.strategy)
        if runner is None:
            self.failed(self.executor.work, signal, error)
        else:
            runner.failed(self.executor.work, signal, error)

    def _soon(self, drain: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # no loop runs: the first event brings it
            asyncio.get_running_loop().call_soon(self.entrance.hear)

    # ------------------------------------------------------------ route

    def _on_phase(self, event: SessionPhase) -> None:
        self.phase = event

    def _on_ex(self, event: WentEx) -> None:
        """What losses and stops are measured from goes with its record: a start has both."""
        with contextlib.suppress(OSError):  # the journal says so itself
            self.breaker.keep()
            self.leaver.keep()

    def _on_adopted(self, event: OrderAdopted) -> None:
        order = event.order
        self.alert(
            Severity.WARNING,
            "account",
            f"order {order.id} was placed by others: {order.side} {order.quantity} {order.symbol} "
            f"at {order.price:g}; it counts in every limit",
        )

    # ------------------------------------------------------------ our own handlers on the bus

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """One of the engine's own handlers raised: nothing is certain any more, so it halts."""
        if handler == self.journal.append:
            self.fault(unwritable(error))
            return
        with contextlib.suppress(Exception):
            logger.opt(exception=error).error("{} failed", named(handler))
        self.fault(f"{named(handler)} failed on {type(event).__name__}: {words(error)}")

    def returned(self, handler: Any, event: Any, result: Any) -> None:
        """The engine's own handlers have nothing to say."""
