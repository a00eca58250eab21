"""A journal for thousands of short lives: JSON lines, handed to the system when written ahead.

What it promises a killed process is what the real one promises, without waiting for the disk.
"""

import contextlib
from io import FileIO
from pathlib import Path

from qka.wire import encode

_BUFFER = 8192  # bytes


class FileJournal:
    """A file of JSON lines `{"seq": 1, "event": {...}}`.

    A record whose writing raised is not in the file, not even in part, and not later either.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq = 0
        self._file: FileIO | None = None
        self._size = 0  # bytes of the file, all of them whole records
        self._waiting: list[bytes] = []  # records the operating system was not handed yet
        self._room = _BUFFER  # bytes until it is

    def open(self) -> None:
        """Make the file and its folder; raises OSError when that can't be, or it exists."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("xb", buffering=0)

    def append(self, event: object) -> None:
        """Add a record; raises OSError when it can't be written."""
        if self._file is None:
            raise OSError(f"{self.path} is not open")
        line = b'{"seq":%d,"event":%b}\n' % (self.seq + 1, encode(event))
        self._waiting.append(line)
        self.seq += 1
        self._room -= len(line)
        if self._room < 0:
            self._hand_over(self._file)

    def write_ahead(self, event: object) -> None:
        """Add a record; all so far has been handed to the operating system when this returns."""
        self.append(event)
        assert self._file is not None
        self._hand_over(self._file)

    def close(self) -> None:
        """Commit and let go of the file; calling it twice is fine."""
        file, self._file = self._file, None
        if file is not None:
            with file:
                self._hand_over(file)

    def _hand_over(self, file: FileIO) -> None:
        """Write what waits, whole or not at all; when that fails the last record is taken back."""
        if not self._waiting:
            return
        data, written = b"".join(self._waiting), 0
        try:
            while written < len(data):
                written += file.write(data[written:])
        except OSError:
            self._waiting.pop()
            self.seq -= 1
            file.seek(self._size)
            with contextlib.suppress(OSError):
                file.truncate()
            raise
        self._size += written
        self._waiting.clear()
        self._room = _BUFFER
