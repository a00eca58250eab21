"""What the exchanges refuse, whoever asks; and what may be traded at all."""

from collections.abc import Callable, Collection
from datetime import date

from qka.ashare import rules as ashare
from qka.ashare.sessions import order_kinds
from qka.model.market import HALTS, Status
from qka.model.order import BUY, SELL, Order, OrderType
from qka.model.symbol import board_of
from qka.model.times import day_of, same_day
from qka.model.view import MarketView, View
from qka.risk.hours import Hours
from qka.risk.prices import closing_price, price_cage, price_limit
from qka.risk.rules import instrument
from qka.risk.verdicts import Denial, Rule

_LIMIT, _ST = OrderType.LIMIT, Status.ST


def market(trades: Callable[[date], bool]) -> list[Rule]:
    """The exchanges' rules that need no account, in their order; `trades` tells trading days."""
    return [
        instrument,
        order_type,
        suspended,
        Hours(trades),
        price_limit,
        price_cage,
        closing_price,
    ]


class Listed:
    """Orders are placed on what is allowed (none: on everything) and not on what is forbidden.

    Both hold symbols and names of boards, as `star`. Both sides: what is forbidden is not sold.
    """

    def __init__(self, allowed: Collection[str] | None, forbidden: Collection[str] = ()) -> None:
        self._allowed = None if allowed is None else frozenset(allowed)
        self._forbidden = frozenset(forbidden)
        self._words: dict[str, str] = {}  # symbol -> why no order is placed on it, "" for may be

    def __str__(self) -> str:
        return "what may be traded"

    def __call__(self, order: Order, view: MarketView) -> Denial | None:
        """None, or why not."""
        symbol = order.symbol
        words = self._words.get(symbol)
        if words is None:
            words = self._words[symbol] = self._weighed(symbol)
        return Denial("listed", words) if words else None

    def _weighed(self, symbol: str) -> str:
        names = {symbol, str(board_of(symbol))}
        if hit := names & self._forbidden:
            words = f"{symbol} is not to be traded: risk.forbidden has {min(hit)}"
            return f"{words}; no order on it would pass"
        if self._allowed is not None and not names & self._allowed:
            some = ", ".join(sorted(self._allowed)[:5]) or "nothing"
            return f"{symbol} is not to be traded: it is not in risk.allowed; {some} would pass"
        return ""


def order_type(order: Order, view: MarketView) -> Denial | None:
    """The symbol's exchange has that order type, and has it on that day."""
    kind = order.type
    if kind is _LIMIT:
        return None
    symbol, day = order.symbol, day_of(order.time)
    kinds = order_kinds(symbol, day)
    row = kinds.get(kind)
    if row is None:
        words = f"{symbol} takes no {kind} orders on {day}; {', '.join(kinds)} would pass"
        return Denial("order_type", words)
    state = view.instruments.get(symbol)
    if row.on_no_limit_days or state is None or state.day != day or not state.unlimited:
        return None
    words = f"{symbol} has no price limits on {day}: its exchange takes no {kind} orders then"
    return Denial("order_type", f"{words}; limit would pass")


def suspended(order: Order, view: MarketView) -> Denial | None:
    """The symbol trades: its last quote is no halt, and the terminal does not say otherwise.

    A quote of the day with trades in it is newer than what was said of the day.
    """
    symbol = order.symbol
    quote = view.quotes.get(symbol)
    if quote is not None and quote.phase in HALTS and same_day(quote.time, order.time):
        return Denial("suspended", f"{symbol} is halted; it would pass once it trades again")
    state = view.instruments.get(symbol)
    if state is None or not state.suspended or state.day != day_of(order.time):
        return None
    if quote is not None and quote.volume and same_day(quote.time, order.time):
        return None
    words = f"{symbol} is suspended on {state.day}; it would pass once it trades again"
    return Denial("suspended", words)


def daily_cap(order: Order, view: View) -> Denial | None:
    """An account buys no more of an ST security in a day than its exchange lets it.

    What was bought counts, by whomever, and what working buys may still buy.
    """
    symbol = order.symbol
    state = view.instruments.get(symbol)
    if state is None or state.status is not _ST or order.side is SELL:
        return None
    day = day_of(order.time)
    most = ashare.daily_cap(symbol, day) if state.day == day else None
    if most is None:
        return None
    working = (one.remaining for one in view.working(symbol) if one.side is BUY)
    bought = view.position(symbol).today + sum(working)
    total = bought + order.quantity
    if total <= most:
        return None
    would = ashare.buyable(symbol, max(0, most - bought))
    words = f"{total} shares of {symbol}, an ST security, bought today with this order; {most} are "
    return Denial("daily_cap", f"{words}the limit; {would} would pass", most, total)
