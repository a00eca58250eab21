"""Thousands of seeded lives of orders in every kind of weather, over every adapter.

`--schedules N` plays N of them instead of 200, `--schedule remote:17` that one alone, as often as
it is named. With `-m long` another 2,000 are played.
"""

import importlib.util

import pytest
from campaign import play_all
from schedules import kind_of, schedule

BATCH = 20  # schedules a test
PLAIN, LONG = 200, 2000


def pytest_generate_tests(metafunc):
    if "seeds" not in metafunc.fixturenames:
        return
    long = metafunc.function.__name__.startswith("test_thousands")
    named = metafunc.config.getoption("--schedule", None) or []
    if named:
        batches = [] if long else [tuple(named)]
    elif long:
        batches = _batches(PLAIN, PLAIN + LONG)
    else:
        batches = _batches(0, metafunc.config.getoption("--schedules", None) or PLAIN)
    metafunc.parametrize("seeds", batches, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")


def _batches(first, last):
    return [
        tuple(f"{kind_of(seed)}:{seed}" for seed in range(start, min(start + BATCH, last)))
        for start in range(first, last, BATCH)
    ]


async def plays(seeds):
    wanted = [schedule(kind, int(seed)) for kind, seed in (name.split(":") for name in seeds)]
    if importlib.util.find_spec("xtquant") is None:
        wanted = [s for s in wanted if s.kind != "xtquant" and not s.options.get("vendor")]
    failures = await play_all(wanted)
    if failures:
        pytest.fail(f"{len(failures)} of {len(wanted)} schedules\n" + "\n".join(failures), False)


async def test_whatever_happens_no_order_is_lost_doubled_or_mistaken_and_the_books_agree(seeds):
    await plays(seeds)


@pytest.mark.long
async def test_thousands_of_schedules_more(seeds):
    await plays(seeds)
