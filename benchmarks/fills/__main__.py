"""`python -m benchmarks.fills [--orders N] [--seed N]`: the paper exchange and its peers judged."""

import argparse
from time import perf_counter

from benchmarks.fills.feeds import raw_days
from benchmarks.fills.market import market
from benchmarks.fills.report import sample, table


def main() -> None:
    """Judge a sample of the real orders of every day that is recorded, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fills", description=__doc__)
    parser.add_argument("--orders", type=int, default=200, help="of each day, 200 unless told")
    parser.add_argument("--seed", type=int, default=1, help="another sample")
    asked = parser.parse_args()
    began = perf_counter()
    judged = []
    for raw in raw_days():
        day = market(raw)
        chosen = sample(day, asked.orders, asked.seed)
        print(f"{raw.symbol} {raw.day}: {len(chosen):,} of {len(day.orders):,} resting orders")
        judged += [(order, day) for order in chosen]
    if not judged:
        parser.error("there are no raw order feeds at shared/data/l2, beside this folder")
    print()
    print(table(judged))
    print(f"\n{perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
