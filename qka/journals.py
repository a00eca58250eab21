"""Which journal an account has: its own, or the run's where the same run can be had again."""

import re
import tempfile
from pathlib import Path

from qka import settings
from qka.clock import Clock, WallClock
from qka.errors import ConfigError
from qka.journal.folder import OWN
from qka.journal.store import SqliteJournal
from qka.settings import Settings

# one for all projects of a user: an account has one engine, whatever journal it is given
ACCOUNT_LOCKS = Path(tempfile.gettempdir()) / "qka-accounts"
DEFAULT = Path("journals")


def journal_of_run(chosen: Settings, clock: Clock, folder: Path) -> SqliteJournal:
    """The journal that a run over that clock, kept in that folder, writes; not yet open."""
    if not isinstance(clock, WallClock):
        # nothing waits for the disk: the run can be had again
        return SqliteJournal(
            folder / OWN, chosen.account.id, _kind(chosen), now=clock.now, durable=False
        )
    path = account_path(chosen)
    if path is None:
        return SqliteJournal(folder / OWN, chosen.account.id, _kind(chosen), now=clock.now)
    return _account_journal(chosen, path, clock)


def journal_of_account(chosen: Settings, clock: Clock) -> SqliteJournal:
    """The journal of a config's account, not yet open.

    Raises ConfigError where the account is made up anew for each run.
    """
    path = account_path(chosen)
    if path is None:
        raise ConfigError(
            "this config makes its account up anew for each run, in the run's own folder: there "
            "is no journal that outlives one (journal.dir names one where time is the world's)"
        )
    if not path.exists():
        raise ConfigError(f"{path}: no engine has run on account {chosen.account.id} here yet")
    return _account_journal(chosen, path, clock)


def account_path(chosen: Settings) -> Path | None:
    """Where the account's own journal is; None where a run's is kept in its folder."""
    if isinstance(chosen.feed, settings.SimulatedFeed | settings.ReplayFeed):
        return None
    given, broker = chosen.journal.dir, chosen.broker
    if given is None and isinstance(broker, settings.RemoteBroker) and broker.simulated:
        return None
    name = re.sub(r"[^\w.-]", "_", f"{_kind(chosen)}-{chosen.account.id}")
    return (given or DEFAULT) / f"{name}.db"


def _account_journal(chosen: Settings, path: Path, clock: Clock) -> SqliteJournal:
    broker = chosen.broker
    made_up = isinstance(broker, settings.PaperBroker) or (
        isinstance(broker, settings.RemoteBroker) and broker.simulated
    )
    return SqliteJournal(
        path,
        chosen.account.id,
        _kind(chosen),
        now=clock.now,
        account_locks=None if made_up else ACCOUNT_LOCKS,
    )


def _kind(chosen: Settings) -> str:
    broker = chosen.broker
    return broker.account_type if isinstance(broker, settings.XtquantBroker) else "STOCK"
