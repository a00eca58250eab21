"""What a strategy may say it wants, and what becomes of what it says."""

import asyncio
import random
import re

import numpy as np
import pytest
from stage import DAY, SYMBOL, Recorder, engine, quotes

import qka
from qka.journal.verify import verify
from qka.model.events import CancelRequested, TradingState
from qka.model.order import OrderStatus as S
from qka.model.times import at

OTHER = "000001.SZ"
NAN, INF = float("nan"), float("inf")


class Says(Recorder):
    """Says one thing at its second quote and keeps what came of it."""

    symbols = [SYMBOL]

    def __init__(self, say):
        self.say = say
        self.raised = None

    def on_quote(self, quote):
        super().on_quote(quote)
        if quote.time == quotes([10.0] * 2)[1].time:
            try:
                self.say(self)
            except ValueError as error:
                self.raised = str(error)
                raise


def signal(**fields):
    return lambda s: s.emit(qka.Signal(SYMBOL, **fields))


@pytest.mark.parametrize(
    ("say", "named"),
    [
        (signal(target_ratio=NAN), "target_ratio"),
        (signal(target_value=INF), "target_value"),
        (signal(target_value=-INF), "target_value"),
        (signal(target_value="much"), "target_value"),
        (signal(target_shares=10**17), "target_shares"),
        (signal(side="buy", quantity=10**20), "quantity"),
        (signal(side="buy", quantity=NAN), "quantity"),
        (signal(side="buy", quantity=100, price=1e30), "price"),
        (signal(side="buy", quantity=100, price=0.0), "price"),
        (signal(side="buy", confidence=NAN), "confidence"),
        (signal(side="by"), "side"),
        (signal(side=1), "side"),
        (signal(quantity=100), "exactly one"),
        (signal(), "exactly one"),
        (signal(side="buy", target_ratio=0.1), "side and target_ratio"),
        (signal(target_shares=100, quantity=100), "quantity"),
        (lambda s: s.rebalance({OTHER: 0.1, SYMBOL: NAN}), "target_ratio"),
        (lambda s: s.rebalance({OTHER: 0.1, SYMBOL: -0.1}), "target_ratio: -0.1 is below zero"),
        (lambda s: s.rebalance({OTHER: 0.5, SYMBOL: 0.6}), "weights: they come to 1.1, and 1 is"),
        (lambda s: s.order_target_shares(SYMBOL, -100), "target_shares: -100 is below zero"),
        (lambda s: s.order_target_shares(SYMBOL, NAN), "target_shares"),
        (lambda s: s.order_target_value(SYMBOL, INF), "target_value"),
        (lambda s: s.order_target_ratio(SYMBOL, 1e30), "target_ratio"),
        (lambda s: s.order_target_ratio(SYMBOL, 0.1, price=NAN), "price"),
        (lambda s: s.order_target_shares(SYMBOL, 100.7), "target_shares: 100.7"),
        (lambda s: s.buy(SYMBOL, NAN), "quantity"),
        (lambda s: s.buy(SYMBOL, 10**13), "quantity: 10000000000000 makes no sense"),
        (lambda s: s.buy(SYMBOL, 10**400), "is not a number"),
        (lambda s: s.sell(SYMBOL, True), "quantity: True is not a number"),
        (lambda s: s.sell(SYMBOL, np.True_), "quantity: np.True_ is not a number"),
        (lambda s: s.buy(SYMBOL, 100, True), "price: True is not a number"),
        (lambda s: s.buy(SYMBOL, 100.7), "quantity: 100.7 is not a whole number"),
        (lambda s: s.sell(SYMBOL, 100.7), "quantity: 100.7 is not a whole number"),
        (lambda s: s.buy(SYMBOL, 100, "x"), "price: 'x' is not a number"),
        (lambda s: s.buy(SYMBOL, price="x"), "price: 'x' is not a number"),
        (lambda s: s.buy(SYMBOL, price=NAN), "price: nan"),
        (lambda s: s.buy(SYMBOL, price=INF), "price: inf"),
        (lambda s: s.buy(SYMBOL, price=-5), "price: -5 is not above zero"),
        (lambda s: s.sell(SYMBOL, price=0), "price: 0 is not above zero"),
    ],
)
def test_what_makes_no_sense_is_the_callers_own_error_that_names_the_field(say, named):
    strategy, other = Says(say), Recorder(symbols=[SYMBOL])
    built = engine(quotes([10.0] * 9), strategy, other, held={SYMBOL: 5000})
    summary = built.run()
    assert named in strategy.raised
    assert built.ledger.orders == {}
    assert summary["signals"] == 0
    assert summary["strategies"]["Says"]["errors"] == 1
    assert len(other.heard) == 9
    assert built.ledger.trading is TradingState.ACTIVE


@pytest.mark.parametrize(("side", "shares"), [("buy", 5100), ("sell", 4900)])
def test_a_side_may_be_written_as_a_word(side, shares):
    strategy = Says(signal(side=side, quantity=100))
    built = engine(quotes([10.0] * 9), strategy, held={SYMBOL: 5000})
    built.run()
    assert built.ledger.position(SYMBOL).quantity == shares
    order = next(event for event in strategy.heard if isinstance(event, qka.Order))
    assert order.side is qka.Side(side)


def test_what_is_emitted_is_worked_when_its_event_is_done_and_not_when_time_moves():
    class Emits(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.state.setdefault("orders", []).append(len(self._room.ledger.orders))
            if len(self.state["orders"]) == 1:
                self.emit(qka.Signal(SYMBOL, "buy", 100))

    strategy = Emits()
    engine(quotes([10.0] * 3, every=0), strategy).run()
    assert strategy.state["orders"] == [0, 1, 1]


# ------------------------------------------------------------------ the order of things


class Buys(qka.Strategy):
    """Notes whether an order was known to it when it was told of it."""

    symbols = [SYMBOL]

    def trade(self):
        self.mine = self.buy(SYMBOL, 100, 10.05)
        self.then = list(self.told)

    def on_order(self, order):
        self.told.append((order.status, hasattr(self, "mine")))

    told = ()


class InOnStart(Buys):
    def on_start(self):
        self.told = []
        self.trade()


class InOnStop(Buys):
    def on_stop(self):
        self.told = []
        self.trade()


class InAnAsyncHandler(Buys):
    async def on_quote(self, quote):
        if not self.state:
            self.told = []
            self.state["done"] = True
            self.trade()
            await asyncio.sleep(0)


class InATaskOfItsOwn(Buys):
    def on_start(self):
        self.told = []
        self.state["task"] = asyncio.get_running_loop().create_task(self.later())

    async def later(self):
        self.trade()


@pytest.mark.parametrize("kind", [InOnStart, InOnStop, InAnAsyncHandler, InATaskOfItsOwn])
def test_buy_has_returned_before_its_order_is_told_wherever_it_was_called(kind):
    strategy = kind()
    engine(quotes([10.0] * 9), strategy).run()
    assert strategy.then == []
    # a stop comes after the close, when the exchange takes no order
    assert strategy.told[0] == (S.DENIED if kind is InOnStop else S.SUBMITTING, True)
    if kind is not InOnStop:
        assert strategy.told[-1] == (S.FILLED, True)


def test_several_cancels_of_one_order_in_one_handler_send_one():
    class Regrets(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["order"] = self.buy(SYMBOL, 100, 9.5)
            elif "asked" not in self.state and quote.time >= at(DAY, "09:30:09"):
                self.state["asked"] = [self.cancel_all() for _ in range(3)]
                self.state["status"] = self.order(self.state["order"].id).status

    strategy, requests = Regrets(), []
    built = engine(quotes([10.0] * 9), strategy)
    built.listen(CancelRequested, requests.append)
    built.run()
    assert strategy.state["asked"] == [1, 0, 0]
    assert strategy.state["status"] is S.PENDING_CANCEL
    assert len(requests) == 1
    statuses = [event.status for event in strategy.heard if isinstance(event, qka.Order)]
    assert statuses[-2:] == [S.PENDING_CANCEL, S.CANCELLED]


class Dawdles(qka.Strategy):
    """Takes a different time for each answer on each run."""

    symbols = [SYMBOL]

    async def on_quote(self, quote):
        await asyncio.sleep(random.random() * 0.002)
        if not self.orders():
            self.buy(SYMBOL, 100, 9.5)
        else:
            self.cancel_all()


def test_two_slow_strategies_decide_the_same_on_every_run(tmp_path):
    journals = set()
    for run in range(4):
        path = tmp_path / f"{run}.db"
        engine(quotes([10.0] * 20), Dawdles(name="a"), Dawdles(name="b"), journal=path).run()
        journals.add(verify(path).head)
    assert len(journals) == 1


# ------------------------------------------------------------------ without end


class Retries(Recorder):
    """Buys half a lot again and again, as if the answer could change."""

    symbols = [SYMBOL]

    def on_quote(self, quote):
        if not self.state:
            self.state["done"] = True
            self.buy(SYMBOL, 50)

    def on_order(self, order):
        super().on_order(order)
        self.buy(SYMBOL, 50)


class RetriesTwice(Retries):
    def on_order(self, order):
        super().on_order(order)
        self.buy(SYMBOL, 50)


class RetriesLater(Retries):
    async def on_order(self, order):
        self.heard.append(order)
        await asyncio.sleep(0)
        self.buy(SYMBOL, 50)


class Follows(Recorder):
    """Answers every signal of others with an order, which is no crime."""

    symbols = [SYMBOL]

    def on_signal(self, signal):
        self.heard.append(self.buy(SYMBOL, 100, 9.5).status)


class Echoes(Recorder):
    symbols = [SYMBOL]

    def on_quote(self, quote):
        super().on_quote(quote)
        if not self.state:
            self.state["done"] = True
            self.emit(qka.Signal(SYMBOL, "buy", 100, price=9.5))

    def on_signal(self, signal):
        self.emit(qka.Signal(SYMBOL, "buy", 100, price=9.5))


@pytest.mark.parametrize(
    "kind",
    [Retries, RetriesTwice, RetriesLater],
)
def test_an_order_that_is_retried_without_end_ends_with_its_strategy(monkeypatch, kind):
    monkeypatch.setattr("qka.engine.runner.MOST", 2000)
    strategy, follower, good = kind(), Follows(), Recorder(symbols=[SYMBOL])
    built = engine(quotes([10.0] * 20), strategy, follower, good)
    summary = built.run()
    assert len(good.heard) == 20
    assert len(strategy.heard) < 5000
    (alert,) = summary["alerts"]
    assert re.fullmatch(f"{kind.__name__}: stopped: it is answered by .* without end", alert)


def test_two_strategies_that_answer_each_other_without_end_are_parted():
    one, two = Echoes(name="one"), Echoes(name="two")
    built = engine(quotes([10.0] * 20), one, two)
    summary = built.run()
    (alert,) = summary["alerts"]
    assert "stopped: it is answered by" in alert
    assert sorted(len(s.heard) for s in (one, two))[-1] >= 20


def test_a_thousand_orders_at_one_moment_are_no_endless_loop():
    class Many(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["done"] = [self.buy(SYMBOL, 100, 9.5) for _ in range(1000)]

    strategy = Many()
    summary = engine(quotes([10.0] * 9), strategy).run()
    assert summary["alerts"] == []
    assert (
        summary["strategies"]["Many"]["orders"]
        + sum(summary["strategies"]["Many"]["denied"].values())
        == 1000
    )


# ------------------------------------------------------------------ shapes of handlers


def test_a_plain_handler_that_gives_a_coroutine_back_is_an_async_one():
    def decorated(function):
        return lambda *args: function(*args)

    class Wrapped(qka.Strategy):
        symbols = [SYMBOL]

        @decorated
        async def on_quote(self, quote):
            await asyncio.sleep(0)
            self.state.setdefault("times", []).append(quote.time)

    strategy = Wrapped()
    events = quotes([10.0] * 5)
    engine(events, strategy).run()
    assert strategy.state["times"] == [quote.time for quote in events]


class Yields(qka.Strategy):
    def on_quote(self, quote):
        yield quote


class YieldsLater(qka.Strategy):
    async def on_fill(self, fill):
        yield fill


@pytest.mark.parametrize(("kind", "named"), [(Yields, "on_quote"), (YieldsLater, "on_fill")])
def test_a_handler_that_yields_is_refused_by_name_before_anything_starts(kind, named):
    with pytest.raises(qka.ConfigError, match=f"{kind.__name__}: {named} is a generator"):
        engine(quotes([10.0]), kind())


def test_a_generator_behind_a_wrapper_is_the_strategys_error():
    class Hidden(qka.Strategy):
        symbols = [SYMBOL]
        on_quote = lambda self, quote: (bid for bid in quote.bid_prices)  # noqa: E731  # a lambda hides it

    summary = engine(quotes([10.0] * 5), Hidden()).run()
    assert "is a generator: nothing in it would ever run" in summary["alerts"][0]
    assert summary["strategies"]["Hidden"]["errors"] == 3


def test_history_holds_the_longest_warm_up_that_any_strategy_asked_for():

    class Warm(qka.Strategy):
        symbols = [SYMBOL]

        def on_start(self):
            self.length = len(self.history(SYMBOL, "1m", 100))

    def bar(minute):
        return qka.Bar(SYMBOL, at(DAY, minute), "1m", 10.0, 10.0, 10.0, 10.0, 100, 1000.0, 10.0)

    short, long = Warm(name="short"), Warm(name="long")
    short.warmup, long.warmup = 1, 3
    engine([bar("09:35")], short, long, past=[bar(f"09:3{n}") for n in range(1, 5)]).run()
    assert (short.length, long.length) == (3, 3)
