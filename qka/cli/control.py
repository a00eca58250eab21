"""`qka status`, `halt`, `reduce`, `cancel-all`, `flatten`, `buy`, `sell`: stepping into a run."""

import json
import time
from typing import Annotated, Any

import typer

from qka.cli.reach import Config, Run, Why, Yes, command, confirm, the_run
from qka.language import say
from qka.phrases import retold
from qka.telling import TRADING, asked

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
        words = say("{count} orders still work; `qka cancel-all` takes them back")
        typer.echo(words.format(count=len(orders)))


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
        typer.echo(f"{order['id']}  {retold(order['what'])}")


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
    question = say("Cancel all working orders?")
    if symbols:
        question = say("Cancel all working orders of {symbols}?").format(symbols=", ".join(symbols))
    confirm(question, yes)
    orders = command(found, "cancel-all", *(symbols or ()), why=why)["orders"]
    for order in orders:
        typer.echo(f"{order['id']}  {retold(order['what'])}")
    words = say("{count} orders") if orders else say("no order works")
    typer.echo(words.format(count=len(orders)))


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
    what = ", ".join(symbols) if symbols else say("everything")
    question = say("Cancel the orders of {what} and sell it, on account {account}?")
    confirm(question.format(what=what, account=found.account), yes)
    exits = command(found, "flatten", *(symbols or ()), why=why)["exits"]
    for _ in range(_LOOKS):
        if all(each["done"] and not each["selling"] for each in exits):
            break
        time.sleep(_PAUSE)
        exits = found.ask("GET", "/status")["exits"]
    for each in exits:
        words = [say("{selling:,} being sold").format_map(each)] if each["selling"] else []
        if each["waits"]:
            waits = ", ".join(each["waits"])
            words.append(say("waits for the cancel of {orders}").format(orders=waits))
        told = say("; ").join([*words, *map(retold, each["left"])])
        line = say("{symbol}  {held:,} held  {words}").format_map({**each, "words": told})
        typer.echo(line.rstrip())
    ending = say("trading is REDUCING") if exits else say("nothing is held; trading is REDUCING")
    typer.echo(ending)


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
    question = say("{side} {shares} {symbol} at {price} on account {account}?")
    if not price:
        question = say("{side} {shares} {symbol} at market on account {account}?")
    named = {"side": say(side), "shares": shares, "symbol": symbol, "price": price}
    confirm(question.format(account=found.account, **named), yes)
    words = (symbol, shares, price) if price else (symbol, shares)
    order = command(found, side, *words, why=why)["order"]
    parts = (order[name] for name in ("side", "quantity", "symbol", "type", "price"))
    line = say("{id}  {order}: {status} {reason}").format(
        id=order["id"],
        order=asked(*parts),
        status=say(order["status"]).upper(),
        reason=retold(order["reason"]),
    )
    typer.echo(line.rstrip())
    if order["status"] in ("denied", "rejected"):
        raise typer.Exit(1)


def _switched(done: dict[str, Any]) -> None:
    state, was = (say(TRADING[done[name]]) for name in ("trading", "was"))
    typer.echo(say("trading is {state}, it was {was}").format(state=state.upper(), was=was))
