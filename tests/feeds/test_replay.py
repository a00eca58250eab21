"""Recorded files: recognised by their columns, merged by time, damage named with file and row."""

import gzip
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from qka.clock import ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds import formats, replay
from qka.feeds.replay import ReplayFeed
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.market import Bar, Quote
from qka.model.times import MINUTE, at, show

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.exists(), reason="real market data is not beside the project")
T0 = 1767576660000  # 2026-01-05 09:31 in Shanghai, ms
HEAD = "time,open,high,low,close,volume,amount"


def bar_rows(count, close=10.0, start=T0, lots=5):
    return [
        f"{start + i * 60000},{close},{close},{close},{close},{lots},{close * lots * 100}"
        for i in range(count)
    ]


def write(path, rows, head=HEAD):
    text = "\n".join([head, *rows]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


async def replayed(path, symbols=(), **options):
    feed = ReplayFeed(path, ReplayClock(), **options)
    await feed.open(list(symbols))
    seen = []
    try:
        await feed.run(seen.append)
    finally:
        await feed.close()
    return seen


async def damaged(path):
    """What came before the damage, and its message."""
    feed, seen = ReplayFeed(path, ReplayClock()), []
    await feed.open([])
    with pytest.raises(DataError) as error:
        await feed.run(seen.append)
    await feed.close()
    return seen, str(error.value)


MINUTE_2018 = "minute/sz000001_201801_1m_dolphindb.csv.gz"
STOCKS = "daily/stock_daily_unadjusted_baostock.csv.gz"
REAL = [
    ("xt_tick/600519.SH_20230201.csv.gz", "600519.SH", "quote", "2023-02-01 08:45:18", 5109),
    ("minute/qmt_1m/000725.SZ.csv.gz", "000725.SZ", "1m", "2025-11-12 09:30:00", 14942),
    (MINUTE_2018, "000001.SZ", "1m", "2018-01-02 09:31:00", 5040),
    ("daily/etf_daily_qfq_eastmoney.csv.gz", "510300.SH", "1d", "2012-05-28 15:00:00", None),
    ("daily/bse_daily_qfq_stocktradebyz.csv.gz", "920799.BJ", "1d", "2020-07-27 15:00:00", None),
    (STOCKS, "600000.SH", "1d", "2020-01-02 15:00:00", None),
]


@real
@pytest.mark.parametrize(("place", "symbol", "kind", "first", "count"), REAL)
async def test_real_files_are_recognised(place, symbol, kind, first, count):
    feed = ReplayFeed(DATA / place, ReplayClock())
    assert symbol in await feed.open([])
    assert feed.provides() == kind
    await feed.close()
    seen = await replayed(DATA / place, [symbol])
    assert show(seen[0].time) == first
    assert count in (None, len(seen))
    assert {event.symbol for event in seen} == {symbol}
    assert [e.time for e in seen] == sorted(e.time for e in seen)
    if kind != "quote":
        traded = [bar for bar in seen if bar.volume]
        near = [bar.amount / bar.volume / bar.close for bar in traded]
        assert 0.5 < sorted(near)[len(near) // 2] < 2  # volume is in shares whatever the file says


@real
async def test_a_real_tick_keeps_its_figures_and_units():
    seen = await replayed(DATA / "xt_tick" / "600519.SH_20230201.csv.gz")
    print_ = next(quote for quote in seen if quote.last)
    assert (print_.last, print_.volume, print_.phase) == (1854.98, 32800, 13)
    assert print_.ask_prices[:3] == [1854.98, 1854.99, 1855.0]
    assert print_.ask_lots[:3] == [2, 2, 64]
    assert (print_.limit_up, print_.limit_down) == (2030.34, 1661.18)


@real
async def test_a_folder_of_real_ticks_is_merged_by_time():
    seen = await replayed(DATA / "xt_tick", ["600103.SH", "688339.SH", "605128.SH"])
    assert {quote.symbol for quote in seen} == {"600103.SH", "688339.SH", "605128.SH"}
    assert [q.time for q in seen] == sorted(q.time for q in seen)


async def test_ties_keep_the_order_of_file_names(tmp_path):
    for symbol in ("600001.SH", "000002.SZ", "300003.SZ"):
        write(tmp_path / f"{symbol}.csv", bar_rows(3))
    seen = await replayed(tmp_path)
    assert [bar.symbol for bar in seen] == ["000002.SZ", "300003.SZ", "600001.SH"] * 3


@pytest.mark.parametrize("shape", ["csv", "csv.gz", "parquet"])
async def test_many_symbols_in_one_file_come_sorted_by_time(tmp_path, shape):
    rows = [f"{s},{row}" for s in ("600001.SH", "000002.SZ") for row in bar_rows(3)]
    path = tmp_path / f"all.{shape}"
    if shape == "parquet":
        table = [row.split(",") for row in rows]
        frame = pd.DataFrame(table, columns=["symbol", *HEAD.split(",")])
        frame.astype(dict.fromkeys(HEAD.split(","), float)).to_parquet(path)
    else:
        write(path, rows, head=f"symbol,{HEAD}")
    seen = await replayed(path)
    assert [(b.symbol, (b.time // MINUTE) % 10) for b in seen] == [
        (symbol, minute) for minute in (1, 2, 3) for symbol in ("600001.SH", "000002.SZ")
    ]
    assert {bar.volume for bar in seen} == {500}


async def test_more_files_than_may_be_open_are_sorted_in_bounded_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "OPEN_FILES", 3)
    monkeypatch.setattr(replay, "RUN", 10)
    symbols = [f"{600100 + i}.SH" for i in range(12)]
    for symbol in symbols:
        write(tmp_path / f"{symbol}.csv.gz", bar_rows(5))
    feed = ReplayFeed(tmp_path, ReplayClock())
    await feed.open([])
    folder = feed._folder
    assert len(list(folder.iterdir())) == 6
    seen = []
    await feed.run(seen.append)
    assert [b.symbol for b in seen] == symbols * 5
    await feed.close()
    assert not folder.exists()


DAMAGE = {
    "a bad number": ({3: "1767576840000,10,10,oops,10,5,5000"}, 5, "low is 'oops'"),
    "unsorted rows": ({3: bar_rows(1)[0]}, 5, "time goes back"),
    "high below low": ({2: "1767576780000,10,9,10,10,5,5000"}, 4, "high is below low"),
    "an empty price": ({2: "1767576780000,10,10,10,,5,5000"}, 4, "close is empty"),
    "a price of zero": ({2: "1767576780000,10,10,10,0,5,5000"}, 4, "not above zero"),
    "a negative volume": ({4: "1767576900000,10,10,10,10,-5,5000"}, 6, "volume is negative"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_named_with_file_and_row_after_the_good_rows_before_it(tmp_path, name):
    changes, row, words = DAMAGE[name]
    rows = bar_rows(8)
    for i, text in changes.items():
        rows[i] = text
    path = write(tmp_path / "600000.SH.csv", rows)
    seen, message = await damaged(path)
    assert len(seen) == row - 2
    assert f"600000.SH.csv: row {row}: " in message
    assert words in message
    told = []
    lenient = await replayed(path, strict=False, on_damage=told.append)
    assert len(lenient) == 7
    assert len(told) == 1
    assert f"row {row}: " in told[0]


async def test_damage_far_into_a_file_still_names_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "CHUNK", 10)
    rows = bar_rows(50)
    rows[33] = rows[33].replace(",10.0,", ",x,", 1)
    seen, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 33
    assert "row 35: open is 'x'" in message


async def test_a_truncated_gzip_gives_what_is_whole_and_names_where_it_ends(tmp_path):
    path = write(tmp_path / "600000.SH.csv.gz", bar_rows(5000, close=10.01))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen, message = await damaged(path)
    assert 100 < len(seen) < 5000
    assert f"600000.SH.csv.gz: row {len(seen) + 2}: " in message
    assert "cut off" in message


@pytest.mark.parametrize(
    ("head", "rows", "words"),
    [
        ("", [], "empty"),
        (HEAD, [], "empty"),
        ("time,open,high,low,volume", ["1,2,3,4,5"], "missing: close"),
        ("a,b,c", ["1,2,3"], "missing"),
    ],
)
async def test_an_unusable_file_is_named_before_anything_starts(tmp_path, head, rows, words):
    path = tmp_path / "600000.SH.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    with pytest.raises(DataError, match=r"600000\.SH\.csv") as error:
        await ReplayFeed(path, ReplayClock()).open([])
    assert words in str(error.value)


async def test_a_symbol_that_is_not_recorded_is_named_with_those_that_are(tmp_path):
    write(tmp_path / "600000.SH.csv", bar_rows(2))
    with pytest.raises(ConfigError, match=r"no 000001\.SZ; it has 600000\.SH"):
        await ReplayFeed(tmp_path, ReplayClock()).open(["000001.SZ"])


async def test_one_kind_at_a_time(tmp_path):
    write(tmp_path / "600000.SH.csv", bar_rows(2))
    write(tmp_path / "600001.SH.csv", ["2026-01-05,1,1,1,1,1"], "date,open,high,low,close,volume")
    with pytest.raises(ConfigError, match="one kind at a time"):
        await ReplayFeed(tmp_path, ReplayClock()).open([])


async def test_start_and_end_choose_days_and_history_is_what_came_before(tmp_path):
    rows = [f"2026-01-{day:02d},10,11,9,{day},100" for day in (5, 6, 7, 8, 9)]
    path = write(tmp_path / "600000.SH.csv", rows, "date,open,high,low,close,volume")
    options = {"start": date(2026, 1, 7), "end": date(2026, 1, 8), "strict": False}
    feed = ReplayFeed(path, ReplayClock(), **options)
    await feed.open([])
    assert feed.start == at(date(2026, 1, 7), "15:00")
    assert [bar.close for bar in feed.history("600000.SH", "1d", 10)] == [5.0, 6.0]
    assert feed.history("600000.SH", "1m", 10) == []
    seen = await replayed(path, **options)
    assert [(bar.close, bar.prev_close) for bar in seen] == [(7.0, 6.0), (8.0, 7.0)]


async def test_opening_twice_as_check_and_run_do_changes_nothing(tmp_path):
    path = write(tmp_path / "600000.SH.csv", bar_rows(3))
    assert await replayed(path) == await replayed(path)
    assert all(isinstance(bar, Bar) for bar in await replayed(path))


def test_a_tick_of_xtdata_becomes_a_quote_that_shares_its_levels():
    tick = {
        "time": T0,
        "lastPrice": 10.0,
        "open": 9.9,
        "high": 10.1,
        "low": 9.8,
        "lastClose": 9.7,
        "amount": 5.0e6,
        "volume": 5000,
        "openInt": 13,
        "askPrice": [10.01] * 5,
        "bidPrice": [10.0] * 5,
        "askVol": [1] * 5,
        "bidVol": [2] * 5,
    }
    quote = quote_from_xt("600000.SH", tick, 10.67, 8.73)
    assert quote.volume == 500_000
    assert quote.ask_prices is tick["askPrice"]
    assert quote.bid_volumes == [200] * 5
    assert show(quote.time) == "2026-01-05 09:31:00"
    assert quote_from_xt("600000.SH", {**tick, "pvolume": 500_042}).volume == 500_042
    del tick["time"]
    older = quote_from_xt("600000.SH", {**tick, "timetag": "20260105 09:31:00"})
    assert isinstance(older, Quote)
    assert older.time == quote.time
