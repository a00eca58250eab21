"""A simulated terminal, clients of it, and the vendor's own Python over it."""

import importlib
import sys

import pytest
from terminal_stage import ACCOUNT, PATH, Client, DataHearing, VendorTrader, at_ten

from qka.clock import ManualClock
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.install import install
from qka.terminal.terminal import SimTerminal


@pytest.fixture
def make_terminal():
    """Terminals with one account; closed when the test ends."""
    made = []

    def make(faults=None, start=None, **options):
        opening = Opening(
            account_id=ACCOUNT,
            cash=options.pop("cash", 10_000_000),
            positions=options.pop("positions", {"000001.SZ": 1000}),
            costs={"000001.SZ": 11.0},
        )
        terminal = SimTerminal(
            ManualClock(start or at_ten()), [opening], faults=faults or Faults(7), **options
        )
        made.append(terminal)
        return terminal

    yield make
    for terminal in made:
        terminal.close()


@pytest.fixture
def terminal(make_terminal):
    """A terminal at 10:00 that has one quote of 600000.SH at 10.00."""
    from builders import a_quote

    terminal = make_terminal()
    terminal.quote(a_quote())
    return terminal


@pytest.fixture
def connect(terminal):
    """Clients of the terminal, subscribed to its account."""

    def connect(session=1, **options):
        return Client(terminal, session, **options)

    return connect


@pytest.fixture
def vendor(terminal):
    """The terminal under the vendor's own Python; what still blocks is let go at the end."""
    pytest.importorskip("numpy", reason="xtdata makes tables")
    pytest.importorskip("pandas", reason="xtdata makes tables")
    if importlib.util.find_spec("xtquant") is None:
        pytest.skip("the vendor's own Python is needed: pip install xtquant (any system)")
    with install(terminal, PATH) as installed:
        yield installed
    assert "xtquant.xtpythonclient" not in sys.modules


@pytest.fixture
def trader(vendor):
    """The vendor's traders, connected unless told; stopped at the end."""
    made = []

    def trader(session=1, **options):
        made.append(VendorTrader(session, **options))
        return made[-1]

    yield trader
    vendor.uninstall()
    for each in made:
        each.close()


@pytest.fixture
def xtdata(vendor):
    """The vendor's xtdata module."""
    module = importlib.import_module("xtquant.xtdata")
    module.enable_hello = False
    yield module
    module.disconnect()


@pytest.fixture
def heard():
    """Collects what a quote callback hears."""
    return DataHearing()
