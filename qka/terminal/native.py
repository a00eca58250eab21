"""A stand-in for `xtquant.xtpythonclient`, the binary module under the vendor's `xttrader.py`.

Its surface: an asynchronous client with `…WithSeq` requests and `bindOn…` callbacks, request
objects, and records that answer to both of their names (`order_id`, `m_nOrderID`), take no new
attributes and can't be pickled, as pybind11's.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from itertools import count
from types import ModuleType
from typing import Any, Protocol

from qka.brokers.records import NATIVE_NAMES, Record, XtCancelOrderResponse, XtOrderResponse
from qka.terminal.delivery import Delivery
from qka.terminal.session import Session
from qka.terminal.terminal import SimTerminal, TerminalGone

# request class -> its attributes, both names of each
_REQUESTS: dict[str, dict[str, Any]] = {
    "SubscribeReq": {"m_nMetaType": 0},
    "UnsubscribeReq": {"m_nMetaType": 0},
    "OrderStockReq": {
        "m_strStockCode": "", "m_nOrderType": 0, "m_nOrderVolume": 0, "m_nPriceType": 0,
        "m_dPrice": 0.0, "m_strStrategyName": "", "m_strOrderRemark": "",
        "m_strOrderRemarkNew": "", "m_dOrderAmount": 0.0, "m_strStockCode1": "",
        "m_strAccountID1": "",
    },
    "CancelOrderStockReq": {
        "m_nOrderID": 0, "m_nMarket": 0, "m_strOrderSysID": "", "m_strMarket": "",
    },
    "QueryStockAssetReq": {},
    "QueryStockOrdersReq": {"m_nOrderID": 0, "m_bCanCancel": False},
    "QueryStockTradesReq": {},
    "QueryStockPositionsReq": {"m_strStockCode": "", "m_strStockCode1": ""},
    "QueryAccountInfosReq": {},
    "QueryAccountStatusReq": {},
}  # fmt: skip
_ACCOUNT = {"m_nAccountType": 2, "m_strAccountID": ""}
# request method -> (the terminal's call, where its answer is bound)
_CALLS: dict[str, tuple[str, str]] = {
    "subscribeWithSeq": ("subscribe", "bindOnSubscribeRespCallback"),
    "unsubscribeWithSeq": ("unsubscribe", "bindOnUnsubscribeRespCallback"),
    "orderStockWithSeq": ("order", "bindOnOrderStockRespCallback"),
    "cancelOrderStockWithSeq": ("cancel", "bindOnCancelOrderStockRespCallback"),
    "queryStockAssetWithSeq": ("asset", "bindOnQueryStockAssetCallback"),
    "queryStockOrdersWithSeq": ("orders", "bindOnQueryStockOrdersCallback"),
    "queryStockTradesWithSeq": ("trades", "bindOnQueryStockTradesCallback"),
    "queryStockPositionsWithSeq": ("positions", "bindOnQueryStockPositionsCallback"),
    "queryAccountInfosWithSeq": ("account_infos", "bindOnQueryAccountInfosCallback"),
    "queryAccountStatusWithSeq": ("account_status", "bindOnQueryAccountStatusCallback"),
}
# queries a stock account has nothing for
_EMPTY: dict[str, str] = {
    "queryCreditDetailWithSeq": "bindOnQueryCreditDetailRespCallback",
    "queryStkCompactsWithSeq": "bindOnQueryStkCompactsRespCallback",
    "queryCreditSubjectsWithSeq": "bindOnQueryCreditSubjectsRespCallback",
    "queryCreditSloCodeWithSeq": "bindOnQueryCreditSloCodeRespCallback",
    "queryCreditAssureWithSeq": "bindOnQueryCreditAssureRespCallback",
    "queryNewPurchaseLimitWithSeq": "bindOnQueryNewPurchaseLimitCallback",
    "queryIPODataWithSeq": "bindOnQueryIPODataCallback",
}
# kind of push -> where it is bound
_PUSHES: dict[str, str] = {
    "order": "bindOnStockOrderCallback",
    "trade": "bindOnStockTradeCallback",
    "asset": "bindOnStockAssetCallback",
    "position": "bindOnStockPositionCallback",
    "order_error": "bindOnOrderErrorCallback",
    "cancel_error": "bindOnCancelErrorCallback",
    "account_status": "bindOnUpdateAccountStatusCallback",
}


class Terminals(Protocol):
    """Where clients find the terminal of a `userdata_mini` path."""

    clients: list["AsyncClient"]

    def at(self, path: str) -> SimTerminal | None:
        """The terminal there, if there is one."""


class NativeRecord:
    """What the SDK hands out: a frozen copy with two names for everything in it."""

    __slots__ = ("_record",)

    def __init__(self, record: Record | None = None) -> None:
        object.__setattr__(self, "_record", record)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} can't be written to: {name}")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")


@lru_cache(maxsize=64)
def _native_class(kind: type[Record]) -> type[NativeRecord]:
    def reads(name: str) -> property:
        return property(lambda self: getattr(self._record, name))

    attributes: dict[str, Any] = {"__slots__": ()}
    for name in kind.__struct_fields__:
        attributes[name] = attributes[NATIVE_NAMES.get(name, name)] = reads(name)
    return type(kind.__name__, (NativeRecord,), attributes)


def native(value: Any) -> Any:
    """A record (or a list of them) as the SDK would hand it out."""
    if isinstance(value, list):
        return [native(item) for item in value]
    return _native_class(type(value))(value) if isinstance(value, Record) else value


def _request_class(name: str, fields: Mapping[str, Any]) -> type:
    names = {native_name: name for name, native_name in NATIVE_NAMES.items()}
    fields = {**_ACCOUNT, **fields}

    def begin(self: Any) -> None:
        for field, value in fields.items():
            setattr(self, field, value)

    def alias(field: str) -> property:
        return property(
            lambda self: getattr(self, field), lambda self, value: setattr(self, field, value)
        )

    attributes: dict[str, Any] = {"__slots__": tuple(fields), "__init__": begin}
    attributes.update({names[field]: alias(field) for field in fields if field in names})
    return type(name, (), attributes)


class AsyncClient:
    """`XtQuantAsyncClient`: one session, and the native thread that calls back.

    A request that is not answered is not answered: the vendor's synchronous calls then block for
    ever, until `release` answers everything with a failure.
    """

    terminals: Terminals  # set by `client_module`

    def __init__(self, path: bytes, name: str, session: int) -> None:
        self._path = path.decode("gb18030")
        self._id = int(session)
        self._bound: dict[str, Callable[..., None]] = {}
        self._numbers = count(1)
        self._delivery = Delivery(f"qmt-native-{session}")
        self._session: Session | None = None
        self._terminal: SimTerminal | None = None
        self._waiting: dict[int, tuple[str, Any]] = {}  # seq -> (where bound, failure)
        self.terminals.clients.append(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("bindOn"):
            return partial(self._bound.__setitem__, name)
        if name in _CALLS or name in _EMPTY:
            return partial(self._ask, name)
        if name.endswith("WithSeq"):
            raise NotImplementedError(f"the simulated terminal has no {name}")
        raise AttributeError(name)

    def init(self) -> None:
        """Nothing to do."""

    def setTimeout(self, timeout: int) -> None:
        """Nobody knows what it does; nothing here."""

    def nextSeq(self) -> int:
        """The next request's number."""
        return next(self._numbers)

    def start(self) -> None:
        """From now on it calls back."""
        self._delivery.start()

    def connect(self) -> int:
        """0, or -1: no reason is given. Blocks while the terminal hangs."""
        terminal = self.terminals.at(self._path)
        if terminal is None:
            return -1
        try:
            self._session = terminal.connect(self._id, self._push, self._gone, self._delivery)
        except TerminalGone:
            return -1
        self._terminal = terminal
        return 0

    def stop(self) -> None:
        """Let the session id go; what was asked stays unanswered."""
        if self._terminal is not None and self._session is not None:
            self._terminal.leave(self._session)
        self._delivery.stop()

    def release(self) -> None:
        """Answer everything unanswered with a failure, so that no caller is left blocked."""
        for seq, (bound, failure) in list(self._waiting.items()):
            with suppress(Exception):  # a trader that was stopped, or never started
                self._answer(bound, seq, failure)

    def _ask(self, name: str, seq: int, req: Any = None) -> None:
        if name in _EMPTY:
            self._delivery.put(partial(self._bound[_EMPTY[name]], seq, []))
            return
        call, bound = _CALLS[name]
        params = _params(call, req)
        self._waiting[seq] = (bound, _failure(call, params))
        if self._terminal is not None and self._session is not None:
            answer = partial(self._answer, bound, seq)
            self._terminal.ask(self._session, call, params, answer, seq)

    def _answer(self, bound: str, seq: int, value: Any) -> None:
        if self._waiting.pop(seq, None) is not None:
            self._bound[bound](seq, native(value))

    def _push(self, kind: str, record: Record) -> None:
        self._bound[_PUSHES[kind]](native(record))

    def _gone(self) -> None:
        self._bound["bindOnDisconnectedCallback"]()


def _params(call: str, req: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"account": req.m_strAccountID}
    if call == "order":
        params.update(
            stock_code=req.m_strStockCode,
            order_type=req.m_nOrderType,
            order_volume=req.m_nOrderVolume,
            price_type=req.m_nPriceType,
            price=req.m_dPrice,
            strategy_name=req.m_strStrategyName,
            order_remark=req.m_strOrderRemark,
        )
    elif call == "cancel":
        params.update(order_id=req.m_nOrderID, order_sysid=req.m_strOrderSysID)
    elif call == "orders":
        params.update(order_id=req.m_nOrderID, cancelable_only=req.m_bCanCancel)
    elif call == "positions":
        params.update(stock_code=req.m_strStockCode)
    return params


def _failure(call: str, params: dict[str, Any]) -> Any:
    """What a caller that must not block any longer gets."""
    words, name = "the simulated terminal is gone", params["account"]
    if call == "order":
        return XtOrderResponse(account_id=name, order_id=-1, error_msg=words)
    if call == "cancel":
        return XtCancelOrderResponse(account_id=name, cancel_result=-1, error_msg=words)
    return -1 if call in ("subscribe", "unsubscribe") else []


def client_module(terminals: Terminals) -> ModuleType:
    """The stand-in, with the terminals it can reach."""
    module = ModuleType("xtquant.xtpythonclient", __doc__)
    client = type("XtQuantAsyncClient", (AsyncClient,), {"terminals": terminals})
    classes: dict[str, type] = {"XtQuantAsyncClient": client}
    classes.update({name: _request_class(name, fields) for name, fields in _REQUESTS.items()})
    classes.update({kind.__name__: _native_class(kind) for kind in Record.__subclasses__()})
    module.__dict__.update(classes, __getattr__=_other_request)
    return module


def _other_request(name: str) -> type:
    """Requests that are taken as they come: this terminal has nothing to say to them."""
    if name.endswith("Req") or name == "TransferParam":
        return type(name, (), {})
    raise AttributeError(name)
