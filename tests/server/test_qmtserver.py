"""QMTServer as the guide has it: made by name, started, its token printed, stopped."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys

import aiohttp
import pytest
from server_stage import ScriptedBackend

from qka.brokers.server import QMTServer, data_folder, rotate
from qka.errors import ConfigError


def test_it_wants_an_account_and_a_path():
    with pytest.raises(ConfigError, match="account_id"):
        QMTServer("", "C:/QMT/userdata_mini")
    with pytest.raises(ConfigError, match="simulate=True"):
        QMTServer("demo")


def test_it_is_made_as_in_the_guide_and_opens_nothing_yet(tmp_path):
    server = QMTServer(
        account_id="8800123456",
        mini_qmt_path="C:/QMT/userdata_mini",
        host="0.0.0.0",
        port=8000,
        data_dir=tmp_path,
    )
    assert server.backend.account == ("8800123456", "STOCK")
    assert not server.backend.simulated
    assert server.url == "http://127.0.0.1:8000"
    assert not list(tmp_path.iterdir())


def test_it_stays_on_this_machine_unless_told():
    assert QMTServer("demo", simulate=True).host == "127.0.0.1"


def test_each_account_has_a_folder_of_its_own():
    assert data_folder("8800123456").parts[-3:] == (".qka", "server", "8800123456")
    assert data_folder("../../etc").name == "______etc"
    assert data_folder("a", "here").name == "here"


async def test_beyond_this_machine_without_tls_it_warns_loudly(tmp_path, caplog):
    from loguru import logger

    lines = []
    sink = logger.add(lines.append, level="WARNING")
    try:
        for host, told in (("127.0.0.1", 0), ("0.0.0.0", 1)):
            lines.clear()
            folder = tmp_path / host
            async with QMTServer(
                "demo", host=host, port=0, data_dir=folder, backend=ScriptedBackend()
            ):
                pass
            assert sum("UNENCRYPTED" in line for line in lines) == told
    finally:
        logger.remove(sink)


async def test_a_port_that_is_taken_is_told(tmp_path):
    async with QMTServer("demo", port=0, data_dir=tmp_path / "a", backend=ScriptedBackend()) as one:
        second = QMTServer(
            "demo", port=one.port, data_dir=tmp_path / "b", backend=ScriptedBackend()
        )
        with pytest.raises(ConfigError, match="can't be listened on"):
            await second.open()


async def test_it_serves_until_told_to_stop_and_prints_its_token(tmp_path, capsys):
    server = QMTServer("demo", port=0, data_dir=tmp_path, backend=ScriptedBackend())
    stop = asyncio.Event()
    stop.set()
    await server.serve(stop)
    printed = capsys.readouterr().out
    assert printed == f"\n授权Token: {(tmp_path / 'default.token').read_text().strip()}\n\n"


async def test_a_rehearsal_says_that_it_is_one_and_what_to_do_next(tmp_path, capsys):
    server = QMTServer("demo", simulate=True, port=0, data_dir=tmp_path)
    stop = asyncio.Event()
    stop.set()
    await server.serve(stop)
    _, said = capsys.readouterr().out.split("授权Token: ")
    assert "no real money" in said
    assert f"Account demo, at {server.url}" in said
    assert f"qka run config/remote.yaml --set broker.url={server.url}\n" in said


def test_the_command_of_a_rehearsal_has_what_the_shipped_config_lacks(tmp_path):
    told = QMTServer("other", simulate=True, data_dir=tmp_path).command
    assert told == "QKA__BROKER__TOKEN=... qka run config/remote.yaml --set account.id=other"
    told = QMTServer("demo", simulate=True, data_dir=tmp_path).command
    assert told == "QKA__BROKER__TOKEN=... qka run config/remote.yaml"


async def test_a_folder_that_can_t_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    server = QMTServer("demo", port=0, data_dir=tmp_path / "file", backend=ScriptedBackend())
    with pytest.raises(ConfigError, match=r"can't be made \(File exists\): nothing was started"):
        await server.open()


async def test_without_its_clear_token_it_says_how_to_get_a_new_one(tmp_path, capsys):
    stop = asyncio.Event()
    stop.set()
    for _ in range(2):
        server = QMTServer("demo", port=0, data_dir=tmp_path, backend=ScriptedBackend())
        await server.serve(stop)
        (tmp_path / "default.token").unlink(missing_ok=True)
    assert "rotate" in capsys.readouterr().out
    assert rotate("demo", data_dir=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to speak of")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(tmp_path, number):
    code = (
        "from qka.brokers.server import QMTServer;"
        f"QMTServer('demo', simulate=True, port=0, data_dir={str(tmp_path)!r}).start()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "\n"
    assert process.stdout.readline().startswith("授权Token: ")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not (tmp_path / "server.db-wal").exists()  # closed, not left


def test_a_console_that_knows_no_chinese_gets_the_token_all_the_same(tmp_path):
    code = (
        "import asyncio; from qka.brokers.server import QMTServer;"
        f"server = QMTServer('demo', simulate=True, port=0, data_dir={str(tmp_path)!r});"
        "stop = asyncio.Event(); stop.set(); asyncio.run(server.serve(stop))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "default.token").read_text().strip() in done.stdout


@pytest.fixture
def certificate(tmp_path):
    """A certificate of our own, by OpenSSL's command."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", key, "-out", cert],
            check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not installed")
    return cert, key


async def test_over_tls(tmp_path, certificate):
    cert, key = certificate
    server = QMTServer(
        "demo",
        port=0,
        data_dir=tmp_path / "d",
        backend=ScriptedBackend(),
        tls_cert=cert,
        tls_key=key,
    )
    async with server, aiohttp.ClientSession() as client:
        assert server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(cert))
        headers = {"X-Token": server.token}
        async with client.get(server.url + "/metrics", headers=headers, ssl=trust) as answer:
            assert answer.status == 200
        async with client.ws_connect(server.url + "/ws", headers=headers, ssl=trust) as socket:
            await socket.send_json({"op": "hello", "protocol": 1})
            assert (await socket.receive_json())["op"] == "hello"
        with pytest.raises(aiohttp.ClientError):
            await client.get(server.url.replace("https", "http") + "/health")


def test_a_certificate_that_can_not_be_used_is_told(tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        QMTServer("demo", simulate=True, tls_cert=tmp_path / "cert.pem")
    with pytest.raises(ConfigError, match="tls_key without tls_cert"):
        QMTServer("demo", simulate=True, tls_key=tmp_path / "key.pem")
