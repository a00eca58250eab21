"""Temporary runs: rows of one shape, sorted by time, on disk while a recording is open."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from qka.feeds.recorded.columns import Block, block

RUN = 250_000  # rows sorted in memory at a time


class Run:
    """One pass over a run; it was checked when it was written, and holds only what is wanted."""

    mixed = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.share = 0.0  # of its rows that has been read

    def frames(self, rows: int) -> Iterator[pd.DataFrame]:
        """The rows, at most so many at a time."""
        done = 0
        with pq.ParquetFile(self._path, read_dictionary=["symbol"]) as file:
            for batch in file.iter_batches(rows):
                frame = batch.to_pandas()
                done += len(frame)
                self.share = done / file.metadata.num_rows
                names = np.asarray(frame["symbol"].cat.categories, dtype=object)
                symbols = pd.Series(names[frame["symbol"].cat.codes], frame.index, dtype=object)
                yield frame.assign(symbol=symbols)


class Runs:
    """Writes runs, in a folder of their own."""

    def __init__(self) -> None:
        self.folder: Path | None = None  # made with the first run
        self._made = 0

    def sorted(self, frames: Iterable[pd.DataFrame]) -> Iterator[Path]:
        """Runs of the rows, a bounded number of them in memory."""
        held: list[pd.DataFrame] = []
        rows = 0
        for frame in frames:
            held.append(frame)
            rows += len(frame)
            if rows >= RUN:
                yield self._sorted(held)
                held, rows = [], 0
        if rows:
            yield self._sorted(held)

    def _sorted(self, held: Sequence[pd.DataFrame]) -> Path:
        frame = pd.concat(held, ignore_index=True).sort_values("time", kind="stable")
        return self.write([block(frame)])

    def write(self, blocks: Iterable[Block]) -> Path:
        """A run of blocks that are sorted."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="qka-replay-"))
        path = self.folder / f"{self._made:06d}.parquet"
        self._made += 1
        writer: pq.ParquetWriter | None = None
        try:
            for columns in blocks:
                table = pa.table(columns)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table, row_group_size=8192)
        finally:
            if writer is not None:
                writer.close()
        return path

    def close(self) -> None:
        """Remove them all."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None
