"""The journal's port: what an engine writes down and reads again, on a postcard."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from qka.journal.chain import BEGINNING
from qka.journal.chain import Mark as Mark
from qka.journal.chain import Note as Note  # what is written down beside events
from qka.journal.chain import Record as Record


class Journal(Protocol):
    """Append-only; what was written ahead is there again after any crash."""

    durable: bool  # whether anybody is to start again from it

    def open(self) -> None:
        """Make ready; raises OSError or QkaError when it can't be, and nothing was changed."""

    def attach(self, gather: Callable[[], None], soon: Callable[[], None]) -> None:
        """`gather` notes what belongs with a commit; `soon` is told that a flush is due."""

    def append(self, event: object) -> None:
        """Add a record; raises OSError when it can't be written."""

    def write_ahead(self, event: object) -> None:
        """Add a record; it and all before it are safe when this returns, else raises OSError."""

    def note(self, kind: Note, value: Any, key: str = "", *, ahead: bool = False) -> None:
        """Add what the engine must know again; `ahead`: safe at once. Raises OSError, TypeError."""

    def flush(self) -> None:
        """Let what waits outlive this process; raises OSError when that can't be."""

    @property
    def head(self) -> Mark:
        """The last record there is."""

    def latest(self, kind: Note, key: str = "") -> Record | None:
        """The last note of that kind and key, None when there is none."""

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records after that number, in order."""

    def close(self) -> None:
        """Commit and let go of the file; calling it twice is fine."""


class NoJournal:
    """Remembers nothing: for tests and benchmarks."""

    durable = False

    def open(self) -> None:
        """Nothing."""

    def attach(self, gather: Callable[[], None], soon: Callable[[], None]) -> None:
        """Nothing."""

    def append(self, event: object) -> None:
        """Nothing."""

    def write_ahead(self, event: object) -> None:
        """Nothing."""

    def note(self, kind: Note, value: Any, key: str = "", *, ahead: bool = False) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    @property
    def head(self) -> Mark:
        """The beginning."""
        return BEGINNING

    def latest(self, kind: Note, key: str = "") -> Record | None:
        """Nothing is known."""
        return None

    def records(self, after: int = 0) -> Iterator[Record]:
        """None."""
        return iter(())

    def close(self) -> None:
        """Nothing."""
