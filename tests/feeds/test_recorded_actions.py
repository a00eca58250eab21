"""A file of corporate actions: read, or refused with the row at fault."""

from datetime import date
from decimal import Decimal

import pytest
from recordings import DAILY, daily_rows, replayed, write

from qka.clock import ReplayClock
from qka.errors import ConfigError, DataError
from qka.feeds.recorded.actions import read
from qka.feeds.replay import ReplayFeed
from qka.model.actions import CorporateAction

HEAD = "symbol,ex_date,cash,bonus\n"
RIGHTS = "symbol,ex_date,rights,rights_price\n"
FEB = date(2026, 2, 3)


def written(folder, text):
    path = folder / "actions.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_actions_are_read_exactly_and_by_day(tmp_path):
    text = HEAD + "600000.SH,2026-06-12,0.41,\n\n 300750.SZ ,2023-04-26,2.52,0.8\n"
    assert read(written(tmp_path, "\ufeff" + text)) == [
        CorporateAction("300750.SZ", date(2023, 4, 26), Decimal("2.52"), Decimal("0.8")),
        CorporateAction("600000.SH", date(2026, 6, 12), Decimal("0.41")),
    ]
    bonus = read(written(tmp_path, "bonus,symbol,ex_date\n0.3,600000.SH,2026-02-03\n"))
    assert bonus == [CorporateAction("600000.SH", FEB, bonus=Decimal("0.3"))]
    text = "symbol,ex_date,rights,rights_price\n600000.SH,2026-02-03,0.3,7.2\n"
    (rights,) = read(written(tmp_path, text))
    assert (rights.rights, rights.rights_price) == (Decimal("0.3"), Decimal("7.2"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("600000.SH,2026-06-12,0.41,0\n", "first line must name the columns symbol, ex_date, cash"),
        ("symbol,ex_date\n", "must name the columns"),
        (HEAD + "600000,2026-06-12,0.41,0\n", "row 2: .*600000"),
        (HEAD + "600000.SH,12.06.2026,0.41,0\n", "row 2: ex_date is '12.06.2026', not a date like"),
        (HEAD + "600000.SH,2026-06-12,much,0\n", "row 2: cash is 'much', not a number"),
        (HEAD + "600000.SH,2026-06-12,-1,0\n", "row 2: cash is '-1', not a usable number"),
        (HEAD + "600000.SH,2026-06-12,0,NaN\n", "row 2: bonus is 'NaN', not a usable number"),
        (HEAD + "600000.SH,2026-06-12,0,\n", "row 2: neither cash nor bonus nor rights"),
        (RIGHTS + "600000.SH,2026-06-12,0.3,\n", "row 2: rights need a rights_price"),
        (RIGHTS + "600000.SH,2026-06-12,,7.2\n", "row 2: neither cash nor bonus nor rights"),
        (RIGHTS + "600000.SH,2026-06-12,0.3,low\n", "row 2: rights_price is 'low', not a number"),
        (HEAD + 2 * "600000.SH,2026-06-12,1,\n", "row 3: 600000.SH on 2026-06-12 is in row 2"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


async def test_a_feed_tells_the_ones_of_its_days_and_of_what_is_asked(tmp_path):
    path = written(tmp_path, HEAD + "600000.SH,2026-02-03,1,\n000001.SZ,2026-02-03,1,\n")
    write(tmp_path / "data" / "600000.SH.csv", daily_rows([5, 6]), DAILY)
    feed = ReplayFeed(tmp_path / "data", ReplayClock(), actions=path)
    await feed.open([])
    (found,) = await feed.actions(["600000.SH"], date(2026, 2, 3), date(2026, 2, 3))
    assert found.symbol == "600000.SH"
    assert await feed.actions(["600000.SH"], date(2026, 2, 4), date(2026, 2, 9)) == []
    await feed.close()


@pytest.mark.parametrize(
    ("head", "previous", "expected"),
    [
        pytest.param(DAILY, "", [0.0, 10.05, 4.98, 4.98, 10.0], id="yesterday's close, put right"),
        pytest.param(DAILY + ",preclose", ",5.01", [5.01] * 5, id="the file's own, left alone"),
    ],
)
async def test_on_an_ex_date_the_previous_close_is_the_reference(
    tmp_path, head, previous, expected
):
    """10.06 on the 6th; 0.10 CNY and a share for each on the 7th; the 8th lies in a suspension."""
    path = written(tmp_path, HEAD + "600000.SH,2026-01-07,0.1,1\n600000.SH,2026-01-11,,0.5\n")
    closes = {5: 10.05, 6: 10.06, 7: 4.98, 8: 15.0, 12: 10.0}
    rows = [f"2026-01-{day:02d},{c},{c},{c},{c},100{previous}" for day, c in closes.items()]
    write(tmp_path / "data" / "600000.SH.csv", rows, head)
    seen = await replayed(tmp_path / "data", actions=path)
    assert [bar.prev_close for bar in seen] == expected


async def test_a_file_that_is_not_there_is_a_wrong_config(tmp_path):
    feed = ReplayFeed(tmp_path, ReplayClock(), actions=tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"feed.actions: .*none.csv can't be read"):
        await feed.open([])
