"""A day's report as a page, made out of the journal while the engine goes on."""

import contextlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from qka.model.times import at

SETTLED = "15:45"  # the account has been held against the broker's by then


class Pages:
    """The pages of one engine's run, in its folder."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def after(self, day: date, then: Callable[[date], None]) -> None:
        """Call back on the loop when the day is settled and all of it can be read."""

        def due() -> None:
            with contextlib.suppress(OSError):  # the journal says so; the page tells what is there
                self._engine.journal.flush()
            then(day)

        self._engine.clock.call_at(at(day, SETTLED) - 1, due)

    def make(self, day: date) -> Path:
        """Make the page. Blocks: call it on a thread. Raises ConfigError, JournalDamaged."""
        from qka.report.day import day_report  # late: it loads templates

        return day_report(self._engine.records.path, f"{day:%Y%m%d}", self._engine.folder)
