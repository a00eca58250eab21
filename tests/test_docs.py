"""The pages of the QMT link, read as a user reads them: what they show is run, in their order.

A block below `<!-- tried -->` is tried. Shell: each `curl` is sent and its answer held against the
JSON line that follows for it, each `qka` is run. Text with `>` and `<` is one WebSocket session.
Python runs as it stands, YAML is loaded as a config. In what is expected `…` stands for anything.
"""

import asyncio
import json
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from builders import DAY, a_bar, a_quote, moment
from loguru import logger
from qmt import eventually
from served import served, served_thread
from typer.testing import CliRunner

from qka import logs, settings
from qka.app import Engine
from qka.ashare.page import PAGES as PAGES_OF_RULES
from qka.ashare.page import renewed
from qka.brokers import words as xtconstant
from qka.brokers.server import data_folder
from qka.model.order import FINAL, OrderStatus
from qka.model.times import SECOND, midnight
from qka.settings.rulefile import read

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ("live", "security", "protocol")
BOTH = sorted(p.stem for p in DOCS.glob("*.md") if p.with_suffix(".zh-CN.md").exists())
CURL = shutil.which("curl")
TRIED = "<!-- tried -->"
URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|192\.168\.1\.10):8000")
TOKEN = re.compile(r"服务器打印的token|TOKEN_OF_THE_SERVER")
# what differs from run to run: only its kind is held against the page
VOLATILE = frozenset({"epoch", "server", "time", "now", "seconds"})

YESTERDAY = a_bar(10.0, time=midnight(DAY) - 9 * 3600 * SECOND, period="1d")


class Block(NamedTuple):
    kind: str
    text: str
    line: int
    tried: bool


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found, fence, start, tried = [], None, 0, False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            if fence is None:
                fence, start, body = line.strip()[3:], number, []
            else:
                found.append(Block(fence, "\n".join(body), start, tried))
                fence, tried = None, False
        elif fence is not None:
            body.append(line)
        elif line.strip():
            tried = line.strip() == TRIED
    return found


def like(expected, got, name="") -> bool:
    """Whether an answer is as the page says."""
    if expected == "…" or (name in VOLATILE and type(expected) is type(got)):
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        if "…" not in expected and set(expected) != set(got):
            return False
        return all(k in got and like(v, got[k], k) for k, v in expected.items() if k != "…")
    if isinstance(expected, list) and isinstance(got, list):
        return all(like(e, g) for e, g in zip_longest(expected, got))
    return expected == got and isinstance(expected, bool) == isinstance(got, bool)


# ------------------------------------------------------------------ how each kind is tried


class Reader:
    """Someone who goes through a page with a server of their own, and types what it says."""

    def __init__(self, served, folder: Path) -> None:
        self.served = served
        self.folder = folder
        self.names = {"xtconstant": xtconstant}  # of the page's Python, from block to block
        self.epoch, self.ahead = "", 0  # of the events here, and how far beyond the page's numbers

    def read(self, page: Path) -> int:
        """Try what is marked; how many blocks that were."""
        everything = blocks(page)
        for block, after in zip_longest(everything, everything[1:]):
            if block.tried:
                expects = after.text if after and after.kind == "json" else ""
                try:
                    getattr(self, block.kind)(block.text, expects)
                except Exception as error:
                    error.add_note(f"{page.name}:{block.line}")
                    raise
        return sum(block.tried for block in everything)

    def sh(self, text: str, expects: str) -> None:
        answers = [json.loads(line) for line in expects.splitlines()]
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for name, value in {"URL": self.served.url, "TOKEN": self.served.token}.items():
                words = [word.replace(f"${name}", value) for word in words]
            if words and words[0] == "curl":
                got = json.loads(curl(words))
                expected = answers.pop(0)
                assert like(expected, got), f"{line}\n{json.dumps(got, ensure_ascii=False)}"
            elif words and words[0] == "openssl":
                if not shutil.which("openssl"):
                    pytest.skip("openssl is not installed")
                subprocess.run(words, cwd=self.folder, check=True, capture_output=True)
            elif words:
                self.qka(words, line)
        assert not answers

    def qka(self, words: list[str], line: str) -> None:
        """A command of ours, perhaps after NAME=VALUE, in this process: it starts sooner."""
        from qka.cli.main import app

        given = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            given[name] = TOKEN.sub(self.served.token, value)
        words = [URL.sub(self.served.url, word) for word in words]
        assert words[0] == "qka", line
        done = CliRunner().invoke(app, words[1:], env=given, catch_exceptions=False)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        self.served.run(asyncio.to_thread(self.served.server.tokens.refresh))

    def text(self, text: str, expects: str) -> None:
        self.served.run(self.session(text.splitlines()))

    async def session(self, lines: list[str]) -> None:
        """One connection of a WebSocket."""
        headers = {"X-Token": self.served.token}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.ws_connect(f"{self.served.url}/ws") as socket,
        ):
            for line in lines:
                frame = json.loads(line[2:])
                if line[0] == ">":
                    resume = frame.get("resume", {})
                    if resume.get("epoch") == "6ce2021dd0250d58":  # the page's
                        resume |= {"epoch": self.epoch, "seq": resume["seq"] + self.ahead}
                    await socket.send_json(frame)
                else:
                    await self.hears(socket, frame)

    async def hears(self, socket, expected) -> None:
        """What the page says comes; between, what the terminal pushes of its own."""
        number = expected.pop("seq", None)
        async with asyncio.timeout(5):
            while True:
                got = await socket.receive_json()
                seq = got.pop("seq", None)
                if like(expected, got):
                    break
                assert got["op"] in ("event", "quotes"), f"{expected}\n{got}"
        if got["op"] == "hello":
            self.epoch = got["epoch"]
            self.ahead = seq - number if number else self.ahead
        elif number:
            assert seq == number + self.ahead

    def python(self, text: str, expects: str) -> None:
        text = TOKEN.sub(self.served.token, URL.sub(self.served.url, text))
        exec(compile(text, "the page", "exec"), self.names)
        self.served.terminal.quote(a_quote(time=moment("10:01")))  # what was ordered trades

    def yaml(self, text: str, expects: str) -> None:
        file = self.folder / "config" / "page.yaml"
        file.write_text(text, encoding="utf-8")
        settings.load(file)


def curl(words: list[str]) -> str:
    """What curl prints; where there is none, the same request by our own means."""
    if CURL:
        done = subprocess.run([CURL, *words[1:]], capture_output=True, check=True, timeout=20)
        return done.stdout.decode()
    headers, body, url = {}, None, ""
    rest = iter(words[1:])
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(":")
            headers[name] = value.strip()
        elif word == "--json":
            headers["Content-Type"], body = "application/json", next(rest).encode()
        elif not word.startswith("-"):
            url = word
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.read().decode()


# ------------------------------------------------------------------ the tests


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """In a project like ours, with a home of their own."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("config", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with served_thread(data_folder("demo")) as served:
        served.terminal.put_bars("600000.SH", "1d", [YESTERDAY])
        served.terminal.quote(*(a_quote(symbol=s) for s in ("600036.SH", "300750.SZ")))
        yield Reader(served, tmp_path)
    logs.close()
    logger.remove()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("tongue", ["", ".zh-CN"], ids=["en", "zh"])
def test_what_a_page_shows_works(reader, page, tongue):
    assert reader.read(DOCS / f"{page}{tongue}.md")


async def test_the_first_order_of_the_page_is_made_and_taken_back(tmp_path, monkeypatch):
    code, config = (b.text for b in blocks(DOCS / "live.md") if "FirstOrder" in b.text and b.tried)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "first_order.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    async with served(tmp_path / "server") as server:
        monkeypatch.setenv("QKA__BROKER__TOKEN", server.token)
        remote = f"{{kind: remote, url: '{server.url}', simulated: true}}"
        config = config.replace('"8880012345"', "demo").replace("{kind: xtdata}", "{kind: remote}")
        file = tmp_path / "first.yaml"
        file.write_text(re.sub(r"broker: .*", f"broker: {remote}", config), encoding="utf-8")
        engine = Engine.from_config(file)
        async with engine:
            await eventually(lambda: [o for o in engine.ledger.orders.values() if final(o)])
        (order,) = engine.ledger.orders.values()
        assert (order.status, order.filled) == (OrderStatus.CANCELLED, 0)
        assert [o.order_status for o in server.terminal.orders("demo")] == [54]


def final(order) -> bool:
    return order.status in FINAL


def test_the_task_for_windows_asks_for_what_the_server_takes():
    from qka.cli.main import app

    script = (DOCS / "windows" / "qka-server-task.ps1").read_bytes()
    assert script.isascii()  # Windows' own PowerShell reads anything else as it likes
    takes = CliRunner().invoke(app, ["server", "--help"], env={"COLUMNS": "200"}).output
    for option in set(re.findall(r" (--[a-z-]+)", script.decode())):
        assert option in takes


@pytest.mark.parametrize("page", BOTH)
def test_both_languages_of_a_page_have_the_same_parts(page):
    english, chinese = (DOCS / f"{page}{tongue}.md" for tongue in ("", ".zh-CN"))
    assert levels(english) == levels(chinese)
    for one, other in zip_longest(blocks(english), blocks(chinese)):
        assert (one.kind, one.tried) == (other.kind, other.tried), (one.line, other.line)
        if one.tried:
            assert one.text == other.text, (one.line, other.line)


def levels(page: Path) -> list[int]:
    """The headings of a page by their depth."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [len(mark) for mark in re.findall(r"^(#+) ", text, flags=re.M)]


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.zh-CN.md"), ROOT / "README.zh-CN.md"]))
def test_in_chinese_the_journal_is_one_word(page):
    """The word of the program, 流水; what is typed or read from a disk stays as it is."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`|\]\([^)\n]*\)", "", text)
    said = re.findall(r"(?ai).*\bjournal\b.*", text)  # a: a Chinese sign ends a word
    named = ("流水（journal）", "### run、journal、monitor 与 log")
    assert [line for line in said if not any(name in line for name in named)] == []


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), *ROOT.glob("README*.md")]), ids=str)
def test_links_inside_the_project_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target and page.name != "trading-guide.zh-CN.md":
            assert (page.parent / target).exists(), target


def test_every_key_of_the_config_is_in_its_page():
    for page in (DOCS / "config.md", DOCS / "config.zh-CN.md"):
        text = page.read_text(encoding="utf-8")
        for row in settings.reference():
            key = re.sub(r"\(\w+\)", "", row.key).replace("[]", ".N").replace("{}", ".SYMBOL")
            assert f"`{key}`" in text, f"{page.name}: {key}"


@pytest.mark.parametrize(("page", "language"), PAGES_OF_RULES.items())
def test_the_table_of_rules_is_the_rows_that_there_are(page, language):
    """`python -m qka.ashare.page docs` writes it anew."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert renewed(text, language) == text


@pytest.mark.parametrize("page", PAGES_OF_RULES)
def test_the_rule_file_on_the_page_can_be_read(page, tmp_path):
    (example,) = (block.text for block in blocks(DOCS / page) if block.kind == "yaml")
    path = tmp_path / "rules.yaml"
    path.write_text(example, encoding="utf-8")
    found = read(path)
    assert len(found.rows) == 7
    assert found.calendar.closed


@pytest.mark.parametrize("page", ["config.md", "config.zh-CN.md"])
def test_a_default_that_the_config_page_tells_is_the_one_there_is(page):
    defaults = {}  # key -> defaults, of every kind that has it
    for row in settings.reference():
        defaults.setdefault(re.sub(r"\(\w+\)", "", row.key), set()).add(row.default)
    text = (DOCS / page).read_text(encoding="utf-8")
    told = re.findall(r"^\| `([^`]+)` \| .* \| `([^`]*)` \| ", text, flags=re.M)
    wrong = {key: default for key, default in told if default not in defaults.get(key, {default})}
    assert len(told) > 20
    assert wrong == {}


def test_the_readmes_open_with_the_two_commands():
    for name in ("README.md", "README.zh-CN.md"):
        first = blocks(ROOT / name)[0].text.splitlines()
        assert first == [
            "pip install . && qka run config/paper.yaml",
            'pip install ".[dev]" && pytest',
        ]
