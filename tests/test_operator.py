"""A human's word on an account whose engine is not running: `qka resolve`, `accept`, `resume`."""

from contextlib import contextmanager
from decimal import Decimal

import pytest
from builders import DAY, an_order, moment
from test_cli import qka

from qka.ashare.fees import FeeSchedule
from qka.engine.comparison import Difference, fingerprint
from qka.engine.ledger import Books
from qka.engine.reconciler import Settled
from qka.engine.recovery import Checkpoint, Standing
from qka.journal.port import Note
from qka.journal.store import SqliteJournal
from qka.journal.verify import verify
from qka.model.events import OrderRequested, OrderUnknown, TradingState
from qka.model.money import yuan
from qka.model.order import OrderStatus

ACCOUNT = "8880012345"
CONFIG = f"""
account: {{id: "{ACCOUNT}"}}
feed: {{kind: xtdata}}
broker: {{kind: paper}}
strategies: [{{use: "strategies.first:First", symbols: [600000.SH]}}]
"""
LOST = "q260105-fxqk-000012"
SHARES = Difference("000001.SZ", "1000 shares", "1100 shares")


@contextmanager
def opened(folder):
    path = folder / "journals" / f"STOCK-{ACCOUNT}.db"
    journal = SqliteJournal(path, ACCOUNT, "STOCK", now=moment)
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def place(tmp_path):
    """A project whose account's last engine died with an order on its way."""
    (tmp_path / "live.yaml").write_text(CONFIG, encoding="utf-8")
    with opened(tmp_path) as journal:
        journal.note(Note.SNAPSHOT, Checkpoint(Books(DAY, 10_000_000, {}, [], []), {}, 0, {}, {}))
        order = an_order(1000, 10.0, id=LOST, strategy="First", status=OrderStatus.SUBMITTING)
        journal.write_ahead(OrderRequested(moment(), order))
        journal.append(OrderUnknown(moment(), LOST, "no answer came"))
    return tmp_path


def tell(folder, command, *words):
    """(exit code, what is printed)."""
    done = qka(command, "live.yaml", *words, cwd=folder)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_orders_without_an_end_are_listed_and_get_the_end_a_human_saw(place):
    code, said = tell(place, "resolve")
    assert code == 0
    assert said.startswith(f"{LOST}  unknown  buy 1000 600000.SH at 10, 0 filled  no answer came")
    code, said = tell(
        place, "resolve", LOST, "--as", "cancelled", "--filled", "300", "--price", 9.9
    )
    assert (code, said) == (0, f"{LOST} is cancelled: 300 of 1000 600000.SH traded\n")
    assert tell(place, "resolve") == (0, "every order has its end\n")
    code, said = tell(place, "resolve", LOST, "--as", "rejected")
    assert code == 2
    assert "cancelled already: nothing was changed" in said
    with opened(place) as journal:
        kinds = [record.kind for record in journal.records()]
        assert kinds[-3:] == ["OperatorCommand", "Fill", "OrderCancelled"]
        (fill,) = [record.event for record in journal.records() if record.kind == "Fill"]
        assert (fill.quantity, fill.price, str(fill.fees)) == (300, 9.9, "5.03")
    assert verify(journal.path).problems == []


def test_the_fees_of_what_a_human_saw_traded_are_the_configs_handling_fee_and_levy_too(place):
    net = ["--set", "broker.fees.net=true", "--set", "broker.fees.minimum=0"]
    words = ["--as", "filled", "--filled", "1000", "--price", 10]
    assert tell(place, "resolve", LOST, *words, *net)[0] == 0
    with opened(place) as journal:
        (fill,) = [record.event for record in journal.records() if record.kind == "Fill"]
    fees = FeeSchedule(Decimal("0.00025"), Decimal(0), net=True)
    owed = fees.of_order(fill.symbol, fill.side, 1_000_000, fill.time)
    assert fill.fees == yuan(owed)
    assert owed > FeeSchedule(Decimal("0.00025"), Decimal(0)).of_order(
        fill.symbol, fill.side, 1_000_000, fill.time
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([LOST], "--as (missing): it is one of filled, rejected, cancelled, expired"),
        ([LOST, "--as", "gone"], "--as gone"),
        (["q1", "--as", "rejected"], f"no such order; those without an end are: {LOST}"),
        ([LOST, "--as", "filled", "--filled", "1001"], "only 1000"),
        ([LOST, "--as", "filled", "--filled", "300"], "say how the rest ended"),
        ([LOST, "--as", "filled", "--price", "-1"], "below zero"),
    ],
)
def test_a_word_that_makes_no_sense_changes_nothing(place, words, named):
    with opened(place) as journal:
        before = journal.head
    code, said = tell(place, "resolve", *words)
    assert code == 2
    assert named in said
    with opened(place) as journal:
        assert journal.head == before


def test_only_what_the_last_comparison_found_can_be_accepted(place):
    assert "nothing to accept" in tell(place, "accept", "ffffff")[1]
    mark = fingerprint([SHARES])
    with opened(place) as journal:
        found = Settled(DAY, "start", False, mark, [SHARES], 0, 0, "0", "100000.00")
        journal.note(Note.RECONCILED, found)
    code, said = tell(place, "accept", "ffffff")
    assert code == 2
    assert f"which is {mark}" in said
    code, said = tell(place, "accept", mark, "--why", "bonus shares")
    assert code == 0
    assert "000001.SZ  1000 shares  1100 shares  nothing" in said
    with opened(place) as journal:
        assert journal.latest(Note.ACCEPTED).value["why"] == "bonus shares"


def test_what_halted_an_earlier_run_is_lifted_with_a_reason(place):
    assert tell(place, "resume")[0] == 2
    with opened(place) as journal:
        journal.note(Note.TRADING, Standing(TradingState.HALTED, "the disk is full"))
    code, said = tell(place, "resume", "--why", "there is room")
    assert code == 0
    assert said.startswith("lifted: halted: the disk is full")
    assert tell(place, "resume")[0] == 2


def test_nothing_is_written_beside_a_running_engine(place):
    with opened(place):
        code, said = tell(place, "resolve", LOST, "--as", "rejected")
        assert code == 2
        assert "in use by" in said


def test_an_account_without_a_journal_of_its_own_is_told_of(place):
    code, said = tell(place, "resolve", "--set", "account.id=other")
    assert code == 2
    assert "no engine has run on account other here yet" in said
    code, said = tell(place, "resume", "--set", "feed.kind=simulated")
    assert code == 2
    assert "made up anew for each run" in said or "makes its account up anew" in said
