"""Bars in the one shape."""

from typing import Any

import numpy as np
import pandas as pd

from qka.feeds.recorded import cells
from qka.feeds.recorded.columns import BAR
from qka.feeds.recorded.damage import Wrong, fault
from qka.feeds.recorded.order import grouped
from qka.feeds.recorded.source import TURNOVER, Source

_PRICES = ["open", "high", "low", "close"]
_PREVIOUS = ("preclose", "preClose", "prev_close")


class Bars:
    """Turns a file's bars into BAR columns; remembers closes from one chunk to the next."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._closes: dict[str, tuple[int, float, float]] = {}
        # symbol -> (day number, close before that day, last close)

    def shaped(self, raw: pd.DataFrame, wrong: Wrong) -> pd.DataFrame:
        """The rows in the one shape; those with something wrong are noted and still there."""
        if "tradestatus" in raw:
            raw = raw[pd.to_numeric(raw["tradestatus"], errors="coerce") != 0]
        source = self._source
        symbols = cells.symbols(raw, source.column, source.symbol, wrong)
        times = cells.moments(raw, wrong, daily=source.kind == "1d")
        out: dict[str, Any] = {"symbol": symbols, "time": times, "period": source.kind}
        for name in _PRICES:
            out[name] = cells.prices(raw, name, wrong)
        turnover = next((name for name in TURNOVER if name in raw), None)
        volume = cells.numbers(raw, "volume", wrong).astype(float)
        amount = cells.numbers(raw, turnover, wrong).astype(float) if turnover else None
        shares = volume * cells.lots(symbols) if source.unit == "lots" else volume
        out["volume"] = shares.round().astype("int64")
        out["amount"] = amount if amount is not None else (shares * out["close"]).round(2)
        column = next((name for name in _PREVIOUS if name in raw), None)
        out["prev_close"] = cells.prices_if_any(raw, column, wrong) if column else np.nan
        frame = pd.DataFrame(out)[BAR]
        if "period" in raw:
            for row in raw.index[raw["period"] != source.kind]:
                what = f"not {source.kind} as the first row's"
                wrong.setdefault(int(row), fault("period", raw["period"][row], what))
        first, high, low, last = (frame[name].to_numpy() for name in _PRICES)
        inside = (low <= first) & (first <= high) & (low <= last) & (last <= high)
        cells.note(
            wrong,
            frame,
            {
                "high is below low": high < low,
                "a price is not above zero": np.minimum(low, np.minimum(first, last)) <= 0,
                "open or close is not between low and high": ~inside,
                "volume is negative": frame["volume"] < 0,
                "amount is negative": frame["amount"] < 0,
            },
        )
        return frame

    def finished(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The good rows with their previous closes, where the file has none of its own."""
        if frame["prev_close"].isna().any():
            return frame.assign(prev_close=self._previous(frame))
        return frame

    def _previous(self, frame: pd.DataFrame) -> np.ndarray:
        """Each bar's previous day's close of its symbol, 0.0 on the first day."""
        found, order, heads = grouped(frame)
        days = cells.days(frame["time"].to_numpy()[order])
        closes = frame["close"].to_numpy()[order]
        before = np.roll(closes, 1)
        fresh = np.diff(days, prepend=-1) != 0
        fresh[heads] = True
        for name, head in zip(found, heads, strict=True):
            day, earlier, last = self._closes.get(name, (int(days[head]), 0.0, 0.0))
            before[head] = earlier if day == days[head] else last
        # a day's first bar knows, the others take it from there
        before = before[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
        for name, tail in zip(found, [*(heads[1:] - 1), len(order) - 1], strict=True):
            self._closes[name] = (int(days[tail]), float(before[tail]), float(closes[tail]))
        result = np.empty(len(order))
        result[order] = before
        return result
