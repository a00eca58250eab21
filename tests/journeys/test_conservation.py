"""Money and shares are conserved to the cent, whatever a strategy does in whatever market."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage import SYMBOL, Recorder, engine, quotes, rules

import qka
from qka.model.events import AssetChanged, PositionChanged

OTHER = "688981.SH"


class Erratic(Recorder):
    """Trades at random, within the law and outside it."""

    symbols = [SYMBOL, OTHER]

    def on_start(self):
        self.random = Random(self.name)

    def on_quote(self, quote):
        draw = self.random
        price = None if draw.random() < 0.3 else round(quote.last + draw.uniform(-0.05, 0.05), 2)
        shares = draw.choice([1, 37, 100, 200, 250, 1000, 30_000])
        chance = draw.random()
        if chance < 0.35:
            self.buy(quote.symbol, shares, price)
        elif chance < 0.6:
            self.sell(quote.symbol, shares, price)
        elif chance < 0.7:
            self.cancel_all()
        elif chance < 0.8:
            self.order_target_ratio(quote.symbol, draw.random() / 2)
        elif chance < 0.85:
            self.rebalance({SYMBOL: draw.random() / 2, OTHER: draw.random() / 2})
        assert self.account.available >= 0
        assert self.account.cash >= 0
        for symbol in self.symbols:
            position = self.position(symbol)
            assert position.quantity >= position.today >= 0
            assert position.sellable >= 0


MARKETS = {
    "seed": st.integers(0, 10**6),
    "walk": st.lists(st.sampled_from([-0.05, -0.01, 0.0, 0.01, 0.05]), min_size=5, max_size=60),
    "cash": st.integers(1_000, 300_000),
    "held": st.integers(0, 5_000),
    "lots": st.sampled_from([1, 3, 50]),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**MARKETS)
def test_cash_and_fees_and_shares_add_up_and_the_brokers_books_agree(seed, walk, cash, held, lots):
    conserved(seed, walk, cash, held, lots)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**MARKETS)
def test_they_add_up_in_two_thousand_markets(seed, walk, cash, held, lots):
    conserved(seed, walk, cash, held, lots)


def conserved(seed, walk, cash, held, lots):
    prices = [10.0]
    for step in walk:
        prices.append(round(prices[-1] + step, 2))
    events = quotes(prices, lots=lots) + quotes(prices, symbol=OTHER, start="09:30:04", lots=lots)
    strategies = [Erratic(name=f"{seed}{name}") for name in "abc"]
    built = engine(events, *strategies, cash=cash, held={SYMBOL: held}, gate=rules(ratio=1.0))
    told = [heard_of(built, kind) for kind in (PositionChanged, AssetChanged)]
    says_everything_twice(built.broker)
    summary = built.run()
    assert [
        alert for alert in summary["alerts"] if "are dropped: the day is over" not in alert
    ] == []

    fills = [e for strategy in strategies for e in strategy.heard if isinstance(e, qka.Fill)]
    assert len({fill.deal_id for fill in fills}) == len(fills)
    assert [len(heard) for heard in told] == [len(fills)] * 2
    flow = sum(
        (f.quantity * Decimal(str(f.price))) * (1 if f.side is qka.Side.SELL else -1) - f.fees
        for f in fills
    )
    assert summary["account"]["cash"] == cash + flow
    assert summary["account"]["frozen"] == 0

    filled = Counter()
    for fill in fills:
        filled[fill.order_id] += fill.quantity
    for order in built.ledger.orders.values():
        assert order.is_final
        assert order.filled == filled[order.id] <= order.quantity

    shares = Counter({SYMBOL: held})
    for fill in fills:
        shares[fill.symbol] += fill.quantity * (1 if fill.side is qka.Side.BUY else -1)
    positions = {p.symbol: p.quantity for p in built.ledger.positions()}
    assert positions == {symbol: count for symbol, count in shares.items() if count}

    theirs = built.broker.books()
    assert theirs.asset.cash == built.ledger.asset.cash
    assert {held.symbol: held.quantity for held in theirs.positions} == positions

    account, books = summary["account"], summary["strategies"]
    made = sum(book["profit"] for book in books.values())
    assert made + account["own_profit"] == account["profit"]
    assert sum(book["fills"] for book in books.values()) == summary["fills"] == len(fills)
    if not held:
        assert account["own_profit"] == 0


def says_everything_twice(broker):
    """As links do that were lost and found again."""
    connect = broker.connect

    async def doubled(report):
        return await connect(lambda event: (report(event), report(event)))

    broker.connect = doubled


def heard_of(built, kind):
    """What will be published of a kind."""
    heard = []
    built.listen(kind, heard.append)
    return heard
