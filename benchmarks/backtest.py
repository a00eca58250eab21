"""Rows 4 and 5: bars through the whole engine, and the memory of a million of them.

Ours: a feed over columns, `play`, ledger, history, paper broker with fees and T+1, gate, strategy.
Floor: the same Bars made from the same columns in the run, a dict of handlers, the same moving
averages, and a broker that is a number for cash and one for shares.
"""

import subprocess
import sys
from collections import deque
from statistics import median
from time import perf_counter

from benchmarks.measure import Row
from benchmarks.world import CASH, FEES, ColumnFeed, Columns, columns, six_rules, symbols
from qka.brokers.paper import PaperBroker
from qka.clock import ReplayClock
from qka.engine.engine import Engine
from qka.engine.strategy import Strategy
from qka.journal.port import NoJournal
from qka.model.events import SessionPhase
from qka.model.market import Bar, Quote
from qka.risk.rules import cash, sellable

FAST, SLOW = 120, 960
MEGABYTES = 400


class Cross:
    """Two moving averages kept in O(1)."""

    __slots__ = ("_above", "_fast", "_long", "_short", "_slow")

    def __init__(self) -> None:
        self._short: deque[float] = deque([0.0] * FAST)
        self._long: deque[float] = deque([0.0] * SLOW)
        self._fast = self._slow = 0.0
        self._above = False

    def turn(self, close: float) -> int:
        """+1 when the fast one has crossed upward, -1 downward, else 0."""
        short, long = self._short, self._long
        short.append(close)
        long.append(close)
        self._fast += close - short.popleft()
        self._slow += close - long.popleft()
        above = self._fast * (SLOW // FAST) > self._slow
        if above is self._above:
            return 0
        self._above = above
        return 1 if above else -1


class Crossing(Strategy):
    """Ours: buys and sells when the averages cross."""

    def on_start(self) -> None:
        """One pair of averages a symbol."""
        self.crosses = {symbol: Cross() for symbol in self.symbols}

    def on_bar(self, bar: Bar) -> None:
        """Trade on a crossing."""
        turn = self.crosses[bar.symbol].turn(bar.close)
        if turn > 0:
            self.buy(bar.symbol, 100)
        elif turn < 0:
            self.sell(bar.symbol)


class PlainBroker:
    """The floor's broker: fills at the next open."""

    def __init__(self) -> None:
        self.cash = CASH / 100
        self.shares: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.orders = 0

    def order(self, symbol: str, shares: int) -> None:
        """Take an order."""
        self.orders += 1
        self.waiting[symbol] = shares

    def on_bar(self, bar: Bar) -> None:
        """Fill what waits."""
        shares = self.waiting.pop(bar.symbol, 0)
        if shares:
            self.cash -= shares * bar.open
            self.shares[bar.symbol] = self.shares.get(bar.symbol, 0) + shares


class PlainCrossing:
    """The floor's strategy."""

    def __init__(self, names: list[str], broker: PlainBroker) -> None:
        self.crosses = {symbol: Cross() for symbol in names}
        self.broker = broker

    def on_bar(self, bar: Bar) -> None:
        """Trade on a crossing."""
        turn = self.crosses[bar.symbol].turn(bar.close)
        if turn > 0:
            self.broker.order(bar.symbol, 100)
        elif turn < 0:
            held = self.broker.shares.get(bar.symbol, 0)
            if held:
                self.broker.order(bar.symbol, -held)


def floor(source: Columns) -> float:
    """Seconds of the least loop."""
    begin = perf_counter()
    broker = PlainBroker()
    strategy = PlainCrossing(source.names, broker)
    routes = {Bar: (broker.on_bar, strategy.on_bar)}
    for batch in source.batches():
        for bar in batch:
            for handler in routes[type(bar)]:
                handler(bar)
    return perf_counter() - begin


def engine(source: Columns) -> Engine:
    """The whole engine over these columns."""
    clock = ReplayClock()
    broker = PaperBroker(clock, FEES, "demo", CASH)
    built = Engine(
        clock=clock,
        feed=ColumnFeed(clock, source),
        broker=broker,
        journal=NoJournal(),
        rules=[*six_rules(cash), sellable],
        fees=FEES,
        cash=CASH,
        account_id="demo",
    )
    built.listen(Quote, broker.on_quote)
    built.before_bar = broker
    built.listen(SessionPhase, broker.on_phase)
    built.register(Crossing(symbols=source.names))
    return built


def ours(source: Columns) -> float:
    """Seconds of the whole engine, from columns to summary."""
    begin = perf_counter()
    summary = engine(source).run()
    took = perf_counter() - begin
    strategy = summary["strategies"]["Crossing"]
    if summary["alerts"] or strategy["errors"] or not strategy["fills"]:
        raise AssertionError(f"the run went wrong: {summary}")
    return took


def bars(quick: bool) -> list[Row]:
    """Bars a second of both, one symbol and fifty, and the time of twice the bars."""
    rounds, each = (3, 60_000) if quick else (5, 200_000)
    one = columns(each, symbols(1))
    half = columns(each // 2, symbols(1))
    many = columns(1_000 if quick else 4_000, symbols(50))
    rows = [
        _speed(f"bars/s, 1 symbol x {each:,}", one, rounds),
        _speed(f"bars/s, 50 symbols x {many.rows // 50:,}", many, rounds),
    ]
    pairs = [(ours(half), ours(one)) for _ in range(rounds)]
    rows.append(
        Row(
            "time of 2n bars against n",
            median(b for _, b in pairs) * 1e3,
            "ms",
            median(a for a, _ in pairs) * 1e3,
            median(b / a for a, b in pairs),
            2.2,
        )
    )
    return rows


def _speed(what: str, source: Columns, rounds: int) -> Row:
    floor(source), ours(source)
    pairs = [(floor(source), ours(source)) for _ in range(rounds)]
    orders = engine(source).run()["strategies"]["Crossing"]["orders"]
    return Row(
        what,
        source.rows / median(b for _, b in pairs),
        "1/s",
        source.rows / median(a for a, _ in pairs),
        median(a / b for a, b in pairs),
        0.4,
        at_least=True,
        note=f"{orders / source.rows * 100:.2f} orders/100 bars",
    )


def memory(quick: bool) -> list[Row]:
    """Peak memory of a process that replays a million bars; left out when quick and on Windows."""
    if quick or sys.platform == "win32":
        return []
    child = [sys.executable, "-m", "benchmarks.backtest"]
    told = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    peak = float(told)
    what = "peak memory, 1,000,000 bars"
    return [Row(what, peak, "MB", MEGABYTES, peak / MEGABYTES, 1.0, note="floor: the goal")]


def _child() -> None:
    import resource  # not on Windows

    ours(columns(1_000_000, symbols(1)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


if __name__ == "__main__":
    _child()
