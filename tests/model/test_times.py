"""Moments are ns since the epoch and shown as Shanghai time."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.model.times import (
    DAY,
    SECOND,
    SHANGHAI,
    at,
    day_of,
    from_datetime,
    midnight,
    same_day,
    seconds,
    show,
    time_of_day,
    to_datetime,
)

days = st.dates(date(1992, 1, 1), date(2099, 12, 31))


def test_half_past_nine_in_shanghai_is_half_past_one_in_utc():
    ns = at(date(2026, 1, 5), "09:30")
    assert ns == int(datetime(2026, 1, 5, 1, 30, tzinfo=UTC).timestamp()) * SECOND
    assert show(ns) == "2026-01-05 09:30:00"


@given(days, st.integers(0, DAY - 1))
def test_a_moment_is_its_day_and_its_time_of_day(day, offset):
    ns = midnight(day) + offset
    assert (day_of(ns), time_of_day(ns)) == (day, offset)


@given(days, st.times())
def test_a_moment_survives_the_way_to_a_datetime_and_back(day, clock_time):
    ns = at(day, clock_time)
    assert to_datetime(ns) == datetime.combine(day, clock_time, SHANGHAI)
    assert from_datetime(to_datetime(ns)) == ns


@given(st.datetimes(datetime(1992, 1, 1), datetime(2099, 1, 1)))
def test_a_naive_datetime_is_read_as_shanghai_time(moment):
    assert from_datetime(moment) == from_datetime(moment.replace(tzinfo=SHANGHAI))


def test_a_datetime_of_another_zone_is_the_same_moment():
    utc = datetime(2026, 1, 5, 1, 30, 0, 250_000, tzinfo=UTC)
    assert from_datetime(utc) == at(date(2026, 1, 5), time(9, 30, 0, 250_000))
    assert from_datetime(utc.astimezone()) == from_datetime(utc)


def test_midnight_belongs_to_the_day_that_begins():
    ns = midnight(date(2026, 1, 5))
    assert day_of(ns) == date(2026, 1, 5)
    assert day_of(ns - 1) == date(2026, 1, 4)
    assert to_datetime(ns).utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize("wrong", ["25:00", "9h30", "", "14:60"])
def test_a_time_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match=r".+"):
        at(date(2026, 1, 5), wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("5m", 300), ("1h", 3600), (2.5, 2.5), ("90", 90), ("0.5m", 30), (" 3s ", 3)],
)
def test_a_time_span_in_words_or_in_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("wrong", ["0s", 0, -1, "-5m", "nan", "5 parsecs", "", "s"])
def test_a_span_that_is_not_positive_or_not_one_is_refused(wrong):
    with pytest.raises(ValueError, match=r".+"):
        seconds(wrong)


@given(days, days, st.integers(0, DAY - 1), st.integers(0, DAY - 1))
def test_moments_of_one_day_are_told_from_those_of_two(one, other, early, late):
    assert same_day(midnight(one) + early, midnight(other) + late) is (one == other)
