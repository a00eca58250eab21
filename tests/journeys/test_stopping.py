"""How strategies and runs end: alone, together, at once, and before they have begun."""

import asyncio
import re

import pytest
from qmt import eventually
from stage import DAY, SYMBOL, Recorder, engine, quotes

import qka
from qka.engine import engine as room
from qka.engine.runner import Policy
from qka.model.events import EngineState, OrderDenied, SessionPhase
from qka.model.market import Phase
from qka.model.order import OrderStatus as S
from qka.model.times import at

OTHER = "000001.SZ"


def two(count=40):
    return quotes([10.0] * count) + quotes([10.0] * count, symbol=OTHER, start="09:30:04")


# ------------------------------------------------------------------ a strategy alone


class Switches(Recorder):
    """Wants to sell one and buy the other, and breaks while its sell rests."""

    symbols = [SYMBOL, OTHER]

    def on_quote(self, quote):
        super().on_quote(quote)
        if len(self.heard) == 3:
            self.emit(qka.Signal(SYMBOL, "sell", 1000, price=10.9))
            self.emit(qka.Signal(OTHER, "buy", 1000))
        if len(self.heard) > 10:
            raise ValueError("broken")


def test_a_stopped_strategys_waiting_buys_are_not_made():
    built = engine(two(), Switches(), held={SYMBOL: 1000})
    summary = built.run()
    assert [(o.symbol, o.status) for o in built.ledger.orders.values()] == [(SYMBOL, S.CANCELLED)]
    stopped = next(alert for alert in summary["alerts"] if "stopped" in alert)
    assert "1 signals not worked yet are dropped; 1 working orders are being cancelled" in stopped


def test_what_was_said_in_the_handler_that_failed_is_not_done():
    class Says(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.emit(qka.Signal(SYMBOL, "buy", 100))
            raise ValueError("broken")

    built = engine(quotes([10.0] * 9), Says(), policy=Policy(max_errors=1))
    built.run()
    assert built.ledger.orders == {}


async def test_what_a_stopped_strategy_still_asks_for_is_refused():
    class Late(qka.Strategy):
        symbols = [SYMBOL]
        began = asyncio.Event()

        def on_quote(self, quote):
            if not self.state:
                self.began.set()
                self.state["order"] = self.buy(SYMBOL, 100, 9.5)
                self.task = asyncio.get_running_loop().create_task(self.go_on())

        async def go_on(self):
            await stopped.wait()
            self.bought = self.buy(SYMBOL, 100, 9.5)
            self.aimed = self.order_target_shares(SYMBOL, 300, 9.5)
            self.emit(qka.Signal(SYMBOL, "buy", 100))
            self.cancelled = self.cancel(self.state["order"])

    stopped, late = asyncio.Event(), Late()
    built = engine(quotes([10.0] * 2000), late)
    denials = []
    built.listen(OrderDenied, denials.append)
    async with built:
        await late.began.wait()
        built.stop_strategy("Late", "the operator said so")
        stopped.set()
        await late.task
        await built.wait()
    assert (late.bought.status, late.bought.reason) == (S.DENIED, "Late was stopped")
    assert late.aimed.status is S.DENIED
    assert not late.cancelled
    assert [denial.code for denial in denials] == ["stopped", "stopped"]
    assert len(built.ledger.orders) == 3
    assert built.ledger.order(late.state["order"].id).status is S.CANCELLED


def test_a_stopped_strategys_async_handlers_end_where_they_stand_and_no_other_begins():
    class Broken(qka.Strategy):
        symbols = [SYMBOL]

        def on_start(self):
            self.calls = 0

        async def on_quote(self, quote):
            self.calls += 1
            self.buy(SYMBOL, 100, 9.5)
            raise ValueError("each time")

    strategy = Broken()
    crowd = quotes([10.0] * 50, every=0)  # all at one moment
    built = engine(crowd + quotes([10.0] * 5, start="09:31:00"), strategy)
    built.run()
    assert strategy.calls == 3
    assert [order.status for order in built.ledger.orders.values()] == [S.CANCELLED] * 3


@pytest.mark.parametrize(
    ("placed", "fails", "asked", "moment"),
    [
        pytest.param("09:19", "09:21", "09:25:00", "09:25", id="before the opening call's end"),
        pytest.param("14:50", "14:58", "15:00:00", "15:00", id="in the closing call"),
    ],
)
def test_orders_of_a_strategy_stopped_while_no_cancels_are_taken_are_cancelled_as_soon_as_they_are(
    placed, fails, asked, moment
):
    class Early(Recorder):
        symbols = [SYMBOL]

        def on_start(self):
            self.at(placed, lambda: self.buy(SYMBOL, 100, 9.5))
            self.at(fails, lambda: 1 / 0)

    built = engine(quotes([10.0] * 10), Early(), policy=Policy(max_errors=1))
    asks = []
    real = built.broker.cancel
    built.broker.cancel = lambda order: (asks.append(built.clock.now()), real(order))
    summary = built.run()
    assert asks == [at(DAY, moment)]
    assert [order.status for order in built.ledger.orders.values()] == [S.CANCELLED]
    words = f"1 working orders are cancelled at {asked}: until then the exchange takes none"
    assert words in summary["alerts"][-1]


# ------------------------------------------------------------------ one that holds time


class AwaitsItsFill(qka.Strategy):
    """In replay it waits for what can't come: time stands still for it."""

    symbols = [SYMBOL]

    async def on_quote(self, quote):
        if not self.state:
            self.state["order"] = self.buy(SYMBOL, 100).id
            while not self.order(self.state["order"]).is_final:  # noqa: ASYNC110  # as people do
                await asyncio.sleep(0.001)


def test_a_handler_that_waits_for_its_own_fill_is_named_and_stopped_and_the_run_goes_on(
    monkeypatch,
):
    monkeypatch.setattr(room, "PATIENCE", (0.01, 0.05))
    other = Recorder(symbols=[SYMBOL])
    summary = engine(quotes([10.0] * 20), AwaitsItsFill(), other).run()
    assert len(other.heard) == 20
    said, stopped = summary["alerts"]
    assert "AwaitsItsFill.on_quote has held up time for 0.01 s" in said
    assert "stopped: an async handler held up time for 0.05 s" in stopped


class Stubborn(qka.Strategy):
    """Takes no cancel for an answer."""

    symbols = [SYMBOL]

    def on_start(self):
        self.over = asyncio.Event()

    async def on_quote(self, quote):
        self.state["waits"] = True
        while not self.over.is_set():
            try:
                await self.over.wait()
            except asyncio.CancelledError:
                pass


@pytest.mark.parametrize("kind", [AwaitsItsFill, Stubborn])
async def test_a_stop_that_is_asked_for_once_ends_the_run_whatever_hangs(monkeypatch, kind):
    monkeypatch.setattr(room, "GRACE", 0.05)
    strategy = kind()
    built = engine(quotes([10.0] * 20), strategy, Recorder(symbols=[SYMBOL]))
    async with asyncio.timeout(10):
        async with built:
            await eventually(lambda: strategy.state)
            built.request_stop()
            await built.wait()
    if kind is Stubborn:
        strategy.over.set()
    (alert,) = built.summary()["alerts"]
    assert re.search("an async handler was cut off: it did not end within 0.05 s of the end", alert)


async def test_a_run_that_is_cancelled_ends_at_once_and_what_works_stays_as_it_is():
    class Rests(qka.Strategy):
        symbols = [SYMBOL]

        async def on_quote(self, quote):
            self.buy(SYMBOL, 100, 9.5)
            await asyncio.Event().wait()

    built = engine(quotes([10.0] * 20), Rests())
    run = asyncio.ensure_future(built.run_async())
    await eventually(lambda: built.ledger.orders)
    run.cancel()
    await asyncio.wait([run], timeout=10)
    assert run.cancelled()
    (working,) = built.summary()["working"]
    assert working["status"] is S.SUBMITTING


# ------------------------------------------------------------------ a run


async def test_a_feed_that_was_cancelled_and_nobody_asked_is_a_fault():
    built = engine(quotes([10.0] * 20), Recorder(symbols=[SYMBOL]))
    async with built:
        built._feeding.cancel()
        with pytest.raises(qka.QkaError, match="nobody asked"):
            await built.wait()


@pytest.mark.parametrize("slow", ["the broker", "on_start", "nothing"])
async def test_a_stop_asked_for_before_the_start_is_done_is_honoured(monkeypatch, slow):
    asked = asyncio.Event()

    class Slow(Recorder):
        symbols = [SYMBOL]

        async def on_start(self):
            if slow == "on_start":
                asked.set()
                await asyncio.Event().wait()

        def on_stop(self):
            self.heard.append("on_stop")

    monkeypatch.setattr(room, "GRACE", 0.01)
    strategy = Slow()
    built = engine(quotes([10.0] * 20), strategy)
    states = []
    built.listen(EngineState, lambda event: states.append(event.state))
    if slow == "the broker":

        async def connect(report):
            asked.set()
            await asyncio.Event().wait()

        built.broker.connect = connect
    if slow == "nothing":
        built.request_stop()
    run = asyncio.ensure_future(built.run_async())
    if slow != "nothing":
        await asyncio.wait_for(asked.wait(), 5)
        built.request_stop()
    summary = await asyncio.wait_for(run, 5)
    assert not any(isinstance(event, qka.Quote) for event in strategy.heard)
    assert summary["fills"] == 0
    assert (
        states
        == {
            "the broker": ["opening"],
            "on_start": ["opening", "started", "stopped"],
            "nothing": ["opening", "started", "running", "stopped"],
        }[slow]
    )
    assert ("on_stop" in strategy.heard) is (slow == "nothing")


async def test_an_engine_whose_start_failed_is_not_started_again():
    class Bars(qka.Strategy):
        symbols = [SYMBOL]
        bars = ("1m", "5m")

        def on_bar(self, bar):
            pass

    built = engine(quotes([10.0] * 20), Bars())
    built.account_id = "other"
    with pytest.raises(qka.QkaError, match="serves account demo"):
        await built.run_async()
    built.account_id = "demo"
    with pytest.raises(qka.ConfigError, match="build another one"):
        await built.run_async()


async def test_what_comes_after_the_end_is_no_fault(tmp_path):
    late = Recorder(symbols=[SYMBOL])
    built = engine(quotes([10.0] * 3), late, journal=tmp_path / "journal.db")
    await built.run_async()
    assert late.buy(SYMBOL, 100, 10.0).status is S.DENIED
    built.publish(SessionPhase(built.clock.now(), DAY, Phase.PRE_OPEN))
    assert built.summary()["alerts"] == []
    assert built.faults == set()


async def test_whatever_cannot_be_closed_the_rest_is_and_the_summary_tells():
    async def close():
        raise RuntimeError("the socket")

    built = engine(quotes([10.0] * 3), Recorder(symbols=[SYMBOL]))
    built.feed.close = close
    closed = []
    built.journal.close = lambda: closed.append(True)
    summary = await built.run_async()
    assert closed
    assert summary["alerts"] == ["feed: it could not be closed: RuntimeError: the socket"]
