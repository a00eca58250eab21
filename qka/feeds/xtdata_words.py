"""xtdata's words → ours: ticks, K-lines, instruments, the way they enter from QMT."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from qka.ashare.facts import status_of
from qka.model.actions import CorporateAction
from qka.model.events import InstrumentState
from qka.model.market import Bar, Quote, Status
from qka.model.money import on_tick
from qka.model.symbol import lot_size
from qka.model.times import MILLISECOND, at, day_of, from_datetime

_MILL = Decimal("0.001")
_PART = Decimal("1e-9")  # finer is only what floats make of a ratio
_NO_LIMIT = 1e6  # CNY; the SDK writes DBL_MAX or INT_MAX where there is no limit
_UNSET = 1e300  # DBL_MAX stands for no number
_UNSET_INT = 2147483647
_HIGHEST = 1e9  # CNY; no price is higher
_PRICES = ("lastPrice", "open", "high", "low", "lastClose")
_LEVELS = ("askPrice", "bidPrice")


def quote_from_xt(
    symbol: str, tick: Mapping[str, Any], limit_up: float = 0.0, limit_down: float = 0.0
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


def tidied(tick: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tick with its prices as they were quoted: 11.370000000000001 is 11.37, none is 0.0.

    The very same object where there is nothing to mend.
    """
    mended: dict[str, Any] = {}
    for name in _PRICES:
        price = tick[name]
        if (tidy := _tidy(price)) != price:
            mended[name] = tidy
    for name in _LEVELS:
        prices = tick[name]
        if (levels := list(map(_tidy, prices))) != prices:
            mended[name] = levels
    return {**tick, **mended} if mended else tick


@lru_cache(maxsize=65536)  # the same prices come again and again
def _tidy(price: float | None) -> float:
    """To four decimals, which indices have."""
    if price is None or not 0 <= price < _HIGHEST:  # NaN too
        return 0.0
    return int(price * 10_000 + 0.5) / 10_000


def _time(timetag: str) -> int:
    return from_datetime(datetime.strptime(timetag, "%Y%m%d %H:%M:%S"))  # noqa: DTZ007  # naive is Shanghai


def label_from_xt(time: float, period: str) -> int:
    """A K-line's `time` (ms) as our label; that of a day is its midnight there, 15:00 here."""
    label = int(time) * MILLISECOND
    return at(day_of(label), "15:00") if period == "1d" else label


def bar_from_xt(symbol: str, period: str, row: Sequence[float]) -> Bar:
    """A K-line: time in ms, open, high, low, close, lots, amount, previous close."""
    time, first, high, low, last, lots, amount, before = row
    shares = int(lots) * lot_size(symbol)
    label = label_from_xt(time, period)
    return Bar(symbol, label, period, first, high, low, last, shares, amount, before)


def action_from_xt(symbol: str, row: Mapping[str, Any]) -> CorporateAction | None:
    """An ex-date's row; None when a number in it is missing, so that it says nothing.

    `time` is the day's midnight in ms; cash, new shares (given, and made of reserves) and rights
    are for one share. A row without columns of rights has none.
    """
    names = "time", "interest", "stockBonus", "stockGift"
    time, cash, *bonus = (row.get(name) for name in names)
    rights = [row.get(name, 0.0) for name in ("allotNum", "allotPrice")]
    if not isinstance(time, int | float) or not 0 < time < _UNSET:
        return None
    numbers = [cash, *bonus, *rights]
    if not all(isinstance(number, int | float) and 0 <= number < _HIGHEST for number in numbers):
        return None
    day = day_of(int(time) * MILLISECOND)
    given = sum(map(_part, bonus), Decimal(0))
    return CorporateAction(symbol, day, _part(cash), given, *map(_part, rights))


def _part(number: Any) -> Decimal:
    return Decimal(repr(number)).quantize(_PART).normalize()


def day_from_xt(day: Any) -> date | None:
    """`20260105`, text or number, as a date; None for anything else."""
    try:
        return datetime.strptime(str(day), "%Y%m%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        return None


def limit_from_xt(price: Any) -> float:
    """A price limit on its tick; 0.0 where there is none."""
    if isinstance(price, int | float) and 0 < price < _NO_LIMIT:
        return on_tick(price, _MILL)
    return 0.0


def state_from_xt(symbol: str, detail: Mapping[str, Any]) -> InstrumentState | None:
    """What an instrument's master data says of its day; None when they name no day."""
    day = day_from_xt(detail.get("TradingDay"))
    if day is None:
        return None
    name = str(detail.get("InstrumentName") or "")
    status, suspended = status_of(name), (detail.get("InstrumentStatus") or 0) > 0
    unlimited = not limit_from_xt(detail.get("UpStopPrice"))
    unlimited = unlimited and status in (Status.NEW, Status.DELISTING)
    return InstrumentState(0, symbol, day, status, suspended, unlimited, name)


def known_numbers(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Master data with None where the SDK writes that there is no number."""
    return {name: None if _is_unset(value) else value for name, value in detail.items()}


def _is_unset(value: Any) -> bool:
    if isinstance(value, float):
        return not abs(value) < _UNSET  # NaN too
    return isinstance(value, int) and value == _UNSET_INT
