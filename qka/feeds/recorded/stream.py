"""The bytes of a recorded file, unpacked, as far as they go."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

from qka.errors import DataError
from qka.feeds.recorded.damage import brief

_MAGIC = b"\x1f\x8b"


class Stream(io.RawIOBase):
    """A gzip whose end is missing simply ends; `broken` then says how.

    Raises DataError for a file that is not packed as its name says.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self._file: Any = self._raw
        self._size = max(1, path.stat().st_size)
        named = path.suffix.lower() == ".gz"
        packed = self._raw.read(2) == _MAGIC
        self._raw.seek(0)
        if named != packed and (packed or self._size > 1):
            self._raw.close()
            words = "it is a gzip: name it .csv.gz" if packed else "it is no gzip: name it .csv"
            raise DataError(f"{path}: row 1: {words}, or record it again")
        if named:
            self._file = gzip.GzipFile(fileobj=self._raw)
        self.broken = ""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as it goes."""
        try:
            # read1: what was whole before the cut is not lost with it
            data = self._file.read1(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            self.broken = brief(error)
            return 0
        buffer[: len(data)] = data
        return len(data)

    def share(self) -> float:
        """Share of the file's bytes that has been read."""
        return 1.0 if self._raw.closed else self._raw.tell() / self._size

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._raw.close()
        super().close()
