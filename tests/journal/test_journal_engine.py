"""An engine that runs over the journal: the same run, the same head; a full disk, no new order."""

import itertools

import pytest
import stage
from journal_stage import records_of
from stage import SYMBOL, quotes

from qka.engine.strategy import Strategy
from qka.journal.store import SqliteJournal
from qka.journal.verify import verify
from qka.model.events import TradingState
from qka.model.order import FINAL, OrderStatus

PRICES = [10.0, 10.02, 10.05, 10.01, 9.98, 10.03] * 20


class Trader(Strategy):
    """Buys, sells what it may, and cancels what rests."""

    def on_start(self):
        self.orders = []

    def on_quote(self, quote):
        n = len(self.orders)
        if n % 3 == 2:
            self.orders.append(self.buy(quote.symbol, 100, 9.5))  # rests
        else:
            self.orders.append(self.buy(quote.symbol, 100, quote.ask_prices[0]))
        for order in self.orders[-5:-4]:
            self.cancel(order.id)


def run(path, prices=PRICES, durable=False, hinder=lambda engine, journal: None):
    """A day over a new journal; returns (engine, journal)."""
    built = []
    journal = SqliteJournal(
        path, "demo", "STOCK", durable=durable, now=lambda: built[0].clock.now()
    )
    built.append(stage.engine(quotes(prices), Trader(symbols=[SYMBOL]), journal=journal))
    hinder(built[0], journal)
    built[0].run()
    return built[0], journal


@pytest.mark.parametrize("durable", [True, False])
def test_two_equal_runs_give_equal_head_hashes_and_whole_journals(tmp_path, durable):
    heads = set()
    for name in ("a", "b"):
        _, journal = run(tmp_path / name, durable=durable)
        report = verify(journal.path)
        assert report.problems == report.doubts == []
        heads.add(report.head)
    assert len(heads) == 1
    _, other = run(tmp_path / "d", PRICES[1:], durable)
    assert verify(other.path).head not in heads


def test_every_order_and_report_of_the_day_is_in_it_in_the_order_of_things(tmp_path):
    engine, journal = run(tmp_path / "a")
    records = records_of(journal.path)
    events = [record.event for record in records if record.is_event]
    orders = engine.ledger.orders
    requested = [e.order.id for e in events if type(e).__name__ == "OrderRequested"]
    assert requested == [id_ for id_, order in orders.items() if order.status != "denied"]
    filled = dict.fromkeys(orders, 0)
    known = set()
    for event in events:
        kind = type(event).__name__
        if kind == "OrderRequested":
            known.add(event.order.id)
        elif kind == "Fill":
            filled[event.order_id] += event.quantity
        if kind in ("OrderSubmitted", "OrderAccepted", "OrderCancelled", "Fill"):
            assert event.order_id in known, "a report before its intent"
    assert filled == {id_: order.filled for id_, order in orders.items()}
    assert sum(filled.values()) > 0
    times = [record.ts for record in records]
    assert times == sorted(times)


def disk_full_at(count):
    """From the order with that number on the disk takes no new page, until the run ends."""

    def hinder(engine, journal):
        numbers = itertools.count(1)
        submit = engine.broker.submit

        def counted(approved):
            if next(numbers) == count:
                ask = journal._opened().execute
                ask(f"PRAGMA max_page_count = {ask('PRAGMA page_count').fetchone()[0]}")
            submit(approved)

        engine.broker.submit = counted

    return hinder


def test_on_a_full_disk_no_new_order_leaves_and_reports_and_cancels_go_on(tmp_path):
    engine, journal = run(tmp_path / "a", durable=True, hinder=disk_full_at(10))
    assert engine.ledger.trading is TradingState.HALTED
    (fault,) = engine.faults
    assert "the disk is full): no new order leaves, cancels and reports go on" in fault
    orders = list(engine.ledger.orders.values())
    denied = [order for order in orders if order.status is OrderStatus.DENIED]
    left = [order for order in orders if order not in denied]
    assert len(denied) > 50
    assert all(order.status in FINAL for order in left)  # the last ones too were told of
    assert "the disk is full" in denied[0].reason
    report = verify(journal.path)
    assert report.problems == []
    safe = [r.event for r in records_of(journal.path) if r.kind == "OrderRequested"]
    assert [event.order.id for event in safe] == [order.id for order in left]


def test_when_there_is_room_again_nothing_is_missing(tmp_path):
    """The journal of a day with a full disk in between has every report of it."""

    def hinder(engine, journal):
        disk_full_at(10)(engine, journal)
        close = journal.close

        def make_room():
            if journal._connection is not None:
                journal._connection.execute("PRAGMA max_page_count = 1000000")
            close()

        journal.close = make_room

    engine, journal = run(tmp_path / "a", durable=True, hinder=hinder)
    assert verify(journal.path).problems == []
    events = [record.event for record in records_of(journal.path) if record.is_event]
    denied = [e.order.id for e in events if type(e).__name__ == "OrderDenied"]
    assert denied == [o.id for o in engine.ledger.orders.values() if o.status == "denied"]
    requested = {e.order.id for e in events if type(e).__name__ == "OrderRequested"}
    assert not requested & set(denied)


@pytest.mark.parametrize("durable", [True, False])
def test_what_was_handed_to_the_broker_was_in_the_journal_before(tmp_path, durable):
    seen = []

    def hinder(engine, journal):
        submit = engine.broker.submit

        def look(approved):
            seen.append(approved.order.id)
            last = list(journal.records(journal.head.seq - 1))[-1]
            assert last.event.order.id == approved.order.id
            assert not durable or journal.safe == journal.head
            submit(approved)

        engine.broker.submit = look

    run(tmp_path / "a", PRICES[:12], durable, hinder)
    assert len(seen) == 12
