"""One strategy started, stopped or changed by a human, while the others trade."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import BaseModel, ValidationError

from qka.engine.runner import Runner
from qka.engine.strategy import Strategy, wrong_params
from qka.errors import ConfigError
from qka.model.events import OperatorCommand, Severity

if TYPE_CHECKING:
    from qka.engine.engine import Engine
    from qka.engine.operator import Deed, Reads

Words = Sequence[str]


class Strategies:
    """The commands `start`, `stop` and `params`."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._changed: dict[str, dict[str, Any]] = {}  # name -> parameters since the start

    def reads(self) -> "dict[str, Reads]":
        """Command -> what reads its words."""
        return {"start": self._start, "stop": self._stop, "params": self._params}

    def params(self, runner: Runner) -> Mapping[str, Any]:
        """A strategy's parameters as plain values; none where its class has no typed ones."""
        params = getattr(runner.strategy, "params", None)
        return params.model_dump(mode="json") if isinstance(params, BaseModel) else {}

    def _stop(self, words: Words) -> "Deed":
        runner = self._runner(words)
        if not runner.active:
            raise ConfigError(f"{runner.name} is stopped already: {runner.ended}")

        def deed(event: OperatorCommand) -> Any:
            runner.stop(f"by {by(event)}", Severity.WARNING)
            return {"strategy": runner.name, "state": "stopped"}

        return deed

    def _start(self, words: Words) -> "Deed":
        runner = self._runner(words)
        if runner.active:
            raise ConfigError(f"{runner.name} runs already: nothing was changed")
        if runner.build is None:
            raise ConfigError(
                f"{runner.name} was registered by a program, which alone can make it anew"
            )
        build, changed = runner.build, self._changed.get(runner.name, {})

        def deed(event: OperatorCommand) -> Any:
            fresh = self._made(runner, lambda: build(changed))
            if isinstance(fresh, str):
                return {"strategy": runner.name, "state": "stopped", "why": fresh}
            started = self._engine.start_again(runner, fresh)
            self._engine.alert(Severity.WARNING, runner.name, f"started by {by(event)}")
            state = "running" if started.active else "stopped"
            return {"strategy": runner.name, "state": state, "why": started.ended}

        return deed

    def _made(self, runner: Runner, build: Any) -> Strategy | str:
        """The strategy made anew, or why that can't be."""
        try:
            fresh: Strategy = build()
            if (
                sorted(fresh.symbols) != sorted(runner.symbols)
                or fresh.bars != runner.strategy.bars
            ):
                raise ConfigError("it asks for other symbols or bars now: restart the engine")
        except ConfigError as error:
            return str(error)
        return fresh

    def _params(self, words: Words) -> "Deed":
        runner = self._runner(words[:1])
        strategy = runner.strategy
        params = getattr(strategy, "params", None)
        if not isinstance(params, BaseModel):
            raise ConfigError(f"{runner.name} has no parameters of a class `Params`")
        given = dict(map(_pair, words[1:]))
        if not given:
            raise ConfigError("params: NAME KEY=VALUE, such as DualMA fast=7")
        try:
            fresh = type(params)(**{**params.model_dump(), **given})
        except ValidationError as error:
            raise ConfigError(f"{wrong_params(strategy, error)}; nothing was changed") from None

        def deed(event: OperatorCommand) -> Any:
            strategy.params = fresh
            self._changed.setdefault(runner.name, {}).update(given)
            words = ", ".join(f"{name}={value}" for name, value in given.items())
            self._engine.alert(Severity.WARNING, runner.name, f"changed to {words} by {by(event)}")
            return {"strategy": runner.name, "params": self.params(runner)}

        return deed

    def _runner(self, words: Words) -> Runner:
        name = " ".join(words)
        runner = self._engine.runners.get(name)
        if runner is None:
            names = ", ".join(self._engine.runners)
            raise ConfigError(f"{name or '(missing)'}: no such strategy; there are {names}")
        return runner


def by(event: OperatorCommand) -> str:
    """Who and why, for reasons."""
    who = event.who or "an operator"
    return f"{who}: {event.why}" if event.why else who


def _pair(word: str) -> tuple[str, Any]:
    """`fast=7` as its name and its value: JSON, or else text."""
    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise ConfigError(f"{word}: write it as KEY=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
