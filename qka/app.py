"""The composition root: settings → a running engine. The only file that names concrete classes.

A mode is a (clock, feed, broker) triple chosen here; no other room knows which.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from loguru import logger

from qka import compliance, limits, loading, logs, settings
from qka.ashare import book
from qka.ashare.calendar import Calendar, EveryDay, exchange_calendar
from qka.brokers.paper import PaperBroker
from qka.clock import Clock, WallClock
from qka.edges import Edges, edges
from qka.engine import engine
from qka.engine.overnight import Overnight
from qka.engine.runner import Build, Policy
from qka.engine.strategy import Strategy
from qka.errors import ConfigError, QkaError
from qka.journal.folder import begin
from qka.journal.port import Journal
from qka.journal.store import SqliteJournal
from qka.journals import journal_of_run
from qka.model.dated import Row
from qka.model.events import (
    Alert,
    Distributed,
    InstrumentState,
    SessionPhase,
    Severity,
    TradingState,
)
from qka.model.market import Phase, Quote
from qka.model.money import to_cents
from qka.model.times import day_of, to_datetime
from qka.monitor.contact import Contact, contact
from qka.monitor.lines import Lines
from qka.recording.port import Recorder
from qka.recording.reading import beside
from qka.recording.recorder import DiskRecorder
from qka.risk.losses import Losses
from qka.risk.meter import Figures, Meter
from qka.risk.streak import Streak
from qka.settings import Settings, StrategySettings
from qka.settings.rulefile import RuleFile, named
from qka.wire import pretty

if TYPE_CHECKING:
    from qka.monitor.monitor import Monitor


# Seconds until Python makes the loop hand over to a thread that waits (an alert, a heartbeat): less
# than a turn of the loop at full speed takes. Each turn wakes that thread for nothing and begins
# the wait anew, so that with the usual 5 ms it may wait until the day is over, at 10 us a turn.
_SWITCH = 0.0001
_before: list[float] = []  # what the interval was when each run that is open began
_WEEK = 7  # days from one word on the calendar's end to the next
_BUNCH = 0.25  # seconds that the log of a day that is over in seconds may lag behind it


class Engine(engine.Engine):
    """The engine with everything a config names; `folder` is where its run is kept."""

    limits: limits.InForce
    folder: Path
    records: SqliteJournal
    recording: DiskRecorder | None
    contact: Contact
    looking: Callable[[], contextlib.AbstractContextManager[None]]
    monitor: "Monitor | None" = None
    own_rules: tuple[Row, ...] = ()  # of the config's rule file
    days: Calendar | EveryDay = EveryDay()
    begun: Callable[[], None] | None = None  # the run has started, no event of the feed has come
    _holding = False  # the rule book
    _made = False  # the folder
    _noticed = date.min  # when it was said last that the calendar ends soon
    _refused = False  # the start, by a message that says all there is to say
    ended = "done"  # how it ended: done, interrupted or failed
    error = ""  # what it failed with

    @classmethod
    def from_config(
        cls,
        config: str | Path | Mapping[str, Any] | Settings,
        *,
        overrides: Sequence[str] = (),
        live: bool = False,
    ) -> "Engine":
        """Build from a YAML file, a mapping or Settings; nothing is opened, written or sent.

        `overrides` are `key=value` as after `--set`. Raises ConfigError.
        """
        root = Path.cwd()
        if isinstance(config, Settings):
            chosen = config
        elif isinstance(config, Mapping):
            chosen = settings.from_mapping(config, overrides)
        else:
            chosen = settings.load(config, overrides)
            root = project(Path(config))
        settings.require_live(chosen, live)
        return _build(chosen, root)

    @property
    def settings(self) -> Settings:
        """What was chosen, with the limits that are in force now."""
        return self.limits.settings

    @property
    def halted(self) -> bool:
        """Whether something halted the trading; a config that says so does not count."""
        return self.ledger.trading == "halted" != self.settings.risk.trading

    async def check(self) -> list[str]:
        """As the engine's; one that trades with this config meanwhile keeps its lease."""
        with self.looking():
            return await super().check()

    async def wait(self) -> None:
        """Return when the feed has ended or was stopped; raises what the feed raised."""
        try:
            await super().wait()
        except Exception as error:
            self.ended, self.error = "failed", str(error)
            logger.error("{}", error)
            self.contact.broke_off(error)
            raise

    def request_stop(self) -> None:
        """Stop letting events in; `wait` returns. Call it on the loop's thread."""
        if self._feeding is None or not self._feeding.done():
            self.ended = "interrupted"
        super().request_stop()

    def set(self, key: str, value: Any, *, who: str = "operator", why: str = "") -> None:
        """Change a limit (`risk.max_notional`, `strategies.0.max_quantity`) from the next order on.

        Typed and checked as in the config, which stays as it is; it holds until tomorrow's start.
        What counters hold they keep. Raises ConfigError, and then nothing was changed.
        """
        self.limits.change(key, value, who, why)

    def _open_records(self) -> None:
        """Make the run's folder, its own alone, with its log and its journal."""
        book.hold(self.own_rules)
        _before.append(sys.getswitchinterval())
        if is_past(self.settings):  # a loop that follows the world rests, and threads run meanwhile
            sys.setswitchinterval(min(_before[0], _SWITCH))
        self._holding = True
        base, number = self.folder, 1
        while True:
            try:
                self.folder.mkdir(parents=True)
                self._made = True
                break
            except FileExistsError:
                number += 1
                self.folder = base.with_name(f"{base.name}-{number}")
            except OSError as error:
                words = f"run.dir: {base.parent} can't be written ({error.strerror})"
                raise ConfigError(f"{words}: nothing was started or sent") from None
        if self.records.path.parent == base:
            self.records.path = self.folder / self.records.path.name
        if self.recording is not None:
            self.recording.folder = beside(self.records.path)
        log = self.settings.log
        logs.setup(
            log.level,
            self.folder / "log.jsonl",
            self.clock.now,
            megabytes=log.megabytes,
            keep=log.keep,
            within=_BUNCH if is_past(self.settings) else 0.0,
        )
        super()._open_records()
        with contextlib.suppress(OSError):  # a report is then told the journal by who wants it
            begin(self.folder, self.records.path, self.records.head.seq)
        self.contact.start()
        self._notice(day_of(self.clock.now()))
        if self.monitor is not None:
            self.monitor.bind(self.folder)

    async def _open(self) -> None:
        """Start, and let a human in; people elsewhere are told when that fails."""
        try:
            if self.records.path.parent != self.folder:  # what is in there is nobody else's
                self.records.claim()  # before a server takes us for the engine that runs already
            await super()._open()
            if self.monitor is not None:
                await self.monitor.open()
        except Exception as error:
            self._refused = isinstance(error, QkaError) and self._state == "opening"
            if self._refused:
                self.records.withdraw()
            self.contact.broke_off(error)
            raise
        finally:
            logs.flush()  # before anybody is told of the start, or why there was none
        if self.begun is not None:
            self.begun()

    async def stop(self) -> None:
        """Stop cleanly and write `summary.json`."""
        running = self._state == "started"
        await super().stop()
        if running:
            self._report(*self.gate.meter.told(self.clock.now()))
            (self.folder / "summary.json").write_bytes(pretty(self.summary()) + b"\n")
            logs.close()

    def _notice(self, day: date) -> None:
        """The calendar ends soon: said at the start, and each week that the engine runs."""
        soon = self.days.notice(day)
        if soon and (day - self._noticed).days >= _WEEK:
            self._noticed = day
            mend = self.days.mend if isinstance(self.days, Calendar) else ""
            self.alert(Severity.WARNING, "calendar", f"{soon}; {mend}")

    def _on_day_over(self, event: SessionPhase) -> None:
        if event.phase is Phase.CLOSED:
            self._notice(event.day)
            today = self.gate.meter.today(self.clock.now())
            self._report(*([today] if today else []))

    def _report(self, *days: Figures) -> None:
        """Write the compliance reports of these days."""
        now = self.clock.now()
        for figures in days:
            try:
                compliance.write(self.folder, figures, self.account_id, self.settings.name, now)
            except OSError as error:
                words = f"the report of {figures.day} can't be written ({error.strerror})"
                self.alert(Severity.WARNING, "compliance", words)

    async def _close(self) -> None:
        """Let go of everything; the last alerts leave."""
        try:
            if self.monitor is not None:
                await self.monitor.close(self.ended, self.error)
            await super()._close()
        finally:
            if self._holding:
                self._holding = False
                book.release()
                sys.setswitchinterval(_before.pop())  # the last run gives back what it found
            await self.contact.stop()
            if self._refused:
                self._take_away()

    def _take_away(self) -> None:
        """A run that never was is neither the newest one nor one to replay."""
        if self.recording is not None:
            self.recording.withdraw()
        if self._made:
            logs.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def summary(self) -> dict[str, Any]:
        """What each strategy did and what the account holds; money in CNY."""
        return {
            "run": str(self.folder),
            "journal": str(self.records.path),
            "name": self.settings.name,
            "ended": self.ended,
            "error": self.error,
            **super().summary(),
        }


def project(config: Path) -> Path:
    """The project a config file belongs to: the folder above `config/`, or the file's own."""
    folder = config.resolve().parent
    return folder.parent if folder.name == "config" else folder


def _build(chosen: Settings, root: Path) -> Engine:
    folder = _folder(chosen)
    strategies = build_strategies(chosen, root)
    edge = edges(chosen, [each.strategy for each in strategies], root)
    records = journal_of_run(chosen, edge.clock, folder)
    recording = _recorder(chosen, records, edge.clock)
    own = named(chosen.rules.file, root)
    days = put_rules_in_force(chosen, own, edge.clock)
    built = wire(Engine, chosen, strategies, edge, records, recording, days.is_trading_day)
    if recording is not None:
        recording.trouble = _Trouble(built)
    built.listen(SessionPhase, built._on_day_over)
    names = [each.strategy.name for each in strategies]
    built.limits = limits.InForce(built, chosen, names)
    built.folder, built.records, built.looking = folder, records, edge.looking
    built.recording, built.own_rules, built.days = recording, own.rows, days
    Lines(built)
    built.contact = contact(chosen, built, built.summary, send=not is_past(chosen))
    built.monitor = _monitor(built, chosen) if _is_asked(chosen) else None
    return built


def _is_asked(chosen: Settings) -> bool:
    """Whether a human may want to ask a run: not one that is over before he can."""
    own = chosen.monitor
    if own.enabled is not None:
        return own.enabled
    return own.dashboard or own.metrics or getattr(chosen.feed, "speed", None) != "max"


def _monitor(built: Engine, chosen: Settings) -> "Monitor":
    from qka.monitor.monitor import Monitor, Wanted  # late: a run at full speed needs no server

    own = chosen.monitor
    wanted = Wanted(
        own.host,
        own.port,
        own.enabled is True,
        own.dashboard,
        own.metrics,
        own.read_only,
        own.origins,
    )

    def shown() -> Mapping[str, Any]:
        return built.settings.risk.model_dump(mode="json")

    return Monitor(built, shown, wanted)


Built = TypeVar("Built", bound=engine.Engine)


def wire(
    kind: type[Built],
    chosen: Settings,
    strategies: Sequence["Chosen"],
    edge: Edges,
    journal: Journal,
    recorder: Recorder | None,
    is_trading_day: Callable[[date], bool],
) -> Built:
    """An engine of that class over these edges, with rules and strategies as the config says."""
    account, risk = chosen.account, chosen.risk
    meter = Meter()
    losses = Losses(risk.max_daily_loss, risk.max_drawdown, limits.near_losses(risk))
    names = [each.strategy.name for each in strategies]
    built = kind(
        clock=edge.clock,
        feed=edge.feed,
        broker=edge.broker,
        journal=journal,
        rules=limits.rules(chosen, names, meter, losses, is_trading_day),
        losses=losses,
        streak=Streak(risk.max_losing_trades),
        meter=meter,
        on_loss=TradingState(chosen.risk.on_loss),
        fees=edge.fees,
        cash=to_cents(account.cash),
        account_id=account.id,
        positions={
            symbol: (held.quantity, to_cents(held.cost * held.quantity))
            for symbol, held in account.positions.items()
        },
        ratio=chosen.executor.ratio,
        history=chosen.run.history,
        is_trading_day=is_trading_day,
        recorder=recorder,
    )
    built.ledger.trading = TradingState(chosen.risk.trading)
    if isinstance(edge.broker, PaperBroker):
        assert isinstance(chosen.broker, settings.PaperBroker)
        built.listen(Quote, edge.broker.on_quote)
        built.before_bar = edge.broker
        built.listen(SessionPhase, edge.broker.on_phase)
        built.listen(InstrumentState, edge.broker.on_instrument)
        built.listen(Distributed, edge.broker.on_distributed)
        built.listen(SessionPhase, overnight(built, chosen.broker.dividend_tax).on_phase)
    built.stop_at(limits.stops(risk))
    for entry, strategy, build in strategies:
        built.register(strategy, Policy(entry.max_errors, entry.on_error), build)
    return built


def overnight(built: engine.Engine, tax: Decimal = Decimal(0)) -> Overnight:
    """Settles the nights of an account on paper; `tax`: part of dividends that is withheld."""
    past = built.past
    return Overnight(
        built.clock,
        built.ledger,
        lambda symbols, since, until: built.feed.actions(symbols, since, until),
        last=lambda: past.away[0] if past.known else None,
        tell=built.tell,
        warn=lambda message: built.alert(Severity.WARNING, "account", message),
        tax=tax,
    )


class _Trouble:
    """Tells a human that recording has ended; called on the recorder's thread."""

    def __init__(self, built: engine.Engine) -> None:
        self._built = built

    def __call__(self, words: str) -> None:
        logger.error("{}", words)
        built = self._built
        built.door.push(Alert(built.clock.now(), Severity.ERROR, "recording", words))


def is_past(chosen: Settings) -> bool:
    """Whether the feed brings its own time."""
    return isinstance(chosen.feed, settings.SimulatedFeed | settings.ReplayFeed)


def _recorder(chosen: Settings, records: SqliteJournal, clock: Clock) -> DiskRecorder | None:
    wanted = chosen.journal.record
    if not (not is_past(chosen) if wanted is None else wanted):
        return None
    return DiskRecorder(beside(records.path), clock.now, lambda: records.head.seq)


class Chosen(NamedTuple):
    """A strategy of a config: what that says, the strategy, and how to make it anew."""

    entry: StrategySettings
    strategy: Strategy
    build: Build


def build_strategies(chosen: Settings, root: Path) -> list[Chosen]:
    """The strategies of a config, built anew; raises ConfigError."""
    made = []
    for entry in chosen.strategies:
        build = partial(_strategy, entry, loading.find(entry.use, root))
        made.append(Chosen(entry, build({}), build))
    return made


def put_rules_in_force(chosen: Settings, own: RuleFile, clock: Clock) -> Calendar | EveryDay:
    """Lay the rows of a rule file over the shipped ones; the days that trade, by its own too.

    The days of recorded files, or of a made-up market, all trade. Raises ConfigError, also when
    the calendar ends before today, unless it may be the time of a simulated server that is lived.
    """
    book.use(own.rows)
    if is_past(chosen):
        return EveryDay()
    calendar = exchange_calendar(own.calendar)
    ours = chosen.feed.kind == "xtdata" or settings.trades_real_money(chosen)
    if isinstance(clock, WallClock) and ours:
        calendar.is_trading_day(day_of(clock.now()))
    return calendar


def _strategy(entry: StrategySettings, cls: type[Strategy], params: Mapping[str, Any]) -> Strategy:
    return loading.build(
        cls,
        name=entry.name,
        symbols=entry.symbols,
        bars=entry.bars,
        params={**entry.params, **params},
    )


def _folder(chosen: Settings) -> Path:
    started = to_datetime(WallClock().now())
    return chosen.run.dir / f"{started:%Y%m%d-%H%M%S}-{chosen.name or 'run'}"
