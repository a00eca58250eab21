"""Who owns which shares, and what became of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.model.money import cents
from qka.report.lots import ACCOUNT, Lot, Lots

S = "600000.SH"


def bought(lots, owner, shares, cost, order="", fees=0):
    lots.receive(S, Lot(owner, shares, cost, cost, fees, order))


def trades(lots):
    return [(t.strategy, t.bought_by, t.shares, t.cost, t.proceeds) for t in lots.trades]


def test_what_was_bought_first_is_sold_first():
    lots = Lots()
    bought(lots, "a", 100, 100_000, "b1")
    bought(lots, "a", 200, 220_000, "b2")
    lots.sell(S, "a", 150, 180_000, 300, "s1", 7)
    assert trades(lots) == [
        ("a", "a", 100, 100_000, 119_800),
        ("a", "a", 50, 55_000, 59_900),
    ]
    assert [(t.buy_order, t.sell_order, t.profit) for t in lots.trades] == [
        ("b1", "s1", 19_800),
        ("b2", "s1", 4_900),
    ]
    assert lots.held(S) == 150


def test_fills_of_the_same_two_orders_are_one_trade():
    lots = Lots()
    for _ in range(3):
        bought(lots, "a", 100, 100_001, "b1", fees=1)
    for time in (1, 2):
        lots.sell(S, "a", 150, 165_000, 5, "s1", time)
    (trade,) = lots.trades
    assert (trade.shares, trade.cost, trade.proceeds, trade.fees) == (300, 300_003, 329_990, 13)
    assert trade.closed == 2


def test_who_sells_more_than_it_owns_takes_the_accounts_then_the_others():
    lots = Lots()
    bought(lots, "b", 100, 1_000)
    bought(lots, ACCOUNT, 100, 2_000)
    bought(lots, "a", 100, 3_000)
    lots.sell(S, "a", 250, 25_000, 0, "s", 1)
    assert trades(lots) == [
        ("a", "a", 100, 3_000, 10_000),
        ("a", ACCOUNT, 100, 2_000, 10_000),
        ("a", "b", 50, 500, 5_000),
    ]


def test_no_cent_is_lost_in_splitting():
    lots = Lots()
    bought(lots, "a", 3, 100)
    for number in range(3):
        lots.sell(S, "a", 1, 34, 1, f"s{number}", number)
    assert sum(trade.cost for trade in lots.trades) == 100
    assert sum(trade.proceeds for trade in lots.trades) == 99


def test_more_sold_than_held_is_owed_until_it_comes():
    lots = Lots()
    bought(lots, "a", 100, 100_000)
    lots.sell(S, "a", 300, 330_000, 0, "s", 1)
    assert lots.held(S) == -200
    bought(lots, "a", 250, 262_500)
    assert lots.held(S) == 50
    share = lots.shares["a", S]
    assert share.realised == share.gained == 330_000 - 100_000 - 210_000


@pytest.mark.parametrize(("paid", "lost"), [(True, 0), (False, 100_000)])
def test_shares_that_go_without_a_sale_are_a_loss_unless_they_were_paid_for(paid, lost):
    lots = Lots()
    bought(lots, ACCOUNT, 100, 100_000)
    went = lots.lose(S, 100, 10.0, paid=paid)
    assert (went, lots.shares[ACCOUNT, S].gained) == (100_000 - lost, -lost)
    assert lots.held(S) == 0


def test_a_period_begins_with_what_things_are_worth():
    lots = Lots()
    bought(lots, "a", 100, 90_000)
    lots.begin({S: 10.0})
    lots.sell(S, "a", 100, 101_000, 0, "s", 1)
    share = lots.shares["a", S]
    assert (share.realised, share.gained) == (11_000, 1_000)


OWNERS = st.sampled_from(["", "a", "b"])
SHARES = st.integers(1, 5_000)
PRICES = st.integers(1, 30_000).map(lambda mills: mills / 1000)
ACTS = st.one_of(
    st.tuples(st.just("buy"), OWNERS, SHARES, PRICES, st.integers(0, 900)),
    st.tuples(st.just("sell"), OWNERS, SHARES, PRICES, st.integers(0, 900)),
    st.tuples(st.just("come"), OWNERS, SHARES, PRICES, st.just(0)),
    st.tuples(st.just("go"), OWNERS, SHARES, PRICES, st.just(0)),
    st.tuples(st.just("begin"), OWNERS, SHARES, PRICES, st.just(0)),
)


@given(st.lists(ACTS, max_size=40), PRICES)
def test_what_everybody_gained_is_what_cash_and_shares_did(acts, last):
    """Also when more is sold than there is, and whatever comes and goes."""
    lots, cash, opening, held = Lots(), 0, 0, 0
    for number, (act, owner, shares, price, fees) in enumerate(acts):
        money = cents(price, shares)
        if act == "buy":
            lots.receive(S, Lot(owner, shares, money + fees, money + fees, fees, f"b{number}"))
            cash, held = cash - money - fees, held + shares
        elif act == "sell":
            lots.sell(S, owner, shares, money, fees, f"s{number}", number)
            cash, held = cash + money - fees, held - shares
        elif act == "come":
            lots.receive(S, Lot(owner, shares, 0, 0))
            held += shares
        elif act == "go":
            lots.lose(S, shares, price, paid=False)
            held -= shares
        else:
            lots.begin({S: price})
            opening = cash + cents(price, held)
        assert lots.held(S) == held
    risen = sum(worth - lot.basis for lot, worth in lots.worth(S, last))
    gained = sum(share.gained for share in lots.shares.values())
    assert gained + risen == cash + cents(last, held) - opening
