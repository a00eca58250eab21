"""A run that does all it can to tell its secrets: nothing it leaves behind has them."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from builders import a_quote, moment
from receivers import receiving
from scripted import looping

from qka import secrets
from qka.clock import ManualClock
from qka.server.server import Server
from qka.server.simulated import SimulatedBackend
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.terminal import SimTerminal

ACCOUNT = "8880012345"
SECRET = "hunter2hunter2"
CONFIG = """
name: loose
account: {id: "ACCOUNT"}
feed: {kind: remote}
broker: {kind: remote, url: "URL", simulated: true}
log: {level: DEBUG}
alerts: {send: true, rules: [{severity: info}]}
strategies:
  - use: loose.py:Loose
"""
STRATEGY = """
import os
import qka
class Loose(qka.Strategy):
    symbols = ["600000.SH"]
    def on_start(self):
        words = " ".join([*os.environ.values(), "of", "ACCOUNT"])
        self.log.info("I know {}", words)
        self.log.bind(account="ACCOUNT").warning("account ACCOUNT")
        order = self.buy("600000.SH", 100, 10.05, reason=words)
        self.after = words
    def on_order(self, order):
        if order.is_final:
            raise ValueError(self.after)
"""


def stopped(run, receiver, told):
    """Ctrl-C, when its fill and its error have arrived."""
    receiver.wait_for(lambda got: told in receiver.words and "ValueError" in receiver.words, 60)
    run.send_signal(signal.SIGINT)


@pytest.fixture
def server(tmp_path):
    opening = Opening(account_id=ACCOUNT, cash=100_000_000, positions={})
    with (
        looping() as run,
        SimTerminal(ManualClock(moment("10:00")), [opening], faults=Faults(7)) as terminal,
    ):
        terminal.quote(a_quote(time=moment("10:00") + 1))
        backend = SimulatedBackend(terminal, ACCOUNT, deadline=5.0, retry=0.05)
        made = Server(backend, data_dir=tmp_path / "server", port=0)
        run(made.open())
        yield made, terminal
        run(made.close())


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one child process on Windows")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_of_a_run_has_its_secrets_or_its_whole_account(server, tmp_path, language):
    made, terminal = server
    project = tmp_path / "project"
    project.mkdir()
    for name, text in (("loose.yaml", CONFIG), ("loose.py", STRATEGY)):
        text = text.replace("ACCOUNT", ACCOUNT).replace("URL", made.url)
        (project / name).write_text(text, encoding="utf-8")
    told = "Fill" if language == "en" else "成交"
    with receiving() as receiver:
        hidden = {
            "QKA__BROKER__TOKEN": made.token,
            "QKA__ALERTS__TARGETS__PHONE": receiver.address,
            "QKA__ALERTS__TARGETS__AWAY": "json://user123:passw0rdX@127.0.0.1:9/awayTOKEN99",
            "QKA__ALERTS__HEARTBEAT__URL": f"http://127.0.0.1:{receiver.port}/ping/uuid-0a1b2c",
            "MY_PASSWORD": SECRET,
        }
        done = subprocess.Popen(
            [sys.executable, "-m", "qka", "run", "loose.yaml"],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, **hidden, "PYTHONUTF8": "1", "QKA_LANG": language},
        )
        patience = threading.Timer(60, done.kill)
        patience.start()
        threading.Thread(target=stopped, args=(done, receiver, told), daemon=True).start()
        lines = []
        for line in done.stdout:
            lines.append(line)
            if "the exchange has it" in line or "已报" in line:  # let it trade
                terminal.quote(a_quote(10.04, time=moment("10:00:03")))
        patience.cancel()
    console = "".join(lines)
    run = next(path for path in (project / "runs").iterdir() if path.is_dir())
    logged = (run / "log.jsonl").read_text(encoding="utf-8")
    # it did tell all it knew
    assert "I know" in logged
    assert "I know" in console
    assert "ValueError" in console
    assert "ValueError" in receiver.words
    assert told in receiver.words
    tokens = [*hidden.values(), "tokenX12345", "awayTOKEN99", "passw0rdX", "uuid-0a1b2c"]
    everything = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for secret in tokens:
        assert secret not in console
        for path, data in everything.items():
            assert secret.encode() not in data, path
    for told in (console, logged, receiver.words):
        assert ACCOUNT not in told
        assert secrets.shortened(ACCOUNT) in told
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["fills"] == 1
