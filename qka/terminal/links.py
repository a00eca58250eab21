"""Who is connected to the simulated terminal, and which session ids may connect.

Called under the terminal's lock.
"""

from collections.abc import Sequence

from qka.brokers.records import Record
from qka.clock import SimulatedClock
from qka.model.times import SECOND
from qka.terminal.delivery import Delivery
from qka.terminal.faults import Faults
from qka.terminal.session import Gone, Push, Session


class Links:
    """Connected sessions. An id can't be used twice, nor soon again, nor after its link broke."""

    def __init__(self, clock: SimulatedClock, faults: Faults, cooldown: float) -> None:
        self.connected: dict[int, Session] = {}  # id -> session
        self._clock = clock
        self._faults = faults
        self._cooldown = cooldown  # seconds
        self._let_go: dict[int, int] = {}  # id -> when (ns)
        self._locked: dict[int, Session] = {}  # ids whose link broke; their clients go on

    def refusal(self, number: int) -> str:
        """Why an id can't connect, or nothing."""
        if number in self.connected or self._faults.strikes("session_in_use"):
            return f"session {number} is in use"
        if number in self._locked:
            return f"session {number} lost its link and is locked: use another id"
        let_go = self._let_go.get(number)
        if let_go is not None and self._clock.now() - let_go < self._cooldown * SECOND:
            return f"session {number} was let go less than {self._cooldown:g} seconds ago"
        return ""

    def connect(self, number: int, delivery: Delivery, push: Push, gone: Gone) -> Session:
        """A new session."""
        session = Session(number, delivery, push, gone, self._faults, self._clock)
        session.shadowed = self._faults.strikes("shadowed")
        self.connected[number] = session
        return session

    def leave(self, session: Session) -> None:
        """Its client stopped."""
        session.lose(silent=True)
        for held in (self.connected, self._locked):
            if held.get(session.id) is session:
                del held[session.id]
                self._let_go[session.id] = self._clock.now()

    def lose(self, sessions: Sequence[Session], *, silent: bool = False) -> None:
        """Their links break."""
        for session in sessions:
            session.lose(silent=silent)
            if self.connected.get(session.id) is session:
                del self.connected[session.id]
                self._locked[session.id] = session

    def tell(self, kind: str, record: Record, only: int | None = None) -> None:
        """Push to everyone subscribed to the record's account, or to one session of them."""
        for session in list(self.connected.values()):
            if only in (None, session.id) and record.account_id in session.accounts:
                self.push(session, kind, record)

    def push(self, session: Session, kind: str, record: Record) -> None:
        """Push to one session, which may be the last thing its link carries."""
        session.push(kind, record)
        if session.alive and self._faults.strikes("disconnect_push", kind):
            self.lose([session])
