"""`qka why`: the story of one order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qka.language import mark, say

if TYPE_CHECKING:
    from qka.replay.story import Story

_KINDS = {
    "quote": mark("quote"),
    "signal": mark("signal"),
    "rules": mark("rules"),
    "order": mark("order"),
    "alert": mark("alert"),
    "wire": mark("wire"),
}
_COLOURS = {
    "quote": "cyan",
    "signal": "magenta",
    "rules": "yellow",
    "alert": "red",
    "wire": "bright_black",
}


def why(
    order: Annotated[str, typer.Argument(help="The order's id, or enough of its beginning")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config of its account")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="The journal; else that of the newest run")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="As for qka run")] = None,
) -> None:
    """Tell the story of an order: quote, signal, verdicts, what went to the broker, what came back.

    \b
    Examples:
      qka why q260105-1a2b3c-000001               an order of the newest run
      qka why q260105-1a2b3c-000001 --config config/live.yaml
      qka why q260105 --journal journals/STOCK-8880012345.db

    An engine may be running on the journal. Exit code 2 when there is no such order.
    """
    from qka.replay.story import tell

    _show(tell(journal or _journal(config, set_ or []), order))


def _journal(config: Path | None, set_: list[str]) -> Path:
    """The account's; where each run has its own, or no account is named, the newest run's."""
    from qka import settings
    from qka.journals import account_path
    from qka.report import where

    chosen = settings.load(config, set_) if config is not None else None
    path = account_path(chosen) if chosen is not None else None
    runs = chosen.run.dir if chosen is not None else Path("runs")
    return path or where.journal_of(where.newest(runs))


def _show(story: "Story") -> None:
    from rich.cells import set_cell_size

    from qka.model.times import show
    from qka.telling import STATUSES, clock_time, wished

    order = story.order
    head = say("{id}  {order}, {strategy}: {status}").format(
        id=order.id,
        order=wished(order),
        strategy=order.strategy or say("not ours"),
        status=say(STATUSES[order.status]).upper(),
    )
    if order.filled:
        head += say(", {filled} traded at {price:g}, fees {fees} CNY").format(
            filled=order.filled, price=order.average_price, fees=order.fees
        )
    typer.secho(head, bold=True)
    typer.echo(show(order.time)[:10])
    before = 0
    for line in story.lines:
        moment = clock_time(line.time) if line.time else ""
        passed = _span(line.time - before) if 0 < before != line.time else ""
        before = line.time
        typer.echo(f"  {moment:15} {passed:>9}  ", nl=False)
        kind = set_cell_size(say(_KINDS[line.kind]), 6)
        typer.secho(f"{kind}  {line.words}", fg=_COLOURS.get(line.kind))


def _span(ns: int) -> str:
    """`+1.234 ms`: how long after the line before."""
    if abs(ns) < 1_000_000:
        return f"{ns / 1_000:+.0f} us"
    if abs(ns) < 1_000_000_000:
        return f"{ns / 1_000_000:+.1f} ms"
    return f"{ns / 1_000_000_000:+.2f} s"
