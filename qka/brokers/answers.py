"""What a client's `api` returns: plain data that reads well.

A record answers by xtquant's attribute names (its native ones too) and by the Chinese ones, as an
item or as an attribute: `assets['总资产']`, `assets['total_asset']`, `assets.total_asset`. What an
order returns is its number, as the SDK has it, and says more when asked: `result.get('success')`.
"""

from collections.abc import Callable, Iterable, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from qka.brokers.records import NATIVE_NAMES
from qka.brokers.words import (
    ACCOUNT_STATUS_WORDS,
    ACCOUNT_TYPES,
    FIELD_NAMES,
    FIELDS_OF,
    SIDE_WORDS,
    moment_of,
    status_words,
)
from qka.model.times import show

if TYPE_CHECKING:
    import pandas as pd

# field of a code -> what QMT calls it
_WORDS: dict[str, Callable[[int], str]] = {
    "order_status": status_words,
    "order_type": lambda code: SIDE_WORDS.get(code, str(code)),
    "status": lambda code: ACCOUNT_STATUS_WORDS.get(code, str(code)),
    "account_type": lambda code: ACCOUNT_TYPES.get(code, str(code)),
}
# any other name -> the fields it may mean; a record has at most one of them
_NAMES: dict[str, tuple[str, ...]] = {
    **{native: tuple(f for f, n in NATIVE_NAMES.items() if n == native)
       for native in NATIVE_NAMES.values()},
    **FIELDS_OF,
}  # fmt: skip
_TIMES = frozenset({"order_time", "traded_time"})
_DULL = frozenset({"account_type", "account_id", "direction", "offset_flag", "secu_account"})


class Code(int):
    """A code that prints as QMT's word for it: `order['委托状态']` is 50 and shows 已报."""

    word: str

    def __new__(cls, code: int, word: str) -> "Code":
        """The code with its word."""
        self = super().__new__(cls, code)
        self.word = word
        return self

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # what makes it again
        return int(self), self.word

    def __str__(self) -> str:
        return self.word

    def __repr__(self) -> str:
        return int.__repr__(self)


class Row(dict[str, Any]):
    """A record by its fields' names, xtquant's and the Chinese ones; an absent one is empty."""

    def __missing__(self, name: str) -> Any:
        for field in _NAMES.get(name, ()):
            if field in self.keys():
                value = self[field]
                word = _WORDS.get(field) if name in FIELDS_OF else None
                return Code(value, word(value)) if word and isinstance(value, int) else value
        raise KeyError(f"{name}: there is {', '.join(self)}" if self else f"{name}: none found")

    def __contains__(self, name: object) -> bool:
        known = self.keys()
        return name in known or any(field in known for field in _NAMES.get(str(name), ()))

    def get(self, name: str, default: Any = None) -> Any:
        """The value by either name, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __str__(self) -> str:
        if not self:
            return "{}"
        plain = {key: value for key, value in self.items() if not isinstance(value, Row)}
        lines = _table([(k, FIELD_NAMES.get(k, ""), _shown(k, v)) for k, v in plain.items()])
        parts = [f"{key}\n{indent(str(self[key]), '  ')}" for key in self if key not in plain]
        return "\n".join([*([lines] if plain else []), *parts])

    def to_frame(self, *, chinese: bool = False) -> "pd.DataFrame":
        """A data frame of one line, or of one a symbol where the values are records themselves."""
        if self and all(isinstance(value, dict) for value in self.values()):
            return _frame(list(self.values()), chinese, list(self))
        return _frame([self] if self else [], chinese)


class Rows(list[Any]):
    """Records, one after the other; empty when there are none."""

    def __str__(self) -> str:
        if not self or not all(isinstance(row, dict) for row in self):
            return repr(self)
        fields = [
            field
            for field in dict.fromkeys(field for row in self for field in row)
            if field not in _DULL and any(row.get(field) not in ("", None) for row in self)
        ]
        head = [FIELD_NAMES.get(field, field) for field in fields]
        return _table([head, *([_shown(f, row.get(f)) for f in fields] for row in self)])

    def to_frame(self, *, chinese: bool = False) -> "pd.DataFrame":
        """A data frame, one line a record; columns by xtquant's names, or the Chinese ones."""
        return _frame(self, chinese)


class _Result(int):
    """A number of the SDK's that also says whether the call succeeded, and why not."""

    _number = ""  # what the number is called

    detail: str

    def __new__(cls, value: int, detail: str = "") -> "_Result":
        self = super().__new__(cls, value)
        self.detail = detail
        return self

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # what makes it again
        return int(self), self.detail

    @property
    def success(self) -> bool:
        """Whether the broker took it."""
        raise NotImplementedError

    def get(self, name: str, default: Any = None) -> Any:
        """`success`, `detail` (the broker's words) or the number, by its name."""
        try:
            return self[name]
        except KeyError:
            return default

    def __getitem__(self, name: str) -> Any:
        values = {"success": self.success, "detail": self.detail, self._number: int(self)}
        for field in (name, *FIELDS_OF.get(name, ())):
            if field in values:
                return values[field]
        raise KeyError(f"{name}: there is {', '.join(values)}")

    def __str__(self) -> str:
        return int.__repr__(self)

    def __repr__(self) -> str:
        why = f", {self.detail!r}" if self.detail else ""
        return f"{type(self).__name__}({int(self)}{why})"


class OrderResult(_Result):
    """The answer to an order: its `order_id`, -1 when the broker refused it."""

    _number = "order_id"

    @property
    def success(self) -> bool:
        """Whether the broker took the order."""
        return self > 0

    @property
    def order_id(self) -> int:
        """The broker's number of the order, -1 for a refused one."""
        return int(self)


class CancelResult(_Result):
    """The answer to a cancel: 0 when it was sent on (not: done), -1 when it was refused."""

    _number = "cancel_result"

    @property
    def success(self) -> bool:
        """Whether the broker took the cancel; the order can still fill until it is confirmed."""
        return self == 0


_NO_REASON = "the broker refused it and gave no reason"
ORDERS = frozenset({"order_stock"})
CANCELS = frozenset({"cancel_order_stock", "cancel_order_stock_sysid"})


def answer(method: str, data: Any, detail: str = "") -> Any:
    """What a method's `data` is to a script."""
    if isinstance(data, int) and not isinstance(data, bool):
        kind = OrderResult if method in ORDERS else CancelResult if method in CANCELS else None
        if kind is not None:
            result = kind(data, detail)
            return result if result.success or detail else kind(data, _NO_REASON)
    if data is None and method.startswith("query_"):
        # the SDK's None is "none found": nothing to go through, and nothing to look up in
        return Rows() if method.endswith("s") else Row()
    return _wrapped(data)


def _wrapped(data: Any) -> Any:
    if isinstance(data, dict):
        return Row((key, _wrapped(value)) for key, value in data.items())
    if isinstance(data, list):
        if any(isinstance(item, dict | list) for item in data) or not data:
            return Rows(map(_wrapped, data))
        return data
    return data


# ------------------------------------------------------------------ print


def _shown(field: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        if field in _TIMES and moment_of(value):
            return show(moment_of(value))
        word = _WORDS.get(field)
        return word(value) if word else str(value)
    return "" if value is None else str(value)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _table(cells: Iterable[Sequence[str]]) -> str:
    rows = list(cells)
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell + " " * (wide - _width(cell)) for cell, wide in zip(row, widths, strict=True)
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _frame(
    rows: Sequence[dict[str, Any]], chinese: bool, index: Sequence[str] | None = None
) -> "pd.DataFrame":
    import pandas as pd  # late: a script that never asks for a frame does not wait for it

    frame = pd.DataFrame([dict(row) for row in rows])
    if index is not None:
        frame.index = pd.Index(index)
    return frame.rename(columns=FIELD_NAMES) if chinese else frame
