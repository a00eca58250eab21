"""A day lived again: every run that had a part in it, from its own start."""

from collections import Counter
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from itertools import chain
from math import inf
from pathlib import Path
from typing import NamedTuple

from qka.clock import DrivenClock
from qka.errors import DataError
from qka.journal.port import Journal
from qka.journal.records import Records, opened
from qka.model.times import day_of
from qka.recording.port import Head, Recorder
from qka.recording.reading import Run, beside, days, runs
from qka.replay.check import DECISIONS, Check, Diverged, Divergence
from qka.replay.player import Player
from qka.replay.script import Script
from qka.replay.stage import PastJournal, PlayedFeed, ReplayedEngine


class Edges(NamedTuple):
    """What a replayed engine is built over."""

    clock: DrivenClock
    feed: PlayedFeed
    journal: Journal
    recorder: Recorder
    account_id: str


# builds an engine, its strategies anew, over these edges
Build = Callable[[Edges], ReplayedEngine]


class Outcome(NamedTuple):
    """What came of a replay."""

    runs: int
    rows: int
    counts: Counter[str]  # kind of decision -> how many were the same
    hash: str  # of them all
    divergence: Divergence | None
    told: list[str]  # what could not be compared, and why


async def replay(day: date, journal: Path, build: Build) -> Outcome:
    """Live a day again. Raises DataError when there is no recording of it, ConfigError,
    JournalDamaged.
    """
    folder = beside(journal)
    found = runs(folder)
    mine = [run for run in found if day in run.days]
    if not mine:
        raise DataError(_nothing(day, folder))
    counts: Counter[str] = Counter()
    whole, rows, told = sha256(), 0, list[str]()
    with opened(journal) as records:
        openings = records.openings()
        told += _unrecorded(day, found, openings, records.starts())
        for run in mine:
            begun = [seq for seq, _ in openings if seq > run.number]
            end = begun[1] - 1 if len(begun) > 1 else None  # the next run has begun
            check, script = await _replay(run, end, records, build, told)
            counts += check.counts
            rows += script.rows
            whole.update(bytes.fromhex(check.hash))
            if check.divergence is not None:
                break
    return Outcome(len(mine), rows, counts, whole.hexdigest(), check.divergence, told)


def _unrecorded(
    day: date, found: list[Run], openings: list[tuple[int, int]], starts: list[int]
) -> list[str]:
    """Words for runs of the day that left no recording, if there were any.

    A start that was refused decided nothing.
    """
    began = {min((s for s, _ in openings if s > run.number), default=0) for run in found}
    ends = [*(seq for seq, _ in openings[1:]), inf]
    missing = sum(
        any(seq < start < end for start in starts)
        for (seq, time), end in zip(openings, ends, strict=False)
        if day_of(time) == day and seq not in began
    )
    if not missing:
        return []
    runs = "1 run" if missing == 1 else f"{missing} runs"
    return [f"{runs} of that day left no recording: what was decided then is not compared"]


def _nothing(day: date, folder: Path) -> str:
    known = days(folder)
    if not known:
        return f"{folder}: there is no recording (journal.record makes one while an engine runs)"
    first, last = known[0], known[-1]
    return f"{folder} has no recording of {day}: days it has: {len(known)}, {first} to {last}"


async def _replay(
    run: Run, end: int | None, records: Records, build: Build, told: list[str]
) -> tuple[Check, Script]:
    damage: list[str] = []
    rows = run.rows(damage)
    first = next(rows, None)
    if first is None or not isinstance(first.entry, Head):
        lost = damage[0] if damage else f"{run.files[0]} begins in the middle of a run"
        raise DataError(f"{lost}: what the run began with is gone, so it can't be replayed")
    if records.hash(run.number) != first.entry.hash:
        raise DataError(f"{run.files[0]} is not of the journal {records.path}, but of another one")
    clock, check = DrivenClock(first.time, waits=first.entry.waits), Check()
    script = Script(chain([first], rows), records.between(run.number, end))
    player = Player(script, clock, check)
    past = PastJournal(records, run.number, check)
    engine = build(Edges(clock, PlayedFeed(first.entry, player), past, player, records.account))
    engine.play(player)
    try:
        async with engine:
            try:
                await engine.wait()
            except Diverged:
                await engine.abandon()
            if not script.stopped:
                await engine.abandon()
            engine.request_stop()
        if script.stopped and check.divergence is None:
            player.end()
    except Diverged:
        await engine.abandon()
    told += damage
    beyond = sum(record.kind in DECISIONS for record in script.beyond)
    if not script.stopped and check.divergence is None:
        told.append(
            f"the recording ends at {run.files[-1].name} before the run does (it was killed, or "
            f"still runs): {beyond} decisions after its last row can't be compared"
        )
    return check, script
