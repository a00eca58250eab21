"""What corporate actions owe to an account, and the ways in which it may have come. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain, combinations, islice, product
from typing import NamedTuple

import msgspec

from qka.model.actions import CorporateAction
from qka.model.order import Order, Side
from qka.model.times import day_of

MORNING = "09:00"  # when the night's actions are known and nothing has traded
OPENING = "09:15"  # until then a feed that can't say is asked again, each minute
TAXES = (Decimal(0), Decimal("0.1"), Decimal("0.2"))  # withheld at once; most take it at the sale
_MOST_APART = 6  # dividends of which each may be late; of more some sum would fit by chance
_MOST_WAYS = 10_000  # a start is not held up by looking for more


class Due(msgspec.Struct, frozen=True):
    """What an account is to get of an action: whole until it has come."""

    action: CorporateAction
    held: int  # shares, over the night before the ex-date
    shares: bool = True  # still to come
    cash: bool = True

    @property
    def key(self) -> tuple[str, date]:
        """What tells one from another."""
        return self.action.symbol, self.action.day

    @property
    def bonus(self) -> int:
        """Shares still to come."""
        return self.action.shares(self.held) if self.shares else 0

    def money(self, tax: Decimal = Decimal(0)) -> Decimal:
        """CNY still to come."""
        return self.action.money(self.held, tax) if self.cash else Decimal(0)

    def over(self) -> "Due":
        """Nothing more comes of it."""
        return msgspec.structs.replace(self, shares=False, cash=False)


class Way(NamedTuple):
    """One way in which dues may have come."""

    shares: Mapping[str, int]  # symbol -> new shares that came
    cash: Decimal  # CNY that came
    words: Mapping[str, Sequence[str]]  # symbol, or cash -> what came, in words
    left: Sequence[Due]  # all dues, with what did not come yet


class _Swing(NamedTuple):
    """What orders that nobody saw the end of may have moved of a symbol."""

    least: int = 0
    most: int = 0
    day: date = date.max  # of the last of them: shares bought on it are held over its night

    def moves(self, due: Due, shares: int) -> Due:
        """The due, when orders moved so many shares before its ex-date."""
        if due.action.day <= self.day:
            return due
        return msgspec.structs.replace(due, held=due.held + shares)


def ways(dues: Sequence[Due], moved: Mapping[str, int], over: Iterable[Order]) -> Iterator[Way]:
    """The ways that fit how shares moved, the one in which nothing came first.

    `moved`: symbol -> shares that the broker has more; `over`: orders that may have moved some
    of them. Whether the cash fits is for others to say.
    """
    of: defaultdict[str, list[Due]] = defaultdict(list)
    for due in dues:
        of[due.action.symbol].append(due)
    swings = _swings(over)
    options = [
        list(_options(mine, moved.get(symbol, 0), swings.get(symbol, _Swing())))
        for symbol, mine in of.items()
    ]
    fitting = (list(chain(*choice)) for choice in product(*options))
    return islice((way for choice in fitting for way in _paid(choice)), _MOST_WAYS)


# a due, and whether its shares have come
_Choice = tuple[Due, bool]


def _options(dues: Sequence[Due], moved: int, swing: _Swing) -> Iterator[list[_Choice]]:
    """Which bonuses of a symbol have come, so that with what orders moved it is the whole."""
    for came in _subsets([due for due in dues if due.shares and due.action.bonus]):

        def total(traded: int, came: Sequence[Due] = came) -> int:
            return traded + sum(swing.moves(due, traded).bonus for due in came)

        span = range(swing.least, swing.most + 1)
        place = bisect_left(span, moved, key=total)
        if place < len(span) and total(span[place]) == moved:
            yield [(swing.moves(due, span[place]), due in came) for due in dues]


def _paid(choice: Sequence[_Choice]) -> Iterator[Way]:
    """The ways in which cash may have come besides."""
    payable = [due for due, _ in choice if due.money()]
    few = len(payable) <= _MOST_APART
    for paid in _subsets(payable) if few else ((), tuple(payable)):
        for tax in TAXES if paid else TAXES[:1]:
            yield _way(choice, paid, tax)


def _way(choice: Sequence[_Choice], paid: Sequence[Due], tax: Decimal) -> Way:
    shares: dict[str, int] = {}
    words: defaultdict[str, list[str]] = defaultdict(list)
    left: list[Due] = []
    cash = Decimal(0)
    for due, came in choice:
        action, money = due.action, due.money(tax) if due in paid else Decimal(0)
        if came and due.bonus:
            shares[action.symbol] = shares.get(action.symbol, 0) + due.bonus
            ratio = f"10:{(action.bonus * 10).normalize():f}"
            words[action.symbol].append(
                f"bonus {ratio} of {action.symbol} on {action.day}: +{due.bonus}"
            )
        if money:
            cash += money
            less = f" (less {tax:.0%} tax)" if tax else ""
            words["cash"].append(
                f"dividend {action.cash:f} CNY a share of {action.symbol} on {action.day}: "
                f"+{money}{less}"
            )
        left.append(
            msgspec.structs.replace(
                due, shares=due.shares and not came, cash=due.cash and due not in paid
            )
        )
    return Way(shares, cash, words, left)


def _swings(over: Iterable[Order]) -> dict[str, _Swing]:
    found: dict[str, _Swing] = {}
    for order in over:
        least, most, day = found.get(order.symbol, _Swing(day=date.min))
        if order.side is Side.BUY:
            most += order.remaining
        else:
            least -= order.remaining
        found[order.symbol] = _Swing(least, most, max(day, day_of(order.time)))
    return found


def _subsets(dues: Sequence[Due]) -> Iterator[Sequence[Due]]:
    """Of every size, none first."""
    return chain.from_iterable(combinations(dues, size) for size in range(len(dues) + 1))
