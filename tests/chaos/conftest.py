"""How many sessions of the crash suite are played: a few always, many in the long suite."""

import pytest

KILLS = 4  # in a session
PLAIN, LONG = 20, 300  # kills


def pytest_generate_tests(metafunc):
    """`chaos_seed`: one a session; those beyond the plain ones are long."""
    if "chaos_seed" not in metafunc.fixturenames:
        return
    config = metafunc.config
    named, kills = config.getoption("--chaos-seed"), config.getoption("--kills")
    if named:
        seeds = named
    elif kills:
        seeds = range(-(-kills // KILLS))
    else:
        plain = range(PLAIN // KILLS)
        more = range(PLAIN // KILLS, LONG // KILLS)
        seeds = [*plain, *(pytest.param(seed, marks=pytest.mark.long) for seed in more)]
    metafunc.parametrize("chaos_seed", seeds)
