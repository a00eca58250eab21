"""The paper exchange against what really became of real orders: see `benchmarks/fills`.

A sample here; `python -m benchmarks.fills --orders 5000` judges more.
"""

import pytest

from benchmarks.fills.feeds import raw_days
from benchmarks.fills.market import market
from benchmarks.fills.models import at_once, opposite, own, paper, touched
from benchmarks.fills.report import sample, score, session

DAYS = raw_days()
pytestmark = pytest.mark.skipif(not DAYS, reason="no real order feeds are here: shared/data/l2")
PEERS = [touched, opposite, own, at_once]


@pytest.fixture(scope="module")
def judged():
    """Orders that came in continuous trading and in the calls, some of each day."""
    days = [market(raw) for raw in DAYS]
    return [(order, day) for day in days for order in sample(day, 100)]


@pytest.fixture(scope="module")
def ours(judged):
    return score(paper, judged)


def test_what_paper_says_is_filled_was_filled(ours):
    assert ours.precision > 0.97
    assert ours.share_precision > 0.97


def test_paper_errs_towards_not_filling(ours):
    assert ours.said <= ours.true
    assert ours.ratio <= 1.0
    assert ours.early < 0.05


def test_paper_sees_most_fills_soon_and_at_their_price(ours):
    assert ours.recall > 0.75
    assert ours.share_recall > 0.4
    assert ours.late < 60
    assert ours.off < 1


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.__name__)
def test_paper_is_more_often_right_than_peers(ours, judged, peer):
    theirs = score(peer, judged)
    assert ours.precision > theirs.precision
    assert ours.share_precision > theirs.share_precision
    assert ours.early < theirs.early


@pytest.mark.parametrize("peer", [touched, own, at_once], ids=lambda peer: peer.__name__)
def test_peers_that_see_no_queue_are_wrong_about_one_fill_in_ten(ours, judged, peer):
    theirs = score(peer, judged)
    assert theirs.precision < 0.9
    assert theirs.early > 0.3


def test_every_session_is_in_the_sample(judged):
    assert {session(order) for order, _ in judged} == {
        "opening call", "continuous", "closing call"
    }  # fmt: skip
