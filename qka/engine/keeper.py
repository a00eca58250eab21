"""The keeper: what a run writes down for the next one, beside the events as they come.

Strategies' states and the losses' marks go with the commit of the next intent, or of the turn of
the loop. `recovery` reads it again.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from qka.engine.desk import unwritable
from qka.engine.recovery import Checkpoint
from qka.journal.port import Note
from qka.model.times import SECOND, day_of

if TYPE_CHECKING:
    from qka.engine.engine import Engine

KEPT = 1.0  # seconds between two looks at strategies' states that no order went with
_WHOSE = {"account_id", "account_type", "secu_account"}  # the journal's own, in every record


class Keeper:
    """Of one engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._clock = engine.clock
        self._journal = engine.journal

    def begin(self) -> None:
        """The strategies have begun: from here on what changes is written down."""
        self._journal.attach(self.keep, self._flush_soon)
        self.flush()
        self._keep_up()

    def checkpoint(self) -> None:
        """Put down where everything stands, so that a start need not read what was before."""
        engine = self._engine
        past, tally, since = engine.past, engine.tally, engine.reconciler.since
        here = Checkpoint(
            engine.ledger.books(day_of(self._clock.now()), since),
            tally.owners(),
            tally.signal,
            engine.gate.kept(),
            past.timers,
            past.memory,
            self._memories(),
            engine.herald.early,
            past.unheard,
            list(engine.reconciler.dues),
            engine.operator.asked,
            since,
        )
        self._journal.note(Note.SNAPSHOT, here, ahead=True)

    def _memories(self) -> dict[str, str]:
        """Of the working orders, see `Broker.resume`."""
        known = self._engine.past.memories
        working = self._engine.ledger.working() if known else ()
        return {order.id: known[order.id] for order in working if known.get(order.id)}

    def keep(self) -> None:
        """Write down the strategies' states and the losses' marks that have changed."""
        self._engine.breaker.keep()
        self._engine.leaver.keep()
        for runner in self._engine.runners.values():
            runner.keep(self._journal)

    def _keep_up(self) -> None:
        """States that changed without an order are written down too, a moment later."""
        if self._clock.waits:
            return

        def due() -> None:
            if self._engine.running:
                self.flush()
                self._keep_up()

        self._clock.call_at(self._clock.now() + int(KEPT * SECOND), due)

    def _flush_soon(self) -> None:
        """Records wait: when this turn of the loop is over they are handed on."""
        asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """What is written down so far outlives this process."""
        if self._engine.running:
            try:
                self._journal.flush()
            except OSError as error:
                self._engine.fault(unwritable(error))

    def wired(self, order_id: str, what: str, data: Any) -> None:
        """What went over the wire is noted, and nobody waits for that."""
        told = data if isinstance(data, dict) else msgspec.structs.asdict(data)
        said = {n: v for n, v in told.items() if v not in ("", None) and n not in _WHOSE}
        with contextlib.suppress(OSError):
            self._journal.note(Note.WIRE, {"what": what, "data": said}, order_id)

    def rules(self) -> None:
        """The rules that the run's orders will be asked by, if they are not the last run's."""
        last = self._journal.latest(Note.RULES)
        if last is None or last.value != self._engine.gate.names:
            self._journal.note(Note.RULES, self._engine.gate.names)
