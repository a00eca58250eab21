"""The strategy guide, read as a user reads it: every block is run, in a folder of its own.

Python that imports qka runs as it stands: its strategies over a tiny market, its test as a test.
The other Python blocks are parts of a strategy and run inside one. YAML is a config, commands are
given to the command line.
"""

import inspect
import io
import re
import sys
import textwrap
import tokenize
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd
import pytest
from builders import NEXT_DAY, a_bar, a_quote, moment
from loguru import logger
from typer.testing import CliRunner

import qka
from qka import logs
from qka.cli.main import app
from qka.engine.runner import PERIODS
from qka.feeds.listed import ListFeed

DOCS = Path(__file__).parents[1] / "docs"
SYMBOLS = ("600000.SH", "000001.SZ", "600036.SH")
STRATEGIES = re.compile(r"strategies(\.|$)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PART = '''
class Part(qka.Strategy):
    """What stands around a part of a strategy."""

    bars = "1m"

    def look(self):
        self.state["looked"] = True

    def trade(self):
        self.state["traded"] = True

'''


def blocks(tongue: str = "") -> list[tuple[str, str]]:
    """(kind, text) of every block, in order."""
    return BLOCK.findall((DOCS / f"strategy-guide{tongue}.md").read_text(encoding="utf-8"))


PYTHON = [text for kind, text in blocks() if kind == "python"]
WHOLE = [text for text in PYTHON if "import qka" in text]
PARTS = [text for text in PYTHON if "import qka" not in text]


def name(text: str) -> str:
    """What a block is about: its last class or handler, else its first line."""
    classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
    handlers = re.findall(r"^(?:async )?def (\w+)", text, re.MULTILINE)
    return [text.splitlines()[0], *handlers, *classes][-1]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # the folder's own `strategies`, and those of others again when it is gone
    ours = {key: sys.modules.pop(key) for key in list(sys.modules) if STRATEGIES.match(key)}
    yield tmp_path
    for key in [key for key in sys.modules if STRATEGIES.match(key)]:
        del sys.modules[key]
    sys.modules.update(ours)
    logs.close()
    logger.remove()


def market(kind: str) -> list:
    """Two days of some symbols that fall, rise above all that was, and fall."""
    prices = [10.0, 9.8, 9.7, 10.0, 10.4, 10.5, 9.9, 9.8]
    events = []
    for day in (moment("00:00"), moment("00:00", NEXT_DAY)):
        for minute, price in enumerate(prices):
            for symbol in SYMBOLS:
                if kind == "quote":
                    time = day + (600 + minute) * 60_000_000_000  # 10:00 and so on
                    events.append(a_quote(price, symbol=symbol, time=time))
                elif kind != "1d":
                    time = day + (605 + minute * int(kind[:-1])) * 60_000_000_000
                    events.append(
                        a_bar(price, symbol=symbol, time=time, period=kind, prev_close=10.0)
                    )
    return events


def past(period: str) -> list[qka.Bar]:
    """Bars for a warm-up, each a little higher."""
    ends = [moment("00:00") - number * 86_400_000_000_000 for number in range(30, 0, -1)]
    return [
        a_bar(9.0 + number / 100, symbol=symbol, time=time, period=period)
        for symbol in SYMBOLS
        for number, time in enumerate(ends)
    ]


def play(strategy: qka.Strategy, feed: str) -> dict:
    """A run over the tiny market; nothing may go wrong in it."""
    engine = qka.Engine.from_config({"log": {"level": "WARNING"}})
    warm = [bar for period in PERIODS for bar in past(period)]
    engine.feed = ListFeed(engine.clock, market(feed), warm)
    engine.register(strategy)
    summary = engine.run()
    assert summary["alerts"] == []
    assert summary["ended"] == "done"
    return summary


def feeds_of(cls: type[qka.Strategy]) -> list[str]:
    """What a strategy can be run over."""
    if cls.on_quote is not qka.Strategy.on_quote or cls.bars == "1d":
        return ["quote"]
    return ["quote", cls.bars]


def defined(text: str) -> dict:
    """The names a block makes."""
    names = {"__name__": "guide"}
    exec(compile(text, "the guide", "exec"), names)
    return names


# ------------------------------------------------------------------ Python


@pytest.mark.parametrize("text", WHOLE, ids=name)
def test_what_stands_alone_runs_as_it_stands(text, project):
    output = io.StringIO()
    if "from strategies.breakout" in text:
        (project / "strategies").mkdir()
        (project / "strategies" / "__init__.py").touch()  # before any other folder of that name
        (project / "strategies" / "breakout.py").write_text(WHOLE[0], encoding="utf-8")
    with redirect_stdout(output):
        names = defined(text)
    if "print(" in text:  # a script: it tells the account's total
        assert re.match(r"\d+\.\d\d", output.getvalue())
    for test in [value for key, value in names.items() if key.startswith("test_")]:
        test(project)
    strategies = [
        value
        for value in names.values()
        if inspect.isclass(value) and issubclass(value, qka.Strategy)
    ]
    for cls in strategies:
        if cls.__module__ == "guide" and "def test_" not in text:
            params = {"legs": [{"symbol": SYMBOLS[0]}]} if "legs" in text else {}
            fills = [play(cls(symbols=SYMBOLS, **params), feed)["fills"] for feed in feeds_of(cls)]
            assert all(fills), f"{cls.__name__} never traded: {fills}"


@pytest.mark.parametrize("text", PARTS, ids=name)
def test_a_part_of_a_strategy_runs_inside_one(text):
    handler = re.match(r"(?:async )?def ", text)
    body = text if handler else "def on_bar(self, bar):\n" + textwrap.indent(text, "    ")
    names = {"qka": qka}

    async def ask_the_model(bar):
        return 0.9

    names["ask_the_model"] = ask_the_model
    exec(compile(PART + textwrap.indent(body, "    "), "the guide", "exec"), names)
    part = names["Part"](symbols=SYMBOLS)
    summary = play(part, "1m")
    assert summary["signals"] or {"looked"} <= set(part.state)


def test_what_the_guide_adjusts_knows_no_ex_date():
    """300750, 2023-04-26: 385.90 the day before is 212.99 then; 10:3 and 0.10 CNY later on."""
    (text,) = (text for text in PARTS if "cumprod" in text)
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("step ")]
    lines += [line.strip() for line in text.splitlines() if line.strip().startswith("closes =")]
    days = pd.DataFrame(
        {"close": [380.0, 385.9, 220.0, 170.0, 171.0], "prev_close": [0, 380, 212.99, 169.16, 0.0]}
    )
    names = {"days": days}
    exec("\n".join(lines), names)
    second = 169.16 / 220.0
    first = 212.99 / 385.9 * second
    assert list(names["closes"]) == pytest.approx(
        [380 * first, 385.9 * first, 220 * second, 170.0, 171.0]
    )


# ------------------------------------------------------------------ config and commands


def test_the_first_chapter_works_from_nothing(project, monkeypatch):
    shell = [text for kind, text in blocks() if not kind]
    (config,) = (text for kind, text in blocks() if kind == "yaml")
    for words in [line.split() for text in shell for line in text.splitlines()]:
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            Path("strategies", "breakout.py").write_text(WHOLE[0], encoding="utf-8")
            Path("config", "breakout.yaml").write_text(config, encoding="utf-8")
            continue
        assert words[0] == "qka"
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, f"{words}\n{done.output}"
    assert len(list(Path("runs").iterdir())) == 2
    for run in Path("runs").iterdir():
        assert {file.name for file in run.iterdir()} == {
            "compliance",
            "journal.db",
            "journal.db.head",
            "journal.db.lock",
            "log.jsonl",
            "run.json",
            "summary.json",
        }


# ------------------------------------------------------------------ both languages


def bare(text: str) -> list[str]:
    """A Python block without its comments and its texts."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    left_out = (tokenize.COMMENT, tokenize.STRING, tokenize.NL)
    return [token.string for token in tokens if token.type not in left_out]


def test_the_chinese_guide_shows_the_same_code():
    english, chinese = blocks(), blocks(".zh-CN")
    assert [kind for kind, _ in english] == [kind for kind, _ in chinese]
    for (kind, one), (_, other) in zip(english, chinese, strict=True):
        if kind == "python":
            assert bare(one) == bare(other)
        else:
            assert one == other


@pytest.mark.parametrize("tongue", ["", ".zh-CN"], ids=["en", "zh"])
def test_the_tables_name_every_field_and_value(tongue):
    text = (DOCS / f"strategy-guide{tongue}.md").read_text(encoding="utf-8")
    kinds = (qka.Quote, qka.Bar, qka.Order, qka.Fill, qka.Signal, qka.Position, qka.Asset)
    for kind in kinds:
        (row,) = re.findall(rf"^\| `{kind.__name__}` \|(.*)$", text, re.MULTILINE)
        told = set(re.findall(r"\w+", row))
        fields = set(kind.__struct_fields__) - {"ask_lots", "bid_lots"}
        shown = {key for key, value in vars(kind).items() if isinstance(value, property)}
        assert fields | shown <= told, kind
        assert all(
            hasattr(kind, word) for part in re.findall(r"`([^`]+)`", row) for word in part.split()
        ), kind
    for kind in (qka.Side, qka.OrderType, qka.OrderStatus, qka.Phase):
        rows = " ".join(re.findall(rf"^\| `{kind.__name__}`(.*)$", text, re.MULTILINE))
        values = {member.name for member in kind} - {"NEW"}
        assert values <= set(re.findall(r"[A-Z0-9_]+", rows)), kind
