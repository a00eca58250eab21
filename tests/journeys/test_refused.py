"""What the exchange or the trader would refuse: a strategy asks for it, and sees why it stayed."""

from datetime import date

import pytest
from builders import a_bar, a_quote, moment
from stage import DAY, SYMBOL, Recorder, engine, journalled, rules

import qka
from qka import OrderType
from qka.errors import ConfigError
from qka.model.events import Alert, InstrumentState, OrderDenied, OrderRequested
from qka.model.market import Status
from qka.model.order import OrderStatus as S
from qka.risk.hours import Hours

STAR, SZ = "688981.SH", "000001.SZ"


class Once(Recorder):
    """Does one thing at the first quote or bar."""

    def __init__(self, act):
        self.act, self.order_made = act, None

    def on_quote(self, quote):
        if self.order_made is None:
            self.order_made = self.act(self)

    def on_bar(self, bar):
        self.on_quote(bar)


async def lived(act, *events, held=None, gate=None, journal=None):
    strategy, alerts = Once(act), []
    strategy.bars = getattr(events[0], "period", "1m")
    built = engine(events, strategy, cash=100_000_000, held=held, gate=gate, journal=journal)
    built.listen(Alert, alerts.append)
    await built.run_async()
    return strategy.order_made, [alert.message for alert in alerts]


def at(clock_time, **changes):
    return a_quote(time=moment(clock_time), **changes)


def buys(symbol=SYMBOL, quantity=100, price=10.01, **more):
    return lambda strategy: strategy.buy(symbol, quantity, price, **more)


def sells(quantity, price):
    return lambda strategy: strategy.sell(SYMBOL, quantity, price)


REFUSALS = {
    "order_size": (buys(STAR, 100_001), [at("10:00", symbol=STAR)], "100000 would pass"),
    "order_type": (buys(SZ, type="best_5_limit"), [at("10:00", symbol=SZ)], "limit, market, peer"),
    "phase": (buys(price=None), [at("14:58", phase=18)], "takes no market orders in 14:57-15:00"),
    "price_limit": (buys(price=11.01), [at("09:20", phase=12)], "11 would pass"),
    "price_cage": (buys(price=10.22), [at("10:00")], "10.21 would pass"),
    "suspended": (buys(), [at("10:00", phase=17)], "once it trades again"),
    "lot": (buys(quantity=150), [at("10:00")], "100 would pass"),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_strategy_sees_that_it_was_denied_and_what_would_pass(code, tmp_path):
    act, events, words = REFUSALS[code]
    path = tmp_path / "journal.db"
    order, _ = await lived(act, *events, journal=path)
    assert order.status is S.DENIED
    assert words in order.reason
    kept = journalled(path)
    (denied,) = (event for event in kept if isinstance(event, OrderDenied))
    assert (denied.code, denied.order.id, denied.reason) == (code, order.id, order.reason)
    assert not any(isinstance(event, OrderRequested) for event in kept)


async def test_a_sell_below_the_cage_is_denied():
    order, _ = await lived(sells(100, 9.5), at("10:00"), held={SYMBOL: 1000})
    assert order.status is S.DENIED
    assert "9.79 for a market at 9.99; 9.79 would pass" in order.reason


async def test_what_the_terminal_says_of_a_security_binds_that_day():
    state = InstrumentState(moment("09:31"), SYMBOL, DAY, Status.ST, name="*ST浦发")
    order, _ = await lived(buys(quantity=500_100), state, at("10:00"))
    assert order.status is S.DENIED
    assert "500000 are the limit; 500000 would pass" in order.reason
    order, _ = await lived(buys(quantity=500_000), state, at("10:00"))
    assert order.status is not S.DENIED


async def test_an_order_at_noon_is_the_brokers_to_keep_and_it_is_told():
    order, alerts = await lived(buys(), at("11:35", phase=14))
    assert order.status is not S.DENIED
    (told,) = (words for words in alerts if words.startswith("phase"))
    assert "takes no limit orders in 11:30-13:00 (break): the broker keeps it until 13:00" in told


async def test_bars_have_no_phases_a_daily_strategy_orders_at_the_close():
    daily = a_bar(time=moment("15:00"), period="1d")
    order, alerts = await lived(buys(price=None), daily)
    assert (order.status, alerts) == (S.SUBMITTING, [])


async def test_no_order_leaves_on_a_day_off_nor_beyond_the_calendar():
    gate = [Hours(lambda day: day != date(2026, 1, 5)), *rules()]
    order, _ = await lived(buys(), at("10:00"), gate=gate)
    assert order.reason == "2026-01-05 is no trading day; on the next one it would pass"


@pytest.mark.parametrize(
    ("risk", "symbol", "words"),
    [
        ({"forbidden": ["600000.SH"]}, SYMBOL, "risk.forbidden has 600000.SH"),
        ({"forbidden": ["star"]}, STAR, "risk.forbidden has star"),
        ({"allowed": ["fund", "000001.SZ"]}, SYMBOL, "it is not in risk.allowed"),
    ],
)
def test_what_the_trader_does_not_allow_is_denied(tmp_path, risk, symbol, words):
    strategy = Once(buys(symbol, 200, 5.0))
    strategy.symbols = [symbol]
    built = qka.Engine.from_config({"risk": risk, "run": {"dir": str(tmp_path)}, "strategies": []})
    built.register(strategy)
    built.run()
    assert strategy.order_made.status is S.DENIED
    assert words in strategy.order_made.reason


@pytest.mark.parametrize("value", ["600000", "stars"])
def test_a_list_of_what_is_no_symbol_and_no_board_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=r"risk.allowed"):
        qka.Engine.from_config({"risk": {"allowed": [value]}, "strategies": []})


async def test_a_fixed_price_order_is_taken_after_the_close():
    day = date(2026, 11, 23)
    quote = a_quote(time=moment("15:04", day), phase=15)
    order, _ = await lived(buys(price=None, type=OrderType.FIXED), quote)
    assert order.status is not S.DENIED
    order, _ = await lived(buys(price=9.99, type="fixed"), quote)
    assert "9.99 does not reach 10, the closing price" in order.reason
