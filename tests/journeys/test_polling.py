"""The guide's polling strategy, with its base class changed and its `while` loop deleted."""

import asyncio
import inspect

import pytest
from stage import SYMBOL, engine, quotes

import qka
from qka.loading import build
from qka.model.times import show
from qka.risk.helpers import RateLimitedTrader, RiskManagedTrader

OTHER = "000001.SZ"


class RealTimeStrategy(qka.SignalStrategy):
    def __init__(self, client):
        self.client = client
        self.positions = {}

    def run(self):
        """运行实盘策略"""

    def get_realtime_data(self):
        """获取实时数据"""
        # 可以通过其他数据源获取实时数据

    def generate_signals(self, data):
        """生成交易信号"""
        # 策略逻辑

    def execute_trades(self, signals):
        """执行交易"""
        for symbol, signal in signals.items():
            if signal == "buy":
                self.buy(symbol)
            elif signal == "sell":
                self.sell(symbol)


class Filled(RealTimeStrategy):
    """The same with its two gaps filled."""

    symbols = [SYMBOL, OTHER]

    def get_realtime_data(self):
        return {symbol: self.price(symbol) for symbol in self.symbols}

    def generate_signals(self, data):
        self.polls = [*getattr(self, "polls", []), show(self.now())[11:]]
        if len(self.polls) == 1:
            return {SYMBOL: "buy", OTHER: "sell"}
        return {}


class Fetched(qka.SignalStrategy):
    """Data from a slow place."""

    symbols = [SYMBOL]
    interval = 30

    async def get_realtime_data(self):
        await asyncio.sleep(0)
        return {SYMBOL: self.price(SYMBOL)}

    def generate_signals(self, data):
        return {symbol: "buy" for symbol, price in data.items() if price and not self.state} | {
            "ignored": self.state.setdefault("done", "")
        }


def day(*strategies, **options):
    events = quotes([10.0] * 100) + quotes([10.0] * 100, symbol=OTHER, start="09:30:04")
    built = engine(events, *strategies, **options)
    return built, built.run()


def test_the_bare_skeleton_runs_and_does_nothing():
    summary = day(build(RealTimeStrategy, name="", symbols=(), bars=None, params={}))[1]
    assert summary["orders"] == 0
    assert summary["alerts"] == []


def test_it_polls_every_minute_of_trading_and_its_orders_are_sized():
    strategy = Filled(client=None)
    built, summary = day(strategy, held={OTHER: 700})
    assert strategy.polls[:3] == ["09:31:00", "09:32:00", "09:33:00"]
    assert strategy.polls[-1] == "14:59:00"
    assert len(strategy.polls) == 119 + 119  # the two sessions, without their last minute's end
    sides = {order.symbol: (order.side, order.quantity) for order in built.ledger.orders.values()}
    assert sides[OTHER] == ("sell", 700)
    side, quantity = sides[SYMBOL]
    assert side == "buy"
    assert quantity == 5000  # a twentieth of 1,007,000 CNY at 10 CNY, in whole lots
    assert summary["fills"] == 2


def test_data_may_come_from_an_async_source():
    built, summary = day(Fetched())
    assert summary["alerts"] == []
    assert [order.quantity for order in built.ledger.orders.values()] == [5000]


class Mumbles(qka.SignalStrategy):
    """Says a word that is none."""

    symbols = [SYMBOL]

    def generate_signals(self, data):
        return {SYMBOL: "by"}


class MumblesLate(Mumbles):
    async def generate_signals(self, data):
        return {SYMBOL: "by"}


@pytest.mark.parametrize("kind", [Mumbles, MumblesLate])
def test_a_word_that_is_no_signal_is_told_where_it_was_made(kind):
    _, summary = day(kind())
    line = inspect.getsourcelines(kind.generate_signals)[1]
    assert f"{__file__}:{line}: ValueError: " in summary["alerts"][0]
    assert "'by' is no buy, sell or hold" in summary["alerts"][0]


class Client:
    def api(self, name):
        assert name == "query_stock_asset"
        return {"总资产": 1_000_000.0}


def test_the_guides_helpers_work_by_themselves():
    assert RiskManagedTrader(Client()).calculate_position_size("600000.SH", 10.0) == 10_000
    trader = RateLimitedTrader(Client(), max_trades_per_minute=2)
    assert trader.can_trade()
    trader.record_trade()
    trader.record_trade()
    assert not trader.can_trade()


async def test_an_engine_from_a_mapping_runs_strategies_registered_in_code(tmp_path):
    config = {"feed": {"kind": "simulated"}, "run": {"dir": str(tmp_path)}}
    built = qka.Engine.from_config(config)

    class Once(qka.Strategy):
        symbols = [SYMBOL]

        def on_bar(self, bar):
            if not self.state:
                self.state["order"] = self.buy(SYMBOL, 100).id

    built.register(Once())
    async with built as running:
        await running.wait()
    assert built.summary()["fills"] == 1
    assert (built.folder / "summary.json").exists()
