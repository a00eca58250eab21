"""Every text of ours has its Chinese, and the catalogue that is shipped is the one in the file.

After a text was added or changed, write its Chinese into `qka.po` and run
`pybabel compile -d qka/locale -D qka`.
"""

import ast
import io
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from typer.main import get_command

from qka import language
from qka.cli import helps
from qka.cli.main import app
from qka.language import CHINESE, ENGLISH, chosen, speaker
from qka.telling import CODES

ROOT = Path(__file__).parents[1]
PO = ROOT / "qka" / "locale" / "zh_CN" / "LC_MESSAGES" / "qka.po"
KEYWORDS = {"say": None, "mark": None}
# what stays as it is: names that are the same in both languages
SAME = {"{who}: {what}"}


@pytest.fixture(scope="module")
def catalogue():
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN")


@pytest.fixture(scope="module")
def texts():
    """Every text that the code says."""
    found = extract_from_dir(ROOT / "qka", [("**.py", "python")], keywords=KEYWORDS)
    return {message for _, _, message, _, _ in found} | set(spoken_helps())


def spoken_helps():
    """What `qka --help` and the helps of all commands say, but for commands to type."""
    said = []

    def hear(words):
        said.append(words)
        return words

    helps.reworded(get_command(app), hear)
    return [words for words in said if not words.startswith("qka ")]


def test_every_text_has_its_chinese_and_no_other_is_there(catalogue, texts):
    there = {message.id for message in catalogue if message.id and message.string}
    assert texts - there == set()
    assert there - texts == set()
    assert not [message.id for message in catalogue if message.fuzzy and message.id]


def test_no_text_is_said_within_another():
    """Python 3.11 reads no calls in an f-string, so that nobody would miss its Chinese."""
    for path in (ROOT / "qka").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = [
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
        ]
        for call in inner:
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in KEYWORDS:
                assert not isinstance(call.args[0], ast.Constant), f"{path}:{call.lineno}"


def test_a_translation_names_only_what_the_text_names(catalogue):
    for message in catalogue:
        if not message.id:
            continue
        ours = {name for _, name, _, _ in Formatter().parse(message.id) if name}
        theirs = {name for _, name, _, _ in Formatter().parse(message.string) if name}
        assert theirs - ours <= {"unit"}, message.id  # left out in English
        assert ours - theirs == set(), message.id


def test_chinese_is_chinese(catalogue):
    for message in catalogue:
        if message.id and message.id not in SAME:
            words = Formatter().parse(message.string)
            text = "".join(plain for plain, *_ in words)
            latin = re.sub(r"[A-Z]\w*|`[^`]*`|qka|token|@", "", text)
            assert not re.search(r"[a-z]{3,}", latin), message.string


def test_the_journal_is_never_called_a_log(catalogue):
    told = {m.id: m.string for m in catalogue if m.id and re.search(r"\bjournals?\b(?![./])", m.id)}
    assert len(told) > 30
    assert {text: words for text, words in told.items() if re.search("日志|日记|账本", words)} == {}


# words that once stood beside another one for the same thing, and the one that is said now
FORMER = {
    "柜台": "券商",
    "链路": "连接",
    "在途委托": "未了结委托",
    "有效委托": "未了结委托",
    "未完成委托": "未了结委托",
    "停止交易": "暂停交易",
    "结果不明": "状态未知",
    "委托号": "委托编号",
    "最小价位": "最小变动价位",
    "保护价": "保护限价",
    "盘后定价": "盘后固定价格",
    "现实时间": "真实时间",
    "处理函数": "回调",
    "令牌": "token",
    "K线": "K 线",
    "您": "你",
}


def test_one_thing_has_one_word_in_all_that_is_chinese():
    pages = {*ROOT.glob("*.zh-CN.md"), *ROOT.glob("docs/*.zh-CN.md")}
    pages -= {ROOT / "docs" / "trading-guide.zh-CN.md"}  # somebody else's words
    texts = [PO, ROOT / "qka/monitor/web/words.js", ROOT / "qka/report/words.py", *pages]
    found = {
        f"{path.name}:{number}: {word}, say {FORMER[word]}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in FORMER
        if word in line
    }
    assert len(texts) > 15
    assert found == set()


def test_the_compiled_catalogue_is_that_of_the_file(catalogue):
    with PO.with_suffix(".mo").open("rb") as file:
        shipped = {m.id: m.string for m in read_mo(file) if m.id}
    fresh = io.BytesIO()
    write_mo(fresh, catalogue)
    fresh.seek(0)
    assert shipped == {m.id: m.string for m in read_mo(fresh) if m.id}


def test_every_code_of_a_denial_has_its_chinese():
    used = set()
    for path in [*(ROOT / "qka" / "risk").glob("*.py"), *(ROOT / "qka" / "engine").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Denial", "Caution"):
                code = node.args[0]
                used |= {code.value} if isinstance(code, ast.Constant) else set()
    assert used - set(CODES) == set(), "add it to telling.CODES, and to the catalogue"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"QKA_LANG": "zh"}, CHINESE),
        ({"QKA_LANG": "zh_CN", "LANG": "en_US.UTF-8"}, CHINESE),
        ({"QKA_LANG": "en", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, CHINESE),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, ENGLISH),
        ({"LC_MESSAGES": "zh_TW.UTF-8"}, CHINESE),
        ({"LANG": "fr_FR.UTF-8"}, ENGLISH),
        ({"QKA_LANG": "fr"}, ENGLISH),
    ],
)
def test_the_language_is_that_of_qka_lang_or_of_the_locale(monkeypatch, variables, expected):
    for name in ("QKA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert chosen() == expected


def test_without_any_locale_the_system_is_asked_or_it_is_english(monkeypatch):
    for name in ("QKA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(language.sys, "platform", "linux")
    assert chosen() == ENGLISH


def test_a_text_without_a_translation_is_said_as_it_stands():
    assert speaker(CHINESE)("nobody wrote this") == "nobody wrote this"
    assert speaker("fr")("fees") == "fees"
    assert speaker(CHINESE)("fees") == "费用"
