"""The runner: one strategy's place in the engine.

It subscribes the handlers the strategy defines, arms its timers, counts its errors, and stops it
alone when it keeps raising.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from qka.ashare.sessions import cancels_from
from qka.engine.bus import Bus
from qka.engine.desk import Trade
from qka.engine.guest import NO_GENERATOR, Guest, is_generator, words
from qka.engine.numbers import MOST_SHARES, number, plain
from qka.engine.strategy import SignalStrategy, Strategy
from qka.engine.timers import Timers
from qka.errors import ConfigError
from qka.journal.port import Journal, Note
from qka.model.events import Rebalanced, SessionPhase, Severity, Shortfall, Signal, TimerFired
from qka.model.market import Bar, Quote
from qka.model.order import Order, OrderType, Side
from qka.model.times import show
from qka.risk.verdicts import Denial
from qka.wire import canonical

if TYPE_CHECKING:
    from qka.engine.engine import Engine

PERIODS = ("1m", "5m", "15m", "30m", "60m", "1d")
_EVENTS = [name for name in vars(Strategy) if name.startswith("on_")]
# what a strategy overrides
HANDLERS = [*_EVENTS, "get_realtime_data", "generate_signals", "execute_trades"]
# what a strategy calls
CALLS = [
    name
    for name, value in vars(Strategy).items()
    if inspect.isfunction(value) and name[0] != "_" and name not in HANDLERS
]
# doings of strategies that are answered by doings, and those again: beyond this there is no end
DEEPEST = 100  # rounds of answers to one event
_ROUNDING = 1e-9  # by which the sum of weights may pass 1
MOST = 200_000  # doings that one strategy hears of at one moment of the clock


@dataclass(frozen=True)
class Policy:
    """What happens to a strategy that raises: after `max_errors` it is stopped alone."""

    max_errors: int = 3
    on_error: str = "cancel"  # what becomes of its working orders then: cancel, or leave


# makes a strategy anew, with what its config says and these parameters laid over it
Build = Callable[[Mapping[str, Any]], Strategy]


class Runner(Guest):
    """Runs one strategy; it is also the `Room` that strategy is given.

    `build` makes the strategy anew, where somebody can.
    """

    trade: Trade

    def __init__(
        self, strategy: Strategy, engine: "Engine", policy: Policy, build: Build | None = None
    ) -> None:
        super().__init__(strategy.name, engine, _home(strategy))
        self.strategy = strategy
        self.active = False  # from on_start on
        self.ledger = engine.ledger
        self.history = engine.history
        self.executor = engine.executor
        self.trade = engine.desk.trader(self.name)
        self.policy = policy
        self.build = build
        self._ready = False  # on_start is done
        self._errors = 0
        self._heard = (0, 0)  # a moment, and how many doings of strategies were heard of in it
        self._hears_orders = self.defines("on_order")
        self._hears_phases = self.defines("on_phase")
        self._hears_rebalances = self.defines("on_rebalance")
        self._begun = False  # on_start was called
        self._missed: list[tuple[Callable[[Any], None], Any]] = []  # what happened before it
        self._state_told = False  # that its state can't be kept
        self._kept = b""  # its state, as it was written down last
        self._timers = Timers(engine.clock, self._fire, self._missed_timer)
        check_class(strategy)
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
            bus.subscribe(Quote, self.strategy.on_quote, self, keys)
        if self.defines("on_bar"):
            handler = self.strategy.on_bar
            periods = frozenset(self.periods)
            if periods == {only_period}:
                bus.subscribe(Bar, handler, self, keys)
            else:

                def of_period(bar: Bar) -> None:
                    if bar.period in periods:
                        self.call(handler, bar)

                bus.subscribe(Bar, of_period, self, keys)
        bus.subscribe(SessionPhase, self._on_phase, self)
        if self.defines("on_signal"):
            bus.subscribe(Signal, self._on_signal, self, keys)

    # ------------------------------------------------------------ life

    async def start(
        self,
        state: Mapping[str, Any] | None,
        fired: Mapping[str, int],
        away: tuple[int, int],
    ) -> None:
        """Call on_start; a strategy that can't start is stopped.

        `state`: what an earlier run left; `fired`: strategy and timer -> when it fired last;
        `away`: no engine ran from then to then (ns).
        """
        self._go_on(state)
        self._timers.fired = {
            name.removeprefix(f"{self.name} "): when
            for name, when in fired.items()
            if name.startswith(f"{self.name} ")
        }
        self._timers.away = away
        self.active = self._begun = True
        self.call(self.strategy.on_start)
        await self.mailbox.idle()
        self._engine.recorder.turn(self.name)  # what came meanwhile came before this
        for handler, event in self._missed:
            handler(event)
        self._missed.clear()
        self._started()

    def begin(self, state: Mapping[str, Any]) -> None:
        """Call on_start in the middle of a run; a strategy that can't start is stopped."""
        self._go_on(state)
        self.active = self._begun = True
        self.call(self.strategy.on_start)
        self._started()

    def _started(self) -> None:
        """Whether on_start went well is known; the phase that it is in is told."""
        if isinstance(self.strategy, SignalStrategy):
            self.call(self.every, self.strategy.interval, self.strategy.poll)
        self._engine.bus.drain()  # in the middle of a run it does nothing: an event is worked
        if self._errors:
            self.stop("it failed to start")
        self._ready = True
        if self._engine.phase is not None:
            self.call(self.strategy.on_phase, self._engine.phase)

    def _go_on(self, state: Mapping[str, Any] | None) -> None:
        if state is not None:
            self.strategy.state = {**self.strategy.state, **state}
            self._kept = self._written(self.strategy.state)

    def keep(self, journal: Journal) -> None:
        """Write its state down if it has changed; raises OSError when that can't be."""
        state = self.strategy.state
        if not state and not self._kept:
            return
        written = self._written(state)
        if written != self._kept:
            self._kept = written
            journal.note(Note.STATE, msgspec.Raw(written), self.name)

    def _written(self, state: Any) -> bytes:
        """The state as it can be kept; what can't be is told, and the state before it stays."""
        try:
            return canonical(state)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            if not self._state_told:
                self._state_told = True
                self._engine.alert(
                    Severity.WARNING,
                    self.name,
                    f"its state can't be kept across a restart: {words(error)}; put plain values "
                    "into self.state: numbers, text, lists, dicts",
                )
            return self._kept

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """A handler raised: alert once for each place, stop the strategy when it goes on."""
        self._errors += 1
        self._engine.tally.on_strategy_error(self.name)
        super().failed(handler, event, error)
        if self.active and self._errors >= self.policy.max_errors:
            self.stop(f"{self._errors} errors, the last at {self.place(handler, error)}")

    def settle(self, why: str) -> str:
        """What ends with it: signals not worked yet, and working orders as its config says."""
        dropped = self.executor.drop(self.name)
        told = f"; {dropped} signals not worked yet are dropped" if dropped else ""
        working = [order for order in self.ledger.working() if order.strategy == self.name]
        if not working:
            return told
        told += f"; {len(working)} working orders are "
        if self.policy.on_error == "leave":
            return told + "left"
        for order in working:
            self._engine.desk.cancel(order.id, f"{self.name} stopped: {why}", later=True)
        now = self.now()
        taken = max(cancels_from(order.symbol, now) for order in working)
        if taken > now:
            return told + f"cancelled at {show(taken)[11:]}: until then the exchange takes none"
        return told + "being cancelled"

    def leave(self) -> None:
        """It is called no more, and what it still asks for is refused."""
        super().leave()
        self._timers.clear()
        self.trade = self._refused

    def explain(self, error: BaseException) -> str:
        """What it raised, with a hint where an attribute of its own is in the way."""
        text = words(error)
        if isinstance(error, TypeError) and "not callable" in text:
            hidden = [n for n in CALLS if not callable(getattr(self.strategy, n, None))]
            if hidden:
                text += f"; qka's method of that name is hidden by its own {', '.join(hidden)}"
        return text

    def answerable(self, handler: Any) -> list[tuple[str, int]]:
        """The `generate_signals` whose words `poll` could not follow."""
        strategy = self.strategy
        if not isinstance(strategy, SignalStrategy) or handler != strategy.poll:
            return []
        code = getattr(inspect.unwrap(strategy.generate_signals), "__code__", None)
        return [(code.co_filename, code.co_firstlineno)] if code else []

    # ------------------------------------------------------------ what the engine routes

    def on_order(self, order: Order) -> None:
        """One of its orders changed."""
        if not self._begun:
            self._missed.append((self.on_order, order))
        elif self._hears_orders:
            self._hear(self.name, self.strategy.on_order, order)

    def on_fill(self, fill: Any) -> None:
        """One of its orders traded."""
        if self._begun:
            self.call(self.strategy.on_fill, fill)
        else:
            self._missed.append((self.on_fill, fill))

    def on_rebalance(self, rebalanced: Rebalanced) -> None:
        """What it wanted is worked."""
        if self._hears_rebalances:
            self._hear(self.name, self.strategy.on_rebalance, rebalanced)

    def on_timer(self, event: TimerFired) -> None:
        """One of its timers came due."""
        self.call(self._timers.handlers[event.name])

    def _fire(self, name: str) -> None:
        if self.active:
            self._engine.publish(TimerFired(self.now(), self.name, name))

    def _missed_timer(self, name: str) -> None:
        self._engine.alert(
            Severity.WARNING,
            self.name,
            f"timer {name!r} was due while no engine ran, and is not made up for: decide in "
            "on_start what still makes sense",
        )

    def _on_signal(self, signal: Signal) -> None:
        if signal.strategy != self.name:
            self._hear(signal.strategy, self.strategy.on_signal, signal)

    def _on_phase(self, event: SessionPhase) -> None:
        if self._timers.handlers:
            self._timers.on_phase(event)
        if self._ready and self._hears_phases:
            self.call(self.strategy.on_phase, event)

    def _hear(self, author: str, handler: Callable[[Any], Any], event: Any) -> None:
        """Let it hear what a strategy did; whose doings are answered without end is stopped."""
        bus, now = self._engine.bus, self.now()
        moment, count = self._heard
        self._heard = now, count + 1 if moment == now else 1
        if bus.depth() <= DEEPEST and count < MOST:
            self.call(handler, event)
            return
        before = bus.waiting() + self.mailbox.waiting()
        self.call(handler, event)
        if bus.waiting() + self.mailbox.waiting() > before:
            whom = "itself" if author == self.name else self.name
            self._engine.stop_strategy(author, f"it is answered by {whom} without end")

    # ------------------------------------------------------------ the strategy's room

    def now(self) -> int:
        """The clock's time in ns."""
        return self._engine.clock.now()

    def target(self, signal: Signal) -> Rebalanced:
        """Publish a signal with a target and place the orders that it comes to."""
        made = self._engine.desk.signal(self.name, signal)
        if self.active:
            return self.executor.target(made)
        step = self.executor.sizer.step(made)
        if not step.shares:
            return Rebalanced(self.now(), self.name, left=step.left)
        order = self._refused(made.symbol, step.side, step.shares, made.price, made.reason)
        left = Shortfall(made.symbol, step.side, step.shares, "denied", order.reason)
        return Rebalanced(self.now(), self.name, (order,), (left,))

    def rebalance(self, signals: Sequence[Signal]) -> Rebalanced:
        """Publish signals with targets and work them together."""
        desk = self._engine.desk
        made = [desk.signal(self.name, signal) for signal in signals]
        total = sum(signal.target_ratio or 0.0 for signal in made)
        if total > 1 + _ROUNDING:
            raise ValueError(f"weights: they come to {total:g}, and 1 is all there is")
        if not self._say(made) or not made:
            return Rebalanced(self.now(), self.name)
        return self.executor.rebalance(self.name, made)

    def cancel(self, order_id: str, reason: str) -> bool:
        """Cancel an order."""
        return self.active and self._engine.desk.cancel(order_id, reason)

    def emit(self, *signals: Signal) -> None:
        """Publish signals for the executor and for whoever listens."""
        desk = self._engine.desk
        self._say([desk.signal(self.name, signal) for signal in signals])

    def _say(self, made: Sequence[Signal]) -> bool:
        """Publish signals, if the strategy runs still."""
        if not self.active:
            self.log.warning("{} is stopped: its signals are left out", self.name)
            return False
        for signal in made:
            self._engine.desk.say(signal)
        return True

    def every(self, period: str | float, handler: Callable[[], Any]) -> None:
        """Arm a repeating timer."""
        check_handler(self.name, handler, f"every({period!r})")
        self._timers.every(period, handler, self._engine.phase)

    def at(self, clock_time: str, handler: Callable[[], Any]) -> None:
        """Arm a daily timer."""
        check_handler(self.name, handler, f"at({clock_time!r})")
        self._timers.at(clock_time, handler, self._engine.phase)

    def _refused(
        self,
        symbol: str,
        side: Side,
        quantity: int,
        price: float | None = None,
        reason: str = "",
        type: OrderType | None = None,
    ) -> Order:
        """What `trade` is once the strategy was stopped."""
        denial = Denial("stopped", f"{self.name} was stopped")
        price = None if price is None else plain("price", price)
        unsaid = Signal(symbol, side, price=price, strategy=self.name)
        shares = number("quantity", quantity, int, MOST_SHARES)
        return self._engine.desk.place(unsaid, side, shares, type, denial)


def _home(strategy: Strategy) -> str:
    """The file of a strategy's class, where its errors are looked for."""
    try:
        return inspect.getfile(type(strategy))
    except (TypeError, OSError):
        return ""


def check_handler(strategy: str, handler: Any, name: str) -> None:
    """A handler that could never run; raises ConfigError."""
    if is_generator(handler):
        raise ConfigError(f"{strategy}: {name} {NO_GENERATOR}")


def check_class(strategy: Strategy) -> None:
    """A strategy that could never act as it is written; raises ConfigError that says why."""
    name, cls = strategy.name, type(strategy)
    for handler in HANDLERS:
        check_handler(name, getattr(strategy, handler, None), handler)
    for method in vars(cls):
        if not method.startswith("on_") or method in _EVENTS:
            continue
        near = get_close_matches(method, _EVENTS, 1, 0.75)
        if near:
            raise ConfigError(f"{name}: {method} is no handler; did you mean {near[0]}?")
    defined = [h for h in _EVENTS if getattr(cls, h) is not getattr(Strategy, h)]
    for handler, given in ((h, 0 if h in ("on_start", "on_stop") else 1) for h in defined):
        try:
            inspect.signature(getattr(strategy, handler)).bind(*[None] * given)
        except TypeError:
            what = "takes nothing" if not given else "takes one thing, what happened"
            raise ConfigError(f"{name}: {handler} {what} (beside self)") from None
        except ValueError:
            continue  # a callable that does not say
    if isinstance(strategy, SignalStrategy):
        own = type(strategy)
        stub = own.generate_signals is SignalStrategy.generate_signals
        if stub and own.poll is SignalStrategy.poll:
            raise ConfigError(f"{name} must define generate_signals(data)")
    elif not defined:
        raise ConfigError(f"{name} defines none of {', '.join(_EVENTS)}: it would never act")
    warmup = strategy.warmup
    if not isinstance(warmup, int) or isinstance(warmup, bool) or warmup < 0:
        raise ConfigError(f"{name}: warmup: {warmup!r} is no number of bars")


def check_names(runners: Iterable[Runner], taken: Iterable[str]) -> None:
    """Two strategies of one name would share orders; raises ConfigError, as for a `taken` one."""
    seen: set[str] = set()
    for runner in runners:
        if runner.name in taken:
            raise ConfigError(f"{runner.name}: orders of ours have that name: give it another")
        if runner.name in seen:
            raise ConfigError(f"two strategies are named {runner.name}: give one another `name`")
        seen.add(runner.name)
