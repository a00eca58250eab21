"""The quote side of the simulated terminal, as a client of its own API sees it."""

from datetime import date
from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, a_bar, a_quote, moment

from qka.errors import ConfigError, SymbolError
from qka.feeds.simulated import SimulatedFeed
from qka.feeds.xtdata_words import quote_from_xt
from qka.model.actions import CorporateAction
from qka.model.market import Phase
from qka.model.times import MILLISECOND, midnight

ELSE = "000001.SZ"


@pytest.fixture
def link(terminal):
    return terminal.connect_data()


@pytest.fixture
def heard(terminal, link):
    """Subscribe and collect: a function that gives what was heard so far."""

    def subscribe(codes, period=""):
        rows = []
        number = terminal.subscribe_quotes(link, codes, rows.append, period)

        def said():
            assert terminal.settle()
            return rows

        said.number = number
        return said

    return subscribe


def later(clock_time="10:00:06", last=10.1, **changes):
    return a_quote(last, time=moment(clock_time), **changes)


class TestWholeQuotes:
    def test_begin_with_what_there_is_and_go_on_with_what_changes(self, terminal, heard):
        terminal.quote(later(symbol=ELSE))
        said = heard(["SH", "SZ", "BJ"])
        terminal.quote(later("10:00:09"))
        assert [sorted(ticks) for ticks in said()] == [[ELSE, SYMBOL], [SYMBOL]]

    def test_that_come_together_are_pushed_together(self, terminal, heard):
        said = heard([SYMBOL, ELSE])
        terminal.quote(later(), later(symbol=ELSE))
        assert sorted(said()[-1]) == [ELSE, SYMBOL]

    def test_are_those_asked_for(self, terminal, heard):
        one, exchange = heard([ELSE]), heard(["SZ"])
        terminal.quote(later(), later(symbol="300750.SZ"))
        assert one() == []
        assert [list(ticks) for ticks in exchange()] == [["300750.SZ"]]

    def test_end_when_unsubscribed(self, terminal, heard, link):
        said = heard(["SH"])
        assert len(said()) == 1
        terminal.unsubscribe_quotes(link, said.number)
        terminal.quote(later())
        assert len(said()) == 1

    def test_say_what_the_quote_said(self, terminal, heard):
        said = heard(["SH"])
        quote = later(volume=123_400, amount=5.5, phase=int(Phase.CONTINUOUS))
        terminal.quote(quote)
        tick = said()[-1][SYMBOL]
        assert (tick["volume"], tick["pvolume"]) == (1234, 123_400)
        assert quote_from_xt(SYMBOL, tick, 11.0, 9.0) == quote


class TestRows:
    def test_of_ticks_come_in_a_list(self, terminal, heard):
        said = heard([SYMBOL], "tick")
        assert said() == []
        terminal.quote(later())
        assert [row[SYMBOL][0]["lastPrice"] for row in said()] == [10.1]

    def test_of_a_minute_are_pushed_until_it_ends(self, terminal, heard):
        said = heard([SYMBOL], "1m")
        terminal.quote(later("10:00:06", 10.1, volume=100_200, amount=1_002_000.0))
        terminal.quote(later("10:00:57", 9.9, volume=100_300, amount=1_003_000.0))
        terminal.quote(later("10:01:03", 10.0, volume=100_500, amount=1_005_000.0))
        bars = [rows[SYMBOL][0] for rows in said()]
        ends = [moment(end) // MILLISECOND for end in ("10:01", "10:01", "10:02")]
        assert [bar["time"] for bar in bars] == ends
        assert [(b["open"], b["high"], b["low"], b["close"]) for b in bars] == [
            (10.0, 10.1, 10.0, 10.1),
            (10.0, 10.1, 9.9, 9.9),
            (10.0, 10.0, 10.0, 10.0),
        ]
        assert [bar["volume"] for bar in bars][-1] == 2

    def test_of_a_day_are_its_own_figures(self, terminal, heard):
        said = heard([SYMBOL], "1d")
        terminal.quote(later(open=9.8, high=10.3, low=9.7, volume=250_000, amount=9.0))
        (bar,) = said()[0][SYMBOL]
        assert bar["time"] == midnight(DAY) // MILLISECOND
        assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (9.8, 10.3, 9.7, 10.1)
        assert (bar["volume"], bar["amount"], bar["preClose"]) == (2500, 9.0, 10.0)


class TestConnections:
    def test_that_break_take_their_subscriptions_along(self, terminal):
        lost, rows = [], []
        link = terminal.connect_data(lambda: lost.append(True))
        terminal.subscribe_quotes(link, ["SH"], rows.append)
        terminal.disconnect_data()
        terminal.quote(later())
        assert terminal.settle()
        assert not link.connected
        assert lost == [True]
        assert len(rows) == 1
        assert terminal.subscribe_quotes(link, ["SH"], rows.append) == -1

    def test_can_fall_silent_without_a_word(self, terminal, heard, link):
        said = heard(["SH"])
        terminal.silence_quotes()
        terminal.quote(later())
        assert len(said()) == 1
        assert link.connected
        assert terminal.full_tick([SYMBOL])[SYMBOL]["lastPrice"] == 10.1
        terminal.silence_quotes(False)
        terminal.quote(later("10:00:09"))
        assert len(said()) == 2

    def test_hear_nothing_while_the_terminal_hangs(self, terminal, heard):
        said = heard(["SH"])
        terminal.hang()
        terminal.quote(later())
        terminal.resume()
        assert len(said()) == 1


class TestInstruments:
    def test_know_their_limits_tick_and_day(self, terminal):
        terminal.quote(later(limit_up=0.0, limit_down=0.0, symbol=ELSE, prev_close=20.0))
        detail = terminal.instrument(ELSE)
        assert (detail["UpStopPrice"], detail["DownStopPrice"]) == (22.0, 18.0)
        assert (detail["PreClose"], detail["PriceTick"]) == (20.0, 0.01)
        assert (detail["TradingDay"], detail["InstrumentStatus"]) == (20260105, 0)
        assert (detail["ExchangeID"], detail["InstrumentID"]) == ("SZ", "000001")
        assert detail["InstrumentName"] == "平安银行"

    def test_take_the_quotes_own_limits(self, terminal):
        assert terminal.instrument(SYMBOL)["UpStopPrice"] == 11.0

    def test_without_a_limit_say_so_as_unhelpfully_as_the_real_one(self, terminal):
        terminal.enlist("204001.SH", prev_close=2.0)
        assert terminal.instrument("204001.SH")["UpStopPrice"] > 1e300

    def test_that_are_halted_or_suspended(self, terminal):
        terminal.enlist(ELSE, prev_close=10.0, suspended=3)
        terminal.quote(later(phase=int(Phase.HALTED)))
        assert terminal.instrument(ELSE)["InstrumentStatus"] == 3
        assert terminal.instrument(SYMBOL)["InstrumentStatus"] == 1

    def test_are_yesterdays_until_nine(self, terminal):
        terminal.quote(later("14:59", last=10.5))
        terminal.advance(to=moment("08:59", NEXT_DAY))
        assert terminal.instrument(SYMBOL)["TradingDay"] == 20260105
        terminal.advance(to=moment("09:00", NEXT_DAY))
        detail = terminal.instrument(SYMBOL)
        assert (detail["TradingDay"], detail["PreClose"]) == (20260106, 10.5)
        assert detail["UpStopPrice"] == 11.55

    def test_have_an_ex_reference_on_an_ex_date(self, terminal):
        given = CorporateAction(SYMBOL, NEXT_DAY, Decimal("0.5"), Decimal("0.3"))
        terminal.declare(given)
        terminal.advance(to=moment("09:00", NEXT_DAY))
        assert terminal.instrument(SYMBOL)["PreClose"] == 7.31  # 9.50 / 1.3

    def test_nobody_knows_are_none_and_no_symbol_is_refused(self, terminal):
        assert terminal.instrument("600001.SH") is None
        with pytest.raises(SymbolError):
            terminal.enlist("600001")

    def test_are_in_their_sectors(self, terminal):
        for symbol in (ELSE, "920002.BJ", "510300.SH", "688981.SH"):
            terminal.enlist(symbol, prev_close=10.0)
        assert terminal.sector("沪深A股") == [SYMBOL, ELSE, "688981.SH"]
        assert terminal.sector("京市A股") == ["920002.BJ"]
        assert terminal.sector("沪深ETF") == ["510300.SH"]
        assert terminal.sector("no such sector") == []


class TestBars:
    def test_of_the_past_must_be_downloaded(self, make_terminal):
        feed = SimulatedFeed(None)
        terminal = make_terminal(past=feed.history)
        assert terminal.bars(SYMBOL, "1d") == []
        terminal.download(SYMBOL, "1d")
        days = terminal.bars(SYMBOL, "1d", count=3)
        assert [bar["close"] for bar in days] == [
            bar.close for bar in feed.history(SYMBOL, "1d", 500)[-3:]
        ]
        assert terminal.bars(SYMBOL, "1m") == []
        terminal.download(SYMBOL, "1m")
        assert terminal.bars(SYMBOL, "1m", count=1)[0]["time"] < moment("09:30") // MILLISECOND

    def test_of_today_are_there_while_subscribed_to(self, terminal, heard):
        assert terminal.bars(SYMBOL, "1m") == []
        heard([SYMBOL], "1m")
        assert len(terminal.bars(SYMBOL, "1m")) == 1
        assert terminal.bars(SYMBOL, "1m", live=False) == []

    def test_put_by_hand_can_be_cut_out_by_time_and_number(self, terminal):
        minutes = [a_bar(time=moment(f"09:{minute}")) for minute in range(31, 41)]
        terminal.put_bars(SYMBOL, "1m", minutes)
        terminal.download(SYMBOL, "1m")

        def seen(*window):
            return [bar["time"] * MILLISECOND for bar in terminal.bars(SYMBOL, "1m", *window)]

        every = [bar.time for bar in minutes]
        assert seen() == every
        assert seen("20260105093300", "20260105093500") == every[2:5]
        assert seen(moment("09:39") // MILLISECOND) == every[8:]
        assert seen("", "20260105093500", 2) == every[3:5]
        assert terminal.bars(SYMBOL, "1m", "20260106") == []

    def test_of_longer_periods_are_made_of_minutes(self, terminal, heard):
        heard([SYMBOL], "5m")
        terminal.quote(later("10:03:00", 10.4, volume=100_700))
        terminal.quote(later("10:06:00", 10.2, volume=100_900))
        first, second = terminal.bars(SYMBOL, "5m")
        assert first["time"] == moment("10:05") // MILLISECOND
        assert (first["open"], first["high"], first["close"]) == (10.0, 10.4, 10.4)
        assert (first["volume"], second["volume"]) == (1007, 2)

    def test_of_minutes_without_a_quote_are_flat(self, terminal, heard):
        heard([SYMBOL], "1m")
        terminal.quote(later("10:02:30", 10.4))
        closes = [(bar["close"], bar["volume"]) for bar in terminal.bars(SYMBOL, "1m")]
        assert closes == [(10.0, 1000), (10.0, 0), (10.4, 0)]

    def test_of_days_lived_through_are_past_the_next_day(self, terminal, heard):
        terminal.download(SYMBOL, "1d")
        terminal.quote(a_quote(10.5, time=moment("10:00", NEXT_DAY)))
        assert [bar["close"] for bar in terminal.bars(SYMBOL, "1d")] == [10.0]
        heard([SYMBOL], "1d")
        assert [bar["close"] for bar in terminal.bars(SYMBOL, "1d")] == [10.0, 10.5]

    def test_of_an_unknown_period_are_refused(self, terminal, heard):
        with pytest.raises(ConfigError, match="no bars of '7m'"):
            terminal.bars(SYMBOL, "7m")


def test_trading_dates_are_weekdays_up_to_today(terminal):
    dates = terminal.trading_dates()
    assert dates[-2:] == [midnight(date(2026, 1, 2)) // MILLISECOND, midnight(DAY) // MILLISECOND]
    assert terminal.trading_dates(date(2026, 1, 5), date(2027, 1, 1)) == dates[-1:]
