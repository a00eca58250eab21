"""What each model is worth: its fills against the real ones."""

from collections.abc import Iterable
from random import Random
from statistics import median, quantiles
from typing import NamedTuple

from benchmarks.fills.market import Filled, Market, Resting
from benchmarks.fills.models import MODELS, Model
from qka.model.order import Side
from qka.model.times import SECOND, time_of_day

SESSIONS = ("opening call", "continuous", "closing call")
_NINE_THIRTY = int(9.5 * 3600) * SECOND
_CLOSING = int(14.95 * 3600) * SECOND


class Score(NamedTuple):
    """A model over many orders; a share is from 0 to 1, None where there is nothing to count."""

    orders: int
    true: int  # orders of which something really filled
    said: int  # orders of which the model says so
    precision: float | None  # of the orders that it says filled, those that did
    recall: float | None  # of the orders that filled, those that it says
    share_precision: float | None  # of the shares that it says, those that were traded
    share_recall: float | None
    ratio: float | None  # shares that it says, to those that were traded
    late: float | None  # seconds, median of how far its last fill is from the real last one
    late_90: float | None  # 90 of a hundred are nearer
    early: float | None  # share of the rightly filled that it fills before they did
    off: float | None  # mean distance of the price, in basis points of it


def sample(market: Market, count: int, seed: int = 1) -> list[Resting]:
    """So many of the day's resting orders, and a quarter as many of each call auction's.

    Only such that a paper account could have sent as they are: buys in whole lots.
    """
    able = [order for order in market.orders if order.side is Side.SELL or not order.shares % 100]
    random, chosen = Random(f"{seed}:{market.symbol}"), []
    for name in SESSIONS:
        there = [order for order in able if session(order) == name]
        wanted = count if name == "continuous" else count // 4
        chosen += random.sample(there, min(wanted, len(there)))
    return chosen


def session(order: Resting) -> str:
    """When it came: opening call, continuous, closing call."""
    time = time_of_day(order.arrived)
    if time < _NINE_THIRTY:
        return "opening call"
    return "continuous" if time < _CLOSING else "closing call"


def score(model: Model, judged: Iterable[tuple[Resting, Market]]) -> Score:
    """Let a model say what becomes of each order, and hold it against what did."""
    pairs = [(order, model(order, market)) for order, market in judged]
    true = sum(bool(order.fills) for order, _ in pairs)
    said = sum(bool(fills) for _, fills in pairs)
    both = [(order, fills) for order, fills in pairs if order.fills and fills]
    shares = [(order.filled, sum(fill.shares for fill in fills)) for order, fills in pairs]
    common = sum(min(pair) for pair in shares)
    traded, claimed = (sum(side) for side in zip(*shares, strict=True)) if shares else (0, 0)
    delays = [(fills[-1].time - order.fills[-1].time) / SECOND for order, fills in both]
    spread = sorted(abs(delay) for delay in delays)
    offs = [abs(_average(f) / _average(o.fills) - 1) * 10_000 for o, f in both]
    return Score(
        len(pairs),
        true,
        said,
        _ratio(len(both), said),
        _ratio(len(both), true),
        _ratio(common, claimed),
        _ratio(common, traded),
        _ratio(claimed, traded),
        median(spread) if spread else None,
        quantiles(spread, n=10)[-1] if len(spread) > 1 else None,
        _ratio(sum(delay < 0 for delay in delays), len(delays)),
        sum(offs) / len(offs) if offs else None,
    )


def table(judged: list[tuple[Resting, Market]]) -> str:
    """All models over these orders, by the session in which they came."""
    head = ("", "orders", "filled", "says", "precision", "recall", "shares: precision", "recall",
            "said/true", "seconds off", "90%", "too early", "price off, bp")  # fmt: skip
    lines = [head]
    for name in SESSIONS:
        chosen = [(order, market) for order, market in judged if session(order) == name]
        if not chosen:
            continue
        lines.append((name, *[""] * (len(head) - 1)))
        for title, model in MODELS.items():
            lines.append((f"  {title}", *_cells(score(model, chosen))))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(the: Score) -> list[str]:
    cells = [f"{the.orders:,}", f"{the.true:,}", f"{the.said:,}"]
    for share in (the.precision, the.recall, the.share_precision, the.share_recall, the.ratio):
        cells.append("-" if share is None else f"{share:.1%}")
    cells += ["-" if value is None else f"{value:,.1f}" for value in (the.late, the.late_90)]
    cells.append("-" if the.early is None else f"{the.early:.1%}")
    cells.append("-" if the.off is None else f"{the.off:.2f}")
    return cells


def _average(fills: list[Filled]) -> float:
    return sum(fill.price * fill.shares for fill in fills) / sum(fill.shares for fill in fills)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
