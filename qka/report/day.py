"""A day's page beside a running engine: out of its journal, without its loop waiting."""

import asyncio
from pathlib import Path

from qka.errors import ConfigError
from qka.report.gather import gather
from qka.report.page import write
from qka.report.where import days, of_days
from qka.report.words import language


def day_report(journal: Path, day: str, folder: Path, lang: str = "") -> Path:
    """Make the page of a day (`20260105`) or some days in a folder, and return its path.

    `lang`: `zh` or `en`; else the reader's. Raises ConfigError, JournalDamaged.
    """
    wanted = days(day)
    if wanted is None:
        raise ConfigError(f"{day} is no day: write 20260105, or 20260105..20260109")
    period = of_days(journal, wanted)
    path = folder / f"{journal.stem}-{period.title}.html"
    write(gather(period), path, language(lang))
    return path


async def day_report_beside(journal: Path, day: str, folder: Path, lang: str = "") -> Path:
    """The same on a thread: the loop goes on meanwhile."""
    return await asyncio.to_thread(day_report, journal, day, folder, lang)
