"""xtdata's real Python over a simulated terminal: quotes, data, and what happens when it goes."""

import asyncio
import threading
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from builders import DAY as TODAY
from builders import NEXT_DAY, SYMBOL, a_bar, a_quote, moment
from qmt import a_terminal, eventually

from qka.clock import ManualClock
from qka.errors import BrokerUnavailable, ConfigError
from qka.feeds.xtdata import MOST_SINGLE, Xtdata, XtdataFeed
from qka.feeds.xtdata_words import action_from_xt
from qka.model.actions import CorporateAction
from qka.model.events import LinkState
from qka.model.market import Quote
from qka.model.times import DAY, MINUTE

OTHER = "000001.SZ"
QUICK = {"deadline": 5.0, "check": 0.02, "pause": 0.01}


class Hall:
    """A data connection on its own, with what it pushed."""

    def __init__(self, terminal, **options):
        self.ticks, self.states, self.threads = {}, [], set()
        self.data = Xtdata(terminal.now, **{**QUICK, **options})
        self.data.on_state = lambda up, reason: self.states.append((up, reason))

    def push(self, kind, ticks):
        assert kind == "quotes"
        self.threads.add(threading.current_thread())
        for symbol, tick in ticks.items():
            self.ticks.setdefault(symbol, []).append(tick["lastPrice"])

    async def heard(self, price, symbol=SYMBOL):
        await eventually(lambda: price in self.ticks.get(symbol, ()))


@pytest.fixture(params=[False, True], ids=["dicts", "bson"])
def either_terminal(request):
    """A terminal of either build: rows as dicts, or as BSON."""
    with a_terminal(bson_rows=request.param) as terminal:
        yield terminal


@pytest.fixture
def terminal():
    with a_terminal() as terminal:
        yield terminal


@pytest.fixture
def connected():
    """A connection to the terminal's data."""

    @asynccontextmanager
    async def connected(terminal, **options):
        hall = Hall(terminal, **options)
        await hall.data.open(hall.push, wait=True)
        try:
            yield hall
        finally:
            await hall.data.close()

    return connected


def quote(terminal, last, second=6, symbol=SYMBOL, **changes):
    terminal.quote(a_quote(last, time=moment(f"10:00:{second:02d}"), symbol=symbol, **changes))


def subscriptions(terminal):
    """(codes, period) of every subscription at the terminal."""
    return [
        (sorted(there.codes), there.period)
        for link in terminal._quotes.links
        for there in link.subscriptions.values()
    ]


# ------------------------------------------------------------------ subscriptions


async def test_a_symbol_brings_its_last_tick_and_those_that_follow_on_the_loop(
    either_terminal, connected
):
    async with connected(either_terminal) as hall:
        await hall.data.subscribe([SYMBOL])
        await hall.heard(10.0)
        quote(either_terminal, 10.1)
        await hall.heard(10.1)
        assert hall.threads == {threading.main_thread()}


async def test_whole_markets_bring_everything_in_them(either_terminal, connected):
    async with connected(either_terminal) as hall:
        await hall.data.subscribe(["SH", "SZ"])
        await hall.heard(10.0)
        quote(either_terminal, 12.0, symbol=OTHER)
        await hall.heard(12.0, OTHER)


async def test_few_symbols_are_subscribed_to_singly_and_many_as_a_whole(terminal, connected):
    names = [f"{600000 + n}.SH" for n in range(MOST_SINGLE + 1)]
    async with connected(terminal) as hall:
        await hall.data.subscribe(names[:-1])
        assert sorted(subscriptions(terminal)) == [([name], "tick") for name in names[:-1]]
        await hall.data.subscribe(names)
        assert subscriptions(terminal) == [(names, "")]
        quote(terminal, 10.5, symbol=names[-1])
        await hall.heard(10.5, names[-1])
        await hall.data.unsubscribe(names[:10])
        assert sorted(subscriptions(terminal)) == [([name], "tick") for name in names[10:]]
        await hall.data.unsubscribe(names)
        assert subscriptions(terminal) == []


async def test_a_market_and_its_symbols_share_one_subscription(terminal, connected):
    async with connected(terminal) as hall:
        await hall.data.subscribe([SYMBOL])
        await hall.data.subscribe(["SZ"])
        assert subscriptions(terminal) == [([SYMBOL, "SZ"], "")]
        await hall.data.unsubscribe(["SZ"])
        assert subscriptions(terminal) == [([SYMBOL], "tick")]


async def test_what_is_subscribed_to_again_is_not_doubled(terminal, connected):
    async with connected(terminal) as hall:
        await hall.data.subscribe([SYMBOL, OTHER])
        await hall.data.subscribe([SYMBOL])
        await hall.data.again([SYMBOL])
        await hall.data.again()
        assert sorted(subscriptions(terminal)) == [([OTHER], "tick"), ([SYMBOL], "tick")]
        await hall.data.unsubscribe(["600001.SH"])


# ------------------------------------------------------------------ data


async def test_the_last_ticks_and_instruments(terminal, connected):
    async with connected(terminal) as hall:
        ticks = await hall.data.ticks([SYMBOL, "600001.SH"])
        assert list(ticks) == [SYMBOL]
        detail = await hall.data.instrument(SYMBOL)
        assert (detail["UpStopPrice"], detail["TradingDay"]) == (11.0, "20260105")
        assert detail["FloatVolume"] is None
        assert detail["MainContract"] is None
        assert await hall.data.instrument("600001.SH") is None
        assert "MaxLimitOrderVolume" in await hall.data.instrument(SYMBOL, complete=True)


async def test_bars_are_downloaded_and_only_ended_ones_are_given(terminal, connected):
    past = [a_bar(10 + n / 100, time=moment("09:31") + n * MINUTE, volume=2000) for n in range(40)]
    terminal.put_bars(SYMBOL, "1m", past)  # its end, 10:10, has not come
    async with connected(terminal) as hall:
        rows = await hall.data.bars(SYMBOL, "1m", 5)
        assert [row[0] for row in rows] == [
            (moment("09:56") + n * MINUTE) // 1_000_000 for n in range(5)
        ]
        assert rows[-1][1:6] == [10.29, 10.29, 10.29, 10.29, 20]
        earlier = await hall.data.bars(SYMBOL, "1m", 5, moment("09:40"))
        assert earlier[-1][0] == moment("09:40") // 1_000_000


async def test_todays_daily_bar_has_not_ended(terminal, connected):
    days = [a_bar(10.0, period="1d", time=moment("15:00") - n * DAY) for n in (3, 2, 0)]
    terminal.put_bars(SYMBOL, "1d", days)
    async with connected(terminal) as hall:
        rows = await hall.data.bars(SYMBOL, "1d", 5)
        assert [row[0] for row in rows] == [
            (moment("00:00") - n * DAY) // 1_000_000 for n in (3, 2)
        ]
        with pytest.raises(ConfigError, match="7m"):
            await hall.data.bars(SYMBOL, "7m", 5)


async def test_ex_dates_come_from_the_terminal_as_exact_numbers(terminal):
    given = CorporateAction(SYMBOL, NEXT_DAY, Decimal("0.25"), Decimal("0.3"))
    terminal.declare(given, CorporateAction(OTHER, NEXT_DAY, Decimal(1)))
    feed = XtdataFeed(ManualClock(moment()), check=0.02)
    await feed.open([SYMBOL])
    assert await feed.actions([SYMBOL], TODAY, NEXT_DAY) == [given]
    assert await feed.actions([SYMBOL], TODAY, TODAY) == []
    assert await feed.actions(["600001.SH"], TODAY, NEXT_DAY) == []
    await feed.close()
    with pytest.raises(BrokerUnavailable):
        await feed.actions([SYMBOL], TODAY, NEXT_DAY)


@pytest.mark.parametrize(
    ("row", "action"),
    [
        pytest.param({}, (Decimal("0.25"), Decimal(0)), id="cash"),
        pytest.param(
            {"stockBonus": 0.1, "stockGift": 0.2},
            (Decimal("0.25"), Decimal("0.3")),
            id="given, and made of reserves",
        ),
        pytest.param(
            {"interest": 0.1 + 0.2}, (Decimal("0.3"), Decimal(0)), id="a float's last digits"
        ),
        pytest.param(
            {"allotNum": 0.3, "allotPrice": 7.2},
            (Decimal("0.25"), Decimal(0), Decimal("0.3"), Decimal("7.2")),
            id="rights",
        ),
        pytest.param({"allotNum": None}, None, id="rights that are missing"),
        pytest.param({"interest": None}, None, id="a number that is missing"),
        pytest.param({"stockGift": float("nan")}, None, id="a number that is none"),
        pytest.param({"interest": -1.0}, None, id="a number below zero"),
        pytest.param({"time": None}, None, id="no day"),
    ],
)
def test_an_ex_date_says_nothing_when_a_number_of_it_is_missing(row, action):
    midnight_ms = moment("00:00", NEXT_DAY) / 1e6
    full = {"time": midnight_ms, "interest": 0.25, "stockBonus": 0.0, "stockGift": 0.0, **row}
    assert action_from_xt(SYMBOL, full) == (action and CorporateAction(SYMBOL, NEXT_DAY, *action))


async def test_a_download_that_hangs_ends_and_holds_no_quotes_up(terminal, connected):
    async with connected(terminal, patience=0.3) as hall:
        terminal.hang("download")
        history = asyncio.create_task(hall.data.history([SYMBOL], "1m", 5))
        await hall.data.subscribe([SYMBOL])
        quote(terminal, 10.1)
        await hall.heard(10.1)
        with pytest.raises(BrokerUnavailable, match="1m bars"):
            await history
        terminal.resume()


async def test_a_call_that_hangs_ends_and_the_next_one_is_answered(terminal, connected):
    async with connected(terminal, deadline=0.2) as hall:
        terminal.hang("full_tick")
        with pytest.raises(BrokerUnavailable, match="get_full_tick did not end"):
            await hall.data.ticks([SYMBOL])
        assert await hall.data.instrument(SYMBOL)
        terminal.resume()
        assert await hall.data.ticks([SYMBOL])


# ------------------------------------------------------------------ the connection


async def test_a_lost_connection_is_mended_and_everything_subscribed_to_again(terminal, connected):
    async with connected(terminal) as hall:
        await hall.data.subscribe([SYMBOL, OTHER])
        terminal.disconnect_data()
        await eventually(lambda: [up for up, _ in hall.states] == [True, False, True])
        assert "closed the connection" in hall.states[1][1]
        assert sorted(subscriptions(terminal)) == [([OTHER], "tick"), ([SYMBOL], "tick")]
        quote(terminal, 10.2)
        await hall.heard(10.2)


async def test_while_the_terminal_is_away_calls_are_refused_and_wishes_remembered(
    terminal, connected
):
    async with connected(terminal) as hall:
        terminal.stop()
        await eventually(lambda: [up for up, _ in hall.states] == [True, False])
        for call in (hall.data.ticks([SYMBOL]), hall.data.bars(SYMBOL, "1m", 5)):
            with pytest.raises(BrokerUnavailable):
                await call
        await hall.data.subscribe([SYMBOL])
        assert not hall.data.up
        terminal.start()
        await eventually(lambda: subscriptions(terminal))
        quote(terminal, 10.2)
        await hall.heard(10.2)
        assert hall.data.up


async def test_a_terminal_that_is_not_there_is_named(terminal):
    terminal.stop()
    hall = Hall(terminal)
    with pytest.raises(BrokerUnavailable, match="start MiniQMT"):
        await hall.data.open(hall.push, wait=True)
    with pytest.raises(BrokerUnavailable):
        await hall.data.ticks([SYMBOL])


async def test_a_connection_may_be_wanted_before_its_terminal(terminal):
    terminal.stop()
    hall = Hall(terminal)
    await hall.data.open(hall.push)
    await hall.data.subscribe([SYMBOL])
    await eventually(lambda: hall.states)
    terminal.start()
    await hall.heard(10.0)
    await hall.data.close()
    await hall.data.close()


async def test_closing_leaves_nothing_at_the_terminal(terminal, connected):
    async with connected(terminal) as hall:
        await hall.data.subscribe([SYMBOL])
        assert terminal._quotes.links
    assert terminal._quotes.links == []


async def test_nothing_is_printed(terminal, connected, capsys):
    async with connected(terminal):
        pass
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------ the feed


@asynccontextmanager
async def feeding(terminal, *symbols, **options):
    """A feed that runs: (feed, clock, what it reported)."""
    clock, reported = ManualClock(terminal.now()), []
    feed = XtdataFeed(clock, check=0.02, **options)
    await feed.open(symbols)
    task = asyncio.create_task(feed.run(reported.append))
    try:
        yield feed, clock, reported
    finally:
        task.cancel()
        await asyncio.wait([task])
        await feed.close()


def prices(reported, symbol=SYMBOL):
    return [e.last for e in reported if isinstance(e, Quote) and e.symbol == symbol]


async def test_the_feed_reports_quotes_with_limits_from_the_last_one_on(either_terminal):
    async with feeding(either_terminal, SYMBOL) as (_, _, reported):
        await eventually(lambda: prices(reported) == [10.0])
        quote(either_terminal, 10.1)
        await eventually(lambda: prices(reported) == [10.0, 10.1])
        sent = a_quote(10.1, time=moment("10:00:06"))
        assert reported[-1] == sent
        assert (reported[-1].limit_up, reported[-1].limit_down) == (11.0, 9.0)


async def test_the_feed_warms_up_with_history(terminal):
    past = [a_bar(10.0, time=moment("09:31") + n * MINUTE, volume=2000) for n in range(20)]
    terminal.put_bars(SYMBOL, "1m", past)
    async with feeding(terminal, SYMBOL, warm={"1m": 10}) as (feed, _, _):
        bars = feed.history(SYMBOL, "1m", 10)
        assert bars == past[-10:]


async def test_the_feed_says_when_the_terminal_went_and_came(terminal):
    async with feeding(terminal, SYMBOL) as (_, _, reported):
        await eventually(lambda: prices(reported))
        terminal.stop()

        def links():
            return [event.up for event in reported if isinstance(event, LinkState)]

        await eventually(lambda: links() == [True, False])
        terminal.start()
        await eventually(lambda: links() == [True, False, True])
        quote(terminal, 10.2)
        await eventually(lambda: 10.2 in prices(reported))


async def test_quotes_that_fall_silent_without_a_word_are_subscribed_to_again(terminal):
    async with feeding(terminal, SYMBOL, silence=30.0) as (_, clock, reported):
        await eventually(lambda: prices(reported))
        terminal.silence_quotes()
        quote(terminal, 10.2)
        before = [list(link.subscriptions) for link in terminal._quotes.links]
        clock.advance(by=40)
        assert not next(e for e in reversed(reported) if isinstance(e, LinkState)).up
        # its last tick is taken, and the subscription made anew
        await eventually(lambda: prices(reported) == [10.0, 10.2])
        assert [list(link.subscriptions) for link in terminal._quotes.links] != before
        terminal.silence_quotes(False)
        quote(terminal, 10.3, second=9)
        await eventually(lambda: prices(reported)[-1] == 10.3)


async def test_the_next_mornings_limits_are_there_before_its_first_quote(terminal):
    async with feeding(terminal, SYMBOL) as (feed, clock, reported):
        await eventually(lambda: prices(reported))
        quote(terminal, 10.8)
        terminal.advance(to=moment("09:01", NEXT_DAY))
        clock.advance(to=moment("09:01", NEXT_DAY))
        await eventually(lambda: feed._instruments[SYMBOL].limit_up == 11.88)
        terminal.quote(
            a_quote(10.9, time=moment("09:30:03", NEXT_DAY), limit_up=0.0, prev_close=10.8)
        )
        await eventually(lambda: prices(reported)[-1] == 10.9)
        assert (reported[-1].limit_up, reported[-1].limit_down) == (11.88, 9.72)


async def test_a_symbol_that_is_not_listed_is_named(terminal):
    feed = XtdataFeed(ManualClock(terminal.now()))
    with pytest.raises(ConfigError, match=r"600001\.SH"):
        await feed.open([SYMBOL, "600001.SH"])
    await feed.close()


async def test_without_symbols_it_is_everything_listed(terminal):
    quote(terminal, 12.0, symbol=OTHER)
    async with feeding(terminal) as (_, _, reported):
        await eventually(lambda: prices(reported) and prices(reported, OTHER))
        assert subscriptions(terminal) == [(["BJ", "SH", "SZ"], "")]
