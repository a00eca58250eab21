"""A start that is refused: one message, an exit code that says who is to act, and nothing left."""

import os
import subprocess
import sys
from socket import create_server

import pytest
from served import ACCOUNT, served_thread

import qka
from qka import settings
from qka.brokers.server import add
from qka.journal.chain import Note
from qka.journal.store import SqliteJournal
from qka.journal.verify import verify

REMOTE = """\
account: {{id: {account}}}
feed: {{kind: remote}}
broker: {{kind: remote, url: '{url}', simulated: true}}
journal: {{dir: journals}}
strategies: [{{use: 'quiet.py:Quiet'}}]
"""
PAPER = """\
account: {id: demo}
feed: {kind: simulated, seed: 1, day: 2026-01-05, speed: max}
broker: {kind: paper}
strategies: [{use: 'quiet.py:Quiet'}]
"""
QUIET = """\
import qka

class Quiet(qka.Strategy):
    symbols = ["600000.SH"]

    def on_quote(self, quote):
        pass
"""
TELLS = {
    "en": {"token": "refuses this token", "account": "serves another account"},
    "zh": {"token": "不接受这个 token", "account": "它服务的不是你写的账户"},
}
MENDS = {"token": "qka server rotate", "account": "account.id"}


def command(*words, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "qka", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **env},
        timeout=120,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served_thread(tmp_path_factory.mktemp("server")) as running:
        yield running


def reaching(folder, url, account=ACCOUNT):
    (folder / "quiet.py").write_text(QUIET, encoding="utf-8")
    config = folder / "remote.yaml"
    config.write_text(REMOTE.format(account=account, url=url), encoding="utf-8")
    return config.name


def left(folder):
    """What is in the runs' and journals' folders."""
    found = [path for name in ("runs", "journals") for path in (folder / name).glob("*")]
    return [path for path in found if path.name != "monitor.json"]  # the pages' keys, of all runs


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("wrong", ["token", "account"])
def test_what_a_server_refuses_is_to_be_mended_before_the_next_start(
    server, tmp_path, wrong, verb, lang
):
    config = reaching(tmp_path, server.url, "other" if wrong == "account" else ACCOUNT)
    token = "x" * 43 if wrong == "token" else server.token
    done = command(verb, config, cwd=tmp_path, QKA__BROKER__TOKEN=token, QKA_LANG=lang)
    assert done.returncode == 2, done.stderr
    assert TELLS[lang][wrong] in done.stderr
    assert MENDS[wrong] in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_token_that_does_not_reach_so_far_is_told_with_how_to_make_another(
    server, tmp_path, lang, verb
):
    reader = add(server.server.data_dir, f"reader-{verb}-{lang}", ["read"])
    server.server.check()  # as the server does every second
    config = reaching(tmp_path, server.url)
    lease = ["--set", "broker.lease=30"]
    done = command(verb, config, *lease, cwd=tmp_path, QKA__BROKER__TOKEN=reader, QKA_LANG=lang)
    assert done.returncode == 2, done.stderr
    assert {"en": "has no scope 'trade'; make one", "zh": "没有权限范围 'trade'；请"}[lang] in (
        done.stderr
    )
    assert "`qka server add NAME --scope read --scope trade`" in done.stderr


def test_the_doctor_says_the_same_of_a_token_and_does_not_doubt_the_server(server, tmp_path):
    config = reaching(tmp_path, server.url)
    done = command("doctor", config, cwd=tmp_path, QKA__BROKER__TOKEN="x" * 43)
    assert done.returncode == 1  # it has looked, and found something
    assert "refuses this token" in done.stdout
    assert "start `qka server`" not in done.stdout


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_link_that_is_down_may_be_up_at_the_next_start(tmp_path, verb):
    with create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    done = command(verb, reaching(tmp_path, url), cwd=tmp_path, QKA__BROKER__TOKEN="x" * 43)
    assert done.returncode == 1, done.stderr
    assert "no server answers" in done.stderr
    assert left(tmp_path) == []


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet.py").write_text(QUIET, encoding="utf-8")
    (tmp_path / "paper.yaml").write_text(PAPER, encoding="utf-8")
    return tmp_path


def test_a_broker_of_another_account_leaves_no_run(project):
    engine = qka.Engine.from_config("paper.yaml")
    engine.account_id = "another"
    with pytest.raises(qka.ConfigError, match=r"correct account\.id"):
        engine.run()
    assert left(project) == []


def test_a_mistyped_account_leaves_no_journal_and_one_with_a_past_keeps_it(
    project, server, monkeypatch
):
    monkeypatch.setenv("QKA__FEED__TOKEN", server.token)
    feed = ["feed.kind=remote", f"feed.url={server.url}", "journal.dir=journals"]
    mine, locked = f"STOCK-{ACCOUNT}.db", f"STOCK-{ACCOUNT}.db.lock"

    def refused():
        engine = qka.Engine.from_config(
            settings.load("paper.yaml", [*feed, f"account.id={ACCOUNT}"])
        )
        engine.account_id = "another"  # than the broker's, which is asked when the journal is open
        with pytest.raises(qka.ConfigError, match=r"correct account\.id"):
            engine.run()

    refused()
    assert {path.name for path in left(project)} == {locked}
    journal = SqliteJournal(project / "journals" / mine, ACCOUNT, "STOCK", now=lambda: 1)
    journal.open()
    journal.note(Note.STATE, {"bars": 1}, "Quiet")
    journal.close()
    refused()
    assert {path.name for path in left(project)} == {mine, f"{mine}.head", locked}
    assert verify(project / "journals" / mine).problems == []


def test_a_port_that_is_taken_leaves_no_run(project):
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        over = ["monitor.enabled=true", f"monitor.port={port}"]
        engine = qka.Engine.from_config("paper.yaml", overrides=over)
        with pytest.raises(qka.ConfigError, match="nothing was started or sent"):
            engine.run()
    assert left(project) == []


def test_a_damaged_journal_is_left_as_it_was_and_the_start_leaves_no_run(project, server):
    config = reaching(project, server.url)
    journal = project / "journals" / f"STOCK-{ACCOUNT}.db"
    journal.parent.mkdir()
    journal.write_bytes(b"no database" * 1000)
    done = command("run", config, cwd=project, QKA__BROKER__TOKEN=server.token)
    assert done.returncode == 2, done.stderr
    assert f"{journal.name} is no journal" in done.stderr
    assert journal.read_bytes() == b"no database" * 1000
    assert {path.name for path in left(project)} == {journal.name, f"{journal.name}.lock"}


def test_an_error_of_ours_keeps_the_run_and_its_log(project):
    engine = qka.Engine.from_config("paper.yaml")
    engine.opened = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        engine.run()
    assert (engine.folder / "log.jsonl").exists()


def test_another_run_s_folder_is_not_taken_for_ours(project):
    async def refuses(symbols):
        raise qka.ConfigError("there is no such file")

    engine = qka.Engine.from_config("paper.yaml")
    engine.folder.mkdir(parents=True)  # of one that began in the same second
    engine.feed.open = refuses
    with pytest.raises(qka.ConfigError):
        engine.run()
    assert engine.folder.exists()
