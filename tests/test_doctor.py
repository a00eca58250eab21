"""The doctor: what it finds on a machine, and what it says to do."""

import socket
from datetime import date
from pathlib import Path

import pytest
from served import served
from tls import a_certificate

from qka import doctor, settings
from qka.ashare.calendar import Calendar
from qka.doctor import Plan, plan_of


async def findings(plan: Plan) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in await doctor.examine(plan)}


async def test_a_machine_for_paper_needs_python_and_room(tmp_path):
    found = await findings(Plan(data_dir=tmp_path / "runs"))
    assert set(found) == {"python", "disk", "clock"}
    assert found["python"].verdict == "ok"


SOON = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("today", "verdict", "words"),
    [
        (date(2026, 12, 1), "ok", "trading days are known until 2026-12-31"),
        (date(2026, 12, 2), "note", "ends on 2026-12-31, in 29 days: no order leaves after it"),
        (date(2026, 12, 31), "note", "ends on 2026-12-31, in 0 days"),
        (date(2027, 1, 1), "fail", "has ended on 2026-12-31: no order leaves after it"),
    ],
)
def test_a_calendar_that_ends_soon_is_told_with_what_to_do(today, verdict, words):
    calendar = Calendar({SOON}, SOON, source="upgrade exchange_calendars, ")
    found = doctor.days_left(calendar, today)
    assert found.verdict == verdict
    assert words in found.words
    if verdict != "ok":
        assert "upgrade exchange_calendars" in found.mend
        assert "calendar.until" in found.mend


async def test_the_days_of_the_rule_file_count(tmp_path):
    (tmp_path / "own.yaml").write_text("calendar: {until: 2099-12-31}\n", encoding="utf-8")
    config = {
        "rules": {"file": "own.yaml"},
        "feed": {"kind": "remote", "url": "http://127.0.0.1:9"},
    }
    found = await findings(plan_of(settings.from_mapping(config), tmp_path))
    assert found["calendar"].words == "trading days are known until 2099-12-31"


async def test_a_folder_that_is_not_there_names_the_one_that_may_be_meant(tmp_path):
    (tmp_path / "userdata_mini").mkdir()
    found = await findings(Plan("1", str(tmp_path / "userdata"), data_dir=tmp_path))
    assert found["QMT's folder"].verdict == "fail"
    assert str(tmp_path / "userdata_mini") in found["QMT's folder"].mend


async def test_a_terminal_that_is_not_logged_in_is_told_how_to(tmp_path):
    folder = tmp_path / "userdata_mini"
    folder.mkdir()
    found = await findings(Plan("1", str(folder), data_dir=tmp_path))
    assert found["QMT's folder"].verdict == "ok"
    assert found["MiniQMT"].verdict == "fail"
    assert "log in" in found["MiniQMT"].mend
    assert "account" not in found  # there is no use in asking


async def test_a_port_in_use_is_no_port_for_a_server(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = await findings(Plan(port=port, data_dir=tmp_path))
    assert found[f"port {port}"].verdict == "fail"
    assert "another --port" in found[f"port {port}"].mend


async def test_a_server_for_other_machines_is_told_to_encrypt(tmp_path):
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        port = free.getsockname()[1]
    found = await findings(Plan(host="0.0.0.0", port=port, data_dir=tmp_path))
    assert found[f"port {port}"].verdict == "note"
    assert "--tls-cert" in found[f"port {port}"].mend


@pytest.mark.parametrize("key", [None, Path("no.pem")])
async def test_tls_files_that_do_not_fit_are_named(tmp_path, key):
    found = await findings(Plan(tls_cert=tmp_path / "cert.pem", tls_key=key, data_dir=tmp_path))
    assert found["TLS"].verdict == "fail"


async def test_a_server_without_a_token_or_without_an_answer(tmp_path):
    found = await findings(Plan(url="http://127.0.0.1:9", data_dir=tmp_path))
    assert "QKA__BROKER__TOKEN" in found["token"].mend
    found = await findings(
        Plan("demo", url="http://127.0.0.1:9", token="x" * 43, data_dir=tmp_path)
    )
    assert found["server"].verdict == "fail"
    assert "http://127.0.0.1:9" in found["server"].words


async def test_a_server_is_looked_at_as_the_config_trusts_it(tmp_path, monkeypatch):
    cert, key, pin = a_certificate(tmp_path)
    monkeypatch.chdir(tmp_path)
    async with served(tmp_path / "server", tls_cert=cert, tls_key=key) as server:
        monkeypatch.setenv("QKA__BROKER__TOKEN", server.token)
        for trust, verdict in ((f"fingerprint: '{pin}'", "ok"), ("simulated: true", "fail")):
            config = tmp_path / "remote.yaml"
            config.write_text(f"broker: {{kind: remote, url: '{server.url}', {trust}}}\n")
            found = await findings(plan_of(settings.load(config)))
            assert found["server"].verdict == verdict, found["server"]
