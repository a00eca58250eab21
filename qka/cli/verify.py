"""`qka verify`: is a journal whole, and what to do when it is not."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qka.errors import ConfigError

if TYPE_CHECKING:
    from qka.journal.verify import Report


_HASH = re.compile("[0-9a-fA-F]{64}")


def verify(
    journal: Annotated[Path, typer.Argument(help="The journal of an account")],
    expect: Annotated[
        str, typer.Option("--expect", help="A head hash printed earlier: it must still be in it")
    ] = "",
    salvage: Annotated[
        Path | None, typer.Option("--salvage", help="A new file for all that is whole")
    ] = None,
) -> None:
    """Look at every record of a journal: is it the one that was written, and are they all there?

    \b
    Examples:
      qka verify journals/STOCK-8880012345.db
      qka verify journals/STOCK-8880012345.db --expect 5d3c…   (a hash of an earlier day)
      qka verify journals/STOCK-8880012345.db --salvage journals/mended.db

    Changes nothing in the journal; an engine may be running on it. Exit code 0 when it is whole,
    1 when it is damaged, 2 when it is no journal.
    """
    from qka.clock import WallClock
    from qka.journal import verify as room
    from qka.journal.salvage import salvage as take_over

    if expect and not _HASH.fullmatch(expect):
        raise ConfigError(f"--expect: {expect} is no hash, they are 64 digits and a-f")
    wanted = bytes.fromhex(expect) if expect else None
    if salvage is None:
        report = room.verify(journal, wanted)
        _print(report)
    else:
        report, end = take_over(journal, salvage, WallClock().now())
        _print(report)
        typer.echo(
            f"\n{salvage}: records 1 to {report.last_good} taken over, record {end.seq} says what "
            f"was lost.\nHead {end.hash.hex()}.\n"
            f"Move {journal.name}* away and keep it, then put {salvage.name} and "
            f"{salvage.name}.head in its place, under its name."
        )
    if report.problems or report.contains is False:
        raise typer.Exit(1)


def _print(report: "Report") -> None:
    from qka.model.times import show

    told = report.about.meta
    typer.echo(f"{report.path}: account {told.get('account')} ({told.get('account_type')})")
    created = told.get("created", "")
    # a run over past time begins its journal before its clock has a time
    if created.isdecimal() and int(created):
        typer.echo(f"begun {show(int(created))} by qka {told.get('qka')}")
    for kind, count in sorted(report.kinds.items()):
        typer.echo(f"  {kind:18} {count:>10,}")
    typer.echo(f"  {'records':18} {report.records:>10,}")
    for doubt in report.doubts:
        typer.echo(f"note: {doubt}")
    if report.contains is not None:
        typer.echo("the expected hash is in it" if report.contains else "FAIL: no record has it")
    if not report.problems:
        typer.echo(f"whole. Head: record {report.head.seq}, {report.head.hash.hex()}")
        return
    for problem in report.problems:
        typer.echo(f"FAIL: {problem.what}")
    if report.last_good:
        typer.echo(f"whole up to record {report.last_good}, {report.head.hash.hex()}")
    typer.echo(f"\n{report.refusal()}")
