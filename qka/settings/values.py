"""What a value can be. The text in an `Annotated` is the type in words, for the table of keys."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from qka.model.symbol import Board, check_symbol
from qka.settings.yamls import given

_FIRST, _LAST = date(1990, 12, 19), date(2100, 12, 31)  # the SSE's first day, and far enough


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{given(value)} is not a date like 2026-01-05") from None


def _trading_day(day: date) -> date:
    if not _FIRST <= day <= _LAST:
        raise ValueError(f"{day} is not between {_FIRST} and {_LAST}")
    return day


def _project_name(value: str) -> str:
    bad = sorted({c for c in value if c in '<>:"/\\|?*' or not c.isprintable()})
    if bad or len(value) > 60 or value in (".", ".."):
        words = f"has {' '.join(map(repr, bad))}" if bad else "is too long"
        raise ValueError(f"{given(value)} {words}; it names the run's folder: 60 plain characters")
    return value


def _speed(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "max" or (number and 0 < float(str(value)) < float("inf")):
        return value
    raise ValueError(f"{given(value)} is neither max nor a positive number")


def _amount(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{given(value)} is not a number")
    return value


def _given_path(value: object) -> object:
    if not str(value).strip():
        raise ValueError("is empty; it would be the current folder, which `.` says")
    return value


def _time_of_day(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f"{given(value)} is not a time of day like 22:00")
    return value


def listed(value: object) -> object:
    """One text stands for a list of it."""
    return (value,) if isinstance(value, str) else value


def _tradable(value: str) -> str:
    return value if value in tuple(Board) else check_symbol(value)


Symbol = Annotated[str, AfterValidator(check_symbol), "symbol"]
Tradable = Annotated[str, AfterValidator(_tradable), "symbol or board"]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_trading_day), "date"]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day), "time of day"]
Given = Annotated[Path, BeforeValidator(_given_path), "path"]
Name = Annotated[str, AfterValidator(_project_name), "text"]
Secret = Annotated[SecretStr, "text, from the environment or .env only"]
Speed = Annotated[float | Literal["max"], BeforeValidator(_speed), "max or a positive number"]
Whole = Annotated[int, Field(strict=True), "whole number"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), "number"]
Amount = Annotated[Decimal, BeforeValidator(_amount), "number"]
Count = Annotated[Whole, Field(ge=1)]
Seconds = Annotated[Number, Field(gt=0, le=3600)]
Ratio = Annotated[Number, Field(gt=0, le=1)]
Period = Literal["1m", "5m", "15m", "30m", "60m", "1d"]
