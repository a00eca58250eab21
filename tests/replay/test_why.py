"""The story of an order: the quote, the signal, the verdicts, the wire, the reports."""

import pytest
from builders import moment
from qmt import ACCOUNT, a_terminal
from replays import SYMBOL, Floor, S
from typer.testing import CliRunner

import qka
from qka.cli.main import app
from qka.errors import ConfigError
from qka.replay.story import tell

RUN = CliRunner()


class Once(qka.Strategy):
    """Buys at the first price, wants too much at the second, gives up at the third."""

    symbols = [SYMBOL]

    def on_start(self):
        self.seen = []

    def on_quote(self, quote):
        self.seen.append(quote.last)
        if len(self.seen) == 1:
            self.buy(SYMBOL, 200, 9.95, reason="the first price")
        elif len(self.seen) == 2:
            self.sell(SYMBOL, 50, reason="it is dear")
        elif len(self.seen) == 4:
            self.cancel_all(reason="enough")


@pytest.fixture
async def floor(tmp_path):
    """A day with an order that trades in part and is cancelled, and one that is denied."""
    with a_terminal(id_cooldown=0.0) as terminal:
        made = Floor(terminal, tmp_path, Once)
        async with made.engine() as engine:
            await made.heard(10.0)
            await made.ends(engine, S.ACCEPTED)
            await made.heard(10.1)
            await made.heard(10.0, ask_prices=[9.94, 9.97, 9.98, 9.99, 10.0], ask_lots=[1] * 5)
            await made.ends(engine, S.PARTIALLY_FILLED, S.DENIED)
            await made.heard(10.2)
            await made.ends(engine, S.CANCELLED, S.DENIED)
            made.ids = list(engine.ledger.orders)
            number = terminal.order(ACCOUNT, SYMBOL, 23, 300, 11, 9.5)
            made.theirs = f"x260105-{number}"
            await made.ends(engine, S.CANCELLED, S.DENIED, S.ACCEPTED)
        yield made


def lines(story, kind):
    return [line.words for line in story.lines if line.kind == kind]


async def test_an_order_that_traded_has_all_its_story(floor):
    story = tell(floor.path, floor.ids[0])
    assert (story.order.status, story.order.filled) == (S.CANCELLED, 100)
    assert lines(story, "quote") == ["quote 600000.SH 10, bid 9.99 ask 10.01, of 10:00:06.000000"]
    assert lines(story, "signal") == [
        "signal 1 of Once: buy 200 600000.SH at 9.95: the first price"
    ]
    assert lines(story, "rules") == [
        "passed trading_state, instrument, order_type, suspended, hours of trading, price_limit, "
        "price_cage, closing_price, daily_cap, known, sellable, cash, position ratio 50.00%, "
        "rate 1000 in 60 s"
    ]
    wire = lines(story, "wire")
    assert wire[0].startswith("order_stock goes  ")
    assert "order_volume=200" in wire[0]
    assert any("order comes  order_status=55 部成" in words for words in wire)
    assert any("trade comes" in words and "traded_price=9.95" in words for words in wire)
    assert any("the answer to cancel_order_stock comes" in words for words in wire)
    assert lines(story, "order")[-2:] == ["a cancel is asked for: enough", "cancelled"]
    assert [line.time for line in story.lines] == sorted(line.time for line in story.lines)


async def test_a_denied_order_says_which_rules_were_asked_and_which_refused(floor):
    story = tell(floor.path, floor.ids[1])
    assert lines(story, "rules") == [
        "passed trading_state, instrument, order_type, suspended, hours of trading, price_limit, "
        "price_cage, closing_price, daily_cap, known",
        "refused by sellable: 50 shares of 600000.SH, 0 sellable (T+1); 0 would pass",
    ]
    assert lines(story, "wire") == []


async def test_an_order_of_others_has_a_story_without_reasons(floor):
    story = tell(floor.path, floor.theirs)
    assert lines(story, "signal") == lines(story, "rules") == []
    assert "placed by others" in lines(story, "order")[0]


async def test_the_beginning_of_an_id_is_enough_when_no_other_begins_so(floor):
    assert tell(floor.path, "x26").order.id == floor.theirs
    with pytest.raises(ConfigError, match="2 orders begin with q26"):
        tell(floor.path, "q26")
    with pytest.raises(ConfigError, match=f"has no order q9; its newest are {floor.theirs}"):
        tell(floor.path, "q9")


async def test_without_a_recording_it_says_that_the_quote_is_not_known(floor):
    for path in floor.recording.rglob("*.rec"):
        path.unlink()
    story = tell(floor.path, floor.ids[0])
    assert lines(story, "quote") == ["nothing was recorded then, so the quote is not known"]
    assert story.order.filled == 100


async def test_an_unknown_order_says_what_is_not_known(tmp_path):
    with a_terminal(id_cooldown=0.0) as terminal:
        floor = Floor(terminal, tmp_path, Once)
        async with floor.engine() as engine:
            terminal.faults.next("dropped", "order")
            await floor.heard(10.0)
            await floor.ends(engine, S.UNKNOWN)
            (order_id,) = engine.ledger.orders
        story = tell(floor.path, order_id)
    assert story.order.status is S.UNKNOWN
    assert any("no answer to order_stock" in words for words in lines(story, "wire"))
    assert any(words.startswith("UNKNOWN") for words in lines(story, "order"))


# ------------------------------------------------------------ from the command line


async def test_the_command_tells_it_with_the_times_between(floor):
    shown = RUN.invoke(app, ["why", floor.ids[0], "--journal", str(floor.path)])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"{floor.ids[0]}  buy 200 600000.SH at 9.95, Once: CANCELLED")
    assert "100 traded at 9.95" in shown.output
    assert "+" in shown.output
    assert RUN.invoke(app, ["why", "q26"]).exception is not None  # which journal?


async def test_in_chinese_the_story_is_chinese_and_names_its_order_once(floor, monkeypatch):
    monkeypatch.setenv("QKA_LANG", "zh")
    shown = RUN.invoke(app, ["why", floor.ids[0], "--journal", str(floor.path)])
    head, _, *lines = shown.output.splitlines()
    assert head.startswith(f"{floor.ids[0]}  买入 600000.SH 200 股 @9.95，Once：已撤")
    assert "成交 100，均价 9.95，费用 5.0" in head
    assert not [line for line in lines if f" {floor.ids[0]}：" in line]
    assert any(
        line.endswith("委托    委托：买入 600000.SH 200 股 @9.95，已过风控") for line in lines
    )
    assert any("风控    通过：交易状态、数量与价位、" in line for line in lines)
    denied = RUN.invoke(app, ["why", floor.ids[1], "--journal", str(floor.path)])
    assert "风控    被 可卖数量 拒绝：" in denied.output


def test_a_simulated_run_that_was_recorded_is_replayed_and_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import qka\n"
        "class Mine(qka.Strategy):\n"
        "    symbols = ['600000.SH']\n"
        "    def on_start(self):\n"
        "        self.at('10:00', self.begin)\n"
        "    def begin(self):\n"
        "        self.buy('600000.SH', 100, reason='it is ten')\n"
    )
    (tmp_path / "paper.yaml").write_text(
        "journal: {record: true}\nstrategies: [{use: mine.py:Mine}]\n"
    )
    assert RUN.invoke(app, ["run", "paper.yaml"]).exit_code == 0
    (journal,) = tmp_path.glob("runs/*/journal.db")
    given = ["replay", "2026-01-05", "--config", "paper.yaml", "--journal", str(journal)]
    same = RUN.invoke(app, given)
    assert same.exit_code == 0, same.output
    assert "all 2 decisions are the same. Hash " in same.output
    assert RUN.invoke(app, given).output == same.output
    other = RUN.invoke(app, [*given, "--set", "account.cash=500"])
    assert other.exit_code == 1
    assert "decisions that are the same: 1; then it diverges:" in other.output
    assert "denied by cash" in other.output
    monkeypatch.setenv("QKA_LANG", "zh")
    assert "全部 2 个决定都相同。" in RUN.invoke(app, given).output
    assert "随后出现分歧：" in RUN.invoke(app, [*given, "--set", "account.cash=500"]).output
    monkeypatch.setenv("QKA_LANG", "en")
    story = RUN.invoke(app, ["why", "q26", "--journal", str(journal)])
    assert "it is ten" in story.output
    assert "buy 100 600000.SH market, protected at " in story.output.splitlines()[0]
    assert f"{moment('10:00')}" not in story.output  # times are for people


def test_bad_input_of_a_replay_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live.yaml").write_text("feed: {kind: xtdata}\n")
    for given, words in [
        (["yesterday", "--config", "live.yaml"], "yesterday is no day"),
        (["2026-01-05", "--config", "live.yaml"], "there is no recording"),
    ]:
        shown = RUN.invoke(app, ["replay", *given])
        assert words in str(shown.exception)
