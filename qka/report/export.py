"""A report's tables as files: CSV or Parquet."""

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qka.errors import ConfigError
from qka.report.figures import Report
from qka.report.tables import TABLES, Table

if TYPE_CHECKING:
    import pyarrow


def write_csv(report: Report, folder: Path) -> list[Path]:
    """Each table as `NAME.csv` in UTF-8, marked so that Excel knows; raises ConfigError."""
    return _written(report, folder, "csv", _csv)


def write_parquet(report: Report, folder: Path) -> list[Path]:
    """Each table as `NAME.parquet`, money as exact decimals; raises ConfigError."""
    return _written(report, folder, "parquet", _parquet)


def _written(
    report: Report, folder: Path, ending: str, write: Callable[[Table, Report, Path], None]
) -> list[Path]:
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            paths.append(folder / f"{table.name}.{ending}")
            write(table, report, paths[-1])
    except OSError as error:
        raise ConfigError(f"{folder} can't be written: {error.strerror or error}") from None
    return paths


def _csv(table: Table, report: Report, path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in table.columns])
        writer.writerows([_cell(value) for value in row] for row in table.rows(report))


def _cell(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"  # a table program must not take a reason for a formula
    return "" if value is None else value


def _parquet(table: Table, report: Report, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = list(zip(*table.rows(report), strict=True)) or [()] * len(table.columns)
    arrays = [
        pa.array(values, type=_type(column.kind))
        for column, values in zip(table.columns, columns, strict=True)
    ]
    made = pa.table(arrays, names=[column.name for column in table.columns])
    parquet.write_table(made, str(path))


def _type(kind: str) -> "pyarrow.DataType":
    import pyarrow as pa

    return {
        "text": pa.string(),
        "count": pa.int64(),
        "money": pa.decimal128(18, 2),
        "price": pa.decimal128(18, 4),
        "ratio": pa.float64(),
        "time": pa.timestamp("us", tz="Asia/Shanghai"),
        "day": pa.date32(),
    }[kind]
