"""The exchange of a paper account: its book of our orders, and what each snapshot or bar brings.

An order meets the first order book that is newer than its arrival. It takes what is displayed
there, or takes its place behind what is; from then on the trades between snapshots move it on.
Calls have their print, post-close trading its price. Nothing ever trades on what is older than
the order's arrival.
"""

from collections.abc import Callable, Iterable
from datetime import date

from qka.ashare.rules import TERMS
from qka.ashare.sessions import span_at
from qka.brokers.exchange import checks
from qka.brokers.exchange.auctions import AUCTIONS, at_print, resumed_at
from qka.brokers.exchange.bars import SPANS, against_bar, began
from qka.brokers.exchange.kinds import NO_BAR, NO_PRICE, NO_REST, OVER, price_at, rest_at
from qka.brokers.exchange.levels import Levels
from qka.brokers.exchange.queue import LEAVING
from qka.brokers.exchange.sight import Sight, in_cny, is_book, mills
from qka.brokers.exchange.tape import Tape
from qka.brokers.exchange.working import Working
from qka.model.events import InstrumentState
from qka.model.market import HALTS, Bar, Phase, Quote
from qka.model.order import FINAL, Order, OrderType, Side
from qka.model.symbol import lot_size
from qka.model.times import DAY, at, day_of, same_day, time_of_day

Deal = Callable[[Order, float, int], None]  # order, price in CNY, shares
Drop = Callable[[Order, str], None]  # order, why its rest is cancelled

PARTICIPATION = 0.25  # share of what trades that our orders may have
_WAITING = frozenset({OrderType.LIMIT, OrderType.OWN})  # for a bar that comes to their price
_OVER = frozenset({Phase.POST_CLOSE, Phase.CLOSED})
_MATCHING = time_of_day(at(date(2026, 1, 5), "15:05"))  # of post-close trading


class Exchange:
    """Matches our orders against the market; tells each deal, and each rest that it cancels.

    `participation`: share of the volume between two snapshots, or in a bar, that one side of ours
    may have beyond what is displayed; at least a lot. `queue`: a key of `LEAVING`. `auction`: one
    of `AUCTIONS`.
    `late_for_bars`: whether it counts for bars when an order arrived, or when it was made.
    """

    def __init__(
        self,
        deal: Deal,
        drop: Drop,
        *,
        participation: float = PARTICIPATION,
        queue: str = "behind",
        auction: str = "shared",
        late_for_bars: bool = False,
    ) -> None:
        self._deal = deal
        self._drop = drop
        self._participation = participation
        self._leaving = LEAVING[queue]
        self._sharing = AUCTIONS[auction]
        self._late_for_bars = late_for_bars
        self._book: dict[str, dict[str, Working]] = {}  # symbol -> order id -> working
        self._last: dict[str, Quote] = {}  # symbol -> its last quote of today
        self._states: dict[str, InstrumentState] = {}  # symbol -> what was said of it last
        self._levels: dict[tuple[str, Side], Levels] = {}  # of today
        self._spans: dict[str, int] = {}  # symbol -> ns of today's first bar, the feed's own
        # symbols of which a bar was seen today and no order works: another bar changes nothing
        self.quiet: set[str] = set()

    # ------------------------------------------------------------ orders

    def refusal(self, order: Order, held: int, now: int) -> str:
        """Why the exchange does not take an order, "" when it does.

        `held`: shares that a sell may use. Of bars it knows no hours and no limits.
        """
        refused = checks.size(order, held)
        if not refused and self._last:
            refused = checks.hours(order, now)
        quote = self._last.get(order.symbol)
        if not refused and quote is not None:
            refused = checks.price(order, quote, self._states.get(order.symbol), now)
        return refused

    def enter(self, order: Order, now: int) -> None:
        """Take an order that arrives now."""
        entry = Working(order, now)
        self._take(entry)
        quote = self._last.get(order.symbol)
        if quote is not None and is_book(quote) and order.type is OrderType.LIMIT:
            entry.rested = not Sight(quote, order.side).against(entry.limit)

    def back(self, order: Order, now: int) -> None:
        """An order of an earlier run: it rests, behind everything displayed.

        A print that has passed by `now` (ns) had all it was to have.
        """
        entry = Working(order, order.time)
        entry.rested = True
        entry.called = now >= at(day_of(order.time), "09:25")
        self._take(entry)

    def _take(self, entry: Working) -> None:
        order = entry.order
        self._book.setdefault(order.symbol, {})[order.id] = entry
        self.quiet.discard(order.symbol)

    def update(self, order: Order) -> None:
        """The order as it stands now; one that is over leaves the book."""
        entries = self._book.get(order.symbol)
        if entries is None:
            return
        entry = entries.get(order.id)
        if entry is not None:
            entry.order = order
            if order.status in FINAL:
                del entries[order.id]

    def clear(self) -> None:
        """Nothing is known, no order is there."""
        self._book.clear()
        self.new_day()

    def new_day(self) -> None:
        """What was seen yesterday says nothing of today."""
        self._last.clear()
        self._levels.clear()
        self._spans.clear()
        self.quiet.clear()

    def left(self, day: date) -> list[tuple[Order, str]]:
        """What is over when the day ends, and why: all but what was sent after its close."""
        close = at(day, "15:00")
        return [
            (entry.order, self._over(entry))
            for entries in self._book.values()
            for entry in entries.values()
            if entry.order.time < close or entry.order.type is OrderType.FIXED
        ]

    def _over(self, entry: Working) -> str:
        """The commonest mistake with daily bars is named: within the day none begins."""
        daily = self._spans.get(entry.order.symbol) == DAY
        return OVER if entry.met or not daily else f"{OVER}; {NO_BAR}"

    # ------------------------------------------------------------ quotes

    def on_instrument(self, state: InstrumentState) -> None:
        """What the terminal says of a security, for the day that it names."""
        self._states[state.symbol] = state

    def on_quote(self, quote: Quote) -> None:
        """Match the day's working orders of the symbol against a new snapshot."""
        before = self._last.get(quote.symbol)
        self._last[quote.symbol] = quote
        working = self._book.get(quote.symbol)
        if working:
            now = quote.time
            there = [e for e in working.values() if e.arrived < now and same_day(e.arrived, now)]
            if there:
                self._match(before, quote, there)

    def _match(self, before: Quote | None, quote: Quote, there: list[Working]) -> None:
        day, phase = day_of(quote.time), span_at(quote.symbol, quote.time).phase
        if not is_book(quote):
            silent = not quote.volume and quote.time >= at(day, "09:25:03")
            for entry in there:
                entry.place.lose()
                if silent:  # the opening call had no print
                    entry.called = entry.rested = True
            return
        if phase in _OVER:
            self._match_after(before, quote, there, at(day, "15:00"))
            return
        opening = at(day, "09:25")
        if quote.time >= opening:
            price = quote.open or (quote.last if phase is Phase.BREAK else 0.0)
            waited = [e for e in there if e.arrived < opening and not e.called]
            if waited and price:
                for entry in waited:
                    entry.called = entry.rested = True
                self._print(waited, quote, price, quote.volume, seen=phase is Phase.BREAK)
        if phase is Phase.CONTINUOUS:
            if before is not None and before.phase in HALTS:
                self._resume(before, quote, there)
            self._trade(before, quote, [e for e in there if e.order.type is not OrderType.FIXED])

    def _trade(self, before: Quote | None, quote: Quote, there: list[Working]) -> None:
        """Continuous trading."""
        whole = before is not None and is_book(before)
        for side in Side:
            ours = [e for e in there if e.order.side is side and e.order.status not in FINAL]
            if not ours:
                continue
            sight, tape = Sight(quote, side), None
            lot, tick = lot_size(quote.symbol), _tick(quote.symbol)
            traded = max(0, quote.volume - before.volume) if before is not None and whole else 0
            if before is not None and whole and any(entry.met for entry in ours):
                tape = Tape(Sight(before, side), sight, tick, lot)
            levels = self._levels_of(quote.symbol, side)
            levels.renew(sight, traded)
            most = int(traded * self._participation)
            most = max(lot, most - most % lot)
            ours.sort(key=lambda entry: -entry.limit)  # and by time: sorting keeps it
            for entry in ours:
                shown = sight.shown(entry.limit)
                if not entry.met:
                    self._meet(entry, quote, sight, levels)
                    continue
                shares = 0
                if tape is None:
                    entry.place.see(shown)
                else:
                    reached = entry.place.move(entry.limit, tick, tape, shown, self._leaving)
                    shares = min(reached, most, entry.order.remaining)
                    most -= shares
                self._wait(entry, sight, levels, shares)

    def _meet(self, entry: Working, quote: Quote, sight: Sight, levels: Levels) -> None:
        """The first book that is newer than the order's arrival."""
        if checks.parked(entry.order, quote, quote.time):
            return
        order = entry.order
        entry.met = True
        gone = price_at(entry, sight)
        whole = order.type is not OrderType.ALL_OR_NONE
        if not whole and levels.offered(sight, entry.limit) < order.remaining:
            gone = "it could not trade whole"
        reached = None
        if not gone:
            if entry.rested:
                self._wait(entry, sight, levels, 0)
            elif order.type is not OrderType.OWN:
                for price, shares in levels.take(sight, entry.limit, order.remaining):
                    reached = price
                    self._deal_at(entry, price, shares)
            if entry.order.status in FINAL:
                return
            gone = rest_at(entry, sight, reached)
        if gone:
            self._drop(entry.order, gone)
        else:
            entry.rested = True
            entry.place.see(sight.shown(entry.limit))

    def _wait(self, entry: Working, sight: Sight, levels: Levels, shares: int) -> None:
        """A resting order: what came to it, and what is displayed against it, at its own price."""
        if sight.against(entry.limit):
            entry.place.lead()
            took = levels.take(sight, entry.limit, entry.order.remaining - shares)
            shares += sum(count for _, count in took)
        self._deal_at(entry, entry.limit, shares)

    def _levels_of(self, symbol: str, side: Side) -> Levels:
        return self._levels.setdefault((symbol, side), Levels())

    def _deal_at(self, entry: Working, price: int, shares: int) -> None:
        if shares > 0:
            self._deal(entry.order, in_cny(price), shares)

    # ------------------------------------------------------------ calls, and after the close

    def _print(
        self, entries: Iterable[Working], quote: Quote, price: float, volume: int, *, seen: bool
    ) -> None:
        """`seen`: the quote has the book that the print left."""
        entries = _limits(entries)
        for side in Side:
            self._print_of(side, entries, quote, mills(price, side), volume, seen=seen)

    def _print_of(
        self,
        side: Side,
        entries: Iterable[Working],
        quote: Quote,
        price: int,
        volume: int,
        *,
        seen: bool,
    ) -> None:
        """One side's part in it, at a price in mills."""
        ours = [entry for entry in entries if entry.order.side is side]
        if not ours:
            return
        sight, levels = Sight(quote, side), self._levels_of(quote.symbol, side)
        left = 0
        if seen:
            levels.renew(sight, volume)
            left = levels.offered(sight, price)
        for entry, shares in at_print(ours, price, volume, left, self._sharing):
            if entry.limit == price:  # what was left is not taken again
                levels.take(sight, price, shares)
            self._deal_at(entry, price, shares)

    def _resume(self, before: Quote, quote: Quote, there: list[Working]) -> None:
        """The call that ends a halt: `quote` is the first with a book after it."""
        volume = quote.volume - before.volume
        waited = _limits(entry for entry in there if entry.arrived <= before.time)
        for entry in waited:
            entry.rested = True
        if volume > 0:
            for side in Side:
                price = resumed_at(before, quote, side, _tick(quote.symbol))
                self._print_of(side, waited, quote, price, volume, seen=True)

    def _match_after(
        self, before: Quote | None, quote: Quote, there: list[Working], close: int
    ) -> None:
        """The closing print for who waited for it; then fixed-price orders at that price."""
        if before is None:
            return
        volume = quote.volume - before.volume
        late = time_of_day(quote.time) >= _MATCHING
        if not late:
            waited = [e for e in there if e.arrived < close and not e.closed]
            if waited and volume > 0:
                for entry in waited:
                    entry.closed = True
                if span_at(quote.symbol, close - 1).phase is Phase.CLOSING_CALL:
                    self._print(waited, quote, quote.last, volume, seen=True)
                else:
                    self._trade(before, quote, waited)
        elif volume > 0:
            most = int(volume * self._participation)
            for entry in there:
                if entry.order.type is OrderType.FIXED and entry.arrived < before.time:
                    price = mills(quote.last, entry.order.side)
                    shares = min(most, entry.order.remaining) if price <= entry.limit else 0
                    most -= shares
                    self._deal_at(entry, price, shares)

    # ------------------------------------------------------------ bars

    def on_bar(self, bar: Bar) -> None:
        """Match working orders of the symbol against a bar that began after their arrival."""
        symbol, spans = bar.symbol, self._spans
        first = symbol not in spans
        if first:
            spans[symbol] = SPANS[bar.period]
        working = self._book.get(symbol)
        if not working or symbol in self._last:
            if not working:
                self.quiet.add(symbol)
            return
        if SPANS[bar.period] > spans[symbol]:
            return  # made of the shorter bars that were matched already
        volume, start = int(bar.volume * self._participation), began(bar, first=first)
        for entry in list(working.values()):
            if (entry.arrived if self._late_for_bars else entry.order.time) <= start:
                volume -= self._bar(entry, bar, volume)

    def _bar(self, entry: Working, bar: Bar, volume: int) -> int:
        """Shares of the order that trade in the bar."""
        order, kind, first = entry.order, entry.order.type, not entry.met
        if kind is OrderType.FIXED:
            return 0
        if kind is OrderType.ALL_OR_NONE and order.remaining > volume:
            self._drop(order, "it could not trade whole")
            return 0
        if kind is OrderType.OWN and first:  # the own side's best is below what trades
            tick = _tick(bar.symbol)
            entry.limit = min(entry.limit, mills(bar.open, order.side) - tick)
        entry.met = True
        waits = kind in _WAITING or not first
        price, shares = against_bar(order, in_cny(entry.limit), bar, volume, waits=waits)
        if shares:
            self._deal(order, price, shares)
        if kind in NO_REST and entry.order.status not in FINAL:
            self._drop(entry.order, f"the rest of a {kind} order is cancelled")
        elif first and not waits:
            if shares:
                entry.limit = mills(price, order.side)
            else:
                self._drop(order, NO_PRICE)
        return shares


def _tick(symbol: str) -> int:
    """Its price step, in mills."""
    return int(1000 / TERMS[symbol].ticks + 0.5)


def _limits(entries: Iterable[Working]) -> list[Working]:
    """Those that a call takes: limit orders, as is what rests of the market types."""
    return [entry for entry in entries if entry.order.type is OrderType.LIMIT or entry.met]
