"""A simulated day on paper as a config says, through the real app: what its keys change."""

import shutil
import sys
from pathlib import Path

import pytest

from qka.app import Engine
from qka.model.events import Fill

STRATEGY = """
import qka


class Asking(qka.Strategy):
    \"\"\"Waits at the bid and takes at the ask, in turn.\"\"\"

    symbols = ["600000.SH", "000001.SZ"]

    def on_start(self):
        self.seen = 0

    def on_quote(self, quote):
        if quote.phase != qka.Phase.CONTINUOUS or not quote.bid1 or not quote.ask1:
            return
        self.seen += 1
        if self.seen % 40 == 0:
            price = quote.bid1 if self.seen % 80 else quote.ask1
            self.buy(quote.symbol, 600, price)
"""


@pytest.fixture
def fills(tmp_path, monkeypatch):
    """The fills of a day with these keys of the broker."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "asking.py").write_text(STRATEGY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(**broker):
        shutil.rmtree(Path("runs"), ignore_errors=True)
        engine = Engine.from_config(
            {
                "feed": {"kind": "simulated", "seed": 3},
                "broker": {"kind": "paper", **broker},
                "account": {"cash": 10_000_000},
                "strategies": [{"use": "strategies/asking.py:Asking"}],
                "risk": {"position_ratio": 1.0},
            }
        )
        heard = []
        engine.listen(Fill, lambda f: heard.append((f.time, f.order_id, f.price, f.quantity)))
        engine.run()
        return heard

    return run


def test_a_day_with_random_latency_is_the_same_twice_and_another_with_another_seed(fills):
    first = fills(jitter=20.0)
    assert len(first) > 20
    assert fills(jitter=20.0) == first
    assert fills(jitter=20.0, seed=2) != first


def test_a_smaller_share_of_what_trades_is_filled_later_and_more_in_parts(fills):
    whole, part = fills(participation=1.0), fills(participation=0.05)
    assert len(part) > len(whole)
    assert sum(fill[3] for fill in part) <= sum(fill[3] for fill in whole)


def test_who_cancels_changes_when_one_is_filled(fills):
    behind, anywhere = fills(queue="behind"), fills(queue="anywhere")
    assert behind != anywhere
    assert sum(fill[3] for fill in anywhere) >= sum(fill[3] for fill in behind)


async def test_threads_get_their_turns_while_a_day_passes_and_the_process_is_left_as_it_was(
    tmp_path,
):
    """A loop at full speed would else let an alert or a heartbeat wait until the day is over."""
    before = sys.getswitchinterval()
    config = {
        "feed": {"kind": "simulated", "speed": "max"},
        "strategies": [{"use": "strategies.grid:Grid", "symbols": ["600000.SH"]}],
        "run": {"dir": str(tmp_path)},
    }
    async with Engine.from_config(config):
        assert sys.getswitchinterval() < 0.001
        async with Engine.from_config(config):
            pass
        assert sys.getswitchinterval() < 0.001
    assert sys.getswitchinterval() == before
