"""Code that is not the engine's own: a strategy, or a listener such as a monitor.

It is called with care: whatever it raises stays with it and is told with file and line, what it
awaits waits in a mailbox, and it can be asked to leave alone.
"""

import contextlib
import inspect
import traceback
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from loguru import logger

from qka.errors import StopNow
from qka.model.events import Severity
from qka.wire import legible

if TYPE_CHECKING:
    from qka.engine.engine import Engine


class Guest:
    """Someone whose handlers the engine calls; its errors are looked for in its file, `home`."""

    def __init__(self, name: str, engine: "Engine", home: str = "") -> None:
        self.name = name
        self.active = True
        self.ended = ""  # why it was stopped
        self.log = logger.bind(strategy=name)
        self.mailbox = engine.mailbox()
        self._engine = engine
        self.home = home
        self._told: set[str] = set()  # places whose error was told

    def call(self, handler: Callable[..., Any], *args: Any) -> None:
        """Call a handler; its error stays here, and what it awaits goes through the mailbox."""
        if not self.active:
            return
        try:
            result = handler(*args)
            if result is not None:
                self.returned(handler, args[0] if args else None, result)
        except StopNow:
            raise
        except BaseException as error:
            self.failed(handler, args[0] if args else None, error)

    def returned(self, handler: Any, event: Any, result: Any) -> None:
        """A handler gave something back: an awaitable is worked in its turn, else nobody cares."""
        if isinstance(result, CoroutineType) or inspect.isawaitable(result):
            self.mailbox.put(self, handler, event, result)
        elif inspect.isgenerator(result) or inspect.isasyncgen(result):
            self.failed(handler, event, TypeError(f"{named(handler)} {NO_GENERATOR}"))

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """A handler raised: told once for each place."""
        where = self.place(handler, error)
        if where in self._told:
            return
        self._told.add(where)
        text = f"{where}: {self.explain(error)}"
        with contextlib.suppress(Exception):  # a sink of the log may raise
            self.log.opt(exception=error).error("{}", text)
        self._engine.alert(Severity.ERROR, self.name, text, log=False)

    def holds_time(self, handler: Any, waited: float, until: float | None) -> None:
        """An async handler has kept a simulated clock waiting, and may do so for a while.

        Where time is the world's (`until` is None) it keeps the strategy's own handlers waiting.
        """
        if until is None:
            text = (
                f"{named(handler)} has not ended for {waited:g} s: no other async handler of the "
                "strategy is called before it does. Give what it awaits a limit (asyncio.timeout); "
                "`qka strategy stop` ends it now"
            )
        else:
            text = (
                f"{named(handler)} has held up time for {waited:g} s: a simulated clock waits for "
                "async handlers, so that no fill and no quote can come before they end; it is "
                f"stopped after {until:g} s"
            )
        self._engine.alert(Severity.WARNING, self.name, text)

    def explain(self, error: BaseException) -> str:
        """What it raised, for a human."""
        return words(error)

    def stop(self, why: str, severity: Severity = Severity.ERROR) -> None:
        """Stop it alone, and say so."""
        if self.active:
            self.ended = why
            self.leave()
            self._engine.alert(severity, self.name, f"stopped: {why}{self.settle(why)}")

    def cut_off(self, why: str) -> None:
        """The run is over and an async handler is not: it is left behind."""
        self.ended = why
        self.leave()
        self._engine.alert(Severity.ERROR, self.name, f"an async handler was cut off: {why}")

    def settle(self, why: str) -> str:
        """Put an end to what it began; returns what else an alert has to say."""
        return ""

    def leave(self) -> None:
        """It is called no more; calling this twice is fine."""
        self.active = False
        self._engine.bus.leave(self)
        self.mailbox.drop(self)

    def answerable(self, handler: Any) -> list[tuple[str, int]]:
        """(file, line) of what the guest wrote and qka worked on when it called that handler."""
        return []

    def place(self, handler: Any, error: BaseException) -> str:
        """`file.py:12`: the last line of the guest's own file that the error passed.

        Where it passed none, what the guest is answerable for, else its last line anywhere.
        """
        frames = [
            (frame.f_code.co_filename, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
        ]
        mine = [frame for frame in frames if frame[0] == self.home]
        mine = mine or self.answerable(handler) or frames[-1:]
        return f"{mine[-1][0]}:{mine[-1][1]}" if mine else named(handler)


NO_GENERATOR = "is a generator: nothing in it would ever run; take the `yield` out"


def named(handler: Any) -> str:
    """`MyStrategy.on_quote`: what a handler is called."""
    return getattr(handler, "__qualname__", None) or type(handler).__name__


def words(error: BaseException) -> str:
    """`ValueError: what it says`, whatever it is."""
    try:
        text = str(error)
    except Exception:
        text = "(what it says can't be shown)"
    return legible(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def is_generator(handler: Any) -> bool:
    """Whether calling it would only make a generator."""
    inner = inspect.unwrap(handler)
    return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
