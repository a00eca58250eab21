"""One life of an engine in a process of its own, and the moment at which it dies.

A moment is `<where> <count>`: the process kills itself, without a word, when it comes there so many
times. So the moments between two lines (after the intent is on the disk and before it is sent,
after it is sent and before the answer, within a commit) are met exactly; `time` comes from outside.
"""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# where -> it is reached when the method begins, or when it returns
MOMENTS = {
    "intent": ("qka.journal.store", "SqliteJournal", "write_ahead", "returns"),  # not sent yet
    "submit": ("qka.brokers.xtbroker", "XtBroker", "submit", "returns"),  # not on the wire yet
    "sent": None,  # on the wire
    "answer": ("qka.brokers.reports", "Reports", "answered", "begins"),  # here, nobody was told
    "fill": ("qka.brokers.reports", "Reports", "trade", "begins"),  # here, in no journal
    "booked": ("qka.engine.ledger", "Ledger", "on_fill", "returns"),  # its strategy was not told
    "note": ("qka.journal.store", "SqliteJournal", "note", "returns"),  # a checkpoint, a result
    "flush": ("qka.journal.store", "SqliteJournal", "flush", "begins"),
    "commit": None,  # the transaction is written and does not count yet
}


LOOKS = 300  # in seconds of the market, until an unknown order is left to the operator


def live(folder: Path, life: int, moment: str, plan: dict) -> None:
    """Run until killed; with `calm` in the plan until everything has its end."""
    os.environ["QKA__BROKER__TOKEN"] = plan["token"]
    os.chdir(folder)
    sys.stderr = open(folder / f"life-{life}.err", "w", encoding="utf-8")  # noqa: SIM115  # till it dies
    from qka.app import Engine
    from qka.brokers.remote import RemoteBroker
    from qka.errors import QkaError

    RemoteBroker.__init__.__kwdefaults__["within"] = (
        0.5  # of an order on its way; nobody waits long
    )
    where, count = moment.split()
    if where != "time":
        _plant(where, int(count))
    try:
        engine = Engine.from_config(folder / "config.yaml", overrides=plan.get("set", ()))
        if plan.get("after"):
            _disturb(engine, plan)
        if plan.get("calm"):
            _end_when_quiet(engine, folder)
        engine.run()
    except QkaError as error:
        (folder / f"life-{life}.refused").write_text(str(error), encoding="utf-8")
        sys.exit(2)


def _plant(where: str, left: int) -> None:
    """Let the process die there."""

    def reached() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    match where:
        case "sent":
            _on_the_wire(reached)
        case "commit":
            _in_commit(reached)
        case _:
            module, cls, name, when = MOMENTS[where]
            _watch(getattr(__import__(module, fromlist=[cls]), cls), name, when, reached)


def _watch(cls: type, name: str, when: str, reached: Callable[[], None]) -> None:
    real = getattr(cls, name)

    def watched(self, *args, **kwargs):
        if when == "begins":
            reached()
        result = real(self, *args, **kwargs)
        if when == "returns":
            reached()
        return result

    setattr(cls, name, watched)


def _on_the_wire(reached: Callable[[], None]) -> None:
    from aiohttp import ClientWebSocketResponse

    real = ClientWebSocketResponse.send_str

    async def sent(self, data, *args, **kwargs):
        await real(self, data, *args, **kwargs)
        if '"order_stock"' in data:
            reached()

    ClientWebSocketResponse.send_str = sent


def _in_commit(reached: Callable[[], None]) -> None:
    from qka.journal.store import SqliteJournal

    real = SqliteJournal.open

    def opened(self):
        real(self)
        self._connection.set_trace_callback(
            lambda statement: reached() if statement == "COMMIT" else None
        )

    SqliteJournal.open = opened


def _disturb(engine, plan: dict) -> None:
    """A full disk, a stepped clock, an operator's word: when so many intents were written."""
    import asyncio

    from qka.journal.store import SqliteJournal
    from qka.model.events import TradingState
    from qka.model.times import SECOND

    left = plan["after"]

    def reached() -> None:
        nonlocal left
        left -= 1
        if left:
            return
        match plan["what"]:
            case "full":
                import resource

                resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
            case "step":
                engine.clock._there += int(plan["seconds"] * SECOND)
            case "halt":
                engine.set_trading(TradingState.HALTED, "the crash suite says so")
            case command:  # asked from outside, as soon as the handler is done
                ask = functools.partial(engine.operator.ask, command, who="the suite")
                asyncio.get_running_loop().call_soon(ask)

    _watch(SqliteJournal, "write_ahead", "returns", reached)


def _end_when_quiet(engine, folder: Path) -> None:
    """When every order has its end, or is one that nobody knows of, write it down and stop."""
    from qka.model.events import EngineState
    from qka.model.order import OrderStatus

    since = 0  # looks in which nothing but unknown orders were open
    from qka.model.times import SECOND

    def look() -> None:
        nonlocal since
        still = list(engine.ledger.working())
        words = [f"{o.id} {o.status} {o.broker_id} {o.reason}" for o in still]
        (folder / "life-open").write_text("\n".join(words), encoding="utf-8")
        known = [o for o in still if o.status is not OrderStatus.UNKNOWN]
        since = 0 if known or not engine.broker._up else since + 1
        if not since or (still and since < LOOKS):
            engine.clock.call_at(engine.clock.now() + SECOND, look)
            return
        told = {
            "cash": int(engine.ledger.asset.cash * 100),
            "shares": {p.symbol: p.quantity for p in engine.ledger.positions()},
            "trading": engine.ledger.trading,
            "unknown": [order.id for order in still],
            "state": engine.strategies[0].state,
            "alerts": [f"{a.source}: {a.message}" for a in engine.tally.alerts],
        }
        (folder / "end.json").write_text(json.dumps(told), encoding="utf-8")
        engine.request_stop()

    def begin(event: EngineState) -> None:
        if event.state == "running":
            engine.clock.call_at(engine.clock.now() + 5 * SECOND, look)

    engine.listen(EngineState, begin)
