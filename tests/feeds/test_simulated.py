"""The simulated market is a market: auctions, limits, levels, cumulative figures; and a seed."""

from collections import defaultdict
from datetime import date

import pytest

from qka.ashare.sessions import phase_at
from qka.clock import ReplayClock
from qka.errors import ConfigError
from qka.feeds.simulated import SimulatedFeed
from qka.model.market import Phase
from qka.model.times import at, day_of, show

DAY = date(2026, 1, 5)


async def events(symbols=(), **options):
    clock = ReplayClock()
    feed = SimulatedFeed(clock, **options)
    await feed.open(list(symbols))
    clock.begin(feed.start)
    seen = []
    await feed.run(seen.append)
    assert feed.progress() == 1.0
    return seen


async def test_the_same_seed_gives_the_same_day_and_another_seed_another():
    first = await events(symbols=["600000.SH", "300750.SZ"], seed=3)
    assert first == await events(symbols=["600000.SH", "300750.SZ"], seed=3)
    assert first != await events(symbols=["600000.SH", "300750.SZ"], seed=4)


async def test_a_symbol_does_not_depend_on_what_else_is_watched():
    alone = await events(symbols=["688981.SH"])
    among = await events(symbols=["600000.SH", "688981.SH", "920002.BJ"])
    assert alone == [quote for quote in among if quote.symbol == "688981.SH"]


async def test_every_snapshot_of_a_day_obeys_the_market():
    seen = await events(seed=8, days=2)
    assert [q.time for q in seen] == sorted(q.time for q in seen)
    last = {}
    for q in seen:
        before = last.get(q.symbol)
        if before and day_of(before.time) == day_of(q.time):
            assert q.time > before.time
            assert q.volume >= before.volume
            assert q.amount >= before.amount
            assert q.prev_close == before.prev_close
        elif before:
            assert q.prev_close == before.last
        last[q.symbol] = q
        prices = [p for p in (*q.ask_prices, *q.bid_prices, q.last, q.high, q.low) if p]
        assert all(q.limit_down <= p <= q.limit_up for p in prices)
        mills = 1 if q.symbol.startswith("510") else 10
        assert all(p == round(p * 1000 / mills) * mills / 1000 for p in prices)
        if q.last:
            assert q.low <= q.last <= q.high
            assert q.low <= q.open <= q.high
        asks, bids = ([p for p in side if p] for side in (q.ask_prices, q.bid_prices))
        if q.phase in (Phase.OPENING_CALL, Phase.CLOSING_CALL):
            assert asks == bids
            assert len(asks) == 1
            assert q.ask_lots[0] == q.bid_lots[0] > 0
            assert min(q.ask_lots[1], q.bid_lots[1]) == 0
        else:
            assert asks == sorted(set(asks))
            assert bids == sorted(set(bids), reverse=True)
            assert not (asks and bids) or bids[0] < asks[0]
            assert [bool(lot) for lot in q.ask_lots] == [bool(p) for p in q.ask_prices]


async def test_the_day_has_its_phases_and_nothing_trades_outside_them():
    seen = await events(symbols=["600000.SH"])
    phases = defaultdict(list)
    for q in seen:
        phases[Phase(q.phase)].append(q)
    assert show(seen[0].time)[11:16] == "09:15"
    assert len(phases[Phase.OPENING_CALL]) == 200
    assert all(q.volume == 0 and q.last == 0 for q in phases[Phase.OPENING_CALL])
    first, again, *_ = phases[Phase.BREAK]  # the opening print, and then nothing until 09:30
    assert [show(q.time)[11:16] for q in (first, again)] == ["09:25"] * 2
    assert again.volume == first.volume > 0
    assert show(phases[Phase.CONTINUOUS][0].time)[11:16] == "09:30"
    closing = phases[Phase.CLOSING_CALL]
    assert len(closing) == 60
    assert len({q.volume for q in closing}) == 1
    assert phases[Phase.CLOSED][0].volume > closing[-1].volume
    lunch = [q for q in seen if at(DAY, "11:30") <= q.time < at(DAY, "13:00")]
    assert len({q.volume for q in lunch}) == 1


@pytest.mark.parametrize("symbol", ["600000.SH", "000001.SZ", "920002.BJ", "510300.SH"])
async def test_an_auction_prints_what_its_last_virtual_price_said_and_leaves_its_book(symbol):
    seen = await events(symbols=[symbol])
    for call, after in [(Phase.OPENING_CALL, Phase.BREAK), (Phase.CLOSING_CALL, Phase.CLOSED)]:
        *_, virtual = (q for q in seen if q.phase == call)
        printed, again = [q for q in seen if q.phase == after and q.time > virtual.time][:2]
        assert printed.last == virtual.bid1
        assert printed.volume - virtual.volume == virtual.bid_volumes[0]
        asks, bids = (
            dict(zip(prices, lots, strict=True))
            for prices, lots in [
                (printed.ask_prices, printed.ask_lots), (printed.bid_prices, printed.bid_lots)
            ]
        )  # fmt: skip
        left_over = [side.get(printed.last, 0) for side in (asks, bids)]
        assert left_over == [virtual.ask_lots[1], virtual.bid_lots[1]]
        assert (again.ask_prices, again.bid_lots) == (printed.ask_prices, printed.bid_lots)


async def test_every_snapshot_names_the_phase_that_the_day_is_in():
    for quote in await events(symbols=["600000.SH", "300750.SZ"]):
        over = quote.phase == Phase.CLOSED  # the feed's one word for all that follows 15:00
        assert over or quote.phase == phase_at(quote.time)


async def test_some_symbols_seal_at_their_limit_and_then_one_side_is_empty():
    seen = await events(symbols=["300750.SZ"], seed=4)
    sealed = [
        q
        for q in seen
        if q.phase == Phase.CONTINUOUS and q.last and not (q.ask_prices[0] and q.bid_prices[0])
    ]
    assert len(sealed) > 100
    assert {q.last for q in sealed} & {sealed[0].limit_up, sealed[0].limit_down}


async def test_thousands_of_symbols_are_there_and_an_index_is_not():
    feed = SimulatedFeed(ReplayClock(), symbols=5000)
    assert len(set(await feed.open([]))) == 5000
    with pytest.raises(ConfigError, match="index"):
        await feed.open(["000001.SH"])


@pytest.mark.parametrize("period", ["1m", "5m", "60m", "1d"])
async def test_the_past_ends_where_the_day_begins(period):
    feed = SimulatedFeed(ReplayClock())
    bars = feed.history("600000.SH", period, 300)
    (first, *_) = await events(symbols=["600000.SH"])
    assert len(bars) == 300
    assert bars[-1].close == first.prev_close
    assert [b.time for b in bars] == sorted({b.time for b in bars})
    assert bars[-1].time < first.time
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)
    assert bars == feed.history("600000.SH", period, 300)


async def test_nobody_sells_only_when_the_best_bid_is_the_upper_limit():
    seen = await events(seed=1, symbols=["601016.SH"])
    empty = [q for q in seen if q.phase == Phase.CONTINUOUS and q.last and not q.ask1]
    assert empty
    assert all(q.bid1 == q.limit_up and q.bid_lots[0] > 5000 for q in empty)


async def test_the_past_of_a_cheap_symbol_moves():
    bars = SimulatedFeed(ReplayClock()).history("600000.SH", "1m", 300)
    assert len({bar.close for bar in bars}) > 3


async def test_a_symbol_asked_for_twice_comes_once():
    twice = await events(symbols=["600000.SH", "600000.SH"])
    assert twice == await events(symbols=["600000.SH"])


def test_a_market_that_begins_at_a_weekend_is_refused():
    with pytest.raises(ConfigError, match=r"feed\.day: 2026-01-10 is a Saturday"):
        SimulatedFeed(ReplayClock(), day=date(2026, 1, 10))
