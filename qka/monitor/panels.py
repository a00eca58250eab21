"""The panels: what a page shows, each one plain values that are sent anew when they differ.

All of the status, and what is only for looking at: quotes, meters, what happened last.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qka.engine.engine import Engine
from qka.model.market import Bar, Phase, Quote
from qka.model.times import show
from qka.monitor.meters import meters
from qka.monitor.recent import Recent

_MOST_QUOTES = 100

Panel = Any  # plain values
See = Callable[[], Mapping[str, Any]]


class Panels:
    """Of one engine. `status` and `limits` give what their names say."""

    def __init__(self, engine: Engine, recent: Recent, status: See, limits: See) -> None:
        self._engine = engine
        self._recent = recent
        self._status = status
        self._limits = limits

    def now(self, chosen: Iterable[str] = ()) -> dict[str, Panel]:
        """Every panel, as things stand; with the quotes of chosen symbols."""
        status, recent = self._status(), self._recent
        head = ("time", "running", "progress", "trading", "phase")
        return {
            "head": {name: status[name] for name in head},
            "commands": self._engine.operator.commands,
            "links": status["links"],
            "account": status["account"],
            "positions": status["positions"],
            "orders": status["orders"],
            "strategies": status["strategies"],
            "alerts": status["alerts"],
            "quotes": self._quotes(chosen),
            "meters": meters(self._engine, self._limits()),
            "signals": recent.signals.rows(),
            "denials": recent.denials.rows(),
            "fills": recent.fills.rows(),
        }

    def _quotes(self, chosen: Iterable[str]) -> list[dict[str, Any]]:
        """Of what is held, traded, chosen or named by a strategy, the first `_MOST_QUOTES`."""
        engine = self._engine
        names = dict.fromkeys(sorted(engine.ledger.invested))
        names.update(dict.fromkeys(order.symbol for order in engine.ledger.working()))
        names.update(dict.fromkeys(chosen))
        for runner in engine.runners.values():
            names.update(dict.fromkeys(runner.symbols))
        shown = list(names)[:_MOST_QUOTES]
        known = engine.ledger.latest(shown) if shown else {}
        return [_quote_row(known[symbol]) for symbol in shown if symbol in known]


def _quote_row(quote: Quote | Bar) -> dict[str, Any]:
    if isinstance(quote, Bar):
        return {
            "symbol": quote.symbol,
            "time": show(quote.time)[11:],
            "last": quote.close,
            "prev_close": quote.prev_close,
            "volume": quote.volume,
            "amount": round(quote.amount),
        }
    calls = quote.phase in (Phase.OPENING_CALL, Phase.CLOSING_CALL)
    return {
        "symbol": quote.symbol,
        "time": show(quote.time)[11:],
        "last": quote.bid1 if calls and quote.bid1 else quote.price,
        "prev_close": quote.prev_close,
        "bid": quote.bid1,
        "ask": quote.ask1,
        "volume": quote.volume,
        "amount": round(quote.amount),
        "limit_up": quote.limit_up,
        "limit_down": quote.limit_down,
    }
