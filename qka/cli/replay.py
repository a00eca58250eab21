"""`qka replay`: a recorded day lived again, and compared."""

import asyncio
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qka.errors import ConfigError
from qka.language import say
from qka.phrases import retold

if TYPE_CHECKING:
    from qka.replay.check import Divergence
    from qka.replay.day import Outcome

Config = Annotated[Path, typer.Option("--config", "-c", help="The config the day was run with")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Set any key, as for qka run")]
Journal = Annotated[
    Path | None, typer.Option("--journal", help="The journal; else the one the config names")
]


def replay(
    day: Annotated[str, typer.Argument(help="The day, such as 2026-01-05")],
    config: Config,
    journal: Journal = None,
    set_: Set = None,
) -> None:
    """Live a recorded day again, and compare every signal, verdict, order and cancel.

    \b
    Examples:
      qka replay 2026-01-05 --config config/live.yaml
      qka replay 2026-01-05 --config config/live.yaml --set strategies.0.params.fast=7

    Strategies and rules run as the config says now, on what the engine was told then. Nothing is
    sent and nothing is written. Exit code 0 when all is the same, 1 when it is not, 2 when there is
    no recording of that day.
    """
    from qka import logs, settings
    from qka.replay import config as configs
    from qka.replay.day import replay as live_again

    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise ConfigError(f"{day} is no day: write it as 2026-01-05") from None
    chosen = settings.load(config, set_ or ())
    path = journal or configs.journal_path(chosen)
    logs.setup("ERROR", None, console=False)  # what is logged was logged then
    outcome = asyncio.run(live_again(wanted, path, configs.builder(chosen, config)))
    show(wanted, outcome)
    if outcome.divergence is not None:
        raise typer.Exit(1)


def show(day: date, outcome: "Outcome") -> None:
    """The outcome of a replay."""
    compared = outcome.counts.total()
    one = say("{day}: {runs} run, {rows:,} rows of its recording")
    words = one if outcome.runs == 1 else say("{day}: {runs} runs, {rows:,} rows of its recording")
    typer.echo(words.format(day=day, runs=outcome.runs, rows=outcome.rows))
    for kind, count in sorted(outcome.counts.items()):
        typer.echo(f"  {kind:18} {count:>10,}")
    for told in outcome.told:
        typer.echo(say("note: {told}").format(told=retold(told)))
    if outcome.divergence is None:
        words = say("all {count:,} decisions are the same. Hash {hash}")
        typer.echo(words.format(count=compared, hash=outcome.hash))
    else:
        words = say("decisions that are the same: {count:,}; then it diverges:")
        typer.echo(f"{words.format(count=compared)}\n")
        _diverged(outcome.divergence)


def _diverged(found: "Divergence") -> None:
    from qka.replay.words import came, said

    for cause in found.causes:
        typer.echo(f"  {came(cause)}")
    typer.echo("")
    sides = (say("  journal  {event}"), found.then), (say("  replay   {event}"), found.now)
    for words, event in sides:
        typer.echo(words.format(event=said(event) if event is not None else say("nothing")))
    if found.then is not None and type(found.then) is type(found.now):
        for path, then, now in _different(found.then, found.now):
            typer.echo(f"           {path}: {then} | {now}")
    typer.echo("\n  " + say("at record {seq} of the journal").format(seq=found.seq))


def _different(then: Any, now: Any, path: str = "") -> list[tuple[str, object, object]]:
    """The fields in which two events of one class differ."""
    import msgspec

    found: list[tuple[str, object, object]] = []
    for field in msgspec.structs.fields(then):
        one, other = getattr(then, field.name), getattr(now, field.name)
        if isinstance(one, msgspec.Struct) and type(one) is type(other):
            found += _different(one, other, f"{path}{field.name}.")
        elif one != other:
            found.append((f"{path}{field.name}", one, other))
    return found
