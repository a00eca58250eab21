"""The trading guide, block by block: a server process over the vendor's own Python, a script.

What a reader puts in is put in (the account, the path, the token, an order's number; the port
where 8000 is taken), and not a sign else is changed.
"""

import importlib.util
import os
import queue
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "trading-guide.zh-CN.md"
SEED = ROOT.parent / "shared" / "seed" / "trading-guide.md"
PATH = "C:/QMT/userdata_mini"

# the terminal that the guide's server block finds at its path, and the time that is there: an
# order is taken in hours of trading, and the test may run in a night
TERMINAL = """
from datetime import date

from qka.terminal.books import Opening
from qka.terminal.install import install
from qka.terminal.market import SimulatedMarket

opening = Opening(account_id="demo", positions={"600000.SH": 500})
names = ["600000.SH", "000001.SZ"]
market = SimulatedMarket(
    [opening], day=date(2026, 1, 5), begin="10:00", speed=1.0, symbols=names
)
market.start()
install(market.terminal, PATH)

from qka.server.link import LinkBackend
LinkBackend.now = lambda backend: market.terminal.now()
"""
# what the reader adds between the blocks, to see that they do what they say
LOOKS = {
    "下单交易": "print('order', result.get('success'), result['order_id'])",
    "订单管理": "print('cancel', cancel_result)",
    "回测转实盘": "RealTimeStrategy(client).execute_trades({'600000.SH': 'buy'})",
    "仓位管理": "trader = RiskManagedTrader(client)\n"
    "print('size', trader.calculate_position_size('600000.SH', 10.0))",
    "交易频率控制": "limiter = RateLimitedTrader(client)\n"
    "for _ in range(5): limiter.record_trade()\nprint('may trade', limiter.can_trade())",
    "交易监控": "monitor = TradingMonitor(client)\n"
    "monitor.monitor_positions()\nmonitor.monitor_orders()",
}


def blocks() -> list[tuple[str, str]]:
    """(heading, code) of every Python block, in order."""
    text, heading, found = GUIDE.read_text(encoding="utf-8"), "", []
    for part in re.finditer(r"^#+ ([^\n]+)$|^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if part[1]:
            heading = part[1]
        else:
            found.append((heading, part[2]))
    return found


def test_the_guide_in_the_docs_is_the_guide_the_project_grew_from():
    if not SEED.exists():
        pytest.skip(f"{SEED.name} is not beside the project")
    assert GUIDE.read_bytes() == SEED.read_bytes()


def port() -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", 8000))
            return 8000
        except OSError:
            probe.bind(("0.0.0.0", 0))
            return probe.getsockname()[1]


def lines_of(process: subprocess.Popen[str]) -> "queue.Queue[str]":
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


def test_every_block_of_the_guide_runs_as_it_stands(tmp_path):
    if importlib.util.find_spec("xtquant") is None:
        pytest.skip("the vendor's own Python is needed: pip install xtquant (any system)")
    number = str(port())

    def filled_in(code: str, token: str = "") -> str:
        for blank, value in {
            "YOUR_ACCOUNT_ID": "demo",
            "YOUR_QMT_PATH": PATH,
            "服务器打印的token": token,
            '"订单ID"': "str(result['order_id'])",
            "8000": number,
        }.items():
            code = code.replace(blank, value)
        return code

    (_, serve), *script = blocks()
    env = {**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "HOME": str(tmp_path)}
    env["USERPROFILE"] = str(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-c", f"PATH = {PATH!r}\n{TERMINAL}\n{filled_in(serve)}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=env,
        cwd=ROOT,
    )
    try:
        lines, token, seen = lines_of(server), "", ""
        while not token:
            line = lines.get(timeout=60)
            seen += line
            assert line, f"the server ended: {seen}"
            token = line.partition("授权Token: ")[2].strip()
        parts = []
        for heading, code in script:
            parts += [filled_in(code, token), LOOKS.get(heading, "")]
        assert set(LOOKS) <= {heading for heading, _ in script}
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(parts)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=env,
            cwd=ROOT,
            timeout=120,
        )
    finally:
        server.terminate()
        server.wait(30)
    assert done.returncode == 0, done.stderr + done.stdout
    said = done.stdout
    assert "总资产" in said
    assert re.search(r"order True \d+", said)
    assert re.search(r"cancel (0|-1)", said)
    assert re.search(r"(?m)^size 1[0-9]{4}$", said)
    assert "may trade False" in said
    assert re.search(r"持仓: 600000.SH \d+股", said)
    assert re.search(r"委托: 600000.SH \S+", said)
    assert "API调用失败" in said
