"""The rule book against what the exchanges really did."""

from collections import Counter
from datetime import date

import pytest

from benchmarks.fills.feeds import DATA, Traded, Withdrawn, raw_days, rows
from qka.ashare.limits import price_limits
from qka.ashare.rows import Taking
from qka.ashare.sessions import span_at
from qka.model.market import Phase
from qka.model.symbol import Board, board_of
from qka.model.times import MILLISECOND, MINUTE, SECOND, at, show

recorded = pytest.mark.skipif(not DATA.exists(), reason=f"the recorded data is not here: {DATA}")

TRADING = {Phase.OPENING_CALL, Phase.CONTINUOUS, Phase.CLOSING_CALL}


# Listed within the daily data: their first sessions have limits of their own, or none.
LISTED = {"605499.SH": "2021-05-27", "688981.SH": "2020-07-16", "301269.SZ": "2022-07-29"}


@pytest.mark.parametrize(
    "path", sorted(DATA.glob("daily/*_unadjusted_*.csv.gz")), ids=lambda path: path.name
)
def test_highs_and_lows_of_all_real_stock_days_lie_within_the_limits(path):
    beyond, free, traded, suspended, at_up = [], 0, 0, 0, 0
    sessions = Counter()
    for row in rows(path):
        market, code = row["code"].split(".")
        symbol, day = f"{code}.{market.upper()}", date.fromisoformat(row["date"])
        if board_of(symbol) is Board.INDEX:
            continue
        if row["tradestatus"] != "1":  # it has no price
            suspended += 1
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
    assert at_up > traded / 1000  # it is reached to the cent, so it is not merely too wide
    if path.name == "stock_daily_unadjusted_baostock.csv.gz":
        assert traded + suspended == 37_102
        assert free == 10  # five sessions each of 688981 and 301269


@recorded
@pytest.mark.parametrize("path", sorted(DATA.glob("xt_tick/*.SZ_*.csv.gz")), ids=lambda p: p.stem)
def test_the_exchanges_own_limits_are_computed_to_the_cent(path):
    symbol, day = path.name[:9], date.fromisoformat(path.name[10:18])
    seen = {(r["lastClose"], r["upStop"], r["downStop"]) for r in rows(path)}
    assert {(float(up), float(down)) for _, up, down in seen} == {
        price_limits(symbol, float(close), day) for close, _, _ in seen
    }


@recorded
def test_the_phases_take_exactly_what_the_real_order_feeds_hold():
    """No order and no cancel at a time that takes none; and each time that does has some."""
    orders, cancels, spans = set(), set(), set()
    for raw in raw_days():
        start = at(raw.day, "00:00")
        spans |= {span_at(raw.symbol, start + minute * MINUTE) for minute in range(1440)}
        for message in raw.messages():
            if not isinstance(message, Traded):
                said = cancels if isinstance(message, Withdrawn) else orders
                said.add(span_at(raw.symbol, message.time))
    assert orders == {span for span in spans if span.limit is Taking.TAKEN}
    assert cancels == {span for span in spans if span.cancel is Taking.TAKEN}


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
