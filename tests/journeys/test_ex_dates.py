"""A real account over an ex-date: what falls by a dividend or a bonus is no loss."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, moment
from qmt import a_terminal, eventually
from stage import journalled
from test_living_on import THIRD_DAY, grants, lives_on, looks, pays, settles, silent
from test_recovery import Desk, told

from qka.journal.port import Note
from qka.model.actions import CorporateAction
from qka.model.events import TradingState, WentEx
from qka.model.money import yuan
from qka.model.order import OrderStatus as S
from qka.risk.losses import Losses
from qka.risk.stops import Stops
from qka.risk.streak import Streak

DIVIDEND = CorporateAction(SYMBOL, NEXT_DAY, Decimal(1))  # a tenth of the price
BONUS = CorporateAction(SYMBOL, NEXT_DAY, bonus=Decimal(1))
TIGHT = Stops(loss=0.05, trailing=0.05)


class Holder(Desk):
    """Holds 500 shares that were bought at 10.01, with fees."""

    async def buys(self, engine):
        order_id = await self.placed(engine)
        self.quote()
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
        quote = await eventually(lambda: engine.ledger.quotes.get(SYMBOL))
        engine.leaver.on_price(quote)

    async def sees(self, engine, last, day=NEXT_DAY, **changes):
        """A quote of the ex-date, worked whole."""
        near = {"prev_close": 9.0, "limit_up": 9.9, "limit_down": 4.0, "bid_lots": [0] * 5}
        self.quote(last, day=day, **{**near, **changes})
        await eventually(lambda: self.last(engine) == last)

    async def sells(self, engine, quantity, price, **changes):
        """At the best bid, filled."""
        order = self.strategy.sell(SYMBOL, quantity, price)
        on_its_way = (S.SUBMITTING, S.SUBMITTED)
        await eventually(lambda: engine.ledger.order(order.id).status not in on_its_way)
        assert engine.ledger.order(order.id).status is S.ACCEPTED, engine.ledger.order(order.id)
        await self.sees(engine, price + 0.02, **{"bid_lots": [50] * 5, **changes})
        await eventually(lambda: engine.ledger.order(order.id).status is S.FILLED)

    def last(self, engine):
        quote = engine.ledger.quotes.get(SYMBOL)
        return quote and quote.last


@pytest.fixture
def desk(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Holder(terminal, tmp_path)


def exits(engine):
    return [order for order in engine.ledger.orders.values() if order.strategy == "stops"]


def told_of_ex_dates(desk):
    return [event for event in journalled(desk.path) if isinstance(event, WentEx)]


async def opens(desk, engine, clock_time="09:05"):
    """It is the morning of the ex-date, and the feed was asked."""
    lives_on(desk, engine, NEXT_DAY, clock_time)
    desk.seconds = count(6, 3)
    await eventually(lambda: engine.ledger.position(SYMBOL).cost < 9.1)


async def test_a_stop_takes_no_dividend_for_a_fall_and_goes_off_at_one(desk):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine() as engine:
        engine.stop_at(TIGHT)
        await desk.buys(engine)
        before = engine.ledger.position(SYMBOL).cost
        await opens(desk, engine)
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(before - 1)
        assert engine.ledger.position(SYMBOL).price == pytest.approx(9.0)
        lives_on(desk, engine, NEXT_DAY, "10:00")
        await desk.sees(engine, 9.0)
        assert exits(engine) == []
        await desk.sees(engine, 8.5)
        (exit_,) = await eventually(lambda: exits(engine))
        assert exit_.quantity == 500
        assert exit_.status is not S.DENIED


async def test_what_went_ex_while_the_engine_was_away_is_known_at_the_start_and_counts_once(desk):
    async with desk.engine() as engine:
        engine.stop_at(TIGHT)
        await desk.buys(engine)
        before = engine.ledger.position(SYMBOL).cost
    desk.terminal.declare(DIVIDEND)
    desk.terminal.advance(to=moment("09:35", NEXT_DAY))
    desk.seconds = count(6, 3)
    for number in range(2):
        async with desk.engine() as engine:
            engine.stop_at(TIGHT)
            assert engine.ledger.position(SYMBOL).cost == pytest.approx(before - 1)
            assert engine.leaver._best == {SYMBOL: 9.0}
            await desk.sees(engine, 9.0 + number / 100)
            assert exits(engine) == []
    assert len(told_of_ex_dates(desk)) == 1


async def test_what_stops_are_measured_from_is_written_down_with_the_ex_date(desk):
    async with desk.engine() as engine:
        engine.stop_at(TIGHT)
        await desk.buys(engine)
        engine.publish(WentEx(engine.clock.now(), DIVIDEND, 500))
        assert engine.journal.latest(Note.RISK, "best").value == {SYMBOL: 9.0}
        engine.publish(WentEx(engine.clock.now(), DIVIDEND, 500))
        assert engine.leaver._best == {SYMBOL: 9.0}


async def test_neither_what_falls_nor_what_comes_moves_the_limits_on_losses(desk):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine(losses=Losses(0.003, 0.003), streak=Streak(1)) as engine:
        await desk.buys(engine)
        engine.breaker.look()
        paid, total = engine.breaker.streak.run.open[SYMBOL], engine.ledger.total_cents
        await opens(desk, engine)
        await desk.sees(engine, 9.0)
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.ACTIVE
        assert engine.ledger.total_cents == total
        await settles(engine, NEXT_DAY)  # the money is there
        assert engine.ledger.total_cents == total
        assert engine.ledger.asset.total == yuan(total)
        assert engine.breaker.streak.run.open[SYMBOL] == paid + 50_000
        await desk.sees(engine, 8.2)
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.REDUCING


@pytest.fixture
def late(tmp_path):
    """The same account; its bonus shares come a session after the ex-date."""
    with a_terminal(id_cooldown=0.0, shares_late=True) as terminal:
        terminal.declare(BONUS)
        yield Holder(terminal, tmp_path)


@pytest.mark.parametrize("shares_late", [False, True])
async def test_bonus_shares_lower_the_cost_a_share_before_they_have_come(tmp_path, shares_late):
    with a_terminal(id_cooldown=0.0, shares_late=shares_late) as terminal:
        desk = Holder(terminal, tmp_path)
        terminal.declare(BONUS)
        async with desk.engine(losses=Losses(0.003, None)) as engine:
            engine.stop_at(TIGHT)
            await desk.buys(engine)
            before = engine.ledger.position(SYMBOL).cost
            await opens(desk, engine)
            await looks(engine)
            held = 500 if shares_late else 1000
            await eventually(lambda: engine.ledger.position(SYMBOL).quantity == held)
            await desk.sees(engine, 5.0, prev_close=5.0)
            assert engine.ledger.position(SYMBOL).cost == pytest.approx(before / 2)
            assert exits(engine) == []
            engine.breaker.look()
            assert engine.ledger.trading is TradingState.ACTIVE
        async with desk.engine() as engine:
            assert engine.ledger.position(SYMBOL).cost == pytest.approx(before / 2)


async def test_a_feed_that_cannot_say_is_asked_each_minute_until_the_auction_and_then_it_is_told(
    desk,
):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine() as engine:
        await desk.buys(engine)
        away = silent(engine)
        lives_on(desk, engine, NEXT_DAY, "09:13:59")
        await eventually(lambda: engine.clock.now() > moment("09:15", NEXT_DAY))
        (alert,) = await eventually(lambda: told(engine))
        assert "can't say what goes ex today (there is no connection)" in alert
        assert engine.ledger.position(SYMBOL).cost > 10
        await desk.sees(engine, 9.1)
        away.clear()
        await settles(engine, NEXT_DAY)  # asked again: late, and the price has fallen already
        assert engine.ledger.position(SYMBOL).cost < 9.1
        assert engine.ledger.position(SYMBOL).price == 9.1


async def test_what_the_feed_learns_after_a_start_is_asked_for_at_nine(desk):
    async with desk.engine() as engine:
        await desk.buys(engine)
    desk.terminal.advance(to=moment("08:55", NEXT_DAY))
    async with desk.engine() as engine:
        cost = engine.ledger.position(SYMBOL).cost
        await engine.reconciler._ask_what_goes_ex()  # of this day, minutes ago
        desk.terminal.declare(DIVIDEND)
        lives_on(desk, engine, NEXT_DAY, "09:00:30")
        await eventually(lambda: engine.ledger.position(SYMBOL).cost == pytest.approx(cost - 1))


async def test_an_account_that_is_taken_over_on_an_ex_date_has_it_behind_it(desk):
    desk.terminal.declare(CorporateAction("000001.SZ", DAY, Decimal(1)))
    async with desk.engine() as engine:
        await settles(engine, DAY)
    assert told_of_ex_dates(desk) == []


# ------------------------------------------------------------ what is to come


async def owed_a_bonus(late, engine):
    """Holds what went ex and trades without its bonus; CNY that a share has cost."""
    await late.buys(engine)
    await opens(late, engine)
    lives_on(late, engine, NEXT_DAY, "10:00")
    await late.sees(engine, 5.0, prev_close=5.0)
    return engine.ledger.position(SYMBOL).cost


async def test_what_is_to_come_is_part_of_the_account_until_it_has_come(late):
    async with late.engine(losses=Losses(None, 0.3), streak=Streak(2)) as engine:
        await late.buys(engine)
        engine.breaker.look()
        paid, peak = engine.breaker.streak.run.open, engine.breaker.losses.marks.peak
        await opens(late, engine)
        await late.sees(engine, 5.0, prev_close=5.0)
        total = engine.ledger.total_cents
        engine.breaker.anew()
        assert engine.breaker.streak.run.open[SYMBOL] == paid[SYMBOL]
        assert (peak, engine.breaker.losses.marks.peak) == (10_000_000, total)
    late.terminal.advance(to=moment("08:50", THIRD_DAY))
    async with late.engine(losses=Losses(None, 0.3)) as engine:
        assert engine.ledger.position(SYMBOL).quantity == 1000
        assert engine.ledger.total_cents == total


async def test_who_sells_before_the_bonus_has_come_keeps_the_cost_a_share(late):
    async with late.engine() as engine:
        cost = await owed_a_bonus(late, engine)
        await late.sells(engine, 300, 4.99, prev_close=5.0)
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost, rel=1e-4)


async def test_so_does_who_sold_while_the_engine_was_away_and_the_bonus_came(late):
    async with late.engine() as engine:
        cost = await owed_a_bonus(late, engine)
        order = late.strategy.sell(SYMBOL, 300, 5.1)
        await eventually(lambda: engine.ledger.order(order.id).status is S.ACCEPTED)
    late.quote(5.12, day=NEXT_DAY, prev_close=5.0, limit_up=5.5, limit_down=4.5)
    late.terminal.advance(to=moment("09:20", THIRD_DAY))
    async with late.engine() as engine:
        assert engine.ledger.trading is TradingState.ACTIVE
        assert engine.ledger.position(SYMBOL).quantity == 700
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost, rel=1e-4)


async def test_what_a_human_accepts_while_a_bonus_is_to_come_raises_no_cost(late):
    async with late.engine() as engine:
        engine.stop_at(TIGHT)
        cost = await owed_a_bonus(late, engine)
        grants(late, "000001.SZ", 0, 100_000)  # a transfer
        await settles(engine, NEXT_DAY)
        engine.reconciler.accept(engine.reconciler.told)
        await eventually(lambda: engine.ledger.trading is TradingState.ACTIVE)
        await late.sees(engine, 5.01, prev_close=5.0)
        assert exits(engine) == []
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost, rel=1e-4)


async def test_what_has_not_come_after_weeks_is_given_up_and_is_no_loss_of_that_day(desk):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine(losses=Losses(0.003, 0.003)) as engine:
        await desk.buys(engine)
        await opens(desk, engine)
        pays(desk, -50_000, SYMBOL)  # not yet
        assert (await settles(engine, NEXT_DAY))["clean"] is True
        total, later = engine.ledger.total_cents, NEXT_DAY + timedelta(20)
        lives_on(desk, engine, later)
        await eventually(lambda: engine.reconciler.since == later)  # it was asked that morning
        assert (await settles(engine, later))["clean"] is True
        assert engine.ledger.total_cents == total - 50_000
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.ACTIVE


async def test_what_was_sold_on_its_ex_date_and_bought_again_goes_ex_no_second_time(desk):
    async with desk.engine() as engine:
        await desk.buys(engine)
        desk.terminal.advance(to=moment("09:04", NEXT_DAY))
        desk.terminal.declare(DIVIDEND)  # its cash is yet to come
        await opens(desk, engine)
        lives_on(desk, engine, NEXT_DAY, "10:00")
        await desk.sees(engine, 9.0)
        await desk.sells(engine, 500, 8.97)
    async with desk.engine() as engine:
        order_id = await desk.placed(engine, 100, 9.05)
        await desk.sees(engine, 9.0)
        await eventually(lambda: engine.ledger.order(order_id).status is S.FILLED)
        cost = engine.ledger.position(SYMBOL).cost
        await settles(engine, NEXT_DAY)
        assert engine.ledger.position(SYMBOL).cost == cost
    assert len(told_of_ex_dates(desk)) == 1


# ------------------------------------------------------------ told late


async def test_what_was_sold_before_the_feed_could_say_took_its_own_cost(desk):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine() as engine:
        await desk.buys(engine)
        away, cost = silent(engine), engine.ledger.position(SYMBOL).cost
        for clock_time in "09:05", "10:00":
            lives_on(desk, engine, NEXT_DAY, clock_time)
            await eventually(lambda: engine.ledger.position(SYMBOL).today == 0)
        desk.seconds = count(6, 3)
        await desk.sees(engine, 9.0)
        await desk.sells(engine, 400, 8.97)
        away.clear()
        await settles(engine, NEXT_DAY)
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost - 1)


async def test_a_price_that_has_fallen_already_falls_no_second_time(desk):
    desk.terminal.declare(DIVIDEND)
    async with desk.engine() as engine:
        await desk.buys(engine)
        silent(engine)
        lives_on(desk, engine, NEXT_DAY, "10:00")
        desk.seconds = count(6, 3)
        await desk.sees(engine, 9.0)
    desk.terminal.advance(to=moment("10:30", NEXT_DAY))
    async with desk.engine() as engine:
        assert engine.ledger.position(SYMBOL).price == 9.0
    assert len(told_of_ex_dates(desk)) == 1


async def test_a_start_that_the_feed_did_not_answer_is_made_up_for_by_the_next(desk):
    async with desk.engine() as engine:
        await desk.buys(engine)
        cost = engine.ledger.position(SYMBOL).cost
    desk.terminal.advance(to=moment("09:20", THIRD_DAY))
    desk.terminal.declare(DIVIDEND)  # its cash is yet to come
    engine = desk.engine()
    silent(engine)
    async with engine:
        assert "can't say what goes ex today" in told(engine)[-1]
    async with desk.engine() as engine:
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost - 1)


async def test_what_was_bought_unseen_before_its_ex_date_goes_ex_too(desk):
    async with desk.engine() as engine:
        await desk.placed(engine)
    desk.quote()
    desk.terminal.advance(to=moment("09:20", NEXT_DAY))
    desk.terminal.declare(DIVIDEND)
    desk.seconds = count(6, 3)
    async with desk.engine() as engine:
        engine.stop_at(TIGHT)
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(9.0201)
        await desk.sees(engine, 9.0)
        assert exits(engine) == []


# ------------------------------------------------------------ crashes, holds, and a human's word


async def test_what_was_told_before_a_crash_is_known_after_it(late):
    async with late.engine() as engine:
        await late.buys(engine)
        await opens(late, engine)
        await late.sees(engine, 5.0, prev_close=5.0)
        cost = engine.ledger.position(SYMBOL).cost
        engine.keeper.checkpoint = lambda: None  # it dies without a last one
    async with late.engine() as engine:
        assert engine.ledger.position(SYMBOL).cost == cost
        assert [due.bonus for due in engine.ledger.dues] == [500]
    assert len(told_of_ex_dates(late)) == 1


@pytest.mark.parametrize("how", ["accepted", "gone"])
async def test_what_went_ex_while_the_start_was_held_goes_ex_once(desk, how):
    async with desk.engine() as engine:
        await desk.buys(engine)
        cost = engine.ledger.position(SYMBOL).cost
    desk.terminal.advance(to=moment("09:20", NEXT_DAY))
    desk.terminal.declare(DIVIDEND)  # its cash is yet to come
    grants(desk, "000001.SZ", 0, 100_000)  # a transfer
    async with desk.engine() as engine:
        assert engine.ledger.trading is TradingState.HALTED
        if how == "accepted":
            engine.reconciler.accept(engine.reconciler.told)
        else:
            grants(desk, "000001.SZ", 0, -100_000)
            await looks(engine)
        await eventually(lambda: engine.ledger.trading is TradingState.ACTIVE)
        await settles(engine, NEXT_DAY)
        assert engine.ledger.position(SYMBOL).cost == pytest.approx(cost - 1)
    assert len(told_of_ex_dates(desk)) == 1


async def test_what_a_human_took_over_is_owed_no_second_time_when_the_feed_can_tell(desk):
    desk.terminal.declare(BONUS)
    async with desk.engine() as engine:
        await desk.buys(engine)
        away = silent(engine)
        lives_on(desk, engine, NEXT_DAY, "10:00")
        await looks(engine)
        await eventually(lambda: engine.ledger.trading is TradingState.HALTED)
        engine.reconciler.accept(engine.reconciler.told)
        await eventually(lambda: engine.ledger.trading is TradingState.ACTIVE)
        desk.seconds = count(6, 3)
        await desk.sees(engine, 5.0, prev_close=5.0)
        total = engine.ledger.total_cents
        away.clear()
        await settles(engine, NEXT_DAY)
        assert engine.ledger.total_cents == total
        assert engine.ledger.position(SYMBOL).quantity == 1000


async def test_a_bonus_of_shares_that_were_sold_is_kept_over_a_restart(late):
    async with late.engine() as engine:
        await late.buys(engine)
        await opens(late, engine)
        lives_on(late, engine, NEXT_DAY, "10:00")
        await late.sees(engine, 5.0, prev_close=5.0)
        await late.sells(engine, 500, 4.99, prev_close=5.0)
        total = engine.ledger.total_cents
    async with late.engine() as engine:
        assert engine.ledger.total_cents == total
        assert engine.ledger.position(SYMBOL).quantity == 0
        assert SYMBOL not in engine.ledger.invested


async def test_a_price_of_before_the_ex_date_falls_however_late_it_is_told(desk):
    async with desk.engine() as engine:
        await desk.buys(engine)
        total = engine.ledger.total_cents
    desk.terminal.advance(to=moment("09:20", THIRD_DAY))
    desk.terminal.declare(DIVIDEND)
    engine = desk.engine()
    silent(engine)
    async with engine:
        pass
    async with desk.engine() as engine:
        assert engine.ledger.total_cents == total
