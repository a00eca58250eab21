"""Which engines are alive: a lease runs out when its engine has been silent for too long.

Leases are on disk, so that an engine which dies while the server restarts is missed all the same.
"""

import sqlite3
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Literal

from qka.server.store import Store

OnSilence = Literal["leave", "cancel"]


class Lease:
    """One engine's lease."""

    __slots__ = ("_placed", "lost", "on_silence", "owner", "seconds", "until")

    def __init__(self, owner: str, seconds: float, on_silence: OnSilence) -> None:
        self.owner = owner  # token and client
        self.seconds = seconds
        self.on_silence: OnSilence = on_silence
        self.until = 0.0
        self.lost = False
        # day -> numbers of its orders without a key: of one day alone, on the next they come again
        self._placed: dict[date, set[int]] = {}

    def note(self, order_id: int, day: date) -> None:
        """An order without a key was placed under it."""
        if day not in self._placed:
            self._placed.clear()
        self._placed.setdefault(day, set()).add(order_id)

    def placed(self, order_id: int, day: date) -> bool:
        """Whether the order of that number of a day is one of those."""
        return order_id in self._placed.get(day, ())

    def succeed(self, old: "Lease") -> None:
        """Share what was placed under an earlier one, and what is under way under it yet."""
        self._placed = old._placed


class Leases:
    """All leases. `now`: seconds, only ever forward; `lapsed` hears of each that runs out."""

    def __init__(
        self, store: Store, now: Callable[[], float], lapsed: Callable[[Lease], None]
    ) -> None:
        self._store = store
        self._now = now
        self._lapsed = lapsed
        self._leases: dict[str, Lease] = {}  # owner -> lease

    async def open(self) -> None:
        """Take up the leases of the last run: each engine has its full time to come back."""
        for owner, seconds, on_silence in await self._store.do(_all):
            lease = self._leases[owner] = Lease(owner, seconds, on_silence)
            lease.until = self._now() + seconds

    def take(self, owner: str, seconds: float, on_silence: OnSilence) -> Lease:
        """A fresh lease for an owner. An earlier one is void: its holder may order no more."""
        old = self._leases.get(owner)
        if old is not None:
            old.lost = True
        lease = self._leases[owner] = Lease(owner, seconds, on_silence)
        if old is not None:
            lease.succeed(old)
        self.renew(lease)
        self._store.post(partial(_keep, lease.owner, seconds, on_silence))
        return lease

    def renew(self, lease: Lease) -> None:
        """Its engine was heard of."""
        lease.until = self._now() + lease.seconds

    def release(self, owner: str) -> bool:
        """Its engine said goodbye: nothing happens to its orders. False when there is none."""
        lease = self._leases.pop(owner, None)
        if lease is None:
            return False
        self.forget(lease)
        return True

    def forget(self, lease: Lease) -> None:
        """What was to be done about it is done; one that its engine took since is kept."""
        if self._leases.get(lease.owner) in (None, lease):
            self._store.post(partial(_drop, lease.owner))

    def current(self, owner: str) -> Lease | None:
        """The lease of an owner, lost or not."""
        return self._leases.get(owner)

    def silent(self, token: str) -> bool:
        """Whether that token's engines had leases and all of them ran out."""
        leases = [x for x in self._leases.values() if x.owner.partition("/")[0] == token]
        return bool(leases) and all(lease.lost for lease in leases)

    def check(self) -> None:
        """Find those that ran out; call it every second or so."""
        now = self._now()
        for lease in list(self._leases.values()):
            if not lease.lost and now >= lease.until:
                lease.lost = True
                self._lapsed(lease)


def _all(connection: sqlite3.Connection) -> list[tuple[str, float, OnSilence]]:
    return connection.execute("SELECT owner, seconds, on_silence FROM leases").fetchall()


def _keep(
    owner: str, seconds: float, on_silence: OnSilence, connection: sqlite3.Connection
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (owner, seconds, on_silence)
    )


def _drop(owner: str, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM leases WHERE owner = ?", (owner,))
