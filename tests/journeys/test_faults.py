"""What happens when a strategy or the engine itself fails."""

import asyncio
import inspect
import re
import threading

import pytest
from asked import HandFeed
from qmt import eventually
from stage import FEES, SYMBOL, engine, journalled, quotes, rules

import qka
from qka.brokers.paper import PaperBroker
from qka.clock import WallClock
from qka.engine.engine import Engine
from qka.engine.runner import Policy
from qka.journal.port import NoJournal
from qka.journal.verify import verify
from qka.language import CHINESE, speaker
from qka.model.events import OrderRequested, SessionPhase, TradingState
from qka.model.market import Quote
from qka.model.order import OrderStatus as S
from qka.phrases import retold


class Good(qka.Strategy):
    symbols = [SYMBOL]

    def on_quote(self, quote):
        self.state["n"] = self.state.get("n", 0) + 1
        if self.state["n"] % 3 == 1:
            self.buy(SYMBOL, 100, 10.05)


class BadStart(qka.Strategy):
    def on_start(self):
        raise ValueError("in on_start")


class BadQuote(qka.Strategy):
    def on_quote(self, quote):
        raise ValueError("in on_quote")


class BadAsyncQuote(qka.Strategy):
    async def on_quote(self, quote):
        await asyncio.sleep(0)
        raise ValueError("in on_quote")


class BadOrder(Good):
    def on_order(self, order):
        raise ValueError("in on_order")


class BadAsyncFill(Good):
    async def on_fill(self, fill):
        raise ValueError("in on_fill")


class BadPhase(qka.Strategy):
    def on_phase(self, phase):
        raise ValueError("in on_phase")


class BadTimer(qka.Strategy):
    def on_start(self):
        self.every("3s", self.tick)

    def tick(self):
        raise ValueError("in a timer")


class BadSignal(qka.Strategy):
    def on_signal(self, signal):
        raise ValueError("in on_signal")


class BadStop(qka.Strategy):
    def on_stop(self):
        raise ValueError("in on_stop")


ALL = [
    BadStart,
    BadQuote,
    BadAsyncQuote,
    BadOrder,
    BadAsyncFill,
    BadPhase,
    BadTimer,
    BadSignal,
    BadStop,
]


@pytest.mark.parametrize("bad", ALL, ids=lambda cls: cls.__name__)
def test_a_strategy_that_raises_is_reported_with_file_and_line_and_the_others_trade_on(bad):
    alone = engine(quotes([10.0] * 30), Good(name="good")).run()
    summary = engine(quotes([10.0] * 30), bad(name="bad"), Good(name="good")).run()
    assert summary["strategies"]["good"] == alone["strategies"]["good"]
    assert summary["strategies"]["bad"]["errors"] >= 1
    line = next(
        number
        for number, text in enumerate(
            inspect.getsourcelines(bad)[0], inspect.getsourcelines(bad)[1]
        )
        if "raise ValueError" in text
    )
    assert any(
        re.search(rf"test_faults\.py:{line}: ValueError: in ", alert) for alert in summary["alerts"]
    )


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


RAISED = [
    asyncio.CancelledError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    BaseExceptionGroup("all", [KeyboardInterrupt()]),
    RecursionError("too deep"),
    Unprintable(),
    ValueError("caf\udce9"),
]


class Raises(qka.Strategy):
    symbols = [SYMBOL]

    def __init__(self, where, error):
        self.where, self.error = where, error

    def now_in(self, where):
        if where == self.where:
            raise self.error

    def on_start(self):
        self.every("3s", lambda: self.now_in("a timer"))
        self.now_in("on_start")

    def on_quote(self, quote):
        self.buy(SYMBOL, 100, 9.5)
        self.now_in("on_quote")

    async def on_order(self, order):
        await asyncio.sleep(0)
        self.now_in("an async handler")

    def on_stop(self):
        self.now_in("on_stop")


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "where", ["on_start", "on_quote", "a timer", "an async handler", "on_stop"]
)
def test_whatever_it_raises_stays_its_own_error(tmp_path, where, error):
    alone = engine(quotes([10.0] * 30), Good(name="good")).run()
    bad = Raises(where, error)
    bad.name = "bad"
    path = tmp_path / "journal.db"
    built = engine(quotes([10.0] * 30), bad, Good(name="good"), journal=path)
    summary = built.run()
    assert summary["strategies"]["good"] == alone["strategies"]["good"]
    assert summary["strategies"]["bad"]["errors"] >= 1
    assert built.ledger.trading is TradingState.ACTIVE
    assert any(f"{__file__}:" in alert for alert in summary["alerts"])
    assert "".join(summary["alerts"]).encode("utf-8")  # a terminal can show them


class Shadows(qka.Strategy):
    """Its attributes hide the names of qka's own methods."""

    symbols = [SYMBOL]
    cancel_all = None

    def on_quote(self, quote):
        if not self.state:
            self.state["order"] = self.buy(SYMBOL, 100, 9.5).id
        self.orders = []
        self.orders()


def test_a_strategy_whose_attributes_hide_our_names_is_stopped_like_any_and_told_which():
    built = engine(quotes([10.0] * 20), Shadows(), Good())
    summary = built.run()
    assert built.ledger.trading is TradingState.ACTIVE
    hidden = built.ledger.order(built.strategies[0].state["order"])
    assert hidden.status is S.CANCELLED
    words = "not callable; qka's method of that name is hidden by its own cancel_all, orders"
    assert words in summary["alerts"][0]
    assert any("stopped: 3 errors" in alert for alert in summary["alerts"])


def test_an_await_that_was_cancelled_is_told_with_its_line():
    class Cancelled(qka.Strategy):
        symbols = [SYMBOL]

        async def on_quote(self, quote):
            task = asyncio.ensure_future(asyncio.sleep(5))
            task.cancel()
            await task

    summary = engine(quotes([10.0] * 5), Cancelled()).run()
    assert re.search(
        r"test_faults\.py:\d+: RuntimeError: what it awaited was", summary["alerts"][0]
    )


def test_a_monitor_that_raises_is_told_and_trading_goes_on():
    def monitor(quote):
        raise ValueError("the dashboard is gone")

    built = engine(quotes([10.0] * 9), Good())
    built.listen(Quote, monitor)
    summary = built.run()
    assert built.ledger.trading is TradingState.ACTIVE
    assert summary["fills"] == 3
    (alert,) = summary["alerts"]
    assert re.search(r"test_faults\.py:\d+: ValueError: the dashboard is gone", alert)


def test_a_strategy_that_keeps_raising_is_stopped_alone_and_its_orders_cancelled():
    class Bad(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.state["n"] = self.state.get("n", 0) + 1
            if self.state["n"] == 1:
                self.buy(SYMBOL, 100, 9.5)
                return
            raise RuntimeError("again")

    bad = Bad()
    built = engine(quotes([10.0] * 20), bad, policy=Policy(max_errors=3))
    summary = built.run()
    assert bad.state["n"] == 4
    assert [order.status for order in built.ledger.orders.values()] == [S.CANCELLED]
    assert any("stopped: 3 errors" in alert for alert in summary["alerts"])
    assert sum("RuntimeError" in alert for alert in summary["alerts"]) == 1


def test_leave_leaves_its_working_orders():
    class Bad(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["x"] = self.buy(SYMBOL, 100, 9.5).id
            raise RuntimeError("again")

    built = engine(quotes([10.0] * 20), Bad(), policy=Policy(1, "leave"))
    built.run()
    assert [order.status for order in built.ledger.orders.values()] == [S.EXPIRED]


def test_an_error_that_comes_once_does_not_stop_the_strategy():
    class Once(Good):
        def on_quote(self, quote):
            super().on_quote(quote)
            if self.state["n"] == 2:
                raise RuntimeError("once")

    strategy = Once()
    engine(quotes([10.0] * 20), strategy).run()
    assert strategy.state["n"] == 20


@pytest.mark.parametrize("shape", ["plain", "async"])
def test_plain_and_async_handlers_decide_alike(shape):
    class Async(qka.Strategy):
        symbols = [SYMBOL]

        async def on_quote(self, quote):
            await asyncio.sleep(0)
            self.state["n"] = self.state.get("n", 0) + 1
            if self.state["n"] % 3 == 1:
                self.buy(SYMBOL, 100, 10.05)

    strategy = Good(name="s") if shape == "plain" else Async(name="s")
    summary = engine(quotes([10.0] * 30), strategy).run()
    figures = summary["strategies"]["s"]
    assert (figures["orders"], figures["fills"]) == (10, 10)


class FullDisk(NoJournal):
    """A journal whose disk is full after some records."""

    def __init__(self):
        self.written = []

    def append(self, event):
        if len(self.written) >= 25:
            raise OSError(28, "No space left on device")
        self.written.append(event)

    write_ahead = append


def test_when_the_journal_cannot_be_written_no_new_order_leaves_and_it_says_so():
    journal = FullDisk()
    built = engine(quotes([10.0] * 60), Good(), journal=journal)
    submitted = []
    real = built.broker.submit
    built.broker.submit = lambda approved: (submitted.append(approved), real(approved))
    summary = built.run()
    written = [event for event in journal.written if isinstance(event, OrderRequested)]
    assert len(submitted) == len(written)
    assert built.ledger.trading is TradingState.HALTED
    assert any("No space left" in alert for alert in summary["alerts"])
    assert summary["strategies"]["Good"]["denied"]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda s: s.buy(SYMBOL, 100, 9.5, reason="caf\udce9"), id="a surrogate"),
        pytest.param(lambda s: s.buy(SYMBOL, 100, 9.5, reason=object()), id="an object"),
        pytest.param(lambda s: s.emit(qka.Signal(SYMBOL, "buy", reason="\udce9")), id="a signal"),
        pytest.param(lambda s: s.cancel(s.buy(SYMBOL, 100, 9.5), reason="\udce9"), id="a cancel"),
    ],
)
def test_a_reason_that_cannot_be_written_as_it_is_halts_nobody(tmp_path, act):
    class Odd(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["done"] = True
                act(self)

    path = tmp_path / "journal.db"
    built = engine(quotes([10.0] * 9), Odd(), Good(), journal=path)
    summary = built.run()
    assert summary["alerts"] == []
    assert built.ledger.trading is TradingState.ACTIVE
    assert summary["strategies"]["Good"]["fills"] == 3
    assert verify(path).problems == []
    assert len(journalled(path)) > 20


class NoEnd(NoJournal):
    def close(self):
        raise OSError(28, "No space left on device")


def test_a_journal_that_cannot_be_closed_is_told_in_the_summary():
    summary = engine(quotes([10.0] * 3), Good(), journal=NoEnd()).run()
    assert summary["fills"] == 1
    assert any("No space left on device" in alert for alert in summary["alerts"])


def test_a_fault_that_comes_back_after_an_operator_resumed_halts_again():
    built = engine(quotes([10.0] * 9), Good())
    built.fault("the disk is full")
    built.fault("the disk is full")
    built.set_trading(TradingState.ACTIVE, "operator")
    built.fault("the disk is full")
    assert built.ledger.trading is TradingState.HALTED
    summary = built.run()
    assert summary["alerts"] == ["engine: HALTED: the disk is full"] * 2


class Clumsy(Good):
    def on_order(self, order):
        self.state.setdefault("statuses", []).append(order.status)


@pytest.mark.parametrize("error", [RuntimeError("the link"), SystemExit(1)], ids=repr)
def test_an_order_that_the_broker_failed_to_take_is_unknown_and_told(error):
    def submit(approved):
        raise error

    strategy = Clumsy()
    built = engine(quotes([10.0] * 9), strategy)
    built.broker.submit = submit
    summary = built.run()
    assert strategy.state["statuses"][:2] == [S.SUBMITTING, S.UNKNOWN]
    assert summary["working"][0]["status"] is S.UNKNOWN
    assert "is UNKNOWN: the broker failed to take it" in summary["alerts"][0]
    assert summary["strategies"]["Clumsy"]["errors"] == 0


def test_a_cancel_that_the_broker_failed_to_take_leaves_the_order_working_and_is_told():
    class Regrets(Clumsy):
        def on_quote(self, quote):
            if not self.state:
                self.buy(SYMBOL, 100, 9.5)
            elif quote.time == quotes([10.0] * 3)[2].time:
                self.state["cancelled"] = self.cancel_all()

    def cancel(order):
        raise RuntimeError("the link")

    strategy = Regrets()
    built = engine(quotes([10.0] * 9), strategy)
    built.broker.cancel = cancel
    summary = built.run()
    assert strategy.state["statuses"][-3:] == [S.PENDING_CANCEL, S.ACCEPTED, S.EXPIRED]
    assert "works on: the broker failed to take the cancel" in summary["alerts"][0]


def test_a_rule_that_raises_lets_nothing_pass():
    def broken(order, view):
        raise KeyError("oops")

    summary = engine(quotes([10.0] * 5), Good(), gate=[*rules(), broken]).run()
    assert summary["orders"] == 0
    assert summary["strategies"]["Good"]["denied"] == {"rule_fault": 2}


def test_halted_denies_and_active_lets_pass_again():
    class Operator(Good):
        def on_phase(self, phase):
            pass

    built = engine(quotes([10.0] * 9), Operator())
    built.set_trading(TradingState.HALTED, "operator")
    summary = built.run()
    assert summary["orders"] == 0
    assert summary["strategies"]["Operator"]["denied"] == {"trading_state": 3}


class PushFeed(HandFeed):
    """A live feed: its quotes come from a foreign thread, through the door."""

    start = 0

    def __init__(self, events):
        self.events = events
        self.push = None

    async def run(self, report):
        thread = threading.Thread(target=lambda: [self.push(e) for e in self.events])
        thread.start()
        await asyncio.Event().wait()


async def test_a_live_feed_reaches_strategies_through_the_door_on_the_wall_clock():
    class Count(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.state.setdefault("times", []).append(quote.time)
            self.state["thread"] = threading.current_thread()
            if len(self.state["times"]) == 500:
                done.set()

    done = asyncio.Event()
    clock, feed, strategy = WallClock(), PushFeed(quotes([10.0] * 500)), Count()
    broker = PaperBroker(clock, FEES, "demo", 10**8)
    built = Engine(
        clock=clock,
        feed=feed,
        broker=broker,
        journal=NoJournal(),
        rules=rules(),
        fees=FEES,
        cash=10**8,
        account_id="demo",
    )
    built.listen(Quote, broker.on_quote)
    built.listen(SessionPhase, broker.on_phase)
    built.register(strategy)
    feed.push = built.door.push
    async with built:
        await asyncio.wait_for(done.wait(), 20)
    assert strategy.state["times"] == [quote.time for quote in quotes([10.0] * 500)]
    assert strategy.state["thread"] is threading.main_thread()


@pytest.mark.parametrize("restarted", [False, True])
async def test_in_the_worlds_time_an_async_handler_that_awaits_for_ever_is_told_of_and_goes_on(
    monkeypatch, restarted
):
    class Hangs(qka.Strategy):
        symbols = [SYMBOL]

        async def on_quote(self, quote):
            await over.wait()
            ended.set()

    over, ended = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr("qka.engine.engine.LIVE_PATIENCE", (0.01, None))
    clock, feed = WallClock(), PushFeed(())
    built = Engine(
        clock=clock,
        feed=feed,
        broker=PaperBroker(clock, FEES, "demo", 10**8),
        journal=NoJournal(),
        rules=rules(),
        fees=FEES,
        cash=10**8,
        account_id="demo",
    )
    built.register(Hangs(), build=lambda changed: Hangs())
    feed.push = built.door.push
    async with built:
        for command in ("stop", "start") if restarted else ():
            built.operator.ask(command, ["Hangs"], who="li@desk")
        before = len(built.tally.alerts)
        feed.push(quotes([10.0])[0])
        await eventually(lambda: len(built.tally.alerts) > before)
        over.set()
        await asyncio.wait_for(ended.wait(), 20)
    alert = built.tally.alerts[-1]
    assert alert.source == "Hangs"
    assert "on_quote has not ended for 0.01 s: no other async handler" in alert.message
    assert retold(alert.message, speaker(CHINESE)) != alert.message


async def test_a_broker_of_another_account_is_refused_before_anything_is_sent():
    built = engine(quotes([10.0]), Good())
    built.account_id = "other"
    with pytest.raises(qka.QkaError, match="serves account demo"):
        await built.run_async()
