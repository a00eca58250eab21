"""Moments as `int` nanoseconds since the epoch (UTC), shown as Asia/Shanghai.

China has had no daylight saving time since 1991, so a fixed offset is exact for every
day the exchanges' electronic records reach, and needs no time-zone database on Windows.
"""

from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
_OFFSET = 8 * 3600 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=64)
def midnight(day: date) -> int:
    """00:00 in Shanghai of that day, in ns."""
    return (day.toordinal() - _EPOCH) * DAY - _OFFSET


def day_of(ns: int) -> date:
    """The calendar day in Shanghai."""
    return _day((ns + _OFFSET) // DAY)


@lru_cache(maxsize=64)
def _day(number: int) -> date:
    return date.fromordinal(number + _EPOCH)


def same_day(one: int, other: int) -> bool:
    """Whether two moments (ns) lie on one calendar day in Shanghai."""
    return (one + _OFFSET) // DAY == (other + _OFFSET) // DAY


def time_of_day(ns: int) -> int:
    """Nanoseconds since midnight in Shanghai."""
    return (ns + _OFFSET) % DAY


def at(day: date, clock_time: str | time) -> int:
    """A moment of a day: `at(date(2026, 1, 5), "14:50")`; raises ValueError on a bad time."""
    return midnight(day) + since_midnight(clock_time)


@lru_cache(maxsize=64)
def since_midnight(clock_time: str | time) -> int:
    """Nanoseconds from midnight to a time of day; raises ValueError on a bad one."""
    t = time.fromisoformat(clock_time) if isinstance(clock_time, str) else clock_time
    return ((t.hour * 60 + t.minute) * 60 + t.second) * SECOND + t.microsecond * 1000


def to_datetime(ns: int) -> datetime:
    """An aware datetime in Shanghai (to the microsecond)."""
    return datetime.fromtimestamp(ns // SECOND, SHANGHAI).replace(microsecond=ns % SECOND // 1000)


def from_datetime(moment: datetime) -> int:
    """Nanoseconds of a datetime; a naive one is taken as Shanghai time."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SHANGHAI)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def seconds(text: str | int | float) -> float:
    """Seconds of `"30s"`, `"5m"`, `"1h"` or a plain number; raises ValueError otherwise."""
    if isinstance(text, int | float):
        value = float(text)
    else:
        unit = {"s": 1, "m": 60, "h": 3600}.get(text.strip()[-1:].lower())
        try:
            value = float(text.strip()[:-1]) * unit if unit else float(text)
        except ValueError:
            raise ValueError(f"{text!r} is no time span like 30s, 5m or 1h") from None
    if not value > 0:
        raise ValueError(f"{text!r} is not a positive time span")
    return value


def show(ns: int) -> str:
    """`2026-01-05 14:50:03`, in Shanghai."""
    return _second(ns // SECOND)


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    # what a page shows again and again is of a few seconds, and strftime is slow
    return datetime.fromtimestamp(second, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
