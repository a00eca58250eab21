"""The witness: how far the journal goes, in a small file of its own beside it.

A chain can't miss its own last links: with the newest records gone (a `-wal` file left behind in a
copy, a file cut off) what remains looks whole. So after every commit the number and hash of the
last record are written here too. It may lag behind the journal; it is never ahead of it, unless
the journal has lost something.
"""

import os
import re
import zlib
from pathlib import Path
from typing import BinaryIO

from loguru import logger

from qka.journal.chain import Mark

_SLOT = 96  # bytes; two slots take turns, so that a torn write spares the other
_LINE = re.compile(rb"(\d{20}) ([0-9a-f]{64}) ([0-9a-f]{8})\n")


def beside(journal: Path) -> Path:
    """Where the witness of a journal is."""
    return journal.with_name(f"{journal.name}.head")


class Witness:
    """The file, open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._turn = 0
        self._told = False

    def open(self, mark: Mark) -> None:
        """Make ready, and begin with this mark; raises OSError."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        slots = self._file.read(2 * _SLOT)
        newest = max((seq, turn) for turn, seq in enumerate(_numbers(slots)))
        self._turn = 1 - newest[1]
        self.write(mark)

    def write(self, mark: Mark) -> None:
        """The journal goes as far as this now. A failure is told once and harms nothing."""
        if self._file is None:
            return
        text = b"%020d %b" % (mark.seq, mark.hash.hex().encode())
        line = b"%b %08x\n" % (text, zlib.crc32(text))
        try:
            self._file.seek(self._turn * _SLOT)
            self._file.write(line)
        except OSError as error:
            if not self._told:
                logger.warning("{} can't be written: {}", self.path, error)
            self._told = True
        self._turn = 1 - self._turn

    def close(self) -> None:
        """Let go of the file, on the disk; calling it twice is fine."""
        if self._file is not None:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                pass  # it may lag behind
            self._file.close()
            self._file = None


def read(path: Path) -> Mark | None:
    """What the witness says; None when there is none, or none that can be believed."""
    try:
        slots = path.read_bytes()
    except OSError:
        return None
    marks = [_mark(slots, turn) for turn in (0, 1)]
    return max((mark for mark in marks if mark is not None), default=None)


def _numbers(slots: bytes) -> list[int]:
    return [mark.seq if mark else -1 for mark in (_mark(slots, 0), _mark(slots, 1))]


def _mark(slots: bytes, turn: int) -> Mark | None:
    found = _LINE.match(slots, turn * _SLOT)
    if found is None:
        return None
    seq, hex_hash, check = found.groups()
    if zlib.crc32(seq + b" " + hex_hash) != int(check, 16):
        return None
    return Mark(int(seq), bytes.fromhex(hex_hash.decode()))
