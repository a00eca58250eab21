"""A day that was lived is lived again, decision by decision."""

import asyncio
import threading
from decimal import Decimal
from itertools import count

import pytest
from builders import DAY, NEXT_DAY, moment
from qmt import ACCOUNT, a_terminal, eventually
from replays import SYMBOL, Floor, S

import qka
from qka.errors import ConfigError, DataError
from qka.journal.port import Note
from qka.journal.store import SqliteJournal
from qka.model.actions import CorporateAction
from qka.model.market import Quote
from qka.recording.frames import Packer
from qka.recording.port import Stop
from qka.recording.reading import runs
from qka.risk.losses import Losses


class Trader(qka.Strategy):
    """Buys when a price it has not seen comes, sells at 11; its memory goes with a restart."""

    symbols = [SYMBOL]

    def on_start(self):
        self.seen = []
        self.every("1s", self.look)

    def look(self):
        self.state["looks"] = self.state.get("looks", 0) + 1

    def on_quote(self, quote):
        new = quote.last not in self.seen
        self.seen.append(quote.last)
        if quote.last == 10.5:
            self.cancel_all(reason="it rose")
        elif quote.last > 10.8:
            self.sell(SYMBOL, 50, reason="it is dear")
        elif new:
            self.buy(SYMBOL, 100, quote.last - 0.05, reason=f"{quote.last} is new")

    def on_fill(self, fill):
        self.state["filled"] = self.state.get("filled", 0) + fill.quantity


@pytest.fixture
def floor(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        yield Floor(terminal, tmp_path, Trader)


async def a_morning(floor):
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        await floor.heard(10.2)
        await floor.ends(engine, S.ACCEPTED, S.ACCEPTED)
        await floor.heard(10.01, ask_prices=[9.96, 9.97, 9.98, 9.99, 10.0])
    async with floor.engine() as engine:
        await floor.heard(10.2)
        await floor.heard(10.5)
        await floor.heard(11.0)


async def test_a_day_with_a_restart_is_the_same_again(floor):
    await a_morning(floor)
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.told == []
    assert outcome.runs == 2
    assert outcome.counts["OrderRequested"] >= 3
    assert outcome.counts["OrderDenied"] >= 1
    assert outcome.counts["CancelRequested"] >= 1
    again = await floor.replay()
    assert again.hash == outcome.hash


def lives_on(floor, engine, time):
    """It is that moment, for the terminal and for the engine."""
    floor.terminal.advance(to=time)
    engine.clock.follow(time, 1.0)
    engine.clock.call_at(time, lambda: None)  # what is due is due now


class Early(Trader):
    """Has a timer at the moment at which the feed learns the day's limits."""

    def on_start(self):
        super().on_start()
        self.at("09:01", self.look)


@pytest.mark.parametrize("paper", [False, True])
async def test_a_run_that_lived_over_a_midnight_is_the_same_again(floor, paper):
    floor.paper = paper
    floor.traders = (Early,)
    async with floor.engine() as engine:
        await floor.heard(10.0)
        for time, phase in (moment("00:00", NEXT_DAY) - 1, 11), (moment("09:40", NEXT_DAY), 13):
            lives_on(floor, engine, time)
            await eventually(
                lambda p=phase: (engine.phase.day, engine.phase.phase) == (NEXT_DAY, p)
            )
        floor.seconds = count(6, 3)
        await floor.heard(10.2, day=NEXT_DAY)
        await floor.heard(11.0, day=NEXT_DAY)
    for day in DAY, NEXT_DAY:
        outcome = await floor.replay(day=day)
        assert outcome.divergence is None, outcome
        assert outcome.told == []
        assert outcome.counts["OrderRequested"] >= 2


class Wary(Trader):
    """Buys once, and sells what is a twentieth below its cost."""

    def on_quote(self, quote):
        self.seen.append(quote.last)
        held = self.position(SYMBOL)
        if len(self.seen) == 1:
            self.buy(SYMBOL, 500, quote.last + 0.02)
        elif held.sellable and quote.last < held.cost * 0.95:
            self.sell(SYMBOL, price=quote.last)


async def test_a_run_that_lived_over_an_ex_date_is_the_same_again(floor):
    floor.traders = (Wary,)
    floor.terminal.declare(CorporateAction(SYMBOL, NEXT_DAY, Decimal(1)))
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        await floor.heard(10.0)
        await floor.ends(engine, S.FILLED)
        for clock_time in "09:05", "09:40":
            lives_on(floor, engine, moment(clock_time, NEXT_DAY))
            await eventually(lambda: engine.ledger.position(SYMBOL).cost < 9.1)
        floor.seconds = count(6, 3)
        low = {"prev_close": 9.0, "limit_down": 8.1, "limit_up": 9.9}
        await floor.heard(9.0, day=NEXT_DAY, **low)
        await floor.ends(engine, S.FILLED)
        await floor.heard(8.5, day=NEXT_DAY, **low)
        await eventually(lambda: len(engine.ledger.orders) == 2)
    for day in DAY, NEXT_DAY:
        outcome = await floor.replay(day=day)
        assert outcome.divergence is None, outcome
        assert outcome.told == []
        assert outcome.counts["OrderRequested"] == 2


class Steady(Trader):
    """Buys at every quote."""

    def on_quote(self, quote):
        self.seen.append(quote.last)
        self.buy(SYMBOL, 500, quote.last + 0.02)


async def test_a_bonus_that_came_and_its_limits_on_losses_are_there_again(floor):
    floor.traders, floor.losses = (Steady,), lambda: Losses(0.004, None)
    floor.terminal.declare(CorporateAction(SYMBOL, NEXT_DAY, bonus=Decimal(1)))
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        await floor.heard(10.0)
        await floor.ends(engine, S.FILLED, S.ACCEPTED)
        lives_on(floor, engine, moment("09:40", NEXT_DAY))
        for _ in range(2):
            await engine.reconciler.look()
        await eventually(lambda: engine.ledger.position(SYMBOL).quantity == 1000)
        floor.seconds = count(6, 3)
        low = {"prev_close": 5.0, "limit_down": 4.5, "limit_up": 5.5}
        await floor.heard(5.0, day=NEXT_DAY, **low)
        await floor.heard(4.5, day=NEXT_DAY, **low)
        await eventually(lambda: len(engine.ledger.orders) == 4)
        assert [o.status for o in engine.ledger.orders.values()].count(S.DENIED) == 1
    outcome = await floor.replay(day=NEXT_DAY)
    assert outcome.divergence is None, outcome
    assert outcome.counts["OrderDenied"] == 1


class Eager(Trader):
    """The same, and from the second price on it buys more."""

    def buy(self, symbol, quantity, price=None, **more):
        return super().buy(symbol, 200 if len(self.seen) > 1 else quantity, price, **more)


class Idle(Trader):
    """Has been taught to do nothing."""

    def on_quote(self, quote):
        pass


class Gambler(Trader):
    """Wants more of an ST stock than an account may buy in a day."""

    def on_quote(self, quote):
        self.seen.append(quote.last)
        self.buy(SYMBOL, 500_100, quote.last - 0.05)


async def test_what_the_terminal_said_of_a_security_decides_again(floor):
    floor.terminal.enlist(SYMBOL, 10.0, "*ST模拟")
    floor.traders = (Gambler,)
    async with floor.engine() as engine:
        await floor.heard(10.0)
    (order,) = engine.ledger.orders.values()
    assert "an ST security" in order.reason
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.counts == {"Signal": 1, "OrderDenied": 1}


async def test_a_changed_strategy_is_told_where_it_first_went_another_way(floor):
    await a_morning(floor)
    outcome = await floor.replay(lambda: Eager(name="Trader"))
    found = outcome.divergence
    assert (found.then.quantity, found.now.quantity) == (100, 200)
    assert found.causes[-1].entry.last == 10.2
    assert outcome.counts == {"Signal": 1, "OrderRequested": 1}


async def test_a_decision_that_is_missing_is_told(floor):
    await a_morning(floor)
    found = (await floor.replay(lambda: Idle(name="Trader"))).divergence
    assert found.then.reason == "10.0 is new"
    assert found.now is None


class Patient(Trader):
    """Thinks for a turn of the loop before it decides, and starts slowly too."""

    async def on_start(self):
        await asyncio.sleep(0)
        super().on_start()

    async def on_quote(self, quote):
        await asyncio.sleep(0)
        super().on_quote(quote)


async def test_async_handlers_decide_at_their_own_turn(floor):
    floor.traders = (Patient,)
    await a_morning(floor)
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.counts["OrderRequested"] >= 3


class Clerk(Trader):
    """Buys by the clock, by bars, and by shares of its assets; hears of its orders."""

    def on_start(self):
        self.seen, self.bars_seen = [], 0
        self.at("10:00:30", lambda: self.buy(SYMBOL, 100, 9.0, reason="it is half past"))
        self.every("20s", lambda: self.order_target_ratio(SYMBOL, 0.02, reason="a fiftieth"))

    def on_quote(self, quote):
        self.seen.append(quote.last)

    def on_bar(self, bar):
        self.bars_seen += 1
        self.buy(SYMBOL, 100, bar.close - 0.1, reason=f"a bar of {bar.volume}")

    def on_order(self, order):
        if order.status is S.ACCEPTED and order.price == 9.0:
            self.cancel(order.id, reason="it was only a try")


async def test_timers_and_bars_come_when_they_came_then(floor):
    floor.traders, floor.speed = (Clerk,), 100.0
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.heard(10.1)
        (clerk,) = floor.strategies
        await eventually(lambda: clerk.bars_seen)
        await eventually(
            lambda: any(o.status is S.CANCELLED for o in engine.ledger.orders.values())
        )
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    # time runs on meanwhile: on a slow machine a later target takes back what works against it, too
    assert outcome.counts["CancelRequested"] >= 1
    assert outcome.counts["OrderRequested"] >= 2  # a third when the first quote was in time


class Rebalancer(Clerk):
    """In and out of its two symbols, with a bid that the next target has to cancel first."""

    def on_start(self):
        self.seen, self.bars_seen, self.came = [], 0, []
        self.every("20s", self.turn)

    def turn(self):
        self.state["turns"] = turns = self.state.get("turns", 0) + 1
        self.rebalance({SYMBOL: 0.02 * (turns % 2), "000001.SZ": 0.01 * (turns % 3)})
        self.order_target_shares(SYMBOL, 300 * turns, 9.0)

    def on_bar(self, bar):
        self.bars_seen += 1

    def on_rebalance(self, rebalanced):
        self.came.append(rebalanced)
        if rebalanced.left:
            self.buy(SYMBOL, 100, 8.9, reason=rebalanced.reason)


async def test_what_a_rebalance_waited_for_comes_when_it_came_then(floor):
    floor.traders, floor.speed = (Rebalancer,), 100.0
    async with floor.engine():
        await floor.heard(10.0)
        await floor.heard(10.1)
        (trader,) = floor.strategies
        await eventually(lambda: len(trader.came) > 4)
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.counts["CancelRequested"] >= 1


async def test_a_paper_account_on_live_quotes_trades_again_itself(floor):
    floor.traders, floor.speed, floor.paper = (Clerk,), 100.0, True
    async with floor.engine():
        await floor.heard(10.0)
        (clerk,) = floor.strategies
        await eventually(lambda: clerk.orders())
        await floor.heard(10.1)
    async with floor.engine() as engine:
        await floor.heard(9.9)
        await eventually(lambda: floor.strategies[0].bars_seen)
        fills = engine.summary()["fills"]
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert (outcome.runs, fills) == (2, 0) or outcome.counts["OrderRequested"] >= 2


async def test_a_hold_and_what_the_operator_accepted_are_there_again(floor):
    floor.traders, floor.speed = (Clerk,), 100.0

    async def run():
        async with floor.engine() as engine:
            await floor.heard(10.0)
            before = len(engine.ledger.orders)
            await eventually(lambda: len(engine.ledger.orders) > before)
            return engine.summary()

    await run()
    floor.terminal._accounts[ACCOUNT]._exchange.grant("000001.SZ", 10_000, 0)  # a gift
    (alert, *_) = (await run())["alerts"]
    journal = SqliteJournal(floor.path, ACCOUNT, "STOCK", now=lambda: 1)
    journal.open()
    mark = alert.partition("qka accept CONFIG ")[2][:6]
    journal.note(Note.ACCEPTED, {"fingerprint": mark, "who": "a trader"})
    journal.close()
    await run()
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.runs == 3
    assert outcome.counts["OrderDenied"] >= 1  # while it was held


async def test_orders_of_others_and_fills_while_away_are_told_again(floor):
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        floor.terminal.order(ACCOUNT, SYMBOL, 23, 300, 11, 9.5)
        await floor.ends(engine, S.ACCEPTED, S.ACCEPTED)
    floor.quote(9.9, ask_prices=[9.9, 9.91, 9.92, 9.93, 9.94])
    async with floor.engine() as engine:
        await floor.heard(10.5)
        assert floor.strategies[0].state["filled"] == 100
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.runs == 2


# ------------------------------------------------------------ what is missing or damaged


def rewritten(floor, keep):
    """The recording's files with the rows that `keep` lets stand."""
    for run in runs(floor.recording):
        rows = [row for row in run.rows([]) if keep(row)]
        for path in run.files:
            path.write_bytes(Packer().frame(rows))


async def test_the_end_of_a_killed_run_is_told_and_is_no_divergence(floor):
    async with floor.engine() as engine:
        await floor.heard(10.0)
        await floor.ends(engine, S.ACCEPTED)
        await floor.heard(10.2)
        await floor.ends(engine, S.ACCEPTED, S.ACCEPTED)
    quotes = count()
    rewritten(
        floor,
        lambda row: (
            not isinstance(row.entry, Stop)
            and not (isinstance(row.entry, Quote) and next(quotes) >= 2)
        ),
    )
    outcome = await floor.replay()
    assert outcome.divergence is None
    assert outcome.counts == {"Signal": 1, "OrderRequested": 1}
    (told,) = outcome.told
    assert "2 decisions after its last row can't be compared" in told


async def test_a_recording_that_is_cut_off_is_compared_as_far_as_it_goes(floor):
    await a_morning(floor)
    last = runs(floor.recording)[-1].files[0]
    head, *rows = runs(floor.recording)[-1].rows([])
    packer = Packer()
    blocks = [packer.frame([head]), *(packer.frame([row]) for row in rows)]
    last.write_bytes(b"".join(blocks)[:-3])
    outcome = await floor.replay()
    assert outcome.divergence is None
    assert "is cut off" in outcome.told[0]
    last.write_bytes(blocks[0][:-3])
    with pytest.raises(DataError, match="what the run began with is gone"):
        await floor.replay()


async def test_a_run_without_a_recording_is_told_and_the_others_are_compared(floor):
    await a_morning(floor)
    async with floor.engine() as engine:
        await floor.heard(10.3)
        await eventually(lambda: engine.ledger.working())
    runs(floor.recording)[1].files[0].unlink()
    outcome = await floor.replay()
    assert outcome.divergence is None, outcome
    assert outcome.runs == 2
    assert outcome.told == [
        "1 run of that day left no recording: what was decided then is not compared"
    ]


async def test_a_start_that_was_refused_is_no_run_that_is_missed(floor):
    await a_morning(floor)
    refused = floor.engine()
    refused.account_id = "another"
    with pytest.raises(ConfigError, match="nothing was sent"):
        await refused.run_async()
    runs(floor.recording)[-1].files[0].unlink()
    outcome = await floor.replay()
    assert (outcome.runs, outcome.divergence, outcome.told) == (2, None, [])


class Observed(Trader):
    """Looks whether somebody watches over the thread it is called on."""

    def on_quote(self, quote):
        super().on_quote(quote)
        self.watched = is_watched()


def is_watched():
    return "qka-watchdog" in [thread.name for thread in threading.enumerate()]


async def test_a_replay_that_takes_its_time_holds_up_nobody_and_is_not_watched(floor):
    floor.traders = (Observed,)
    async with floor.engine():
        await floor.heard(10.0)
    assert floor.strategies[0].watched
    await eventually(lambda: not is_watched())
    assert (await floor.replay()).divergence is None
    assert not floor.strategies[0].watched


async def test_a_day_without_a_recording_is_refused(floor):
    with pytest.raises(DataError, match="there is no recording"):
        await floor.replay()
    async with floor.engine():
        pass
    with pytest.raises(DataError, match="no recording of 2026-01-06: days it has: 1,"):
        await floor.replay(day=NEXT_DAY)


async def test_a_recording_of_another_journal_is_refused(floor, tmp_path):
    async with floor.engine():
        pass
    async with floor.engine():
        pass
    for path in tmp_path.glob("journal.db*"):
        path.unlink()
    async with floor.engine():
        pass
    with pytest.raises(DataError, match="is not of the journal"):
        await floor.replay()
