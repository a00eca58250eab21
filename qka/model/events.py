"""Every event, on one page, in the past tense.

Five families: market data (`Quote`, `Bar`, `SessionPhase`), signal, order, fill, engine.
Immutable, dispatched by class; `time` is the clock's, in ns.
"""

import enum
from datetime import date
from typing import get_args

import msgspec

from qka.model.account import Asset, Position
from qka.model.actions import CorporateAction
from qka.model.market import Bar, Phase, Quote, Status
from qka.model.order import Fill as Fill  # an event too; account snapshots hold fills
from qka.model.order import Order, OrderStatus, Side


class TradingState(enum.StrEnum):
    """ACTIVE, REDUCING (only orders that shrink a position) or HALTED (no new order)."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Severity(enum.StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Event(msgspec.Struct, frozen=True, gc=False, tag=True):
    time: int


# ------------------------------------------------------------------ market data


class SessionPhase(_Event, frozen=True, gc=False, tag=True):
    """The exchange day entered a phase."""

    day: date
    phase: Phase


class InstrumentState(_Event, frozen=True, gc=False, tag=True):
    """What the terminal says of a security on one day, where that is not all as usual."""

    symbol: str
    day: date
    status: Status
    suspended: bool = False  # for the day
    unlimited: bool = False  # the terminal names no price limits for the day
    name: str = ""


# ------------------------------------------------------------------ signal


class Signal(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What a strategy wants: a side (with a quantity, or sized by the executor) or one target.

    Exactly one of `side`, `target_shares`, `target_value` (CNY) and `target_ratio` (of total
    assets) is set. `price` is a limit; without one the executor's price policy decides.
    The engine fills in `strategy`, `time`, `id` and `arrival`: CNY a share when it was made, the
    middle of bid and ask or the last price there is, 0.0 when there is none.
    """

    symbol: str
    side: Side | None = None
    quantity: int | None = None
    target_shares: int | None = None
    target_value: float | None = None
    target_ratio: float | None = None
    price: float | None = None
    reason: str = ""
    confidence: float = 1.0
    placed: bool = False  # the strategy places the order itself; the executor leaves it alone
    strategy: str = ""
    time: int = 0
    id: int = 0
    arrival: float = 0.0


class Shortfall(msgspec.Struct, frozen=True, gc=False):
    """Shares that a target asked for and no order will bring, and why; 0 where none are counted.

    `code`: `sellable` (T+1), `lot`, `cash`, `price` (none is known), `sealed`, `halted`, `working`
    (an order in the way), `denied`, `cancelled`, `rejected` or `expired` (a sell that others waited
    for), `newer`, `closed`.
    """

    symbol: str
    side: Side
    shares: int
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.symbol}: {self.side} of {self.shares or 'some'} left out: {self.reason}"


class Rebalanced(_Event, frozen=True, gc=False, tag=True):
    """What a strategy's targets came to: orders as they stand now, and what could not be ordered.

    While symbols are `waiting`, for cancels and for sells that pay for them, it is not all.
    """

    strategy: str
    orders: tuple[Order, ...] = ()
    left: tuple[Shortfall, ...] = ()
    waiting: tuple[str, ...] = ()  # symbols

    def __bool__(self) -> bool:
        """Whether anything was ordered."""
        return bool(self.orders)

    def __str__(self) -> str:
        said = [f"{o.side} {o.quantity} {o.symbol} {o.status}" for o in self.orders]
        said += [str(shortfall) for shortfall in self.left]
        said += [f"{', '.join(self.waiting)} still to come"] if self.waiting else []
        return "; ".join(said) or "nothing to order"

    @property
    def done(self) -> bool:
        """Nothing more is ordered for these targets."""
        return not self.waiting

    # what a target of one symbol is asked for

    @property
    def order(self) -> Order | None:
        """The first order, None without one."""
        return self.orders[0] if self.orders else None

    @property
    def id(self) -> str:
        """The first order's id, empty without one."""
        return self.orders[0].id if self.orders else ""

    @property
    def status(self) -> OrderStatus | None:
        """The last order's status, None without one: DENIED when a rule refused it."""
        return self.orders[-1].status if self.orders else None

    @property
    def quantity(self) -> int:
        """Shares that were ordered."""
        return sum(o.quantity for o in self.orders if o.status is not OrderStatus.DENIED)

    @property
    def reason(self) -> str:
        """Why something could not be ordered, empty when everything was."""
        return "; ".join(shortfall.reason for shortfall in self.left)


# ------------------------------------------------------------------ order


class OrderRequested(_Event, frozen=True, gc=False, tag=True):
    """The gate approved it and the intent is in the journal: the order is SUBMITTING."""

    order: Order


class OrderDenied(_Event, frozen=True, gc=False, tag=True):
    """A rule refused it; it never left the engine."""

    order: Order
    code: str  # of the rule
    reason: str
    limit: float | None = None
    value: float | None = None
    rule: str = ""  # that refused; empty: it was no rule of the gate


class OrderSubmitted(_Event, frozen=True, gc=False, tag=True):
    """The broker took it and named it."""

    order_id: str
    broker_id: str = ""


class OrderAccepted(_Event, frozen=True, gc=False, tag=True):
    """The exchange has it."""

    order_id: str
    broker_id: str = ""


class OrderRejected(_Event, frozen=True, gc=False, tag=True):
    """The broker or the exchange refused it."""

    order_id: str
    reason: str = ""


class CancelRequested(_Event, frozen=True, gc=False, tag=True):
    """We asked for a cancel; until it is confirmed the order can still fill."""

    order_id: str
    reason: str = ""


class CancelRefused(_Event, frozen=True, gc=False, tag=True):
    """The cancel did not happen; the order works on."""

    order_id: str
    reason: str = ""


class OrderCancelled(_Event, frozen=True, gc=False, tag=True):
    """The rest of the order is gone."""

    order_id: str
    reason: str = ""


class OrderExpired(_Event, frozen=True, gc=False, tag=True):
    """The day ended and took the rest of the order with it."""

    order_id: str
    reason: str = ""


class OrderAdopted(_Event, frozen=True, gc=False, tag=True):
    """An order that is not ours was found at the broker: placed by hand, or by another program.

    The order as it was before anything came of it; its fills and reports follow like any.
    """

    order: Order


class OrderUnknown(_Event, frozen=True, gc=False, tag=True):
    """Nobody can say what became of it; its cash and shares stay reserved until evidence comes."""

    order_id: str
    reason: str = ""


# ------------------------------------------------------------------ fill: `Fill`, and after it


class PositionChanged(_Event, frozen=True, gc=False, tag=True):
    """A position after a fill."""

    position: Position


class AssetChanged(_Event, frozen=True, gc=False, tag=True):
    """The account's money after a fill."""

    asset: Asset


class Distributed(_Event, frozen=True, gc=False, tag=True):
    """What a company gave for the shares of an account on paper has come: cash, new shares."""

    action: CorporateAction


class WentEx(_Event, frozen=True, gc=False, tag=True):
    """Shares of a real account trade without what their company gives, which is yet to come."""

    action: CorporateAction
    held: int  # shares, over the night before the ex-date


# ------------------------------------------------------------------ engine


class EngineState(_Event, frozen=True, gc=False, tag=True):
    """The engine started, stopped, or its trading state changed."""

    state: str  # opening, started, running, stopped; trading, held, released
    trading: TradingState
    reason: str = ""


class LinkState(_Event, frozen=True, gc=False, tag=True):
    """A link (broker or feed) went up or down."""

    link: str
    up: bool
    reason: str = ""
    memory: str = ""  # what the other side remembers orders by key in; "": it does not


class TimerFired(_Event, frozen=True, gc=False, tag=True):
    """A strategy's `every` or `at` came due."""

    strategy: str
    name: str


class OperatorCommand(_Event, frozen=True, gc=False, tag=True):
    """A human stepped in. `args`: the words of a command line, quoted as in a shell."""

    command: str
    args: str = ""
    who: str = ""
    why: str = ""


class Alert(_Event, frozen=True, gc=False, tag=True):
    """Something a human should know."""

    severity: Severity
    source: str
    message: str


MarketEvent = Quote | Bar
OrderReport = (
    OrderSubmitted
    | OrderAccepted
    | OrderRejected
    | CancelRequested
    | CancelRefused
    | OrderCancelled
    | OrderExpired
    | OrderUnknown
)
REPORTS: tuple[type, ...] = get_args(OrderReport)  # what may be said of an order
Event = (
    Quote
    | Bar
    | SessionPhase
    | InstrumentState
    | Signal
    | Rebalanced
    | OrderRequested
    | OrderDenied
    | OrderAdopted
    | OrderReport
    | Fill
    | PositionChanged
    | AssetChanged
    | Distributed
    | WentEx
    | EngineState
    | LinkState
    | TimerFired
    | OperatorCommand
    | Alert
)
