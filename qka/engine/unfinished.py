"""What a human asked of a run that ended before it came about. Pure."""

import shlex
from collections.abc import Iterable

from qka.engine.ledger import Ledger
from qka.model.events import OperatorCommand
from qka.model.order import FINAL, OrderStatus
from qka.model.times import show

LASTING = ("cancel", "cancel-all", "flatten", "resume")  # what takes its time, and what ends it


def unfinished(asked: Iterable[OperatorCommand], ledger: Ledger) -> list[str]:
    """What of these commands, in their order, is left to ask again; a sentence for each of them.

    Nobody but a human does it: meanwhile he may have changed his mind, or acted elsewhere.
    """
    cancels: dict[str, OperatorCommand] = {}  # order id -> who asked for it last
    exits: dict[str, OperatorCommand] = {}  # symbol -> the same
    for event in asked:
        words = shlex.split(event.args)
        if event.command == "resume":
            exits.clear()
        elif event.command == "cancel":
            cancels |= dict.fromkeys(words, event)
        else:
            cancels |= {
                order.id: event
                for order in ledger.working()
                # what a flatten sells is made at its own moment, and is not to be cancelled
                if order.time < event.time and (not words or order.symbol in words)
            }
        if event.command == "flatten":  # each begins anew
            exits = dict.fromkeys(words or ledger.shares(), event)
    held = ledger.shares()
    orders: dict[OperatorCommand, list[str]] = {}
    shares: dict[OperatorCommand, list[str]] = {}
    for name, event in cancels.items():
        order = ledger.order(name)
        if order and order.status not in FINAL and order.status is not OrderStatus.PENDING_CANCEL:
            orders.setdefault(event, []).append(f"{name} ({order.symbol})")
    for symbol, event in exits.items():
        if symbol in held:
            shares.setdefault(event, []).append(f"{held[symbol]} {symbol}")
    return [
        f"{_said(event)}, and the engine ended: {', '.join(left)} still work; `qka cancel` takes "
        "them back"
        for event, left in orders.items()
    ] + [
        f"{_said(event)}, and the engine ended: {', '.join(left)} are still held, and nothing of "
        "them is sold by itself; `qka flatten` begins anew"
        for event, left in shares.items()
    ]


def _said(event: OperatorCommand) -> str:
    return f"{event.who or 'somebody'} asked for {event.command} at {show(event.time)}"
