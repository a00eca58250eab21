"""Bars from quotes: QMT's labels, 241 a day, and volumes that sum exactly."""

import csv
import gzip
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qka.clock import ManualClock, ReplayClock
from qka.feeds.bars import PERIODS, BarBuilder
from qka.feeds.port import play
from qka.feeds.replay import ReplayFeed
from qka.feeds.simulated import SimulatedFeed
from qka.model.market import Bar, Phase, Quote
from qka.model.times import DAY as DAY_NS
from qka.model.times import MILLISECOND, SECOND, at, show

DATA = Path(__file__).parents[2].parent / "shared" / "data"
DAY = date(2026, 1, 5)
S = "600000.SH"


def tick(
    clock_time, last, volume, day=DAY, opened=10.0, high=None, low=None, amount=None, phase=13
):
    when = at(day, clock_time)
    amount = volume * 10.0 if amount is None else amount
    return Quote(
        S, when, last, opened, high or last, low or last, 10.0, volume, amount, phase,
        [0.0] * 5, [0] * 5, [0.0] * 5, [0] * 5,
    )  # fmt: skip


def built(quotes, *periods):
    """period -> its bars, the clock living every day to its end."""
    clock, bars = ManualClock(), defaultdict(list)
    builder = BarBuilder(clock, lambda bar: bars[bar.period].append(bar))
    for period in periods or ["1m"]:
        builder.watch(S, period)
    for quote in quotes:
        clock.advance(to=quote.time)
        builder.on_quote(quote)
    clock.advance(to=at(DAY, "23:59:59"))
    return bars


def label(bar):
    return show(bar.time)[11:16]


def test_labels_are_the_end_of_the_minute_and_the_auctions_have_theirs():
    quotes = [
        tick("09:25:00", 10.0, 100),
        tick("09:30:00", 10.1, 200),
        tick("09:30:59", 10.2, 300),
        tick("09:31:00", 10.3, 400),
        tick("11:30:01", 10.4, 500),
        tick("13:00:00", 10.5, 600),
        tick("15:00:02", 10.6, 700),
    ]
    bars = built(quotes)["1m"]
    traded = {label(bar): bar.volume for bar in bars if bar.volume}
    assert traded == {
        "09:30": 100,
        "09:31": 200,
        "09:32": 100,
        "11:30": 100,
        "13:01": 100,
        "15:00": 100,
    }
    assert len(bars) == 241
    second = bars[1]
    assert (second.open, second.high, second.low, second.close) == (10.1, 10.2, 10.1, 10.2)


def test_a_minute_without_a_quote_is_flat():
    bars = built([tick("09:30:10", 10.0, 100), tick("09:33:10", 10.5, 200)])["1m"]
    assert [(label(b), b.close, b.volume) for b in bars[:4]] == [
        ("09:31", 10.0, 100),
        ("09:32", 10.0, 0),
        ("09:33", 10.0, 0),
        ("09:34", 10.5, 100),
    ]


def test_before_its_first_trade_a_symbol_is_flat_at_the_previous_close():
    bars = built(
        [
            tick("09:25:03", 0.0, 0),
            tick("09:40:00", 0.0, 0),
            tick("09:45:10", 10.6, 1000, opened=10.6, high=10.7, low=10.5),
            tick("15:00:03", 10.2, 3000),
        ],
        *PERIODS,
    )
    counts = {period: len(bars[period]) for period in PERIODS}
    assert counts == {"1m": 241, "5m": 48, "15m": 16, "30m": 8, "60m": 4, "1d": 1}
    early = bars["1m"][:16]
    assert (label(early[0]), label(early[-1])) == ("09:30", "09:45")
    assert {(b.open, b.high, b.low, b.close, b.volume) for b in early} == {(10, 10, 10, 10, 0)}
    first = bars["1m"][16]
    assert (label(first), first.high, first.low, first.close) == ("09:46", 10.7, 10.5, 10.6)
    assert {sum(b.volume for b in bars[period]) for period in PERIODS} == {3000}
    assert bars["1d"][0].low == 10.2  # the flat minutes are no trades


def test_a_symbol_that_never_trades_is_flat_all_day():
    bars = built([tick("09:20:00", 0.0, 0)])["1m"]
    assert len(bars) == 241
    assert {(b.close, b.volume, b.prev_close) for b in bars} == {(10.0, 0, 10.0)}


def test_a_symbol_first_seen_in_the_middle_of_its_day_has_no_bars_before():
    bars = built([tick("10:00:10", 10.4, 5000)])["1m"]
    assert (label(bars[0]), bars[0].volume) == ("10:01", 5000)


def test_a_new_high_between_two_snapshots_is_in_the_bar():
    quotes = [tick("09:30:10", 10.0, 100), tick("09:30:20", 10.0, 200, high=10.4, low=9.7)]
    (first, *_) = built(quotes)["1m"]
    assert (first.high, first.low, first.close) == (10.4, 9.7, 10.0)


def test_a_bar_closes_by_the_clock_when_no_quote_comes():
    clock, bars = ManualClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch(S, "1m")
    clock.advance(to=at(DAY, "09:30:10"))
    builder.on_quote(tick("09:30:10", 10.0, 100))
    clock.advance(to=at(DAY, "09:31:02"))
    assert bars == []
    clock.advance(to=at(DAY, "09:31:03"))
    assert [label(bar) for bar in bars] == ["09:31"]


def test_a_late_quote_is_counted_into_the_next_bar():
    clock, bars = ManualClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch(S, "1m")
    builder.on_quote(tick("09:30:10", 10.0, 100))
    clock.advance(to=at(DAY, "09:31:10"))
    builder.on_quote(tick("09:30:59", 10.1, 300))
    builder.on_quote(tick("09:31:30", 10.2, 350))
    clock.advance(to=at(DAY, "16:00"))
    assert [(label(b), b.volume) for b in bars[:2]] == [("09:31", 100), ("09:32", 250)]
    assert sum(b.volume for b in bars) == 350


@pytest.mark.parametrize(
    ("phase", "complete"),
    [
        pytest.param(Phase.CLOSED, "15:31", id="the exchange says closed"),
        pytest.param(Phase.CONTINUOUS, "23:59:59", id="it does not"),
    ],
)
def test_a_days_last_bars_are_complete_when_nothing_more_can_trade(phase, complete):
    clock, bars = ManualClock(), []
    builder = BarBuilder(clock, bars.append)
    for period in ("5m", "1d"):
        builder.watch(S, period)
    builder.on_quote(tick("09:25:00", 10.0, 100))
    clock.advance(to=at(DAY, "15:00:03"))
    builder.on_quote(tick("15:00:03", 10.1, 500, phase=phase))
    clock.advance(to=at(DAY, complete) - 1)
    assert "15:00" not in {label(bar) for bar in bars}
    clock.advance(to=at(DAY, complete))
    assert [(b.period, label(b), b.volume) for b in bars[-2:]] == [
        ("5m", "15:00", 400),
        ("1d", "15:00", 500),
    ]


def test_volume_that_is_told_long_after_the_close_is_not_lost():
    quotes = [
        tick("09:25:03", 10.0, 100),
        tick("15:00:03", 10.2, 3000),
        tick("15:31:05", 10.2, 3500),
        tick("15:40:00", 10.2, 3600),
    ]
    bars = built(quotes, *PERIODS)
    assert {sum(b.volume for b in bars[period]) for period in PERIODS} == {3600}
    assert len(bars["1m"]) == 241


def mills(amount):
    return round(amount * 1000)


told = st.tuples(
    st.integers(0, 23 * 3600 + 1800),  # seconds after midnight
    st.integers(0, 5000),  # more shares
    st.integers(0, 10**7),  # more mills
    st.sampled_from([0.0, 9.9, 10.0, 10.3]),
)


@settings(deadline=None)
@given(st.lists(told, max_size=40), st.booleans())
@example([(33_900, 0, 0, 9.9), (41_403, 0, 1, 0.0)], False)  # a late correction of the money only
def test_whenever_quotes_come_a_days_bars_add_up_to_their_last_figures(moves, in_two_days):
    clock, bars, last = ManualClock(), defaultdict(list), {}
    builder = BarBuilder(clock, lambda bar: bars[bar.time // DAY_NS, bar.period].append(bar))
    for period in PERIODS:
        builder.watch(S, period)
    for day in (DAY, date(2026, 1, 6))[: 1 + in_two_days]:
        volume = amount = 0
        traded = False
        for seconds, shares, money, price in sorted(moves):
            traded |= price > 0
            price = price or (10.1 if traded else 0.0)
            if price and seconds >= 9 * 3600 + 25 * 60:
                volume, amount = volume + shares, amount + money
            clock.advance(to=at(day, "00:00") + seconds * SECOND)
            moment = show(clock.now())[11:]
            builder.on_quote(tick(moment, price, volume, day, amount=amount / 1000))
        last[at(day, "15:00") // DAY_NS] = volume, amount
    clock.advance(to=at(date(2026, 1, 6), "23:59:59"))
    for number, (volume, amount) in last.items():
        for period in PERIODS:
            mine = bars[number, period]
            assert sum(bar.volume for bar in mine) == volume
            assert sum(mills(bar.amount) for bar in mine) == amount
            times = [bar.time for bar in mine]
            assert times == sorted(set(times))
            for b in mine:
                assert b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high


def test_longer_periods_hold_the_auction_in_their_first_bar():
    quotes = [tick("09:25:00", 10.0, 100), tick("09:34:59", 10.1, 300), tick("15:00:01", 10, 900)]
    bars = built(quotes, *PERIODS)
    counts = {period: len(bars[period]) for period in PERIODS}
    assert counts == {"1m": 241, "5m": 48, "15m": 16, "30m": 8, "60m": 4, "1d": 1}
    assert (label(bars["5m"][0]), bars["5m"][0].volume) == ("09:35", 300)
    assert [label(bar) for bar in bars["60m"]] == ["10:30", "11:30", "14:00", "15:00"]
    assert {sum(b.volume for b in bars[period]) for period in PERIODS} == {900}


def test_two_days_do_not_mix():
    clock, bars = ReplayClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch(S, "1d")
    tomorrow = date(2026, 1, 6)
    for quote in [tick("09:30:10", 10.0, 500), tick("09:30:10", 11.0, 70, day=tomorrow)]:
        while clock.fire(quote.time):
            pass
        builder.on_quote(quote)
    while clock.fire(at(tomorrow, "23:59:59")):
        pass
    assert [(show(b.time), b.volume) for b in bars] == [
        ("2026-01-05 15:00:00", 500),
        ("2026-01-06 15:00:00", 70),
    ]


def test_one_minute_bars_make_the_longer_ones():
    clock, bars = ManualClock(), defaultdict(list)
    builder = BarBuilder(clock, lambda bar: bars[bar.period].append(bar))
    for period in ("5m", "1d"):
        builder.watch(S, period)
    labels = ["09:30"] + [f"09:{m}" for m in range(31, 41)] + ["14:59", "15:00"]
    for i, name in enumerate(labels):
        close = 10 + i / 100
        builder.on_bar(Bar(S, at(DAY, name), "1m", 10.0, close, 10.0, close, 100, 1000.0, 9.9))
    assert [(label(b), b.volume) for b in bars["5m"][:2]] == [("09:35", 600), ("09:40", 500)]
    (day,) = bars["1d"]
    assert (label(day), day.volume, day.open, day.close) == ("15:00", 1300, 10.0, 10.12)


@pytest.mark.parametrize("seed", [1, 8])
async def test_a_simulated_days_bars_sum_exactly_to_its_quotes(seed):
    clock = ReplayClock()
    feed = SimulatedFeed(clock, seed=seed)
    symbols = await feed.open([])
    clock.begin(feed.start)
    bars, last = defaultdict(list), {}
    builder = BarBuilder(clock, lambda bar: bars[bar.symbol, bar.period].append(bar))
    for symbol in symbols:
        for period in PERIODS:
            builder.watch(symbol, period)

    def report(quote):
        last[quote.symbol] = quote
        builder.on_quote(quote)

    await feed.run(report)
    for symbol in symbols:
        assert len(bars[symbol, "1m"]) == 241
        for period in PERIODS:
            assert sum(b.volume for b in bars[symbol, period]) == last[symbol].volume


@pytest.mark.skipif(not DATA.exists(), reason="real market data is not beside the project")
async def test_a_real_days_bars_sum_exactly_to_its_quotes():
    quotes = []
    with gzip.open(DATA / "xt_tick" / "600519.SH_20230201.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            prices = [float(row[k]) for k in ("lastPrice", "open", "high", "low", "lastClose")]
            quotes.append(
                Quote(
                    "600519.SH", int(row["time"]) * MILLISECOND, *prices, int(row["pvolume"]),
                    float(row["amount"]), int(row["openInt"]), [0.0] * 5, [0] * 5, [0.0] * 5,
                    [0] * 5,
                )
            )  # fmt: skip
    clock, bars = ReplayClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch("600519.SH", "1m")
    clock.begin(quotes[0].time)
    await play([quotes], clock, builder.on_quote)
    assert len(bars) == 241
    assert (label(bars[0]), bars[0].open, bars[0].volume) == ("09:30", 1854.98, 32800)
    assert (label(bars[-2]), bars[-2].volume) == ("14:59", 0)
    assert sum(bar.volume for bar in bars) == quotes[-1].volume
    assert sum(mills(bar.amount) for bar in bars) == mills(quotes[-1].amount)
    assert max(bar.high for bar in bars) == quotes[-1].high
    assert min(bar.low for bar in bars) == quotes[-1].low


@pytest.mark.skipif(not DATA.exists(), reason="real market data is not beside the project")
async def test_a_real_symbol_that_no_call_auction_traded_has_its_241_bars():
    clock, bars = ReplayClock(), []
    feed = ReplayFeed(DATA / "xt_tick" / "688218.SH_20211201am.csv.gz", clock)
    (symbol,) = await feed.open([])
    builder = BarBuilder(clock, bars.append)
    builder.watch(symbol, "1m")
    clock.begin(feed.start)
    await feed.run(builder.on_quote)
    await feed.close()
    assert len(bars) == 241
    assert (label(bars[0]), bars[0].close, bars[0].volume) == ("09:30", 15.25, 0)
    assert (label(bars[1]), bars[1].open) == ("09:31", 15.2)


def test_a_day_of_one_minute_bars_that_breaks_off_still_ends():
    clock, bars = ManualClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch(S, "1d")
    builder.on_bar(Bar(S, at(DAY, "14:57"), "1m", 10.0, 10.0, 10.0, 10.0, 100, 1000.0, 9.9))
    clock.advance(to=at(DAY, "15:31"))
    assert [(show(b.time), b.volume) for b in bars] == [("2026-01-05 15:00:00", 100)]


def test_a_period_watched_during_the_day_has_the_days_labels():
    clock, bars = ManualClock(), []
    builder = BarBuilder(clock, bars.append)
    builder.watch(S, "1m")
    builder.on_quote(tick("09:30:10", 10.0, 100))
    builder.watch(S, "5m")
    builder.on_quote(tick("09:31:30", 10.0, 300))
    clock.advance(to=at(DAY, "16:00"))
    first = next(bar for bar in bars if bar.period == "5m")
    assert (show(first.time), first.volume) == ("2026-01-05 09:35:00", 200)
