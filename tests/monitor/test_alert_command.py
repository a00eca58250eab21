"""`qka alert test`, as someone who sets alerts up meets it."""

import pytest
from receivers import receiving
from typer.testing import CliRunner

from qka import language, logs, secrets
from qka.cli.main import app
from qka.errors import ConfigError


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    (tmp_path / "live.yaml").write_text("account: {id: demo}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    logs.close()
    secrets.forget()
    language.prefer(None)


def tried(*args, **env):
    return CliRunner().invoke(app, ["alert", "test", "live.yaml", *args], env=env)


def test_each_target_and_the_heartbeat_get_one_and_what_came_back_is_shown(receiver):
    done = tried(
        QKA__ALERTS__TARGETS__PHONE=receiver.address,
        QKA__ALERTS__TARGETS__GROUP=receiver.address,
        QKA__ALERTS__HEARTBEAT__URL=f"http://127.0.0.1:{receiver.port}/ping/x",
    )
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.splitlines()) == [
        "group (JSON): taken", "heartbeat: taken", "phone (JSON): taken",
    ]  # fmt: skip
    assert sum("[qka live demo] Test" in got.body.get("title", "") for got in receiver.got) == 2
    assert sum(got.path == "/ping/x" for got in receiver.got) == 1


def test_only_the_targets_that_were_named_are_tried(receiver):
    done = tried(
        "phone",
        QKA__ALERTS__TARGETS__PHONE=receiver.address,
        QKA__ALERTS__TARGETS__GROUP=receiver.address,
        QKA__ALERTS__HEARTBEAT__URL=f"http://127.0.0.1:{receiver.port}/ping/x",
    )
    assert done.stdout == "phone (JSON): taken\n"
    assert len(receiver.got) == 1


def test_one_that_is_not_taken_is_told_and_its_token_is_not(receiver):
    receiver.always = 403
    done = tried(QKA__ALERTS__TARGETS__PHONE=receiver.address)
    assert done.exit_code == 1
    assert done.stdout.startswith("phone (JSON): not taken: ")
    assert "403" in done.stdout
    assert "tokenX12345" not in done.output


@pytest.mark.parametrize(
    ("args", "env", "words"),
    [
        ((), {}, "QKA__ALERTS__TARGETS__NAME"),
        (("pager",), {"QKA__ALERTS__TARGETS__PHONE": "json://127.0.0.1:9/x"}, "there are phone"),
        ((), {"QKA__ALERTS__TARGETS__PHONE": "nothing://x"}, "does not understand this address"),
    ],
)
def test_what_is_wrong_is_said(args, env, words):
    done = tried(*args, **env)
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)


def test_a_project_s_env_file_holds_addresses_and_language(project, receiver, monkeypatch):
    monkeypatch.delenv("QKA_LANG")
    (project / ".env").write_text(
        f"QKA__ALERTS__TARGETS__PHONE={receiver.address}\nQKA_LANG=zh\n", encoding="utf-8"
    )
    done = tried()
    assert done.stdout == "phone (JSON): 对方已接收\n"
    assert receiver.titles == ["[qka live demo] 测试"]
