"""Bars through the engine to a paper account that is told only of those that it needs."""

import pytest
from builders import DAY, NEXT_DAY, a_bar
from stage import SYMBOL, Recorder, engine

from qka.model.events import Fill
from qka.model.times import at


class At(Recorder):
    """Buys a hundred when the bar of a moment ends; keeps its fills and the bars as they come."""

    symbols, bars = [SYMBOL], "1m"

    def __init__(self, *moments):
        self.moments = moments

    def on_bar(self, bar):
        self.heard.append(bar.time)
        if bar.time in self.moments:
            self.buy(SYMBOL, 100, 10.5)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([at(DAY, "10:04")], id="after bars that nobody waited for"),
        pytest.param([at(DAY, "10:02"), at(DAY, "10:06")], id="and again when the first is done"),
        pytest.param([at(NEXT_DAY, "10:02")], id="on another day"),
    ],
)
def test_an_order_fills_with_the_next_bar_however_quiet_it_was_before(moments):
    bars = [
        a_bar(10.0, time=at(day, f"10:{minute:02}"))
        for day in (DAY, NEXT_DAY)
        for minute in range(1, 11)
    ]
    strategy = At(*moments)
    engine(bars, strategy).run()
    times = [one if isinstance(one, int) else "fill" for one in strategy.heard
             if isinstance(one, int | Fill)]  # fmt: skip
    # when a bar is heard, what it filled is booked and told of right behind it
    for moment in moments:
        following = times.index(moment) + 1
        assert "fill" in times[following : following + 2]


def test_a_days_first_bar_is_its_first_also_after_a_quiet_day():
    """An order of before the open has the opening in that bar, and one within the day has not."""
    bars = [
        a_bar(10.0, time=at(day, f"09:{minute}")) for day in (DAY, NEXT_DAY) for minute in (31, 32)
    ]
    strategy = At(at(NEXT_DAY, "09:31"))
    summary = engine(bars, strategy).run()
    assert summary["fills"] == 1  # by the second bar, which began when it was made
