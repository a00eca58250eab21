"""`qka dashboard`: the way to a running engine's page."""

from typing import Annotated

import typer

from qka.cli.reach import Config, Run, the_run


def dashboard(
    run: Run = None,
    config: Config = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser")] = False,
) -> None:
    """Print the address of a running engine's dashboard; it lets one browser in, within an hour.

    \b
    Examples:
      qka run config/paper.yaml --set monitor.dashboard=true --set feed.speed=30
      qka dashboard
      qka dashboard --open
    """
    found = the_run(run, config)
    code = found.ask("POST", "/code", {})["code"]
    page = f"http://{found.host}:{found.port}/#code={code}"
    typer.echo(page)
    if open_:
        typer.launch(page)
