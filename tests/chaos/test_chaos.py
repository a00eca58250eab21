"""Kill, freeze, cut off and fill up a real engine at seeded moments; then look at both books.

    pytest tests/chaos --kills 5000          more of it
    pytest tests/chaos --chaos-seed 17       one session again

A session is one account on one exchange: an engine that trades without rest is started, dies, and
is started again; at the end a calm one cleans up. Each kind of moment comes in turn.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from contextlib import chdir, suppress
from random import Random

import pytest
from exchange import ACCOUNT, SYMBOLS, exchange
from life import MOMENTS, live

from qka import operator, settings
from qka.journal.reading import readable, rows
from qka.journal.verify import verify
from qka.model.order import Side

KILLS = 4  # in a session
PER_MINUTE = 40
CONFIG = """
account: {{id: "{account}"}}
feed: {{kind: remote}}
broker: {{kind: remote, url: "{url}", simulated: true}}
journal: {{dir: journals}}
risk:
  {{position_ratio: 0.3, max_orders_per_minute: {per_minute}, max_orders_per_second: null,
    max_daily_loss: 0.9}}
strategies:
  - {{use: "{trader}:Restless", name: trader, symbols: [{symbols}], params: {{seed: {seed}}}}}
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL and SIGSTOP are POSIX's")


def processes():
    """Children are forked from a clean process that has everything loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["qka.app", "qka.brokers.remote", "qka.feeds.remote", "pandas"])
    return context


class Session:
    """One account's story: what was done to its engines, and what is true at the end."""

    def __init__(self, folder, there, seed):
        self.folder, self.there, self.seed = folder, there, seed
        self.dice = Random(seed)
        self.lives = 0
        self.halted = False
        self.stepped = False
        trader = os.path.join(os.path.dirname(__file__), "trader.py")
        text = CONFIG.format(
            account=ACCOUNT, url=there.cable.url, per_minute=PER_MINUTE, trader=trader,
            symbols=", ".join(SYMBOLS), seed=seed,
        )  # fmt: skip
        (folder / "config.yaml").write_text(text, encoding="utf-8")

    @property
    def path(self):
        return self.folder / "journals" / f"STOCK-{ACCOUNT}.db"

    def start(self, moment, **plan):
        self.lives += 1
        plan["token"] = self.there.token
        process = processes().Process(target=live, args=(self.folder, self.lives, moment, plan))
        process.start()
        return process

    def kill(self):
        """A life and its end."""
        dice = self.dice
        kinds = [*MOMENTS, "time"]
        where = kinds[(self.seed * KILLS + self.lives) % len(kinds)]
        most = {"note": 6, "flush": 30, "commit": 40}.get(where, 12)
        plan = self._disturbance() if dice.random() < 0.4 else {}
        process = self.start(f"{where} {dice.randint(1, most)}", **plan)
        over = time.monotonic() + (dice.random() * 0.8 + 0.2 if where == "time" else 4.0)
        if dice.random() < 0.3:
            self._from_outside(process)
        process.join(max(0.0, over - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, self.story()

    def _disturbance(self):
        words = ["full", "halt", "flatten", "cancel-all", "step"]
        what = self.dice.choice(words if self.dice.random() < 0.7 else ["step"])
        if what == "full" and sys.platform == "darwin":
            what = "step"
        self.halted |= what == "halt"
        self.stepped |= what == "step"
        return {
            "what": what,
            "after": self.dice.randint(1, 8),
            "seconds": self.dice.choice([-1800, -5, 5, 1800]),
        }

    def _from_outside(self, process):
        process.join(self.dice.random() * 0.6)
        match self.dice.choice(["freeze", "cut", "restart"]):
            case "freeze":
                with suppress(ProcessLookupError):  # it was quicker
                    os.kill(process.pid, signal.SIGSTOP)
                    process.join(self.dice.random() * 0.5)
                    os.kill(process.pid, signal.SIGCONT)
            case "cut":
                self.there.cut()
            case "restart":
                self.there.restart_terminal()

    def end(self):
        """A calm engine cleans up; returns what it knows.

        An order that the exchange never got and nobody can prove that of gets a human's word.
        """
        told = self._calm()
        if told["unknown"]:
            placed = {order.remark for order in self.there.books().orders}
            assert not placed & set(told["unknown"]), f"not found: {told}\n{self.story()}"
            chosen = settings.load(self.folder / "config.yaml")
            with chdir(self.folder):
                for order_id in told["unknown"]:
                    operator.resolve(chosen, order_id, "rejected", who="the suite")
            told = self._calm()
        assert told["unknown"] == []
        return told

    def _calm(self):
        calm = ["strategies.0.use=" + os.path.join(os.path.dirname(__file__), "trader.py:Calm")]
        for _ in range(3):  # a start may find the terminal away
            process = self.start("time 0", calm=True, set=calm)
            process.join(30)
            if process.is_alive():
                process.kill()
                pytest.fail(f"open orders after half a minute\n{self.story()}")
            if process.exitcode == 0:
                break
        assert process.exitcode == 0, self.story()
        return json.loads((self.folder / "end.json").read_text(encoding="utf-8"))

    def story(self):
        """What the lives said, for whoever looks into a failure."""
        said = [p.read_text(encoding="utf-8")[-1500:] for p in sorted(self.folder.glob("life-*"))]
        return f"pytest tests/chaos --chaos-seed {self.seed}\n" + "\n---\n".join(said[-2:])

    def journalled(self):
        with readable(self.path) as (connection, _):
            return list(rows(connection))


def check(session, told):
    """No order lost, none twice, no fill lost or doubled, and both books the same."""
    report = verify(session.path)
    assert report.problems == report.doubts == [], session.story()
    books, records = session.there.books(), session.journalled()
    events = [record.event for record in records if record.is_event]
    intents = [e.order for e in events if type(e).__name__ == "OrderRequested"]
    placed = Counter(order.remark for order in books.orders)
    assert max(placed.values(), default=1) == 1, "an order was sent twice"
    assert len({order.id for order in intents}) == len(intents)
    assert placed.keys() <= {order.id for order in intents}, "an order without an intent"
    fills = [e for e in events if type(e).__name__ == "Fill"]
    ours = Counter((f.order_id, f.deal_id, f.price, f.quantity) for f in fills)
    theirs = Counter((d.remark, d.traded_id, d.price, d.quantity) for d in books.deals)
    assert ours == theirs, "fills are lost or doubled"
    assert books.problems() == []
    assert told["cash"] == books.cash
    assert told["shares"] == {symbol: held for symbol, held in books.shares.items() if held}
    own = {order.id for order in intents if order.strategy == "trader"}
    mine = [fill for fill in fills if fill.order_id in own]
    assert told["state"].get("fills", 0) == len(mine), "the strategy was not told once of each"
    moved = Counter()
    for fill in mine:
        moved[fill.symbol] += fill.quantity if fill.side is Side.BUY else -fill.quantity
    assert {symbol: told["state"].get(symbol, 0) for symbol in moved} == moved
    _check_halt(session, told, records)
    openings = {r.value["opening"] for r in records if r.kind == "risk"}
    assert len(openings) <= 1, "the day's loss is measured from another place"
    if not session.stepped:
        times = [order.time for order in intents]
        for first, last in zip(times, times[PER_MINUTE:], strict=False):
            assert last - first >= 60 * 10**9, "a window of the rate limit forgot something"


def _check_halt(session, told, records):
    """Halted stays halted, reduced at most that: from the note on no intent is written, no buy.

    A human who flattens lifts a halt as far as to sells.
    """
    state = "active"
    for record in records:
        if record.kind == "trading":
            state = record.value["trading"]
        elif record.kind == "OrderRequested":
            assert state != "halted"
            assert state == "active" or record.event.order.side is Side.SELL
    assert told["trading"] == state


def test_whatever_dies_when_and_how_nothing_is_lost_and_nothing_is_twice(tmp_path, chaos_seed):
    with exchange(tmp_path / "server", chaos_seed) as there:
        session = Session(tmp_path, there, chaos_seed)
        for _ in range(KILLS):
            session.kill()
        told = session.end()
        try:
            check(session, told)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{session.story()}") from None
