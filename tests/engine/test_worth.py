"""What an engine writes down for those who look back: its worth, arrival prices, where it began."""

from datetime import timedelta

import msgspec
import pytest
from builders import DAY, a_bar, a_quote, moment
from stage import SYMBOL, Recorder, engine, journalled, quotes

from qka.engine.recovery import Checkpoint
from qka.engine.worth import Worth
from qka.errors import ConfigError
from qka.journal import folder
from qka.journal.chain import Record
from qka.journal.reading import readable, rows
from qka.model.events import Signal
from qka.model.times import MINUTE, at, day_of, show
from qka.replay.check import Check
from qka.wire import decode, encode


def notes(path, kind, shape):
    """(time, note) of a closed journal."""
    with readable(path) as (connection, _):
        found = [r for r in rows(connection) if r.kind == kind]
    return [(record.ts, msgspec.json.decode(record.payload, type=shape)) for record in found]


def worth(path):
    return [(show(time)[11:], note.total) for time, note in notes(path, "worth", Worth)]


def test_the_worth_is_noted_at_the_end_of_each_minute_in_which_it_changed(tmp_path):
    path = tmp_path / "journal.db"
    prices = [10.0] * 20 + [10.1] * 20 + [10.1] * 20 + [9.9]  # a minute each, and the first of one
    engine(quotes(prices, start="10:00:00"), Recorder(), held={SYMBOL: 1000}, journal=path).run()
    assert worth(path) == [
        ("00:00:00", 101_000_000),  # at cost
        ("10:01:59", 101_010_000),
        ("10:03:59", 100_990_000),
    ]
    assert notes(path, "worth", Worth)[-1][1].prices == {SYMBOL: 9.9}


def test_where_only_bars_come_the_worth_is_noted_twice_an_hour(tmp_path):
    class OnBars(Recorder):
        def on_bar(self, bar):
            """Bars are enough."""

    path = tmp_path / "journal.db"
    bars = [
        a_bar(10 + minute / 100, time=moment("10:01") + minute * MINUTE) for minute in range(60)
    ]
    engine(bars, OnBars(), held={SYMBOL: 1000}, journal=path).run()
    assert worth(path) == [
        ("00:00:00", 101_000_000),  # at cost
        ("10:29:59", 101_028_000),
        ("10:59:59", 101_058_000),
        ("11:29:59", 101_059_000),
    ]


def test_after_a_month_of_bars_the_worth_is_noted_when_a_day_is_closed(tmp_path):
    class OnBars(Recorder):
        def on_bar(self, bar):
            """Bars are enough."""

    path = tmp_path / "journal.db"
    days = [DAY + timedelta(n) for n in range(24)]
    bars = [
        a_bar(10 + number / 100 + hour / 1000, time=at(day, f"{hour}:01"))
        for number, day in enumerate(days)
        for hour in (10, 11, 14)
    ]
    engine(bars, OnBars(), held={SYMBOL: 1000}, journal=path).run()
    told = {day: [] for day in days}
    for time, _ in notes(path, "worth", Worth):
        told[day_of(time)].append(show(time)[11:16])
    assert told[days[1]] == ["10:29", "11:29", "14:29"]
    assert told[days[19]] == ["10:29", "11:29", "14:29"]
    assert told[days[20]] == ["15:30"]
    assert told[days[-1]] == ["15:30"]


def test_an_account_that_does_nothing_is_noted_once(tmp_path):
    path = tmp_path / "journal.db"
    engine(quotes([10.0, 11.0] * 100), Recorder(), journal=path).run()
    assert [total for _, total in worth(path)] == [100_000_000]


def test_a_run_that_can_be_had_again_says_what_it_began_and_ended_with(tmp_path):
    class Buys(Recorder):
        symbols = [SYMBOL]

        def on_quote(self, quote):
            if not self.state.setdefault("done", []):
                self.state["done"].append(self.buy(SYMBOL, 1000, 10.05).id)

    path = tmp_path / "journal.db"
    engine(quotes([10.0] * 3), Buys(), held={"000001.SZ": 200}, journal=path).run()
    first, *_, last = (note for _, note in notes(path, "snapshot", Checkpoint))
    assert (first.books.cash, first.books.positions) == (
        100_000_000,
        {"000001.SZ": (200, 0, 200_000)},
    )
    assert last.books.positions[SYMBOL][0] == 1000
    assert last.owners == {SYMBOL: {"Buys": 1000}}


@pytest.mark.parametrize(
    ("event", "arrival"),
    [
        pytest.param(a_quote(10.0, bid_prices=[9.98], ask_prices=[10.03]), 10.005, id="the middle"),
        pytest.param(a_quote(11.0, bid_prices=[11.0], ask_prices=[0.0]), 11.0, id="nobody sells"),
        pytest.param(
            a_quote(0.0, bid_prices=[0.0], ask_prices=[0.0]), 10.0, id="nothing has traded yet"
        ),
        pytest.param(a_bar(10.2), 10.2, id="the last bar"),
    ],
)
@pytest.mark.parametrize("how", ["buy", "emit"])
def test_a_signal_says_at_which_price_it_was_made(tmp_path, event, arrival, how):
    class Wants(Recorder):
        symbols = [SYMBOL]

        def on_price(self, _):
            if self.state.setdefault("done", False):
                return
            self.state["done"] = True
            if how == "buy":
                self.buy(SYMBOL, 100, 10.5)
            else:
                self.emit(Signal(SYMBOL, target_shares=100, price=10.5))

        on_quote = on_bar = on_price

    path = tmp_path / "journal.db"
    engine([event], Wants(), journal=path).run()
    (signal,) = (event for event in journalled(path) if isinstance(event, Signal))
    assert signal.arrival == pytest.approx(arrival)


def test_a_signal_without_any_price_arrives_at_none(tmp_path):
    class Early(Recorder):
        symbols = [SYMBOL]

        def on_start(self):
            self.buy(SYMBOL, 100, 10.0)

    path = tmp_path / "journal.db"
    engine(quotes([10.0]), Early(), journal=path).run()
    (signal,) = (event for event in journalled(path) if isinstance(event, Signal))
    assert signal.arrival == 0.0


OLD = b'{"type":"Signal","symbol":"600000.SH","side":"buy","quantity":100,"time":7,"id":1}'


@pytest.mark.parametrize(("quantity", "same"), [(100, True), (200, False)])
def test_a_replay_meets_a_signal_that_was_written_before_arrival_prices_were(quantity, same):
    check = Check()
    check.heard(Signal(SYMBOL, "buy", quantity, time=7, id=1, arrival=10.0))
    assert check.met(Record(1, 7, "Signal", None, OLD, b"", b"")) is same


def test_a_replay_diverges_at_another_arrival_price():
    check, signal = Check(), decode(OLD)
    check.heard(msgspec.structs.replace(signal, arrival=10.0))
    told = encode(msgspec.structs.replace(signal, arrival=10.1))
    assert not check.met(Record(1, 7, "Signal", None, told, b"", b""))


# ---------------------------------------------------------------- a run's folder


def test_a_folder_says_which_journal_its_run_is_in(tmp_path):
    run = tmp_path / "20260105-093000-live"
    run.mkdir()
    folder.begin(run, tmp_path / "journals" / "STOCK-1.db", 17)
    assert folder.begun(run) == (tmp_path / "journals" / "STOCK-1.db", 17)


def test_a_folder_with_a_journal_of_its_own_can_be_moved(tmp_path):
    run = tmp_path / "one"
    run.mkdir()
    folder.begin(run, run / folder.OWN, 1)
    run.rename(tmp_path / "other")
    assert folder.begun(tmp_path / "other") == (tmp_path / "other" / "journal.db", 1)


def test_an_older_run_is_found_by_its_journal_and_nothing_else_is_a_run(tmp_path):
    (tmp_path / "20260105-093000-old").mkdir()
    assert folder.kept(tmp_path) == []
    (tmp_path / "20260105-093000-old" / folder.OWN).touch()
    (tmp_path / "20260109-093000-notes").mkdir()
    assert folder.kept(tmp_path) == [tmp_path / "20260105-093000-old"]


def test_what_a_folder_says_in_vain_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json can't be read"):
        folder.begun(tmp_path)


def test_the_newest_run_is_the_one_that_began_last(tmp_path):
    for name in ("20260105-093000-b", "20260106-093000-a", "20260105-150000-c"):
        (tmp_path / name).mkdir()
        folder.begin(tmp_path / name, tmp_path / name / folder.OWN, 1)
    assert [path.name[:15] for path in folder.kept(tmp_path)] == [
        "20260106-093000", "20260105-150000", "20260105-093000"
    ]  # fmt: skip
