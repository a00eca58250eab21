"""`qka verify`: is a journal whole, and what to do when it is not."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import set_cell_size

from qka.errors import ConfigError
from qka.language import say
from qka.phrases import retold

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
        words = say(
            "\n{path}: records 1 to {last} taken over, record {seq} says what was lost.\n"
            "Head {hash}.\n"
            "Move {old}* away and keep it, then put {new} and {new}.head in its place, under its "
            "name."
        )
        typer.echo(
            words.format(
                path=salvage,
                last=report.last_good,
                seq=end.seq,
                hash=end.hash.hex(),
                old=journal.name,
                new=salvage.name,
            )
        )
    if report.problems or report.contains is False:
        raise typer.Exit(1)


def _print(report: "Report") -> None:
    from qka.model.times import show

    told = report.about.meta
    words = say("{path}: account {account} ({kind})")
    kind = told.get("account_type")
    typer.echo(words.format(path=report.path, account=told.get("account"), kind=kind))
    created = told.get("created", "")
    # a run over past time begins its journal before its clock has a time
    if created.isdecimal() and int(created):
        words = say("begun {time} by qka {version}")
        typer.echo(words.format(time=show(int(created)), version=told.get("qka")))
    for kind, count in sorted(report.kinds.items()):
        typer.echo(f"  {kind:18} {count:>10,}")
    records = set_cell_size(say("records"), 18)
    typer.echo(f"  {records} {report.records:>10,}")
    for doubt in report.doubts:
        typer.echo(say("note: {what}").format(what=retold(doubt)))
    if report.contains is not None:
        yes, no = say("the expected hash is in it"), say("FAIL: no record has it")
        typer.echo(yes if report.contains else no)
    seq, hash_ = report.head.seq, report.head.hash.hex()
    if not report.problems:
        typer.echo(say("whole. Head: record {seq}, {hash}").format(seq=seq, hash=hash_))
        return
    for problem in report.problems:
        typer.echo(say("FAIL: {what}").format(what=retold(problem.what)))
    if report.last_good:
        typer.echo(say("whole up to record {seq}, {hash}").format(seq=seq, hash=hash_))
    typer.echo(f"\n{retold(str(report.refusal()))}")
