"""What is done beside an engine that trades through a server leaves it its link and its lease."""

import pytest
from served import remote_project

from qka.app import Engine
from qka.errors import ConfigError
from qka.settings import load


@pytest.fixture
async def project(tmp_path, monkeypatch):
    """A server, and the config of an engine that has a lease there and cancels on silence."""
    more = ", lease: 5, cancel_on_silence: true"
    async with remote_project(tmp_path, monkeypatch, more) as server:
        yield server


def an_engine(**changed):
    return Engine.from_config(
        load("live.yaml", [f"{key}={value}" for key, value in changed.items()]), live=True
    )


def leased(server):
    """Whether the server still expects a sign of life of the engine, and hears it."""
    lease = server.server.service.leases.current("default/ours")
    return lease is not None and not lease.lost


async def reached(engine, server):
    """It is told the account's cash over the link that it had."""
    await engine.broker._client.query("query_stock_asset")
    assert engine.broker._client.up
    assert leased(server)


@pytest.mark.parametrize("journal", ["null", "here"])
async def test_a_second_start_is_refused_before_the_server_hears_of_it(project, journal):
    async with an_engine(**{"journal.dir": journal}) as first:
        assert leased(project)
        with pytest.raises(ConfigError, match="Nothing was started here"):
            async with an_engine(**{"journal.dir": journal}):
                pass
        await reached(first, project)


async def test_a_check_takes_the_lease_of_no_engine_that_trades(project):
    async with an_engine() as first:
        assert await an_engine().check() == ["600000.SH"]
        await reached(first, project)


async def test_an_engine_that_was_checked_has_its_lease_when_it_runs(project):
    engine = an_engine()
    await engine.check()
    async with engine:
        assert leased(project)
