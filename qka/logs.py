"""The log: short lines on stderr for a human, JSON lines in a file for everything else.

A strategy's lines carry its name when it logs by `logger.bind(strategy="dual_ma")`. An event is
logged by `event`: in the reader's language on stderr, in English and with its fields in the file.
Secrets reach neither; see `qka.secrets`.

Where a day is over in seconds, `within` lets the lines of events wait for one another for so long:
what writes them is then in the processor's caches, and a line costs a third. Each keeps its times
and its place among all lines, and nothing loud waits.
"""

import asyncio
import atexit
import contextlib
import json
import os
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from loguru import logger

from qka import telling, wire
from qka.errors import ConfigError
from qka.language import ENGLISH, chosen, speaker
from qka.model.order import Order
from qka.model.times import SHANGHAI, to_datetime
from qka.phrases import retold
from qka.secrets import learn, mask

if TYPE_CHECKING:
    from loguru import Record

_sinks: list[int] = []
_MEGABYTE = 1_000_000
_MOST = 1000  # lines that wait
_QUIET = ("DEBUG", "INFO")
_shown = warnings.showwarning
_lazily = logger.opt(lazy=True)


def setup(
    level: str,
    file: Path | None,
    now: Callable[[], int] | None = None,
    console: bool = True,
    *,
    megabytes: int = 100,
    keep: int = 10,
    within: float = 0.0,
) -> None:
    """Start the log anew: `level` and above, to stderr (`console`) and to the JSON-lines `file`.

    `now` is the engine's clock, ns; without it the console shows wall time. A file of so many
    `megabytes` is put aside under its date, and the last `keep` of those stay. Lines of events
    may wait `within` so many seconds. Sinks that others added stay. Raises `ConfigError`
    when the file can't be written.
    """
    close()
    _waiting.start(within, now)
    try:
        logger.remove(0)
    except ValueError:
        pass  # loguru's own sink is gone already
    learn()
    logger.configure(patcher=_patch)
    warnings.showwarning = _warned
    if console:
        _sinks.append(
            logger.add(
                sys.stderr,
                level=level,
                format=_Console(now).line,
                backtrace=False,
                diagnose=False,
            )
        )
    if file is not None:
        try:
            sink = logger.add(
                str(file).replace("{", "{{").replace("}", "}}"),
                level=level,
                format=partial(_file_line, now),
                encoding="utf-8",
                rotation=_Full(megabytes * _MEGABYTE),
                retention=keep,
                backtrace=False,
                diagnose=False,
            )
        except OSError as error:
            close()
            raise ConfigError(f"{file}: the log can't be written: {error.strerror}") from None
        _sinks.append(sink)


def close() -> None:
    """Flush and remove the sinks of `setup`; harmless when there are none."""
    flush()
    if warnings.showwarning is _warned:
        warnings.showwarning = _shown
    while _sinks:
        try:
            logger.remove(_sinks.pop())
        except ValueError:
            pass  # someone removed all of loguru's sinks


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: IO[str] | None = None,
    line: str | None = None,
) -> None:
    """Python's own warning is a line like any: mostly a coroutine that nobody awaited."""
    words = str(message)
    if words.endswith("was never awaited"):
        words += ": nothing of it was done; write `await` before the call"
    logger.warning("{}:{}: {}", filename, lineno, words)


def flush() -> None:
    """Write the lines that wait."""
    _waiting.write()


def event(source: str, happened: Any, order: Order | None = None, *, aside: bool = False) -> None:
    """Log an event, as loud as it is, or `aside`, as DEBUG; `order`: the one that it is about."""
    level = "DEBUG" if aside else telling.severity(happened).name
    line = _Line(level, source, happened, order)
    if level not in _QUIET or not _waiting.take(line):
        _write(line)


class _Line(NamedTuple):
    """What is to be logged of an event."""

    level: str
    source: str
    happened: Any
    order: Order | None


class _Late(NamedTuple):
    """How long a line has waited, seconds, and the engine's time when it was made, ns."""

    seconds: float
    now: int | None


class _Waiting:
    """Lines of events that wait for one another: so many seconds, or `_MOST` of them."""

    def __init__(self) -> None:
        self._within = 0.0
        self._now: Callable[[], int] | None = None
        self._lines: deque[tuple[_Line, float, int | None]] = deque()  # with the loop's time, now
        self._loop: asyncio.AbstractEventLoop
        self._lock = threading.RLock()  # one at a time writes; a sink may log

    def start(self, within: float, now: Callable[[], int] | None) -> None:
        """From here on; zero: nothing waits."""
        self._within, self._now = within, now

    def take(self, line: _Line) -> bool:
        """Whether it waits: not where there is no loop that comes back to it."""
        if not self._within:
            return False
        if not self._lines:
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                return False
            self._loop.call_later(self._within, self.write)
        now = None if self._now is None else self._now()
        self._lines.append((line, self._loop.time(), now))
        if len(self._lines) >= _MOST:
            self.write()
        return True

    def write(self) -> None:
        """Write what waits, in its order; from any thread."""
        if not self._lines:
            return
        with self._lock:
            while self._lines:
                line, since, now = self._lines.popleft()
                with contextlib.suppress(Exception):  # a sink of somebody else's may raise
                    _write(line, _Late(self._loop.time() - since, now))


_waiting = _Waiting()
atexit.register(flush)


def _write(line: _Line, late: _Late | None = None) -> None:
    level, source, happened, order = line
    bound = _lazily.bind(strategy=source, _event=(happened, order), _late=late)
    bound.log(level, "{}", lambda: telling.told(happened, order, str))


def _patch(record: "Record") -> None:
    late = record["extra"].get("_late")
    if late is None:
        flush()  # what waits was there before
    else:
        record["time"] -= timedelta(seconds=late.seconds)
    record["message"] = mask(record["message"])


def _source(record: "Record") -> str:
    return str(record["extra"].get("strategy") or record["name"] or "qka")


def _moment(record: "Record", now: Callable[[], int] | None) -> datetime | None:
    """The engine's time of a line; None without a clock."""
    late = record["extra"].get("_late")
    ns = late.now if late is not None else None if now is None else now()
    return None if ns is None else to_datetime(ns)


# Both formats hand loguru a template that names a value of `extra`, so that neither braces nor
# colour tags of a message are taken for the template's own. Without `{exception}` loguru would
# add it by itself to a plain format, not to a function's.


class _Console:
    """Lines for a human: the time of day, with its date where a new day begins."""

    def __init__(self, now: Callable[[], int] | None) -> None:
        self._now = now
        self._english = chosen() == ENGLISH  # once: to ask is to look into the environment
        self._say = speaker(chosen())
        self._day: date | None = None

    def line(self, record: "Record") -> str:
        moment = _moment(record, self._now) or record["time"].astimezone(SHANGHAI)
        new = self._day not in (None, moment.date())
        self._day = moment.date()
        error = _error_line(record)
        extra, source, text = record["extra"], _source(record), record["message"]
        say = self._say
        if self._english:
            pass  # it is worded so already
        elif "_event" in extra:
            happened, about = extra["_event"]
            text = mask(telling.told(happened, about, say))
            source = say("engine") if source == "engine" else source
        else:
            text = retold(text, say)
        extra["_console"] = {
            "text": text,
            "time": f"{moment:%Y-%m-%d %H:%M:%S}" if new else f"{moment:%H:%M:%S}",
            "source": source,
            "error": error,
        }
        # what is in the message already is not said twice
        told = not error or error in record["message"]
        tail = "\n" if told else "\n  <red>{extra[_console][error]}</red>\n"
        return (
            "<dim>{extra[_console][time]}</dim> <level>{level: <7}</level> "
            "{extra[_console][source]} | {extra[_console][text]}" + tail
        )


def _error_line(record: "Record") -> str:
    """`file:line: Error: text` of the place that raised; empty without an exception."""
    exception = record["exception"]
    if exception is None or exception.type is None:
        return ""
    frames = traceback.extract_tb(exception.traceback)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    text = " ".join(str(exception.value).split())
    return mask(f"{place}{exception.type.__name__}: {text}".removesuffix(": "))


class _Full:
    """Whether a line would make a file longer than `most` bytes; the file itself is asked once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._file: IO[str] | None = None
        self._bytes = 0

    def __call__(self, line: str, file: IO[str]) -> bool:
        if file is not self._file:
            self._file, self._bytes = file, file.seek(0, os.SEEK_END)
        more = len(line.encode())
        self._bytes += more
        return self._bytes > self._most


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _file_line(now: Callable[[], int] | None, record: "Record") -> str:
    moment = _moment(record, now)
    line: dict[str, Any] = {
        "wall": record["time"].isoformat(),
        "time": moment.isoformat() if moment is not None else None,
        "level": record["level"].name,
        "source": _source(record),
        "message": record["message"],
    }
    exception = record["exception"]
    if exception is not None and exception.type is not None:
        trace = traceback.format_exception(exception.type, exception.value, exception.traceback)
        line["exception"] = mask("".join(trace))
    text = wire.encode(line).decode()
    if "_event" in record["extra"]:
        text = f'{text[:-1]},"event":{_masked_json(record["extra"]["_event"][0])}}}'
    record["extra"]["_file"] = text
    return "{extra[_file]}\n"


def _masked_json(happened: Any) -> str:
    """An event as JSON. Only what has a secret in it, or may have one escaped, is taken apart."""
    text = wire.encode(happened).decode()
    if "\\" not in text and mask(text) == text:
        return text
    return wire.encode(_masked(json.loads(text))).decode()
