"""The journal: what happened, one JSON line a record, append-only.

Orders are written ahead: `write_ahead()` returns when the intent has left the process. Quotes and
bars are not in it.
"""

from io import BufferedWriter
from pathlib import Path
from typing import Protocol

from qka.wire import encode


class Journal(Protocol):
    """Append and commit."""

    def open(self) -> None:
        """Make ready; raises OSError when the file can't be made."""

    def append(self, event: object) -> None:
        """Add a record; raises OSError when it can't be written."""

    def write_ahead(self, event: object) -> None:
        """Add a record; it and all before it are safe when this returns, else raises OSError."""

    def close(self) -> None:
        """Commit and let go of the file; calling it twice is fine."""


class FileJournal:
    """A file of JSON lines `{"seq": 1, "event": {...}}`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq = 0
        self._file: BufferedWriter | None = None

    def open(self) -> None:
        """Make the file and its folder; raises OSError when that can't be, or it exists."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("xb")

    def append(self, event: object) -> None:
        """Add a record; raises OSError when it can't be written."""
        if self._file is None:
            raise OSError(f"{self.path} is not open")
        line = b'{"seq":%d,"event":%b}\n' % (self.seq + 1, encode(event))
        self._file.write(line)
        self.seq += 1

    def write_ahead(self, event: object) -> None:
        """Add a record; all so far has been handed to the operating system when this returns."""
        self.append(event)
        assert self._file is not None
        self._file.flush()

    def close(self) -> None:
        """Commit and let go of the file; calling it twice is fine."""
        if self._file is not None:
            self._file.close()


class NoJournal:
    """Remembers nothing: for tests and benchmarks."""

    def open(self) -> None:
        """Nothing."""

    def append(self, event: object) -> None:
        """Nothing."""

    def write_ahead(self, event: object) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
