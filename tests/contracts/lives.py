"""The engine's side of the port: a real ledger and a real journal over one broker, until it dies.

A killed engine is one whose next line is never run: from that moment on its sink is deaf, nothing
more gets out of it (its links are cut first, by whoever kills it), and what its journal had not
handed to the operating system is gone. A process adds nothing to that: the loop is one thread, so
between two lines of it nothing of the outside can see more. (`test_moments` also kills a real one.)
The next life begins with what the journals say, and nothing else.
"""

import json
from pathlib import Path

from lines import FileJournal
from msgspec import ValidationError
from msgspec.structs import replace

from qka import wire
from qka.brokers.port import Broker
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.model.account import AccountSnapshot
from qka.model.events import (
    CancelRequested,
    Fill,
    LinkState,
    OrderRequested,
    SessionPhase,
)
from qka.model.order import FINAL, Approved, Order, OrderStatus
from qka.model.times import day_of


class Life:
    """One engine: `ledger` is fed by what the broker reports and by nothing else."""

    def __init__(self, folder: Path, clock: ManualClock, ledger: Ledger) -> None:
        self.folder = folder
        self.clock = clock
        self.ledger = ledger
        self.broker: Broker | None = None
        self.dead = False
        self.heard = []  # whatever the broker said, in order
        self.links = []  # up or not, in order
        self.fills = {}  # (order id, deal id) -> what was told of it, in this life or before
        self._memories = {}  # order id -> what the link's other side remembered orders in then
        self.twice = []  # deals that were told again
        number = sum(1 for _ in folder.glob("journal-*")) + 1
        self._journal = FileJournal(folder / f"journal-{number:03d}.jsonl")

    async def begin(self, broker: Broker):
        """As the engine does: the broker's books at first, then the journals', held against it.

        Raises what connecting and a snapshot do.
        """
        known = self._rebuild()
        self._journal.open()
        self.broker = broker
        identity = await broker.connect(self.hear)
        if known:
            broker.resume(self._known(), self._memories)
            await broker.snapshot()
        else:
            self.ledger.adopt(await broker.snapshot())
        return identity

    def _rebuild(self) -> bool:
        """Book everything the journals have; whether there is anything."""
        known, memory = False, ""
        handlers = self.ledger.handlers()
        for event in journalled(self.folder):
            known = True
            if isinstance(event, LinkState):
                memory = event.memory or memory
            elif isinstance(event, OrderRequested):
                self.ledger.open(event.order)
                if memory:
                    self._memories[event.order.id] = memory
            elif type(event) in handlers:
                handlers[type(event)](event)
            if isinstance(event, Fill):
                self.fills[event.order_id, event.deal_id] = event
        return known

    def _known(self) -> AccountSnapshot:
        books = self.ledger.books(day_of(self.clock.now()))
        positions = tuple(self.ledger.positions())
        return AccountSnapshot(
            self.ledger.asset, positions, tuple(books.orders), tuple(books.deals)
        )

    # ------------------------------------------------------------ as the desk does

    def submit(self, order: Order) -> Order:
        order = replace(order, status=OrderStatus.SUBMITTING)
        self._journal.write_ahead(OrderRequested(order.time, order))
        self.ledger.open(order)
        self.broker.submit(Approved(order))
        return order

    def cancel(self, order_id: str) -> bool:
        order = self.ledger.order(order_id)
        if order.status in FINAL or order.status is OrderStatus.PENDING_CANCEL:
            return False
        self.hear(CancelRequested(self.clock.now(), order_id))
        self.broker.cancel(order)
        return True

    def hear(self, event):
        """The sink: journal, ledger."""
        if self.dead:
            return
        self._journal.append(event)
        self.heard.append(event)
        if isinstance(event, LinkState):
            self.links.append(event.up)
            return
        if isinstance(event, Fill):
            deal = event.order_id, event.deal_id
            self.twice += [event] if deal in self.fills else []
            self.fills[deal] = event
        self.ledger.handlers()[type(event)](event)

    def on_phase(self, event: SessionPhase):
        if not self.dead:
            self._journal.write_ahead(event)  # a day is not lost
            self.ledger.on_phase(event)

    # ------------------------------------------------------------ what a test asks

    def order(self, order_id="a") -> Order:
        return self.ledger.order(order_id)

    def of(self, kind, order_id="a"):
        return [event for event in self.heard if type(event) is kind and event.order_id == order_id]

    def kinds(self, order_id="a"):
        return [type(event) for event in self.heard if getattr(event, "order_id", "") == order_id]

    def under_way(self):
        """Orders of which nothing was heard yet."""
        orders = self.ledger.working()
        return [order for order in orders if order.status is OrderStatus.SUBMITTING]

    @property
    def up(self):
        return not self.links or self.links[-1]

    # ------------------------------------------------------------ the end

    def die(self):
        """Now. Whoever kills it has cut its links."""
        self.dead = True
        on_disk = self._journal.path.read_bytes()
        self._journal.close()
        self._journal.path.write_bytes(on_disk)  # what was only in its memory is gone

    async def close(self):
        """A clean goodbye, or the tidying up after a death."""
        if self.broker is not None:
            await self.broker.close()
        if not self.dead:
            self._journal.close()


def journalled(folder: Path):
    """Every event of every journal there; a torn last line is none."""
    for path in sorted(folder.glob("journal-*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                yield wire.decode(json.dumps(json.loads(line)["event"]))
            except (ValueError, ValidationError):
                continue
