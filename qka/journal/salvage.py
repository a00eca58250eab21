"""Taking over what is whole in a damaged journal; the damaged one is left as it is."""

from itertools import islice
from pathlib import Path

from qka.errors import ConfigError
from qka.journal import schema, witness
from qka.journal.chain import Mark, Note, Record, digest
from qka.journal.lock import FileLock
from qka.journal.opening import Owner, create
from qka.journal.reading import readable, rows
from qka.journal.verify import Report, verify
from qka.journal.words import FILE_ERRORS, why
from qka.wire import canonical


def salvage(path: Path, to: Path, now: int) -> tuple[Report, Mark]:
    """Make a journal of all records before the first bad one: (what was found, where it ends).

    Its last record is a `Note.RECOVERED` that says what was lost. Raises ConfigError when there is
    nothing to salvage, or the new file can't be made.
    """
    if to.exists() or witness.beside(to).exists() or to.with_name(f"{to.name}-wal").exists():
        raise ConfigError(f"{to} or a file of it is there already: name a new file")
    lock = FileLock(path.with_name(f"{path.name}.lock"), str(path))
    lock.take()
    try:
        report = verify(path)
        if not report.problems:
            raise ConfigError(f"{path} is whole: there is nothing to salvage")
        if not report.last_good:
            raise ConfigError(
                f"{path}: no record can be relied on, not even the first. Begin a new journal; "
                "the engine will learn from the broker what there is"
            )
        return report, _take_over(report, to, now)
    except (OSError, *FILE_ERRORS) as error:
        raise ConfigError(f"{to} can't be made: {why(error)}") from None
    finally:
        lock.release()


def _take_over(report: Report, to: Path, now: int) -> Mark:
    draft = to.with_name(f"{to.name}.new")
    draft.unlink(missing_ok=True)
    with readable(report.path) as (damaged, _):
        good = islice(rows(damaged), report.last_good)
        first = next(good)
        told = first.value
        owner = Owner(told["account"], told["account_type"])
        connection = create(draft, owner, first.ts, durable=True)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(schema.INSERT, good)
            last = _recovered(report, now)
            connection.execute(schema.INSERT, last)
            connection.execute("COMMIT")
        finally:
            connection.close()
    draft.replace(to)
    seen = witness.Witness(witness.beside(to))
    seen.open(last.mark)
    seen.close()
    return last.mark


def _recovered(report: Report, now: int) -> Record:
    """The record that says so."""
    last_good, before = report.head
    value = {"last_good": last_good, "why": [problem.what for problem in report.problems]}
    payload, kind, seq = canonical(value), Note.RECOVERED.value, last_good + 1
    own = digest(before, seq, now, kind, "", payload)
    return Record(seq, now, kind, "", payload, before, own)
