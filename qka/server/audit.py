"""Who asked for what, and what came of it: one JSON line a call, each bound to the one before.

Lines are gathered for a moment and written by another thread, so that a slow disk slows no order.
Each carries a hash over itself and the previous hash: a line that was changed or taken out shows.
Tokens and passwords never get here, and of the account only its ends.
"""

import asyncio
from collections import deque
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from qka.model.times import MILLISECOND, SECOND, day_of, to_datetime

_GATHER = 0.05  # seconds
_LONGEST = 65_536  # bytes of a line
_MOST = 100_000  # lines held back while the disk does not take them


class Call(msgspec.Struct, omit_defaults=True):
    """One call, for the record."""

    at: int  # ns
    who: str  # the token's name, "-" without one
    ip: str
    via: str  # http or ws
    what: str  # method
    outcome: str  # done, or the failure's code
    seconds: float = 0.0
    client: str = ""
    key: str = ""
    order_id: int = 0
    params: dict[str, Any] | None = None
    detail: str = ""
    executed: str = ""  # of a failure: executed, not_executed, unknown


def shortened(account_id: str) -> str:
    """An account that can be recognised and not used: `10***89`."""
    return f"{account_id[:2]}***{account_id[-2:]}" if len(account_id) > 5 else "***"


class Audit:
    """The record of one server: a file a day in `folder`."""

    def __init__(self, folder: Path, account_id: str) -> None:
        self.folder = folder
        self.failing = ""
        self.lost = 0  # lines that no disk took
        self._account = shortened(account_id).encode()
        self._waiting: deque[Call] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[list[Call]] | None = None
        self._hash = ""
        self._file: Path | None = None

    def open(self) -> None:
        """Make the folder. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def note(self, call: Call) -> None:
        """Write a call down, soon."""
        self._waiting.append(call)
        if len(self._waiting) > _MOST:
            self._waiting.popleft()
            self.lost += 1
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER, self._flush)

    async def close(self) -> None:
        """Write what was noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._writing is not None or (self._waiting and not self.failing):
            self._flush()
            if self._writing is not None:
                await asyncio.wait((self._writing,))

    def _flush(self) -> None:
        self._timer = None
        if self._writing is None and self._waiting:
            calls, self._waiting = list(self._waiting), deque()
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, self._write, calls)
            self._writing.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[list[Call]]") -> None:
        self._writing = None
        self._waiting.extendleft(reversed(done.result()))
        if self._waiting and self._timer is None:
            pause = 1.0 if self.failing else _GATHER
            self._timer = asyncio.get_running_loop().call_later(pause, self._flush)

    def _write(self, calls: list[Call]) -> list[Call]:
        """On another thread; those that could not be written."""
        try:
            while calls:
                day = day_of(calls[0].at)
                head = [call for call in calls if day_of(call.at) == day]
                self._append(self.folder / f"audit-{day:%Y%m%d}.jsonl", head)
                calls = [call for call in calls if day_of(call.at) != day]
        except OSError as error:
            if not self.failing:
                logger.error("the audit in {} can't be written: {}", self.folder, error)
            self.failing = str(error)
            return calls
        self.failing = ""
        return []

    def _append(self, file: Path, calls: list[Call]) -> None:
        torn = False
        if file != self._file:
            self._file = file
            self._hash, torn = _end_of(file)
        lines, last = [b"\n"] if torn else [], self._hash
        for call in calls:
            body = b'{"time":"%b.%03d","account":"%b",%b' % (
                _second(call.at // SECOND),
                call.at // MILLISECOND % 1000,
                self._account,
                _encoder.encode(call)[1:],
            )
            last = chained(last, body)
            lines.append(b'%b,"hash":"%b"}\n' % (body[:-1], last.encode()))
        with file.open("ab") as out:
            out.write(b"".join(lines))
        self._hash = last


@lru_cache(maxsize=4)
def _second(second: int) -> bytes:
    """A second as local time."""
    return to_datetime(second * SECOND).strftime("%Y-%m-%d %H:%M:%S").encode()


def chained(previous: str, body: bytes) -> str:
    """The hash of a line (without its own hash) that follows one with hash `previous`."""
    return sha256(previous.encode() + body).hexdigest()[:32]


def verify(file: Path) -> int:
    """How many lines of an audit file are good; raises ValueError naming the first that is not."""
    last, number = "", 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            body, mark, end = line.rpartition(b',"hash":"')
            last = chained(last, body + b"}")
            if not mark or end != last.encode() + b'"}\n':
                raise ValueError(f"{file}:{number}: the line, or one before it, was changed")
    return number


def _end_of(file: Path) -> tuple[str, bool]:
    """The hash of the last line of a file, and whether the line is torn."""
    try:
        with file.open("rb") as lines:
            lines.seek(max(0, file.stat().st_size - _LONGEST))
            tail = lines.read()
    except FileNotFoundError:
        return "", False
    if not tail:
        return "", False
    try:
        return str(msgspec.json.decode(tail.splitlines()[-1])["hash"]), False
    except (msgspec.DecodeError, KeyError, TypeError):
        # half written when the machine died: the chain breaks here, and `verify` says so
        return "torn", not tail.endswith(b"\n")


_encoder = msgspec.json.Encoder()
