"""What a human decides for an account whose engine is not running, written into its journal.

Each of these takes the journal's lock, so it is refused while an engine runs on it; the next start
finds it. Who and why are written down with it.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from qka.clock import WallClock
from qka.engine import resolving
from qka.engine.breaker import KEY, STREAK
from qka.engine.comparison import table
from qka.engine.ledger import Ledger
from qka.engine.reconciler import Settled
from qka.engine.recovery import Past, Standing
from qka.engine.tally import Tally
from qka.errors import ConfigError
from qka.journal.port import Note
from qka.journal.store import SqliteJournal
from qka.journals import journal_of_account
from qka.model.events import Fill, OperatorCommand, TradingState
from qka.model.order import Order, OrderStatus
from qka.risk.gate import Gate
from qka.settings import Settings


def accept(chosen: Settings, fingerprint: str, who: str, why: str) -> str:
    """Take over the broker's books as the last comparison found them; returns their table.

    Raises ConfigError when the last comparison found something else, or nothing.
    """
    with _opened(chosen) as journal:
        found = _compared(journal)
        if found is None or found.clean or found.accepted:
            raise ConfigError("the last comparison left nothing to accept: nothing was changed")
        if Past(journal).accepted() == fingerprint:
            raise ConfigError(f"{fingerprint} is accepted already, for the next start")
        if found.fingerprint != fingerprint:
            raise ConfigError(
                f"{fingerprint} is not what the last comparison found, which is "
                f"{found.fingerprint}: nothing was changed\n{table(found.differences)}"
            )
        _command(journal, "accept", fingerprint, who, why)
        journal.note(Note.ACCEPTED, {"fingerprint": fingerprint, "who": who, "why": why})
        return table(found.differences)


def resume(chosen: Settings, who: str, why: str) -> str:
    """Lift what halted the trading; returns what that was. Raises ConfigError when nothing did."""
    with _opened(chosen) as journal:
        left = Past(journal).standing()
        if left is None or left.trading is TradingState.ACTIVE:
            found = _compared(journal)
            if found is not None and not found.clean and not found.accepted:
                raise ConfigError(
                    "the trading is held because the account differs from the journal, and that is "
                    f"what `qka accept CONFIG {found.fingerprint}` is for\n"
                    f"{table(found.differences)}"
                )
            raise ConfigError("no earlier run halted the trading: nothing was changed")
        _command(journal, "resume", "", who, why)
        journal.note(Note.TRADING, Standing(TradingState.ACTIVE, f"{who}: {why}"))
        journal.note(Note.RISK, None, STREAK)
        journal.note(Note.RISK, None, KEY)  # losses are measured anew from the next start on
        return f"{left.trading}: {left.reason}"


def resolve(
    chosen: Settings,
    order_id: str,
    ending: str,
    *,
    filled: int = 0,
    price: float = 0.0,
    who: str = "",
    why: str = "",
) -> Order:
    """Say what became of an order that nobody knows the end of; returns it as it stands then.

    `ending`: filled, rejected, cancelled or expired; `filled` shares at `price` traded, beyond what
    is known. Raises ConfigError for an order that is not there, is over, or is known to the broker,
    for shares that it does not have, and for a price beyond its limit.
    """
    with _opened(chosen) as journal:
        ledger = _relived(journal, chosen)
        word = resolving.read(ledger, order_id, ending, filled, price)
        order = word.order
        if order.broker_id and order.status is not OrderStatus.UNKNOWN:
            raise ConfigError(
                f"{order_id} is {order.status}: the broker has it as {order.broker_id} and tells "
                "the next start what became of it; nothing was changed"
            )
        _command(journal, "resolve", shlex.join(word.words), who, why)
        by = f"{who} says so: {why}" if why else f"{who} says so"
        for report in word.reports(ledger.fees, WallClock().now(), by):
            journal.append(report)
            if isinstance(report, Fill):
                ledger.on_fill(report)
            else:
                ledger.apply(report)
        found = ledger.order(order_id)
        assert found is not None
        return found


def unknown(chosen: Settings) -> list[Order]:
    """Orders that the journal has no end of, as they stand."""
    with _opened(chosen) as journal:
        ledger = _relived(journal, chosen)
        return sorted(ledger.working(), key=lambda o: o.status is not OrderStatus.UNKNOWN)


def _compared(journal: SqliteJournal) -> Settled | None:
    """What the last comparison with the broker found."""
    last = journal.latest(Note.RECONCILED)
    return None if last is None else msgspec.json.decode(last.payload, type=Settled)


def _command(journal: SqliteJournal, command: str, args: str, who: str, why: str) -> None:
    journal.append(OperatorCommand(WallClock().now(), command, args, who, why))


def _relived(journal: SqliteJournal, chosen: Settings) -> Ledger:
    """The account's books as its journal leaves them."""
    from qka.edges import fees_of  # late: it brings the feeds, and who only accepts needs none

    ledger = Ledger(WallClock(), fees_of(chosen), 0)
    Past(journal).relive(ledger, Gate((), ledger), Tally(ledger))
    return ledger


@contextmanager
def _opened(chosen: Settings) -> Iterator[SqliteJournal]:
    journal = journal_of_account(chosen, WallClock())
    journal.open()
    try:
        yield journal
    finally:
        journal.close()
