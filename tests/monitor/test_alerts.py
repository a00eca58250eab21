"""Alerts of a real engine, from what happens to what arrives."""

import base64
import threading

import pytest
from builders import SYMBOL, a_fill, moment
from loguru import logger
from receivers import receiving
from stage import engine, quotes

import qka
from qka.app import Engine
from qka.errors import ConfigError, JournalDamaged
from qka.journal.verify import verify
from qka.model.events import Alert, LinkState, Severity, TradingState
from qka.model.order import Fill
from qka.monitor import alerts as module
from qka.monitor.alerts import ROOM, Alerts
from qka.monitor.messages import Writer
from qka.settings.sections import AlertRule, AlertSettings

ERROR = Severity.ERROR


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine may take longer than people would wait."""
    monkeypatch.setattr(module, "FLUSH", 60.0)


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


def alerts(*receivers, now=moment, digest=str, **settings):
    targets = {f"t{n}": each.address for n, each in enumerate(receivers)}
    made = AlertSettings(targets=targets, **settings)
    return Alerts(made, Writer("live", "demo", {"Trader"}), now, digest)


def lived(strategy, made, events=None):
    """An engine's day with the alerts."""
    built = engine(events or quotes([10.0] * 5), strategy)
    made.watch(built)
    made.start()
    built.run()
    made.close()
    return built


class Trader(qka.Strategy):
    """Buys once and then does what the test says."""

    symbols = [SYMBOL]

    def __init__(self, then=lambda: None):
        self.then = then

    def on_quote(self, quote):
        if not self.state.get("done"):
            self.state["done"] = True
            self.buy(SYMBOL, 1000, 10.05)
            self.then()


def test_a_halt_arrives_once_with_its_reason(receiver):
    strategy = Trader()
    made = alerts(receiver)
    built = engine(quotes([10.0] * 5), strategy)
    strategy.then = lambda: built.fault("the disk is full")
    made.watch(built)
    made.start()
    built.run()
    made.close()
    assert built.ledger.trading is TradingState.HALTED
    assert receiver.titles == ["[qka live demo] Trading stopped"]
    assert "the disk is full" in receiver.words


def test_a_strategy_that_raises_is_told(receiver):
    def fails():
        raise KeyError("no such thing")

    lived(Trader(fails), alerts(receiver))
    assert receiver.titles == ["[qka live demo] Strategy"]
    assert "no such thing" in receiver.words


def test_without_rules_warnings_and_errors_go_and_fills_do_not(receiver):
    lived(Trader(), alerts(receiver))
    assert receiver.got == []


def test_rules_say_what_goes_where(receiver):
    with receiving() as other:
        rules = (
            AlertRule(kinds=("fill",), severity="info", targets=("t0",)),
            AlertRule(kinds=("day",), severity="info", targets=("t1",)),
        )
        lived(Trader(), alerts(receiver, other, rules=rules))
        assert receiver.titles == ["[qka live demo] Fill"]
        assert other.titles == ["[qka live demo] Started", "[qka live demo] Stopped"]


def test_a_message_that_two_rules_send_to_a_target_arrives_once(receiver):
    rules = (AlertRule(severity="info"), AlertRule(kinds=("fill",), severity="info"))
    lived(Trader(), alerts(receiver, rules=rules))
    assert receiver.titles.count("[qka live demo] Fill") == 1


def test_a_rule_that_names_no_target_of_ours_is_refused(receiver):
    with pytest.raises(ConfigError, match="QKA__ALERTS__TARGETS__PAGER"):
        alerts(receiver, rules=(AlertRule(targets=("pager",)),))


def test_the_day_is_told_when_it_closes_if_that_was_asked_for(receiver):
    lived(Trader(), alerts(receiver, digest=lambda: "orders 3, fills 2"))
    assert receiver.got == []
    made = AlertSettings(targets={"phone": receiver.address}, digest=True)
    writer = Writer("live", "demo", set())
    lived(Trader(), Alerts(made, writer, moment, lambda: "orders 3, fills 2"))
    assert receiver.titles == ["[qka live demo] The day"]
    assert "orders 3, fills 2" in receiver.words


def test_a_flood_costs_its_makers_nothing_and_people_a_few_messages(receiver):
    made = alerts(receiver)
    for number in range(10_000):
        made.on_event(Alert(moment(), Severity.WARNING, "risk", f"number {number}"))
    made.on_event(Alert(moment(), ERROR, "engine", "something is wrong"))
    assert len(made._inbox) == ROOM
    made.start()
    made.close()
    told = receiver.words
    assert len(receiver.got) == 8
    assert f"{10_001 - ROOM} events came too fast to be told" in told
    assert f"{ROOM - 1 - 5} more messages" in told
    assert "something is wrong" in told


def test_while_a_target_hangs_the_others_are_told_and_the_engine_goes_on(receiver):
    with receiving() as stuck:
        stuck.always = None
        made = alerts(stuck, receiver, rules=(AlertRule(severity="info"),))
        built = engine(quotes([10.0] * 5), Trader())
        made.watch(built)
        made.start()
        made.on_event(LinkState(moment(), "broker", False, "reset"))
        stuck.wait_for(lambda got: got)
        built.run()
        receiver.wait_for(lambda got: any("Stopped" in each.body["title"] for each in got))
        made.close(within=0.2)
        assert built.ledger.position(SYMBOL).quantity == 1000


def test_the_end_of_a_run_waits_for_no_target_longer_than_it_was_told():
    with receiving() as receiver:
        made = alerts(receiver)
    lines = []
    sink = logger.add(lambda line: lines.append(line.record["message"]))
    made.start()
    made.on_event(Alert(moment(), ERROR, "engine", "something is wrong"))
    made.close(within=0.2)
    logger.remove(sink)
    assert lines[-1] == "alerts that could not be sent: t0 1"
    assert made.targets["t0"].done.result(20) is None


def test_what_is_held_back_is_told_when_its_window_is_over(receiver, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    time = [moment("10:00")]
    made = alerts(receiver, now=lambda: time[0], most=1, window=60.0)
    made.start()
    for number in range(3):
        made.on_event(Alert(time[0], Severity.WARNING, "risk", f"number {number}"))
    receiver.wait_for(lambda got: got)
    time[0] = moment("10:01")
    receiver.wait_for(lambda got: len(got) == 2)
    made.close()
    assert "2 more messages:" in receiver.got[1].body["message"]
    assert "number 2" in receiver.got[1].body["message"]


def test_an_event_that_cannot_be_worded_costs_itself_alone(receiver):
    made = alerts(receiver)
    made.start()
    made.on_event(LinkState(moment(), None, False, 3))
    made.on_event(a_fill(symbol="nothing"))
    made.on_event(Alert(moment(), ERROR, "engine", "after it"))
    made.close()
    assert "after it" in receiver.words


def test_nothing_runs_before_the_start_and_nothing_is_left_after_the_end(receiver):
    before = threading.active_count()
    made = alerts(receiver)
    made.close()
    made = alerts(receiver)
    assert threading.active_count() == before
    made.start()
    made.close()
    made.targets["t0"].done.result(20)
    made._thread.join(20)
    made.targets["t0"]._thread.join(20)
    assert threading.active_count() == before


# ------------------------------------------------------------------ as a config asks for them

CONFIG = """
name: paper
feed: {kind: simulated, symbols: 3}
strategies:
  - use: buyer.py:Buyer
"""
BUYER = """
import qka
class Buyer(qka.Strategy):
    symbols = ["600000.SH"]
    def on_quote(self, quote):
        if quote.phase == 13 and not self.state.get("done"):
            self.state["done"] = True
            self.buy("600000.SH", 100, quote.ask1)
            raise ValueError("told")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "paper.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "buyer.py").write_text(BUYER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "paper.yaml"


def test_a_simulated_day_alerts_nobody_unless_asked(project, receiver, monkeypatch):
    monkeypatch.setenv("QKA__ALERTS__TARGETS__PHONE", receiver.address)
    Engine.from_config(project).run()
    assert receiver.got == []
    Engine.from_config(project, overrides=["alerts.send=true"]).run()
    assert receiver.titles == ["[qka paper demo] Strategy"]


def test_the_day_is_the_same_with_alerts_and_without(project, receiver, monkeypatch):
    plain = Engine.from_config(project)
    plain.run()
    monkeypatch.setenv("QKA__ALERTS__TARGETS__PHONE", receiver.address)
    monkeypatch.setenv("QKA__ALERTS__HEARTBEAT__URL", f"http://127.0.0.1:{receiver.port}/ping")
    told = Engine.from_config(
        project, overrides=["alerts.send=true", "alerts.rules=[{severity: info}]"]
    )
    told.run()
    heads = [verify(built.folder / "journal.db").head for built in (plain, told)]
    assert heads[0] == heads[1]
    assert any(got.path == "/ping" for got in receiver.got)
    assert any("Fill" in got.body.get("title", "") for got in receiver.got)


def test_a_days_report_is_sent_as_a_page_when_the_day_is_settled(project, receiver, monkeypatch):
    monkeypatch.setenv("QKA__ALERTS__TARGETS__PHONE", receiver.address)
    built = Engine.from_config(project, overrides=["alerts.send=true", "alerts.report=true"])
    built.run()
    assert receiver.titles == ["[qka paper demo] Strategy", "[qka paper demo] The day's report"]
    (sent,) = receiver.got[-1].body["attachments"]
    (page,) = built.folder.glob("*.html")
    assert base64.b64decode(sent["base64"]) == page.read_bytes()
    assert sent["filename"] == page.name == "journal-2026-01-05.html"
    assert "600000.SH" in page.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_made_is_told(project, receiver, monkeypatch):
    def fails(*args):
        raise JournalDamaged("record 7 was changed")

    monkeypatch.setenv("QKA__ALERTS__TARGETS__PHONE", receiver.address)
    monkeypatch.setattr("qka.report.day.day_report", fails)
    Engine.from_config(project, overrides=["alerts.send=true", "alerts.report=true"]).run()
    assert "it could not be made: record 7 was changed" in receiver.words


def test_a_run_that_cannot_start_is_told(project, receiver, monkeypatch):
    monkeypatch.setenv("QKA__ALERTS__TARGETS__PHONE", receiver.address)
    built = Engine.from_config(project, overrides=["alerts.send=true"])

    async def away(report):
        raise ConnectionError("the terminal is away")

    monkeypatch.setattr(built.broker, "connect", away)
    with pytest.raises(ConnectionError):
        built.run()
    assert receiver.titles == ["[qka paper demo] The run broke off"]
    assert "the terminal is away" in receiver.words


def test_an_address_in_the_file_is_refused_and_not_shown(project):
    text = "alerts: {targets: {phone: 'bark://sosecret123/'}}\n"
    project.write_text(CONFIG + text, encoding="utf-8")
    with pytest.raises(ConfigError, match="QKA__ALERTS__TARGETS__PHONE") as raised:
        Engine.from_config(project)
    assert "sosecret" not in str(raised.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("alerts.quiet={start: '22:00'}", "alerts.quiet.end: is missing"),
        ("alerts.quiet={start: '24:00', end: '08:00'}", "'24:00' is not a time of day"),
        ("alerts.rules=[{kinds: [hlat]}]", "did you mean halt?"),
        ("alerts.rules=[{severity: loud}]", "info, warning, error"),
        ("alerts.most=0", "alerts.most"),
        ("alerts.targest={}", "did you mean targets?"),
        ("alerts.heartbeat.every=0", "alerts.heartbeat.every"),
        ("alerts.heartbeat.url=http://x/sosecret123", "QKA__ALERTS__HEARTBEAT__URL"),
    ],
)
def test_a_wrong_key_is_named(project, override, words):
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")) as raised:
        Engine.from_config(project, overrides=[override])
    assert "sosecret" not in str(raised.value)


@pytest.mark.parametrize(
    ("rules", "heard"),
    [
        ([], False),
        ([{"severity": "warning"}], False),
        ([{"severity": "info", "kinds": ["day"]}], False),
        ([{"severity": "info"}], True),
        ([{"severity": "warning"}, {"severity": "info", "kinds": ["fill"]}], True),
    ],
)
def test_a_fill_is_not_even_looked_at_where_no_rule_wants_it(rules, heard):
    class Listens:
        ledger = None
        kinds = ()

        def listen(self, kinds, handler):
            self.kinds = kinds

    engine = Listens()
    target = {"phone": "json://127.0.0.1:1/x"}
    alerts = Alerts(AlertSettings(targets=target, rules=rules), Writer("run", "demo", set()), int)
    alerts.watch(engine)
    assert (Fill in engine.kinds) is heard
    assert Alert in engine.kinds
