"""One pass over a recorded file: its rows in the one shape, every one of them checked."""

from collections.abc import Callable, Iterator

import pandas as pd

from qka.errors import DataError
from qka.feeds.recorded import cells
from qka.feeds.recorded.bars import Bars
from qka.feeds.recorded.claims import Taken
from qka.feeds.recorded.damage import Damage, Fault, Wrong, brief
from qka.feeds.recorded.order import Order
from qka.feeds.recorded.quotes import Quotes
from qka.feeds.recorded.rows import Chunk, Rows
from qka.feeds.recorded.source import Source

OnDamage = Callable[[Damage], None]
ALWAYS = (0, 2**63 - 1)


def ignored(damage: Damage) -> None:
    """Damage that is told elsewhere."""


class Reading:
    """Frames of QUOTE or BAR columns.

    Good rows before a damaged one come before its DataError when `strict`; else it is left out
    and told to `on_damage`. Damage that surely lies outside `span` (ns) stops nothing.
    """

    def __init__(
        self,
        source: Source,
        taken: Taken | None = None,
        *,
        strict: bool = False,
        span: tuple[int, int] = ALWAYS,
        on_damage: OnDamage = ignored,
    ) -> None:
        quotes = source.kind == "quote"
        self.mixed = source.column is not None  # more symbols than its name says
        self._path = source.path
        self._taken = taken or {}
        self._strict = strict
        self._span = span
        self._on_damage = on_damage
        self._format = Quotes(source) if quotes else Bars(source)
        self._order = Order(cumulative=quotes)
        self._rows = Rows(source.path)

    @property
    def share(self) -> float:
        """Share of the file that has been read, 0 to 1."""
        return self._rows.share

    def frames(self, rows: int) -> Iterator[pd.DataFrame]:
        """The file's rows, at most so many at a time; the next ones are read ahead."""
        chunks = map(self._shaped, self._rows.chunks(rows))
        held = next(chunks, None)
        while held is not None:
            coming = next(chunks, None)
            yield from self._judged(*held, coming)
            held = coming

    def _shaped(self, chunk: Chunk) -> Chunk:
        """The rows in the one shape, with those that mean nothing still there."""
        raw, wrong = chunk

        def fail(row: int, error: Exception) -> None:
            wrong.setdefault(row, Fault(f"it can't be read: {brief(error)}"))

        frame = cells.halved(raw, lambda part: self._format.shaped(part, wrong), fail)
        if self._taken:
            for row, symbol, day in zip(
                frame.index, frame["symbol"], cells.days(frame["time"]), strict=True
            ):
                if path := self._taken.get((symbol, day)):
                    words = f"{symbol} of this day is in {path.name} too"
                    wrong.setdefault(int(row), Fault(words, "its day is in another file too"))
        return frame, wrong

    def _judged(
        self, frame: pd.DataFrame, wrong: Wrong, next_: Chunk | None
    ) -> Iterator[pd.DataFrame]:
        """The good rows of a chunk, by what comes before and after them."""
        coming = _without(*next_) if next_ else frame[:0]
        wrong |= self._order.wrong(_without(frame, wrong), coming)
        good = _without(frame, wrong)
        if wrong:
            for damage in self._damage(frame, wrong, pd.concat([good, coming])):
                if self._strict:
                    yield self._format.finished(good[good.index < damage.row - 2])
                    raise DataError(str(damage))
                self._on_damage(damage)
        self._order.remember(good)
        yield self._format.finished(good)

    def _damage(self, frame: pd.DataFrame, wrong: Wrong, good: pd.DataFrame) -> Iterator[Damage]:
        """What is wrong within the span, in the order of rows."""
        rows = sorted(wrong)
        for row, (since, until) in self._order.span(rows, frame, good).items():
            damage = Damage(self._path, row + 2, wrong[row], since, until)
            if damage.concerns(*self._span):
                yield damage


def _without(frame: pd.DataFrame, wrong: Wrong) -> pd.DataFrame:
    return frame[~frame.index.isin(list(wrong))] if wrong else frame
