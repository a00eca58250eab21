"""The runner: one strategy's place in the engine.

It subscribes the handlers the strategy defines, arms its timers, isolates its errors, and stops
it alone when it keeps raising.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from loguru import logger

from qka.engine.bus import Bus
from qka.engine.mailbox import Mailbox
from qka.engine.strategy import SignalStrategy, Strategy
from qka.errors import ConfigError
from qka.model.events import Alert, SessionPhase, Severity, Signal, TimerFired
from qka.model.market import Bar, Phase, Quote
from qka.model.order import Order, Side
from qka.model.times import SECOND, at, seconds

if TYPE_CHECKING:
    from qka.engine.engine import Engine

PERIODS = ("1m", "5m", "15m", "30m", "60m", "1d")


@dataclass(frozen=True)
class Policy:
    """What happens to a strategy that raises: after `max_errors` it is stopped alone."""

    max_errors: int = 3
    on_error: str = "cancel"  # what becomes of its working orders then: cancel, or leave


class Runner:
    """Runs one strategy; it is also the `Room` that strategy is given."""

    def __init__(self, strategy: Strategy, engine: "Engine", policy: Policy) -> None:
        self.strategy = strategy
        self.name = strategy.name
        self.active = False  # from on_start on
        self.ledger = engine.ledger
        self.history = engine.history
        self.executor = engine.executor
        self.log = logger.bind(strategy=self.name)
        self._engine = engine
        self.trade = partial(engine.desk.trade, self.name)  # the corridor, without a step more
        self._policy = policy
        self._errors = 0
        self._reported: set[str] = set()  # places whose error has been alerted
        self._hears_orders = self.defines("on_order")
        self.mailbox = Mailbox(self.failed, engine.clock.hold)
        self._every: list[tuple[int, str]] = []  # (period in ns, timer name)
        self._daily: list[tuple[str, str]] = []  # (clock time, timer name)
        self._timers: dict[str, Callable[[], Any]] = {}  # timer name -> handler
        strategy._room = self

    # ------------------------------------------------------------ set-up

    @property
    def symbols(self) -> list[str]:
        """What the strategy watches; empty for everything."""
        return list(self.strategy.symbols)

    @property
    def periods(self) -> list[str]:
        """Bar periods it needs: none unless it defines on_bar or wants a warm-up."""
        if not (self.defines("on_bar") or self.strategy.warmup):
            return []
        bars = self.strategy.bars
        periods = [bars] if isinstance(bars, str) else list(bars)
        for period in periods:
            if period not in PERIODS:
                known = ", ".join(PERIODS)
                raise ConfigError(f"{self.name}: bars: {period!r} is none of {known}")
        return periods

    def defines(self, handler: str) -> bool:
        """Whether the strategy overrides a handler."""
        return getattr(type(self.strategy), handler) is not getattr(Strategy, handler)

    def subscribe(self, bus: Bus, only_period: str | None) -> None:
        """Let the strategy hear its market data; `only_period` when no other bars exist."""
        keys = self.strategy.symbols or None
        if self.defines("on_quote"):
            bus.subscribe(Quote, self._own(self.strategy.on_quote), keys, self.mailbox)
        if self.defines("on_bar"):
            handler = self._own(self.strategy.on_bar)
            periods = frozenset(self.periods)
            if periods == {only_period}:
                bus.subscribe(Bar, handler, keys, self.mailbox)
            else:

                def of_period(bar: Bar) -> None:
                    if bar.period in periods:
                        self.call(handler, bar)

                bus.subscribe(Bar, of_period, keys)
        bus.subscribe(SessionPhase, self._on_phase)
        if self.defines("on_signal"):
            bus.subscribe(Signal, self._on_signal, keys)

    def _own(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        self._engine.owners[handler] = self
        return handler

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Call on_start; a strategy that can't start is stopped."""
        self.active = True
        await self._await(self.strategy.on_start)
        if self._errors:
            self.stop("it failed to start")
            return
        if isinstance(self.strategy, SignalStrategy):
            self.every(self.strategy.interval, self.strategy.poll)
        if self._engine.phase is not None:
            self.call(self.strategy.on_phase, self._engine.phase)

    async def finish(self) -> None:
        """Let async handlers end, then call on_stop."""
        await self.mailbox.idle()
        if self.active:
            await self._await(self.strategy.on_stop)

    def stop(self, why: str) -> None:
        """Stop this strategy alone; its working orders are handled as its config says."""
        if not self.active:
            return
        self.active = False
        for handler, runner in list(self._engine.owners.items()):
            if runner is self:
                self._engine.bus.unsubscribe(handler)
        working = self.strategy.orders()
        words = f"stopped: {why}"
        if working:
            left = self._policy.on_error == "leave"
            words += f"; {len(working)} working orders are {'left' if left else 'being cancelled'}"
            if not left:
                self.strategy.cancel_all(reason=f"{self.name} {words}")
        self._alert(Severity.ERROR, words)

    def call(self, handler: Callable[..., Any], *args: Any) -> None:
        """Call a handler; its error stays here, and what it awaits goes through the mailbox."""
        if not self.active:
            return
        try:
            result = handler(*args)
            if result is not None and inspect.isawaitable(result):
                self.mailbox.put(_wait, result)
        except Exception as error:
            self.failed(handler, args, error)

    def failed(self, handler: Any, event: Any, error: Exception) -> None:
        """A handler raised: alert once for each place, stop the strategy when it goes on."""
        self._errors += 1
        self._engine.tally.on_strategy_error(self.name)
        where = self._where(error)
        if where not in self._reported:
            self._reported.add(where)
            self.log.opt(exception=error).error("{}: {}", where, _words(error))
            self._alert(Severity.ERROR, f"{where}: {_words(error)}")
        if self.active and self._errors >= self._policy.max_errors:
            self.stop(f"{self._errors} errors, the last at {where}")

    # ------------------------------------------------------------ what the engine routes

    def on_order(self, order: Order) -> None:
        """One of its orders changed."""
        if self._hears_orders:
            self.call(self.strategy.on_order, order)

    def on_fill(self, fill: Any) -> None:
        """One of its orders traded."""
        self.call(self.strategy.on_fill, fill)

    def on_timer(self, event: TimerFired) -> None:
        """One of its timers came due."""
        self.call(self._timers[event.name])

    def _on_signal(self, signal: Signal) -> None:
        if signal.strategy != self.name:
            self.call(self.strategy.on_signal, signal)

    def _on_phase(self, event: SessionPhase) -> None:
        if event.phase is Phase.PRE_OPEN or event.time < self.now():
            for clock_time, name in self._daily:
                self._arm_daily(event, clock_time, name)
        if event.phase is Phase.CONTINUOUS:
            for period, name in self._every:
                self._arm_every(event, period, name)
        self.call(self.strategy.on_phase, event)

    # ------------------------------------------------------------ the strategy's room

    def now(self) -> int:
        """The clock's time in ns."""
        return self._engine.clock.now()

    def target(self, signal: Signal, side: Side, quantity: int) -> Order:
        """Publish a signal with a target and place the order that it comes to."""
        desk = self._engine.desk
        number = desk.signal(self.name, signal)
        return desk.place(self.name, signal.symbol, side, quantity, signal.price, number)

    def cancel(self, order_id: str, reason: str) -> bool:
        """Cancel an order."""
        return self._engine.desk.cancel(order_id, reason)

    def emit(self, signal: Signal) -> None:
        """Publish a signal for the executor and for whoever listens."""
        self._engine.desk.signal(self.name, signal)

    def every(self, period: str | float, handler: Callable[[], Any]) -> None:
        """Arm a repeating timer."""
        try:
            span = int(seconds(period) * SECOND)
        except ValueError as error:
            raise ConfigError(f"{self.name}: every({period!r}): {error}") from None
        name = self._timer(f"every {period}", handler)
        self._every.append((span, name))
        phase = self._engine.phase
        if phase is not None and phase.phase is Phase.CONTINUOUS:
            self._arm_every(phase, span, name)

    def at(self, clock_time: str, handler: Callable[[], Any]) -> None:
        """Arm a daily timer."""
        phase = self._engine.phase
        try:
            at(phase.day, clock_time) if phase else seconds(clock_time.replace(":", ""))
        except ValueError:
            raise ConfigError(f"{self.name}: at({clock_time!r}) is no time like 14:50") from None
        name = self._timer(f"at {clock_time}", handler)
        self._daily.append((clock_time, name))
        if phase is not None:
            self._arm_daily(phase, clock_time, name)

    # ------------------------------------------------------------ inside

    def _timer(self, when: str, handler: Callable[[], Any]) -> str:
        name = f"{getattr(handler, '__name__', 'handler')} {when}"
        while name in self._timers:
            name += "'"
        self._timers[name] = handler
        return name

    def _fire(self, name: str) -> None:
        if self.active:
            self._engine.publish(TimerFired(self.now(), self.name, name))

    def _arm_daily(self, event: SessionPhase, clock_time: str, name: str) -> None:
        when = at(event.day, clock_time)
        if when >= self.now():
            self._engine.clock.call_at(when, lambda: self._fire(name))

    def _arm_every(self, session: SessionPhase, period: int, name: str) -> None:
        """The next moment of a session that began at `session.time`, if it still lies in it."""
        passed = max(0, self.now() - session.time) // period
        when = session.time + (passed + 1) * period
        noon = at(session.day, "12:00")
        end = at(session.day, "11:30" if session.time < noon else "15:00")

        def fire() -> None:
            self._fire(name)
            self._arm_every(session, period, name)

        if when < end and self.active:
            self._engine.clock.call_at(when, fire)

    async def _await(self, handler: Callable[[], Any]) -> None:
        try:
            result = handler()
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self.failed(handler, None, error)

    def _where(self, error: Exception) -> str:
        """`file.py:12`: the last line of the strategy's own file that the error passed."""
        frames = traceback.extract_tb(error.__traceback__)
        try:
            own = inspect.getfile(type(self.strategy))
        except (TypeError, OSError):
            own = ""
        mine = [frame for frame in frames if frame.filename == own] or list(frames)
        return f"{mine[-1].filename}:{mine[-1].lineno}" if mine else self.name

    def _alert(self, severity: Severity, message: str) -> None:
        self._engine.publish(Alert(self.now(), severity, self.name, message))


async def _wait(awaitable: Any) -> None:
    await awaitable


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def check_names(runners: Iterable[Runner]) -> None:
    """Two strategies of one name would share orders; raises ConfigError."""
    seen: set[str] = set()
    for runner in runners:
        if runner.name in seen:
            raise ConfigError(f"two strategies are named {runner.name}: give one another `name`")
        seen.add(runner.name)
