"""A live feed makes quotes of ticks, knows the day's limits, and notices silence."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, moment
from qmt import eventually

from qka.clock import ManualClock
from qka.errors import BrokerUnavailable, ConfigError
from qka.feeds.live import LiveFeed
from qka.model.events import Alert, InstrumentState, LinkState
from qka.model.market import Quote, Status
from qka.model.times import MILLISECOND

DBL_MAX = 1.7976931348623157e308
OTHER = "000001.SZ"


def a_tick(last=10.0, at="10:00:03", **changes):
    tick = {
        "time": moment(at) // MILLISECOND,
        "lastPrice": last,
        "open": last,
        "high": last,
        "low": last,
        "lastClose": 10.0,
        "amount": 1_000_000.0,
        "volume": 1000,
        "pvolume": 100_000,
        "openInt": 13,
        "askPrice": [last + 0.01] * 5,
        "bidPrice": [last - 0.01] * 5,
        "askVol": [10] * 5,
        "bidVol": [10] * 5,
    }
    return {**tick, **changes}


def a_detail(day=DAY, up=11.0, down=9.0, **changes):
    return {"TradingDay": f"{day:%Y%m%d}", "UpStopPrice": up, "DownStopPrice": down, **changes}


class Source:
    """Ticks and instruments as a test puts them in."""

    def __init__(self):
        self.on_state = lambda up, reason: None
        self.up = True
        self.details = {SYMBOL: a_detail(), OTHER: a_detail()}
        self.last = {}
        self.rows = {}
        self.subscribed, self.made_again, self.asked = [], [], []
        self.failing = False

    async def open(self, push, *, wait):
        self.push = push

    async def close(self):
        self.up = False

    async def subscribe(self, symbols):
        self.subscribed += symbols

    async def again(self, symbols=()):
        self.made_again.append(list(symbols))

    async def ticks(self, symbols):
        if self.failing:
            raise BrokerUnavailable("away")
        return {
            name: tick
            for name, tick in self.last.items()
            if name in symbols or name[-2:] in symbols
        }

    async def instrument(self, symbol, complete=False):
        self.asked.append(symbol)
        if self.failing:
            raise BrokerUnavailable("away")
        return self.details.get(symbol)

    async def history(self, symbols, period, count):
        return {name: self.rows.get((name, period), [])[-count:] for name in symbols}


class Hall:
    """A feed on its own, with what it reported."""

    def __init__(self, **options):
        self.clock = ManualClock(moment("10:00:05"))
        self.source = Source()
        self.feed = LiveFeed(self.source, self.clock, **options)
        self.reported = []

    def push(self, tick, symbol=SYMBOL):
        self.source.last[symbol] = tick
        self.source.push("quotes", {symbol: tick})

    def to(self, at, day=DAY):
        self.clock.advance(to=moment(at, day))

    def of(self, kind):
        return [event for event in self.reported if isinstance(event, kind)]

    @property
    def quotes(self):
        return self.of(Quote)

    @property
    def links(self):
        return [(state.up, state.reason) for state in self.of(LinkState)]


@pytest.fixture
def running():
    """A feed that runs."""

    @asynccontextmanager
    async def running(*symbols, **options):
        hall = Hall(**options)
        await hall.feed.open(symbols or [SYMBOL])
        task = asyncio.create_task(hall.feed.run(hall.reported.append))
        await eventually(lambda: hall.source.subscribed)
        try:
            yield hall
        finally:
            task.cancel()
            await asyncio.wait([task])
            await hall.feed.close()

    return running


# ------------------------------------------------------------------ opening


async def test_the_symbols_are_checked_against_the_instruments():
    hall = Hall()
    assert await hall.feed.open([SYMBOL, OTHER, SYMBOL]) == [OTHER, SYMBOL]
    with pytest.raises(ConfigError, match=r"600001\.SH"):
        await hall.feed.open([SYMBOL, "600001.SH"])


async def test_without_symbols_it_is_whole_markets_and_what_is_in_them():
    hall = Hall()
    hall.source.last = {SYMBOL: a_tick(), OTHER: a_tick(), "SOMETHING.SH": a_tick()}
    assert await hall.feed.open([]) == [OTHER, SYMBOL]
    assert hall.feed.provides() == "quote"
    assert (hall.feed.start, hall.feed.progress()) == (0, 0.0)


async def test_history_is_what_was_fetched_when_it_opened():
    hall = Hall(warm={"1m": 3, "1d": 0})
    label = moment("09:31") // MILLISECOND
    hall.source.rows[SYMBOL, "1m"] = [
        [label + n * 60_000, 10.0, 10.2, 9.9, 10.1, 20.0, 20_200.0, 9.8] for n in range(5)
    ]
    await hall.feed.open([SYMBOL])
    bars = hall.feed.history(SYMBOL, "1m", 2)
    assert [bar.time for bar in bars] == [moment("09:34"), moment("09:35")]
    assert (bars[0].open, bars[0].close, bars[0].volume, bars[0].prev_close) == (
        10.0,
        10.1,
        2000,
        9.8,
    )
    assert len(hall.feed.history(SYMBOL, "1m", 10)) == 3
    assert hall.feed.history(SYMBOL, "1m", 0) == hall.feed.history(SYMBOL, "1d", 5) == []


# ------------------------------------------------------------------ the rule book


async def test_limits_that_the_rule_book_computes_otherwise_are_an_alert_once():
    known = {"PreClose": 10.0, "InstrumentName": "浦发银行", "PriceTick": 0.01}
    hall = Hall()
    hall.source.details[SYMBOL] = a_detail(up=12.0, down=8.0, **known)
    await hall.feed.open([SYMBOL])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    await hall.feed._learn(SYMBOL)
    (alert,) = hall.of(Alert)
    assert (
        "the limits of 600000.SH are 12.0 and 8.0, by the rule book 11.0 and 9.0" in alert.message
    )
    assert "rules.file" in alert.message
    hall.push(a_tick())
    assert (hall.quotes[-1].limit_up, hall.quotes[-1].limit_down) == (12.0, 8.0)
    task.cancel()
    await asyncio.wait([task])


async def test_nothing_is_said_where_they_agree_or_the_terminal_has_none(running):
    async with running(SYMBOL, OTHER) as hall:
        hall.source.details[SYMBOL] = a_detail(PreClose=10.0, PriceTick=0.01)
        hall.source.details[OTHER] = a_detail(up=DBL_MAX, down=DBL_MAX, PreClose=10.0)
        for symbol in (SYMBOL, OTHER):
            await hall.feed._learn(symbol)
        assert hall.of(Alert) == []


# ------------------------------------------------------------------ what sets a symbol apart


@pytest.mark.parametrize(
    ("detail", "state"),
    [
        pytest.param({"InstrumentName": "*ST浦发"}, (Status.ST, False, False), id="ST"),
        pytest.param({"InstrumentStatus": 3}, (Status.NORMAL, True, False), id="suspended"),
        pytest.param(
            {"InstrumentName": "N浦发", "UpStopPrice": DBL_MAX, "DownStopPrice": DBL_MAX},
            (Status.NEW, False, True),
            id="new, without limits",
        ),
        pytest.param(
            {"InstrumentName": "N转债"}, (Status.NEW, False, False), id="new, with limits"
        ),
        pytest.param(
            {"InstrumentName": "退市浦发"}, (Status.DELISTING, False, False), id="delisting"
        ),
        pytest.param({"InstrumentStatus": -1}, None, id="trading again"),
        pytest.param({"UpStopPrice": DBL_MAX}, None, id="as usual, and no limits are known"),
    ],
)
async def test_what_sets_a_symbol_apart_today_is_told_before_its_quotes(detail, state):
    hall = Hall()
    hall.source.details[SYMBOL] = a_detail(**{"InstrumentName": "浦发银行", **detail})
    await hall.feed.open([SYMBOL, OTHER])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    hall.push(a_tick())
    found = hall.of(InstrumentState)
    told = [(event.status, event.suspended, event.unlimited) for event in found]
    assert told == ([state] if state else [])
    assert all((e.symbol, e.day, e.time) == (SYMBOL, DAY, moment("10:00:05")) for e in found)
    task.cancel()
    await asyncio.wait([task])


async def test_a_state_is_told_once_a_day_and_again_when_it_changes(running):
    async with running() as hall:
        for status in (5, 5, 0, 0):
            hall.source.details[SYMBOL] = a_detail(InstrumentStatus=status)
            await hall.feed._learn(SYMBOL)
        assert [event.suspended for event in hall.of(InstrumentState)] == [True, False]
        hall.source.details[SYMBOL] = a_detail(NEXT_DAY, InstrumentName="ST浦发")
        await hall.feed._learn(SYMBOL)
        hall.source.details[SYMBOL] = a_detail(NEXT_DAY, InstrumentName="浦发银行")
        await hall.feed._learn(SYMBOL)
        assert [(e.status, e.day) for e in hall.of(InstrumentState)[2:]] == [
            (Status.ST, NEXT_DAY),
            (Status.NORMAL, NEXT_DAY),
        ]


# ------------------------------------------------------------------ ticks become quotes


async def test_a_tick_becomes_a_quote_with_the_days_limits(running):
    async with running() as hall:
        hall.push(a_tick(10.1))
        (quote,) = hall.quotes
        assert (quote.symbol, quote.last, quote.volume) == (SYMBOL, 10.1, 100_000)
        assert (quote.limit_up, quote.limit_down) == (11.0, 9.0)


async def test_an_older_tick_and_the_same_again_are_left_out(running):
    async with running() as hall:
        newest = a_tick(10.2, "10:00:09")
        for tick in (a_tick(10.1), newest, a_tick(10.1, "10:00:06"), newest):
            hall.push(tick)
        assert [quote.last for quote in hall.quotes] == [10.1, 10.2]


async def test_the_last_tick_of_the_day_before_is_no_news_when_it_comes_again(running):
    """As it does after each new subscription, while the new day's limits are not known yet."""
    async with running() as hall:
        last = a_tick(10.2, "14:59:57")
        hall.push(last)
        hall.to("00:01", NEXT_DAY)
        hall.push(last)
        hall.source.details[SYMBOL] = a_detail(NEXT_DAY, 12.0, 10.0)
        hall.to("09:02", NEXT_DAY)
        await eventually(lambda: hall.feed._instruments[SYMBOL].day == NEXT_DAY)
        hall.push(last)
        assert len(hall.quotes) == 1


async def test_the_dust_of_floats_and_missing_prices_are_mended(running):
    async with running() as hall:
        dusty = [11.370000000000001, 11.36, None, DBL_MAX, float("nan")]
        hall.push(a_tick(11.370000000000001, bidPrice=dusty, high=None))
        (quote,) = hall.quotes
        assert quote.last == 11.37
        assert quote.bid_prices == [11.37, 11.36, 0.0, 0.0, 0.0]
        assert quote.high == 0.0


async def test_clean_levels_are_shared_and_not_copied(running):
    async with running() as hall:
        tick = a_tick(10.0, askPrice=[10.01, 10.02, 10.03, 10.04, 10.05])
        hall.push(tick)
        assert hall.quotes[0].ask_prices is tick["askPrice"]


async def test_what_is_no_quote_is_left_out_and_harms_nobody(running):
    async with running() as hall:
        hall.push({"time": 1})
        hall.push(a_tick(), "NOTHING.XX")
        hall.push(a_tick(10.3))
        assert [quote.last for quote in hall.quotes] == [10.3]


# ------------------------------------------------------------------ instruments


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param(a_detail(NEXT_DAY), id="of another day"),
        pytest.param(a_detail(up=DBL_MAX, down=0.0), id="none on this day"),
        pytest.param(a_detail(up=None, down=float("nan")), id="no numbers"),
        pytest.param({"TradingDay": "0", "UpStopPrice": 11.0}, id="of no day"),
    ],
)
async def test_limits_that_are_not_todays_or_no_numbers_are_not_used(running, detail):
    hall = Hall()
    hall.source.details[SYMBOL] = detail
    await hall.feed.open([SYMBOL])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    hall.push(a_tick())
    assert (hall.quotes[0].limit_up, hall.quotes[0].limit_down) == (0.0, 0.0)
    task.cancel()


async def test_in_the_morning_the_limits_are_learnt_anew_before_the_first_quote(running):
    async with running() as hall:
        hall.source.details[SYMBOL] = a_detail(NEXT_DAY, 12.0, 10.0)
        asked = len(hall.source.asked)
        hall.to("09:02", NEXT_DAY)
        await eventually(lambda: len(hall.source.asked) > asked)
        hall.push(a_tick(time=moment("09:15", NEXT_DAY) // MILLISECOND))
        assert hall.quotes[-1].limit_up == 12.0


async def test_limits_that_came_late_are_asked_for_once_a_minute(running):
    async with running() as hall:
        asked = len(hall.source.asked)
        hall.to("09:20", NEXT_DAY)
        await eventually(lambda: len(hall.source.asked) > asked)
        hall.source.asked.clear()
        for second in range(3):
            hall.push(a_tick(10.0 + second / 100, "10:00:04"))
        await eventually(lambda: hall.source.asked)
        assert hall.source.asked == [SYMBOL]
        hall.source.details[SYMBOL] = a_detail(NEXT_DAY, 12.0, 10.0)
        hall.to("09:21:01", NEXT_DAY)
        hall.push(a_tick(10.1, "10:00:05"))
        await eventually(lambda: len(hall.source.asked) == 2)
        hall.push(a_tick(10.2, "10:00:06"))
        assert hall.quotes[-1].limit_up == 12.0


async def test_a_source_that_is_away_gives_quotes_without_limits_later_with(running):
    async with running() as hall:
        hall.source.failing = True
        hall.to("09:20", NEXT_DAY)
        hall.push(a_tick(10.0, "10:00:04"))
        await eventually(lambda: len(hall.source.asked) > 1)
        assert hall.quotes[-1].limit_up == 0.0


# ------------------------------------------------------------------ alive or not


async def test_the_link_is_told_once_for_each_change(running):
    async with running() as hall:
        hall.source.on_state(False, "the terminal is gone")
        hall.source.on_state(False, "the terminal is gone")
        hall.source.on_state(True, "")
        assert hall.links == [(True, ""), (False, "the terminal is gone"), (True, "")]


async def test_silence_in_trading_hours_is_told_and_everything_subscribed_to_again(running):
    async with running(SYMBOL, OTHER, silence=30.0) as hall:
        hall.push(a_tick())
        hall.to("10:00:30")
        assert hall.links == [(True, "")]
        hall.to("10:01:00")
        await eventually(lambda: hall.source.made_again)
        assert hall.source.made_again == [[]]
        up, reason = hall.links[-1]
        assert not up
        assert "30 s" in reason
        hall.push(a_tick(10.1, "10:01:00"))
        assert hall.links[-1] == (True, "")


@pytest.mark.parametrize("hour", ["11:45", "13:00:20", "15:10", "09:29:59", "08:00"])
async def test_silence_when_nothing_trades_is_nothing(running, hour):
    async with running() as hall:
        hall.clock.time = moment(hour) - MILLISECOND
        hall.source.details[SYMBOL] = a_detail()
        hall.to(hour)
        assert hall.source.made_again == []


async def test_silence_on_a_holiday_is_nothing():
    """The instruments stay those of the day before."""
    hall = Hall()
    hall.clock.time = moment("10:00", NEXT_DAY)
    await hall.feed.open([SYMBOL])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    hall.to("10:30", NEXT_DAY)
    assert hall.links == [(True, "")]
    task.cancel()


async def test_a_symbol_whose_subscription_is_lost_is_noticed_by_its_last_tick(running):
    async with running(SYMBOL, OTHER, silence=30.0) as hall:
        hall.push(a_tick())
        hall.push(a_tick(), OTHER)
        hall.source.last[OTHER] = a_tick(10.5, "10:00:30")  # which never came
        for second in range(0, 60, 10):
            hall.push(a_tick(10.0 + second / 100, f"10:00:{second:02d}"))
            hall.clock.advance(by=10)
        await eventually(lambda: hall.source.made_again)
        assert hall.source.made_again == [[OTHER]]
        assert [q.last for q in hall.quotes if q.symbol == OTHER] == [10.0, 10.5]
        (alert,) = hall.of(Alert)
        assert OTHER in alert.message
        assert hall.links == [(True, "")]


async def test_a_symbol_that_is_merely_quiet_is_left_alone(running):
    async with running(SYMBOL, OTHER, silence=30.0) as hall:
        hall.push(a_tick(), OTHER)
        for second in range(0, 120, 10):
            hall.push(a_tick(10.0 + second / 100, "10:00:06"))
            hall.clock.advance(by=10)
            await asyncio.sleep(0)
        assert hall.source.made_again == []
        assert hall.of(Alert) == []


async def test_a_suspended_symbol_is_not_waited_for(running):
    hall = Hall(silence=30.0)
    hall.source.details[OTHER] = a_detail(InstrumentStatus=3)
    await hall.feed.open([SYMBOL, OTHER])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    hall.source.last[OTHER] = a_tick()
    for second in range(0, 120, 10):
        hall.push(a_tick(10.0 + second / 100, "10:00:06"))
        hall.clock.advance(by=10)
        await asyncio.sleep(0)
    assert [quote.symbol for quote in hall.quotes if quote.symbol == OTHER] == []
    task.cancel()


async def test_a_source_that_fails_to_subscribe_again_does_not_end_the_feed(running):
    async with running(SYMBOL, OTHER) as hall:

        async def fail(symbols=()):
            raise BrokerUnavailable("away")

        hall.source.again = fail
        hall.to("10:02")
        hall.push(a_tick(10.1, "10:02:00"))
        assert hall.quotes[-1].last == 10.1


async def test_after_it_was_stopped_nothing_is_reported():
    hall = Hall()
    await hall.feed.open([SYMBOL])
    task = asyncio.create_task(hall.feed.run(hall.reported.append))
    await eventually(lambda: hall.source.subscribed)
    task.cancel()
    await asyncio.wait([task])
    hall.push(a_tick())
    hall.to("10:05")
    assert hall.quotes == []
    await hall.feed.close()
    await hall.feed.close()
