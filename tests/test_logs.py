"""What the log shows a human, what it writes, and what it never tells."""

import json
import re
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from builders import an_order
from loguru import logger
from qmt import eventually

from qka import logs, secrets
from qka.errors import ConfigError
from qka.model.events import OrderRejected, OrderRequested
from qka.model.times import SECOND, at

NOON = at(date(2026, 1, 5), "14:50:03")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    logs.close()
    secrets.forget()


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _divide(secret: str = "hunter2hunter2") -> None:
    raise ZeroDivisionError("nothing\nthere")


def test_a_coroutine_that_nobody_awaits_is_told_with_its_line_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def helper() -> None: ...

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        logs.setup("INFO", None)
        helper()
        logs.close()
        assert warnings.showwarning is shown
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"WARNING .*test_logs\.py:\d+: coroutine '.*helper' was never awaited: ", line)
    assert line.endswith("nothing of it was done; write `await` before the call")


def test_console_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", None, now=lambda: NOON)
    logger.debug("unseen")
    logger.bind(strategy="dual_ma").info("bought {} of <b>x</b> {{y}}", 100)
    logger.warning("late")
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.splitlines() == [
        "14:50:03 INFO    dual_ma | bought 100 of <b>x</b> {y}",
        f"14:50:03 WARNING {__name__} | late",
    ]


def test_file_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run {1}" / "log.jsonl"
    logs.setup("INFO", file, now=lambda: NOON, console=False)
    logger.bind(strategy="dual_ma").info('买入 {"a"}')
    logs.close()
    logger.info("after the close")
    (line,) = _lines(file)
    assert line.pop("wall").startswith("20")
    assert line == {
        "time": "2026-01-05T14:50:03+08:00",
        "level": "INFO",
        "source": "dual_ma",
        "message": '买入 {"a"}',
    }
    assert capsys.readouterr().err == ""


def test_time_is_null_without_a_clock(tmp_path: Path) -> None:
    logs.setup("INFO", tmp_path / "log.jsonl", console=False)
    logger.info("x")
    logs.close()
    assert _lines(tmp_path / "log.jsonl")[0]["time"] is None


def test_exception_is_one_line_on_the_console_and_whole_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    logs.setup("INFO", file)
    try:
        _divide()
    except ZeroDivisionError:
        logger.exception("handler failed")
    logs.close()
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("| handler failed")
    assert second.startswith("  test_logs.py:")
    assert second.endswith(": ZeroDivisionError: nothing there")
    (line,) = _lines(file)
    assert line["exception"].startswith("Traceback")
    assert "in _divide" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_secrets_are_masked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QMT_TOKEN", 'abc"def')
    monkeypatch.setenv("qmt_password", 'abc"def-longer')
    monkeypatch.setenv("PIN_KEY", "short")
    file = tmp_path / "log.jsonl"
    logs.setup("INFO", file)
    try:
        raise ValueError('refused abc"def')
    except ValueError:
        logger.exception('sent abc"def and abc"def-longer, short')
    logs.close()
    shown = capsys.readouterr().err
    (line,) = _lines(file)
    assert line["message"] == "sent *** and ***, short"
    assert "refused ***" in shown
    assert "ValueError: refused ***" in line["exception"]
    assert 'abc"def' not in shown


def test_setup_twice_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", None)
    logs.setup("INFO", None)
    logger.info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_sinks_of_others_stay() -> None:
    seen: list[str] = []
    sink = logger.add(lambda message: seen.append(message.record["message"]))
    try:
        logs.setup("INFO", None, console=False)
        logs.close()
        logger.info("heard")
    finally:
        logger.remove(sink)
    assert seen == ["heard"]


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="the log can't be written"):
        logs.setup("INFO", tmp_path / "file" / "log.jsonl")


def test_a_line_of_a_new_day_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    time = NOON
    logs.setup("INFO", None, now=lambda: time)
    logger.info("today")
    time = at(date(2026, 1, 6), "09:30")
    logger.info("tomorrow")
    logger.info("and on")
    heads = [line.split(" INFO")[0] for line in capsys.readouterr().err.splitlines()]
    assert heads == ["14:50:03", "2026-01-06 09:30:00", "09:30:00"]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "14:50:03 WARNING Grid | order a: buy 1000 600000.SH at 10, rejected: {broker}"),
        ("zh", "14:50:03 WARNING Grid | 委托 a：买入 600000.SH 1000 股 @10，废单：{broker}"),
    ],
)
def test_an_event_is_told_in_the_readers_language_and_written_in_english_with_its_fields(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    line: str,
) -> None:
    monkeypatch.setenv("QKA_LANG", language)
    logs.setup("INFO", tmp_path / "log.jsonl", now=lambda: NOON)
    logs.event("Grid", OrderRejected(NOON, "a", "{broker}"), an_order())
    logs.close()
    assert capsys.readouterr().err.splitlines() == [line]
    (written,) = _lines(tmp_path / "log.jsonl")
    assert written["message"] == "order a: buy 1000 600000.SH at 10, rejected: {broker}"
    assert written["event"] == {
        "type": "OrderRejected",
        "time": NOON,
        "order_id": "a",
        "reason": "{broker}",
    }


def test_an_event_holds_no_secret_and_no_whole_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QMT_TOKEN", 'abc"def')
    secrets.hide_account("8880012345")
    logs.setup("INFO", tmp_path / "log.jsonl", now=lambda: NOON)
    logs.event("Grid", OrderRejected(NOON, "a", 'abc"def of 8880012345'), an_order())
    logs.event("Grid", OrderRequested(NOON, an_order(reason="8880012345")))
    logs.close()
    shown = capsys.readouterr().err + json.dumps(_lines(tmp_path / "log.jsonl"))
    assert "rejected: *** of 88***45" in shown
    assert 'abc"def' not in shown
    assert "8880012345" not in shown


async def test_lines_of_events_that_wait_keep_their_place_and_their_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moments = iter(range(NOON, NOON + 10 * SECOND, SECOND))
    stamps: list[str] = []
    sink = logger.add(lambda line: stamps.append(line), format="{time:HH:mm:ss.SSSSSS}")
    try:
        logs.setup("INFO", tmp_path / "log.jsonl", now=lambda: next(moments), within=3600.0)
        logs.event("Grid", OrderRequested(NOON, an_order()))
        logs.event("Grid", OrderRequested(NOON, an_order()))
        assert capsys.readouterr().err == ""
        logger.bind(strategy="Grid").info("said by hand")
        logs.event("Grid", OrderRequested(NOON, an_order()))
        assert len(capsys.readouterr().err.splitlines()) == 3
        logs.close()
    finally:
        logger.remove(sink)
    first, second, by_hand, last = _lines(tmp_path / "log.jsonl")
    assert [first["time"][-8:], second["time"][-8:]] == ["03+08:00", "04+08:00"]
    assert by_hand["message"] == "said by hand"
    assert first["message"] == second["message"] == last["message"]
    walls = [line["wall"] for line in (first, second, by_hand, last)]
    assert walls == sorted(walls)
    assert stamps == sorted(stamps)  # a sink of somebody else's has them in this order too


async def test_a_loud_event_waits_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", None, now=lambda: NOON, within=3600.0)
    logs.event("Grid", OrderRequested(NOON, an_order()))
    logs.event("Grid", OrderRejected(NOON, "a", "no"), an_order())
    first, last = capsys.readouterr().err.splitlines()
    assert first.endswith("passed every rule")
    assert last.endswith("rejected: no")


async def test_what_waits_is_written_when_its_time_has_come_or_when_it_is_much(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.setup("INFO", None, now=lambda: NOON, within=0.001)
    logs.event("Grid", OrderRequested(NOON, an_order()))
    await eventually(lambda: capsys.readouterr().err.endswith("passed every rule\n"))
    monkeypatch.setattr(logs, "_MOST", 3)
    logs.setup("INFO", None, now=lambda: NOON, within=3600.0)
    for _ in range(4):
        logs.event("Grid", OrderRequested(NOON, an_order()))
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_nothing_waits_where_no_loop_comes_back_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", None, now=lambda: NOON, within=3600.0)
    logs.event("Grid", OrderRequested(NOON, an_order()))
    assert capsys.readouterr().err.endswith("passed every rule\n")


def test_a_line_may_bind_names_that_we_use_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", None, now=lambda: NOON)
    logger.bind(event="mine", order=3).info("said")
    assert capsys.readouterr().err.endswith("| said\n")


def test_a_log_goes_on_in_a_new_file_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_MEGABYTE", 1000)
    logs.setup("INFO", tmp_path / "log.jsonl", console=False, megabytes=1, keep=3)
    for number in range(100):
        logger.info("line {}", number)
    logs.close()
    files = sorted(tmp_path.glob("log*.jsonl"))
    assert len(files) == 4
    assert all(file.stat().st_size <= 1000 for file in files)
    assert _lines(tmp_path / "log.jsonl")[-1]["message"] == "line 99"


ADDRESSES = {
    "dingtalk://SEC0a1b2c@0123456789abcdef/": ["SEC0a1b2c", "0123456789abcdef"],
    "lark://abcd-efgh-ijkl/": ["abcd-efgh-ijkl"],
    "bark://devicekeyxyzw@api.day.app": ["devicekeyxyzw"],
    "tgram://123456789:abcdefg_hijklmnop/12315544/": ["abcdefg_hijklmnop", "12315544"],
    "mailto://me:pass%20word@qq.com?to=you@qq.com": ["pass%20word", "pass word"],
    "json://127.0.0.1:8888/hooks/T0KENx/": ["T0KENx"],
    "https://hc.example.com/ping/0a1b2c3d-uuid": ["0a1b2c3d-uuid"],
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_an_address_holds_is_masked_and_where_it_leads_is_not(address: str) -> None:
    secrets.hide_address(address)
    assert secrets.mask(f"sent to {address}") == "sent to ***"
    for held in ADDRESSES[address]:
        assert held not in secrets.mask(f"refused {held}")
    for plain in ("127.0.0.1", "localhost", "api.day.app", "hooks", "ping"):
        assert secrets.mask(plain) == plain
