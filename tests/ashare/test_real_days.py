"""The rule book against what the exchanges really did."""

import csv
import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from qka.ashare.limits import price_limits
from qka.ashare.rows import Taking
from qka.ashare.sessions import span_at
from qka.model.market import Phase
from qka.model.symbol import Board, board_of
from qka.model.times import MILLISECOND, SECOND, at, show, time_of_day

DATA = Path(__file__).parents[2].parent / "shared/data"
if not DATA.exists():
    DATA = Path("/nowhere")
recorded = pytest.mark.skipif(not DATA.exists(), reason=f"the recorded data is not here: {DATA}")

TRADING = {Phase.OPENING_CALL, Phase.CONTINUOUS, Phase.CLOSING_CALL}


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


# Listed within the daily data: their first sessions have limits of their own, or none.
LISTED = {"605499.SH": "2021-05-27", "688981.SH": "2020-07-16", "301269.SZ": "2022-07-29"}


@recorded
def test_highs_and_lows_of_all_real_stock_days_lie_within_the_limits():
    beyond, free, traded, at_up = [], 0, 0, 0
    sessions = Counter()
    for row in rows(DATA / "daily/stock_daily_unadjusted_baostock.csv.gz"):
        market, code = row["code"].split(".")
        symbol, day = f"{code}.{market.upper()}", date.fromisoformat(row["date"])
        if board_of(symbol) is Board.INDEX or row["tradestatus"] != "1":
            continue
        sessions[symbol] += row["date"] >= LISTED.get(symbol, "9999")
        listed = sessions[symbol] if sessions[symbol] < 6 else 0
        st = row["isST"] == "1"
        limits = price_limits(symbol, float(row["preclose"]), day, st=st, listed=listed)
        traded += 1
        if limits is None:
            free += 1
            continue
        high, low = float(row["high"]), float(row["low"])
        if high > limits[0] or low < limits[1]:
            beyond.append((symbol, row["date"], low, high, limits))
        at_up += high == limits[0]
    assert beyond == []
    assert free == 10  # five sessions each of 688981 and 301269
    assert traded == 37_102 - 67  # suspended ones have no price
    assert at_up > 100  # the limit is reached to the cent, so it is not merely too wide


@recorded
@pytest.mark.parametrize("path", sorted(DATA.glob("xt_tick/*.SZ_*.csv.gz")), ids=lambda p: p.stem)
def test_the_exchanges_own_limits_are_computed_to_the_cent(path):
    symbol, day = path.name[:9], date.fromisoformat(path.name[10:18])
    seen = {(r["lastClose"], r["upStop"], r["downStop"]) for r in rows(path)}
    assert {(float(up), float(down)) for _, up, down in seen} == {
        price_limits(symbol, float(close), day) for close, _, _ in seen
    }


def entrusts():
    """Every order and cancel of the real order feeds: symbol, moment, whether it is a cancel."""
    for row in rows(DATA / "l2/sse_600519_20230201/entrust.csv.gz"):
        yield "600519.SH", moment(date(2023, 2, 1), row["OrderTime"]), row["OrderType"] == "D"
    for path in sorted(DATA.glob("l2/sse_20230711/*_orders.csv.gz")):
        for row in rows(path):
            when = moment(date(2023, 7, 11), row["MDTime"])
            yield path.name[:9], when, row["OrderType"] == "10"


def moment(day, clock_time):
    hours, minutes, seconds = clock_time.split(":")
    elapsed = (int(hours) * 60 + int(minutes)) * 60 + float(seconds)
    return at(day, "00:00") + round(elapsed * 1000) * MILLISECOND


@recorded
def test_the_phases_take_exactly_what_the_real_order_feeds_hold():
    orders, cancels, days = Counter(), Counter(), set()
    for symbol, when, cancel in entrusts():
        span = span_at(symbol, when)
        (cancels if cancel else orders)[span.start] += 1
        days.add((symbol, when - time_of_day(when)))
    symbol, midnight = next(iter(days))
    spans = {span_at(symbol, midnight + minute * 60_000 * MILLISECOND) for minute in range(1440)}
    assert set(orders) == {span.start for span in spans if span.limit is Taking.TAKEN}
    assert set(cancels) == {span.start for span in spans if span.cancel is Taking.TAKEN}
    assert sum(orders.values()) > 70_000
    assert sum(cancels.values()) > 20_000


@recorded
@pytest.mark.parametrize("path", sorted(DATA.glob("xt_tick/*.csv.gz")), ids=lambda p: p.stem)
def test_snapshots_are_in_the_phase_that_the_timetable_says(path):
    """Where it trades; in the breaks each feed has a word of its own."""
    symbol, off = path.name[:9], []
    for row in rows(path):
        when = int(row["time"]) * MILLISECOND
        now, before = span_at(symbol, when), span_at(symbol, when - SECOND)
        if now.phase in TRADING and Phase(int(row["openInt"])) not in (now.phase, before.phase):
            off.append((row["openInt"], show(when)))
    assert off == []
