"""From quote to fill: a strategy's day on paper, as its author sees it."""

import re
from decimal import Decimal

import numpy as np
import pytest
from builders import a_bar
from stage import DAY, SYMBOL, Recorder, engine, journalled, quotes, rules

import qka
from qka import secrets
from qka.errors import ConfigError
from qka.model.events import Alert, OrderDenied, OrderRequested
from qka.model.order import OrderStatus as S
from qka.model.times import at, day_of, show, to_datetime


class BuyOnce(Recorder):
    symbols = [SYMBOL]
    price: float | None = 10.05

    def on_quote(self, quote):
        if not self.state.get("done"):
            self.state["done"] = True
            self.order = self.buy(SYMBOL, 1000, self.price, reason="first quote")


def statuses(strategy):
    return [e.status for e in strategy.heard if isinstance(e, qka.Order)]


def fills(strategy):
    return [e for e in strategy.heard if isinstance(e, qka.Fill)]


def test_an_order_is_on_its_way_when_buy_returns_and_filled_by_a_later_quote():
    strategy = BuyOnce()
    events = quotes([10.0, 10.0, 10.0])
    summary = engine(events, strategy).run()
    assert strategy.order.status is S.SUBMITTING
    assert statuses(strategy) == [S.SUBMITTING, S.SUBMITTED, S.ACCEPTED, S.FILLED]
    (fill,) = fills(strategy)
    assert fill.time == events[1].time
    assert fill.price == 10.01
    assert fill.fees == Decimal("5.10")  # least commission 5.00, transfer 0.10
    assert summary["account"]["cash"] == Decimal("1000000") - Decimal("10010.00") - fill.fees


def test_shares_bought_today_cannot_be_sold_today_but_tomorrow():
    class BuyThenSell(Recorder):
        symbols = [SYMBOL]

        def on_fill(self, fill):
            super().on_fill(fill)
            if fill.side is qka.Side.BUY:
                self.same_day = self.sell(SYMBOL, 1000, 9.95)
                self.at("09:31", lambda: self.sell(SYMBOL, 1000, 9.9))

        def on_start(self):
            self.at("09:30", lambda: self.buy(SYMBOL, 1000, 10.1) if self.today() == DAY else None)

        def today(self):
            return to_datetime(self.now()).date()

    strategy = BuyThenSell()
    tomorrow = DAY.replace(day=6)
    # the timer at 09:30 comes before the first quote: a limit price needs none
    summary = engine(quotes([10.0] * 10) + quotes([10.0] * 40, day=tomorrow), strategy).run()
    assert strategy.same_day.status is S.DENIED
    assert "0 sellable (T+1)" in strategy.same_day.reason
    assert [f.side for f in fills(strategy)] == ["buy", "sell"]
    assert show(fills(strategy)[1].time).startswith("2026-01-06 09:31")
    assert summary["account"]["positions"] == []


@pytest.mark.parametrize("price", [1e30, float("inf"), float("nan"), -1.0, 0.0, np.float64(1e18)])
def test_what_is_no_price_is_denied_and_nothing_raises(tmp_path, price):
    strategy = BuyOnce()
    strategy.price = price
    summary = engine(quotes([10.0] * 3), strategy, journal=tmp_path / "journal.db").run()
    assert (strategy.order.status, summary["strategies"]["BuyOnce"]["errors"]) == (S.DENIED, 0)
    assert f"at {float(price)}: no price known yet, or not a price" in strategy.order.reason
    # JSON has no infinity: a record of it would keep the engine from its next start
    (denied,) = (e for e in journalled(tmp_path / "journal.db") if isinstance(e, OrderDenied))
    assert denied.order.id == strategy.order.id


def test_two_buys_in_one_handler_cannot_spend_the_same_cash():
    class Greedy(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["orders"] = [self.buy(SYMBOL, 900, 10.05).status for _ in range(2)]

    strategy = Greedy()
    engine(quotes([10.0] * 3), strategy, cash=10_000, gate=rules(ratio=1.0)).run()
    assert strategy.state["orders"] == [S.SUBMITTING, S.DENIED]


def test_the_journal_holds_the_intent_before_any_report_on_it(tmp_path):
    path = tmp_path / "journal.db"
    engine(quotes([10.0] * 3), BuyOnce(), journal=path).run()
    kinds = [type(event).__name__ for event in journalled(path)]
    story = ["Signal", "OrderRequested", "OrderSubmitted", "OrderAccepted", "Fill"]
    assert [kind for kind in kinds if kind in story] == story
    assert kinds[-1] == "EngineState"


class Acts(Recorder):
    """Does one thing at its first quote and keeps what came back."""

    symbols = [SYMBOL]

    def __init__(self, act):
        self.act = act

    def on_quote(self, quote):
        if not self.state:
            self.state["done"] = True
            self.order = self.act(self)


@pytest.mark.parametrize(
    ("act", "quantity"),
    [
        pytest.param(lambda s: s.buy(SYMBOL, 100, np.float64(10.07)), 100, id="a numpy price"),
        pytest.param(lambda s: s.buy(SYMBOL, np.int64(100), 10.07), 100, id="a numpy quantity"),
        pytest.param(lambda s: s.buy(SYMBOL, 100, Decimal("10.07")), 100, id="a Decimal price"),
        pytest.param(
            lambda s: s.order_target_ratio(SYMBOL, np.float64(0.1)), 10_000, id="a numpy ratio"
        ),
    ],
)
def test_numbers_of_numpy_and_decimal_trade_and_are_journalled_like_any(tmp_path, act, quantity):
    path, alerts = tmp_path / "journal.db", []
    strategy = Acts(act)
    built = engine(quotes([10.0] * 3), strategy, journal=path)
    built.listen(Alert, alerts.append)
    built.run()
    assert alerts == []
    assert strategy.order.status is S.SUBMITTING
    assert statuses(strategy)[-1] is S.FILLED
    events = journalled(path)
    assert [e.order.quantity for e in events if isinstance(e, OrderRequested)] == [quantity]


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        pytest.param(100, float("inf"), id="at infinity"),
        pytest.param(100, float("nan"), id="at no number"),
        pytest.param(0, 10.0, id="of nothing"),
    ],
)
def test_a_buy_that_makes_no_sense_is_denied_and_does_not_raise(quantity, price):
    strategy = Acts(lambda s: s.buy(SYMBOL, quantity, price))
    summary = engine(quotes([10.0] * 3), strategy).run()
    assert strategy.order.status is S.DENIED
    assert strategy.order.reason
    assert summary["account"]["frozen"] == 0
    assert fills(strategy) == []


def test_a_market_order_takes_the_displayed_levels_and_loses_the_rest():
    class Market(BuyOnce):
        price = None

        def on_quote(self, quote):
            if not self.state:
                self.state["x"] = 1
                self.buy(SYMBOL, 60_000)

    strategy = Market()
    engine(quotes([10.0] * 3), strategy, gate=rules(ratio=1.0)).run()
    taken = [(f.price, f.quantity) for f in fills(strategy)]
    assert taken == [(round(10 + 0.01 * i, 2), 10_000) for i in range(1, 6)]
    assert statuses(strategy)[-1] is S.CANCELLED


def test_timers_fire_in_trading_hours_only_and_at_fires_each_day():
    class Timed(Recorder):
        symbols = [SYMBOL]

        def on_start(self):
            self.moments = []
            self.every("30m", lambda: self.moments.append(show(self.now())[11:16]))
            self.at("14:50", lambda: self.moments.append("at " + show(self.now())[11:16]))

    strategy = Timed()
    engine(quotes([10.0] * 100, every=150), strategy).run()
    assert strategy.moments == [
        *["10:00", "10:30", "11:00", "13:30", "14:00", "14:30"],
        "at 14:50",
    ]


def test_the_phases_of_the_day_are_told_in_order():
    class Phases(qka.Strategy):
        symbols = [SYMBOL]

        def on_start(self):
            self.seen = []

        def on_phase(self, phase):
            self.seen.append((show(phase.time)[11:16], phase.phase.name))

    strategy = Phases()
    engine(quotes([10.0] * 3), strategy).run()
    assert strategy.seen == [
        ("00:00", "PRE_OPEN"),
        ("09:15", "OPENING_CALL"),
        ("09:25", "BREAK"),
        ("09:30", "CONTINUOUS"),
        ("11:30", "BREAK"),
        ("13:00", "CONTINUOUS"),
        ("14:57", "CLOSING_CALL"),
        ("15:00", "POST_CLOSE"),
        ("15:30", "CLOSED"),
    ]


def test_an_unfilled_order_expires_with_the_day_and_frees_its_cash():
    strategy = BuyOnce()
    strategy.price = 9.5
    summary = engine(quotes([10.0] * 3), strategy).run()
    assert statuses(strategy)[-1] is S.EXPIRED
    assert summary["account"]["frozen"] == 0
    assert summary["working"] == []


def test_emitted_signals_are_sized_and_sells_go_before_the_buys_they_pay_for():
    other = "000001.SZ"

    class Switch(Recorder):
        symbols = [SYMBOL, other]

        def on_quote(self, quote):
            if quote.symbol == other and not self.state:
                self.state["done"] = True
                self.rebalance({other: 0.4, SYMBOL: 0.0})

    strategy = Switch()
    events = quotes([10.0] * 20) + quotes([10.0] * 20, symbol=other, start="09:30:04")
    engine(events, strategy, cash=1000, held={SYMBOL: 10_000}).run()
    trades = [(f.symbol, f.side) for f in fills(strategy)]
    assert (trades[0], trades[-1]) == ((SYMBOL, "sell"), (other, "buy"))


def test_other_strategies_hear_a_signal_and_its_author_does_not():
    class Listener(qka.Strategy):
        symbols = [SYMBOL]

        def on_start(self):
            self.heard = []

        def on_signal(self, signal):
            self.heard.append((signal.strategy, signal.reason))

    author, listener = BuyOnce(), Listener()
    author.on_signal = lambda signal: pytest.fail("its own signal")
    engine(quotes([10.0] * 3), author, listener).run()
    assert listener.heard == [("BuyOnce", "first quote")]


@pytest.mark.parametrize(
    ("target", "quantity"),
    [
        (lambda s: s.order_target_shares(SYMBOL, 1250, 10.0), 1200),
        (lambda s: s.order_target_value(SYMBOL, 12_999.0, 10.0), 1200),
        (lambda s: s.order_target_ratio(SYMBOL, 0.0125, 10.0), 1200),
    ],
    ids=["shares", "value", "ratio of total assets"],
)
def test_a_target_is_reached_in_whole_lots_and_never_passed(target, quantity):
    class Target(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state:
                self.state["first"] = target(self).quantity
                again = target(self)
                self.state["again"] = (again.orders, again.done)

    strategy = Target()
    engine(quotes([10.0] * 3), strategy).run()
    assert strategy.state == {"first": quantity, "again": ((), True)}


def test_a_rebalance_says_at_once_what_it_sold_and_later_what_it_could_not_buy(tmp_path):
    other, path = "000001.SZ", tmp_path / "journal.db"

    class Switch(Recorder):
        symbols = [SYMBOL, other]

        def on_quote(self, quote):
            if quote.symbol == other and not self.state:
                self.state["first"] = self.rebalance({other: 1.0, SYMBOL: 0.0}, reason="switch")

        def on_rebalance(self, rebalanced):
            self.state["then"] = rebalanced

    strategy = Switch()
    events = quotes([10.0] * 20) + quotes([10.0] * 20, symbol=other, start="09:30:04")
    gate = rules(ratio=1.0)
    engine(events, strategy, cash=1000, held={SYMBOL: 10_000}, gate=gate, journal=path).run()
    first, then = strategy.state["first"], strategy.state["then"]
    assert [(o.symbol, o.side, o.quantity) for o in first.orders] == [(SYMBOL, "sell", 10_000)]
    assert (first.waiting, first.left, first.done) == ((other,), (), False)
    assert [(o.symbol, o.side) for o in then.orders] == [(SYMBOL, "sell"), (other, "buy")]
    assert then.orders[0].status is S.FILLED
    (left,) = then.left
    assert (left.symbol, left.side, left.code) == (other, "buy", "cash")
    assert left.shares + then.orders[1].quantity == 10_000
    assert then.done
    assert [e for e in journalled(path) if isinstance(e, qka.Rebalanced)] == [then]


def test_a_strategy_that_answers_each_rebalance_with_another_is_stopped():
    class Restless(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            self.rebalance({SYMBOL: 0.1})

        def on_rebalance(self, rebalanced):
            self.rebalance({SYMBOL: 0.1})

    summary = engine(quotes([10.0] * 3), Restless()).run()
    assert any("answered by itself without end" in alert for alert in summary["alerts"])
    assert summary["orders"] == 1


def test_a_target_leaves_what_was_bought_today_and_says_so():
    class Regret(Recorder):
        symbols = [SYMBOL]

        def on_fill(self, fill):
            self.state.setdefault("found", self.order_target_shares(SYMBOL, 0))

        def on_quote(self, quote):
            if "bought" not in self.state:
                self.state["bought"] = self.order_target_shares(SYMBOL, 1300, 10.2)

    strategy = Regret()
    engine(quotes([10.0] * 5), strategy, held={SYMBOL: 300}).run()
    found = strategy.state["found"]
    assert [order.quantity for order in found.orders] == [300]
    assert [(left.shares, left.code) for left in found.left] == [(1000, "sellable")]
    assert "T+1" in found.reason


def test_an_engine_runs_once_and_says_so():
    built = engine(quotes([10.0]), BuyOnce())
    built.run()
    with pytest.raises(qka.ConfigError, match="runs once"):
        built.run()


def test_a_strategy_that_never_acts_has_its_row_of_zeros():
    class Quiet(qka.Strategy):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            pass

    summary = engine(quotes([10.0]), Quiet()).run()
    assert summary["strategies"]["Quiet"]["orders"] == 0


def test_cancel_all_takes_back_what_works():
    class Regret(BuyOnce):
        price = 9.5

        def on_quote(self, quote):
            super().on_quote(quote)
            if quote.time == at(DAY, "09:30:09"):
                self.asked = self.cancel_all()

    strategy = Regret()
    engine(quotes([10.0] * 5), strategy).run()
    assert strategy.asked == 1
    assert statuses(strategy)[-2:] == [S.PENDING_CANCEL, S.CANCELLED]


def test_no_cancel_leaves_in_the_closing_call_and_the_strategy_is_told_why():
    class Late(BuyOnce):
        price = 9.5

        def on_start(self):
            self.at("14:58", lambda: self.state.update(cancelled=self.cancel_all()))

    strategy = Late()
    engine(quotes([10.0] * 3, start="14:50:00"), strategy).run()
    assert strategy.state["cancelled"] == 0
    assert statuses(strategy)[-1] is S.EXPIRED


def test_history_holds_the_warm_up_before_the_first_event_and_then_grows():
    from qka.model.market import Bar

    class Warm(qka.Strategy):
        symbols = [SYMBOL]
        warmup = 2

        def on_start(self):
            self.lengths = [len(self.history(SYMBOL, "1m", 10))]

        def on_bar(self, bar):
            self.lengths.append(len(self.history(SYMBOL, "1m", 10)))

    def bar(minute, close):
        return Bar(SYMBOL, at(DAY, minute), "1m", close, close, close, close, 100, 1000.0, 10.0)

    strategy = Warm()
    past = [bar("09:28", 9.8), bar("09:29", 9.9)]
    engine([bar("09:31", 10.0), bar("09:32", 10.1)], strategy, past=past).run()
    assert strategy.lengths == [2, 3, 4]


def test_what_a_bar_filled_is_booked_before_its_strategy_sees_the_bar():
    class BuyOnce(qka.Strategy):
        def on_bar(self, bar):
            if not self.position(bar.symbol).quantity:
                self.buy(bar.symbol, 100)

    bars = [a_bar(10.0 + i / 10, time=at(DAY, f"09:3{i + 1}")) for i in range(5)]
    summary = engine(bars, BuyOnce(symbols=[SYMBOL], bars="1m")).run()
    assert summary["orders"] == summary["fills"] == 1


def test_an_order_made_at_the_last_bar_of_a_day_waits_for_the_next_and_the_books_agree():
    class BuysLate(Recorder):
        def on_bar(self, bar):
            if not self.state:
                self.state["order"] = self.buy(bar.symbol, 100).id

    tomorrow = DAY.replace(day=6)
    bars = [a_bar(10.0, time=at(day, "15:00")) for day in (DAY, tomorrow, DAY.replace(day=7))]
    strategy = BuysLate(symbols=[SYMBOL], bars="1m")
    summary = engine(bars, strategy).run()
    assert summary["alerts"] == []
    assert [day_of(fill.time) for fill in fills(strategy)] == [tomorrow]


def test_a_strategy_that_begins_with_less_history_than_it_wants_says_so():
    class Wants(qka.Strategy):
        warmup = 20

        def on_bar(self, bar):
            pass

    built = engine([a_bar(10.0)], Wants(symbols=[SYMBOL]))
    (alert,) = built.run()["alerts"]
    assert alert.startswith("Wants: it wants 20 1m bars before the first event")


WRONG = {
    "a handler misspelt": ({"on_bra": lambda self, bar: None}, "did you mean on_bar?"),
    "a handler that takes nothing": ({"on_bar": lambda self: None}, "on_bar takes one thing"),
    "a warm-up that is no number": (
        {"warmup": "many", "on_bar": lambda self, bar: None},
        "warmup: 'many' is no number of bars",
    ),
    "nothing at all": ({}, "it would never act"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_strategy_that_could_never_act_is_refused(wrong):
    body, words = WRONG[wrong]
    with pytest.raises(ConfigError, match=re.escape(words)):
        engine(quotes([10.0]), type("Mine", (qka.Strategy,), body)())


def test_questions_about_a_symbol_that_does_not_exist_raise():
    class Asks(qka.Strategy):
        def on_quote(self, quote):
            self.position("600000")

    built = engine(quotes([10.0]), Asks(symbols=[SYMBOL]))
    assert "600000.SH" in built.run()["alerts"][0]


def test_before_it_is_registered_a_strategy_says_so():
    with pytest.raises(ConfigError, match="not registered"):
        BuyOnce().position(SYMBOL)


async def test_run_in_a_running_loop_says_what_to_do():
    with pytest.raises(ConfigError, match=r"await engine\.run_async"):
        engine(quotes([10.0]), BuyOnce()).run()


def test_a_secret_is_in_no_alert():
    class Tells(qka.Strategy):
        def on_quote(self, quote):
            raise RuntimeError("401 for token=supersecret123")

    secrets.learn({"MY_TOKEN": "supersecret123"})
    try:
        summary = engine(quotes([10.0] * 3), Tells()).run()
    finally:
        secrets.forget()
    assert "***" in summary["alerts"][0]
    assert "supersecret" not in str(summary)


def test_a_wrong_parameter_that_may_be_a_secret_is_not_shown():
    class Needs(qka.Strategy):
        class Params(qka.Params):
            api_token: int = 0

        def on_quote(self, quote):
            pass

    with pytest.raises(ConfigError) as raised:
        Needs(api_token="hunter2hunter2")
    assert "api_token" in str(raised.value)
    assert "hunter2" not in str(raised.value)
