"""An engine that runs on from one day to the next, without a restart."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, moment
from qmt import ACCOUNT, a_terminal, eventually
from test_recovery import BONUS, DIVIDEND, GIVEN, OTHER, Desk, told, trades_on

from qka.engine import reconciler
from qka.errors import BrokerUnavailable
from qka.journal.port import Note
from qka.model.actions import CorporateAction
from qka.model.events import TradingState
from qka.model.order import OrderStatus as S

THIRD_DAY, FOURTH_DAY = date(2026, 1, 7), date(2026, 1, 8)


@pytest.fixture
def desk(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Desk(terminal, tmp_path)


def lives_on(desk, engine, day=NEXT_DAY, clock_time="09:35"):
    """It is that moment, for the terminal and for the engine."""
    desk.terminal.advance(to=moment(clock_time, day))
    engine.clock.follow(desk.terminal.now(), 20.0)
    engine.clock.call_at(engine.clock.now(), lambda: None)  # what is due is due now


async def looks(engine, times=2):
    """The reconciler's looks, which a minute brings one after the other."""
    for _ in range(times):
        await eventually(lambda: not engine.reconciler._turn.locked())
        await engine.reconciler.look()


async def settles(engine, day):
    """A day's end; the note of what was found."""
    before = engine.journal.latest(Note.RECONCILED)
    seen = before.seq if before else 0
    engine.reconciler.settle(day)

    def settled():
        last = engine.journal.latest(Note.RECONCILED)
        return last if last and last.seq > seen and last.value["when"] == "end" else None

    found = (await eventually(settled)).value
    await eventually(lambda: not engine.bus.waiting())  # its alerts are heard
    return found


def silent(engine):
    """The feed can't say what goes ex, until what is returned is cleared."""
    asked, away = engine.reconciler._actions, [True]

    async def actions(*question):
        if away:
            raise BrokerUnavailable("there is no connection")
        return await asked(*question)

    engine.reconciler._actions = actions
    return away


def grants(desk, symbol, shares, cents):
    """Shares and cash move in the terminal's account, and no order tells of it."""
    desk.terminal._accounts[ACCOUNT]._exchange.grant(symbol, shares, cents)


def pays(desk, cents, symbol=OTHER):
    grants(desk, symbol, 0, cents)


async def test_what_came_over_night_is_explained_in_the_morning_and_trading_goes_on(desk):
    desk.terminal.declare(GIVEN)
    async with desk.engine() as engine:
        lives_on(desk, engine)
        await looks(engine)
        (alert,) = await eventually(lambda: told(engine))
        assert f"{OTHER} 1000 shares 1300 shares {BONUS}" in alert
        assert DIVIDEND in alert
        await trades_on(desk, engine)


async def test_an_order_that_traded_while_the_link_was_away_until_the_next_day_is_explained(desk):
    async with desk.engine() as engine:
        traded = await desk.placed(engine)
        rests = await desk.placed(engine, 100, 9.5)
        desk.terminal.stop()
        desk.quote()
        lives_on(desk, engine)
        desk.terminal.start()
        await eventually(lambda: engine.ledger.order(rests).status is S.EXPIRED)
        await eventually(lambda: engine.ledger.shares().get(SYMBOL) == 500)
        assert engine.ledger.order(traded).status is S.EXPIRED
        (alert,) = [words for words in told(engine) if "explained" in words]
        assert f"traded while the engine was away: {traded}" in alert
        assert engine.ledger.asset.frozen == 0
        await trades_on(desk, engine)


async def test_such_an_order_still_explains_what_it_did_when_the_feed_can_tell_the_rest(desk):
    desk.terminal.declare(GIVEN)
    async with desk.engine() as engine:
        away = silent(engine)
        await desk.placed(engine)
        desk.terminal.stop()
        await eventually(lambda: not engine.broker._up)
        desk.quote()
        lives_on(desk, engine)
        desk.terminal.start()
        await eventually(lambda: engine.broker._up and engine.feed._source.up)
        await looks(engine)
        assert engine.ledger.trading is TradingState.HALTED
        away.clear()
        await looks(engine, 1)
        assert engine.ledger.trading is TradingState.ACTIVE
        await trades_on(desk, engine)


async def test_such_an_order_explains_itself_once_however_often_the_broker_did_not_answer(desk):
    async with desk.engine() as engine:
        await desk.placed(engine)
        desk.terminal.stop()
        await eventually(lambda: not engine.broker._up)
        desk.quote()
        lives_on(desk, engine)
        for _ in range(2):
            engine.reconciler.settle(NEXT_DAY)
            await eventually(lambda: not engine.reconciler._tasks)
        grants(desk, SYMBOL, 500, -500_000)  # as many again, of nobody knows what
        desk.terminal.start()
        await eventually(lambda: engine.broker._up)
        await looks(engine)
        assert engine.ledger.trading is TradingState.HALTED
        assert f"{SYMBOL} 0 shares 1000 shares nothing" in " ".join(told(engine))


async def test_what_came_of_an_action_comes_no_second_time_however_long_the_engine_was_away(desk):
    desk.terminal.declare(CorporateAction(OTHER, NEXT_DAY, Decimal("0.25")))
    async with desk.engine() as engine:
        lives_on(desk, engine)
        await settles(engine, NEXT_DAY)
        await eventually(lambda: any(DIVIDEND in words for words in told(engine)))
    desk.terminal.advance(to=moment("09:35", NEXT_DAY + timedelta(20)))
    pays(desk, 25_000)
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED


async def test_what_a_days_end_found_is_told_once_and_looked_at_until_it_is_gone(desk):
    async with desk.engine() as engine:
        pays(desk, -100_000)
        assert (await settles(engine, DAY))["clean"] is False
        await looks(engine, 3)
        assert engine.ledger.trading is TradingState.HALTED
        assert len(told(engine)) == 1
        pays(desk, 100_000)
        await looks(engine, 1)
        assert engine.ledger.trading is TradingState.ACTIVE
        assert len(told(engine)) == 1


async def test_an_order_that_a_days_end_found_open_holds_until_its_end_is_known(desk):
    async with desk.engine() as engine:
        order_id = await desk.placed(engine, 100, 9.5)
        assert (await settles(engine, DAY))["clean"] is False
        await looks(engine, 3)
        assert engine.ledger.trading is TradingState.HALTED
        assert len(told(engine)) == 1
        desk.strategy.cancel(order_id)
        await eventually(lambda: engine.ledger.order(order_id).status is S.CANCELLED)
        await looks(engine, 1)
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_what_a_days_end_found_can_be_accepted_when_a_part_of_it_is_gone(desk):
    async with desk.engine() as engine:
        await desk.placed(engine, 100, 9.5)
        grants(desk, OTHER, 100, -100_000)
        await settles(engine, DAY)
        grants(desk, OTHER, -100, 0)
        await looks(engine, 2)
        assert len(told(engine)) == 2
        engine.reconciler.accept(engine.reconciler.told)
        await eventually(lambda: engine.ledger.trading is TradingState.ACTIVE)
        assert desk.agrees(engine)


async def test_a_comparison_that_failed_holds_until_one_succeeds_and_is_told_once(desk):
    async with desk.engine() as engine:
        snapshot = engine.broker.snapshot

        async def fails():
            raise ValueError("a number that is none")

        engine.broker.snapshot = fails
        for _ in range(2):
            engine.reconciler._look_soon()
            await eventually(lambda: not engine.reconciler._tasks)
        assert engine.ledger.trading is TradingState.HALTED
        assert len(told(engine)) == 1
        engine.broker.snapshot = snapshot
        await looks(engine, 1)
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_a_feed_that_could_not_say_at_a_days_end_is_asked_again_by_the_looks(desk):
    async with desk.engine() as engine:
        lives_on(desk, engine)
        desk.terminal.declare(GIVEN)
        pays(desk, 25_000)
        desk.terminal.disconnect_data()
        await eventually(lambda: not engine.feed._source.up)
        await settles(engine, NEXT_DAY)
        assert engine.ledger.trading is TradingState.HALTED
        await eventually(lambda: engine.feed._source.up)
        await looks(engine, 1)
        assert engine.ledger.trading is TradingState.ACTIVE
        await eventually(lambda: DIVIDEND in " ".join(told(engine)))


async def test_a_dividend_that_comes_days_after_its_ex_date_is_explained_then(desk):
    """As a fund's does: on its ex-date nothing differs."""
    desk.terminal.declare(CorporateAction(OTHER, NEXT_DAY, Decimal("0.25")))
    async with desk.engine() as engine:
        lives_on(desk, engine)
        pays(desk, -25_000)  # not yet
        assert (await settles(engine, NEXT_DAY))["clean"] is True
    async with desk.engine() as engine:
        lives_on(desk, engine, THIRD_DAY)
        assert (await settles(engine, THIRD_DAY))["clean"] is True
        lives_on(desk, engine, FOURTH_DAY)
        pays(desk, 25_000)
        assert (await settles(engine, FOURTH_DAY))["clean"] is True
        (alert,) = told(engine)
        assert DIVIDEND in alert
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_a_day_that_could_not_be_settled_is_settled_a_minute_later(desk):
    async with desk.engine() as engine:
        desk.terminal.faults.next("dropped", "asset")
        assert (await settles(engine, DAY))["clean"] is True


async def test_a_link_that_is_back_after_a_days_end_has_time_to_tell_what_became_of_orders(
    desk, monkeypatch
):
    monkeypatch.setattr(reconciler, "EVERY", 6.0)
    async with desk.engine() as engine:
        order_id = await desk.placed(engine, 100, 9.5)
        desk.terminal.faults.next("dropped", "asset")
        examine, looks = engine.reconciler._examine, []

        async def examined(**asked):
            found = await examine(**asked)
            if asked["ask"] and not looks:  # its end is told right after the first comparison
                desk.strategy.cancel(order_id)
            looks.append(found) if asked["ask"] else None
            return found

        engine.reconciler._examine = examined
        assert (await settles(engine, DAY))["clean"] is True
        assert len(looks) == 2
        assert told(engine) == []


async def test_a_question_to_the_feed_that_fails_in_whatever_way_holds_nothing_that_agrees(desk):
    async with desk.engine() as engine:

        async def fails(*question):
            raise ValueError("a number that is none")

        engine.reconciler._actions = fails
        assert (await settles(engine, DAY))["clean"] is True
        assert engine.ledger.trading is TradingState.ACTIVE
        assert told(engine) == []


async def test_what_trades_while_the_feed_is_asked_stays_booked(desk):
    async with desk.engine() as engine:
        lives_on(desk, engine)
        desk.terminal.declare(GIVEN)
        order_id = await desk.placed(engine)
        asked = engine.reconciler._actions

        async def slowly(*question):
            desk.quote(day=NEXT_DAY)
            await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
            return await asked(*question)

        engine.reconciler._actions = slowly
        pays(desk, 25_000)
        await settles(engine, NEXT_DAY)
        assert engine.ledger.shares()[SYMBOL] == 500
        assert DIVIDEND in told(engine)[0]
        assert desk.agrees(engine)


# ------------------------------------------------------------------ a terminal that is a day behind


def still_lists(desk, day, clock_time):
    """It is that moment, and the terminal shows its last trading day's orders and deals.

    As real ones do over a weekend, and in the morning until they are logged in anew.
    """
    account = desk.terminal._accounts[ACCOUNT]
    orders, trades = dict(account._today), list(account._trades)
    desk.terminal.advance(to=moment(clock_time, day))
    account._today.update(orders)
    account._trades[:] = trades


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("started", [(NEXT_DAY, "00:30"), (NEXT_DAY, "08:00")])
async def test_a_start_before_the_terminals_day_begins_knows_the_orders_that_it_still_lists(
    desk, started, killed
):
    async with desk.engine() as engine:
        order_id = await desk.placed(engine)
        other = await desk.placed(engine, 100, 9.5)
        desk.strategy.cancel(other)
        desk.quote()
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
        await eventually(lambda: engine.ledger.order(other).status is S.CANCELLED)
        if killed:
            engine.keeper.checkpoint = lambda: None
    still_lists(desk, *started)
    for _ in range(2):
        async with desk.engine() as engine:
            assert told(engine) == []
            assert engine.ledger.trading is TradingState.ACTIVE
            assert desk.agrees(engine)
            assert engine.tally.owners() == {SYMBOL: {"Notes": 500}}


async def test_an_order_whose_deals_it_lists_explains_nothing_besides_them(desk):
    async with desk.engine() as engine:
        await desk.placed(engine)
    desk.quote()
    grants(desk, SYMBOL, 500, -500_000)
    still_lists(desk, NEXT_DAY, "00:30")
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED
        assert f"{SYMBOL} 500 shares 1000 shares nothing" in told(engine)[-1]
