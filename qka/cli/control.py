"""`qka status`, `halt`, `reduce`, `cancel-all`, `flatten`, `buy`, `sell`: stepping into a run."""

import json
import time
from typing import Annotated, Any

import typer

from qka.cli.reach import Config, Run, Why, Yes, command, confirm, the_run

Symbol = Annotated[str, typer.Argument(help="Such as 600000.SH")]
Shares = Annotated[int, typer.Argument(help="Shares", min=1)]
Price = Annotated[str, typer.Argument(help="CNY a share; without one: at market")]
_LOOKS, _PAUSE = 20, 0.25  # at what becomes of an exit, and seconds between them


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


def flatten(
    symbols: Annotated[list[str] | None, typer.Argument(help="Only these")] = None,
    run: Run = None,
    config: Config = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Sell all that can be sold, and say what stays and why.

    \b
    Examples:
      qka flatten --why "out of it"
      qka flatten 600000.SH 000001.SZ

    Trading is REDUCING from then on, until qka resume. What works on a symbol is cancelled first,
    then all of it that T+1 lets go is sold at the market, once: qka status shows what is left.
    """
    found = the_run(run, config)
    what = ", ".join(symbols) if symbols else "everything"
    confirm(f"Cancel the orders of {what} and sell it, on account {found.account}?", yes)
    exits = command(found, "flatten", *(symbols or ()), why=why)["exits"]
    for _ in range(_LOOKS):
        if all(each["done"] and not each["selling"] for each in exits):
            break
        time.sleep(_PAUSE)
        exits = found.ask("GET", "/status")["exits"]
    for each in exits:
        words = [f"{each['selling']:,} being sold"] if each["selling"] else []
        words += [f"waits for the cancel of {', '.join(each['waits'])}"] if each["waits"] else []
        typer.echo(f"{each['symbol']}  {each['held']:,} held  {'; '.join([*words, *each['left']])}")
    typer.echo("trading is REDUCING" if exits else "nothing is held; trading is REDUCING")


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
