"""`qka alert test`: does a message of ours arrive?"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qka.errors import ConfigError
from qka.language import say

app = typer.Typer(help="Alerts: try the addresses they go to.", no_args_is_help=True)


@app.callback()
def _alert() -> None:
    """Alerts."""


@app.command("test")
def attempt(
    config: Annotated[Path, typer.Argument(help="A config, such as config/live.yaml")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET...", help="Targets; none: all of them")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="As for qka run")] = None,
) -> None:
    """Send a test message to each target, and the heartbeat, and say what came back.

    \b
    Examples:
      qka alert test config/live.yaml
      qka alert test config/live.yaml phone

    Exit code 0 when all were taken, 1 when one was not. What a service takes may still not show up
    on a phone: look there.
    """
    from qka import logs, settings
    from qka.clock import WallClock
    from qka.model.events import Severity
    from qka.monitor.alerts import targets_of
    from qka.monitor.heartbeat import Heartbeat
    from qka.monitor.messages import Writer

    chosen = settings.load(config, set_ or ())
    logs.setup("WARNING", None)
    told = chosen.alerts
    targets = targets_of(told)
    for name in names or ():
        if name not in targets:
            raise ConfigError(f"{name}: no such target; there are {', '.join(targets) or 'none'}")
    if not targets and told.heartbeat.url is None:
        raise ConfigError(
            "alerts.targets: there is none; set QKA__ALERTS__TARGETS__NAME=... in .env, "
            "docs/alerts.md says what for each service"
        )
    writer = Writer(chosen.name or "run", chosen.account.id, set())
    words = say("If you can read this, alerts of this run reach you.")
    message = writer.write("day", Severity.INFO, "test", words, WallClock().now())
    tries: dict[str, Callable[[], str]] = {
        f"{name} ({target.service})": partial(target.send, message)
        for name, target in targets.items()
        if not names or name in names
    }
    if told.heartbeat.url is not None and not names:
        url = told.heartbeat.url.get_secret_value()
        tries["heartbeat"] = Heartbeat(url, told.heartbeat.every).send
    failed = False
    with ThreadPoolExecutor(len(tries)) as pool:
        for name, result in {n: pool.submit(call) for n, call in tries.items()}.items():
            why = result.result()
            failed = failed or bool(why)
            outcome = say("not taken: {why}").format(why=why) if why else say("taken")
            typer.echo(f"{name}: {outcome}")
    if failed:
        raise typer.Exit(1)
