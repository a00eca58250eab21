"""The engine's books against the broker's: at a day's end, while it runs, and what explains it."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from builders import DAY, FEES, NEXT_DAY, a_bar, an_order, moment
from msgspec.structs import replace
from stage import SYMBOL, Recorder, engine, journalled, quotes

from qka.clock import ManualClock
from qka.engine import comparison
from qka.engine.ledger import Ledger
from qka.journal.port import Note
from qka.journal.reading import readable, rows
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.events import Fill, OrderAccepted, OrderRequested, SessionPhase, TradingState
from qka.model.market import Phase
from qka.model.money import yuan
from qka.model.order import OrderStatus as S
from qka.model.order import Side
from qka.model.times import MINUTE, at


class Once(Recorder):
    """Buys a thousand at its first quote; `then` is called at the fifth."""

    symbols = [SYMBOL]

    def __init__(self, then=lambda: None):
        self.seen, self.then = 0, then

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 1:
            self.buy(SYMBOL, 1000, 10.05)
        if self.seen == 5:
            self.then()


def notes(path, kind):
    with readable(path) as (connection, _):
        return [record.value for record in rows(connection) if record.kind == kind]


# ------------------------------------------------------------------ a day's end


def test_a_day_is_settled_to_the_cent_and_written_down(tmp_path):
    path = tmp_path / "journal.db"
    built = engine(quotes([10.0] * 9), Once(), journal=path)
    summary = built.run()
    assert summary["alerts"] == []
    (found,) = notes(path, Note.RECONCILED)
    assert found["clean"] is True
    assert (found["when"], found["day"]) == ("end", "2026-01-05")
    assert (found["orders"], found["deals"]) == (1, 1)
    assert found["cash"] == str(built.ledger.asset.cash)
    assert found["fees"] == "5.10"


@pytest.mark.parametrize(
    ("tamper", "row"),
    [
        pytest.param(
            lambda broker: broker.grant(SYMBOL, -100, 0),
            f"{SYMBOL}  1000 shares  900 shares  nothing",
            id="shares",
        ),
        pytest.param(
            lambda broker: broker.grant(SYMBOL, 0, -100_000),
            "cash  989984.90 CNY  988984.90 CNY  nothing",
            id="cash",
        ),
        pytest.param(
            lambda broker: _forget(broker, 100), "1000 traded  900 traded  nothing", id="an order"
        ),
    ],
)
def test_what_the_broker_has_otherwise_halts_with_a_table_and_the_way_out(tamper, row):
    strategy = Once(lambda: tamper(built.broker))
    built = engine(quotes([10.0] * 9), strategy)
    summary = built.run()
    assert built.ledger.trading is TradingState.HALTED
    (alert,) = summary["alerts"]
    assert row in alert
    assert "qka accept CONFIG " in alert


def test_a_difference_within_the_days_fees_is_the_brokers_fees_and_is_taken_over():
    built = engine(quotes([10.0] * 9), Once(lambda: _charge(built.broker, 300)))
    summary = built.run()
    assert built.ledger.trading is TradingState.ACTIVE
    (alert,) = summary["alerts"]
    assert "fees: the broker's are 3.00 CNY more than broker.fees says" in alert
    assert built.ledger.asset.cash == built.broker.books().asset.cash


def test_what_a_days_end_says_is_heard_then_and_not_with_the_next_days_first_event(tmp_path):
    path, missing = tmp_path / "journal.db", iter([-100, 100])
    bars = [
        a_bar(time=at(day, clock_time), symbol=SYMBOL)
        for day in (DAY, NEXT_DAY)
        for clock_time in ("10:01", "10:02")
    ]

    class Meddles(Recorder):
        symbols, bars = [SYMBOL], "1m"

        def on_bar(self, bar):
            if bar.time % (2 * MINUTE):
                built.broker.grant(SYMBOL, next(missing), 0)

    built = engine(bars, Meddles(), held={SYMBOL: 1000}, journal=path)
    built.run()
    with readable(path) as (connection, _):
        said = [(r.event.state, r.ts) for r in rows(connection) if r.kind == "EngineState"]
    assert ("held", at(DAY, "15:40")) in said
    assert ("released", at(NEXT_DAY, "15:40")) in said


def _forget(broker, shares):
    """Its shares and its cash are right, and its order tells of less."""
    (order,) = broker._orders.values()
    broker._orders[order.id] = replace(order, filled=order.filled - shares)


def _charge(broker, cents):
    broker.grant(SYMBOL, 0, -cents)


# ------------------------------------------------------------------ what explains it


@dataclass
class Case:
    """A ledger with one working order, and what the broker says a day later."""

    side: Side = Side.BUY
    quantity: int = 1000
    price: float = 10.0
    held: int = 0
    theirs: int = 0  # shares
    change: str = "0"  # of the cash, CNY
    found: list[Any] = field(default_factory=list)

    def explained(self):
        ledger = Ledger(ManualClock(moment()), FEES, 10_000_000, {SYMBOL: (self.held, 0)})
        order = an_order(
            self.quantity, self.price, side=self.side, status=S.SUBMITTING, time=moment()
        )
        ledger.open(order)
        ledger.apply(OrderAccepted(moment(), order.id, "7"))
        positions = (Position(SYMBOL, self.theirs),) if self.theirs else ()
        cash = ledger.asset.cash + Decimal(self.change)
        snapshot = AccountSnapshot(Asset(cash, yuan(0), yuan(0)), positions, ())
        differences = [
            *comparison.holdings(ledger, snapshot),
            *comparison.money(ledger, snapshot, DAY),
        ]
        self.found = comparison.by_orders(differences, ledger, snapshot, [ledger.order(order.id)])
        return comparison.unexplained(self.found) == []


@pytest.mark.parametrize(
    ("case", "explained"),
    [
        pytest.param(Case(theirs=1000, change="-10005.10"), True, id="a buy that traded"),
        pytest.param(Case(theirs=400, change="-4005.04"), True, id="a part of it"),
        pytest.param(Case(theirs=1000, change="-9700"), True, id="at a better price"),
        pytest.param(Case(theirs=1100, change="-11005.10"), False, id="more than was ordered"),
        pytest.param(Case(theirs=1000), False, id="shares without a price"),
        pytest.param(Case(theirs=1000, change="-10500"), False, id="above its limit"),
        pytest.param(Case(change="-10005.10"), False, id="money without shares"),
        pytest.param(
            Case(Side.SELL, held=1000, theirs=0, change="9990"), True, id="a sell that traded"
        ),
        pytest.param(
            Case(Side.SELL, held=1000, theirs=0, change="9000"), False, id="below its limit"
        ),
        pytest.param(
            Case(Side.SELL, held=1000, theirs=2000, change="-10000"), False, id="the other way"
        ),
    ],
)
def test_orders_that_worked_when_we_last_looked_explain_what_they_may_have_traded(case, explained):
    assert case.explained() is explained
    assert [d for d in case.found if d.why] == (case.found if explained else [])


def test_the_same_table_has_the_same_fingerprint_and_no_other():
    one = comparison.Difference("cash", "1.00 CNY", "2.00 CNY")
    other = comparison.Difference("cash", "1.00 CNY", "2.01 CNY")
    assert comparison.fingerprint([one]) == comparison.fingerprint([one])
    assert comparison.fingerprint([one]) != comparison.fingerprint([other])
    assert comparison.fingerprint([one]) != comparison.fingerprint([one, other])


# ------------------------------------------------------------------ the books as plain values


def test_books_given_and_taken_back_are_the_same_books(tmp_path):
    built = engine(quotes([10.0] * 9), Once(), held={"000001.SZ": 500})
    built.run()
    books = built.ledger.books(DAY)
    other = Ledger(built.clock, FEES, 0)
    other.restore(books)
    assert other.books(DAY) == books
    assert (other.asset.cash, other.asset.frozen) == (
        built.ledger.asset.cash,
        built.ledger.asset.frozen,
    )
    assert other.sellable(SYMBOL) == 0
    other.new_day()
    assert other.sellable(SYMBOL) == 1000
    assert [deal.quantity for deal in books.deals] == [1000]
    other.on_fill(books.deals[0])  # it is known: nothing moves
    assert other.position(SYMBOL).quantity == 1000


def test_what_is_lived_through_again_is_told_to_nobody():
    said = []
    ledger = Ledger(ManualClock(moment()), FEES, 10_000_000, publish=said.append)
    order = an_order(1000, 10.0, status=S.SUBMITTING)
    fill = Fill(moment(), "stranger", "1", SYMBOL, Side.BUY, 10.0, 100, Decimal("5.00"))
    with ledger.quietly() as book:
        book(OrderRequested(moment(), order))
        book(fill)
        book(SessionPhase(at(NEXT_DAY, "00:00"), NEXT_DAY, Phase.PRE_OPEN))
    assert said == []
    assert ledger.order(order.id) == order
    assert ledger.sellable(SYMBOL) == 100
    ledger.on_fill(Fill(moment(), "other", "1", SYMBOL, Side.BUY, 10.0, 100, Decimal("5.00")))
    assert len(said) == 1


def test_an_order_of_yesterday_in_bars_goes_on_and_is_no_difference(tmp_path):
    """Made when the last bar of a day is told, it is one of the next day."""
    from builders import a_bar

    class Late(Recorder):
        symbols = [SYMBOL]

        def on_bar(self, bar):
            if not self.state:
                self.state["done"] = True
                self.buy(SYMBOL, 100, 10.5)

    days = [date(2026, 1, 5), date(2026, 1, 6)]
    bars = [a_bar(time=at(day, "15:00"), period="1d") for day in days]
    path = tmp_path / "journal.db"
    strategy = Late(bars="1d")
    built = engine(bars, strategy, journal=path)
    summary = built.run()
    assert summary["alerts"] == []
    assert summary["fills"] == 1
    assert [found["clean"] for found in notes(path, Note.RECONCILED)] == [True, True]
    assert any(isinstance(event, Fill) for event in journalled(path))
