"""The call auction's algorithm against every auction of the recorded days."""

import pytest

from benchmarks.fills.book import Book
from benchmarks.fills.feeds import Traded, raw_days, rows
from qka.ashare.auction import clear
from qka.model.market import Phase
from qka.model.order import Side
from qka.model.times import MILLISECOND, SECOND, at

CALLS = {Phase.OPENING_CALL, Phase.CLOSING_CALL}
DAYS = raw_days()


def every(days):
    """A case for each of these days; without any the test is skipped."""
    return pytest.mark.parametrize("raw", days, ids=lambda raw: f"{raw.symbol}-{raw.day:%Y%m%d}")


def cleared(book):
    return clear(book.levels[Side.BUY], book.levels[Side.SELL], "SH", 0)


@every(DAYS)
def test_price_and_volume_of_both_auctions_are_those_of_the_orders_before_them(raw):
    """To the cent and to the share, from orders and cancels alone."""
    ends = [at(raw.day, "09:25"), at(raw.day, "15:00")]
    book, computed, printed = Book(), [], []
    for message in raw.messages():
        if len(computed) < 2 and message.time >= ends[len(computed)]:
            auction = cleared(book)
            computed.append((auction.price, auction.volume))
        if isinstance(message, Traded) and message.aggressor is None:
            printed.append(message)
        book.hear(message)
    opening, closing = (
        [t for t in printed if (t.time < ends[1]) is early] for early in (True, False)
    )
    assert computed == [
        (trades[0].price, sum(trade.shares for trade in trades)) for trades in (opening, closing)
    ]
    assert {trade.price for trade in opening} == {computed[0][0]}
    assert {trade.price for trade in closing} == {computed[1][0]}


@every([raw for raw in DAYS if raw.ticks.exists()])
def test_every_virtual_price_that_the_exchange_showed_is_computed(raw):
    """With what is matched and what is left over, in lots, as the snapshots have them."""
    messages, heard, book, auction, seen = raw.messages(), 0, Book(), None, 0
    for row in rows(raw.ticks):
        calling = int(row["openInt"]) in CALLS
        if not calling or not float(row["bidPrice1"]):
            continue
        shown = tuple(float(row[name]) for name in ("bidPrice1", "bidVol1", "askVol2", "bidVol2"))
        # the time on a snapshot is up to three seconds off
        earliest, latest = (int(row["time"]) * MILLISECOND + off * SECOND for off in (-3, 3))
        while messages[heard].time < earliest or (auction := auction or in_lots(book)) != shown:
            assert messages[heard].time < latest, (row["time"], shown, auction)
            book.hear(messages[heard])
            auction, heard = None, heard + 1
        seen += 1
    assert seen > 100


def in_lots(book):
    auction = cleared(book)
    if auction is None:
        return None
    price, volume, surplus = auction
    return price / 100, volume // 100, max(-surplus, 0) // 100, max(surplus, 0) // 100
