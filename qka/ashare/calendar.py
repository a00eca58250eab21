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
                f"then, those that work stay; {self._source}or say in rules.file which days are "
                "closed and until when (calendar.closed, calendar.until)"
            )
        if day in self._closed:
            return False
        return day in self._days if day <= self._known else day.weekday() < 5

    def sessions(self, first: date, last: date) -> list[date]:
        """The trading days of a span, both ends with it; raises ConfigError beyond the end."""
        days = (first + timedelta(n) for n in range((last - first).days + 1))
        return [day for day in days if self.is_trading_day(day)]


def exchange_calendar(own: OwnDays = NOTHING_OWN) -> Calendar:
    """The calendar of the three exchanges, which have one; takes a second to load."""
    import exchange_calendars  # late: it brings pandas along

    kept = exchange_calendars.get_calendar("XSHG", start="1990-12-19")
    days = {moment.date() for moment in kept.sessions}
    mend = "upgrade exchange_calendars once it has the next year, "
    return Calendar(days, kept.last_session.date(), own, source=mend)
