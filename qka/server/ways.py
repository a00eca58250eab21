"""Orders on their way to the terminal: until they are handed to it they can be taken back."""

import asyncio
from collections.abc import Iterable

from qka.server.backend import Backend


class Way:
    """One order's way. `recalled`: why it does not get there, "" while it may."""

    __slots__ = ("_stirred", "handed", "key", "over", "owner", "recalled")

    def __init__(self, key: str, owner: str, recalled: str) -> None:
        self.key = key
        self.owner = owner  # whose it is: token and client
        self.recalled = recalled
        self.handed = False  # to the back end, which knows whether its turn has come
        self.over: asyncio.Future[None] | None = None  # while somebody waits for its end
        self._stirred: asyncio.Future[None] | None = None

    async def wait(self, until: "asyncio.Future[None]") -> None:
        """Wait for something on the way, or until there is no use in that any more."""
        self._stirred = asyncio.get_running_loop().create_future()
        await asyncio.wait((until, self._stirred), return_when=asyncio.FIRST_COMPLETED)

    def recall(self, why: str) -> None:
        """It does not get there."""
        self.recalled = why
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)


class Ways:
    """All that are on their way now. Everything is called on the loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._open: set[Way] = set()

    def begin(self, key: str, owner: str) -> Way:
        """An order sets out, with a key or without."""
        way = Way(key, owner, "")
        self._open.add(way)
        return way

    def onward(self, way: Way) -> Way:
        """The rest of a way, for whoever goes on with the order when `way` has ended."""
        rest = Way(way.key, way.owner, way.recalled)
        rest.over, way.over = way.over, None
        self._open.add(rest)
        return rest

    def end(self, way: Way) -> None:
        """It is known what came of it; calling it twice is fine."""
        self._open.discard(way)
        if way.over is not None and not way.over.done():
            way.over.set_result(None)

    def named(self, keys: Iterable[str]) -> list[Way]:
        """Those of some keys."""
        wanted = set(keys)
        return [way for way in self._open if way.key in wanted]

    def of(self, owner: str) -> list[Way]:
        """Those of an owner."""
        return [way for way in self._open if way.owner == owner]

    async def recall(self, ways: list[Way], why: str) -> list[Way]:
        """Take back those that certainly were not handed to the terminal, and return them.

        All of them have ended when this returns.
        """
        taken = [way for way in ways if not way.handed]
        known = {way for way in ways if way.handed}
        taken += [way for way in self._backend.recall(known, why) if isinstance(way, Way)]
        for way in taken:
            way.recall(why)
            way.over = way.over or asyncio.get_running_loop().create_future()
        if taken:
            await asyncio.wait([way.over for way in taken if way.over is not None])
        return taken
