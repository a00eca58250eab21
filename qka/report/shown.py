"""Figures as people read them, on a page and on a terminal alike."""

from decimal import Decimal
from typing import NamedTuple

from qka import secrets
from qka.engine.reconciler import Settled
from qka.model.events import EngineState
from qka.model.money import CENT, yuan
from qka.model.times import MILLISECOND, SECOND, show, to_datetime
from qka.report.figures import Report, Spread, slippage
from qka.report.metrics import Metrics, available, metrics
from qka.report.words import sentences, words

NOTHING = "–"


def money(cents: int | None) -> str:
    """`1,234.50`, CNY of cents."""
    return NOTHING if cents is None else f"{yuan(cents):,}"


def signed(amount: int | Decimal | None) -> str:
    """`+1,234.50`, CNY of cents, or of CNY when it is a Decimal."""
    if amount is None:
        return NOTHING
    exact = amount.quantize(CENT) if isinstance(amount, Decimal) else yuan(amount)
    return f"{exact:+,}" if exact else f"{abs(exact)}"


def percent(rate: float | None, digits: int = 2) -> str:
    """`12.34%`."""
    return NOTHING if rate is None else f"{rate * 100:.{digits}f}%"


def ratio(number: float | None) -> str:
    """`1.23`."""
    return NOTHING if number is None else f"{number:,.2f}"


def price(value: float | Decimal) -> str:
    """`10.05`, no more digits than it has."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".") if value else NOTHING


def moment(ns: int) -> str:
    """`2026-01-05 09:30:03`, in Shanghai."""
    return show(ns) if ns else NOTHING


def clock(ns: int) -> str:
    """`01-05 09:30:03`."""
    return f"{to_datetime(ns):%m-%d %H:%M:%S}" if ns else NOTHING


def span(ns: int) -> str:
    """`12.3 ms`, `4.2 s`, `3 min 20 s`."""
    if ns < SECOND:
        return f"{ns / MILLISECOND:.1f} ms"
    if ns < 120 * SECOND:
        return f"{ns / SECOND:.1f} s"
    minutes, seconds = divmod(ns // SECOND, 60)
    return f"{minutes:,} min {seconds} s"


def colour(amount: float | Decimal | None) -> str:
    """`up`, `down` or nothing: red and green, as China has them."""
    return "up" if amount and amount > 0 else "down" if amount and amount < 0 else ""


class Cost(NamedTuple):
    """What one strategy's fills cost against their arrival prices."""

    strategy: str
    orders: int
    ratio: float  # of its shares that traded
    cost: Decimal | None
    points: float | None


class Shown:
    """What a report says in more than one place, worked out once."""

    def __init__(self, report: Report, language: str) -> None:
        self._report = report
        self._word, self._told = words(language), sentences(language)

    def name(self, strategy: str) -> str:
        """A strategy, or the account where there is none."""
        return strategy or self._word("the account")

    @property
    def account(self) -> str:
        """The account's id; of a real one not all."""
        return secrets.shown(self._report.account)

    @property
    def journal(self) -> str:
        """Where the journal is, the account in its name shortened."""
        account = self._report.account
        return self._report.journal.replace(account, self.account) if account else ""

    @property
    def running(self) -> bool:
        """Whether the last run goes on, as far as anybody knows."""
        runs = self._report.runs
        return bool(runs) and not runs[-1].ended

    @property
    def turns(self) -> list[EngineState]:
        """When the trading state changed: halted, held back, released."""
        return [s for s in self._report.states if s.state in ("trading", "held", "released")]

    @property
    def tiles(self) -> list[tuple[str, str, str, str]]:
        """(what, figure, a word on it, colour) of the figures that come first."""
        report, word = self._report, self._word
        fall, cost, known = report.drawdown, report.slippage, report.known
        tiles = [
            (
                "at the end",
                money(report.closing if known else None),
                f"{word('at the start')} {money(report.opening if known else None)}",
                "",
            ),
            (
                "profit",
                signed(report.profit if known else None),
                word("{rate} of the total at the start").format(rate=percent(report.rate)),
                colour(report.profit) if known else "",
            ),
            (
                "largest drawdown",
                percent(fall.rate if known else None),
                money(fall.money if known else None),
                "",
            ),
            ("fees", money(report.fees), f"{word('turnover')} {money(report.turnover)}", ""),
            (
                "fill ratio",
                percent(report.fill_ratio, 1),
                f"{word('orders')} {len(report.orders):,} · {word('fills')} {len(report.fills):,}",
                "",
            ),
            (
                "slippage",
                NOTHING if cost is None else signed(cost[0]),
                (word("no price was known") if report.fills else "")
                if cost is None
                else f"{cost[1]:+.1f} bp · {word('against the arrival price')}",
                "",
            ),
            ("denied", f"{len(report.denied):,}", word("by the gate"), ""),
            ("alerts", f"{self.loud:,}", "", ""),
        ]
        if report.moved:
            tiles.insert(2, ("paid in", signed(report.moved), "", ""))
        return [(word(what), figure, hint, tint) for what, figure, hint, tint in tiles]

    @property
    def loud(self) -> int:
        """Alerts that are more than information."""
        return sum(alert.severity != "info" for alert in self._report.alerts)

    @property
    def latencies(self) -> list[tuple[str, Spread]]:
        """What took how long, where anything did."""
        report, word = self._report, self._word
        asked = (
            ("from order to the broker's answer", "requested", "acknowledged"),
            ("from order to first fill", "requested", "first_fill"),
            ("from order to last fill", "requested", "last_fill"),
            ("from cancel to its confirmation", "cancel_requested", "cancelled"),
        )
        spreads = ((word(what), report.spread(start, end)) for what, start, end in asked)
        return [(what, spread) for what, spread in spreads if spread is not None]

    @property
    def costs(self) -> list[Cost]:
        """Fill ratio and slippage by strategy."""
        found = []
        for strategy in sorted({placed.order.strategy for placed in self._report.orders}):
            mine = [p for p in self._report.orders if p.order.strategy == strategy]
            ordered = sum(placed.order.quantity for placed in mine)
            filled = sum(placed.order.filled for placed in mine)
            cost = slippage(mine)
            found.append(
                Cost(strategy, len(mine), filled / ordered, *(cost if cost else (None, None)))
            )
        return found

    @property
    def trades(self) -> list[tuple[str, str]]:
        """What the round trips come to."""
        profits = [trade.profit for trade in self._report.trades]
        if not profits:
            return []
        gains, losses = [p for p in profits if p > 0], [p for p in profits if p < 0]
        figures = [
            ("trades", f"{len(profits):,}"),
            ("winners", f"{len(gains):,}"),
            ("win rate", percent(len(gains) / len(profits), 1)),
            ("profit", signed(sum(profits))),
            ("average gain", signed(_mean(gains))),
            ("average loss", signed(_mean(losses))),
            ("profit factor", ratio(sum(gains) / -sum(losses) if losses else None)),
            ("best", signed(max(profits))),
            ("worst", signed(min(profits))),
        ]
        return [(self._word(what), figure) for what, figure in figures]

    @property
    def metrics(self) -> list[tuple[str, str]] | str:
        """Return and risk, or why there are none; empty for a single day."""
        days = self._report.days
        if len(days) < 2 or not self._report.known:
            return []
        if not available():
            return self._word('these need a library: pip install "qka[report]"')
        found = metrics(days)
        return [] if found is None else self._metrics(found)

    def _metrics(self, found: Metrics) -> list[tuple[str, str]]:
        figures = [
            ("days", f"{found.days}"),
            ("annual return", percent(found.annual_return)),
            ("annual volatility", percent(found.annual_volatility)),
            ("Sharpe ratio", ratio(found.sharpe)),
            ("Sortino ratio", ratio(found.sortino)),
            ("Calmar ratio", ratio(found.calmar)),
            ("value at risk, 95 %", percent(found.value_at_risk)),
            ("best day", percent(found.best)),
            ("worst day", percent(found.worst)),
        ]
        return [(self._word(what), figure) for what, figure in figures]

    def verdict(self, found: Settled) -> str:
        """What a comparison with the broker came to."""
        if not found.differences:
            return self._word("agree")
        if found.accepted:
            return self._word("accepted by the operator")
        return self._word("explained" if found.clean else "differ")

    def differences(self, found: Settled) -> str:
        """What differed, each with what explains it."""
        lines = []
        for each in found.differences:
            why = f" ({self._told(each.why)})" if each.why else ""
            lines.append(f"{each.what}: {each.ours} → {each.theirs}{why}")
        return "; ".join(lines)


def _mean(amounts: list[int]) -> int | None:
    return round(sum(amounts) / len(amounts)) if amounts else None
