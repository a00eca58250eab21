"""The link to a MiniQMT terminal, supervised."""

import msgspec


class LinkStatus(msgspec.Struct, frozen=True):
    """How the link to a terminal stands."""

    state: str = "connecting"  # connecting, ready, cooldown or closed
    reason: str = ""  # why it is not ready, in words
    retry_after: float = 0.0  # seconds until it may be worth asking again
    session: int = 0  # the session id in use
    since: float = 0.0  # when the state began, in the loop's own seconds
    account_status: int = 0  # xt's code, 0 is ok (words.account_status)

    @property
    def ready(self) -> bool:
        """Requests reach the terminal."""
        return self.state == "ready"
