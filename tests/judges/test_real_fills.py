"""The paper exchange against what really became of real orders: see `benchmarks/fills`.

A sample here, a larger one in the long suites; `python -m benchmarks.fills` prints the table.
"""

import pytest

from benchmarks.fills.feeds import raw_days
from benchmarks.fills.market import market
from benchmarks.fills.models import at_once, opposite, own, paper, paper_shown_all, touched
from benchmarks.fills.report import SESSIONS, sample, score, session

DAYS = raw_days()
pytestmark = pytest.mark.skipif(not DAYS, reason="no real order feeds are here: shared/data/l2")


@pytest.fixture(scope="module", params=[60, pytest.param(600, marks=pytest.mark.long)])
def judged(request):
    """Orders of continuous trading and of both calls, some of each day."""
    days = [market(raw) for raw in DAYS]
    return [(order, day) for day in days for order in sample(day, request.param)]


@pytest.fixture(scope="module")
def ours(judged):
    return score(paper, judged)


def test_what_paper_says_is_filled_was_filled(ours):
    assert ours.precision > 0.98
    assert ours.share_precision > 0.97


def test_paper_errs_towards_not_filling(ours):
    assert ours.said <= ours.true
    assert ours.ratio <= 1.0
    assert ours.early < 0.1


def test_paper_sees_nearly_all_fills_soon_and_at_their_price(ours):
    assert ours.recall > 0.9
    assert ours.share_recall > 0.8
    assert ours.late < 5  # snapshots come every three seconds
    assert ours.off < 0.5


def test_paper_is_as_good_when_the_order_itself_is_displayed(judged, ours):
    """Then it stands behind itself, and is later or misses a fill: never the other way."""
    theirs = score(paper_shown_all, judged)
    assert theirs.precision > 0.98
    assert theirs.said <= ours.said
    assert theirs.recall > 0.9


@pytest.mark.parametrize("peer", [touched, own, at_once], ids=lambda peer: peer.__name__)
def test_peers_that_see_no_queue_fill_what_was_not_filled(ours, judged, peer):
    theirs = score(peer, judged)
    assert theirs.precision < ours.precision - 0.1
    assert theirs.ratio > 1.1
    assert theirs.early > 0.4


def test_a_peer_that_waits_for_the_other_side_is_late(ours, judged):
    theirs = score(opposite, judged)
    assert ours.precision > theirs.precision
    assert ours.recall > theirs.recall
    assert ours.late < theirs.late / 2
    assert ours.off < theirs.off


def test_every_session_is_in_the_sample(judged):
    assert {session(order) for order, _ in judged} == set(SESSIONS)
