"""Limits while an engine runs: changed by the operator, told before they bind, kept over days."""

import json
from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY, moment
from stage import SYMBOL, Recorder, engine, journalled, quotes, rules

import qka
from qka import limits, settings
from qka.journal.port import Note
from qka.journal.reading import readable, rows
from qka.journal.store import SqliteJournal
from qka.model.events import OperatorCommand, TradingState
from qka.model.market import Quote
from qka.model.order import OrderStatus as S
from qka.model.times import at
from qka.risk.meter import Meter
from qka.risk.pace import DayLimit
from qka.risk.sizes import MaxNotional
from qka.risk.streak import Streak


def notes(path, kind):
    with readable(path) as (connection, _):
        return [record.value for record in rows(connection) if record.kind == kind]


class Plan(Recorder):
    """Does at a quote what the plan says for its number."""

    symbols = [SYMBOL]

    def __init__(self, plan):
        self.seen, self.plan, self.made = 0, plan, []

    def on_quote(self, quote):
        self.seen += 1
        act = self.plan.get(self.seen)
        if act is not None:
            self.made.append(act(self))


def buy(quantity=100, price=10.05):
    return lambda plan: plan.buy(SYMBOL, quantity, price)


def cancel(number=0):
    return lambda plan: plan.cancel(plan.made[number].id)


def built(tmp_path, **risk):
    return qka.Engine.from_config(
        {
            "risk": {"self_trade": False, **risk},
            "feed": {"kind": "simulated", "symbols": 1},
            "strategies": [{"use": "strategies.grid:Grid", "symbols": [SYMBOL]}],
            "run": {"dir": str(tmp_path)},
        }
    )


# ------------------------------------------------------------------ changed while it runs


def changing(tmp_path, changes, **risk):
    """A day in which the operator makes these changes at the third quote."""
    made = built(tmp_path, **risk)
    seen, raised = [], []

    def operate(quote):
        seen.append(quote)
        if len(seen) == 3:
            for key, value in changes:
                try:
                    made.set(key, value, who="li", why="thin market")
                except qka.ConfigError as error:
                    raised.append(str(error))

    made.listen(Quote, operate)
    summary = made.run()
    return made, summary, raised


def test_a_limit_is_changed_from_the_next_order_on_and_the_journal_says_who_did_it(tmp_path):
    made, summary, raised = changing(tmp_path, [("risk.max_notional", 1)])
    assert raised == []
    denied = summary["strategies"]["Grid"]["denied"]
    assert set(denied) == {"notional"}
    (command,) = [e for e in journalled(made.records.path) if isinstance(e, OperatorCommand)]
    assert (command.command, command.args, command.who, command.why) == (
        "set",
        "risk.max_notional=1",
        "li",
        "thin market",
    )
    assert made.settings.risk.max_notional == Decimal(1)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("risk.position_ratio", 2, "2 is above 1"),
        ("risk.max_quantity", "many", "'many' is not a whole number"),
        ("risk.max_quantiti", 100, "did you mean max_quantity?"),
        ("risk.trading", "halted", "no limit that can be changed"),
        ("account.cash", 5, "no limit that can be changed"),
        ("strategies.0.use", "x:Y", "no limit that can be changed"),
        ("strategies.0.max_quantity", 0, "0 is below 1"),
    ],
)
def test_what_the_config_would_refuse_changes_nothing(tmp_path, key, value, words):
    made = built(tmp_path)
    before, names = made.settings, made.gate.names
    with pytest.raises(qka.ConfigError, match=words.replace("?", r"\?")):
        made.set(key, value)
    assert made.settings is before
    assert made.gate.names == names


def test_before_it_runs_a_limit_is_the_configs(tmp_path):
    with pytest.raises(qka.ConfigError, match="change the config"):
        built(tmp_path).set("risk.max_notional", Decimal(100))


def test_everything_of_risk_and_a_strategys_limits_can_be_changed(tmp_path):
    changes = [
        ("risk.programme.per_day", 100),
        ("risk.symbols", {SYMBOL: {"max_quantity": 700}}),
        ("risk.groups", [{"name": "g", "symbols": [SYMBOL], "ratio": 0.5}]),
        ("risk.max_daily_loss", 0.05),
        ("risk.max_notional", Decimal("5000.50")),
        ("risk.max_losing_trades", 3),
        ("risk.on_loss", "halted"),
        ("risk.stop_loss", 0.2),
        ("risk.position_ratio", None),
        ("strategies.0.max_orders_per_day", "30"),
    ]
    made, _, raised = changing(tmp_path, changes)
    assert raised == []
    for name in (
        "programme 100 a day",
        f"at most 700 shares of {SYMBOL}",
        "group g 50.00%",
        "rate 30 a day of Grid",
    ):
        assert name in made.gate.names
    assert not [name for name in made.gate.names if name.startswith("position ratio")]
    assert made.breaker.losses.limited
    assert made.switch.on_loss is TradingState.HALTED
    assert made.leaver.stops.loss == 0.2


@pytest.mark.parametrize(
    ("day", "ratio", "told", "denied"),
    [
        pytest.param(DAY, 0.5, "limits set earlier today go on: risk.max_notional=500", 2, id="it"),
        pytest.param(DAY, 0.4, "were edited since and hold", 0, id="an edited config wins"),
        pytest.param(NEXT_DAY, 0.5, "", 0, id="the next day begins with the config"),
    ],
)
def test_a_restart_on_the_same_day_goes_on_with_what_was_set(tmp_path, day, ratio, told, denied):
    path = tmp_path / "journal.db"

    def started(plan, on, ratio):
        made = engine(quotes([10.0] * 5, day=on), Plan(plan), journal=path)
        made.clock.time = at(on, "09:00")  # as the world's is known before anything comes
        chosen = settings.from_mapping({"risk": {"position_ratio": ratio}})
        return made, limits.InForce(made, chosen, [])

    first, in_force = started(
        {2: lambda _: in_force.change("risk.max_notional", 500, "li", "thin"), 4: buy()}, DAY, 0.5
    )
    assert first.run()["denied"] == 1
    again, _ = started({2: buy(), 4: buy(200)}, day, ratio)
    summary = again.run()
    assert summary["denied"] == denied
    assert told in "".join(summary["alerts"])
    assert bool(summary["alerts"]) == bool(told)


def test_a_counter_goes_on_over_a_change(tmp_path):
    made = built(tmp_path, max_orders_per_minute=50)
    made.gate.cancelled("Grid", 1, 2)
    before = made.gate.kept()
    made.gate.use(limits.rules(made.settings, ["Grid"], made.gate.meter, made.breaker.losses))
    assert made.gate.kept() == before
    assert before["* 60s"] == [2]


# ------------------------------------------------------------------ told, written down


def test_a_limit_that_is_near_is_told_once_with_its_words():
    gate = [*rules(), MaxNotional(Decimal(2_000), 0.5)]
    plan = Plan({1: buy(), 2: buy(), 3: buy(200)})
    run = engine(quotes([10.0] * 5), plan, gate=gate).run()
    (alert,) = run["alerts"]
    assert alert.startswith("risk: notional is near its limit, 1,005 of 2,000: ")
    assert run["denied"] == 1


def test_a_settled_day_and_the_summary_tell_its_orders_and_cancels(tmp_path):
    path = tmp_path / "journal.db"
    plan = Plan({1: buy(price=9.5), 2: cancel(), 3: buy()})
    summary = engine(quotes([10.0] * 5), plan, journal=path).run()
    figures = {
        "day": DAY.isoformat(),
        "orders": 2,
        "cancels": 1,
        "peak_per_second": 1,
        "cancel_ratio": 0.5,
        "quick_cancels": 0,
    }
    assert summary["compliance"] == [figures]
    (note,) = notes(path, Note.RECONCILED)
    assert note["compliance"] == figures


# ------------------------------------------------------------------ losing trades in a row


@pytest.mark.parametrize(("most", "state"), [(1, TradingState.REDUCING), (2, TradingState.ACTIVE)])
def test_too_many_losing_trades_reduce_the_trading(most, state):
    plan = Plan({1: lambda s: s.sell(SYMBOL, 1000, 9.9), 6: buy()})
    made = engine(
        quotes([10.0, 9.95, 9.95, 9.95, 9.95, 9.95, 9.95]),
        plan,
        held={SYMBOL: 1000},
        streak=Streak(most),
    )
    summary = made.run()
    assert made.ledger.trading is state
    if state is TradingState.REDUCING:
        assert "1 losing trades in a row, 1 are the limit" in summary["alerts"][0]
        assert plan.made[1].status is S.DENIED


def test_limits_of_a_day_begin_anew_on_the_next(tmp_path):
    meter = Meter()
    days = [*quotes([10.0] * 4), *quotes([10.0] * 4, day=NEXT_DAY)]
    plan = Plan({1: buy(), 2: buy(), 5: buy(), 6: buy()})
    gate = [*rules(), DayLimit(1, meter)]
    summary = engine(days, plan, gate=gate, meter=meter).run()
    assert [order.status is S.DENIED for order in plan.made] == [False, True, False, True]
    assert [day["orders"] for day in summary["compliance"]] == [1, 1]


# ------------------------------------------------------------------ the compliance report


def alone(tmp_path, plan):
    """An engine over a simulated day with that strategy only."""
    config = {"feed": {"kind": "simulated", "symbols": 1}, "run": {"dir": str(tmp_path)}}
    engine = qka.Engine.from_config(config)
    engine.register(plan)
    return engine


def test_a_day_leaves_a_report_of_what_was_sent_denied_and_changed(tmp_path):
    class Busy(Plan):
        def on_quote(self, quote):
            super().on_quote(quote)
            if self.seen == 5:
                self.engine.set("risk.max_notional", 900, who="li", why="thin market")

    plan = Busy({1: buy(price=9.5), 2: buy(150), 3: buy(price=99.0), 4: cancel(), 6: buy()})
    plan.engine = engine = alone(tmp_path, plan)
    engine.run()
    (path,) = engine.folder.glob("compliance/*")
    told = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == f"{told['day']}.json" == "2026-01-05.json"
    assert (told["account"], told["orders"], told["cancels"]) == ("demo", 1, 1)
    assert (told["cancel_ratio"], told["high_frequency"]) == (1.0, False)
    assert told["by_strategy"] == {"Busy": 2}
    assert told["notional"] == {SYMBOL: 950.0}
    assert told["denied"] == {"lot": 1, "notional": 1, "price_limit": 1}
    (change,) = told["changes"]
    assert change.endswith("li: set risk.max_notional=900 (thin market)")
    assert engine.summary()["compliance"][0]["orders"] == 1


def test_a_report_that_cant_be_written_is_an_alert_and_the_run_ends_well(tmp_path):
    engine = alone(tmp_path, Plan({1: lambda plan: blocked(engine), 2: buy(price=9.5)}))
    summary = engine.run()
    assert summary["ended"] == "done"
    assert any("the report of 2026-01-05 can't be written" in words for words in summary["alerts"])


def blocked(engine):
    (engine.folder / "compliance").write_text("no folder")


def test_the_report_counts_on_over_a_restart(tmp_path):
    for _ in range(2):
        meter = Meter()
        journal = SqliteJournal(tmp_path / "journal.db", "demo", "STOCK", now=moment)
        plan = Plan({1: buy(150), 2: lambda s: s.told.set_trading(TradingState.ACTIVE, "calm")})
        plan.told = one = engine(quotes([10.0] * 3), plan, journal=journal, meter=meter)
        one.run()
    figures = meter.today(one.clock.now())
    assert figures.denied == {"lot": 2}
    assert [words[9:] for words in figures.changes] == ["trading active: calm"] * 2
