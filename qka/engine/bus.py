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
        # class -> its handlers, or symbol -> handlers where some asked for symbols
        self._routes: dict[type, tuple[Handler, ...] | dict[str | None, tuple[Handler, ...]]] = {}
        self.publish: Callable[[Any], None] = self._publisher()

    def subscribe(
        self,
        kinds: type | Iterable[type],
        handler: Handler,
        keys: Iterable[str] | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        """Let `handler` hear events of these classes, of these symbols only when `keys` are given.

        A handler hears an event once, however often it was subscribed. An `async def` one gets a
        mailbox (its own, or the one given) and runs strictly in turn.
        """
        called = handler
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004  # an object with an async __call__
        ):
            box = mailbox or Mailbox(self._on_error, self._hold)
            called = box.entrance(handler)
        names: list[str | None] = [None] if keys is None else list(dict.fromkeys(keys))
        for kind in [kinds] if isinstance(kinds, type) else list(kinds):
            self._subscriptions += [(kind, name, called, handler) for name in names]
        self._compile()

    def unsubscribe(self, handler: Handler) -> None:
        """`handler` hears nothing after the event being worked."""
        self._subscriptions = [s for s in self._subscriptions if s[3] != handler]
        self._compile()

    def _publisher(self) -> Callable[[Any], None]:
        """`publish`, with all it needs in local reach: this is the hottest line of the engine."""
        routes: dict[type, Any] = self._routes
        queue, waiting = deque[Any](), False

        def publish(event: Any) -> None:
            """Hand the event to its listeners now, or right after the event being worked."""
            nonlocal waiting
            if waiting:
                queue.append(event)
                return
            waiting = True
            while True:
                handlers: tuple[Handler, ...]
                route = routes.get(event.__class__, ())
                if route.__class__ is tuple:
                    handlers = route
                else:
                    handlers = route.get(event.symbol) or route[None]
                try:
                    for handler in handlers:
                        handler(event)
                except Exception as error:
                    self._go_on(handlers, handler, event, error)
                except BaseException:
                    waiting = False
                    raise
                if not queue:
                    waiting = False
                    return
                event = queue.popleft()

        return publish

    def _go_on(
        self, handlers: tuple[Handler, ...], failed: Handler, event: Any, error: Exception
    ) -> None:
        """Report the handler that raised, then let the ones behind it hear the event."""
        while True:
            self._on_error(failed, event, error)
            handlers = handlers[handlers.index(failed) + 1 :]
            try:
                for failed in handlers:  # the failed one moves on with the loop
                    failed(event)
                return
            except Exception as raised:
                error = raised

    def _compile(self) -> None:
        """Work out each class's and symbol's handlers once, so that publishing is a look-up."""
        self._routes.clear()
        for kind in dict.fromkeys(s[0] for s in self._subscriptions):
            mine = [s for s in self._subscriptions if s[0] is kind]
            names = dict.fromkeys(name for _, name, _, _ in mine if name is not None)
            if not names:
                self._routes[kind] = _unique(called for _, _, called, _ in mine)
                continue
            by_name: dict[str | None, list[Handler]] = {name: [] for name in [None, *names]}
            for _, name, called, _ in mine:
                for handlers in by_name.values() if name is None else [by_name[name]]:
                    handlers.append(called)
            self._routes[kind] = {name: _unique(called) for name, called in by_name.items()}


def _unique(handlers: Iterable[Handler]) -> tuple[Handler, ...]:
    """Each handler once, where it was first registered."""
    return tuple(dict.fromkeys(handlers))
