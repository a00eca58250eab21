"""The account as a broker's records tell it, in our words."""

from decimal import Decimal

from builders import FEES, SYMBOL, moment
from test_reports import deal, record

from qka.brokers.records import XtAsset, XtPosition
from qka.brokers.snapshot import snapshot_of
from qka.model.account import Asset
from qka.model.order import OrderStatus, Side


def test_a_snapshot_is_the_account_in_our_words():
    position = XtPosition(
        stock_code=SYMBOL, volume=1000, can_use_volume=300, frozen_volume=200, avg_price=9.5,
        last_price=10.0,
    )  # fmt: skip
    asset = XtAsset(cash=900.1, frozen_cash=100.0, market_value=10_000.0)
    gone = XtPosition(stock_code="000001.SZ")
    orders = [
        record(55, 400),
        record(50, order_id=5, order_remark="", order_type=24),
        record(50, order_id=6, order_remark="手工"),
        record(50, order_id=7, order_type=134),
    ]
    trades = [deal(400), deal(400)]
    snapshot = snapshot_of(asset, [position, gone], orders, trades, FEES, moment())
    assert snapshot.asset == Asset(Decimal("1000.10"), Decimal("100.00"), Decimal("10000.00"))
    (held,) = snapshot.positions
    assert (held.quantity, held.sellable, held.frozen, held.today) == (1000, 300, 200, 500)
    assert (held.cost, held.price) == (9.5, 10.0)
    ours, sell, manual = snapshot.orders
    assert (ours.id, ours.status, ours.filled) == ("a", OrderStatus.PARTIALLY_FILLED, 400)
    assert (ours.turnover, ours.fees) == (Decimal("4000.00"), Decimal("5.04"))
    assert (sell.id, sell.side) == ("x260105-5", Side.SELL)
    assert manual.id == "x260105-6"
    (fill,) = snapshot.deals
    assert (fill.order_id, fill.quantity, fill.fees) == ("a", 400, Decimal("5.04"))


def test_two_orders_that_met_share_a_deal_id_and_are_two_deals():
    orders = [record(56, 1000), record(56, 1000, order_id=5, order_remark="b", order_type=24)]
    trades = [deal(), deal(order_id=5, order_sysid="S2", order_type=24, order_remark="b")]
    snapshot = snapshot_of(XtAsset(), [], orders, trades, FEES, moment())
    assert [(d.order_id, d.side) for d in snapshot.deals] == [("a", Side.BUY), ("b", Side.SELL)]


def test_orders_that_share_a_remark_keep_ids_of_their_own():
    orders = [record(50, order_remark="x"), record(50, order_id=5, order_remark="x")]
    snapshot = snapshot_of(XtAsset(), [], orders, [], FEES, moment())
    assert [order.id for order in snapshot.orders] == ["x260105-1082", "x260105-5"]


def test_more_sellable_than_held_is_not_believed():
    position = XtPosition(stock_code=SYMBOL, volume=100, can_use_volume=500, frozen_volume=100)
    (held,) = snapshot_of(XtAsset(), [position], [], [], FEES, moment()).positions
    assert (held.sellable, held.today, held.frozen) == (100, 0, 0)
