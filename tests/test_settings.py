"""What a user reads when the configuration is wrong, and which source wins when it is right."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from qka.errors import ConfigError
from qka.settings import (
    PaperBroker,
    RemoteBroker,
    RemoteFeed,
    ReplayFeed,
    SimulatedFeed,
    from_mapping,
    load,
    reference,
    require_live,
)

GOOD = """\
account: {id: 8880012345, cash: 1_000_000.50}
feed:
  kind: replay
  path: data/2026
  start: 2026-01-05
  speed: 60
risk:
  position_ratio: 0.2
strategies:
  - use: strategies.dual_ma:DualMA
    symbols: [600000.SH, 000001.SZ]
    bars: 5m
    params: {fast: 5, slow: 20, at: 14:50, since: 2026-01-05}
log:
"""


ONE = "strategies: [{use: 'strategies.dual_ma:DualMA', symbols: [600000.SH]}]\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()


def _write(text: str, name: str = "paper.yaml") -> str:
    Path("config", name).write_text(text, encoding="utf-8")
    return f"config/{name}"


def _problems(text: str, *overrides: str) -> list[str]:
    """The lines of the error, without the file's name."""
    path = _write(text)
    with pytest.raises(ConfigError) as info:
        load(path, overrides)
    assert info.value.__cause__ is None
    assert info.value.__context__ is None or info.value.__suppress_context__
    return [line.removeprefix("config/paper.yaml") for line in str(info.value).splitlines()]


# --- what is right -----------------------------------------------------------------------


def test_a_good_file() -> None:
    settings = load(_write(GOOD))
    assert settings.name == "paper"
    assert settings.account.id == "8880012345"
    assert settings.account.cash == Decimal("1000000.5")
    assert isinstance(settings.feed, ReplayFeed)
    assert settings.feed.start == date(2026, 1, 5)
    assert settings.feed.speed == 60
    (strategy,) = settings.strategies
    assert strategy.symbols == ("600000.SH", "000001.SZ")
    assert strategy.bars == ("5m",)
    assert strategy.params == {"fast": 5, "slow": 20, "at": "14:50", "since": "2026-01-05"}
    assert settings.log.level == "INFO"


def test_a_kind_that_is_set_leaves_what_only_the_former_kind_has_behind() -> None:
    """Else no other kind could be set: nothing on a command line takes a key out of the file."""
    file = _write("feed: {kind: simulated, seed: 3, day: 2026-01-05, speed: 60}\n" + ONE)
    chosen = load(file, ["feed.kind=replay", "feed.path=data"])
    assert isinstance(chosen.feed, ReplayFeed)
    assert (chosen.feed.speed, chosen.feed.path) == (60, Path("data"))


def test_what_a_kind_that_is_set_needs_is_named_with_how_to_give_it() -> None:
    text = "feed: {kind: simulated, seed: 3}\n" + ONE
    assert _problems(text, "feed.kind=replay") == [
        ":1: feed.path: is missing; add --set feed.path=...",
    ]
    assert _problems(text, "feed.kind=replay", "feed.pth=data") == [
        ":1: feed.path: is missing; add --set feed.path=...",
        "--set feed.pth: unknown key; did you mean path?",
    ]
    assert _problems("feed: {kind: replay}\n" + ONE) == [":1: feed.path: is missing"]
    assert _problems(text, "feed.kind=replay", "feed=replay") == [
        "--set feed: 'replay' is not a mapping of keys",
    ]


def test_what_is_set_itself_is_not_left_behind_but_named_where_it_does_not_belong() -> None:
    text = "feed: {kind: replay, path: data}\n" + ONE
    for overrides in (
        ["feed.kind=simulated", "feed.path=other"],
        ["feed.path=other", "feed.kind=simulated"],
    ):
        (line,) = _problems(text, *overrides)
        assert line.startswith("--set feed.path: unknown key")


def test_a_secret_on_the_command_line_is_one_problem() -> None:
    told = "a secret has no place here: set QKA__BROKER__TOKEN in the environment or in .env"
    assert _problems(ONE, "broker.token=abc") == [f"--set broker.token: {told}"]
    remote = "broker: {kind: remote, url: 'http://127.0.0.1:8000', token: abc}\n" + ONE
    assert _problems(remote) == [f":1: broker.token: {told}"]


def test_a_problem_inside_of_what_was_set_names_its_place_once() -> None:
    assert _problems(ONE, "strategies.0.symbols=[600000.SH, abc]") == [
        "--set strategies.0.symbols.1: 'abc' is not a symbol: write six digits and the exchange, "
        "600000.SH"
    ]
    groups = "risk.groups=[{name: banks, symbols: [600036.SH], ratio: 7}]"
    assert _problems(ONE, groups) == ["--set risk.groups.0.ratio: 7 is above 1"]


def test_defaults() -> None:
    settings = from_mapping({})
    assert settings.name == ""
    assert settings.account.cash == 1_000_000
    assert isinstance(settings.feed, SimulatedFeed)
    assert settings.feed.speed == "max"
    assert isinstance(settings.broker, PaperBroker)
    assert settings.broker.fees.commission == Decimal("0.00025")
    assert settings.risk.position_ratio == 0.1
    assert settings.strategies == ()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        from_mapping({}).risk.position_ratio = 1.0  # type: ignore[misc]  # the point


def test_notepad_writes_a_mark_at_the_start() -> None:
    Path("config/bom.yaml").write_text("name: x\n", encoding="utf-8-sig")
    assert load("config/bom.yaml").name == "x"


# --- which source wins -------------------------------------------------------------------


def test_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(GOOD)
    assert load(path).risk.position_ratio == 0.2
    Path(".env").write_text("QKA__RISK__POSITION_RATIO=0.3\nOTHER=1\n")
    assert load(path).risk.position_ratio == 0.3
    monkeypatch.setenv("QKA__RISK__POSITION_RATIO", "0.4")
    assert load(path).risk.position_ratio == 0.4
    assert load(path, ["risk.position_ratio=0.5"]).risk.position_ratio == 0.5
    assert load(path, ["risk.position_ratio=null"]).risk.position_ratio is None


def test_code_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKA__RISK__POSITION_RATIO", "0.4")
    assert from_mapping({}, ["log.level=DEBUG"]).risk.position_ratio == 0.1


def test_a_section_of_the_environment_comes_before_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QKA__FEED__DAYS", "3")
    monkeypatch.setenv("QKA__FEED", "{kind: simulated, seed: 7, days: 1}")
    feed = load(_write(GOOD)).feed
    assert isinstance(feed, SimulatedFeed)
    assert (feed.seed, feed.days) == (7, 3)


def test_set_reaches_into_lists() -> None:
    settings = load(
        _write(GOOD),
        [
            "strategies.0.params.fast=3",
            "strategies.0.symbols=[600519.SH]",
            "strategies.1.use=a:B",
            "strategies.1.symbols.0=600000.SH",
            "strategies.1.params.note=a: b",
            "account.positions.600000.SH.quantity=100",
            "account.positions.600000.SH.cost=9.5",
        ],
    )
    first, second = settings.strategies
    assert first.params["fast"] == 3
    assert first.symbols == ("600519.SH",)
    assert second.symbols == ("600000.SH",)
    assert second.params == {"note": "a: b"}
    assert settings.account.positions["600000.SH"].cost == Decimal("9.5")


# --- keys --------------------------------------------------------------------------------


def test_every_problem_is_told_with_its_line() -> None:
    assert _problems(
        "account:\n  cash: -5\nrisk:\n  position_ratoi: 0.1\nfeed:\n  speed: fast\n"
        "  kind: simulated\n"
    ) == [
        ":2: account.cash: -5 is below 0",
        ":6: feed.speed: 'fast' is neither max nor a positive number",
        ":4: risk.position_ratoi: unknown key; did you mean position_ratio?",
    ]


def test_unknown_keys() -> None:
    assert _problems("stratgies: []\n") == [":1: stratgies: unknown key; did you mean strategies?"]
    assert _problems("strategies:\n- use: a:B\n  symbol: 1\n") == [
        ":3: strategies.0.symbol: unknown key; did you mean symbols?"
    ]
    assert _problems("feed:\n  kind: xtdata\n  seed: 1\n") == [
        ":3: feed.seed: unknown key; here can be kind, port, silence"
    ]


def test_keys_of_the_top_level_are_not_taken_in_another_case() -> None:
    assert _problems("Feed: {seed: 3}\nfeed: {seed: 1}\n") == [
        ":1: Feed: unknown key; did you mean feed?"
    ]
    assert _problems(GOOD, "RISK.POSITION_RATIO=0.0001") == [
        "--set RISK.POSITION_RATIO: RISK: unknown key; did you mean risk?"
    ]


def test_names_of_the_environment_keep_the_case_of_parameters_and_symbols(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QKA__STRATEGIES__0__PARAMS__topN", "3")
    monkeypatch.setenv("QKA__ACCOUNT__POSITIONS__600000.SH", "{quantity: 100, cost: 10}")
    settings = load(_write("strategies: [{use: a:B}]\n"))
    assert settings.strategies[0].params == {"topN": 3}
    assert list(settings.account.positions) == ["600000.SH"]


def test_a_variable_with_one_underscore_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKA_FEED__SEED", "3")
    assert _problems(GOOD) == [
        "QKA_FEED__SEED (environment): unknown; did you mean QKA__FEED__SEED?"
    ]


def test_a_line_of_dotenv_that_says_nothing_is_named() -> None:
    Path(".env").write_text("OTHER=1\nQKA__FEED__SEED 3\n")
    with pytest.raises(ConfigError, match=r"^\.env:2: write NAME=value"):
        load(_write(GOOD))


def test_a_token_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = "broker: {kind: remote, token: hunter2hunter2}\n"
    (problem,) = _problems(remote)
    assert "set QKA__BROKER__TOKEN in the environment or in .env" in problem
    assert "hunter2" not in problem
    (problem,) = _problems("broker: {kind: remote}\n", "broker.token=hunter2hunter2")
    assert "hunter2" not in problem
    monkeypatch.setenv("QKA__BROKER__TOKEN", "hunter2hunter2")
    settings = load(_write("broker: {kind: remote}\n"))
    assert isinstance(settings.broker, RemoteBroker)
    assert settings.broker.token.get_secret_value() == "hunter2hunter2"
    assert "hunter2" not in repr(settings)


def test_a_token_in_dotenv_troubles_no_config_that_has_no_use_for_it() -> None:
    Path(".env").write_text("QKA__BROKER__TOKEN=hunter2hunter2\nQKA__FEED__TOKEN=hunter3\n")
    assert load(_write(GOOD)).broker.kind == "paper"
    assert load(_write("broker: {kind: xtquant, path: x}\n")).feed.kind == "simulated"
    assert load(_write("risk: {}\n")).broker.kind == "paper"
    settings = load(_write("feed: {kind: remote, url: 'https://a'}\n"))
    assert isinstance(settings.feed, RemoteFeed)
    assert settings.feed.token is not None


def test_yaml_that_holds_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="a part of it holds itself"):
        load(_write("strategies: &a [*a]\n"))


def test_the_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKA__RISK__POSITION_RATIO", "2")
    monkeypatch.setenv("QKA__RISKS__TRADING", "halted")
    Path(".env").write_text("QKA__LOG__LEVEL=LOUD\n")
    assert set(_problems(GOOD, "feed.start=soon", "feed.strict")) == {
        "--set feed.strict: write key=value, such as feed.seed=2",
        "--set feed.start: 'soon' is not a date like 2026-01-05",
        "QKA__RISK__POSITION_RATIO (environment): risk.position_ratio: 2 is above 1",
        "QKA__LOG__LEVEL (.env): log.level: 'LOUD' is not one of DEBUG, INFO, WARNING, ERROR",
        "QKA__RISKS__TRADING (environment): risks: unknown key; did you mean risk?",
    }


def test_a_key_without_its_section_keeps_the_kind() -> None:
    settings = load(_write("name: x\n"), ["broker.latency=0.2", "feed.days=2"])
    assert isinstance(settings.broker, PaperBroker)
    assert settings.broker.latency == 0.2
    assert settings.feed.kind == "simulated"


def test_duplicate_keys() -> None:
    assert _problems("risk:\n  position_ratio: 0.1\n  position_ratio: 0.2\n") == [
        ":3: risk.position_ratio: given twice, first in line 2"
    ]


def test_missing_keys_and_kinds() -> None:
    assert _problems("feed:\n  kind: replay\n") == [":1: feed.path: is missing"]
    assert _problems("strategies:\n- name: x\n") == [":2: strategies.0.use: is missing"]
    assert _problems("feed: {kind: null}\n") == [
        ":1: feed.kind: null is not one of simulated, replay, xtdata, remote"
    ]
    assert _problems("broker: {kind: papr}\n") == [
        ":1: broker.kind: 'papr' is not one of paper, xtquant, remote; did you mean paper?"
    ]


# --- values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("account: {cash: 0.001}", "account.cash: 0.001 has more than 2 decimals"),
        ("account: {cash: lots}", "account.cash: 'lots' is not a number"),
        ("account: {cash: true}", "account.cash: true is not a number"),
        ("account: {cash: .nan}", "account.cash: nan is not a finite number"),
        ("account: 5", "account: 5 is not a mapping of keys"),
        ("clock: lvie", "clock: 'lvie' is not one of auto, live, simulated; did you mean live?"),
        ("feed: {kind: simulated, days: 0}", "feed.days: 0 is below 1"),
        ("feed: {kind: simulated, days: 1.5}", "feed.days: 1.5 is not a whole number"),
        ("feed: {kind: simulated, day: 2026-02-30}", "feed.day: '2026-02-30' is not a date"),
        ("feed: {kind: simulated, speed: 0}", "feed.speed: 0 is neither max nor a positive"),
        (
            "feed: {kind: replay, path: x, start: 2026-01-06, end: 2026-01-05}",
            "feed: start 2026-01-06 is after end 2026-01-05",
        ),
        ("feed: {kind: replay, path: x, strict: 7}", "feed.strict: 7 is not true or false"),
        ("broker: {kind: paper, latency: -1}", "broker.latency: -1 is below 0"),
        (
            "broker: {kind: paper, fees: {commission: 2.5}}",
            "broker.fees.commission: 2.5 is above 0.003",
        ),
        ("risk: {position_ratio: 0}", "risk.position_ratio: 0 is not above 0"),
        ("risk: {max_orders_per_minute: '5'}", "risk.max_orders_per_minute: '5' is not a whole"),
        ("executor: {ratio: yes}", "executor.ratio: 'yes' is not a number"),
        ("strategies: {use: x}", "strategies: a mapping is not a list in [ ]"),
        ("strategies: [{use: a:B, bars: 2m}]", "strategies.0.bars.0: '2m' is not one of 1m, 5m"),
        (
            "strategies: [{use: a:B, symbols: [600000]}]",
            "strategies.0.symbols.0: '600000' lacks its exchange (.SH, .SZ or .BJ);"
            " did you mean 600000.SH?",
        ),
        (
            "strategies: [{use: a:B, symbols: [000001]}]",
            "strategies.0.symbols.0: '000001' lacks its exchange (.SH, .SZ or .BJ);"
            " did you mean 000001.SH or 000001.SZ?",
        ),
        (
            "account: {positions: {600000.SZ: {quantity: 1, cost: 1}}}",
            "account.positions.600000.SZ: '600000.SZ': no security on SZ has such a code;"
            " did you mean 600000.SH?",
        ),
        (
            "account: {positions: {600000.SH: {quantity: 0, cost: 1}}}",
            "account.positions.600000.SH.quantity: 0 is not above 0",
        ),
        ("run: {history: null}", "run.history: null is not a whole number"),
    ],
)
def test_wrong_values(text: str, problem: str) -> None:
    (line,) = _problems(text)
    assert line.startswith(f":1: {problem}")


def test_list_index_too_far() -> None:
    assert _problems(GOOD, "strategies.5.name=x", "strategies.first.name=x") == [
        "--set strategies.5.name: strategies is a list of 1; write a number from 0",
        "--set strategies.first.name: strategies is a list of 1; write a number from 0",
    ]


def test_a_value_has_no_keys() -> None:
    assert _problems("name: x\nfeed: replay\n", "feed.days=1") == [
        "--set feed.days: feed is a plain value, which has no keys",
        ":2: feed: 'replay' is not a mapping of keys",
    ]


def test_an_empty_variable_takes_no_limit_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKA__RISK__POSITION_RATIO", "")
    (line,) = _problems(GOOD)
    assert line.endswith("risk.position_ratio: '' is not a number")


def test_secrets_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKA__RISK__TOKEN", "hunter2")
    monkeypatch.setenv("QKA__STRATEGIES__0__API_KEY", "[hunter2")
    monkeypatch.setenv("QKA__ACCOUNT__PASSWORD__ID", "hunter2")
    text = "\n".join(_problems(GOOD, "account.cash={secret: hunter2}"))
    assert "hunter2" not in text
    assert "QKA__RISK__TOKEN (environment): risk.token: unknown key" in text
    assert "QKA__ACCOUNT__PASSWORD__ID (environment): account.password: unknown key" in text
    assert "QKA__STRATEGIES__0__API_KEY (environment): is not a YAML value" in text


# --- the file ----------------------------------------------------------------------------


def test_syntax() -> None:
    assert _problems("risk:\n\tposition_ratio: 1\n") == [
        ":2:1: a tab; YAML indents with spaces only"
    ]
    (line,) = _problems("risk: {a: 1\nfeed: x\n")
    assert line.startswith(":2:5: ")
    (line,) = _problems("name: a: b\n")
    assert line.startswith(":1:8: mapping values are not allowed here")


def test_empty_and_not_a_mapping() -> None:
    assert _problems("# nothing\n") == [": is empty; start with strategies:"]
    assert _problems("\n- a\n") == [":2: the top level is a list, not keys such as feed:"]
    assert _problems("null\n") == [":1: the top level is null, not keys such as feed:"]


def test_missing_file() -> None:
    _write(GOOD)
    with pytest.raises(ConfigError) as info:
        load("config/papre.yml")
    assert str(info.value) == "config/papre.yml: no such file; did you mean config/paper.yaml?"
    with pytest.raises(ConfigError) as info:
        load("nowhere/x.yaml")
    assert str(info.value) == "nowhere/x.yaml: no such file"
    with pytest.raises(ConfigError, match="config: is a folder"):
        load("config")


def test_files_that_are_not_utf8() -> None:
    Path("config/gbk.yaml").write_bytes("name: 双均线\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"config/gbk.yaml: byte \d+ is not UTF-8"):
        load("config/gbk.yaml")
    Path("config/nul.yaml").write_bytes(b"name: \0\n")
    with pytest.raises(ConfigError, match=r"config/nul.yaml: unacceptable character"):
        load("config/nul.yaml")
    Path(".env").write_bytes("QKA__NAME=双均线\n".encode("gbk"))
    with pytest.raises(ConfigError, match=r"\.env: byte \d+ is not UTF-8"):
        load(_write(GOOD))


# --- live, reference ---------------------------------------------------------------------


def test_nobody_goes_live_by_a_typo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QKA_LIVE", raising=False)
    require_live(from_mapping({}), live=False)
    live = from_mapping({"broker": {"kind": "xtquant", "path": "C:/QMT/userdata_mini"}})
    with pytest.raises(ConfigError, match="add --live or set QKA_LIVE=1"):
        require_live(live, live=False)
    require_live(live, live=True)
    Path(".env").write_text("QKA_LIVE=1\n", encoding="utf-8")
    load(_write(GOOD))
    with pytest.raises(ConfigError, match=r"not in \.env"):
        require_live(live, live=False)  # a file that lies there says nothing of this start
    monkeypatch.setenv("QKA_LIVE", "1")
    require_live(live, live=False)


def test_reference_tells_every_key_in_words() -> None:
    rows = {row.key: row for row in reference()}
    assert all(row.type and row.default and row.description for row in rows.values())
    assert rows["risk.position_ratio"].type == "number, above 0, at most 1 | null"
    assert rows["feed(replay).path"].default == "required"
    assert rows["feed.kind"].type == "simulated | replay | xtdata | remote"
    assert rows["account.positions{}.cost"].description == "Average cost, CNY a share."
    assert rows["strategies[].symbols"].type == "list of symbol"
