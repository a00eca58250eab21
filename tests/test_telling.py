"""An event in a line, in both languages."""

from decimal import Decimal

import pytest
from builders import DAY, a_bar, a_fill, a_quote, an_order, moment

from qka.language import CHINESE, speaker
from qka.model.actions import CorporateAction
from qka.model.events import (
    Alert,
    CancelRefused,
    CancelRequested,
    Distributed,
    EngineState,
    InstrumentState,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderRequested,
    OrderSubmitted,
    OrderUnknown,
    Rebalanced,
    SessionPhase,
    Severity,
    Signal,
    TimerFired,
    TradingState,
    WentEx,
)
from qka.model.market import Phase, Status
from qka.model.order import OrderType, Side
from qka.telling import severity, told

NOW = moment("10:00")
ETF = an_order(1000, 4.123, symbol="510300.SH", side=Side.SELL)
MARKET = an_order(600, 12.21, type=OrderType.MARKET)

# event, order -> English, Chinese
SHORT = "1000 600000.SH need 10005.10 CNY with fees, 9999.50 available"
LINES = [
    (
        OrderRequested(NOW, an_order()), None,
        "order a: buy 1000 600000.SH at 10, passed every rule",
        "委托 a：买入 600000.SH 1000 股 @10，已过风控",
    ),
    (
        OrderRequested(NOW, MARKET), None,
        "order a: buy 600 600000.SH market, protected at 12.21, passed every rule",
        "委托 a：买入 600000.SH 600 股 最优五档剩撤，保护限价 @12.21，已过风控",
    ),
    (
        OrderDenied(NOW, ETF, "sellable", "none to sell"), None,
        "order a: sell 1000 510300.SH at 4.123, denied by sellable: none to sell",
        "拒单 a：卖出 510300.SH 1000 份 @4.123，可卖不足：none to sell",
    ),
    (
        OrderDenied(NOW, an_order(), "cash", SHORT), None,
        "order a: buy 1000 600000.SH at 10, denied by cash: " + SHORT,
        "拒单 a：买入 600000.SH 1000 股 @10，可用资金不足："
        "600000.SH 1000 股连费用需要 10005.10 元，可用 9999.50 元",
    ),
    (
        OrderAdopted(NOW, an_order()), None,
        "order a: buy 1000 600000.SH at 10, placed by others",
        "委托 a：买入 600000.SH 1000 股 @10，非本引擎所下",
    ),
    (
        OrderSubmitted(NOW, "a", "1082"), None,
        "order a: the broker took it as 1082",
        "委托 a：券商已接收，合同编号 1082",
    ),
    (OrderAccepted(NOW, "a"), None, "order a: the exchange has it", "委托 a：已报"),
    (
        OrderRejected(NOW, "a", "资金不足"), an_order(),
        "order a: buy 1000 600000.SH at 10, rejected: 资金不足",
        "委托 a：买入 600000.SH 1000 股 @10，废单：资金不足",
    ),
    (CancelRequested(NOW, "a"), None, "order a: a cancel is asked for", "委托 a：请求撤单"),
    (
        CancelRefused(NOW, "a", "too late"), None,
        "order a: the cancel is refused: too late",
        "委托 a：撤单被拒，委托仍有效：too late",
    ),
    (OrderCancelled(NOW, "a"), None, "order a: cancelled", "委托 a：已撤"),
    (OrderExpired(NOW, "a"), None, "order a: expired", "委托 a：已失效"),
    (OrderUnknown(NOW, "a"), None, "order a: UNKNOWN", "委托 a：状态未知（UNKNOWN）"),
    (
        a_fill(), None,
        "order a: bought 1000 600000.SH at 10, fees 0.00 CNY (deal 1)",
        "成交 a：买入 600000.SH 1000 股 @10，费用 0.00 元（成交编号 1）",
    ),
    (
        a_fill(20, 101.5, symbol="113050.SH", side=Side.SELL), None,
        "order a: sold 20 113050.SH at 101.5, fees 0.00 CNY (deal 1)",
        "成交 a：卖出 113050.SH 20 张 @101.5，费用 0.00 元（成交编号 1）",
    ),
    (
        SessionPhase(NOW, DAY, Phase.CLOSING_CALL), None,
        "the phase closing_call of 2026-01-05",
        "2026-01-05 收盘集合竞价",
    ),
    (
        LinkState(NOW, "broker", False, "reset"), None,
        "link to the broker down: reset",
        "交易连接：已断开：reset",
    ),
    (LinkState(NOW, "feed", True), None, "link to the feed up", "行情连接：已连上"),
    (
        EngineState(NOW, "trading", TradingState.HALTED, "disk"), None,
        "trading HALTED: disk",
        "交易状态切换为暂停 HALTED：disk",
    ),
    (
        Distributed(NOW, CorporateAction("600000.SH", DAY, Decimal("0.32"), Decimal("0.1"))), None,
        "600000.SH goes ex: 0.32 CNY and 0.1 shares a share",
        "600000.SH 除权除息：每股派 0.32 元，送转 0.1 股",
    ),
    (
        WentEx(NOW, CorporateAction("600000.SH", DAY, Decimal("0.32"), Decimal("0.1")), 1000), None,
        "600000.SH goes ex: 0.32 CNY and 0.1 shares a share",
        "600000.SH 除权除息：每股派 0.32 元，送转 0.1 股",
    ),
    (
        Distributed(
            NOW,
            CorporateAction("600000.SH", DAY, rights=Decimal("0.3"), rights_price=Decimal("7.2")),
        ),
        None,
        "600000.SH goes ex-rights: 0.3 shares a share at 7.2 CNY, not taken up",
        "600000.SH 配股除权：每股配 0.3 股，配股价 7.2 元，未认购",
    ),
    (
        Rebalanced(NOW, "S", (an_order(),)), None,
        "S placed 1 orders for its targets; nothing is left out",
        "S 为目标仓位下了 1 笔委托；没有遗漏",
    ),
    (
        InstrumentState(NOW, "600000.SH", DAY, Status.ST, True, True, "*ST浦发"), None,
        "600000.SH *ST浦发 is st, suspended, without price limits on 2026-01-05",
        "600000.SH *ST浦发 2026-01-05 状态：ST、停牌、无涨跌幅限制",
    ),
    (
        OperatorCommand(NOW, "set", "x=1", "li", "too much"), None,
        "li: set x=1: too much",
        "li：set x=1：too much",
    ),
    (OperatorCommand(NOW, "set", "x=1"), None, "an operator: set x=1", "操作员：set x=1"),
    (TimerFired(NOW, "S", "t"), None, "timer t of S", "S 的定时器 t"),
    (
        Signal("600000.SH", Side.BUY, 100, price=9.9, strategy="S", id=3, reason="low"), None,
        "signal 3 of S: buy 100 600000.SH at 9.9: low",
        "信号 3（S）：买入 600000.SH 100 股 @9.9：low",
    ),
    (
        Signal("600000.SH", target_ratio=0.1, strategy="S"), None,
        "signal 0 of S: 600000.SH to 10.00% of all",
        "信号 0（S）：600000.SH 目标占总资产 10.00%",
    ),
    (
        Signal("600000.SH", target_value=5000.0, strategy="S"), None,
        "signal 0 of S: 600000.SH to 5,000.00 CNY",
        "信号 0（S）：600000.SH 目标市值 5,000.00 元",
    ),
    (
        Signal("600000.SH", target_shares=500, strategy="S"), None,
        "signal 0 of S: 600000.SH to 500 shares",
        "信号 0（S）：600000.SH 目标 500 股",
    ),
    (
        a_bar(), None,
        "1m bar 600000.SH closes at 10",
        "1m K 线 600000.SH 收于 10",
    ),
    (
        a_quote(), None,
        "quote 600000.SH 10, bid 9.99 ask 10.01, of 10:00:03.000000",
        "行情 600000.SH 最新价 10，买一 9.99，卖一 10.01，时间 10:00:03.000000",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "order", "english", "chinese"), LINES, ids=[type(line[0]).__name__ for line in LINES]
)
def test_an_event_is_one_line_in_each_language(event, order, english, chinese):
    assert told(event, order) == english
    assert told(event, order, str) == english
    assert told(event, order, speaker(CHINESE)) == chinese


@pytest.mark.parametrize(
    ("event", "loud"),
    [
        (OrderUnknown(NOW, "a"), Severity.ERROR),
        (OrderRejected(NOW, "a"), Severity.WARNING),
        (CancelRefused(NOW, "a"), Severity.WARNING),
        (LinkState(NOW, "feed", False), Severity.WARNING),
        (LinkState(NOW, "feed", True), Severity.INFO),
        (EngineState(NOW, "held", TradingState.HALTED), Severity.ERROR),
        (EngineState(NOW, "trading", TradingState.ACTIVE), Severity.WARNING),
        (EngineState(NOW, "stopped", TradingState.HALTED), Severity.INFO),
        (Alert(NOW, Severity.WARNING, "x", "y"), Severity.WARNING),
        (a_fill(), Severity.INFO),
    ],
)
def test_an_event_is_as_loud_as_it_matters(event, loud):
    assert severity(event) is loud
