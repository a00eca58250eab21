"""Real money is traded only when someone says so twice: in the file, and where it is started.

QKA_LIVE counts in the environment alone: in a `.env` it would lie there for every start to come.
"""

import os

from qka.errors import ConfigError
from qka.settings.sections import Settings


def trades_real_money(settings: Settings) -> bool:
    """Whether its broker is no simulated one."""
    broker = settings.broker
    return not (broker.kind == "paper" or (broker.kind == "remote" and broker.simulated))


def require_live(settings: Settings, live: bool) -> None:
    """Raise `ConfigError` when the broker is live and neither `live` nor QKA_LIVE=1 says so."""
    if not trades_real_money(settings) or live or os.environ.get("QKA_LIVE") == "1":
        return
    raise ConfigError(
        f"broker.kind: {settings.broker.kind} trades real money; add --live or set QKA_LIVE=1"
        " in the environment (not in .env) if that is meant, or use kind: paper"
    )
