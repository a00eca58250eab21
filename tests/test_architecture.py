"""The floors of the house, held against the imports."""

import ast
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "qka"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

# room -> floor; a room imports only what lies below it, and its own kind
FLOORS = {
    "model": 0,
    "errors": -1,
    "clock": 1,
    "wire": 1,
    "secrets": 1,
    "web": 1,
    "vendor": 1,
    "lanes": 1,
    "charts": 1,
    "ashare": 1,
    "language": 0,
    "mistakes": 1,
    "phrases": 2,
    "telling": 3,
    "titles": 1,
    "risk": 2,
    "brokers": 2,
    "feeds": 2,
    "journal": 2,
    "recording": 2,
    "engine": 3,
    "terminal": 3,
    "server": 4,
    "report": 4,
    "settings": 3,
    "logs": 4,
    "loading": 4,
    "edges": 5,
    "doctor": 5,
    "journals": 5,
    "limits": 5,
    "compliance": 5,
    "monitor": 5,
    "app": 6,
    "operator": 6,
    "replay": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 10,
}
APART = {
    "risk",
    "brokers",
    "feeds",
    "journal",
    "recording",
}  # one floor, and they never import one another
# the links to other machines and threads: they may wait, still by a clock or the loop's own time
EDGES = {"brokers/link.py", "brokers/calls.py", "brokers/channel.py", "feeds/xtdata.py"}
EDGES |= {"brokers/xtbroker.py", "feeds/remote.py"}
VENDOR = {"vendor.py", "terminal/install.py"}  # may name xtquant, late
ADAPTERS = {"brokers/trader.py", "feeds/xtdata.py"}  # may ask the former for it
PORTS = {
    "qka.feeds.port",
    "qka.feeds.bars",
    "qka.brokers.port",
    "qka.journal.port",
    "qka.recording.port",
}  # what the engine may see


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        if "templates" not in path.parts:
            yield path


def within(path):
    return path.relative_to(PACKAGE).as_posix()


def room(path):
    if within(path) == "brokers/server.py":
        return "server"  # the guide's name for it
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Names of qka modules a file imports, also late; type-checking ones are promises too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if (PACKAGE.parent / node.module.replace(".", "/")).is_dir():
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", list(modules()), ids=within)
def test_a_room_imports_only_what_lies_below_it(path):
    here = room(path)
    for name in imports(path):
        if not name.startswith("qka.") or name == "qka.__version__":
            continue
        there = name.split(".")[1]
        if there == here:
            continue
        assert FLOORS[there] < FLOORS[here], f"{path}: floor {FLOORS[here]} imports {name}"
        assert not (here in APART and there in APART), f"{path} imports {name}"
        if here == "engine" and there in ("feeds", "brokers", "journal", "recording"):
            assert name in PORTS, f"{path}: the engine sees ports, not {name}"


@pytest.mark.parametrize("path", list(modules()), ids=within)
def test_only_the_clock_reads_the_wall_and_nothing_below_the_app_sleeps(path):
    if room(path) in ("clock", "cli"):
        return
    may_wait = within(path) in EDGES or room(path) in ("server", "terminal")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            called = ast.unparse(node)
            if called == "asyncio.sleep" and may_wait:
                continue
            assert called not in {
                "time.time",
                "time.time_ns",
                "time.monotonic",
                "datetime.now",
                "asyncio.sleep",
            }, f"{path}:{node.lineno}"


def test_the_page_has_every_room_on_the_floor_that_is_checked():
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", PAGE, re.MULTILINE))
    for name, floor in FLOORS.items():
        if not name.startswith("__"):
            assert re.search(rf"\b{name}\b", rows[str(max(floor, 0))]), name


def test_the_page_names_every_module_and_no_other():
    named, folders = set(), []
    for line in PAGE[PAGE.index("\nqka/\n") : PAGE.index("\ntests/ ")].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for word in itertools.takewhile(re.compile(r"\w+(\.py|/)$").match, line.split()):
            folders = [*folders[:depth], word]
            named.add("".join(folders))
    shipped = [path for path in modules() if "data" not in path.parts]  # rows, as a whole
    there = {f"qka/{within(path)}" for path in shipped if path.name != "__init__.py"}
    assert {name for name in named if name.endswith(".py")} - {"qka/__init__.py"} == there


@pytest.mark.parametrize("folder", ["brokers/exchange", "feeds/recorded"])
def test_modules_import_only_those_that_their_room_lists_before_them(folder):
    place = PACKAGE / folder
    listed = re.findall(r"^    (\w+) ", (place / "__init__.py").read_text("utf-8"), re.MULTILINE)
    there = {path.stem for path in place.glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(there)
    room_of = f"qka.{folder.replace('/', '.')}."
    for name in there:
        inside = (other for other in imports(place / f"{name}.py") if other.startswith(room_of))
        for other in inside:
            assert other.split(".")[3] in listed[: listed.index(name)], f"{name} imports {other}"


def test_only_the_gate_makes_an_approved_order():
    makers = [
        within(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Approved"
    ]
    assert makers == ["risk/gate.py"]


@pytest.mark.parametrize("path", sorted((ROOT / "strategies").glob("*.py")), ids=lambda p: p.name)
def test_strategies_import_only_qka(path):
    assert set(imports(path)) <= {"qka"}


def test_import_qka_is_light_and_loads_no_adapter():
    code = "import sys, qka; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"pandas", "numpy", "pyarrow", "pydantic", "aiohttp", "xtquant", "asyncio", "rich"}
    assert not heavy & set(loaded)


def test_every_public_name_is_there():
    import qka

    for name in qka.__all__:
        assert getattr(qka, name) is not None
    assert set(qka.__all__) <= set(dir(qka))


def test_only_the_adapters_name_xtquant():
    for path in modules():
        if within(path) not in VENDOR:
            for name in imports(path):
                assert not name.startswith("xtquant"), path
        if within(path) not in ADAPTERS:
            assert "qka.vendor" not in imports(path), path


def test_every_module_of_the_tests_has_a_name_of_its_own():
    """They are imported by it, whatever folder they are in."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
