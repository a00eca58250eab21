"""The journal: what happened, line by line, in order."""

import json

import pytest
from builders import a_fill, an_order

from qka.engine.journal import FileJournal, NoJournal
from qka.model.events import OrderRequested
from qka.model.order import OrderStatus
from qka.wire import decode, encode


def events_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_records_are_read_back_in_order_with_consecutive_numbers(tmp_path):
    journal = FileJournal(tmp_path / "a" / "b" / "day.jsonl")
    journal.open()
    events = [OrderRequested(1, an_order(status=OrderStatus.SUBMITTING, reason="金叉\n二"))]
    events += [a_fill(100 * n, deal_id=str(n)) for n in range(1, 50)]
    for event in events:
        journal.append(event)
    journal.close()
    records = events_of(journal.path)
    assert [record["seq"] for record in records] == list(range(1, 51))
    again = [decode(json.dumps(record["event"])) for record in records]
    assert again == events


def test_what_is_written_ahead_can_be_read_by_another_while_the_journal_is_open(tmp_path):
    journal = FileJournal(tmp_path / "day.jsonl")
    journal.open()
    journal.write_ahead(a_fill())
    (record,) = events_of(journal.path)
    assert record == {"seq": 1, "event": json.loads(encode(a_fill()))}
    journal.write_ahead(a_fill())
    assert len(events_of(journal.path)) == 2
    journal.close()


def test_a_journal_never_writes_over_an_older_one(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_text("precious\n", encoding="utf-8")
    with pytest.raises(FileExistsError):
        FileJournal(path).open()
    assert path.read_text(encoding="utf-8") == "precious\n"


def test_a_journal_that_is_not_open_takes_nothing_in_silence(tmp_path):
    journal = FileJournal(tmp_path / "day.jsonl")
    for write in (journal.append, journal.write_ahead):
        with pytest.raises(OSError, match="not open"):
            write(a_fill())
    journal.close()


def test_a_closed_journal_raises_and_may_be_closed_twice(tmp_path):
    journal = FileJournal(tmp_path / "day.jsonl")
    journal.open()
    journal.append(a_fill())
    journal.close()
    journal.close()
    for write in (journal.append, journal.write_ahead):
        with pytest.raises(OSError, match="not open"):
            write(a_fill())
    assert len(events_of(journal.path)) == 1


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        FileJournal(tmp_path / "file" / "day.jsonl").open()


def test_no_journal_takes_everything_and_keeps_nothing():
    journal = NoJournal()
    journal.open()
    journal.write_ahead(a_fill())
    journal.close()


class FullDisk:
    """A file whose disk has room for so many bytes more."""

    def __init__(self, file, room):
        self.file = file
        self.room = room

    def write(self, data):
        if not self.room:
            raise OSError(28, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        return self.file.write(taken)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


@pytest.mark.parametrize("room", [0, 30], ids=["full", "full in the middle of a line"])
def test_an_order_whose_intent_could_not_be_written_is_in_the_journal_neither_now_nor_later(
    tmp_path, room
):
    journal = FileJournal(tmp_path / "day.jsonl")
    journal.open()
    journal.append(a_fill(deal_id="before"))
    disk = journal._file = FullDisk(journal._file, room)
    with pytest.raises(OSError, match="No space left"):
        journal.write_ahead(OrderRequested(1, an_order()))
    disk.room = 10_000
    journal.append(a_fill(deal_id="after"))
    journal.close()
    records = events_of(journal.path)
    assert [record["seq"] for record in records] == [1, 2]
    assert [record["event"]["deal_id"] for record in records] == ["before", "after"]


def test_a_journal_that_cannot_be_committed_says_so_when_it_is_closed_and_only_once(tmp_path):
    journal = FileJournal(tmp_path / "day.jsonl")
    journal.open()
    journal.append(a_fill())
    journal._file = FullDisk(journal._file, 0)
    with pytest.raises(OSError, match="No space left"):
        journal.close()
    journal.close()
    assert journal.path.read_bytes() == b""
