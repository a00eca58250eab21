"""The leaver: sells positions that a stop-loss, a take-profit or a trailing stop wants left.

Its sells are orders like any, under the name `stops`: they pass the gate. Orders of others on the
symbol that are in the way are cancelled first. What it can't sell (bought today, promised to an
UNKNOWN sell, halted, sealed at the limit down, refused by a rule) it tells, once a symbol and day.
"""

from collections.abc import Callable
from datetime import date

import msgspec

from qka.ashare.limits import after_action
from qka.clock import Clock
from qka.engine.desk import Trade
from qka.engine.exits import Exits
from qka.engine.ledger import Ledger
from qka.journal.port import Journal, Note
from qka.model.events import Distributed, TradingState, WentEx
from qka.model.market import HALTS, Bar, Phase, Quote
from qka.model.order import BUY
from qka.model.times import SECOND, day_of
from qka.risk.gate import Gate
from qka.risk.stops import NO_STOPS

NAME = "stops"  # whose orders they are
AGAIN = 10  # seconds between two exits of one symbol
KEY = "best"  # of its note


class Leaver:
    """`trade` places an order, `cancel` asks for a cancel, `tell` tells a human.

    The best price of a position is the highest last price since it was bought, as far as it was
    seen.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        journal: Journal,
        trade: Trade,
        cancel: Callable[[str, str], bool],
        tell: Callable[[str], None],
        gate: Gate,
    ) -> None:
        self.stops = NO_STOPS
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._exits = Exits(clock, ledger, trade, gate)
        self._cancel = cancel
        self._tell = tell
        self._best: dict[str, float] = {}  # symbol -> CNY, of what is held
        self._changed = False
        self._next: dict[str, int] = {}  # symbol -> ns, no exit before
        self._clearing: dict[str, int] = {}  # symbol -> ns, since when it cancels for an exit
        self._asked: dict[str, int] = {}  # id of an order -> ns, when its cancel was asked for
        self._told: dict[tuple[str, str], date] = {}  # (symbol, what) -> the last day

    def remember(self) -> None:
        """Go on with the best prices that an earlier run saw."""
        last = self._journal.latest(Note.RISK, KEY)
        if last is not None:
            self._best = msgspec.json.decode(last.payload, type=dict[str, float])

    def keep(self) -> None:
        """Write down the best prices if they have changed; raises OSError."""
        if self._changed and self.stops.trailing is not None:
            self._changed = False
            self._journal.note(Note.RISK, self._best, KEY)

    def on_action(self, event: Distributed | WentEx) -> None:
        """The best price of a position is what it would have been without what is given."""
        if self._ledger.given is None:
            return  # heard before
        best = self._best.get(event.action.symbol)
        if best is not None:
            self._best[event.action.symbol] = after_action(event.action, best)
            self._changed = True

    def on_price(self, event: Quote | Bar) -> None:
        """A price came: is it one to leave at?"""
        symbol = event.symbol
        if self.stops is NO_STOPS:
            return
        position = self._ledger.position(symbol)
        if position.quantity <= 0:
            if self._best.pop(symbol, None) is not None:
                self._changed = True
            return
        last = event.last if type(event) is Quote else self._ledger.price(symbol)
        if last <= 0.0:
            return
        best = self._best.get(symbol, 0.0)
        if last > best:
            best = self._best[symbol] = last
            self._changed = True
        halted = type(event) is Quote and event.phase in HALTS
        if type(event) is Quote and event.phase != Phase.CONTINUOUS and not halted:
            return
        why = self.stops.due(position, last, best)
        if not why:
            self._clearing.pop(symbol, None)
        elif self._ledger.trading is TradingState.HALTED:
            self._once(
                symbol, "switch", f"{why}; trading is HALTED: the exit waits until it is not"
            )
        elif halted:
            self._once(
                symbol, "halted", f"{why}; {symbol} is halted: the exit waits until it trades"
            )
        elif self._clock.now() >= self._next.get(symbol, 0) and self._clears(symbol, why, last):
            self._next[symbol] = self._clock.now() + AGAIN * SECOND
            self._leave(symbol, why)

    def _clears(self, symbol: str, why: str, last: float) -> bool:
        """Whether nothing is in the way of an exit any more; what is, is cancelled.

        A buy would trade with it or fill the position again, a sell above the last price keeps
        shares and does not trade. An exit waits so long for the cancels, then the gate decides.
        """
        now = self._clock.now()
        in_the_way = [
            order
            for order in self._ledger.working(symbol)
            if order.side is BUY or order.price > last
        ]
        if not in_the_way:
            self._clearing.pop(symbol, None)
            return True
        due = now - AGAIN * SECOND  # a cancel may have been refused
        new = [order for order in in_the_way if self._asked.get(order.id, due) <= due]
        if new:
            names = ", ".join(f"{o.side} {o.remaining} at {o.price:g} of {o.strategy}" for o in new)
            self._once(symbol, "cancels", f"{why}; cancelled for the exit of {symbol}: {names}")
        for order in new:
            self._asked[order.id] = now
            self._cancel(order.id, why)
        return now - self._clearing.setdefault(symbol, now) >= AGAIN * SECOND

    def _leave(self, symbol: str, why: str) -> None:
        for what, words in self._exits.leave(symbol, why).left:
            self._once(symbol, what, f"{why}; {words}")

    def _once(self, symbol: str, what: str, words: str) -> None:
        day = day_of(self._clock.now())
        if self._told.get((symbol, what)) != day:
            self._told[symbol, what] = day
            self._tell(words)
