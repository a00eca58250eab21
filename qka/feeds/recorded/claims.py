"""Which file holds a symbol's day: the first one in order; what another one has of it is damage."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from qka.feeds.recorded import cells
from qka.feeds.recorded.source import Scan, Source, keys, scan

Taken = dict[tuple[str, int], Path]  # (symbol, day number) that an earlier file holds -> that file


def taken(scans: Mapping[Source, Scan | None]) -> dict[Source, Taken]:
    """What each source has of an earlier one; reads those that may have any of it.

    A file that is named by its symbol needs no scan unless another one has the symbol too.
    """
    counts = Counter(s for source, found in scans.items() for s in symbols(source, found))
    shared = {symbol for symbol, count in counts.items() if count > 1}
    both = {
        source: found or scan(source)
        for source, found in scans.items()
        if not shared.isdisjoint(symbols(source, found))
    }
    days = Counter(day for found in both.values() for day in found.days)
    contested = {day for day, count in days.items() if count > 1}
    holders: Taken = {}
    result: dict[Source, Taken] = {}
    for source in [
        source for source, found in both.items() if not contested.isdisjoint(found.days)
    ]:
        mine: set[tuple[str, int]] = set()
        for names, times in keys(source):
            numbers = cells.days(times)
            there = names.isin(shared) & numbers.isin(contested)
            mine |= set(zip(names[there], numbers[there], strict=True))
        result[source] = {key: holders[key] for key in mine if key in holders}
        holders |= dict.fromkeys(mine - set(result[source]), source.path)
    return result


def symbols(source: Source, found: Scan | None) -> set[str]:
    """What a file holds, by its name where it was not read."""
    return found.symbols if found else {source.symbol}
