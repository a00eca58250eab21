"""The leaver: sells positions that a stop-loss, a take-profit or a trailing stop wants left.

Its sells are orders like any, under the name `stops`: they pass the gate. What it can't sell
(bought today, sealed at the limit down, refused by a rule) it tells, once a symbol and day.
"""

from collections.abc import Callable
from datetime import date

import msgspec

from qka.ashare import rules as ashare
from qka.clock import Clock
from qka.engine.desk import Trade
from qka.engine.ledger import Ledger
from qka.journal.port import Journal, Note
from qka.model.market import Bar, Phase, Quote
from qka.model.order import SELL, OrderStatus
from qka.model.times import SECOND, day_of, same_day
from qka.risk.stops import NO_STOPS

NAME = "stops"  # whose orders they are
AGAIN = 10  # seconds between two exits of one symbol
KEY = "best"  # of its note


class Leaver:
    """`trade` places an order, `tell` tells a human, `trading` says whether a market order fills.

    The best price of a position is the highest last price since it was bought, as far as it was
    seen.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        journal: Journal,
        trade: Trade,
        tell: Callable[[str], None],
    ) -> None:
        self.stops = NO_STOPS
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._trade = trade
        self._tell = tell
        self._best: dict[str, float] = {}  # symbol -> CNY, of what is held
        self._changed = False
        self._next: dict[str, int] = {}  # symbol -> ns, no exit before
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
        if type(event) is Quote and event.phase != Phase.CONTINUOUS:
            return
        why = self.stops.due(position, last, best)
        now = self._clock.now()
        if why and now >= self._next.get(symbol, 0):
            self._next[symbol] = now + AGAIN * SECOND
            self._leave(symbol, why)

    def _leave(self, symbol: str, why: str) -> None:
        position = self._ledger.position(symbol)
        if position.today:
            self._once(
                symbol,
                "today",
                f"{why}; {position.today} of {position.quantity} {symbol} were bought today and "
                "can't be sold before the next trading day (T+1)",
            )
        shares = ashare.sellable(symbol, position.sellable, position.sellable)
        if shares <= 0:
            return
        quote, price = self._ledger.quotes.get(symbol), None
        today = quote is not None and same_day(quote.time, self._clock.now())
        if quote is not None and today and 0.0 < quote.last <= quote.limit_down:
            price = quote.limit_down
            self._once(
                symbol,
                "sealed",
                f"{why}; {symbol} is at its limit down, {price:g}: the exit of {shares} waits in "
                "the queue there and may not fill today",
            )
        order = self._trade(symbol, SELL, shares, price, why)
        if order.status is OrderStatus.DENIED:
            self._once(symbol, "denied", f"{why}; the exit of {shares} was refused: {order.reason}")

    def _once(self, symbol: str, what: str, words: str) -> None:
        day = day_of(self._clock.now())
        if self._told.get((symbol, what)) != day:
            self._told[symbol, what] = day
            self._tell(words)
