"""A human's word on an order whose end nobody knows: checked, and as the reports it means."""

from collections.abc import Iterator
from typing import NamedTuple

from qka.ashare.fees import FeeSchedule
from qka.engine.deals import SAID
from qka.engine.ledger import Ledger
from qka.errors import ConfigError
from qka.model.events import OrderCancelled, OrderExpired, OrderRejected
from qka.model.money import cents, to_cents, yuan
from qka.model.order import FINAL, Fill, Order, Side

FILLED = "filled"
_REPORTS: dict[str, type[OrderRejected | OrderCancelled | OrderExpired]] = {
    "rejected": OrderRejected,
    "cancelled": OrderCancelled,
    "expired": OrderExpired,
}
ENDINGS = (FILLED, *_REPORTS)


class Word(NamedTuple):
    """What a human says of an order: `shares` more traded at `price` CNY, then it ended so."""

    order: Order
    ending: str
    shares: int
    price: float

    @property
    def words(self) -> list[str]:
        """As a command's words."""
        traded = [str(self.shares), f"{self.price:g}"] if self.shares else []
        return [self.order.id, self.ending, *traded]

    def reports(
        self, fees: FeeSchedule, now: int, by: str
    ) -> Iterator[Fill | OrderRejected | OrderCancelled | OrderExpired]:
        """What the broker would have said."""
        order, shares = self.order, self.shares
        if shares:
            turnover = to_cents(order.turnover) + cents(self.price, shares)
            owed = fees.of_order(order.symbol, order.side, turnover, order.time)
            yield Fill(
                order.time,
                order.id,
                f"{SAID}{order.filled + shares}",
                order.symbol,
                order.side,
                self.price,
                shares,
                yuan(owed) - order.fees,
            )
        if self.ending != FILLED:
            yield _REPORTS[self.ending](now, order.id, by)


def read(ledger: Ledger, order_id: str, ending: str, filled: int, price: float) -> Word:
    """Check a word; without a price the order's own limit is taken.

    Raises ConfigError for an order that is not there or is over, for shares that it does not have,
    and for a price beyond its limit.
    """
    if ending not in ENDINGS:
        raise ConfigError(f"--as {ending or '(missing)'}: it is one of {', '.join(ENDINGS)}")
    order = ledger.order(order_id)
    if order is None:
        open_ = ", ".join(o.id for o in ledger.working()) or "none"
        raise ConfigError(f"{order_id}: no such order; those without an end are: {open_}")
    if order.status in FINAL:
        raise ConfigError(f"{order_id} is {order.status} already: nothing was changed")
    if price and (price > order.price if order.side is Side.BUY else price < order.price):
        raise ConfigError(
            f"--price {price:g}: a {order.side} at {order.price:g} can't trade there; nothing "
            "was changed"
        )
    shares = filled or (order.remaining if ending == FILLED else 0)
    if not 0 <= shares <= order.remaining:
        raise ConfigError(f"{shares} shares: only {order.remaining} of {order_id} are open")
    if ending == FILLED and shares < order.remaining:
        raise ConfigError(
            f"{shares} of {order.remaining} shares is not filled: say how the rest ended, "
            "--as cancelled or --as expired, with --filled"
        )
    return Word(order, ending, shares, price or order.price)
