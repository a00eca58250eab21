"""A symbol that is halted, and trading that is: what is wanted waits, or is refused in words."""

import pytest
from builders import moment
from msgspec.structs import replace
from stage import SYMBOL, Recorder, engine, quotes, rules

from qka.model.events import OrderDenied, TradingState
from qka.model.market import Phase
from qka.model.order import OrderStatus as S
from qka.risk.stops import Stops

OTHER = "000001.SZ"


class Switches(Recorder):
    """From one symbol into the other at its second quote, at a price of its own if given one."""

    symbols = [SYMBOL, OTHER]

    def __init__(self, price=None):
        self.price, self.fired, self.found, self.told = price, 0, None, []

    def on_start(self):
        self.every("30s", self.count)

    def count(self):
        self.fired += 1

    def on_quote(self, quote):
        self.heard.append(quote)
        if len(self.heard) == 4 and self.price is None:
            self.found = self.rebalance({SYMBOL: 0.0, OTHER: 0.4})
        elif len(self.heard) == 4:
            self.sell(SYMBOL, 1000, self.price)
            self.found = self.rebalance({SYMBOL: 0.0, OTHER: 0.4})

    def on_rebalance(self, rebalanced):
        self.told.append(rebalanced)


def two(prices=(10.0,) * 4, halted=(), again=()):
    """Quotes of both: then SYMBOL is halted for so many, and trades again."""
    first = quotes(list(prices))
    stop = quotes(list(halted), start="09:32:03") if halted else []
    rest = quotes(list(again), start="09:42:03") if again else []
    mine = first + [replace(quote, phase=Phase.HALTED) for quote in stop] + rest
    count = len(prices) + len(halted) + len(again)
    theirs = quotes([10.0] * max(count, 4), symbol=OTHER, start="09:30:04")
    late = quotes([10.0] * 8, symbol=OTHER, start="09:42:04") if again else []
    return sorted(mine + theirs + late, key=lambda quote: quote.time)


def test_what_is_halted_is_not_sold_at_the_market_and_the_buys_go_on_without_its_cash():
    seen = [replace(q, phase=Phase.HALTED) if q.symbol == SYMBOL else q for q in two()]
    trader = Switches()
    made = engine(seen, trader, cash=3000, held={SYMBOL: 1000}, gate=rules(1.0))
    made.run()
    (told,) = trader.told
    assert [(left.symbol, left.code) for left in told.left] == [(SYMBOL, "halted"), (OTHER, "cash")]
    assert [(o.symbol, o.side) for o in told.orders] == [(OTHER, "buy")]


def test_buys_wait_for_a_sell_whose_symbol_is_halted_until_it_trades_again():
    seen = two([10.0] * 4, [10.0] * 5, [10.6] * 4)
    trader = Switches(price=10.55)
    made = engine(seen, trader, cash=0, held={SYMBOL: 1000}, gate=rules(1.0))
    made.run()
    assert trader.found.waiting == (OTHER,)
    (told,) = trader.told
    assert told.orders[0].symbol == OTHER
    assert told.time >= moment("09:42")
    assert made.ledger.position(OTHER).quantity > 0
    assert trader.fired == 478  # every thirty seconds of trading from 09:30:03 on, as on any day


@pytest.mark.parametrize(
    ("state", "sold", "refused"),
    [
        (TradingState.HALTED, 0, [SYMBOL, OTHER]),
        (TradingState.REDUCING, 1000, [OTHER]),
    ],
)
def test_a_rebalance_while_trading_is_held_says_what_was_refused(state, sold, refused):
    trader = Switches()
    made = engine(two(), trader, held={SYMBOL: 1000}, gate=rules(1.0))
    made.ledger.trading = state
    made.run()
    (told,) = trader.told
    denied = [left for left in told.left if left.code == "denied"]
    assert [left.symbol for left in denied] == refused
    assert all(f"trading is {state}" in left.reason for left in denied)
    assert sum(o.quantity for o in told.orders if o.status is not S.DENIED) == sold


def test_an_exit_waits_while_trading_is_halted_is_told_once_and_follows():
    made = engine(
        quotes([10.0] * 2 + [9.4] * 30),
        Recorder(symbols=[SYMBOL]),
        held={SYMBOL: 1000},
        gate=rules(1.0),
    )
    made.stop_at(Stops(loss=0.05))
    made.ledger.trading = made._trading = TradingState.HALTED
    denials = []
    made.listen(OrderDenied, denials.append)
    made.clock.call_at(
        moment("09:31"), lambda: made.set_trading(TradingState.REDUCING, "looked at")
    )
    (alert,) = made.run()["alerts"]
    assert "trading is HALTED: the exit waits until it is not" in alert
    assert denials == []
    assert made.ledger.positions() == []


class Leaves(Switches):
    """Wants more when the run ends: what can be at once, and what would have to wait."""

    def on_stop(self):
        self.last = self.order_target_shares(OTHER, 300, 10.05)
        self.bid = self.buy(SYMBOL, 100, 9.9)
        self.late = self.order_target_shares(SYMBOL, 0, 10.55)


def test_when_the_engine_stops_what_waits_is_not_ordered_and_that_is_told():
    trader = Leaves(price=10.55)
    made = engine(two([10.0] * 40), trader, cash=10_000, held={SYMBOL: 1000}, gate=rules(1.0))
    made.clock.call_at(moment("09:31"), made.request_stop)
    summary = made.run()
    assert any(
        "its targets of 000001.SZ are dropped: the engine stops" in a for a in summary["alerts"]
    )
    assert trader.found.waiting == (OTHER,)
    assert trader.last.quantity == 300
    assert (trader.late.done, [left.code for left in trader.late.left]) == (True, ["closed"])
    bought = [o for o in made.ledger.orders.values() if o.symbol == OTHER]
    assert [o.id for o in bought] == [trader.last.id]
    assert [left.code for found in trader.told for left in found.left] == ["closed"]
