"""Trading days. What comes after the last day that is known is not guessed, it is refused.

The days are those of `exchange_calendars`, which is kept by its authors and ends with the year
that the exchanges have published; a rule file may close days, or go on beyond it. A list of
public holidays would not do: on 2024-02-09, a working day, the exchanges were closed.
"""

from collections.abc import Collection
from datetime import date, timedelta

import msgspec

from qka.errors import ConfigError


class OwnDays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule file says: days that are closed, and until when all other weekdays trade."""

    closed: tuple[date, ...] = ()
    until: date | None = None


NOTHING_OWN = OwnDays()
_NOTICE = 30  # days before the end from which on a human is told


class Calendar:
    """The trading days from `first` to `last`; none before, and none is known after."""

    def __init__(
        self, days: Collection[date], last: date, own: OwnDays = NOTHING_OWN, *, source: str = ""
    ) -> None:
        self._days = frozenset(days)
        self._known = last  # beyond it, weekdays trade unless they are closed
        self._closed = frozenset(own.closed)
        self._source = source
        self.last = max(last, own.until or last)

    def is_trading_day(self, day: date) -> bool:
        """Whether the exchanges trade on it; raises ConfigError for a day after the last."""
        if day > self.last:
            raise ConfigError(
                f"the trading calendar ends on {self.last} and {day} is after it: no order leaves "
                f"then, those that work stay; {self.mend}"
            )
        if day in self._closed:
            return False
        return day in self._days if day <= self._known else day.weekday() < 5

    @property
    def mend(self) -> str:
        """What makes it go on."""
        return (
            f"{self._source}or say in rules.file which days are closed and until when "
            "(calendar.closed, calendar.until)"
        )

    def notice(self, today: date) -> str:
        """That it ends within 30 days, or has ended, in words; "" while it goes on for longer."""
        left = (self.last - today).days
        if left >= _NOTICE:
            return ""
        ends = f"ends on {self.last}, in {left} days" if left >= 0 else f"has ended on {self.last}"
        return f"the trading calendar {ends}: no order leaves after it"

    def sessions(self, first: date, last: date) -> list[date]:
        """The trading days of a span, both ends with it; raises ConfigError beyond the end."""
        days = (first + timedelta(n) for n in range((last - first).days + 1))
        return [day for day in days if self.is_trading_day(day)]


class EveryDay:
    """The days of a recording, or of a made-up market: all that come up trade."""

    def is_trading_day(self, day: date) -> bool:
        """It is one."""
        return True

    def notice(self, today: date) -> str:
        """It has no end."""
        return ""


def exchange_calendar(own: OwnDays = NOTHING_OWN) -> Calendar:
    """The calendar of the three exchanges, which have one; takes a second to load."""
    import exchange_calendars  # late: it brings pandas along

    kept = exchange_calendars.get_calendar("XSHG", start="1990-12-19")
    days = {moment.date() for moment in kept.sessions}
    mend = "upgrade exchange_calendars once it has the next year, "
    return Calendar(days, kept.last_session.date(), own, source=mend)
