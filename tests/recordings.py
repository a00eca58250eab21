"""Recorded files as tests write them, and what is replayed of them."""

import gzip

import pytest

from qka.clock import ReplayClock
from qka.errors import DataError
from qka.feeds.replay import ReplayFeed

T0 = 1767576660000  # 2026-01-05 09:31 in Shanghai, ms
HEAD = "time,open,high,low,close,volume,amount"
DAILY = "date,open,high,low,close,volume"
LEVELS = ["askPrice", "bidPrice", "askVol", "bidVol"]
TICKS = "time,lastPrice,open,high,low,lastClose,amount,volume,openInt," + ",".join(LEVELS)


def bar_rows(count, close=10.0, start=T0, lots=5):
    return [
        f"{start + i * 60000},{close},{close},{close},{close},{lots},{close * lots * 100}"
        for i in range(count)
    ]


def write(path, rows, head=HEAD):
    path.parent.mkdir(exist_ok=True)
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


def daily_rows(days, close=10.0):
    return [f"2026-01-{day:02d},10,11,9,{close + day / 100},100" for day in days]


def tick_row(i, volume, start=T0, last=10.0):
    prices, sizes = '"[10.01, 10.02, 0, 0, 0]"', '"[3, 4, 0, 0, 0]"'
    levels = f"{prices},{prices},{sizes},{sizes}"
    return f"{start + i * 3000},{last},10,11,9,9.7,1000,{volume},13,{levels}"


def blocks(days=(5, 6, 7, 8)):
    return [f"{s},{row}" for s in ("600000.SH", "000001.SZ") for row in daily_rows(days)]
