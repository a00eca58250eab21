"""How long an order's steps take, as histograms: from its quote to it, to answers, to a fill."""

from bisect import bisect_left
from itertools import accumulate

from qka.engine.engine import Engine
from qka.model.events import Fill, OrderAccepted, OrderRequested, OrderSubmitted
from qka.model.times import SECOND

# seconds; the upper ends of the buckets
ENDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Histogram:
    """How many took how long."""

    def __init__(self) -> None:
        self._buckets = [0] * (len(ENDS) + 1)
        self.seconds = 0.0  # their sum

    def add(self, ns: int) -> None:
        """One more."""
        seconds = max(0, ns) / SECOND
        self._buckets[bisect_left(ENDS, seconds)] += 1
        self.seconds += seconds

    def upto(self) -> list[tuple[str, float]]:
        """(end of a bucket, how many took no longer), for Prometheus."""
        names = (*map(str, ENDS), "+Inf")
        return list(zip(names, map(float, accumulate(self._buckets)), strict=True))


class Latencies:
    """Listens to one engine; made before it starts. Time is the engine's own.

    quote: from the time that its symbol's last quote bears; submitted, accepted: until the broker,
    and the exchange, have it; fill: until its first shares.
    """

    def __init__(self, engine: Engine) -> None:
        self.stages = {name: Histogram() for name in ("quote", "submitted", "accepted", "fill")}
        self._engine = engine
        engine.listen(OrderRequested, self._on_requested)
        engine.listen(OrderSubmitted, self._on_submitted)
        engine.listen(OrderAccepted, self._on_accepted)
        engine.listen(Fill, self._on_fill)

    def _on_requested(self, event: OrderRequested) -> None:
        order = event.order
        quote = self._engine.ledger.quotes.get(order.symbol)
        if quote is not None:
            self.stages["quote"].add(order.time - quote.time)

    def _on_submitted(self, event: OrderSubmitted) -> None:
        self._since("submitted", event.order_id)

    def _on_accepted(self, event: OrderAccepted) -> None:
        self._since("accepted", event.order_id)

    def _on_fill(self, fill: Fill) -> None:
        order = self._engine.ledger.order(fill.order_id)
        if order is not None and order.filled == fill.quantity:
            self._since("fill", fill.order_id)

    def _since(self, stage: str, order_id: str) -> None:
        order = self._engine.ledger.order(order_id)
        if order is not None and order.time:
            self.stages[stage].add(self._engine.clock.now() - order.time)
