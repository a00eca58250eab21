"""The executor: sells before buys, and the buys use what the sells brought."""

from itertools import count

import pytest
from builders import DAY, FEES, SYMBOL, a_quote, an_order, moment
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.engine.bus import Bus
from qka.engine.executor import Executor
from qka.engine.ledger import Ledger
from qka.engine.sizing import protection
from qka.model.events import (
    CancelRefused,
    CancelRequested,
    OrderCancelled,
    OrderReport,
    OrderUnknown,
    Rebalanced,
    SessionPhase,
    Signal,
)
from qka.model.market import Phase
from qka.model.order import Approved, OrderStatus, OrderType, Side

OLD, NEW = "600036.SH", SYMBOL


class Floor:
    """A ledger, a paper account that fills it, and the executor between them."""

    deny = 0  # shares an order above which it is denied
    no_cancels = False

    def __init__(self, cash=0, held=0, ratio=0.1):
        self.clock = ManualClock(moment())
        self.ledger = Ledger(self.clock, FEES, cash * 100, {OLD: (held, held * 1000)})
        self.broker = PaperBroker(self.clock, FEES, "demo", cash * 100, {OLD: held})
        self.broker._report = self.on_report
        self.alerts, self.failures, self.said, self.told = [], [], [], []
        self.bus = Bus()
        self.executor = Executor(
            self.ledger,
            self.place,
            self.cancel,
            ratio,
            say=lambda signal: self.said.append(signal),
            post=self.bus.post,
            alert=lambda strategy, message: self.alerts.append((strategy, message)),
            failed=lambda signal, error: self.failures.append((signal.symbol, str(error))),
        )
        for kind, handler in self.executor.handlers().items():
            self.bus.subscribe(kind, handler, self)
        self.bus.subscribe(Rebalanced, self.told.append, self)
        self.placed, self.cancels = [], []
        self.numbers = count(1)
        for symbol in (OLD, NEW):
            self.quote(symbol)

    def failed(self, handler, event, error):
        raise error

    def place(self, signal, side, quantity):
        order = an_order(
            quantity,
            signal.price or protection(self.ledger, signal.symbol, side),
            id=f"q{next(self.numbers)}",
            symbol=signal.symbol,
            side=side,
            type=OrderType.LIMIT if signal.price else OrderType.MARKET,
            time=self.clock.now(),
            status=OrderStatus.SUBMITTING,
            strategy=signal.strategy,
        )
        if self.deny and quantity > self.deny:
            self.placed.append((order.symbol, side, -quantity))
            return replace(order, status=OrderStatus.DENIED, reason=f"{self.deny} would pass")
        self.placed.append((order.symbol, side, quantity))
        self.ledger.open(order)
        self.broker.submit(Approved(order))
        return order

    def cancel(self, order_id, reason):
        if self.no_cancels:
            return False
        self.cancels.append(order_id)
        self.ledger.apply(CancelRequested(self.clock.now(), order_id, reason))
        self.broker.cancel(self.ledger.order(order_id))
        return True

    def on_report(self, report):
        self.ledger.handlers()[type(report)](report)
        self.executor.on_order(self.ledger.order(report.order_id))

    def report(self, report: OrderReport):
        self.on_report(report)

    def quote(self, symbol, last=10.0, lots=1000):
        self.clock.advance(by=3)
        quote = a_quote(
            last, symbol=symbol, time=self.clock.now(), ask_lots=[lots] * 5, bid_lots=[lots] * 5
        )
        self.ledger.on_quote(quote)
        self.broker.on_quote(quote)

    def signals(self, *signals):
        for signal in signals:
            self.bus.post(signal)
        self.bus.drain()
        self.clock.advance(by=0.1)


def test_sells_go_first_and_the_buys_use_their_cash():
    floor = Floor(cash=0, held=10_000)
    floor.signals(Signal(NEW, target_ratio=0.8), Signal(OLD, target_shares=0))
    assert floor.placed == [(OLD, Side.SELL, 10_000)]
    floor.quote(OLD)
    assert floor.placed[1][:2] == (NEW, Side.BUY)
    assert 7000 <= floor.placed[1][2] <= 8000
    floor.clock.advance(by=0.1)
    floor.quote(NEW)
    assert floor.ledger.position(NEW).quantity == floor.placed[1][2]
    assert floor.ledger.available_cents >= 0


def test_buys_wait_until_every_sell_is_final():
    floor = Floor(cash=0, held=10_000)
    floor.signals(
        Signal(NEW, Side.BUY, 500, price=10.5),
        Signal(OLD, Side.SELL, 3000, price=9.9),
        Signal(OLD, Side.SELL, 4000, price=10.5),
    )
    assert [side for _, side, _ in floor.placed] == [Side.SELL, Side.SELL]
    floor.quote(OLD)
    assert len(floor.placed) == 2  # the second one still works
    floor.report(OrderCancelled(1, "q2"))
    assert floor.placed[2:] == [(NEW, Side.BUY, 500)]


SWITCH = (
    Signal(OLD, Side.SELL, 3000, price=10.9, strategy="switch"),
    Signal(NEW, Side.BUY, 500, price=10.5, strategy="switch"),
)


def test_buys_wait_for_a_sell_that_is_unknown_and_say_so():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(*SWITCH)
    floor.report(OrderUnknown(1, "q1", "timeout"))
    assert len(floor.placed) == 1
    ((strategy, words),) = floor.alerts
    assert strategy == "switch"
    assert f"targets of {NEW} wait for order q1, which is UNKNOWN" in words


def test_buys_whose_sells_expired_with_the_day_are_not_made_and_it_says_so():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(*SWITCH)
    floor.clock.advance(to=moment("15:30"))
    floor.broker.on_phase(SessionPhase(floor.clock.now(), DAY, Phase.CLOSED))
    assert floor.ledger.order("q1").status is OrderStatus.EXPIRED
    assert floor.placed == [(OLD, Side.SELL, 3000)]
    assert floor.alerts == [
        ("switch", f"its targets of {NEW} are dropped: sell q1 expired with the day")
    ]


def test_buys_do_not_wait_into_the_next_day_for_a_sell_that_nobody_can_account_for():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(*SWITCH)
    floor.report(OrderUnknown(1, "q1", "timeout"))
    floor.bus.publish(SessionPhase(moment("15:30"), DAY, Phase.CLOSED))
    floor.report(OrderCancelled(1, "q1"))
    assert floor.placed == [(OLD, Side.SELL, 3000)]
    assert f"targets of {NEW} are dropped: the day is over" in floor.alerts[-1][1]


def test_one_strategys_resting_sell_never_holds_up_another_ones_buys():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(
        Signal(OLD, Side.SELL, 3000, price=10.9, strategy="one"),
        Signal(NEW, Side.BUY, 500, price=10.5, strategy="one"),
        Signal(NEW, Side.BUY, 200, price=10.5, strategy="other"),
    )
    assert floor.placed == [(OLD, Side.SELL, 3000), (NEW, Side.BUY, 200)]


def test_what_a_dropped_strategy_wanted_is_not_placed():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(*SWITCH)
    floor.executor.on_signal(Signal(NEW, Side.BUY, 100, strategy="switch"))
    floor.executor.on_signal(Signal(NEW, Side.BUY, 300, strategy="other"))
    assert floor.executor.drop("switch") == 2
    floor.report(OrderCancelled(1, "q1"))
    floor.bus.drain()
    assert floor.placed == [(OLD, Side.SELL, 3000), (NEW, Side.BUY, 300)]


def test_a_signal_that_cannot_be_worked_is_told_and_the_rest_of_its_batch_goes_on():
    floor = Floor(cash=100_000, held=10_000)
    real = floor.executor.sizer.step

    def step(signal):
        if signal.quantity == 13:
            raise ArithmeticError("thirteen")
        return real(signal)

    floor.executor.sizer.step = step
    floor.signals(
        Signal(OLD, Side.SELL, 13), Signal(OLD, Side.SELL, 100), Signal(NEW, Side.BUY, 200)
    )
    assert floor.placed == [(OLD, Side.SELL, 100)]
    assert floor.failures == [(OLD, "thirteen")]


def test_buys_without_sells_go_at_once():
    floor = Floor(cash=100_000)
    floor.signals(Signal(NEW, Side.BUY, 500), Signal(OLD, Side.BUY, 300))
    assert floor.placed == [(NEW, Side.BUY, 500), (OLD, Side.BUY, 300)]


def test_a_sell_that_cannot_be_does_not_hold_up_the_buys():
    floor = Floor(cash=100_000)
    floor.signals(Signal(OLD, target_shares=0), Signal(NEW, Side.BUY, 500))
    assert floor.placed == [(NEW, Side.BUY, 500)]


def test_signals_of_orders_placed_already_are_left_alone():
    floor = Floor(cash=100_000)
    floor.signals(Signal(NEW, Side.BUY, 500, placed=True))
    assert floor.placed == []


def test_two_buys_never_ask_for_the_same_cash():
    floor = Floor(cash=10_000, ratio=1.0)
    floor.signals(Signal(NEW, Side.BUY), Signal(OLD, Side.BUY))
    assert len(floor.placed) == 1
    assert floor.ledger.available_cents >= 0


@pytest.mark.parametrize(
    ("signal", "wanted"),
    [
        pytest.param(Signal(NEW, Side.BUY, 300), (Side.BUY, 300), id="a quantity is taken as is"),
        pytest.param(Signal(NEW, Side.BUY), (Side.BUY, 1000), id="a buy is the config's ratio"),
        pytest.param(Signal(NEW, Side.BUY, price=9.0), (Side.BUY, 1100), id="at its own price"),
        pytest.param(Signal(OLD, Side.SELL), (Side.SELL, 2000), id="a sell is all there is"),
        pytest.param(Signal(NEW, target_shares=700), (Side.BUY, 700), id="shares"),
        pytest.param(Signal(NEW, target_value=5_000), (Side.BUY, 500), id="a value"),
        pytest.param(Signal(OLD, target_value=15_000), (Side.SELL, 500), id="a lower value"),
        pytest.param(Signal(NEW, target_ratio=0.05), (Side.BUY, 500), id="a ratio"),
        pytest.param(Signal(OLD, target_ratio=0.0), (Side.SELL, 2000), id="a ratio of nothing"),
        pytest.param(Signal(OLD, target_ratio=0.2), (Side.SELL, 0), id="a ratio it has"),
        pytest.param(Signal("000001.SZ", target_value=1), (Side.BUY, 0), id="no price known"),
        pytest.param(Signal("000001.SZ", Side.BUY), (Side.BUY, 0), id="a buy at no price known"),
    ],
)
def test_what_a_signal_asks_for(signal, wanted):
    floor = Floor(cash=80_000, held=2000)  # 100,000 CNY in all, a share is 10 CNY
    assert floor.executor.sizer.step(signal)[:2] == wanted


@given(st.lists(st.tuples(st.sampled_from([OLD, NEW]), st.integers(0, 120)), max_size=6))
def test_any_rebalancing_stays_within_cash_and_shares(weights):
    floor = Floor(cash=50_000, held=5000)
    for symbol, percent in weights:
        floor.signals(Signal(symbol, target_ratio=percent / 100), Signal(OLD, target_ratio=0.3))
        for quoted in (OLD, NEW, OLD, NEW):
            floor.quote(quoted)
            assert floor.ledger.available_cents >= 0
            assert floor.ledger.sellable(OLD) >= 0
    assert list(floor.ledger.working()) == []


# ------------------------------------------------------------------ targets that were asked for


def a_target(symbol, shares, price=None, **changes):
    return Signal(symbol, target_shares=shares, price=price, placed=True, **changes)


def codes(found):
    return [(left.symbol, left.side, left.shares, left.code) for left in found.left]


def test_a_target_says_what_it_ordered_and_is_published_only_then():
    floor = Floor(cash=100_000)
    found = floor.executor.target(a_target(NEW, 700, 10.5))
    assert (found.quantity, found.left, found.done, bool(found)) == (700, (), True, True)
    assert (found.status, found.id) == (OrderStatus.SUBMITTING, "q1")
    assert [signal.symbol for signal in floor.said] == [NEW]
    again = floor.executor.target(a_target(NEW, 700, 10.5))
    assert (again.orders, again.left, again.done, bool(again)) == ((), (), True, False)
    assert len(floor.said) == 1
    floor.bus.drain()
    assert floor.told == []  # who asked knows already


def test_a_target_says_what_it_could_not_do():
    floor = Floor(cash=5_006)
    found = floor.executor.target(a_target(NEW, 1050, 10.0))
    assert found.quantity == 500
    assert codes(found) == [(NEW, "buy", 500, "cash"), (NEW, "buy", 50, "lot")]
    assert found.reason == "; ".join(left.reason for left in found.left)


def test_a_large_target_is_several_orders_and_one_that_is_refused_ends_them():
    floor = Floor(cash=10**8)
    floor.quote("300750.SZ")
    found = floor.executor.target(a_target("300750.SZ", 700_000, 10.0))
    assert [order.quantity for order in found.orders] == [300_000, 300_000, 100_000]
    assert found.left == ()
    floor.deny = 250_000
    found = floor.executor.target(a_target("300750.SZ", 1_200_000, 10.0))
    assert (found.status, found.quantity) == (OrderStatus.DENIED, 0)
    assert codes(found) == [("300750.SZ", "buy", 500_000, "denied")]
    assert found.reason == "250000 would pass"


@pytest.mark.parametrize(
    ("signal", "code", "words"),
    [
        pytest.param(Signal("000001.SZ", target_value=1e6), "price", "no price", id="no price"),
        pytest.param(
            Signal(NEW, target_value=900), "lot", "worth 90 shares at 10", id="too little"
        ),
        pytest.param(Signal(NEW, target_ratio=0.001), "lot", "a buy is 100 or more", id="a ratio"),
    ],
)
def test_a_target_of_money_that_buys_nothing_says_so(signal, code, words):
    floor = Floor(cash=100_000)
    (left,) = floor.executor.target(replace(signal, placed=True)).left
    assert left.code == code
    assert words in left.reason


def test_a_target_of_nothing_needs_no_price():
    floor = Floor(cash=100_000)
    found = floor.executor.target(Signal("000001.SZ", target_ratio=0.0, placed=True))
    assert (found.orders, found.left) == ((), ())


def test_what_works_against_a_target_is_cancelled_first_and_then_it_goes_on_by_itself():
    floor = Floor(cash=100_000, held=1000)
    floor.executor.target(a_target(OLD, 1500, 9.5))
    floor.clock.advance(by=0.1)
    found = floor.executor.target(a_target(OLD, 0))
    assert (found.orders, found.waiting, found.done) == ((), (OLD,), False)
    assert floor.cancels == ["q1"]
    floor.clock.advance(by=0.1)
    assert floor.placed == [(OLD, Side.BUY, 500), (OLD, Side.SELL, 1000)]
    floor.bus.drain()
    (told,) = floor.told
    assert (told.done, told.quantity, told.left) == (True, 1000, ())


def test_what_works_against_a_target_and_cannot_be_cancelled_is_told():
    floor = Floor(cash=100_000, held=1000)
    floor.executor.target(a_target(OLD, 1500, 9.5))
    floor.no_cancels = True
    found = floor.executor.target(a_target(OLD, 0, 9.9))
    assert found.done
    assert found.quantity == 1000  # what does not depend on it
    assert codes(found) == [(OLD, "buy", 0, "working")]
    assert "buy q1 of 500 at 9.5 works against it" in found.reason


def test_a_cancel_that_is_refused_later_is_not_asked_for_again():
    floor = Floor(cash=100_000, held=1000)
    floor.executor.target(a_target(OLD, 1500, 9.5))
    floor.clock.advance(by=0.1)
    floor.executor.target(a_target(OLD, 0, 9.9))
    floor.report(CancelRefused(1, "q1", "too late"))
    assert floor.cancels == ["q1"]
    assert floor.placed[1:] == [(OLD, Side.SELL, 1000)]
    floor.bus.drain()
    assert codes(floor.told[0]) == [(OLD, "buy", 0, "working")]


def test_an_order_of_another_strategy_is_never_cancelled():
    floor = Floor(cash=100_000, held=1000)
    floor.executor.target(a_target(OLD, 1500, 9.5, strategy="one"))
    found = floor.executor.target(a_target(OLD, 0, 9.9, strategy="other"))
    assert (found.quantity, floor.cancels) == (1000, [])


def test_a_newer_target_takes_the_place_of_one_that_waits():
    floor = Floor(cash=0, held=10_000)
    weights = [Signal(OLD, target_ratio=0.0, placed=True), a_target(NEW, 500)]
    first = floor.executor.rebalance("", weights)
    assert first.waiting == (NEW,)
    second = floor.executor.target(a_target(NEW, 0))
    assert (second.done, second.left) == (True, ())
    floor.bus.drain()
    assert codes(floor.told[0]) == [(NEW, "buy", 500, "newer")]
    floor.quote(OLD)
    assert floor.placed == [(OLD, Side.SELL, 10_000)]


def test_a_newer_rebalance_waits_for_the_sells_of_the_one_before():
    floor = Floor(cash=0, held=10_000)
    floor.executor.rebalance("", [a_target(OLD, 0), a_target(NEW, 500)])
    second = floor.executor.rebalance("", [a_target(OLD, 0), a_target(NEW, 700)])
    assert second.waiting == (NEW,)
    floor.clock.advance(by=0.1)
    floor.quote(OLD)
    assert floor.placed == [(OLD, Side.SELL, 10_000), (NEW, Side.BUY, 700)]


def test_a_rebalance_tells_what_it_came_to_when_its_buys_are_placed():
    floor = Floor(cash=0, held=10_000)
    floor.signals(Signal(OLD, target_ratio=0.0), Signal(NEW, target_value=1e9))
    assert floor.told == []
    floor.quote(OLD, lots=8)
    floor.bus.drain()
    (told,) = floor.told
    assert [order.status for order in told.orders] == [
        OrderStatus.CANCELLED,
        OrderStatus.SUBMITTING,
    ]
    unsold, unpaid = told.left[1], told.left[0]
    assert (unsold.symbol, unsold.shares, unsold.code) == (OLD, 6000, "cancelled")
    assert (unpaid.symbol, unpaid.code) == (NEW, "cash")


def test_a_rebalance_that_the_day_ends_says_what_it_did_not_buy():
    floor = Floor(cash=100_000, held=10_000)
    floor.signals(Signal(OLD, Side.SELL, 3000, price=10.9), Signal(NEW, target_shares=500))
    floor.bus.publish(SessionPhase(moment("15:30"), DAY, Phase.CLOSED))
    assert codes(floor.told[0]) == [(NEW, "buy", 500, "closed")]


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        pytest.param(Signal("000001.SZ", Side.BUY), "price", id="a buy at no price known"),
        pytest.param(Signal("000001.SZ", Side.SELL), "sellable", id="a sell of nothing"),
        pytest.param(Signal("600519.SH", Side.BUY, price=1500.0), "lot", id="not even a lot"),
    ],
)
def test_a_signal_without_a_quantity_that_comes_to_nothing_says_why(signal, code):
    floor = Floor(cash=1_000)
    floor.signals(signal)
    assert [left.code for left in floor.told[0].left] == [code]
