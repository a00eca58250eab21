"""Quotes of a server: the same as at its terminal, also after the link or the server broke."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY, NO_COMMISSION, SYMBOL, a_bar, a_quote, an_order, moment
from scripted import TOKEN, eventually, scripted
from served import served

from qka.brokers.client import AsyncQMTClient
from qka.brokers.remote import RemoteBroker
from qka.clock import ManualClock
from qka.errors import BrokerUnavailable, ConfigError
from qka.feeds.remote import RemoteFeed
from qka.model.actions import CorporateAction
from qka.model.events import Fill, LinkState, OrderAccepted
from qka.model.market import Quote
from qka.model.order import Approved
from qka.model.times import MILLISECOND, SECOND, midnight

OTHER = "000001.SZ"


class Stage:
    """A running feed and everything it reported."""

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

    async def until(self, count):
        return await eventually(lambda: self.quotes if len(self.quotes) >= count else None)

    def moves(self, last=10.0, symbol=SYMBOL, **changes):
        """A second passes at the terminal and a snapshot comes."""
        terminal = self.server.terminal
        terminal.quote(a_quote(last, symbol=symbol, time=terminal.now() + SECOND, **changes))


@asynccontextmanager
async def running(server, url, token, symbols, *, run=True, **feed):
    client = AsyncQMTClient(url, token, patience=3.0)
    clock = ManualClock(moment())
    set_up = Stage(server, client, RemoteFeed(client, clock, **feed), clock)
    try:
        set_up.symbols = await set_up.feed.open(symbols)
        if run:
            set_up.running = asyncio.create_task(set_up.feed.run(set_up.heard.append))
        yield set_up
    finally:
        if set_up.running is not None:
            set_up.running.cancel()
            await asyncio.wait([set_up.running])
        await set_up.feed.close()
        assert not client.up


@asynccontextmanager
async def stage(folder, symbols=(SYMBOL,), **options):
    """Over a real server and a simulated terminal that has two symbols."""
    async with (
        served(folder) as server,
        running(server, server.url, server.token, symbols, **options) as s,
    ):
        yield s


# ------------------------------------------------------------------ a real server


async def test_the_last_quote_comes_first_then_every_new_one_with_its_limits(tmp_path):
    async with stage(tmp_path) as s:
        first = (await s.until(1))[0]
        assert (first.symbol, first.last) == (SYMBOL, 10.0)
        assert (first.limit_up, first.limit_down) == (11.0, 9.0)
        s.moves(10.1)
        await s.until(2)
        s.moves(10.2, symbol=OTHER)  # nobody asked for it
        s.moves(10.3, volume=123_400)
        assert [quote.last for quote in await s.until(3)] == [10.0, 10.1, 10.3]
        last = s.quotes[-1]
        assert (last.volume, last.ask_volumes[0]) == (123_400, 1000)
        assert s.links == [True]
        assert s.feed.provides() == "quote"


async def test_a_symbol_that_the_terminal_does_not_know_is_told_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"600001\.SH"):
        async with stage(tmp_path, [SYMBOL, "600001.SH"], run=False):
            pass


async def test_without_symbols_it_brings_all_there_are(tmp_path):
    async with stage(tmp_path, []) as s:
        assert s.symbols == [OTHER, SYMBOL]
        assert {quote.symbol for quote in await s.until(2)} == {OTHER, SYMBOL}


async def test_history_is_there_when_it_is_open_in_shares_with_our_labels(tmp_path):
    async with served(tmp_path) as server:
        day_before = midnight(DAY) - 9 * 3600 * SECOND  # 15:00
        bar = a_bar(9.9, time=day_before, period="1d", volume=12_300, prev_close=9.8)
        server.terminal.put_bars(SYMBOL, "1d", [bar])
        warm = {"1d": 5}
        async with running(server, server.url, server.token, [SYMBOL], run=False, warm=warm) as s:
            assert s.feed.history(SYMBOL, "1d", 1) == [bar]
            assert s.feed.history(SYMBOL, "5m", 10) == []


async def test_ex_dates_are_the_terminals(tmp_path):
    async with stage(tmp_path) as s:
        given = CorporateAction(OTHER, NEXT_DAY, Decimal("0.25"), Decimal("0.3"))
        s.server.terminal.declare(given)
        assert await s.feed.actions([SYMBOL, OTHER], DAY, NEXT_DAY) == [given]
        assert await s.feed.actions([SYMBOL, OTHER], DAY, DAY) == []


async def test_a_restart_of_the_server_is_told_and_quotes_go_on(tmp_path):
    async with stage(tmp_path) as s:
        await s.until(1)
        await s.server.stop()
        await eventually(lambda: s.links == [True, False])
        s.moves(10.1)
        await s.server.start()
        assert (await s.until(2))[1].last == 10.1  # the last one it missed
        s.moves(10.2)
        assert [quote.last for quote in await s.until(3)] == [10.0, 10.1, 10.2]
        assert s.links == [True, False, True]


async def test_a_feed_and_a_broker_share_one_connection(tmp_path):
    async with stage(tmp_path) as s:
        broker = RemoteBroker(s.client, s.clock, NO_COMMISSION)
        heard = []
        await broker.connect(heard.append)
        await s.until(1)
        broker.submit(Approved(an_order(quantity=100, price=10.05)))
        await eventually(lambda: [event for event in heard if isinstance(event, OrderAccepted)])
        s.moves()
        await eventually(lambda: [event for event in heard if isinstance(event, Fill)])
        await s.until(2)
        assert len(s.server.server.http.sessions._open) == 1
        await broker.close()
        assert s.client.up  # the feed still needs it
        s.moves(10.1)
        await s.until(3)


async def test_a_closed_feed_leaves_the_connection_without_quotes_to_the_others(tmp_path):
    async with stage(tmp_path) as s:
        await s.client.open()
        await s.until(1)
        s.running.cancel()
        await s.feed.close()
        await s.feed.close()
        assert s.client.up
        assert s.server.server.service.quotes.users == 0
        await s.client.close()


# ------------------------------------------------------------------ faults


def a_tick(clock_time="10:00:03", last=10.0, **changes):
    """xtdata's own snapshot."""
    return {
        "time": moment(clock_time) // MILLISECOND, "lastPrice": last, "open": 10.0, "high": 10.2,
        "low": 9.9, "lastClose": 10.0, "amount": 1e6, "volume": 1000, "openInt": 13,
        "askPrice": [last + 0.01, 0, 0, 0, 0], "askVol": [10, 0, 0, 0, 0],
        "bidPrice": [last - 0.01, 0, 0, 0, 0], "bidVol": [10, 0, 0, 0, 0], **changes,
    }  # fmt: skip


@asynccontextmanager
async def faulty(**options):
    """Over a server that does what it is told."""
    detail = {"TradingDay": "20260105", "UpStopPrice": 11.0, "DownStopPrice": 9.0}
    answers = {"get_instrument_detail": detail, "get_full_tick": {}}
    async with (
        scripted(answers=answers) as server,
        running(server, server.url, TOKEN, [SYMBOL], **options) as s,
    ):
        await eventually(lambda: [f for f in server.frames if f["op"] == "subscribe"])
        yield s


async def tick(s, *ticks):
    for each in ticks:
        await s.server.say({"op": "quotes", "data": {SYMBOL: each}})


async def test_ticks_that_come_twice_or_late_are_left_out():
    async with faulty() as s:
        late = a_tick("10:00:03", 9.9)
        await tick(s, a_tick("10:00:06"), late, a_tick("10:00:06"), a_tick("10:00:09", 10.1))
        assert [quote.last for quote in await s.until(2)] == [10.0, 10.1]


async def test_numbers_that_are_none_and_ticks_that_are_no_quotes_do_no_harm():
    async with faulty() as s:
        await tick(s, {"lastPrice": 10.0}, a_tick(amount=None, lastPrice=None))
        quote = (await s.until(1))[0]
        assert (quote.amount, quote.last) == (0.0, 0.0)


async def test_a_link_that_breaks_is_told_and_quotes_are_asked_for_again():
    async with faulty() as s:
        s.server.drop()
        await eventually(lambda: s.links == [True, False, True])
        asked = await eventually(
            lambda: [f["symbols"] for f in s.server.frames if f["op"] == "subscribe"][1:]
        )
        assert asked == [[SYMBOL]]
        await tick(s, a_tick())
        await s.until(1)


async def test_silence_in_trading_hours_is_told_and_quotes_are_subscribed_to_anew():
    async with faulty(silence=30) as s:
        await tick(s, a_tick())
        await s.until(1)
        s.clock.advance(by=25)
        assert s.links == [True]
        s.clock.advance(by=40)
        assert s.links == [True, False]
        ops = await eventually(
            lambda: [f["op"] for f in s.server.frames if "symbols" in f][1:] or None
        )
        await eventually(lambda: s.server.frames[-1]["op"] == "subscribe")
        assert ops[0] == "unsubscribe"
        await tick(s, a_tick("10:01:06"))
        await eventually(lambda: s.links == [True, False, True])


async def test_without_a_server_it_does_not_open():
    client = AsyncQMTClient("http://127.0.0.1:1", TOKEN, patience=0.05)
    with pytest.raises(BrokerUnavailable):
        await RemoteFeed(client, ManualClock(moment())).open([SYMBOL])
