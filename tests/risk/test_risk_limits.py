"""Every limit that a config can set, on both sides of its threshold, and what would have passed."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from builders import (
    DAY,
    NEXT_DAY,
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
from msgspec.structs import replace

from qka import limits, settings
from qka.engine.ledger import Ledger
from qka.model.events import (
    EngineState,
    OperatorCommand,
    OrderCancelled,
    OrderDenied,
    TradingState,
)
from qka.model.order import Approved, Side
from qka.model.times import SECOND
from qka.risk.conflicts import Duplicate, self_trade
from qka.risk.gate import Gate
from qka.risk.losses import Losses
from qka.risk.meter import Figures, Meter, compliance, full_report
from qka.risk.pace import CancelRatio, DayLimit, QuickCancels, RateLimit, SlidingWindow
from qka.risk.quotes import FreshQuote, LimitDistance, PriceDistance
from qka.risk.rules import ForSymbol, trading_state
from qka.risk.sizes import (
    Capital,
    DailyNotional,
    DailyQuantity,
    GrossExposure,
    GroupRatio,
    MaxHoldings,
    MaxNotional,
    MaxQuantity,
    PositionRatio,
)
from qka.risk.streak import Streak
from qka.risk.verdicts import Caution, Denial

NOW = moment()
OTHER = "600036.SH"


def sent(meter, *orders, cancelled=0, lived=10):
    """A meter that saw these orders leave, and so many cancels of the first, `lived` s after it."""
    for order in orders:
        meter.sent(order)
    for _ in range(cancelled):
        meter.cancelled("grid", orders[0].time, orders[0].time + lived * SECOND)
    return meter


# ------------------------------------------------------------------ one rule, both sides


@dataclass
class Case:
    """A rule, an order it lets pass and the nearest one that it refuses."""

    rule: object
    passes: object
    refused: object
    code: str
    limit: float
    value: float
    words: str
    view: Ledger = field(default_factory=books)


CASES = {
    "quantity": Case(
        MaxQuantity(1000),
        an_order(1000),
        an_order(1100),
        "quantity",
        1000,
        1100,
        "1100 600000.SH, 1000 shares an order are the limit; 1000 would pass",
    ),
    "quantity of a sell": Case(
        MaxQuantity(1050),
        a_sell(1000),
        a_sell(2000),
        "quantity",
        1050,
        2000,
        "; 1000 would pass",
        books(held={SYMBOL: 5000}),
    ),
    "quantity in whole lots": Case(
        MaxQuantity(150), an_order(100), an_order(200), "quantity", 150, 200, "; 100 would pass"
    ),
    "notional": Case(
        MaxNotional(Decimal("10000")),
        an_order(1000, 10.0),
        an_order(1000, 10.01),
        "notional",
        10_000,
        10_010,
        "come to 10010.00 CNY, 10000.00 an order are the limit; 900 would pass",
    ),
    "notional of a day": Case(
        DailyNotional(Decimal(20_000), sent(Meter(), an_order(1000), a_sell(500))),
        an_order(500),
        an_order(600),
        "daily_notional",
        20_000,
        21_000,
        "21000.00 CNY of 600000.SH today with this order, 20000.00 a day are the limit; "
        "500 would pass",
    ),
    "quantity of a day": Case(
        DailyQuantity(2_000, sent(Meter(), an_order(1000), a_sell(500))),
        an_order(500),
        an_order(600),
        "daily_quantity",
        2_000,
        2_100,
        "2100 600000.SH today with this order, 2000 shares a day are the limit; 500 would pass",
    ),
    "position": Case(
        PositionRatio(0.1),
        an_order(10_000),
        an_order(10_100),
        "position_ratio",
        100_000,
        101_000,
        "10100 more 600000.SH exceed 10.00% of 1000000.00 CNY; 10000 would pass",
    ),
    "position with a capital": Case(
        PositionRatio(0.1, 100_000_00),
        an_order(1000),
        an_order(1100),
        "position_ratio",
        10_000,
        11_000,
        "exceed 10.00% of 100000.00 CNY; 1000 would pass",
    ),
    "group": Case(
        GroupRatio("banks", [SYMBOL, OTHER], 0.3),
        an_order(5_000),
        an_order(5_100),
        "group_ratio",
        300_000,
        301_000,
        "5100 more 600000.SH in group banks exceed 30.00% of 1000000.00 CNY; 5000 would pass",
        works(books(cash=900_000, held={OTHER: 10_000}), 15_000, symbol=OTHER),
    ),
    "gross exposure": Case(
        GrossExposure(0.5),
        an_order(20_000),
        an_order(20_100),
        "gross_exposure",
        500_000,
        500_004.0,
        "20100 more 600000.SH and all else exceed 50.00% of 1000000.00 CNY; 20000 would pass",
        works(books(cash=900_000, held={OTHER: 10_000}), 19_900, symbol="000001.SZ"),
    ),
    "capital": Case(
        Capital(100_000_00),
        an_order(4_900),
        an_order(5_000),
        "capital",
        100_000,
        100_000.5,
        "5000 more 600000.SH and all else come to 100000.50 CNY, 100000.00 are the capital; "
        "4900 would pass",
        books(held={OTHER: 5_000}),
    ),
    "holdings": Case(
        MaxHoldings(2),
        an_order(symbol=OTHER),
        an_order(),
        "holdings",
        2,
        3,
        "600000.SH would be holding number 3, 2 are the limit; more of what is held would pass",
        works(books(held={OTHER: 100}), symbol="000001.SZ"),
    ),
    "age of the quote": Case(
        FreshQuote(5),
        an_order(),
        an_order(time=NOW + SECOND),
        "stale_quote",
        5,
        6,
        "the last quote of 600000.SH is 6 s old, 5 s are the limit",
        books(quote=a_quote(time=NOW - 5 * SECOND)),
    ),
    "price above": Case(
        PriceDistance(0.02),
        an_order(price=10.2),
        an_order(price=10.21),
        "price_distance",
        0.02,
        0.021,
        "10.21 is 2.10% away from 10, the last price of 600000.SH; 9.8 to 10.2 would pass",
        books(quote=a_quote(10.0)),
    ),
    "price below": Case(
        PriceDistance(0.02),
        a_sell(price=9.8),
        a_sell(price=9.79),
        "price_distance",
        0.02,
        0.021,
        "9.79 is 2.10% away",
        books(quote=a_quote(10.0)),
    ),
    "near the limit up": Case(
        LimitDistance(0.02),
        an_order(price=10.78),
        an_order(price=10.79),
        "limit_distance",
        0.02,
        0.21 / 11,
        "10.79 is 1.91% below 11, the limit up of 600000.SH; 10.78 would pass",
        books(quote=a_quote(10.7)),
    ),
    "a market order near the limit up": Case(
        LimitDistance(0.02),
        a_market_order(side=Side.SELL),
        a_market_order(price=11.0),
        "limit_distance",
        0.02,
        0.0,
        "11 is 0.00% below 11",
        books(quote=a_quote(11.0)),
    ),
    "rate": Case(
        RateLimit(SlidingWindow(1, 60)),
        None,
        an_order(),
        "rate",
        1,
        2,
        "1 orders and cancels in 60 s are reached; it would pass in 60 s",
    ),
    "orders of a day": Case(
        DayLimit(3, sent(Meter(), an_order(), cancelled=2)),
        an_order(time=moment("09:15", NEXT_DAY)),
        an_order(),
        "rate",
        3,
        4,
        "3 orders and cancels today are reached; it would pass tomorrow",
    ),
    "orders of a strategy's day": Case(
        DayLimit(2, sent(Meter(), an_order(strategy="grid"), cancelled=1), "grid"),
        an_order(strategy="other"),
        an_order(strategy="grid"),
        "rate",
        2,
        3,
        "2 orders and cancels today are reached",
    ),
    "cancel ratio": Case(
        CancelRatio(0.5, 2, sent(Meter(), an_order(), an_order(), cancelled=2)),
        a_sell(),
        an_order(),
        "cancel_ratio",
        0.5,
        1.0,
        "2 of 2 orders of today were cancelled, 50% are the limit; an order would pass at 4 orders",
    ),
    "quick cancels": Case(
        QuickCancels(1, sent(Meter(), an_order(), cancelled=1, lived=0)),
        a_sell(),
        an_order(),
        "quick_cancels",
        1,
        1,
        "1 orders of today were cancelled within a second, 1 are the limit",
    ),
    "a buy at an own sell": Case(
        self_trade,
        an_order(price=10.49),
        an_order(price=10.5),
        "self_trade",
        10.5,
        10.5,
        "buy 600000.SH at 10.5 could buy from an order of our own at 10.5; "
        "10.49 or less would pass",
        works(books(held={SYMBOL: 1000}), 100, 10.5, side=Side.SELL, strategy="other"),
    ),
    "a sell at an own buy": Case(
        self_trade,
        a_sell(price=9.51),
        a_sell(price=9.5),
        "self_trade",
        9.5,
        9.5,
        "9.51 or more would pass",
        works(books(), 100, 9.5),
    ),
    "reducing": Case(
        trading_state,
        a_sell(500),
        a_sell(600),
        "trading_state",
        500,
        600,
        "trading is reducing: only sells that shrink a position pass; 500 would pass",
        works(books(held={SYMBOL: 1000}), 500, side=Side.SELL),
    ),
}
CASES["rate"].rule.sent(an_order())
CASES["rate"].passes = an_order(time=NOW + 60 * SECOND)
CASES["reducing"].view.trading = TradingState.REDUCING


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_limit_may_be_reached_and_what_is_beyond_is_told_what_would_pass(case):
    denial = case.rule(case.refused, case.view)
    assert case.rule(case.passes, case.view) is None
    assert type(denial) is Denial
    assert (denial.code, denial.limit) == (case.code, case.limit)
    assert denial.value == pytest.approx(case.value)
    assert case.words in denial.reason
    assert "pass" in denial.reason


@pytest.mark.parametrize(
    "rule",
    [
        PositionRatio(0.01),
        GroupRatio("all", [SYMBOL], 0.01),
        GrossExposure(0.01),
        Capital(1),
        MaxHoldings(1),
        DailyQuantity(1, Meter()),
        DailyNotional(Decimal(1), Meter()),
    ],
)
def test_what_is_measured_on_a_position_never_locks_it_in(rule):
    view = books(held={SYMBOL: 50_000, OTHER: 10_000})
    assert rule(a_sell(50_000), view) is None


def test_where_quotes_come_a_symbol_without_one_has_no_fresh_one():
    denial = FreshQuote(10)(an_order(symbol=OTHER), books(quote=a_quote(10.0)))
    assert type(denial) is Denial
    assert denial.reason == f"no quote of {OTHER} has come; it would pass after the next quote"


def test_a_rule_that_cant_judge_leaves_it():
    bars = books()
    bars.quoted = False
    assert FreshQuote(1)(an_order(), bars) is None
    assert PriceDistance(0.01)(an_order(price=99.0), books()) is None
    assert PriceDistance(0.01)(a_market_order(), books(quote=a_quote(10.0))) is None
    assert self_trade(an_order(), books()) is None
    assert CancelRatio(0.1, 1, Meter())(an_order(), books()) is None


def test_a_rule_for_one_symbol_binds_no_other():
    rule = ForSymbol(SYMBOL, MaxQuantity(100))
    assert rule(an_order(200), books()) is not None
    assert rule(an_order(200, symbol=OTHER), books()) is None


# limit -> (its tighter value, an order that passes only the account's looser one)
TIGHTER = {
    "max_quantity": (100, an_order(200)),
    "max_notional": (1_000, an_order(200)),
    "position_ratio": (0.001, an_order(200)),
    "max_quote_age": (1, an_order(time=NOW + 2 * SECOND)),
    "max_price_distance": (0.01, an_order(price=10.2)),
    "min_limit_distance": (0.1, an_order(price=10.2)),
    "max_daily_quantity": (100, an_order(200)),
    "max_daily_notional": (1_000, an_order(200)),
}


# what is counted by day and symbol is the account's, or a symbol's
SCOPED = [("symbol", key) for key in TIGHTER]
SCOPED += [("strategy", key) for key in TIGHTER if not key.startswith("max_daily")]


@pytest.mark.parametrize(("scope", "key"), SCOPED)
def test_a_limit_may_be_tighter_for_one_symbol_and_for_one_strategy(scope, key):
    value, order = TIGHTER[key]
    entry = {"use": "strategies.grid:Grid", "name": "grid", "symbols": [SYMBOL]}
    given = {"risk": {"symbols": {SYMBOL: {key: value}}}, "strategies": [entry]}
    if scope == "strategy":
        given = {"strategies": [{**entry, key: value}]}
    rules = limits.rules(settings.from_mapping(given), ["grid"], Meter(), Losses(None, None))
    gate = Gate(rules, books(quote=a_quote(10.0, time=NOW)))
    bound = replace(order, strategy="grid")
    free = {"strategy": "other"} if scope == "strategy" else {"symbol": OTHER}
    denial = gate.review(bound)
    assert type(denial) is Denial, denial
    assert gate.refusing.endswith(f"of {'grid' if scope == 'strategy' else SYMBOL}")
    assert type(gate.review(replace(bound, **free))) is Approved


def test_a_cancel_ratio_says_nothing_of_the_first_few_orders():
    meter = sent(Meter(), an_order(), cancelled=1)
    assert CancelRatio(0.5, 2, meter)(an_order(), books()) is None


def test_a_symbol_counts_as_a_holding_until_it_is_sold_and_no_buy_works():
    view = works(books(), 1000)
    assert view.invested == {SYMBOL}
    view.on_fill(a_fill(400))
    view.apply(OrderCancelled(NOW, "a"))
    assert view.invested == {SYMBOL}
    view.new_day()
    works(view, 400, id="b", side=Side.SELL)
    view.on_fill(a_fill(400, order_id="b", side=Side.SELL))
    assert view.invested == set()
    works(view, 400, id="c")
    view.apply(OrderCancelled(NOW, "c"))
    assert view.invested == set()


def test_an_order_that_works_no_more_is_no_one_to_trade_with():
    view = works(books(held={SYMBOL: 1000}), 100, 10.5, side=Side.SELL)
    view.apply(OrderCancelled(NOW, "a"))
    assert self_trade(an_order(price=10.5), view) is None


def test_a_market_order_trades_with_all_up_to_its_protection():
    view = works(books(held={SYMBOL: 1000}), 100, 10.5, side=Side.SELL)
    assert self_trade(a_market_order(100, 11.0), view) is not None


# ------------------------------------------------------------------ the same order twice


@pytest.mark.parametrize(
    ("order", "passes"),
    [
        pytest.param(an_order(), False, id="at once"),
        pytest.param(an_order(time=NOW + 3 * SECOND - 1), False, id="a nanosecond too early"),
        pytest.param(an_order(time=NOW + 3 * SECOND), True, id="when its time is over"),
        pytest.param(an_order(strategy="other"), False, id="of another strategy"),
        pytest.param(an_order(price=10.01), True, id="a tick away"),
        pytest.param(an_order(900), True, id="a lot less"),
        pytest.param(a_sell(1000), True, id="the other side"),
        pytest.param(an_order(symbol=OTHER), True, id="another symbol"),
    ],
)
def test_the_same_order_again_is_refused_for_some_seconds(order, passes):
    gate = Gate([Duplicate(3)], books())
    assert isinstance(gate.review(an_order()), Approved)
    assert isinstance(gate.review(order), Approved) is passes


def test_a_window_shorter_than_a_clock_can_tell_is_one_moment():
    gate = Gate([Duplicate(1e-320), RateLimit(SlidingWindow(1, 1e-320))], books())
    orders = an_order(), an_order(), an_order(time=NOW + 1)
    assert [type(gate.review(order)) for order in orders] == [Approved, Denial, Approved]


def test_of_orders_that_left_long_ago_nothing_is_kept():
    rule = Duplicate(3)
    for n in range(1000):
        rule.sent(an_order(price=10 + n / 100, time=NOW + n * SECOND))
    assert len(rule.kept()) == 3


# ------------------------------------------------------------------ warnings


SOFT = {
    "quantity": (MaxQuantity(1000, 0.8), an_order(800), an_order(900)),
    "notional": (MaxNotional(Decimal(10_000), 0.8), an_order(800), an_order(900)),
    "position": (PositionRatio(0.1, None, 0.8), an_order(8_000), an_order(8_100)),
    "gross exposure": (GrossExposure(0.1, None, 0.8), an_order(7_900), an_order(8_000)),
    "capital": (Capital(100_000_00, 0.8), an_order(7_900), an_order(8_000)),
    "limit up": (LimitDistance(0.02, 0.8), an_order(price=10.72), an_order(price=10.73)),
    "quote": (
        FreshQuote(10, 0.8),
        an_order(time=NOW + 8 * SECOND),
        an_order(time=NOW + 9 * SECOND),
    ),
    "price": (PriceDistance(0.1, 0.8), an_order(price=10.8), an_order(price=10.81)),
    "day": (
        DayLimit(10, sent(Meter(), *[an_order()] * 4), warn=4),
        an_order(time=moment("09:15", NEXT_DAY)),
        an_order(time=NOW),
    ),
}


@pytest.mark.parametrize(("rule", "quiet", "near"), SOFT.values(), ids=SOFT)
def test_beyond_a_share_of_its_limit_a_rule_warns_and_lets_pass(rule, quiet, near):
    view = books(quote=a_quote(10.0, time=NOW))
    assert type(rule(near, view)) is Caution
    assert rule(quiet, view) is None


def test_a_warning_is_given_once_for_each_rule_and_day():
    heard = []
    gate = Gate(
        [MaxQuantity(1000, 0.5), MaxNotional(Decimal(10_000), 0.5)],
        books(),
        warn=lambda order, caution: heard.append(caution.code),
    )
    for order in [an_order(600)] * 3 + [an_order(600, time=moment("10:00", NEXT_DAY))]:
        assert isinstance(gate.review(order), Approved)
    assert heard == ["quantity", "notional"] * 2


SOFTENED = {
    "position_ratio": ({"position_ratio": 0.1}, an_order(5_100)),
    "max_quantity": ({"max_quantity": 1000}, an_order(600)),
    "max_notional": ({"max_notional": 10_000}, an_order(600)),
    "max_daily_quantity": ({"max_daily_quantity": 1000}, an_order(600)),
    "max_daily_notional": ({"max_daily_notional": 10_000}, an_order(600)),
    "max_holdings": ({"max_holdings": 1}, an_order(100)),
    "gross_exposure": ({"gross_exposure": 0.1}, an_order(6_000)),
    "capital": ({"capital": 10_000, "position_ratio": None}, an_order(600)),
    "groups": ({"groups": [{"name": "x", "symbols": [SYMBOL], "ratio": 0.1}]}, an_order(6_000)),
    "max_price_distance": ({"max_price_distance": 0.02}, an_order(price=10.15)),
    "min_limit_distance": ({"min_limit_distance": 0.04}, an_order(price=10.2)),
    "max_quote_age": ({"max_quote_age": 10}, an_order(time=NOW + 6 * SECOND)),
    "max_orders_per_minute": ({"max_orders_per_minute": 10}, an_order()),
}


@pytest.mark.parametrize("key", [*SOFTENED])
@pytest.mark.parametrize("other", [None, 1.0])
def test_each_limit_has_a_softer_one_of_its_own(key, other):
    limit, order = SOFTENED[key]
    asked = {"position_ratio": None, "warn_at": other, **limit}

    def heard(soft):
        chosen = settings.from_mapping({"risk": {**asked, "soft": soft}})
        found = []
        view = books(quote=a_quote(10.0, time=NOW))
        made = limits.rules(chosen, [], Meter(), Losses(None, None))
        gate = Gate(made, view, warn=lambda order, caution: found.append(caution))
        for _ in range(6 if key == "max_orders_per_minute" else 1):
            assert isinstance(gate.review(order), Approved)
        return found

    assert heard({}) == []
    assert len(heard({key: 0.5})) == 1


def test_a_quote_that_is_just_as_old_as_it_may_be_warns_and_one_older_is_refused():
    rule, view = FreshQuote(10, 0.5), books(quote=a_quote(10.0, time=NOW))
    assert type(rule(an_order(time=NOW + 10 * SECOND), view)) is Caution
    assert type(rule(an_order(time=NOW + 10 * SECOND + 1), view)) is Denial


def test_a_loss_that_is_reached_refuses_buys_and_no_sell():
    losses = Losses(0.1, None)
    losses.begin(DAY, 1_000_000_00)
    view = books(cash=900_000)
    denial = losses(an_order(), view)
    assert denial.code == "daily_loss"
    assert denial.reason.endswith("are the limit; a sell would pass")
    assert losses(a_sell(), view) is None
    assert losses(an_order(), books(cash=900_000.01)) is None


def test_money_that_is_paid_in_or_out_is_neither_profit_nor_loss():
    losses = Losses(0.1, 0.1)
    losses.begin(DAY, 1_000_000)
    losses.shift(-500_000)
    assert losses.look(450_001) is None
    assert losses.look(450_000).code == "daily_loss"
    losses.shift(500_000)
    assert losses.look(900_001) is None


@pytest.mark.parametrize(
    ("figures", "high"),
    [
        (Figures(DAY, orders=1, peak=299), False),
        (Figures(DAY, orders=1, peak=300), True),
        (Figures(DAY, orders=10_000, cancels=9_999), False),
        (Figures(DAY, orders=10_000, cancels=10_000), True),
    ],
)
def test_the_compliance_report_says_who_trades_at_high_frequency(figures, high):
    assert full_report(figures)["high_frequency"] is high


def test_a_day_s_report_counts_denials_and_tells_what_was_changed_by_whom():
    meter = Meter()
    for code in ("rate", "rate", "cash"):
        meter.heard(OrderDenied(NOW, an_order(), code, "words"))
    meter.heard(OperatorCommand(NOW, "set", "risk.max_notional=5", "li", "thin"))
    meter.heard(OperatorCommand(NOW, "halt", "", "", ""))
    meter.heard(EngineState(NOW, "trading", TradingState.HALTED, "a doubt"))
    meter.heard(EngineState(NOW, "running", TradingState.HALTED))
    told = full_report(meter.today(NOW))
    assert told["denied"] == {"cash": 1, "rate": 2}
    assert told["changes"] == [
        "10:00:00 li: set risk.max_notional=5 (thin)",
        "10:00:00 an operator: halt",
        "10:00:00 trading halted: a doubt",
    ]


def test_a_strategy_s_rate_counts_its_own_cancels_and_what_it_holds_can_be_read():
    rate = RateLimit(SlidingWindow(2, 1), "grid")
    rate.sent(an_order(strategy="grid"))
    rate.cancelled("other", NOW, NOW)
    assert rate.window.held(NOW) == 1
    assert rate(an_order(strategy="grid"), books()) is None
    rate.cancelled("grid", NOW, NOW)
    assert rate.window.held(NOW) == 2
    assert type(rate(an_order(strategy="grid"), books())) is Denial
    assert rate(an_order(strategy="other"), books()) is None
    assert rate.window.held(NOW + SECOND) == 0


def test_a_cancel_ratio_that_is_just_reached_passes_and_says_at_how_many_orders_one_beyond_would():
    orders = [an_order(id=f"q{n}") for n in range(4)]
    assert CancelRatio(0.5, 4, sent(Meter(), *orders, cancelled=2))(an_order(), books()) is None
    denial = CancelRatio(0.5, 4, sent(Meter(), *orders, cancelled=3))(an_order(), books())
    assert denial.code == "cancel_ratio"
    assert denial.reason.endswith("an order would pass at 6 orders")


def test_a_rate_warns_of_its_own_number_before_it_refuses():
    rate = RateLimit(SlidingWindow(3, 1), warn=2, code="programme", note="; at 300 …")
    verdicts = []
    for _ in range(4):
        verdicts.append(type(rate(an_order(), books())))
        rate.sent(an_order())
    assert verdicts == [type(None), type(None), Caution, Denial]


def test_a_loss_that_is_near_its_limit_warns():
    losses = Losses(0.1, None, (0.5, 1.0))
    losses.begin(DAY, 100_000)
    assert losses.look(95_001) is None
    assert type(losses.look(95_000)) is Caution
    assert type(losses.look(90_000)) is Denial


# ------------------------------------------------------------------ the day's figures


def test_a_day_is_told_by_orders_cancels_the_busiest_second_and_quick_cancels():
    meter = Meter()
    for n in range(5):
        meter.sent(an_order(time=NOW + n * SECOND // 4))
    meter.cancelled("grid", NOW, NOW + SECOND - 1)
    meter.cancelled("grid", NOW, NOW + SECOND)
    assert meter.report(NOW) == [
        {
            "day": DAY.isoformat(),
            "orders": 5,
            "cancels": 2,
            "peak_per_second": 6,
            "cancel_ratio": 0.4,
            "quick_cancels": 1,
        }
    ]


def test_each_day_counts_anew_and_the_ones_before_are_told_too():
    meter = sent(Meter(), an_order(), an_order(time=moment("10:00", NEXT_DAY)))
    assert [day["orders"] for day in meter.report(moment("15:00", NEXT_DAY))] == [1, 1]
    assert meter.today(moment("09:00", NEXT_DAY + timedelta(1))).sent == 0


def test_a_run_tells_of_its_own_days_and_goes_on_with_what_was_sent_today():
    meter = sent(Meter(), an_order(), an_order(time=moment("10:00", NEXT_DAY)))
    meter.begin(moment("11:00", NEXT_DAY))
    assert [day["day"] for day in meter.report(moment("11:00", NEXT_DAY))] == [NEXT_DAY.isoformat()]


def test_a_day_without_an_order_has_a_ratio_of_nothing():
    assert compliance(Figures(DAY, cancels=3))["cancel_ratio"] == 0.0


# ------------------------------------------------------------------ losing trades in a row


def a_trade(streak, bought, sold, symbol=SYMBOL, fees="0.00"):
    """100 shares in and out, at CNY a share."""
    buy = a_fill(100, bought, symbol=symbol)
    streak.on_fill(buy, int(bought * 10_000), 100)
    sell = a_fill(100, sold, symbol=symbol, side=Side.SELL, fees=Decimal(fees))
    return streak.on_fill(sell, int(sold * 10_000), 0)


def test_so_many_losing_trades_in_a_row_are_too_many():
    streak = Streak(2)
    assert a_trade(streak, 10, 9) is None
    denial = a_trade(streak, 10, 9, OTHER)
    assert (denial.code, denial.limit, denial.value) == ("losing_trades", 2, 2)
    assert a_trade(streak, 10, 9) is None  # whoever resumes begins anew


def test_a_trade_that_earns_ends_the_row_and_one_that_makes_nothing_does_not():
    streak = Streak(2)
    a_trade(streak, 10, 9)
    assert a_trade(streak, 10, 11) is None
    a_trade(streak, 10, 9)
    a_trade(streak, 10, 10)
    assert a_trade(streak, 10, 10, fees="0.01") is not None


def test_a_trade_is_judged_when_nothing_is_held_any_more():
    streak = Streak(1)
    streak.on_fill(a_fill(200, 10.0), 200_000, 200)
    assert streak.on_fill(a_fill(100, 9.0, side=Side.SELL), 90_000, 100) is None
    assert streak.on_fill(a_fill(100, 12.0, side=Side.SELL), 120_000, 0) is None
    streak.on_fill(a_fill(200, 10.0), 200_000, 200)
    streak.on_fill(a_fill(100, 9.0, side=Side.SELL), 90_000, 100)
    assert streak.on_fill(a_fill(100, 10.5, side=Side.SELL), 105_000, 0) is not None


def test_what_was_held_before_counts_from_what_it_had_cost():
    streak = Streak(1)
    streak.begin(books(held={SYMBOL: 100}).costs())
    assert streak.on_fill(a_fill(100, 9.99, side=Side.SELL), 99_900, 0) is not None


# ------------------------------------------------------------------ the gate keeps every limit

ALL = {
    "position_ratio": 0.1,
    "gross_exposure": 0.3,
    "max_holdings": 3,
    "groups": [{"name": "two", "symbols": [SYMBOL, OTHER], "ratio": 0.15}],
    "capital": 800_000,
    "max_quantity": 5_000,
    "max_notional": 40_000,
    "max_daily_quantity": 8_500,
    "max_daily_notional": 90_000,
    "max_orders_per_second": 2,
    "max_orders_per_minute": 5,
    "max_orders_per_day": 25,
    "max_cancel_ratio": 0.5,
    "cancel_ratio_from": 4,
    "max_quick_cancels": 2,
    "duplicate_within": 5,
}
SYMBOLS = [SYMBOL, OTHER, "000001.SZ", "300750.SZ"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.integers(1, 60),
            st.integers(990, 1010),
            st.sampled_from([0, SECOND // 3, 4 * SECOND, 20 * SECOND]),
            st.sampled_from(["leave", "cancel"]),
        ),
        max_size=40,
    )
)
def test_whatever_sequence_passes_the_gate_keeps_every_limit(asked):
    view, meter, now = books(), Meter(), NOW
    chosen = settings.from_mapping({"risk": ALL})
    gate = Gate(limits.rules(chosen, [], meter, Losses(None, None)), view, meter)
    left, moments = [], []
    for n, (symbol, lots, price, gap, then) in enumerate(asked):
        now += gap
        order = an_order(
            lots * 100, price / 100, symbol=symbol, id=f"q{n}", time=now, strategy="grid"
        )
        ratio = meter.today(now).cancel_ratio
        if not isinstance(gate.review(order), Approved):
            continue
        assert len(left) < 4 or ratio <= 0.5
        view.open(order)
        left.append(order)
        moments.append(now)
        if then == "cancel":
            gate.cancelled("grid", order.time, now)
            view.apply(OrderCancelled(now, order.id))
        total = min(view.total_cents, 800_000_00)
        assert order.quantity <= 5_000
        assert order.price * order.quantity <= 40_000
        assert view.exposure(symbol)[0] <= 0.1 * total
        assert sum(view.exposure(s)[0] for s in (SYMBOL, OTHER)) <= 0.15 * total
        assert view.total_cents - view.available_cents <= 0.3 * total
        assert len(view.invested) <= 3
        assert meter.today(now).shares[symbol] <= 8_500
        assert meter.today(now).ordered[symbol] <= 90_000_00
        assert len([at for at in moments if at > now - SECOND]) <= 2
        assert len([at for at in moments if at > now - 60 * SECOND]) <= 5
        same = (symbol, order.price, order.quantity)
        twins = [o for o in left if (o.symbol, o.price, o.quantity) == same]
        assert all(b.time - a.time >= 5 * SECOND for a, b in pairwise(twins))
    assert len(left) <= 25
