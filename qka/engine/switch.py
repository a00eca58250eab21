"""The switch: what may be traded, as a human, a loss or a fault has set it, and as the books allow.

What was told stays told, also over a restart, until an operator lifts it. A hold lies over it while
the account's books differ from the broker's, and lifts itself. The ledger's `trading`, which the
rules read, is what both come to.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from qka.brokers.port import Broker
from qka.clock import Clock
from qka.engine.guest import words
from qka.engine.ledger import Ledger
from qka.engine.recovery import Standing
from qka.journal.port import Journal, Note
from qka.model.events import EngineState, Severity, TradingState

_STRICTNESS = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


class Switch:
    """`on_loss`: what too great a loss sets it to. `alert` tells a human (how bad, who, what)."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        broker: Broker,
        journal: Journal,
        on_loss: TradingState,
        post: Callable[[Any], None],
        alert: Callable[[Severity, str, str], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._broker = broker
        self._journal = journal
        self.on_loss = on_loss
        self._post = post
        self._alert = alert
        self.trading = TradingState.ACTIVE  # as told
        self.why = ""
        self.held = ""  # why new orders wait for the account's books to agree
        self.faults: set[str] = set()  # what the engine itself was at fault with

    def begin(self, left: Standing | None) -> None:
        """What halted an earlier run halts this one too, until an operator lifts it."""
        self.trading = self._ledger.trading
        if left is not None and self._is_looser(left.trading):
            self.trading = self._ledger.trading = left.trading
            self.why = left.reason
            self._alert(
                Severity.WARNING,
                "engine",
                f"trading is {left.trading} since an earlier run: {left.reason or 'no reason kept'}"
                "; `qka resume CONFIG` lifts it",
            )

    def set(self, state: TradingState, reason: str) -> None:
        """ACTIVE, REDUCING or HALTED from this moment on, and after a restart too."""
        self.trading, self.why = state, reason
        if not self.held:
            self._ledger.trading = state
        if state is TradingState.HALTED:
            self.recall()
        with contextlib.suppress(OSError):  # what can't be written halts anyway
            self._journal.note(Note.TRADING, Standing(state, reason), ahead=True)
        self._post(EngineState(self._clock.now(), "trading", self._ledger.trading, reason))

    def trip(self, why: str) -> None:
        """Too much was lost: as strict as the config says, until an operator lifts it."""
        if self._is_looser(self.on_loss):
            self.set(self.on_loss, why)
            self._alert(Severity.ERROR, "risk", f"{self.on_loss.upper()}: {why}")

    def fault(self, message: str) -> None:
        """The engine itself is at fault: no new order leaves; cancels and reports go on."""
        halted = self._ledger.trading is TradingState.HALTED
        if halted and message in self.faults:
            return
        self.faults.add(message)
        if not halted:
            self.set(TradingState.HALTED, message)
        self._alert(Severity.ERROR, "engine", f"HALTED: {message}")

    def hold(self, why: str) -> None:
        """No new order leaves until the books agree; what was told stays told."""
        self.held = why
        self._ledger.trading = TradingState.HALTED
        self.recall()
        self._post(EngineState(self._clock.now(), "held", TradingState.HALTED, why))
        self._alert(Severity.ERROR, "account", f"HALTED: {why}")

    def release(self) -> None:
        """The books agree: what was told holds; nothing where nothing was held."""
        if self.held:
            self.held = ""
            self._ledger.trading = self.trading
            told = "the books agree again"
            self._post(EngineState(self._clock.now(), "released", self.trading, told))
            self._alert(Severity.INFO, "account", f"{told}: trading is {self.trading}")

    def recall(self) -> None:
        """What passed the gate and has not left yet is taken back."""
        try:
            self._broker.recall()
        except Exception as error:
            message = f"orders that wait to leave were not taken back: {words(error)}"
            self._alert(Severity.ERROR, "broker", message)

    def _is_looser(self, state: TradingState) -> bool:
        """Whether what was told is less strict than that."""
        return _STRICTNESS.index(self.trading) < _STRICTNESS.index(state)
