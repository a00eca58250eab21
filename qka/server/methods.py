"""The allow-list: every method a client may call, its scope, its arguments with type and default.

What is not in `METHODS` does not exist. Left out on purpose: the life cycle of the SDK (`start`,
`stop`, `connect`, `subscribe`, `set_timeout` …), whatever takes a callback, a path on the server
or another account's id, and `query_com_position`, which never returns.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from qka.server.failure import Failure

Scope = Literal["read", "trade", "transfer", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "trade", "transfer", "admin")
Kind = Literal["query", "order", "cancel", "recall", "transfer", "local"]

Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
OrderId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Volume = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Price = Annotated[float, Meta(ge=0, le=1e9)]
Amount = Annotated[float, Meta(gt=0, le=1e12)]
# of an argument of its own the pattern is only told, as it takes longer than all the rest: `read`
# looks at what is in it
Code = Annotated[
    str, Meta(min_length=1, max_length=32, extra_json_schema={"pattern": r"^[\w.\-]+$"})
]
Text = Annotated[str, Meta(max_length=256)]  # printable
_Code = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[\w.\-]+\Z")]  # in lists
Codes = Annotated[list[_Code], Meta(min_length=1, max_length=6000)]
Keys = Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=100)]
Period = Literal["1m", "5m", "15m", "30m", "60m", "1h", "1d"]
Day = Annotated[str, Meta(pattern=r"^(\d{8})?\Z")]
Count = Annotated[int, Meta(ge=1, le=10_000)]

_REQUIRED: Any = object()


@lru_cache(maxsize=8192)
def _is_code(text: str) -> bool:
    return re.fullmatch(r"[\w.\-]+", text) is not None


# what has to be true of a text, and what it is when it is not
_CHECKS: tuple[tuple[Any, Callable[[str], bool], str], ...] = (
    (Code, _is_code, "a code has letters, digits, _, . and -"),
    (Text, str.isprintable, "it has characters that can't be printed"),
)


class Method:
    """One callable method: who may call it, and what it takes."""

    def __init__(self, name: str, scope: Scope, kind: Kind, arguments: Iterable[Any]) -> None:
        self.name = name
        self.scope = scope
        self.kind = kind
        self.background = name.endswith("_async")  # answers with a seq before it is done
        fields = list(arguments)
        self.names = tuple(field[0] for field in fields)
        self.secret = any(name.endswith("pwd") for name in self.names)
        self._checks = [
            (name, good, words)
            for name, kind, _ in fields
            for checked, good, words in _CHECKS
            if kind is checked
        ]
        self.params: type[msgspec.Struct] = msgspec.defstruct(
            name,
            [field[:2] if field[2] is _REQUIRED else field for field in fields],
            kw_only=True,
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(self.params, strict=False).decode

    def read(self, body: bytes | msgspec.Raw, account_id: str) -> msgspec.Struct:
        """The arguments in a JSON object, defaults filled in; raises Failure naming what is wrong.

        Texts of digits are numbers where a number is wanted, as SDK users write order ids.
        """
        try:
            params = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            params = self._read_again(body, account_id)
        for name, good, words in self._checks:
            if not good(getattr(params, name)):
                raise Failure("invalid", f"{self.name}: {name}: {words}")
        return params

    def _read_again(self, body: bytes | msgspec.Raw, account_id: str) -> msgspec.Struct:
        """The arguments, if all that was wrong is that they name our own account."""
        try:
            given = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            given = None
        if not isinstance(given, dict):
            words = "the body is no JSON object of arguments, like {}"
            raise Failure("invalid", f"{self.name}: {words}")
        for name in ("account", "account_id"):
            named = given.pop(name, None)
            if named is not None and _id_in(named) != account_id:
                raise Failure(
                    "other_account",
                    f"{self.name}: this server serves another account than the one you name: "
                    "leave `account` out, or ask that account's own server",
                )
        try:
            params: msgspec.Struct = msgspec.convert(given, self.params, strict=False)
            return params
        except (msgspec.ValidationError, RecursionError):
            raise Failure("invalid", self._explained(given)) from None

    def public(self, params: msgspec.Struct) -> dict[str, Any]:
        """The arguments that may be written down: no passwords."""
        return {name: getattr(params, name) for name in self.names if not name.endswith("pwd")}

    def _explained(self, given: dict[str, Any]) -> str:
        """Everything that is wrong with the arguments, by name."""
        problems: list[str] = []
        fields = {field.name: field for field in msgspec.structs.fields(self.params)}
        for name, value in list(given.items())[:64]:
            field = fields.get(name)
            if field is None:
                takes = f"it takes {', '.join(self.names)}" if self.names else "it takes none"
                problems.append(f"{name[:64]!r} is no argument of it ({takes})")
                continue
            try:
                msgspec.convert(value, field.type, strict=False)
            except msgspec.ValidationError as error:
                problems.append(f"{name}: {error}")
            except RecursionError:
                problems.append(f"{name}: nested too deeply")
        problems += [
            f"{name} is missing"
            for name, field in fields.items()
            if field.required and name not in given
        ]
        return f"{self.name}: {'; '.join(problems) or 'the arguments are not understood'}"


def _id_in(account: Any) -> str:
    if isinstance(account, dict):
        account = account.get("account_id")
    return str(account)


def _arguments(*fields: tuple[Any, ...]) -> list[tuple[str, Any, Any]]:
    return [(f[0], f[1], f[2] if len(f) > 2 else _REQUIRED) for f in fields]


_ORDER = _arguments(
    ("stock_code", Code),
    ("order_type", Int),
    ("order_volume", Volume),
    ("price_type", Int),
    ("price", Price),
    ("strategy_name", Text, ""),
    ("order_remark", Text, ""),
)
_CANCEL = _arguments(("order_id", OrderId))
_CANCEL_SYSID = _arguments(("market", Int | _Code), ("sysid", Text))
_BANK = _arguments(
    ("bank_no", Text),
    ("bank_account", Text),
    ("balance", Amount),
    ("bank_pwd", Text, ""),
    ("fund_pwd", Text, ""),
)


def _table() -> Iterable[Method]:
    for name in ("order_stock", "order_stock_async"):
        yield Method(name, "trade", "order", _ORDER)
    for name in ("cancel_order_stock", "cancel_order_stock_async"):
        yield Method(name, "trade", "cancel", _CANCEL)
    for name in ("cancel_order_stock_sysid", "cancel_order_stock_sysid_async"):
        yield Method(name, "trade", "cancel", _CANCEL_SYSID)

    yield Method(
        "recall",
        "trade",
        "recall",
        _arguments(
            ("keys", Keys | None, None),
            ("epoch", Text, ""),
            ("why", Text, ""),
        ),
    )

    def query(name: str, *fields: tuple[Any, ...], scope: Scope = "read") -> Method:
        return Method(name, scope, "query", _arguments(*fields))

    yield query("query_stock_asset")
    yield query("query_stock_orders", ("cancelable_only", bool, False))
    yield query("query_stock_order", ("order_id", OrderId))
    yield query("query_stock_trades")
    yield query("query_stock_positions")
    yield query("query_stock_position", ("stock_code", Code))
    for name in (
        "query_account_infos",
        "query_account_info",
        "query_account_status",
        "query_new_purchase_limit",
        "query_ipo_data",
        "query_credit_detail",
        "query_stk_compacts",
        "query_credit_subjects",
        "query_credit_slo_code",
        "query_credit_assure",
        "query_com_fund",
        "query_position_statistics",
        "query_secu_account",
        "query_smart_algo_task",
        "smt_query_quoter",
        "smt_query_order",
        "smt_query_compact",
    ):
        yield query(name)
    # market data, of xtdata
    yield query("get_full_tick", ("code_list", Codes))
    yield query("get_instrument_detail", ("stock_code", Code), ("iscomplete", bool, False))
    yield query(
        "get_market_data",
        ("symbol", Code),
        ("period", Period, "1d"),
        ("count", Count, 250),
        ("end", int | None, None),
    )
    yield query(
        "get_divid_factors", ("stock_code", Code), ("start_time", Day, ""), ("end_time", Day, "")
    )
    # money and shares between accounts: off unless the server was told otherwise
    yield Method(
        "fund_transfer",
        "transfer",
        "transfer",
        _arguments(("transfer_direction", Int), ("price", Amount)),
    )
    yield Method(
        "secu_transfer",
        "transfer",
        "transfer",
        _arguments(
            ("transfer_direction", Int),
            ("stock_code", Code),
            ("volume", Volume),
            ("transfer_type", Int),
        ),
    )
    yield Method("bank_transfer_in", "transfer", "transfer", _BANK)
    yield Method("bank_transfer_out", "transfer", "transfer", _BANK)
    yield query("query_bank_info", scope="transfer")
    yield query(
        "query_bank_amount",
        ("bank_no", Text),
        ("bank_account", Text),
        ("bank_pwd", Text),
        scope="transfer",
    )
    yield query(
        "query_bank_transfer_stream",
        ("start_date", Text),
        ("end_date", Text),
        ("bank_no", Text, ""),
        ("bank_account", Text, ""),
        scope="transfer",
    )
    # answered by the server itself
    yield Method("outcome", "read", "local", _arguments(("key", Text)))
    yield Method("release_lease", "admin", "local", _arguments(("owner", Text)))


METHODS: dict[str, Method] = {method.name: method for method in _table()}
