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
        # class -> one callable for all of its handlers, None where the symbol decides
        self._routes: dict[type, Handler | None] = {}
        # class -> symbol -> the same; the key None is for symbols that nobody named
        self._by_symbol: dict[type, dict[str | None, Handler]] = {}
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
        mailbox (its own, or the one given) and runs strictly in turn. Raises TypeError for keys of
        a class without symbols.
        """
        called = handler
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004  # an object with an async __call__
        ):
            box = mailbox or Mailbox(self._on_error, self._hold)
            called = box.entrance(handler)
        names: list[str | None] = [None] if keys is None else list(dict.fromkeys(keys))
        for kind in [kinds] if isinstance(kinds, type) else list(kinds):
            if keys is not None and not hasattr(kind, "symbol"):
                raise TypeError(f"{kind.__name__} has no symbol to choose by")
            self._subscriptions += [(kind, name, called, handler) for name in names]
        self._compile()

    def unsubscribe(self, handler: Handler) -> None:
        """`handler` hears nothing after the event being worked."""
        self._subscriptions = [s for s in self._subscriptions if s[3] != handler]
        self._compile()

    def _publisher(self) -> Callable[[Any], None]:
        """`publish`, with all it needs in local reach: this is the hottest line of the engine."""
        routes, by_symbol, learn = self._routes, self._by_symbol, self._learn
        on_error, queue, working = self._on_error, deque[Any](), False

        def publish(event: Any) -> None:
            """Hand the event to its listeners now, or right after the event being worked."""
            nonlocal working
            if working:
                queue.append(event)
                return
            working = True
            while True:
                hear = None
                try:
                    hear = routes[event.__class__] or by_symbol[event.__class__][event.symbol]
                    hear(event)
                except Exception as error:
                    if hear is None:  # the look-up itself failed
                        learn(event)
                        continue
                    on_error(hear, event, error)
                except BaseException:
                    working = False
                    raise
                if not queue:
                    working = False
                    return
                event = queue.popleft()

        return publish

    def _learn(self, event: Any) -> None:
        """Nobody asked for the event's class, or for its symbol by name: remember who hears it."""
        names = self._by_symbol.get(event.__class__)
        if names is None:
            self._routes[event.__class__] = _nobody
        else:
            names[event.symbol] = names[None]

    def _compile(self) -> None:
        """Work out who hears each class and symbol once, so that publishing is a look-up."""
        self._routes.clear()
        self._by_symbol.clear()
        for kind in dict.fromkeys(s[0] for s in self._subscriptions):
            mine = [s for s in self._subscriptions if s[0] is kind]
            names = dict.fromkeys(name for _, name, _, _ in mine if name is not None)
            if not names:
                self._routes[kind] = self._all(called for _, _, called, _ in mine)
                continue
            heard: dict[str | None, list[Handler]] = {name: [] for name in [None, *names]}
            for _, name, called, _ in mine:
                for handlers in heard.values() if name is None else [heard[name]]:
                    handlers.append(called)
            self._routes[kind] = None
            self._by_symbol[kind] = {name: self._all(called) for name, called in heard.items()}

    def _all(self, handlers: Iterable[Handler]) -> Handler:
        """One callable for handlers, each once, in order; what one raises stops no other."""
        each = tuple(dict.fromkeys(handlers))
        on_error = self._on_error
        if len(each) == 1:
            return each[0]  # `publish` reports what it raises

        def hear(event: Any) -> None:
            for handler in each:
                try:
                    handler(event)
                except Exception as error:
                    on_error(handler, event, error)

        return hear


def _nobody(event: Any) -> None:
    """Hears what nobody asked for."""
