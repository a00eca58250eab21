"""Recording to disk: the loop appends to a queue, a thread of its own does all the rest.

One folder a day, in it files `RUN-PART.rec`; a run is named by the journal's last record before it.
What was written when a process is killed is whole up to the last frame.
"""

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from qka.model.times import day_of
from qka.recording.frames import Packer
from qka.recording.port import Due, Entry, Head, Row, Said, Stop, Turn

EVERY = 0.2  # seconds between two writes: what a kill may take with it
TOGETHER = 2000  # rows of a frame at most
MOST = 500_000  # rows that may wait in memory; a disk this slow is no disk
_KEPT = Entry.__args__


def file_name(run: int, part: int) -> str:
    """The name of a run's file; they sort in the order they were written in."""
    return f"{run:012d}-{part:04d}.rec"


class DiskRecorder:
    """Records into `folder`; `now` is the engine's clock, `head` the number of the journal's last
    record. `trouble` is told, on any thread, why recording has ended before the run.
    """

    def __init__(self, folder: Path, now: Callable[[], int], head: Callable[[], int]) -> None:
        self.folder = folder
        self.trouble: Callable[[str], None] = lambda words: None
        self._now = now
        self._head = head
        self._rows: deque[tuple[int, int, Any]] = deque()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._file: BinaryIO | None = None
        self._packer = Packer()
        self._day: Any = None
        self._early: list[Row] = []
        self._run = self._part = 0
        self._over = False  # given up, or closed

    # ------------------------------------------------------------ on the loop

    def open(self, head: Head) -> None:
        """A run begins."""
        self._run = head.run
        self._add(head)
        self._thread = threading.Thread(target=self._work, name="qka-recording", daemon=True)
        self._thread.start()

    def enter(self, event: Any) -> None:
        """The feed reports an event."""
        if not self._over:
            self._rows.append((self._now(), self._head(), event))

    _add = enter

    def due(self, when: int) -> None:
        """The clock calls back what was due at `when` (ns)."""
        self._add(Due(when))
        if len(self._rows) > MOST:
            self._give_up(f"{len(self._rows):,} rows wait, the disk does not keep up")

    def turn(self, name: str) -> Awaitable[None] | None:
        """An async handler of `name` is about to begin or to go on."""
        self._add(Turn(name))
        return None

    def said(self) -> None:
        """What was said while nothing else was worked is about to be heard."""
        self._add(Said())

    def stop(self) -> None:
        """The feed has ended, the strategies are about to finish."""
        self._add(Stop())

    def close(self) -> None:
        """Write what waits, a few seconds at most; calling it twice is fine."""
        if self._thread is not None:
            self._ending.set()
            self._thread.join(5.0)
            self._thread = None
        self._over = True

    def withdraw(self) -> None:
        """Close it and take away what it wrote: of a start that never began there is no run."""
        self.close()
        if self._day is None:
            return  # nothing: what is there is another run's, also a folder that is empty yet
        for file in self._files():
            with suppress(OSError):
                file.unlink()
        for folder in (self.folder / f"{self._day}", self.folder):
            with suppress(OSError):  # others' are in it, or it is not there
                folder.rmdir()

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"*/{self._run:012d}-*.rec"))

    def _give_up(self, why: str) -> None:
        if not self._over:
            self._over = True
            self._rows.clear()
            self.trouble(
                f"recording has ended: {why}. Trading goes on; what comes from here on can't be "
                "replayed"
            )

    # ------------------------------------------------------------ on the thread

    def _work(self) -> None:
        try:
            while True:
                ending = self._ending.is_set() or self._over
                for rows in self._taken():
                    self._write(rows)
                if ending:
                    return
                self._ending.wait(EVERY)  # not before the first row is written: what it began with
        except Exception as error:  # whatever it is, it must not reach the trading
            words = getattr(error, "strerror", None) or repr(error)
            self._give_up(f"{self.folder} can't be written ({words})")
        finally:
            self._close_file()

    def _taken(self) -> Iterator[list[Row]]:
        """What waits, in blocks of one day."""
        waiting = self._rows
        while waiting:
            rows, self._early = self._early, []
            while waiting and len(rows) < TOGETHER:
                row = Row._make(waiting.popleft())
                if isinstance(row.entry, _KEPT):
                    rows.append(row)
            if rows and not rows[-1].time:
                self._early = rows  # a simulated day has not begun yet
                return
            begin = next((number for number, row in enumerate(rows) if row.time), 0)
            early, timed = rows[:begin], rows[begin:]
            for _, same in groupby(timed, lambda row: day_of(row.time)):
                yield [*early, *same]
                early = []

    def _write(self, rows: list[Row]) -> None:
        day = day_of(rows[-1].time)
        if day != self._day:
            self._next_file(day)
        assert self._file is not None
        self._file.write(self._packer.frame(rows))
        self._file.flush()

    def _next_file(self, day: Any) -> None:
        self._close_file()
        if self._day is None:  # a run of this number that left nothing in the journal
            for left in self._files():
                left.unlink()
        self._day = day
        path = self.folder / f"{day}" / file_name(self._run, self._part)
        self._part += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb")
        self._packer = Packer()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a full disk was told of already
                file.close()
