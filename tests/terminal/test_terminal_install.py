"""Stand-ins for the SDK's binary modules: put in place, taken away, never by accident."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest
from terminal_stage import PATH, VendorTrader

from qka.errors import ConfigError
from qka.terminal import install as install_module
from qka.terminal.install import Installed, install

needs_vendor = pytest.mark.skipif(
    importlib.util.find_spec("xtquant") is None,
    reason="the vendor's own Python is needed: pip install xtquant (any system)",
)


def loaded():
    return {name for name in sys.modules if name.split(".")[0] == "xtquant"}


@needs_vendor
class TestInstalling:
    def test_does_not_run_the_packages_own_init(self, terminal):
        with install(terminal, PATH):
            package = importlib.import_module("xtquant")
            importlib.import_module("xtquant.xttrader")
            assert not hasattr(package, "check_for_update")

    def test_is_undone_without_a_trace(self, terminal):
        before = ModuleType("xtquant")
        sys.modules["xtquant"] = before
        try:
            with install(terminal, PATH):
                importlib.import_module("xtquant.xttype")
                assert sys.modules["xtquant"] is not before
            assert loaded() == {"xtquant"}
            assert sys.modules["xtquant"] is before
        finally:
            del sys.modules["xtquant"]

    def test_can_be_done_again(self, make_terminal):
        for _ in range(2):
            with install(make_terminal(), PATH):
                client = VendorTrader()
                assert client.order() == 1
            client.close()

    def test_twice_at_once_is_refused(self, terminal, make_terminal):
        with (
            install(terminal, PATH) as installed,
            pytest.raises(ConfigError, match="installed already"),
        ):
            install(make_terminal(), "D:/elsewhere")
        installed.uninstall()
        assert loaded() == set()

    def test_finds_several_terminals_by_path_and_port(self, terminal, make_terminal):
        other = make_terminal()
        with install(terminal, PATH) as installed:
            installed.add(other, "D:/other/userdata_mini", port=58611)
            here, there = VendorTrader(), VendorTrader(path="D:/other/userdata_mini")
            here.order()
            assert (len(terminal.orders("demo")), len(other.orders("demo"))) == (1, 0)
            xtdata = importlib.import_module("xtquant.xtdata")
            xtdata.enable_hello = False
            xtdata.connect(port=58611)
            assert xtdata.get_full_tick(["SH"]) == {}
        for client in (here, there):
            client.close()

    def test_refuses_a_path_or_port_that_is_taken(self, terminal, make_terminal):
        with install(terminal, PATH) as installed:
            for path, port in ((PATH.upper() + "/", 1), ("D:/other", 58610)):
                with pytest.raises(ConfigError, match="already"):
                    installed.add(make_terminal(), path, port)

    def test_closes_the_terminals_with_it(self, terminal):
        with install(terminal, PATH):
            client = VendorTrader()
        assert VendorTrader
        assert client.order(asynchronous=True) > 0
        assert terminal.books("demo").orders == ()
        client.close()


def test_the_folder_of_a_real_terminal_is_refused(terminal, tmp_path):
    (tmp_path / "up_queue_xtquant").touch()
    with pytest.raises(ConfigError, match="belongs to a real terminal"):
        install(terminal, str(tmp_path))
    assert loaded() == set()


@pytest.mark.parametrize("name", ["xtpythonclient", "datacenter"])
def test_a_process_with_the_real_modules_is_refused(terminal, monkeypatch, name):
    monkeypatch.setitem(sys.modules, f"xtquant.{name}", ModuleType(name))
    with pytest.raises(ConfigError, match=f"xtquant.{name} is loaded in this process"):
        install(terminal, PATH)


def test_without_xtquant_it_says_what_to_do(terminal, monkeypatch):
    monkeypatch.setattr(install_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install xtquant"):
        install(terminal, PATH)


def test_nothing_is_installed_until_it_is_asked_for(terminal):
    installed = Installed()
    installed.add(terminal, PATH)
    installed.uninstall()
    assert loaded() == set()


def test_the_terminal_itself_loads_nothing_of_the_vendors():
    code = "import sys, qka.terminal.market, qka.terminal.install; print(*sys.modules)"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"xtquant", "pandas", "numpy"} & set(names)


@needs_vendor
def test_a_process_ends_while_calls_are_blocked():
    """Whoever forgets to uninstall is not punished with a process that hangs at its end."""
    code = """
import sys; sys.path[:0] = ["tests", "tests/terminal"]
from terminal_stage import PATH, VendorTrader, eventually
from qka.clock import ManualClock
from qka.terminal.books import Opening
from qka.terminal.install import install
from qka.terminal.terminal import SimTerminal
terminal = SimTerminal(ManualClock(), [Opening(account_id="demo")])
install(terminal, PATH)
client = VendorTrader()
terminal.hang()
client.later("query_stock_orders", client.account)
eventually(lambda: client.trader.cbs)
print("the end")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "the end"
