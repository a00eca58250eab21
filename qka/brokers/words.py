"""xtquant's codes ↔ our words: tables, both ways; a code that is in none of them is unknown.

The constants carry xtconstant's own names and values, so that nothing here needs the vendor's
package (a test holds them against it). What comes back is not always what was sent:
`XtOrder.price_type` is the counter's own enumeration, so keep a copy of what you sent.
"""

from qka.model.order import Order, OrderStatus, OrderType, Side
from qka.model.symbol import check_symbol
from qka.model.times import MILLISECOND, SECOND

# ------------------------------------------------------------------ order status

ORDER_UNREPORTED = 48
ORDER_WAIT_REPORTING = 49
ORDER_REPORTED = 50
ORDER_REPORTED_CANCEL = 51
ORDER_PARTSUCC_CANCEL = 52
ORDER_PART_CANCEL = 53
ORDER_CANCELED = 54
ORDER_PART_SUCC = 55
ORDER_SUCCEEDED = 56
ORDER_JUNK = 57
ORDER_UNKNOWN = 255

# xt code -> what QMT calls it
STATUS_WORDS: dict[int, str] = {
    ORDER_UNREPORTED: "未报",
    ORDER_WAIT_REPORTING: "待报",
    ORDER_REPORTED: "已报",
    ORDER_REPORTED_CANCEL: "已报待撤",
    ORDER_PARTSUCC_CANCEL: "部成待撤",
    ORDER_PART_CANCEL: "部撤",
    ORDER_CANCELED: "已撤",
    ORDER_PART_SUCC: "部成",
    ORDER_SUCCEEDED: "已成",
    ORDER_JUNK: "废单",
    ORDER_UNKNOWN: "未知",
}
# xt code -> ours. 51 and 52 are not cancelled yet and can still fill
STATUSES: dict[int, OrderStatus] = {
    ORDER_UNREPORTED: OrderStatus.SUBMITTED,
    ORDER_WAIT_REPORTING: OrderStatus.SUBMITTED,
    ORDER_REPORTED: OrderStatus.ACCEPTED,
    ORDER_REPORTED_CANCEL: OrderStatus.PENDING_CANCEL,
    ORDER_PARTSUCC_CANCEL: OrderStatus.PENDING_CANCEL,
    ORDER_PART_CANCEL: OrderStatus.CANCELLED,
    ORDER_CANCELED: OrderStatus.CANCELLED,
    ORDER_PART_SUCC: OrderStatus.PARTIALLY_FILLED,
    ORDER_SUCCEEDED: OrderStatus.FILLED,
    ORDER_JUNK: OrderStatus.REJECTED,
    ORDER_UNKNOWN: OrderStatus.UNKNOWN,
}
FINAL_STATUSES = frozenset({ORDER_PART_CANCEL, ORDER_CANCELED, ORDER_SUCCEEDED, ORDER_JUNK})
# ours -> (xt code without a fill, with one)
_CODES: dict[OrderStatus, tuple[int, int]] = {
    OrderStatus.NEW: (ORDER_UNREPORTED, ORDER_UNREPORTED),
    OrderStatus.DENIED: (ORDER_JUNK, ORDER_JUNK),
    OrderStatus.SUBMITTING: (ORDER_UNREPORTED, ORDER_UNREPORTED),
    OrderStatus.SUBMITTED: (ORDER_WAIT_REPORTING, ORDER_WAIT_REPORTING),
    OrderStatus.ACCEPTED: (ORDER_REPORTED, ORDER_PART_SUCC),
    OrderStatus.PARTIALLY_FILLED: (ORDER_PART_SUCC, ORDER_PART_SUCC),
    OrderStatus.PENDING_CANCEL: (ORDER_REPORTED_CANCEL, ORDER_PARTSUCC_CANCEL),
    OrderStatus.UNKNOWN: (ORDER_UNKNOWN, ORDER_UNKNOWN),
    OrderStatus.FILLED: (ORDER_SUCCEEDED, ORDER_SUCCEEDED),
    OrderStatus.CANCELLED: (ORDER_CANCELED, ORDER_PART_CANCEL),
    OrderStatus.REJECTED: (ORDER_JUNK, ORDER_JUNK),
    OrderStatus.EXPIRED: (ORDER_CANCELED, ORDER_PART_CANCEL),
}


def status_of(code: int) -> OrderStatus:
    """Our status for xt's code; a code nobody knows is UNKNOWN, never a guess."""
    return STATUSES.get(code, OrderStatus.UNKNOWN)


def status_code(order: Order) -> int:
    """xt's code for an order of ours as it stands."""
    return _CODES[order.status][order.filled > 0]


def status_words(code: int) -> str:
    """What QMT calls a status, `未知(77)` for a code nobody knows."""
    return STATUS_WORDS.get(code, f"未知({code})")


# ------------------------------------------------------------------ buy or sell

STOCK_BUY = 23
STOCK_SELL = 24
CREDIT_FIN_BUY = 27
CREDIT_SLO_SELL = 28
CREDIT_BUY_SECU_REPAY = 29
CREDIT_DIRECT_SECU_REPAY = 30
CREDIT_SELL_SECU_REPAY = 31
CREDIT_DIRECT_CASH_REPAY = 32
CREDIT_FIN_BUY_SPECIAL = 40
CREDIT_SLO_SELL_SPECIAL = 41
CREDIT_BUY_SECU_REPAY_SPECIAL = 42
CREDIT_DIRECT_SECU_REPAY_SPECIAL = 43
CREDIT_SELL_SECU_REPAY_SPECIAL = 44
CREDIT_DIRECT_CASH_REPAY_SPECIAL = 45
ETF_PURCHASE = 134
ETF_REDEMPTION = 135

# xt's order_type -> the side it trades on; None: it moves shares or cash without a trade
SIDES: dict[int, Side | None] = {
    STOCK_BUY: Side.BUY,
    STOCK_SELL: Side.SELL,
    CREDIT_FIN_BUY: Side.BUY,
    CREDIT_SLO_SELL: Side.SELL,
    CREDIT_BUY_SECU_REPAY: Side.BUY,
    CREDIT_DIRECT_SECU_REPAY: None,
    CREDIT_SELL_SECU_REPAY: Side.SELL,
    CREDIT_DIRECT_CASH_REPAY: None,
    CREDIT_FIN_BUY_SPECIAL: Side.BUY,
    CREDIT_SLO_SELL_SPECIAL: Side.SELL,
    CREDIT_BUY_SECU_REPAY_SPECIAL: Side.BUY,
    CREDIT_DIRECT_SECU_REPAY_SPECIAL: None,
    CREDIT_SELL_SECU_REPAY_SPECIAL: Side.SELL,
    CREDIT_DIRECT_CASH_REPAY_SPECIAL: None,
    ETF_PURCHASE: None,
    ETF_REDEMPTION: None,
}
SIDE_CODES: dict[Side, int] = {Side.BUY: STOCK_BUY, Side.SELL: STOCK_SELL}
SIDE_WORDS: dict[int, str] = {STOCK_BUY: "买入", STOCK_SELL: "卖出"}

OFFSET_FLAG_OPEN = 48  # for stocks: bought
OFFSET_FLAG_CLOSE = 49  # for stocks: sold
DIRECTION_FLAG_LONG = 48  # what every stock record says
OFFSETS: dict[Side, int] = {Side.BUY: OFFSET_FLAG_OPEN, Side.SELL: OFFSET_FLAG_CLOSE}


def side_of(order_type: int) -> Side | None:
    """The side of xt's order type; None for what is no plain buy or sell."""
    return SIDES.get(order_type)


# ------------------------------------------------------------------ price type

LATEST_PRICE = 5
FIX_PRICE = 11
MARKET_SH_CONVERT_5_CANCEL = 42
MARKET_SH_CONVERT_5_LIMIT = 43
MARKET_PEER_PRICE_FIRST = 44
MARKET_MINE_PRICE_FIRST = 45
MARKET_SZ_INSTBUSI_RESTCANCEL = 46
MARKET_SZ_CONVERT_5_CANCEL = 47
MARKET_SZ_FULL_OR_CANCEL = 48

AFTER_CLOSE_FIXED = 49  # 盘后定价: in QMT's manual and not in xtconstant

# price type sent -> exchanges that take it; others are futures'
PRICE_TYPES: dict[int, frozenset[str]] = {
    LATEST_PRICE: frozenset({"SH", "SZ", "BJ"}),
    FIX_PRICE: frozenset({"SH", "SZ", "BJ"}),
    MARKET_SH_CONVERT_5_CANCEL: frozenset({"SH", "BJ"}),
    MARKET_SH_CONVERT_5_LIMIT: frozenset({"SH", "BJ"}),
    MARKET_PEER_PRICE_FIRST: frozenset({"SH", "SZ", "BJ"}),
    MARKET_MINE_PRICE_FIRST: frozenset({"SH", "SZ", "BJ"}),
    MARKET_SZ_INSTBUSI_RESTCANCEL: frozenset({"SZ"}),
    MARKET_SZ_CONVERT_5_CANCEL: frozenset({"SZ"}),
    MARKET_SZ_FULL_OR_CANCEL: frozenset({"SZ"}),
    AFTER_CLOSE_FIXED: frozenset({"SH", "SZ"}),
}
# price type sent -> ours; LATEST_PRICE is made a limit at the last price by the client
SENT_TYPES: dict[int, OrderType] = {
    LATEST_PRICE: OrderType.LIMIT,
    FIX_PRICE: OrderType.LIMIT,
    MARKET_SH_CONVERT_5_CANCEL: OrderType.MARKET,
    MARKET_SZ_CONVERT_5_CANCEL: OrderType.MARKET,
    MARKET_SH_CONVERT_5_LIMIT: OrderType.BEST_5_LIMIT,
    MARKET_PEER_PRICE_FIRST: OrderType.PEER,
    MARKET_MINE_PRICE_FIRST: OrderType.OWN,
    MARKET_SZ_INSTBUSI_RESTCANCEL: OrderType.FILL_CANCEL,
    MARKET_SZ_FULL_OR_CANCEL: OrderType.ALL_OR_NONE,
    AFTER_CLOSE_FIXED: OrderType.FIXED,
}
# ours on an exchange -> price type sent: what is best five, rest cancelled has two numbers
_SENT: dict[tuple[str, OrderType], int] = {
    (exchange, kind): code
    for code, kind in SENT_TYPES.items()
    if code != LATEST_PRICE
    for exchange in PRICE_TYPES[code]
}
# the counter's own enumeration, which comes back in XtOrder.price_type
BROKER_PRICE_ANY = 49
BROKER_PRICE_LIMIT = 50
BROKER_PRICE_BEST = 51
BROKER_PRICE_MARKET = 88

# come back -> ours: what was sent on some counters, and the counter's own, which knows market
# orders of one kind only. 49 is one of those: that it was a fixed-price order nobody can tell
ORDER_TYPES: dict[int, OrderType] = {
    **SENT_TYPES,
    BROKER_PRICE_ANY: OrderType.MARKET,
    BROKER_PRICE_LIMIT: OrderType.LIMIT,
    BROKER_PRICE_BEST: OrderType.MARKET,
    BROKER_PRICE_MARKET: OrderType.MARKET,
}


def price_type(symbol: str, kind: OrderType) -> int:
    """xt's price type for an order of ours; raises SymbolError for no symbol.

    Raises ValueError for what the symbol's exchange has no word for.
    """
    if kind is OrderType.LIMIT:
        return FIX_PRICE
    exchange = exchange_of(symbol)
    code = _SENT.get((exchange, kind))
    if code is None:
        raise ValueError(f"{exchange} takes no {kind} orders")
    return code


def order_type_of(code: int) -> OrderType | None:
    """Ours for a price type that came back, None for one nobody knows."""
    return ORDER_TYPES.get(code)


def sent_type_of(code: int) -> OrderType | None:
    """Ours for a price type that a client sends, None for one nobody knows."""
    return SENT_TYPES.get(code)


# ------------------------------------------------------------------ market

SH_MARKET = 0
SZ_MARKET = 1
MARKET_ENUM_INDEX_FUTURE = 2
MARKET_ENUM_SHANGHAI_FUTURE = 3
MARKET_ENUM_DALIANG_FUTURE = 4
MARKET_ENUM_ZHENGZHOU_FUTURE = 5
MARKET_ENUM_INTL_ENERGY_FUTURE = 6
MARKET_ENUM_SHANGHAI_STOCK_OPTION = 7
MARKET_ENUM_SHENZHEN_STOCK_OPTION = 67
MARKET_ENUM_BEIJING = 70
MARKET_ENUM_GUANGZHOU_FUTURE = 75

# suffix of a symbol -> xt's market
MARKETS: dict[str, int] = {
    "SH": SH_MARKET,
    "SZ": SZ_MARKET,
    "BJ": MARKET_ENUM_BEIJING,
    "IF": MARKET_ENUM_INDEX_FUTURE,
    "SF": MARKET_ENUM_SHANGHAI_FUTURE,
    "DF": MARKET_ENUM_DALIANG_FUTURE,
    "ZF": MARKET_ENUM_ZHENGZHOU_FUTURE,
    "INE": MARKET_ENUM_INTL_ENERGY_FUTURE,
    "SHO": MARKET_ENUM_SHANGHAI_STOCK_OPTION,
    "SZO": MARKET_ENUM_SHENZHEN_STOCK_OPTION,
    "GF": MARKET_ENUM_GUANGZHOU_FUTURE,
}
EXCHANGES: dict[int, str] = {code: suffix for suffix, code in MARKETS.items()}


def exchange_of(symbol: str) -> str:
    """`SH`, `SZ` or `BJ`; raises SymbolError for no symbol."""
    return check_symbol(symbol)[7:]


# ------------------------------------------------------------------ account

FUTURE_ACCOUNT = 1
SECURITY_ACCOUNT = 2
CREDIT_ACCOUNT = 3
FUTURE_OPTION_ACCOUNT = 5
STOCK_OPTION_ACCOUNT = 6
HUGANGTONG_ACCOUNT = 7
INCOME_SWAP_ACCOUNT = 8
NEW3BOARD_ACCOUNT = 10
SHENGANGTONG_ACCOUNT = 11
AT_OFFSITEBANKING = 13
AT_OUTTER_FUTURE = 1001
AT_IB = 1002
AT_NS_TRUSTBANK = 15001
AT_INTERBANK = 15002
AT_BANK = 15003
AT_OTC = 15005

# xt code -> the word that StockAccount takes
ACCOUNT_TYPES: dict[int, str] = {
    FUTURE_ACCOUNT: "FUTURE",
    SECURITY_ACCOUNT: "STOCK",
    CREDIT_ACCOUNT: "CREDIT",
    FUTURE_OPTION_ACCOUNT: "FUTURE_OPTION",
    STOCK_OPTION_ACCOUNT: "STOCK_OPTION",
    HUGANGTONG_ACCOUNT: "HUGANGTONG",
    INCOME_SWAP_ACCOUNT: "INCOME_SWAP",
    NEW3BOARD_ACCOUNT: "NEW3BOARD",
    SHENGANGTONG_ACCOUNT: "SHENGANGTONG",
    AT_OFFSITEBANKING: "OFFSITEBANKING",
    AT_OUTTER_FUTURE: "OUTTER_FUTURE",
    AT_IB: "IB",
    AT_NS_TRUSTBANK: "NS_TRUSTBANK",
    AT_INTERBANK: "INTERBANK",
    AT_BANK: "BANK",
    AT_OTC: "OTC",
}
ACCOUNT_TYPE_CODES: dict[str, int] = {word: code for code, word in ACCOUNT_TYPES.items()}

ACCOUNT_STATUS_INVALID = -1
ACCOUNT_STATUS_OK = 0
ACCOUNT_STATUS_WAITING_LOGIN = 1
ACCOUNT_STATUSING = 2
ACCOUNT_STATUS_FAIL = 3
ACCOUNT_STATUS_INITING = 4
ACCOUNT_STATUS_CORRECTING = 5
ACCOUNT_STATUS_CLOSED = 6
ACCOUNT_STATUS_ASSIS_FAIL = 7
ACCOUNT_STATUS_DISABLEBYSYS = 8
ACCOUNT_STATUS_DISABLEBYUSER = 9

# xt code -> what it means; orders are sent on 0 only
ACCOUNT_STATUSES: dict[int, str] = {
    ACCOUNT_STATUS_INVALID: "invalid",
    ACCOUNT_STATUS_OK: "ok",
    ACCOUNT_STATUS_WAITING_LOGIN: "connecting",
    ACCOUNT_STATUSING: "logging in",
    ACCOUNT_STATUS_FAIL: "login failed",
    ACCOUNT_STATUS_INITING: "initialising",
    ACCOUNT_STATUS_CORRECTING: "refreshing its data",
    ACCOUNT_STATUS_CLOSED: "closed for the day",
    ACCOUNT_STATUS_ASSIS_FAIL: "an assisting link is down",
    ACCOUNT_STATUS_DISABLEBYSYS: "disabled by the system (wrong password too often)",
    ACCOUNT_STATUS_DISABLEBYUSER: "disabled by its owner",
}
ACCOUNT_STATUS_WORDS: dict[int, str] = {
    ACCOUNT_STATUS_INVALID: "无效",
    ACCOUNT_STATUS_OK: "正常",
    ACCOUNT_STATUS_WAITING_LOGIN: "连接中",
    ACCOUNT_STATUSING: "登陆中",
    ACCOUNT_STATUS_FAIL: "失败",
    ACCOUNT_STATUS_INITING: "初始化中",
    ACCOUNT_STATUS_CORRECTING: "数据刷新校正中",
    ACCOUNT_STATUS_CLOSED: "收盘后",
    ACCOUNT_STATUS_ASSIS_FAIL: "穿透副链接断开",
    ACCOUNT_STATUS_DISABLEBYSYS: "系统停用",
    ACCOUNT_STATUS_DISABLEBYUSER: "用户停用",
}


def account_status(code: int) -> str:
    """What an account status means, in English and in QMT's own word."""
    if code not in ACCOUNT_STATUSES:
        return f"unknown status {code}"
    return f"{ACCOUNT_STATUSES[code]} ({ACCOUNT_STATUS_WORDS[code]})"


# ------------------------------------------------------------------ time


def moment_of(stamp: int) -> int:
    """xt's `order_time` or `traded_time` as ns; 0 when it is no time.

    Current builds give Unix seconds, some gave milliseconds.
    """
    if 10**9 <= stamp < 10**11:
        return stamp * SECOND
    if 10**11 <= stamp < 10**13:
        return stamp * MILLISECOND
    return 0


# ------------------------------------------------------------------ Chinese names

# field of a record -> its Chinese name; one field has the same name in every record
FIELD_NAMES: dict[str, str] = {
    # every record
    "account_type": "账号类型",
    "account_id": "资金账号",
    "stock_code": "证券代码",
    "instrument_name": "证券名称",
    "secu_account": "股东代码",
    "direction": "多空方向",
    "offset_flag": "交易操作",
    # XtAsset
    "cash": "可用金额",
    "frozen_cash": "冻结金额",
    "market_value": "持仓市值",
    "total_asset": "总资产",
    "fetch_balance": "可取资金",
    "current_balance": "当前余额",
    # XtOrder, XtTrade
    "order_id": "订单编号",
    "order_sysid": "柜台合同编号",
    "order_time": "报单时间",
    "order_type": "委托类型",
    "order_volume": "委托数量",
    "price_type": "报价类型",
    "price": "委托价格",
    "traded_volume": "成交数量",
    "traded_price": "成交均价",
    "order_status": "委托状态",
    "status_msg": "委托状态描述",
    "strategy_name": "策略名称",
    "order_remark": "委托备注",
    "traded_id": "成交编号",
    "traded_time": "成交时间",
    "traded_amount": "成交金额",
    "commission": "手续费",
    # XtPosition
    "volume": "当前数量",
    "can_use_volume": "可用数量",
    "open_price": "开仓价",
    "frozen_volume": "冻结数量",
    "on_road_volume": "在途股份",
    "yesterday_volume": "昨夜拥股",
    "avg_price": "成本价",
    "last_price": "当前价",
    "profit_rate": "盈亏比例",
    "float_profit": "浮动盈亏",
    "open_date": "开仓日期",
    "position_profit": "持仓盈亏",
    # errors and answers
    "error_id": "错误代码",
    "error_msg": "错误信息",
    "market": "交易市场",
    "cancel_result": "撤单结果",
    "seq": "请求序号",
    # XtAccountStatus, XtAccountInfo
    "status": "账号状态",
    "login_status": "登录状态",
    "broker_type": "账号大类",
    "platform_id": "平台号",
    "account_classification": "账号分类",
    # XtCreditDetail, whose fields have native names only
    "m_dBalance": "总资产",
    "m_dAvailable": "可用金额",
    "m_dFrozenCash": "冻结金额",
    "m_dMarketValue": "总市值",
    "m_dFetchBalance": "可取金额",
    "m_dTotalDebt": "总负债",
    "m_dAssureAsset": "净资产",
    "m_dEnableBailBalance": "可用保证金",
    "m_dPerAssurescaleValue": "维持担保比例",
    "m_dFinDebt": "融资负债",
    "m_dSloDebt": "融券负债",
}
# other names in use -> the field
_ALIASES: dict[str, str] = {
    "账户": "account_id",
    "账号": "account_id",
    "账户类型": "account_type",
    "可用资金": "cash",
    "冻结资金": "frozen_cash",
    "市值": "market_value",
    "持仓数量": "volume",
    "可卖数量": "can_use_volume",
    "委托编号": "order_id",
    "合同编号": "order_sysid",
    "委托时间": "order_time",
    "成交价格": "traded_price",
    "状态描述": "status_msg",
    "备注": "order_remark",
    "最新价": "last_price",
    "持仓成本": "avg_price",
}


def _fields_of() -> dict[str, tuple[str, ...]]:
    fields: dict[str, tuple[str, ...]] = {}
    pairs = [(name, field) for field, name in FIELD_NAMES.items()]
    for name, field in [*pairs, *_ALIASES.items()]:
        fields[name] = (*fields.get(name, ()), field)
    return fields


# Chinese name -> the fields it may mean; a record has at most one of them
FIELDS_OF: dict[str, tuple[str, ...]] = _fields_of()
