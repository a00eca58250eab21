"""A market that runs by itself around the simulated terminal."""

import threading
from datetime import date

import pytest
from builders import DAY
from terminal_stage import ACCOUNT, Client, eventually, order_of

from qka.ashare.sessions import phase_at
from qka.errors import ConfigError
from qka.model.market import Phase
from qka.model.times import SECOND, at, day_of
from qka.terminal.books import Opening
from qka.terminal.market import SimulatedMarket

SYMBOL = "600519.SH"


class Wall:
    """A wall clock that the test moves."""

    def __init__(self):
        self.time = at(date(2026, 3, 7), "20:00")  # a Saturday evening

    def __call__(self):
        return self.time


@pytest.fixture
def make_market():
    made = []

    def make(**options):
        opening = Opening(account_id=ACCOUNT, cash=1_000_000_000)
        options = {"day": DAY, "symbols": [SYMBOL, "000001.SZ"], **options}
        made.append(SimulatedMarket([opening], **options))
        return made[-1]

    yield make
    for market in made:
        market.close()


def test_begins_when_it_is_asked_to_with_the_morning_behind_it(make_market):
    market = make_market(wall=Wall())
    assert market.now() == at(DAY, "09:30")
    market.start()
    assert market.now() == at(DAY, "09:30")
    assert market.terminal.now() == market.now()
    tick = market.terminal.full_tick([SYMBOL])[SYMBOL]
    assert tick["open"] > 0
    assert tick["time"] * 1_000_000 <= at(DAY, "09:30")
    assert market.terminal.instrument(SYMBOL)["TradingDay"] == 20260105


def test_may_begin_late_in_the_day(make_market):
    market = make_market(begin="14:59", wall=Wall())
    market.start()
    for tick in market.terminal.full_tick(["SH", "SZ"]).values():
        assert tick["openInt"] == Phase.CLOSING_CALL
        assert tick["volume"] > 0


def test_is_on_the_next_weekday_unless_told(make_market):
    assert day_of(make_market(wall=Wall(), day=None).now()) == date(2026, 3, 9)


def test_goes_on_at_its_speed(make_market):
    wall = Wall()
    market = make_market(wall=wall, speed=20.0)
    market.start()
    wall.time += 3 * SECOND
    assert market.now() == at(DAY, "09:31")
    assert market.speed == 20.0
    market.terminal.order(ACCOUNT, *order_of().values())  # every request catches up
    assert market.terminal.orders(ACCOUNT)[0].order_time * SECOND == at(DAY, "09:31")


def test_pushes_quotes_by_itself(make_market):
    market = make_market(speed=300.0)
    heard = []
    market.start()
    link = market.terminal.connect_data()
    market.terminal.subscribe_quotes(link, ["SH", "SZ"], heard.append)
    eventually(lambda: len(heard) > 20)
    for symbol in market.symbols:
        times = [ticks[symbol]["time"] for ticks in heard if symbol in ticks]
        assert times == sorted(set(times))
    assert sorted(heard[0]) == ["000001.SZ", SYMBOL]


def test_fills_orders_by_itself(make_market):
    market = make_market(speed=300.0, latency=0.5)
    market.start()
    client = Client(market.terminal)
    price = round(market.terminal.instrument("000001.SZ")["PreClose"] * 1.015, 2)
    client.order(symbol="000001.SZ", price=price, volume=5000)
    eventually(lambda: client.statuses()[-1] == 56)
    assert client.statuses()[:2] == [49, 50]
    assert sum(trade.traded_volume for trade in client.told("trade")) == 5000
    assert market.terminal.books(ACCOUNT).problems() == []


def test_accepts_an_order_while_no_quote_is_due(make_market):
    market = make_market(begin="12:00", speed=10.0, latency=0.5)
    market.start()
    assert phase_at(market.now()) is Phase.BREAK
    client = Client(market.terminal)
    client.order(price=market.terminal.instrument(SYMBOL)["PreClose"], symbol=SYMBOL)
    assert eventually(lambda: client.statuses() == [49, 50])


def test_has_a_past(make_market):
    terminal = make_market(wall=Wall()).terminal
    terminal.download(SYMBOL, "1d")
    assert len(terminal.bars(SYMBOL, "1d", count=20)) == 20


def test_has_as_many_symbols_as_told(make_market):
    market = make_market(wall=Wall(), symbols=30)
    market.start()
    assert len(market.symbols) == 30
    assert len(market.terminal.full_tick(["SH", "SZ", "BJ"])) == 30
    assert market.terminal.sector("京市A股") == ["920002.BJ"]


def test_ends_with_its_thread(make_market):
    market = make_market(speed=50.0)
    market.start()
    market.close()
    market.close()
    assert "qka-market" not in {thread.name for thread in threading.enumerate()}


def test_does_not_stand_still(make_market):
    with pytest.raises(ConfigError, match="speed"):
        make_market(speed=0)
