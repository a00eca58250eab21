"""What a message says: what happened, what it means for open orders, what to do next."""

import pytest
from builders import a_fill, an_order, moment

from qka import secrets
from qka.engine.leaver import NAME as LEAVER
from qka.language import CHINESE, speaker
from qka.model.events import (
    Alert,
    CancelRefused,
    EngineState,
    LinkState,
    OrderDenied,
    OrderRejected,
    OrderUnknown,
    Severity,
    TradingState,
)
from qka.monitor.messages import ADVICE, Writer

NOW = moment("10:30:05")
INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
LOSS = "the day's loss of 3.10% is above 3.00%"


def writer(say=None):
    made = {} if say is None else {"say": say}
    return Writer("live", "8880012345", {"DualMA"}, **made)


def state(name, trading=TradingState.ACTIVE, reason=""):
    return EngineState(NOW, name, trading, reason)


# event, order -> kind, severity, words of the title, words of the body
TABLE = {
    "a halt": (
        (state("trading", TradingState.HALTED, "the disk is full"), None),
        ("halt", ERROR, "Trading stopped", ["the disk is full", "can still fill", "qka resume"]),
    ),
    "only selling": (
        (state("trading", TradingState.REDUCING, LOSS), None),
        (
            "halt",
            ERROR,
            "Only positions are reduced",
            [LOSS, "sells that reduce go out"],
        ),
    ),
    "a hold": (
        (state("held", TradingState.HALTED, "the books differ"), None),
        ("halt", ERROR, "Trading stopped", ["the books differ"]),
    ),
    "trading again": (
        (state("released"), None),
        ("halt", WARNING, "Trading goes on", ["released"]),
    ),
    "an unknown order": (
        (OrderUnknown(NOW, "a", "no answer"), an_order()),
        ("unknown", ERROR, "unknown outcome", ["buy 1000 600000.SH at 10", "not sent again"]),
    ),
    "a rejection": (
        (OrderRejected(NOW, "a", "废单: 资金不足"), an_order()),
        (
            "rejected",
            WARNING,
            "Order rejected",
            ["buy 1000 600000.SH", "资金不足", "open any more"],
        ),
    ),
    "a cancel refused": (
        (CancelRefused(NOW, "a", "too late"), an_order()),
        ("rejected", WARNING, "Cancel refused", ["too late", "can still fill"]),
    ),
    "a link down": (
        (LinkState(NOW, "broker", False, "connection reset"), None),
        ("link", WARNING, "Link down", ["connection reset", "QMT"]),
    ),
    "a link up": ((LinkState(NOW, "feed", True), None), ("link", INFO, "Link up", ["feed up"])),
    "a fill": ((a_fill(), None), ("fill", INFO, "Fill", ["bought 1000 600000.SH at 10"])),
    "a denial": (
        (OrderDenied(NOW, an_order(), "cash", "too dear"), None),
        ("denied", INFO, "denied", ["too dear", "cash"]),
    ),
    "the start": ((state("running"), None), ("day", INFO, "Started", [])),
    "the end": ((state("stopped"), None), ("day", INFO, "Stopped", ["nobody watches them"])),
    "a strategy's error": (
        (Alert(NOW, ERROR, "DualMA", "dual_ma.py:12: KeyError"), None),
        ("strategy", ERROR, "Strategy", ["DualMA: dual_ma.py:12: KeyError", "on_error"]),
    ),
    "the books": (
        (Alert(NOW, WARNING, "account", "order x was placed by others"), None),
        ("account", WARNING, "books", ["placed by others"]),
    ),
    "a limit is near": (
        (Alert(NOW, WARNING, "risk", "rate is near its limit"), None),
        ("risk", WARNING, "Risk", ["rate is near its limit"]),
    ),
    "a stop that could not be carried out": (
        (Alert(NOW, WARNING, LEAVER, "600000.SH stays: sealed at the limit down"), None),
        ("risk", WARNING, "Risk", ["sealed at the limit down"]),
    ),
    "the recording ends": (
        (Alert(NOW, ERROR, "recording", "the disk is full"), None),
        ("engine", ERROR, "Engine", ["recording: the disk is full"]),
    ),
    "a halt that goes on": (
        (Alert(NOW, WARNING, "engine", "trading is halted since an earlier run"), None),
        ("halt", WARNING, "Trading stopped", ["since an earlier run"]),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_an_event_is_told_with_what_follows_from_it(case):
    event, (kind, severity, title, words) = TABLE[case]
    message = writer().of(*event)
    assert (message.kind, message.severity) == (kind, severity)
    assert title in message.title
    assert "[qka live " in message.title
    assert "10:" in message.body
    for word in words:
        assert word in message.body


@pytest.mark.parametrize("case", TABLE)
def test_in_chinese_nothing_of_ours_is_left_in_english(case):
    event, (_, severity, title, _) = TABLE[case]
    message = writer(speaker(CHINESE)).of(*event)
    given = getattr(event[0], "reason", "") or getattr(event[0], "message", "")
    text = f"{message.title}\n{message.body}".replace(given, "")
    assert "Open orders" not in text
    assert "Next" not in text
    if severity is not INFO and title != "Trading goes on":
        assert "未了结委托：" in text
        assert "下一步：" in text


@pytest.mark.parametrize(
    ("state_", "source", "alert"),
    [
        (state("trading", TradingState.REDUCING, LOSS), "risk", f"REDUCING: {LOSS}"),
        (state("trading", TradingState.HALTED, "disk"), "engine", "HALTED: disk"),
        (state("held", TradingState.HALTED, "differs"), "account", "HALTED: differs"),
        (state("trading", TradingState.HALTED, "li: lunch"), "operator", "HALTED by li: lunch"),
        (state("trading", TradingState.ACTIVE, "li"), "operator", "ACTIVE by li"),
    ],
)
def test_a_halt_is_told_once(state_, source, alert):
    made = writer()
    assert made.of(state_) is not None
    assert made.of(Alert(NOW, ERROR, source, alert)) is None
    assert made.of(Alert(NOW, ERROR, source, "something else")) is not None


def test_a_real_account_is_shortened_and_secrets_are_masked():
    secrets.hide_account("8880012345")
    secrets.hide(["hunter2hunter2"])
    event = Alert(NOW, ERROR, "DualMA", "8880012345 said hunter2hunter2")
    message = writer().of(event)
    secrets.forget()
    assert message.title == "[qka live 88***45] Strategy"
    assert "88***45 said ***" in message.body


def test_every_kind_of_alert_is_in_the_settings():
    from typing import get_args

    from qka.settings.sections import AlertKind

    told = {kind for _, (kind, *_) in TABLE.values()}
    assert told == set(get_args(AlertKind))
    assert told - {"day"} <= set(ADVICE)
