"""What a report says of a run: held against the engine that ran it, to the cent."""

from decimal import Decimal
from random import Random

import pytest
from builders import a_fill, a_quote, an_order, moment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lookback import (
    DAY,
    NEXT_DAY,
    OTHER,
    SYMBOL,
    Scripted,
    report,
    scripted,
    two_days,
)
from stage import engine, quotes, rules

from qka.engine.comparison import Difference
from qka.engine.ledger import Books
from qka.engine.reconciler import Settled
from qka.engine.recovery import Checkpoint
from qka.engine.worth import Worth
from qka.errors import ConfigError, JournalDamaged
from qka.journal.port import Note
from qka.journal.store import SqliteJournal
from qka.model.actions import CorporateAction
from qka.model.events import EngineState, OrderRequested, SessionPhase, Signal
from qka.model.market import Phase
from qka.model.money import to_cents
from qka.model.times import MILLISECOND, SECOND, at

YUAN = 100


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


# ---------------------------------------------------------------- profit


def test_a_day_adds_up_to_what_the_engine_says(path):
    strategies = [scripted("A", q1=("buy", 1000, 10.05)), scripted("B", q5=("sell", 300, 9.9))]
    prices = [10.0] * 10 + [10.2] * 10
    summary = engine(quotes(prices), *strategies, held={SYMBOL: 500}, journal=path).run()
    found = report(path)
    account = summary["account"]
    assert found.known
    assert (found.opening, found.closing) == (
        to_cents(account["start"]),
        to_cents(account["total"]),
    )
    assert found.profit == to_cents(account["profit"]) == sum(p.profit for p in found.parts)
    profits = {part.strategy: part.profit for part in found.by("strategy")}
    assert profits == {
        "": to_cents(account["own_profit"]),
        "A": to_cents(summary["strategies"]["A"]["profit"]),
        "B": to_cents(summary["strategies"]["B"]["profit"]),
    }
    assert found.fees == to_cents(summary["fees"])
    assert found.trades[0].bought_by == ""
    assert found.trades[0].cost == 300 * 10 * YUAN


def test_shares_bought_on_one_day_and_sold_on_the_next_are_one_trade(path):
    two_days(path, scripted(q1=("buy", 1000, 10.05), q25=("sell", 1000, 10.3)))
    (trade,) = report(path).trades
    assert (trade.shares, trade.cost, trade.proceeds) == (1000, 1_001_000 + 510, 1_039_000 - 1030)
    assert (trade.opened, trade.closed) == (at(DAY, "09:30:06"), trade.closed)
    assert trade.closed > at(NEXT_DAY, "09:30")
    assert trade.profit == 1_037_970 - 1_001_510


def test_a_report_of_the_second_day_knows_what_the_first_one_bought(path):
    two_days(path, scripted(q1=("buy", 1000, 10.05), q25=("sell", 1000, 10.3)))
    first, second = report(path, "2026-01-05"), report(path, "20260106")
    both = report(path, "20260105..20260106")
    assert [trade.shares for trade in first.trades] == []
    assert [trade.opened for trade in second.trades] == [at(DAY, "09:30:06")]
    assert second.opening == first.closing
    assert first.profit + second.profit == both.profit
    assert [day.profit for day in both.days] == [first.profit, second.profit]
    assert [day.day for day in both.days] == [DAY, NEXT_DAY]
    # of the day it is the rise over the night, of the trade all of it
    (part,) = second.by("strategy")
    assert part.realised == second.trades[0].profit
    assert part.profit == 1_037_970 - 1_000_000


def test_the_curve_is_what_the_account_was_worth_minute_by_minute(path):
    prices = [10.0] * 20 + [10.5] * 20 + [9.9] * 20 + [10.1] * 20
    engine(quotes(prices, start="10:00:00"), scripted(), held={SYMBOL: 10_000}, journal=path).run()
    found = report(path)
    assert [point.total // YUAN for point in found.curve] == [
        1_100_000,
        1_105_000,
        1_099_000,
        1_101_000,
        1_101_000,  # the day is settled, the run ends
        1_101_000,
    ]
    fall = found.drawdown
    assert (fall.money, fall.rate) == (600_000, pytest.approx(6000 / 1_105_000))
    assert fall.peak < fall.trough


def test_what_a_broker_charged_beyond_its_fees_is_the_accounts_own_loss(path):
    def charge(_):
        built.broker._books.cash -= 300

    strategy = scripted(q1=("buy", 1000, 10.05), q5=charge)
    built = engine(quotes([10.0] * 20), strategy, journal=path)
    summary = built.run()
    found = report(path)
    assert {(p.strategy, p.symbol): p.profit for p in found.parts} == {
        ("", ""): -300,
        ("Scripted", SYMBOL): -1_510,
    }
    assert found.profit == to_cents(summary["account"]["profit"]) == -1_810
    assert found.moved == 0


@pytest.mark.parametrize(("cash", "bonus"), [("0.123", "0"), ("0", "0.37"), ("0.25", "0.3")])
def test_what_a_company_gives_overnight_goes_to_who_holds_its_shares(path, cash, bonus):
    """On paper; the rest of rounding is the account's."""
    action = CorporateAction(SYMBOL, NEXT_DAY, Decimal(cash), Decimal(bonus))
    strategies = [
        scripted("A", q1=("buy", 100, 10.05), q3=("buy", 300, 10.05), q25=("sell", 200, 7.0)),
        scripted("B", q1=("buy", 700, 10.05)),
    ]
    summary = two_days(path, *strategies, second=[7.9] * 20, held={SYMBOL: 333}, given=[action])
    found, account = report(path), summary["account"]
    assert found.closing == to_cents(account["total"])
    assert found.profit == to_cents(account["profit"])
    assert sum(part.profit for part in found.parts) == found.profit
    assert {part.strategy: part.profit for part in found.by("strategy")} == {
        "": to_cents(account["own_profit"]),
        **{name: to_cents(book["profit"]) for name, book in summary["strategies"].items()},
    }
    assert {p.symbol: p.shares for p in found.by("symbol")} == {
        held["symbol"]: held["quantity"] for held in account["positions"]
    }


class Erratic(Scripted):
    """Trades at random."""

    symbols = [SYMBOL, OTHER]

    def on_quote(self, quote):
        draw = self.state.setdefault("draw", 0)
        self.state["draw"] = draw + 1
        random = Random(f"{self.name} {draw}")
        price = (
            None if random.random() < 0.3 else round(quote.last + random.uniform(-0.05, 0.05), 2)
        )
        shares = random.choice([37, 100, 200, 1000, 30_000])
        if random.random() < 0.4:
            self.buy(quote.symbol, shares, price)
        elif random.random() < 0.7:
            self.sell(quote.symbol, shares, price)
        elif random.random() < 0.3:
            self.cancel_all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    walk=st.lists(st.sampled_from([-0.05, 0.0, 0.05, 0.01]), min_size=5, max_size=40),
    held=st.integers(0, 3_000),
    lots=st.sampled_from([1, 3, 50]),
)
def test_whatever_is_traded_the_parts_add_up_to_the_account(
    tmp_path_factory, seed, walk, held, lots
):
    path = tmp_path_factory.mktemp("run") / "journal.db"
    prices = [10.0]
    for step in walk:
        prices.append(round(prices[-1] + step, 2))
    events = [
        *quotes(prices, lots=lots),
        *quotes(prices, symbol=OTHER, start="09:30:04", lots=lots),
        *quotes(prices[::-1], day=NEXT_DAY, lots=lots),
    ]
    strategies = [Erratic(name=f"{seed}{name}") for name in "ab"]
    options = {"cash": 200_000, "held": {SYMBOL: held}, "gate": rules(ratio=1.0)}
    built = engine(events, *strategies, journal=path, **options)
    summary = built.run()
    found = report(path)
    assert found.closing == built.ledger.total_cents
    assert found.profit == to_cents(summary["account"]["profit"])
    assert sum(part.profit for part in found.parts) == found.profit
    assert sum(day.profit for day in found.days) == found.profit
    assert sum(trade.profit for trade in found.trades) == sum(p.realised for p in found.parts)
    assert sum(p.fees for p in found.parts) == to_cents(summary["fees"])
    held_now = {p.symbol: p.quantity for p in built.ledger.positions()}
    assert {p.symbol: p.shares for p in found.by("symbol") if p.shares} == held_now
    assert len(found.fills) == summary["fills"]
    assert len(found.orders) == summary["orders"]
    assert sum(found.denials.values()) == summary["denied"]


# ---------------------------------------------------------------- what came and went unasked


class Written:
    """A journal written by hand, as an engine on an account with a broker writes it."""

    def __init__(self, path):
        self.time = at(DAY, "09:00")
        self.journal = SqliteJournal(path, "8880012345", "STOCK", now=lambda: self.time)
        self.journal.open()

    def at(self, clock_time, day=DAY):
        self.time = at(day, clock_time)
        return self

    def books(self, cash, positions, prices, owners=None):
        books = Books(DAY, cash, positions, [], [], prices)
        self.journal.note(Note.SNAPSHOT, Checkpoint(books, owners or {}, 0, {}, {}))

    def settled(self, *differences, accepted=False, clean=True):
        found = Settled(DAY, "start", clean, "", list(differences), 0, 0, "0", "0", accepted)
        self.journal.note(Note.RECONCILED, found)

    def worth(self, total, prices):
        self.journal.note(Note.WORTH, Worth(total, prices))

    def say(self, *events):
        for event in events:
            self.journal.append(event)

    def done(self):
        self.journal.close()


MOVED = Difference("cash", "1000.00 CNY", "6000.00 CNY")


@pytest.fixture
def written(path):
    journal = Written(path)
    journal.say(EngineState(journal.time, "opening", "active"))
    journal.books(100_000, {SYMBOL: (100, 0, 90_000)}, {SYMBOL: 10.0})
    journal.say(SessionPhase(journal.time, DAY, Phase.CONTINUOUS))
    return journal


def test_money_that_an_operator_accepted_is_neither_profit_nor_loss(path, written):
    written.at("15:40").settled(MOVED, accepted=True, clean=False)
    written.books(600_000, {SYMBOL: (100, 0, 90_000)}, {SYMBOL: 10.1})
    written.done()
    found = report(path)
    assert (found.opening, found.closing, found.moved, found.profit) == (
        200_000,
        701_000,
        500_000,
        1_000,
    )
    assert sum(part.profit for part in found.parts) == found.profit
    assert found.days[0].profit == 1_000
    assert found.drawdown.money == 0


def test_shares_that_an_operator_accepted_come_at_their_price(path, written):
    written.at("15:40").settled(MOVED, accepted=True, clean=False)
    written.books(100_000, {SYMBOL: (300, 0, 90_000)}, {SYMBOL: 10.0})
    written.at("15:41").worth(430_000, {SYMBOL: 11.0})
    written.done()
    found = report(path)
    assert (found.moved, found.profit) == (200_000, 30_000)
    assert sum(part.profit for part in found.parts) == 30_000


def test_a_bonus_and_a_dividend_that_explain_a_difference_are_the_accounts_profit(path, written):
    written.at("15:40").settled(MOVED)
    written.books(101_000, {SYMBOL: (130, 0, 90_000)}, {SYMBOL: 7.7})
    written.done()
    found = report(path)
    assert found.moved == 0
    assert found.profit == 101_000 + 100_100 - 200_000
    assert sum(part.profit for part in found.parts) == found.profit
    assert {(p.strategy, p.symbol): p.profit for p in found.parts}["", ""] == 1_000


def test_shares_that_vanish_and_are_explained_are_a_loss(path, written):
    written.at("15:40").settled(MOVED)
    written.books(100_000, {}, {})
    written.done()
    assert report(path).profit == -100_000


def test_what_a_strategy_bought_in_an_earlier_journal_is_still_its_own(path):
    journal = Written(path)
    journal.books(0, {SYMBOL: (300, 0, 300_000)}, {SYMBOL: 10.0}, {SYMBOL: {"a": 200}})
    journal.at("10:00").worth(330_000, {SYMBOL: 11.0})
    journal.done()
    profits = {part.strategy: (part.shares, part.profit) for part in report(path).parts}
    assert profits == {"": (100, 10_000), "a": (200, 20_000)}


def test_a_fill_that_is_told_twice_counts_once(path, written):
    order = an_order(100, 10.0, strategy="a", time=moment())
    fill = a_fill(100, 10.0, fees=Decimal("5.00"))
    written.at("10:00").say(OrderRequested(moment(), order), fill, fill)
    written.done()
    found = report(path)
    assert len(found.fills) == 1
    assert found.fees == 500
    assert found.profit == -500


def test_a_fill_of_nobodys_order_is_the_accounts(path, written):
    written.at("10:00").say(a_fill(100, 10.0, order_id="unheard of"))
    written.done()
    (part,) = report(path).parts
    assert (part.strategy, part.shares, part.fills) == ("", 200, 1)


def test_an_old_journal_of_a_run_does_not_say_what_there_was(path):
    journal = Written(path)
    order = an_order(100, 10.0, time=moment())
    journal.at("10:00").say(OrderRequested(moment(), order), a_fill(100))
    journal.done()
    found = report(path)
    assert not found.known
    assert found.rate is None
    assert (found.trades, found.curve, found.days) == ([], [], [])
    assert found.fill_ratio == 1.0


# ---------------------------------------------------------------- orders


def test_slippage_is_measured_from_the_middle_when_the_signal_was_made(path):
    buys = scripted(q1=("buy", 1000, 10.05), q9=("sell", 400, 9.95))
    engine(quotes([10.0] * 20), buys, held={SYMBOL: 400}, journal=path).run()
    bought, sold = report(path).orders
    # the spread is a cent on both sides: each pays the half of it
    assert (bought.arrival, bought.slippage) == (Decimal("10.0000"), Decimal("10.0000"))
    assert (sold.arrival, sold.slippage) == (Decimal("10.0000"), Decimal("4.0000"))
    assert report(path).slippage == (Decimal("14.0000"), pytest.approx(10.0))


def test_a_better_price_is_slippage_below_zero(path):
    def falls(strategy):
        strategy.buy(SYMBOL, 100, 10.05)

    prices = [10.0] + [9.9] * 9
    engine(quotes(prices), scripted(q1=falls), journal=path).run()
    (order,) = report(path).orders
    assert order.slippage == (Decimal("9.91") - Decimal("10")) * 100


def test_an_order_without_a_known_price_has_no_slippage(path, written):
    written.at("10:00").say(
        Signal(SYMBOL, "buy", 100, strategy="a", id=1),
        OrderRequested(moment(), an_order(100, 10.0, signal=1)),
        a_fill(100),
    )
    written.done()
    found = report(path)
    assert found.orders[0].slippage is None
    assert found.slippage is None


def test_what_became_of_the_orders_is_counted(path):
    def cancels(strategy):
        strategy.cancel(strategy.orders[-1].id)

    strategy = scripted(
        q1=("buy", 1000, 10.05),  # fills
        q3=("buy", 200, 9.5),  # works, and is cancelled
        q5=cancels,
        q7=("buy", 60_000, 10.05),  # too large for the rule
        q9=("buy", 300, 9.5),  # ends with the day
    )
    engine(quotes([10.0] * 20), strategy, journal=path).run()
    found = report(path)
    assert found.outcomes == {"cancelled": 1, "expired": 1, "filled": 1}
    assert found.fill_ratio == pytest.approx(1000 / 1500)
    assert found.denials == {"position_ratio": 1}
    assert found.denied[0].order.quantity == 60_000
    assert [(day["orders"], day["cancels"]) for day in found.compliance] == [(3, 1)]


def test_latencies_are_the_engines_own_moments(path):
    strategy = scripted(q1=("buy", 1000, 10.05))
    engine(quotes([10.0] * 20), strategy, journal=path, latency=0.2).run()
    found = report(path)
    acknowledged = found.spread("requested", "acknowledged")
    assert (acknowledged.orders, acknowledged.median) == (1, 200 * MILLISECOND)
    assert found.spread("requested", "first_fill").most == 3 * SECOND
    assert found.spread("cancel_requested", "cancelled") is None


def test_a_partly_filled_order_that_is_over_is_told_as_such(path):
    strategy = scripted(q1=("buy", 1000, 10.01))
    asks = {"ask_prices": [10.01, 0, 0, 0, 0], "ask_lots": [3, 0, 0, 0, 0]}
    seen = [a_quote(10.0, time=moment("10:00:03"), **asks)]
    seen += [a_quote(10.0, time=moment("10:00:06"), volume=100_300, **asks)]
    engine(seen, strategy, journal=path).run()
    assert report(path).outcomes == {"partly_filled": 1}


# ---------------------------------------------------------------- the rest of it


def test_alerts_reconciliations_and_runs_are_told(path):
    def boom(_):
        raise RuntimeError("what a strategy does")

    engine(quotes([10.0] * 20), scripted(q2=boom), journal=path).run()
    found = report(path)
    assert any("what a strategy does" in alert.message for alert in found.alerts)
    assert [settled.when for _, settled in found.settled] == ["end"]
    ((started, ended, state),) = found.runs
    assert started < ended
    assert state == "active"


def test_a_run_that_goes_on_is_reported_as_far_as_it_is(path):
    seen = []

    def look(_):
        seen.append(report(path))

    strategy = scripted(q1=("buy", 1000, 10.05), q40=lambda s: built.journal.flush(), q41=look)
    built = engine(quotes([10.0] * 60, start="10:00:00"), strategy, journal=path)
    built.run()
    (found,) = seen
    assert len(found.fills) == 1
    assert found.runs[-1].ended == 0


def test_days_of_which_there_is_nothing_are_named(path):
    two_days(path, scripted())
    with pytest.raises(ConfigError, match="begins on 2026-01-05 and ends on 2026-01-06"):
        report(path, "20260107")


def test_a_damaged_journal_is_refused_with_the_way_out(path):
    import sqlite3

    two_days(path, scripted(q1=("buy", 1000, 10.05)))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE records SET payload = payload || ' ' WHERE kind = 'Fill'")
    connection.close()
    with pytest.raises(JournalDamaged, match="qka verify"):
        report(path)
