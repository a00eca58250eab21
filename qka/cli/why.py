"""`qka why`: the story of one order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import set_cell_size

from qka.errors import ConfigError
from qka.language import mark, say

if TYPE_CHECKING:
    from qka.replay.story import Story

_KINDS = {
    "quote": (mark("quote"), "cyan"),
    "signal": (mark("signal"), "magenta"),
    "rules": (mark("rules"), "yellow"),
    "order": (mark("order"), None),
    "alert": (mark("alert"), "red"),
    "wire": (mark("wire"), "bright_black"),
}


def why(
    order: Annotated[str, typer.Argument(help="The order's id, or enough of its beginning")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config of its account")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="The journal; else the one the config names")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="As for qka run")] = None,
) -> None:
    """Tell the story of an order: quote, signal, verdicts, what went to the broker, what came back.

    \b
    Examples:
      qka why q260105-1a2b3c-000001 --config config/live.yaml
      qka why q260105 --journal journals/STOCK-8880012345.db

    An engine may be running on the journal. Exit code 2 when there is no such order.
    """
    from qka import settings
    from qka.replay import config as configs
    from qka.replay.story import tell

    if journal is None:
        if config is None:
            raise ConfigError("name the journal: --config CONFIG, or --journal PATH")
        journal = configs.journal_path(settings.load(config, set_ or ()))
    _show(tell(journal, order))


def _show(story: "Story") -> None:
    from qka.model.times import show
    from qka.telling import SIDES, STATUSES, clock_time

    order = story.order
    words = say("{id}  {side} {quantity} {symbol} at {price:g}, {strategy}: {status}")
    if order.filled:
        words += say(", {filled} traded at {average:g}, fees {fees} CNY")
    told = words.format(
        id=order.id,
        side=say(SIDES[order.side]),
        quantity=order.quantity,
        symbol=order.symbol,
        price=order.price,
        strategy=order.strategy or say("not ours"),
        status=say(STATUSES[order.status]).upper(),
        filled=order.filled,
        average=order.average_price,
        fees=order.fees,
    )
    typer.secho(told, bold=True)
    typer.echo(show(order.time)[:10])
    before = 0
    for line in story.lines:
        moment = clock_time(line.time) if line.time else ""
        passed = _span(line.time - before) if 0 < before != line.time else ""
        before = line.time
        typer.echo(f"  {moment:15} {passed:>9}  ", nl=False)
        kind, colour = _KINDS[line.kind]
        typer.secho(f"{set_cell_size(say(kind), 6)}  {line.words}", fg=colour)


def _span(ns: int) -> str:
    """`+1.234 ms`: how long after the line before."""
    if abs(ns) < 1_000_000:
        return f"{ns / 1_000:+.0f} us"
    if abs(ns) < 1_000_000_000:
        return f"{ns / 1_000_000:+.1f} ms"
    return f"{ns / 1_000_000_000:+.2f} s"
