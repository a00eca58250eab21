"""Phases of the exchange day, in Shanghai time.

SSE and SZSE trading rules, revision effective 2026-07-06; the closing call of SSE stocks is
dated 2018-08-20. The phases of each product with what each accepts are one table wider than
this; here are the boundaries that every A share has in common.
"""

from bisect import bisect_right
from datetime import date

from qka.model.market import Phase
from qka.model.times import MINUTE, midnight, time_of_day


def _minutes(hhmm: str) -> int:
    hours, minutes = hhmm.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE


# start of the phase (ns after midnight) -> phase
BOUNDARIES: tuple[tuple[int, Phase], ...] = tuple(
    (_minutes(start), phase)
    for start, phase in (
        ("00:00", Phase.PRE_OPEN),
        ("09:15", Phase.OPENING_CALL),
        ("09:25", Phase.BREAK),
        ("09:30", Phase.CONTINUOUS),
        ("11:30", Phase.BREAK),
        ("13:00", Phase.CONTINUOUS),
        ("14:57", Phase.CLOSING_CALL),
        ("15:00", Phase.POST_CLOSE),
        ("15:30", Phase.CLOSED),
    )
)
_STARTS = [start for start, _ in BOUNDARIES]


def phase_at(time: int) -> Phase:
    """The phase of a trading day at a moment (ns since the epoch)."""
    return BOUNDARIES[bisect_right(_STARTS, time_of_day(time)) - 1][1]


def phases_of(day: date) -> list[tuple[int, Phase]]:
    """Every phase of a trading day with the moment (ns) it begins."""
    start = midnight(day)
    return [(start + offset, phase) for offset, phase in BOUNDARIES]


_NO_CANCELS = (
    (_minutes("09:20"), _minutes("09:25")),
    (_minutes("14:57"), _minutes("15:00")),
)


def cancels_from(time: int) -> int:
    """The moment (ns), `time` itself or a later one, from which the exchange takes cancels."""
    offset = time_of_day(time)
    for start, end in _NO_CANCELS:
        if start <= offset < end:
            return time - offset + end
    return time


def cancels_taken(time: int) -> bool:
    """Whether the exchange takes cancels: not in 09:20-09:25 and 14:57-15:00."""
    return cancels_from(time) == time
