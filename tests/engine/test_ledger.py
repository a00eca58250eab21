"""The ledger: cash to the cent, shares by T+1, reservations that come and go."""

from datetime import timedelta
from decimal import Decimal

import pytest
from builders import (
    DAY,
    FEES,
    NEXT_DAY,
    NO_COMMISSION,
    SYMBOL,
    a_bar,
    a_fill,
    a_quote,
    an_order,
    moment,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.actions import CorporateAction
from qka.model.events import (
    Alert,
    CancelRefused,
    CancelRequested,
    Distributed,
    OrderAccepted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    SessionPhase,
    WentEx,
)
from qka.model.market import Phase
from qka.model.money import to_cents, yuan
from qka.model.order import OrderStatus, OrderType, Side
from qka.model.times import day_of
from qka.risk.rules import cash as cash_rule
from qka.risk.rules import sellable as sellable_rule

S = OrderStatus
BOND, FUND = "123219.SZ", "510300.SH"
FROZEN = Decimal("10000.10")  # 1,000 shares at 10 CNY and their transfer fee


def a_ledger(cash=100_000, held=None, fees=NO_COMMISSION):
    """A ledger with `cash` CNY and positions that cost 10 CNY a share, and its alerts."""
    alerts = []
    positions = {symbol: (shares, shares * 1000) for symbol, shares in (held or {}).items()}
    ledger = Ledger(ManualClock(moment()), fees, cash * 100, positions, publish=alerts.append)
    return ledger, alerts


def opened(ledger, *args, **changes):
    order = an_order(*args, **{"status": S.SUBMITTING, **changes})
    ledger.open(order)
    return order


def morning(day=DAY):
    return SessionPhase(moment("00:00", day), day, Phase.PRE_OPEN)


# ------------------------------------------------------------------ cash


def test_a_buy_freezes_its_turnover_and_fees_at_once():
    ledger, _ = a_ledger(fees=FEES)
    opened(ledger, 1000, 10.0)
    asset = ledger.asset
    assert asset.cash == Decimal("100000.00")
    assert asset.frozen == Decimal("10005.10")
    assert asset.available == Decimal("89994.90")
    assert ledger.available_cents == 8_999_490


def test_a_fill_below_the_limit_gives_the_difference_back():
    ledger, _ = a_ledger(fees=FEES)
    opened(ledger, 1000, 10.0)
    ledger.on_fill(a_fill(1000, 9.9, fees=Decimal("5.10")))
    assert ledger.asset.cash == Decimal("90094.90")
    assert ledger.asset.frozen == 0
    assert ledger.position(SYMBOL).cost == pytest.approx(9.9051)
    assert ledger.order("a").status is S.FILLED
    assert list(ledger.working()) == []


def test_a_partial_fill_keeps_the_rest_frozen():
    ledger, _ = a_ledger(fees=FEES)
    opened(ledger, 1000, 10.0)
    ledger.on_fill(a_fill(400, 10.0, fees=Decimal("5.04")))
    assert ledger.asset.frozen == Decimal("6000.06")  # 600 more owe 5.10 in all, 5.04 are paid


def test_a_humans_word_of_a_deal_is_remembered_over_a_restart():
    ledger, _ = a_ledger()
    opened(ledger, 1000, 10.0)
    ledger.on_fill(a_fill(300, deal_id="operator-300"))
    ledger.on_fill(a_fill(100, deal_id="6"))
    books = ledger.books(DAY)
    ledger, alerts = a_ledger()
    ledger.restore(books)
    ledger.on_fill(a_fill(200, deal_id="7"))
    assert (ledger.position(SYMBOL).quantity, ledger.booked) == (300, None)
    assert "deal 7 proves what a human said of order a" in alerts[0].message
    assert [(deal.deal_id, deal.quantity) for deal in ledger.deals.of(DAY)] == [
        ("6", 100),
        ("7", 200),
    ]
    assert ledger.held_before(SYMBOL, DAY) == 0


def test_what_was_bought_yesterday_and_is_told_of_today_may_be_sold_today():
    ledger, _ = a_ledger()
    opened(ledger, 1000, 10.0)
    ledger.on_fill(a_fill(300))
    ledger.on_phase(morning(NEXT_DAY))
    ledger.on_fill(a_fill(500, deal_id="late"))
    assert ledger.sellable(SYMBOL) == 800
    ledger.on_fill(a_fill(200, deal_id="today", time=moment(day=NEXT_DAY)))
    assert ledger.sellable(SYMBOL) == 800


def test_it_is_so_when_an_engine_starts_in_the_middle_of_a_day_and_no_morning_was_heard():
    clock = ManualClock(moment())
    before = Ledger(clock, NO_COMMISSION, 10_000_000)
    opened(before, 1000, 10.0)
    before.on_fill(a_fill(300))
    clock.advance(to=moment(day=NEXT_DAY))
    ledger = Ledger(clock, NO_COMMISSION, 0)
    ledger.restore(before.books(DAY))
    ledger.new_day()
    ledger.on_fill(a_fill(500, deal_id="late"))
    assert ledger.sellable(SYMBOL) == 800


@pytest.mark.parametrize(
    "end", [OrderCancelled, OrderRejected, OrderExpired], ids=lambda kind: kind.__name__
)
def test_every_end_without_a_fill_releases_what_was_reserved(end):
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    opened(ledger, 1000, 10.0)
    opened(ledger, 600, 10.0, id="b", side=Side.SELL)
    assert (ledger.asset.frozen, ledger.sellable(SYMBOL)) == (FROZEN, 400)
    ledger.apply(end(1, "a"))
    ledger.apply(end(1, "b"))
    assert (ledger.asset.frozen, ledger.sellable(SYMBOL)) == (0, 1000)
    assert list(ledger.working()) == []


def test_an_unknown_order_keeps_its_cash_and_shares_until_evidence_comes():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    opened(ledger, 1000, 10.0, strategy="grid")
    opened(ledger, 600, 10.0, id="b", side=Side.SELL, strategy="grid")
    for order_id in "ab":
        ledger.apply(OrderUnknown(1, order_id, "timeout"))
        ledger.apply(CancelRequested(1, order_id))
        ledger.apply(CancelRefused(1, order_id))
    assert (ledger.asset.frozen, ledger.sellable(SYMBOL)) == (FROZEN, 400)
    assert ledger.exposure(SYMBOL)[0] == 2_000_000
    assert (SYMBOL, "grid") in ledger.unknowns
    assert (SYMBOL, "another strategy") not in ledger.unknowns
    assert ("000001.SZ", "grid") not in ledger.unknowns
    ledger.apply(OrderAccepted(2, "a"))
    ledger.apply(OrderCancelled(2, "b"))
    assert (SYMBOL, "grid") not in ledger.unknowns
    assert (ledger.asset.frozen, ledger.sellable(SYMBOL)) == (FROZEN, 1000)


def test_a_denied_order_is_remembered_and_reserves_nothing():
    ledger, _ = a_ledger()
    ledger.note(an_order(status=S.DENIED))
    assert ledger.order("a").status is S.DENIED
    assert ledger.asset.frozen == 0
    assert list(ledger.working()) == []


def test_an_order_of_many_fills_is_rounded_once_like_its_fees():
    ledger, _ = a_ledger(1005)
    opened(ledger, 1000, 1.005, symbol=FUND)
    for deal in range(3):  # 3.015 CNY each
        ledger.on_fill(a_fill(3, 1.005, symbol=FUND, deal_id=str(deal)))
    assert ledger.order("a").turnover == Decimal("9.045")
    assert ledger.asset.cash == Decimal("995.95")  # 9.05 and not three times 3.02
    assert ledger.asset.available == 0
    ledger.on_fill(a_fill(991, 1.005, symbol=FUND, deal_id="the rest"))
    assert (ledger.asset.cash, ledger.asset.frozen) == (0, 0)


def test_a_market_order_freezes_at_its_protection_price():
    ledger, _ = a_ledger()
    opened(ledger, 1000, 11.0, type=OrderType.MARKET)
    assert ledger.asset.frozen == Decimal("11000.11")


# ------------------------------------------------------------------ shares


def test_shares_bought_today_are_held_but_sellable_from_the_next_session():
    ledger, _ = a_ledger(held={SYMBOL: 500})
    opened(ledger)
    ledger.on_fill(a_fill(1000))
    position = ledger.position(SYMBOL)
    assert (position.quantity, position.today, position.sellable) == (1500, 1000, 500)
    ledger.on_phase(SessionPhase(1, DAY, Phase.CONTINUOUS))
    assert ledger.sellable(SYMBOL) == 500
    ledger.on_phase(morning(DAY + timedelta(1)))
    assert ledger.sellable(SYMBOL) == 1500


def test_bonds_bought_today_are_sold_today():
    ledger, _ = a_ledger()
    opened(ledger, 100, 120.0, symbol=BOND)
    ledger.on_fill(a_fill(100, 120.0, symbol=BOND))
    assert ledger.sellable(BOND) == 100


def test_a_working_sell_freezes_shares_and_its_fills_do_not_free_them():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    opened(ledger, 600, side=Side.SELL)
    assert ledger.sellable(SYMBOL) == 400
    ledger.on_fill(a_fill(200, side=Side.SELL))
    position = ledger.position(SYMBOL)
    assert (position.quantity, position.frozen, position.sellable) == (800, 400, 400)
    assert ledger.asset.cash == Decimal("102000.00")
    ledger.apply(OrderCancelled(1, "a"))
    assert ledger.sellable(SYMBOL) == 800


def test_selling_part_keeps_the_cost_of_a_share():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    opened(ledger, 300, side=Side.SELL)
    ledger.on_fill(a_fill(300, 12.0, side=Side.SELL))
    assert ledger.position(SYMBOL).cost == pytest.approx(10.0)
    opened(ledger, 700, id="b", side=Side.SELL)
    ledger.on_fill(a_fill(700, 12.0, order_id="b", side=Side.SELL))
    assert ledger.positions() == []
    assert ledger.position(SYMBOL).cost == 0.0


# ------------------------------------------------------------------ reports that misbehave


def test_the_same_deal_is_booked_once_however_often_it_is_pushed():
    ledger, _ = a_ledger()
    opened(ledger)
    for _ in range(3):
        ledger.on_fill(a_fill(400, deal_id="7"))
    assert ledger.position(SYMBOL).quantity == 400
    assert ledger.order("a").filled == 400
    assert ledger.asset.cash == 96_000


def test_whoever_hears_a_fill_after_the_ledger_can_ask_whether_it_was_news():
    ledger, _ = a_ledger()
    opened(ledger)
    deal = a_fill(400)
    assert ledger.booked is None
    ledger.on_fill(deal)
    assert ledger.booked == 400_000
    ledger.on_fill(deal)
    assert ledger.booked is None
    ledger.on_fill(a_fill(100, order_id="by hand"))
    assert ledger.booked == 100_000


def test_equal_fills_with_other_deal_ids_are_other_deals():
    ledger, _ = a_ledger()
    opened(ledger)
    for deal in "12":
        ledger.on_fill(a_fill(400, deal_id=deal))
    assert ledger.position(SYMBOL).quantity == 800


def test_a_deal_number_used_again_the_next_day_is_another_deal():
    ledger, _ = a_ledger()
    opened(ledger)
    ledger.on_fill(a_fill(400, deal_id="1"))
    ledger.on_fill(a_fill(400, deal_id="1", time=moment("10:00", DAY + timedelta(1))))
    assert ledger.position(SYMBOL).quantity == 800


def test_a_late_fill_is_booked_with_an_alert_and_the_order_stays_final():
    ledger, alerts = a_ledger()
    opened(ledger)
    ledger.apply(OrderCancelled(1, "a"))
    ledger.on_fill(a_fill(300))
    order = ledger.order("a")
    assert (order.status, order.filled) == (S.CANCELLED, 300)
    assert ledger.position(SYMBOL).quantity == 300
    assert ledger.asset.cash == 97_000
    assert ledger.asset.frozen == 0
    assert [type(alert) for alert in alerts] == [Alert]
    assert "late fill" in alerts[0].message


def test_a_fill_beyond_the_order_is_booked_with_an_alert():
    ledger, alerts = a_ledger()
    opened(ledger, 1000)
    ledger.on_fill(a_fill(1200))
    assert ledger.position(SYMBOL).quantity == 1200
    assert ledger.asset.frozen == 0
    assert "overfill" in alerts[0].message


def test_a_strangers_fill_moves_shares_and_cash_and_alerts():
    ledger, alerts = a_ledger()
    ledger.on_fill(a_fill(100, order_id="by hand"))
    assert ledger.position(SYMBOL).quantity == 100
    assert ledger.asset.cash == 99_000
    assert "by hand" in alerts[0].message
    ledger.apply(OrderAccepted(1, "nobody's"))
    assert "nobody's" in alerts[1].message


# ------------------------------------------------------------------ what it answers


def test_positions_are_worth_their_last_price_and_before_one_their_cost():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    assert ledger.total_cents == 11_000_000
    ledger.on_quote(a_quote(10.5))
    assert ledger.asset.market_value == 10_500
    assert ledger.position(SYMBOL).profit == pytest.approx(500)


def test_a_bar_prices_a_symbol_without_quotes_and_never_hides_a_quote():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    ledger.bars_of(SYMBOL)(a_bar(11.0))
    assert ledger.asset.total == 111_000
    assert ledger.price(SYMBOL) == 11.0
    assert ledger.quotes.get(SYMBOL) is None
    ledger.on_quote(a_quote(10.5))
    ledger.bars_of(SYMBOL)(a_bar(11.0))
    assert ledger.price(SYMBOL) == 10.5
    assert ledger.quotes.get(SYMBOL).last == 10.5


def test_a_longer_bar_told_late_does_not_turn_the_price_back():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    ledger.bars_of(SYMBOL)(a_bar(10.8, time=moment("10:06")))
    ledger.bars_of(SYMBOL)(a_bar(10.0, time=moment("10:05"), period="5m"))
    assert ledger.price(SYMBOL) == 10.8
    assert ledger.asset.market_value == 10_800
    ledger.bars_of(SYMBOL)(a_bar(10.9, time=moment("10:06"), period="5m"))
    assert ledger.price(SYMBOL) == 10.9


def test_what_a_bar_said_before_an_ex_date_prices_nothing_after_it():
    ledger, _ = a_ledger(held={SYMBOL: 1000})
    ledger.bars_of(SYMBOL)(a_bar(11.0))
    ledger.on_distributed(Distributed(1, CorporateAction(SYMBOL, DAY, cash=Decimal(1))))
    assert ledger.price(SYMBOL) == 10.0
    assert ledger.latest() == ledger.latest([SYMBOL]) == {}
    assert ledger.asset.total == 111_000
    ledger.bars_of(SYMBOL)(a_bar(10.2, time=moment("10:31")))
    assert ledger.asset.total == 111_200
    assert ledger.latest([SYMBOL])[SYMBOL].close == 10.2


@given(
    held=st.integers(1, 50).map(lambda lots: lots * 100),
    sold=st.integers(0, 50).map(lambda lots: lots * 100),
    price=st.integers(500, 5000),
    cash=st.integers(0, 300),
    bonus=st.integers(0, 20),
)
def test_what_went_ex_leaves_the_total_as_it_is_until_and_when_it_comes(
    held, sold, price, cash, bonus
):
    ledger, _ = a_ledger(held={SYMBOL: held})
    ledger.on_quote(a_quote(price / 100, time=moment("14:59")))
    total, sold = ledger.total_cents, min(sold, held)
    action = CorporateAction(SYMBOL, NEXT_DAY, Decimal(cash) / 1000, Decimal(bonus) / 10)
    ledger.on_ex(WentEx(1, action, held))
    shares, money = action.shares(held), to_cents(action.money(held))
    # of the reference, half a tick a share, and of new shares the part that is none
    rounding = (held + shares) // 2 + price + 1
    assert abs(ledger.total_cents - total) <= rounding
    now, reference = ledger.total_cents, ledger.price(SYMBOL)
    if sold:
        ledger.on_fill(a_fill(sold, reference, side=Side.SELL, order_id="nobody's"))
    assert ledger.total_cents == now
    cost = ledger.position(SYMBOL).cost
    other, _ = a_ledger()
    other.restore(ledger.books(DAY))
    for books in (ledger, other):
        assert books.total_cents == now
        left = held - sold + shares
        came = [Position(SYMBOL, left)] if left else []
        books.settle(came, books.cash + yuan(money), [due.over() for due in books.dues])
        assert books.total_cents == now
        assert books.shares().get(SYMBOL, 0) == left
        if held > sold:
            assert books.position(SYMBOL).cost == pytest.approx(cost, abs=0.01)


def test_a_quote_before_the_auction_has_the_reference_already():
    ledger, _ = a_ledger(held={SYMBOL: 500})
    ledger.on_quote(a_quote(0.0, prev_close=9.0, time=moment("09:04", NEXT_DAY)))
    ledger.on_ex(WentEx(1, CorporateAction(SYMBOL, NEXT_DAY, Decimal(1)), 500))
    assert ledger.price(SYMBOL) == 9.0


def test_a_bonus_told_after_a_sale_is_for_what_was_sold_too_and_not_at_the_others_cost():
    ledger, _ = a_ledger(held={SYMBOL: 500})
    ledger.on_quote(a_quote(5.0, time=moment("10:00", NEXT_DAY)))
    ledger.on_fill(a_fill(400, 5.0, side=Side.SELL, order_id="nobody's"))
    ledger.on_ex(WentEx(1, CorporateAction(SYMBOL, NEXT_DAY, bonus=Decimal(1)), 500))
    assert ledger.position(SYMBOL).cost == pytest.approx(5.0)
    assert ledger.total_cents == 10_000_000 + 200_000 + 300_000


def test_books_name_the_orders_of_two_days_and_older_ones_that_are_open():
    ledger, _ = a_ledger()
    days = [DAY - timedelta(days=3), DAY - timedelta(days=2), DAY]
    for number, day in enumerate(days):
        opened(ledger, 100, id=f"open{number}", time=moment("10:00", day))
        opened(ledger, 100, id=f"over{number}", time=moment("10:00", day))
        ledger.apply(OrderCancelled(1, f"over{number}"))
    named = {order.id for order in ledger.books(DAY).orders}
    assert named == {"open0", "open1", "over1", "open2", "over2"}


def test_what_lies_in_a_symbol_is_held_at_the_last_price_and_working_at_its_own():
    ledger, _ = a_ledger(held={SYMBOL: 100})
    assert ledger.exposure(SYMBOL)[0] == ledger.worth(SYMBOL) == 100_000
    ledger.on_quote(a_quote(10.5))
    opened(ledger, 300, 9.8)
    opened(ledger, 200, 11.0, id="market", type=OrderType.MARKET)
    assert ledger.worth(SYMBOL) == 105_000
    assert ledger.exposure(SYMBOL)[0] == 105_000 + 294_000 + 220_000
    ledger.on_fill(a_fill(100, 9.8))
    assert ledger.exposure(SYMBOL)[0] == 210_000 + 196_000 + 220_000
    ledger.apply(OrderCancelled(1, "a"))
    ledger.apply(OrderUnknown(1, "market"))
    assert ledger.exposure(SYMBOL)[0] == 210_000 + 220_000
    assert ledger.exposure("000001.SZ")[0] == ledger.worth("000001.SZ") == 0


def test_a_denial_is_not_a_report_of_the_broker():
    ledger, _ = a_ledger()
    assert OrderDenied not in ledger.handlers()


# ------------------------------------------------------------------ any history at all


class AnyHistory(RuleBasedStateMachine):
    """Orders that pass the cash and share rules, then anything a broker may say about them."""

    ids = Bundle("ids")

    def __init__(self):
        super().__init__()
        self.clock = ManualClock(moment())
        self.start = 1_000_000
        self.ledger = Ledger(self.clock, FEES, self.start, {"600036.SH": (700, 700_000)})
        self.count = 0
        self.flow = 0  # cents that fills moved
        self.shares = {"600036.SH": 700, SYMBOL: 0, FUND: 0}
        self.bought_today = dict.fromkeys(self.shares, 0)
        self.deals = []

    @rule(
        target=ids,
        symbol=st.sampled_from([SYMBOL, "600036.SH", FUND]),
        side=st.sampled_from(Side),
        lots=st.integers(1, 6),
        price=st.integers(900, 1100),
    )
    def place(self, symbol, side, lots, price):
        self.count += 1
        order = an_order(
            lots * 100,
            price / (1000 if symbol == FUND else 100),
            id=f"q{self.count}",
            symbol=symbol,
            side=side,
            time=self.clock.now(),
            status=S.SUBMITTING,
        )
        if cash_rule(order, self.ledger) or sellable_rule(order, self.ledger):
            self.ledger.note(an_order(id=order.id, status=S.DENIED))
        elif side is Side.BUY:
            would = self.ledger.resulting(order)
            self.ledger.open(order)
            assert self.ledger.exposure(symbol) == would
        else:
            self.ledger.open(order)
        return order.id

    @rule(order_id=ids, share=st.integers(1, 100), cheaper=st.integers(0, 20))
    def fill(self, order_id, share, cheaper):
        order = self.ledger.order(order_id)
        if order.is_final:
            return
        quantity = max(1, order.remaining * share // 100)
        tick = 1000 if order.symbol == FUND else 100
        price = round(order.price + (-1 if order.side is Side.BUY else 1) * cheaper / tick, 3)
        everything = to_cents(order.turnover + Decimal(str(price)) * quantity)
        turnover = everything - to_cents(order.turnover)
        owed = FEES.of_order(order.symbol, order.side, everything, self.clock.now())
        fees = owed - to_cents(order.fees)
        deal = a_fill(
            quantity,
            price,
            time=self.clock.now(),
            order_id=order_id,
            deal_id=str(len(self.deals)),
            symbol=order.symbol,
            side=order.side,
            fees=yuan(fees),
        )
        self.deals.append(deal)
        self.ledger.on_fill(deal)
        sign = 1 if order.side is Side.BUY else -1
        self.flow += sign * turnover + fees
        self.shares[order.symbol] += sign * quantity
        if sign > 0:
            self.bought_today[order.symbol] += quantity

    @rule(data=st.data())
    def push_a_deal_again(self, data):
        if self.deals:
            self.ledger.on_fill(data.draw(st.sampled_from(self.deals)))
            assert self.ledger.booked is None

    @rule(
        order_id=ids,
        kind=st.sampled_from(
            [
                OrderSubmitted,
                OrderAccepted,
                OrderUnknown,
                OrderCancelled,
                OrderRejected,
                OrderExpired,
                CancelRequested,
                CancelRefused,
            ]
        ),
    )
    def report(self, order_id, kind):
        self.ledger.apply(kind(self.clock.now(), order_id))

    @rule()
    def night(self):
        self.clock.advance(by=86_400)
        self.ledger.on_phase(morning(day_of(self.clock.now())))
        self.bought_today = dict.fromkeys(self.shares, 0)

    @invariant()
    def money_is_conserved_to_the_cent(self):
        asset = self.ledger.asset
        assert asset.cash == yuan(self.start - self.flow)
        assert asset.frozen >= 0
        assert asset.available == asset.cash - asset.frozen >= 0
        assert self.ledger.available_cents == to_cents(asset.available)

    @invariant()
    def cash_is_frozen_for_working_buys_only(self):
        working = [o for o in self.ledger.working() if o.side is Side.BUY]
        assert to_cents(self.ledger.asset.frozen) == sum(self.ledger.claim(o)[1] for o in working)
        assert all(not o.is_final for o in working)

    @invariant()
    def shares_are_conserved_and_never_promised_twice(self):
        for symbol, held in self.shares.items():
            position = self.ledger.position(symbol)
            working = list(self.ledger.working(symbol))
            assert position.quantity == held
            assert position.today == self.bought_today[symbol]
            assert position.frozen == sum(o.remaining for o in working if o.side is Side.SELL)
            assert position.sellable == self.ledger.sellable(symbol) >= 0
            buys = sum(o.remaining * Decimal(str(o.price)) for o in working if o.side is Side.BUY)
            known = self.ledger.worth(symbol) + 100 * buys
            assert abs(self.ledger.exposure(symbol)[0] - known) <= len(working)  # a cent an order

    def teardown(self):
        for order in list(self.ledger.working()):
            self.ledger.apply(OrderExpired(self.clock.now(), order.id))
        assert self.ledger.asset.frozen == 0
        assert all(self.ledger.exposure(s)[0] == self.ledger.worth(s) for s in self.shares)
        assert all(self.ledger.position(symbol).frozen == 0 for symbol in self.shares)


AnyHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase


# ---------------------------------------------------------------- beginning with the broker's books


def a_snapshot(**changes):
    fields = {
        "asset": Asset(Decimal("50000.00"), Decimal("1005.00"), Decimal("0.00")),
        "positions": (),
        "orders": (),
        "deals": (),
    }
    return AccountSnapshot(**{**fields, **changes})


def test_the_books_begin_with_what_the_broker_says():
    ledger = Ledger(ManualClock(moment()), FEES, 99_999_00, {"000001.SZ": (100, 1000_00)})
    held = Position(SYMBOL, 1000, 300, 200, 9.87, 10.5)
    ledger.adopt(a_snapshot(positions=(held,)))
    assert ledger.asset.cash == Decimal("50000.00")
    assert ledger.position("000001.SZ").quantity == 0
    assert ledger.position(SYMBOL).cost == pytest.approx(9.87)
    assert ledger.asset.market_value == Decimal("10500.00")  # at the broker's price, before a quote
    assert ledger.sellable(SYMBOL) == 700  # the shares frozen there are promised to orders


def test_books_that_begin_anew_weigh_nothing_that_they_held_before():
    ledger = Ledger(ManualClock(moment()), FEES, 99_999_00, {SYMBOL: (100, 1000_00)})
    assert ledger.total_cents == 99_999_00 + 1000_00
    ledger.adopt(a_snapshot(positions=()))
    ledger.on_quote(a_quote(11.0))
    assert ledger.total_cents == 50_000_00


def test_a_paper_account_keeps_the_cost_its_config_names():
    ledger = Ledger(ManualClock(moment()), FEES, 0, {SYMBOL: (1000, 9870_00)})
    ledger.adopt(a_snapshot(positions=(Position(SYMBOL, 1000),)))
    assert ledger.position(SYMBOL).cost == pytest.approx(9.87)


def test_orders_that_work_at_the_start_keep_what_they_reserve_and_old_deals_stay_booked_once():
    ledger = Ledger(ManualClock(moment()), FEES, 0)
    buy = an_order(300, 10.0, id="buy", status=OrderStatus.PARTIALLY_FILLED, filled=100)
    sell = an_order(200, 11.0, id="sell", side=Side.SELL, status=OrderStatus.ACCEPTED)
    deal = a_fill(100, 10.0, order_id="buy", deal_id="77")
    held = Position(SYMBOL, 1000, 100, 200)
    ledger.adopt(a_snapshot(positions=(held,), orders=(buy, sell), deals=(deal,)))
    assert {order.id for order in ledger.working()} == {"buy", "sell"}
    assert ledger.asset.frozen == yuan(ledger.claim(buy)[1])
    assert ledger.sellable(SYMBOL) == 700
    ledger.on_fill(deal)
    assert ledger.position(SYMBOL).quantity == 1000
    ledger.on_fill(a_fill(200, 10.0, order_id="buy", deal_id="78"))
    assert ledger.position(SYMBOL).quantity == 1200
    assert [order.id for order in ledger.working()] == ["sell"]
