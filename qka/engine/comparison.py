"""The engine's books beside the broker's: where they differ, and what would explain it. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256

import msgspec

from qka.engine.dues import Due, Way, ways
from qka.engine.ledger import Ledger
from qka.model.account import AccountSnapshot, Position
from qka.model.money import to_cents, yuan
from qka.model.order import Fill, Order, Side


class Difference(msgspec.Struct, frozen=True):
    """One thing of which the broker says something else than the journal."""

    what: str  # cash, a symbol, or an order's id
    ours: str
    theirs: str
    why: str = ""  # what explains it; empty: nothing does


def holdings(ledger: Ledger, snapshot: AccountSnapshot) -> list[Difference]:
    """Shares that differ, by symbol."""
    ours = ledger.shares()
    theirs = {p.symbol: p.quantity for p in snapshot.positions if p.quantity}
    if ours == theirs:
        return []
    return [
        Difference(symbol, f"{ours.get(symbol, 0)} shares", f"{theirs.get(symbol, 0)} shares")
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]


def money(ledger: Ledger, snapshot: AccountSnapshot, day: date) -> list[Difference]:
    """Cash that differs.

    A broker's own schedule may be another than the one we were told: a difference of no more than
    the fees of the day, as we count them, is theirs.
    """
    ours, theirs = ledger.cash, snapshot.asset.cash
    if ours == theirs:
        return []
    why = ""
    if abs(theirs - ours) <= charged(ledger.deals.of(day)):
        why = f"fees: the broker's are {ours - theirs} CNY more than broker.fees says"
    return [Difference("cash", f"{ours} CNY", f"{theirs} CNY", why)]


def orders(ledger: Ledger, snapshot: AccountSnapshot, close: int) -> list[Difference]:
    """Orders and deals of the day that differ, at its end.

    `close`: what was made after it (ns) waits for the next day.
    """
    found: list[Difference] = []
    for theirs in snapshot.orders:
        ours = ledger.order(theirs.id)
        if ours is None:
            found.append(
                Difference(theirs.id, "unknown", f"{theirs.filled} {theirs.symbol} traded")
            )
        elif ours.filled != theirs.filled:
            found.append(Difference(theirs.id, f"{ours.filled} traded", f"{theirs.filled} traded"))
        elif ours.turnover != theirs.turnover and theirs.turnover:
            words = f"{ours.turnover} CNY traded", f"{theirs.turnover} CNY traded"
            found.append(Difference(theirs.id, *words))
    listed = {order.id: order.status for order in snapshot.orders}
    for order in ledger.working():
        if order.time >= close:
            continue
        status = listed.get(order.id)
        what = f"{order.status}, {order.remaining} {order.symbol} open"
        found.append(Difference(order.id, what, status or "not listed"))
    return found


def by_orders(
    differences: Sequence[Difference],
    ledger: Ledger,
    snapshot: AccountSnapshot,
    over: Iterable[Order],
) -> list[Difference]:
    """Explain shares and cash by orders that were working when the engine last looked.

    They may have traded while nobody listened, up to what was left of them and at their limit or
    better. Nothing is explained unless all of it is.
    """
    moved = _moved(ledger, snapshot)
    most, least = Decimal(0), Decimal(0)  # what the cash may have become more by
    names: dict[str, list[str]] = {}
    left = {symbol: shares for symbol, shares in moved.items() if shares}
    for order in over:
        shares = left.get(order.symbol, 0)
        sign = 1 if order.side is Side.BUY else -1
        part = min(abs(shares), order.remaining) if shares * sign > 0 else 0
        if not part:
            continue
        left[order.symbol] = shares - sign * part
        names.setdefault(order.symbol, []).append(order.id)
        value = yuan(to_cents(Decimal(repr(order.price)) * part))
        # a limit bounds one side; a day moves a price by no more than a third
        if sign > 0:
            least, most = least - value * Decimal("1.01") - 10, most - value * Decimal("0.6")
        else:
            least, most = least + value * Decimal("0.99") - 10, most + value * Decimal("1.6")
    change = snapshot.asset.cash - ledger.cash
    if any(left.values()) or not names or not least <= change <= most:
        return list(differences)
    together = ", ".join(sorted({order_id for ids in names.values() for order_id in ids}))
    why = f"traded while the engine was away: {together}"
    return [
        msgspec.structs.replace(d, why=why) if d.what == "cash" or d.what in names else d
        for d in differences
    ]


def by_actions(
    differences: Sequence[Difference],
    ledger: Ledger,
    snapshot: AccountSnapshot,
    over: Sequence[Order],
    dues: Sequence[Due],
    day: date,
) -> tuple[list[Difference], Sequence[Due]]:
    """Explain shares and cash by what corporate actions were to bring, and by orders besides.

    Returns them, with what is still to come. Shares and cash that came are exactly what was due:
    what the broker would say without them is explained as if they had never been. Nothing is
    explained unless all of it is.
    """
    for way in ways(dues, _moved(ledger, snapshot), over):
        rest = _without(snapshot, way)
        found = [*holdings(ledger, rest), *money(ledger, rest, day)]
        found = by_orders(found, ledger, rest, over)
        if unexplained(found):
            continue
        reasons = {d.what: [*way.words.get(d.what, ()), *_why(found, d.what)] for d in differences}
        left = way.left
        if any(d.what != "cash" for d in found):  # of orders the cash is known roughly: a dividend
            left = [msgspec.structs.replace(due, cash=False) for due in left]  # may be in it
        return [
            msgspec.structs.replace(d, why="; ".join(reasons[d.what]) or d.why) for d in differences
        ], left
    return list(differences), dues


def _why(found: Iterable[Difference], what: str) -> list[str]:
    return [difference.why for difference in found if difference.what == what]


def _moved(ledger: Ledger, snapshot: AccountSnapshot) -> dict[str, int]:
    """Shares that the broker has more, by symbol."""
    moved = {symbol: -shares for symbol, shares in ledger.shares().items()}
    for position in snapshot.positions:
        moved[position.symbol] = moved.get(position.symbol, 0) + position.quantity
    return moved


def _without(snapshot: AccountSnapshot, way: Way) -> AccountSnapshot:
    """What the broker would say if nothing had come."""
    held = {position.symbol: position for position in snapshot.positions}
    for symbol, shares in way.shares.items():
        there = held.get(symbol, Position(symbol))
        held[symbol] = msgspec.structs.replace(there, quantity=there.quantity - shares)
    asset = msgspec.structs.replace(snapshot.asset, cash=snapshot.asset.cash - way.cash)
    return msgspec.structs.replace(snapshot, asset=asset, positions=tuple(held.values()))


def fingerprint(differences: Sequence[Difference]) -> str:
    """Six letters that stand for exactly these differences, which an operator accepts; "": none."""
    if not differences:
        return ""
    text = "\n".join(f"{d.what} {d.ours} {d.theirs}" for d in differences)
    return sha256(text.encode()).hexdigest()[:6]


def table(differences: Sequence[Difference]) -> str:
    """The differences as lines that can be read."""
    rows = [("", "journal", "broker", "explained by")]
    rows += [(d.what, d.ours, d.theirs, d.why or "nothing") for d in differences]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  " + "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def charged(deals: Iterable[Fill]) -> Decimal:
    """Fees of deals as we count them, in CNY."""
    return sum((deal.fees for deal in deals), Decimal(0))


def unexplained(differences: Iterable[Difference]) -> list[Difference]:
    """Those that nothing explains."""
    return [difference for difference in differences if not difference.why]
