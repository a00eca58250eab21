"""What can stand at a place of the configuration, read off the sections."""

from typing import NamedTuple, get_args

from pydantic import BaseModel

from qka.settings.sections import Settings

Loc = tuple[int | str, ...]  # pydantic's path of a value, the kinds of sections included


class Known(NamedTuple):
    """The keys, and the kinds, that can stand at a place."""

    keys: list[str]
    kinds: list[str]


def known(loc: Loc) -> Known:
    """What can stand at the last part of a path."""
    here: list[type[BaseModel]] = [Settings]
    for part in loc[:-1]:
        fields = [m.model_fields[part] for m in here if part in m.model_fields]
        tagged = [m for m in here if part in kinds(m)]
        here = tagged or [n for f in fields for n in models(f.annotation)] or here
    keys = dict.fromkeys(k for m in here for k in m.model_fields)
    return Known(list(keys), [k for m in here for k in kinds(m)])


def of_kind(section: str, kind: str) -> set[str]:
    """The keys that a kind of a section has; none for a kind that there is not."""
    field = Settings.model_fields.get(section)
    made = models(field.annotation) if field else []
    return {key for model in made if kind in kinds(model) for key in model.model_fields}


def kinds(model: type[BaseModel]) -> tuple[str, ...]:
    """What the section's `kind` can be; nothing when it has none."""
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def models(annotation: object) -> list[type[BaseModel]]:
    """The sections inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in models(a)]
