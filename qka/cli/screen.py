"""What a run shows: a line at its start, a progress bar, and the summary at its end."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from qka.language import mark, say
from qka.model.events import Alert
from qka.model.times import show as dated
from qka.phrases import retold
from qka.telling import SIDES, STATUSES

_HEADINGS = (
    mark("strategy"),
    mark("signals"),
    mark("orders"),
    mark("denied"),
    mark("fills"),
    mark("fees"),
    mark("profit"),
    mark("errors"),
)
_ENDINGS = {
    "done": mark("done"),
    "interrupted": mark("interrupted"),
    "failed": mark("failed"),
}
_KINDS = {
    "simulated": mark("simulated"),
    "replay": mark("replay"),
    "paper": mark("paper"),
    "remote": mark("remote"),
}


def announce(engine: Any) -> None:
    """One line on standard error: what runs, over what, and where it is kept."""
    chosen = engine.settings
    names = ", ".join(strategy.name for strategy in engine.strategies)
    kind = chosen.broker.kind
    real = kind != "paper" and not getattr(chosen.broker, "simulated", False)
    if real:
        words = say("qka: {name}: {feed} feed, {broker} broker, REAL MONEY, {names}; kept in {run}")
    else:
        words = say("qka: {name}: {feed} feed, {broker} broker, {names}; kept in {run}")
    typer.echo(
        words.format(
            name=chosen.name or "run",
            feed=say(_KINDS.get(chosen.feed.kind, chosen.feed.kind)),
            broker=say(_KINDS.get(kind, kind)),
            names=names,
            run=engine.folder,
        ),
        err=True,
    )
    page = "" if engine.monitor is None else engine.monitor.page
    if page:
        words = say("qka: dashboard: {page}  (this address lets in once)").format(page=page)
        typer.echo(words, err=True)


async def progress(engine: Any) -> None:
    """A bar that moves with the feed, on a terminal; runs until it is cancelled."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(say("trading"), total=1.0)
        try:
            while True:
                shown.update(task, completed=engine.feed.progress())
                await asyncio.sleep(0.1)
        finally:
            shown.update(task, completed=engine.feed.progress())


def show(summary: dict[str, Any], alerts: Sequence[Alert]) -> None:
    """The readable summary, on standard output; alerts with their time, by the engine's clock."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    ended = say(_ENDINGS.get(summary["ended"], summary["ended"]))
    table = Table(title=say(": ").join((summary["name"], ended)))
    for heading in _HEADINGS:
        left = heading in ("strategy", "denied")
        table.add_column(say(heading), justify="left" if left else "right")
    for name, book in summary["strategies"].items():
        denied = ", ".join(f"{say(code)} {count}" for code, count in book["denied"].items())
        table.add_row(
            name,
            str(book["signals"]),
            str(book["orders"]),
            denied or "0",
            str(book["fills"]),
            f"{book['fees']:,}",
            f"{book['profit']:+,}",
            str(book["errors"]),
        )
    console.print(table)
    for line in _lines(summary, alerts):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(summary: dict[str, Any], alerts: Sequence[Alert]) -> list[str]:
    account = summary["account"]
    lines = [
        say(
            "account   total {total:,}  profit {profit:+,} CNY\n"
            "          cash {cash:,}  positions {market_value:,}"
        ).format_map(account)
    ]
    if account["own_profit"]:
        words = say("  of it {own_profit:+,} is the account's own, of no strategy")
        lines.append(words.format_map(account))
    lines += [
        say(
            "  {symbol}  {quantity:>8} shares  {sellable:>8} sellable  at {price:g}  "
            "worth {value:,}"
        ).format_map(held)
        for held in account["positions"]
    ]
    lines += [
        say("still working: {id} {side} {symbol} {status}").format(
            id=order["id"],
            side=say(SIDES[order["side"]]),
            symbol=order["symbol"],
            status=say(STATUSES[order["status"]]),
        )
        for order in summary["working"]
    ]
    for alert in alerts:
        time = f"{dated(alert.time)}  " if alert.time else ""  # none before a simulated one begins
        told = f"{time}{alert.source}: {retold(alert.message)}"
        lines.append(say("alert     {alert}").format(alert=told))
    lines += [say("run       {run}").format(run=Path(summary["run"]))]
    return lines
