"""Which orders are over when an engine starts on another day."""

from datetime import date, timedelta

import pytest
from builders import DAY, NEXT_DAY, moment
from ledgers import books, works
from msgspec.structs import replace

from qka.ashare import book
from qka.ashare.data.days import DAYS, FIXED_SH
from qka.ashare.data.words import MAIN
from qka.ashare.rows import Span, Taking
from qka.engine.recovery import left_over
from qka.errors import ConfigError
from qka.model.market import Phase


def always(day):
    return True


@pytest.fixture
def evenings():
    """A broker that keeps orders from 17:00 on."""
    (row,) = (row for row in DAYS if row.spans is FIXED_SH and row.kinds == MAIN)
    spans = (*FIXED_SH, Span("17:00", Phase.CLOSED, limit=Taking.QUEUED))
    book.use([replace(row, spans=spans, effective_from=DAY)])
    yield
    book.use()


@pytest.mark.parametrize(
    ("made", "over"), [("10:00", True), ("14:59", True), ("16:00", True), ("20:00", False)]
)
def test_a_day_takes_its_orders_with_it_and_leaves_the_evenings_to_the_next(evenings, made, over):
    ledger = works(books(), time=moment(made, DAY), signal=1)
    assert left_over(ledger, DAY, always) == []
    assert bool(left_over(ledger, NEXT_DAY, always)) is over


def test_without_such_a_rule_the_evenings_are_over_too():
    assert left_over(works(books(), time=moment("20:00", DAY), signal=1), NEXT_DAY, always)


def test_an_order_that_others_placed_in_an_evening_is_one_that_their_broker_keeps():
    ledger = works(books(), time=moment("20:00", DAY))
    assert left_over(ledger, NEXT_DAY, always) == []
    assert left_over(ledger, NEXT_DAY + timedelta(1), always)


def test_an_evenings_order_ends_with_the_trading_day_it_was_for(evenings):
    friday = date(2026, 1, 9)
    ledger = works(books(), time=moment("20:00", friday))

    def over(days):
        return bool(left_over(ledger, friday + timedelta(days), lambda day: day.weekday() < 5))

    assert [over(days) for days in (0, 1, 3, 4, 10)] == [False, False, False, True, True]


def test_where_no_calendar_knows_the_days_since_an_evenings_order_is_not_called_over(evenings):
    def ended(day):
        raise ConfigError("the trading calendar ends")

    ledger = works(books(), time=moment("20:00", DAY))
    assert left_over(ledger, DAY + timedelta(5), ended) == []
