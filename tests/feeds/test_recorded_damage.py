"""What recorded files really look like: every damage is named, nothing good is lost with it."""

import gzip
import random
from datetime import date

import pandas as pd
import pytest
from recordings import (
    DAILY,
    HEAD,
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
from qka.feeds.recorded import recording
from qka.feeds.recorded import rows as recorded_rows
from qka.feeds.replay import ReplayFeed
from qka.model.times import show

DAY_MS = 86_400_000
WITH_LIMITS = f"{TICKS},upStop,downStop"


async def lenient(path, **options):
    """What is replayed with strict=false, and the lines about the rest."""
    told = []
    return await replayed(path, strict=False, on_damage=told.append, **options), told


def stepped(minutes, count=6):
    return [
        f"{T0 + i * minutes * 60000},{row.partition(',')[2]}"
        for i, row in enumerate(bar_rows(count))
    ]


# ---------------------------------------------------------------- ticks


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("[10.01,", "[-10.01,", "a level is negative"),
        ("[3, 4,", "[-3, 4,", "a level is negative"),
        ("[10.01,", "[1.01,", "a price is outside the day's limits"),
        ("10.02,", "100.2,", "a price is outside the day's limits"),
        (",10.0,10,11,9,", ",12.0,10,12,9,", "a price is outside the day's limits"),
        (",10.0,10,11,9,", ",8.9,10,11,9,", "last or open is not between low and high"),
        (",10.0,10,11,9,", ",10.0,10,8.9,9,", "high is below low"),
        (",1000,2000,13", ",-1000,2000,13", "amount is negative"),
        (",11,8.5", ",x,8.5", "upStop is 'x', not a price"),
    ],
)
async def test_a_tick_that_can_not_be_is_damage_and_never_a_price(tmp_path, was, becomes, words):
    rows = [f"{tick_row(i, i * 1000)},11,8.5" for i in range(4)]
    assert was in rows[2]
    rows[2] = rows[2].replace(was, becomes, 1)
    path = write(tmp_path / "600000.SH.csv", rows, WITH_LIMITS)
    seen, message = await damaged(path)
    assert len(seen) == 2
    assert f"600000.SH.csv: row 4: {words}" in message
    left, told = await lenient(path)
    assert (len(left), len(told)) == (3, 1)


async def test_limits_that_are_not_known_are_no_damage(tmp_path):
    rows = [f"{tick_row(i, i)},1.7976931348623157e+308," for i in range(3)]
    seen = await replayed(write(tmp_path / "600000.SH.csv", rows, WITH_LIMITS))
    assert {(quote.limit_up, quote.limit_down) for quote in seen} == {(0.0, 0.0)}


async def test_one_tick_far_ahead_in_volume_does_not_cost_those_after_it(tmp_path):
    volumes = [10, 20, 9000, 30, 40, 50]
    rows = [tick_row(i, volume) for i, volume in enumerate(volumes)]
    path = write(tmp_path / "600000.SH.csv", rows, TICKS)
    seen, told = await lenient(path)
    assert [quote.volume // 100 for quote in seen] == [10, 20, 30, 40, 50]
    assert "row 4: the day's cumulative volume is ahead of the rows after it" in told[0]


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize("chunk", [4, 1000])
async def test_an_unclosed_quote_costs_its_own_row_only(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    rows = bar_rows(20)
    rows[12] = '"' + rows[12]
    rows[15] = rows[15].replace(",10.0,", ',"10.0,', 1)
    path = write(tmp_path / "600000.SH.csv", rows)
    seen, message = await damaged(path)
    assert len(seen) == 12
    assert "row 14: a quote in it is not closed" in message
    left, told = await lenient(path)
    assert len(left) == 18
    assert len(told) == 1


async def test_a_message_is_one_short_line_whatever_the_cell_holds(tmp_path):
    rows = bar_rows(4)
    rows[2] = rows[2].replace(",10.0,", f",{'x' * 5000},", 1)
    _, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert "row 4: open is 'xxxx" in message
    assert "\n" not in message
    assert len(message.removeprefix(str(tmp_path))) < 200


async def test_commas_at_the_end_of_every_row_are_harmless(tmp_path):
    plain = await replayed(write(tmp_path / "a" / "600000.SH.csv", bar_rows(5)))
    for i, comma in enumerate([",", ",,"]):
        rows = [row + comma for row in bar_rows(5)]
        assert await replayed(write(tmp_path / f"b{i}" / "600000.SH.csv", rows)) == plain
        path = write(tmp_path / f"c{i}" / "600000.SH.csv", rows, HEAD + comma)
        assert await replayed(path) == plain


@pytest.mark.parametrize("row", [0, 3])
async def test_a_row_too_wide_shifts_no_other(tmp_path, row):
    rows = bar_rows(6)
    rows[row] += ",9"
    path = write(tmp_path / "600000.SH.csv", rows)
    seen, told = await lenient(path)
    assert len(seen) == 5
    assert {bar.close for bar in seen} == {10.0}
    assert f"row {row + 2}: it has too many cells, 8 where the head has 7" in told[0]
    with pytest.raises(DataError, match=f"row {row + 2}: it has too many cells"):
        await replayed(path)


async def test_a_row_cut_short_and_one_of_zero_bytes_are_damage(tmp_path):
    rows = bar_rows(9)
    rows[2] = rows[2][:20]
    rows[4] = "\0" * 30
    seen, told = await lenient(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 7
    assert "row 4: it has too few cells" in told[0]
    assert "row 6: there are control characters in it" in told[1]


async def test_a_last_line_without_an_end_counts_if_it_is_complete(tmp_path):
    path = write(tmp_path / "600000.SH.csv", bar_rows(4))
    path.write_text(path.read_text().rstrip("\n"))
    assert len(await replayed(path)) == 4
    path.write_text(path.read_text()[:-8])
    seen, message = await damaged(path)
    assert len(seen) == 3
    assert "row 5: it has too few cells" in message


@pytest.mark.parametrize(
    ("name", "packed", "words"),
    [("600000.SH.csv.gz", False, "no gzip"), ("600000.SH.csv", True, "it is a gzip")],
)
async def test_a_file_that_is_not_packed_as_its_name_says_is_named(tmp_path, name, packed, words):
    text = "\n".join([HEAD, *bar_rows(3)]).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    with pytest.raises(DataError, match=f"{name}: row 1: .*{words}"):
        await ReplayFeed(tmp_path, ReplayClock()).open([])


async def test_two_columns_of_one_name_and_a_broken_parquet_are_named(tmp_path):
    path = write(tmp_path / "600000.SH.csv", [f"{row},1" for row in bar_rows(2)], f"{HEAD},close")
    with pytest.raises(DataError, match="row 1: there are two columns close"):
        await replayed(path)
    broken = tmp_path / "600001.SH.parquet"
    broken.write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(DataError, match=r"600001\.SH\.parquet: row 1: it can't be read"):
        await replayed(broken)


# ---------------------------------------------------------------- symbols


@pytest.mark.parametrize(
    ("code", "symbol"),
    [
        ("sh.600000", "600000.SH"),
        ("sz000001", "000001.SZ"),
        ("510300", "510300.SH"),
        ("000001", "000001.SZ"),
        ("920799", "920799.BJ"),
        ("000300.SH", "000300.SH"),
        ("000001.XSHE", "000001.SZ"),
        ("300750.XSHE", "300750.SZ"),
        ("600000.XSHG", "600000.SH"),
        ("000300.XSHG", "000300.SH"),
        ("sh600000", "600000.SH"),
        ("SZ000001", "000001.SZ"),
        ("600000.SS", "600000.SH"),
        ("1", "000001.SZ"),
    ],
)
async def test_what_others_call_a_symbol_never_becomes_another_one(tmp_path, code, symbol):
    rows = [f"{code},{row}" for row in daily_rows([5, 6])]
    path = write(tmp_path / "x.csv", rows, f"code,{DAILY}")
    assert {bar.symbol for bar in await replayed(path)} == {symbol}


@pytest.mark.parametrize(
    "code", ["sh000001.XSHE", "204001", "0.000001", "600000.SH1", "600000.XNYS", "1.600000", "x"]
)
async def test_a_code_that_is_not_clear_is_damage(tmp_path, code):
    rows = [f"{c},{row}" for c, row in zip(["510300", code], daily_rows([5, 6]), strict=True)]
    seen, message = await damaged(write(tmp_path / "x.csv", rows, f"code,{DAILY}"))
    assert len(seen) == 1
    assert f"row 3: code is {code!r}, not a symbol" in message


async def test_an_empty_code_is_damage_and_not_the_symbol_of_another_row(tmp_path):
    rows = [
        f"{c},{row}" for c, row in zip(["510300", "", "510300"], daily_rows([5, 6, 7]), strict=True)
    ]
    seen, told = await lenient(write(tmp_path / "x.csv", rows, f"code,{DAILY}"))
    assert len(seen) == 2
    assert "row 3: code is empty" in told[0]


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("000001.XSHE.csv", "000001.SZ"),
        ("sh600000.csv", "600000.SH"),
        ("600000.SH_20260105.CSV", "600000.SH"),
        ("bars-sz.000001-1m.csv", "000001.SZ"),
    ],
)
async def test_a_file_is_named_by_its_symbol_in_any_form(tmp_path, name, symbol):
    seen = await replayed(write(tmp_path / name, bar_rows(2)))
    assert {bar.symbol for bar in seen} == {symbol}


@pytest.mark.parametrize("name", ["hash600000.csv", "123456.SH.csv", "600000.csv"])
async def test_a_file_named_by_no_symbol_says_how_to_name_it(tmp_path, name):
    with pytest.raises(DataError, match=r"no symbol: name the file like 600000\.SH\.csv"):
        await replayed(write(tmp_path / name, bar_rows(2)))


async def test_a_long_list_of_symbols_ends_with_dots(tmp_path):
    for i in range(12):
        write(tmp_path / f"{600100 + i}.SH.csv", bar_rows(2))
    with pytest.raises(ConfigError, match=r"it has 600100\.SH, .*600109\.SH, …"):
        await ReplayFeed(tmp_path, ReplayClock()).open(["000001.SZ"])


# ---------------------------------------------------------------- periods and units


@pytest.mark.parametrize("minutes", [2, 3, 10, 20, 120])
async def test_bars_of_a_period_that_there_is_not_are_refused(tmp_path, minutes):
    with pytest.raises(DataError, match=f"the bars are {minutes} minutes apart; there are 1m"):
        await replayed(write(tmp_path / "600000.SH.csv", stepped(minutes)))


async def test_a_symbol_that_seldom_trades_still_has_one_minute_bars(tmp_path):
    minutes = [0, 2, 4, 6, 8, 9, 10, 12, 14, 16]
    rows = [bar_rows(20)[minute] for minute in minutes]
    assert {bar.period for bar in await replayed(write(tmp_path / "600000.SH.csv", rows))} == {"1m"}


async def test_a_period_that_is_said_is_checked(tmp_path):
    path = write(tmp_path / "600000.SH.csv", [f"{r},1min" for r in bar_rows(3)], f"{HEAD},period")
    with pytest.raises(DataError, match="row 2: period is '1min'; there are 1m, 5m"):
        await replayed(path)
    rows = [f"{r},5m" for r in stepped(10, 3)]
    rows[1] = rows[1].replace("5m", "1d")
    seen, message = await damaged(write(path, rows, f"{HEAD},period"))
    assert [bar.period for bar in seen] == ["5m"]
    assert "row 3: period is '1d', not 5m" in message


@pytest.mark.parametrize("chunk", [3, 1000])
async def test_the_unit_of_volume_is_decided_once_for_the_file(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(recorded_rows, "CHUNK", chunk)
    suspended = [f"{T0 + i * 60000},10,10,10,10,0,0" for i in range(600)]
    traded = bar_rows(5, start=T0 + 600 * 60000, lots=7)
    feed = ReplayFeed(write(tmp_path / "600000.SH.csv", [*suspended, *traded]), ReplayClock())
    await feed.open([])
    assert feed.describe() == "1m bars, 1 symbol, volume in lots"
    seen = []
    await feed.run(seen.append)
    assert [bar.volume for bar in seen[-5:]] == [700] * 5


@pytest.mark.parametrize(("volume", "shares"), [("auto", 100), ("shares", 100), ("lots", 10000)])
async def test_without_turnover_the_user_says_what_volume_is_in(tmp_path, volume, shares):
    path = write(tmp_path / "600000.SH.csv", daily_rows([5, 6]), DAILY)
    assert {bar.volume for bar in await replayed(path, volume=volume)} == {shares}


# ---------------------------------------------------------------- bars


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("10,11,9,12,5,5000", "open or close is not between low and high"),
        ("8,11,9,10,5,5000", "open or close is not between low and high"),
        ("10,11,9,10,5,-1", "amount is negative"),
        ("10,11,9,10,1e400,5000", "volume is inf, not a usable number"),
        ("10,11,9,True,5,5000", "close is 'True', not a usable number"),
    ],
)
async def test_a_bar_that_can_not_be_is_damage(tmp_path, cells, words):
    rows = bar_rows(4)
    rows[2] = f"{rows[2].split(',')[0]},{cells}"
    seen, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 2
    assert f"row 4: {words}" in message


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (T0 // 1000, f"time is {T0 // 1000}, in seconds, not in ms"),
        (T0 * 1000, f"time is {T0 * 1000}, in microseconds, not in ms"),
        (7, "time is 7, not a date or a time in ms"),
        ("", "time is empty"),
        ("oops", "time is 'oops', not a date or a time in ms"),
        ("2026-01", "time is '2026-01', not a date or a time in ms"),
    ],
)
async def test_a_time_that_is_none_says_what_it_looks_like(tmp_path, time, words):
    rows = bar_rows(4)
    rows[2] = f"{time},{rows[2].partition(',')[2]}"
    seen, message = await damaged(write(tmp_path / "600000.SH.csv", rows))
    assert len(seen) == 2
    assert f"row 4: {words}" in message
    assert "np." not in message


async def test_the_day_of_a_symbol_comes_from_one_file(tmp_path):
    write(tmp_path / "600000.SH.csv", bar_rows(3))
    write(tmp_path / "600000.SH_copy.csv", [*bar_rows(3), *bar_rows(2, start=T0 + DAY_MS)])
    write(tmp_path / "600000.SH_next.csv", bar_rows(2, start=T0 + 2 * DAY_MS))
    words = r"600000\.SH_copy\.csv: row 2: 600000\.SH of this day is in 600000\.SH\.csv too"
    with pytest.raises(DataError, match=words):
        await replayed(tmp_path)
    seen, told = await lenient(tmp_path)
    assert [show(bar.time)[8:] for bar in seen] == [
        *("05 09:31:00", "05 09:32:00", "05 09:33:00"),
        *("06 09:31:00", "06 09:32:00", "07 09:31:00", "07 09:32:00"),
    ]
    assert len(told) == 1
    assert "left out, with 2 more such" in told[0]


async def test_a_day_in_a_file_of_many_symbols_and_in_its_own_is_damage_too(tmp_path):
    write(tmp_path / "all.csv", blocks(days=(5, 6)), f"code,{DAILY}")
    write(tmp_path / "x600000.csv", [f"600000.SH,{r}" for r in daily_rows([6, 7])], f"code,{DAILY}")
    seen, told = await lenient(tmp_path)
    assert [(bar.symbol[:6], show(bar.time)[8:10]) for bar in seen] == [
        *(("600000", "05"), ("000001", "05"), ("600000", "06"), ("000001", "06")),
        ("600000", "07"),
    ]
    assert "x600000.csv: row 2: 600000.SH of this day is in all.csv too" in told[0]


# ---------------------------------------------------------------- what is told, and when


@pytest.mark.parametrize("shape", ["by name", "by column", "in blocks"])
async def test_damage_outside_the_days_played_stops_nothing(tmp_path, shape):
    rows = daily_rows([2, 5, 6, 7, 8, 9, 12])
    rows[0] = rows[0].replace("10,11", "x,11")
    rows[2] = "2026-01-06,10"
    rows[6] = rows[6].replace("10,11", "-5,11")
    if shape == "by name":
        path = write(tmp_path / "600000.SH.csv", rows, DAILY)
    else:
        symbols = ["600000.SH"] if shape == "by column" else ["600000.SH", "000001.SZ"]
        table = [f"{symbol},{row}" for symbol in symbols for row in rows]
        path = write(tmp_path / "all.csv", table, f"code,{DAILY}")
    seen = await replayed(path, start=date(2026, 1, 8), end=date(2026, 1, 9))
    assert {show(bar.time)[8:10] for bar in seen} == {"08", "09"}
    with pytest.raises(DataError, match=r"row 2: open is 'x'"):
        await replayed(path)


async def test_damage_before_the_start_is_told_when_the_warm_up_meets_it(tmp_path):
    rows = daily_rows([5, 6, 7, 8])
    rows[1] = rows[1].replace("10,11", "x,11")
    path, told = write(tmp_path / "600000.SH.csv", rows, DAILY), []
    feed = ReplayFeed(path, ReplayClock(), start=date(2026, 1, 8), on_damage=told.append)
    await feed.open([])
    assert [bar.close for bar in feed.history("600000.SH", "1d", 9)] == [10.05, 10.07]
    assert "row 3: open is 'x'" in told[0]
    await feed.run(lambda event: None)
    assert len(told) == 1


async def test_damage_is_told_in_a_line_for_each_file_and_kind(tmp_path):
    rows = bar_rows(300)
    for i in range(10, 300, 2):
        rows[i] = rows[i].replace(",10.0,", f",x{i},", 1)
    rows[201] = rows[201].replace(",10.0,", ",-10.0,", 1)
    write(tmp_path / "600000.SH.csv", rows)
    write(tmp_path / "600001.SH.csv", rows)
    seen, told = await lenient(tmp_path)
    assert len(seen) == 2 * (300 - 145 - 1)
    assert len(told) == 4
    assert "600000.SH.csv: row 12: open is 'x10', not a usable number" in told[0]
    assert told[0].endswith("left out, with 144 more such")


async def test_a_file_that_is_none_is_left_out_when_not_strict(tmp_path):
    write(tmp_path / "600000.SH.csv", bar_rows(3))
    write(tmp_path / "600001.SH.csv", [])
    seen, told = await lenient(tmp_path)
    assert len(seen) == 3
    assert "600001.SH.csv: row 2: there are no rows" in told[0]
    with pytest.raises(DataError, match=r"600001\.SH\.csv: row 2: there are no rows"):
        await replayed(tmp_path)


async def test_files_with_no_good_row_say_so(tmp_path):
    rows = [row.replace("17675", "17675x") for row in bar_rows(3)]
    path = write(tmp_path / "600000.SH.csv", rows)
    with pytest.raises(DataError, match=r"row 2: time is '17675x.*there is no good row") as raised:
        await replayed(path, strict=False)
    assert "feed.strict" not in str(raised.value)  # that has been said already


async def test_ties_come_in_the_order_of_names_as_written_on_every_system(tmp_path):
    for name in ("b/600001.SH.csv", "B-2/600002.SH.csv", "a/600003.SH.csv", "b.c/600004.SH.csv"):
        write(tmp_path / name, bar_rows(1))
    assert [bar.symbol[:6] for bar in await replayed(tmp_path)] == [
        "600002", "600003", "600004", "600001"
    ]  # fmt: skip


# ---------------------------------------------------------------- the days before the start


def minute_days(days):
    """Whole days of one-minute bars; every price of a day is its number."""
    rows = []
    for day in days:
        midnight = T0 - 571 * 60000 + (day - 5) * DAY_MS
        for minute in [*range(571, 691), *range(781, 901)]:
            rows += bar_rows(1, close=float(day), start=midnight + minute * 60000)
    return rows


async def test_warm_up_of_longer_bars_is_built_of_the_minutes_before_the_start(tmp_path):
    path = write(tmp_path / "600000.SH.csv", minute_days([5, 6, 7, 8]))
    feed = ReplayFeed(path, ReplayClock(), start=date(2026, 1, 8))
    await feed.open([])
    daily = feed.history("600000.SH", "1d", 20)
    assert [(bar.close, bar.volume, show(bar.time)) for bar in daily] == [
        (5.0, 120_000, "2026-01-05 15:00:00"),
        (6.0, 120_000, "2026-01-06 15:00:00"),
        (7.0, 120_000, "2026-01-07 15:00:00"),
    ]
    hours = feed.history("600000.SH", "60m", 5)
    assert [show(bar.time)[8:16] for bar in hours] == [
        "06 15:00", "07 10:30", "07 11:30", "07 14:00", "07 15:00"
    ]  # fmt: skip
    assert len(feed.history("600000.SH", "1m", 1000)) == 720
    await feed.close()


async def test_warm_up_bars_are_built_of_ticks_too(tmp_path):
    rows = [tick_row(i, 10 * i, start=T0 + day * DAY_MS) for day in (0, 1, 2) for i in range(1, 90)]
    feed = ReplayFeed(
        write(tmp_path / "600000.SH.csv", rows, TICKS), ReplayClock(), start=date(2026, 1, 7)
    )
    await feed.open([])
    assert [bar.volume for bar in feed.history("600000.SH", "1d", 5)] == [89_000, 89_000]
    assert len(feed.history("600000.SH", "1m", 3)) == 3


async def test_no_more_history_is_held_than_is_asked_for_and_none_while_it_plays(tmp_path):
    path = write(tmp_path / "all.csv", blocks(days=range(5, 28)), f"code,{DAILY}")
    feed = ReplayFeed(path, ReplayClock(), start=date(2026, 1, 26))
    await feed.open([])
    assert len(feed.history("000001.SZ", "1d", 3)) == 3
    assert {len(bars) for bars in feed._past.values()} == {3}
    await feed.run(lambda event: None)
    assert not feed._past
    await feed.close()


# ---------------------------------------------------------------- anything at all

CELLS = [
    *("abc", "", "1e400", "9" * 30, "\0\1", "nan", "inf", "-inf", "True", "1e18", "-1", "1_000"),
    *("0x1F", "１０", "2026-01-05", "é\udc80", "1,2", "NaT", "x" * 999, "'", '"', '""', "\r", "\t"),
    *("9999-12-31", "253402300799000", "[1, 2]", " 1"),
]


def mangled(rows, dice):
    """The rows with one of them damaged in some way, and which one."""
    rows, i = list(rows), dice.randrange(1, len(rows))
    cells = rows[i].split(",")
    j, way = dice.randrange(len(cells)), dice.randrange(6)
    if way < 3:
        cells[j] = dice.choice(CELLS)
    elif way == 3:
        cells = cells[: j or 1]
    elif way == 4:
        cells += ["1"] * dice.randrange(1, 5)
    else:
        cells[j] = dice.choice('-"') + cells[j]
    rows[i] = ",".join(cells)
    return rows, i


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_is_in_one_row_costs_no_other(tmp_path, monkeypatch, seed):
    dice = random.Random(seed)
    monkeypatch.setattr(recorded_rows, "CHUNK", dice.choice([7, 1000]))
    monkeypatch.setattr(recording, "OPEN_FILES", dice.choice([1, 100]))
    daily = [f"{c},{row}" for row in daily_rows(range(5, 25)) for c in ("600000.SH", "000001.SZ")]
    shapes = [
        ("600000.SH.csv", HEAD, bar_rows(40)),
        ("600000.SH.csv", TICKS, [tick_row(i, 10 * i) for i in range(40)]),
        ("all.csv", f"code,{DAILY}", daily),
    ]
    for name, head, rows in shapes:
        bad, i = mangled(rows, dice)
        path = tmp_path / name
        path.write_bytes("\n".join([head, *bad, ""]).encode("utf-8", "surrogateescape"))
        left, told = await lenient(path)
        assert len(rows) - 1 <= len(left) <= len(rows)
        assert len(told) <= 1
        if len(left) < len(rows):
            with pytest.raises(DataError, match=f"row {i + 2}: .*") as error:
                await replayed(path)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", range(20))
async def test_a_parquet_of_anything_is_data_or_damage(tmp_path, seed):
    dice = random.Random(seed)
    frame = pd.DataFrame([row.split(",") for row in bar_rows(20)], columns=HEAD.split(","))
    frame = frame.astype(object)
    name = dice.choice(list(frame))
    values = [None, "x", "1e400", "-1", "", "True"]
    frame.loc[dice.randrange(1, 20), name] = dice.choice(values)
    path = tmp_path / "600000.SH.parquet"
    frame.to_parquet(path)
    left, told = await lenient(path)
    assert len(left) >= 19
    assert len(told) <= 1
