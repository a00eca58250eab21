"""Rows held against the ones before them: time, and a day's cumulative volume, never go back."""

import numpy as np
import pandas as pd

from qka.feeds.recorded.cells import Wrong, days


class Order:
    """The last good row of each symbol; `cumulative`: volume is the day's so far."""

    def __init__(self, *, cumulative: bool) -> None:
        self._cumulative = cumulative
        self._last: dict[str, tuple[int, float]] = {}  # symbol -> (time, volume)

    @property
    def latest(self) -> int:
        """The latest moment (ns) of all good rows so far."""
        return max((time for time, _ in self._last.values()), default=0)

    def wrong(self, frame: pd.DataFrame) -> Wrong:
        """Rows of the next frame that go back within one symbol."""
        if frame.empty:
            return {}
        found, order, heads = grouped(frame)
        times = frame["time"].to_numpy()[order]
        volumes = frame["volume"].to_numpy()[order]
        last_times, last_volumes = np.roll(times, 1), np.roll(volumes, 1)
        for name, head in zip(found, heads, strict=True):
            last_times[head], last_volumes[head] = self._last.get(name, (0, 0))
        back = times < last_times
        if self._cumulative:
            back |= (volumes < last_volumes) & (days(times) == days(last_times))
        return self._walked(frame) if back.any() else {}

    def _walked(self, frame: pd.DataFrame) -> Wrong:
        """The same row by row, against the last good one: where something is wrong."""
        wrong: Wrong = {}
        last = dict(self._last)
        rows = zip(frame.index, frame["symbol"], frame["time"], frame["volume"], strict=True)
        for row, symbol, time, volume in rows:
            last_time, last_volume = last.get(symbol, (0, 0))
            if time < last_time:
                wrong[int(row)] = "time goes back: the rows are not sorted"
            elif self._cumulative and volume < last_volume and days(time) == days(last_time):
                wrong[int(row)] = "the day's cumulative volume goes back"
            else:
                last[symbol] = (int(time), int(volume))
        return wrong

    def before(self, frame: pd.DataFrame, row: int, wrong: Wrong) -> int:
        """The moment (ns) of the last good row of a row's symbol before it."""
        symbol = str(frame["symbol"][row])
        mine = frame[(frame["symbol"] == symbol) & (frame.index < row)]
        good = mine[~mine.index.isin(list(wrong))]
        return int(good["time"].iloc[-1]) if len(good) else self._last.get(symbol, (0, 0.0))[0]

    def remember(self, good: pd.DataFrame) -> None:
        """Hold what comes next against these rows."""
        last = good.drop_duplicates("symbol", keep="last")
        self._last.update(
            zip(last["symbol"], zip(last["time"], last["volume"], strict=True), strict=True)
        )


def grouped(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(symbols, positions grouped by symbol and else in file order, where each group begins)."""
    keys, found = pd.factorize(frame["symbol"])
    order = np.argsort(keys, kind="stable")
    heads = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return np.asarray(found, dtype=object), order, heads
