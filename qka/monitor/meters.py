"""The meters: how much of each limit is used, as plain values.

A meter is there for every limit that is set, and for the figures of programme trading always.
`used` and `limit` are in `unit`: `ratio` (share of 1) or `count`; `limit` None: there is none.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from qka.engine.engine import Engine
from qka.risk.pace import RateLimit

_HIGH_SPEED, _HIGH_DAY = 300, 20_000  # orders and cancels that make an account high-frequency
Row = dict[str, Any]


def meters(engine: Engine, limits: Mapping[str, Any]) -> list[Row]:
    """Every meter; `limits` are the account's, by their names in the config."""
    return [
        *_losses(engine, limits),
        *_sizes(engine, limits),
        *_rates(engine, limits),
        *_programme(engine, limits),
    ]


def _row(name: str, used: float, limit: float | None, unit: str, of: str = "") -> Row:
    return {"name": name, "of": of, "used": used, "limit": limit, "unit": unit}


def _losses(engine: Engine, limits: Mapping[str, Any]) -> Iterable[Row]:
    marks, total = engine.breaker.losses.marks, engine.ledger.total_cents
    peak = max(marks.peak, total)
    for name, start in (("max_daily_loss", marks.opening), ("max_drawdown", peak)):
        lost = max(0.0, (start - total) / start) if start > 0 else 0.0
        if name == "max_daily_loss" or limits[name] is not None:
            yield _row(name, round(lost, 6), _number(limits[name]), "ratio")
    if limits["max_losing_trades"] is not None:
        run = engine.breaker.streak.run
        yield _row("max_losing_trades", run.losses, limits["max_losing_trades"], "count")


def _sizes(engine: Engine, limits: Mapping[str, Any]) -> Iterable[Row]:
    ledger, whole = engine.ledger, 0
    own = limits["symbols"]
    for symbol in sorted(ledger.invested):
        there, total = ledger.exposure(symbol)
        whole += there
        limit = own.get(symbol, {}).get("position_ratio") or limits["position_ratio"]
        yield _row("position_ratio", _share(there, total), _number(limit), "ratio", symbol)
    if limits["gross_exposure"] is not None:
        used = _share(whole, ledger.total_cents)
        yield _row("gross_exposure", used, _number(limits["gross_exposure"]), "ratio")
    if limits["max_holdings"] is not None:
        yield _row("max_holdings", len(ledger.invested), limits["max_holdings"], "count")


def _rates(engine: Engine, limits: Mapping[str, Any]) -> Iterable[Row]:
    now = engine.clock.now()
    for counter in engine.gate.counters:
        if isinstance(counter, RateLimit):
            window, whose = counter.window, counter.strategy or ""
            name = f"{counter.code}_{window.seconds:g}s"
            yield _row(name, window.held(now), window.limit, "count", whose)
    if limits["max_orders_per_day"] is not None:
        sent = engine.gate.meter.today(now).sent
        yield _row("max_orders_per_day", sent, limits["max_orders_per_day"], "count")


def _programme(engine: Engine, limits: Mapping[str, Any]) -> Iterable[Row]:
    today, own = engine.gate.meter.today(engine.clock.now()), limits["programme"]
    yield _row("programme_peak", today.peak, own["per_second"] or _HIGH_SPEED, "count")
    yield _row("programme_day", today.sent, own["per_day"] or _HIGH_DAY, "count")
    ratio = round(today.cancel_ratio, 4)
    yield _row("cancel_ratio", ratio, _number(limits["max_cancel_ratio"]), "ratio")
    yield _row("quick_cancels", today.quick, limits["max_quick_cancels"], "count")


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole > 0 else 0.0


def _number(limit: Any) -> float | None:
    """Ratios come as numbers or, exact ones, as text."""
    return None if limit is None else float(limit)
