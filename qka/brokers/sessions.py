"""Session ids of the terminal: few, taken in turn, none used by two processes at once.

The terminal makes a file of about 75 MB for every id it ever sees and never deletes it, so the
ids of an account are always the same ten. A lock file each keeps processes of ours apart: with
one id twice, both connect and one of them hears nothing.
"""

import os
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from qka.errors import BrokerUnavailable

GAP = 3.1  # seconds between two connections with the same id
COUNT = 10


def default_sessions(path: str, account_id: str) -> list[int]:
    """Ten ids below 2**31, the same ones for a terminal and an account."""
    first = zlib.crc32(f"{path}|{account_id}".encode()) % (2**31 - 1_000_000) + 1000
    return [first + number for number in range(COUNT)]


class SessionPool:
    """Hands out ids in turn; at most one of them is held at a time."""

    def __init__(self, numbers: Sequence[int], folder: Path | None = None) -> None:
        if not numbers or not all(0 < number < 2**31 for number in numbers):
            raise ValueError("session ids are whole numbers from 1 to 2147483647")
        self._numbers = list(dict.fromkeys(numbers))
        self._folder = folder or Path(tempfile.gettempdir()) / "qka-sessions"
        self._next = 0
        self._used: dict[int, float] = {}  # id -> when it was last let go
        self._held: tuple[int, int | None] | None = None  # (id, descriptor of its lock)

    def take(self, now: float) -> tuple[int, float]:
        """The next id, and the seconds to wait before it may be used.

        Lets go of the one before. Raises BrokerUnavailable when other processes hold them all.
        """
        self.release(now)
        for _ in self._numbers:
            number = self._numbers[self._next % len(self._numbers)]
            self._next += 1
            locked, descriptor = self._lock(number)
            if locked:
                self._held = (number, descriptor)
                return number, max(0.0, self._used.get(number, now - GAP) + GAP - now)
        raise BrokerUnavailable(
            f"all session ids ({self._numbers[0]}, ...) are in use by other processes of this "
            "account: stop one of them, or give this one `sessions` of its own"
        )

    def release(self, now: float) -> None:
        """Let go of the id that is held."""
        if self._held is None:
            return
        number, descriptor = self._held
        self._held = None
        self._used[number] = now
        if descriptor is not None:
            os.close(descriptor)  # which unlocks it

    def _lock(self, number: int) -> tuple[bool, int | None]:
        """(whether it is ours, the descriptor that holds the lock)."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT)
        except OSError:
            return True, None  # no place for locks: as good as without them
        try:
            _lock_file(descriptor)
        except OSError:
            os.close(descriptor)
            return False, None
        return True, descriptor


def _lock_file(descriptor: int) -> None:
    """Lock it for this process; raises OSError when another one has."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
