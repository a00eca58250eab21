"""The loss breaker: what is measured, when it trips, and that a restart forgets nothing."""

import pytest
from builders import DAY, NEXT_DAY
from stage import SYMBOL, Recorder, engine, journalled, quotes

import qka
from qka.model.events import EngineState, TradingState
from qka.model.order import OrderStatus as S
from qka.risk.losses import Losses, Marks


def begun(daily=None, drawdown=None, total=100_000):
    losses = Losses(daily, drawdown)
    losses.begin(DAY, total)
    return losses


@pytest.mark.parametrize(
    ("total", "code"),
    [(97_001, None), (97_000, "daily_loss"), (90_000, "daily_loss"), (103_000, None)],
)
def test_a_days_loss_is_measured_from_what_the_day_began_with(total, code):
    denial = begun(daily=0.03).look(total)
    assert (denial and denial.code) == code


def test_a_drawdown_is_measured_from_the_peak_of_all_days():
    losses = begun(drawdown=0.1)
    assert losses.look(120_000) is None
    losses.begin(NEXT_DAY, 115_000)
    assert losses.look(108_001) is None
    denial = losses.look(108_000)
    assert denial.reason == "120.00 CNY lost from the peak, 120.00 are the limit"
    assert (denial.limit, denial.value) == (120.0, 120.0)


def test_a_day_that_has_begun_goes_on_and_the_next_one_begins_anew():
    losses = begun(daily=0.03)
    losses.begin(DAY, 50_000)
    assert losses.marks == Marks(DAY, 100_000, 100_000)
    losses.begin(NEXT_DAY, 95_000)
    assert losses.look(93_000) is None


def test_the_least_limit_of_all_is_a_cent_and_not_none():
    losses = begun(daily=1e-320)
    assert losses.look(100_000) is None
    assert losses.look(99_999).code == "daily_loss"


def test_money_paid_in_or_out_is_neither_profit_nor_loss():
    losses = begun(daily=0.03)
    losses.shift(-50_000)
    assert losses.look(50_000) is None
    assert losses.look(48_500).code == "daily_loss"


def test_a_limit_that_nobody_set_is_none():
    assert begun().look(0) is None
    assert Losses(0.1, 0.1).look(0) is None  # no day has begun


class Holds(Recorder):
    """Buys a lot of a falling share, then wants more, then less."""

    symbols = [SYMBOL]

    def __init__(self):
        self.seen, self.made = 0, []

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 1:
            self.made.append(self.buy(SYMBOL, 5000, 10.05))
        if self.seen == 8:
            self.made.append(self.buy(SYMBOL, 100, quote.ask_prices[0]))
            self.made.append(self.sell("000001.SZ", 100, 10.0))


FALLING = [10.0, 10.0, 10.0, 9.8, 9.6, 9.4, 9.2, 9.1, 9.1]


def run(path=None, **limits):
    losses = Losses(limits.get("daily"), limits.get("drawdown"))
    built = engine(quotes(FALLING), Holds(), held={"000001.SZ": 1000}, journal=path, losses=losses)
    return built, built.run()


def test_a_loss_that_is_too_great_leaves_orders_that_shrink_a_position_only(tmp_path):
    path = tmp_path / "journal.db"
    built, summary = run(path, daily=0.002)
    bought, more, sold = built.strategies[0].made
    assert built.ledger.order(bought.id).status is S.FILLED
    assert more.status is S.DENIED
    assert sold.status is not S.DENIED
    assert built.ledger.trading is TradingState.REDUCING
    (alert,) = summary["alerts"]
    assert alert.startswith("risk: REDUCING: ")
    assert " CNY lost today, 2020.00 are the limit" in alert
    states = [e for e in journalled(path) if isinstance(e, EngineState) and e.state == "trading"]
    assert [state.trading for state in states] == [TradingState.REDUCING]


def test_a_loss_within_the_limit_trips_nothing():
    built, summary = run(daily=0.1)
    assert summary["alerts"] == []
    assert built.ledger.trading is TradingState.ACTIVE


def test_the_config_names_the_limits(tmp_path):
    built = qka.Engine.from_config(
        {
            "risk": {"max_daily_loss": 0.03, "on_loss": "halted"},
            "strategies": [{"use": "strategies.grid:Grid", "symbols": [SYMBOL]}],
            "run": {"dir": str(tmp_path)},
        }
    )
    assert built.breaker is not None
    assert built.switch.on_loss is TradingState.HALTED
    with pytest.raises(qka.ConfigError, match="max_daily_loss"):
        qka.Engine.from_config({"risk": {"max_daily_loss": 3}})
