"""Options of the test suite."""


def pytest_addoption(parser):
    """How much of the fault campaign is played."""
    group = parser.getgroup("qka")
    group.addoption(
        "--schedules", type=int, metavar="N", help="seeded fault schedules to play, 200 unless told"
    )
    group.addoption(
        "--schedule", action="append", metavar="KIND:SEED", help="play this one alone (repeatable)"
    )
