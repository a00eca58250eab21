"""The command line: argv → exit code. It builds nothing itself.

Exit codes: 0 done, 1 ran and failed, 2 bad input or config, 3 stopped by risk or operator,
130 interrupted.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from qka import __version__
from qka.errors import ConfigError, DataError, QkaError

app = typer.Typer(
    name="qka",
    help=(
        "Trade China A-shares with your own strategies: on paper first, then live through QMT.\n\n"
        "Start here:  qka init demo, then cd demo, then qka run config/paper.yaml"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Argument(help="YAML file, such as config/paper.yaml")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set any key: --set risk.position_ratio=0.2 (repeatable)"),
]
Live = Annotated[
    bool, typer.Option("--live", help="Needed for a broker that trades real money; else refused")
]


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
) -> None:
    if version:
        typer.echo(f"qka {__version__}")
        raise typer.Exit


@app.command()
def run(config: Config, set_: Set = None, live: Live = False) -> None:
    """Run the strategies of a config until its feed ends, or Ctrl-C.

    \b
    Examples:
      qka run config/paper.yaml
      qka run config/paper.yaml --set feed.seed=7 --set account.cash=500000
      qka run config/replay.yaml --set feed.path=my/ticks
    """  # \b is click's mark for text that keeps its lines
    from qka.app import Engine  # late: --help and --version must be quick

    engine = Engine.from_config(config, overrides=set_ or (), live=live)
    try:
        interrupted, error = asyncio.run(_run(engine))
    except KeyboardInterrupt:
        words = f"stopped at once; orders already sent keep working, see {engine.folder}"
        typer.echo(f"qka: {words}", err=True)
        raise typer.Exit(130) from None
    _show(engine.summary(), interrupted)
    if error is not None:
        raise error
    if interrupted:
        raise typer.Exit(130)


@app.command()
def check(config: Config, set_: Set = None, live: Live = False) -> None:
    """Check a config: import its strategies, open its data, build everything, send nothing."""
    from qka.app import Engine

    engine = Engine.from_config(config, overrides=set_ or (), live=live)
    symbols = asyncio.run(engine.check())
    chosen = engine.settings
    names = ", ".join(strategy.name for strategy in engine.strategies)
    typer.echo(f"{config} is fine; nothing was started or sent.")
    typer.echo(f"  account     {chosen.account.id}, {chosen.account.cash:,} CNY")
    typer.echo(f"  feed        {chosen.feed.kind}, {len(symbols)} symbols")
    typer.echo(f"  broker      {chosen.broker.kind}")
    typer.echo(f"  strategies  {names}")
    typer.echo(f"Run it with: qka run {config}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the project")],
) -> None:
    """Make a project: a config, a commented strategy, .env.example and .gitignore."""
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise ConfigError(f"{folder} exists and is not empty: name a new folder")
    with as_file(files("qka") / "templates" / "project") as template:
        copytree(template, folder, dirs_exist_ok=True)
    for name in ("env.example", "gitignore"):
        (folder / name).rename(folder / f".{name}")
    typer.echo(f"Made {folder}. Now:\n  cd {folder}\n  qka run config/paper.yaml")


def main() -> None:
    """Run the command line; every expected error is one message, never a traceback."""
    try:
        app()
    except QkaError as error:
        typer.echo(f"qka: {error}", err=True)
        raise SystemExit(2 if isinstance(error, ConfigError | DataError) else 1) from None


async def _run(engine: Any) -> tuple[bool, QkaError | None]:
    """Run with a progress bar; returns (interrupted, what the feed raised)."""
    error: QkaError | None = None
    with _interrupts(engine) as interrupts:
        async with engine:
            bar = asyncio.create_task(_progress(engine))
            try:
                await engine.wait()
            except QkaError as raised:
                error = raised
            finally:
                bar.cancel()
                await asyncio.wait([bar])
    return bool(interrupts), error


@contextlib.contextmanager
def _interrupts(engine: Any) -> Iterator[list[int]]:
    """The first Ctrl-C stops cleanly, the second one at once."""
    seen: list[int] = []
    loop = asyncio.get_running_loop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt
        typer.echo("\nqka: stopping; press Ctrl-C again to stop at once", err=True)
        loop.call_soon_threadsafe(engine.request_stop)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


async def _progress(engine: Any) -> None:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("trading", total=1.0)
        try:
            while True:
                progress.update(task, completed=engine.feed.progress())
                await asyncio.sleep(0.1)
        finally:
            progress.update(task, completed=engine.feed.progress())


def _show(summary: dict[str, Any], interrupted: bool) -> None:
    """The readable summary, on standard output."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"{summary['name']}: {'interrupted' if interrupted else 'done'}")
    for heading in ("strategy", "signals", "orders", "denied", "fills", "fees", "profit", "errors"):
        left = heading in ("strategy", "denied")
        table.add_column(heading, justify="left" if left else "right")
    for name, book in summary["strategies"].items():
        denied = ", ".join(f"{code} {count}" for code, count in book["denied"].items())
        figures = [book[k] for k in ("signals", "orders")], [book["fills"]], book["errors"]
        table.add_row(
            name,
            *map(str, figures[0]),
            denied or "0",
            *map(str, figures[1]),
            f"{book['fees']:,}",
            f"{book['profit']:+,}",
            str(figures[2]),
        )
    console.print(table)
    account = summary["account"]
    console.print(
        f"account   cash {account['cash']:,}  positions {account['market_value']:,}  "
        f"total {account['total']:,}  profit {account['profit']:+,} CNY",
        highlight=False,
    )
    for held in account["positions"]:
        console.print(
            f"  {held['symbol']}  {held['quantity']:>8} shares  {held['sellable']:>8} sellable  "
            f"at {held['price']:g}  worth {held['value']:,}",
            highlight=False,
        )
    for order in summary["working"]:
        words = f"still working: {order['id']} {order['side']} {order['symbol']} {order['status']}"
        console.print(words, highlight=False)
    for alert in summary["alerts"]:
        console.print(f"alert     {alert}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"run       {summary['run']}", highlight=False, soft_wrap=True)
