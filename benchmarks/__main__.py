"""`python -m benchmarks [--quick] [names...]`: one table of floors, ours and their ratio."""

import argparse
import gc
import importlib
import platform
from time import perf_counter

from loguru import logger

from benchmarks.measure import Row, table

GROUPS = {
    "bus": "dispatch",
    "quote": "dispatch",
    "order": "orders",
    "gate": "gate",
    "journal": "journal",
    "record": "recording",
    "bars": "backtest",
    "memory": "backtest",
    "push": "market",
    "day": "market",
    "server": "server",
    "halt": "control",
    "monitor": "monitor",
    "start": "start",
}


def main() -> None:
    """Measure what is named, or everything, and print it; speed never fails the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="smaller, in under a minute")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(GROUPS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(GROUPS)}")
    logger.remove()  # a terminal that scrolls is no part of what is measured
    began = perf_counter()
    rows: list[Row] = []
    for name in asked.names or GROUPS:
        group = getattr(importlib.import_module(f"benchmarks.{GROUPS[name]}"), name)
        gc.collect()
        gc.freeze()
        rows += group(asked.quick)
        gc.unfreeze()
    print(table(rows))
    spent = perf_counter() - began
    print(f"\nPython {platform.python_version()}, {platform.system()}, {spent:.0f} s in all")


if __name__ == "__main__":
    main()
