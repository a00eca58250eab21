"""What a config's `use` names is found in its own project."""

import sys

import pytest

from qka.loading import find


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """The modules and the path of the tests themselves are back afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] in ("strategies", "mine")]:
        del sys.modules[name]
    sys.modules.update(before)


def a_project(root, word, *, regular):
    """A folder with `strategies/x.py`, which imports from a neighbour, and `mine.py`."""
    folder = root / "strategies"
    folder.mkdir(parents=True)
    if regular:
        (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "words.py").write_text(f"WORD = {word!r}\n", encoding="utf-8")
    text = "import qka\nfrom strategies.words import WORD\n\n\nclass Mine(qka.Strategy):\n"
    text += "    word = WORD\n\n    def on_start(self):\n        pass\n"
    for file in (folder / "x.py", root / "mine.py"):
        file.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("second", [True, False], ids=["a package", "a plain folder"])
@pytest.mark.parametrize("first", [True, False], ids=["after a package", "after a plain folder"])
def test_every_project_in_a_process_has_strategies_of_its_own(tmp_path, first, second):
    one = a_project(tmp_path / "one", "one", regular=first)
    two = a_project(tmp_path / "two", "two", regular=second)
    for use in ("strategies.x:Mine", "mine:Mine"):
        assert [find(use, root).word for root in (one, two, one)] == ["one", "two", "one"]


def test_a_module_of_one_project_is_loaded_once(tmp_path):
    project = a_project(tmp_path, "one", regular=False)
    assert find("strategies.x:Mine", project) is find("strategies.x:Mine", project)
