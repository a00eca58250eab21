"""The switch: what was told, what a hold lays over it, and what both come to."""

import pytest
from builders import NO_COMMISSION, moment
from ledgers import books

from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.engine.recovery import Standing
from qka.engine.switch import Switch
from qka.journal.port import NoJournal
from qka.model.events import Severity, TradingState

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


class Set:
    """A switch with its ledger, and what it said."""

    def __init__(self, on_loss=REDUCING):
        clock, self.ledger = ManualClock(moment()), books()
        self.broker = PaperBroker(clock, NO_COMMISSION, "demo", 100)
        self.posted, self.alerts = [], []
        self.switch = Switch(
            clock, self.ledger, self.broker, NoJournal(), on_loss, self.posted.append, self.alert
        )

    def alert(self, severity, source, message):
        self.alerts.append((severity, source, message))

    @property
    def states(self):
        """As told, and as the rules see it."""
        return self.switch.trading, self.ledger.trading


def test_what_is_told_holds_at_once_and_is_said():
    there = Set()
    there.switch.set(HALTED, "a doubt")
    assert (there.states, there.switch.why) == ((HALTED, HALTED), "a doubt")
    assert [(e.state, e.trading, e.reason) for e in there.posted] == [
        ("trading", HALTED, "a doubt")
    ]


def test_a_hold_lies_over_what_is_told_and_lifts_itself():
    there = Set()
    there.switch.release()  # nothing is held: nothing is said
    assert there.posted == []
    there.switch.hold("the books differ")
    there.switch.set(REDUCING, "an operator")
    assert there.states == (REDUCING, HALTED)
    there.switch.release()
    assert (there.states, there.switch.held) == ((REDUCING, REDUCING), "")
    assert [event.state for event in there.posted] == ["held", "trading", "released"]


@pytest.mark.parametrize(
    ("told", "on_loss", "then"),
    [
        (ACTIVE, REDUCING, REDUCING),
        (ACTIVE, HALTED, HALTED),
        (REDUCING, HALTED, HALTED),
        (REDUCING, REDUCING, REDUCING),
        (HALTED, REDUCING, HALTED),
    ],
)
def test_a_loss_and_an_earlier_run_only_make_it_stricter(told, on_loss, then):
    there = Set(on_loss)
    there.switch.set(told, "an operator")
    there.switch.trip("too much was lost")
    assert there.states == (then, then)
    assert bool(there.alerts) is (told is not then)
    again = Set()
    again.ledger.trading = told
    again.switch.begin(Standing(on_loss, "too much was lost"))
    assert again.states == (then, then)
    assert bool(again.alerts) is (told is not then)


def test_a_fault_halts_and_is_told_once():
    there = Set()
    for _ in range(2):
        there.switch.fault("something broke")
    assert there.states == (HALTED, HALTED)
    assert there.alerts == [(Severity.ERROR, "engine", "HALTED: something broke")]
    there.switch.set(ACTIVE, "an operator")
    there.switch.fault("something broke")  # again, though a human has looked
    assert (there.states, len(there.alerts)) == ((HALTED, HALTED), 2)


def test_a_broker_that_takes_nothing_back_is_told_and_the_halt_holds():
    there = Set()

    def fails():
        raise OSError("the link is gone")

    there.broker.recall = fails
    there.switch.set(HALTED, "a doubt")
    assert there.states == (HALTED, HALTED)
    ((severity, source, message),) = there.alerts
    assert (severity, source) == (Severity.ERROR, "broker")
    assert message == "orders that wait to leave were not taken back: OSError: the link is gone"
