"""From a quote of QMT to a fill at QMT: the whole engine over the vendor's own Python."""

import pytest
from builders import SYMBOL, a_quote, moment
from qmt import ACCOUNT, PATH, a_terminal, eventually
from stage import FEES, rules

import qka
from qka.brokers.link import TraderLink
from qka.brokers.xtquant import XtquantBroker
from qka.clock import ManualClock
from qka.engine.engine import Engine
from qka.errors import ConfigError, EngineFault
from qka.feeds.xtdata import XtdataFeed
from qka.journal.port import NoJournal
from qka.model.money import to_cents
from qka.model.order import OrderStatus

QUICK = {"deadline": 3.0, "probe": 0.5, "pause": 0.01, "sessions": range(1, 100)}


class BuysCheap(qka.Strategy):
    """Buys at 10.00 or less, sells nothing today."""

    symbols = [SYMBOL]

    def on_start(self):
        self.seen = []
        self.orders = []

    def on_quote(self, quote):
        self.seen.append(quote.last)
        if quote.last <= 10.0 and not self.orders:
            self.orders.append(self.buy(SYMBOL, 500, price=10.02).id)


@pytest.fixture
def terminal():
    with a_terminal(id_cooldown=0.0) as terminal:
        yield terminal


def live(terminal, tmp_path, strategy, account=ACCOUNT):
    """The engine as it trades with QMT."""
    clock = ManualClock(terminal.now())
    link = TraderLink(PATH, account, **QUICK)
    link._pool._folder = tmp_path
    engine = Engine(
        clock=clock,
        feed=XtdataFeed(clock, check=0.02),
        broker=XtquantBroker(link, clock, FEES),
        journal=NoJournal(),
        rules=rules(),
        fees=FEES,
        cash=10_000_000,
        account_id=ACCOUNT,
    )
    engine.register(strategy)
    return engine


def quote(terminal, last, second):
    terminal.quote(a_quote(last, time=moment(f"10:00:{second:02d}")))


async def test_a_quote_becomes_an_order_and_a_fill_and_both_books_agree(terminal, tmp_path):
    strategy = BuysCheap()
    engine = live(terminal, tmp_path, strategy)
    async with engine:
        await eventually(lambda: strategy.orders)
        (order_id,) = strategy.orders
        await eventually(lambda: engine.ledger.order(order_id).status is OrderStatus.ACCEPTED)
        quote(terminal, 10.0, 6)
        await eventually(lambda: engine.ledger.order(order_id).status is OrderStatus.FILLED)
        await eventually(lambda: len(strategy.seen) == 2)
        books = terminal.books(ACCOUNT)
        assert books.problems() == []
        assert to_cents(engine.ledger.asset.cash) == books.cash
        assert engine.ledger.position(SYMBOL).quantity == books.shares[SYMBOL] == 500
        assert engine.ledger.position(SYMBOL).sellable == 0
        assert [order.remark for order in books.orders] == [order_id]
        snapshot = await engine.broker.snapshot()
        assert snapshot.asset.cash == engine.ledger.asset.cash
        assert [(deal.order_id, deal.quantity) for deal in snapshot.deals] == [(order_id, 500)]


async def test_a_terminal_that_restarts_in_mid_order_loses_nothing(terminal, tmp_path):
    strategy = BuysCheap()
    terminal.faults.next("restart")
    terminal.faults.next("reply_lost", "order")
    engine = live(terminal, tmp_path, strategy)
    async with engine:
        await eventually(lambda: strategy.orders)
        (order_id,) = strategy.orders
        await eventually(lambda: engine.ledger.order(order_id).status is OrderStatus.ACCEPTED)
        quote(terminal, 10.0, 6)
        await eventually(lambda: engine.ledger.order(order_id).status is OrderStatus.FILLED)
        books = terminal.books(ACCOUNT)
        assert len(books.orders) == 1
        assert to_cents(engine.ledger.asset.cash) == books.cash


async def test_another_account_is_refused_before_anything_is_sent(terminal, tmp_path):
    engine = live(terminal, tmp_path, BuysCheap(), account="other")
    with pytest.raises((ConfigError, EngineFault), match="other"):
        await engine.run_async()
    assert terminal.books(ACCOUNT).orders == ()
