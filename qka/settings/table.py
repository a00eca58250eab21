"""The table of every key, for the documentation."""

from collections.abc import Hashable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qka.settings.schema import kinds, models
from qka.settings.sections import Settings

_PLAIN: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "number",
    bool: "true | false",
    date: "date",
    Path: "path",
    NoneType: "null",
}


class Reference(NamedTuple):
    """One key of the configuration."""

    key: str
    type: str
    default: str
    description: str


def reference() -> list[Reference]:
    """Every key: `strategies[].use` is in a list, `feed(replay).path` only in that kind."""
    return list(_rows(Settings, ""))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[Reference]:
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        key, inside = f"{prefix}{name}", models(field.annotation)
        origin = get_origin(field.annotation)
        many = "[]" if origin is tuple else "{}" if origin is dict else ""
        words = field.description or ""
        if len(inside) > 1:
            tags = [kind for model in inside for kind in kinds(model)]
            yield Reference(f"{key}.kind", " | ".join(tags), tags[0], words)
        elif many or not inside:
            type_ = _type(field.annotation, field.metadata)
            yield Reference(key, type_, _default(field), words)
        for inner in inside:
            tag = f"({kinds(inner)[0]})" if kinds(inner) else many
            yield from _rows(inner, f"{key}{tag}.")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    return {"()": "[]", "": '""'}.get(str(default), str(default))


def _type(annotation: Any, metadata: Sequence[object] = ()) -> str:
    """A type in words: `number, above 0, at most 1 | null`."""
    if isinstance(annotation, Hashable) and annotation in _PLAIN:
        base = _PLAIN[annotation]
    elif get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return _type(inner, metadata)
    elif get_origin(annotation) is Literal:
        base = " | ".join(map(str, get_args(annotation)))
    elif get_origin(annotation) is tuple:
        base = f"list of {_type(get_args(annotation)[0])}"
    elif get_origin(annotation) is dict:
        base = "mapping"
    elif models(annotation):
        base = "sections"
    else:
        base = " | ".join(_type(a) for a in get_args(annotation))
    named = [m for m in metadata if isinstance(m, str)]
    return ", ".join([named[0] if named else base, *_bounds(metadata)])


def _bounds(metadata: Sequence[object]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _bounds(item.metadata)
        for name, words in (("gt", "above"), ("ge", "at least"), ("le", "at most")):
            bound = getattr(item, name, None)
            if bound is not None:
                yield f"{words} {bound}"
