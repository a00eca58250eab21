"""A day's figures in a few words, for those who are elsewhere."""

from collections.abc import Mapping
from typing import Any

from qka.language import say


def digest(summary: Mapping[str, Any]) -> str:
    """A run's summary so far, in a few lines; money in CNY."""
    account = summary["account"]
    lines = [
        say(
            "total {total:,}, cash {cash:,}, positions {market_value:,}, profit of the run "
            "{profit:+,} CNY"
        ).format_map(account),
        say("orders {orders}, fills {fills}, denied {denied}, fees {fees:,} CNY").format_map(
            summary
        ),
    ]
    lines += [
        say("{name}: profit {profit:+,} CNY, {fills} fills, {errors} errors").format(
            name=name, **{key: book[key] for key in ("profit", "fills", "errors")}
        )
        for name, book in summary["strategies"].items()
    ]
    if summary["working"]:
        lines.append(say("still working: {count} orders").format(count=len(summary["working"])))
    if summary["alerts"]:
        lines.append(say("alerts: {count}").format(count=len(summary["alerts"])))
    return "\n".join(lines)
