"""Dividends and bonus shares on paper: they come overnight, and nothing looks like a loss."""

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from builders import DAY, FEES, NEXT_DAY, moment
from msgspec.structs import replace
from stage import SYMBOL, Recorder, engine, journalled, quotes, rules

import qka
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.overnight import Overnight
from qka.errors import DataError
from qka.model.actions import CorporateAction
from qka.model.events import Distributed, SessionPhase
from qka.model.market import Phase
from qka.risk.losses import Losses
from qka.risk.stops import Stops
from qka.risk.streak import Streak

FRIDAY, SATURDAY = date(2026, 1, 2), date(2026, 1, 3)
DATA = Path(__file__).parents[2].parent / "shared" / "data"
STOCKS = DATA / "daily/stock_daily_unadjusted_baostock.csv.gz"
GIVEN = CorporateAction(SYMBOL, NEXT_DAY, Decimal("0.1"), Decimal(1))  # 10.00 becomes 4.95
LIMITS = {"limit_up": 5.45, "limit_down": 4.46, "prev_close": 4.95}


def ex_day(prices, start="09:30:03"):
    """Quotes of the ex-date."""
    return [replace(quote, **LIMITS) for quote in quotes(prices, start=start, day=NEXT_DAY)]


def two_days(*strategies, actions=(GIVEN,), prices=(4.95,) * 4, held=1000, **options):
    """A day at 10 CNY and the ex-date after it: the engine, and what its run came to."""
    days = [*quotes([10.0] * 6), *ex_day(prices)]
    strategies = strategies or (Recorder(symbols=[SYMBOL]),)
    made = engine(days, *strategies, held={SYMBOL: held} if held else None, **options)

    async def known(symbols, since, until):
        return [a for a in actions if a.symbol in symbols and since <= a.day <= until]

    made.feed.actions = known
    return made


def agree(made):
    """Both books, which count for themselves."""
    theirs = made.broker.books()
    ours = {p.symbol: p.quantity for p in made.ledger.positions()}
    assert {p.symbol: p.quantity for p in theirs.positions} == ours
    assert theirs.asset.cash == made.ledger.asset.cash


def test_cash_and_new_shares_come_and_neither_profit_nor_total_moves():
    class Sees(Recorder):
        symbols = [SYMBOL]

        def on_start(self):
            self.at("08:59", self.look)
            self.at("09:01", self.look)

        def look(self):
            position = self.position(SYMBOL)
            self.heard.append(
                (
                    self.account.total,
                    position.quantity,
                    round(position.profit, 6),
                    position.sellable,
                )
            )

        def on_quote(self, quote):
            pass

    sees = Sees()
    made = two_days(sees)
    summary = made.run()
    assert sees.heard[-2:] == [
        (Decimal("1010000.00"), 1000, 0.0, 1000),
        (Decimal("1010000.00"), 2000, 0.0, 2000),
    ]
    account = summary["account"]
    assert (account["cash"], account["total"]) == (Decimal("1000100.00"), Decimal("1010000.00"))
    assert (account["profit"], summary["alerts"]) == (0, [])
    assert made.ledger.position(SYMBOL).cost == 4.95
    agree(made)


@pytest.mark.parametrize(
    ("tax", "cash"),
    [("0", "123.00"), ("0.1", "110.70"), ("0.2", "98.40"), ("0.333", "82.04")],
)
def test_the_tax_on_a_dividend_is_withheld_to_the_cent_and_is_a_loss(tax, cash):
    """0.123 CNY for each of 1,000 shares: the reference is lower by all of it."""
    given = CorporateAction(SYMBOL, NEXT_DAY, Decimal("0.123"))
    made = two_days(actions=[given], prices=[9.88] * 4, tax=Decimal(tax))
    made.run()
    assert made.ledger.asset.cash == 1_000_000 + Decimal(cash)
    assert made.ledger.position(SYMBOL).profit == pytest.approx(float(cash) - 120)
    agree(made)


@pytest.mark.parametrize(
    ("symbol", "tax"),
    [("600000.SH", "0.2"), ("688981.SH", "0.2"), ("300059.SZ", "0.2"), ("920002.BJ", "0.2"),
     ("510300.SH", "0"), ("159915.SZ", "0"), ("508000.SH", "0"), ("110059.SH", "0")],
)  # fmt: skip
async def test_shares_are_taxed_and_funds_are_not(symbol, tax):
    clock, told = ManualClock(moment("10:00", NEXT_DAY)), []

    async def actions(symbols, since, until):
        return [CorporateAction(symbol, NEXT_DAY, Decimal("0.1"))]

    nights = Overnight(
        clock,
        Ledger(clock, FEES, 0, {symbol: (1000, 0)}),
        actions,
        last=lambda: moment("15:40", DAY),
        tell=told.append,
        warn=pytest.fail,
        tax=Decimal("0.2"),
    )
    nights.on_phase(SessionPhase(clock.now(), NEXT_DAY, Phase.CONTINUOUS))
    clock.advance(by=1)
    await asyncio.sleep(0)
    assert [event.action.tax for event in told] == [Decimal(tax)]


def test_rights_are_not_taken_up_and_cost_who_holds_what_they_were_worth():
    """10.00 with 3 for 10 at 6.00 is 9.08 on the ex-date: 1,000 shares lose 920 CNY."""
    given = CorporateAction(SYMBOL, NEXT_DAY, rights=Decimal("0.3"), rights_price=Decimal(6))
    made = two_days(actions=[given], prices=[9.08] * 4)
    made.stop_at(Stops(loss=0.5, trailing=0.05))  # by the reference nothing fell
    made.run()
    assert made.ledger.asset.cash == 1_000_000
    position = made.ledger.position(SYMBOL)
    assert (position.quantity, position.cost) == (1000, 10.0)
    assert position.profit == pytest.approx(-920)
    agree(made)


def test_what_was_bought_the_day_before_is_given_for_and_all_of_it_can_be_sold():
    class Trades(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if quote.prev_close == 10.0 and not self.state:
                self.state["bought"] = self.buy(SYMBOL, 300, 10.2)
            elif quote.prev_close == 4.95 and "sold" not in self.state:
                self.state["sold"] = self.sell(SYMBOL, 600, 4.9)

    made = two_days(Trades(), held=0)
    made.run()
    assert made.ledger.positions() == []
    agree(made)


def test_strategies_are_given_for_what_each_of_them_bought_and_profits_add_up():
    class Buys(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["order"] = self.buy(SYMBOL, self.shares, 10.2)

    one, other = Buys(name="one"), Buys(name="other")
    one.shares, other.shares = 100, 400
    made = two_days(one, other, held=1000)
    summary = made.run()
    agree(made)
    assert made.tally.owners() == {SYMBOL: {"one": 200, "other": 800}}
    books = summary["strategies"]
    assert books["one"]["profit"] == -books["one"]["fees"] - 100 * Decimal("0.01")
    made_by_all = sum(book["profit"] for book in books.values())
    assert made_by_all + summary["account"]["own_profit"] == summary["account"]["profit"]
    assert summary["account"]["own_profit"] == 0


def test_no_stop_and_no_limit_on_losses_takes_it_for_a_fall():
    made = two_days(
        gate=rules(1.0), losses=Losses(0.003, 0.003), streak=Streak(1), prices=[4.95, 4.94] * 3
    )
    made.stop_at(Stops(loss=0.03, trailing=0.03))
    summary = made.run()
    assert summary["alerts"] == []
    assert made.ledger.position(SYMBOL).quantity == 2000


def test_a_real_fall_on_an_ex_date_is_one():
    made = two_days(prices=[4.95, 4.70, 4.70, 4.70])
    made.stop_at(Stops(trailing=0.05))
    made.run()
    assert made.ledger.positions() == []


def test_a_trade_that_a_dividend_makes_good_is_no_losing_one():
    class Out(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if quote.prev_close == 4.95 and not self.state:
                self.state["sold"] = self.sell(SYMBOL, price=4.9)

    given = replace(GIVEN, cash=Decimal("0.2"))  # 10 CNY a share come back as 2 x 4.94 and 0.20
    made = two_days(Out(), actions=[given], streak=Streak(1))
    assert made.run()["alerts"] == []
    made = two_days(Out(), actions=[replace(GIVEN, cash=Decimal("0.1"))], streak=Streak(1))
    assert "1 losing trades in a row" in made.run()["alerts"][0]


def test_what_is_not_held_brings_nothing_and_what_is_held_from_the_first_day_is_as_it_is():
    first = replace(GIVEN, day=DAY)
    made = two_days(actions=[first, replace(GIVEN, symbol="000001.SZ")])
    made.run()
    assert made.ledger.position(SYMBOL).quantity == 1000
    agree(made)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("the terminal does not answer"), "the terminal does not answer"),
        (KeyError("interest"), "KeyError: 'interest'"),
    ],
)
def test_a_feed_that_cannot_say_is_told_and_the_account_goes_on_without(error, words):
    async def fails(symbols, since, until):
        raise error

    made = two_days()
    made.feed.actions = fails
    (alert,) = made.run()["alerts"]
    assert f"can't say what companies gave overnight ({words})" in alert
    assert made.ledger.position(SYMBOL).quantity == 1000


def test_a_feed_that_is_away_at_nine_is_asked_again_until_the_opening_call():
    """Terminals are restarted about then."""
    made = two_days()
    known, asked = made.feed.actions, []

    async def away(symbols, since, until):
        asked.append(made.clock.now())
        if len(asked) < 4:
            raise DataError("the terminal does not answer")
        return await known(symbols, since, until)

    made.feed.actions = away
    assert made.run()["alerts"] == []
    assert asked == [moment(f"09:0{minute}", NEXT_DAY) for minute in range(4)]
    assert made.ledger.position(SYMBOL).quantity == 2000
    agree(made)


@pytest.mark.parametrize(
    ("last", "asked"),
    [
        pytest.param(None, [], id="no earlier run: it begins with what it holds"),
        pytest.param(moment("08:59", NEXT_DAY), [(NEXT_DAY, NEXT_DAY)], id="ended before it came"),
        pytest.param(moment("09:00", NEXT_DAY), [], id="ended after it came"),
        pytest.param(moment("15:40", FRIDAY), [(SATURDAY, NEXT_DAY)], id="days away"),
    ],
)
async def test_a_start_settles_the_nights_since_the_last_run(last, asked):
    clock, found = ManualClock(moment("10:00", NEXT_DAY)), []

    async def actions(symbols, since, until):
        found.append((since, until))
        return []

    ledger = Ledger(clock, FEES, 0, {SYMBOL: (1000, 0)})
    nights = Overnight(
        clock, ledger, actions, last=lambda: last, tell=pytest.fail, warn=pytest.fail
    )
    nights.on_phase(SessionPhase(clock.now(), NEXT_DAY, Phase.CONTINUOUS))
    clock.advance(by=1)
    await asyncio.sleep(0)
    assert found == asked


def test_it_is_journalled_and_a_restart_knows_it(tmp_path):
    path = tmp_path / "journal.db"
    made = two_days(journal=path)
    made.run()
    given = [e for e in journalled(path) if isinstance(e, Distributed)]
    assert [event.action for event in given] == [GIVEN]
    ledger = Ledger(made.clock, FEES, 100_000_000, {SYMBOL: (1000, 1_000_000)})
    with ledger.quietly() as book:  # as a start does with what it finds
        book(given[0])
    assert ledger.books(NEXT_DAY).positions == made.ledger.books(NEXT_DAY).positions
    assert ledger.asset.cash == made.ledger.asset.cash


@pytest.mark.skipif(not STOCKS.exists(), reason="real market data is not beside the project")
@pytest.mark.parametrize("known", [True, False])
def test_a_real_ex_date_by_the_config(tmp_path, known):
    """300750, 2023-04-26: 385.90 the day before, 2.52 CNY and 0.8 shares, 212.99 the reference."""
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,ex_date,cash,bonus\n300750.SZ,2023-04-26,2.52,0.8\n")
    feed = {"kind": "replay", "path": str(STOCKS), "start": "2023-04-24", "end": "2023-04-27"}

    class Holds(qka.Strategy):
        symbols = ["300750.SZ"]
        bars = "1d"

        def on_bar(self, bar):
            self.state["first"] = self.state.get("first") or self.buy(bar.symbol, 100).id

    made = qka.Engine.from_config(
        {
            "account": {"cash": 1_000_000},
            "feed": {**feed, "actions": str(actions)} if known else feed,
            "run": {"dir": str(tmp_path)},
        }
    )
    made.register(Holds())
    summary = made.run()
    (position,) = summary["account"]["positions"]
    assert position["quantity"] == (180 if known else 100)
    agree(made)
    profit = made.ledger.position("300750.SZ").profit
    assert 0 < profit < 3000 if known else profit < -15_000
