"""The sources laid over one another: the values, the place of each, and the problems so far."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qka import secrets
from qka.errors import ConfigError
from qka.settings import problems, yamls
from qka.settings.schema import of_kind
from qka.settings.sections import Settings
from qka.settings.yamls import Keys


class Layers:
    """Takes the sources one after the other, a later one over what was there, then checks all.

    `option`: what stands before an override's key where it is written.
    """

    def __init__(self, origin: str, option: str = "--set ") -> None:
        self.data: dict[str, Any] = {}
        self._name = origin
        self._option = option
        self._former: dict[str, str] = {}  # section -> the kind that it had before an override
        self._chosen: set[Keys] = set()  # (section, key) that an override names
        self._origins: dict[Keys, str] = {(): origin}
        self._problems: list[str] = []
        self._environment: set[Keys] = set()  # what came from the environment or .env

    def mapping(self, mapping: Mapping[str, Any]) -> None:
        """Take a mapping made by code."""
        self.data = yamls.plain(mapping)

    def file(self, text: str) -> None:
        """Take the text of the YAML file; raises `ConfigError` when it can't be understood."""
        document = yamls.parse(text, self._name)
        if document is None:
            raise ConfigError(f"{self._name}: is empty; start with strategies:")
        top = f"{self._name}:{document.line}"
        if not isinstance(document.value, Mapping):
            raise ConfigError(
                f"{top}: the top level is {yamls.given(document.value)}, not keys such as feed:"
            )
        self.mapping(document.value)
        self._origins |= {path: f"{self._name}:{line}" for path, line in document.lines.items()}
        self._origins[()] = top
        self._problems += [
            f"{self._name}:{line}: {'.'.join(path)}: given twice, first in line {first}"
            for path, line, first in document.twice
        ]

    def environment(self, variables: Mapping[str, str | None], source: str) -> None:
        """Take the QKA__ variables; whole sections before their keys.

        Names in capitals throughout are ours in small letters, symbols excepted; a parameter with
        capitals is written as it is (`QKA__strategies__0__params__topN`).
        """
        found = []
        for name, value in variables.items():
            if name.upper().startswith("QKA__"):
                parts = name[5:].split("__")
                found.append((tuple(map(_key, parts)), value or "", f"{name} ({source})"))
            elif name.upper().startswith("QKA_") and name.upper() not in _OTHERS:
                meant = f"QKA__{name[4:].lstrip('_')}"
                self._problems.append(f"{name} ({source}): unknown; did you mean {meant}?")
        for path, text, origin in sorted(
            found, key=lambda v: (len(v[0]), [p.zfill(9) for p in v[0]])
        ):
            self._set(path, text, origin)
            self._environment.add(path)

    def overrides(self, overrides: Sequence[str]) -> None:
        """Take `a.b=c` texts in their order."""
        for override in overrides:
            key, equals, text = override.partition("=")
            if equals and key.strip():
                # the dot in a symbol is no step down
                path = tuple(re.split(r"\.(?!(?:SH|SZ|BJ)\b)", key.strip()))
                if path[1:] == ("kind",):
                    kind = _section(_completed(self.data), path[0]).get("kind")
                    self._former.setdefault(path[0], str(kind))
                self._chosen.add(path[:2])
                self._set(path, text, f"{self._option}{key.strip()}")
            else:
                words = "write key=value, such as feed.seed=2"
                self._problems.append(f"{self._option}{key}: {words}")

    def settings(self) -> Settings:
        """The checked settings; raises `ConfigError` with all problems."""
        data = _completed(self.data)
        for name in ("feed", "broker"):
            # .env holds a project's tokens, and its paper config runs without them
            if (name, "token") in self._environment and data[name]["kind"] != "remote":
                data[name].pop("token", None)
        for name, kind in self._former.items():
            # what only the former kind has goes with it: no option could take it out. What an
            # option put in stays, and is refused
            section = _section(data, name)
            for key in of_kind(name, kind) - of_kind(name, str(section.get("kind"))):
                if (name, key) not in self._chosen:
                    section.pop(key, None)
        for key in [key for key in data if key not in Settings.model_fields]:
            del data[key]
            self._problems.append(f"{self._place((key,))}: {problems.unknown((key,))}")
        for path in _secrets(data):
            if path not in self._environment:
                self._problems.append(
                    f"{self._place(path)}: a secret has no place here: set "
                    f"QKA__{'__'.join(path).upper()} in the environment or in .env"
                )
                if path[-1] == "token":
                    del data[path[0]]["token"]  # and whether it is known there is another matter
        settings = None
        try:
            settings = Settings(**data)
        except ValidationError as error:
            self._problems += [self._problem(e, data) for e in error.errors(include_url=False)]
        if settings is None or self._problems:
            raise ConfigError("\n".join(self._problems))
        _hide(settings)
        return settings

    def _set(self, path: Keys, text: str, origin: str) -> None:
        try:
            made = _put(self.data, path, yamls.scalar_or_flow(text))
        except (yaml.YAMLError, ValueError) as error:
            words = "is not a YAML value" if isinstance(error, yaml.YAMLError) else str(error)
            self._problems.append(f"{origin}: {words}")
            return
        for old in [p for p in self._origins if p[: len(made)] == made]:
            del self._origins[old]
        self._origins[made] = self._origins[path] = origin

    def _problem(self, error: ErrorDetails, data: dict[str, Any]) -> str:
        """A problem with its place, and what to add when an override's kind wants it."""
        path = problems.path(error, data)
        key = ".".join(path)
        words = problems.words(error, key)
        if error["type"] == "missing" and path[0] in self._former:
            words = f"{words}; add {self._option}{key}=..."
        return f"{self._place(path)}: {words}"

    def _place(self, path: Keys) -> str:
        """Where a value was given, or the nearest thing around it, and its key."""
        around = (path[:n] for n in range(len(path), -1, -1))
        nearest = next(place for place in around if place in self._origins)
        origin, key = self._origins[nearest], ".".join(path)
        if origin == f"{self._option}{'.'.join(nearest)}":
            return f"{self._option}{key}"  # which names it already
        return f"{origin}: {key}"


_OTHERS = frozenset({"QKA_LIVE", "QKA_LANG"})  # that are no settings


def _key(part: str) -> str:
    """A part of a variable's name as the key it stands for."""
    if re.fullmatch(r"\d{6}\.[A-Za-z]{2}", part):
        return part.upper()
    return part.lower() if part.isupper() else part


def _secrets(data: Mapping[str, Any]) -> list[Keys]:
    """Where secrets stand: tokens, and the addresses that alerts go to."""
    alerts = _section(data, "alerts")
    return [
        *((name, "token") for name in ("feed", "broker") if _section(data, name).get("token")),
        *(("alerts", "targets", str(name)) for name in _section(alerts, "targets")),
        *([("alerts", "heartbeat", "url")] if _section(alerts, "heartbeat").get("url") else []),
    ]


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _hide(settings: Settings) -> None:
    """What these settings hold that must never be shown is known from now on."""
    for section in (settings.feed, settings.broker):
        token = getattr(section, "token", None)
        if token is not None:
            secrets.hide([token.get_secret_value()])
    alerts = settings.alerts
    for address in filter(None, (*alerts.targets.values(), alerts.heartbeat.url)):
        secrets.hide_address(address.get_secret_value())
    if settings.broker.kind != "paper":
        secrets.hide_account(settings.account.id)


def _completed(data: dict[str, Any]) -> dict[str, Any]:
    """The values with what goes without saying: default kinds, and sections left empty."""
    # a section whose keys are all commented out is null in YAML, which stands for no section
    data = {k: v for k, v in data.items() if v is not None or k not in Settings.model_fields}
    for name, kind in (("feed", "simulated"), ("broker", "paper")):
        if isinstance(data.get(name), dict):
            data[name] = {"kind": kind, **data[name]}
    return data


def _put(data: dict[str, Any], path: Keys, value: object) -> Keys:
    """Set the value at a path, making sections on the way; raises ValueError when it can't be.

    Returns the path of the outermost thing that is new.
    """
    node: Any = data
    made = path
    for i, part in enumerate(path):
        slot: Any = part
        if isinstance(node, list):
            slot = int(part) if part.isdecimal() else -1
            name = ".".join(path[:i])
            if not 0 <= slot <= len(node):
                raise ValueError(f"{name} is a list of {len(node)}; write a number from 0")
            if slot == len(node):
                node.append(None)
        if i == len(path) - 1:
            node[slot] = value
            break
        below = node[slot] if isinstance(node, list) else node.get(slot)
        if below is not None and not isinstance(below, dict | list):
            raise ValueError(f"{'.'.join(path[: i + 1])} is a plain value, which has no keys")
        if below is None:
            below = [] if path[i + 1].isdecimal() and len(path[i + 1]) < 6 else {}
            node[slot] = below
            made = min(made, path[: i + 1], key=len)
        node = below
    return made
