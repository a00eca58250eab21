"""The one shape of recorded data, a row an event; time in ns, volume in shares."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pandas as pd

from qka.model.events import MarketEvent
from qka.model.market import Bar, Quote

FIVE = range(1, 6)
_HEAD = ["symbol", "time", "last", "open", "high", "low", "prev_close", "volume", "amount", "phase"]
LEVELS = ("askPrice", "askVol", "bidPrice", "bidVol")
_LIMITS = ["limit_up", "limit_down"]
QUOTE = [*_HEAD, *(f"{name}{i}" for name in LEVELS for i in FIVE), *_LIMITS]
BAR = ["symbol", "time", "period", "open", "high", "low", "close", "volume", "amount", "prev_close"]

Block = dict[str, Any]  # column -> array, rows sorted by time


def block(frame: pd.DataFrame) -> Block:
    """A frame as arrays, but for the period, which is the same everywhere."""
    return {name: frame[name].to_numpy() for name in frame.columns if name != "period"}


def events(kind: str, block: Block) -> Iterator[MarketEvent]:
    """Events of a block, built column by column."""
    columns = {name: column.tolist() for name, column in block.items()}
    if kind != "quote":
        columns["period"] = repeat(kind)
        return map(Bar, *(columns[name] for name in BAR))
    levels = [
        map(list, zip(*(columns[f"{name}{i}"] for i in FIVE), strict=True)) for name in LEVELS
    ]
    return map(
        Quote, *(columns[name] for name in _HEAD), *levels, *(columns[name] for name in _LIMITS)
    )
