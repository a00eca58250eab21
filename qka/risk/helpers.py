"""The guide's risk helpers, usable by themselves in a script.

`client` is anything with `.api("query_stock_asset")` that answers `总资产` (or `total_asset`),
such as a `QMTClient`; the clock is the wall unless another is handed in.
"""

from typing import Any, Protocol

from qka.ashare.rules import buyable
from qka.clock import Clock, WallClock
from qka.model.money import part, shares_for, to_cents
from qka.risk.pace import SlidingWindow


class _Api(Protocol):
    def api(self, name: str, **params: Any) -> Any: ...


class RiskManagedTrader:
    """Sizes a buy so that one symbol stays below a share of total assets."""

    def __init__(self, client: _Api, max_position_ratio: float = 0.1) -> None:
        self.client = client
        self.max_position_ratio = max_position_ratio

    def calculate_position_size(self, symbol: str, price: float) -> int:
        """The largest legal buy in shares at `price` CNY; 0 when not even one lot fits.

        Raises SymbolError for a symbol that does not exist, ValueError for a price not above 0.
        """
        if not price > 0:
            raise ValueError(f"{symbol} at {price}: a price is above zero")
        asset = self.client.api("query_stock_asset")
        total = asset["总资产"] if "总资产" in asset else asset["total_asset"]
        most = part(to_cents(total), self.max_position_ratio)
        return buyable(symbol, shares_for(most, price))


class RateLimitedTrader:
    """At most so many trades in any 60 seconds."""

    def __init__(
        self, client: object, max_trades_per_minute: int = 5, *, clock: Clock | None = None
    ) -> None:
        self.client = client
        self.max_trades_per_minute = max_trades_per_minute
        self._clock = clock or WallClock()
        self._window = SlidingWindow(max_trades_per_minute, 60)

    def can_trade(self) -> bool:
        """Whether one more trade is allowed now."""
        return not self._window.full(self._clock.now())

    def record_trade(self) -> None:
        """Count a trade made now."""
        self._window.add(self._clock.now())
