"""The shapes of the rule book's rows, a table each. What is in them is in `qka.ashare.data`.

Every row says for which kinds of security it holds, on which exchange (none: on all) and since
when; of rows that cover the same, the latest not after the day holds, and the last of equals.
"""

import enum
import re
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from qka.model.codes import Code, Exchange, Kind
from qka.model.dated import Row
from qka.model.market import Phase, Status
from qka.model.order import OrderType, Side

Count = Annotated[int, msgspec.Meta(ge=1)]


def _within(name: str, value: Decimal | None, least: str, most: str) -> None:
    """A number that no rule has is a slip: a percentage for a share, a sign, a comma."""
    if value is not None and not Decimal(least) <= value <= Decimal(most):
        raise ValueError(f"{name}: {value} is not between {least} and {most}")


class Scoped(Row, frozen=True, kw_only=True):
    """Base of the rows that hold for some kinds of security."""

    kinds: tuple[Kind, ...]
    exchange: Exchange | None = None


class Tick(Scoped, frozen=True, kw_only=True):
    """The least step of a price, CNY (for B shares USD or HKD)."""

    tick: Decimal

    def __post_init__(self) -> None:
        _within("tick", self.tick, "0.0001", "1")


class Lot(Scoped, frozen=True, kw_only=True):
    """Quantities of one order, in shares (份, 张)."""

    least: Count  # of a buy; of a sell too, unless it is the whole remainder
    step: Count
    most: Count  # of a limit order
    most_market: Count  # of a market order
    most_fixed: Count = 1_000_000  # of a post-close fixed-price order


class Limit(Scoped, frozen=True, kw_only=True):
    """How far the day's price may go from the reference: shares of it, none for no limit."""

    up: Decimal | None
    down: Decimal | None
    status: Status = Status.NORMAL
    sessions: Annotated[int, msgspec.Meta(ge=0)] = 0  # that a NEW or DELISTING row holds

    def __post_init__(self) -> None:
        _within("up", self.up, "0.001", "9")
        _within("down", self.down, "0.001", "1")


class Reach(Scoped, frozen=True, kw_only=True):
    """How far a price may go on a day without limits.

    In the opening call up to `opening` times the previous close; in continuous trading and the
    closing call `share` of the last price, on either side.
    """

    opening: Decimal
    share: Decimal

    def __post_init__(self) -> None:
        _within("opening", self.opening, "1", "100")
        _within("share", self.share, "0.001", "1")


class Cage(Scoped, frozen=True, kw_only=True):
    """How far a limit order in continuous trading may go beyond its reference price.

    To `share` of it, or `ticks` further when that is wider. What is beyond is refused, or parked
    until the market comes.
    """

    share: Decimal
    ticks: Annotated[int, msgspec.Meta(ge=0)]
    beyond: Literal["refused", "parked"] = "refused"

    def __post_init__(self) -> None:
        _within("share", self.share, "0.001", "1")


class Taking(enum.StrEnum):
    """What becomes of a request at some time of the day."""

    TAKEN = "taken"
    QUEUED = "queued"  # not taken, but brokers keep it until the next phase
    REFUSED = "refused"


_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the day, from `start` to the next one's."""

    start: str  # 09:15
    phase: Phase
    limit: Taking = Taking.REFUSED
    market: Taking = Taking.REFUSED
    fixed: Taking = Taking.REFUSED  # post-close fixed-price orders
    cancel: Taking = Taking.REFUSED

    def __post_init__(self) -> None:
        if not _CLOCK.fullmatch(self.start):
            raise ValueError(f"start: {self.start!r} is no time like 09:15")


class Timetable(Scoped, frozen=True, kw_only=True):
    """A trading day of a product, whole."""

    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        starts = [span.start for span in self.spans]
        if not starts or starts[0] != "00:00" or starts != sorted(set(starts)):
            raise ValueError("spans: they begin at 00:00 and go on in the order of time")


class OrderKind(Scoped, frozen=True, kw_only=True):
    """An order type that is taken."""

    name: OrderType
    protected: bool = False  # it must carry the worst price it may trade at
    rest: Literal["rests", "cancelled"] = "rests"  # what becomes of what does not fill at once
    on_no_limit_days: bool = True


class Turnaround(Scoped, frozen=True, kw_only=True):
    """Whether what was bought today may be sold today (T+0)."""

    same_day: bool


class FeeName(enum.StrEnum):
    """What the state and the exchanges take; a commission is the broker's contract."""

    STAMP_DUTY = "stamp_duty"
    TRANSFER = "transfer"
    HANDLING = "handling"  # inside the quoted commission, unless that is net
    LEVY = "levy"  # the CSRC's, inside too


class Fee(Scoped, frozen=True, kw_only=True):
    """A share of an order's turnover, due on these sides."""

    name: FeeName
    rate: Decimal
    sides: tuple[Side, ...] = (Side.BUY, Side.SELL)

    def __post_init__(self) -> None:
        _within("rate", self.rate, "0", "0.1")


class DailyCap(Scoped, frozen=True, kw_only=True):
    """Shares of one ST security that an account may buy in a day."""

    shares: Count


# a table's name in a rule file -> its rows
TABLES: dict[str, type[Row]] = {
    "codes": Code,
    "ticks": Tick,
    "lots": Lot,
    "limits": Limit,
    "reaches": Reach,
    "cages": Cage,
    "days": Timetable,
    "order_types": OrderKind,
    "turnaround": Turnaround,
    "fees": Fee,
    "daily_caps": DailyCap,
}
