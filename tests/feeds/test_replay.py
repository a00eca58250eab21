"""Recorded files: recognised by their columns, merged by time, damage named with file and row."""

import json
import random
import re
import tempfile
import zlib
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from recordings import (
    DAILY,
    HEAD,
    LEVELS,
    T0,
    TICKS,
    bar_rows,
    blocks,
    daily_rows,
    damaged,
    replayed,
    tick_row,
    write,
)

from qka.clock import ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds.recorded import merge, recording, runs
from qka.feeds.recorded import rows as recorded_rows
from qka.feeds.replay import ReplayFeed
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.market import Bar, Quote
from qka.model.times import MINUTE, at, show

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.exists(), reason="real market data is not beside the project")
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
    monkeypatch.setattr(recording, "OPEN_FILES", 3)
    monkeypatch.setattr(runs, "RUN", 10)
    symbols = [f"{600100 + i}.SH" for i in range(12)]
    for symbol in symbols:
        write(tmp_path / f"{symbol}.csv.gz", bar_rows(5))
    feed, before = ReplayFeed(tmp_path, ReplayClock()), temporary()
    await feed.open([])
    (folder,) = temporary() - before
    assert len(list(folder.iterdir())) == 2  # six runs of ten rows, merged three at a time
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
    monkeypatch.setattr(recorded_rows, "CHUNK", 10)
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
        (HEAD, [], "there are no rows"),
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
    rows = [f"2026-01-{day:02d},9,11,4,{day},100" for day in (5, 6, 7, 8, 9)]
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


def temporary(folder=None):
    return set(Path(folder or tempfile.gettempdir()).glob("qka-replay-*"))


@real
@pytest.mark.parametrize(
    ("place", "count"), [("xt_tick", 19), ("minute/qmt_1m", 15), ("minute", 16), ("daily", None)]
)
async def test_every_real_folder_of_one_kind_replays_in_order(place, count):
    feed, last, symbols = ReplayFeed(DATA / place, ReplayClock()), 0, set()
    told = await feed.open([])

    def look(event):
        nonlocal last
        assert event.time >= last
        last = event.time
        symbols.add(event.symbol)

    await feed.run(look)
    assert feed.progress() == 1.0
    await feed.close()
    assert sorted(symbols) == list(told)
    assert count in (None, len(symbols))


@real
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("tick/sz000001_5level_3s_20210823.csv.gz", "close, high, low, open"),
        ("snapshot/qmt_open_auction_20260305.csv.gz", "close, high, low"),
        ("l2/sse_600519_20230201/trade.csv.gz", "missing"),
    ],
)
async def test_real_files_that_are_no_events_say_which_columns_they_lack(place, words):
    with pytest.raises(DataError, match=r"row 1: .*columns are missing") as error:
        await ReplayFeed(DATA / place, ReplayClock()).open([])
    assert words in str(error.value)


@real
async def test_float_noise_of_real_minute_bars_is_gone():
    seen = await replayed(DATA / "minute" / "qmt_1m" / "600519.SH.csv.gz")
    assert all(bar.close == round(bar.close, 3) for bar in seen)
    opening = seen[0]
    assert (opening.volume, opening.amount, opening.period) == (24700, 36061506.0, "1m")


@real
async def test_real_suspended_days_are_left_out_and_preclose_is_kept():
    raw = pd.read_csv(DATA / STOCKS, dtype=str)
    wanted = raw[(raw["code"] == "sh.600000") & (raw["tradestatus"] != "0")]
    assert (raw["tradestatus"] == "0").any()
    seen = await replayed(DATA / STOCKS, ["600000.SH"])
    assert [bar.volume for bar in seen] == wanted["volume"].astype(int).tolist()
    assert [bar.prev_close for bar in seen] == wanted["preclose"].astype(float).tolist()


@pytest.mark.parametrize(
    ("head", "tail", "shares"),
    [
        ("", "", 100),  # nobody can tell: shares
        (",amount", ",100000", 10000),
        (",amount", ",1000", 100),
    ],
)
async def test_volume_is_in_shares_whatever_the_file_counts_in(tmp_path, head, tail, shares):
    rows = [f"2026-01-0{day},10,10,10,10,100{tail}" for day in (5, 6)]
    seen = await replayed(write(tmp_path / "600000.SH.csv", rows, DAILY + head))
    assert [bar.volume for bar in seen] == [shares] * 2
    assert {bar.amount for bar in seen} == {shares * 10.0}


async def test_a_byte_order_mark_and_a_text_time_are_read(tmp_path):
    path = tmp_path / "600000.SH.csv"
    text = f"datetime,{HEAD.partition(',')[2]}\n2026-01-05 09:35:00,1,1,1,1,1,100\n"
    path.write_text(text + "2026-01-05 09:40:00,1,1,1,1,1,100\n", encoding="utf-8-sig")
    seen = await replayed(path)
    assert [(show(bar.time), bar.period) for bar in seen] == [
        ("2026-01-05 09:35:00", "5m"),
        ("2026-01-05 09:40:00", "5m"),
    ]


@pytest.mark.parametrize("shape", ["csv", "parquet"])
async def test_ticks_with_lists_of_levels_get_limits_by_the_rule_book(tmp_path, shape):
    path = write(tmp_path / "600000.SH.csv", [tick_row(i, i) for i in range(3)], TICKS)
    if shape == "parquet":
        frame = pd.read_csv(path, converters=dict.fromkeys(LEVELS, json.loads))
        path.unlink()
        path = tmp_path / "600000.SH.parquet"
        frame.to_parquet(path)
    seen = await replayed(path)
    assert [quote.volume for quote in seen] == [0, 100, 200]
    assert seen[0].ask_prices == [10.01, 10.02, 0.0, 0.0, 0.0]
    assert seen[0].bid_lots == [3, 4, 0, 0, 0]
    assert (seen[0].limit_up, seen[0].limit_down) == (10.67, 8.73)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (tick_row(2, 1), "cumulative volume goes back"),
        (tick_row(2, -5), "volume is negative"),
        (tick_row(2, 30, last=""), "lastPrice is empty"),
        (tick_row(2, 30).replace("[10.01,", "[x,", 1), "askPrice1 is 'x'"),
        (tick_row(2, 30).replace('"[10.01, 10.02, 0, 0, 0]"', "", 1), "askPrice1 is empty"),
    ],
)
async def test_damaged_ticks_are_named(tmp_path, bad, words):
    rows = [tick_row(0, 10), tick_row(1, 20), bad, tick_row(3, 40)]
    path = write(tmp_path / "600000.SH.csv", rows, TICKS)
    seen, message = await damaged(path)
    assert len(seen) == 2
    assert "600000.SH.csv: row 4: " in message
    assert words in message
    told = []
    lenient = await replayed(path, strict=False, on_damage=told.append)
    assert [quote.volume for quote in lenient] == [1000, 2000, 4000]
    assert len(told) == 1


async def test_a_new_day_begins_its_volume_anew(tmp_path):
    rows = [tick_row(0, 500), tick_row(0, 1, start=T0 + 86_400_000)]
    seen = await replayed(write(tmp_path / "600000.SH.csv", rows, TICKS))
    assert [quote.volume for quote in seen] == [50000, 100]


async def test_infinity_is_no_number(tmp_path):
    rows = bar_rows(4)
    rows[2] = "1767576780000,10,10,10,10,inf,5000"
    seen, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 2
    assert "row 4: volume is inf" in message


async def test_blank_lines_are_counted_as_an_editor_counts_them(tmp_path):
    rows = [*bar_rows(3), "", "", "1767576840000,10,10,10,x,5,5000", "", ""]
    seen, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 3
    assert "row 7: close is 'x'" in message


@pytest.mark.parametrize("chunk", [2, 1000])
async def test_lines_with_too_many_cells_are_damage_like_any_other(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    rows = bar_rows(12)
    rows[4] += ",1"
    rows[7] += ",1"
    rows[9] = rows[9].replace(",10.0,", ",x,", 1)
    path = write(tmp_path / "600000.SH.csv", rows)
    seen, message = await damaged(path)
    assert len(seen) == 4
    assert "row 6: it has too many cells" in message
    told = []
    lenient = await replayed(path, strict=False, on_damage=told.append)
    assert len(lenient) == 9
    assert [re.search(r"row (\d+):", text).group(1) for text in told] == ["6", "11"]
    assert "with 1 more such" in told[0]


@pytest.mark.parametrize("chunk", [2, 3, 1000])
@pytest.mark.parametrize(
    ("days", "good", "words"),
    [
        ([5, 28, 6, 7, 9], [5, 6, 7, 9], "row 3: time is ahead of the rows after it"),
        ([5, 6, 7, 5, 9], [5, 6, 7, 9], "row 5: time goes back"),
        ([5, 6, 6, 7], [5, 6, 7], "row 4: time is the same as in a row before"),
        ([5, 6, 7, 6], [5, 6, 7], "row 5: time goes back"),
    ],
)
async def test_of_rows_out_of_order_the_fewest_are_damage(
    tmp_path, monkeypatch, chunk, days, good, words
):
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    path = write(tmp_path / "600000.SH.csv", daily_rows(days), DAILY)
    told = []
    seen = await replayed(path, strict=False, on_damage=told.append)
    assert [int(show(bar.time)[8:10]) for bar in seen] == good
    (line,) = told
    assert words in line
    with pytest.raises(DataError, match=words):
        await replayed(path)


@pytest.mark.parametrize("chunk", [7, 64, 100_000])
async def test_a_cut_gzip_is_used_up_to_the_cut_whatever_the_chunks(tmp_path, monkeypatch, chunk):
    path = write(tmp_path / "600000.SH.csv.gz", bar_rows(3000, close=10.01))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole = zlib.decompressobj(31).decompress(path.read_bytes()).decode().count("\n") - 1
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    told = []
    seen = await replayed(path, strict=False, on_damage=told.append)
    assert whole - 1 <= len(seen) <= whole
    assert len(told) == 1
    assert f"row {len(seen) + 2}: the file is cut off" in told[0]


async def test_damage_in_a_file_of_blocks_stops_the_replay_at_its_own_time(tmp_path):
    rows = blocks()
    rows[6] = rows[6].replace(",9,10", ",9,x10")
    path = write(tmp_path / "all.csv", rows, f"code,{DAILY}")
    seen, message = await damaged(path)
    assert [show(bar.time)[8:10] for bar in seen] == ["05", "05", "06", "06"]
    assert "all.csv: row 8: close is 'x10.07'" in message
    told = []
    lenient = await replayed(path, strict=False, on_damage=told.append)
    assert len(lenient) == 7
    assert len(told) == 1


async def test_a_code_that_is_no_symbol_is_damage(tmp_path):
    rows = [f"{code},{row}" for code, row in zip(["510300", "zz"], daily_rows([5, 6]), strict=True)]
    seen, message = await damaged(write(tmp_path / "x.csv", rows, f"code,{DAILY}"))
    assert len(seen) == 1
    assert "row 3: code is 'zz', not a symbol" in message


async def test_history_of_a_file_of_blocks_comes_from_before_the_start(tmp_path):
    path = write(tmp_path / "all.csv", blocks(), f"code,{DAILY}")
    feed = ReplayFeed(path, ReplayClock(), start=date(2026, 1, 7))
    await feed.open([])
    assert [bar.close for bar in feed.history("000001.SZ", "1d", 9)] == [10.05, 10.06]
    assert [bar.close for bar in feed.history("600000.SH", "1d", 1)] == [10.06]
    assert all(bar.time < feed.start for bar in feed.history("600000.SH", "1d", 1000))
    await feed.close()


async def test_temporary_runs_are_removed_also_when_the_replay_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    rows = blocks()
    rows[6] = rows[6].replace(",9,10", ",9,x10")
    path = write(tmp_path / "all.csv", rows, f"code,{DAILY}")
    feed = ReplayFeed(path, ReplayClock())
    await feed.open([])
    assert temporary()
    with pytest.raises(DataError):
        await feed.run(lambda event: None)
    await feed.close()
    await feed.close()
    assert not temporary()


async def test_a_file_of_many_symbols_that_is_sorted_needs_no_run(tmp_path):
    rows = sorted(blocks(), key=lambda row: row.split(",")[1])
    feed = ReplayFeed(write(tmp_path / "all.csv", rows, f"code,{DAILY}"), ReplayClock())
    before = temporary()
    await feed.open([])
    assert temporary() == before


@pytest.mark.parametrize(("chunk", "files"), [(1, 100), (3, 100), (7, 100), (4, 2)])
async def test_merging_is_a_stable_sort_whatever_the_chunks(tmp_path, monkeypatch, chunk, files):
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    monkeypatch.setattr(recording, "OPEN_FILES", files)
    monkeypatch.setattr(runs, "RUN", 16)
    dice, expected = random.Random(chunk), []
    for symbol in [f"{600100 + i}.SH" for i in range(7)]:
        times = sorted(dice.sample(range(40), k=dice.randint(20, 35)))
        rows = [f"{T0 + t * 60000},1,1,1,1,{i + 1},1" for i, t in enumerate(times)]
        write(tmp_path / f"{symbol}.csv", rows, HEAD)
        expected += [((T0 + t * 60000) * 1_000_000, symbol, i) for i, t in enumerate(times)]
    seen = await replayed(tmp_path)
    expected.sort(key=lambda row: row[0])
    assert [(bar.time, bar.symbol) for bar in seen] == [row[:2] for row in expected]


async def test_rows_in_memory_are_bounded_however_many_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "HELD", 400)
    for i in range(10):
        frame = pd.DataFrame([map(float, r.split(",")) for r in bar_rows(500)])
        frame.columns = pd.Index(HEAD.split(","))
        frame.to_parquet(tmp_path / f"{600100 + i}.SH.parquet")
    held, most = {}, 0
    fill = merge.Stream.fill

    def counting(stream):
        nonlocal most
        fill(stream)
        held[id(stream)] = len(stream.times)
        most = max(most, sum(held.values()))

    monkeypatch.setattr(merge.Stream, "fill", counting)
    feed, count, shares = ReplayFeed(tmp_path, ReplayClock()), 0, []
    await feed.open([])
    held.clear()

    def look(event):
        nonlocal count
        count += 1
        shares.append(feed.progress())

    await feed.run(look)
    assert count == 5000
    assert 0 < most <= 400
    assert shares[0] < 0.6
    assert shares == sorted(shares)
    assert feed.progress() == 1.0


async def test_damage_in_one_of_many_files_waits_until_the_others_are_there(tmp_path):
    rows = bar_rows(8)
    rows[4] = rows[4].replace(",10.0,", ",x,", 1)
    write(tmp_path / "600000.SH.csv", rows)
    write(tmp_path / "000001.SZ.csv", bar_rows(8))
    seen, message = await damaged(tmp_path)
    assert "600000.SH.csv: row 6: " in message
    assert [bar.symbol for bar in seen] == ["000001.SZ", "600000.SH"] * 4


@pytest.mark.parametrize("name", ["", "notes.txt"])
async def test_a_folder_without_recorded_files_is_named(tmp_path, name):
    if name:
        (tmp_path / name).write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        await ReplayFeed(tmp_path, ReplayClock()).open([])
