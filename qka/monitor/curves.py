"""The curves: the day by the minute, of the account and of the symbols that matter.

They are looked at from outside, now and then, so that a quote costs nothing for them. A minute's
point is what was true at the last look in it.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from qka.engine.engine import Engine
from qka.model.market import Phase, Quote
from qka.model.times import MINUTE, SECOND, day_of, same_day

ACCOUNT = ""  # the curve of the account's total
MOST = 200  # symbols
_CALLS = (Phase.OPENING_CALL, Phase.CLOSING_CALL)
_OPEN = (*_CALLS, Phase.CONTINUOUS)


class Point(NamedTuple):
    """One minute: its start in seconds since the epoch, CNY; on the wire as a list."""

    time: int
    value: float  # the price of a share, or the account's total
    average: float = 0.0  # CNY a share of all that traded today, 0.0 where it is not known
    volume: int = 0  # shares of the day so far


class Curves:
    """Of one engine. `look` at least once a minute of its time, the oftener the truer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.day = date.min  # that the points belong to
        self._curves: dict[str, list[Point]] = {}
        self._wanted: set[str] = set()  # symbols somebody asked to see

    def want(self, symbol: str) -> bool:
        """Draw this symbol from now on, if it has a quote; whether that is done."""
        if symbol == ACCOUNT or symbol in self._curves:
            return True
        known = symbol in self._engine.ledger.quotes or self._engine.ledger.price(symbol) > 0
        if known and len(self._wanted) < MOST:
            self._wanted.add(symbol)
            self.look()
        return symbol in self._curves

    def points(self, symbol: str, start: int = 0) -> list[Point]:
        """Today's points from a number on, oldest first."""
        return self._curves.get(symbol, [])[start:]

    def look(self) -> None:
        """See where everything stands."""
        engine, now = self._engine, self._engine.clock.now()
        day = day_of(now)
        if day != self.day:
            self.day = day
            self._curves.clear()
        minute = now // MINUTE * 60
        ledger, total = engine.ledger, self._curves.setdefault(ACCOUNT, [])
        is_open = engine.phase is not None and engine.phase.phase in _OPEN
        if is_open or total:  # between the phases its last point moves, if anything does
            when = minute if is_open else total[-1].time
            _put(total, Point(when, ledger.total_cents / 100))
        for symbol in self._symbols():
            quote = ledger.quotes.get(symbol)
            if quote is not None:
                if same_day(quote.time, now):
                    self._add(symbol, _of_quote(quote))
            elif price := ledger.price(symbol):
                self._add(symbol, Point(minute, price))

    def _symbols(self) -> Iterable[str]:
        """Held, traded, named by a strategy or asked for; the first `MOST` of them."""
        engine = self._engine
        names = dict.fromkeys(engine.ledger.invested)
        names.update(dict.fromkeys(self._wanted))
        for runner in engine.runners.values():
            names.update(dict.fromkeys(runner.symbols))
        names.update(dict.fromkeys(self._curves))
        names.pop(ACCOUNT, None)
        return list(names)[:MOST]

    def _add(self, symbol: str, point: Point) -> None:
        if symbol not in self._curves:
            self._curves[symbol] = self._begun(symbol)
        _put(self._curves[symbol], point)

    def _begun(self, symbol: str) -> list[Point]:
        """What the history knows of today, where one-minute bars are kept."""
        shares, money, points = 0, 0.0, list[Point]()
        for bar in self._engine.history.today(symbol, self.day):
            shares, money = shares + bar.volume, money + bar.amount
            average = money / shares if shares else 0.0
            points.append(Point(bar.time // SECOND - 60, bar.close, average, shares))
        return points


def _put(curve: list[Point], point: Point) -> None:
    last = curve[-1].time if curve else -1
    if last < point.time:
        curve.append(point)
    else:
        curve[-1] = point if last == point.time else point._replace(time=last)


def _of_quote(quote: Quote) -> Point:
    price = quote.last
    if not price and quote.phase in _CALLS:
        price = quote.bid1  # the price at which the call would trade now
    average = quote.amount / quote.volume if quote.volume else 0.0
    return Point(quote.time // MINUTE * 60, price or quote.prev_close, average, quote.volume)
