"""Orders, where they stand, and the fills they get."""

import enum
from decimal import Decimal

import msgspec

ZERO = Decimal("0.00")


class Side(enum.StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"


# members at hand: reading them off the class costs more than comparing them
BUY, SELL = Side.BUY, Side.SELL


class OrderType(enum.StrEnum):
    """How an order is priced. Which ones a symbol takes on a day: `qka.ashare.sessions`.

    All but `LIMIT` and `FIXED` are market orders: taken in continuous trading alone, at what the
    book has, and never beyond `Order.price`.
    """

    LIMIT = "limit"  # 限价
    MARKET = "market"  # 最优五档即时成交剩余撤销: best five levels, the rest cancelled
    BEST_5_LIMIT = "best_5_limit"  # 最优五档即时成交剩余转限价: the rest stays as a limit order
    PEER = "peer"  # 对手方最优: a limit at the other side's best price
    OWN = "own"  # 本方最优: a limit at the own side's best price
    FILL_CANCEL = "fill_cancel"  # 即时成交剩余撤销: all levels, the rest cancelled
    ALL_OR_NONE = "all_or_none"  # 全额成交或撤销: whole at once, or cancelled
    FIXED = "fixed"  # 盘后定价: at the closing price, when that is no worse than `Order.price`


class OrderStatus(enum.StrEnum):
    """Where an order stands. *Denied* is ours, *rejected* is theirs; UNKNOWN is never guessed."""

    NEW = "new"
    DENIED = "denied"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


FINAL = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
    }
)


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order as it stands at one moment; a change is a new value.

    `id` is ours: ASCII, at most 24 bytes, carried as the broker's `order_remark`.
    `price` is the limit, or for a market order the worst price it may trade at.
    """

    id: str
    symbol: str
    side: Side
    quantity: int  # shares
    price: float  # CNY, on tick
    type: OrderType = OrderType.LIMIT
    strategy: str = ""
    signal: int = 0  # id of the signal it was born of
    time: int = 0  # ns, when it was made
    status: OrderStatus = OrderStatus.NEW
    filled: int = 0  # shares
    turnover: Decimal = ZERO  # CNY of all fills, exact to a tenth of a cent
    fees: Decimal = ZERO  # CNY of all fills
    broker_id: str = ""
    reason: str = ""  # why it was denied, rejected, cancelled or is unknown

    @property
    def remaining(self) -> int:
        """Shares not filled."""
        return self.quantity - self.filled

    @property
    def is_final(self) -> bool:
        """Nothing more is expected of it."""
        return self.status in FINAL

    @property
    def average_price(self) -> float:
        """CNY a share over its fills, 0.0 without one."""
        return float(self.turnover / self.filled) if self.filled else 0.0


class Fill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Shares changed hands. `fees` is this fill's share of the order's fees, in CNY."""

    time: int  # ns
    order_id: str
    deal_id: str
    symbol: str
    side: Side
    price: float
    quantity: int
    fees: Decimal


class Approved(msgspec.Struct, frozen=True, gc=False):
    """An order that passed every rule. Only the gate makes one, and a broker takes nothing else."""

    order: Order
