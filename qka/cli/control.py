"""`qka status`, `halt`, `reduce`, `cancel-all`, `buy`, `sell`, `strategy`, `risk`: stepping in."""

import json
import time
from typing import Annotated, Any

import typer

from qka.cli.reach import Config, Run, Why, Yes, command, confirm, the_run
from qka.errors import ConfigError

Symbol = Annotated[str, typer.Argument(help="Such as 600000.SH")]
Shares = Annotated[int, typer.Argument(help="Shares", min=1)]
Price = Annotated[str, typer.Argument(help="CNY a share; without one: at market")]

risk = typer.Typer(
    help="The limits of a running engine: shown, or changed from the next order on.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
strategy = typer.Typer(
    help="The strategies of a running engine: shown, started, stopped, changed.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Named = Annotated[str, typer.Argument(metavar="NAME", help="Of the strategy")]


def status(
    run: Run = None,
    config: Config = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Show a running engine on one screen: state, links, cash, positions, orders, alerts.

    \b
    Examples:
      qka status
      qka status --watch
      qka status --json --config config/live.yaml
    """
    from rich.console import Console
    from rich.live import Live

    from qka.cli import board

    found = the_run(run, config)
    if as_json:
        typer.echo(json.dumps(found.ask("GET", "/status"), ensure_ascii=False, indent=2))
        return
    console = Console()
    if not watch:
        console.print(board.drawn(found.ask("GET", "/status"), found.folder))
        return
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as shown:
        while True:
            shown.update(board.drawn(found.ask("GET", "/status"), found.folder), refresh=True)
            time.sleep(1.0)


def halt(run: Run = None, config: Config = None, why: Why = "") -> None:
    """Stop all new orders, at once and without a question. Cancels and reports go on.

    \b
    Examples:
      qka halt
      qka halt --why "the market is mad"

    When it has answered, no new order leaves. Orders at the exchange stay: see qka cancel-all. It
    stays so after a restart, until qka resume.
    """
    found = the_run(run, config)
    _switched(command(found, "halt", why=why))
    orders = found.ask("GET", "/status")["orders"]
    if orders:
        typer.echo(f"{len(orders)} orders still work; qka cancel-all takes them back")


def reduce(run: Run = None, config: Config = None, why: Why = "") -> None:
    """Let only orders leave that shrink a position.

    It stays so after a restart, until qka resume.
    """
    _switched(command(the_run(run, config), "reduce", why=why))


def cancel(
    orders: Annotated[list[str], typer.Argument(help="As `qka status` names them")],
    run: Run = None,
    config: Config = None,
    why: Why = "",
) -> None:
    """Take back orders that work, without a question.

    An order can still trade until its cancel is confirmed.
    """
    for order in command(the_run(run, config), "cancel", *orders, why=why)["orders"]:
        typer.echo(f"{order['id']}  {order['what']}")


def cancel_all(
    symbols: Annotated[list[str] | None, typer.Argument(help="Only of these")] = None,
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Take back every order that works, of all strategies and of others on the account.

    \b
    Examples:
      qka cancel-all
      qka cancel-all 600000.SH --yes

    An order can still trade until its cancel is confirmed. In 09:20-09:25 and 14:57-15:00 the
    exchange takes no cancels: they are asked for as soon as it does.
    """
    found = the_run(run, config)
    confirm(f"Cancel all working orders{' of ' + ', '.join(symbols) if symbols else ''}?", yes)
    orders = command(found, "cancel-all", *(symbols or ()), why=why)["orders"]
    for order in orders:
        typer.echo(f"{order['id']}  {order['what']}")
    typer.echo(f"{len(orders)} orders" if orders else "no order works")


def buy(
    symbol: Symbol,
    shares: Shares,
    price: Price = "",
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Buy by hand, through the gate: every limit of the account holds.

    \b
    Examples:
      qka buy 600000.SH 100 10.05 --why "a test"
    """
    _order("buy", symbol, shares, price, run, config, why, yes)


def sell(
    symbol: Symbol,
    shares: Shares,
    price: Price = "",
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Sell by hand, through the gate.

    \b
    Examples:
      qka sell 600000.SH 100
    """
    _order("sell", symbol, shares, price, run, config, why, yes)


@risk.command()
def show(run: Run = None, config: Config = None) -> None:
    """Show the limits in force."""
    for key, value in the_run(run, config).ask("GET", "/limits").items():
        typer.echo(f"{key:24} {json.dumps(value, ensure_ascii=False)}")


@risk.command("set")
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
    confirm(f"Set {limit} on account {found.account}?", yes)
    done = command(found, "set", limit, why=why)
    typer.echo(f"{done['set']} is {done['value']} from the next order on")


@strategy.command("list")
def list_strategies(run: Run = None, config: Config = None) -> None:
    """Show the strategies, whether they run, and their parameters."""
    for each in the_run(run, config).ask("GET", "/status")["strategies"]:
        if each["state"]:
            params = " ".join(f"{name}={value}" for name, value in each["params"].items())
            why = f"  ({each['why']})" if each["why"] else ""
            typer.echo(f"{each['name']:24} {each['state']:8} {params}{why}".rstrip())


@strategy.command()
def stop(
    name: Named, run: Run = None, config: Config = None, why: Why = "", yes: Yes = False
) -> None:
    """Stop one strategy alone; what it has working is cancelled or left as its config says."""
    found = the_run(run, config)
    confirm(f"Stop {name} on account {found.account}?", yes)
    _told(command(found, "stop", name, why=why))


@strategy.command()
def start(
    name: Named, run: Run = None, config: Config = None, why: Why = "", yes: Yes = False
) -> None:
    """Start a strategy that was stopped: made anew, with the state it left."""
    found = the_run(run, config)
    confirm(f"Start {name} on account {found.account}?", yes)
    _told(command(found, "start", name, why=why))


@strategy.command()
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
        confirm(f"Set {' '.join(changes)} of {name} on account {found.account}?", yes)
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
    why = f": {done['why']}" if done.get("why") else ""
    typer.echo(f"{done['strategy']} is {done['state']}{why}")


def _order(
    side: str, symbol: str, shares: int, price: str, run: Any, config: Any, why: str, yes: bool
) -> None:
    found = the_run(run, config)
    at = f"at {price}" if price else "at market"
    confirm(f"{side} {shares} {symbol} {at} on account {found.account}?", yes)
    words = (symbol, shares, price) if price else (symbol, shares)
    order = command(found, side, *words, why=why)["order"]
    typer.echo(
        f"{order['id']}  {order['side']} {order['quantity']} {order['symbol']} at "
        f"{order['price']:g}: {order['status'].upper()} {order['reason']}".rstrip()
    )
    if order["status"] == "denied":
        raise typer.Exit(1)


def _switched(done: dict[str, Any]) -> None:
    typer.echo(f"trading is {done['trading'].upper()}, it was {done['was']}")
