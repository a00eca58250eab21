"""The deals of an account: each counts once, and takes the place of a human's word."""

from datetime import timedelta

from builders import DAY, NEXT_DAY, SYMBOL, a_fill, moment

from qka.engine.deals import Deals
from qka.model.order import Side


def noted(*deals):
    kept = Deals()
    assert all(map(kept.note, deals))
    return kept


def test_a_deal_counts_once_and_the_same_number_on_another_day_or_order_is_another():
    kept = noted(a_fill(), a_fill(order_id="b"), a_fill(time=moment(day=NEXT_DAY)))
    assert not kept.note(a_fill())
    assert [len(kept.of(day)) for day in (DAY, NEXT_DAY)] == [2, 1]


def test_shares_that_moved_since_a_day_are_those_of_its_symbol_bought_less_sold():
    kept = noted(
        a_fill(500),
        a_fill(300, deal_id="2", side=Side.SELL, time=moment(day=NEXT_DAY)),
        a_fill(100, deal_id="3", symbol="000001.SZ", time=moment(day=NEXT_DAY)),
    )
    assert [kept.moved(SYMBOL, day) for day in (DAY, NEXT_DAY)] == [200, -300]


def test_deals_of_yesterday_that_are_told_of_late_are_yesterdays():
    today, late = a_fill(time=moment(day=NEXT_DAY)), a_fill(200)
    kept = noted(today, late)
    assert list(kept.since(DAY)) == [late, today]
    assert list(kept.since(NEXT_DAY)) == [today]


def test_a_deal_proves_as_much_of_a_humans_word_as_it_has_shares():
    kept = noted(a_fill(300, deal_id="operator-300"))
    one, two, three = (a_fill(n, deal_id=str(n)) for n in (100, 200, 50))
    for deal in (one, two, three):
        kept.note(deal)
    assert [kept.proves(deal) for deal in (one, two, three)] == [True, True, False]
    assert kept.of(DAY) == [one, two, three]


def test_more_than_was_said_proves_nothing():
    said = a_fill(300, deal_id="operator-300")
    kept = noted(said)
    assert not kept.proves(said)
    assert not kept.proves(a_fill(400, deal_id="7"))
    kept.clear()
    assert kept.of(DAY) == []
    assert not kept.proves(a_fill(100, deal_id="8"))


def test_what_is_older_than_anyone_asks_for_is_forgotten_so_that_a_replay_of_years_costs_no_more():
    said = a_fill(300, deal_id="operator-300")
    late, later = DAY + timedelta(60), DAY + timedelta(61)
    kept = noted(said, a_fill(time=moment(day=late)))
    assert list(kept.since(DAY)) == [said, *kept.of(late)]
    kept.note(a_fill(time=moment(day=later)))
    assert list(kept.since(DAY)) == [*kept.of(late), *kept.of(later)]
    assert not kept.proves(a_fill(100, deal_id="7"))
