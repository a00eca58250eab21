"""What the gate and the paper exchange accept, each by its own look, is what the rules allow."""

from builders import DAY, FEES, SYMBOL, a_quote, an_order, moment
from hypothesis import given
from hypothesis import strategies as st
from ledgers import a_sell, books

from qka.ashare.limits import cage_reference, price_cage, price_limits
from qka.ashare.rules import TERMS, tick_price
from qka.brokers.paper import PaperBroker
from qka.clock import ManualClock
from qka.model.events import OrderAccepted, OrderRejected
from qka.model.order import Approved, Side
from qka.risk.prices import price_cage as cage_rule
from qka.risk.prices import price_limit
from qka.risk.rules import instrument, sellable

BOARDS = [SYMBOL, "000001.SZ", "688981.SH", "300750.SZ", "920002.BJ"]
OTHERS = ["510300.SH", "159915.SZ", "123219.SZ"]


def by_the_gate(order, quote, held):
    ledger = books(held=held, quote=quote)
    rules = (instrument, sellable, price_limit, cage_rule)
    return all(rule(order, ledger) is None for rule in rules)


def by_paper(order, quote, held):
    clock, reports = ManualClock(quote.time), []
    broker = PaperBroker(clock, FEES, "demo", 10**14, held, latency=0.0)
    broker.tell(reports.append)
    broker.on_quote(quote)
    broker.submit(Approved(order))
    clock.advance(by=1)
    assert [type(report) in (OrderAccepted, OrderRejected) for report in reports].count(True) == 1
    return any(isinstance(report, OrderAccepted) for report in reports)


@st.composite
def markets(draw):
    """A snapshot anywhere between the limits, its sides empty at them, as feeds have it."""
    symbol = draw(st.sampled_from(BOARDS))
    reference = draw(st.integers(100, 30_000)) / 100
    up, down = price_limits(symbol, reference, DAY)
    cents = st.integers(round(down * 100), round(up * 100))
    last = draw(cents) / 100
    asks = [tick_price(symbol, last + 0.01 * level) for level in range(1, 6)]
    bids = [tick_price(symbol, last - 0.01 * level) for level in range(1, 6)]
    shown = {
        "ask_prices": [price if price <= up else 0.0 for price in asks],
        "ask_lots": [10 if price <= up else 0 for price in asks],
        "bid_prices": [price if price >= down else 0.0 for price in bids],
        "bid_lots": [10 if price >= down else 0 for price in bids],
    }
    quote = a_quote(last, symbol=symbol, prev_close=reference, limit_up=up, limit_down=down,
                    **shown)  # fmt: skip
    beyond = draw(st.integers(round(down * 100) - 50, round(up * 100) + 50))
    return quote, max(1, beyond) / 100


@given(markets(), st.sampled_from(Side))
def test_a_price_that_is_accepted_is_inside_the_limits_and_the_cage(market, side):
    """And one inside both is accepted: neither judge is stricter than the exchange."""
    quote, price = market
    symbol = quote.symbol
    order = an_order(1000, price, symbol=symbol, side=side, time=quote.time)
    reference = cage_reference(side, quote.ask1, quote.bid1, quote.last, quote.prev_close)
    edge = price_cage(symbol, side, reference, DAY)
    legal = quote.limit_down <= price <= quote.limit_up
    legal = legal and (price <= edge if side is Side.BUY else price >= edge)
    held = {symbol: 1000} if side is Side.SELL else {}
    assert by_the_gate(order, quote, held) is legal
    assert by_paper(order, quote, held) is legal


@given(st.sampled_from([*BOARDS, *OTHERS]), st.data())
def test_a_sell_of_the_whole_remainder_is_accepted(symbol, data):
    """However odd it is, up to the most shares of one order."""
    shares = data.draw(st.integers(1, TERMS[symbol].most))
    order = a_sell(shares, 10.0, symbol=symbol, time=moment("10:00:03"))
    quote = a_quote(10.0, symbol=symbol)
    assert by_the_gate(order, quote, {symbol: shares})
    assert by_paper(order, quote, {symbol: shares})
