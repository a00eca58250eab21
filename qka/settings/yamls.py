"""YAML 1.2 as users expect it: a text's values, the lines they stand in, and back into words."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from qka.errors import ConfigError

Keys = tuple[str, ...]  # the way to a value, from the top: ("strategies", "0", "use")


class Document(NamedTuple):
    """A text's value, and where what is in it stands."""

    value: object
    line: int
    lines: dict[Keys, int]  # of every key and every item of a list
    twice: list[tuple[Keys, int, int]]  # a key that was there already, its line, the first's line


def parse(text: str, name: str) -> Document | None:
    """The document, none when empty; raises `ConfigError` with file:line:column."""
    try:
        node, value = yaml.compose(text, _Loader), plain(yaml.load(text, _Loader))
    except RecursionError:
        raise ConfigError(f"{name}: a part of it holds itself, by an alias (*)") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {_syntax(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: {' '.join(str(error).split())}") from None
    if node is None:
        return None
    document = Document(value, _line(node), {}, [])
    _mark(document, node, (), set())
    return document


def scalar_or_flow(text: str) -> object:
    """A scalar or flow value; other text is itself, and an empty text no null by accident.

    Raises `yaml.YAMLError` or `ValueError` when it is neither.
    """
    node = yaml.compose(text, _Loader)
    if node is None:
        return ""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return text
    return plain(yaml.load(text, _Loader))


def plain(value: Any) -> Any:
    """A copy in dicts with text keys and lists."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def given(value: object) -> str:
    """A value as the user wrote it, in short; what is inside a collection stays untold."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: 14:50, 000001, 2026-01-05 and no stay the texts that they look like."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # so PyYAML has it


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(f"^(?:{_pattern})$"),
        ["" if c == "\0" else c for c in _first],
    )


def _mark(document: Document, node: yaml.Node, path: Keys, seen: set[int]) -> None:
    """Note the lines of the node's children, and its duplicate keys; an alias only once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            child = (*path, str(i))
            document.lines[child] = _line(item)
            _mark(document, item, child, seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, item in node.value:
            child = (*path, str(key.value))
            line = _line(key)
            if child[-1] in first:
                document.twice.append((child, line, first[child[-1]]))
            first.setdefault(child[-1], line)
            document.lines[child] = line
            _mark(document, item, child, seen)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is not YAML"
    if "\\t" in problem:
        return "a tab; YAML indents with spaces only"
    return f"{problem} ({error.context})" if error.context else problem
