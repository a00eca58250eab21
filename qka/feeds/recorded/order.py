"""Rows held against those around them: time, and a day's cumulative volume, never go back.

Where they do, the fewest rows are wrong: one that is far ahead, not all that come after it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from qka.feeds.recorded.cells import days
from qka.feeds.recorded.damage import Fault, Wrong

_END = 2**63 - 1
_KEYS = ["symbol", "time", "volume"]


class Order:
    """The last good row of each symbol.

    Of ticks, `cumulative`, several may have one time, and volume is the day's so far; of bars
    there is one at a time.
    """

    def __init__(self, *, cumulative: bool) -> None:
        self._cumulative = cumulative
        self._last: dict[str, tuple[int, int]] = {}  # symbol -> (time, volume)
        self._latest = 0  # time of the last row

    def wrong(self, frame: pd.DataFrame, coming: pd.DataFrame) -> Wrong:
        """Rows of the frame that are out of order within one symbol; `coming` are the next."""
        if frame.empty:
            return {}
        rows = frame[_KEYS] if coming.empty else pd.concat([frame[_KEYS], coming[_KEYS]])
        found, order, heads = grouped(rows)
        times, volumes = rows["time"].to_numpy()[order], rows["volume"].to_numpy()[order]
        last_times, last_volumes = np.roll(times, 1), np.roll(volumes, 1)
        for name, head in zip(found, heads, strict=True):
            last_times[head], last_volumes[head] = self._last.get(name, (0, 0))
        if self._cumulative:
            back = (volumes < last_volumes) & (days(times) == days(last_times))
            back |= times < last_times
        else:
            back = times <= last_times
        if not back.any():
            return {}
        numbers, wrong = rows.index.to_numpy()[order], Wrong()
        ends = [*heads[1:], len(order)]
        for name, head, end in zip(found, heads, ends, strict=True):
            if back[head:end].any():
                part = slice(head, end)
                wrong |= self._walked(name, numbers[part], times[part], volumes[part])
        return {row: fault for row, fault in wrong.items() if row <= frame.index[-1]}

    def _walked(self, symbol: str, rows: Any, times: Any, volumes: Any) -> Wrong:
        """The rows of one symbol that are out of order."""
        time, volume = self._last.get(symbol, (0, 0))
        wrong = _astray(rows, times.tolist(), time, "time", once=not self._cumulative)
        if self._cumulative:
            good = ~np.isin(rows, list(wrong))
            so_far = list(zip(days(times[good]).tolist(), volumes[good].tolist(), strict=True))
            floor = (int(days(time)), volume)
            wrong |= _astray(rows[good], so_far, floor, "the day's cumulative volume")
        return wrong

    def span(
        self, wrong: Sequence[int], frame: pd.DataFrame, good: pd.DataFrame
    ) -> dict[int, tuple[int, int]]:
        """Between which moments (ns) each wrong row of a frame belongs; `good` are all others."""
        around = {str(name): part for name, part in good.groupby("symbol", sort=False)}
        spans: dict[int, tuple[int, int]] = {}
        own = dict(zip(frame.index, zip(frame["symbol"], frame["time"], strict=True), strict=True))
        for row in wrong:
            symbol, time = own.get(row, ("", 0))
            part = around.get(symbol, good.iloc[:0] if symbol else good)
            before = self._last.get(symbol, (0, 0))[0] if symbol else self._latest
            at = int(np.searchsorted(part.index.to_numpy(), row))
            before = int(part["time"].iloc[at - 1]) if at else before
            after = int(part["time"].iloc[at]) if at < len(part) else _END
            if after < before:
                after = _END
            inside = time and before <= time <= after
            spans[row] = (int(time), int(time)) if inside else (before + 1, after)
        return spans

    def remember(self, good: pd.DataFrame) -> None:
        """Hold what comes next against these rows."""
        if good.empty:
            return
        self._latest = int(good["time"].iloc[-1])
        last = good.drop_duplicates("symbol", keep="last")
        self._last.update(
            zip(last["symbol"], zip(last["time"], last["volume"], strict=True), strict=True)
        )


def _astray(rows: Any, keys: list[Any], floor: Any, what: str, *, once: bool = False) -> Wrong:
    """The fewest rows without which the keys never go back, nor stay where `once`.

    Sought from the end, so that of two rows that can't both be right the first one is.
    """
    tops: list[Any] = []  # of the best sequence of each length, negated to be sorted
    at: list[int] = []  # where that one is
    following = [-1] * len(keys)
    for i in range(len(keys) - 1, -1, -1):
        key = _negated(keys[i])
        if keys[i] < floor or (once and keys[i] == floor):
            continue
        length = (bisect_left if once else bisect_right)(tops, key)
        following[i] = at[length - 1] if length else -1
        tops[length : length + 1], at[length : length + 1] = [key], [i]
    kept, i = set(), at[-1] if at else -1
    while i >= 0:
        kept.add(i)
        i = following[i]
    wrong, last = Wrong(), floor
    for i, (row, key) in enumerate(zip(rows, keys, strict=True)):
        if i in kept:
            last = key
        elif key < last:
            wrong[int(row)] = Fault(f"{what} goes back")
        elif key == last and once:
            wrong[int(row)] = Fault(f"{what} is the same as in a row before: there is one bar")
        else:
            wrong[int(row)] = Fault(f"{what} is ahead of the rows after it")
    return wrong


def _negated(key: Any) -> Any:
    return tuple(-part for part in key) if isinstance(key, tuple) else -key


def grouped(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(symbols, positions grouped by symbol and else in file order, where each group begins)."""
    keys, found = pd.factorize(frame["symbol"])
    order = np.argsort(keys, kind="stable")
    heads = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return np.asarray(found, dtype=object), order, heads
