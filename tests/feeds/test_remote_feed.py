"""Quotes of a server: what comes, what is left out, and what happens when the link breaks."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from builders import DAY, SYMBOL, moment
from scripted import TOKEN, eventually, scripted

from qka.brokers.client import AsyncQMTClient
from qka.clock import ManualClock
from qka.errors import BrokerUnavailable, ConfigError
from qka.feeds.remote import RemoteFeed
from qka.model.events import LinkState
from qka.model.market import Quote
from qka.model.times import MILLISECOND, midnight

OTHER = "000001.SZ"
DETAIL = {"TradingDay": "20260105", "UpStopPrice": 11.000000000000002, "DownStopPrice": 9.0}


def a_tick(clock_time: str = "10:00:03", last: float = 10.0, **changes):
    """xtdata's own snapshot."""
    return {
        "time": moment(clock_time) // MILLISECOND, "lastPrice": last, "open": 10.0, "high": 10.2,
        "low": 9.9, "lastClose": 10.0, "amount": 1e6, "volume": 1000, "openInt": 13,
        "askPrice": [last + 0.01, 0, 0, 0, 0], "askVol": [10, 0, 0, 0, 0],
        "bidPrice": [last - 0.01, 0, 0, 0, 0], "bidVol": [10, 0, 0, 0, 0], **changes,
    }  # fmt: skip


class Stage:
    """A running feed on a scripted server, and everything it reported."""

    def __init__(self, server, client, feed, clock):
        self.server, self.client, self.feed, self.clock = server, client, feed, clock
        self.heard = []
        self.running = None

    @property
    def quotes(self):
        return [event for event in self.heard if isinstance(event, Quote)]

    @property
    def links(self):
        return [event.up for event in self.heard if isinstance(event, LinkState)]

    def frames(self, op):
        return [frame for frame in self.server.frames if frame["op"] == op]

    async def tick(self, **ticks):
        """`sh` and `sz` are the two symbols."""
        names = {"sh": SYMBOL, "sz": OTHER}
        await self.server.say({"op": "quotes", "data": {names[k]: v for k, v in ticks.items()}})

    async def until(self, count):
        return await eventually(lambda: self.quotes if len(self.quotes) >= count else None)


@asynccontextmanager
async def stage(symbols=(SYMBOL,), *, now="10:00", run=True, feed=None, answers=None):
    known = {
        "get_instrument_detail": lambda params: (
            DETAIL if params["stock_code"] != "600001.SH" else None
        ),
        "get_full_tick": {SYMBOL: a_tick(), OTHER: a_tick(), "999999.SH": a_tick(), "IF00.IF": {}},
    }
    async with scripted(answers={**known, **(answers or {})}) as server:
        client = AsyncQMTClient(server.url, TOKEN, patience=3.0)
        clock = ManualClock(moment(now))
        remote = RemoteFeed(client, clock, **(feed or {}))
        set_up = Stage(server, client, remote, clock)
        try:
            set_up.symbols = await remote.open(symbols)
            if run:
                set_up.running = asyncio.create_task(remote.run(set_up.heard.append))
                await eventually(lambda: set_up.frames("subscribe"))
            yield set_up
        finally:
            if set_up.running is not None:
                set_up.running.cancel()
                await asyncio.wait([set_up.running])
            await remote.close()
            assert not client.up


async def test_a_tick_becomes_a_quote_with_its_limits_on_tick_and_shares():
    async with stage() as s:
        await s.tick(sh=a_tick())
        quote = (await s.until(1))[0]
        assert (quote.symbol, quote.time, quote.last) == (SYMBOL, moment("10:00:03"), 10.0)
        assert (quote.volume, quote.ask_volumes[0]) == (100_000, 1000)
        assert (quote.limit_up, quote.limit_down) == (11.0, 9.0)
        assert s.feed.provides() == "quote"
        assert s.links == [True]


async def test_a_symbol_that_the_server_does_not_know_is_told_before_anything_runs():
    with pytest.raises(ConfigError, match=r"knows no 600001\.SH"):
        async with stage([SYMBOL, "600001.SH"], run=False):
            pass


async def test_without_symbols_whole_markets_are_asked_for_and_what_is_no_security_left_out():
    async with stage([]) as s:
        assert s.symbols == [OTHER, SYMBOL]
        assert s.frames("subscribe")[0]["symbols"] == ["SH", "SZ", "BJ"]
        await s.tick(sh=a_tick())
        assert (await s.until(1))[0].limit_up == 0.0  # not known yet
        await eventually(lambda: s.frames("call")[-1]["method"] == "get_instrument_detail")
        await s.tick(sz=a_tick())
        await s.tick(sh=a_tick("10:00:06"))
        assert (await s.until(3))[2].limit_up == 11.0


async def test_old_and_repeated_ticks_are_left_out():
    async with stage() as s:
        await s.tick(sh=a_tick("10:00:06"))
        await s.tick(sh=a_tick("10:00:03", 9.9))
        await s.tick(sh=a_tick("10:00:06"))
        await s.tick(sh=a_tick("10:00:06", 10.1))
        await s.tick(sh=a_tick("10:00:09"))
        assert [quote.last for quote in await s.until(3)] == [10.0, 10.1, 10.0]


async def test_a_tick_that_is_no_quote_does_not_keep_the_others_back():
    async with stage([SYMBOL, OTHER]) as s:
        await s.tick(sh={"lastPrice": 10.0}, sz=a_tick())
        assert (await s.until(1))[0].symbol == OTHER
        await s.tick(sh=a_tick(amount=None))
        assert (await s.until(2))[1].amount == 0.0


@pytest.mark.parametrize(
    "detail",
    [
        {"UpStopPrice": 1.797e308, "DownStopPrice": 2147483647.0},
        {"UpStopPrice": None},
        {**DETAIL, "TradingDay": "20260104"},
    ],
    ids=["no limit", "absent", "yesterday's"],
)
async def test_limits_that_are_none_or_not_todays_are_not_known(detail):
    async with stage(answers={"get_instrument_detail": detail}) as s:
        await s.tick(sh=a_tick())
        quote = (await s.until(1))[0]
        assert (quote.limit_up, quote.limit_down) == (0.0, 0.0)


async def test_limits_are_learnt_again_on_a_new_day():
    async with stage() as s:
        s.clock.advance(by=86_400)
        s.server.answers["get_instrument_detail"] = {
            "TradingDay": "20260106", "UpStopPrice": 12.1, "DownStopPrice": 9.9,
        }  # fmt: skip
        await s.tick(sh=a_tick())
        assert (await s.until(1))[0].limit_up == 0.0
        ticks = 1
        while s.quotes[-1].limit_up == 0.0:
            ticks += 1
            await s.tick(sh=a_tick(volume=1000 + ticks))
            await s.until(ticks)
        assert s.quotes[-1].limit_up == 12.1


async def test_history_is_fetched_when_it_opens_with_qmts_labels_in_shares():
    ms = midnight(DAY) // MILLISECOND
    rows = {
        "1m": [[moment("09:31") // MILLISECOND, 10.0, 10.2, 9.9, 10.1, 5, 5000.0, 10.0]],
        "1d": [[ms - 86_400_000, 9.8, 10.1, 9.7, 10.0, 1000, 1e6, 9.9]],
    }
    bars = {"get_market_data": lambda params: rows[params["period"]]}
    async with stage(run=False, feed={"warm": {"1m": 60, "1d": 20}}, answers=bars) as s:
        minute, daily = s.feed.history(SYMBOL, "1m", 60)[0], s.feed.history(SYMBOL, "1d", 20)[0]
        assert (minute.time, minute.volume, minute.close) == (moment("09:31"), 500, 10.1)
        assert daily.time == midnight(DAY) - 9 * 3600 * 10**9  # 15:00 of the day before
        assert s.feed.history(SYMBOL, "5m", 10) == []
        asked = [frame["params"] for frame in s.frames("call") if "period" in frame["params"]]
        assert asked[0] == {"symbol": SYMBOL, "period": "1m", "count": 60}


async def test_a_link_that_breaks_is_told_and_quotes_are_asked_for_again():
    async with stage([SYMBOL, OTHER]) as s:
        s.server.drop()
        await eventually(lambda: s.links == [True, False, True])
        await eventually(lambda: len(s.frames("subscribe")) == 2)
        assert s.frames("subscribe")[1]["symbols"] == sorted([SYMBOL, OTHER])
        await s.tick(sh=a_tick())
        await s.until(1)


async def test_silence_in_trading_hours_is_told_and_quotes_are_asked_for_again():
    async with stage(feed={"silence": 30}) as s:
        await s.tick(sh=a_tick())
        await s.until(1)
        s.clock.advance(by=25)
        assert s.links == [True]
        s.clock.advance(by=40)
        assert s.links == [True, False]
        assert "no quote for 30 s" in s.heard[-1].reason
        await eventually(lambda: len(s.frames("subscribe")) >= 2)
        await s.tick(sh=a_tick("10:01:06"))
        await eventually(lambda: s.links == [True, False, True])


async def test_silence_over_lunch_is_normal():
    async with stage(feed={"silence": 30}, now="11:29:58") as s:
        await s.tick(sh=a_tick("11:29:57"))
        await s.until(1)
        s.clock.advance(to=moment("13:00:20"))
        assert s.links == [True]
        s.clock.advance(by=60)
        assert s.links == [True, False]


async def test_it_stops_asking_when_it_is_stopped_and_closing_twice_is_fine():
    async with stage() as s:
        await s.client.open()
        s.running.cancel()
        await eventually(lambda: s.frames("unsubscribe"))
        await s.feed.close()
        await s.feed.close()
        assert s.client.up
        await s.client.close()


async def test_without_a_server_it_does_not_open():
    client = AsyncQMTClient("http://127.0.0.1:1", TOKEN, patience=0.05)
    with pytest.raises(BrokerUnavailable):
        await RemoteFeed(client, ManualClock(moment())).open([SYMBOL])
