"""How a strategy says what kind of order it wants, and what becomes of the word."""

import pytest
from stage import SYMBOL, Recorder, engine, journalled, quotes

import qka
from qka import OrderType
from qka.model.events import Fill, OrderRequested


class Once(Recorder):
    """Places one order at the first quote."""

    symbols = [SYMBOL]

    def __init__(self, **how):
        self.how, self.order_made, self.error = how, None, None

    def on_quote(self, quote):
        if self.order_made is None and self.error is None:
            try:
                self.order_made = self.buy(quote.symbol, 100, **self.how)
            except ValueError as error:
                self.error = str(error)


async def placed(tmp_path=None, **how):
    strategy = Once(**how)
    journal = tmp_path / "journal.db" if tmp_path else None
    await engine(quotes([10.0, 10.0]), strategy, journal=journal).run_async()
    return strategy


@pytest.mark.parametrize(
    ("how", "kind", "price"),
    [
        ({}, OrderType.MARKET, 11.0),
        ({"price": 10.05}, OrderType.LIMIT, 10.05),
        ({"price": 10.05, "type": "limit"}, OrderType.LIMIT, 10.05),
        ({"type": OrderType.PEER}, OrderType.PEER, 11.0),
        ({"price": 10.05, "type": "best_5_limit"}, OrderType.BEST_5_LIMIT, 10.05),
        ({"price": 10.05, "type": "market"}, OrderType.MARKET, 10.05),
    ],
)
async def test_an_order_is_of_the_type_asked_for_and_protected(how, kind, price):
    order = (await placed(**how)).order_made
    assert (order.type, order.price) == (kind, price)


async def test_where_an_exchange_has_no_market_orders_one_is_a_limit_order_at_the_days_limit():
    bond = "113050.SH"
    strategy = Once()
    strategy.symbols = [bond]
    await engine(quotes([10.0, 10.0], symbol=bond), strategy).run_async()
    order = strategy.order_made
    assert (order.type, order.price, order.reason) == (OrderType.LIMIT, 11.0, "")
    assert any(isinstance(heard, Fill) for heard in strategy.heard)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"type": "limit"}, "price: a limit order needs one"),
        ({"type": "stop"}, "type: 'stop' is none of limit, market, best_5_limit"),
    ],
)
async def test_a_type_that_makes_no_sense_raises_and_says_so(how, words):
    assert (await placed(**how)).error.startswith(words)


async def test_the_journal_keeps_the_type(tmp_path):
    await placed(tmp_path, type="own")
    (asked,) = (e for e in journalled(tmp_path / "journal.db") if isinstance(e, OrderRequested))
    assert asked.order.type is qka.OrderType.OWN
