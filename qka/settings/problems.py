"""What is wrong with a value, in words, with the nearest right one."""

import difflib
import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails

from qka.secrets import looks_secret
from qka.settings.schema import Loc, known
from qka.settings.yamls import Keys, given

_BOUNDS = {
    "greater_than": ("gt", "is not above"),
    "greater_than_equal": ("ge", "is below"),
    "less_than": ("lt", "is not below"),
    "less_than_equal": ("le", "is above"),
}
_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite": "a finite number",
    "string": "text",
    "bool": "true or false",
    "path": "a path",
    "tuple": "a list in [ ]",
    "dict": "a mapping of keys",
    "model": "a mapping of keys",
}


def path(error: ErrorDetails, data: object) -> Keys:
    """The user's path of pydantic's: without the tags of unions."""
    keys: list[str] = []
    for part in error["loc"]:
        if part == "[key]" or (isinstance(data, dict) and data.get("kind") == part):
            continue
        keys.append(str(part))
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return (*keys, "kind") if error["type"].startswith("union_tag") else tuple(keys)


def words(error: ErrorDetails, key: str) -> str:
    """What is wrong with the value of a key; the value is not shown when it may be a secret."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown(error["loc"])
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return f"is missing; one of {', '.join(known((*error['loc'], '')).kinds)}"
    if looks_secret(key) or key.startswith(("alerts.targets", "alerts.heartbeat.url")):
        return "the value is not valid (it is not shown)"
    value = given(error["input"])
    if kind == "union_tag_invalid":
        return _choice(error["input"]["kind"], known((*error["loc"], "")).kinds)
    if kind == "literal_error":
        return _choice(error["input"], re.findall(r"'([^']*)'", str(context["expected"])))
    if kind in _BOUNDS:
        bound, verb = _BOUNDS[kind]
        return f"{value} {verb} {context[bound]:g}"
    if kind == "decimal_max_places":
        return f"{value} has more than {context['decimal_places']} decimals"
    if kind == "value_error":
        return str(context["error"])
    expected = _EXPECTED.get(kind.split("_")[0])
    return f"{value} is not {expected}" if expected else f"{value}: {error['msg']}"


def _choice(value: object, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(value), names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{given(value)} is not one of {', '.join(names)}{hint}"


def unknown(loc: Loc) -> str:
    """That there is no such key, and which there are."""
    keys = known(loc).keys
    near = difflib.get_close_matches(str(loc[-1]).lower(), keys, 1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; here can be {', '.join(keys)}"
