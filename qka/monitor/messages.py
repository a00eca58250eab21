"""What a human is told of an event: what happened, what it means for open orders, what to do."""

from pathlib import Path
from typing import Any, NamedTuple

from qka.engine.leaver import NAME as LEAVER
from qka.language import Say, mark, say
from qka.model.events import (
    Alert,
    CancelRefused,
    EngineState,
    Fill,
    LinkState,
    OrderDenied,
    OrderRejected,
    OrderUnknown,
    Severity,
)
from qka.model.order import Order
from qka.model.times import to_datetime
from qka.phrases import retold
from qka.secrets import mask
from qka.telling import severity, told


class Message(NamedTuple):
    """One message for a human."""

    kind: str
    severity: Severity
    title: str
    body: str
    time: int  # ns, when it happened
    asked: bool = False  # it was asked for: no severity, quiet hour or rate holds it back
    page: Path | None = None  # a file that goes with it, where the service takes files


class Advice(NamedTuple):
    """What a kind of alert is called, and what follows from it; in English."""

    title: str
    orders: str = ""
    next: str = ""


ADVICE = {
    "halt": Advice(
        mark("Trading stopped"),
        mark("those at the broker stay and can still fill; cancels still go out."),
        mark(
            "read the log, look at the orders in the QMT terminal; `qka resume` lifts it when the "
            "cause is mended."
        ),
    ),
    "reducing": Advice(
        mark("Only positions are reduced"),
        mark("those at the broker stay and can still fill; sells that reduce go out, and cancels."),
        mark("look at the positions and the log; `qka resume` lifts it when the cause is mended."),
    ),
    "account": Advice(
        mark("The account's books"),
        mark("as they were; while the books differ no new order leaves."),
        mark("hold positions and cash against the QMT terminal; the log names the differences."),
    ),
    "risk": Advice(
        mark("Risk"),
        mark("as they were."),
        mark("look at the positions and at the limit that was named."),
    ),
    "unknown": Advice(
        mark("Order of unknown outcome"),
        mark(
            "it may work or have filled; its cash and shares stay reserved, it is not sent again."
        ),
        mark(
            "the engine goes on looking it up; look in the QMT terminal, `qka resolve` takes your "
            "word."
        ),
    ),
    "rejected": Advice(
        mark("Order rejected"),
        mark("nothing of it is open any more."),
        mark("read the broker's reason; it comes back until its cause is mended."),
    ),
    "cancel": Advice(
        mark("Cancel refused"),
        mark("this one works on and can still fill."),
        mark("read the broker's reason; cancel it in the QMT terminal if it must go."),
    ),
    "link": Advice(
        mark("Link down"),
        mark("they stay at the broker and may fill unseen; that is booked when the link is back."),
        mark("look whether QMT runs and is logged in; the engine tries again by itself."),
    ),
    "strategy": Advice(
        mark("Strategy"),
        mark("those of a strategy that was stopped are left or cancelled, as `on_error` says."),
        mark("read the log; the other strategies trade on."),
    ),
    "engine": Advice(
        mark("Engine"),
        mark("as they were."),
        mark("read the log."),
    ),
    "link up": Advice(mark("Link up")),
    "trading": Advice(mark("Trading goes on")),
    "fill": Advice(mark("Fill")),
    "denied": Advice(mark("Order denied by a rule")),
    "start": Advice(mark("Started")),
    "stop": Advice(
        mark("Stopped"),
        mark("they stay at the broker and can still fill; nobody watches them now."),
    ),
    "failed": Advice(
        mark("The run broke off"),
        mark("they stay at the broker and can still fill; nobody watches them now."),
        mark("read the log, mend the cause, start again: a start finds out what is true."),
    ),
    "digest": Advice(mark("The day")),
    "report": Advice(mark("The day's report")),
    "more": Advice(mark("Not sent one by one")),
    "test": Advice(mark("Test")),
}
# where an alert without a strategy comes from -> its kind
_SOURCES = {
    "account": "account",
    "ledger": "account",
    "risk": "risk",
    LEAVER: "risk",
    "engine": "halt",
}


class Writer:
    """Writes the messages of one run: `name` is the run's, `account` its account's id."""

    def __init__(self, name: str, account: str, strategies: set[str], say: Say = say) -> None:
        self._head = f"qka {name} {mask(account)}"
        self._strategies = strategies
        self._say = say
        self._halted = ""  # the last reason for which trading was stopped

    def of(self, event: Any, order: Order | None = None) -> Message | None:
        """The message that an event is worth; None for nothing new."""
        loud = severity(event)
        match event:
            case OrderUnknown():
                kind = topic = "unknown"
            case OrderRejected():
                kind = topic = "rejected"
            case CancelRefused():
                kind, topic = "rejected", "cancel"
            case LinkState(up=up):
                kind, topic = "link", "link up" if up else "link"
            case Fill():
                kind = topic = "fill"
            case OrderDenied():
                kind = topic = "denied"
            case EngineState(state="running"):
                kind, topic = "day", "start"
            case EngineState(state="stopped"):
                kind, topic = "day", "stop"
            case EngineState(state="trading" | "held" | "released"):
                kind = "halt"
                topic = {"active": "trading", "reducing": "reducing"}.get(event.trading, "halt")
                self._halted = mask(event.reason)
            case Alert():
                if self._halted and self._halted in event.message:
                    return None  # the state's own message has told it
                topic = kind = self._kind(event)
            case _:
                return None
        if isinstance(event, Alert):
            what = f"{event.source}: {retold(event.message, self._say)}"
        else:
            what = told(event, order, self._say)
        return self.write(kind, loud, topic, what, event.time)

    def write(self, kind: str, loud: Severity, topic: str, what: str, time: int) -> Message:
        """A message of what happened at `time` (ns), with the advice there is for its topic."""
        say, advice = self._say, ADVICE[topic]
        lines = [f"{to_datetime(time):%m-%d %H:%M:%S} {what}" if time else what]
        if loud is not Severity.INFO or topic in ("stop", "failed"):
            if advice.orders:
                lines.append(say("Open orders: {words}").format(words=say(advice.orders)))
            if advice.next:
                lines.append(say("Next: {words}").format(words=say(advice.next)))
        title = f"[{self._head}] {say(advice.title)}"
        return Message(kind, loud, mask(title), mask("\n".join(lines)), time)

    def _kind(self, alert: Alert) -> str:
        if alert.source in self._strategies:
            return "strategy"
        kind = _SOURCES.get(alert.source, "engine")
        return "engine" if kind == "halt" and alert.severity is Severity.INFO else kind
