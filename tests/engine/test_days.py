"""The engine's day: which one is lived, and what happens past the calendar's end."""

from datetime import date, timedelta

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, moment

import qka
from qka import settings
from qka.app import Engine, put_rules_in_force
from qka.ashare import book
from qka.ashare.calendar import Calendar
from qka.ashare.limits import price_limits
from qka.ashare.rules import TERMS
from qka.clock import ManualClock, WallClock
from qka.engine.sessions import Sessions
from qka.errors import ConfigError
from qka.model.events import Alert
from qka.model.market import Phase
from qka.model.times import at, day_of
from qka.settings.rulefile import RuleFile


@pytest.fixture(autouse=True)
def shipped_rules():
    yield
    book.use()
    TERMS.live(date.max)


def lived(days, last):
    """Phases and faults of three days, of which the calendar knows these."""
    clock, phases, faults = ManualClock(moment("08:00")), [], []
    calendar = Calendar(days, last)
    Sessions(clock, phases.append, calendar.is_trading_day, faults.append).start()
    for ahead in range(3):
        clock.advance(to=moment("23:00", DAY + timedelta(ahead)))
    return [p.day for p in phases if p.phase is Phase.CONTINUOUS], faults


def test_only_trading_days_have_phases():
    assert lived({DAY}, DAY + timedelta(2)) == ([DAY, DAY], [])


def test_past_the_calendars_end_there_are_no_phases_and_the_engine_is_told():
    days, faults = lived({DAY, NEXT_DAY}, NEXT_DAY)
    assert days == [DAY, DAY, NEXT_DAY, NEXT_DAY]
    assert len(faults) == 1
    assert "ends on 2026-01-06 and 2026-01-07 is after it: no order leaves" in faults[0]


def test_the_rules_of_the_day_that_begins_are_the_ones_that_hold():
    lived({DAY}, DAY + timedelta(2))
    assert TERMS.day == DAY + timedelta(2)


LIVE = settings.from_mapping({"feed": {"kind": "xtdata"}})


async def test_an_engine_is_not_built_on_a_day_that_the_calendar_does_not_know():
    clock = WallClock()
    clock.follow(at(date(2099, 1, 5), "10:00"))
    with pytest.raises(ConfigError, match="2099-01-05 is after it"):
        put_rules_in_force(LIVE, RuleFile(), clock)
    clock.follow(at(date(2026, 11, 24), "10:00"))
    is_trading_day = put_rules_in_force(LIVE, RuleFile(), clock).is_trading_day
    assert is_trading_day(date(2026, 9, 30))
    assert not is_trading_day(date(2026, 10, 1))


SAID = "effective_from: 2026-01-01, source: x, confidence: single"
ROW = f"{{kinds: [main], up: 0.15, down: 0.15, {SAID}}}"


def test_a_config_lays_its_rule_file_over_the_shipped_rows(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(f"limits: [{ROW}]\n", encoding="utf-8")
    Engine.from_config({"rules": {"file": str(path)}})
    assert price_limits(SYMBOL, 10.0, DAY) == (11.5, 8.5)
    Engine.from_config({})
    assert price_limits(SYMBOL, 10.0, DAY) == (11.0, 9.0)


def named(tmp_path, up):
    path = tmp_path / f"{up}.yaml"
    row = f"{{kinds: [main], up: {up}, down: {up}, {SAID}}}"
    path.write_text(f"limits: [{row}]\n", encoding="utf-8")
    config = {"feed": {"kind": "simulated", "symbols": 1}, "run": {"dir": str(tmp_path)}}
    return {**config, "rules": {"file": str(path)}}


@pytest.mark.parametrize(("until", "told"), [("2026-01-20", True), ("2027-12-31", False)])
def test_a_calendar_that_ends_soon_is_an_alert_at_the_start(tmp_path, until, told):
    engine = Engine.from_config(named(tmp_path, 0.1))
    last = date.fromisoformat(until)
    engine.days, engine.clock.time = Calendar({DAY}, last), moment("00:00")
    engine.register(Idle())
    alerts = []
    engine.listen(Alert, alerts.append)
    engine.run()
    words = [alert.message for alert in alerts if alert.source == "calendar"]
    assert len(words) == told
    if told:
        assert "ends on 2026-01-20, in" in words[0]
        assert "calendar.until" in words[0]


def test_an_engine_that_runs_on_is_told_each_week_that_its_calendar_ends(tmp_path):
    engine = Engine.from_config(
        {"feed": {"kind": "simulated", "symbols": 1, "days": 12}, "run": {"dir": str(tmp_path)}}
    )
    engine.days, engine.clock.time = Calendar({DAY}, DAY + timedelta(35)), moment("00:00")
    engine.register(Idle())
    alerts = []
    engine.listen(Alert, alerts.append)
    engine.run()
    told = [day_of(alert.time) for alert in alerts if alert.source == "calendar"]
    assert told == [date(2026, 1, 12), date(2026, 1, 19)]


class Idle(qka.Strategy):
    def on_start(self):
        pass


async def test_engines_of_one_process_trade_by_one_rule_book(tmp_path):
    one, other = named(tmp_path, 0.15), named(tmp_path, 0.25)
    engine = Engine.from_config(one)
    engine.register(Idle())
    later = Engine.from_config(other)  # nothing trades yet
    async with engine:
        assert price_limits(SYMBOL, 10.0, DAY) == (11.5, 8.5)
        Engine.from_config(one)
        with pytest.raises(ConfigError, match="in a process of its own"):
            Engine.from_config(other)
        later.register(Idle())
        with pytest.raises(ConfigError, match="in a process of its own"):
            await later.run_async()
        assert price_limits(SYMBOL, 10.0, DAY) == (11.5, 8.5)
    Engine.from_config(other)
    assert price_limits(SYMBOL, 10.0, DAY) == (12.5, 7.5)


def test_a_bad_rule_file_starts_nothing(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("limits: [{kinds: [main]}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own.yaml:1: limits\[0\]: .* `effective_from`"):
        Engine.from_config({"rules": {"file": str(path)}})
