"""xtquant's records → the account as it is: orders, deals, positions and money. Pure.

What a record of an order or a deal means is said here, also for `reports`.
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from qka.ashare.fees import FeeSchedule
from qka.brokers.records import XtAsset, XtOrder, XtPosition, XtTrade
from qka.brokers.words import moment_of, order_type_of, side_of, status_of
from qka.model.account import AccountSnapshot, Asset, Position
from qka.model.life import after
from qka.model.money import on_tick, to_cents, turnover, yuan
from qka.model.order import Fill, Order, OrderType, Side
from qka.model.times import day_of, midnight

_MILL = Decimal("0.001")


def snapshot_of(
    asset: XtAsset,
    positions: Iterable[XtPosition],
    orders: Iterable[XtOrder],
    trades: Iterable[XtTrade],
    fees: FeeSchedule,
    now: int,
    known_as: Callable[[XtOrder], str] = lambda record: "",
) -> AccountSnapshot:
    """What queries say, in our words. Fees of the deals are by our schedule.

    An order's id is the one it is `known_as`; else its remark where that is one order's alone, else
    `x260105-1082` of the day and the terminal's number. Records that are neither a buy nor a sell
    are left out.
    """
    records = [record for record in orders if side_of(record.order_type) is not None]
    ids = _ids_of(records, now, known_as)
    books = {record.order_id: order_of(record, ids[record.order_id], now) for record in records}
    deals: dict[tuple[Any, ...], Fill] = {}
    for trade in trades:
        side = side_of(trade.order_type)
        day = day_of(moment_of(trade.traded_time) or now)
        key = deal_key(trade, day)
        if side is None or trade.traded_volume <= 0 or key in deals:
            continue
        order = books.get(trade.order_id) or _bare(trade, side, now)
        fill = fill_of(trade, order, fees, day, moment_of(trade.traded_time) or now)
        deals[key] = fill
        books[trade.order_id] = _with(order, fill)
    listed = {record.order_id for record in records}
    return AccountSnapshot(
        Asset(
            yuan(to_cents(asset.cash) + to_cents(asset.frozen_cash)),
            yuan(to_cents(asset.frozen_cash)),
            yuan(to_cents(asset.market_value)),
        ),
        tuple(_position_of(record) for record in positions if record.volume > 0),
        tuple(order for number, order in books.items() if number in listed),
        tuple(deals.values()),
    )


def _ids_of(records: list[XtOrder], now: int, known_as: Callable[[XtOrder], str]) -> dict[int, str]:
    """The terminal's number -> the id we know the order by."""
    remarks = [record.order_remark for record in records]
    ids: dict[int, str] = {}
    for record in records:
        remark = record.order_remark
        ours = remark.isascii() and remarks.count(remark) == 1 and bool(remark)
        ids[record.order_id] = known_as(record) or (
            remark if ours else foreign_id(record.order_id, day_of(now))
        )
    return ids


def foreign_id(number: int, day: date) -> str:
    """The id of an order that others placed: `x260105-1082`."""
    return f"x{day:%y%m%d}-{number}"


def order_of(record: XtOrder, order_id: str, now: int) -> Order:
    """What a record of a buy or a sell says of its order; `now` in ns, where it has no time."""
    side = side_of(record.order_type)
    assert side is not None
    return Order(
        order_id,
        record.stock_code,
        side,
        record.order_volume,
        price_of(record.price),
        order_type_of(record.price_type) or OrderType.LIMIT,
        record.strategy_name,
        0,
        moment_of(record.order_time) or now,
        status_of(record.order_status),
        broker_id=broker_id_of(record.order_id),
        reason=record.status_msg,
    )


def _bare(trade: XtTrade, side: Side, now: int) -> Order:
    """The order of a deal that is not among the orders."""
    order_id = trade.order_remark if trade.order_remark.isascii() else ""
    order_id = order_id or foreign_id(trade.order_id, day_of(now))
    return Order(order_id, trade.stock_code, side, trade.traded_volume, trade.traded_price)


def fill_of(trade: XtTrade, order: Order, fees: FeeSchedule, day: date, moment: int) -> Fill:
    """A deal of an order, made on that day at that moment (ns), with what it owes by our schedule.

    `order`: as it was before the deal, for fees are of all that an order traded.
    """
    price = price_of(trade.traded_price)
    return Fill(
        moment,
        order.id,
        deal_id(trade),
        trade.stock_code or order.symbol,
        order.side,
        price,
        trade.traded_volume,
        _owed(fees, order, turnover(price, trade.traded_volume), day),
    )


def _with(order: Order, fill: Fill) -> Order:
    """The order with a deal counted; its status stays what the broker says."""
    return replace(after(order, fill), status=order.status)


def _position_of(record: XtPosition) -> Position:
    sellable = min(max(record.can_use_volume, 0), record.volume)
    frozen = min(max(record.frozen_volume, 0), record.volume - sellable)
    return Position(
        record.stock_code,
        record.volume,
        record.volume - sellable - frozen,
        frozen,
        record.avg_price or record.open_price,
        record.last_price,
    )


def broker_id_of(number: int) -> str:
    """The terminal's number of an order as `Order.broker_id`, "" for none."""
    return str(number) if number > 0 else ""


def deal_key(trade: XtTrade, day: date) -> tuple[Any, ...]:
    """What makes a deal of the account itself: two orders that met share one deal id."""
    order = trade.order_sysid or trade.order_id
    return ("deal", day, trade.stock_code[-2:], order, deal_id(trade))


def deal_id(trade: XtTrade) -> str:
    """The deal's id; where a counter gives none, the deal itself has to do."""
    if trade.traded_id:
        return trade.traded_id
    return f"{trade.traded_time}-{trade.traded_price}-{trade.traded_volume}"


def _owed(fees: FeeSchedule, order: Order, more: Decimal, day: date) -> Decimal:
    """What the order owes more because of this exact turnover, both in CNY."""
    owed = fees.of_order(order.symbol, order.side, to_cents(order.turnover + more), midnight(day))
    return yuan(owed - to_cents(order.fees))


def price_of(price: float) -> float:
    """A price without the dust of floats: 11.370000000000001 is 11.37."""
    return on_tick(price, _MILL)
