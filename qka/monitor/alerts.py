"""Alerts: what happens in an engine, told to people who are elsewhere.

The engine's thread only puts an event into a queue. A thread words it, asks which rule sends it
where and whether people have had enough, and each target has a thread of its own.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from datetime import date
from typing import Any, NamedTuple

from loguru import logger

from qka.errors import ConfigError, QkaError
from qka.language import say
from qka.model.events import (
    Alert,
    CancelRefused,
    EngineState,
    Fill,
    LinkState,
    OrderDenied,
    OrderRejected,
    OrderUnknown,
    SessionPhase,
    Severity,
)
from qka.model.market import Phase
from qka.model.order import Order
from qka.model.times import MINUTE, at
from qka.monitor.lines import Watched
from qka.monitor.messages import Message, Writer
from qka.monitor.outbox import Outbox
from qka.monitor.pages import Pages
from qka.monitor.targets import Target
from qka.monitor.throttle import LOUDNESS, Quiet, Throttle
from qka.settings import AlertSettings
from qka.telling import severity

ROOM = 1000  # events that wait to be worded
PATIENCE = 1.0  # seconds between two looks at what is held back
FLUSH = 4.0  # seconds that the end of a run waits for the last alerts
TOLD = (
    Alert, CancelRefused, EngineState, Fill, LinkState, OrderDenied, OrderRejected, OrderUnknown,
)  # fmt: skip


# what is only information, and comes in numbers: nobody is woken for it unless a rule wants it
_MANY = {Fill: "fill", OrderDenied: "denied"}


class _Rule(NamedTuple):
    """Which messages go to which targets."""

    kinds: tuple[str, ...]
    least: Severity
    targets: Sequence[Target]

    def may_take(self, kind: str) -> bool:
        """Whether the rule sends information of that kind."""
        return self.least is Severity.INFO and (not self.kinds or kind in self.kinds)

    def takes(self, message: Message) -> bool:
        """Whether the rule sends it."""
        if self.kinds and message.kind not in self.kinds:
            return False
        return message.asked or LOUDNESS.index(message.severity) >= LOUDNESS.index(self.least)


class Alerts:
    """The alerts of one engine, as `settings` say; `now` is its clock's time, ns.

    `digest` gives a day's figures in words; it is called on the engine's thread. Nothing runs
    before `start`. Raises ConfigError for a target that is none.
    """

    def __init__(
        self,
        settings: AlertSettings,
        writer: Writer,
        now: Callable[[], int],
        digest: Callable[[], str] = str,
        pages: Pages | None = None,
    ) -> None:
        self.targets = targets_of(settings)
        self._rules = _rules(settings, self.targets)
        self._writer = writer
        self._now = now
        self._digest = digest if settings.digest else None
        self._pages = pages if settings.report else None
        self._throttle = Throttle(settings.most, settings.window, _quiet(settings), self._summary)
        self._inbox: Outbox[Message | date | tuple[Any, Order | None]] = Outbox(ROOM)
        self._ledger: Any = None
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def watch(self, engine: Watched) -> None:
        """Listen to an engine."""
        self._ledger = engine.ledger
        unwanted = {
            event
            for event, kind in _MANY.items()
            if not any(rule.may_take(kind) for rule in self._rules)
        }
        engine.listen(tuple(event for event in TOLD if event not in unwanted), self.on_event)
        if self._digest is not None or self._pages is not None:
            engine.listen(SessionPhase, self.on_phase)

    def start(self) -> None:
        """Begin to send."""
        for target in self.targets.values():
            target.start()
        self._thread.start()

    def on_event(self, event: Any) -> None:
        """Something happened; never waits."""
        about = None
        if isinstance(event, OrderRejected | OrderUnknown | CancelRefused):
            about = self._ledger.order(event.order_id)
        self._inbox.put((event, about), severity(event) is Severity.ERROR)

    def on_phase(self, event: SessionPhase) -> None:
        """The day's figures when it closes, its report when it is settled."""
        morning = event.time < at(event.day, "12:00")
        if event.phase is not Phase.CLOSED or morning or self._now() - event.time > MINUTE:
            return  # an engine that starts after the close is told of a phase that began before
        if self._pages is not None:
            self._pages.after(event.day, lambda day: self._inbox.put(day, urgent=True))
        if self._digest is not None:
            words = self._digest()
            message = self._writer.write("day", Severity.INFO, "digest", words, event.time)
            self._inbox.put(message._replace(asked=True), urgent=True)

    def tell(self, topic: str, words: str) -> None:
        """Something that no event says: the run could not start, or broke off."""
        message = self._writer.write("day", Severity.ERROR, topic, words, self._now())
        self._inbox.put(message, urgent=True)

    def close(self, within: float | None = None) -> None:
        """Send what waits and end; what takes longer than so many seconds is not sent. Blocks."""
        if not self._thread.ident:
            return
        within = FLUSH if within is None else within
        self._inbox.close()
        self._thread.join(within / 2)
        targets = self.targets.values()
        for target in targets:
            target.finish()
        wait([target.done for target in targets], within / 2)
        unsent = {target.name: left for target in targets if (left := target.give_up())}
        if unsent:
            words = ", ".join(f"{name} {count}" for name, count in unsent.items())
            logger.bind(strategy="alerts").warning("alerts that could not be sent: {}", words)

    # ------------------------------------------------------------ on the thread

    def _run(self) -> None:
        while not self._inbox.done:
            item = self._inbox.take(PATIENCE if self._throttle.holds else None)
            try:
                self._work(item)
            except Exception as error:  # a message that can't be worded costs itself alone
                logger.opt(exception=error).error("an alert could not be written")
        for message in self._throttle.rest():
            self._send(message)

    def _work(self, item: Message | date | tuple[Any, Order | None] | None) -> None:
        message = None
        if isinstance(item, Message):
            message = item
        elif isinstance(item, date):
            message = self._report(item)
        elif item is not None:
            message = self._writer.of(*item)
        for late in self._throttle.due(message.time if message else self._now()):
            self._send(late)
        lost = self._inbox.lost()
        if lost:
            words = say("{count} events came too fast to be told").format(count=lost)
            self._send(self._more("engine", Severity.WARNING, words))
        if message is not None and self._goes(message) and self._throttle.admit(message):
            self._send(message)

    def _report(self, day: date) -> Message:
        """The day's report, or why there is none."""
        assert self._pages is not None
        try:
            page = self._pages.make(day)
            words = say("attached where the service takes files; it is kept as {path}")
            words = words.format(path=page)
        except QkaError as error:
            page, words = None, say("it could not be made: {why}").format(why=error)
        message = self._writer.write("day", Severity.INFO, "report", words, self._now())
        return message._replace(asked=True, page=page)

    def _goes(self, message: Message) -> bool:
        return any(rule.takes(message) for rule in self._rules)

    def _send(self, message: Message) -> None:
        targets = [t for rule in self._rules if rule.takes(message) for t in rule.targets]
        for target in dict.fromkeys(targets):
            target.put(message)

    def _summary(self, kind: str, held: list[Message], count: int, loudest: Severity) -> Message:
        """One message for those that were held back."""
        lines = [say("{count} more messages:").format(count=count)]
        lines += ["…"] if count > len(held) else []
        lines += [message.body.partition("\n")[0] for message in held]
        return self._more(kind, loudest, "\n".join(lines))

    def _more(self, kind: str, loudness: Severity, words: str) -> Message:
        message = self._writer.write(kind, Severity.INFO, "more", words, 0)
        return message._replace(severity=loudness, time=self._now())


def targets_of(settings: AlertSettings) -> dict[str, Target]:
    """The targets by name, not yet sending; raises ConfigError."""
    return {name: Target(name, url.get_secret_value()) for name, url in settings.targets.items()}


def _rules(settings: AlertSettings, targets: Mapping[str, Target]) -> list[_Rule]:
    everyone = list(targets.values())
    if not settings.rules:
        return [_Rule((), Severity.WARNING, everyone)]
    for number, rule in enumerate(settings.rules):
        for name in rule.targets:
            if name not in targets:
                raise ConfigError(
                    f"alerts.rules.{number}.targets: there is no target {name}; set "
                    f"QKA__ALERTS__TARGETS__{name.upper()} in the environment or in .env"
                )
    return [
        _Rule(
            rule.kinds,
            Severity(rule.severity),
            [targets[name] for name in rule.targets] or everyone,
        )
        for rule in settings.rules
    ]


def _quiet(settings: AlertSettings) -> Quiet | None:
    hours = settings.quiet
    return Quiet(_minutes(hours.start), _minutes(hours.end)) if hours is not None else None


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
