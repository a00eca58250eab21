"""All commands, and the one place where an error becomes a message and an exit code."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from qka import __version__, language
from qka.cli import alert, control, helps, limits, operator, project, run, server, strategy
from qka.cli.dashboard import dashboard
from qka.cli.doctor import doctor
from qka.cli.replay import replay
from qka.cli.report import report
from qka.cli.verify import verify
from qka.cli.why import why
from qka.errors import STANDING, QkaError
from qka.phrases import retold
from qka.secrets import mask

app = typer.Typer(
    name="qka",
    help=(
        "Trade China A-shares with your own strategies: on paper first, then live through QMT.\n\n"
        "Start here:  qka init demo, then cd demo, then qka run config/paper.yaml"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(run.check)
app.command()(project.init)
app.command()(doctor)
app.command()(verify)
app.command()(replay)
app.command()(why)
app.command()(report)
app.command()(control.status)
app.command()(dashboard)
app.command()(control.halt)
app.command()(control.reduce)
app.command()(operator.resume)
app.command()(control.cancel)
app.command("cancel-all")(control.cancel_all)
app.command()(control.flatten)
app.command()(control.buy)
app.command()(control.sell)
app.add_typer(strategy.app, name="strategy")
app.add_typer(limits.app, name="risk")
app.command()(operator.accept)
app.command()(operator.resolve)
app.add_typer(server.app, name="server")
app.add_typer(alert.app, name="alert")


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
) -> None:
    if version:
        typer.echo(f"qka {__version__}")
        raise typer.Exit


def _language_of_the_project() -> None:
    """The language that `.env` names holds for every command, also for those that read no config.

    What is wrong with the file is told by who needs more of it.
    """
    file = Path(".env")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if file.is_file():
            from dotenv.parser import parse_stream  # late: most folders have none

            with file.open(encoding="utf-8-sig") as stream:
                named = {line.key: line.value for line in parse_stream(stream)}
            language.prefer(named.get("QKA_LANG"))


def main() -> None:
    """Run the command line; every expected error is one message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may lack a sign: better ? than nothing
    _language_of_the_project()
    try:
        helps.run(app)
    except QkaError as error:
        typer.echo(mask(f"qka: {retold(str(error))}"), err=True)
        raise SystemExit(2 if isinstance(error, STANDING) else 1) from None
