"""Rounds, ratios and the table.

The clock of a shared machine moves by up to 2x within seconds. So the floor and ours are timed in
short slices that take turns, each round gives one ratio, and the median of the rounds' ratios is
what is reported. The absolute times in the table are medians too, for orientation only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Timed = Callable[[int], float]  # repetitions -> seconds they took


@dataclass(frozen=True)
class Row:
    """One line of the table; a row without a floor or a target is informative."""

    what: str
    ours: float
    unit: str = "ns"
    floor: float | None = None
    ratio: float | None = None
    target: float | None = None
    at_least: bool = False  # the ratio is one of speeds and must not be below the target
    note: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `over`, or nothing where there is no target."""
        if self.ratio is None or self.target is None:
            return ""
        shown = round(self.ratio, 2)
        kept = shown >= self.target if self.at_least else shown <= self.target
        return "ok" if kept else "over"


def timed(work: Callable[[], object]) -> Timed:
    """A plain callable as something that can be repeated and timed."""

    def run(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            work()
        return perf_counter() - begin

    return run


def calibrate(run: Timed, seconds: float) -> int:
    """How many repetitions take about so many seconds; also warms up."""
    times = 1
    while True:
        took = run(times)
        if took >= seconds / 4:
            return max(1, int(times * seconds / took))
        times *= 4 if took < seconds / 64 else 2


def against(
    what: str,
    floor: Timed,
    ours: Timed,
    target: float | None,
    *,
    rounds: int = 15,
    seconds: float = 0.03,
    per: float = 1,
    unit: str = "ns",
    note: str = "",
) -> Row:
    """Time both in turns, starting with the other one each round; `per` operations a repetition."""
    slices = [(run, calibrate(run, seconds)) for run in (floor, ours)]
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            run, times = slices[which]
            taken[which].append(run(times) / times / per)
    ratio = median(b / a for a, b in zip(*taken, strict=True))
    scale = {"ns": 1e9, "us": 1e6, "ms": 1e3}[unit]
    low, mine = (median(side) * scale for side in taken)
    return Row(what, mine, unit, low, ratio, target, note=note)


def table(rows: list[Row]) -> str:
    """The rows as text, columns aligned."""
    lines = [("what", "floor", "ours", "unit", "ratio", "target", "", "")]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        sign = ">=" if row.at_least else "<="
        target = "" if row.target is None else f"{sign} {row.target:g}x"
        floor = "" if row.floor is None else _figure(row.floor)
        lines.append(
            (row.what, floor, _figure(row.ours), row.unit, ratio, target, row.verdict, row.note)
        )
    widths = [max(len(line[i]) for line in lines) for i in range(8)]
    right = {1, 2, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
