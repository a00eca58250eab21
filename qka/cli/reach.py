"""Which run a command is for, who gives it, and whether it is meant."""

import getpass
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qka.errors import ConfigError

if TYPE_CHECKING:
    from qka.monitor.client import Running
    from qka.settings import Settings

Run = Annotated[
    Path | None, typer.Option("--run", help="The run's folder, where several are running")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The config it was started with  [the runs in ./runs]"),
]
Why = Annotated[str, typer.Option("--why", "--reason", help="The reason, for the journal")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


def the_run(run: Path | None, config: Path | None) -> "Running":
    """The one that is meant. Raises ConfigError when none runs, or several do."""
    from qka import settings
    from qka.monitor import client

    if run is not None:
        found = client.at(run)
        if found is None:
            raise ConfigError(f"{run}: no engine runs that keeps its run there")
        return found
    chosen = None if config is None else settings.load(config)
    folder = Path("runs") if chosen is None else chosen.run.dir
    return _only(client.running(folder) if chosen is None else live(chosen), folder)


def live(chosen: "Settings") -> "list[Running]":
    """The runs of a config's account that can be asked, the newest first."""
    from qka.monitor import client

    return [run for run in client.running(chosen.run.dir) if run.account == chosen.account.id]


def live_one(chosen: "Settings") -> "Running | None":
    """The run of a config's account, None when no engine runs; raises ConfigError for several."""
    found = live(chosen)
    return _only(found, chosen.run.dir) if found else None


def _only(found: "list[Running]", folder: Path) -> "Running":
    if not found:
        raise ConfigError(
            f"no engine runs that keeps its run in {folder.resolve()} and can be asked; name its "
            "config with --config, or its folder with --run"
        )
    if len(found) > 1:
        names = "\n".join(f"  --run {run.folder}   account {run.account}" for run in found)
        raise ConfigError(f"{len(found)} engines run here; say which:\n{names}")
    return found[0]


def command(run: "Running", name: str, *words: object, why: str = "") -> Any:
    """Give a command; returns what came of it. Raises ConfigError, OutcomeUnknown."""
    said = {"command": name, "args": [str(word) for word in words], "who": who(), "why": why}
    return run.ask("POST", "/command", said)


def confirm(question: str, yes: bool) -> None:
    """Ask a human, unless it was said beforehand that it is meant; raises ConfigError, Abort."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Without a terminal to ask on, say --yes: nothing was done")
    typer.confirm(question, abort=True)


def who() -> str:
    """`user@host`, for the journal."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "somebody"
    return f"{user}@{platform.node() or 'here'}"
