"""What the gate's rules are called: each that a config can make has its Chinese."""

import re

import pytest

from qka import limits, settings
from qka.ashare.calendar import EveryDay
from qka.risk.gate import Gate
from qka.risk.losses import Losses
from qka.risk.meter import Meter
from qka.titles import named

EVERY = {
    "position_ratio": 0.1,
    "max_quantity": 1000,
    "max_notional": 20_000,
    "max_quote_age": 10,
    "max_price_distance": 0.02,
    "min_limit_distance": 0.01,
    "max_orders_per_second": 5,
    "max_orders_per_minute": 30,
    "max_orders_per_day": 500,
}
RISK = {
    **EVERY,
    "allowed": ["star"],
    "duplicate_within": 5,
    "max_daily_quantity": 5000,
    "max_daily_notional": 100_000,
    "groups": [{"name": "big banks", "symbols": ["600000.SH"], "ratio": 0.2}],
    "gross_exposure": 0.8,
    "capital": 500_000,
    "max_holdings": 10,
    "max_cancel_ratio": 0.5,
    "max_quick_cancels": 100,
    "max_daily_loss": 0.05,
    "symbols": {"600000.SH": {"max_quantity": 500}},
}


@pytest.fixture
def titles():
    entry = {"use": "strategies.grid:Grid", "name": "Grid", "symbols": ["600000.SH"], **EVERY}
    chosen = settings.from_mapping({"risk": RISK, "strategies": [entry]})
    losses = Losses(chosen.risk.max_daily_loss, None)
    made = limits.rules(chosen, ["Grid"], Meter(), losses, EveryDay().is_trading_day)
    return Gate(made, view=None).names


def test_every_rule_that_a_config_makes_has_a_chinese_name(titles, monkeypatch):
    monkeypatch.setenv("QKA_LANG", "zh")
    told = {title: named(title) for title in titles}
    latin = {"Grid", "SH", "big", "banks", "UNKNOWN"}  # what a user called something
    assert {t: w for t, w in told.items() if set(re.findall("[A-Za-z]+", w)) - latin} == {}
    assert len(set(told.values())) == len(set(titles)) > 35
    assert told["at most 500 shares of 600000.SH"] == "单笔至多 500 股（600000.SH）"
    assert told["price within 2.00% of the last of Grid"] == "价格偏离最新价不超过 2.00%（Grid）"
    assert told["group big banks 20.00%"] == "分组 big banks 仓位 20.00%"
    assert told["rate 500 a day of Grid"] == "限频（每日至多 500 笔）（Grid）"
    assert named("a rule of somebody's own") == "a rule（somebody's own）"
    assert named("own_rule") == "own_rule"


def test_in_english_a_rule_is_called_what_the_journal_calls_it(titles, monkeypatch):
    monkeypatch.setenv("QKA_LANG", "en")
    assert [named(title) for title in titles] == titles
