"""The recording: what it costs the loop, its thread, and the disk.

The market is the simulated one, which moves more than the real one: on real ticks a row takes less.
"""

from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.measure import Row
from qka.clock import ReplayClock
from qka.feeds.simulated import SimulatedFeed
from qka.model.market import Quote
from qka.recording import port
from qka.recording.frames import Packer
from qka.recording.recorder import TOGETHER, DiskRecorder

SYMBOLS, SNAPSHOTS = 5_000, 4_800  # of a day
PACKED = 1_000  # symbols that stand for all
ALLOWED = 1_000  # MB a day
ENTRY = 1.0  # us that an event may cost the loop


def record(quick: bool) -> list[Row]:
    """The loop's part, the thread's part and the size of a day."""
    feed = SimulatedFeed(ReplayClock(), symbols=PACKED)
    feed.choose([])
    steps = list(islice(feed.batches(), 250, 270 if quick else 450))  # in continuous trading
    size, spent = _packed(steps)
    day = size * SYMBOLS * SNAPSHOTS / 1e6
    entry = _entry(steps[0])
    return [
        Row("record: a quote enters", entry, "us", ENTRY, entry / ENTRY, 1.0, note="allowed"),
        Row("record: packed, on its thread", spent * 1e6, "us"),
        Row(
            f"record: a day of {SYMBOLS:,} symbols", day, "MB", ALLOWED, day / ALLOWED, 1.0,
            note=f"allowed; {size:.1f} bytes a snapshot",
        ),
    ]  # fmt: skip


def _entry(quotes: list[Quote]) -> float:
    """us on the loop for each; nobody takes the rows away meanwhile."""
    taken = []
    for _ in range(9):
        recorder = DiskRecorder(Path("nowhere"), lambda: 1, lambda: 1)
        enter = recorder.enter
        begin = perf_counter()
        for quote in quotes:
            enter(quote)
        taken.append((perf_counter() - begin) / len(quotes) * 1e6)
    return median(taken)


def _packed(steps: list[list[Quote]]) -> tuple[float, float]:
    """(bytes, seconds) a row, in frames as the recorder makes them."""
    packer, rows, size = Packer(), 0, 0
    spent = 0.0
    for number, quotes in enumerate(steps):
        for start in range(0, len(quotes), TOGETHER):
            block = [
                port.Row(quote.time, number, quote) for quote in quotes[start : start + TOGETHER]
            ]
            begin = perf_counter()
            size += len(packer.frame(block))
            spent += perf_counter() - begin
            rows += len(block)
    return size / rows, spent / rows
