"""`qka strategy`: one of a running engine's strategies, while the others trade."""

import json
from typing import Annotated, Any

import typer
from rich.cells import set_cell_size

from qka.cli.reach import Config, Run, Why, Yes, command, confirm, the_run
from qka.errors import ConfigError
from qka.language import say
from qka.phrases import retold

app = typer.Typer(
    help="The strategies of a running engine: shown, started, stopped, changed.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Named = Annotated[str, typer.Argument(metavar="NAME", help="Of the strategy")]


@app.command("list")
def list_strategies(run: Run = None, config: Config = None) -> None:
    """Show the strategies, whether they run, and their parameters."""
    for each in the_run(run, config).ask("GET", "/status")["strategies"]:
        if each["state"]:
            params = " ".join(f"{name}={value}" for name, value in each["params"].items())
            # as the alert of it says: so it is known in every language
            ended = retold(f"stopped: {each['why']}").removeprefix("stopped: ")
            why = f"  ({ended})" if each["why"] else ""
            state = set_cell_size(say(each["state"]), 8)
            typer.echo(f"{each['name']:24} {state} {params}{why}".rstrip())


@app.command()
def stop(
    name: Named, run: Run = None, config: Config = None, why: Why = "", yes: Yes = False
) -> None:
    """Stop one strategy alone; what it has working is cancelled or left as its config says."""
    found = the_run(run, config)
    question = say("Stop {name} on account {account}?")
    confirm(question.format(name=name, account=found.account), yes)
    _told(command(found, "stop", name, why=why))


@app.command()
def start(
    name: Named, run: Run = None, config: Config = None, why: Why = "", yes: Yes = False
) -> None:
    """Start a strategy that was stopped: made anew, with the state it left."""
    found = the_run(run, config)
    question = say("Start {name} on account {account}?")
    confirm(question.format(name=name, account=found.account), yes)
    _told(command(found, "start", name, why=why))


@app.command()
def params(
    name: Named,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Without one: show them")
    ] = None,
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Show a strategy's parameters, or change some from the next event on.

    \b
    Examples:
      qka strategy params DualMA
      qka strategy params DualMA fast=7 slow=30 --why "it is choppy"

    What the strategy made of them in on_start stays as it is until it is stopped and started.
    """
    found = the_run(run, config)
    if changes:
        question = say("Set {changes} of {name} on account {account}?")
        told = question.format(changes=" ".join(changes), name=name, account=found.account)
        confirm(told, yes)
        shown = command(found, "params", name, *changes, why=why)["params"]
    else:
        there = found.ask("GET", "/status")["strategies"]
        mine = [each["params"] for each in there if each["name"] == name]
        if not mine:
            names = ", ".join(each["name"] for each in there)
            raise ConfigError(f"{name}: no such strategy; there are {names}")
        shown = mine[0]
    for key, value in shown.items():
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


def _told(done: dict[str, Any]) -> None:
    why = f": {retold(done['why'])}" if done.get("why") else ""
    words = say("{strategy} is {state}").format(**{**done, "state": say(done["state"])})
    typer.echo(words + why)
