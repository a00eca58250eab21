"""Finding a strategy by what a config says: `module:Class`, `path.py:Class`, or its name."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from qka.engine.strategy import REGISTRY, Strategy
from qka.errors import ConfigError

_SHARED = sys.stdlib_module_names | {"qka"}  # what no project has of its own


def find(use: str, root: Path) -> type[Strategy]:
    """The class that `use` names; files and modules are looked up from the project's `root`.

    Raises ConfigError that names the file and the line at fault.
    """
    place, colon, name = use.rpartition(":")
    if use.endswith(".py"):
        raise ConfigError(f"use: {use}: name the class in it too, as in {use}:MyStrategy")
    if not colon:
        return _registered(use, root)
    module = _file(root / place, use) if place.endswith(".py") else _module(place, use, root)
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Strategy):
        return found
    classes = [
        n
        for n, c in vars(module).items()
        if isinstance(c, type) and issubclass(c, Strategy) and c.__module__ == module.__name__
    ]
    what = "is not a qka.Strategy subclass" if found is not None else "does not exist"
    near = get_close_matches(name, classes, 1, 0.5)
    hint = f"; did you mean {place}:{near[0]}?" if near else ""
    there = f"; strategies in it: {', '.join(classes)}" if classes else "; it holds no strategy"
    raise ConfigError(f"use: {use}: class {name!r} {what} in {place}{hint or there}")


def build(
    cls: type[Strategy],
    *,
    name: str,
    symbols: tuple[str, ...],
    bars: tuple[str, ...] | None,
    params: Mapping[str, Any],
) -> Strategy:
    """An instance with what the config says; raises ConfigError for a wrong parameter.

    A class with an `__init__` of its own is called with the parameters it takes; the guide's
    `client` is None, since the engine is the client.
    """
    own = cls.__init__ is not Strategy.__init__
    strategy = _own_init(cls, params) if own else cls(**params)
    if symbols:
        strategy.symbols = list(symbols)
    if bars:
        strategy.bars = list(bars)
    if name:
        strategy.name = name
    return strategy


def _own_init(cls: type[Strategy], params: Mapping[str, Any]) -> Strategy:
    signature = inspect.signature(cls)
    given = dict(params)
    client = signature.parameters.get("client")
    if client is not None and client.default is client.empty:
        given.setdefault("client", None)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise ConfigError(f"{cls.__name__}{signature}: params: {error}") from None
    try:
        return cls(**given)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{cls.__name__}{signature} failed: {_at(error)}") from None


def _registered(name: str, root: Path) -> type[Strategy]:
    if name not in REGISTRY:
        for file in sorted((root / "strategies").glob("*.py")):
            if not file.name.startswith("_") and _names(file, name):
                _file(file, name)
    if name in REGISTRY:
        return REGISTRY[name]
    near = get_close_matches(name, REGISTRY, 1, 0.5)
    there = f"registered: {', '.join(REGISTRY)}" if REGISTRY else "none is registered"
    hint = f"did you mean {near[0]}?" if near else there
    raise ConfigError(
        f"use: {name}: no strategy is registered by that name in {root / 'strategies'}; {hint} "
        "(or write module:Class, or path.py:Class)"
    )


def _names(file: Path, name: str) -> bool:
    """Whether a file speaks of that name at all: the others are not run for it."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return f'"{name}"' in text or f"'{name}'" in text


def _file(path: Path, use: str) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        near = get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")], 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"use: {use}: there is no file {path}{hint}")
    name = f"qka_strategy_{path.stem}_{abs(hash(str(path)))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise _unloadable(use, error) from None
    return module


def _module(name: str, use: str, root: Path) -> ModuleType:
    try:
        _enter(root.resolve())
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"use: {use}: there is no module {error.name!r} in {root} or on the Python path"
            ) from None
        raise _unloadable(use, error) from None
    except BaseException as error:
        raise _unloadable(use, error) from None


def _enter(root: Path) -> None:
    """From here on an import means this project, whatever another one calls the same.

    A process may load several projects, and each has its `strategies`.
    """
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    for entry in root.iterdir():
        package = entry.is_dir() and any(entry.glob("*.py"))
        if (package or entry.suffix == ".py") and entry.stem not in _SHARED:
            _claim(entry.stem, root)


def _claim(name: str, root: Path) -> None:
    """Forget a module or package of another project that has the name of one in this."""
    spec = PathFinder.find_spec(name, [str(root)])
    if spec is None:
        return
    folders, known = list(spec.submodule_search_locations or ()), sys.modules.get(name)
    if known is not None:
        there = getattr(known, "__file__", None) or list(getattr(known, "__path__", ()))
        if there == (spec.origin or folders):
            return
        for each in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
            del sys.modules[each]
    if spec.origin is None:
        # a folder without `__init__.py`: Python would look for more of its name along the path
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        module.__path__ = folders


def _unloadable(use: str, error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return error
    return ConfigError(f"use: {use}: the file can't be imported: {_at(error)}")


def _at(error: BaseException) -> str:
    """`file.py:12: NameError: ...`, where the user can mend it."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}: {words}" if frames else words
