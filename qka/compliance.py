"""The daily compliance report: a file for each day of a run."""

from pathlib import Path
from typing import Any

from qka.model.times import show
from qka.risk.meter import Figures, full_report
from qka.wire import pretty


def write(folder: Path, figures: Figures, account: str, run: str, now: int) -> None:
    """Write `compliance/DAY.json` in a run's folder anew; it is whole or not there.

    Raises OSError.
    """
    told: dict[str, Any] = {"account": account, "run": run, "written": show(now)}
    path = folder / "compliance" / f"{figures.day}.json"
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".part")
    half.write_bytes(pretty({**told, **full_report(figures)}) + b"\n")
    half.replace(path)
