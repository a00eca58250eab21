"""`qka risk`: the limits of a running engine."""

import json
from typing import Annotated

import typer

from qka.cli.reach import Config, Run, Why, Yes, command, confirm, the_run
from qka.language import say

app = typer.Typer(
    help="The limits of a running engine: shown, or changed from the next order on.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def show(run: Run = None, config: Config = None) -> None:
    """Show the limits in force."""
    for key, value in the_run(run, config).ask("GET", "/limits").items():
        typer.echo(f"{key:24} {json.dumps(value, ensure_ascii=False)}")


@app.command("set")
def set_limit(
    limit: Annotated[str, typer.Argument(help="KEY=VALUE, such as max_notional=20000")],
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Change a limit from the next order on.

    \b
    Examples:
      qka risk set max_notional=20000 --why "thin market"
      qka risk set strategies.0.max_quantity=1000
      qka risk set max_daily_loss=null          (takes the limit away)
    """
    found = the_run(run, config)
    if not limit.startswith(("risk.", "strategies.")):
        limit = f"risk.{limit}"
    question = say("Set {limit} on account {account}?")
    confirm(question.format(limit=limit, account=found.account), yes)
    done = command(found, "set", limit, why=why)
    typer.echo(say("{set} is {value} from the next order on").format_map(done))
