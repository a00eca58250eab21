"""What a human has to mend, said in Chinese: every error that is worded, and the commonest ones."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

import qka
from qka import loading, settings
from qka.brokers.server import QMTServer
from qka.engine.guest import NO_GENERATOR
from qka.engine.strategy import wrong_params
from qka.errors import QkaError
from qka.feeds.recorded.source import recognise
from qka.journal.verify import verify
from qka.language import CHINESE, speaker
from qka.model.symbol import check_symbol
from qka.phrases import retold
from qka.report import where

ROOT = Path(__file__).parents[1]
chinese = speaker(CHINESE)
ERRORS = {"ConfigError", "SymbolError", "DataError", "JournalDamaged"}
# what only whoever writes a program sees, not who types a command or edits a file
FOR_PROGRAMS = (
    "a loop runs here already",
    "an engine runs once",
    "register ",
    "the page lacks",
    "xtquant is not installed; its Python files",
)
FOR_PROGRAMS_ALONE = {"terminal"}  # the simulated terminal is set up by code
CHOSEN = ("does not exist", "is gone", "takes nothing", "7")  # among these the code chooses


def worded():
    """The errors whose words stand in the code, with 7 for what differs; hints are left out."""
    for path in sorted((ROOT / "qka").rglob("*.py")):
        if path.relative_to(ROOT / "qka").parts[0] in FOR_PROGRAMS_ALONE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS and node.args:
                words = _sample(node.args[0])
                if re.search("[a-z]{3}", words) and not words.startswith(FOR_PROGRAMS):
                    yield words


def _sample(node):
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        part.value if isinstance(part, ast.Constant) else _stands_for(ast.unparse(part.value))
        for part in node.values
    )


def _stands_for(code):
    if code in ("hint", "_meant(file)", "hint or there"):
        return ""
    return {"what": "{what}", "NO_GENERATOR": NO_GENERATOR}.get(code, "7")


@pytest.mark.parametrize("words", sorted(set(worded())))
def test_every_error_that_is_worded_has_its_chinese(words):
    readings = [words.replace("{what}", what) for what in CHOSEN]
    assert [one for one in readings if retold(one, chinese) != one], words


def a_config(**given):
    return settings.from_mapping({"strategies": [{"use": "x.py:X"}], **given})


def a_file(folder, text):
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    return settings.load(folder / "a.yaml")


class Params(qka.Params):
    fast: int = 5


class Mine(qka.Strategy):
    Params = Params

    def on_quote(self, quote):
        pass


def a_strategy(**params):
    try:
        Params(**params)
    except ValidationError as error:
        raise QkaError(wrong_params(Mine(), error)) from None


def recorded(folder, text):
    (folder / "600000.SH.csv").write_text(text, encoding="utf-8")
    return recognise(folder / "600000.SH.csv")


COMMON = {
    "an unknown key": (
        lambda _: a_config(risk={"position_ratoi": 1}),
        "config：risk.position_ratoi：没有这个配置项；是不是想写 position_ratio？",
    ),
    "a wrong type": (
        lambda _: a_config(account={"cash": "lots"}),
        "config：account.cash：'lots' 不是数字",
    ),
    "a section that is a value": (lambda _: a_config(risk=5), "config：risk：5 不是一组配置项"),
    "below the least": (
        lambda _: a_config(account={"cash": -5}),
        "config：account.cash：-5 不能小于 0",
    ),
    "above the most": (
        lambda _: a_config(risk={"position_ratio": 2}),
        "config：risk.position_ratio：2 不能大于 1",
    ),
    "no such choice": (
        lambda _: a_config(log={"level": "INFOO"}),
        "config：log.level：'INFOO' 不在可选范围：DEBUG, INFO, WARNING, ERROR；是不是想写 INFO？",
    ),
    "a missing key": (
        lambda _: settings.from_mapping({"strategies": [{}]}),
        "config：strategies.0.use：缺失",
    ),
    "a token in the file": (
        lambda _: a_config(broker={"kind": "remote", "token": "abc"}),
        "config：broker.token：密钥不能写在这里：请在环境变量或 `.env` 里设置 QKA__BROKER__TOKEN",
    ),
    "a day that is none": (
        lambda _: a_config(feed={"day": "2026-13-01"}),
        "config：feed.day：'2026-13-01' 不是 2026-01-05 这样的日期",
    ),
    "two mistakes at once": (
        lambda _: a_config(risk=5, account={"cash": "lots"}),
        "config：account.cash：'lots' 不是数字\nconfig：risk：5 不是一组配置项",
    ),
    "a tab in YAML": (
        lambda folder: a_file(folder, "account:\n\tid: 3\n"),
        "a.yaml:2:1：用了制表符；YAML 只能用空格缩进",
    ),
    "a colon too many": (
        lambda folder: a_file(folder, "a: b: c\n"),
        "a.yaml:1:5：这里不能出现“键: 值”",
    ),
    "an open bracket": (
        lambda folder: a_file(folder, "account: {id: demo\nfeed: x\n"),
        "a.yaml:2:5：应为逗号或 }，遇到 ':'（解析 { } 时）",
    ),
    "a key twice": (
        lambda folder: a_file(folder, "name: a\nname: b\nstrategies: [{use: x}]\n"),
        "a.yaml:2：name：重复出现，第一次在第 1 行",
    ),
    "no such file": (
        lambda folder: settings.load(folder / "papr.yaml"),
        "papr.yaml：没有这个文件",
    ),
    "a symbol without its exchange": (
        lambda _: check_symbol("600000"),
        "'600000' 缺少交易所后缀（.SH、.SZ 或 .BJ）；是不是想写 600000.SH？",
    ),
    "a symbol on another exchange": (
        lambda _: check_symbol("600000.SZ"),
        "'600000.SZ'：SZ 没有这样的代码；是不是想写 600000.SH？",
    ),
    "a parameter of another type": (
        lambda _: a_strategy(fast="abc"),
        "Mine：参数 fast：应为整数（给的是 'abc'）；它的参数有：fast",
    ),
    "an unknown parameter": (
        lambda _: a_strategy(fasst=3),
        "Mine：没有参数 fasst；是不是想写 fast？它的参数有：fast",
    ),
    "a strategy's file that is not there": (
        lambda folder: loading.find("frist.py:First", folder),
        "`use`：frist.py:First：没有文件 {folder}/frist.py",
    ),
    "real money without --live": (
        lambda _: settings.require_live(a_config(broker={"kind": "xtquant", "path": "x"}), False),
        "`broker.kind` 是 xtquant，会用真实资金交易；确实要实盘，请加 `--live`，或在环境变量（不是 "
        "`.env`）里设 QKA_LIVE=1；否则用 `kind: paper`",
    ),
    "no journal": (
        lambda folder: verify(folder / "x.db"),
        "没有 {folder}/x.db：请指定某个账户的流水",
    ),
    "columns that are missing": (
        lambda folder: recorded(folder, "time,open,high\n1,2,3\n"),
        "600000.SH.csv：第 1 行：最像 K 线，但缺少这些列：close, low, volume",
    ),
    "a run that is none": (
        lambda _: where.run("nope", Path("runs")),
        "nope 既不是某次运行也不是日期：请写运行目录（在 runs 里）、20260105 这样的日期，"
        "或 20260105..20260109",
    ),
    "a server without QMT's folder": (
        lambda _: QMTServer("123"),
        "`mini_qmt_path` 是空的：请写 QMT 的 `userdata_mini` 文件夹；没有终端时用 `simulate=True` "
        "模拟",
    ),
}


# whole to the last word: that some of a sentence has its Chinese is not enough
SENTENCES = {
    "run.dir: /x can't be written (Not a directory): nothing was started or sent": (
        "`run.dir`：/x 写不了（不是文件夹）：没有启动，也没有发送任何委托"
    ),
    "monitor.port: ::1:80 can't be listened on (Address already in use): nothing was started or "
    "sent": "`monitor.port`：::1:80 无法监听（地址已被占用）：没有启动，也没有发送任何委托",
    "monitor.port: h:80 can't be listened on (Address already in use): `qka status`, `qka halt` "
    "and the like can't reach this run. Trading goes on": (
        "`monitor.port`：h:80 无法监听（地址已被占用）：`qka status`、`qka halt` 等连不到这次运行。"
        "交易照常"
    ),
    "data_dir: /x can't be made (File exists): nothing was started": (
        "`data_dir`：/x 无法创建（文件已存在）：没有启动任何东西"
    ),
    "a.csv: row 21: it has too few cells, 3 where the head has 7; mend or delete the row, or "
    "leave such rows out with feed.strict=false": (
        "a.csv：第 21 行：单元格太少：3 个，表头有 7 个；请修正或删除这一行，或用 "
        "`feed.strict=false` 跳过这样的行"
    ),
    "the server ended the link: this server serves another account than the one you name; set "
    "account.id to the server's": (
        "服务器结束了连接：它服务的不是你写的账户；请把 `account.id` 改成服务器的账户"
    ),
    "/x/server.db is in use: another QMTServer of this account is running. Stop it first; nothing "
    "was started here": (
        "/x/server.db 正被使用：这个账户的另一个 QMTServer 在运行。请先停掉它；这里没有启动任何东西"
    ),
    "journals/a.db is in use by the engine with pid 7 on vm, started 2026-01-05 09:00:01: stop it "
    "with Ctrl-C where it runs, or with `kill 7`, then start again. Nothing was started here": (
        "journals/a.db 正被引擎（进程 7，主机 vm，启动于 2026-01-05 09:00:01）使用：请在它运行的"
        "窗口按 Ctrl-C 停掉它，或执行 `kill 7`，再重新启动。这里没有启动任何东西"
    ),
    "every('abc'): 'abc' is no time span like 30s, 5m or 1h": (
        "`every('abc')`：'abc' 不是 30s、5m、1h 这样的时长"
    ),
    "feed.day: 2026-01-04 is a Sunday: the simulated market trades weekdays": (
        "`feed.day`：2026-01-04 是星期日，模拟行情只在工作日交易"
    ),
    "use: x: no strategy is registered by that name in /x; none is registered (or write "
    "module:Class, or path.py:Class)": (
        "`use`：x：/x 里没有登记这个名字的策略；没有登记任何策略（也可以写 `module:Class` 或 "
        "`path.py:Class`）"
    ),
    "there is no token 'default' in /x yet: start the server once": (
        "/x 里还没有 token 'default'：请先启动一次服务器"
    ),
    "QKA__FOO (environment): foo: unknown key; did you mean feed?": (
        "QKA__FOO（环境变量）：foo：没有这个配置项；是不是想写 feed？"
    ),
    "x.yaml: no such file; did you mean a.yaml or b.yaml or c.yaml?": (
        "x.yaml：没有这个文件；是不是想写 a.yaml、b.yaml 或 c.yaml？"
    ),
    "'000001' lacks its exchange (.SH, .SZ or .BJ); did you mean 000001.SH or 000001.SZ?": (
        "'000001' 缺少交易所后缀（.SH、.SZ 或 .BJ）；是不是想写 000001.SH 或 000001.SZ？"
    ),
    "account demo goes on from its journal, last written 2026-11-30 09:41:00: cash 951615.43 CNY, "
    "1 positions, 0 orders open": (
        "账户 demo 从流水继续，上次写入 2026-11-30 09:41:00：现金 951615.43 元，1 只持仓，"
        "0 笔未了结委托"
    ),
    "HALTED by li@desk: it is mad": "li@desk 暂停了交易：it is mad",
    "ACTIVE by li@desk: ok": "li@desk 恢复了交易：ok",  # a reason is the human's own word
    "REDUCING and flatten by li@desk: 清仓": "li@desk 改为只减仓并清仓：清仓",
    "changed to fast=7, slow=20 by li@desk": "li@desk 改为 fast=7, slow=20",
    "changed to fast=7 by li@desk: buy less": "li@desk 改为 fast=7：buy less",
    "Trend stopped: by li@desk: cancelled": "Trend 已由 li@desk 停止：cancelled",
    "it wants 20 5m bars before the first event, and the feed knows 0 of 600036.SH and 1 more": (
        "它在开始前要 20 根 5m K 线，行情源只有 600036.SH 的 0 根，另有 1 只证券也不够"
    ),
    "the day ended; a daily bar trades what was sent before it began: order in on_bar": (
        "当日结束；日线只成交在它开始之前发出的委托：请在 `on_bar` 里下单"
    ),
}


@pytest.mark.parametrize("words", SENTENCES)
def test_a_sentence_is_said_to_its_last_word(words):
    assert retold(words, chinese) == SENTENCES[words]


@pytest.mark.parametrize("mistake", COMMON)
def test_a_common_mistake_is_told_in_chinese(mistake, tmp_path):
    make, expected = COMMON[mistake]
    with pytest.raises(QkaError) as raised:
        make(tmp_path)
    told = retold(str(raised.value), chinese)
    assert told.removeprefix(f"{tmp_path}/") == expected.replace("{folder}", str(tmp_path))
    assert retold(str(raised.value), str) == str(raised.value)
