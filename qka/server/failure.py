"""What a call that failed is told: a sentence, one word for programs, and what was executed."""

from typing import Any, Literal

import msgspec

from qka.brokers.link import LinkStatus

Outcome = Literal["executed", "not_executed", "unknown"]

# one word -> the HTTP status that goes with it
STATUSES: dict[str, int] = {
    "refused": 200,  # the broker said no: the call itself went well
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "never_seen": 404,
    "method": 405,
    "slow": 408,
    "other_account": 409,
    "lease_lost": 409,
    "key_reused": 409,
    "recalled": 409,
    "too_large": 413,
    "invalid": 422,
    "denied": 422,
    "locked_out": 429,
    "rate": 429,
    "failed": 500,
    "unavailable": 503,
    "deadline": 504,
    "unknown": 504,
}

_CONNECTS_IN = 0.1  # seconds: a terminal that is there is reached that soon


class Failure(Exception):
    """A call did not succeed. `outcome` is what is known of what it asked for."""

    def __init__(
        self,
        code: str,
        detail: str,
        outcome: Outcome = "not_executed",
        *,
        retry_after: float | None = None,
        data: Any = msgspec.UNSET,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.outcome: Outcome = outcome
        self.retry_after = retry_after  # seconds after which it may be worth asking again
        self.data = data

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.code]

    def body(self) -> bytes:
        """As a JSON object."""
        return _encoder.encode(self._told({}))

    def frame(self, op: str, call: int | None = None) -> bytes:
        """As a frame of the WebSocket, naming the call it answers."""
        return _encoder.encode(self._told({"op": op} if call is None else {"op": op, "id": call}))

    def _told(self, head: dict[str, Any]) -> dict[str, Any]:
        told = {
            **head,
            "success": False,
            "detail": self.detail,
            "code": self.code,
            "outcome": self.outcome,
        }
        if self.retry_after is not None:
            told["retry_after"] = round(self.retry_after, 3)
        if self.data is not msgspec.UNSET:
            told["data"] = self.data
        return told


def refused(detail: str) -> Failure:
    """The broker's no, in its own words."""
    words = detail or "the broker refused it and gave no reason"
    return Failure("refused", words, "not_executed", data=-1)


def too_many(what: str, wait: float) -> Failure:
    """Beyond a rate; `wait`: seconds until there is room."""
    return Failure("rate", f"too many {what}: not sent", retry_after=wait)


def unavailable(status: LinkStatus, name: str, why: str = "") -> Failure:
    """The terminal can't be asked."""
    reason = why or status.reason or f"the link to the terminal is {status.state}"
    soon = _CONNECTS_IN if status.state == "connecting" else 1.0
    return Failure("unavailable", f"{name}: {reason}", retry_after=status.retry_after or soon)


_encoder = msgspec.json.Encoder()
