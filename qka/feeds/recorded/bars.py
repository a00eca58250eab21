"""Bars in the one shape.

Nothing in a file says whether volume is in shares or lots, so turnover decides
(`amount / (volume * close)` is near 1 for shares, near the lot for lots); without it baostock's
columns (`preclose`, `adjustflag`, `tradestatus`) mean shares and anything else lots.
"""

from typing import Any

import numpy as np
import pandas as pd

from qka.feeds.recorded import cells
from qka.feeds.recorded.cells import Wrong
from qka.feeds.recorded.columns import BAR
from qka.feeds.recorded.order import grouped
from qka.feeds.recorded.source import Source

_PRICES = ["open", "high", "low", "close"]
_PREVIOUS = ("preclose", "preClose", "prev_close")
_BAOSTOCK = {"preclose", "adjustflag", "tradestatus"}


class Bars:
    """Turns a file's bars into BAR columns; remembers closes from one chunk to the next."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._unit = 0  # shares in one of the file's units of volume; 0: not known yet
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
        turnover = next((name for name in ("amount", "turnover") if name in raw), None)
        volume = cells.numbers(raw, "volume", wrong).astype(float)
        amount = cells.numbers(raw, turnover, wrong).astype(float) if turnover else None
        lot = cells.lots(symbols)
        if not self._unit:
            self._unit = _unit(raw, volume, amount, out["close"], lot)
        shares = volume if self._unit == 1 else volume * lot
        out["volume"] = shares.round().astype("int64")
        out["amount"] = amount if amount is not None else (shares * out["close"]).round(2)
        column = next((name for name in _PREVIOUS if name in raw), None)
        out["prev_close"] = cells.prices_if_any(raw, column) if column else np.nan
        frame = pd.DataFrame(out)[BAR]
        cells.note(
            wrong,
            {
                "high is below low": frame["high"] < frame["low"],
                "volume is negative": frame["volume"] < 0,
                "a price is not above zero": (frame[_PRICES] <= 0).any(axis=1),
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


def _unit(raw: pd.DataFrame, volume: Any, amount: Any, close: Any, lot: Any) -> int:
    if amount is not None:
        traded = (volume > 0) & (close > 0) & (amount > 0)
        if traded.any():
            ratio = float((amount[traded] / (volume[traded] * close[traded])).median())
            return 1 if ratio < float(lot.iloc[0]) ** 0.5 else int(lot.iloc[0])
    if not _BAOSTOCK.isdisjoint(raw.columns):
        return 1
    return int(lot.iloc[0]) if len(lot) else 0
