"""The tables: what is written can be read again, and is the same in both shapes."""

import csv
import sys
from datetime import date
from decimal import Decimal
from statistics import mean, stdev

import pyarrow.parquet as pq
import pytest
from lookback import SYMBOL, report, scripted, two_days
from msgspec.structs import replace

from qka.errors import ConfigError
from qka.model.events import Alert, Severity
from qka.report import page
from qka.report.export import write_csv, write_parquet
from qka.report.figures import Day
from qka.report.metrics import metrics
from qka.report.tables import TABLES


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "journal.db"
    strategy = scripted(q1=("buy", 1000, 10.05), q7=("buy", 60_000, 10.05), q25=("sell", 600, 10.3))
    two_days(path, strategy, held={SYMBOL: 300})
    return report(path)


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_is_there_in_both_shapes_with_the_same_rows(found, tmp_path):
    texts, columns = write_csv(found, tmp_path / "csv"), write_parquet(found, tmp_path / "pq")
    names = [table.name for table in TABLES]
    assert [path.stem for path in texts] == [path.stem for path in columns] == names
    for table, text, column in zip(TABLES, texts, columns, strict=True):
        made = pq.read_table(column)
        assert made.column_names == [column.name for column in table.columns]
        assert len(rows_of(text)) == made.num_rows
    assert {path.stem for path in columns if pq.read_table(path).num_rows == 0} == {"alerts"}


@pytest.mark.parametrize("shape", ["csv", "parquet"])
def test_money_is_exact_and_adds_up(found, tmp_path, shape):
    if shape == "csv":
        write_csv(found, tmp_path)
        profits = [Decimal(row["profit"]) for row in rows_of(tmp_path / "profit.csv")]
    else:
        write_parquet(found, tmp_path)
        profits = pq.read_table(tmp_path / "profit.parquet")["profit"].to_pylist()
    assert sum(profits) * 100 == found.profit


def test_an_order_is_told_with_all_that_came_of_it(found, tmp_path):
    write_csv(found, tmp_path)
    bought, _ = rows_of(tmp_path / "orders.csv")
    told = {name: bought[name] for name in ("side", "quantity", "filled", "status", "fees")}
    assert told == {
        "side": "buy",
        "quantity": "1000",
        "filled": "1000",
        "status": "filled",
        "fees": "5.10",
    }
    assert (bought["arrival_price"], bought["average_price"]) == ("10.0000", "10.0100")
    assert (bought["slippage"], bought["slippage_bp"]) == ("10.0000", "10.0")
    assert bought["requested"] == "2026-01-05 09:30:03.000000+08:00"
    assert bought["first_fill"] == "2026-01-05 09:30:06.000000+08:00"
    assert bought["cancelled"] == ""


def test_moments_in_parquet_are_shanghais(found, tmp_path):
    write_parquet(found, tmp_path)
    moments = pq.read_table(tmp_path / "fills.parquet")["time"]
    assert str(moments.type) == "timestamp[us, tz=Asia/Shanghai]"
    assert f"{moments[0].as_py():%Y-%m-%d %H:%M:%S}" == "2026-01-05 09:30:06"


def test_a_spreadsheet_takes_no_words_for_a_formula(found, tmp_path):
    alert = Alert(0, Severity.ERROR, "x", "=cmd|' /C calc'!A0")
    write_csv(replace(found, alerts=[alert]), tmp_path)
    (row,) = rows_of(tmp_path / "alerts.csv")
    assert row["message"].startswith("'=")


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_folder_that_cannot_be_written_is_one_message(found, tmp_path, write):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        write(found, tmp_path / "file" / "tables")


# ---------------------------------------------------------------- return and risk


def days(*rates):
    """Days from 2026-01-05 on with these returns, from 1,000,000 CNY on."""
    made, opening = [], 100_000_000
    for number, rate in enumerate(rates):
        closing = round(opening * (1 + rate))
        day = date(2026, 1, 5 + number)
        made.append(Day(day, opening, closing, 0))
        opening = closing
    return made


def test_a_single_day_has_no_metrics():
    assert metrics(days(0.01)) is None


def test_metrics_are_of_daily_returns():
    rates = (0.01, -0.02, 0.015, 0.003)
    found = metrics(days(*rates))
    assert found.days == 4
    assert (found.best, found.worst) == (pytest.approx(0.015), pytest.approx(-0.02))
    growth = 1.01 * 0.98 * 1.015 * 1.003
    assert found.annual_return == pytest.approx(growth ** (243 / 4) - 1, rel=1e-6)
    assert found.sharpe == pytest.approx(mean(rates) / stdev(rates) * 243**0.5, rel=1e-6)


def test_what_does_not_exist_is_nothing_and_no_word():
    found = metrics(days(0.0, 0.0, 0.0))
    assert (found.annual_return, found.annual_volatility) == (0.0, 0.0)
    assert found.sharpe is None
    assert found.calmar is None


def test_money_paid_in_is_no_return():
    paid = Day(days(0.0)[0].day, 100_000_000, 201_000_000, 100_000_000)
    assert paid.rate == pytest.approx(0.01)


def test_without_the_library_the_report_says_how_to_get_it(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "empyrical", None)
    html = page.render(found, "en")
    assert "pip install &#34;qka[report]&#34;" in html
    assert "Sharpe" not in html


def test_with_it_several_days_have_metrics(found):
    html = page.render(found, "en")
    assert "Sharpe ratio" in html
    assert "so few days say little" in html
