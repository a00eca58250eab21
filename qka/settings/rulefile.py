"""A user's rule file: rows that are laid over the shipped rule book, and their own calendar.

::

    limits:
      - {kinds: [main], up: 0.10, down: 0.10, status: st, effective_from: 2026-07-06,
         source: SSE Trading Rules, confidence: verified}
    calendar: {until: 2027-12-31, closed: [2027-01-01]}
"""

import difflib
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from qka.ashare.calendar import NOTHING_OWN, OwnDays
from qka.ashare.rows import TABLES
from qka.errors import ConfigError
from qka.model.dated import Row
from qka.model.market import Phase
from qka.settings.yamls import Document, given, parse

_PHASES = {str(phase): int(phase) for phase in Phase}
_PLACE = re.compile(r" - at `\$\.?(.*)`$")


class RuleFile(NamedTuple):
    """What the file says."""

    rows: tuple[Row, ...] = ()
    calendar: OwnDays = NOTHING_OWN


def named(file: Path | None, root: Path) -> RuleFile:
    """What `rules.file` names, if anything; a path that is not there is looked for in `root`.

    Raises ConfigError as `read` does.
    """
    if file is None:
        return RuleFile()
    given = file.expanduser()
    return read(given if given.exists() else root / given)


def read(path: Path) -> RuleFile:
    """The file's rows; raises ConfigError that names file, line, row and key of the first fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"rules.file: {path} can't be read ({error})") from None
    document = parse(text, str(path))
    if document is None:
        return RuleFile()
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}: {given(document.value)} is not a mapping of tables")
    for keys, again, first in document.twice:
        raise ConfigError(f"{path}:{again}: {'.'.join(keys)} stands in line {first} already")
    own = NOTHING_OWN
    rows: list[Row] = []
    for table, value in document.value.items():
        line = f"{path}:{document.lines[table,]}: {table}"
        if table == "calendar":
            own = _convert(value, OwnDays, line)
        elif table in TABLES:
            rows += _rows(table, value, document, str(path))
        else:
            raise ConfigError(f"{line}: no such table; there are calendar, {', '.join(TABLES)}")
    return RuleFile(tuple(rows), own)


def _rows(table: str, value: object, document: Document, path: str) -> Iterator[Row]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}:{document.lines[table,]}: {table}: not a list of rows")
    for number, row in enumerate(value):
        line = document.lines[table, str(number)]
        yield _convert(_plainer(row), TABLES[table], f"{path}:{line}: {table}[{number}]")


def _plainer(row: Any) -> Any:
    """A row with the names of phases as their numbers."""
    if not isinstance(row, dict) or not isinstance(row.get("spans"), list):
        return row
    spans = [
        {**span, "phase": _PHASES.get(str(span.get("phase")), span.get("phase"))}
        if isinstance(span, dict)
        else span
        for span in row["spans"]
    ]
    return {**row, "spans": spans}


def _convert(value: Any, shape: type[Any], line: str) -> Any:
    try:
        return msgspec.convert(value, shape, str_keys=True)
    except msgspec.ValidationError as error:
        words = str(error)
        found = _PLACE.search(words)
        place = found[1] if found else ""
        key = f".{place}" if place else ""
        raise ConfigError(f"{line}{key}: {_said(_PLACE.sub('', words), place, shape)}") from None


def _said(words: str, place: str, shape: type[Any]) -> str:
    """A fault in words for who wrote the file."""
    if words.startswith("Invalid RFC3339 encoded date"):
        return "no date like 2026-07-06"
    names = _names(place, shape)
    if place.endswith(".phase"):
        names, words = list(_PHASES), "no phase of the day"
    wrong = re.search(r"Invalid enum value '(.*)'|unknown field `(.*)`", words)
    near = difflib.get_close_matches(wrong[1] or wrong[2], names, 1) if wrong else []
    if near:
        return f"{words}; did you mean {near[0]}?"
    return f"{words}; there are {', '.join(names)}" if names and "missing" not in words else words


def _names(place: str, shape: Any) -> list[str]:
    """What may stand in a place: of `kinds[0]` the kinds, of a row its keys."""
    for key in re.findall(r"[a-z_]+", re.sub(r"\[.*?\]", "", place)):
        fields = next(map(get_type_hints, filter(_is_row, _within(shape))), {})
        shape = fields.get(key)
    names: list[str] = []
    for one in _within(shape):
        if _is_row(one):
            names += get_type_hints(one)
        elif isinstance(one, type) and issubclass(one, StrEnum):
            names += map(str, one)
        elif get_origin(one) is Literal:
            names += get_args(one)
    return names


def _within(shape: Any) -> tuple[Any, ...]:
    """A type, and what it is made of: `X` of `tuple[X, ...]` and of `X | None`."""
    return shape, *get_args(shape)


def _is_row(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)
