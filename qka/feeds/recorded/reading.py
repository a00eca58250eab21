"""One pass over a recorded file: its rows in the one shape, every one of them checked."""

from collections.abc import Callable, Iterator

import pandas as pd

from qka.errors import DataError
from qka.feeds.recorded.bars import Bars
from qka.feeds.recorded.cells import Wrong
from qka.feeds.recorded.order import Order
from qka.feeds.recorded.quotes import Quotes
from qka.feeds.recorded.rows import Rows, message
from qka.feeds.recorded.source import Source

OnDamage = Callable[[int, str], None]  # the last moment (ns) before the damage, what it is


def ignored(moment: int, words: str) -> None:
    """Damage that is told elsewhere."""


class Reading:
    """Frames of QUOTE or BAR columns.

    Good rows before a damaged one come before its DataError when `strict`; else it is left out
    and told to `on_damage`.
    """

    def __init__(
        self, source: Source, *, strict: bool = False, on_damage: OnDamage = ignored
    ) -> None:
        quotes = source.kind == "quote"
        self.mixed = source.column is not None  # more symbols than its name says
        self._path = source.path
        self._strict = strict
        self._on_damage = on_damage
        self._format = Quotes(source) if quotes else Bars(source)
        self._order = Order(cumulative=quotes)
        self._rows = Rows(
            source.path, strict=strict, on_damage=lambda words: on_damage(self.latest, words)
        )

    @property
    def share(self) -> float:
        """Share of the file that has been read, 0 to 1."""
        return self._rows.share

    @property
    def latest(self) -> int:
        """The latest moment (ns) read so far."""
        return self._order.latest

    def frames(self, rows: int) -> Iterator[pd.DataFrame]:
        """The file's rows, at most so many at a time."""
        for raw in self._rows.chunks(rows):
            if raw.empty:
                continue
            wrong: Wrong = {}
            frame = self._format.shaped(raw, wrong)
            wrong |= self._order.wrong(_without(frame, wrong))
            if wrong and self._strict:
                row = min(wrong)
                yield self._format.finished(frame[frame.index < row])
                raise DataError(message(self._path, row, wrong[row]))
            for row in sorted(wrong):
                moment = self._order.before(frame, row, wrong)
                self._on_damage(moment, message(self._path, row, wrong[row]))
            good = _without(frame, wrong)
            self._order.remember(good)
            yield self._format.finished(good)


def _without(frame: pd.DataFrame, wrong: Wrong) -> pd.DataFrame:
    return frame[~frame.index.isin(list(wrong))] if wrong else frame
