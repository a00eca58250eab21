"""Which days trade, and that nobody guesses beyond the last one known."""

from datetime import date, timedelta

import pytest

from qka.ashare.calendar import Calendar, OwnDays, exchange_calendar
from qka.errors import ConfigError


@pytest.fixture(scope="module")
def calendar():
    return exchange_calendar()


CLOSED_2026 = [
    "01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06", "05-01",
    "05-04", "05-05", "06-19", "09-25", "10-01", "10-02", "10-05", "10-06", "10-07",
]  # fmt: skip


def test_2026_has_242_trading_days(calendar):
    year = [date(2026, 1, 1) + timedelta(n) for n in range(365)]
    trading = calendar.sessions(year[0], year[-1])
    assert len(trading) == 242
    closed = [f"{day:%m-%d}" for day in year if day.weekday() < 5 and day not in trading]
    assert closed == CLOSED_2026


@pytest.mark.parametrize(
    ("day", "trades"),
    [
        pytest.param(date(2026, 1, 4), False, id="a Sunday that is worked"),
        pytest.param(date(2024, 2, 9), False, id="a working day on which the exchanges closed"),
        pytest.param(date(2024, 2, 8), True, id="the day before"),
        pytest.param(date(1990, 12, 18), False, id="before there was an exchange"),
    ],
)
def test_the_exchanges_days_are_not_the_offices(calendar, day, trades):
    assert calendar.is_trading_day(day) is trades


def test_the_day_after_the_last_is_refused_with_what_to_do(calendar):
    assert calendar.is_trading_day(calendar.last) in (True, False)
    with pytest.raises(ConfigError, match=r"ends on .* upgrade exchange_calendars .*rules\.file"):
        calendar.is_trading_day(calendar.last + timedelta(1))


def test_own_days_close_what_is_known_and_go_on_beyond_it():
    days = {date(2026, 12, 30), date(2026, 12, 31)}
    own = OwnDays(closed=(date(2026, 12, 30), date(2027, 1, 1)), until=date(2027, 1, 8))
    calendar = Calendar(days, date(2026, 12, 31), own)
    found = calendar.sessions(date(2026, 12, 30), date(2027, 1, 8))
    assert [f"{day:%m-%d}" for day in found] == [
        "12-31",
        "01-04",
        "01-05",
        "01-06",
        "01-07",
        "01-08",
    ]
    with pytest.raises(ConfigError, match="ends on 2027-01-08 and 2027-01-09 is after it"):
        calendar.is_trading_day(date(2027, 1, 9))


def test_own_days_never_take_away_what_the_kept_calendar_knows():
    calendar = Calendar({date(2026, 12, 31)}, date(2026, 12, 31), OwnDays(until=date(2026, 6, 1)))
    assert calendar.last == date(2026, 12, 31)
