"""A Shanghai stock's day, order by order and trade by trade, as recorded from the exchange.

Two recorders' files are known; whatever lies under the data folder is found by its name. An
order is told with what was left of it after it had met the book; one that met enough is not told
at all, its trades are.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from qka.model.order import Side
from qka.model.times import MILLISECOND, midnight

DATA = Path(__file__).parents[3] / "shared/data"


class Added(NamedTuple):
    """An order, or what is left of it, is in the book."""

    time: int  # ns
    order: int
    side: Side
    price: int  # cents
    shares: int


class Withdrawn(NamedTuple):
    """All that is left of an order is cancelled."""

    time: int
    order: int


class Traded(NamedTuple):
    """Two orders met."""

    time: int
    buy: int  # their numbers
    sell: int
    price: int
    shares: int
    aggressor: Side | None  # who came to the other; None in a call auction


Message = Added | Withdrawn | Traded


class RawDay(NamedTuple):
    """What the exchange said of one stock on one day, in the order in which it happened."""

    symbol: str
    day: date
    orders: Path  # the file

    def messages(self) -> list[Message]:
        """Every order, cancel and trade of the day."""
        read = _entrusts if self.orders.name == "entrust.csv.gz" else _orders
        return [message for _, message in sorted(read(self.orders, midnight(self.day)))]

    @property
    def ticks(self) -> Path:
        """Where the snapshots of that day are, if there are any."""
        return DATA / "xt_tick" / f"{self.symbol}_{self.day:%Y%m%d}.csv.gz"


def raw_days(data: Path = DATA) -> list[RawDay]:
    """Every day that is there, by symbol."""
    found = []
    for path in sorted(data.glob("l2/**/*.SH_orders.csv.gz")):
        day = next(rows(path))["MDDate"].replace(".", "")
        found.append(RawDay(path.name[:9], date.fromisoformat(day), path))
    for path in sorted(data.glob("l2/**/entrust.csv.gz")):
        named = re.search(r"\d{8}", path.parent.name)  # the rows hold times alone
        if named is not None:
            code = next(rows(path))["SecurityID"]
            found.append(RawDay(f"{code}.SH", date.fromisoformat(named[0]), path))
    return found


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a csv.gz by the names of its columns."""
    with gzip.open(path, "rt", encoding="utf-8-sig") as lines:
        yield from csv.DictReader(lines)


_SIDES = {"1": Side.BUY, "2": Side.SELL, "B": Side.BUY, "S": Side.SELL, "0": None, "N": None}
_Numbered = Iterator[tuple[int, Message]]


def _orders(path: Path, start: int) -> _Numbered:
    for row in rows(path):
        when, number = _moment(row["MDTime"], start), int(row["OrderNO"])
        message: Message = Withdrawn(when, number)
        if row["OrderType"] != "10":
            side = _SIDES[row["OrderBSFlag"]]
            assert side is not None
            message = Added(when, number, side, _cents(row["OrderPrice"]), int(row["OrderQty"]))
        yield int(row["ApplSeqNum"]), message
    for row in rows(path.with_name(path.name.replace("_orders", "_trades"))):
        yield int(row["ApplSeqNum"]), Traded(
            _moment(row["MDTime"], start), int(row["TradeBuyNo"]), int(row["TradeSellNo"]),
            _cents(row["TradePrice"]), int(row["TradeQty"]), _SIDES[row["TradeBSFlag"]],
        )  # fmt: skip


def _entrusts(path: Path, start: int) -> _Numbered:
    for row in rows(path):
        when, number = _moment(row["OrderTime"], start), int(row["OrderNO"])
        message: Message = Withdrawn(when, number)
        if row["OrderType"] != "D":
            side = _SIDES[row["OrderBSFlag"]]
            assert side is not None
            message = Added(when, number, side, _cents(row["OrderPrice"]), int(row["Balance"]))
        yield int(row["BizIndex"]), message
    for row in rows(path.with_name("trade.csv.gz")):
        yield int(row["BizIndex"]), Traded(
            _moment(row["TradTime"], start), int(row["TradeBuyNo"]), int(row["TradeSellNo"]),
            _cents(row["TradPrice"]), int(row["TradVolume"]), _SIDES[row["TradeBSFlag"]],
        )  # fmt: skip


def _moment(clock_time: str, start: int) -> int:
    hours, minutes, seconds = clock_time.split(":")
    elapsed = (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)
    return start + elapsed * MILLISECOND


def _cents(price: str) -> int:
    return int(float(price) * 100 + 0.5)
