"""Who asked for what, and what came of it: one JSON line a call, each bound to the one before.

Calls are gathered for a moment and written by another thread, so that a slow disk slows no order,
and all at a time, which takes a fraction of what they would take one by one.
Each carries a hash over itself and the previous hash: a line that was changed or taken out shows.
Tokens and passwords never get here, and of the account only its ends.
"""

import asyncio
from binascii import hexlify
from collections import deque
from datetime import date
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from qka.model.times import MILLISECOND, day_of, to_datetime
from qka.secrets import shortened
from qka.server.failure import Failure

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
    params: Any = None  # what is written as a JSON object
    detail: str = ""
    executed: str = ""  # of a failure: executed, not_executed, unknown

    def failed(self, failure: Failure) -> None:
        """That is what came of it."""
        self.outcome, self.detail, self.executed = failure.code, failure.detail, failure.outcome


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
        self._hash = b""
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
        written = 0
        try:
            for day, of_day in _by_day(calls):
                self._append(self.folder / f"audit-{day:%Y%m%d}.jsonl", of_day)
                written += len(of_day)
        except OSError as error:
            if not self.failing:
                logger.error("the audit in {} can't be written: {}", self.folder, error)
            self.failing = str(error)
        else:
            self.failing = ""
        return calls[written:]

    def _append(self, file: Path, calls: list[Call]) -> None:
        last, torn = (self._hash, False) if file == self._file else _end_of(file)
        self._file = None  # until all is written it is not known how it ends
        parts = [b"\n"] if torn else []
        now, head = -1, b""
        bodies = _encoder.encode_lines(calls).split(b"\n")
        for call, body in zip(calls, bodies, strict=False):  # what follows the last \n is none
            millisecond = call.at // MILLISECOND
            if millisecond != now:
                now, head = millisecond, self._head(millisecond)
            line = head + body[1:-1]
            last = chained(last, line)
            parts += (line, b',"hash":"', last, b'"}\n')
        with file.open("ab") as out:
            out.write(b"".join(parts))
        self._file, self._hash = file, last

    def _head(self, millisecond: int) -> bytes:
        """How a line begins."""
        second = to_datetime(millisecond * MILLISECOND).strftime("%Y-%m-%d %H:%M:%S").encode()
        return b'{"time":"%b.%03d","account":"%b",' % (second, millisecond % 1000, self._account)


def _by_day(calls: list[Call]) -> list[tuple[date, list[Call]]]:
    """As they come; most often all are of the same day."""
    day = day_of(calls[0].at)
    if day == day_of(calls[-1].at):
        return [(day, calls)]
    return [(day, list(of_day)) for day, of_day in groupby(calls, lambda call: day_of(call.at))]


def chained(previous: bytes, line: bytes) -> bytes:
    """The hash of a line (up to its own hash) that follows one with hash `previous`."""
    return hexlify(sha256(previous + line).digest()[:16])


def verify(file: Path) -> int:
    """How many lines of an audit file are good; raises ValueError naming the first that is not."""
    last, number = b"", 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            body, mark, end = line.rpartition(b',"hash":"')
            last = chained(last, body)
            if not mark or end != last + b'"}\n':
                raise ValueError(f"{file}:{number}: the line, or one before it, was changed")
    return number


def _end_of(file: Path) -> tuple[bytes, bool]:
    """The hash of the last line of a file, and whether the line is torn."""
    try:
        with file.open("rb") as lines:
            lines.seek(max(0, file.stat().st_size - _LONGEST))
            tail = lines.read()
    except FileNotFoundError:
        return b"", False
    if not tail:
        return b"", False
    try:
        return msgspec.json.decode(tail.splitlines()[-1])["hash"].encode(), False
    except (msgspec.DecodeError, KeyError, TypeError):
        # half written when the machine died: the chain breaks here, and `verify` says so
        return b"torn", not tail.endswith(b"\n")


_encoder = msgspec.json.Encoder()
