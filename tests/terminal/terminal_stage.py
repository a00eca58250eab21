"""Clients for the terminal's tests: one by our own API, one by the vendor's."""

import asyncio
import importlib
import threading
import time
from concurrent.futures import Future

from builders import SYMBOL, moment

ACCOUNT = "demo"
PATH = "C:/QMT/userdata_mini"
BUY, SELL, LIMIT = 23, 24, 11


def at_ten():
    return moment("10:00")


def eventually(condition, seconds=5.0):
    """Wait until the condition holds and give back what it says."""
    until = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.002)
    return result


def order_of(symbol=SYMBOL, side=BUY, volume=100, price=10.0, remark="", price_type=LIMIT):
    """The params of an order."""
    return {
        "stock_code": symbol,
        "order_type": side,
        "order_volume": volume,
        "price_type": price_type,
        "price": price,
        "strategy_name": "tests",
        "order_remark": remark,
    }


class Client:
    """A client of `SimTerminal`'s own API; `pushes` and `answers` in the order they came."""

    def __init__(self, terminal, session=1, subscribe=True):
        self.terminal = terminal
        self.pushes = []
        self.answers = []
        self.heard = []  # both, by name
        self.gone = 0
        self.threads = set()
        self.session = terminal.connect(session, self._push, self._gone)
        self._seq = 0
        if subscribe:
            self.ask("subscribe")

    def _push(self, kind, record):
        self.threads.add(threading.current_thread())
        self.pushes.append((kind, record))
        self.heard.append(kind)

    def _gone(self):
        self.gone += 1
        self.heard.append("gone")

    def _answer(self, value):
        self.answers.append(value)
        self.heard.append("answer")

    def ask(self, call, account=ACCOUNT, **params):
        """Ask, and wait until everything delivered has been heard; the last answer so far."""
        self._seq += 1
        self.terminal.ask(
            self.session, call, {"account": account, **params}, self._answer, self._seq
        )
        return self.last()

    def order(self, **changes):
        return self.ask("order", **order_of(**changes))

    def last(self):
        assert self.terminal.settle()
        return self.answers[-1] if self.answers else None

    def told(self, kind):
        """Records pushed of a kind."""
        assert self.terminal.settle()
        return [record for there, record in self.pushes if there == kind]

    def statuses(self, order_id=1):
        return [o.order_status for o in self.told("order") if o.order_id == order_id]


def aside(function, *args):
    """Run it on a daemon thread, as it may never come back; a future of what it gives."""
    future = Future()

    def run():
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class VendorTrader:
    """The vendor's XtQuantTrader, made as its quirks demand: on a thread of its own."""

    def __init__(self, session=1, path=PATH, connect=True, callback=True):
        self.events = []  # (name, argument)
        self.code = None
        self.trader = aside(self._make, session, path, connect, callback).result(10)

    def _make(self, session, path, connect, callback):
        xttrader = importlib.import_module("xtquant.xttrader")
        xttype = importlib.import_module("xtquant.xttype")
        self.account = xttype.StockAccount(ACCOUNT)

        class Trader(xttrader.XtQuantTrader):
            def __del__(self):  # the vendor's meddles with the main thread's loop
                pass

        trader = Trader(path, session, self._callback(xttrader) if callback else None)
        asyncio.set_event_loop(None)
        trader.start()
        self.code = trader.connect()
        if connect:
            assert self.code == 0
            assert trader.subscribe(self.account) == 0
        return trader

    def _callback(self, xttrader):
        events = self.events

        class Callback(xttrader.XtQuantTraderCallback):
            pass

        for name in [n for n in dir(Callback) if n.startswith("on_")]:

            def hear(self, *args, name=name):
                events.append((name, args[0] if args else threading.current_thread().name))

            setattr(Callback, name, hear)
        return Callback()

    def call(self, method, *args, seconds=10):
        """A synchronous call, which may block for ever, with a deadline of its own."""
        return self.later(method, *args).result(seconds)

    def later(self, method, *args):
        """The same as a future: it may never come."""
        return aside(getattr(self.trader, method), *args)

    def order(self, *, asynchronous=False, **changes):
        params = order_of(**changes)
        method = "order_stock_async" if asynchronous else "order_stock"
        return self.call(method, self.account, *params.values())

    def heard(self, name):
        return [argument for there, argument in self.events if there == name]

    def wait(self, name, count=1):
        """The first `count` callbacks of a name, once they are there."""
        eventually(lambda: len(self.heard(name)) >= count)
        return self.heard(name)

    def close(self):
        aside(self.trader.stop).result(10)
        self.trader.loop.close()


class DataHearing(list):
    """What a quote callback heard, and where."""

    def __init__(self):
        super().__init__()
        self.threads = set()

    def hear(self, rows):
        """The callback (the list itself is false while it is empty)."""
        self.threads.add(threading.current_thread().name)
        self.append(rows)
