"""The gate with every rule on, against its rules called one after the other.

Orders of 100 symbols, 50 of them held and 20 with a working order, four a second; nothing
is refused, so every rule is asked. The floor calls the same rules and counters without a gate.
"""

from collections.abc import Callable
from decimal import Decimal
from time import perf_counter

from benchmarks.measure import Row, Timed, against
from benchmarks.world import CASH, DAY, FEES, symbols, tick
from qka import limits, settings
from qka.clock import ReplayClock
from qka.engine.ledger import Ledger
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.order import Approved, Order, OrderStatus, OrderType, Side
from qka.model.times import SECOND, at
from qka.risk.gate import Gate
from qka.risk.losses import Losses
from qka.risk.meter import Meter
from qka.risk.verdicts import Counter, Rule

NAMES = symbols(100)
MANY = 10_000  # orders of a day
ALL = {
    "allowed": ["main"],
    "forbidden": ["688981.SH"],
    "position_ratio": 0.1,
    "gross_exposure": 0.9,
    "max_holdings": 1000,
    "groups": [{"name": "all", "symbols": NAMES[:20], "ratio": 0.8}],
    "capital": CASH // 100,
    "max_quantity": 1_000_000,
    "max_notional": 10_000_000,
    "max_daily_notional": 1_000_000_000,
    "symbols": {name: {"max_quantity": 10_000} for name in NAMES[:2]},
    "max_quote_age": 3600,
    "max_price_distance": 0.1,
    "min_limit_distance": 0.001,
    "max_orders_per_second": 100,
    "max_orders_per_minute": 1_000,
    "max_orders_per_day": 1_000_000,
    "programme": {"per_second": 200, "per_day": 19_999, "warn_per_day": None},
    "max_cancel_ratio": 0.5,
    "max_quick_cancels": 100,
    "duplicate_within": 3,
    "max_daily_loss": 0.5,
    "max_drawdown": 0.5,
    "warn_at": 0.9,
}
OWN = {"use": "x:Y", "max_orders_per_day": 1_000_000, "max_notional": Decimal(10_000_000)}


def books() -> Ledger:
    """An account in the middle of its day."""
    clock = ReplayClock()
    clock.time = at(DAY, "10:00")
    ledger = Ledger(clock, FEES, CASH, dict.fromkeys(NAMES[:50], (1000, 1000000)))
    for i, name in enumerate(NAMES):
        ledger.on_quote(quote_from_xt(name, tick(i), 11.0, 9.0))
        if i % 5 == 0:
            ledger.open(_order(f"w{i}", name, 9.5, clock.time))
    return ledger


def _order(name: str, symbol: str, price: float, time: int) -> Order:
    return Order(
        name,
        symbol,
        Side.BUY,
        100,
        price,
        OrderType.LIMIT,
        "grid",
        1,
        time,
        OrderStatus.SUBMITTING,
    )


def built(view: Ledger) -> tuple[list[Rule], Meter]:
    """Every rule that a config can name, for the account and for one strategy."""
    chosen = settings.from_mapping({"risk": ALL, "strategies": [OWN]})
    risk, meter = chosen.risk, Meter()
    losses = Losses(risk.max_daily_loss, risk.max_drawdown, limits.near_losses(risk))
    losses.begin(DAY, view.total_cents)
    return limits.rules(chosen, ["grid"], meter, losses), meter


def orders() -> list[Order]:
    """The orders of a day."""
    begin = at(DAY, "10:00")
    return [
        _order(f"q{n}", NAMES[n % 100], 10.0 + n % 100 % 50 / 100, begin + n * SECOND // 4)
        for n in range(MANY)
    ]


def timed(make: Callable[[Ledger], Callable[[Order], object]]) -> Timed:
    """What is made for an account, asked about the orders of a day, and anew for the next."""
    asked = orders()

    def run(times: int) -> float:
        taken = 0.0
        while times > 0:
            ask = make(books())
            begin = perf_counter()
            for order in asked[:times]:
                ask(order)
            taken += perf_counter() - begin
            times -= len(asked)
        return taken

    return run


def whole(view: Ledger) -> Callable[[Order], object]:
    """The gate."""
    rules, meter = built(view)
    gate = Gate(rules, view, meter)

    def ask(order: Order) -> None:
        verdict = gate.review(order)
        if type(verdict) is not Approved:
            raise AssertionError(verdict)

    return ask


def parts(view: Ledger) -> Callable[[Order], object]:
    """Its rules, and what counts."""
    rules, meter = built(view)
    every: list[object] = list(rules)
    sent = [meter.sent, *(rule.sent for rule in every if isinstance(rule, Counter))]

    def ask(order: Order) -> None:
        for rule in rules:
            rule(order, view)
        for count in sent:
            count(order)

    return ask


def gate(quick: bool) -> list[Row]:
    """All rules on: at most twice the sum of them, and 40 us an order."""
    rules, _ = built(books())
    return [
        against(
            f"gate, all {len(rules)} rules on",
            timed(parts),
            timed(whole),
            2,
            rounds=9 if quick else 15,
            seconds=0.1,
            unit="us",
            note="target: 40 us an order",
        )
    ]
