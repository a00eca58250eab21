"""The screen of `qka status`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_COLOURS = {"active": "green", "reducing": "yellow", "halted": "red"}
_ALERTS = 8  # lines


def drawn(status: dict[str, Any], folder: Path) -> RenderableType:
    """One screen of what `monitor.status` says."""
    return Group(*_head(status, folder), *_tables(status), *_alerts(status))


def _head(status: dict[str, Any], folder: Path) -> Iterable[Text]:
    trading, account, phase = status["trading"], status["account"], status["phase"]
    state = trading["state"]
    line = Text(f"{status['time']}  ")
    line.append(state.upper(), style=_COLOURS.get(state, ""))
    if trading["held"]:
        line.append(f" (held; told {trading['told']})")
    line.append(f"  {phase['phase'] if phase else 'no trading day'}")
    line.append(f"  {folder.name}")
    if not status["running"]:
        line.append("  starting or stopping")
    yield line
    if trading["why"]:
        yield Text(f"  because {trading['why']}")
    yield Text(
        f"account {account['id']}  cash {account['cash']:,.2f}  available "
        f"{account['available']:,.2f}  positions {account['market_value']:,.2f}  total "
        f"{account['total']:,.2f}  profit {account['profit']:+,.2f} CNY"
    )
    for link in status["links"]:
        text = f"link to the {link['link']} {'up' if link['up'] else 'DOWN'} since {link['since']}"
        yield Text(f"{text}  {link['why']}".rstrip(), style="" if link["up"] else "red")
    for fault in trading["faults"]:
        yield Text(f"FAULT  {fault}", style="red")


def _tables(status: dict[str, Any]) -> Iterable[RenderableType]:
    yield _table(
        "positions",
        ("symbol", "shares", "sellable", "today", "cost", "price", "value"),
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
        "working orders",
        ("order", "strategy", "side", "symbol", "shares", "price", "filled", "status"),
        [
            (
                order["id"], order["strategy"] or "not ours", order["side"], order["symbol"],
                f"{order['quantity']:,}", f"{order['price']:g}", f"{order['filled']:,}",
                order["status"],
            )
            for order in status["orders"]
        ],
    )  # fmt: skip
    for each in status["exits"]:
        if each["held"] or not each["done"]:
            words = "; ".join(each["left"]) or (
                "is being sold" if each["done"] else "cancels first"
            )
            yield Text(f"flatten {each['symbol']}: {each['held']:,} held: {words}", style="yellow")
    yield _table(
        "strategies",
        ("strategy", "state", "signals", "orders", "denied", "fills", "profit", "errors"),
        [
            (
                each["name"], each["state"], str(each["signals"]), str(each["orders"]),
                str(sum(each["denied"].values())), str(each["fills"]), f"{each['profit']:+,.2f}",
                str(each["errors"]),
            )
            for each in status["strategies"]
        ],
    )  # fmt: skip


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> RenderableType:
    if not rows:
        return Text(f"no {title}", style="dim")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        words = heading in ("symbol", "order", "strategy", "side", "status", "state")
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _alerts(status: dict[str, Any]) -> Iterable[Text]:
    for alert in status["alerts"][-_ALERTS:]:
        style = "red" if alert["severity"] == "error" else "yellow"
        yield Text(f"{alert['time'][11:]}  {alert['source']}: {alert['message']}", style=style)
