"""Sorted streams of blocks merged into one, with a bounded number of rows in memory."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from qka.errors import DataError
from qka.feeds.recorded.columns import Block

PIECE = 16_384  # rows given out at a time


class Stream:
    """The rows of one source that were read and not yet taken."""

    def __init__(self, blocks: Iterator[Block], rows: int) -> None:
        self._blocks = blocks
        self._low = rows // 2
        self._held: Block = {}
        self.times: Any = np.empty(0, dtype="int64")
        self.more = True  # there may be rows after these
        self.error: DataError | None = None  # comes after these

    def fill(self) -> None:
        """Read on when little is left; an error waits until everything before it is taken."""
        while self.more and self.error is None and len(self.times) <= self._low:
            try:
                block = next(self._blocks, None)
            except DataError as error:
                self.error = error
                return
            if block is None:
                self.more = False
                return
            self._held = _joined([self._held, block]) if len(self.times) else block
            self.times = self._held["time"]

    def take(self, until: int, *, whole: bool) -> Block:
        """Rows before `until` (ns), or with those at that very moment."""
        cut = int(np.searchsorted(self.times, until, side="right" if whole else "left"))
        taken = {name: column[:cut] for name, column in self._held.items()}
        self._held = {name: column[cut:] for name, column in self._held.items()}
        self.times = self.times[cut:]
        return taken if cut else {}


def merge(streams: Sequence[Stream]) -> Generator[Block, None, None]:
    """Blocks in the order of time; at the same time, in the order of the streams."""
    live = list(streams)
    while True:
        for stream in live:
            stream.fill()
            if stream.error is not None and not len(stream.times):
                raise stream.error
        live = [stream for stream in live if len(stream.times)]
        if not live:
            return
        # what is read later of a stream can't come before its last row that is here
        ends = [(int(s.times[-1]), i) for i, s in enumerate(live) if s.more]
        until, at = min(ends, default=(2**63 - 1, len(live)))
        parts = [s.take(until, whole=i <= at) for i, s in enumerate(live)]
        block = _sorted(_joined([part for part in parts if part]))
        for i in range(0, len(block["time"]), PIECE):
            yield {name: column[i : i + PIECE] for name, column in block.items()}


def _joined(parts: Sequence[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sorted(block: Block) -> Block:
    times = block["time"]
    if (times[1:] >= times[:-1]).all():
        return block
    order = np.argsort(times, kind="stable")
    return {name: column[order] for name, column in block.items()}
