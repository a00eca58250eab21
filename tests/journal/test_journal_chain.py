"""The chain: a record's hash covers all of it and everything before it."""

import itertools
from typing import get_args

import pytest
from builders import moment
from hypothesis import given
from hypothesis import strategies as st
from journal_stage import python, said

from qka.journal.chain import BEGINNING, START, Mark, Note, Record, digest, genesis, whole
from qka.model.events import Event
from qka.wire import canonical

KINDS = {kind.__name__ for kind in get_args(Event)}


def a_record(before=BEGINNING, **changes):
    parts = {"ts": moment(), "kind": "Fill", "key": None, "payload": b"{}", **changes}
    seq = before.seq + 1
    return Record(seq, *parts.values(), before.hash, digest(before.hash, seq, *parts.values()))


def test_a_record_that_follows_is_whole_and_each_of_its_parts_counts():
    first = a_record()
    record = a_record(first.mark, kind="state", key="s", payload=b"[1]")
    assert whole(BEGINNING, first)
    assert whole(first.mark, record)
    assert not whole(BEGINNING, record)
    for name, other in {
        "seq": 3, "ts": 0, "kind": "stat", "key": "t", "payload": b"[2]",
        "prev_hash": START, "hash": START,
    }.items():  # fmt: skip
        assert not whole(first.mark, record._replace(**{name: other})), name


def test_a_value_of_another_type_is_never_whole_and_never_an_error():
    first = a_record()
    record = a_record(first.mark, kind="state", key="s")
    for name, other in itertools.product(Record._fields[1:], [None, 1.5, "x", b"x", 7]):
        changed = record._replace(**{name: other})
        assert whole(first.mark, changed) is (changed == record)


texts = st.text(max_size=20)


@given(st.tuples(texts, st.none() | texts, st.binary(max_size=20)),
       st.tuples(texts, st.none() | texts, st.binary(max_size=20)))  # fmt: skip
def test_no_two_records_share_a_hash_wherever_one_part_ends_and_the_next_begins(one, other):
    assert (digest(START, 1, 0, *one) == digest(START, 1, 0, *other)) is (one == other)


def test_the_hash_is_the_same_for_ever_because_stored_journals_depend_on_it():
    first = digest(START, 1, 1767578400000000000, "genesis", None, genesis("8880012345", "STOCK"))
    assert first.hex() == "059ff6931da115406fe6264db9880f7fc16c76726edc3d1456e30fc0882a64a1"
    note = digest(
        first, 2, 1767578400000000001, "state", "双均线", canonical({"b": 1.1, "a": None})
    )
    assert note.hex() == "90f1b5ece3c79bdc87b8ad2a3aab53bc57e90649dd304f409baacf1c4e9bfc10"


def test_notes_are_lower_case_and_no_event_ever_is():
    assert all(note.value.islower() for note in Note)
    assert all(kind[0].isupper() for kind in KINDS)


def test_the_payload_of_a_note_is_the_same_in_every_process():
    """Sets and dicts come in another order in every process, their records must not."""
    code = """
from qka.wire import canonical
names = [f"60{n:04d}.SH" for n in range(50)]
print(canonical({"held": set(names), "by": {name: 1 for name in set(names)}}).hex())
"""
    told = {tuple(said(python(code))) for _ in range(3)}
    assert len(told) == 1


@pytest.mark.parametrize("other", [("8880012346", "STOCK"), ("8880012345", "CREDIT")])
def test_the_first_record_belongs_to_one_account(other):
    assert genesis(*other) != genesis("8880012345", "STOCK")


def test_a_mark_is_a_place():
    record = a_record()
    assert record.mark == Mark(1, record.hash)
