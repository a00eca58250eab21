"""xtquant's records as values of ours: its own attribute names, frozen, all with a default.

What the SDK hands out are native objects that may change or vanish under your hands: copy them
at once, on the thread they came on.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from qka.brokers.words import DIRECTION_FLAG_LONG, SECURITY_ACCOUNT

REMARK_BYTES = 24  # the terminal cuts a longer `order_remark`
_UNSET = 1e300  # the SDK writes DBL_MAX where there is no number


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all: whose it is."""

    account_type: int = SECURITY_ACCOUNT
    account_id: str = ""


class XtAsset(Record, frozen=True, kw_only=True):
    """Money of the account, CNY."""

    cash: float = 0.0  # available
    frozen_cash: float = 0.0
    market_value: float = 0.0
    total_asset: float = 0.0
    fetch_balance: float = 0.0
    current_balance: float = 0.0


class XtOrder(Record, frozen=True, kw_only=True):
    """An order of today, whoever made it."""

    stock_code: str = ""
    order_id: int = 0  # the terminal's; used again on later days
    order_sysid: str = ""  # the counter's, empty until it accepts
    order_time: int = 0  # Unix seconds
    order_type: int = 0
    order_volume: int = 0
    price_type: int = 0  # the counter's enumeration, not what was sent
    price: float = 0.0
    traded_volume: int = 0
    traded_price: float = 0.0  # average
    order_status: int = 0
    status_msg: str = ""
    strategy_name: str = ""
    order_remark: str = ""  # ours, cut to 24 bytes
    direction: int = DIRECTION_FLAG_LONG
    offset_flag: int = 0
    secu_account: str = ""
    instrument_name: str = ""


class XtTrade(Record, frozen=True, kw_only=True):
    """A deal of today."""

    stock_code: str = ""
    order_type: int = 0
    traded_id: str = ""  # not unique by itself
    traded_time: int = 0  # Unix seconds
    traded_price: float = 0.0
    traded_volume: int = 0
    traded_amount: float = 0.0
    order_id: int = 0
    order_sysid: str = ""
    strategy_name: str = ""
    order_remark: str = ""
    direction: int = DIRECTION_FLAG_LONG
    offset_flag: int = 0
    commission: float = 0.0  # not dependable
    secu_account: str = ""
    instrument_name: str = ""


class XtPosition(Record, frozen=True, kw_only=True):
    """Shares held of one symbol."""

    stock_code: str = ""
    volume: int = 0
    can_use_volume: int = 0  # sellable now: T+1 and open sells taken off
    open_price: float = 0.0
    market_value: float = 0.0
    frozen_volume: int = 0  # in open sells
    on_road_volume: int = 0
    yesterday_volume: int = 0
    avg_price: float = 0.0  # cost
    direction: int = DIRECTION_FLAG_LONG
    last_price: float = 0.0
    profit_rate: float = 0.0
    secu_account: str = ""
    instrument_name: str = ""
    float_profit: float = 0.0
    open_date: str = ""
    position_profit: float = 0.0


class XtOrderError(Record, frozen=True, kw_only=True):
    """An order was refused. `order_id` may be -1: match by `seq` or `order_remark`."""

    order_id: int = 0
    error_id: int = 0
    error_msg: str = ""
    strategy_name: str = ""
    order_remark: str = ""
    seq: int = 0


class XtCancelError(Record, frozen=True, kw_only=True):
    """A cancel was refused."""

    order_id: int = 0
    market: int = 0
    order_sysid: str = ""
    error_id: int = 0
    error_msg: str = ""


class XtOrderResponse(Record, frozen=True, kw_only=True):
    """The answer to an order; `order_id` <= 0 and `error_msg` for a refusal."""

    order_id: int = 0
    strategy_name: str = ""
    order_remark: str = ""
    error_msg: str = ""
    seq: int = 0


class XtCancelOrderResponse(Record, frozen=True, kw_only=True):
    """The answer to a cancel; `cancel_result` 0 says that it was sent, not that it is done."""

    cancel_result: int = 0
    order_id: int = 0
    order_sysid: str = ""
    seq: int = 0
    error_msg: str = ""


class XtAccountStatus(Record, frozen=True, kw_only=True):
    """The account's login at the broker; 0 is ok."""

    status: int = 0


class XtAccountInfo(Record, frozen=True, kw_only=True):
    """An account the terminal knows."""

    broker_type: int = 0
    platform_id: int = 0
    account_classification: int = 0
    login_status: int = 0


# our (and xtquant's python) name -> the native one; the same in every record
NATIVE_NAMES: dict[str, str] = {
    "account_type": "m_nAccountType",
    "account_id": "m_strAccountID",
    "cash": "m_dCash",
    "frozen_cash": "m_dFrozenCash",
    "market_value": "m_dMarketValue",
    "total_asset": "m_dTotalAsset",
    "fetch_balance": "m_dFetchBalance",
    "current_balance": "m_dCurrentBalance",
    "stock_code": "m_strStockCode",
    "order_id": "m_nOrderID",
    "order_sysid": "m_strOrderSysID",
    "order_time": "m_nOrderTime",
    "order_type": "m_nOrderType",
    "order_volume": "m_nOrderVolume",
    "price_type": "m_nPriceType",
    "price": "m_dPrice",
    "traded_volume": "m_nTradedVolume",
    "traded_price": "m_dTradedPrice",
    "order_status": "m_nOrderStatus",
    "status_msg": "m_strStatusMsg",
    "strategy_name": "m_strStrategyName",
    "order_remark": "m_strOrderRemark",
    "direction": "m_nDirection",
    "offset_flag": "m_nOffsetFlag",
    "secu_account": "m_strSecuAccount",
    "instrument_name": "m_strInstrumentName",
    "traded_id": "m_strTradedID",
    "traded_time": "m_nTradedTime",
    "traded_amount": "m_dTradedAmount",
    "commission": "m_dCommission",
    "volume": "m_nVolume",
    "can_use_volume": "m_nCanUseVolume",
    "open_price": "m_dOpenPrice",
    "frozen_volume": "m_nFrozenVolume",
    "on_road_volume": "m_nOnRoadVolume",
    "yesterday_volume": "m_nYesterdayVolume",
    "avg_price": "m_dAvgPrice",
    "last_price": "m_dLastPrice",
    "profit_rate": "m_dProfitRate",
    "float_profit": "m_dFloatProfit",
    "open_date": "m_nOpenDate",
    "position_profit": "m_dPositionProfit",
    "error_id": "m_nErrorID",
    "error_msg": "m_strErrorMsg",
    "market": "m_nMarket",
    "seq": "m_nSeq",
    "cancel_result": "m_nCancelResult",
    "status": "m_nStatus",
    "broker_type": "m_nBrokerType",
    "platform_id": "m_nPlatformID",
    "login_status": "m_nStatus",
}

Kind = TypeVar("Kind", bound=Record)


def copied(native: Any, kind: type[Kind]) -> Kind:
    """A record of ours with the object's attributes; missing or meaningless ones: the default.

    Reads the python name, then the native one. Never raises for what an attribute holds.
    """
    values: dict[str, Any] = {}
    for name, native_name, default, read in _plan(kind):
        value = getattr(native, name, None)
        if value is None:
            value = getattr(native, native_name, None)
        values[name] = default if value is None else read(value, default)
    return kind(**values)


def plain(value: Any) -> Any:
    """Any answer of the SDK as plain data, for records that have no kind of ours here.

    Objects become dicts of their public attributes (native names only where there are no others);
    lists, tuples and dicts recursively; meaningless numbers None.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if abs(value) < _UNSET else None
    if isinstance(value, Record):
        return msgspec.structs.asdict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _attributes(value)


def _attributes(thing: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in dir(thing):
        if not name.startswith("_"):
            try:
                value = getattr(thing, name)
            except Exception:
                continue  # a native property that can't be read is not there
            if not callable(value):
                found[name] = plain(value)
    readable = {name for name in found if not name.startswith("m_")}
    names = readable or found
    return {name: value for name, value in found.items() if name in names}


_Reader = Callable[[Any, Any], Any]


@lru_cache(maxsize=64)
def _plan(kind: type[Record]) -> tuple[tuple[str, str, Any, _Reader], ...]:
    readers: dict[type, _Reader] = {int: _integer, float: _number, str: _text}
    return tuple(
        (
            field.name,
            NATIVE_NAMES.get(field.name, field.name),
            field.default,
            readers[type(field.default)],
        )
        for field in msgspec.structs.fields(kind)
    )


def _integer(value: Any, default: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return number if abs(number) < _UNSET else default  # NaN is not smaller either


def _text(value: Any, default: str) -> str:
    if isinstance(value, bytes):
        return value.decode("gb18030", "replace")
    return str(value)
