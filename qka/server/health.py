"""How the server is, part by part: process, terminal, account, data. Nothing secret in it."""

import asyncio
from typing import Any

import msgspec

from qka import __version__
from qka.brokers.words import ACCOUNT_STATUS_OK, account_status
from qka.server.audit import Audit
from qka.server.service import Service
from qka.server.store import Store

_FRESH = 15.0  # seconds that quotes may be silent before they count as stale


class Health:
    """Reports how one server is. To strangers only in words of its own."""

    def __init__(self, service: Service, store: Store, audit: Audit) -> None:
        self._service = service
        self._store = store
        self._audit = audit
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    def report(self, *, in_full: bool) -> bytes:
        """All parts, as JSON; `in_full` with reasons that name files of this machine."""
        parts = {
            "process": self._process(in_full),
            "terminal": self._terminal(in_full),
            "account": self._account(),
            "data": self._data(),
        }
        bad = [name for name in ("process", "terminal", "account") if parts[name]["state"] != "ok"]
        return msgspec.json.encode({"status": "degraded" if bad else "ok", **parts})

    def _process(self, in_full: bool) -> dict[str, Any]:
        troubles = {"outcomes and events": self._store.failing, "audit": self._audit.failing}
        reasons = [
            f"the {what} can't be written" + (f": {why}" if in_full else "")
            for what, why in troubles.items()
            if why
        ]
        if self._service.stopping:
            reasons.append("the server is stopping")
        return {
            "state": "failing" if reasons else "ok",
            "reason": "; ".join(reasons),
            "seconds": round(self._loop.time() - self._began, 1),
            "version": __version__,
            "simulated": self._service.backend.simulated,
        }

    def _terminal(self, in_full: bool) -> dict[str, Any]:
        status = self._service.backend.status
        words = {
            "connecting": "connecting to the terminal",
            "cooldown": "the terminal can't be reached; another try follows",
            "closed": "the link to the terminal is closed",
        }
        reason = status.reason if in_full and status.reason else words.get(status.state, "")
        return {
            "state": "ok" if status.ready else status.state,
            "reason": reason,
            "seconds": round(self._loop.time() - status.since, 1),
            "retry_after": round(status.retry_after, 1),
        }

    def _account(self) -> dict[str, Any]:
        code = self._service.account_status
        if not self._service.backend.status.ready or code is None:
            return {"state": "unknown", "reason": "the terminal can't be asked"}
        if code == ACCOUNT_STATUS_OK:
            return {"state": "ok", "reason": ""}
        return {"state": "down", "reason": account_status(code)}

    def _data(self) -> dict[str, Any]:
        quotes = self._service.quotes
        if not quotes.users:
            return {"state": "idle", "reason": "nobody subscribed to quotes", "subscribed": 0}
        age = None if quotes.last is None else round(self._loop.time() - quotes.last, 1)
        fresh = age is not None and age <= _FRESH
        return {
            "state": "ok" if fresh else "stale",
            "reason": "" if fresh else "no quotes are coming; out of trading hours that is normal",
            "subscribed": quotes.users,
            "age": age,
        }
