"""One price for all who meet in a call auction, and which one when several would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qka.ashare.auction import Clearing, clear

EXCHANGES = ["SH", "SZ", "BJ"]


def auction(buys, sells, exchange="SH", reference=1000):
    return clear(buys, sells, exchange, reference)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    ("buys", "sells", "expected"),
    [
        ({}, {}, None),
        ({1000: 100}, {}, None),
        ({}, {1000: 100}, None),
        ({999: 100}, {1000: 100}, None),  # nobody meets
        ({1000: 100}, {1000: 100}, Clearing(1000, 100, 0)),
        ({1000: 300}, {1000: 100}, Clearing(1000, 100, 200)),  # buyers are left over
        ({1000: 100}, {1000: 300}, Clearing(1000, 100, -200)),  # sellers are
        ({1000: 0, 999: 100}, {999: 100, 998: 0}, Clearing(999, 100, 0)),  # nobody at a price
        # the most volume: 300 trade at 10.00 alone, fewer on either side of it
        (
            {1010: 100, 1000: 200, 990: 400},
            {990: 100, 1000: 200, 1010: 400},
            Clearing(1000, 300, 0),
        ),
        # 10.01 to 10.03 trade 100 too, but leave the buyers at 10.03 unfilled
        ({1003: 300}, {1000: 100}, Clearing(1003, 100, 200)),
        ({1003: 100}, {1000: 300}, Clearing(1000, 100, -200)),
    ],
)
def test_the_price_that_trades_the_most(exchange, buys, sells, expected):
    assert auction(buys, sells, exchange) == expected


# all sells up to 10.00 and all buys from 10.05 on match whole: anything between would do
OPEN = ({1005: 100, 990: 500}, {1000: 100, 1020: 500})
# 10.00 leaves 200 buyers, 10.05 leaves 200 sellers, 100 trade at both
EVEN = ({1005: 100, 1000: 200}, {1000: 100, 1005: 200})
# both trade 100: 10.00 leaves 300 buyers, 10.01 leaves 100 sellers
UNEVEN = ({1001: 100, 1000: 300}, {1000: 100, 1001: 100})


@pytest.mark.parametrize(
    ("book", "exchange", "reference", "price", "surplus"),
    [
        # Shanghai: the middle, whatever the reference; half a tick goes up
        (OPEN, "SH", 900, 1003, 0),
        (OPEN, "SH", 1100, 1003, 0),
        (({1004: 100}, {1000: 100}), "SH", 900, 1002, 0),
        (({1001: 100}, {1000: 100}), "SH", 900, 1001, 0),
        (EVEN, "SH", 900, 1003, 0),
        (({1001: 100, 1000: 200}, {1000: 100, 1001: 200}), "SH", 900, 1001, -200),
        # Shenzhen and Beijing: the nearest to the reference, at it where it lies between
        *(
            (OPEN, exchange, reference, price, 0)
            for exchange in ("SZ", "BJ")
            for reference, price in [(900, 1000), (1000, 1000), (1003, 1003), (1005, 1005),
                                     (1006, 1005)]
        ),
        # neither end of it, but what lies between leaves nobody over
        (EVEN, "SZ", 1000, 1001, 0),
        (EVEN, "SZ", 1006, 1004, 0),
        # the least unmatched comes first in Shanghai and Shenzhen, the reference in Beijing
        (UNEVEN, "SH", 900, 1001, -100),
        (UNEVEN, "SZ", 900, 1001, -100),
        (UNEVEN, "BJ", 900, 1000, 300),
        (UNEVEN, "BJ", 1100, 1001, -100),
        # two ticks, one at each side of nothing: as near, and the rule is silent
        (({1001: 100, 1000: 200}, {1000: 100, 1001: 200}), "SZ", 1000, 1000, 200),
    ],
)  # fmt: skip
def test_when_several_prices_would_do(book, exchange, reference, price, surplus):
    assert auction(*book, exchange, reference) == Clearing(price, 100, surplus)


def test_shanghai_takes_a_price_that_somebody_named():
    """600519 on 2023-02-01 at 14:57:39: 1846.02 was shown, though 1846.03 would have done."""
    buys, sells = {184608: 28_800}, {184602: 28_800, 184608: 50}
    assert auction(buys, sells) == Clearing(184602, 28_800, 0)


def test_side_conditions_leave_one_price_of_many_that_trade_the_same():
    """As 600761 at 09:25 on 2023-07-11: most volume alone is not enough."""
    buys, sells = {2140: 20_000, 2130: 40_000}, {2100: 30_000, 2130: 700, 2150: 9_000}
    assert auction(buys, sells) == Clearing(2130, 30_700, 29_300)


# ---------------------------------------------------------------- against the rule, read literally

levels = st.dictionaries(st.integers(990, 1010), st.integers(0, 9).map(lambda n: n * 100))


def oracle(buys, sells, exchange, reference):
    """Every price between the least and the most, each held against the words of the rule."""
    named = {price for side in (buys, sells) for price, shares in side.items() if shares}
    fit = []
    for price in range(989, 1012):
        demand = sum(shares for limit, shares in buys.items() if limit >= price)
        supply = sum(shares for limit, shares in sells.items() if limit <= price)
        traded = min(demand, supply)
        above = demand - buys.get(price, 0)
        below = supply - sells.get(price, 0)
        if traded and above <= traded and below <= traded:
            fit.append((price, traded, demand - supply))
    if exchange == "SH":
        fit = [one for one in fit if one[0] in named]
    fit = [one for one in fit if one[1] == max(traded for _, traded, _ in fit)]
    if exchange != "BJ":
        fit = [one for one in fit if abs(one[2]) == min(abs(left) for *_, left in fit)]
    return fit


@given(levels, levels, st.integers(980, 1020), st.sampled_from(EXCHANGES))
def test_as_the_rule_read_word_by_word(buys, sells, reference, exchange):
    fit, found = oracle(buys, sells, exchange, reference), auction(buys, sells, exchange, reference)
    if not fit:
        assert found is None
    elif exchange == "SH":
        assert len(fit) <= 2
        assert found.volume == fit[0][1]
        assert 2 * found.price - fit[0][0] - fit[-1][0] in (0, 1)
    else:
        assert tuple(found) in fit
        assert abs(found.price - reference) == min(abs(one[0] - reference) for one in fit)


@given(levels, levels, st.integers(980, 1020), st.sampled_from(EXCHANGES))
def test_what_an_auction_promises(buys, sells, reference, exchange):
    """Price priority, nobody pays more than he said, and one side at the price is done."""
    found = auction(buys, sells, exchange, reference)
    crossed = [(b, s) for b in buys if buys[b] for s in sells if sells[s] and b >= s]
    assert (found is not None) == bool(crossed)
    if found is None:
        return
    above = sum(shares for limit, shares in buys.items() if limit > found.price)
    below = sum(shares for limit, shares in sells.items() if limit < found.price)
    demand, supply = above + buys.get(found.price, 0), below + sells.get(found.price, 0)
    assert found.volume == min(demand, supply)
    assert found.surplus == demand - supply
    assert max(above, below) <= found.volume
    assert min(s for _, s in crossed) <= found.price <= max(b for b, _ in crossed)


@given(levels, levels, st.sampled_from(["SZ", "BJ"]))
def test_buyers_and_sellers_are_treated_alike(buys, sells, exchange):
    """A book in the mirror has the auction in the mirror, but for what no rule settles."""
    found = auction(buys, sells, exchange, 1000)
    other = auction(*({2000 - p: n for p, n in s.items()} for s in (sells, buys)), exchange, 1000)
    assert (found is None) == (other is None)
    if found is not None and found.price != other.price:
        assert (other.price, other.surplus) == (2000 - found.price, -found.surplus)
