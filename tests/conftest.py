"""Options of the test suite, and its language."""

import os

os.environ["QKA_LANG"] = "en"  # whatever the developer's locale is; children inherit it

from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is, nothing else
settings.register_profile("qka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qka")


def pytest_addoption(parser):
    """How much of the fault campaign is played."""
    group = parser.getgroup("qka")
    group.addoption(
        "--schedules", type=int, metavar="N", help="seeded fault schedules to play, 200 unless told"
    )
    group.addoption(
        "--schedule", action="append", metavar="KIND:SEED", help="play this one alone (repeatable)"
    )
    group.addoption(
        "--kills", type=int, metavar="N", help="engines to kill in tests/chaos, 20 unless told"
    )
    group.addoption(
        "--chaos-seed", type=int, action="append", metavar="SEED", help="play this session alone"
    )
