"""Thousands of seeded lives of orders in every kind of weather, over every adapter.

`--schedules N` plays N of them instead of 200, `--schedule remote:17` that one alone, as often as
it is named. With `-m long` another 2,000 are played.
"""

from itertools import groupby

import pytest
from campaign import play_all
from schedules import kind_of, schedule
from worlds import need_vendor

BATCH = 50  # schedules a test
PLAIN, LONG = 200, 2000


def pytest_generate_tests(metafunc):
    if "names" not in metafunc.fixturenames:
        return
    config, long = metafunc.config, "thousands" in metafunc.function.__name__
    named = config.getoption("--schedule", None) or []
    if named:
        batches = [] if long else _batches(named)
    elif long:
        batches = _batches(_names(PLAIN, PLAIN + LONG))
    else:
        batches = _batches(_names(0, config.getoption("--schedules", None) or PLAIN))
    metafunc.parametrize("names", batches, ids=lambda names: f"{names[0]} … {names[-1]}")


def _names(first, last):
    return [f"{kind_of(seed)}:{seed}" for seed in range(first, last)]


def _batches(names):
    """Some of one kind at a time."""
    kinds = groupby(sorted(names, key=_kind), key=_kind)
    each = [list(of_kind) for _, of_kind in kinds]
    return [batch[at : at + BATCH] for batch in each for at in range(0, len(batch), BATCH)]


def _kind(name):
    return name.partition(":")[0]


async def plays(names):
    if _kind(names[0]) in ("xtquant", "vendor"):
        need_vendor()
    failures = await play_all([schedule(_kind(name), int(name.split(":")[1])) for name in names])
    if failures:
        told = "\n".join(failures)
        pytest.fail(f"{len(failures)} of {len(names)} schedules\n{told}", pytrace=False)


async def test_whatever_happens_no_order_is_lost_doubled_or_mistaken_and_the_books_agree(names):
    await plays(names)


@pytest.mark.long
async def test_thousands_of_schedules_more(names):
    await plays(names)
