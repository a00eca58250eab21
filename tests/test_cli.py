"""The command line as a new user meets it: good ways, wrong inputs, and what is printed."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from qka.journal.verify import verify

ROOT = Path(__file__).parents[1]


def qka(*args, cwd, **env):
    return subprocess.run(
        [sys.executable, "-m", "qka", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **env},
        timeout=120,
    )


@pytest.fixture
def project(tmp_path):
    """A project as `qka init` makes it."""
    made = qka("init", "demo", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path / "demo"


def only_run(folder):
    (run,) = (folder / "runs").iterdir()
    return run


def test_init_makes_a_project_that_runs_at_once(project):
    assert (project / ".env.example").exists()
    assert (project / "config" / "remote.yaml").exists()  # the server says to run it
    assert (project / ".gitignore").exists()
    done = qka("run", "config/paper.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "First" in done.stdout
    run = only_run(project)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["strategies"]["First"]["orders"] == summary["orders"]
    assert {"signals", "orders", "denied", "fills", "account"} <= set(summary)
    assert f"total {summary['account']['total']:,.2f}" in done.stdout
    assert verify(run / "journal.db").problems == []
    assert (run / "log.jsonl").exists()


def test_init_and_check_speak_the_readers_language(tmp_path):
    made = qka("init", "demo", cwd=tmp_path, QKA_LANG="zh")
    assert made.stdout == "已创建 demo。接下来：\n  cd demo\n  qka run config/paper.yaml\n"
    checked = qka("check", "config/paper.yaml", cwd=tmp_path / "demo", QKA_LANG="zh")
    assert "行情        simulated，3 只证券" in checked.stdout


def test_the_language_of_the_projects_env_file_is_that_of_every_command(tmp_path):
    (tmp_path / ".env").write_text("QKA_LANG=zh\n", encoding="utf-8")
    assert qka("init", "demo", cwd=tmp_path, QKA_LANG="").stdout.startswith("已创建 demo")
    assert qka("init", "other", cwd=tmp_path, QKA_LANG="en").stdout.startswith("Made other")
    (tmp_path / ".env").write_bytes(b"no line\nQKA_LANG=\xff\n")  # told by who needs it
    made = qka("init", "third", cwd=tmp_path, QKA_LANG="", LC_ALL="C")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("Made third")


def test_check_refuses_a_period_of_bars_that_there_is_not(project):
    strategy = project / "strategies" / "first.py"
    code = strategy.read_text(encoding="utf-8").replace('bars = "5m"', 'bars = "7m"')
    strategy.write_text(code, encoding="utf-8")
    checked = qka("check", "config/paper.yaml", cwd=project)
    assert checked.returncode == 2
    assert "First: bars: '7m' is none of 1m, 5m, 15m" in checked.stderr


def test_init_leaves_a_folder_that_is_not_empty_alone(project):
    again = qka("init", "demo", cwd=project.parent)
    assert again.returncode == 2
    assert "not empty" in again.stderr


def test_the_shipped_config_trades_the_same_day_twice_byte_for_byte(tmp_path):
    runs = []
    for name in ("a", "b"):
        done = qka("run", "config/paper.yaml", "--set", f"run.dir={tmp_path / name}", cwd=ROOT)
        assert done.returncode == 0, done.stderr
        runs.append(next((tmp_path / name).iterdir()))
    first, second = (verify(run / "journal.db") for run in runs)
    assert first.head == second.head
    assert first.problems == first.doubts == []
    a, b = (json.loads((run / "summary.json").read_text(encoding="utf-8")) for run in runs)
    assert a["fills"] > 0
    places = {"run": "", "journal": ""}
    assert {**a, **places} == {**b, **places}
    assert all(book["orders"] for book in a["strategies"].values())


def test_check_builds_everything_and_writes_nothing(project):
    done = qka("check", "config/paper.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "nothing was started or sent" in done.stdout
    assert not (project / "runs").exists()


def test_version_and_help_teach(tmp_path):
    assert qka("--version", cwd=tmp_path).stdout.startswith("qka 0.")
    assert "qka init demo" in qka("--help", cwd=tmp_path).stdout
    assert "--set risk.position_ratio=0.2" in qka("run", "--help", cwd=tmp_path).stdout


BAD_FILES = {
    "syntax.py": "import qka\nclass S(qka.Strategy):\n    def on_bar(self bar): pass\n",
    "broken.py": "import qka\nimport nothing_like_this\n",
    "raises.py": "import qka\n\n1 / 0\n",
    "fine.py": "import qka\nclass Mine(qka.Strategy):\n    class Params(qka.Params):\n"
    "        fast: int = 5\n",
}

WRONG = {
    "an unknown key": (["--set", "risk.position_ratoi=0.1"], "position_ratio"),
    "a wrong type": (["--set", "account.cash=lots"], "account.cash"),
    "negative cash": (["--set", "account.cash=-5"], "account.cash"),
    "a symbol without exchange": (["--set", "strategies.0.symbols=[600000]"], "600000.SH"),
    "a wrong exchange": (["--set", "strategies.0.symbols=[600000.XX]"], "600000.SH"),
    "a symbol on the other exchange": (["--set", "strategies.0.symbols=[600000.SZ]"], "600000.SH"),
    "an index": (["--set", "strategies.0.symbols=[000001.SH]"], "index"),
    "a wrong parameter": (["--set", "strategies.0.params.rise=abc"], "rise"),
    "an unknown parameter": (["--set", "strategies.0.params.risee=1"], "did you mean rise?"),
    "no such file": (["--set", "strategies.0.use=strategies/frist.py:First"], "first.py"),
    "no such class": (["--set", "strategies.0.use=strategies/first.py:Frist"], "First"),
    "no such module": (["--set", "strategies.0.use=nothing.there:X"], "nothing"),
    "no such name": (["--set", "strategies.0.use=nothing"], "nothing"),
    "a syntax error": (["--set", "strategies.0.use=syntax.py:S"], "syntax.py:3"),
    "a file that can't be imported": (["--set", "strategies.0.use=broken.py:S"], "broken.py:2"),
    "a file that raises": (["--set", "strategies.0.use=raises.py:S"], "raises.py:3"),
    "a period that is none": (["--set", "strategies.0.bars=7m"], "7m"),
    "a live broker without --live": (["--set", "broker={kind: xtquant, path: x}"], "--live"),
    "a feed path that is not there": (
        ["--set", "feed={kind: replay, path: nowhere}"],
        "nowhere",
    ),
    "two strategies of one name": (
        ["--set", "strategies=[{use: 'fine.py:Mine'}, {use: 'fine.py:Mine'}]"],
        "Mine",
    ),
    "no strategy at all": (["--set", "strategies=[]"], "strateg"),
}


@pytest.mark.parametrize("command", ["check", pytest.param("run", marks=pytest.mark.long)])
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_input_is_one_clear_message_and_starts_nothing(project, command, wrong):
    for name, text in BAD_FILES.items():
        (project / name).write_text(text, encoding="utf-8")
    args, names = WRONG[wrong]
    done = qka(command, "config/paper.yaml", *args, cwd=project)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert names in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (project / "runs").exists()


def test_a_yaml_error_names_its_line(project):
    path = project / "config" / "paper.yaml"
    path.write_text("account: {id: demo\nfeed: x\n", encoding="utf-8")
    done = qka("run", path, cwd=project)
    assert done.returncode == 2
    assert "paper.yaml:2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one child process on Windows")
def test_ctrl_c_stops_cleanly_and_says_what_was_left_working(project):
    (project / "resting.py").write_text(
        textwrap.dedent("""
        import os, signal, qka
        class Resting(qka.Strategy):
            symbols = ["600000.SH"]
            n = 0
            def on_quote(self, quote):
                if quote.phase == 13 and not self.orders():
                    self.buy("600000.SH", 100, quote.limit_down)
                self.n += 1
                if self.n == 400:
                    os.kill(os.getpid(), signal.SIGINT)
        """),
        encoding="utf-8",
    )
    args = ["--set", "strategies=[{use: 'resting.py:Resting'}]"]
    done = qka("run", "config/paper.yaml", *args, cwd=project)
    assert done.returncode == 128 + signal.SIGINT
    assert "stopping" in done.stderr
    assert "still working" in done.stdout
    assert "interrupted" in done.stdout
    assert (only_run(project) / "summary.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one child process on Windows")
def test_a_second_ctrl_c_stops_at_once_even_when_a_handler_hangs(project):
    (project / "hangs.py").write_text(
        textwrap.dedent("""
        import asyncio, os, signal, qka
        class Hangs(qka.Strategy):
            symbols = ["600000.SH"]
            async def on_quote(self, quote):
                loop = asyncio.get_running_loop()
                for _ in range(2):
                    loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
        """),
        encoding="utf-8",
    )
    args = ["--set", "strategies=[{use: 'hangs.py:Hangs'}]"]
    done = qka("run", "config/paper.yaml", *args, cwd=project)
    assert done.returncode == 128 + signal.SIGINT
    assert "stopped at once" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one child process on Windows")
def test_a_second_ctrl_c_passes_a_plain_handler_that_never_returns(project):
    (project / "spins.py").write_text(
        textwrap.dedent("""
        import os, signal, threading, time, qka
        class Spins(qka.Strategy):
            symbols = ["600000.SH"]
            def on_quote(self, quote):
                def press():
                    for _ in range(2):
                        time.sleep(0.2)
                        os.kill(os.getpid(), signal.SIGINT)
                threading.Thread(target=press).start()
                while True:
                    try:
                        time.sleep(0.01)
                    except Exception:
                        pass
        """),
        encoding="utf-8",
    )
    args = ["--set", "strategies=[{use: 'spins.py:Spins'}]"]
    done = qka("run", "config/paper.yaml", *args, cwd=project)
    assert done.returncode == 128 + signal.SIGINT
    assert "stopped at once" in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_input_is_named_after_what_came_before_it_was_traded(project):
    rows = ["time,open,high,low,close,volume,amount"]
    rows += [f"{1767576660000 + i * 60000},10,10,10,10,5,5000" for i in range(5)]
    rows[4] = rows[4].replace(",10,10,10,10,", ",10,10,ten,10,")
    (project / "600000.SH.csv").write_text("\n".join(rows), encoding="utf-8")
    (project / "count.py").write_text(
        "import qka\nclass Count(qka.Strategy):\n    symbols = ['600000.SH']\n"
        "    def on_bar(self, bar):\n        self.log.info('bar')\n",
        encoding="utf-8",
    )
    args = ["--set", "feed={kind: replay, path: 600000.SH.csv}"]
    args += ["--set", "strategies=[{use: 'count.py:Count'}]"]
    done = qka("run", "config/paper.yaml", *args, cwd=project)
    assert done.returncode == 2
    assert "600000.SH.csv: row 5" in done.stderr
    assert "'ten'" in done.stderr
    log = (only_run(project) / "log.jsonl").read_text(encoding="utf-8")
    assert log.count('"bar"') == 3
    lenient = qka("run", "config/paper.yaml", *args, "--set", "feed.strict=false", cwd=project)
    assert lenient.returncode == 0, lenient.stderr
    assert "row 5" in lenient.stderr


def test_the_environment_and_dotenv_set_keys_and_set_wins(project):
    (project / ".env").write_text("QKA__ACCOUNT__CASH=100\n", encoding="utf-8")
    done = qka("check", "config/paper.yaml", cwd=project)
    assert "100 CNY" in done.stdout
    done = qka("check", "config/paper.yaml", cwd=project, QKA__ACCOUNT__CASH="200")
    assert "200 CNY" in done.stdout
    done = qka("check", "config/paper.yaml", "--set", "account.cash=300", cwd=project)
    assert "300 CNY" in done.stdout


def test_an_order_of_the_newest_run_needs_no_more_than_its_id(project):
    assert "no run is kept there" in qka("why", "q2601", cwd=project).stderr
    assert qka("run", "config/paper.yaml", cwd=project).returncode == 0
    done = qka("why", "q2601", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "First: FILLED" in done.stdout
    done = qka("why", "nosuch", "--config", "config/paper.yaml", cwd=project)
    assert (done.returncode, "its newest are" in done.stderr) == (2, True)


def test_where_a_run_is_kept_is_told_before_its_first_event(project):
    done = qka("run", "config/paper.yaml", cwd=project)
    lines = done.stderr.splitlines()
    (told,) = [number for number, line in enumerate(lines) if "kept in" in line]
    assert any(" order " in line for line in lines[told:])
    assert not any(" order " in line or "phase continuous" in line for line in lines[:told])


def test_alerts_of_the_summary_have_their_day_and_time(project):
    (project / "angry.py").write_text(
        textwrap.dedent("""
        import qka
        class Angry(qka.Strategy):
            symbols = ["600000.SH"]
            times = 0
            def on_start(self):
                self.at("10:00", self.shout)
            def shout(self):
                self.times += 1
                if self.times == 1:
                    raise ValueError("once")
                raise ValueError("twice")
        """),
        encoding="utf-8",
    )
    args = ["--set", "strategies=[{use: 'angry.py:Angry'}]", "--set", "feed.days=2"]
    done = qka("run", "config/paper.yaml", *args, cwd=project)
    alerts = [line for line in done.stdout.splitlines() if line.startswith("alert ")]
    assert re.match(r"alert     2026-01-05 10:00:00  Angry: .*once", alerts[0]), done.stdout
    assert alerts[1].startswith("alert     2026-01-06 10:00:00  Angry: "), done.stdout


def test_the_profit_of_shares_held_at_the_start_is_told_apart(project):
    held = "account.positions={600000.SH: {quantity: 1000, cost: 9}}"
    done = qka("run", "config/paper.yaml", "--set", held, cwd=project)
    (own,) = re.findall(r"of it ([-+,.\d]+) is the account's own", done.stdout)
    summary = json.loads((only_run(project) / "summary.json").read_text(encoding="utf-8"))
    assert float(own.replace(",", "")) == summary["account"]["own_profit"]


def test_a_server_without_qmts_folder_is_told_by_the_options_name(tmp_path):
    done = qka("server", "--account", "8880012345", cwd=tmp_path)
    assert done.returncode == 2
    assert "qka: --qmt-path: name QMT's folder userdata_mini" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_a_server_on_no_port_is_one_clear_message(tmp_path, port):
    done = qka("server", "--simulate", "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


MISUSED = {
    "run": ("Missing argument 'config'", "缺少参数 'config'"),
    "run --foo": ("No such option: --foo", "没有选项 --foo"),
    "check a b": ("Got unexpected extra argument(s) (b)", "多出了参数 b"),
    "server --port x": (
        "Invalid value for '--port': Input should be",
        "'--port' 的值不对：应为整数",
    ),
    "server --port": ("Option '--port' requires an argument", "选项 '--port' 要带一个值"),
    "risk sett": ("No such command 'sett'. Did you mean 'set'?", "没有命令 'sett'"),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("called", MISUSED)
def test_how_a_command_was_called_wrongly_is_said_in_one_line(tmp_path, called, lang):
    done = qka(*called.split(), cwd=tmp_path, QKA_LANG=lang)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"qka: {MISUSED[called][lang == 'zh']}")
    assert line.endswith(" --help` shows how it is used" if lang == "en" else " --help`")


def test_a_chinese_trader_reads_chinese_and_scripts_the_same_codes(project):
    def both(*args):
        english, chinese = (qka(*args, cwd=project, QKA_LANG=lang) for lang in ("en", "zh"))
        assert english.returncode == chinese.returncode
        return english, chinese

    english, chinese = both("check", "config/paper.yaml", "--set", "risk.position_ratoi=1")
    assert english.stderr == (
        "qka: --set risk.position_ratoi: unknown key; did you mean position_ratio?\n"
    )
    assert chinese.stderr == (
        "qka: --set risk.position_ratoi：没有这个配置项；是不是想写 position_ratio？\n"
    )
    english, chinese = both("rnu")
    hint = "`python -m qka --help`"
    assert english.stderr == (
        f"qka: No such command 'rnu'. Did you mean 'run'? {hint} shows how it is used\n"
    )
    assert chinese.stderr == f"qka: 没有命令 'rnu'。是不是想写 'run'？用法见 {hint}\n"
    english, chinese = both("verify", "-h")
    assert "Look at every record of a journal" in english.stdout
    assert "逐条核对流水" in chinese.stdout
    assert "某一天的哈希" in chinese.stdout
    english, chinese = both("doctor")
    assert english.stdout.splitlines()[-1] == "ready"
    assert chinese.stdout.splitlines()[-1] == "就绪"
    english, chinese = both()  # without a word it shows its help
    assert "Start here" in english.stdout + english.stderr
    assert "第一步" in chinese.stdout + chinese.stderr
