"""Quotes and bars as columns of small numbers, and back, exactly.

Prices are counted in ten-thousandths of a CNY, levels by their distance from the one before, and
every number as its difference from the symbol's last one: most are zero, which packs well. Turnover
that was summed up in floats is no such count: how far it is off, in its last bits, is kept too.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from qka.model.market import Bar, Quote

SCALE = 10_000  # of a CNY: indices have four decimals
_MOST = 2**52  # beyond it not every count is exact
_LEVELS = 5

Numbers = NDArray[np.int64]


class Unfit(Exception):
    """These rows can't be had again from columns to the last bit."""


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one kind: whose each is, and a column after the other."""

    rows: int
    names: bytes  # uint32, which name each row has
    steps: list[int]  # of each column: all its numbers are multiples
    columns: bytes


class Table:
    """Packs rows of one kind; what it packed before is what the next differ from."""

    def __init__(self, kind: type[Quote] | type[Bar]) -> None:
        self._quotes = kind is Quote
        self._width = 32 if self._quotes else 9
        self.names: list[str] = []  # symbols, for bars with their period
        self._numbers: dict[str, int] = {}  # name -> its place
        self._last = np.zeros((0, self._width), np.int64)  # of each name

    def pack(self, rows: Sequence[Any]) -> Packed:
        """The rows as columns; raises Unfit, and nothing was packed."""
        values = _of_quotes(rows) if self._quotes else _of_bars(rows)
        names = [row.symbol if self._quotes else f"{row.symbol} {row.period}" for row in rows]
        for name in dict.fromkeys(names):
            if name not in self._numbers:
                self._numbers[name] = len(self.names)
                self.names.append(name)
        whose = np.array([self._numbers[name] for name in names], np.int64)
        order, first, last = _grouped(whose)
        self._grow()
        grouped, ids = values[order], whose[order]
        steps = np.diff(grouped, axis=0, prepend=np.zeros((1, self._width), np.int64))
        steps[first] = grouped[first] - self._last[ids[first]]
        self._last[ids[last]] = grouped[last]
        changes = np.empty_like(steps)
        changes[order] = steps
        common = np.maximum(np.gcd.reduce(changes, axis=0), 1)
        changes //= common
        folded = (changes << 1) ^ (changes >> 63)  # small ones of both signs are small
        split = np.ascontiguousarray(folded.T).view(np.uint8).reshape(self._width, len(rows), 8)
        return Packed(
            len(rows),
            whose.astype("<u4").tobytes(),
            common.tolist(),
            np.ascontiguousarray(split.transpose(0, 2, 1)).tobytes(),
        )

    def unpack(self, packed: Packed, names: Sequence[str]) -> list[Any]:
        """The rows that `pack` was given; `names`: all there are so far."""
        self.names[:] = names
        self._grow()
        whose = np.frombuffer(packed.names, "<u4").astype(np.int64)
        split = np.frombuffer(packed.columns, np.uint8).reshape(self._width, 8, packed.rows)
        folded = np.ascontiguousarray(split.transpose(0, 2, 1)).view(np.int64)
        folded = folded.reshape(self._width, packed.rows).T
        signs = -(folded & 1)
        changes = ((folded >> 1) & np.int64(2**63 - 1)) ^ signs
        changes = changes * np.array(packed.steps, np.int64)
        order, first, last = _grouped(whose)
        ids, steps = whose[order], changes[order]
        sums = np.cumsum(steps, axis=0)
        group = np.cumsum(first) - 1
        base = self._last[ids[first]] - (sums[first] - steps[first])
        grouped = sums + base[group]
        self._last[ids[last]] = grouped[last]
        values = np.empty_like(grouped)
        values[order] = grouped
        make = _to_quotes if self._quotes else _to_bars
        return make([self.names[i] for i in whose], values)

    def _grow(self) -> None:
        more = len(self.names) - len(self._last)
        if more > 0:
            empty = np.zeros((more, self._width), np.int64)
            self._last = np.concatenate([self._last, empty])


def _grouped(whose: Numbers) -> tuple[Numbers, NDArray[np.bool_], NDArray[np.bool_]]:
    """(rows by whose they are, which of them are the first, and the last, of their name)."""
    order = np.argsort(whose, kind="stable")
    ids = whose[order]
    change = ids[1:] != ids[:-1]
    return order, np.concatenate([[True], change]), np.concatenate([change, [True]])


_QUOTE_INTS = ("time", "volume", "phase")
_QUOTE_PRICES = (
    "last", "open", "high", "low", "prev_close", "limit_up", "limit_down",
)  # fmt: skip
_QUOTE_LEVELS = ("ask_prices", "bid_prices")
_QUOTE_LOTS = ("ask_lots", "bid_lots")
_BAR_INTS = ("time", "volume")
_BAR_PRICES = ("open", "high", "low", "close", "prev_close")


def _of_quotes(rows: Sequence[Quote]) -> Numbers:
    columns = [
        *(_wholes([getattr(row, name) for row in rows]) for name in _QUOTE_INTS),
        *(_prices([getattr(row, name) for row in rows]) for name in _QUOTE_PRICES),
        *_turnover([row.amount for row in rows]),
    ]
    last = columns[3]
    for name in _QUOTE_LEVELS:
        levels = _prices(_five([getattr(row, name) for row in rows])).reshape(-1, _LEVELS)
        columns += list(np.diff(levels, axis=1, prepend=last[:, None]).T)
    for name in _QUOTE_LOTS:
        columns += list(_wholes(_five([getattr(row, name) for row in rows])).reshape(-1, _LEVELS).T)
    return np.stack(columns, axis=1)


def _to_quotes(symbols: Sequence[str], values: Numbers) -> list[Quote]:
    time, volume, phase = values[:, :3].T.tolist()
    last, first, high, low, before, up, down = (values[:, 3:10].T / SCALE).tolist()
    amount = _amounts(values[:, 10], values[:, 11])
    asks = (np.cumsum(values[:, 12:17], axis=1) + values[:, 3:4]) / SCALE
    bids = (np.cumsum(values[:, 17:22], axis=1) + values[:, 3:4]) / SCALE
    return list(
        map(
            Quote, symbols, time, last, first, high, low, before, volume, amount, phase,
            asks.tolist(), values[:, 22:27].tolist(), bids.tolist(), values[:, 27:32].tolist(),
            up, down,
        )
    )  # fmt: skip


def _of_bars(rows: Sequence[Bar]) -> Numbers:
    return np.stack(
        [
            *(_wholes([getattr(row, name) for row in rows]) for name in _BAR_INTS),
            *(_prices([getattr(row, name) for row in rows]) for name in _BAR_PRICES),
            *_turnover([row.amount for row in rows]),
        ],
        axis=1,
    )


def _to_bars(names: Sequence[str], values: Numbers) -> list[Bar]:
    symbols, periods = zip(*(name.split(" ") for name in names), strict=True)
    time, volume = values[:, :2].T.tolist()
    first, high, low, close, before = (values[:, 2:7].T / SCALE).tolist()
    amount = _amounts(values[:, 7], values[:, 8])
    return list(map(Bar, symbols, time, periods, first, high, low, close, volume, amount, before))


def _five(levels: Sequence[Sequence[Any]]) -> list[Any]:
    if set(map(len, levels)) != {_LEVELS}:
        raise Unfit
    return list(chain.from_iterable(levels))


def _wholes(column: list[Any]) -> Numbers:
    """Whole numbers, a phase's code among them."""
    if not all(issubclass(kind, int) for kind in set(map(type, column))):
        raise Unfit
    try:
        return np.array(column, np.int64)
    except OverflowError:
        raise Unfit from None


def _prices(column: list[Any]) -> Numbers:
    """Numbers of CNY, each exactly a count of SCALE-ths."""
    counts, off = _turnover(column)
    if off.any():
        raise Unfit
    return counts


def _turnover(column: list[Any]) -> tuple[Numbers, Numbers]:
    """(CNY in SCALE-ths, how many floats lie between that and the number)."""
    if set(map(type, column)) != {float}:
        raise Unfit
    given = np.array(column, np.float64)
    if not np.all((given >= 0) & (given < _MOST / SCALE)):  # NaN too
        raise Unfit
    counts = np.rint(given * SCALE).astype(np.int64)
    return counts, given.view(np.int64) - (counts / SCALE).view(np.int64)


def _amounts(counts: Numbers, off: Numbers) -> list[float]:
    """What `_turnover` was given."""
    made: list[float] = ((counts / SCALE).view(np.int64) + off).view(np.float64).tolist()
    return made
