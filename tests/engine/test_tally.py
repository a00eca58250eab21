"""The tally: who made what, and that nothing is counted twice or lost on the way."""

from collections import Counter
from decimal import Decimal

import pytest
from builders import FEES, SYMBOL, a_fill, a_quote, an_order, moment
from hypothesis import given, settings
from hypothesis import strategies as st

from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.tally import Tally
from qka.model.events import Fill, OrderRequested
from qka.model.money import to_cents, yuan
from qka.model.order import OrderStatus, Side

FUND = "510300.SH"


class Account:
    """A ledger and a tally that hear the same, in the engine's order."""

    def __init__(self, cash=1_000_000, shares=0, cost=None):
        """`shares` of SYMBOL that cost 10 CNY each, or `cost` cents in all."""
        positions = {SYMBOL: (shares, cost or shares * 1000)} if shares else {}
        self.ledger = Ledger(ManualClock(moment()), FEES, cash * 100, positions)
        self.tally = Tally(self.ledger)
        self.count = 0
        self.last = None
        self.tally.begin()

    def trade(self, strategy, side, quantity, price, symbol=SYMBOL, parts=1):
        """An order, filled whole; without a strategy somebody trades in the terminal."""
        self.count += 1
        order = an_order(
            quantity, price, id=f"q{self.count}", symbol=symbol, side=side, strategy=strategy,
            status=OrderStatus.SUBMITTING,
        )  # fmt: skip
        if strategy:
            self.ledger.open(order)
            self.tally.handlers()[OrderRequested](OrderRequested(order.time, order))
        for part in range(parts):
            shares = quantity // parts + (quantity % parts if part == 0 else 0)
            before = self.ledger.order(order.id) or order
            exact = before.turnover + Decimal(str(price)) * shares
            owed = FEES.of_order(symbol, side, to_cents(exact), order.time)
            fees = yuan(owed) - before.fees
            self.last = a_fill(
                shares, price, order_id=order.id, deal_id=str(part), symbol=symbol, side=side,
                fees=fees,
            )  # fmt: skip
            self.hear(self.last)

    def buy(self, strategy, quantity, price, **more):
        self.trade(strategy, Side.BUY, quantity, price, **more)

    def sell(self, strategy, quantity, price, **more):
        self.trade(strategy, Side.SELL, quantity, price, **more)

    def hear(self, fill):
        self.ledger.on_fill(fill)
        self.tally.handlers()[Fill](fill)

    def price(self, last, symbol=SYMBOL):
        self.ledger.on_quote(a_quote(last, symbol=symbol))

    @property
    def profits(self):
        """Strategy -> profit; the account's own under "own", all of it under "all"."""
        summary = self.tally.summary()
        made = {name: book["profit"] for name, book in summary["strategies"].items()}
        account = summary["account"]
        return {**made, "own": account["own_profit"], "all": account["profit"]}


def cny(text):
    return Decimal(text)


def test_a_strategy_makes_what_its_shares_gain_less_fees():
    account = Account()
    account.buy("a", 1000, 10.0)
    account.price(10.5)
    assert account.profits == {"a": cny("494.90"), "own": 0, "all": cny("494.90")}
    account.sell("a", 1000, 10.5)
    assert account.profits == {"a": cny("484.54"), "own": 0, "all": cny("484.54")}


def test_who_sells_what_another_bought_makes_good_what_it_cost():
    account = Account()
    account.buy("a", 1000, 10.0)
    account.price(10.5)
    account.sell("b", 400, 10.5)
    profits = account.profits
    # 400 of a's shares cost 4,002.04 with fees; b gets 4,200.00 less 7.14 of its own
    assert profits["b"] == cny("190.82")
    assert profits["a"] == cny("600") * cny("0.5") - cny("5.10") + cny("2.04")
    assert profits["own"] == 0
    assert profits["a"] + profits["b"] == profits["all"]


def test_the_shares_an_account_began_with_gain_for_the_account_until_a_strategy_sells_them():
    account = Account(shares=1000)
    account.price(10.2)
    assert account.profits == {"own": 200, "all": 200}
    account.sell("a", 400, 10.2)
    profits = account.profits
    assert profits["a"] == cny("80") - cny("7.08")
    assert profits["own"] == 120


def test_a_strategy_sells_its_own_shares_first_then_the_accounts_then_anothers():
    account = Account(shares=100)
    account.buy("a", 200, 20.0)
    account.buy("b", 300, 30.0)
    account.price(40.0)
    before = account.profits
    account.sell("b", 300, 40.0)
    sold_its_own = account.profits
    assert (sold_its_own["a"], sold_its_own["own"]) == (before["a"], before["own"])
    account.sell("b", 100, 40.0)
    sold_the_accounts = account.profits
    assert sold_the_accounts["own"] == 0
    assert sold_the_accounts["a"] == before["a"]
    account.sell("b", 200, 40.0)
    assert account.profits["a"] == 0


def test_trades_from_outside_are_the_accounts_own():
    account = Account()
    account.buy("", 500, 10.0)
    account.buy("a", 500, 10.0)
    account.price(10.1)
    profits = account.profits
    assert profits == {
        "a": cny("44.95"),
        "own": cny("44.95"),
        "all": cny("89.90"),
    }
    assert account.tally.summary()["fills"] == 2


def test_a_fill_that_is_heard_twice_counts_once():
    account = Account()
    account.buy("a", 1000, 10.0)
    once = account.tally.summary()
    account.hear(account.last)
    assert account.tally.summary() == once
    assert once["strategies"]["a"]["fills"] == 1


def test_the_cost_of_a_share_may_have_any_number_of_decimals():
    account = Account(shares=3000, cost=3_000_457)  # 10.00152333 CNY a share
    for _ in range(3):
        account.sell("a", 1000, 10.0)
    profits = account.profits
    assert profits["a"] == profits["all"]
    assert profits["own"] == 0


trades = st.tuples(
    st.sampled_from(["a", "b", "c", ""]),
    st.sampled_from(Side),
    st.sampled_from([SYMBOL, FUND]),
    st.integers(1, 3000),  # shares
    st.integers(900, 1100),  # price in ticks
    st.integers(1, 4),  # fills
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(trades, max_size=25), st.sampled_from([0, 700, 5000]), st.integers(900, 1100),
    st.integers(900, 1100),
)  # fmt: skip
def test_whoever_trades_what_the_profits_add_up_to_the_accounts(moves, held, last, fund):
    account = Account(10_000_000, shares=held)
    there, outside = Counter({SYMBOL: held}), held > 0
    for strategy, side, symbol, shares, ticks, parts in moves:
        price = ticks / (1000 if symbol == FUND else 100)
        if side is Side.SELL:
            shares = min(shares, there[symbol])
        if not shares:
            continue
        there[symbol] += shares if side is Side.BUY else -shares
        account.trade(strategy, side, shares, price, symbol, min(parts, shares))
        account.hear(account.last)  # every last deal is pushed twice
        outside |= strategy == ""
    account.price(last / 100)
    account.price(fund / 1000, FUND)
    profits = account.profits
    every = sum(made for name, made in profits.items() if name not in ("own", "all"))
    assert every + profits["own"] == profits["all"]
    if not outside:
        assert profits["own"] == 0
    owned = Counter()
    for symbol, lots in account.tally._lots.items():
        assert all(lot.shares >= 0 and lot.cost >= 0 for lot in lots.values())
        owned[symbol] = sum(lot.shares for lot in lots.values())
    assert +owned == +there


@pytest.mark.parametrize("opening", [10.0, 12.0])
def test_profit_is_counted_from_what_the_account_was_worth_when_the_run_began(opening):
    account = Account(shares=1000)
    account.price(opening)
    account.tally.begin()
    account.price(opening + 0.5)
    assert account.profits == {"own": 500, "all": 500}
