"""xtquant, imported late and quietly: its own `__init__` asks the network for updates."""

import importlib
import importlib.util
import platform
import sys
import threading
from types import ModuleType

from qka.errors import ConfigError

_lock = threading.Lock()


def load(name: str) -> ModuleType:
    """The module `xtquant.<name>`; raises ConfigError where it can't be loaded.

    The package is put in place without running its `__init__`, which would wait for a package
    index for up to ten seconds and print to the terminal.
    """
    with _lock:
        try:
            if "xtquant" not in sys.modules:
                spec = importlib.util.find_spec("xtquant")
                if spec is None:
                    raise ImportError("xtquant is not installed")
                sys.modules["xtquant"] = importlib.util.module_from_spec(spec)
            return importlib.import_module(f"xtquant.{name}")
        except Exception as error:
            raise ConfigError(
                f"xtquant.{name} can't be loaded ({error}). It needs 64-bit Windows and CPython "
                f"3.6 to 3.13; this is {platform.system()} {platform.machine()}, Python "
                f"{platform.python_version()}. On Windows: pip install xtquant. Elsewhere: run "
                "`qka server` on the machine with QMT and use `broker: {kind: remote}`"
            ) from error
