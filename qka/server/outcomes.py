"""What became of each order that came with a key: written down before the terminal hears of it.

A key is one order for ever, whoever asks and however often. Its row goes from `pending` to
`executed`, `refused` or `not_executed`; a row of which nobody knows is `unknown` and is looked up
in the account's orders, never sent again.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from qka.brokers.records import REMARK_BYTES
from qka.server.failure import Failure, refused
from qka.server.store import Store

State = Literal["pending", "executed", "refused", "not_executed", "unknown"]
_LONGEST_KEY = 128
NEVER_CAME = b""  # the fingerprint of an order that was recalled before it came


class Fate(msgspec.Struct, frozen=True):
    """What became of a call that is done once."""

    method: str
    state: State = "pending"
    order_id: int | None = None
    code: str = ""  # of the failure
    detail: str = ""
    data: bytes | None = None  # JSON of the answer

    @property
    def settled(self) -> bool:
        """Nothing more will become of it."""
        return self.state not in ("pending", "unknown")

    def answer(self) -> bytes:
        """The answer's data as JSON; raises the Failure it ended in."""
        if self.state == "executed":
            return self.data or b"null"
        if self.data is not None and self.method.endswith("_async"):
            return self.data  # its seq, which says only that it was taken on
        if self.state == "refused":
            raise refused(self.detail)
        if self.state == "not_executed":
            raise Failure(self.code or "unavailable", self.detail)
        raise unknown(self.method, self.detail)


class Row(Fate, frozen=True, kw_only=True):
    """What is known of the order under a key."""

    key: str
    fingerprint: bytes
    params: bytes  # JSON
    remark: str  # what the terminal's order carries
    owner: str  # who sent it: token and client
    begun: int  # ns

    def became(self, fate: Fate) -> "Row":
        """The row with its fate."""
        return msgspec.structs.replace(
            self,
            state=fate.state,
            order_id=fate.order_id,
            code=fate.code,
            detail=fate.detail,
            data=self.data or fate.data,
        )

    def told(self) -> bytes:
        """As a client that asks for the outcome sees it, JSON."""
        return _encoder.encode(
            {
                "key": self.key,
                "method": self.method,
                "state": self.state,
                "order_id": self.order_id,
                "remark": self.remark,
                "detail": self.detail,
            }
        )


def recalled(key: str, owner: str, now: int, why: str) -> Row:
    """The row of an order that is never to be placed, should it come; `now` in ns."""
    return Row(
        method="order_stock",
        state="not_executed",
        code="recalled",
        detail=why,
        key=key,
        fingerprint=NEVER_CAME,
        params=b"{}",
        remark=remark_for(key),
        owner=owner,
        begun=now,
    )


def unknown(method: str, why: str) -> Failure:
    """Nobody knows whether it was executed."""
    return Failure(
        "unknown",
        f"{method}: {why or 'no answer from the terminal'}. It may have been executed: ask for the "
        "outcome under its key, or look at the account's orders, before sending anything again",
        "unknown",
    )


def check_key(key: str) -> None:
    """Raises Failure for what is no key."""
    if not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise Failure("invalid", f"a key is 1 to {_LONGEST_KEY} printable characters")


def check_remark(remark: str) -> None:
    """Raises Failure for a remark by which an order could not be found again."""
    if len(remark.encode()) > REMARK_BYTES:
        raise Failure(
            "invalid",
            f"order_remark: an order with a key is found again by its remark, and the terminal "
            f"keeps only {REMARK_BYTES} bytes of it: nothing was sent",
        )


def remark_for(key: str) -> str:
    """The remark of an order that came with a key and without a remark."""
    if len(key.encode()) <= REMARK_BYTES:
        return key
    return "k" + blake2b(key.encode(), digest_size=11).hexdigest()


def fingerprint(method: str, params: bytes) -> bytes:
    """What makes two calls the same call. `params`: JSON."""
    return blake2b(b"%b %b" % (method.encode(), params), digest_size=16).digest()


_encoder = msgspec.json.Encoder()
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Row))
_COLUMNS = ", ".join(_FIELDS)
_MARKS = ", ".join("?" * len(_FIELDS))


class Outcomes:
    """The rows, on disk. `keep`: nanoseconds that a settled one is remembered."""

    def __init__(self, store: Store, now: Callable[[], int], *, keep: int) -> None:
        self._store = store
        self._now = now
        self._keep = keep

    async def begin(self, row: Row) -> Row | None:
        """Write the row down, unless its key is taken: then the row that is there. Raises OSError.

        None means that the row is on the disk and the order may go out.
        """
        return await self._store.do(partial(_begin, row))

    async def recall(self, rows: Sequence[Row], *, unseen: bool) -> list[str]:
        """The keys of which it is certain that they were recalled; raises OSError.

        A key that nobody has seen is one of them with `unseen`: its row is written down.
        """
        return await self._store.do(partial(_recall, rows, unseen))

    def settle(self, row: Row) -> None:
        """Write down what became of it. Until that is on the disk the row counts as unknown."""
        self._store.post(partial(_settle, row), hurry=False)

    async def get(self, key: str) -> Row | None:
        """The row of a key; raises OSError."""
        return await self._store.do(partial(_get, key))

    async def unsettled(self) -> list[Row]:
        """Rows of which nobody knows what became; raises OSError."""
        return await self._store.do(_unsettled)

    async def remarks_of(self, owner: str, since: int) -> set[str]:
        """The remarks of all that an owner sent since a moment (ns); raises OSError."""
        return await self._store.do(partial(_remarks_of, owner, since))

    async def claimed(self, order_ids: Sequence[int], key: str, since: int) -> set[int]:
        """Those of the order ids that belong to another key begun since a moment (ns)."""
        return await self._store.do(partial(_claimed, order_ids, key, since))

    def prune(self) -> None:
        """Forget what was settled long ago."""
        self._store.post(partial(_prune, self._now() - self._keep))


def _row(values: tuple[Any, ...] | None) -> Row | None:
    return Row(**dict(zip(_FIELDS, values, strict=True))) if values else None


def _begin(row: Row, connection: sqlite3.Connection) -> Row | None:
    cursor = connection.execute(
        f"INSERT OR IGNORE INTO outcomes ({_COLUMNS}) VALUES ({_MARKS})",
        msgspec.structs.astuple(row),
    )
    return None if cursor.rowcount == 1 else _get(row.key, connection)


def _recall(rows: Sequence[Row], unseen: bool, connection: sqlite3.Connection) -> list[str]:
    found = [
        _begin(row, connection) or row if unseen else _get(row.key, connection) for row in rows
    ]
    return [row.key for row in found if row is not None and row.code == "recalled"]


def _settle(row: Row, connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE outcomes SET state = ?, order_id = ?, code = ?, detail = ?, data = ? WHERE key = ?",
        (row.state, row.order_id, row.code, row.detail, row.data, row.key),
    )


def _get(key: str, connection: sqlite3.Connection) -> Row | None:
    return _row(
        connection.execute(f"SELECT {_COLUMNS} FROM outcomes WHERE key = ?", (key,)).fetchone()
    )


def _unsettled(connection: sqlite3.Connection) -> list[Row]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM outcomes WHERE state IN ('pending', 'unknown')"
    )
    return [Row(**dict(zip(_FIELDS, values, strict=True))) for values in rows]


def _remarks_of(owner: str, since: int, connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT remark FROM outcomes WHERE owner = ? AND begun >= ?", (owner, since)
    )
    return {remark for (remark,) in rows}


def _claimed(
    order_ids: Sequence[int], key: str, since: int, connection: sqlite3.Connection
) -> set[int]:
    rows = connection.execute(
        "SELECT order_id FROM outcomes WHERE begun >= ? AND key <> ? AND order_id IS NOT NULL",
        (since, key),
    )
    return {order_id for (order_id,) in rows} & set(order_ids)


def _prune(before: int, connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM outcomes WHERE begun < ? AND state NOT IN ('pending', 'unknown')", (before,)
    )
