"""What the simulated terminal must never lose or make up, whatever goes wrong around it."""

from random import Random

import pytest
from builders import SYMBOL, a_quote, moment
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from terminal_stage import ACCOUNT, SELL, Client, order_of

from qka.clock import ManualClock
from qka.terminal.books import Opening
from qka.terminal.faults import KNOWN, Faults
from qka.terminal.terminal import SimTerminal, TerminalGone

SYMBOLS = (SYMBOL, "000001.SZ")


def test_an_order_is_rounded_to_the_cent_and_not_each_of_its_deals():
    fund = "510300.SH"
    opening = Opening(account_id=ACCOUNT, positions={fund: 10}, costs={fund: 1.0})
    terminal = SimTerminal(ManualClock(moment("10:00")), [opening])
    fields = {"symbol": fund, "limit_up": 1.1, "limit_down": 0.9, "prev_close": 1.0}
    terminal.quote(a_quote(1.001, time=moment("10:00"), volume=1000, **fields))
    client = Client(terminal)
    client.order(symbol=fund, side=SELL, volume=10, price=0.999)
    for second, volume in (("03", 1000), ("06", 1005), ("09", 1010)):
        time = moment(f"10:00:{second}")
        terminal.quote(a_quote(1.001, time=time, volume=volume, **fields))
    books = terminal.books(ACCOUNT)
    assert [deal.quantity for deal in books.deals] == [5, 5]
    assert books.orders[0].turnover == 9_99  # 4.995 twice, not 5.00 twice
    assert books.problems() == []
    assert books.cash == opening.cash + 9_99 - books.orders[0].fees


class Day:
    """A client that trades, cancels and reconnects at random."""

    def __init__(self, seed, rates):
        self.random = Random(seed)
        opening = Opening(account_id=ACCOUNT, cash=20_000_000, positions={"000001.SZ": 20_000})
        self.terminal = SimTerminal(
            ManualClock(moment("10:00")), [opening], faults=Faults(seed, **rates), latency=0.5
        )
        self.session_ids = iter(range(1, 10_000))
        self.sent = []
        self.client = None

    def reconnect(self):
        while self.client is None or not self.client.session.alive:
            try:
                self.client = Client(self.terminal, next(self.session_ids))
            except TerminalGone:
                self.terminal.start()

    def live(self, steps=60):
        for step in range(steps):
            self.reconnect()
            self._act(step)
            self.terminal.advance(by=self.random.choice((0.1, 1, 3)))
            mid = self.random.randint(980, 1020)
            self.terminal.quote(self._quote(mid / 100))
        self.terminal.faults.off()
        self.terminal.resume()
        self.terminal.flush()
        self.client = None
        self.reconnect()

    def _act(self, step):
        remark = f"r{step}"
        choice = self.random.random()
        if choice < 0.6:
            self.sent.append(remark)
            self.client.order(
                symbol=self.random.choice(SYMBOLS),
                side=self.random.choice((23, 24)),
                volume=100 * self.random.randint(1, 20),
                price=self.random.randint(960, 1040) / 100,
                remark=remark,
            )
        elif choice < 0.8:
            self.client.ask("cancel", order_id=self.random.randint(1, step + 1))
        elif choice < 0.85:
            self.terminal.restart(silent=self.random.random() < 0.5)
        elif choice < 0.9:
            self.terminal.hang()
            self.client.order(remark=remark)
            self.sent.append(remark)
            self.terminal.resume()

    def _quote(self, last):
        lots = [self.random.randint(0, 8) for _ in range(5)]
        return a_quote(
            last,
            symbol=self.random.choice(SYMBOLS),
            time=self.terminal.now() + 1,
            ask_lots=lots,
            bid_lots=lots,
        )


def spread(rates):
    """Hanging is for requests: nobody is there to let a hanging connection go."""
    if "hang" in rates:
        rates["hang"] = dict.fromkeys(("order", "cancel", "orders", "subscribe"), rates["hang"])
    return rates


RATES = st.dictionaries(
    st.sampled_from(sorted(KNOWN)), st.sampled_from((0.05, 0.3)), max_size=6
).map(spread)


@given(st.integers(0, 10_000), RATES)
@settings(max_examples=40, deadline=None)
def test_the_books_add_up_and_a_client_that_asks_sees_them(seed, rates):
    day = Day(seed, rates)
    with day.terminal as terminal:
        day.live()
        books = terminal.books(ACCOUNT)
        assert books.problems() == []
        remarks = [order.remark for order in books.orders]
        assert len(remarks) == len(set(remarks))
        assert set(remarks) <= set(day.sent)
        told = {order.order_id: order for order in day.client.ask("orders")}
        assert {i: (o.order_status, o.traded_volume) for i, o in told.items()} == {
            order.order_id: (order.status, order.filled) for order in books.orders
        }
        trades = day.client.ask("trades")
        assert sorted(t.traded_id for t in trades) == sorted(d.traded_id for d in books.deals)
        held = {p.stock_code: p.volume for p in day.client.ask("positions") if p.volume}
        assert held == {symbol: shares for symbol, shares in books.shares.items() if shares}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cash": 1}, "cash is 1 cents"),
        ({"shares": {SYMBOL: 300}}, "300 shares of 600000.SH, the deals say 200"),
        ({"deals": ()}, "200 filled, the deals say 0"),
        ({"opening": Opening(account_id=ACCOUNT, positions={SYMBOL: -300})}, "was not there"),
    ],
)
def test_books_that_do_not_add_up_say_so(terminal, change, problem):
    terminal.order(ACCOUNT, *order_of(volume=200).values())
    terminal.quote(a_quote(9.98, time=moment("10:00:06")))
    books = terminal.books(ACCOUNT)
    assert books.problems() == []
    assert books.orders[0].turnover == 200_000
    assert books.orders[0].fees == 502
    assert any(problem in found for found in replace(books, **change).problems())
