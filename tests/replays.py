"""Engines over a simulated terminal whose days are recorded, and replayed again."""

from itertools import count

from builders import DAY, SYMBOL, a_quote, moment
from qmt import ACCOUNT, PATH, eventually
from stage import FEES, rules

from qka.brokers.link import TraderLink
from qka.brokers.paper import PaperBroker
from qka.brokers.xtquant import XtquantBroker
from qka.clock import WallClock
from qka.engine.engine import Engine
from qka.feeds.xtdata import XtdataFeed
from qka.journal.store import SqliteJournal
from qka.model.events import SessionPhase
from qka.model.market import Quote
from qka.model.order import OrderStatus
from qka.recording.reading import beside
from qka.recording.recorder import DiskRecorder
from qka.replay.day import replay
from qka.replay.stage import ReplayedEngine, SilentBroker
from qka.risk.losses import Losses

QUICK = {"deadline": 3.0, "probe": 0.5, "pause": 0.01, "sessions": range(1, 100)}


class Floor:
    """One account at a simulated terminal; `trader()` makes its strategies, each time anew.

    `speed`: of the engine's time; with `paper` its orders go to a paper broker instead. `losses()`
    makes their limits, none unless told.
    """

    def __init__(self, terminal, folder, *traders, gate=rules):
        self.terminal = terminal
        self.folder = folder
        self.traders = traders
        self.gate = gate
        self.speed = 1.0
        self.paper = False
        self.losses = lambda: Losses(None, None)
        self.seconds = count(6, 3)
        self.strategies = []

    @property
    def path(self):
        return self.folder / "journal.db"

    @property
    def recording(self):
        return beside(self.path)

    def engine(self):
        """An engine that lives and is recorded."""
        clock = WallClock()
        clock.follow(self.terminal.now(), self.speed)
        link = TraderLink(PATH, ACCOUNT, **QUICK)
        link._pool._folder = self.folder
        journal = SqliteJournal(self.path, ACCOUNT, "STOCK", now=clock.now)
        return self._with(
            Engine,
            clock=clock,
            feed=XtdataFeed(clock, check=0.02),
            broker=self._paper(clock) or XtquantBroker(link, clock, FEES),
            journal=journal,
            recorder=DiskRecorder(self.recording, clock.now, lambda: journal.head.seq),
        )

    async def replay(self, *traders, day=DAY):
        """The day again, with other strategies where some are given."""
        self.traders = traders or self.traders
        return await replay(day, self.path, self._build)

    def _build(self, edges):
        return self._with(
            ReplayedEngine,
            clock=edges.clock,
            feed=edges.feed,
            broker=self._paper(edges.clock) or SilentBroker(edges.account_id),
            journal=edges.journal,
            recorder=edges.recorder,
        )

    def _with(self, kind, **edges):
        losses = self.losses()
        engine = kind(
            **edges,
            rules=[*self.gate(), losses] if losses.limited else self.gate(),
            losses=losses,
            fees=FEES,
            cash=10_000_000,
            account_id=ACCOUNT,
        )
        if self.paper:
            engine.listen(Quote, engine.broker.on_quote)
            engine.listen(SessionPhase, engine.broker.on_phase)
        self.strategies = [trader() for trader in self.traders]
        for strategy in self.strategies:
            engine.register(strategy)
        return engine

    def _paper(self, clock):
        return PaperBroker(clock, FEES, ACCOUNT, 10_000_000) if self.paper else None

    def quote(self, last=10.0, day=DAY, **changes):
        time = moment(f"10:00:{next(self.seconds):02d}", day)
        self.terminal.quote(a_quote(last, time=time, **changes))

    async def heard(self, last=10.0, **changes):
        """A quote, until every strategy has heard it."""
        before = [len(strategy.seen) for strategy in self.strategies]
        self.quote(last, **changes)
        for strategy, many in zip(self.strategies, before, strict=True):
            await eventually(lambda s=strategy, m=many: len(s.seen) > m)

    async def ends(self, engine, *statuses):
        """Until the orders stand so, in the order they were made."""
        await eventually(
            lambda: [order.status for order in engine.ledger.orders.values()] == list(statuses)
        )


S = OrderStatus
__all__ = ["DAY", "SYMBOL", "Floor", "S"]
