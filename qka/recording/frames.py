"""Rows as frames: each a packed block with its length and checksum, so that a cut-off file still
gives all before the cut, and a damaged frame is noticed.

In a file every frame builds on those before it, but for a fresh one now and then, from which
reading can go on after damage.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa

from qka.model.market import Bar, Quote
from qka.recording.columns import Packed, Table, Unfit
from qka.recording.port import Due, Entry, Row

MAGIC = b"qkr1"
_HEADER = struct.Struct("<4sIII")  # magic, packed bytes, unpacked bytes, checksum of the packed
_FRESH = 256  # frames from one fresh one to the next
_LARGEST = 1 << 28  # bytes: more is no frame
_QUOTE, _BAR, _DUE, _REST = range(4)
_KINDS: dict[type, int] = {Quote: _QUOTE, Bar: _BAR, Due: _DUE}
# what unpacking a frame that was written wrongly, or by another program, may raise
_WRONG = (
    OSError, msgspec.MsgspecError, pa.ArrowException, ValueError, IndexError, TypeError, KeyError,
)  # fmt: skip


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    fresh: bool
    kinds: bytes  # one a row
    times: bytes  # int64, differences
    seqs: bytes  # int64, differences
    names: tuple[list[str], list[str]]  # new ones, of quotes and of bars
    quotes: Packed | None
    bars: Packed | None
    dues: bytes  # int64, before the row's time
    rest: list[Entry]


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(_Frame)


class Packer:
    """Makes the frames of one file."""

    def __init__(self) -> None:
        self._codec = pa.Codec("zstd", compression_level=3)
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        self._quotes, self._bars = Table(Quote), Table(Bar)

    def frame(self, rows: Sequence[Row]) -> bytes:
        """One frame of these rows, at least one."""
        fresh = self._count % _FRESH == 0
        if fresh:
            self._begin()
        self._count += 1
        kinds = [_KINDS.get(row.entry.__class__, _REST) for row in rows]
        known = len(self._quotes.names), len(self._bars.names)
        quotes = self._table(self._quotes, _QUOTE, rows, kinds)
        bars = self._table(self._bars, _BAR, rows, kinds)
        dues = [row.time - row.entry.when for row in rows if row.entry.__class__ is Due]
        body = _pack.encode(
            _Frame(
                fresh,
                bytes(kinds),
                _differences([row.time for row in rows]),
                _differences([row.seq for row in rows]),
                (self._quotes.names[known[0] :], self._bars.names[known[1] :]),
                quotes,
                bars,
                np.array(dues, "<i8").tobytes(),
                [row.entry for row, kind in zip(rows, kinds, strict=True) if kind == _REST],
            )
        )
        packed = self._codec.compress(body, asbytes=True)
        header = _HEADER.pack(MAGIC, len(packed), len(body), crc32(packed))
        return b"".join((header, packed))

    def _table(
        self, table: Table, kind: int, rows: Sequence[Row], kinds: list[int]
    ) -> Packed | None:
        """The rows of a kind as columns; what does not fit into columns goes to the rest."""
        mine = [i for i, of in enumerate(kinds) if of == kind]
        if not mine:
            return None
        try:
            return table.pack([rows[i].entry for i in mine])
        except Unfit:
            for i in mine:
                kinds[i] = _REST
            return None


class Piece(NamedTuple):
    """What a file gives next: rows, or words for what is wrong there."""

    rows: list[Row]
    damage: str = ""


def read(path: Path) -> Iterator[Piece]:
    """All that can be had from a file; raises OSError."""
    data = path.read_bytes()
    codec = pa.Codec("zstd")
    quotes, bars = Table(Quote), Table(Bar)
    names: tuple[list[str], list[str]] = ([], [])
    begun, at, lost = False, 0, ""
    while at < len(data):
        frame, size = _frame(data, at, codec)
        if frame is None:
            begun = False
            follows = data.find(MAGIC, at + 1)
            end = follows if follows > 0 else len(data)
            lost = lost or _told(path, at, len(data), cut=follows < 0)
            at = end
            continue
        at += size
        if frame.fresh:
            quotes, bars, names, begun = Table(Quote), Table(Bar), ([], []), True
        if not begun:
            continue  # it builds on one that is gone
        if lost:
            yield Piece([], lost)
            lost = ""
        for known, new in zip(names, frame.names, strict=True):
            known.extend(new)
        yield Piece(_rows(frame, quotes, bars, names))
    if lost:
        yield Piece([], lost)


def read_before(path: Path, seq: int) -> list[Row]:
    """The last rows that came before the journal had a record, without reading all of the file.

    From a fresh frame on, so many thousands of them; what is damaged is passed over. Raises
    OSError.
    """
    data, codec = path.read_bytes(), pa.Codec("zstd")
    kept: list[_Frame] = []
    at = 0
    while at < len(data):
        frame, size = _frame(data, at, codec)
        if frame is None:
            follows = data.find(MAGIC, at + 1)
            at = follows if follows > 0 else len(data)
            kept = []
            continue
        at += size
        if _sums(frame.seqs)[0] >= seq:
            break
        if frame.fresh:
            kept = []
        elif not kept:
            continue
        kept.append(frame)
    quotes, bars = Table(Quote), Table(Bar)
    names: tuple[list[str], list[str]] = ([], [])
    rows: list[Row] = []
    for frame in kept:
        for known, new in zip(names, frame.names, strict=True):
            known.extend(new)
        rows += [row for row in _rows(frame, quotes, bars, names) if row.seq < seq]
    return rows


def _told(path: Path, at: int, size: int, *, cut: bool) -> str:
    if cut:
        return f"{path.name} is cut off: its last {size - at:,} bytes are no whole frame"
    return f"{path.name} is damaged at byte {at:,}"


def _frame(data: bytes, at: int, codec: Any) -> tuple[_Frame | None, int]:
    """(the frame there, its bytes), (None, 0) when there is none that is whole."""
    if len(data) - at < _HEADER.size:
        return None, 0
    magic, size, plain, checksum = _HEADER.unpack_from(data, at)
    begin = at + _HEADER.size
    packed = data[begin : begin + size]
    if magic != MAGIC or plain > _LARGEST or len(packed) < size or crc32(packed) != checksum:
        return None, 0
    try:
        body = codec.decompress(packed, decompressed_size=plain, asbytes=True)
        return _unpack.decode(body), _HEADER.size + size
    except _WRONG:
        return None, 0


def _rows(
    frame: _Frame, quotes: Table, bars: Table, names: tuple[list[str], list[str]]
) -> list[Row]:
    times, seqs = _sums(frame.times), _sums(frame.seqs)
    dues = np.frombuffer(frame.dues, "<i8").tolist()
    of: list[Iterator[Any]] = [
        iter(quotes.unpack(frame.quotes, names[0]) if frame.quotes else ()),
        iter(bars.unpack(frame.bars, names[1]) if frame.bars else ()),
        iter(dues),
        iter(frame.rest),
    ]
    made = []
    for kind, time, seq in zip(frame.kinds, times, seqs, strict=True):
        entry = next(of[kind])
        made.append(Row(time, seq, Due(time - entry) if kind == _DUE else entry))
    return made


def _differences(numbers: list[int]) -> bytes:
    return np.diff(np.array(numbers, "<i8"), prepend=0).tobytes()


def _sums(packed: bytes) -> list[int]:
    sums: list[int] = np.cumsum(np.frombuffer(packed, "<i8")).tolist()
    return sums
