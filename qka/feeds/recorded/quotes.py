"""Level-1 ticks of xtdata in the one shape.

Volume is in shares in `pvolume`, else in lots in `volume`. The five levels are ten columns
(`askPrice1`), or lists or their text in one.
"""

from typing import Any

import numpy as np
import pandas as pd

from qka.ashare.limits import price_limits
from qka.feeds.recorded import cells
from qka.feeds.recorded.columns import FIVE, LEVELS, QUOTE
from qka.feeds.recorded.damage import Wrong
from qka.feeds.recorded.source import Source
from qka.model.times import DAY, day_of

_PRICES = {
    "last": "lastPrice",
    "open": "open",
    "high": "high",
    "low": "low",
    "prev_close": "lastClose",
}
_LEVEL_PRICES = [f"{name}{i}" for name in ("askPrice", "bidPrice") for i in FIVE]
_LEVEL_SIZES = [f"{name}{i}" for name in ("askVol", "bidVol") for i in FIVE]


class Quotes:
    """Turns a file's ticks into QUOTE columns."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def shaped(self, raw: pd.DataFrame, wrong: Wrong) -> pd.DataFrame:
        """The rows in the one shape; those with something wrong are noted and still there."""
        symbols = cells.symbols(raw, self._source.column, self._source.symbol, wrong)
        out = {"symbol": symbols, "time": cells.moments(raw, wrong)}
        for name, column in _PRICES.items():
            out[name] = cells.prices(raw, column, wrong)
        volume = cells.numbers(raw, "pvolume" if "pvolume" in raw else "volume", wrong)
        shares = volume if "pvolume" in raw else volume * cells.lots(symbols)
        amount = cells.numbers(raw, "amount", wrong) if "amount" in raw else volume * 0
        out["volume"] = shares.astype("int64")
        out["amount"] = amount.astype(float)
        out["phase"] = cells.numbers(raw, "openInt", wrong).astype("int64")
        for name in LEVELS:
            levels = _levels(raw, name)
            for column in (f"{name}{i}" for i in FIVE):
                if name.endswith("Price"):
                    out[column] = cells.prices(levels, column, wrong)
                else:
                    out[column] = cells.numbers(levels, column, wrong).astype("int64")
        for name, column in (("limit_up", "upStop"), ("limit_down", "downStop")):
            out[name] = cells.prices_if_any(raw, column, wrong) if column in raw else volume * 0.0
        frame = pd.DataFrame(out)[QUOTE]
        last, first, high, low = (out[name].to_numpy() for name in ("last", "open", "high", "low"))
        prices = np.column_stack([out[name] for name in [*_PRICES, *_LEVEL_PRICES]])
        sizes = np.column_stack([out[name] for name in _LEVEL_SIZES])
        up, down = out["limit_up"].to_numpy()[:, None], out["limit_down"].to_numpy()[:, None]
        beyond = ((up > 0) & (prices > up)) | ((prices > 0) & (prices < down))
        # there is no high before the first trade
        astray = ((first > 0) & ((first < low) | (first > high))) | (
            (last > 0) & ((last < low) | (last > high))
        )
        cells.note(
            wrong,
            frame,
            {
                "high is below low": high < low,
                "volume is negative": frame["volume"] < 0,
                "amount is negative": frame["amount"] < 0,
                "a price is negative": (prices[:, : len(_PRICES)] < 0).any(axis=1),
                "a level is negative": (prices < 0).any(axis=1) | (sizes < 0).any(axis=1),
                "last or open is not between low and high": astray & (high > 0),
                "a price is outside the day's limits": beyond.any(axis=1),
            },
        )
        if "upStop" not in raw:
            _set_limits(frame)
        return frame

    def finished(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The good rows, as they are."""
        return frame


def _levels(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """A frame with the five columns of a side's prices or volumes."""
    names = [f"{name}{i}" for i in FIVE]
    if names[0] in raw:
        return raw
    return pd.DataFrame([_five(cell) for cell in raw[name]], raw.index, names, dtype=object)


def _five(cell: Any) -> list[Any]:
    """Five levels out of a list or its text; a cell that is neither is a bad first level."""
    if isinstance(cell, str):
        cell = cell.strip("[] ").split(",")
    levels = list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
    return (levels + [0] * 5)[:5]


def _set_limits(frame: pd.DataFrame) -> None:
    """The day's limits by the rule book, where the recording has none."""
    usable = frame.loc[frame["symbol"] != "", ["symbol", "prev_close", "time"]]
    keys = [usable["symbol"], usable["prev_close"], cells.days(usable["time"])]
    for key, rows in usable.groupby(keys).groups.items():
        symbol, reference, number = np.asarray(key, dtype=object)
        limits = price_limits(str(symbol), float(reference), day_of(int(number) * DAY))
        if limits is not None:
            frame.loc[rows, ["limit_up", "limit_down"]] = limits
