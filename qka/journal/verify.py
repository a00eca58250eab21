"""Judging a journal: is every record the one that was written, and are they all there?

The chain finds what was changed, moved, doubled or taken out; the witness what is missing at the
end; SQLite's own check what is wrong with the file around them.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from qka.errors import ConfigError, JournalDamaged
from qka.journal import schema, witness
from qka.journal.chain import BEGINNING, Mark, Record, genesis, matches, whole
from qka.journal.reading import (
    check_about,
    check_there,
    cut_off,
    damaged,
    readable,
    row,
    rows,
    unreadable,
)
from qka.journal.words import FILE_ERRORS, broken, code, why

_SHOWN = 3  # of SQLite's own findings


class Problem(NamedTuple):
    """Something is not as it was written; `seq` is the record's, 0 for what is around them."""

    seq: int
    what: str


class Report:
    """What was found in a journal. Whole when `problems` is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about = schema.About(-1, {}, False)
        self.records = 0  # that could be read
        self.kinds: Counter[str] = Counter()
        self.head = BEGINNING  # of the last record that is whole, with all before it
        self.problems: list[Problem] = []  # the first one is what to look at first
        self.doubts: list[str] = []  # what can't be judged
        self.contains: bool | None = None  # whether the expected hash is in it, if there was one

    @property
    def last_good(self) -> int:
        """Up to this record everything is as it was written."""
        return self.head.seq

    def refusal(self) -> JournalDamaged:
        """The error for whoever wants to work with it."""
        what = self.problems[0].what if self.problems else "it is not what it was"
        return JournalDamaged(damaged(self.path, what, self.last_good), self.last_good)


def verify(path: Path, expect: bytes | None = None) -> Report:
    """Look at every record; `expect`: a hash that must be one of theirs.

    Changes nothing, and an engine may be writing meanwhile. Raises ConfigError for what is no
    journal or can't be read, JournalDamaged when there is nothing to look at.
    """
    mark = witness.read(witness.beside(path))  # before the records: it must not be ahead of them
    check_there(path, mark)
    report = Report(path)
    try:
        with readable(path) as (connection, trouble):
            about = schema.about(connection)
            check_about(path, about, mark)
            report.about = about
            _Examination(connection, report, mark, expect).run()
            if trouble and not report.problems:
                report.problems.append(Problem(0, trouble))
    except (OSError, *FILE_ERRORS) as error:
        if not broken(error):
            raise unreadable(path, error) from None
        if not report.problems:
            if mark is None and code(error) == "SQLITE_NOTADB":
                raise ConfigError(f"{path} is no journal: it is not even a database") from None
            report.problems.append(Problem(0, why(error)))
    cut = cut_off(path) if report.problems else ""
    if cut:
        report.problems.insert(0, Problem(report.last_good + 1, cut))
    return report


class _Examination:
    """One look at one journal."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: Report,
        mark: Mark | None,
        expect: bytes | None,
    ) -> None:
        self._connection = connection
        self._report = report
        self._mark = mark
        self._expect = expect
        self._seen: bytes | None = None  # the hash of the record that the witness names
        self._end = BEGINNING  # the last record that is there, whole or not
        self._read_all = False

    def run(self) -> None:
        """The records first, then what is around them."""
        report = self._report
        if self._expect is not None:
            report.contains = False
        with self._noting():
            self._walk()
            self._read_all = True
        with self._noting():
            self._look_around()
        with self._noting():
            found = [str(line) for (line,) in self._connection.execute("PRAGMA integrity_check")]
            if found != ["ok"]:
                self._problem(0, f"the file's own structure is damaged ({found[0]})", *found[1:])
        self._compare_with_witness()

    def _walk(self) -> None:
        report, before, good = self._report, BEGINNING, True
        named = self._mark.seq if self._mark else -1
        kinds: Counter[object] = Counter()
        expect, following, strays = self._expect, 0, 0
        try:
            for record in rows(self._connection):
                report.records += 1
                kinds[record.kind] += 1
                if record.seq < 1:
                    strays += 1
                    continue
                if not whole(before, record):
                    following += not good
                    if good:
                        self._problem(before.seq + 1, self._diagnosis(before, record))
                        good = False
                if record.seq == named:
                    self._seen = record.hash
                if record.hash == expect:
                    report.contains = True
                self._end = before = record.mark
                if good:
                    report.head = before
        finally:
            for kind, count in kinds.items():  # damaged text may hold what can't be shown
                report.kinds[str(kind).encode("utf-8", "replace").decode()] += count
            if strays and good:
                self._problem(0, f"{strays} records bear a number below 1")
            if following:
                self._problem(0, f"{following} more records are not as they were written")

    def _diagnosis(self, before: Mark, record: Record) -> str:
        """What is wrong with the first record that is not whole."""
        due, (seq, ts, kind, key, payload, prev_hash, own) = before.seq + 1, record
        parts = (ts, kind, key, payload)
        number = self._number_of(before)
        if seq != due:
            return _missing(due, seq - 1) if number is None else f"record {due} bears {number}"
        if matches(own, before.hash, due, *parts):
            return f"record {due} was changed: its link to the one before (prev_hash)"
        there = self._written_as(record)
        if number is not None:
            other = "another one" if there is None else f"record {there}"
            return f"record {due} bears {number}, {other} stands in its place: they were swapped"
        if there is not None:
            return f"record {there} stands in the place of record {due}, which is missing"
        if prev_hash != before.hash:
            return f"record {due} was changed, or is not the one that was written"
        after = row(self._connection, due + 1)
        if after is not None and matches(after.prev_hash, before.hash, due, *parts):
            return f"record {due} was changed: its hash"
        return f"record {due} was changed: its time, kind, key or payload"

    def _number_of(self, before: Mark) -> str | None:
        """The number, in words, that the record due after that place bears by now."""
        due = before.seq + 1
        linked = self._connection.execute(
            f"SELECT {schema.columns(self._connection)} FROM records "
            "WHERE prev_hash = ? AND seq != ?",
            (before.hash, due),
        )
        for seq, *parts, _, own in linked:
            if matches(own, before.hash, due, *parts):
                return f"the number {seq}"
        return None

    def _written_as(self, record: Record) -> int | None:
        """The number that a record was written with, when it was not its own."""
        last = max(self._mark.seq if self._mark else 0, self._report.records) + 1
        _, ts, kind, key, payload, prev_hash, own = record
        parts = (ts, kind, key, payload)
        others = (n for n in range(1, last + 1) if n != record.seq)
        return next((n for n in others if matches(own, prev_hash, n, *parts)), None)

    def _look_around(self) -> None:
        """Whose journal it says it is, and the tables themselves."""
        report, connection, about = self._report, self._connection, self._report.about
        if not about.sound:
            self._problem(0, "what it says of itself (account, schema) was changed")
        elif report.last_good:
            first = row(connection, 1)
            told = genesis(about.meta["account"], about.meta["account_type"])
            if first is not None and first.payload != told:
                self._problem(1, "its first record is of another account than the journal")
        if not report.records and not report.problems:
            self._problem(1, "it has no records, not even the first")
        if about.schema == schema.VERSION:
            changed = schema.differences(connection)
            if changed:
                self._problem(0, f"its tables were changed: {', '.join(changed)}")

    def _compare_with_witness(self) -> None:
        report, mark, end = self._report, self._mark, self._end
        if mark is None:
            report.doubts.append(
                f"{report.path.name}.head is not there or unreadable: whether records are missing "
                "at the end can't be said"
            )
        elif mark.seq > end.seq:
            where = "at the end (is the -wal file there, and whole?)"
            self._problem(end.seq + 1, f"{_missing(end.seq + 1, mark.seq)} {where}")
        elif self._seen != mark.hash and self._read_all and not report.problems:
            self._problem(
                mark.seq,
                f"record {mark.seq} is not the one that {report.path.name}.head remembers: "
                "is that file of another journal?",
            )

    def _problem(self, seq: int, *what: str) -> None:
        self._report.problems += [Problem(seq, words) for words in what[:_SHOWN]]

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What can't be read is a finding."""
        try:
            yield
        except FILE_ERRORS as error:
            if not broken(error):
                raise
            seq = 0 if self._read_all else self._report.last_good + 1
            where = "" if self._read_all else f"record {seq} can't be read: "
            self._problem(seq, f"{where}{why(error)}")


def _missing(first: int, last: int) -> str:
    return (
        f"records {first} to {last} are missing" if last > first else f"record {first} is missing"
    )
