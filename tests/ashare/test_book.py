"""The rows: what weighs, what a user lays over them, and that each says where it is from."""

import itertools
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from builders import a_fill, an_order
from ledgers import books

from qka.ashare import book
from qka.ashare.facts import disagreement
from qka.ashare.fees import FeeSchedule
from qka.ashare.limits import price_cage, price_limits
from qka.ashare.rows import TABLES, Scoped
from qka.ashare.rules import TERMS, lots, turnaround_same_day
from qka.ashare.sessions import span_at
from qka.errors import ConfigError, SymbolError
from qka.model.market import Phase
from qka.model.order import OrderStatus, Side
from qka.model.symbol import kind_of
from qka.model.times import at
from qka.settings.rulefile import read

TODAY = date(2026, 11, 24)
MAIN = "600000.SH"


@pytest.fixture
def use(tmp_path: Path):
    """Lay a rule file over the shipped rows."""

    def use(text):
        path = tmp_path / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        found = read(path)
        book.use(found.rows)
        return found

    return use


SAID = "effective_from: 2027-03-01, source: a notice, confidence: single"


def test_every_shipped_row_says_since_when_who_says_so_and_how_sure_that_is():
    rows = book.everything()
    assert {type(row) for row in rows} == set(TABLES.values())
    assert all(row.effective_from > date(1990, 1, 1) and row.source for row in rows)


def test_no_two_shipped_rows_say_two_things_about_one_case():
    """Of equals the last holds: only the funds' general row may be narrowed like that."""
    seen = set()
    for row in book.everything():
        if isinstance(row, Scoped):
            what = [getattr(row, name, None) for name in ("name", "status", "sessions")]
            for kind in row.kinds:
                key = (type(row), kind, row.exchange, row.effective_from, *what)
                assert key not in seen or kind in ("etf_bond", "etf_money"), key
                seen.add(key)


def test_a_row_of_the_users_holds_from_its_day_on(use):
    use(f"limits:\n  - {{kinds: [main], up: 0.15, down: 0.15, {SAID}}}\n")
    assert price_limits(MAIN, 10.0, date(2027, 2, 26)) == (11.0, 9.0)
    assert price_limits(MAIN, 10.0, date(2027, 3, 1)) == (11.5, 8.5)
    book.use()
    assert price_limits(MAIN, 10.0, date(2027, 3, 1)) == (11.0, 9.0)


def test_a_row_of_the_users_with_the_date_of_a_shipped_one_replaces_it(use):
    assert price_cage("688981.SH", Side.BUY, 3.0, TODAY) == 3.06
    row = "kinds: [star], share: 0.02, ticks: 10, effective_from: 2019-07-22"
    use(f"cages:\n  - {{{row}, source: the other source, confidence: single}}\n")
    assert price_cage("688981.SH", Side.BUY, 3.0, TODAY) == 3.1


def test_what_was_remembered_is_asked_anew(use):
    assert lots("123219.SZ") == (10, 10)
    use(f"lots:\n  - {{kinds: [convertible], least: 10, step: 1, most: 9, most_market: 9, {SAID}}}")
    assert lots("123219.SZ") == (10, 1)


def test_a_new_code_is_learnt_and_a_fund_put_in_its_class(use):
    with pytest.raises(SymbolError):
        kind_of("540001.SH")
    use(
        "codes:\n"
        f"  - {{exchange: SH, codes: ['540***'], kind: etf, {SAID}}}\n"
        f"  - {{exchange: SZ, codes: ['159999'], kind: etf_cross_border, {SAID}}}\n"
    )
    assert kind_of("540001.SH") == "etf"
    assert turnaround_same_day("159999.SZ", TODAY)


@pytest.mark.parametrize("lived", [date.max, date(2027, 1, 3), date(2027, 1, 4)])
def test_what_is_sold_again_on_its_day_is_a_matter_of_that_day_whichever_is_lived(use, lived):
    """Books are rebuilt of fills before the engine has lived a day, and over the night."""
    use(
        "turnaround:\n  - {kinds: [main], same_day: true, effective_from: 2027-01-04,"
        " source: a notice, confidence: verified}"
    )
    TERMS.live(lived)
    assert not turnaround_same_day(MAIN, date(2027, 1, 3))
    assert turnaround_same_day(MAIN, date(2027, 1, 4))
    ledger = books()
    ledger.open(an_order(status=OrderStatus.SUBMITTING, time=at(date(2027, 1, 3), "10:00")))
    ledger.on_fill(a_fill(time=at(date(2027, 1, 3), "10:01")))
    assert ledger.position(MAIN).today == 1000


def test_a_whole_day_is_written_span_by_span(use):
    use(
        "days:\n"
        "  - kinds: [bse]\n"
        "    exchange: BJ\n"
        "    effective_from: 2027-03-01\n"
        "    source: the start notice\n"
        "    confidence: verified\n"
        "    spans:\n"
        "      - {start: 00:00, phase: pre_open}\n"
        "      - {start: 15:00, phase: post_close, fixed: taken, cancel: taken}\n"
        "      - {start: 15:30, phase: closed}\n"
    )
    assert span_at("920002.BJ", at(date(2027, 3, 1), "15:10")).phase is Phase.POST_CLOSE
    assert span_at("920002.BJ", at(date(2027, 2, 26), "15:10")).phase is Phase.CLOSED


def test_fees_of_the_users(use):
    use(f"fees:\n  - {{kinds: [main], name: stamp_duty, sides: [sell], rate: 0.001, {SAID}}}\n")
    fees = FeeSchedule(Decimal(0), Decimal(0))
    assert fees.of_order(MAIN, Side.SELL, 1_000_000, at(date(2027, 2, 26), "10:00")) == 510
    assert fees.of_order(MAIN, Side.SELL, 1_000_000, at(date(2027, 3, 1), "10:00")) == 1010
    assert fees.of_order(MAIN, Side.BUY, 1_000_000, at(date(2027, 3, 1), "10:00")) == 10


def test_own_trading_days_are_in_the_same_file(use):
    own = use("calendar: {until: 2027-12-31, closed: [2027-01-01]}\n").calendar
    assert (own.until, own.closed) == (date(2027, 12, 31), (date(2027, 1, 1),))


def test_an_empty_file_changes_nothing(use):
    assert use("# nothing yet\n").rows == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limit: []\n", r"rules.yaml:1: limit: no such table; there are calendar, codes, ticks"),
        ("- 1\n", r"a list is not a mapping of tables"),
        ("limits: 3\n", r"rules.yaml:1: limits: not a list of rows"),
        ("limits:\n  - 3\n", r"rules.yaml:2: limits\[0\]: Expected `object`, got `int`"),
        ("limits: []\nlimits: []\n", r"rules.yaml:2: limits stands in line 1 already"),
        (
            f"ticks:\n  - {{kinds: [mian], tick: 0.01, {SAID}}}\n",
            r"ticks\[0\].kinds\[.*\]: Invalid enum value 'mian'; did you mean main\?",
        ),
        (
            "ticks:\n  - {kinds: [main], tick: 0.01, source: x, confidence: single}\n",
            r"rules.yaml:2: ticks\[0\]: Object missing required field `effective_from`",
        ),
        (
            f"ticks:\n  - {{kinds: [main], tick: 0.01, tock: 1, {SAID}}}\n",
            r"ticks\[0\]: Object contains unknown field `tock`; did you mean tick\?",
        ),
        (
            f"ticks:\n  - {{kinds: [main], exchange: SX, tick: 0.01, {SAID}}}\n",
            r"ticks\[0\].exchange: Invalid enum value 'SX'; there are SH, SZ, BJ",
        ),
        (
            "ticks:\n  - {kinds: [main], tick: 0.01, effective_from: 2026-13-01, source: x, "
            "confidence: single}\n",
            r"ticks\[0\].effective_from: no date like 2026-07-06",
        ),
        (
            "ticks:\n  - {kinds: [main], tick: 0.01, effective_from: 2026-01-05, source: x, "
            "confidence: xx}\n",
            r"confidence: Invalid enum value 'xx'; there are verified, measured, single, unver",
        ),
        (
            f"fees:\n  - {{kinds: [main], name: stamp_duty, sides: [sel], rate: 0.001, {SAID}}}\n",
            r"fees\[0\].sides\[.*\]: Invalid enum value 'sel'; did you mean sell\?",
        ),
        (
            f"fees:\n  - {{kinds: [main], name: stamp_duty, sides: [sell], rate: 5, {SAID}}}\n",
            r"fees\[0\]: rate: 5 is not between 0 and 0.1",
        ),
        (
            f"lots:\n  - {{kinds: [main], least: 9, step: 0, most: 9, most_market: 9, {SAID}}}\n",
            r"lots\[0\].step: Expected `int` >= 1",
        ),
        (
            f"limits:\n  - {{kinds: [main], up: 20, down: 20, {SAID}}}\n",
            r"limits\[0\]: up: 20 is not between 0.001 and 9",
        ),
        (
            f"cages:\n  - {{kinds: [main], share: 2, ticks: 10, {SAID}}}\n",
            r"cages\[0\]: share: 2 is not between 0.001 and 1",
        ),
        (
            f"ticks:\n  - {{kinds: [main], tick: 0, {SAID}}}\n",
            r"ticks\[0\]: tick: 0 is not between 0.0001 and 1",
        ),
        (
            f"days:\n  - {{kinds: [main], spans: [{{start: '00:00', phase: opn}}], {SAID}}}\n",
            r"days\[0\].spans\[.*\].phase: no phase of the day; .*",
        ),
        (
            f"ticks:\n  - {{kinds: [main], tick: much, {SAID}}}\n",
            r"rules.yaml:2: ticks\[0\].tick: Invalid decimal string",
        ),
        (
            f"days:\n  - {{kinds: [main], spans: [{{start: 9:15, phase: pre_open}}], {SAID}}}\n",
            r"rules.yaml:2: days\[0\].spans\[.*\]: start: '9:15' is no time like 09:15",
        ),
        (
            f"days:\n  - {{kinds: [main], spans: [], {SAID}}}\n",
            r"rules.yaml:2: days\[0\]: spans: they begin at 00:00",
        ),
        ("calendar: {til: 2027-01-01}\n", r"rules.yaml:1: calendar: Object contains unknown field"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_key(use, text, words):
    with pytest.raises(ConfigError, match=words):
        use(text)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"rules\.file: .* can't be read"):
        read(tmp_path / "none.yaml")


# ---------------------------------------------------------------- the terminal's word


@pytest.mark.parametrize(
    ("name", "limits", "tick", "words"),
    [
        pytest.param("浦发银行", (11.0, 9.0), 0.01, "", id="they agree"),
        pytest.param(
            "浦发银行", (11.5, 8.5), 0.01, "11.5 and 8.5, by the rule book 11.0", id="not"
        ),
        pytest.param("浦发银行", None, 0.0, "", id="the terminal knows nothing"),
        pytest.param("N浦发", (14.4, 6.4), 0.01, "", id="a new listing"),
        pytest.param("浦发退", (13.0, 7.0), 0.01, "", id="a delisting period"),
        pytest.param("*ST浦发", (11.0, 9.0), 0.01, "", id="ST"),
        pytest.param("浦发银行", (11.0, 9.0), 0.001, "tick of 600000.SH is 0.001", id="the tick"),
    ],
)
def test_where_the_terminal_and_the_book_differ_it_is_said(name, limits, tick, words):
    said = disagreement(MAIN, name, TODAY, 10.0, limits, tick)
    assert words in said if words else said == ""


def test_every_kind_that_takes_orders_has_a_tick_a_lot_a_day_and_a_turnaround():
    symbols = ["600000.SH", "688981.SH", "000001.SZ", "300750.SZ", "920002.BJ", "510300.SH",
               "588000.SH", "513100.SH", "518880.SH", "511010.SH", "511880.SH", "501018.SH",
               "502023.SH", "508000.SH", "159985.SZ", "159915.SZ", "180101.SZ", "161725.SZ",
               "113050.SH", "123219.SZ", "204001.SH", "131810.SZ"]  # fmt: skip
    tables = (TABLES[name] for name in ("ticks", "lots", "days", "order_types", "turnaround"))
    for table, symbol in itertools.product(tables, symbols):
        assert book.row(table, symbol, TODAY) is not None, (table, symbol)
