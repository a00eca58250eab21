"""The status: all there is to see of a running engine, at one moment, as plain values.

The command line, a page and the tests look at this one picture. Money in CNY, times in Shanghai.
"""

from decimal import Decimal
from typing import Any

from qka.engine.engine import Engine
from qka.model.account import Position
from qka.model.events import Alert, LinkState
from qka.model.money import cents, to_cents, yuan
from qka.model.order import Order
from qka.model.times import show

_ALERTS = 20  # the last ones


class Status:
    """Looks at one engine; made before it starts, because it listens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._links: dict[str, LinkState] = {}
        engine.listen(LinkState, self._on_link)

    def _on_link(self, event: LinkState) -> None:
        self._links[event.link] = event

    def now(self) -> dict[str, Any]:
        """Everything, as it stands now."""
        engine = self._engine
        summary = engine.tally.summary()
        ledger, asset, phase = engine.ledger, engine.ledger.asset, engine.phase
        return {
            "time": show(engine.clock.now()),
            "running": engine.running,
            "progress": round(engine.feed.progress(), 4),
            "trading": {
                "state": ledger.trading,
                "told": engine.switch.trading,
                "why": engine.switch.held or engine.switch.why,
                "held": bool(engine.switch.held),
                "faults": sorted(engine.faults),
            },
            "phase": None if phase is None else {"day": phase.day, "phase": str(phase.phase)},
            "links": [
                {"link": name, "up": link.up, "since": show(link.time), "why": link.reason}
                for name, link in sorted(self._links.items())
            ],
            "account": {
                "id": engine.account_id,
                "cash": asset.cash,
                "available": asset.available,
                "market_value": asset.market_value,
                "total": asset.total,
                "profit": summary["account"]["profit"],
                "fees": summary["fees"],
            },
            "positions": [position_row(held) for held in ledger.positions()],
            "orders": [order_row(order) for order in ledger.working()],
            "exits": engine.operator.flattener.rows(),
            "strategies": [
                {**self._strategy(name), **figures}
                for name, figures in summary["strategies"].items()
            ],
            "alerts": [alert_row(alert) for alert in engine.tally.alerts[-_ALERTS:]],
        }

    def _strategy(self, name: str) -> dict[str, Any]:
        """What runs under that name; hands and stops trade without being a strategy."""
        runner = self._engine.runners.get(name)
        if runner is None:
            return {"name": name, "state": "", "why": "", "symbols": [], "params": {}}
        return {
            "name": name,
            "state": "running" if runner.active else "stopped",
            "why": runner.ended,
            "symbols": runner.symbols,
            "params": self._engine.operator.strategies.params(runner),
        }


def position_row(held: Position) -> dict[str, Any]:
    """A position as plain values; `profit`: at its last price, the fees of a sell aside."""
    value = cents(held.price, held.quantity)
    paid = to_cents(Decimal(repr(held.cost)) * held.quantity)
    return {
        "symbol": held.symbol,
        "quantity": held.quantity,
        "sellable": held.sellable,
        "today": held.today,
        "cost": round(held.cost, 4),
        "price": held.price,
        "value": yuan(value),
        "profit": yuan(value - paid),
    }


def order_row(order: Order) -> dict[str, Any]:
    """An order as plain values."""
    return {
        "id": order.id,
        "strategy": order.strategy,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "quantity": order.quantity,
        "price": order.price,
        "filled": order.filled,
        "status": order.status,
        "time": show(order.time),
        "reason": order.reason,
    }


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as plain values."""
    return {
        "time": show(alert.time),
        "severity": alert.severity,
        "source": alert.source,
        "message": alert.message,
    }
