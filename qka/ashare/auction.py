"""The exchanges' call auction: one price for all that was said until then.

The price trades the most; every buy above it and every sell below it is filled, and at the price
itself one side is filled whole. So say all three (SSE 3.5.2, SZSE 3.5.2, BSE 3.4.2). When several
prices do, each exchange has its own way to choose:

SSE: the one that leaves the least unmatched, of order prices alone; of two the middle. [V]: two
quotations of the rule; all 188 virtual prices of 600519 on 2023-02-01, and a tie among them that
only order prices resolve; the opening prices of four stocks.
SZSE: the one that leaves the least unmatched, then the nearest to the previous close (opening
call) or to the last price (closing call), and any tick will do, traded for or not. [V] by two
quotations, not seen in data.
BSE: the nearest to the previous close or the last price. [S]
The Shanghai call lies before 09:25 since 2006-07-01, its closing call exists since 2018-08-20.

Prices are whole ticks, quantities shares: all is exact.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from qka.model.codes import Exchange

Levels = Mapping[int, int]  # ticks -> shares


class Clearing(NamedTuple):
    """What an auction comes to: its price in ticks, its shares, and who is left over there."""

    price: int
    volume: int
    surplus: int  # shares that find nobody: of buyers above 0, of sellers below


def clear(buys: Levels, sells: Levels, exchange: Exchange, reference: int) -> Clearing | None:
    """The auction of a book, None when no buy meets a sell.

    `reference` in ticks: the previous close in the opening call, the last price in the closing
    call. Where a rule is silent the choice is ours: the middle of two prices is rounded up to a
    tick, and of two that are equally near the lower one is taken.
    """
    found = list(_possible(buys, sells))
    if exchange == "SH":
        found = [one for one in found if one.ordered]
    if not found:
        return None
    most = max(one.volume for one in found)
    best = [one for one in found if one.volume == most]
    if exchange != "BJ":
        least = min(abs(one.surplus) for one in best)
        best = [one for one in best if abs(one.surplus) == least]
    aim = (best[0].low + best[-1].high + 1) // 2 if exchange == "SH" else reference
    prices = [min(max(aim, one.low), one.high) for one in best]
    if exchange == "SH" and aim not in prices:
        return Clearing(aim, most, 0)  # between two prices that tie nobody is left over
    price, one = min(zip(prices, best, strict=True), key=lambda pair: abs(pair[0] - aim))
    return Clearing(price, most, one.surplus)


class _Prices(NamedTuple):
    """Ticks that are alike: those of an order price, or those between two."""

    low: int
    high: int
    volume: int
    surplus: int
    ordered: bool  # somebody named that price


def _possible(buys: Levels, sells: Levels) -> Iterator[_Prices]:
    """The prices that the three demands allow, ascending, apart from the most volume."""
    named = sorted({price for side in (buys, sells) for price, shares in side.items() if shares})
    demand = sum(buys.values())  # at this price or above
    supply = 0  # at this price or below
    for number, price in enumerate(named):
        above, below = demand - buys.get(price, 0), supply
        supply += sells.get(price, 0)
        volume = min(demand, supply)
        if volume and above <= volume and below <= volume:
            yield _Prices(price, price, volume, demand - supply, ordered=True)
        demand = above
        if demand == supply > 0 and named[number + 1] > price + 1:
            yield _Prices(price + 1, named[number + 1] - 1, demand, 0, ordered=False)
