"""What the account holds."""

from decimal import Decimal

import msgspec

from qka.model.order import Fill, Order


class Asset(msgspec.Struct, frozen=True, gc=False):
    """Money of the account in CNY, to the cent."""

    cash: Decimal  # all cash, frozen included
    frozen: Decimal  # reserved by working and unknown buys, fees included
    market_value: Decimal  # positions at their last price

    @property
    def available(self) -> Decimal:
        """Cash that a new buy may use."""
        return self.cash - self.frozen

    @property
    def total(self) -> Decimal:
        """Cash and positions together."""
        return self.cash + self.market_value


class Position(msgspec.Struct, frozen=True, gc=False):
    """Shares held of one symbol. T+1: what was bought today is held but not sellable."""

    symbol: str
    quantity: int = 0
    today: int = 0  # bought today and locked until the next session
    frozen: int = 0  # promised to working and unknown sells
    cost: float = 0.0  # CNY a share, fees of buying included
    price: float = 0.0  # last price

    @property
    def sellable(self) -> int:
        """Shares a new sell may use."""
        return self.quantity - self.today - self.frozen

    @property
    def value(self) -> float:
        """CNY at the last price."""
        return self.quantity * self.price

    @property
    def profit(self) -> float:
        """Unrealised CNY against cost."""
        return self.quantity * (self.price - self.cost)


class AccountIdentity(msgspec.Struct, frozen=True):
    """Whose account a broker serves."""

    account_id: str
    account_type: str = "STOCK"


class AccountSnapshot(msgspec.Struct, frozen=True):
    """What the broker says is true now; or what an engine knew, for its broker to go on from."""

    asset: Asset
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]  # of today
    deals: tuple[Fill, ...] = ()  # of today, as far as the broker lists them
