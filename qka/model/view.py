"""What the gate and the strategies may see of the books: questions, no pens."""

from collections.abc import Iterable, Mapping, Set
from typing import Protocol

from qka.model.account import Asset, Position
from qka.model.events import InstrumentState, TradingState
from qka.model.market import Quote
from qka.model.order import Order


class MarketView(Protocol):
    """What the exchanges' rules ask: the market, not the books."""

    @property
    def quoted(self) -> bool:
        """Whether quotes come, not bars."""

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """Symbol -> its last snapshot."""

    @property
    def instruments(self) -> Mapping[str, InstrumentState]:
        """Symbol -> what the terminal said of it last, for the day that it names."""


class View(MarketView, Protocol):
    """Read-only questions to the ledger; money in whole cents where the name says so."""

    @property
    def trading(self) -> TradingState:
        """The trading state now."""

    @property
    def asset(self) -> Asset:
        """The account's money."""

    @property
    def available_cents(self) -> int:
        """Cash that a new buy may use, in cents."""

    @property
    def total_cents(self) -> int:
        """Cash and positions at their last price, in cents."""

    @property
    def unknowns(self) -> Set[tuple[str, str]]:
        """(symbol, strategy) where an UNKNOWN order blocks new ones."""

    @property
    def invested(self) -> Set[str]:
        """Symbols that are held or being bought."""

    def now(self) -> int:
        """The clock's time in ns."""

    def position(self, symbol: str) -> Position:
        """The account's position, an empty one when nothing is held."""

    def sellable(self, symbol: str) -> int:
        """Shares a new sell may use."""

    def exposure(self, symbol: str) -> tuple[int, int]:
        """(cents in a symbol, `total_cents`): held at the last price, working buys at their own."""

    def resulting(self, order: Order) -> tuple[int, int]:
        """What `exposure` says when a buy works too, at its own price."""

    def order(self, order_id: str) -> Order | None:
        """The order as it stands now."""

    def working(self, symbol: str | None = None) -> Iterable[Order]:
        """Orders that are not final."""

    def price(self, symbol: str) -> float:
        """What one share is worth now in CNY, 0.0 when nothing is known."""

    def claim(self, order: Order) -> tuple[int, int]:
        """Cents that what is left of an order comes to: at its price, and that with all fees."""
