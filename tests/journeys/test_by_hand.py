"""An order by hand through a server is answered with what its broker says of it."""

import asyncio

import pytest
from served import remote_project
from typer.testing import CliRunner

from qka.app import Engine
from qka.cli.main import app
from qka.monitor.control import Command, Control
from qka.settings import load

SYMBOL = "600000.SH"


@pytest.fixture
async def server(tmp_path, monkeypatch):
    async with remote_project(tmp_path, monkeypatch) as server:
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


async def test_the_command_line_says_so_and_ends_with_1(server):
    config = load("live.yaml", ["monitor.enabled=true"])
    words = ["buy", SYMBOL, "100", "9.5", "--yes"]
    async with Engine.from_config(config, live=True):
        taken = await asyncio.to_thread(CliRunner().invoke, app, words)
        await server.server.close()
        refused = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert (taken.exit_code, refused.exit_code) == (0, 1), (taken.output, refused.output)
    assert ": ACCEPTED" in taken.output
    assert ": REJECTED not sent: no link" in refused.output
