"""A simulated QMT terminal under the vendor's own Python, and an SDK that does what it is told."""

import asyncio
import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from builders import SYMBOL, a_quote, moment

from qka.clock import ManualClock
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.install import install
from qka.terminal.terminal import SimTerminal

ACCOUNT = "demo"
PATH = "C:/QMT/userdata_mini"


async def eventually(condition: Callable[[], Any], within: float = 10.0) -> Any:
    """Wait until the condition holds and return what it gave."""
    async with asyncio.timeout(within):
        while not (found := condition()):  # noqa: ASYNC110  # a condition has no event
            await asyncio.sleep(0.001)
        return found


@contextmanager
def a_terminal(
    at: str = "10:00", *, bson_rows: bool = False, **options: Any
) -> Iterator[SimTerminal]:
    """A terminal with one account and one quote of 600000.SH at 10.00, under the vendor's Python.

    Skips the test where the vendor's Python is not installed.
    """
    if importlib.util.find_spec("xtquant") is None:
        pytest.skip("the vendor's own Python is needed: pip install xtquant (any system)")
    opening = Opening(account_id=ACCOUNT, cash=10_000_000, positions={"000001.SZ": 1000})
    options.setdefault("faults", Faults(7))
    terminal = SimTerminal(ManualClock(moment(at)), [opening], **options)
    with install(terminal, PATH, bson_rows=bson_rows):
        terminal.quote(a_quote(time=moment(at) + 1))
        yield terminal


def order_params(remark: str = "a", **changes: Any) -> dict[str, Any]:
    """A limit buy of 100 shares at 9.90, which rests."""
    fields: dict[str, Any] = {
        "stock_code": SYMBOL,
        "order_type": 23,
        "order_volume": 100,
        "price_type": 11,
        "price": 9.9,
        "order_remark": remark,
    }
    return {**fields, **changes}


class ScriptedSdk:
    """The SDK's trader, as far as a link sees it; answers at once unless a test says otherwise.

    `order_calls` are the arguments of its order calls. `on_order(seq, remark)` answers them, on
    the calling thread. `gate`: an event that order calls wait for inside the SDK.
    """

    def __init__(self, path: str, session: int, callback: Any) -> None:
        self.session = session
        self.callback = callback
        self.order_calls: list[tuple[Any, ...]] = []
        self.seqs: list[int] = []  # of the order calls
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.stopped = threading.Event()
        self.gates: dict[str, threading.Event] = {}  # method, or remark of an order -> gate
        self.on_order: Callable[[int, str], None] = self.accept
        self.infos = [SimpleNamespace(account_id=ACCOUNT, account_type=2)]
        self.status = 0
        self._seqs = count(1)

    def _enter(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.current_thread().name)
        gate = self.gates.get(name)
        if gate is not None:
            gate.wait(30)

    # ------------------------------------------------------------ life

    def register_callback(self, callback: Any) -> None:
        self.callback = callback

    def start(self) -> None:
        self._enter("start")

    def connect(self) -> int:
        self._enter("connect")
        return 0

    def subscribe(self, account: Any) -> int:
        self._enter("subscribe")
        return 0

    def stop(self) -> None:
        self._enter("stop")
        self.stopped.set()

    # ------------------------------------------------------------ orders

    def order_stock_async(self, account: Any, *arguments: Any) -> int:
        remark = arguments[-1]
        seq = next(self._seqs)
        self.seqs.append(seq)
        self.order_calls.append(arguments)
        self._enter("order")
        self._enter(remark)
        self.on_order(seq, remark)
        return seq

    def accept(self, seq: int, remark: str) -> None:
        """The answer that takes an order."""
        self.respond(seq, remark, 1000 + seq)

    def respond(self, seq: int, remark: str, order_id: int, words: str = "") -> None:
        """An answer to an order."""
        self.callback.on_order_stock_async_response(
            SimpleNamespace(
                account_id=ACCOUNT, order_id=order_id, order_remark=remark, error_msg=words, seq=seq
            )
        )

    def error(self, seq: int, remark: str, words: str, order_id: int = -1) -> None:
        """The refusal of an order, by its own push."""
        self.callback.on_order_error(
            SimpleNamespace(
                account_id=ACCOUNT, order_id=order_id, order_remark=remark, error_msg=words, seq=seq
            )
        )

    def cancel_order_stock_async(self, account: Any, order_id: int) -> int:
        seq = next(self._seqs)
        self._enter("cancel")
        self.callback.on_cancel_order_stock_async_response(
            SimpleNamespace(account_id=ACCOUNT, cancel_result=0, order_id=order_id, seq=seq)
        )
        return seq

    # ------------------------------------------------------------ queries

    def query_account_infos_async(self, callback: Any) -> int:
        self._enter("query_account_infos")
        callback(self.infos)
        return next(self._seqs)

    def query_account_status_async(self, callback: Any) -> int:
        self._enter("query_account_status")
        callback([SimpleNamespace(account_id=ACCOUNT, account_type=2, status=self.status)])
        return next(self._seqs)

    def query_stock_orders_async(
        self, account: Any, callback: Any, cancelable_only: bool = False
    ) -> int:
        self._enter("query_stock_orders")
        callback([])
        return next(self._seqs)

    def query_ipo_data(self) -> dict[str, Any]:
        self._enter("query_ipo_data")
        return {"730001.SH": {"name": "新股", "issuePrice": 10.0}}


class Scripted:
    """The factory of scripted SDKs: `sdks` holds every one a link has built."""

    def __init__(self, prepare: Callable[[ScriptedSdk], None] = lambda sdk: None) -> None:
        self.sdks: list[ScriptedSdk] = []
        self.prepare = prepare

    def __call__(self, path: str, session: int, callback: Any) -> ScriptedSdk:
        sdk = ScriptedSdk(path, session, callback)
        self.prepare(sdk)
        self.sdks.append(sdk)
        return sdk

    @property
    def sdk(self) -> ScriptedSdk:
        """The one in use."""
        return self.sdks[-1]

    def free(self) -> None:
        """Let go of every thread that hangs in here."""
        for sdk in self.sdks:
            for gate in sdk.gates.values():
                gate.set()
