"""What the engine wrote down in English, said in the reader's language; rules: see tests/risk."""

import ast
import re
from pathlib import Path

import pytest
from builders import a_quote, an_order, moment

from qka import telling
from qka.brokers.exchange import checks, kinds
from qka.engine import comparison
from qka.language import CHINESE, ENGLISH, speaker
from qka.model.events import Shortfall
from qka.model.market import Phase
from qka.model.order import OrderType, Side
from qka.phrases import PHRASES, retold

ROOT = Path(__file__).parents[1]
chinese = speaker(CHINESE)
TABLES = (
    telling.PHASES, telling.LINKS, telling.STATES, telling.STATUSES, telling.TYPES, telling.SIDES,
    telling.TRADING, telling.STANDINGS,
)  # fmt: skip


def test_a_sentence_keeps_its_figures():
    words = "150 of 600000.SH: a buy is 100 shares or more in steps of 100; 100 would pass"
    assert (
        retold(words, chinese) == "600000.SH 150 股：买入至少 100 股，按 100 股递增；100 可以通过"
    )
    assert retold(words, str) == words


def test_a_sentence_in_a_sentence_is_said_too():
    words = "HALTED: 3100.00 CNY lost today, 3000.00 are the limit"
    assert retold(words, chinese) == "交易已暂停：今天亏损 3100.00 元，上限 3000.00 元"


def test_single_words_in_a_sentence_are_said():
    words = "600000.SH takes no limit orders in 15:05-15:30 (post_close); on the next trading day "
    assert retold(words + "it would pass", chinese) == (
        "600000.SH 在 15:05-15:30（盘后固定价格交易）不接受限价委托；下一个交易日可以通过"
    )


LEFT = {
    "its trading is halted: ask again when it goes on": "临时停牌：恢复交易后再下",
    "sealed at its limit up, 11: nobody sells; with that price it would wait in the queue": (
        "封在涨停 11：没有人卖；写上这个价格就会排队等候"
    ),
    "1010.00 CNY with fees at 10.05, 999.50 available": (
        "按 10.05 连同费用需 1010.00 元，可用 999.50 元"
    ),
    "bought today, and sold on the next trading day at the earliest (T+1)": (
        "今天买入的，最早下一个交易日才能卖（T+1）"
    ),
    "sell q260105-a-000001 of 300 at 10.5 works against it, and its cancel is not to be had now": (
        "反向委托 q260105-a-000001（卖出 300 股 @10.5）仍然有效，此刻撤不掉"
    ),
    "cancelled": "已撤",
}


@pytest.mark.parametrize("reason", LEFT)
def test_what_a_target_leaves_out_is_said_with_its_reason(reason):
    words = str(Shortfall("600000.SH", Side.BUY, 200, "code", reason))
    assert retold(words, chinese) == f"600000.SH：买入 200 股未能委托：{LEFT[reason]}"
    words = str(Shortfall("600000.SH", Side.SELL, 0, "code", reason))
    assert retold(words, chinese) == f"600000.SH：卖出未能委托：{LEFT[reason]}"


@pytest.mark.parametrize("words", ["", "the broker's own 废单", "a new high; sell half"])
def test_what_nobody_here_wrote_stays_as_it_is(words):
    assert retold(words, chinese) == words


@pytest.mark.parametrize("language", ["zh", "en"])
def test_without_a_language_it_is_the_readers(monkeypatch, language):
    monkeypatch.setenv("QKA_LANG", language)
    assert (retold("the day ended") == "the day ended") is (language == "en")


@pytest.mark.parametrize("word", [word for table in TABLES for word in table.values()])
def test_every_state_phase_link_and_kind_has_its_chinese(word):
    assert re.search(r"[\u4e00-\u9fff]|ST", chinese(word))


REFUSALS = {
    "an index": checks.size(an_order(symbol="000300.SH"), 0),
    "a quantity": checks.size(an_order(quantity=150), 0),
    "too much": checks.size(an_order(quantity=1_000_100), 0),
    "at night": checks.hours(an_order(), moment("20:00")),
    "in a phase": checks.hours(an_order(type=OrderType.MARKET), moment("09:20")),
    "suspended": checks.price(an_order(), a_quote(phase=Phase.HALTED, volume=0), None, moment()),
    "off the tick": checks.price(an_order(price=10.005), a_quote(), None, moment()),
    "beyond the limits": checks.price(an_order(price=12.0), a_quote(), None, moment()),
    "beyond the cage": checks.price(an_order(price=10.9), a_quote(), None, moment()),
    "no price": kinds.NO_PRICE,
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_the_paper_exchange_refuses_has_its_chinese(case):
    told = retold(REFUSALS[case], chinese)
    assert REFUSALS[case]
    assert not re.search(r"[a-z]{3,}", told), told


def test_a_phrase_has_only_words_that_the_code_says():
    """A sentence is put together of pieces, so it is held word by word against all of them."""
    said = set()
    for path in (ROOT / "qka").rglob("*.py"):
        if path.name != "phrases.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    said |= set(re.findall(r"[\w']+", node.value))
    for phrase in PHRASES:
        assert set(re.findall(r"[\w']+", re.sub(r"{\w+}", " ", phrase))) <= said, phrase


def test_an_order_that_met_no_link_says_so_to_the_last_word():
    words = "not sent: no link to http://a:8000 (the server hung up (1006)): nothing was sent"
    assert retold(words, chinese) == "没有发出：与 http://a:8000 没有连接（服务器挂断了（1006））"


def test_a_table_of_what_differs_is_chinese_and_its_columns_stand():
    found = [
        comparison.Difference("300750.SZ", "100 shares", "0 shares"),
        comparison.Difference("cash", "10.00 CNY", "8.00 CNY"),
        comparison.Difference("q260105-a-000001", "accepted, 200 600000.SH open", "not listed"),
    ]
    text = f"accepted\n{comparison.table(found)}\nthe link was closed"
    assert retold(text, chinese).split("\n") == [
        "accepted",
        "                    流水                           券商     原因",
        "  300750.SZ         100 股                         0 股     不明",
        "  资金              10.00 元                       8.00 元  不明",
        "  q260105-a-000001  已报，600000.SH 未成交 200 股  未列出   不明",
        chinese("the link was closed"),
    ]
    assert retold(text, speaker(ENGLISH)) == text
