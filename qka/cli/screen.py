"""What a run shows: a line at its start, a progress bar, and the summary at its end."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


def announce(engine: Any) -> None:
    """One line on standard error: what runs, over what, and where it is kept."""
    chosen = engine.settings
    names = ", ".join(strategy.name for strategy in engine.strategies)
    kind = chosen.broker.kind
    real = kind != "paper" and not getattr(chosen.broker, "simulated", False)
    broker = f", {kind} broker, REAL MONEY" if real else f", {kind} broker"
    typer.echo(
        f"qka: {chosen.name or 'run'}: {chosen.feed.kind} feed{broker}, {names}; "
        f"kept in {engine.folder}",
        err=True,
    )
    page = "" if engine.monitor is None else engine.monitor.page
    if page:
        typer.echo(f"qka: dashboard: {page}  (this address lets in once)", err=True)


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
        task = shown.add_task("trading", total=1.0)
        try:
            while True:
                shown.update(task, completed=engine.feed.progress())
                await asyncio.sleep(0.1)
        finally:
            shown.update(task, completed=engine.feed.progress())


def show(summary: dict[str, Any]) -> None:
    """The readable summary, on standard output."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"{summary['name']}: {summary['ended']}")
    for heading in ("strategy", "signals", "orders", "denied", "fills", "fees", "profit", "errors"):
        left = heading in ("strategy", "denied")
        table.add_column(heading, justify="left" if left else "right")
    for name, book in summary["strategies"].items():
        denied = ", ".join(f"{code} {count}" for code, count in book["denied"].items())
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
    for line in _lines(summary):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(summary: dict[str, Any]) -> list[str]:
    account = summary["account"]
    lines = [
        f"account   cash {account['cash']:,}  positions {account['market_value']:,}  "
        f"total {account['total']:,}  profit {account['profit']:+,} CNY"
    ]
    lines += [
        f"  {held['symbol']}  {held['quantity']:>8} shares  {held['sellable']:>8} sellable  "
        f"at {held['price']:g}  worth {held['value']:,}"
        for held in account["positions"]
    ]
    lines += [
        f"still working: {order['id']} {order['side']} {order['symbol']} {order['status']}"
        for order in summary["working"]
    ]
    lines += [f"alert     {alert}" for alert in summary["alerts"]]
    lines += [f"run       {Path(summary['run'])}"]
    return lines
