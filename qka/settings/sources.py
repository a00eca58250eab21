"""Where settings come from: a YAML file, `.env`, the environment, `--set`; or a mapping.

`--set a.b=c` wins over `QKA__A__B=c` in the environment, which wins over the same name in
`.env` of the current folder, which wins over the file. Values of the first three are YAML
scalars or flow values (`3`, `true`, `null`, `[600000.SH]`, `{fast: 5}`).
"""

import difflib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from qka import language, secrets
from qka.errors import ConfigError
from qka.settings.layers import Layers
from qka.settings.sections import Settings


def load(path: Path | str, overrides: Sequence[str] = ()) -> Settings:
    """Settings of a YAML file, `.env`, the environment and `--set` overrides (`a.b=c`).

    Raises `ConfigError` that lists every problem, each in a line of its own.
    """
    file = Path(path)
    layers = Layers(file.as_posix())
    layers.file(_text(file))
    if layers.data.get("name") in (None, ""):
        layers.data["name"] = file.stem
    layers.environment(_dotenv(), ".env")
    layers.environment(os.environ, "environment")
    layers.overrides(overrides)
    return layers.settings()


def from_mapping(
    mapping: Mapping[str, Any], overrides: Sequence[str] = (), option: str = "--set "
) -> Settings:
    """Settings of a mapping made by code, and overrides (`a.b=c`); the environment is not read.

    `option`: what an override was written behind. Raises `ConfigError` that lists every problem,
    each in a line of its own.
    """
    layers = Layers("config", option)
    layers.mapping(mapping)
    layers.overrides(overrides)
    return layers.settings()


def _text(file: Path) -> str:
    name = file.as_posix()
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{name}: no such file{_meant(file)}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(_not_utf8(name, error)) from None
    except OSError as error:
        words = "is a folder" if file.is_dir() else f"can't be read: {error.strerror}"
        raise ConfigError(f"{name}: {words}") from None


def _dotenv() -> Mapping[str, str | None]:
    file = Path(".env")
    try:
        if not file.is_file():
            return {}
        text = file.read_text(encoding="utf-8-sig")
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                line = f".env:{binding.original.line}"
                raise ConfigError(f"{line}: write NAME=value, one a line")
        variables = dotenv_values(stream=io.StringIO(text))
        secrets.learn(variables)
        language.prefer(variables.get("QKA_LANG"))
        return variables
    except UnicodeDecodeError as error:
        raise ConfigError(_not_utf8(".env", error)) from None
    except OSError as error:
        raise ConfigError(f".env: can't be read: {error.strerror}") from None


def _not_utf8(name: str, error: UnicodeDecodeError) -> str:
    return f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8"


def _meant(file: Path) -> str:
    """The files beside it with names like it, as a question."""
    folder = file.parent
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    near = difflib.get_close_matches(file.name, names, cutoff=0.5)
    near = near or difflib.get_close_matches(file.stem, names, cutoff=0.5)
    return f"; did you mean {' or '.join((folder / n).as_posix() for n in near)}?" if near else ""
