"""A real account over an ex-date: what falls by a dividend or a bonus is no loss."""

from decimal import Decimal
from itertools import count

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, moment
from qmt import a_terminal, eventually
from stage import journalled
from test_living_on import lives_on, looks, settles
from test_recovery import Desk, told

from qka.errors import BrokerUnavailable
from qka.journal.port import Note
from qka.model.actions import CorporateAction
from qka.model.events import TradingState, WentEx
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
        engine.leaver.on_price(engine.ledger.quotes[SYMBOL])

    async def sees(self, engine, last, day=NEXT_DAY, **changes):
        """A quote of the ex-date, worked whole."""
        near = {"prev_close": 9.0, "limit_up": 9.9, "limit_down": 4.0, "bid_lots": [0] * 5}
        self.quote(last, day=day, **{**near, **changes})
        await eventually(lambda: self.last(engine) == last)

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
        paid = engine.breaker.streak.run.open[SYMBOL]
        await opens(desk, engine)
        marks, total = engine.breaker.losses.marks, engine.ledger.total_cents
        await desk.sees(engine, 9.0)
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.ACTIVE
        await settles(engine, NEXT_DAY)  # the money is there
        assert engine.ledger.total_cents == total + 50_000
        assert engine.breaker.losses.marks.opening == marks.opening + 50_000
        assert engine.breaker.losses.marks.peak == marks.peak + 50_000
        assert engine.breaker.streak.run.open[SYMBOL] == paid + 50_000
        await desk.sees(engine, 8.2)
        engine.breaker.look()
        assert engine.ledger.trading is TradingState.REDUCING


@pytest.mark.parametrize("late", [False, True])
async def test_bonus_shares_lower_the_cost_a_share_before_they_have_come(tmp_path, late):
    with a_terminal(id_cooldown=0.0, shares_late=late) as terminal:
        desk = Holder(terminal, tmp_path)
        terminal.declare(BONUS)
        async with desk.engine(losses=Losses(0.003, None)) as engine:
            engine.stop_at(TIGHT)
            await desk.buys(engine)
            before = engine.ledger.position(SYMBOL).cost
            await opens(desk, engine)
            await looks(engine)
            held = 500 if late else 1000
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
        asked, away = engine.reconciler._actions, [True]

        async def actions(*question):
            if away:
                raise BrokerUnavailable("there is no connection")
            return await asked(*question)

        engine.reconciler._actions = actions
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


async def test_an_account_that_is_taken_over_on_an_ex_date_has_it_behind_it(desk):
    desk.terminal.declare(CorporateAction("000001.SZ", DAY, Decimal(1)))
    async with desk.engine() as engine:
        await settles(engine, DAY)
    assert told_of_ex_dates(desk) == []
