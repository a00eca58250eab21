"""An order by hand through a server is answered with what its broker says of it."""

import pytest
from served import served

from qka import journals
from qka.app import Engine
from qka.monitor.control import Command, Control
from qka.settings import load

SYMBOL = "600000.SH"
STRATEGY = f"""
import qka
class Looks(qka.Strategy):
    symbols = ["{SYMBOL}"]
    def on_quote(self, quote): pass
"""


@pytest.fixture
async def server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(journals, "ACCOUNT_LOCKS", tmp_path / "locks")
    (tmp_path / "s.py").write_text(STRATEGY)
    async with served(tmp_path / "server") as server:
        monkeypatch.setenv("QKA__BROKER__TOKEN", server.token)
        (tmp_path / "live.yaml").write_text(
            f"broker: {{kind: remote, url: '{server.url}'}}\nfeed: {{kind: remote}}\n"
            "strategies: [{use: 's.py:Looks'}]\nmonitor: {enabled: false}\n"
        )
        yield server


async def bought(engine):
    asked = Command("buy", "li@desk", [SYMBOL, "100", "9.5"])
    return (await Control(engine, dict).command(asked))["order"]


async def test_it_is_accepted(server):
    async with Engine.from_config(load("live.yaml"), live=True) as engine:
        assert (await bought(engine))["status"] == "accepted"


async def test_it_is_rejected_while_nobody_is_there_to_take_it(server):
    async with Engine.from_config(load("live.yaml"), live=True) as engine:
        await server.server.close()
        order = await bought(engine)
        assert order["status"] == "rejected"
        assert order["reason"].startswith("not sent: no link")
