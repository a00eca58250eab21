"""A report's tables: their columns, and their rows.

Money and prices are exact decimals in CNY, moments are Shanghai time, quantities are shares.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from qka.model.events import Signal
from qka.model.money import to_cents, yuan
from qka.model.times import to_datetime
from qka.report.figures import Part, Report
from qka.report.orders import Placed, exact

_FINE = Decimal("0.0001")


class Column(NamedTuple):
    """A column: its name, its kind (text, count, money, price, ratio, time, day), what it says.

    `of`: where a row's value is found in what the row tells of; a dotted name, or a function.
    """

    name: str
    kind: str
    what: str
    of: str | Callable[[Any], Any]


class Table(NamedTuple):
    """A table: what each of its rows tells of, out of a report, and its columns."""

    name: str
    what: str
    each: Callable[[Report], Iterable[Any]]
    columns: Sequence[Column]

    def rows(self, report: Report) -> Iterator[list[Any]]:
        """The rows, their values as their columns' kinds show them."""
        found = [
            (_SHOWN.get(column.kind), attrgetter(of) if isinstance(of := column.of, str) else of)
            for column in self.columns
        ]
        for one in self.each(report):
            values = [(show, value(one)) for show, value in found]
            yield [show(value) if show and value is not None else value for show, value in values]


def _price(value: float | Decimal) -> Decimal | None:
    """On four decimals; a price of 0.0 is one that is not known."""
    if isinstance(value, float):
        return exact(value) if value else None
    return value.quantize(_FINE, ROUND_HALF_UP)


def _money(value: int | Decimal) -> Decimal:
    """Cents, or CNY as they are."""
    return yuan(value) if isinstance(value, int) else value


# kind -> how its values are shown; the others are shown as they are
_SHOWN: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "money": _money,
    "price": _price,
    "time": lambda ns: to_datetime(ns) if ns else None,
}


def _average(placed: Placed) -> Decimal | None:
    order = placed.order
    return order.turnover / order.filled if order.filled else None


def _slippage_bp(placed: Placed) -> float | None:
    cost = placed.slippage
    return float(round(cost / placed.arrived * 10_000, 4)) if cost is not None else None


def _target_value(signal: Signal) -> Decimal | None:
    return None if signal.target_value is None else exact(signal.target_value)


def _parts(report: Report) -> Sequence[Part]:
    return report.parts if report.known else ()


TABLES = (
    Table(
        "orders",
        "every order that left, as it stood at the end",
        attrgetter("orders"),
        (
            Column("id", "text", "ours; `qka why` tells its story", "order.id"),
            Column("broker_id", "text", "the broker's", "order.broker_id"),
            Column("strategy", "text", "who asked for it", "order.strategy"),
            Column("symbol", "text", "", "order.symbol"),
            Column("side", "text", "buy, sell", "order.side"),
            Column("type", "text", "limit, market, …", "order.type"),
            Column("quantity", "count", "shares ordered", "order.quantity"),
            Column(
                "price", "price", "the limit, or the worst price of a market order", "order.price"
            ),
            Column("status", "text", "as in the strategy guide", "order.status"),
            Column("reason", "text", "why it was rejected, cancelled, is unknown", "order.reason"),
            Column("filled", "count", "shares that traded", "order.filled"),
            Column("average_price", "price", "of its fills", _average),
            Column(
                "turnover", "money", "of its fills", lambda placed: to_cents(placed.order.turnover)
            ),
            Column("fees", "money", "of its fills", "order.fees"),
            Column(
                "arrival_price",
                "price",
                "when its signal was made: between bid and ask",
                lambda placed: placed.arrival or None,
            ),
            Column("slippage", "price", "CNY it cost more than at the arrival price", "slippage"),
            Column("slippage_bp", "ratio", "the same in 1/10,000", _slippage_bp),
            Column("signal", "count", "id of its signal", "order.signal"),
            Column("requested", "time", "it was written down and sent", "requested"),
            Column("acknowledged", "time", "the first answer of the broker", "acknowledged"),
            Column("first_fill", "time", "", "first_fill"),
            Column("last_fill", "time", "", "last_fill"),
            Column("cancel_requested", "time", "", "cancel_requested"),
            Column("cancelled", "time", "", "cancelled"),
        ),
    ),
    Table(
        "fills",
        "every fill",
        attrgetter("fills"),
        (
            Column("time", "time", "as the broker has it", "fill.time"),
            Column("order", "text", "our id of its order", "fill.order_id"),
            Column("deal", "text", "the broker's id of the deal", "fill.deal_id"),
            Column("strategy", "text", "whose order it was; empty: nobody's", "strategy"),
            Column("symbol", "text", "", "fill.symbol"),
            Column("side", "text", "buy, sell", "fill.side"),
            Column("quantity", "count", "shares", "fill.quantity"),
            Column("price", "price", "", "fill.price"),
            Column(
                "turnover", "money", "what it moved, to the cent as the account counts", "turnover"
            ),
            Column("fees", "money", "", "fill.fees"),
        ),
    ),
    Table(
        "trades",
        "round trips: shares one order bought and another sold, first in first out",
        attrgetter("trades"),
        (
            Column("symbol", "text", "", "symbol"),
            Column("strategy", "text", "who sold", "strategy"),
            Column(
                "bought_by", "text", "whose shares they were; empty: the account's", "bought_by"
            ),
            Column("opened", "time", "when they were bought; empty: before the journal", "opened"),
            Column("closed", "time", "the last fill of the sale", "closed"),
            Column("shares", "count", "", "shares"),
            Column("cost", "money", "with the fees of buying", "cost"),
            Column("proceeds", "money", "less the fees of selling", "proceeds"),
            Column("fees", "money", "of both", "fees"),
            Column("profit", "money", "proceeds less cost", "profit"),
            Column("buy_order", "text", "", "buy_order"),
            Column("sell_order", "text", "", "sell_order"),
        ),
    ),
    Table(
        "denials",
        "orders that a rule refused; they never left",
        attrgetter("denied"),
        (
            Column("time", "time", "", "time"),
            Column("order", "text", "our id", "order.id"),
            Column("strategy", "text", "", "order.strategy"),
            Column("symbol", "text", "", "order.symbol"),
            Column("side", "text", "buy, sell", "order.side"),
            Column("quantity", "count", "shares", "order.quantity"),
            Column("price", "price", "", "order.price"),
            Column("code", "text", "of the rule", "code"),
            Column("rule", "text", "as it was set; empty: no rule of the gate", "rule"),
            Column("reason", "text", "", "reason"),
        ),
    ),
    Table(
        "signals",
        "what strategies wanted",
        attrgetter("signals"),
        (
            Column("time", "time", "", "time"),
            Column("id", "count", "", "id"),
            Column("strategy", "text", "", "strategy"),
            Column("symbol", "text", "", "symbol"),
            Column(
                "side", "text", "buy, sell, empty for a target", lambda signal: signal.side or ""
            ),
            Column("quantity", "count", "shares", "quantity"),
            Column("target_shares", "count", "", "target_shares"),
            Column("target_value", "price", "CNY", _target_value),
            Column("target_ratio", "ratio", "of total assets", "target_ratio"),
            Column("price", "price", "the limit, if one was set", "price"),
            Column("arrival_price", "price", "between bid and ask at that moment", "arrival"),
            Column("confidence", "ratio", "", "confidence"),
            Column("reason", "text", "", "reason"),
        ),
    ),
    Table(
        "equity",
        "what the account was worth, once a minute in which it changed",
        attrgetter("curve"),
        (
            Column("time", "time", "", "time"),
            Column("total", "money", "cash, and shares at their last price", "total"),
            Column("moved", "money", "paid in since the period began, below zero out", "moved"),
        ),
    ),
    Table(
        "days",
        "every trading day",
        attrgetter("days"),
        (
            Column("day", "day", "", "day"),
            Column("opening", "money", "the close of the day before", "opening"),
            Column("closing", "money", "", "closing"),
            Column("moved", "money", "paid in, below zero out", "moved"),
            Column("profit", "money", "closing less opening and what was paid in", "profit"),
            Column("rate", "ratio", "profit of opening", "rate"),
        ),
    ),
    Table(
        "profit",
        "by strategy and symbol; all rows add up to the account's profit, to the cent",
        _parts,
        (
            Column("strategy", "text", "empty: the account's own", "strategy"),
            Column("symbol", "text", "empty: cash that came of no fill", "symbol"),
            Column("fills", "count", "", "fills"),
            Column("bought", "money", "turnover", "bought"),
            Column("sold", "money", "turnover", "sold"),
            Column("fees", "money", "", "fees"),
            Column(
                "realised", "money", "of what was sold, against its cost, after fees", "realised"
            ),
            Column(
                "unrealised_change",
                "money",
                "of what is held, over the period",
                lambda part: part.profit - part.realised,
            ),
            Column("profit", "money", "both together", "profit"),
        ),
    ),
    Table(
        "positions",
        "what is held at the end, by who bought it",
        lambda report: [part for part in _parts(report) if part.shares],
        (
            Column("symbol", "text", "", "symbol"),
            Column("strategy", "text", "empty: the account's own", "strategy"),
            Column("shares", "count", "", "shares"),
            Column(
                "cost",
                "money",
                "fees of buying included",
                lambda part: part.value - part.unrealised,
            ),
            Column("value", "money", "at the last price", "value"),
            Column("unrealised", "money", "value less cost", "unrealised"),
        ),
    ),
    Table(
        "alerts",
        "what a human was told",
        attrgetter("alerts"),
        (
            Column("time", "time", "", "time"),
            Column("severity", "text", "info, warning, error", "severity"),
            Column("source", "text", "", "source"),
            Column("message", "text", "", "message"),
        ),
    ),
)
