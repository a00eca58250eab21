"""The control: what can be asked of a running engine, by whoever was let in.

All of it runs on the engine's loop, between two events. A command is journalled before it acts.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from qka.engine.engine import Engine
from qka.model.order import Order
from qka.monitor.status import Status, order_row

_Word = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
_MOST_WORDS = 1000


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked, by whom and why: `who` is what its sender says of himself."""

    command: _Name
    who: _Name
    args: Annotated[list[_Word], msgspec.Meta(max_length=_MOST_WORDS)] = []
    why: _Word = ""


class Control:
    """Asks one engine."""

    def __init__(self, engine: Engine, limits: Callable[[], Mapping[str, Any]]) -> None:
        """`limits` gives those in force."""
        self._engine = engine
        self.limits = limits
        self._status = Status(engine)

    def status(self) -> Mapping[str, Any]:
        """Everything there is to see."""
        return self._status.now()

    async def command(self, asked: Command) -> Any:
        """Carry out a command; returns what came of it, as plain values.

        Raises ConfigError for what makes no sense now, and then nothing was done or written.
        """
        answer = self._engine.operator.ask(asked.command, asked.args, who=asked.who, why=asked.why)
        return _plain({"order": answer} if isinstance(answer, Order) else answer)


def _plain(value: Any) -> Any:
    """Orders in an answer as rows."""
    if isinstance(value, Order):
        return order_row(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
