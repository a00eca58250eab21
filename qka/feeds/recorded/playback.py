"""One pass over many files, side by side."""

from collections.abc import Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet

from qka.feeds.recorded.columns import Block, block
from qka.feeds.recorded.merge import Stream, merge
from qka.feeds.recorded.reading import Reading
from qka.feeds.recorded.runs import Run


class Playback:
    """Blocks of all sources, of the wanted symbols, from `since` to before `until` (ns)."""

    def __init__(
        self,
        sources: Sequence[Reading | Run],
        symbols: AbstractSet[str],
        since: int,
        until: int,
        rows: int,
    ) -> None:
        self.taken = 0  # rows of the sources so far
        self._sources = sources
        self._symbols = symbols
        self._since, self._until = since, until
        self._rows = rows  # of a source read at a time
        self._left: set[Reading | Run] = set()  # whose other rows are of later days

    @property
    def share(self) -> float:
        """Share of the files that has been read, 0 to 1."""
        shares = (1.0 if s in self._left else s.share for s in self._sources)
        return sum(shares) / max(1, len(self._sources))

    def blocks(self) -> Generator[Block, None, None]:
        """The rows in the order of time; at the same time, in the order of the sources."""
        return merge([Stream(self._blocks(source), self._rows) for source in self._sources])

    def _blocks(self, source: Reading | Run) -> Iterator[Block]:
        for frame in source.frames(self._rows):
            wanted = (frame["time"] >= self._since) & (frame["time"] < self._until)
            if source.mixed:
                wanted &= frame["symbol"].isin(self._symbols)
            mine = frame if wanted.all() else frame[wanted]
            if len(mine):
                self.taken += len(mine)
                yield block(mine)
            elif len(frame) and frame["time"].iloc[0] >= self._until:
                self._left.add(source)  # it is sorted: nothing more of these days
                return
