"""What corporate actions bring explains what differs: exactly that, and nothing besides."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from builders import DAY, FEES, NEXT_DAY, SYMBOL, an_order, moment

from qka.clock import ManualClock
from qka.engine import comparison
from qka.engine.dues import Due
from qka.engine.ledger import Ledger
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.actions import CorporateAction
from qka.model.events import Fill, OrderAccepted
from qka.model.money import yuan
from qka.model.order import OrderStatus as S
from qka.model.order import Side

OTHER = "000001.SZ"
THIRD_DAY = date(2026, 1, 7)


def an_action(cash="0", bonus="0", symbol=SYMBOL, day=NEXT_DAY):
    return CorporateAction(symbol, day, Decimal(cash), Decimal(bonus))


BOTH = an_action("0.25", "0.3")
CASH = an_action("0.25")
BONUS = an_action(bonus="0.3")


@dataclass
class Case:
    """An account over night: 1,000 shares of ours, what there was to come, what the broker says."""

    actions: list[CorporateAction]
    theirs: int = 1000  # shares
    change: str = "0"  # of the cash, CNY
    held: int = 1000
    order: Any = None  # (side, shares) that worked at the evening before, at 10.00
    also: int = 0  # of another symbol, in both books
    dues: list[Due] | None = None
    found: list[comparison.Difference] = field(default_factory=list)
    left: list[Due] = field(default_factory=list)

    def explained(self):
        held = {SYMBOL: (self.held, 0), OTHER: (self.also, 0)}
        ledger = Ledger(ManualClock(moment()), FEES, 10_000_000, held)
        over = []
        if self.order:
            side, shares = self.order
            order = an_order(shares, 10.0, side=side, status=S.SUBMITTING, time=moment())
            ledger.open(order)
            ledger.apply(OrderAccepted(moment(), order.id, "7"))
            over = [ledger.order(order.id)]
        positions = (Position(SYMBOL, self.theirs), Position(OTHER, self.also))
        cash = ledger.asset.cash + Decimal(self.change)
        snapshot = AccountSnapshot(Asset(cash, yuan(0), yuan(0)), positions, ())
        differences = [
            *comparison.holdings(ledger, snapshot),
            *comparison.money(ledger, snapshot, NEXT_DAY),
        ]
        dues = self.dues
        if dues is None:
            dues = [Due(a, ledger.held_before(a.symbol, a.day)) for a in self.actions]
        self.found, self.left = comparison.by_actions(
            differences, ledger, snapshot, over, dues, NEXT_DAY
        )
        return comparison.unexplained(self.found) == []


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case([BOTH], 1300, "250"), id="new shares and cash"),
        pytest.param(Case([BOTH], 1300), id="new shares, and the cash not yet"),
        pytest.param(Case([BOTH], 1000, "250"), id="cash, and the new shares not yet"),
        pytest.param(Case([CASH], change="250"), id="cash"),
        pytest.param(Case([CASH], change="225"), id="cash, less a tenth"),
        pytest.param(Case([CASH], change="200"), id="cash, less a fifth"),
        pytest.param(Case([BONUS], 1328, held=1022), id="whole shares: 306.6 are 306"),
        pytest.param(
            Case([an_action("0.123456")], change="123.46"), id="cash to the cent, half up"
        ),
        pytest.param(
            Case([BOTH, an_action("1", symbol=OTHER)], 1300, "350", also=100), id="of two symbols"
        ),
        pytest.param(
            Case([BOTH, an_action("1", symbol=OTHER)], 1300, "100", also=100),
            id="of two symbols, one dividend not yet",
        ),
        pytest.param(Case([BOTH, an_action("0.1", day=THIRD_DAY)], 1300, "350"), id="of two days"),
        pytest.param(
            Case([BONUS], 1690, "-3000", order=(Side.BUY, 500)),
            id="shares bought before the night have it too",
        ),
        pytest.param(
            Case([BOTH], 780, "4130", order=(Side.SELL, 500)),
            id="shares sold before it have neither",
        ),
        pytest.param(
            Case([BOTH], 390, "-3000", held=0, order=(Side.BUY, 500)), id="all of them bought"
        ),
        pytest.param(
            Case([BONUS], 1300, order=(Side.BUY, 500)), id="an order worked and did not trade"
        ),
    ],
)
def test_what_was_to_come_is_explained(case):
    assert case.explained(), comparison.table(case.found)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case([BONUS], 1301), id="a share more"),
        pytest.param(Case([BONUS], 1299), id="a share less"),
        pytest.param(Case([CASH], change="250.01"), id="a cent more"),
        pytest.param(Case([CASH], change="212.50"), id="less another tax"),
        pytest.param(Case([CASH], change="-250"), id="the other way"),
        pytest.param(Case([CASH], 1300, "250"), id="shares without a bonus"),
        pytest.param(Case([BONUS], 1300, "250"), id="cash without a dividend"),
        pytest.param(Case([BOTH], 1600, "500"), id="twice"),
        pytest.param(
            Case([an_action("0.25", symbol=OTHER)], change="250"), id="of what is not held"
        ),
        pytest.param(Case([], 1300), id="no action"),
        pytest.param(
            Case([BONUS], 2000, "-5000", order=(Side.BUY, 500)), id="more than bonus and order"
        ),
        pytest.param(
            Case([BONUS], 1690, "-300", order=(Side.BUY, 500)), id="bought for too little"
        ),
    ],
)
def test_what_is_not_covered_exactly_is_not_explained_at_all(case):
    assert not case.explained()
    assert [d.why for d in case.found] == [""] * len(case.found)


def test_the_table_says_what_came():
    case = Case([BOTH], 1300, "225")
    assert case.explained()
    assert [d.why for d in case.found] == [
        f"bonus 10:3 of {SYMBOL} on 2026-01-06: +300",
        f"dividend 0.25 CNY a share of {SYMBOL} on 2026-01-06: +225.00 (less 10% tax)",
    ]


def test_the_table_names_orders_besides():
    case = Case([BONUS], 1690, "-3000", order=(Side.BUY, 500))
    assert case.explained()
    shares, cash = (d.why for d in case.found)
    assert shares.startswith(f"bonus 10:3 of {SYMBOL} on 2026-01-06: +390; traded while")
    assert cash.startswith("traded while the engine was away: ")


def test_what_has_come_does_not_come_again():
    first = Case([BOTH], 1300)
    assert first.explained()
    assert [(due.bonus, due.money()) for due in first.left] == [(0, Decimal("250.00"))]
    again = Case([], 1600, held=1300, dues=first.left)
    assert not again.explained()
    second = Case([], 1300, "250", held=1300, dues=first.left)
    assert second.explained()
    assert [(due.bonus, due.money()) for due in second.left] == [(0, 0)]
    assert not Case([], 1300, "250", held=1300, dues=second.left).explained()


def test_a_dividend_may_be_in_what_orders_moved_and_is_not_expected_any_more():
    case = Case([BOTH], 1690, "-2750", order=(Side.BUY, 500))
    assert case.explained()
    assert [(due.bonus, due.money()) for due in case.left] == [(0, 0)]


def test_shares_that_were_traded_on_the_ex_date_change_nothing_in_what_is_due():
    ledger = Ledger(ManualClock(moment()), FEES, 10_000_000, {SYMBOL: (1000, 0)})
    for day, side, shares in ((DAY, Side.BUY, 100), (NEXT_DAY, Side.SELL, 400)):
        time = moment("10:00", day)
        ledger.on_fill(Fill(time, f"{side}", "1", SYMBOL, side, 10.0, shares, Decimal(5)))
    assert [ledger.held_before(SYMBOL, day) for day in (DAY, NEXT_DAY, THIRD_DAY)] == [
        1000,
        1100,
        700,
    ]
