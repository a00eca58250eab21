"""The bus: who hears what, in which order.

Dispatch is by exact class, for market data by symbol too. Plain handlers run to completion on
the loop's thread, in the order of registration; what they publish is queued behind, first in
first out, so everyone sees the same sequence. What a handler raises or returns is its owner's
business, stops nobody else, and leaves the bus as it was.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from qka.errors import StopNow

Handler = Callable[[Any], Any]
Soon = Callable[[Callable[[], None]], object]
Of = Callable[[str], Handler | None]  # who hears of a symbol


class Owner(Protocol):
    """Who answers for a handler; neither of the two may raise."""

    def failed(self, handler: Any, event: Any, error: BaseException) -> None:
        """It raised."""

    def returned(self, handler: Any, event: Any, result: Any) -> None:
        """It gave something back: an awaitable, when it is an async one."""


class _Subscription(NamedTuple):
    owner: Owner
    handler: Handler | None  # of every event; None where each symbol has its own
    of: Of  # a symbol's own one


class Bus:
    """Subscribe, publish what happens to us, post what we say ourselves.

    `publish(event)` hands the event to its listeners now, or after the event being worked.
    `post(event)` never does it now: whoever speaks has finished before anyone hears it.
    `drain()` works what was posted; `soon(drain)` is asked for when nobody else would do it.
    `depth()` is 1 for an event of the outside, 2 for what its listeners said to it, and so on;
    `waiting()` counts the events that nobody has heard yet.
    """

    publish: Callable[[Any], None]
    post: Callable[[Any], None]
    drain: Callable[[], None]
    _go_on: Callable[[], None]
    depth: Callable[[], int]
    waiting: Callable[[], int]

    def __init__(self, soon: Soon = lambda drain: None) -> None:
        self._subscriptions: dict[type, list[_Subscription]] = {}  # in order of registration
        self._owners: dict[Handler, Owner] = {}
        # what was learnt of them: class -> one callable for all of its handlers, None where the
        # symbol decides; then class -> symbol -> the same
        self._routes: dict[type, Handler | None] = {}
        self._by_symbol: dict[type, dict[str, Handler]] = {}
        self._set_up(soon)

    def subscribe(
        self,
        kinds: type | Iterable[type],
        handler: Handler,
        owner: Owner,
        keys: Iterable[str] | None = None,
    ) -> None:
        """Let `handler` hear events of these classes, of these symbols only when `keys` are given.

        A handler hears an event once, however often it was subscribed. Raises TypeError for keys
        of a class without symbols.
        """
        if keys is not None:
            self.subscribe_each(kinds, dict.fromkeys(keys, handler).get, owner)
            return
        self._add(kinds, _Subscription(owner, handler, _no_one))

    def subscribe_each(self, kinds: type | Iterable[type], of: Of, owner: Owner) -> None:
        """Let each symbol's own handler, if `of` has one, hear its events of these classes.

        Raises TypeError for a class without symbols.
        """
        each = _each(kinds)
        for kind in each:
            if not hasattr(kind, "symbol"):
                raise TypeError(f"{kind.__name__} has no symbol to choose by")
        self._add(each, _Subscription(owner, None, of))

    def _add(self, kinds: type | Iterable[type], one: _Subscription) -> None:
        for kind in _each(kinds):
            self._subscriptions.setdefault(kind, []).append(one)
        self._forget()

    def hears(self, kind: type) -> bool:
        """Whether anybody does."""
        return bool(self._subscriptions.get(kind))

    def leave(self, owner: Owner) -> None:
        """The handlers of `owner` hear nothing after the event being worked."""
        for kind, there in self._subscriptions.items():
            self._subscriptions[kind] = [one for one in there if one.owner is not owner]
        self._forget()

    def _set_up(self, soon: Soon) -> None:
        """`publish` and its kin, with what every event needs in local reach: the hottest lines.

        Each name more that they capture costs every event: what few need is reached by `self`.
        """
        routes, queue = self._routes, deque[Any]()
        # 0 idle, -1 something was posted, else the round being worked: see `depth`
        state = 0

        def publish(event: Any) -> None:
            nonlocal state
            if state:
                queue.append(event)
                if state > 0:
                    return
                event = queue.popleft()  # what was posted before comes first
            state = 1
            try:
                try:
                    hear = routes[event.__class__] or self._by_symbol[event.__class__][event.symbol]
                except LookupError:
                    hear = self._learn(event)
                try:
                    result = hear(event)
                    if result is not None:
                        self._owners[hear].returned(hear, event, result)
                except BaseException as error:
                    self._wrong(hear, event, error)
                if queue:
                    self._go_on()
                state = 0
            except BaseException:
                state = -1 if queue else 0
                raise

        def go_on() -> None:
            """What was said meanwhile, one round after the other."""
            nonlocal state
            left = 0
            while queue:
                if not left:
                    state += 1
                    left = len(queue)
                left -= 1
                event = queue.popleft()
                try:
                    hear = routes[event.__class__] or self._by_symbol[event.__class__][event.symbol]
                except LookupError:
                    hear = self._learn(event)
                try:
                    result = hear(event)
                    if result is not None:
                        self._owners[hear].returned(hear, event, result)
                except BaseException as error:
                    self._wrong(hear, event, error)

        def post(event: Any) -> None:
            nonlocal state
            queue.append(event)
            if not state:
                state = -1
                soon(drain)

        def drain() -> None:
            nonlocal state
            if state < 0:
                state = 0
                publish(queue.popleft())

        self.publish, self.post, self.drain, self._go_on = publish, post, drain, go_on
        self.depth, self.waiting = lambda: state, queue.__len__

    def _forget(self) -> None:
        """Who hears what has changed: it is learnt again from the next events."""
        self._routes.clear()
        self._by_symbol.clear()

    def _learn(self, event: Any) -> Handler:
        """The first event of its class, or of its symbol where that decides: who hears it?"""
        kind = event.__class__
        there = self._subscriptions.get(kind, [])
        if all(one.handler for one in there):
            hear = self._routes[kind] = self._all((one.handler, one.owner) for one in there)
            return hear
        symbol = event.symbol
        self._routes[kind] = None
        hear = self._by_symbol.setdefault(kind, {})[symbol] = self._all(
            (one.handler or one.of(symbol), one.owner) for one in there
        )
        return hear

    def _all(self, handlers: Iterable[tuple[Handler | None, Owner]]) -> Handler:
        """One callable for handlers, each once, in order; what one raises stops no other."""
        heard = {handler: owner for handler, owner in handlers if handler is not None}
        self._owners.update(heard)
        each = tuple(heard)
        if not each:
            return _nobody
        if len(each) == 1:
            return each[0]  # `publish` sees to what it raises and returns

        def hear(event: Any, handlers: Sequence[Handler] = each) -> None:
            for handler in handlers:
                try:
                    result = handler(event)
                    if result is not None:
                        self._owners[handler].returned(handler, event, result)
                except BaseException as error:
                    self._wrong(handler, event, error)

        if len(each) > 3:
            return hear
        # most events have two or three listeners: without the loop it takes a quarter less
        first, second, *more = each
        third = more[0] if more else None

        def hear_all(event: Any) -> None:
            try:
                result = first(event)
                if result is not None:
                    self._owners[first].returned(first, event, result)
            except BaseException as error:
                self._wrong(first, event, error)
            try:
                result = second(event)
                if result is not None:
                    self._owners[second].returned(second, event, result)
            except BaseException as error:
                self._wrong(second, event, error)
            if third is not None:
                try:
                    result = third(event)
                    if result is not None:
                        self._owners[third].returned(third, event, result)
                except BaseException as error:
                    self._wrong(third, event, error)

        return hear_all

    def _wrong(self, handler: Handler, event: Any, error: BaseException) -> None:
        """Its owner answers for what it raised; a stop at once is nobody's."""
        if isinstance(error, StopNow):
            raise error
        self._owners[handler].failed(handler, event, error)


def _each(kinds: type | Iterable[type]) -> list[type]:
    return [kinds] if isinstance(kinds, type) else list(kinds)


def _nobody(event: Any) -> None:
    """Hears what nobody asked for."""


def _no_one(symbol: str) -> None:
    """Where one handler hears of every symbol."""
