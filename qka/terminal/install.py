"""Puts simulated terminals under the vendor's own Python, and takes them away again.

The vendor's `xttrader.py` and `xtdata.py` then run unmodified, on any system. Nobody gets here
by configuration: it takes a `SimTerminal` in hand, a process in which the real binary modules are
not loaded, and a path that is not a real terminal's.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, cast

from qka.errors import ConfigError
from qka.terminal.datacenter import Codec, data_module
from qka.terminal.native import AsyncClient, client_module
from qka.terminal.terminal import SimTerminal

PORT = 58610  # where a MiniQMT listens for data clients unless told otherwise
_QUEUE = "up_queue_xtquant"  # a real terminal's folder has it


class Installed:
    """The stand-ins in place. `uninstall` (or leaving `with`) removes them and frees everyone.

    `bson_rows`: quotes are pushed as BSON bytes, as some builds do, not as dicts.
    """

    def __init__(self, *, bson_rows: bool = False) -> None:
        self.clients: list[AsyncClient] = []
        self.bson_rows = bson_rows
        self.codec: Codec
        self._terminals: dict[str, SimTerminal] = {}
        self._addresses: dict[str, tuple[SimTerminal, str]] = {}
        self._before: dict[str, ModuleType] | None = None

    def add(self, terminal: SimTerminal, path: str, port: int = PORT) -> None:
        """Another terminal; raises ConfigError for a path or port that is taken."""
        if (Path(path) / _QUEUE).exists():
            raise ConfigError(f"{path} belongs to a real terminal: {_QUEUE} is in it")
        address = f"127.0.0.1:{port}"
        if _key(path) in self._terminals or address in self._addresses:
            raise ConfigError(f"a simulated terminal is at {path} or port {port} already")
        self._terminals[_key(path)] = terminal
        self._addresses[address] = (terminal, path)

    def at(self, path: str) -> SimTerminal | None:
        """The terminal of a `userdata_mini` path."""
        return self._terminals.get(_key(path))

    def listening(self, address: str) -> SimTerminal | None:
        """The terminal at `host:port`."""
        return self._addresses.get(address, (None, ""))[0]

    def directory(self, address: str) -> str:
        """The data directory of the terminal at an address."""
        return str(Path(self._addresses[address][1]) / "datadir")

    def put(self) -> None:
        """Put the stand-ins in place of the binary modules, without running `xtquant/__init__`."""
        spec = _found()
        self._before = {name: sys.modules.pop(name) for name in _loaded()}
        package = ModuleType("xtquant", spec.origin)
        package.__path__ = list(spec.submodule_search_locations or ())
        package.__spec__ = ModuleSpec("xtquant", None, is_package=True)
        sys.modules["xtquant"] = package
        for name, module in (
            ("xtpythonclient", client_module(self)),
            ("datacenter", data_module(self)),
        ):
            sys.modules[f"xtquant.{name}"] = module
            setattr(package, name, module)
        self.codec = cast(Codec, _Bson(importlib.import_module("xtquant.xtbson")))

    def uninstall(self) -> None:
        """Take them away; calls that still block come back with a failure. Twice is fine."""
        if self._before is None:
            return
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(self._before)
        self._before = None
        for terminal in self._terminals.values():
            terminal.close()
        for client in self.clients:
            client.release()

    def __enter__(self) -> "Installed":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.uninstall()


def install(
    terminal: SimTerminal, path: str, *, port: int = PORT, bson_rows: bool = False
) -> Installed:
    """Let `XtQuantTrader(path, …)` and `xtdata.connect(port=port)` reach this terminal.

    Modules of xtquant imported before are set aside until `uninstall`; import `xttrader` and
    `xtdata` after this. Raises ConfigError when xtquant is not installed, when its binary modules
    are loaded in this process, or when the path is a real terminal's.
    """
    installed = Installed(bson_rows=bson_rows)
    installed.add(terminal, path, port)
    installed.put()
    return installed


class _Bson:
    """The vendor's codec."""

    def __init__(self, module: Any) -> None:
        self.encode = module.BSON.encode
        self.decode = module.BSON.decode


def _found() -> ModuleSpec:
    """Where xtquant is, without importing it."""
    real = [n for n in ("xtquant.xtpythonclient", "xtquant.datacenter") if n in sys.modules]
    if real:
        raise ConfigError(
            f"{real[0]} is loaded in this process: a simulated terminal never stands in for a "
            "real one (or another is installed already); use another process, or uninstall it"
        )
    there = sys.modules.pop("xtquant", None)
    try:
        spec = importlib.util.find_spec("xtquant")
    finally:
        if there is not None:
            sys.modules["xtquant"] = there
    if spec is None:
        raise ConfigError(
            "xtquant is not installed; its Python files are needed, on any system: "
            "pip install xtquant. (A SimTerminal by itself works without it.)"
        )
    return spec


def _loaded() -> Iterable[str]:
    return [name for name in sys.modules if name == "xtquant" or name.startswith("xtquant.")]


def _key(path: str) -> str:
    """One spelling for a folder: separators, trailing ones and case do not matter."""
    return path.replace("\\", "/").rstrip("/").casefold()
