"""The rows of a csv, csv.gz or parquet file, a chunk at a time."""

import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qka.errors import DataError
from qka.feeds.recorded.cells import TEXTS
from qka.feeds.recorded.stream import Stream

CHUNK = 50_000  # rows read at a time
SUFFIXES = (".csv", ".csv.gz", ".parquet")
_TEXTS: Any = dict.fromkeys(TEXTS, "str")
_OVER = "it has too many cells"


def head(path: Path, count: int = 500) -> pd.DataFrame:
    """The first rows; raises DataError when there is nothing to read them from."""
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                batch = next(file.iter_batches(count), None)
                return batch.to_pandas() if batch is not None else pd.DataFrame()
        with Stream(path) as stream:
            return pd.read_csv(
                io.BufferedReader(stream),
                nrows=count,
                encoding="utf-8-sig",
                dtype=_TEXTS,
                on_bad_lines="skip",
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: row 1: it can't be read: {error}; record it again") from None


def message(path: Path, row: int, words: str) -> str:
    """What to do about a row; `row` is its index, the user counts the head as 1."""
    return (
        f"{path}: row {row + 2}: {words}; mend or delete the row, "
        "or leave such rows out with feed.strict=false"
    )


class Rows:
    """One pass over a file; the index counts its rows, from 0 for the one under the head.

    A line with too many cells, or a gzip's missing end, is a DataError after the rows before it
    when `strict`; else it is left out and told to `on_damage`.
    """

    def __init__(
        self, path: Path, *, strict: bool = False, on_damage: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path = path
        self._strict = strict
        self._on_damage = on_damage
        self.share = 0.0  # of the file that has been read, 0 to 1

    def chunks(self, rows: int, columns: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows, at most so many at a time.

        With `columns` those of them that there are, and nothing is told of damaged lines.
        """
        if self._path.suffix == ".parquet":
            yield from self._parquet(rows, columns)
        elif columns is not None:
            yield from self._csv(rows, (), columns)
        else:
            yield from self._mended(rows)
        self.share = 1.0

    def _parquet(self, rows: int, columns: Collection[str] | None) -> Iterator[pd.DataFrame]:
        done = 0
        try:
            with pq.ParquetFile(self._path) as file:
                names = file.schema_arrow.names
                there = [name for name in columns if name in names] if columns else None
                for batch in file.iter_batches(rows, columns=there):
                    frame = batch.to_pandas().reset_index(drop=True)
                    frame.index = pd.RangeIndex(done, done + len(frame))
                    yield frame
                    done += len(frame)
                    self.share = done / max(1, file.metadata.num_rows)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{self._path}: row {done + 2}: it can't be read: {error}; record it again"
            ) from None

    def _mended(self, rows: int) -> Iterator[pd.DataFrame]:
        """The rows of a csv; a line with too many cells ends pandas' reading: read on without."""
        over: list[int] = []  # such lines, the head is 1
        done = -1
        while True:
            stop = over[0] - 2 if over and self._strict else None
            try:
                for frame in self._csv(rows, over):
                    rest = frame[frame.index > done] if over else frame
                    if stop is not None:
                        rest = rest[rest.index < stop]
                    if len(rest):
                        done = int(rest.index[-1])
                        yield rest
                    if stop is not None and len(frame) and frame.index[-1] >= stop:
                        break
                if stop is not None:
                    raise DataError(message(self._path, stop, _OVER))
                return
            except pd.errors.ParserError as error:
                found = re.search(r"in line (\d+)", str(error))
                line = int(found.group(1)) if found else 0
                if not line or line in over:
                    words = f"{self._path}: {str(error).strip()}; mend the file"
                    raise DataError(words) from None
                over.append(line)
                if not self._strict:
                    self._on_damage(message(self._path, line - 2, _OVER))

    def _csv(
        self, rows: int, over: Sequence[int], columns: Collection[str] | None = None
    ) -> Iterator[pd.DataFrame]:
        """The rows of a csv but for the lines `over`; cut off where a gzip is."""
        held: pd.DataFrame | None = None  # the last one may end in the middle of a line
        count = 0
        with (
            Stream(self._path) as stream,
            pd.read_csv(
                io.BufferedReader(stream, 1 << 18),
                chunksize=rows,
                encoding="utf-8-sig",
                encoding_errors="replace",
                dtype=_TEXTS,
                usecols=(lambda name: name in columns) if columns else None,
                skiprows=[line - 1 for line in over] or None,
                skip_blank_lines=False,
                on_bad_lines="skip" if columns else "error",
                low_memory=False,
            ) as reader,
        ):
            for frame in reader:
                numbers = np.arange(count, count + len(frame))
                count += len(frame)
                for line in sorted(over):
                    numbers[numbers >= line - 2] += 1
                frame.index = pd.Index(numbers)
                if held is not None:
                    yield _not_blank(held)
                held = frame
                self.share = stream.share()
            if held is None:
                return
            if not stream.broken:
                yield _not_blank(held)
                return
            # nobody can say where in its last line the file is cut
            yield _not_blank(held.iloc[:-1])
            words = f"{self._path}: row {int(held.index[-1]) + 2}: the file is cut off here"
            words = f"{words} ({stream.broken}); record or copy it again"
            if self._strict:
                raise DataError(words)
            self._on_damage(words)


def _not_blank(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.dropna(how="all") if frame.iloc[:, 0].isna().any() else frame
