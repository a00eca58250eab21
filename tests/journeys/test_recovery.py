"""An engine that stops and starts again: what it finds and books, and when it will not trade."""

import threading
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, a_quote, moment
from qmt import ACCOUNT, PATH, a_terminal, eventually
from served import served
from stage import FEES, rules

import qka
from qka.brokers.client import AsyncQMTClient
from qka.brokers.link import TraderLink
from qka.brokers.remote import RemoteBroker
from qka.brokers.xtquant import XtquantBroker
from qka.clock import WallClock
from qka.engine.engine import Engine
from qka.feeds.remote import RemoteFeed
from qka.feeds.xtdata import XtdataFeed
from qka.journal.port import Note
from qka.journal.store import SqliteJournal
from qka.journal.verify import verify
from qka.model.actions import CorporateAction
from qka.model.events import OrderRequested, TradingState
from qka.model.money import to_cents
from qka.model.order import Order, OrderStatus, Side
from qka.risk.conflicts import Duplicate
from qka.risk.losses import Losses
from qka.risk.meter import Meter
from qka.risk.pace import DayLimit, RateLimit, SlidingWindow
from qka.risk.sizes import DailyNotional
from qka.risk.stops import Stops
from qka.risk.streak import Run, Streak

QUICK = {"deadline": 3.0, "probe": 0.5, "pause": 0.01, "sessions": range(1, 100)}
S = OrderStatus


class Notes(qka.Strategy):
    """Does nothing by itself; remembers what it hears, and counts its fills in its state."""

    symbols = [SYMBOL]

    def on_start(self):
        self.heard = ["start"]

    def on_quote(self, quote):
        pass

    def on_order(self, order):
        self.heard.append(order.status)

    def on_fill(self, fill):
        self.heard.append(fill.quantity)
        self.state["filled"] = self.state.get("filled", 0) + fill.quantity


class Desk:
    """One account at a simulated terminal, and engines over it, one after the other."""

    def __init__(self, terminal, folder):
        self.terminal = terminal
        self.folder = folder
        self.seconds = count(6, 3)

    @property
    def path(self):
        return self.folder / "journal.db"

    def edges(self, clock, **feed):
        link = TraderLink(PATH, ACCOUNT, **QUICK)
        link._pool._folder = self.folder
        return XtdataFeed(clock, check=0.02, **feed), XtquantBroker(link, clock, FEES)

    def engine(self, strategy=None, gate=None, losses=None, meter=None, streak=None, **edges):
        clock = WallClock()
        clock.follow(self.terminal.now(), 20.0)
        feed, broker = self.edges(clock, **edges)
        engine = Engine(
            clock=clock,
            feed=feed,
            broker=broker,
            journal=SqliteJournal(self.path, ACCOUNT, "STOCK", now=clock.now),
            rules=rules() if gate is None else gate,
            fees=FEES,
            cash=10_000_000,
            account_id=ACCOUNT,
            losses=losses,
            meter=meter,
            streak=streak,
        )
        self.strategy = strategy or Notes()
        engine.register(self.strategy)
        return engine

    def quote(self, last=10.0, day=DAY, **changes):
        time = moment(f"10:00:{next(self.seconds):02d}", day)
        self.terminal.quote(a_quote(last, time=time, **changes))

    async def placed(self, engine, quantity=500, price=10.02):
        order = self.strategy.buy(SYMBOL, quantity, price)
        await eventually(lambda: engine.ledger.order(order.id).status is S.ACCEPTED)
        return order.id

    def agrees(self, engine):
        """The engine's books are the exchange's own."""
        books = self.terminal.books(ACCOUNT)
        assert to_cents(engine.ledger.asset.cash) == books.cash
        held = {p.symbol: p.quantity for p in engine.ledger.positions()}
        assert held == {symbol: shares for symbol, shares in books.shares.items() if shares}
        return True


@pytest.fixture
def desk(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Desk(terminal, tmp_path)


async def test_what_traded_while_the_engine_was_away_is_booked_and_its_strategy_is_told(desk):
    async with desk.engine() as engine:
        order_id = await desk.placed(engine)
    desk.quote()
    async with desk.engine() as engine:
        order = engine.ledger.order(order_id)
        assert (order.status, order.filled) == (S.FILLED, 500)
        assert desk.strategy.heard == ["start", 500, S.FILLED]
        assert desk.strategy.state == {"filled": 500}
        assert engine.ledger.trading is TradingState.ACTIVE
        assert desk.agrees(engine)
    async with desk.engine() as engine:
        assert desk.strategy.heard == ["start"]
        assert desk.strategy.state == {"filled": 500}
        assert desk.agrees(engine)
        assert engine.tally.owners() == {SYMBOL: {"Notes": 500}}
    assert verify(desk.path).problems == []


async def test_an_order_that_still_works_goes_on_under_its_id(desk):
    async with desk.engine() as engine:
        order_id = await desk.placed(engine)
    async with desk.engine() as engine:
        (order,) = desk.strategy.orders()
        assert (order.id, order.status) == (order_id, S.ACCEPTED)
        assert desk.strategy.account.frozen > 0
        desk.quote()
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
        assert desk.agrees(engine)
        other = await desk.placed(engine, 100, 9.5)
        assert other != order_id


async def test_signals_are_numbered_on_whoever_gives_them(desk):
    async with desk.engine():
        assert [desk.strategy.buy(SYMBOL, 100, 9.5).signal for _ in range(2)] == [1, 2]
    async with desk.engine():
        assert desk.strategy.buy(SYMBOL, 100, 9.5).signal == 3
        desk.strategy.emit(qka.Signal(SYMBOL, qka.Side.BUY, 100, price=9.5))
        assert desk.strategy.buy(SYMBOL, 100, 9.5).signal == 5


async def test_orders_placed_by_hand_are_adopted_and_shown_as_such(desk):
    async with desk.engine() as engine:
        number = desk.terminal.order(ACCOUNT, SYMBOL, 23, 300, 11, 10.02)
        await eventually(lambda: f"x260105-{number}" in engine.ledger.orders)
        desk.quote()
        await eventually(lambda: engine.ledger.order(f"x260105-{number}").status is S.FILLED)
        assert desk.agrees(engine)
        assert "placed by others" in " ".join(engine.summary()["alerts"])
        assert engine.summary()["strategies"]["Notes"]["fills"] == 0
    away = desk.terminal.order(ACCOUNT, SYMBOL, 23, 200, 11, 10.02)
    desk.quote()
    async with desk.engine() as engine:
        order = engine.ledger.order(f"x260105-{away}")
        assert (order.status, order.filled, order.strategy) == (S.FILLED, 200, "")
        assert engine.ledger.trading is TradingState.ACTIVE
        assert desk.agrees(engine)


async def test_what_nothing_explains_holds_the_trading_until_it_is_accepted(desk):
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE
    desk.terminal._accounts[ACCOUNT]._exchange.grant("000001.SZ", 100, 0)  # a transfer
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED
        order = desk.strategy.buy(SYMBOL, 100, 10.0)
        assert order.status is S.DENIED
        (alert,) = engine.summary()["alerts"]
        assert "000001.SZ  1000 shares  1100 shares  nothing" in alert
        mark = alert.partition("qka accept CONFIG ")[2][:6]
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED  # nobody accepted it
    journal = SqliteJournal(desk.path, ACCOUNT, "STOCK", now=lambda: 1)
    journal.open()
    journal.note(Note.ACCEPTED, {"fingerprint": mark, "who": "a trader"})
    journal.close()
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE
        assert engine.ledger.position("000001.SZ").quantity == 1100
        assert desk.agrees(engine)
    async with desk.engine() as engine:
        assert engine.summary()["alerts"] == []


async def test_an_intent_that_was_never_sent_is_unknown_and_blocks_its_symbol(desk):
    async with desk.engine() as engine:
        now = engine.clock.now()
        lost = Order(
            "q260105-lost-000001", SYMBOL, Side.BUY, 100, 10.0, strategy="Notes", signal=7,
            time=now, status=S.SUBMITTING,
        )  # fmt: skip
        engine.journal.write_ahead(OrderRequested(now, lost))
        engine.ledger.open(lost)
    async with desk.engine() as engine:
        order = engine.ledger.order(lost.id)
        assert order.status is S.UNKNOWN
        assert "before the broker's answer" in order.reason
        assert desk.strategy.buy(SYMBOL, 100, 10.0).status is S.DENIED
        assert engine.ledger.asset.frozen > 1000
    assert desk.terminal.books(ACCOUNT).orders == ()


async def test_a_halt_is_there_again_after_a_restart(desk):
    async with desk.engine() as engine:
        engine.fault("something of ours broke")
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED
        assert "qka resume" in " ".join(engine.summary()["alerts"])
        engine.set_trading(TradingState.ACTIVE, "an operator")
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_rate_windows_remember_what_was_sent_before_a_restart(desk):
    def gate():
        return [RateLimit(SlidingWindow(3, 3600))]

    async with desk.engine(gate=gate()) as engine:
        await desk.placed(engine, 100, 9.5)
        await desk.placed(engine, 100, 9.5)
    async with desk.engine(gate=gate()) as engine:
        assert desk.strategy.buy(SYMBOL, 100, 9.5).status is S.SUBMITTING
        denied = desk.strategy.buy(SYMBOL, 100, 9.5)
        assert denied.status is S.DENIED
        assert denied.reason.startswith("3 orders and cancels in 3600 s are reached; it would pass")


@pytest.mark.parametrize("killed", [False, True])
async def test_the_days_counts_come_back_from_a_stop_and_from_a_crash(desk, killed):
    def gate(meter):
        return [DayLimit(4, meter), Duplicate(3600), DailyNotional(Decimal(5000), meter)]

    meter = Meter()
    async with desk.engine(gate=gate(meter), meter=meter) as engine:
        order_id = await desk.placed(engine, 100, 9.5)
        assert desk.strategy.cancel(order_id)
        await eventually(lambda: engine.ledger.order(order_id).status is S.CANCELLED)
        before = meter.today(engine.clock.now())
        if killed:
            engine.keeper.checkpoint = lambda: None
    meter = Meter()
    async with desk.engine(gate=gate(meter), meter=meter) as engine:
        today = meter.today(engine.clock.now())
        assert (today.orders, today.cancels, today.quick) == (1, 1, before.quick)
        assert today.ordered == {SYMBOL: 950_00}
        assert "the same order left" in desk.strategy.buy(SYMBOL, 100, 9.5).reason
        assert desk.strategy.buy(SYMBOL, 300, 9.5).status is S.SUBMITTING
        assert "5700.00 CNY" in desk.strategy.buy(SYMBOL, 200, 9.5).reason
        assert desk.strategy.buy(SYMBOL, 100, 9.4).status is S.SUBMITTING
        assert "4 orders and cancels today" in desk.strategy.buy(SYMBOL, 100, 9.3).reason


@pytest.mark.parametrize("between", [False, True], ids=["at once", "a checkpoint later"])
async def test_a_flatten_that_a_crash_cut_short_is_told_by_the_next_run_and_by_no_other(
    desk, between
):
    def reminders(engine):
        return [alert for alert in engine.summary()["alerts"] if "asked for flatten" in alert]

    async with desk.engine() as engine:
        order_id = await desk.placed(engine)
        desk.quote()
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
        engine.operator.ask("flatten", who="li@desk")
        if between:
            engine.keeper.checkpoint()
        engine.keeper.checkpoint = lambda: None
    async with desk.engine() as engine:
        (told,) = reminders(engine)
        assert "li@desk asked for flatten at 2026-01-05" in told
        assert "500 600000.SH are still held, and nothing of them is sold by itself" in told
        assert engine.ledger.trading is TradingState.REDUCING
    async with desk.engine() as engine:
        assert reminders(engine) == []


async def test_losing_trades_in_a_row_are_counted_over_a_restart_until_an_operator_resumes(desk):
    async with desk.engine(streak=Streak(2)) as engine:
        engine.breaker.streak.run = Run(1, {})
    async with desk.engine(streak=Streak(2)) as engine:
        assert engine.breaker.streak.run.losses == 1


async def test_a_trailing_stop_remembers_the_best_price_over_a_restart(desk):
    async with desk.engine() as engine:
        engine.stop_at(Stops(trailing=0.05))
        engine.leaver._best[SYMBOL], engine.leaver._changed = 11.0, True
    async with desk.engine() as engine:
        assert engine.leaver._best == {SYMBOL: 11.0}


async def test_a_bad_morning_is_not_forgotten_by_a_restart(desk):
    async with desk.engine(losses=Losses(0.001, None)) as engine:
        opening = engine.breaker.losses.marks.opening
        order_id = await desk.placed(engine, 2000)
        desk.quote()
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
    desk.quote(9.0)
    async with desk.engine(losses=Losses(0.001, None)) as engine:
        assert engine.breaker.losses.marks.opening == opening
        await eventually(lambda: engine.ledger.quotes.get(SYMBOL))
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.REDUCING
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.REDUCING
        assert desk.strategy.buy(SYMBOL, 100, 9.0).status is S.DENIED


async def test_money_paid_out_and_accepted_is_no_loss(desk):
    async with desk.engine(losses=Losses(0.01, 0.01)) as engine:
        before = engine.breaker.losses.marks
    exchange = desk.terminal._accounts[ACCOUNT]._exchange
    exchange.grant("000001.SZ", 0, -5_000_000)
    async with desk.engine(losses=Losses(0.01, 0.01)) as engine:
        (alert,) = engine.summary()["alerts"]
        mark = alert.partition("qka accept CONFIG ")[2][:6]
    journal = SqliteJournal(desk.path, ACCOUNT, "STOCK", now=lambda: 1)
    journal.open()
    journal.note(Note.ACCEPTED, {"fingerprint": mark})
    journal.close()
    async with desk.engine(losses=Losses(0.01, 0.01)) as engine:
        marks = engine.breaker.losses.marks
        assert (marks.opening, marks.peak) == (before.opening - 5_000_000, before.peak - 5_000_000)
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_while_it_runs_a_difference_that_stays_holds_and_when_it_goes_trading_goes_on(desk):
    exchange = desk.terminal._accounts[ACCOUNT]._exchange
    async with desk.engine() as engine:
        exchange.grant("000001.SZ", 100, 0)
        await engine.reconciler.look()
        assert (
            engine.ledger.trading is TradingState.ACTIVE
        )  # an account moves while it is looked at
        await engine.reconciler.look()
        assert engine.ledger.trading is TradingState.HALTED
        await engine.reconciler.look()
        assert len(engine.summary()["alerts"]) == 1  # told once
        exchange.grant("000001.SZ", -100, 0)
        await engine.reconciler.look()
        assert engine.ledger.trading is TradingState.ACTIVE
        await desk.placed(engine)
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_an_order_that_is_long_on_its_way_is_named(desk):
    async with desk.engine() as engine:
        order_id = await desk.placed(engine, 100, 9.5)
        desk.terminal.faults.next("dropped", "cancel")
        assert desk.strategy.cancel(order_id)
        look = engine.reconciler._look_at_orders
        look()
        status, since = engine.reconciler._waiting[order_id]
        engine.reconciler._waiting[order_id] = status, since - 40 * 10**9
        look()
        await eventually(lambda: engine.summary()["alerts"])
        (alert,) = engine.summary()["alerts"]
        assert f"order {order_id} (buy 100 {SYMBOL}) has been pending_cancel for 40 s" in alert


# ------------------------------------------------------------------ corporate actions

OTHER = "000001.SZ"  # of which the account holds a thousand
THIRD_DAY = date(2026, 1, 7)
GIVEN = CorporateAction(OTHER, NEXT_DAY, Decimal("0.25"), Decimal("0.3"))
BONUS = "bonus 10:3 of 000001.SZ on 2026-01-06: +300"
DIVIDEND = "dividend 0.25 CNY a share of 000001.SZ on 2026-01-06: +250.00"


class RemoteDesk(Desk):
    """The same account, by way of a server."""

    def __init__(self, server, folder):
        super().__init__(server.terminal, folder)
        self.server = server

    def edges(self, clock):
        client = AsyncQMTClient(self.server.url, self.server.token, patience=3.0)
        return RemoteFeed(client, clock), RemoteBroker(client, clock, FEES)


def told(engine):
    """Its alerts, each in one line."""
    return [" ".join(alert.split()) for alert in engine.summary()["alerts"]]


def over_night(desk, day=NEXT_DAY):
    desk.terminal.advance(to=moment("09:35", day))


async def trades_on(desk, engine, day=NEXT_DAY):
    assert engine.ledger.trading is TradingState.ACTIVE
    assert desk.agrees(engine)
    order_id = await desk.placed(engine, 100)
    desk.quote(day=day)
    await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
    assert desk.agrees(engine)
    assert desk.terminal.books(ACCOUNT).problems() == []


async def gained_over_night(desk):
    """Stop, a bonus and a dividend, start: explained, taken over, and traded on."""
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE
        cost = engine.ledger.books(DAY).positions[OTHER][2]
    desk.terminal.declare(GIVEN)
    over_night(desk)
    async with desk.engine() as engine:
        (alert,) = told(engine)
        assert f"{OTHER} 1000 shares 1300 shares {BONUS}" in alert
        assert DIVIDEND in alert
        assert engine.ledger.sellable(OTHER) == 1300
        assert engine.ledger.books(NEXT_DAY).positions[OTHER][2] == cost
        await trades_on(desk, engine)
    async with desk.engine() as engine:
        assert engine.summary()["alerts"] == []
    assert verify(desk.path).problems == []


async def test_bonus_shares_and_a_dividend_that_came_over_night_are_explained(desk):
    await gained_over_night(desk)


async def test_they_are_through_a_server_too(tmp_path):
    async with served(tmp_path / "server") as server:
        await gained_over_night(RemoteDesk(server, tmp_path))


async def test_shares_that_come_a_session_later_are_explained_then(tmp_path):
    with a_terminal(id_cooldown=0.0, shares_late=True) as terminal:
        desk = Desk(terminal, tmp_path)
        async with desk.engine():
            terminal.declare(GIVEN)
        over_night(desk)
        async with desk.engine() as engine:
            (alert,) = told(engine)
            assert DIVIDEND in alert
            assert BONUS not in alert
            order = desk.strategy.sell(OTHER, 400, 9.9)  # who sells now has the bonus all the same
            await eventually(lambda: engine.ledger.order(order.id).status is S.ACCEPTED)
            desk.quote(day=NEXT_DAY, symbol=OTHER)
            await eventually(lambda: engine.ledger.order(order.id).status is S.FILLED)
        over_night(desk, THIRD_DAY)
        async with desk.engine() as engine:
            (alert,) = told(engine)
            assert f"{OTHER} 600 shares 900 shares {BONUS}" in alert
            await trades_on(desk, engine, THIRD_DAY)


async def test_what_comes_while_the_engine_runs_is_explained_then(desk):
    async with desk.engine():
        pass
    over_night(desk)
    desk.terminal.declare(GIVEN)  # its morning is over: nothing came
    async with desk.engine() as engine:
        assert told(engine) == []
        desk.terminal._accounts[ACCOUNT]._exchange.grant(OTHER, 0, 25_000)
        engine.reconciler.settle(NEXT_DAY)
        (alert,) = await eventually(lambda: told(engine))
        assert DIVIDEND in alert
        assert engine.ledger.trading is TradingState.ACTIVE
        desk.terminal._accounts[ACCOUNT]._exchange.grant(OTHER, 300, 0)
        await engine.reconciler.look()
        await engine.reconciler.look()
        assert engine.ledger.trading is TradingState.ACTIVE
        await eventually(lambda: BONUS in told(engine)[-1])
    desk.terminal._accounts[ACCOUNT]._exchange.grant(OTHER, 300, 0)
    async with desk.engine() as engine:  # it came, and comes no second time
        assert engine.ledger.trading is TradingState.HALTED


async def test_a_dividend_of_shares_that_were_sold_on_the_ex_date_is_explained_at_its_end(desk):
    async with desk.engine():
        pass
    over_night(desk)
    desk.terminal.declare(GIVEN)
    async with desk.engine() as engine:
        engine.reconciler._since = DAY  # it has run since the day before
        order = desk.strategy.sell(OTHER, 1000, 9.9)
        await eventually(lambda: engine.ledger.order(order.id).status is S.ACCEPTED)
        desk.quote(day=NEXT_DAY, symbol=OTHER)
        await eventually(lambda: engine.ledger.order(order.id).status is S.FILLED)
        desk.terminal._accounts[ACCOUNT]._exchange.grant(OTHER, 0, 25_000)
        engine.reconciler.settle(NEXT_DAY)
        (alert,) = await eventually(lambda: told(engine))
        assert DIVIDEND in alert
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_what_an_action_does_not_cover_exactly_halts(desk):
    async with desk.engine():
        desk.terminal.declare(GIVEN)
    over_night(desk)
    desk.terminal._accounts[ACCOUNT]._exchange.grant(OTHER, 1, 0)
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED
        (alert,) = told(engine)
        assert f"{OTHER} 1000 shares 1301 shares nothing" in alert


async def test_a_feed_that_cannot_say_explains_nothing_and_is_asked_again_at_the_next_start(desk):
    async with desk.engine():
        desk.terminal.declare(GIVEN)
    over_night(desk)
    desk.terminal.hang("factors")
    async with desk.engine(deadline=0.3) as engine:
        desk.terminal.resume()
        assert engine.ledger.trading is TradingState.HALTED
        warning, table = told(engine)
        assert "the feed can't say whether that is a bonus or a dividend (xtdata: " in warning
        assert f"{OTHER} 1000 shares 1300 shares nothing" in table
    over_night(desk, THIRD_DAY)
    async with desk.engine() as engine:
        await trades_on(desk, engine, THIRD_DAY)


@dataclass
class NoActions:
    """A server of an older version: it does not know the method."""

    client: AsyncQMTClient

    def __getattr__(self, name):
        return getattr(self.client, name)

    async def query(self, method, params=None):
        known = method != "get_divid_factors"
        return await self.client.query(method if known else "get_no_factors", params)


class OldDesk(RemoteDesk):
    def edges(self, clock):
        feed, broker = super().edges(clock)
        feed._source._server = NoActions(feed._source._server)
        return feed, broker


async def test_a_server_that_does_not_know_the_question_holds_no_start_up(tmp_path):
    async with served(tmp_path / "server") as server:
        desk = OldDesk(server, tmp_path)
        async with desk.engine():
            desk.terminal.declare(GIVEN)
        over_night(desk)
        async with desk.engine() as engine:
            assert engine.ledger.trading is TradingState.HALTED
            warning, table = told(engine)
            assert "the feed can't say" in warning
            assert "nothing explains it" in table


async def test_a_halt_that_the_server_did_not_hear_of_is_heard_when_the_next_run_starts(
    tmp_path, monkeypatch
):
    async with served(tmp_path / "server") as server:
        desk = RemoteDesk(server, tmp_path)
        ask, called, on = desk.terminal.ask, threading.Event(), threading.Event()

        def blocks(session, call, *rest):
            if call == "order":
                called.set()
                on.wait(5)
            ask(session, call, *rest)

        monkeypatch.setattr(desk.terminal, "ask", blocks)
        async with desk.engine() as engine:
            handed = desk.strategy.buy(SYMBOL, 100, 9.9).id
            await eventually(called.is_set)
            waits = desk.strategy.buy(SYMBOL, 200, 9.9).id
            await eventually(lambda: len(server.server.backend._marked) == 2)
            for session in list(server.server.http.sessions._open):
                session._transport.abort()
            await eventually(lambda: engine.ledger.order(waits).status is S.UNKNOWN)
            engine.set_trading(TradingState.HALTED, "a doubt")
        async with desk.engine() as engine:
            await eventually(lambda: engine.ledger.order(waits).status is S.REJECTED)
            on.set()
            await eventually(lambda: engine.ledger.order(handed).status is S.ACCEPTED)
            assert [order.remark for order in desk.terminal.books(ACCOUNT).orders] == [handed]
