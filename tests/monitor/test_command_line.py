"""A user at another terminal: the commands against an engine that runs in a process of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from test_cli import qka
from typer.testing import CliRunner

from qka.cli import reach
from qka.cli.main import app
from qka.errors import ConfigError
from qka.monitor import client

ROOT = Path(__file__).parents[2]
RUN = ["run", "config/paper.yaml", "--set", "feed.speed=600", "--set", "feed.days=30"]


def start(project, *more, many=1):
    """An engine in its own process; returns when so many can be asked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qka", *RUN, *more],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        if len(client.running(project / "runs")) == many:
            return process
        assert process.poll() is None, "the engine ended"
        time.sleep(0.1)
    raise AssertionError("the engine can't be asked")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with an engine that runs."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("config", "strategies"):
        shutil.copytree(ROOT / name, folder / name)
    process = start(folder)
    yield folder
    process.kill()
    process.wait()


@pytest.fixture
def there(project, monkeypatch):
    """At a shell in the project."""
    monkeypatch.chdir(project)
    yield
    if reach.the_run(None, None).ask("GET", "/status")["trading"]["told"] != "active":
        tell("resume", "--yes")


def tell(*words, ok=0, **how):
    """What a command prints; its exit code is `ok`."""
    done = CliRunner().invoke(app, list(map(str, words)), **how)
    error = done.exception
    if isinstance(error, ConfigError):
        code, said = 2, str(error)
    else:
        code, said = done.exit_code, done.output
    assert code == ok, (code, said, error)
    return said


def status():
    return json.loads(tell("status", "--json"))


def test_one_screen_has_it_all(there):
    said = tell("status")
    for words in ("account demo", "cash", "strategies", "DualMA", "running"):
        assert words in said
    assert status()["account"]["id"] == "demo"


def test_halt_and_resume_from_another_terminal(there):
    assert "trading is HALTED, it was active" in tell("halt", "--why", "the market is mad")
    seen = status()["trading"]
    assert seen["state"] == "halted"
    assert seen["why"] == f"{reach.who()}: the market is mad"
    assert "DENIED trading is halted" in tell("buy", "600000.SH", 100, "--yes", ok=1)
    assert "lifted: HALTED: " in tell("resume", "--yes", "--reason", "it is quiet")
    assert "active already" in tell("resume", "config/paper.yaml", "--yes", ok=2)
    assert "trading is REDUCING" in tell("reduce")


@pytest.mark.parametrize(
    "words",
    [
        ["resume"],
        ["cancel-all"],
        ["flatten"],
        ["buy", "600000.SH", "100"],
        ["sell", "600000.SH", "100", "10.5"],
        ["strategy", "stop", "DualMA"],
        ["strategy", "start", "DualMA"],
        ["strategy", "params", "DualMA", "fast=6"],
        ["risk", "set", "max_notional=5"],
    ],
    ids=" ".join,
)
def test_what_is_dangerous_asks_and_without_a_terminal_wants_yes(there, words, monkeypatch):
    tell("halt")
    before = status()
    assert "Without a terminal to ask on, say --yes: nothing was done" in tell(*words, ok=2)
    monkeypatch.setattr(reach, "sys", _Terminal)
    assert "Aborted" in tell(*words, input="n\n", ok=1)
    after = status()
    assert after["trading"] == before["trading"]
    # the day goes on meanwhile: what works may trade or expire, and nothing is sent or taken back
    assert {order["id"] for order in after["orders"]} <= {order["id"] for order in before["orders"]}
    assert "pending_cancel" not in {order["status"] for order in after["orders"]}


class _Terminal:
    """A stdin that somebody sits at."""

    class stdin:
        @staticmethod
        def isatty():
            return True


def test_an_order_by_hand_is_shown_and_taken_back(there):
    said = tell("buy", "600036.SH", 100, 38.01, "--yes", "--why", "a test")
    assert "buy 100 600036.SH at 38.01: SUBMITTING" in said
    market = tell("buy", "601318.SH", 100, "--yes")
    assert "buy 100 601318.SH market, protected at " in market
    tell("cancel-all", "--yes")


def test_everything_is_sold_and_what_stays_is_told(there):
    said = tell("flatten", "--yes", "--why", "out of it")
    assert said.splitlines()[-1].endswith("trading is REDUCING")
    assert status()["trading"]["state"] == "reducing"


def test_strategies_are_listed_changed_stopped_and_started(there, monkeypatch):
    assert "DualMA                   running" in tell("strategy", "list")
    assert "fast = 5" in tell("strategy", "params", "DualMA")
    assert "fast = 6" in tell("strategy", "params", "DualMA", "fast=6", "--yes")
    assert "DualMA is stopped" in tell("strategy", "stop", "DualMA", "--yes", "--why", "too wild")
    assert "DualMA                   stopped" in tell("strategy", "list")
    assert f"(by {reach.who()}: too wild)" in tell("strategy", "list")
    with monkeypatch.context() as chinese:
        chinese.setenv("QKA_LANG", "zh")
        assert f"已由 {reach.who()} 停止：too wild" in tell("strategy", "list")
    assert "DualMA is running" in tell("strategy", "start", "DualMA", "--yes")
    assert "no such strategy; there are DualMA" in tell("strategy", "params", "Dual", ok=2)


def test_limits_are_shown_and_changed(there):
    assert "max_notional             null" in tell("risk", "show")
    said = tell("risk", "set", "max_notional=123456", "--yes")
    assert said == "risk.max_notional is 123456 from the next order on\n"
    assert 'max_notional             "123456"' in tell("risk", "show")
    said = tell("risk", "set", "max_notionl=1", "--yes", ok=2)
    assert "risk.max_notionl: unknown key; did you mean max_notional?" in said
    groups = "groups=[{name: banks, symbols: [600036.SH], ratio: 7}]"
    said += tell("risk", "set", groups, "--yes", ok=2)
    assert "risk.groups.0.ratio: 7 is above 1" in said
    assert "--set" not in said  # which is an option of `run`
    tell("risk", "set", "max_notional=null", "--yes")


def test_orders_without_an_end_are_those_of_the_running_engine(there):
    assert "nothing differs" in tell("accept", "config/paper.yaml", "ffffff", ok=2)
    assert "no such order" in tell("resolve", "config/paper.yaml", "q1", "--as", "rejected", ok=2)


def test_none_runs_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no engine runs that keeps its run in" in tell("status", ok=2)
    assert "no engine runs" in tell("halt", "--run", "runs/nothing", ok=2)
    (tmp_path / "runs" / "killed").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    left = tmp_path / "runs" / "killed" / "control.json"
    left.write_text(json.dumps({"url": url, "token": "x"}), encoding="utf-8")
    assert "no engine runs" in tell("status", ok=2)
    left.write_text("{", encoding="utf-8")
    done = qka("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "control.json is damaged" in done.stderr


def test_where_several_run_the_command_says_which_there_are(project, there):
    second = start(project, "--set", "account.id=other", "--set", "name=second", many=2)
    try:
        said = tell("halt", ok=2)
        assert "2 engines run here; say which" in said
        (other,) = [run for run in client.running(project / "runs") if run.account == "other"]
        assert "HALTED" in tell("halt", "--run", other.folder)
        assert "ACTIVE" in tell("status", "--config", "config/paper.yaml")
    finally:
        second.kill()
        second.wait()


@pytest.mark.parametrize("where", ["at the same address", "at another's"])
def test_a_run_that_was_killed_is_not_one_of_several(project, there, where):
    (now,) = client.running(project / "runs")
    killed = project / "runs" / "20990101-000000-killed"
    killed.mkdir()
    port = now.port
    with Stranger() as stranger:
        if where == "at another's":
            port = stranger.server_port
        told = {"url": f"http://127.0.0.1:{port}", "token": "x", "account": "demo"}
        (killed / "control.json").write_text(json.dumps(told), encoding="utf-8")
        try:
            assert "it has ended" in tell("halt", "--run", killed, ok=2)
            assert "HALTED" in tell("halt")
            assert client.running(project / "runs") == [now]
            assert not (killed / "control.json").exists()
        finally:
            shutil.rmtree(killed)


def test_of_two_at_an_address_that_says_nothing_the_later_one_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_NEAR", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # held up: it connects, and that is all
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for moment, name in enumerate(("b-killed", "a-running")):
            file = tmp_path / name / "control.json"
            file.parent.mkdir()
            file.write_text(json.dumps({"url": url, "token": name}), encoding="utf-8")
            os.utime(file, (moment, moment))
        assert [run.token for run in client.running(tmp_path)] == ["a-running"]


class Stranger(ThreadingHTTPServer):
    """Some other program that listens, and knows nobody."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), BaseHTTPRequestHandler)

    def __enter__(self):
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def test_a_port_that_is_taken_is_told_and_the_run_trades_on(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--set", f"monitor.port={port}", "--set", f"run.dir={project / 'other'}"]
        once = ["run", "config/paper.yaml", "--set", "feed.speed=1000000", *options]
        done = qka(*once, cwd=project)
        assert done.returncode == 0, done.stderr
        assert f"monitor.port: 127.0.0.1:{port} can't be listened on" in done.stdout + done.stderr
        (log,) = (project / "other").glob("*/log.jsonl")
        (told,) = [line for line in log.read_text("utf-8").splitlines() if "monitor.port" in line]
        assert json.loads(told)["time"].startswith("2026-01-05T")  # the market's, not 1970
        done = qka(*once, "--set", "monitor.enabled=true", cwd=project)
        assert done.returncode == 2
        assert "nothing was started or sent" in done.stderr


def test_a_run_at_full_speed_has_no_port_and_loads_no_server(project):
    code = (
        "import sys, qka\n"
        "engine = qka.Engine.from_config('config/paper.yaml',"
        f" overrides=['run.dir={(project / 'fast').as_posix()}'])\n"
        "engine.run()\n"
        "assert engine.monitor is None\n"
        "assert 'aiohttp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, timeout=120)
    assert list((project / "fast").glob("*/control.json")) == []
