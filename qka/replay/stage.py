"""An engine for replays: the very same one, over a clock, a feed and a broker that do nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from qka.brokers.port import Sink, Wire, every_day, no_wire
from qka.engine import engine
from qka.engine.reconciler import Settled
from qka.engine.recovery import Checkpoint
from qka.feeds.port import Report
from qka.journal.port import Mark, NoJournal, Note, Record
from qka.journal.records import Records
from qka.model.account import AccountIdentity, AccountSnapshot, Asset, Position
from qka.model.actions import CorporateAction
from qka.model.events import EngineState
from qka.model.market import Bar
from qka.model.money import yuan
from qka.model.order import Approved, Order
from qka.model.times import day_of
from qka.recording.port import Head
from qka.replay.check import Check
from qka.replay.player import Player


class PastJournal(NoJournal):
    """A journal as it was at `head`; what is written into it goes to the check."""

    def __init__(self, records: Records, head: int, check: Check) -> None:
        self._records = records
        self._head = head
        self._check = check

    def append(self, event: object) -> None:
        """The check hears of it."""
        self._check.heard(event)

    write_ahead = append

    @property
    def head(self) -> Mark:
        """Where it begins."""
        return Mark(self._head, b"")

    def latest(self, kind: Note, key: str = "") -> Record | None:
        """The last note of that kind and key that there was."""
        return self._records.latest(kind, key, self._head)

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records after that number that there were."""
        return self._records.between(after, self._head)


class PlayedFeed:
    """What the recording says the feed brought."""

    start = 0

    def __init__(self, head: Head, player: Player) -> None:
        self._head = head
        self._player = player

    async def open(self, symbols: Sequence[str]) -> Sequence[str]:
        """The symbols it brought."""
        return self._head.symbols

    def provides(self) -> str:
        """What came."""
        return self._head.provides

    def history(self, symbol: str, period: str, count: int) -> Sequence[Bar]:
        """The bars that were known."""
        return self._head.history.get(f"{symbol} {period}", ())

    async def actions(
        self, symbols: Sequence[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """None: what they explained is in the journal."""
        return []

    async def run(self, report: Report) -> None:
        """Play the run."""
        await self._player.play(report)

    def progress(self) -> float:
        """0: it is quick."""
        return 0.0

    async def close(self) -> None:
        """Nothing to let go of."""


class SilentBroker:
    """Takes everything and sends nothing: what a broker said comes out of the journal."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self.wire: Wire = no_wire
        self.trades: Callable[[date], bool] = every_day

    async def connect(self, report: Sink) -> AccountIdentity:
        """Always there."""
        return AccountIdentity(self._account_id)

    def resume(self, account: AccountSnapshot, memories: Mapping[str, str]) -> None:
        """Nothing."""

    def submit(self, approved: Approved) -> None:
        """Nothing."""

    def recall(self) -> None:
        """Nothing."""

    def cancel(self, order: Order) -> None:
        """Nothing."""

    async def snapshot(self) -> AccountSnapshot:
        """Nothing is known here."""
        return AccountSnapshot(Asset(yuan(0), yuan(0), yuan(0)), (), ())

    async def close(self) -> None:
        """Nothing to let go of."""


class ReplayedEngine(engine.Engine):
    """The engine, told by a player what it was told then."""

    player: Player

    def play(self, player: Player) -> None:
        """Whose player it is."""
        self.player = player
        player.report, player.drain = self.publish, self.bus.drain
        player.take_over = self._take_over
        self.bus.subscribe(EngineState, self._follow, self)
        if isinstance(self.broker, SilentBroker):
            # what comparisons with the broker found is in the journal: this engine makes none
            self.reconciler.start = _nothing  # type: ignore[method-assign]  # none on a timer
            self.reconciler.settle = _settled  # type: ignore[method-assign]  # none at a day's end

    def _soon(self, drain: Callable[[], None]) -> None:
        """When it was heard then it is heard."""

    async def _begin_books(self) -> None:
        """As then: what was told between connecting and starting, in its order."""
        if not isinstance(self.broker, SilentBroker):
            await super()._begin_books()  # it is its own account and says the same again
        elif not self.past.known:
            found = self.player.until(
                lambda item: isinstance(item, Record) and item.kind == Note.SNAPSHOT
            )
            if isinstance(found, Record):
                self.ledger.adopt(_account(msgspec.json.decode(found.payload, type=Checkpoint)))
        elif self.past.day < day_of(self.clock.now()):
            self.ledger.new_day()
        self.player.until(_state("started"))

    async def _quiet(self, grace: float) -> None:
        await super()._quiet(grace)
        if self.player.ended:  # what they said at last is heard as it was heard then
            self.player.until(_state("stopped"))

    def _follow(self, event: EngineState) -> None:
        """What stopped or held the trading then does so now, wherever it came from."""
        switch, self.ledger.trading = self.switch, event.trading
        if event.state in ("held", "released"):
            switch.held = event.reason if event.state == "held" else ""
        elif event.state == "trading" and not switch.held:
            switch.trading, switch.why = event.trading, event.reason

    def _take_over(self, there: Checkpoint, found: Settled | None) -> None:
        """The broker's books, where a comparison `found` another account than ours."""
        account, before = _account(there), self.ledger.total_cents
        if found is None:
            self.ledger.owe(there.books.dues)
        else:
            self.ledger.settle(account.positions, account.asset.cash, there.books.dues)
        self.ledger.begun = there.books.begun
        if found is None or found.accepted:
            self.breaker.losses.shift(self.ledger.total_cents - before)

    def _keep_watch(self) -> None:
        """None: a replay holds up nobody, and an async handler's wait for its turn is no fault."""

    async def abandon(self) -> None:
        """End as a killed process ends: nobody is told. Calling it twice is fine."""
        if self._state == "closed":
            return
        self._state = "stopped"
        for runner in self._runners.values():
            runner.leave()
        await self.reconciler.close()
        await self._close()


def _nothing() -> None:
    """Nobody looks at the account."""


def _settled(day: object, *, late: bool = False) -> None:
    """A day was settled then, or not: the journal says so."""


def _state(name: str) -> Callable[[Any], bool]:
    """Whether an item is the record of that state of the engine."""

    def reached(item: Any) -> bool:
        if not isinstance(item, Record) or item.kind != EngineState.__name__:
            return False
        event = item.event
        return isinstance(event, EngineState) and event.state == name

    return reached


def _account(found: Checkpoint) -> AccountSnapshot:
    """The account as a checkpoint has it."""
    books = found.books
    positions = tuple(
        Position(symbol, quantity, today, 0, cost / quantity / 100, books.prices.get(symbol, 0.0))
        for symbol, (quantity, today, cost) in books.positions.items()
        if quantity
    )
    return AccountSnapshot(
        Asset(yuan(books.cash), yuan(0), yuan(0)),
        positions,
        tuple(books.orders),
        tuple(books.deals),
    )
