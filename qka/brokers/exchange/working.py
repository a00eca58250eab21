"""An order in the exchange's book."""

from qka.brokers.exchange.queue import Place
from qka.brokers.exchange.sight import mills
from qka.model.order import Order


class Working:
    """An order that the exchange has: as it stands, and what became of it so far."""

    __slots__ = (
        "arrived", "called", "closed", "limit", "met", "order", "place", "rested",
    )  # fmt: skip

    def __init__(self, order: Order, arrived: int) -> None:
        self.order = order
        self.arrived = arrived  # ns
        self.limit = mills(order.price, order.side)  # that it trades at now
        self.place = Place()
        self.met = False  # it has met an order book
        self.rested = False  # it was no better than the book when it came: it waits at its price
        self.called = self.closed = False  # the opening, the closing print has been looked at
