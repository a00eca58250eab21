"""The rows of a csv, csv.gz or parquet file, a chunk at a time."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qka.errors import DataError
from qka.feeds.recorded.cells import TEXTS
from qka.feeds.recorded.damage import Fault, Wrong, brief
from qka.feeds.recorded.stream import Stream

CHUNK = 50_000  # rows read at a time
SUFFIXES = (".csv", ".csv.gz", ".parquet")
_TEXTS: Any = dict.fromkeys(TEXTS, "str")
_COPY = "record or copy it again"

Chunk = tuple[pd.DataFrame, Wrong]  # rows by their number, and those of them that are no cells


class Rows:
    """One pass over a file; rows are counted from 0 for the one under the head.

    A line that is no row of cells, and the place from which a file can't be read on, are a fault
    beside the other rows. Raises DataError for a file without a head.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.share = 0.0  # of the file that has been read, 0 to 1

    def chunks(self, rows: int, columns: Collection[str] | None = None) -> Iterator[Chunk]:
        """The rows, at most so many at a time, at least one chunk; `columns`: only those."""
        try:
            if self._path.suffix.lower() == ".parquet":
                yield from self._parquet(rows, columns)
            else:
                yield from self._csv(rows, columns)
        except (OSError, pa.ArrowException) as error:
            words = f"it can't be read: {brief(error)}; {_COPY}"
            raise DataError(f"{self._path}: row 1: {words}") from None
        self.share = 1.0

    def _parquet(self, rows: int, columns: Collection[str] | None) -> Iterator[Chunk]:
        done = 0
        with pq.ParquetFile(self._path) as file:
            names = file.schema_arrow.names
            _once(self._path, names)
            there = [name for name in columns if name in names] if columns else None
            if not file.metadata.num_rows:
                yield pd.DataFrame(columns=names), {}
            try:
                for batch in file.iter_batches(rows, columns=there):
                    frame = batch.to_pandas().reset_index(drop=True)
                    frame.index = pd.RangeIndex(done, done + len(frame))
                    yield frame, {}
                    done += len(frame)
                    self.share = done / max(1, file.metadata.num_rows)
            except (OSError, ValueError, pa.ArrowException) as error:
                yield pd.DataFrame(columns=names), {done: _ends("damaged", brief(error))}

    def _csv(self, rows: int, columns: Collection[str] | None) -> Iterator[Chunk]:
        done = 0
        with Stream(self._path) as stream, io.BufferedReader(stream, 1 << 18) as lines:
            names = _names(self._path, lines.readline(), stream.broken)
            while block := list(islice(lines, rows)):
                if stream.broken and not block[-1].endswith(b"\n"):
                    block.pop()  # nobody can say where in it the file is cut
                self.share = stream.share()
                good, numbers, wrong = _sifted(block, done, len(names))
                done += len(block)
                yield _parsed(good, numbers, names, columns), wrong
            if stream.broken:
                yield _parsed([], [], names, columns), {done: _ends("cut off", stream.broken)}
            elif not done:
                yield _parsed([], [], names, columns), {}


def _ends(how: str, why: str) -> Fault:
    kind = f"the file is {how} here"
    return Fault(f"{kind} ({why})", kind, _COPY)


def _names(path: Path, line: bytes, broken: str) -> list[str]:
    """The columns by the head of a csv."""
    if broken and not line.endswith(b"\n"):
        raise DataError(f"{path}: row 1: the file is cut off here ({broken}); {_COPY}")
    if not line.strip():
        raise DataError(f"{path}: row 1: the file is empty; delete it or record it again")
    if b"\0" in line:
        raise DataError(f"{path}: row 1: it is no text in UTF-8; save it as csv in UTF-8")
    head = line.decode("utf-8-sig", "replace").rstrip(",\r\n")
    try:
        names = [name.strip() for name in next(csv.reader([head], strict=True))]
    except csv.Error as error:
        raise DataError(f"{path}: row 1: the head has no columns: {brief(error)}") from None
    names = [name or f"column {i}" for i, name in enumerate(names, 1)]
    _once(path, names)
    return names


def _once(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: row 1: there are two columns {brief(name)}; rename one")


def _sifted(block: list[bytes], first: int, width: int) -> tuple[list[bytes], Any, Wrong]:
    """The lines that are rows of cells, their numbers, and what is wrong with the others."""
    text = b"".join(block)
    odd = b'"' in text or b"\0" in text or text.count(b"\r") != text.count(b"\r\n")
    if not odd and {line.count(b",") for line in block} == {width - 1}:
        return block, np.arange(first, first + len(block)), {}
    good: list[bytes] = []
    numbers: list[int] = []
    wrong: Wrong = {}
    for row, line in enumerate(block, first):
        found = _cells(line.rstrip(b"\r\n"), width)
        if isinstance(found, Fault):
            wrong[row] = found
        elif found:
            good.append(found + b"\n")
            numbers.append(row)
    return good, np.array(numbers, dtype="int64"), wrong


def _cells(line: bytes, width: int) -> bytes | Fault:
    """A line as cells, without commas too many at its end; nothing of a blank one."""
    if not line.strip(b" \t,"):
        return b""
    if b"\0" in line or b"\r" in line:
        return Fault("there are control characters in it")
    try:
        count = _count(line)
    except csv.Error:
        return Fault("a quote in it is not closed, or not where a cell begins")
    while count > width and line.endswith(b","):
        line, count = line[:-1], count - 1
    if count == width:
        return line
    kind = f"it has too {'many' if count > width else 'few'} cells"
    return Fault(f"{kind}, {count} where the head has {width}", kind)


def _count(line: bytes) -> int:
    if b'"' not in line:
        return line.count(b",") + 1
    return len(next(csv.reader([line.decode("utf-8", "replace")], strict=True)))


def _parsed(
    good: list[bytes], numbers: Any, names: list[str], columns: Collection[str] | None
) -> pd.DataFrame:
    wanted = [name for name in names if columns is None or name in columns]
    if not good:
        return pd.DataFrame(columns=wanted)
    frame = pd.read_csv(
        io.BytesIO(b"".join(good)),
        header=None,
        names=names,
        usecols=wanted,
        index_col=False,
        dtype=_TEXTS,
        encoding_errors="replace",
        skip_blank_lines=False,
        low_memory=False,
    )
    frame.index = pd.Index(numbers)
    return frame
