"""The rules on both sides of their thresholds, the gate, and the guide's helpers."""

import ast
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from builders import (
    SYMBOL,
    a_fill,
    a_market_order,
    a_quote,
    an_order,
    moment,
)
from hypothesis import given
from hypothesis import strategies as st
from ledgers import a_sell, books, works

import qka
from qka.clock import ManualClock
from qka.errors import SymbolError
from qka.model.events import OrderUnknown, TradingState
from qka.model.order import Approved, OrderStatus, Side
from qka.model.times import SECOND
from qka.risk.gate import Gate
from qka.risk.helpers import RateLimitedTrader, RiskManagedTrader
from qka.risk.pace import RateLimit, SlidingWindow
from qka.risk.rules import (
    ForStrategy,
    cash,
    instrument,
    known,
    sellable,
    trading_state,
)
from qka.risk.sizes import PositionRatio
from qka.risk.verdicts import Denial

NOW = moment()


def code(denial):
    return denial and denial.code


# ------------------------------------------------------------------ one rule at a time


def unknown():
    view = works(books(), 100, 10.0, id="a")
    view.apply(OrderUnknown(NOW, "a", "silence"))
    return view


def poor():
    return books(cash=10_000)


@pytest.mark.parametrize(
    ("rule", "order", "view", "would"),
    [
        (instrument, an_order(symbol="000300.SH"), books(), "no order on it would pass"),
        (instrument, an_order(0), books(), "100 would pass"),
        (instrument, an_order(50), books(), "100 would pass"),
        (instrument, an_order(price=0.0), books(), "a price on its tick would pass"),
        (known, an_order(id="b"), unknown(), "then it would pass"),
        (sellable, a_sell(500), books(held={SYMBOL: 300}), "; 300 would pass"),
        (sellable, a_sell(37), books(held={SYMBOL: 150}), "150 would pass"),
        (cash, an_order(2_000, 10.0), poor(), "; 900 would pass"),
    ],
)
def test_every_refusal_says_what_would_pass(rule, order, view, would):
    denial = rule(order, view)
    assert type(denial) is Denial
    assert would in denial.reason


def test_what_cash_would_let_pass_is_the_largest_that_does():
    assert cash(an_order(900, 10.0), poor()) is None
    assert cash(an_order(1_000, 10.0), poor()) is not None


@pytest.mark.parametrize(
    ("state", "buy", "sell"),
    [
        (TradingState.ACTIVE, True, True),
        (TradingState.REDUCING, False, True),
        (TradingState.HALTED, False, False),
    ],
)
def test_the_trading_state_decides_which_side_passes(state, buy, sell):
    view = books(held={SYMBOL: 1000})
    view.trading = state
    assert (trading_state(an_order(), view) is None) is buy
    assert (trading_state(a_sell(), view) is None) is sell


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        pytest.param(an_order(100), None, id="one lot"),
        pytest.param(an_order(99), "lot", id="less than a lot"),
        pytest.param(an_order(150), "lot", id="one and a half lots"),
        pytest.param(an_order(0), "lot", id="nothing"),
        pytest.param(an_order(-100), "lot", id="less than nothing"),
        pytest.param(a_sell(0), "lot", id="a sell of nothing"),
        pytest.param(a_sell(37), None, id="an odd sell is left to the rule that knows the books"),
        pytest.param(an_order(200, symbol="688981.SH"), None, id="200 of STAR"),
        pytest.param(an_order(201, symbol="688981.SH"), None, id="201 of STAR"),
        pytest.param(an_order(199, symbol="688981.SH"), "lot", id="199 of STAR"),
        pytest.param(an_order(price=10.01), None, id="on tick"),
        pytest.param(an_order(price=10.005), "tick", id="between two ticks"),
        pytest.param(an_order(price=0.0), "price", id="no price"),
        pytest.param(an_order(price=-1.0), "price", id="a price below zero"),
        pytest.param(an_order(price=float("nan")), "price", id="not a number"),
        pytest.param(an_order(price=float("inf")), "price", id="infinity"),
        pytest.param(an_order(symbol="000300.SH"), "instrument", id="an index"),
    ],
)
def test_what_the_exchange_would_refuse_never_leaves(order, verdict):
    assert code(instrument(order, books(quote=a_quote()))) == verdict


@pytest.mark.parametrize("symbol", ["900901.SH", "200002.SZ"])
def test_a_b_share_is_refused_with_the_reason(symbol):
    denial = instrument(an_order(100, symbol=symbol), books())
    assert denial.code == "instrument"
    assert "B share" in denial.reason
    assert "not supported" in denial.reason


def test_an_unknown_order_blocks_its_symbol_for_its_strategy_only():
    view = books()
    works(view, strategy="grid")
    assert known(an_order(id="b", strategy="grid"), view) is None
    view.apply(OrderUnknown(1, "a", "timeout"))
    assert code(known(an_order(id="b", strategy="grid"), view)) == "unknown"
    assert known(an_order(id="b", strategy="other"), view) is None
    assert known(an_order(id="b", strategy="grid", symbol="600036.SH"), view) is None


@pytest.mark.parametrize(
    ("quantity", "verdict"),
    [(900, None), (1000, "sellable"), (950, "lot")],
    ids=["all that is free", "more than is free", "breaks the lot rule"],
)
def test_a_sell_takes_only_what_is_neither_promised_nor_bought_today(quantity, verdict):
    view = books(held={SYMBOL: 1000})
    works(view, 100, side=Side.SELL)
    works(view, 500, id="b")
    view.on_fill(a_fill(500, order_id="b"))
    denial = sellable(a_sell(quantity, id="c"), view)
    assert code(denial) == ("sellable" if quantity == 950 else verdict)
    if denial:
        assert denial.limit == 900


def test_an_odd_sell_is_told_what_would_pass():
    denial = sellable(a_sell(37), books(held={SYMBOL: 150}))
    assert (denial.code, denial.value) == ("lot", 37)
    assert "150 would pass" in denial.reason
    assert sellable(a_sell(50), books(held={SYMBOL: 150})) is None


def test_a_sell_of_nothing_held_is_refused():
    assert code(sellable(a_sell(100), books())) == "sellable"
    assert sellable(an_order(100), books()) is None


@pytest.mark.parametrize(
    ("available", "verdict"),
    [(Decimal("10000.10"), None), (Decimal("10000.09"), "cash")],
    ids=["to the cent", "a cent less"],
)
def test_a_buy_needs_its_turnover_and_fees(available, verdict):
    denial = cash(an_order(1000, 10.0), books(cash=available))
    assert code(denial) == verdict
    if denial:
        assert (denial.limit, denial.value) == (10000.09, 10000.10)


def test_cash_promised_to_a_working_buy_is_not_there():
    view = books(cash=15_000)
    works(view, 1000)
    assert code(cash(an_order(1000, id="b"), view)) == "cash"
    assert cash(a_sell(1000), view) is None


# ------------------------------------------------------------------ position ratio


@pytest.mark.parametrize(
    ("ratio", "quantity", "passes"),
    [
        pytest.param(0.1, 10_000, True, id="exactly at"),
        pytest.param(0.1, 10_100, False, id="a lot above"),
        pytest.param(0.29, 29_000, True, id="at a ratio that no float is"),
        pytest.param(0.29, 29_100, False, id="a lot above that one"),
    ],
)
def test_a_position_may_reach_its_ratio_and_not_a_lot_more(ratio, quantity, passes):
    rule = PositionRatio(ratio)
    assert (rule(an_order(quantity, 10.0), books()) is None) is passes


def test_a_tenth_means_a_tenth_to_the_cent():
    assert PositionRatio(0.1)(an_order(100, 10.0), books(cash=10_000)) is None
    assert code(PositionRatio(0.1)(an_order(100, 10.0), books(cash=Decimal("9999.90"))))


def test_what_is_held_counts_at_the_last_price():
    view = books(cash=900_000, held={SYMBOL: 9_000}, quote=a_quote(10.0))  # 990,000 in all
    assert PositionRatio(0.1)(an_order(900), view) is None
    denial = PositionRatio(0.1)(an_order(1000), view)
    assert (denial.code, denial.limit, denial.value) == ("position_ratio", 99_000, 100_000)
    assert "900 would pass" in denial.reason
    view.on_quote(a_quote(10.5))
    assert PositionRatio(0.1)(an_order(900, 10.5), view) is not None


def test_working_and_unknown_orders_of_every_strategy_count():
    view = books(quote=a_quote())
    works(view, 5000, id="a", strategy="grid")
    works(view, 3000, id="b", strategy="other")
    view.apply(OrderUnknown(1, "b", "timeout"))
    rule = PositionRatio(0.1)
    assert rule(an_order(2000, id="c", strategy="third"), view) is None
    assert code(rule(an_order(2100, id="c", strategy="third"), view)) == "position_ratio"
    assert rule(an_order(2100, id="c", symbol="600036.SH"), view) is None


def test_a_partly_filled_buy_counts_once():
    view = books(quote=a_quote())
    works(view, 5000)
    view.on_fill(a_fill(3000))
    assert PositionRatio(0.1)(an_order(5000, id="b"), view) is None
    assert PositionRatio(0.1)(an_order(5100, id="b"), view) is not None


def test_a_big_order_gains_nothing_by_being_split():
    view = books(quote=a_quote(10.0))
    rule = PositionRatio(0.1)
    assert code(rule(an_order(9800, 11.0), view)) == "position_ratio"
    works(view, 9000, 11.0)
    assert rule(an_order(90, 11.0, id="b"), view) is None
    denial = rule(an_order(100, 11.0, id="b"), view)
    assert (denial.value, denial.limit) == (100_100, 100_000)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(900, 1100)), max_size=12),
    st.integers(900, 1100),
)
def test_whatever_passes_in_parts_stays_below_the_ratio(parts, last):
    view = books(cash=200_000, held={SYMBOL: 500}, quote=a_quote(last / 100))
    rule = PositionRatio(0.3)
    for n, (lots, price) in enumerate(parts):
        order = an_order(lots * 100, price / 100, id=f"q{n}", status=OrderStatus.SUBMITTING)
        if rule(order, view) is None:
            view.open(order)
            assert view.exposure(SYMBOL)[0] <= 0.3 * view.total_cents


def test_a_market_order_counts_at_the_last_price_a_limit_order_at_its_own():
    view = books(quote=a_quote(10.0))
    assert PositionRatio(0.1)(a_market_order(10_000, 11.0), view) is None
    assert PositionRatio(0.1)(an_order(10_000, 10.01), view) is not None


def test_a_sell_always_passes_the_ratio():
    view = books(held={SYMBOL: 1_000_000})
    assert PositionRatio(0.01)(a_sell(100), view) is None


# ------------------------------------------------------------------ the sliding window


def test_an_order_60_seconds_ago_is_out_of_the_window_and_a_nanosecond_less_is_in():
    window = SlidingWindow(1, 60)
    window.add(NOW)
    assert window.full(NOW + 60 * SECOND - 1)
    assert window.full(NOW + int(59.999 * SECOND))
    assert not window.full(NOW + 60 * SECOND)


def test_the_window_slides_and_does_not_start_anew_every_minute():
    window = SlidingWindow(2, 60)
    for at in (50, 55):
        window.add(NOW + at * SECOND)
    assert window.full(NOW + 61 * SECOND)
    assert not window.full(NOW + 110 * SECOND)
    window.add(NOW + 110 * SECOND)
    assert window.full(NOW + 110 * SECOND)


@given(
    st.lists(st.integers(0, 40 * SECOND), max_size=60), st.integers(0, 5), st.sampled_from([1, 60])
)
def test_no_window_anywhere_ever_holds_more_than_the_limit(gaps, limit, seconds):
    window, now, passed = SlidingWindow(limit, seconds), NOW, []
    for gap in gaps:
        now += gap
        if not window.full(now):
            window.add(now)
            passed.append(now)
        else:
            recent = [at for at in passed if at > now - seconds * SECOND]
            assert len(recent) == limit  # and it refuses no one too many
    for end in passed:
        assert len([at for at in passed if end - seconds * SECOND < at <= end]) <= limit


def test_cancels_are_not_remembered_for_longer_than_they_count():
    window = SlidingWindow(5, 60)
    gate = Gate([RateLimit(window)], books())
    for second in range(10_000):  # and never an order
        gate.cancelled("grid", NOW, NOW + second * SECOND)
    assert len(window.times) == 60


@pytest.mark.parametrize(("limit", "there"), [(100, 100), (1000, 1000), (10**9, 10_000)])
def test_orders_that_no_longer_count_are_forgotten_before_there_are_more_than_the_limit(
    limit, there
):
    rate = RateLimit(SlidingWindow(limit, 60))
    gate = Gate([rate], books())
    for second in range(10_000):
        assert isinstance(gate.review(an_order(time=NOW + second * SECOND)), Approved)
        assert len(rate.window.times) <= there
    assert rate.kept() == [NOW + second * SECOND for second in range(9_940, 10_000)]


@pytest.mark.parametrize("between", [[2], [50, 2], [2, 50, 1]])
def test_another_limit_counts_all_that_left_in_its_window(between):
    gate = Gate([RateLimit(SlidingWindow(2, 60))], books())
    for number in range(2):
        assert isinstance(gate.review(an_order(id=f"{number}", time=NOW + number)), Approved)
    for number in range(3):
        gate.cancelled("grid", NOW, NOW + 2 + number)
    for limit in [*between, 6]:
        gate.use([RateLimit(SlidingWindow(limit, 60))])
    assert isinstance(gate.review(an_order(id="sixth", time=NOW + 10)), Approved)
    denial = gate.review(an_order(id="seventh", time=NOW + 11))
    assert (denial.code, denial.limit) == ("rate", 6)


def test_a_rate_of_one_strategy_leaves_the_others_alone():
    rate = RateLimit(SlidingWindow(1, 60), "grid")
    view = books()
    rate.sent(an_order(strategy="other"))
    assert rate(an_order(strategy="grid"), view) is None
    rate.sent(an_order(strategy="grid"))
    denial = rate(an_order(strategy="grid"), view)
    assert (denial.code, denial.limit, denial.value) == ("rate", 1, 2)
    assert rate(an_order(strategy="other"), view) is None


def test_a_rule_for_one_strategy_binds_no_other():
    rule = ForStrategy("grid", PositionRatio(0.01))
    assert rule(an_order(strategy="grid", quantity=2000), books()) is not None
    assert rule(an_order(strategy="other", quantity=2000), books()) is None


# ------------------------------------------------------------------ the gate


@dataclass
class Spy:
    """A rule that remembers whom it was asked about."""

    denial: Denial | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, order, view):
        self.asked.append(order.id)
        return self.denial


def test_an_order_that_passes_every_rule_is_approved_as_it_is():
    rules = [Spy(), Spy()]
    order = an_order()
    assert Gate(rules, books()).review(order) == Approved(order)
    assert [rule.asked for rule in rules] == [["a"], ["a"]]


def test_the_first_rule_that_refuses_decides():
    no, never = Spy(Denial("first", "no")), Spy(Denial("second", "no"))
    assert Gate([Spy(), no, never], books()).review(an_order()).code == "first"
    assert never.asked == []


def broken(order, view):
    raise ZeroDivisionError("no assets")


class Broken:
    def __call__(self, order, view):
        broken(order, view)


@pytest.mark.parametrize(("rule", "name"), [(broken, "broken"), (Broken(), "Broken")])
def test_a_rule_that_raises_refuses_and_is_named(rule, name):
    denial = Gate([rule], books()).review(an_order())
    assert denial.code == "rule_fault"
    assert f"rule {name} failed" in denial.reason
    assert "no assets" in denial.reason


@pytest.mark.parametrize("said", ["nan", True, False, 0, ("assets", 1), {}])
def test_a_rule_whose_word_is_no_verdict_refuses_every_time(said):
    def grid(order, view):
        return said

    gate = Gate([grid], books())
    for _ in range(3):
        denial = gate.review(an_order())
        assert denial.code == "rule_fault"


def test_approved_orders_and_cancels_count_refused_ones_do_not():
    clock = ManualClock(NOW)
    view = books(clock=clock)
    gate = Gate([RateLimit(SlidingWindow(3, 60)), instrument], view)
    assert isinstance(gate.review(an_order(100)), Approved)
    for _ in range(5):
        assert gate.review(an_order(99)).code == "lot"
    gate.cancelled("grid", NOW, clock.now())  # a cancel
    assert isinstance(gate.review(an_order(100)), Approved)
    assert gate.review(an_order(100)).code == "rate"
    gate.cancelled("grid", NOW, clock.now())  # a cancel is counted but never held back
    clock.advance(by=60)
    assert isinstance(gate.review(an_order(100, time=clock.now())), Approved)


def test_only_the_gate_makes_an_approved_order():
    room = Path(qka.__file__).parent
    makers = set()
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", None))
                if name == "Approved":
                    makers.add(path.relative_to(room).as_posix())
    assert makers == {"risk/gate.py"}


# ------------------------------------------------------------------ the guide's helpers


class Client:
    """Answers what an account holds, as a `QMTClient` would."""

    def __init__(self, asset):
        self.asset = asset

    def api(self, name, **params):
        assert (name, params) == ("query_stock_asset", {})
        return self.asset


@pytest.mark.parametrize(
    ("symbol", "price", "shares"),
    [
        (SYMBOL, 10.0, 10_000),
        (SYMBOL, 10.01, 9_900),
        (SYMBOL, 1000.0, 100),
        (SYMBOL, 1000.01, 0),
        ("688981.SH", 99.9, 1001),
        ("688981.SH", 500.01, 0),
        pytest.param("510300.SH", 0.504, 198_400, id="a fund, to a tenth of a cent"),
    ],
)
def test_a_tenth_of_the_assets_in_whole_lots(symbol, price, shares):
    for asset in ({"总资产": 1_000_000.0}, {"total_asset": 1_000_000.0}):
        assert RiskManagedTrader(Client(asset)).calculate_position_size(symbol, price) == shares


def test_the_ratio_is_the_users():
    trader = RiskManagedTrader(Client({"总资产": 100_000}), max_position_ratio=0.29)
    assert trader.calculate_position_size(SYMBOL, 10.0) == 2900


def test_a_size_needs_a_symbol_and_a_price():
    trader = RiskManagedTrader(Client({"总资产": 100_000}))
    for price in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above zero"):
            trader.calculate_position_size(SYMBOL, price)
    with pytest.raises(SymbolError):
        trader.calculate_position_size("600000", 10.0)


def test_five_trades_in_a_minute_and_the_sixth_when_the_first_is_60_seconds_old():
    clock = ManualClock(NOW)
    trader = RateLimitedTrader(object(), max_trades_per_minute=5, clock=clock)
    for _ in range(5):
        assert trader.can_trade()
        assert trader.can_trade()  # asking costs nothing
        trader.record_trade()
        clock.advance(by=1)
    assert not trader.can_trade()
    clock.advance(to=NOW + 60 * SECOND - 1)
    assert not trader.can_trade()
    clock.advance(to=NOW + 60 * SECOND)
    assert trader.can_trade()


def test_the_helpers_need_no_clock_of_ours():
    trader = RateLimitedTrader(object(), 1)
    assert trader.can_trade()
    trader.record_trade()
    assert not trader.can_trade()
