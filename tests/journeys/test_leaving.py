"""Positions that are left: at a loss, a profit, a fall from the best price; and that can't be."""

from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY
from msgspec.structs import replace
from stage import SYMBOL, Recorder, engine, journalled, quotes, rules

import qka
from qka.ashare.rules import tick_price, tick_size
from qka.model.account import Position
from qka.model.events import InstrumentState, OrderDenied, OrderRequested
from qka.model.market import Phase, Status
from qka.model.order import OrderStatus, OrderType, Side
from qka.risk.conflicts import self_trade
from qka.risk.rules import ForStrategy, ForSymbol
from qka.risk.sizes import MaxNotional, MaxQuantity
from qka.risk.stops import NO_STOPS, Stops
from qka.risk.verdicts import Denial

HELD = Position(SYMBOL, 1000, cost=10.0)


@pytest.mark.parametrize(
    ("stops", "last", "best", "why"),
    [
        (Stops(loss=0.05), 9.5, 10.0, "stop-loss: 9.5 is 5.00% below the cost of 10"),
        (Stops(loss=0.05), 9.51, 10.0, ""),
        (Stops(profit=0.1), 11.0, 11.0, "take-profit: 11 is 10.00% above the cost of 10"),
        (Stops(profit=0.1), 10.99, 11.0, ""),
        (Stops(trailing=0.1), 10.8, 12.0, "trailing stop: 10.8 is 10.00% below the best, 12"),
        (Stops(trailing=0.1), 10.81, 12.0, ""),
        (NO_STOPS, 0.01, 12.0, ""),
    ],
)
def test_a_position_is_left_at_its_stop_and_not_a_tick_before(stops, last, best, why):
    assert stops.due(HELD, last, best) == why


def test_a_position_of_unknown_cost_has_its_best_price_only():
    given = Position(SYMBOL, 1000)
    assert Stops(loss=0.05, profit=0.1).due(given, 9.0, 10.0) == ""
    assert Stops(0.05, 0.1, 0.1).due(given, 9.0, 10.0).startswith("trailing stop")


SEALED = {
    "bid_lots": [0] * 5,
    "bid_prices": [0.0] * 5,
    "ask_lots": [5_000, 1, 1, 1, 1],
    "ask_prices": [9.0, 9.01, 9.02, 9.03, 9.04],
}


class Idle(Recorder):
    """Watches; buys at its first quote when told to."""

    symbols = [SYMBOL]

    def __init__(self, quantity=0, **settings):
        super().__init__(**settings)
        self.quantity = quantity

    def on_quote(self, quote):
        if self.quantity:
            self.buy(SYMBOL, self.quantity, quote.ask_prices[0])
            self.quantity = 0


def run(prices, stops, *, held=1000, path=None, bought=0, events=None, gate=None):
    made = engine(
        events or quotes(prices),
        Idle(bought),
        held={SYMBOL: held} if held else None,
        journal=path,
        gate=gate,
    )
    made.stop_at(stops)
    return made, made.run()


@pytest.mark.parametrize(
    ("prices", "stops"),
    [
        ([10.0, 9.8, 9.5, 9.5, 9.5], Stops(loss=0.05)),
        ([10.0, 10.5, 11.0, 11.0, 11.0], Stops(profit=0.1)),
        ([10.0, 10.8, 10.5, 10.2, 10.2, 10.2], Stops(trailing=0.05)),
    ],
)
def test_a_stop_sells_all_through_the_gate_and_says_why(tmp_path, prices, stops):
    path = tmp_path / "journal.db"
    made, summary = run(prices, stops, path=path)
    assert made.ledger.positions() == []
    assert summary["strategies"]["stops"]["orders"] == 1
    (order,) = [e.order for e in journalled(path) if isinstance(e, OrderRequested)]
    assert (order.side, order.quantity, order.type) == (Side.SELL, 1000, OrderType.MARKET)
    assert summary["alerts"] == []


def test_above_its_stop_a_position_stays():
    made, summary = run([10.0, 9.8, 9.51, 9.51], Stops(loss=0.05))
    assert made.ledger.position(SYMBOL).quantity == 1000
    assert "stops" not in summary["strategies"]


def test_shares_bought_today_stay_and_that_is_told_once():
    made, summary = run([10.0] * 3 + [9.0 + 0.3] * 10, Stops(loss=0.05), held=0, bought=1000)
    assert made.ledger.position(SYMBOL).quantity == 1000
    (alert,) = summary["alerts"]
    assert alert.startswith("stops: stop-loss: 9.3 is ")
    assert "1000 of 1000 600000.SH were bought today" in alert
    assert "(T+1)" in alert


def test_they_are_sold_the_next_day():
    days = [*quotes([10.0] * 3 + [9.3] * 3), *quotes([9.3] * 4, day=NEXT_DAY)]
    made, _ = run([], Stops(loss=0.05), held=0, bought=1000, events=days)
    assert made.ledger.positions() == []


def test_at_the_limit_down_the_exit_waits_in_the_queue_and_that_is_told_once(tmp_path):
    sealed = [
        replace(quote, **SEALED) if quote.last == 9.0 else quote
        for quote in quotes([10.0, 10.0] + [9.0] * 12)
    ]
    path = tmp_path / "journal.db"
    made, summary = run([], Stops(loss=0.05), events=sealed, path=path)
    (alert,) = summary["alerts"]
    assert "at its limit down, 9: the exit of 1000 waits in the queue" in alert
    (order,) = [e.order for e in journalled(path) if isinstance(e, OrderRequested)]
    assert (order.type, order.price) == (OrderType.LIMIT, 9.0)
    assert made.ledger.position(SYMBOL).quantity == 1000


class Crowd(Recorder):
    """Has orders of its own on the symbol when the stop comes: (side, shares, price)."""

    symbols = [SYMBOL]

    def __init__(self, *orders):
        self.orders_, self.placed = orders, []

    def on_quote(self, quote):
        if not self.placed:
            self.placed = [
                (self.buy if side == "buy" else self.sell)(quote.symbol, shares, price)
                for side, shares, price in self.orders_
            ]


def crowded(prices, *orders, held=1000, events=None, gate=None):
    crowd = Crowd(*orders)
    gate = [*rules(ratio=1.0), self_trade] if gate is None else gate
    made = engine(events or quotes(prices), crowd, held={SYMBOL: held}, gate=gate)
    made.stop_at(Stops(loss=0.05))
    return made, made.run(), [made.ledger.order(order.id) for order in crowd.placed]


def test_a_working_buy_does_not_keep_an_exit_from_leaving():
    made, summary, (buy,) = crowded([10.0] * 2 + [9.4] * 6, ("buy", 500, 9.2))
    assert (buy.status, buy.filled) == (OrderStatus.CANCELLED, 0)
    assert made.ledger.positions() == []
    (alert,) = summary["alerts"]
    assert f"cancelled for the exit of {SYMBOL}: buy 500 at 9.2 of Crowd" in alert


def test_shares_that_a_sell_above_the_market_keeps_are_left_too():
    made, _, (sell,) = crowded([10.0] * 2 + [9.4] * 6, ("sell", 800, 10.8))
    assert (sell.status, sell.filled) == (OrderStatus.CANCELLED, 0)
    assert made.ledger.positions() == []


def test_a_sell_that_is_to_trade_anyway_is_left_to_it():
    seen = quotes([9.6, 9.5, 9.5, 9.5], lots=1)  # 500 shares a quote
    made, summary, (sell,) = crowded([], ("sell", 800, 9.45), events=seen)
    assert sell.filled == 800
    assert made.ledger.positions() == []
    assert summary["alerts"] == []


def test_an_exit_waits_only_so_long_for_a_cancel_that_does_not_come():
    made = engine(
        quotes([10.0] * 2 + [9.4] * 12),
        Crowd(("buy", 500, 9.2)),
        held={SYMBOL: 1000},
        gate=[*rules(ratio=1.0), self_trade],
    )
    made.stop_at(Stops(loss=0.05))
    made.broker.cancel = lambda order: None
    summary = made.run()
    assert made.ledger.position(SYMBOL).quantity == 1000
    cancelled, refused = summary["alerts"]
    assert "cancelled for the exit" in cancelled
    assert "the exit of 1000 was refused" in refused  # the buy could trade with it


def test_an_exit_of_more_than_one_order_may_have_is_several():
    symbol = "300750.SZ"
    days = quotes([10.0] * 2 + [9.4] * 20, symbol=symbol, lots=10_000)
    made = engine(days, Idle(symbols=[symbol]), held={symbol: 400_000}, gate=rules(1.0))
    made.stop_at(Stops(loss=0.05))
    made.run()
    first, *_ = made.ledger.orders.values()
    sizes = [o.quantity for o in made.ledger.orders.values() if o.time == first.time]
    assert sizes == [150_000, 150_000, 100_000]  # ChiNext's most of a market order
    assert made.ledger.positions() == []


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ([MaxQuantity(400)], [400, 400, 250]),
        ([MaxNotional(Decimal(5_000))], [550, 500]),  # at its protection, 9.00
        ([MaxQuantity(400), ForSymbol(SYMBOL, MaxQuantity(350))], [350, 300, 300, 100]),
        ([ForSymbol("000001.SZ", MaxQuantity(100)), ForStrategy("x", MaxQuantity(1))], [1050]),
    ],
    ids=["shares of an order", "CNY of one", "the symbol's own", "of others"],
)
def test_an_exit_keeps_to_what_one_order_may_have(limits, sizes):
    """A position that is larger than an order may be is left all the same, in several."""
    seen = quotes([10.0, 9.5, 9.5, 9.5, 9.5])
    made, summary = run([], Stops(loss=0.05), held=1050, events=seen, gate=[*rules(1.0), *limits])
    assert [order.quantity for order in made.ledger.orders.values()] == sizes
    assert made.ledger.positions() == []
    assert summary["alerts"] == []


def test_where_a_limit_is_below_what_can_be_sold_the_exit_is_refused_and_that_is_told():
    made, summary = run([10.0, 9.5, 9.5], Stops(loss=0.05), gate=[*rules(1.0), MaxQuantity(50)])
    assert made.ledger.position(SYMBOL).quantity == 1000
    (alert,) = summary["alerts"]
    assert "was refused: 1000 600000.SH, 50 shares an order are the limit" in alert


def test_a_bond_which_takes_no_market_orders_is_left_by_a_limit_order():
    bond = "123219.SZ"
    limits = {"limit_up": 12.0, "limit_down": 8.0}
    seen = [replace(q, **limits) for q in quotes([10.0, 10.0] + [9.4] * 4, symbol=bond)]
    made = engine(seen, Idle(symbols=[bond]), held={bond: 500}, gate=rules(1.0))
    made.stop_at(Stops(loss=0.05))
    made.run()
    (order,) = made.ledger.orders.values()
    assert (order.type, order.price, order.average_price) == (OrderType.LIMIT, 8.0, 9.39)
    assert made.ledger.positions() == []


def test_on_a_day_without_limits_an_exit_follows_the_market_inside_its_cage():
    symbol = "001220.SZ"
    free = {"limit_up": 0.0, "limit_down": 0.0}
    prices = [10.0, 9.4, 9.0, *[8.6] * 12]
    seen = [replace(q, **free) for q in quotes(prices, symbol=symbol, lots=1)]
    made = engine(seen, Idle(symbols=[symbol]), held={symbol: 600}, gate=rules(1.0))
    made.ledger.instruments[symbol] = InstrumentState(0, symbol, DAY, Status.NEW, unlimited=True)
    made.stop_at(Stops(loss=0.05))
    made.run()
    first, *more = made.ledger.orders.values()
    assert (first.type, first.price) == (OrderType.LIMIT, 9.2)  # 2% below the bid of 9.39
    assert first.status is OrderStatus.CANCELLED  # the market went on without it
    assert more[-1].status is OrderStatus.FILLED
    assert made.ledger.positions() == []


BOARDS = [
    "600000.SH", "688981.SH", "000001.SZ", "300059.SZ", "920002.BJ",
    "510300.SH", "159915.SZ", "110059.SH", "123219.SZ",
]  # fmt: skip


@pytest.mark.parametrize("symbol", BOARDS)
@pytest.mark.parametrize("bid", ["a tick below", "13% below", "nobody"])
@pytest.mark.parametrize(
    ("close", "last"), [(0.5, 0.2), (0.5, 1.3), (10.05, 10.05), (10.05, 4.0), (10.05, 31.15)]
)
@pytest.mark.parametrize("told", [True, False], ids=["the terminal said so", "nobody said so"])
def test_on_a_day_without_limits_no_exit_is_refused(symbol, bid, close, last, told):
    """By the gate or by the exchange; and each would trade at the last price."""
    tick = float(tick_size(symbol))
    best = tick_price(symbol, {"a tick below": last - tick, "13% below": last * 0.87}.get(bid, 0))
    seen = [
        replace(
            quote,
            prev_close=close,
            limit_up=0.0,
            limit_down=0.0,
            bid_prices=[best, 0.0, 0.0, 0.0, 0.0],
            bid_lots=[1 if best else 0, 0, 0, 0, 0],
            ask_prices=[tick_price(symbol, last + tick), 0.0, 0.0, 0.0, 0.0],
            ask_lots=[1, 0, 0, 0, 0],
        )
        for quote in quotes([last] * 3, symbol=symbol)
    ]
    made = engine(seen, Idle(symbols=[symbol]), held={symbol: 1000}, gate=rules(1.0))
    if told:
        made.publish(InstrumentState(0, symbol, DAY, Status.NEW, unlimited=True))
    made.stop_at(Stops(loss=1e-9, profit=1e-9))  # a cost of 10 CNY
    made.run()
    orders = list(made.ledger.orders.values())
    assert orders
    for order in orders:
        assert order.status not in (OrderStatus.DENIED, OrderStatus.REJECTED), order.reason
        assert order.price <= last


def test_an_odd_remainder_is_left_with_the_rest():
    made, _ = run([10.0, 9.5, 9.5, 9.5], Stops(loss=0.05), held=1050)
    assert made.ledger.positions() == []


def test_while_a_symbol_is_halted_its_exit_waits_and_that_is_told_once(tmp_path):
    seen = quotes([10.0] * 2 + [9.4] * 8)
    halted = [replace(q, phase=Phase.HALTED) if q.last == 9.4 else q for q in seen]
    again = quotes([9.4] * 4, start="09:40:03")
    path = tmp_path / "journal.db"
    made, summary = run([], Stops(loss=0.05), events=halted + again, path=path)
    (alert,) = summary["alerts"]
    assert f"{SYMBOL} is halted: the exit waits until it trades" in alert
    (order,) = [e.order for e in journalled(path) if isinstance(e, OrderRequested)]
    assert order.time >= again[0].time
    assert made.ledger.positions() == []


def test_an_exit_that_a_rule_refuses_is_told_and_tried_again(tmp_path):
    def never(order, view):
        return Denial("never", "no")

    path = tmp_path / "journal.db"
    _, summary = run([10.0] + [9.0 + 0.3] * 9, Stops(loss=0.05), path=path, gate=[never])
    (alert,) = summary["alerts"]
    assert alert.endswith("the exit of 1000 was refused: no")
    denied = [e for e in journalled(path) if isinstance(e, OrderDenied)]
    assert len(denied) == 3  # every ten seconds


def test_the_config_names_the_stops(tmp_path):
    made = qka.Engine.from_config(
        {
            "risk": {"stop_loss": 0.05, "trailing_stop": 0.1},
            "strategies": [{"use": "strategies.grid:Grid", "symbols": [SYMBOL]}],
            "run": {"dir": str(tmp_path)},
        }
    )
    assert made.leaver.stops == Stops(0.05, None, 0.1)
