"""`qka report`: what an account did, as a page, on the terminal and as tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qka.errors import ConfigError

if TYPE_CHECKING:
    from qka.report.gather import Period


def report(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[RUN|DAY|RANGE]",
            help="A run's folder or its name, 20260105, or 20260105..20260109",
        ),
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config of the account")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="The journal; else the one the config names")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; else beside the run, or reports/")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A folder for all tables as CSV")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", help="A folder for all tables as Parquet")
    ] = None,
    lang: Annotated[
        str, typer.Option("--lang", help="zh or en; else QKA_LANG, or the locale")
    ] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="As for qka run")] = None,
) -> None:
    """Look back: one HTML file that opens anywhere, a summary here, tables if asked for.

    \b
    Examples:
      qka report                                  the newest run
      qka report runs/20260105-093000-paper
      qka report 20260105 --config config/live.yaml
      qka report 20260105..20260109 --journal journals/STOCK-8880012345.db --csv tables

    Reads the journal and changes nothing in it; an engine may be running on it. Exit code 2 when
    there is nothing to report on, or the journal is damaged.
    """
    from rich.console import Console

    from qka.report import export, page, terminal, words
    from qka.report.gather import gather

    language = words.language(lang)
    period, beside = _period(what, config, journal, set_ or [])
    found = gather(period)
    path = out or beside
    page.write(found, path, language)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    terminal.tell(found, language, console)
    if csv is not None:
        export.write_csv(found, csv)
    if parquet is not None:
        export.write_parquet(found, parquet)
    for made in (path, csv, parquet):
        if made is not None:
            typer.echo(f"-> {made}")


def _period(
    what: str, config: Path | None, journal: Path | None, set_: list[str]
) -> tuple["Period", Path]:
    """What is to be reported on, and where its page goes."""
    from qka import settings
    from qka.journals import DEFAULT, account_path
    from qka.report import where

    chosen = settings.load(config, set_) if config is not None else None
    days = where.days(what) if what else None
    if days is None and journal is None and (what or chosen is None):
        runs = chosen.run.dir if chosen is not None else Path("runs")
        folder = where.run(what, runs) if what else where.newest(runs)
        return where.of_run(folder), folder / "report.html"
    if days is None and what:
        raise ConfigError(f"{what} is no day: write 20260105, or 20260105..20260109")
    if journal is None:
        journal = account_path(chosen) if chosen is not None else where.only(DEFAULT)
    if journal is None:  # each run has its own
        runs = chosen.run.dir if chosen is not None else Path("runs")
        journal = where.of_run(where.newest(runs)).journal
    period = where.of_days(journal, days)
    return period, Path("reports") / f"{period.journal.stem}-{period.title}.html"
