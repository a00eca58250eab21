"""How many messages a human gets: so many of a kind in a window, and few at night; pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from qka.model.events import Severity
from qka.model.times import SECOND, to_datetime
from qka.monitor.messages import Message

LOUDNESS = (Severity.INFO, Severity.WARNING, Severity.ERROR)
SHOWN = 5  # of those not sent one by one, in the message that counts them

# (kind, the last of those held back, how many, the loudest) -> the one message that tells of them
Summary = Callable[[str, list[Message], int, Severity], Message]


class Quiet(NamedTuple):
    """Quiet hours: minutes of the day in Shanghai; over midnight when the end is first."""

    start: int
    end: int

    def covers(self, time: int) -> bool:
        """Whether it is quiet then (ns)."""
        moment = to_datetime(time)
        now = moment.hour * 60 + moment.minute
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


class _Window:
    """What came of a kind since `began`."""

    def __init__(self, began: int) -> None:
        self.began = began
        self.sent = 0
        self.held: list[Message] = []
        self.count = 0  # of those held, also those that are not kept
        self.loudest = Severity.INFO

    def hold(self, message: Message) -> None:
        self.count += 1
        self.held = [*self.held, message][-SHOWN:]
        self.loudest = max(self.loudest, message.severity, key=LOUDNESS.index)


class Throttle:
    """At most `most` messages of a kind within `window` seconds; what is held back is told after.

    Quiet hours hold everything but errors.
    """

    def __init__(self, most: int, window: float, quiet: Quiet | None, summary: Summary) -> None:
        self._most = most
        self._window = int(window * SECOND)
        self._quiet = quiet
        self._summary = summary
        self._windows: dict[str, _Window] = {}
        self._night: dict[str, _Window] = {}

    def admit(self, message: Message) -> bool:
        """Whether the message goes out now; ask `due` first."""
        if message.asked:
            return True
        if self._is_quiet(message.time) and message.severity is not Severity.ERROR:
            self._night.setdefault(message.kind, _Window(message.time)).hold(message)
            return False
        window = self._windows.setdefault(message.kind, _Window(message.time))
        if window.sent < self._most:
            window.sent += 1
            return True
        window.hold(message)
        return False

    def due(self, now: int) -> Iterator[Message]:
        """What tells of messages held back until now (ns): their window, or the night, is over."""
        for kind, window in list(self._windows.items()):
            if now - window.began >= self._window:
                del self._windows[kind]
                yield from self._told(kind, window)
        if self._night and not self._is_quiet(now):
            night, self._night = self._night, {}
            for kind, window in night.items():
                yield from self._told(kind, window)

    def rest(self) -> Iterator[Message]:
        """What tells of all that is held back still: nothing follows."""
        windows = [*self._windows.items(), *self._night.items()]
        self._windows, self._night = {}, {}
        for kind, window in windows:
            yield from self._told(kind, window)

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._night) or any(w.count for w in self._windows.values())

    def _told(self, kind: str, window: _Window) -> Iterator[Message]:
        if window.count:
            yield self._summary(kind, window.held, window.count, window.loudest)

    def _is_quiet(self, time: int) -> bool:
        return self._quiet is not None and self._quiet.covers(time)
