"""qka: an asyncio, event-driven live trading engine for China A-shares through QMT.

The public door. Everything is loaded when it is first used, so that `import qka` is quick and
loads no adapter and no vendor code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Engine": "qka.app",
    "Strategy": "qka.engine.strategy",
    "SignalStrategy": "qka.engine.strategy",
    "Params": "qka.engine.strategy",
    "register": "qka.engine.strategy",
    "Quote": "qka.model.market",
    "Bar": "qka.model.market",
    "Phase": "qka.model.market",
    "SessionPhase": "qka.model.events",
    "Signal": "qka.model.events",
    "Rebalanced": "qka.model.events",
    "Shortfall": "qka.model.events",
    "Fill": "qka.model.events",
    "Alert": "qka.model.events",
    "TradingState": "qka.model.events",
    "Order": "qka.model.order",
    "OrderStatus": "qka.model.order",
    "OrderType": "qka.model.order",
    "Side": "qka.model.order",
    "Asset": "qka.model.account",
    "Position": "qka.model.account",
    "to_datetime": "qka.model.times",
    "QkaError": "qka.errors",
    "ConfigError": "qka.errors",
}

if TYPE_CHECKING:
    from qka.app import Engine
    from qka.engine.strategy import Params, SignalStrategy, Strategy, register
    from qka.errors import ConfigError, QkaError
    from qka.model.account import Asset, Position
    from qka.model.events import (
        Alert,
        Fill,
        Rebalanced,
        SessionPhase,
        Shortfall,
        Signal,
        TradingState,
    )
    from qka.model.market import Bar, Phase, Quote
    from qka.model.order import Order, OrderStatus, OrderType, Side
    from qka.model.times import to_datetime

__all__ = [
    "Alert",
    "Asset",
    "Bar",
    "ConfigError",
    "Engine",
    "Fill",
    "Order",
    "OrderStatus",
    "OrderType",
    "Params",
    "Phase",
    "Position",
    "QkaError",
    "Quote",
    "Rebalanced",
    "SessionPhase",
    "Shortfall",
    "Side",
    "Signal",
    "SignalStrategy",
    "Strategy",
    "TradingState",
    "register",
    "to_datetime",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'qka' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
