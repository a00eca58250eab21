"""A run's rows and its journal's records in the one order in which they came."""

from collections.abc import Iterable, Iterator

from qka.journal.port import Record
from qka.recording.port import Row, Stop

Item = Row | Record


class Script:
    """Iterates over a run; afterwards `stopped` says whether it has an end.

    The recording of a run that was killed, or still goes on, ends somewhere: what the journal
    says behind its last row is in `beyond`.
    """

    def __init__(self, rows: Iterable[Row], records: Iterable[Record]) -> None:
        self._rows = rows
        self._records = records
        self.rows = 0
        self.stopped = False
        self.beyond: list[Record] = []

    def __iter__(self) -> Iterator[Item]:
        records = iter(self._records)
        waiting = next(records, None)
        for row in self._rows:
            while waiting is not None and waiting.seq <= row.seq:
                yield waiting
                waiting = next(records, None)
            self.rows += 1
            self.stopped = self.stopped or isinstance(row.entry, Stop)
            yield row
        rest = [] if waiting is None else [waiting, *records]
        if self.stopped:
            yield from rest
        else:
            self.beyond = rest
