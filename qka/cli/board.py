"""The screen of `qka status`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qka.language import mark, say
from qka.phrases import retold
from qka.telling import LINKS, SIDES, STATUSES, TRADING

_COLOURS = {"active": "green", "reducing": "yellow", "halted": "red"}
_ALERTS = 8  # lines


def drawn(status: dict[str, Any], folder: Path) -> RenderableType:
    """One screen of what `monitor.status` says, in the reader's language."""
    return Group(*_head(status, folder), *_tables(status), *_alerts(status))


def _head(status: dict[str, Any], folder: Path) -> Iterable[Text]:
    trading, phase = status["trading"], status["phase"]
    state = trading["state"]
    line = Text(f"{status['time']}  ")
    line.append(say(TRADING[state]).upper(), style=_COLOURS.get(state, ""))
    if trading["held"]:
        line.append(say(" (held; told {state})").format(state=say(TRADING[trading["told"]])))
    line.append("  ").append(say(phase["phase"]) if phase else say("no trading day"))
    line.append(f"  {folder.name}")
    if not status["running"]:
        line.append("  " + say("starting or stopping"))
    yield line
    if trading["why"] and state != "active":
        yield Text(say("  because {why}").format(why=retold(trading["why"])))
    yield Text(
        say(
            "account {id}  total {total:,.2f}  profit {profit:+,.2f} CNY\n"
            "cash {cash:,.2f}  available {available:,.2f}  positions {market_value:,.2f}"
        ).format_map(status["account"])
    )
    for link in status["links"]:
        up = link["up"]
        words = say("link to the {link} up since {since}")
        if not up:
            words = say("link to the {link} DOWN since {since}")
        text = words.format(link=say(LINKS.get(link["link"], link["link"])), since=link["since"])
        yield Text(f"{text}  {retold(link['why'])}".rstrip(), style="" if up else "red")
    for fault in trading["faults"]:
        yield Text(say("FAULT  {words}").format(words=retold(fault)), style="red")


def _tables(status: dict[str, Any]) -> Iterable[RenderableType]:
    yield _table(
        mark("positions"),
        (
            mark("symbol"), mark("shares"), mark("can sell"), mark("today"), mark("cost"),
            mark("last"), mark("value"),
        ),
        [
            (
                held["symbol"], f"{held['quantity']:,}", f"{held['sellable']:,}",
                f"{held['today']:,}", f"{held['cost']:.3f}", f"{held['price']:g}",
                f"{held['value']:,.2f}",
            )
            for held in status["positions"]
        ],
    )  # fmt: skip
    yield _table(
        mark("working orders"),
        (
            mark("order"), mark("strategy"), mark("side"), mark("symbol"), mark("shares"),
            mark("at"), mark("filled"), mark("status"),
        ),
        [
            (
                order["id"], order["strategy"] or say("not ours"), say(SIDES[order["side"]]),
                order["symbol"], f"{order['quantity']:,}", f"{order['price']:g}",
                f"{order['filled']:,}", say(STATUSES[order["status"]]),
            )
            for order in status["orders"]
        ],
    )  # fmt: skip
    for each in status["exits"]:
        if each["held"] or not each["done"]:
            words = "; ".join(map(retold, each["left"])) or (
                say("is being sold") if each["done"] else say("cancels first")
            )
            text = say("flatten {symbol}: {held:,} held: {words}")
            yield Text(text.format_map({**each, "words": words}), style="yellow")
    yield _table(
        mark("strategies"),
        (
            mark("strategy"), mark("state"), mark("signals"), mark("orders"), mark("denied"),
            mark("fills"), mark("profit"), mark("errors"),
        ),
        [
            (
                each["name"], say(each["state"]) if each["state"] else "", str(each["signals"]),
                str(each["orders"]), str(sum(each["denied"].values())), str(each["fills"]),
                f"{each['profit']:+,.2f}", str(each["errors"]),
            )
            for each in status["strategies"]
        ],
    )  # fmt: skip


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> RenderableType:
    if not rows:
        return Text(say("no {what}").format(what=say(title)), style="dim")
    table = Table(title=say(title), title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        words = heading in ("symbol", "order", "strategy", "side", "status", "state")
        justify: Any = "left" if words else "right"
        table.add_column(say(heading), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _alerts(status: dict[str, Any]) -> Iterable[Text]:
    for alert in status["alerts"][-_ALERTS:]:
        style = "red" if alert["severity"] == "error" else "yellow"
        words = retold(alert["message"])
        yield Text(f"{alert['time'][11:]}  {alert['source']}: {words}", style=style)
