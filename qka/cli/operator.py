"""`qka accept`, `qka resume`, `qka resolve`: a human's word, to a running engine or to the next."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import structs

from qka.cli.reach import Run, Why, Yes, command, confirm, live_one, the_run, who
from qka.errors import ConfigError
from qka.language import say
from qka.phrases import retold
from qka.telling import TRADING

if TYPE_CHECKING:
    from qka.monitor.client import Running
    from qka.settings import Settings

Config = Annotated[Path, typer.Argument(help="The account's config, such as config/live.yaml")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Set any key, as for qka run")]


def accept(
    config: Config,
    fingerprint: Annotated[str, typer.Argument(help="Of the differences, as the engine said")],
    set_: Set = None,
    why: Why = "",
) -> None:
    """Take over the broker's books where they differ from the journal and nothing explains it.

    \b
    Examples:
      qka accept config/live.yaml 00b508 --why "bonus shares of 000001.SZ"

    The engine that found the differences prints the command. A running one goes on from the
    broker's books at once, else the next start does: if they still differ in just this.
    """
    from qka import operator

    chosen = _settings(config, set_)
    running = live_one(chosen)
    if running is not None:
        _accepted(running, command(running, "accept", fingerprint, why=why))
        return
    table = operator.accept(chosen, fingerprint, who(), why)
    typer.echo(say("accepted, for the next start:") + f"\n{retold(table)}")


def resume(
    config: Annotated[
        Path | None, typer.Argument(help="The account's config; without one: what runs here")
    ] = None,
    run: Run = None,
    set_: Set = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Let an account trade again that was halted, or reduced.

    \b
    Examples:
      qka resume --why "it was a false alarm"                        (what runs here)
      qka resume config/live.yaml --why "the disk has room again"

    A running engine trades from now on. Where none runs the next start does, unless its config or
    the broker's books say no.
    """
    from qka import operator

    chosen = None if config is None else _settings(config, set_)
    running = the_run(run, None) if chosen is None or run is not None else live_one(chosen)
    if running is not None:
        question = say("Let account {account} trade again?")
        confirm(question.format(account=running.account), yes)
        done = command(running, "resume", why=why)
        reason = retold(done["why"])
        words = say("lifted: {was}: {why}") if reason else say("lifted: {was}")
        words = words.format(was=say(TRADING[done["was"]]), why=reason)
        typer.echo(words + "\n" + say("Trading is ACTIVE."))
        return
    assert chosen is not None
    was = operator.resume(chosen, who(), why)
    typer.echo(say("lifted: {was}").format(was=was) + "\n" + say("The next start may trade."))


def resolve(
    config: Config,
    order: Annotated[str, typer.Argument(help="The order's id; without one: list them")] = "",
    ending: Annotated[
        str, typer.Option("--as", help="filled, rejected, cancelled or expired")
    ] = "",
    filled: Annotated[int, typer.Option("--filled", help="Shares that traded, if any did")] = 0,
    price: Annotated[float, typer.Option("--price", help="CNY a share they traded at")] = 0.0,
    set_: Set = None,
    why: Why = "",
) -> None:
    """Say what became of an order that nobody knows the end of, after a look at the terminal.

    \b
    Examples:
      qka resolve config/live.yaml                       (the orders without an end)
      qka resolve config/live.yaml q260105-fxqk-000012 --as rejected
      qka resolve config/live.yaml q260105-fxqk-000012 --as filled --price 10.02
      qka resolve config/live.yaml q260105-fxqk-000012 --as cancelled --filled 300 --price 10.02

    Without a price the order's own limit is taken. The next start holds the account against the
    broker's books, so a wrong word is found.
    """
    from qka import operator

    chosen = _settings(config, set_)
    if not order and (ending or filled or price):
        raise ConfigError("--as: name the order that it is said of")
    running = live_one(chosen)
    if not order:
        _list(running.ask("GET", "/status")["orders"] if running else operator.unknown(chosen))
        return
    if filled < 0 or price < 0:
        raise ConfigError("--filled and --price: nothing below zero")
    if running is not None:
        words = [str(filled), f"{price:g}"] if price else [str(filled)] if filled else []
        order_ = command(running, "resolve", order, ending, *words, why=why)["order"]
    else:
        done = operator.resolve(
            chosen, order, ending, filled=filled, price=price, who=who(), why=why
        )
        order_ = structs.asdict(done)
    told = say("{id} is {status}: {filled} of {quantity} {symbol} traded")
    typer.echo(told.format_map({**order_, "status": say(order_["status"])}))


def _list(orders: "list[Any]") -> None:
    """Orders without an end, from a journal or a running engine."""
    for order in orders:
        row = order if isinstance(order, dict) else structs.asdict(order)
        words = say(
            "{id}  {status}  {side} {quantity} {symbol} at {price:g}, {filled} filled  {reason}"
        )
        own = {name: say(row[name]) for name in ("status", "side")}
        typer.echo(words.format_map({**row, **own, "reason": retold(row["reason"])}))
    if not orders:
        typer.echo(say("every order has its end"))


def _accepted(running: "Running", done: dict[str, Any]) -> None:
    """Look whether the trading is released; the comparison takes a moment."""
    typer.echo(say("accepted:") + f"\n{retold(done['table'])}")
    for _ in range(20):
        trading = running.ask("GET", "/status")["trading"]
        if not trading["held"]:
            state = say(TRADING[trading["state"]]).upper()
            typer.echo(say("The books agree. Trading is {state}.").format(state=state))
            return
        time.sleep(0.25)
    words = say("it is held still: {why}").format(why=retold(trading["why"]))
    typer.echo(words, err=True)
    raise typer.Exit(1)


def _settings(config: Path, set_: list[str] | None) -> "Settings":
    from qka import logs, settings

    logs.setup("WARNING", None)
    return settings.load(config, set_ or ())
