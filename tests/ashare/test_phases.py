"""The phases of the exchange day."""

import pytest
from builders import DAY, moment

from qka.ashare.sessions import cancels_taken, phase_at, phases_of
from qka.model.market import Phase
from qka.model.times import midnight

BOUNDARIES = [
    ("09:15", Phase.PRE_OPEN, Phase.OPENING_CALL),
    ("09:25", Phase.OPENING_CALL, Phase.BREAK),
    ("09:30", Phase.BREAK, Phase.CONTINUOUS),
    ("11:30", Phase.CONTINUOUS, Phase.BREAK),
    ("13:00", Phase.BREAK, Phase.CONTINUOUS),
    ("14:57", Phase.CONTINUOUS, Phase.CLOSING_CALL),
    ("15:00", Phase.CLOSING_CALL, Phase.POST_CLOSE),
    ("15:30", Phase.POST_CLOSE, Phase.CLOSED),
]


@pytest.mark.parametrize(("clock_time", "before", "after"), BOUNDARIES)
def test_a_phase_begins_at_its_boundary_and_not_a_nanosecond_before(clock_time, before, after):
    assert phase_at(moment(clock_time) - 1) is before
    assert phase_at(moment(clock_time)) is after


def test_a_day_begins_before_the_open_and_ends_closed():
    assert phase_at(midnight(DAY)) is Phase.PRE_OPEN
    assert phase_at(moment("23:59:59")) is Phase.CLOSED


def test_the_phases_of_a_day_come_in_order_each_at_its_moment():
    expected = [(midnight(DAY), Phase.PRE_OPEN)]
    expected += [(moment(clock_time), after) for clock_time, _, after in BOUNDARIES]
    assert phases_of(DAY) == expected


@pytest.mark.parametrize(
    ("clock_time", "taken"),
    [
        ("09:19:59.999999", True),
        ("09:20", False),
        ("09:24:59.999999", False),
        ("09:25", True),
        ("10:00", True),
        ("14:56:59.999999", True),
        ("14:57", False),
        ("14:59:59.999999", False),
        ("15:00", True),
    ],
)
def test_cancels_rest_while_an_auction_is_decided(clock_time, taken):
    assert cancels_taken(moment(clock_time)) is taken
