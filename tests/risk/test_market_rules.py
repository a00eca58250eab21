"""What the exchanges refuse, on both sides of each threshold, and before and after each date."""

from datetime import date, timedelta

import pytest
from builders import DAY, SYMBOL, a_fill, a_quote, an_order, moment
from hypothesis import given
from hypothesis import strategies as st
from ledgers import a_sell, books, works
from msgspec.structs import replace

from qka.ashare import book
from qka.ashare.data.days import DAYS, FIXED_SH
from qka.ashare.data.words import MAIN
from qka.ashare.limits import day_limits, price_limits
from qka.ashare.rows import Span, Taking
from qka.errors import ConfigError
from qka.model.events import InstrumentState
from qka.model.market import Phase, Status
from qka.model.order import OrderType as T
from qka.model.order import Side
from qka.risk.hours import Hours
from qka.risk.market import Listed, daily_cap, market, order_type, suspended
from qka.risk.prices import closing_price, price_cage, price_limit
from qka.risk.rules import instrument
from qka.risk.verdicts import Caution, Denial

TODAY = date(2026, 11, 23)  # a Monday, after the changes of 2026-07-06
BEFORE = date(2026, 7, 3)  # the last session before them
STAR, CHINEXT, BSE, SZ = "688981.SH", "300750.SZ", "920002.BJ", "000001.SZ"
ETF, BOND = "510300.SH", "123219.SZ"


def told(verdict):
    """The kind of a verdict and its code: "denial price_cage", "caution phase", "passes"."""
    return "passes" if verdict is None else f"{type(verdict).__name__.lower()} {verdict.code}"


def said(view, status, symbol=SYMBOL, day=DAY, **more):
    """The ledger, with what a terminal says of a symbol."""
    view.on_instrument(InstrumentState(0, symbol, day, status, **more))
    return view


def no_limits(last=10.0, **changes):
    """A quote of a feed that names no limits."""
    return a_quote(last, limit_up=0.0, limit_down=0.0, **changes)


# ------------------------------------------------------------------ the most of one order


@pytest.mark.parametrize(
    ("symbol", "kind", "most", "step"),
    [
        (SYMBOL, T.LIMIT, 1_000_000, 100),
        (SYMBOL, T.MARKET, 1_000_000, 100),
        (CHINEXT, T.LIMIT, 300_000, 100),
        (CHINEXT, T.MARKET, 150_000, 100),
        (CHINEXT, T.ALL_OR_NONE, 150_000, 100),
        (STAR, T.LIMIT, 100_000, 1),
        (STAR, T.BEST_5_LIMIT, 50_000, 1),
        (STAR, T.FIXED, 1_000_000, 1),
        (BSE, T.LIMIT, 1_000_000, 1),
        (ETF, T.LIMIT, 1_000_000, 100),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_an_order_is_no_larger_than_its_type_may_be(symbol, kind, most, step, side):
    order = an_order(most, symbol=symbol, type=kind, side=side)
    assert instrument(order, books()) is None
    denial = instrument(an_order(most + step, symbol=symbol, type=kind, side=side), books())
    assert (denial.code, denial.limit, denial.value) == ("order_size", most, most + step)
    assert denial.reason.endswith(f"one {kind} order is {most} shares at most; {most} would pass")


# ------------------------------------------------------------------ order types

EVERYWHERE = {T.LIMIT, T.MARKET, T.PEER, T.OWN}
ORDER_TYPES = [
    pytest.param(SYMBOL, TODAY, {*EVERYWHERE, T.BEST_5_LIMIT, T.FIXED}, id="SSE main"),
    pytest.param(SYMBOL, BEFORE, {*EVERYWHERE, T.BEST_5_LIMIT}, id="SSE main before 2026-07-06"),
    pytest.param(SZ, TODAY, {*EVERYWHERE, T.FILL_CANCEL, T.ALL_OR_NONE, T.FIXED}, id="SZSE main"),
    pytest.param(STAR, BEFORE, {*EVERYWHERE, T.BEST_5_LIMIT, T.FIXED}, id="STAR all along"),
    pytest.param(BSE, TODAY, {*EVERYWHERE, T.BEST_5_LIMIT}, id="BSE"),
    pytest.param(BOND, TODAY, {T.LIMIT}, id="a convertible bond"),
]


@pytest.mark.parametrize(("symbol", "day", "taken"), ORDER_TYPES)
@pytest.mark.parametrize("kind", T)
def test_an_exchange_takes_its_own_order_types(symbol, day, taken, kind):
    order = an_order(symbol=symbol, type=kind, time=moment("10:00", day))
    verdict = order_type(order, books())
    assert told(verdict) == ("passes" if kind in taken else "denial order_type")
    if verdict:
        assert f"takes no {kind} orders on {day}; limit" in verdict.reason


@pytest.mark.parametrize(
    ("symbol", "kind", "verdict"),
    [
        (SZ, T.MARKET, "denial order_type"),
        (SZ, T.LIMIT, "passes"),
        (CHINEXT, T.PEER, "denial order_type"),
        (SYMBOL, T.MARKET, "passes"),
    ],
)
def test_shenzhen_takes_no_market_orders_on_a_day_without_limits(symbol, kind, verdict):
    order = an_order(symbol=symbol, type=kind)
    assert told(order_type(order, said(books(), Status.NEW, symbol, unlimited=True))) == verdict
    assert order_type(order, said(books(), Status.NEW, symbol)) is None  # it has limits
    yesterday = said(books(), Status.NEW, symbol, DAY - timedelta(1), unlimited=True)
    assert order_type(order, yesterday) is None


# ------------------------------------------------------------------ hours


@pytest.mark.parametrize(
    ("clock_time", "limit", "market_order", "fixed"),
    [
        ("09:14:59", "caution phase", "denial phase", "denial phase"),
        ("09:15", "passes", "denial phase", "denial phase"),
        ("09:24:59", "passes", "denial phase", "denial phase"),
        ("09:25", "caution phase", "denial phase", "denial phase"),
        ("09:29:59", "caution phase", "denial phase", "denial phase"),
        ("09:30", "passes", "passes", "passes"),
        ("11:29:59", "passes", "passes", "passes"),
        ("11:30", "caution phase", "denial phase", "denial phase"),
        ("12:59:59", "caution phase", "denial phase", "denial phase"),
        ("13:00", "passes", "passes", "passes"),
        ("14:56:59", "passes", "passes", "passes"),
        ("14:57", "passes", "denial phase", "passes"),
        ("14:59:59", "passes", "denial phase", "passes"),
        ("15:00", "denial phase", "denial phase", "passes"),
        ("15:29:59", "denial phase", "denial phase", "passes"),
        ("15:30", "denial phase", "denial phase", "denial phase"),
    ],
)
def test_an_order_leaves_while_the_exchange_takes_it(clock_time, limit, market_order, fixed):
    rule, time = Hours(), moment(clock_time, TODAY)
    for kind, verdict in ((T.LIMIT, limit), (T.MARKET, market_order), (T.FIXED, fixed)):
        assert told(rule(an_order(type=kind, time=time), books())) == verdict


@pytest.mark.parametrize(
    ("symbol", "day", "clock_time", "kind", "verdict"),
    [
        pytest.param(ETF, BEFORE, "14:58", T.MARKET, "passes", id="SSE ETFs had no closing call"),
        pytest.param(ETF, TODAY, "14:58", T.MARKET, "denial phase", id="now they have"),
        pytest.param(SYMBOL, BEFORE, "15:10", T.FIXED, "denial phase", id="no post-close yet"),
        pytest.param(SYMBOL, TODAY, "15:10", T.FIXED, "passes", id="post-close for all"),
        pytest.param(STAR, BEFORE, "15:10", T.FIXED, "passes", id="STAR had it"),
        pytest.param(SZ, TODAY, "09:15", T.FIXED, "passes", id="SZSE takes them from 09:15"),
        pytest.param(BSE, TODAY, "15:10", T.FIXED, "denial phase", id="BSE not yet"),
        pytest.param("204001.SH", TODAY, "15:29", T.LIMIT, "passes", id="repo until 15:30"),
    ],
)
def test_hours_are_those_of_the_product_on_the_day(symbol, day, clock_time, kind, verdict):
    order = an_order(symbol=symbol, type=kind, time=moment(clock_time, day))
    assert told(Hours()(order, books())) == verdict


@pytest.mark.parametrize(
    ("clock_time", "kind", "words"),
    [
        ("12:10", T.LIMIT, "in 11:30-13:00 (break): the broker keeps it until 13:00"),
        (
            "12:10",
            T.MARKET,
            "market orders in 11:30-13:00 (break); from 13:00 on it would",
        ),
        ("14:58", T.PEER, "(closing_call); on the next trading day it would pass"),
        ("16:00", T.LIMIT, "(closed); on the next trading day it would pass"),
    ],
)
def test_it_is_told_when_it_would_pass(clock_time, kind, words):
    order = an_order(type=kind, time=moment(clock_time, TODAY))
    assert words in Hours()(order, books()).reason


def test_an_evening_in_which_the_broker_keeps_orders_is_the_next_days():
    (today,) = (row for row in DAYS if row.spans is FIXED_SH and row.kinds == MAIN)
    book.use([replace(today, spans=(*FIXED_SH, Span("17:00", Phase.CLOSED, limit=Taking.QUEUED)))])
    try:
        order = an_order(price=99.0, time=moment("20:00", TODAY))
        view = books(quote=a_quote(time=moment("15:00", TODAY), limit_up=11.0, limit_down=9.0))
        assert "(closed): the broker keeps it until the next trading day" in Hours()(order, view)[1]
        assert told(Hours()(order, view)) == "caution phase"
        assert told(price_limit(order, view)) == "passes"  # today's limits are not tomorrow's
        early = replace(order, time=moment("16:00", TODAY))
        assert told(Hours()(early, view)) == "denial phase"
    finally:
        book.use()


def test_a_day_off_and_a_day_that_nobody_knows_take_nothing():
    def trades(day):
        if day.year > 2026:
            raise ConfigError(
                "the trading calendar has ended on 2026-12-31: no order leaves after it"
            )
        return day != date(2026, 10, 1)

    rule = Hours(trades)
    verdicts = [
        rule(an_order(time=moment(day=day)), books())
        for day in (date(2026, 9, 30), date(2026, 10, 1), date(2026, 9, 30), date(2027, 1, 4))
    ]
    assert [told(v) for v in verdicts] == ["passes", "denial trading_day"] * 2
    assert verdicts[1].reason == "2026-10-01 is no trading day; on the next one it would pass"
    ended = "the trading calendar has ended on 2026-12-31: no order leaves after it"
    assert verdicts[3].reason == ended


@pytest.mark.parametrize("clock_time", ["08:00", "12:00", "15:00", "20:00"])
def test_bars_have_no_phases(clock_time):
    view = books()
    view.quoted = False
    assert Hours()(an_order(time=moment(clock_time, TODAY)), view) is None


# ------------------------------------------------------------------ suspended


@pytest.mark.parametrize("phase", [16, 17, 20])
def test_a_halted_symbol_takes_nothing_until_it_trades_again(phase):
    view = books(quote=a_quote(phase=phase))
    assert told(suspended(an_order(), view)) == "denial suspended"
    assert suspended(an_order(symbol=SZ), view) is None
    view.on_quote(a_quote(phase=Phase.CONTINUOUS))
    assert suspended(an_order(), view) is None


def test_a_halt_of_yesterday_says_nothing_of_today():
    view = books(quote=a_quote(phase=17, time=moment("14:00", DAY - timedelta(1))))
    assert suspended(an_order(), view) is None


def test_what_the_terminal_calls_suspended_is_not_traded_that_day():
    view = said(books(), Status.NORMAL, suspended=True)
    assert told(suspended(an_order(), view)) == "denial suspended"
    view.on_quote(a_quote(volume=0))
    assert told(suspended(an_order(), view)) == "denial suspended"
    view.on_quote(a_quote(volume=100))  # it trades: that is newer
    assert suspended(an_order(), view) is None
    tomorrow = an_order(time=moment(day=DAY + timedelta(1)))
    assert suspended(tomorrow, said(books(), Status.NORMAL, suspended=True)) is None


# ------------------------------------------------------------------ daily limits


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        (an_order(price=11.0), "passes"),
        (an_order(price=11.01), "denial price_limit"),
        (a_sell(price=11.01), "denial price_limit"),
        (a_sell(price=9.0), "passes"),
        (a_sell(price=8.99), "denial price_limit"),
        (an_order(price=8.99), "denial price_limit"),
        (an_order(price=11.01, type=T.MARKET), "denial price_limit"),
    ],
)
def test_a_price_is_inside_the_limits_of_the_quote(order, verdict):
    denial = price_limit(order, books(quote=a_quote()))
    assert told(denial) == verdict
    if denial:
        limit = 11.0 if order.price > 11.0 else 9.0
        assert (denial.limit, denial.value) == (limit, order.price)
        assert f"today's limit {'up' if limit == 11.0 else 'down'}" in denial.reason
        assert denial.reason.endswith(f"{limit:g} would pass")


@pytest.mark.parametrize("order", [an_order(price=11.5), a_sell(price=8.5)])
def test_the_limits_of_yesterday_are_not_todays(order):
    view = books(quote=a_quote(time=moment("15:00", DAY - timedelta(1))))
    assert price_limit(order, view) is None
    view.on_quote(a_quote(time=moment("09:15")))
    assert told(price_limit(order, view)) == "denial price_limit"


def test_the_quotes_own_limits_win_over_computed_ones():
    view = books(quote=a_quote(limit_up=10.5, limit_down=9.5))  # an ST of another day
    assert told(price_limit(an_order(price=10.51), view)) == "denial price_limit"
    view = books(quote=a_quote(limit_up=14.4, limit_down=6.4))
    assert price_limit(an_order(price=14.4), view) is None


@pytest.mark.parametrize(
    ("symbol", "day", "status", "up"),
    [
        pytest.param(SYMBOL, DAY, None, 11.0, id="main"),
        pytest.param(SYMBOL, DAY, Status.ST, 10.5, id="main, ST before 2026-07-06"),
        pytest.param(SYMBOL, TODAY, Status.ST, 11.0, id="main, ST since"),
        pytest.param(CHINEXT, DAY, None, 12.0, id="ChiNext"),
        pytest.param(CHINEXT, date(2020, 8, 21), None, 11.0, id="ChiNext before 2020-08-24"),
        pytest.param(STAR, DAY, Status.ST, 12.0, id="STAR, ST"),
        pytest.param(BSE, DAY, None, 13.0, id="BSE"),
        pytest.param(BOND, DAY, None, 12.0, id="a convertible bond"),
    ],
)
def test_where_the_feed_names_no_limits_the_rule_books_hold(symbol, day, status, up):
    time = moment("10:00", day)
    view = books(quote=no_limits(symbol=symbol, time=time))
    if status:
        said(view, status, symbol, day)
    assert price_limit(an_order(price=up, symbol=symbol, time=time), view) is None
    denial = price_limit(an_order(price=up + 0.01, symbol=symbol, time=time), view)
    assert (told(denial), denial.limit) == ("denial price_limit", up)
    assert "the rule book's limit up" in denial.reason


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(books(), id="no quote"),
        pytest.param(said(books(quote=no_limits()), Status.NEW), id="a new one"),
        pytest.param(said(books(quote=no_limits()), Status.DELISTING), id="delisting"),
        pytest.param(books(quote=no_limits(13.0)), id="it trades at 13"),
        pytest.param(books(quote=no_limits(high=11.5)), id="it has traded at 11.5"),
        pytest.param(books(quote=no_limits(prev_close=0.0)), id="no reference"),
    ],
)
def test_what_may_be_legal_is_not_refused_by_a_computed_limit(view):
    assert price_limit(an_order(price=13.0), view) is None


def test_a_computed_limit_of_a_fund_only_warns():
    view = books(quote=no_limits(symbol=ETF, prev_close=10.0))
    assert told(price_limit(an_order(price=11.5, symbol=ETF), view)) == "caution price_limit"


@pytest.mark.parametrize(
    ("symbol", "clock_time", "price", "verdict"),
    [
        (SZ, "09:20", 90.0, "passes"),
        (SZ, "09:20", 90.01, "denial price_reach"),
        (SZ, "10:00", 16.5, "passes"),
        (SZ, "10:00", 16.51, "denial price_reach"),
        (SZ, "10:00", 13.49, "denial price_reach"),
        (SZ, "14:58", 13.5, "passes"),
        (SYMBOL, "09:20", 90.01, "passes"),
    ],
)
def test_a_day_without_limits_has_a_reach(symbol, clock_time, price, verdict):
    view = said(books(quote=no_limits(15.0, symbol=symbol)), Status.NEW, symbol, unlimited=True)
    order = an_order(price=price, symbol=symbol, time=moment(clock_time))
    assert told(price_limit(order, view)) == verdict


# ------------------------------------------------------------------ price cage


@pytest.mark.parametrize(
    ("symbol", "day", "last", "edge", "verdict"),
    [
        pytest.param(SYMBOL, DAY, 10.0, 10.21, "denial", id="main: 102% of the ask"),
        pytest.param(SYMBOL, DAY, 3.0, 3.11, "denial", id="main: ten ticks where that is wider"),
        pytest.param(SYMBOL, date(2023, 4, 7), 10.0, None, "", id="main: none before 2023-04-10"),
        pytest.param(SYMBOL, date(2023, 4, 10), 10.0, 10.21, "denial", id="main: since then"),
        pytest.param(CHINEXT, DAY, 3.0, 3.11, "denial", id="ChiNext"),
        pytest.param(CHINEXT, date(2023, 4, 7), 10.0, 10.21, "caution", id="ChiNext: parked"),
        pytest.param(CHINEXT, date(2020, 8, 21), 10.0, None, "", id="ChiNext: none before"),
        pytest.param(STAR, DAY, 3.0, 3.07, "denial", id="STAR: no ticks"),
        pytest.param(BSE, DAY, 10.0, 10.51, "denial", id="BSE: 105%"),
        pytest.param(ETF, DAY, 10.0, None, "", id="a fund has none"),
        pytest.param(BOND, DAY, 10.0, None, "", id="a bond has none"),
    ],
)
def test_a_buy_goes_no_further_than_the_cage(symbol, day, last, edge, verdict):
    time = moment("10:00", day)
    view = books(quote=a_quote(last, symbol=symbol, time=time, limit_up=99.0))
    if edge is None:
        assert price_cage(an_order(price=last * 1.3, symbol=symbol, time=time), view) is None
        return
    assert price_cage(an_order(price=edge, symbol=symbol, time=time), view) is None
    beyond = round(edge + 0.01, 2)
    found = price_cage(an_order(price=beyond, symbol=symbol, time=time), view)
    assert (told(found), found.limit, found.value) == (f"{verdict} price_cage", edge, beyond)
    assert ("would pass" if verdict == "denial" else "waits") in found.reason


def test_a_sell_goes_no_further_than_the_cage():
    view = books(quote=a_quote(10.01))  # the best bid is 10.00
    assert price_cage(a_sell(price=9.8), view) is None
    denial = price_cage(a_sell(price=9.79), view)
    assert (told(denial), denial.limit) == ("denial price_cage", 9.8)


@pytest.mark.parametrize(
    ("quote", "edge"),
    [
        pytest.param(a_quote(ask_prices=[0.0] * 5, bid_prices=[11.0] * 5), 11.22, id="the bid"),
        pytest.param(a_quote(ask_prices=[0.0] * 5, bid_prices=[0.0] * 5), 10.2, id="the last"),
        pytest.param(
            a_quote(0.0, ask_prices=[0.0] * 5, bid_prices=[0.0] * 5, prev_close=9.0),
            9.18,
            id="the previous close",
        ),
    ],
)
def test_without_an_ask_a_buy_is_measured_from(quote, edge):
    view = books(quote=quote)
    assert price_cage(an_order(price=edge), view) is None
    assert told(price_cage(an_order(price=round(edge + 0.01, 2)), view)) == "denial price_cage"


@pytest.mark.parametrize(
    ("clock_time", "kind", "phase", "verdict"),
    [
        pytest.param("10:00", T.LIMIT, 13, "denial price_cage", id="continuous"),
        pytest.param("13:00", T.LIMIT, 14, "denial price_cage", id="just after the break"),
        pytest.param("09:20", T.LIMIT, 12, "passes", id="the opening call"),
        pytest.param("14:58", T.LIMIT, 18, "passes", id="the closing call"),
        pytest.param("14:58", T.LIMIT, 13, "passes", id="the closing call, quoted before"),
        pytest.param("09:30", T.LIMIT, 12, "passes", id="only a virtual price is known"),
        pytest.param("10:00", T.MARKET, 13, "passes", id="a market order"),
    ],
)
def test_the_cage_is_of_limit_orders_in_continuous_trading(clock_time, kind, phase, verdict):
    order = an_order(price=10.9, type=kind, time=moment(clock_time))
    view = books(quote=a_quote(phase=phase, time=moment("09:15")))
    assert told(price_cage(order, view)) == verdict


def test_the_quote_of_yesterday_has_no_cage():
    view = books(quote=a_quote(time=moment("14:00", DAY - timedelta(1))))
    assert price_cage(an_order(price=10.9), view) is None


@given(st.integers(100, 9999), st.integers(100, 9999), st.sampled_from(Side))
def test_what_passes_the_cage_and_the_limits_is_inside_both(last, price, side):
    quote = no_limits(last / 100, prev_close=last / 100)
    view, order = books(quote=quote), an_order(price=price / 100, side=side)
    if price_limit(order, view) is None and price_cage(order, view) is None:
        up, down = day_limits(quote)
        assert down <= order.price <= up
        assert (up, down) == price_limits(SYMBOL, last / 100, DAY)
        beyond = (order.price / quote.ask1, quote.bid1 / order.price)[side is Side.SELL]
        assert beyond <= 1.02 + 0.006 / order.price or abs(order.price - last / 100) < 0.12


# ------------------------------------------------------------------ the closing price


@pytest.mark.parametrize(
    ("order", "clock_time", "verdict"),
    [
        pytest.param(an_order(price=10.0), "15:06", "passes", id="a buy at the close"),
        pytest.param(an_order(price=9.99), "15:06", "denial closing_price", id="a buy below"),
        pytest.param(a_sell(price=10.0), "15:06", "passes", id="a sell at the close"),
        pytest.param(a_sell(price=10.01), "15:06", "denial closing_price", id="a sell above"),
        pytest.param(an_order(price=9.0), "14:00", "passes", id="nobody knows the close yet"),
    ],
)
def test_a_fixed_price_order_reaches_the_closing_price(order, clock_time, verdict):
    time = moment(clock_time, TODAY)
    view = books(quote=a_quote(10.0, time=time))
    assert told(closing_price(replace(order, type=T.FIXED, time=time), view)) == verdict
    assert closing_price(replace(order, time=time), view) is None  # a limit order's own business


# ------------------------------------------------------------------ ST: what is bought in a day

ST_DAY = date(2026, 9, 1)


@pytest.mark.parametrize(
    ("symbol", "day", "most"),
    [
        (SYMBOL, ST_DAY, 500_000),
        (SZ, ST_DAY, 500_000),
        (CHINEXT, ST_DAY, 500_000),
        (BSE, date(2026, 8, 31), 200_000),
        (BSE, date(2026, 8, 28), None),
    ],
)
def test_an_account_buys_so_many_shares_of_an_st_security_a_day(symbol, day, most):
    time = moment("10:00", day)
    view = said(books(cash=10**9), Status.ST, symbol, day)
    works(view, 100_000, symbol=symbol, id="w")  # one works, of any strategy
    works(view, 50_000, symbol=symbol, id="f")  # one has filled
    view.on_fill(a_fill(50_000, order_id="f", symbol=symbol))
    left = (most or 1_000_000) - 150_000
    assert daily_cap(an_order(left, symbol=symbol, time=time), view) is None
    denial = daily_cap(an_order(left + 100, symbol=symbol, time=time), view)
    if most is None:
        assert denial is None
        return
    assert (denial.code, denial.limit, denial.value) == ("daily_cap", most, most + 100)
    assert denial.reason.endswith(f"the limit; {left} would pass")
    assert daily_cap(a_sell(left + 100, symbol=symbol, time=time), view) is None


@pytest.mark.parametrize("status", [Status.NORMAL, Status.NEW, Status.DELISTING, None])
def test_what_is_no_st_security_or_not_known_as_one_has_no_cap(status):
    view = books() if status is None else said(books(), status, day=ST_DAY)
    assert daily_cap(an_order(900_000, time=moment(day=ST_DAY)), view) is None


# ------------------------------------------------------------------ what the trader allows


@pytest.mark.parametrize(
    ("rule", "symbol", "words"),
    [
        (Listed(None), SYMBOL, ""),
        (Listed([SYMBOL]), SYMBOL, ""),
        (Listed([SYMBOL]), SZ, "000001.SZ is not to be traded: it is not in risk.allowed"),
        (Listed(["main"]), SZ, ""),
        (Listed(["main", "fund"]), STAR, "688981.SH is not to be traded: it is not in"),
        (Listed(None, ["star"]), STAR, "688981.SH is not to be traded: risk.forbidden has star"),
        (Listed(None, ["star"]), SYMBOL, ""),
        (Listed(["main"], [SYMBOL]), SYMBOL, "risk.forbidden has 600000.SH"),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_only_what_is_allowed_and_not_forbidden_is_traded(rule, symbol, words, side):
    denial = rule(an_order(symbol=symbol, side=side), books())
    assert (denial is None) is (words == "")
    if denial:
        assert (denial.code, words in denial.reason) == ("listed", True)


# ------------------------------------------------------------------ all of them

WRONG = {
    "order_size": an_order(1_000_100),
    "order_type": an_order(type=T.FILL_CANCEL),
    "suspended": an_order(symbol=SZ),
    "phase": an_order(time=moment("15:00")),
    "price_limit": an_order(price=11.01),
    "price_cage": an_order(price=10.3),
}


@pytest.mark.parametrize("code", WRONG)
def test_every_refusal_says_what_would_pass(code):
    view = books(quote=a_quote())
    view.on_quote(a_quote(symbol=SZ, phase=17))
    verdicts = [rule(WRONG[code], view) for rule in market(lambda day: True)]
    denial, *_ = [verdict for verdict in verdicts if verdict is not None]
    assert isinstance(denial, Denial)
    assert not isinstance(denial, Caution)
    assert denial.code == code
    assert "would pass" in denial.reason
