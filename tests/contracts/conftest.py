"""Every adapter in its world; when a test ends, its books must be the truth's."""

from contextlib import asynccontextmanager

import pytest
from loguru import logger
from worlds import ADAPTERS


@pytest.fixture(autouse=True)
def quiet():
    """Links break here all the time, and are expected to say so."""
    logger.disable("qka")
    yield
    logger.enable("qka")


@pytest.fixture
def make(request, tmp_path):
    """Worlds of the adapter a test is run for: `async with make(latency=1.0) as world`."""

    @asynccontextmanager
    async def make(**options):
        world = ADAPTERS[request.param](tmp_path, **options)
        try:
            await world.open()
            yield world
            await world.is_true()
        finally:
            await world.close()

    return make


@pytest.fixture
async def world(make):
    """A connected one."""
    async with make() as world:
        yield world


def pytest_generate_tests(metafunc):
    """`@pytest.mark.parametrize("make", ADAPTERS, indirect=True)` for every test that wants one."""
    if "make" in metafunc.fixturenames:
        adapters = getattr(metafunc.function, "adapters", tuple(ADAPTERS))
        metafunc.parametrize("make", adapters, indirect=True)
