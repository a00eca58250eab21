"""The vendor's own, unmodified xtdata.py over the simulated terminal."""

from decimal import Decimal

import pytest
from builders import DAY, NEXT_DAY, SYMBOL, a_bar, a_quote, moment
from terminal_stage import aside, eventually

from qka.feeds.xtdata_words import quote_from_xt
from qka.model.actions import CorporateAction
from qka.model.times import MILLISECOND, midnight

ELSE = "000001.SZ"


def later(clock_time="10:00:06", last=10.1, **changes):
    return a_quote(last, time=moment(clock_time), **changes)


class TestSubscriptions:
    def test_to_whole_markets_begin_with_what_there_is(self, xtdata, terminal, heard):
        terminal.quote(later(symbol=ELSE))
        assert xtdata.subscribe_whole_quote(["SH", "SZ", "BJ"], heard.hear) > 0
        quote = later("10:00:09")
        terminal.quote(quote)
        eventually(lambda: len(heard) == 2)
        assert sorted(heard[0]) == [ELSE, SYMBOL]
        assert list(heard[1]) == [SYMBOL]
        assert quote_from_xt(SYMBOL, heard[1][SYMBOL], 11.0, 9.0) == quote

    def test_to_codes_hear_those(self, xtdata, terminal, heard):
        xtdata.subscribe_whole_quote([ELSE], heard.hear)
        terminal.quote(later(), later(symbol=ELSE))
        assert list(eventually(lambda: heard)[0]) == [ELSE]

    def test_come_on_a_native_thread(self, xtdata, terminal, heard):
        xtdata.subscribe_whole_quote(["SH"], heard.hear)
        eventually(lambda: heard)
        assert heard.threads == {"qmt-native-quotes"}

    def test_to_one_code_hear_lists_of_rows(self, xtdata, terminal, heard):
        number = xtdata.subscribe_quote(SYMBOL, "tick", callback=heard.hear)
        terminal.quote(later())
        assert [row["lastPrice"] for row in eventually(lambda: heard)[0][SYMBOL]] == [10.1]
        xtdata.unsubscribe_quote(number)
        terminal.quote(later("10:00:09"))
        assert terminal.settle()
        assert len(heard) == 1

    def test_to_bars_hear_the_bar_as_it_stands(self, xtdata, terminal, heard):
        xtdata.subscribe_quote(SYMBOL, "1m", callback=heard.hear)
        terminal.quote(later())
        (bar,) = eventually(lambda: heard)[0][SYMBOL]
        assert (bar["time"], bar["close"]) == (moment("10:01") // MILLISECOND, 10.1)

    def test_may_come_as_bson(self, xtdata, vendor, heard):
        vendor.bson_rows = True
        xtdata.subscribe_whole_quote(["SH"], heard.hear)
        assert eventually(lambda: heard)[0][SYMBOL]["askPrice"][0] == 10.01

    def test_may_ask_in_their_callback(self, xtdata, terminal):
        seen = []
        xtdata.subscribe_whole_quote(
            ["SH"], lambda ticks: seen.append(xtdata.get_full_tick(["SH"]))
        )
        assert eventually(lambda: seen)[0][SYMBOL]["lastPrice"] == 10.0

    def test_survive_a_callback_that_raises(self, xtdata, terminal, heard, capsys):
        def broken(ticks):
            heard.hear(ticks)
            raise ValueError("mine")

        xtdata.subscribe_whole_quote(["SH"], broken)
        terminal.quote(later())
        eventually(lambda: len(heard) == 2)
        eventually(lambda: "mine" in capsys.readouterr().err)


class TestQuestions:
    def test_full_tick(self, xtdata, terminal):
        terminal.quote(later(symbol=ELSE))
        assert sorted(xtdata.get_full_tick(["SH", "SZ"])) == [ELSE, SYMBOL]
        assert list(xtdata.get_full_tick([SYMBOL, "600001.SH"])) == [SYMBOL]

    def test_instrument_detail(self, xtdata):
        detail = xtdata.get_instrument_detail(SYMBOL)
        assert detail["InstrumentName"] == "浦发银行"
        assert (detail["UpStopPrice"], detail["DownStopPrice"]) == (11.0, 9.0)
        assert (detail["PriceTick"], detail["PreClose"]) == (0.01, 10.0)
        assert (detail["TradingDay"], detail["InstrumentStatus"]) == ("20260105", 0)
        assert xtdata.get_instrument_detail(SYMBOL, True)["MinLimitOrderVolume"] == 100
        assert xtdata.get_instrument_detail("600001.SH") is None
        assert xtdata.get_instrument_type(SYMBOL) == {"stock": True}

    def test_trading_dates_and_sectors(self, xtdata):
        assert xtdata.get_trading_dates("SH", count=1) == [midnight(DAY) // MILLISECOND]
        assert xtdata.get_trading_dates("SZ", "20260105", "20260109") == [
            midnight(DAY) // MILLISECOND
        ]
        assert len(xtdata.get_holidays()) == 2
        assert xtdata.get_trading_calendar("SH", "20260105", "20260109")
        xtdata.download_sector_data()
        assert xtdata.get_stock_list_in_sector("沪深A股") == [SYMBOL]
        assert "沪深A股" in xtdata.get_sector_list()


class TestHistory:
    @pytest.fixture(autouse=True)
    def past(self, terminal):
        closes = (10.1, 10.2, 10.3)
        terminal.put_bars(
            SYMBOL,
            "1m",
            [a_bar(close, time=moment(f"09:5{i}")) for i, close in enumerate(closes)],
        )
        days = [a_bar(9.9, time=moment("15:00", DAY.replace(day=2)), period="1d")]
        terminal.put_bars(SYMBOL, "1d", days)

    def test_has_ex_dates_once_daily_bars_are_there(self, xtdata, terminal):
        for day, cash in ((DAY, "0.25"), (NEXT_DAY, "0.5")):
            terminal.declare(CorporateAction(SYMBOL, day, Decimal(cash), Decimal("0.3")))
        assert xtdata.get_divid_factors(SYMBOL).empty
        xtdata.download_history_data(SYMBOL, "1d")
        table = xtdata.get_divid_factors(SYMBOL)
        assert list(table.index) == ["20260105", "20260106"]
        assert list(table.columns) == [
            "time", "interest", "stockBonus", "stockGift", "allotNum", "allotPrice", "gugai", "dr",
        ]  # fmt: skip
        assert list(xtdata.get_divid_factors(SYMBOL, "20260106", "20260106").interest) == [0.5]

    def test_must_be_downloaded(self, xtdata):
        assert len(xtdata.get_market_data_ex([], [SYMBOL], "1m")[SYMBOL]) == 0
        xtdata.download_history_data(SYMBOL, "1m")
        table = xtdata.get_market_data_ex([], [SYMBOL], "1m")[SYMBOL]
        assert list(table.index) == ["20260105095000", "20260105095100", "20260105095200"]
        assert list(table["close"]) == [10.1, 10.2, 10.3]
        assert table["time"].iloc[0] == moment("09:50") // MILLISECOND
        assert table["volume"].iloc[0] == 1000
        assert str(table["volume"].dtype) == "int64"

    def test_of_days_is_labelled_by_day(self, xtdata):
        done = []
        xtdata.download_history_data2([SYMBOL, ELSE], "1d", "", "", done.append)
        assert [(row["finished"], row["total"]) for row in done] == [(1, 2), (2, 2)]
        tables = xtdata.get_market_data_ex(["close", "preClose"], [SYMBOL, ELSE], "1d")
        assert list(tables[SYMBOL].index) == ["20260102"]
        assert list(tables[SYMBOL].columns) == ["close", "preClose"]
        assert tables[ELSE].empty

    def test_joins_today_while_it_is_subscribed_to(self, xtdata, terminal):
        xtdata.download_history_data(SYMBOL, "1m")
        xtdata.subscribe_quote(SYMBOL, "1m", callback=None)
        terminal.quote(later())
        table = xtdata.get_market_data_ex(["close"], [SYMBOL], "1m", count=2)[SYMBOL]
        assert list(table.index) == ["20260105095200", "20260105100100"]
        local = xtdata.get_local_data(["close"], [SYMBOL], "1m")[SYMBOL]
        assert list(local.index)[-1] == "20260105095200"

    def test_can_be_read_field_by_field(self, xtdata):
        xtdata.download_history_data(SYMBOL, "1m")
        table = xtdata.get_market_data(["close"], [SYMBOL], "1m", "20260105095100")["close"]
        assert list(table.loc[SYMBOL]) == [10.2, 10.3]

    def test_of_ticks_is_not_kept(self, xtdata):
        assert xtdata.get_market_data_ex([], [SYMBOL], "tick") == {}


class TestConnections:
    def test_break_without_a_word_and_lose_every_subscription(self, xtdata, terminal, heard):
        xtdata.subscribe_whole_quote(["SH"], heard.hear)
        eventually(lambda: heard)
        client = xtdata.get_client()
        terminal.disconnect_data()
        assert not client.is_connected()
        assert xtdata.get_full_tick([SYMBOL])  # the vendor's Python connects again by itself
        assert xtdata.get_client() is not client
        terminal.quote(later())
        assert terminal.settle()
        assert len(heard) == 1
        assert xtdata.get_current_connect_sub_info() == []

    def test_can_not_be_made_while_the_terminal_is_down(self, xtdata, terminal):
        xtdata.connect()
        terminal.stop()
        with pytest.raises(Exception, match="无法连接xtquant服务"):
            xtdata.get_full_tick([SYMBOL])
        terminal.start()
        assert xtdata.get_full_tick([SYMBOL])

    def test_are_watched(self, xtdata, terminal):
        said = []
        xtdata.watch_xtquant_status(said.append)
        xtdata.connect(port=58610)
        terminal.restart()
        eventually(lambda: [info["status"] for info in said] == ["connected", "disconnected"])
        assert said[0]["address"] == "127.0.0.1:58610"

    def test_to_another_port_find_nobody(self, xtdata):
        with pytest.raises(Exception, match="无法连接xtquant服务"):
            xtdata.connect(port=58611)

    def test_block_while_the_terminal_hangs(self, xtdata, terminal):
        xtdata.connect()
        terminal.hang()
        asking = aside(xtdata.get_full_tick, [SYMBOL])
        terminal.quote(later())
        assert not asking.done()
        terminal.resume()
        assert asking.result(5)[SYMBOL]["lastPrice"] == 10.1

    def test_say_where_the_data_is(self, xtdata):
        xtdata.connect()
        assert xtdata.get_data_dir().replace("\\", "/").endswith("userdata_mini/datadir")

    def test_greet_like_the_real_one(self, xtdata, capsys):
        xtdata.enable_hello = True
        xtdata.connect()
        assert "qka simulated terminal" in capsys.readouterr().out
