"""One engine at a time: a locked file that says who holds it.

The system lets go of the lock when the process ends, however it ends; the file itself stays, and
what is written in it counts only while it is locked. A forked child would hold it too: children
are to be started anew, as Python does by default for what it runs.
"""

import errno
import os
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from qka.clock import WallClock
from qka.errors import ConfigError
from qka.model.times import to_datetime
from qka.wire import canonical, plain

_ROOM = 256  # bytes for the words
_FAR = 1 << 20  # Windows locks bytes against reading: those after the words
_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class FileLock:
    """The right to be the only one. `what` is what is taken, in words for the refusal."""

    def __init__(self, path: Path, what: str, now: Callable[[], int] | None = None) -> None:
        self.path = path
        self._what = what
        self._now = now or WallClock().now
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._descriptor is not None

    def take(self) -> None:
        """Take it and write down who has it; raises ConfigError when another process has it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigError(
                f"{self.path} can't be made ({error.strerror}): without it two engines could run "
                "on one account. Nothing was started; if another user's engine made it, delete it "
                "when none runs"
            ) from None
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise ConfigError(self._refusal(error)) from None
        self._descriptor = descriptor
        self._write(
            canonical({"pid": os.getpid(), "started": self._now(), "host": socket.gethostname()})
        )

    def release(self) -> None:
        """Let go of it; calling it twice is fine."""
        if self._descriptor is not None:
            self._write(b"")
            os.close(self._descriptor)  # which unlocks it
            self._descriptor = None

    def _write(self, words: bytes) -> None:
        assert self._descriptor is not None
        try:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, words.ljust(_ROOM))
        except OSError:
            pass  # a full disk: it is locked all the same, only the refusal will be poorer

    def _refusal(self, error: OSError) -> str:
        if error.errno not in _BUSY:
            return (
                f"{self.path} can't be locked ({error.strerror}): keep journals on a disk of this "
                "machine. Nothing was started"
            )
        pid, who = self._holder()
        stop = "stop it where it runs"
        if pid:
            command = f"taskkill /F /PID {pid}" if sys.platform == "win32" else f"kill {pid}"
            stop = f"stop it with Ctrl-C where it runs, or with `{command}`"
        return (
            f"{self._what} is in use by {who}: {stop}, then start again. Nothing was started here"
        )

    def _holder(self) -> tuple[int, str]:
        """(pid or 0, who it is in words)."""
        try:
            told = plain(self.path.read_bytes())
            pid, started, host = told["pid"], to_datetime(told["started"]), told["host"]
            return pid, f"the engine with pid {pid} on {host}, started {started:%Y-%m-%d %H:%M:%S}"
        except (OSError, ValueError, KeyError, TypeError, OverflowError, msgspec.DecodeError):
            return 0, "another engine, which is just starting or ending"


def of_account(
    folder: Path, account_id: str, account_type: str, now: Callable[[], int] | None = None
) -> FileLock:
    """The lock of an account, whatever journal it is given; the folder is one for all journals."""
    name = re.sub(r"[^\w.-]", "_", f"{account_type}-{account_id}")
    what = f"account {account_id} ({account_type})"
    return FileLock(folder / f"{name}.lock", what, now)


def _lock(descriptor: int) -> None:
    """Lock it for this process; raises OSError when another one has."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
