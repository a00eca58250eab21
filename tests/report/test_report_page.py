"""The page and the terminal: nothing comes from outside, nothing is left untranslated."""

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import moment
from lookback import DAY, NEXT_DAY, SYMBOL, report, scripted, two_days
from msgspec.structs import replace
from rich.console import Console
from stage import engine, quotes

import qka.report
from qka import secrets
from qka.errors import ConfigError
from qka.model.events import Alert, EngineState, OperatorCommand, Severity
from qka.model.times import at
from qka.report import page, terminal, words
from qka.report.figures import Point
from qka.report.page import chart

ROOM = Path(qka.report.__file__).parent
CHINESE = re.compile("[一-鿿：]")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Two days with trades, a denial, a cancel, an alert and positions."""
    path = tmp_path_factory.mktemp("run") / "journal.db"

    def boom(_):
        raise RuntimeError("<script>alert('reason')</script>")

    strategy = scripted(
        name="Ä<b>",
        q1=("buy", 1000, 10.05),
        q3=("buy", 200, 9.5),
        q5=lambda s: s.cancel(s.orders[-1].id),
        q7=("buy", 60_000, 10.05),
        q9=boom,
        q25=("sell", 600, 10.3),
    )
    two_days(path, strategy, held={SYMBOL: 300})
    made = report(path)
    made.commands.append(OperatorCommand(moment(), "resume", "", "<i>me</i>", "all is well"))
    return made


class Tags(HTMLParser):
    """Which tags are open, and what there is of text and attributes."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data.strip())


def read(html):
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_whole_and_takes_nothing_from_elsewhere(found, language):
    html = page.render(found, language)
    tags = read(html)
    assert not [value for name, value in tags.attributes if name in ("src", "href", "action")]
    assert not {"link", "iframe", "object", "img", "form"} & tags.tags
    assert "default-src 'none'" in html
    outside = set(re.findall(r"https?://[^\s\"')<]+", html))
    named = {"https://www.tradingview.com", "https://www.apache.org", "http://www.w3.org"}
    assert {"/".join(address.split("/")[:3]) for address in outside} <= named  # the charts' maker
    assert "@import" not in html
    assert "url(" not in html.replace("url(#", "")


def test_what_others_wrote_is_shown_and_never_run(found):
    html = page.render(found, "en")
    tags = read(html)
    assert any("<script>alert('reason')</script>" in text for text in tags.text)
    assert "Ä<b>" in tags.text
    assert "<script>alert" not in html
    assert "<i>me" not in html
    assert "resume: all is well" in tags.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_figures_of_the_report_are_on_the_page(found, language):
    text = read(page.render(found, language)).text
    for cents in (found.closing, found.fees, found.trades[0].proceeds):
        assert f"{cents / 100:,.2f}" in text
    assert f"{found.profit / 100:+,.2f}" in text
    assert "2026-01-06" in text


def test_a_halt_is_told_with_its_reason(found):
    event = EngineState(moment(), "held", "halted", "the books differ <br>")
    html = page.render(replace(found, states=[event]), "zh")
    text = read(html).text
    assert {"交易状态变化", "已暂停", "the books differ <br>"} <= set(text)


def test_a_chinese_page_is_chinese(found):
    html = page.render(found, "zh")
    text = read(html).text
    assert '<html lang="zh-CN">' in html
    for word in ("策略盈亏", "最大回撤", "已撤", "单票仓位上限", "程序化交易合规指标"):
        assert word in text
    assert "Profit by strategy" not in html


def said():
    """Every text that the room says."""
    pattern = re.compile(r"""word\(\s*(["'])((?:\\.|(?!\1).)+)\1""")
    for path in [*ROOM.glob("*.py"), ROOM / "page" / "report.html"]:
        for _, text in pattern.findall(path.read_text(encoding="utf-8")):
            yield text.replace("\\'", "'")


def test_everything_that_is_said_has_a_chinese_word(found):
    texts = set(said())
    assert len(texts) > 60
    speak = words.words("zh")
    assert {text for text in texts if not CHINESE.search(speak(text))} == set()


def test_the_words_of_tiles_tables_and_lists_have_a_chinese_word(found):
    console = Console(file=io.StringIO(), width=160)
    terminal.tell(found, "zh", console)
    shown = console.file.getvalue()
    left = set(re.findall("[A-Za-z]+", shown))
    # ids, reasons and messages stay as they are
    assert not left & {
        "profit",
        "orders",
        "denied",
        "strategy",
        "symbol",
        "median",
        "trades",
        "sum",
    }


def test_no_chinese_word_is_there_for_nothing():
    """A key that nobody says any more is a leftover, or a word that was misspelt."""
    package = ROOM.parent
    paths = [*package.rglob("*.py"), ROOM / "page" / "report.html"]
    sources = "\n".join(p.read_text("utf-8") for p in paths if p != ROOM / "words.py")
    keys = (set(words._CHINESE) | set(words._CODES)) - {words.UNKNOWN, "partly_filled"}
    assert {key for key in keys if f'"{key}"' not in sources and f"'{key}'" not in sources} == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_run_in_which_nothing_happened_has_a_page_too(tmp_path, language):
    path = tmp_path / "journal.db"
    engine(quotes([10.0] * 3), scripted(), journal=path).run()
    tags = read(page.render(report(path), language))
    assert ("none" if language == "en" else "无") in tags.text


def test_a_long_table_shows_its_newest_and_says_so(found, monkeypatch):
    many = replace(found, alerts=[Alert(n, Severity.INFO, "x", f"alert {n};") for n in range(500)])
    html = page.render(many, "en")
    assert "alert 499;" in html
    assert "alert 199;" not in html
    assert "the newest 300 of 500; all are in the export" in html


def test_secrets_and_long_account_ids_are_not_shown(found):
    secrets.learn({"QKA_TOKEN": "s3cret-token"})
    try:
        told = replace(
            found,
            account="8880012345",
            journal="journals/STOCK-8880012345.db",
            alerts=[Alert(0, Severity.ERROR, "link", "refused: s3cret-token")],
        )
        html = page.render(told, "en")
        console = Console(file=io.StringIO(), width=120)
        terminal.tell(told, "en", console)
    finally:
        secrets.forget()
    for shown in (html, console.file.getvalue()):
        assert "s3cret-token" not in shown
        assert "8880012345" not in shown
        assert "88***45" in shown


# ---------------------------------------------------------------- the chart


def points(*told):
    return [Point(at(day, clock) - 1, total, moved) for day, clock, total, moved in told]


def test_the_chart_has_the_minutes_of_the_sessions_in_shanghais_time():
    curve = points(
        (DAY, "09:20", 100, 0),
        (DAY, "09:31", 100, 0),
        (DAY, "11:31", 100, 0),
        (DAY, "13:01", 100, 0),
        (DAY, "15:00", 100, 0),
        (DAY, "15:40", 100, 0),
        (NEXT_DAY, "09:31", 100, 0),
    )
    told = [f"{datetime.fromtimestamp(time, UTC):%d %H:%M}" for time in chart(curve)["time"]]
    assert told == ["05 09:30", "05 09:31", "05 11:30", "05 13:01", "05 15:00", "06 09:31"]


def test_the_chart_falls_from_the_peak_and_money_paid_out_is_no_fall():
    curve = points(
        (DAY, "09:31", 10_000, 0),
        (DAY, "09:32", 20_000, 0),
        (DAY, "09:33", 15_000, 0),
        (DAY, "09:34", 10_000, -10_000),
        (DAY, "09:35", 5_000, -10_000),
    )
    made = chart(curve)
    assert made["drawdown"] == [0.0, 0.0, -25.0, 0.0, -50.0]
    assert made["equity"] == [100.0, 200.0, 150.0, 100.0, 50.0]


def test_a_chart_of_weeks_keeps_its_deepest_point():
    clocks = [f"{9 + n // 60:02d}:{n % 60:02d}" for n in range(31, 120)]
    days = [DAY.replace(day=number) for number in range(5, 32)]
    deepest = at(days[12], "10:07")
    moments = [at(day, clock) for day in days for clock in clocks]
    curve = [Point(m, 500_000 if m == deepest else 1_000_000, 0) for m in moments]
    made = chart(curve)
    assert len(made["time"]) < len(curve)
    assert min(made["drawdown"]) == -50.0
    assert made["time"] == sorted(set(made["time"]))


# ---------------------------------------------------------------- languages and files


@pytest.mark.parametrize(
    ("asked", "told", "system", "language"),
    [
        ("", "", "", "en"),
        ("", "", "zh_CN", "zh"),
        ("", "en", "zh_CN", "en"),
        ("", "zh_CN.UTF-8", "", "zh"),
        ("en", "zh", "zh_CN", "en"),
        ("zh", "", "", "zh"),
    ],
)
def test_the_language_is_the_one_asked_for_then_the_readers(
    monkeypatch, asked, told, system, language
):
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", system)
    monkeypatch.setenv("QKA_LANG", told)
    assert words.language(asked) == language


def test_a_language_that_nobody_speaks_is_refused():
    with pytest.raises(ConfigError, match="zh and en"):
        words.language("fr")


def test_a_page_that_cannot_be_written_is_one_message(found, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        page.write(found, tmp_path / "file" / "report.html", "en")
