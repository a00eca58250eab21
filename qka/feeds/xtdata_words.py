"""xtdata's tick dict → `Quote`, the way a snapshot enters from QMT."""

from datetime import datetime
from typing import Any

from qka.model.market import Quote
from qka.model.symbol import lot_size
from qka.model.times import MILLISECOND, from_datetime


def quote_from_xt(
    symbol: str, tick: dict[str, Any], limit_up: float = 0.0, limit_down: float = 0.0
) -> Quote:
    """A snapshot of xtdata's own fields; the payload's four level lists are shared, not copied.

    `volume` is lots there and shares here; older clients give `timetag` (Shanghai) for `time`.
    """
    volume = tick.get("pvolume")
    return Quote(
        symbol,
        tick["time"] * MILLISECOND if "time" in tick else _time(tick["timetag"]),
        tick["lastPrice"],
        tick["open"],
        tick["high"],
        tick["low"],
        tick["lastClose"],
        tick["volume"] * lot_size(symbol) if volume is None else volume,
        tick["amount"],
        tick["openInt"],
        tick["askPrice"],
        tick["askVol"],
        tick["bidPrice"],
        tick["bidVol"],
        limit_up,
        limit_down,
    )


def _time(timetag: str) -> int:
    return from_datetime(datetime.strptime(timetag, "%Y%m%d %H:%M:%S"))  # noqa: DTZ007  # naive is Shanghai
