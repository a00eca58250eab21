"""A paper account with its clock, for tests that trade on it directly."""

import asyncio

from builders import DAY, FEES, a_quote
from msgspec.structs import replace

from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.model.events import Fill, SessionPhase
from qka.model.order import Approved
from qka.model.times import at

LATENCY = 0.05


class Desk:
    """A paper account, its clock, and everything it reported."""

    def __init__(
        self, cash=1_000_000, held=None, start="10:00", latency=LATENCY, day=DAY, **fields
    ):
        self.clock = ManualClock(at(day, start))
        self.reports = []
        self.broker = PaperBroker(
            self.clock, FEES, "demo", int(cash * 100), held, latency=latency, **fields
        )
        self.volume, self.amount = 100_000, 1_000_000.0  # that the quotes tell
        self.low = self.high = 10.0
        asyncio.run(self.broker.connect(self.reports.append))

    def send(self, order, arrives=True):
        """Submit an order now; unless told it also arrives."""
        order = replace(order, time=self.clock.now())
        self.broker.submit(Approved(order))
        if arrives:
            self.clock.advance(by=LATENCY)
        return order

    def cancel(self, order):
        self.broker.cancel(order)
        self.clock.advance(by=LATENCY)

    def to(self, clock_time, day=DAY):
        self.clock.advance(to=at(day, clock_time))

    def quote(self, last=10.0, at_=None, day=DAY, **changes):
        """A snapshot now, or at a Shanghai time."""
        if at_ is not None:
            self.to(at_, day)
        else:
            self.clock.advance(by=3)
        self.broker.on_quote(a_quote(last, time=self.clock.now(), **changes))

    def trade(self, *deals, last=None, **changes):
        """The next snapshot, after these deals (price, shares); the levels stay around 10.00."""
        prices = [price for price, _ in deals]
        self.volume += sum(shares for _, shares in deals)
        self.amount += sum(price * shares for price, shares in deals)
        self.low, self.high = min([self.low, *prices]), max([self.high, *prices])
        fields = {"volume": self.volume, "amount": self.amount, "low": self.low, "high": self.high}
        self.clock.advance(by=3)
        quote = a_quote(10.0, time=self.clock.now(), **fields)
        last = last or (prices[-1] if prices else 10.0)
        self.broker.on_quote(replace(quote, last=last, **changes))

    def phase(self, phase, clock_time, day=DAY):
        self.to(clock_time, day)
        self.broker.on_phase(SessionPhase(self.clock.now(), day, phase))

    @property
    def kinds(self):
        return [type(report) for report in self.reports]

    @property
    def fills(self):
        return [(r.price, r.quantity) for r in self.reports if isinstance(r, Fill)]

    @property
    def taken(self):
        """Order id and shares of each fill."""
        return [(r.order_id, r.quantity) for r in self.reports if isinstance(r, Fill)]

    @property
    def snapshot(self):
        return asyncio.run(self.broker.snapshot())

    @property
    def reason(self):
        return self.reports[-1].reason
