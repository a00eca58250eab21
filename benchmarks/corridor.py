"""The corridor from quote to order in one function: what its work costs without its rooms.

The floor of `orders` leaves out what a real order has and its checks don't ask for: a signal, an
id, legal lots and ticks, fees to the cent, what other orders have reserved, an intent. Here all of
that is done, on the same events, by one function whose state is in its locals. So the row that
compares ours with it says what bus, ledger, gate and rules cost by being apart.
"""

import itertools
from collections import defaultdict, deque
from math import floor
from time import perf_counter

from benchmarks.orders import NAMES, PUSHES
from benchmarks.world import CASH, TEN
from qka.ashare.rules import TERMS
from qka.model.events import OrderRequested, Signal, TradingState
from qka.model.market import Quote
from qka.model.order import BUY, Approved, Order, OrderStatus, OrderType
from qka.model.times import MILLISECOND, SECOND

_LEAST, _SMALL = 500, 2_000_000  # cents: the least commission, and the turnover that it is for


def in_one(times: int) -> float:
    """Seconds from the dict in hand to the order sent, over `times` rounds of all symbols."""
    active, limit, submitting = TradingState.ACTIVE, OrderType.LIMIT, OrderStatus.SUBMITTING
    state, unknown, now = active, set[tuple[str, str]](), TEN
    quotes, orders = dict[str, Quote](), dict[str, Order]()
    signals, ids = itertools.count(1), itertools.count(1)
    said, sent = deque[object](), list[Approved]()
    window, counted = deque[int](), list[Order]()
    free, total = CASH, CASH
    coming = dict.fromkeys(NAMES, 0)
    claims: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    shares = dict.fromkeys(NAMES, ((1, 100_000, 50_000),))  # of the turnover: transfer fee
    taken = reached = 0.0

    def on_quote(quote: Quote) -> None:
        nonlocal free, reached
        symbol, quantity, price = quote.symbol, 100, quote.ask_prices[0]
        bid, ask = quote.bid_prices[0], quote.ask_prices[0]
        arrival = (bid + ask) * 0.5 if bid > 0.0 and ask > 0.0 else quote.last
        signal = Signal(
            symbol, BUY, quantity, None, None, None, price, "", 1.0, True, "Buyer", now,
            next(signals), arrival,
        )  # fmt: skip
        said.append(signal)
        the = TERMS[symbol]
        order = Order(
            f"q260105-0-{next(ids):06d}", symbol, BUY, quantity, price, limit, "Buyer", signal.id,
            now, submitting,
        )  # fmt: skip
        if state is not active or (unknown and (symbol, "Buyer") in unknown):
            return
        if the.barred or not the.least <= quantity <= the.most or (quantity - the.least) % the.step:
            return
        if not 0.0 < price < 1e7 or 1e-4 < price * the.ticks % 1.0 < 1.0 - 1e-4:
            return
        rest = floor(price * quantity * 100.0 + 0.51)
        need = rest + (_LEAST if rest <= _SMALL else (rest + 2_000) // 4_000)
        for above, below, half in shares[symbol]:
            need += (rest * above + half) // below
        if need > free or (coming[symbol] + rest) * 2 > total or len(window) >= 10**9:
            return
        window.append(now)
        while window[0] <= now - 60 * SECOND:
            window.popleft()
        counted.append(order)
        requested, approved = OrderRequested(now, order), Approved(order)
        orders[order.id] = order
        claims[symbol][order.id] = (rest, need)
        coming[symbol] += rest
        free -= need
        reached = perf_counter()
        sent.append(approved)
        said.append(requested)

    hear = dict.fromkeys(NAMES, on_quote)
    for number in range(times):
        for symbol, push in PUSHES[number % len(PUSHES)]:
            begin = perf_counter()
            quotes[symbol] = quote = Quote(
                symbol, push["time"] * MILLISECOND, push["lastPrice"], push["open"], push["high"],
                push["low"], push["lastClose"], push["pvolume"], push["amount"], push["openInt"],
                push["askPrice"], push["askVol"], push["bidPrice"], push["bidVol"],
            )  # fmt: skip
            hear[symbol](quote)
            taken += reached - begin
        if len(sent) != len(NAMES):
            raise AssertionError(f"{len(sent)} of {len(NAMES)} orders left")
        for kept in (sent, said, window, counted, orders, claims):
            kept.clear()
        coming, free, now = dict.fromkeys(NAMES, 0), CASH, now + 3 * SECOND
    return taken
