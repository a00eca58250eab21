"""A report's tables: their columns, and their rows.

Money and prices are exact decimals in CNY, moments are Shanghai time, quantities are shares.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from qka.model.money import to_cents, yuan
from qka.model.order import Order
from qka.model.times import to_datetime
from qka.report.figures import Report
from qka.report.orders import exact

_FINE = Decimal("0.0001")


class Column(NamedTuple):
    """A column: its name, its kind (text, count, money, price, ratio, time, day), what it says."""

    name: str
    kind: str
    what: str


class Table(NamedTuple):
    """A table: its columns, and its rows out of a report."""

    name: str
    what: str
    columns: Sequence[Column]
    rows: Callable[[Report], Iterable[Sequence[Any]]]


def _time(ns: int) -> dt.datetime | None:
    return to_datetime(ns) if ns else None


def _price(value: float | Decimal) -> Decimal | None:
    if not value:
        return None
    return exact(value) if isinstance(value, float) else value.quantize(_FINE, ROUND_HALF_UP)


def _average(order: Order) -> Decimal | None:
    return _price(order.turnover / order.filled) if order.filled else None


def _orders(report: Report) -> Iterable[Sequence[Any]]:
    for placed in report.orders:
        order, cost = placed.order, placed.slippage
        yield (
            order.id,
            order.broker_id,
            order.strategy,
            order.symbol,
            str(order.side),
            str(order.type),
            order.quantity,
            _price(order.price),
            str(order.status),
            order.reason,
            order.filled,
            _average(order),
            yuan(to_cents(order.turnover)),
            order.fees,
            _price(placed.arrival),
            cost,
            float(cost / placed.arrived * 10_000) if cost is not None else None,
            order.signal,
            _time(placed.requested),
            _time(placed.acknowledged),
            _time(placed.first_fill),
            _time(placed.last_fill),
            _time(placed.cancel_requested),
            _time(placed.cancelled),
        )


def _fills(report: Report) -> Iterable[Sequence[Any]]:
    for fill, strategy, turnover in report.fills:
        yield (
            _time(fill.time),
            fill.order_id,
            fill.deal_id,
            strategy,
            fill.symbol,
            str(fill.side),
            fill.quantity,
            _price(fill.price),
            yuan(turnover),
            fill.fees,
        )


def _trades(report: Report) -> Iterable[Sequence[Any]]:
    for trade in report.trades:
        yield (
            trade.symbol,
            trade.strategy,
            trade.bought_by,
            _time(trade.opened),
            _time(trade.closed),
            trade.shares,
            yuan(trade.cost),
            yuan(trade.proceeds),
            yuan(trade.fees),
            yuan(trade.profit),
            trade.buy_order,
            trade.sell_order,
        )


def _denials(report: Report) -> Iterable[Sequence[Any]]:
    for denied in report.denied:
        order = denied.order
        yield (
            _time(denied.time),
            order.id,
            order.strategy,
            order.symbol,
            str(order.side),
            order.quantity,
            _price(order.price),
            denied.code,
            denied.rule,
            denied.reason,
        )


def _signals(report: Report) -> Iterable[Sequence[Any]]:
    for signal in report.signals:
        yield (
            _time(signal.time),
            signal.id,
            signal.strategy,
            signal.symbol,
            str(signal.side or ""),
            signal.quantity,
            signal.target_shares,
            None if signal.target_value is None else _price(signal.target_value) or Decimal(0),
            signal.target_ratio,
            _price(signal.price or 0.0),
            _price(signal.arrival),
            signal.confidence,
            signal.reason,
        )


def _positions(report: Report) -> Iterable[Sequence[Any]]:
    for part in report.parts:
        if part.shares and report.known:
            yield (
                part.symbol,
                part.strategy,
                part.shares,
                yuan(part.value - part.unrealised),
                yuan(part.value),
                yuan(part.unrealised),
            )


def _profit(report: Report) -> Iterable[Sequence[Any]]:
    for part in report.parts if report.known else ():
        yield (
            part.strategy,
            part.symbol,
            part.fills,
            yuan(part.bought),
            yuan(part.sold),
            yuan(part.fees),
            yuan(part.realised),
            yuan(part.profit - part.realised),
            yuan(part.profit),
        )


TABLES = (
    Table(
        "orders",
        "every order that left, as it stood at the end",
        (
            Column("id", "text", "ours; `qka why` tells its story"),
            Column("broker_id", "text", "the broker's"),
            Column("strategy", "text", "who asked for it"),
            Column("symbol", "text", ""),
            Column("side", "text", "buy, sell"),
            Column("type", "text", "limit, market, …"),
            Column("quantity", "count", "shares ordered"),
            Column("price", "price", "the limit, or the worst price of a market order"),
            Column("status", "text", "as in the strategy guide"),
            Column("reason", "text", "why it was rejected, cancelled, is unknown"),
            Column("filled", "count", "shares that traded"),
            Column("average_price", "price", "of its fills"),
            Column("turnover", "money", "of its fills"),
            Column("fees", "money", "of its fills"),
            Column("arrival_price", "price", "when its signal was made: between bid and ask"),
            Column("slippage", "price", "CNY it cost more than at the arrival price"),
            Column("slippage_bp", "ratio", "the same in 1/10,000"),
            Column("signal", "count", "id of its signal"),
            Column("requested", "time", "it was written down and sent"),
            Column("acknowledged", "time", "the first answer of the broker"),
            Column("first_fill", "time", ""),
            Column("last_fill", "time", ""),
            Column("cancel_requested", "time", ""),
            Column("cancelled", "time", ""),
        ),
        _orders,
    ),
    Table(
        "fills",
        "every fill",
        (
            Column("time", "time", "as the broker has it"),
            Column("order", "text", "our id of its order"),
            Column("deal", "text", "the broker's id of the deal"),
            Column("strategy", "text", "whose order it was; empty: nobody's"),
            Column("symbol", "text", ""),
            Column("side", "text", "buy, sell"),
            Column("quantity", "count", "shares"),
            Column("price", "price", ""),
            Column("turnover", "money", "what it moved, to the cent as the account counts"),
            Column("fees", "money", ""),
        ),
        _fills,
    ),
    Table(
        "trades",
        "round trips: shares one order bought and another sold, first in first out",
        (
            Column("symbol", "text", ""),
            Column("strategy", "text", "who sold"),
            Column("bought_by", "text", "whose shares they were; empty: the account's"),
            Column("opened", "time", "when they were bought; empty: before the journal"),
            Column("closed", "time", "the last fill of the sale"),
            Column("shares", "count", ""),
            Column("cost", "money", "with the fees of buying"),
            Column("proceeds", "money", "less the fees of selling"),
            Column("fees", "money", "of both"),
            Column("profit", "money", "proceeds less cost"),
            Column("buy_order", "text", ""),
            Column("sell_order", "text", ""),
        ),
        _trades,
    ),
    Table(
        "denials",
        "orders that a rule refused; they never left",
        (
            Column("time", "time", ""),
            Column("order", "text", "our id"),
            Column("strategy", "text", ""),
            Column("symbol", "text", ""),
            Column("side", "text", "buy, sell"),
            Column("quantity", "count", "shares"),
            Column("price", "price", ""),
            Column("code", "text", "of the rule"),
            Column("rule", "text", "as it was set; empty: no rule of the gate"),
            Column("reason", "text", ""),
        ),
        _denials,
    ),
    Table(
        "signals",
        "what strategies wanted",
        (
            Column("time", "time", ""),
            Column("id", "count", ""),
            Column("strategy", "text", ""),
            Column("symbol", "text", ""),
            Column("side", "text", "buy, sell, empty for a target"),
            Column("quantity", "count", "shares"),
            Column("target_shares", "count", ""),
            Column("target_value", "price", "CNY"),
            Column("target_ratio", "ratio", "of total assets"),
            Column("price", "price", "the limit, if one was set"),
            Column("arrival_price", "price", "between bid and ask at that moment"),
            Column("confidence", "ratio", ""),
            Column("reason", "text", ""),
        ),
        _signals,
    ),
    Table(
        "equity",
        "what the account was worth, once a minute in which it changed",
        (
            Column("time", "time", ""),
            Column("total", "money", "cash, and shares at their last price"),
            Column("moved", "money", "paid in since the period began, below zero out"),
        ),
        lambda report: ((_time(t), yuan(total), yuan(moved)) for t, total, moved in report.curve),
    ),
    Table(
        "days",
        "every trading day",
        (
            Column("day", "day", ""),
            Column("opening", "money", "the close of the day before"),
            Column("closing", "money", ""),
            Column("moved", "money", "paid in, below zero out"),
            Column("profit", "money", "closing less opening and what was paid in"),
            Column("rate", "ratio", "profit of opening"),
        ),
        lambda report: (
            (d.day, yuan(d.opening), yuan(d.closing), yuan(d.moved), yuan(d.profit), d.rate)
            for d in report.days
        ),
    ),
    Table(
        "profit",
        "by strategy and symbol; all rows add up to the account's profit, to the cent",
        (
            Column("strategy", "text", "empty: the account's own"),
            Column("symbol", "text", "empty: cash that came of no fill"),
            Column("fills", "count", ""),
            Column("bought", "money", "turnover"),
            Column("sold", "money", "turnover"),
            Column("fees", "money", ""),
            Column("realised", "money", "of what was sold, against its cost, after fees"),
            Column("unrealised_change", "money", "of what is held, over the period"),
            Column("profit", "money", "both together"),
        ),
        _profit,
    ),
    Table(
        "positions",
        "what is held at the end, by who bought it",
        (
            Column("symbol", "text", ""),
            Column("strategy", "text", "empty: the account's own"),
            Column("shares", "count", ""),
            Column("cost", "money", "fees of buying included"),
            Column("value", "money", "at the last price"),
            Column("unrealised", "money", "value less cost"),
        ),
        _positions,
    ),
    Table(
        "alerts",
        "what a human was told",
        (
            Column("time", "time", ""),
            Column("severity", "text", "info, warning, error"),
            Column("source", "text", ""),
            Column("message", "text", ""),
        ),
        lambda report: (
            (_time(a.time), str(a.severity), a.source, a.message) for a in report.alerts
        ),
    ),
)
