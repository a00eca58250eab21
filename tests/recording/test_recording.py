"""What entered is on disk, packed, and comes back to the last bit; what is damaged is told."""

import math

import pytest
from builders import DAY, NEXT_DAY, a_bar, a_quote, moment
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from qka.errors import DataError
from qka.model.times import SECOND
from qka.recording import frames, recorder
from qka.recording.frames import Packer, read, read_before
from qka.recording.port import Due, Head, Row, Stop, Turn
from qka.recording.reading import days, rows_before, runs
from qka.recording.recorder import DiskRecorder

TEN = moment("10:00")
HEAD = Head(7, "ab", ("600000.SH",), "quote", False, {"600000.SH 1m": [a_bar()]})


def a_row(number, entry=None):
    """The row number so and so, a quote a tick dearer than the one before."""
    entry = entry or a_quote(round(10 + number / 100, 2), time=TEN + number * SECOND)
    return Row(TEN + number * SECOND + 5, 7 + number // 3, entry)


def written(path, *blocks):
    """A file with one frame a block of rows."""
    packer = Packer()
    path.write_bytes(b"".join(packer.frame(rows) for rows in blocks))
    return path


def rows_of(path):
    return [row for piece in read(path) for row in piece.rows]


def damage_of(path):
    return [piece.damage for piece in read(path) if piece.damage]


numbers = st.one_of(
    st.integers(0, 10**7).map(lambda n: n / 100),
    st.floats(0, 1e12),
    st.floats(allow_nan=False),
    st.just(-0.0),
)
levels = st.lists(numbers, min_size=4, max_size=6)
quotes = st.builds(
    a_quote,
    symbol=st.sampled_from(["600000.SH", "000001.SZ", "688001.SH"]),
    time=st.integers(0, 2**62),
    last=st.integers(1, 9999).map(lambda n: n / 100),
    amount=numbers,
    high=numbers,
    volume=st.integers(0, 2**60),
    bid_lots=st.lists(st.integers(0, 10**9), min_size=5, max_size=5),
    ask_prices=levels,
)
bars = st.builds(a_bar, period=st.sampled_from(["1m", "5m"]), volume=st.integers(0, 10**12))
entries = st.one_of(
    quotes,
    st.builds(a_quote, last=st.integers(1, 9999).map(lambda n: n / 100)),
    bars,
    st.builds(Due, st.integers(0, 2**62)),
    st.just(Turn("one")),
    st.just(Stop()),
)
rows = st.builds(Row, st.integers(0, 2**62), st.integers(0, 2**40), entries)


@given(st.lists(st.lists(rows, min_size=1, max_size=20), min_size=1, max_size=5))
def test_every_row_comes_back_as_it_was(tmp_path_factory, blocks):
    path = written(tmp_path_factory.mktemp("rows") / "a.rec", *blocks)
    found = rows_of(path)
    assert found == [row for block in blocks for row in block]
    assert repr(found) == repr([row for block in blocks for row in block])  # to the sign of a zero


def test_prices_that_are_no_number_come_back_too(tmp_path):
    path = written(tmp_path / "a.rec", [a_row(1, a_quote(open=math.nan)), a_row(2)])
    first, second = rows_of(path)
    assert math.isnan(first.entry.open)
    assert second == a_row(2)


def test_a_file_cut_off_anywhere_gives_all_frames_before_the_cut(tmp_path):
    first, last = [a_row(1), a_row(2)], [a_row(3)]
    path = written(tmp_path / "a.rec", first, last)
    whole = path.read_bytes()
    begin = len(written(tmp_path / "b.rec", first).read_bytes())
    for end in range(begin + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert rows_of(path) == first
        (told,) = damage_of(path)
        assert f"its last {end - begin:,} bytes are no whole frame" in told


def test_damage_in_the_middle_is_told_and_reading_goes_on_at_the_next_fresh_frame(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(frames, "_FRESH", 3)
    blocks = [[a_row(number)] for number in range(8)]
    path = written(tmp_path / "a.rec", *blocks)
    start = len(written(tmp_path / "b.rec", blocks[0]).read_bytes())
    data = bytearray(path.read_bytes())
    data[start + 30] ^= 1
    path.write_bytes(data)
    assert [row.entry.last for row in rows_of(path)] == [10.0, 10.03, 10.04, 10.05, 10.06, 10.07]
    assert damage_of(path) == [f"a.rec is damaged at byte {start:,}"]


def test_what_came_shortly_before_a_record_is_found_without_all_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "_FRESH", 2)
    path = written(tmp_path / "a.rec", *([a_row(n)] for n in range(9)))
    assert read_before(path, 9)[-1] == a_row(5)
    assert read_before(path, 7) == []
    assert read_before(path, 100)[-1] == a_row(8)


# ------------------------------------------------------------ to disk


class Teller:
    """A recorder, its clock and the trouble it told."""

    def __init__(self, folder, head=HEAD):
        self.now, self.seq, self.told = TEN, 7, []
        self.recorder = DiskRecorder(folder, lambda: self.now, lambda: self.seq)
        self.recorder.trouble = self.told.append
        self.recorder.open(head)


def test_a_run_has_files_by_day_and_its_rows_come_in_order(tmp_path):
    teller = Teller(tmp_path)
    teller.recorder.enter(a_quote())
    teller.recorder.enter("no row")
    teller.now, teller.seq = moment("09:30", NEXT_DAY), 12
    teller.recorder.enter(a_quote(10.1))
    teller.recorder.due(teller.now)
    teller.recorder.stop()
    teller.recorder.close()
    teller.recorder.close()
    (run,) = runs(tmp_path)
    assert (run.number, run.days) == (7, [DAY, NEXT_DAY])
    damage = []
    found = list(run.rows(damage))
    assert [row.entry for row in found] == [
        HEAD, a_quote(), a_quote(10.1), Due(teller.now), Stop(),
    ]  # fmt: skip
    assert (found[-1].time, found[-1].seq) == (teller.now, 12)
    assert damage == []
    assert days(tmp_path) == [DAY, NEXT_DAY]
    assert rows_before(tmp_path, 12, moment())[-1].entry == a_quote()


def test_a_simulated_day_lies_under_its_own_date(tmp_path):
    teller = Teller.__new__(Teller)
    teller.now, teller.seq, teller.told = 0, 7, []
    teller.recorder = DiskRecorder(tmp_path, lambda: teller.now, lambda: 7)
    teller.recorder.open(HEAD)
    teller.now = TEN
    teller.recorder.enter(a_quote())
    teller.recorder.close()
    assert days(tmp_path) == [DAY]


def test_a_run_that_left_nothing_in_the_journal_makes_room_for_the_next(tmp_path):
    for last in (10.0, 11.0):
        teller = Teller(tmp_path)
        teller.recorder.enter(a_quote(last))
        teller.recorder.close()
    (run,) = runs(tmp_path)
    assert [row.entry.last for row in run.rows([]) if row.entry != HEAD] == [11.0]


def test_a_start_that_was_refused_takes_away_its_own_rows_and_nothing_else(tmp_path):
    teller = Teller(tmp_path)
    teller.recorder.enter(a_quote())
    teller.recorder.close()
    (kept,) = (file for run in runs(tmp_path) for file in run.files)
    silent = DiskRecorder(tmp_path, lambda: 0, lambda: 7)  # of the same number, and without a time
    silent.open(HEAD)
    silent.withdraw()
    assert kept.exists()
    later = Teller(tmp_path, replace(HEAD, run=9))
    later.now = moment("09:30", NEXT_DAY)
    later.recorder.enter(a_quote())
    later.recorder.withdraw()
    assert [run.number for run in runs(tmp_path)] == [7]
    assert days(tmp_path) == [DAY]


def test_one_that_never_recorded_leaves_the_folder_another_run_is_about_to_write_into(tmp_path):
    folder = tmp_path / "recording"
    folder.mkdir()
    DiskRecorder(folder, lambda: TEN, lambda: 7).withdraw()
    assert folder.is_dir()


def test_a_disk_that_takes_nothing_ends_the_recording_and_says_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    teller = Teller(tmp_path / "file")
    teller.recorder.enter(a_quote())
    teller.recorder.close()
    (told,) = teller.told
    assert "recording has ended" in told
    assert "Trading goes on" in told
    teller.recorder.enter(a_quote())
    assert not teller.recorder._rows


def test_a_disk_that_is_too_slow_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "MOST", 10)
    teller = Teller.__new__(Teller)
    teller.told = []
    slow = DiskRecorder(tmp_path, lambda: TEN, lambda: 7)  # nobody writes what it takes
    slow.trouble = teller.told.append
    for _ in range(11):
        slow.enter(a_quote())
    slow.due(TEN)
    slow.enter(a_quote())
    assert "the disk does not keep up" in teller.told[0]
    assert not slow._rows


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    teller = Teller(tmp_path)
    teller.recorder.close()
    (run,) = runs(tmp_path)
    run.files[0].unlink()
    with pytest.raises(DataError, match=r"000000000007-0000.rec can't be read"):
        list(run.rows([]))


def test_what_is_no_recording_is_no_run(tmp_path):
    for name in ("2026-01-05/notes.rec", "2026-13-45/000000000001-0000.rec"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert runs(tmp_path) == []
    assert runs(tmp_path / "nothing") == []
    assert rows_before(tmp_path, 5, TEN) == []


def test_a_quote_with_a_phase_of_its_own_class_packs_like_any(tmp_path):
    row = a_row(1, replace(a_quote(), phase=True + 12))
    assert rows_of(written(tmp_path / "a.rec", [row])) == [row]
