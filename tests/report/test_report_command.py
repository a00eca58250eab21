"""`qka report` as a user meets it: good ways, wrong inputs, and what is left behind."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qka.app import Engine
from qka.cli.main import app
from qka.errors import ConfigError, QkaError
from qka.journal.verify import verify
from qka.report.day import day_report, day_report_beside
from qka.report.tables import TABLES

ROOT = Path(__file__).parents[2]
CONFIG = """
account: {id: demo, cash: 200_000, positions: {600000.SH: {quantity: 500, cost: 10}}}
feed: {kind: simulated, seed: 8, day: 2026-01-05}
strategies:
  - use: dual.py:Dual
    symbols: [600000.SH, 000001.SZ]
"""
STRATEGY = """
import qka

class Dual(qka.Strategy):
    def on_start(self):
        self.every("60s", self.act)
        self.bought = False

    def act(self):
        self.bought = not self.bought
        if self.bought:
            self.buy("600000.SH", 100, reason="a minute has passed")
        else:
            self.sell("600000.SH", 100)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A project with a simulated day in it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dual.py").write_text(STRATEGY)
    (folder / "paper.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        engine = Engine.from_config("paper.yaml")
        folder_summary = engine.run()
    return folder, Path(folder_summary["run"]).name, folder_summary


@pytest.fixture
def project(ran, monkeypatch):
    folder, name, _ = ran
    monkeypatch.chdir(folder)
    monkeypatch.setenv("QKA_LANG", "en")
    return name


def report(*args):
    """(exit code, output): a QkaError as the command line has it."""
    result = CliRunner().invoke(app, ["report", *map(str, args)])
    if isinstance(result.exception, QkaError):
        return 2, f"qka: {result.exception}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_without_a_word_it_is_the_newest_run(project, ran):
    code, output = report()
    assert code == 0
    assert project in output
    account = ran[2]["account"]
    assert f"{account['profit']:+,}" in output
    assert f"{account['total']:,}" in output
    page = Path("runs") / project / "report.html"
    assert f"-> {page}" in output
    assert f"{account['profit']:+,}" in page.read_text("utf-8")


@pytest.mark.parametrize("what", ["runs/{}", "{}"])
def test_a_run_is_named_by_its_folder_or_its_name(project, what, tmp_path):
    assert report(what.format(project), "--out", tmp_path / "page.html")[0] == 0
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("20260105",),
        ("2026-01-05", "--config", "paper.yaml"),
        ("20260101..20260105", "--journal", "runs/{}/journal.db"),
        ("--journal", "runs/{}/journal.db"),
    ],
    ids=["a day", "of a config", "days of a journal", "the last day of a journal"],
)
def test_a_day_or_days_are_found(project, ran, args):
    code, output = report(*(arg.format(project) for arg in args))
    assert code == 0
    assert f"{ran[2]['account']['profit']:+,}" in output
    assert Path(output.splitlines()[-1].removeprefix("-> ")).exists()


def test_the_same_journal_gives_the_same_page(project, tmp_path):
    pages = [tmp_path / name for name in ("one.html", "other.html")]
    for page in pages:
        report("--out", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_it_speaks_chinese_when_asked(project, tmp_path):
    code, output = report("--lang", "zh", "--out", tmp_path / "page.html")
    assert code == 0
    assert "策略盈亏" in output
    assert "策略盈亏" in (tmp_path / "page.html").read_text("utf-8")


def test_the_tables_are_written_where_asked(project, tmp_path):
    assert report("--csv", tmp_path / "c", "--parquet", tmp_path / "p")[0] == 0
    assert (tmp_path / "c" / "orders.csv").exists()
    assert (tmp_path / "p" / "trades.parquet").exists()


def test_the_journal_is_only_read(project):
    journal = Path("runs") / project / "journal.db"
    before = journal.read_bytes()
    report()
    assert journal.read_bytes() == before
    assert verify(journal).problems == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["20260106"], "has no records of 2026-01-06: it begins on 2026-01-05"),
        (["20261399"], "there is no such day"),
        (["20260106..20260105"], "the first day comes after the last one"),
        (["nowhere"], "nowhere is no run and no day"),
        (["."], "is no run's folder"),
        (["--journal", "nowhere.db"], "nowhere.db is not there"),
        (["--journal", "paper.yaml"], "is no journal"),
        (["nonsense", "--journal", "runs/{}/journal.db"], "nonsense is no day"),
        (["--lang", "fr"], "a report speaks zh and en"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_is_wrong_is_one_message(project, args, message):
    code, output = report(*(arg.format(project) for arg in args))
    assert code == 2
    assert message in output


def test_a_start_that_broke_off_is_not_the_newest_run(ran, project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ran[0], tmp_path, dirs_exist_ok=True)
    broken = Engine.from_config("paper.yaml")
    broken.opened = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        broken.run()
    assert len(list(Path("runs").iterdir())) == 2
    code, output = report()
    assert (code, project in output) == (0, True)


def test_a_folder_without_runs_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = report()
    assert code == 2
    assert "qka run CONFIG" in output
    assert not list(tmp_path.iterdir())


async def test_a_days_page_is_made_while_the_loop_goes_on(project, tmp_path):
    journal, turns = Path("runs") / project / "journal.db", 0
    making = asyncio.create_task(day_report_beside(journal, "20260105", tmp_path, "zh"))
    while not making.done():
        turns += 1
        await asyncio.sleep(0)
    assert making.result() == tmp_path / "journal-2026-01-05.html"
    assert "策略盈亏" in making.result().read_text("utf-8")
    assert turns > 1


def test_a_day_that_is_none_is_refused(project, tmp_path):
    with pytest.raises(ConfigError, match="nonsense is no day"):
        day_report(Path("runs") / project / "journal.db", "nonsense", tmp_path)


@pytest.mark.parametrize("page", ["report.md", "report.zh-CN.md"])
def test_the_page_of_the_documentation_knows_every_table_and_column(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    for table in TABLES:
        told = text.split(f"**`{table.name}`**")[1].split("- **`")[0]
        assert [c.name for c in table.columns if f"`{c.name}`" not in told] == []


def test_several_journals_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "journals").mkdir()
    for name in ("STOCK-1.db", "STOCK-2.db"):
        (tmp_path / "journals" / name).touch()
    code, output = report("20260105")
    assert code == 2
    assert "STOCK-1.db, STOCK-2.db: name one" in output


def test_a_damaged_journal_is_refused_with_the_way_out(ran, project, tmp_path):
    copy = tmp_path / "journal.db"
    copy.write_bytes((Path("runs") / project / "journal.db").read_bytes())
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE records SET ts = ts + 1 WHERE seq = 40")
    connection.close()
    code, output = report("20260105", "--journal", copy)
    assert code == 2
    assert "record 40 was changed" in output
    assert "--salvage" in output
