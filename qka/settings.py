"""Settings: one YAML file, `.env`, the environment and `--set`, checked as a whole.

`--set a.b=c` wins over `QKA__A__B=c` in the environment, which wins over the same name in
`.env` of the current folder, which wins over the file. Values of the first three are YAML
scalars or flow values (`3`, `true`, `null`, `[600000.SH]`, `{fast: 5}`).

Every problem is told at once, each with its place and the nearest right key, in one
`ConfigError`. Nothing but the file and `.env` is opened.
"""

import difflib
import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import model_validator as check_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from qka.errors import ConfigError
from qka.model.symbol import check_symbol

# --- types: the text in an Annotated is the type in words, for the reference -------------


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{_given(value)} is not a date like 2026-01-05") from None


def _speed(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value == "max" or (number and 0 < float(str(value)) < float("inf")):
        return value
    raise ValueError(f"{_given(value)} is neither max nor a positive number")


def _amount(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{_given(value)} is not a number")
    return value


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Symbol = Annotated[str, AfterValidator(check_symbol), "symbol"]
Day = Annotated[date, BeforeValidator(_day), "date"]
Speed = Annotated[float | Literal["max"], BeforeValidator(_speed), "max or a positive number"]
Whole = Annotated[int, Field(strict=True), "whole number"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), "number"]
Amount = Annotated[Decimal, BeforeValidator(_amount), "number"]
Count = Annotated[Whole, Field(ge=1)]
Ratio = Annotated[Number, Field(gt=0, le=1)]
Period = Literal["1m", "5m", "15m", "30m", "60m", "1d"]

# --- sections ----------------------------------------------------------------------------


class Section(BaseModel):
    """Base of the sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )


class OpeningPosition(Section):
    """What the paper account holds of a symbol when it starts, all of it sellable."""

    quantity: Annotated[Whole, Field(gt=0)] = Field(description="Shares (股, 份, 张).")
    cost: Annotated[Amount, Field(gt=0)] = Field(description="Average cost, CNY a share.")


class AccountSettings(Section):
    """The account that trades."""

    id: str = Field("demo", description="Account id; for a live broker the fund account.")
    cash: Annotated[Amount, Field(ge=0, decimal_places=2)] = Field(
        Decimal(1_000_000), description="Cash of the paper account at the start, CNY."
    )
    positions: dict[Symbol, OpeningPosition] = Field(
        default_factory=dict, description="Positions of the paper account at the start, by symbol."
    )


class SimulatedFeed(Section):
    """A made-up market; the same seed gives the same quotes."""

    kind: Literal["simulated"] = "simulated"
    seed: Whole = Field(1, description="Seed of the random walk.")
    day: Day = Field(date(2026, 1, 5), description="First trading day.")
    days: Count = Field(1, description="Trading days to run.")
    symbols: Count = Field(
        12, description="Number of symbols of the market when strategies name none."
    )
    speed: Speed = Field("max", description="Seconds of the market in a second; max never waits.")


class ReplayFeed(Section):
    """Recorded quotes."""

    kind: Literal["replay"] = "replay"
    path: Path = Field(description="File or folder of recorded quotes.")
    start: Day | None = Field(None, description="First day played; none: the first recorded.")
    end: Day | None = Field(None, description="Last day played; none: the last recorded.")
    strict: bool = Field(True, description="Stop at a damaged row instead of leaving it out.")
    speed: Speed = Field("max", description="Seconds of the market in a second; max never waits.")

    @check_model(mode="after")
    def _in_order(self) -> "ReplayFeed":
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


class XtdataFeed(Section):
    """Live quotes of xtdata."""

    kind: Literal["xtdata"] = "xtdata"


class RemoteFeed(Section):
    """Live quotes of a QMTServer."""

    kind: Literal["remote"] = "remote"


class Fees(Section):
    """The broker's own fees; duty and transfer fee are the exchanges' rules."""

    commission: Annotated[Amount, Field(ge=0, le=0.003)] = Field(
        Decimal("0.00025"), description="Commission, share of the traded value; 0.003 at most."
    )
    minimum: Annotated[Amount, Field(ge=0)] = Field(
        Decimal(5), description="Least commission, CNY an order."
    )


class PaperBroker(Section):
    """The simulated broker."""

    kind: Literal["paper"] = "paper"
    latency: Annotated[Number, Field(ge=0)] = Field(
        0.05, description="Seconds from sending an order to its reaching the market."
    )
    fees: Fees = Field(default_factory=Fees, description="What the broker charges.")


class XtquantBroker(Section):
    """QMT on this machine."""

    kind: Literal["xtquant"] = "xtquant"


class RemoteBroker(Section):
    """QMT behind a QMTServer."""

    kind: Literal["remote"] = "remote"


class RiskSettings(Section):
    """Limits of the whole account; `null` takes a limit away."""

    position_ratio: Ratio | None = Field(
        0.1, description="Largest share of total assets in one symbol."
    )
    max_orders_per_minute: Count | None = Field(60, description="Orders in any minute.")
    max_orders_per_second: Count | None = Field(10, description="Orders in any second.")
    trading: Literal["active", "reducing", "halted"] = Field(
        "active", description="State of the switch at the start; reducing only closes positions."
    )


class ExecutorSettings(Section):
    """How signals become orders."""

    ratio: Ratio = Field(
        0.05, description="Share of total assets asked for by a buy signal without a quantity."
    )


class StrategySettings(Section):
    """One strategy."""

    use: str = Field(description="module:Class or path.py:Class.")
    name: str = Field("", description="Name in logs and orders; empty: the class name.")
    symbols: tuple[Symbol, ...] = Field((), description="Symbols it hears; empty: its own choice.")
    bars: Annotated[tuple[Period, ...] | None, BeforeValidator(_listed)] = Field(
        None, description="Bar period or periods it hears; none: the class's choice."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the class.")
    on_error: Literal["leave", "cancel"] = Field(
        "cancel", description="Its working orders when it is stopped for errors."
    )
    max_errors: Count = Field(3, description="Errors after which it is stopped.")
    max_orders_per_minute: Count | None = Field(None, description="Its own tighter limit.")
    position_ratio: Ratio | None = Field(
        None, description="Its own tighter limit, share of total assets in one symbol."
    )


class RunSettings(Section):
    """Where a run is kept, and how much it remembers."""

    dir: Path = Field(Path("runs"), description="Folder that gets a folder for each run.")
    history: Count = Field(1000, description="Bars kept in memory per symbol and period.")


class LogSettings(Section):
    """The log."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level shown and written."
    )


Feed = Annotated[SimulatedFeed | ReplayFeed | XtdataFeed | RemoteFeed, Field(discriminator="kind")]
Broker = Annotated[PaperBroker | XtquantBroker | RemoteBroker, Field(discriminator="kind")]


class Settings(BaseSettings):
    """All settings of an engine. Made by `load` or `from_mapping`, which add the sources."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, env_prefix="QKA__"
    )

    name: str = Field("", description="Name of the run; empty: the file's name.")
    account: AccountSettings = Field(default_factory=AccountSettings, description="The account.")
    clock: Literal["auto", "live", "simulated"] = Field(
        "auto", description="Whose time it is; auto follows the feed."
    )
    feed: Feed = Field(default_factory=SimulatedFeed, description="Where quotes come from.")
    broker: Broker = Field(default_factory=PaperBroker, description="Where orders go.")
    risk: RiskSettings = Field(default_factory=RiskSettings, description="Limits.")
    executor: ExecutorSettings = Field(
        default_factory=ExecutorSettings, description="Signals to orders."
    )
    strategies: tuple[StrategySettings, ...] = Field((), description="What trades.")
    run: RunSettings = Field(default_factory=RunSettings, description="The run's folder.")
    log: LogSettings = Field(default_factory=LogSettings, description="The log.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `load` merges the sources, to know where each value is from."""
        return (init_settings,)


# --- loading -----------------------------------------------------------------------------


def load(path: Path | str, overrides: Sequence[str] = ()) -> Settings:
    """Settings of a YAML file, `.env`, the environment and `--set` overrides (`a.b=c`).

    Raises `ConfigError` that lists every problem, each in a line of its own.
    """
    file = Path(path)
    layers = _Layers(file.as_posix())
    layers.read(_text(file))
    if layers.data.get("name") in (None, ""):
        layers.data["name"] = file.stem
    layers.environment(_dotenv(), ".env")
    layers.environment(EnvSettingsSource(Settings).env_vars, "environment")
    layers.overrides(overrides)
    return layers.settings()


def from_mapping(mapping: Mapping[str, Any], overrides: Sequence[str] = ()) -> Settings:
    """Settings of a mapping made by code, and overrides (`a.b=c`); the environment is not read.

    Raises `ConfigError` that lists every problem, each in a line of its own.
    """
    layers = _Layers("config")
    layers.data = _plain(mapping)
    layers.overrides(overrides)
    return layers.settings()


def require_live(settings: Settings, live: bool) -> None:
    """Raise `ConfigError` when the broker is live and neither `live` nor QKA_LIVE=1 says so."""
    if settings.broker.kind == "paper" or live or os.environ.get("QKA_LIVE") == "1":
        return
    raise ConfigError(
        f"broker.kind: {settings.broker.kind} trades real money; add --live or set QKA_LIVE=1"
        " if that is meant, or use kind: paper"
    )


_Path = tuple[str, ...]


class _Layers:
    """The merged values, the place each one came from, and the problems so far."""

    def __init__(self, origin: str) -> None:
        self.data: dict[str, Any] = {}
        self.origins: dict[_Path, str] = {(): origin}
        self.problems: list[str] = []

    def read(self, text: str) -> None:
        """Take the text of the YAML file; raises `ConfigError` when it can't be understood."""
        name = self.origins[()]
        node, value = _parse(text, name)
        if node is None:
            raise ConfigError(f"{name}: is empty; start with strategies:")
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{name}:{_line(node)}: the top level is {_given(value)}, not keys such as feed:"
            )
        self.origins[()] = f"{name}:{_line(node)}"
        self.data = _plain(value)
        self._mark(node, (), name, set())

    def _mark(self, node: yaml.Node, path: _Path, name: str, seen: set[int]) -> None:
        """Note the lines of the node's children, and its duplicate keys."""
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                self.origins[(*path, str(i))] = f"{name}:{_line(item)}"
                self._mark(item, (*path, str(i)), name, seen)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, item in node.value:
                child = (*path, str(key.value))
                if key.value in first:
                    self.problems.append(
                        f"{name}:{_line(key)}: {'.'.join(child)}: given twice,"
                        f" first in line {first[key.value]}"
                    )
                first.setdefault(str(key.value), _line(key))
                self.origins[child] = f"{name}:{_line(key)}"
                self._mark(item, child, name, seen)

    def environment(self, variables: Mapping[str, str | None], source: str) -> None:
        """Take the QKA__ variables (names in lower case); whole sections before their keys."""
        found = [
            (tuple(name.removeprefix("qka__").split("__")), value or "")
            for name, value in variables.items()
            if name.startswith("qka__")
        ]
        for path, text in sorted(found, key=lambda v: (len(v[0]), [p.zfill(9) for p in v[0]])):
            self._set(path, text, f"QKA__{'__'.join(path).upper()} ({source})")

    def overrides(self, overrides: Sequence[str]) -> None:
        """Take `a.b=c` texts in their order."""
        for override in overrides:
            key, equals, text = override.partition("=")
            if equals and key.strip():
                # the dot in a symbol is no step down
                path = tuple(re.split(r"\.(?!(?:SH|SZ|BJ)\b)", key.strip()))
                self._set(path, text, f"--set {key.strip()}")
            else:
                self.problems.append(f"--set {key}: write key=value, such as feed.seed=2")

    def _set(self, path: _Path, text: str, origin: str) -> None:
        try:
            value = _value(text)
            made = _put(self.data, path, value)
        except (yaml.YAMLError, ValueError) as error:
            words = "is not a YAML value" if isinstance(error, yaml.YAMLError) else str(error)
            self.problems.append(f"{origin}: {words}")
            return
        for old in [p for p in self.origins if p[: len(made)] == made]:
            del self.origins[old]
        self.origins[made] = self.origins[path] = origin

    def settings(self) -> Settings:
        """The checked settings; raises `ConfigError` with all problems."""
        # a section whose keys are all commented out is null in YAML, which stands for no section
        data = {
            k: v for k, v in self.data.items() if v is not None or k not in Settings.model_fields
        }
        for name, kind in (("feed", "simulated"), ("broker", "paper")):
            if isinstance(data.get(name), dict):
                data[name] = {"kind": kind, **data[name]}
        settings = None
        try:
            settings = Settings(**data)
        except ValidationError as error:
            details = error.errors(include_url=False)
            self.problems += [
                p for d in details if (p := self._problem(d, data)) not in self.problems
            ]
        if settings is None or self.problems:
            raise ConfigError("\n".join(self.problems))
        return settings

    def _problem(self, error: ErrorDetails, data: dict[str, Any]) -> str:
        path = _path(error["loc"], data)
        if error["type"].startswith("union_tag"):
            path = (*path, "kind")
        key = ".".join(path)
        origin = next(
            self.origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.origins
        )
        place = origin if origin == f"--set {key}" else f"{origin}: {key}"
        return f"{place}: {_words(error, hidden=bool(_SECRET.search(key)))}"


def _put(data: dict[str, Any], path: _Path, value: object) -> _Path:
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


def _path(loc: tuple[int | str, ...], data: object) -> _Path:
    """The user's path of pydantic's: without the tags of unions."""
    path: list[str] = []
    for part in loc:
        if part == "[key]" or (isinstance(data, dict) and data.get("kind") == part):
            continue
        path.append(str(part))
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return tuple(path)


# --- YAML --------------------------------------------------------------------------------


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


def _parse(text: str, name: str) -> tuple[yaml.Node | None, object]:
    """The node tree and the value; raises `ConfigError` with file:line:column."""
    try:
        return yaml.compose(text, _Loader), yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {_syntax(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: {' '.join(str(error).split())}") from None


def _syntax(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is not YAML"
    if "\\t" in problem:
        return "a tab; YAML indents with spaces only"
    return f"{problem} ({error.context})" if error.context else problem


def _value(text: str) -> object:
    """A scalar or flow value; other text is itself, and an empty text no null by accident."""
    node = yaml.compose(text, _Loader)
    if node is None:
        return ""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return text
    return _plain(yaml.load(text, _Loader))


def _plain(value: Any) -> Any:
    """A copy in dicts with text keys and lists."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _dotenv() -> Mapping[str, str | None]:
    try:
        return DotEnvSettingsSource(Settings, env_file=".env", env_file_encoding="utf-8").env_vars
    except UnicodeDecodeError as error:
        raise ConfigError(
            f".env: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(f".env: can't be read: {error.strerror}") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        folder = file.parent
        names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
        close = difflib.get_close_matches(file.name, names, cutoff=0.5)
        near = close or difflib.get_close_matches(file.stem, names, cutoff=0.5)
        hint = f"; did you mean {' or '.join((folder / n).as_posix() for n in near)}?"
        raise ConfigError(f"{file.as_posix()}: no such file{hint if near else ''}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file.as_posix()}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        words = "is a folder" if file.is_dir() else f"can't be read: {error.strerror}"
        raise ConfigError(f"{file.as_posix()}: {words}") from None


# --- problems in words -------------------------------------------------------------------

_SECRET = re.compile("token|secret|password|key", re.IGNORECASE)
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


def _given(value: object) -> str:
    """A value as the user wrote it, in short; what is inside a collection stays untold."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _words(error: ErrorDetails, hidden: bool) -> str:
    """What is wrong with a value; the value itself is left out when `hidden`."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(error["loc"])
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return f"is missing; one of {', '.join(_known((*error['loc'], '')).kinds)}"
    if hidden:
        return "the value is not valid (it is not shown)"
    given = _given(error["input"])
    if kind == "union_tag_invalid":
        return _choice(error["input"]["kind"], _known((*error["loc"], "")).kinds)
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", str(context["expected"]))
        return _choice(error["input"], names)
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{given} {words} {context[bound]:g}"
    if kind == "decimal_max_places":
        return f"{given} has more than {context['decimal_places']} decimals"
    if kind == "value_error":
        return str(context["error"])
    expected = _EXPECTED.get(kind.split("_")[0])
    return f"{given} is not {expected}" if expected else f"{given}: {error['msg']}"


def _choice(value: object, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(value), names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{_given(value)} is not one of {', '.join(names)}{hint}"


def _unknown(loc: tuple[int | str, ...]) -> str:
    keys = _known(loc).keys
    near = difflib.get_close_matches(str(loc[-1]), keys, 1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    return f"unknown key; here can be {', '.join(keys)}"


class _Known(NamedTuple):
    """The keys, and the kinds, that can stand at a place."""

    keys: list[str]
    kinds: list[str]


def _known(loc: tuple[int | str, ...]) -> _Known:
    """What can stand at the last part of pydantic's path of a value."""
    models: list[type[BaseModel]] = [Settings]
    for part in loc[:-1]:
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        tagged = [m for m in models if part in _kinds(m)]
        models = tagged or [n for f in fields for n in _models(f.annotation)] or models
    keys = dict.fromkeys(k for m in models for k in m.model_fields)
    return _Known(list(keys), [k for m in models for k in _kinds(m)])


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in _models(a)]


# --- reference ---------------------------------------------------------------------------


class Reference(NamedTuple):
    """One key of the configuration, for the documentation."""

    key: str
    type: str
    default: str
    description: str


def reference() -> list[Reference]:
    """Every key: `strategies[].use` is in a list, `feed(replay).path` only in that kind."""
    return list(_reference(Settings, ""))


def _reference(model: type[BaseModel], prefix: str) -> Iterator[Reference]:
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        key, models = f"{prefix}{name}", _models(field.annotation)
        origin = get_origin(field.annotation)
        many = "[]" if origin is tuple else "{}" if origin is dict else ""
        if len(models) > 1:
            kinds = [k for m in models for k in _kinds(m)]
            yield Reference(f"{key}.kind", " | ".join(kinds), kinds[0], field.description or "")
        elif many or not models:
            yield Reference(key, _type(field), _default(field), field.description or "")
        for inner in models:
            kind = f"({_kinds(inner)[0]})" if _kinds(inner) else many
            yield from _reference(inner, f"{key}{kind}.")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    return {"()": "[]", "": '""'}.get(str(default), str(default))


def _type(field: FieldInfo) -> str:
    return _type_words(field.annotation, field.metadata)


def _type_words(annotation: Any, metadata: Sequence[object] = ()) -> str:
    """A type in words: `number, above 0, at most 1 | null`."""
    if isinstance(annotation, Hashable) and annotation in _PLAIN:
        base = _PLAIN[annotation]
    elif get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return _type_words(inner, metadata)
    elif get_origin(annotation) is Literal:
        base = " | ".join(map(str, get_args(annotation)))
    elif get_origin(annotation) is tuple:
        base = f"list of {_type_words(get_args(annotation)[0])}"
    elif get_origin(annotation) is dict:
        base = "mapping"
    elif _models(annotation):
        base = "sections"
    else:
        base = " | ".join(_type_words(a) for a in get_args(annotation))
    named = [m for m in metadata if isinstance(m, str)]
    return ", ".join([named[0] if named else base, *_bounds(metadata)])


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


def _bounds(metadata: Sequence[object]) -> Iterator[str]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from _bounds(item.metadata)
        for name, words in (("gt", "above"), ("ge", "at least"), ("le", "at most")):
            bound = getattr(item, name, None)
            if bound is not None:
                yield f"{words} {bound}"
