"""Who asks, and what a server lets them do."""

import msgspec

from qka.server.leases import Lease
from qka.server.tokens import Token


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets its clients do. A rate of None is no limit."""

    read_only: bool = False
    transfers: bool = False
    orders_per_second: float | None = 300.0  # of the account
    calls_per_second: float | None = 2000.0  # of a token; cancels are never held back
    deadline: float = 30.0  # seconds that a client waits for the terminal at most
    grace: float = 1.0  # seconds that an order's answer may take beyond its deadline
    queries_in_flight: int = 256


class Caller:
    """Who is asking."""

    __slots__ = ("client", "ip", "lease", "token", "via")

    def __init__(self, token: Token, ip: str, via: str, client: str = "") -> None:
        self.token = token
        self.ip = ip
        self.via = via  # http or ws
        self.client = client  # what it calls itself
        self.lease: Lease | None = None

    @property
    def owner(self) -> str:
        """Whose orders these are."""
        return f"{self.token.name}/{self.client}"
