"""The bus: who hears what, in which order.

Dispatch is by exact class, for market data by symbol too. Plain handlers run to completion on
the loop's thread, in the order of registration; what they publish is queued behind, first in
first out, so everyone sees the same sequence. A handler that raises stops nobody else.
"""

import inspect
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from qka.engine.mailbox import Mailbox

Handler = Callable[[Any], Any]
OnError = Callable[[Handler, Any, Exception], None]


class Bus:
    """Subscribe and publish.

    `on_error(handler, event, error)` hears of every handler that raised; it must not raise.
    `hold(+1 / -1)` is told when an async handler becomes busy and idle.
    """

    def __init__(self, on_error: OnError, hold: Callable[[int], None] | None = None) -> None:
        self._on_error = on_error
        self._hold = hold
        # in order of registration: (class, key or None for all, handler as called, as given)
        self._subscriptions: list[tuple[type, str | None, Handler, Handler]] = []
        self._routes: dict[type, tuple[Handler, ...]] = {}  # classes heard without a key
        self._keyed: dict[type, dict[str, tuple[Handler, ...]]] = {}  # class -> symbol -> handlers
        self._queue: deque[Any] = deque()
        self._busy = False

    def subscribe(
        self,
        kinds: type | Iterable[type],
        handler: Handler,
        keys: Iterable[str] | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        """Let `handler` hear events of these classes, of these symbols only when `keys` are given.

        An `async def` handler gets a mailbox (its own, or the one given) and runs strictly in turn.
        """
        called = handler
        if inspect.iscoroutinefunction(handler):
            box = mailbox or Mailbox(self._on_error, self._hold)
            called = box.entrance(handler)
        names: list[str | None] = [None] if keys is None else list(dict.fromkeys(keys))
        for kind in [kinds] if isinstance(kinds, type) else list(kinds):
            self._subscriptions += [(kind, name, called, handler) for name in names]
        self._compile()

    def unsubscribe(self, handler: Handler) -> None:
        """`handler` hears nothing from now on."""
        self._subscriptions = [s for s in self._subscriptions if s[3] != handler]
        self._compile()

    def publish(self, event: Any) -> None:
        """Hand the event to its listeners now, or right after the event being worked."""
        if self._busy:
            self._queue.append(event)
            return
        self._busy = True
        try:
            self._dispatch(event)
            while self._queue:
                self._dispatch(self._queue.popleft())
        finally:
            self._busy = False

    def _dispatch(self, event: Any) -> None:
        kind = type(event)
        keyed = self._keyed.get(kind)
        if keyed is None:
            handlers = self._routes.get(kind, ())
        else:
            handlers = keyed.get(event.symbol) or self._routes.get(kind, ())
        rest = iter(handlers)
        while True:
            handler: Handler | None = None
            try:
                for handler in rest:
                    handler(event)
                return
            except Exception as error:
                assert handler is not None
                self._on_error(handler, event, error)

    def _compile(self) -> None:
        """Work out each class's and symbol's handlers once, so that publishing is a look-up."""
        self._routes, self._keyed = {}, {}
        for kind in dict.fromkeys(s[0] for s in self._subscriptions):
            mine = [s for s in self._subscriptions if s[0] is kind]
            self._routes[kind] = tuple(called for _, name, called, _ in mine if name is None)
            names = dict.fromkeys(name for _, name, _, _ in mine if name is not None)
            if names:
                by_name: dict[str, list[Handler]] = {name: [] for name in names}
                for _, name, called, _ in mine:
                    for handlers in by_name.values() if name is None else [by_name[name]]:
                        handlers.append(called)
                self._keyed[kind] = {name: tuple(hs) for name, hs in by_name.items()}
